"""One seed: safety under faults, then a quorum is healed and must settle everything, then all the others must follow.

phase one    the drawn weather, liars, crashes, partitions; checks look at every step
phase two    good weather for all but the liars and those left out; everything that has to settle does, in bounds
phase three  those left out come back and catch up; what all honest nodes have stored is compared, money is counted
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

from ledger.errors import LedgerError
from ledger.execution.loader import ContractSet
from nodes.scenarios.auditor import Auditor
from nodes.scenarios.consortium import found, list_members
from nodes.scenarios.customers import Customer
from nodes.scenarios.elections import Elections
from nodes.scenarios.forgers import forge_beside
from nodes.scenarios.household import BUILDERS, Estate
from nodes.scenarios.money import check_money
from nodes.scenarios.options import GIVINGS, LIES, Options, draw_options
from nodes.scenarios.roster import Roster
from nodes.scenarios.rotation import rotate_key, rotate_seal_key
from nodes.scenarios.town import Town
from nodes.scenarios.trouble import Trouble
from nodes.simulator.checks import InvariantError
from nodes.simulator.sealing import OpenSeal
from nodes.simulator.weather import Weather
from nodes.vault.sealing import use_stand_in

SETTLED_WITHIN_MS = 600_000
"""Phase two's bound: what waits longest is a call that was refused four times, and the questions behind it."""
CAUGHT_UP_WITHIN_MS = 300_000
"""Phase three's bound: an attempt to take a snapshot that was given up is made again after a minute."""
QUIET_MS = 30_000
"""After all is settled: what is still on its way, evidence above all, gets onto the chain."""
STEP_MS = 1_000
FAULTS = (AssertionError, LedgerError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What a broken promise or a bug looks like from outside; a fault of this machine is neither."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one seed."""

    seed: int
    options: Options
    failure: str
    """Empty if everything held."""
    trace_hash: str
    virtual_ms: int
    cpu_seconds: float
    """Of one processor, whatever else it had to do meanwhile."""
    healed_ms: int
    """How long phase two took."""
    height: int
    transactions: int
    claims: int
    settlements: int
    evidence: int
    moved: int
    """Minor units."""
    happened: dict[str, int]
    """How often which fault really occurred, and what the liars really did."""

    @property
    def speed(self) -> float:
        """Virtual seconds for each second of one processor."""
        return self.virtual_ms / 1000 / max(self.cpu_seconds, 1e-9)


class Scenario:
    """One seed's run; tests plant bugs between making and running it."""

    def __init__(self, options: Options, contracts: ContractSet) -> None:
        """Found the network and its customers.

        Args:
            options: What the seed drew.
            contracts: Usually the installed ones.
        """
        self.options = options
        members = list_members(options.hospitals, options.insurers, options.hospitals + options.insurers + 1)
        late = () if options.changes.joins is None else (options.changes.joins,)
        self.estate = Estate(found(members, contracts, options.seed, late), options.seed)
        self.town = Town(self.estate, options.seed, replace(options.weather))
        self.simulation = self.town.simulation
        self.auditor = Auditor()
        self.estate.answered = self.auditor.take_answer
        self.simulation.checks.follow(self.auditor.take_block)
        self.roster = Roster(self.estate.consortium.genesis)
        self.simulation.checks.follow(self.roster.take_block)
        for name, lie in options.liars:
            self.simulation.nodes[name].lie = LIES[lie]()
            if lie == "forges":
                role = next(member.role for member in members if member.name == name)
                self.estate.special[name] = forge_beside(BUILDERS[role], self.simulation.nodes[name].deeds)
        if options.snapshots is not None:
            self.simulation.snapshots = replace(options.snapshots)
        for name, giving in options.givings:
            self.simulation.nodes[name].giving = GIVINGS[giving]
        self.customers = [
            Customer(self.town, number, hospital, insurer, plan, options.seed)
            for number, (hospital, insurer, plan) in enumerate(options.lives)
        ]
        gone = {name for name, _ in options.liars} | set(options.left_out)
        voters = tuple(name for name in self.estate.consortium.nodes if name not in gone)
        self.elections = Elections(self.town, options.changes, voters, options.seed)
        self.healed_ms = 0
        self.moved = 0

    def run(self) -> None:
        """Play all phases; raises `InvariantError` or whatever else goes wrong."""
        simulation = self.simulation
        trouble = Trouble(self.town, self.options.strikes, self.options.clocks)
        simulation.start(*(name for name in simulation.nodes if name != self.options.changes.joins))
        simulation.live(self.elections.live())
        for customer in self.customers:
            simulation.live(customer.live())
        if self.options.rotates_ms is not None:
            hospital = self.town.consortium.names("hospital")[0]
            insurer = self.town.consortium.names("insurer")[0]
            simulation.live(rotate_key(self.town, hospital, self.options.seed, self.options.rotates_ms))
            simulation.live(rotate_seal_key(self.town, insurer, self.options.seed, self.options.rotates_ms))
        simulation.run_for(self.options.trouble_ms)
        self.town.check_halted()
        trouble.end()
        self._heal(self.options.left_out)
        began_ms = simulation.now_ms
        self._settle()
        self.healed_ms = simulation.now_ms - began_ms
        self._heal(())
        self._catch_up()
        self.town.check_halted()
        simulation.checks.check_nodes(simulation.nodes.values(), simulation.now_ms)
        self.moved = check_money(self.town, self.auditor)

    def demanded(self) -> list[Customer]:
        """Return the customers whose parties are honest and were healed."""
        gone = {name for name, _ in self.options.liars} | set(self.options.left_out)
        return [item for item in self.customers if item.hospital not in gone and item.insurer not in gone]

    def _heal(self, left_out: tuple[str, ...]) -> None:
        simulation = self.simulation
        simulation.weather = Weather()
        simulation.heal()
        for node in simulation.nodes.values():
            node.disk.disarm()
            node.paused_until_ms = 0
            node.clock_offset_ms = max(-500, min(500, node.clock_offset_ms))
            if node.name in left_out:
                if node.is_up:
                    simulation.crash(node.name)
                node.life += 1  # a start that is planned is void
            elif not node.is_up and node.life > 0:
                simulation.start(node.name)

    def _settle(self) -> None:
        end_ms = self.simulation.now_ms + SETTLED_WITHIN_MS
        waiting = self.demanded()
        while waiting or not self.elections.is_done:
            self.simulation.run_for(STEP_MS)
            self.town.check_halted()
            waiting = [customer for customer in waiting if not customer.is_settled()]
            if self.simulation.now_ms >= end_ms and waiting:
                raise InvariantError("liveness", self._describe_wait(waiting))
            if self.simulation.now_ms >= end_ms and not self.elections.is_done:
                raise InvariantError("liveness", f"the members have not decided: {self.options.changes.describe()}")

    def _catch_up(self) -> None:
        """Let what is under way end; then all honest nodes stand at one height."""
        simulation = self.simulation
        simulation.run_for(QUIET_MS)
        honest = [node.name for node in simulation.nodes.values() if node.is_honest]
        if not simulation.run_until(
            lambda: len({simulation.height(name) for name in honest}) == 1 and self._all_up(honest),
            CAUGHT_UP_WITHIN_MS,
        ):
            heights = ", ".join(f"{name} {simulation.height(name)}" for name in honest)
            raise InvariantError("liveness", f"honest nodes have not caught up: {heights}")
        for node in simulation.nodes.values():
            signing = "" if node.replica is None else node.replica.status().signing
            if node.is_honest and (signing == "yes") != (node.name in self.roster.decided):
                raise InvariantError("liveness", f"{node.name} votes at the end: {signing or 'it is down'}")

    def _all_up(self, names: list[str]) -> bool:
        return all(self.simulation.nodes[name].is_up for name in names)

    def _describe_wait(self, waiting: list[Customer]) -> str:
        told = []
        for customer in waiting:
            claims = ", ".join(f"{claim.claim.claim_id} {claim.status}" for claim in customer.claims()) or "no claim"
            told.append(f"{customer.name} at {customer.hospital} and {customer.insurer}: {claims}")
        return f"not settled within {SETTLED_WITHIN_MS // 1000} s after healing: {'; '.join(told)}"


def play(seed: int, contracts: ContractSet, write_trace: Callable[[str], None] | None = None) -> Outcome:
    """Play one seed and say what became of it."""
    return play_options(draw_options(seed), contracts, write_trace)


def play_options(options: Options, contracts: ContractSet, write_trace: Callable[[str], None] | None = None) -> Outcome:
    """Play what a seed drew, now or when it was recorded, and say what became of it."""
    began = time.process_time()
    with use_stand_in(OpenSeal()):
        scenario = Scenario(options, contracts)
        scenario.simulation.trace.write_line = write_trace
        failure = ""
        try:
            scenario.run()
        except FAULTS as error:
            failure = f"{type(error).__name__}: {error}"
    return make_outcome(scenario, failure, time.process_time() - began)


def make_outcome(scenario: Scenario, failure: str, cpu_seconds: float) -> Outcome:
    """Return what became of a scenario that was run."""
    simulation, auditor = scenario.simulation, scenario.auditor
    happened = sum((node.deeds for node in simulation.nodes.values()), Counter(simulation.happened))
    evidence = {
        (item.first.height, item.first.round) for block in simulation.checks.blocks.values() for item in block.evidence
    }
    return Outcome(
        seed=scenario.options.seed,
        options=scenario.options,
        failure=failure,
        trace_hash=simulation.trace_hash,
        virtual_ms=simulation.now_ms - simulation.began_ms,
        cpu_seconds=cpu_seconds,
        healed_ms=scenario.healed_ms,
        height=max(simulation.checks.committed, default=0),
        transactions=auditor.transactions,
        claims=len(auditor.claims),
        settlements=len(auditor.settlements),
        evidence=len(evidence),
        moved=scenario.moved,
        happened=dict(sorted(happened.items())),
    )
