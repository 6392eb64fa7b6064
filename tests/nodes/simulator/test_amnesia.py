"""A validator that votes against its locks: it really does, signs nothing twice, and one of four does no harm."""

from collections.abc import Iterable

from ledger.replica.messages import VoteMessage
from ledger.replica.ports import Effect
from nodes.simulator.amnesia import Amnesiac
from nodes.simulator.node import Node
from nodes.simulator.weather import Weather
from tests.ledger.replica.consortium import blocks, simulate, submission

HATES_PROGRESS = Weather(proposal_loss=0.4, vote_loss=0.7, sharp_ears=("d",))


def test_n4f1_votes_against_a_lock_do_no_harm_and_leave_no_evidence() -> None:
    count = 0
    for seed in range(6):
        simulation = simulate(seed, HATES_PROGRESS)
        simulation.nodes["d"].lie = Amnesiac()
        simulation.start()
        for number in range(12):
            simulation.submit("abc"[number % 3], submission(number, "abc"[number % 3]))
            simulation.run_for(8_000)
        simulation.weather = Weather()
        simulation.run_for(60_000)
        simulation.checks.check_nodes(simulation.nodes.values(), simulation.now_ms)
        assert min(simulation.heights()) >= 5
        assert not any(block.evidence for block in blocks(simulation, "a"))
        count += simulation.nodes["d"].deeds["votes against a lock"]
    assert count > 0, "the network has to bring it about"


def test_it_signs_one_vote_for_one_place_whoever_is_told() -> None:
    simulation = simulate(2, HATES_PROGRESS)
    told: dict[tuple[int, int, int], set[bytes | None]] = {}
    lie = Amnesiac()

    def listen(node: Node, effect: Effect) -> Iterable[Effect]:
        for told_effect in lie(node, effect):
            message = getattr(told_effect, "message", None)
            if isinstance(message, VoteMessage) and message.vote.validator == "d":
                vote = message.vote
                told.setdefault((vote.height, vote.round, vote.type), set()).add(vote.block_hash)
            yield told_effect

    simulation.nodes["d"].lie = listen
    simulation.start()
    for number in range(12):
        simulation.submit("a", submission(number))
        simulation.run_for(8_000)
    assert len(told) > 20
    assert all(len(values) == 1 for values in told.values())
