"""Random orders: honest drivers never decide two values, and never ask for two votes in one place.

Three honest drivers and one validator that says everything: messages are delivered in any order, to anybody, any
number of times, and timeouts elapse whenever they like. Liveness is not claimed here, only safety.
"""

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.blocks import PRECOMMIT, PREVOTE, Proposal, Vote
from ledger.consensus.driver import Driver, Output, Timeout
from ledger.consensus.round import CastVote, Decide, GetValue, Propose, StartTimeout
from tests.ledger.consensus.voters import HEIGHT, VALIDATORS, V, W, proposal, vote

HONEST = ("b", "c", "d")
BYZANTINE: tuple[Vote | Proposal, ...] = tuple(
    [vote(type_, round_, item, "a") for type_ in (PREVOTE, PRECOMMIT) for round_ in range(3) for item in (V, W, None)]
    + [proposal(0, item, -1, "a") for item in (V, W)]
)


class Cluster:
    """Honest drivers, everything ever said, and the timeouts that are running."""

    def __init__(self) -> None:
        self.drivers = {name: Driver(HEIGHT, VALIDATORS, name) for name in HONEST}
        self.said: list[Vote | Proposal] = list(BYZANTINE)
        self.timeouts: dict[str, list[Timeout]] = {name: [] for name in HONEST}
        self.cast: dict[tuple[str, int, int], bytes | None] = {}
        self.proposed: dict[tuple[str, int], bytes] = {}
        self.decided: dict[str, bytes] = {}
        for name, driver in self.drivers.items():
            self.perform(name, driver.start())

    def perform(self, name: str, outputs: list[Output]) -> None:
        for output in outputs:
            match output:
                case CastVote():
                    key = (name, output.round, output.type)
                    assert key not in self.cast, "two votes in one place"
                    self.cast[key] = output.value
                    own = vote(output.type, output.round, output.value, name)
                    self.said.append(own)
                    self.perform(name, self.drivers[name].add_vote(own))
                case Propose():
                    assert self.proposed.setdefault((name, output.round), output.value) == output.value
                    offer = proposal(output.round, output.value, output.pol_round, name)
                    self.said.append(offer)
                    self.perform(name, self.drivers[name].add_proposal(offer, valid=True, acceptable=True))
                case GetValue():
                    self.perform(name, self.drivers[name].add_value(output.round, V if name == "b" else W))
                case StartTimeout():
                    self.timeouts[name].append(Timeout(HEIGHT, output.round, output.step))
                case Decide():
                    assert name not in self.decided
                    self.decided[name] = output.value
                case _:
                    pass

    def deliver(self, name: str, message: Vote | Proposal) -> None:
        driver = self.drivers[name]
        if isinstance(message, Vote):
            self.perform(name, driver.add_vote(message))
        else:
            self.perform(name, driver.add_proposal(message, valid=True, acceptable=True))


@settings(max_examples=60)
@given(st.data())
def test_random_orders_never_decide_two_values_and_never_vote_twice(data: st.DataObject) -> None:
    cluster = Cluster()
    chance = data.draw(st.randoms(use_true_random=False))
    for _ in range(data.draw(st.integers(0, 300))):
        name = chance.choice(HONEST)
        if cluster.timeouts[name] and chance.random() < 0.15:
            timeouts = cluster.timeouts[name]
            timeout = timeouts.pop(chance.randrange(len(timeouts)))
            cluster.perform(name, cluster.drivers[name].elapse(timeout))
        else:
            cluster.deliver(name, chance.choice(cluster.said))
        assert len(set(cluster.decided.values())) <= 1


def test_when_everything_is_delivered_the_random_cluster_decides() -> None:
    cluster = Cluster()
    for _ in range(4):
        for name in HONEST:
            for message in tuple(cluster.said):
                cluster.deliver(name, message)
        for name in HONEST:
            timeouts, cluster.timeouts[name] = cluster.timeouts[name], []
            for timeout in timeouts:
                cluster.perform(name, cluster.drivers[name].elapse(timeout))
    assert set(cluster.decided) == set(HONEST)
    assert len(set(cluster.decided.values())) == 1
