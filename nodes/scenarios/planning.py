"""A network at work for days: what a planner asks before one is built, measured on the real code in virtual time.

    claims per lane            what became of every reported claim
    discharge to paid          by the true time of discharge and the block time of the rail's receipt
    traffic, storage           per node and day; what the members keep off the chain is counted beside
    a partition of a day       the same network again, but that half of its nodes see nothing of the other half all day

People fall ill as often as in the published national figures, and stay as long. The weather is a good wide-area
network's. Everybody enrols in the first hour of the first day, so that day is the busiest.
"""

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from random import Random

from ledger.codec import encode
from ledger.execution.loader import ContractSet
from nodes.contract_sources import load_installed_contracts
from nodes.scenarios.auditor import Auditor
from nodes.scenarios.consortium import found, list_members
from nodes.scenarios.customers import Customer
from nodes.scenarios.figures import IDLE_TICK_MS, LANES, SPLIT_DAYS_MIN, Comparison, DayFigures, Figures, Workload
from nodes.scenarios.household import Estate
from nodes.scenarios.money import check_money
from nodes.scenarios.plans import DAY_MS, draw_usual_plan
from nodes.scenarios.town import Town
from nodes.simulator.sealing import OpenSeal
from nodes.simulator.weather import Weather
from nodes.vault.sealing import use_stand_in

NODES_MAX = 4
"""Nodes of a planned network: what every one of them executes, this one processor executes for all of them."""
WAN = Weather(delay_min_ms=5, delay_max_ms=60, loss=0.001)


class Planning:
    """One planned network at work."""

    def __init__(self, workload: Workload, contracts: ContractSet) -> None:
        """Found it.

        Args:
            workload: What is asked for.
            contracts: Usually the installed ones.

        Raises:
            ConsortiumError: If the members make no consortium.
        """
        self.workload = workload
        members = list_members(workload.hospitals, workload.insurers, NODES_MAX)
        self.estate = Estate(found(members, contracts, workload.seed), workload.seed)
        self.town = Town(self.estate, workload.seed, WAN)
        self.simulation = self.town.simulation
        self.simulation.idle_tick_ms = IDLE_TICK_MS
        self.auditor = Auditor()
        self.estate.answered = self.auditor.take_answer
        self.simulation.checks.follow(self.auditor.take_block)
        self.figures = Figures(workload, tuple(self.simulation.nodes))
        self.customers = self._people()
        self._stored = dict.fromkeys(self.simulation.nodes, 0)
        self._stored_height = dict.fromkeys(self.simulation.nodes, 0)

    def run(self, on_day: Callable[[int], None] = lambda _day: None) -> Figures:
        """Let the days pass and return what was measured.

        Args:
            on_day: Told each day that has passed.
        """
        began = time.process_time()
        simulation, workload = self.simulation, self.workload
        simulation.start()
        for customer in self.customers:
            simulation.live(customer.live())
        sent = dict.fromkeys(simulation.nodes, 0)
        before = self._counts()
        for day in range(1, workload.days + 1):
            if day == workload.partition_day:
                names = list(simulation.nodes)
                simulation.split(names[::2], names[1::2])
            simulation.run_for(DAY_MS)
            simulation.heal()
            self.town.check_halted()
            after = self._counts()
            now_sent = {name: node.sent_bytes for name, node in simulation.nodes.items()}
            self.figures.days.append(
                DayFigures(
                    after[0] - before[0],
                    after[1] - before[1],
                    after[2] - before[2],
                    after[3] - before[3],
                    tuple(now_sent[name] - sent[name] for name in sent),
                    tuple(self._store_bytes(name) for name in sent),
                )
            )
            before, sent = after, now_sent
            on_day(day)
        self._conclude()
        self.figures.cpu_seconds = time.process_time() - began
        return self.figures

    def _people(self) -> list[Customer]:
        workload = self.workload
        chance = Random(f"people {workload.seed}")
        hospitals = self.town.consortium.names("hospital")
        insurers = self.town.consortium.names("insurer")
        people: list[Customer] = []
        documents: set[str] = set()
        while len(people) < workload.customers:
            plan = draw_usual_plan(chance, workload.days)
            hospital, insurer = chance.choice(hospitals), chance.choice(insurers)
            seed = chance.getrandbits(48)
            customer = Customer(self.town, len(people), hospital, insurer, plan, seed)
            number = customer.wallet.identity.document_number
            if number not in documents:  # made-up people may have one number, real ones do not
                documents.add(number)
                people.append(customer)
        return people

    def _counts(self) -> tuple[int, int, int, int]:
        auditor = self.auditor
        return (
            auditor.transactions,
            len(self.simulation.checks.committed),
            len(auditor.claims),
            len(auditor.paid_ms),
        )

    def _store_bytes(self, name: str) -> int:
        """Return what a node keeps of the chain: its state, and its blocks with certificates and receipts."""
        disk = self.simulation.nodes[name].disk
        for height in range(self._stored_height[name] + 1, disk.height + 1):
            self._stored[name] += len(encode((*disk.blocks[height], disk.receipts[height])))
            self._stored_height[name] = height
        return self._stored[name] + sum(len(key) + len(value) for key, value in disk.entries.items())

    def _books_bytes(self, node: str) -> int:
        hosts = {member.name: member.host for member in self.estate.consortium.members}
        return sum(shelf.stored_bytes for name, shelf in self.estate.shelves.items() if hosts[name] == node)

    def _conclude(self) -> None:
        figures, auditor, simulation = self.figures, self.auditor, self.simulation
        by_pseudonym = {customer.pseudonym.name: customer for customer in self.customers}
        lanes: Counter[str] = Counter()
        first_payment: dict[str, str] = {}
        for payment_id, (claim_id, _) in auditor.payments.items():
            first_payment.setdefault(claim_id, payment_id)
        for customer in self.customers:
            for shown in customer.claims():
                status = shown.status
                unpaid = any(payment.status != "paid" for payment in shown.payments)
                if customer.discharged_ms is None:
                    lanes[LANES[4]] += 1
                elif not shown.settlements or unpaid:
                    lanes[LANES[3 if status == "AWAITING_CONSENT" else 5]] += 1
                else:
                    lanes[LANES[1 if status == "PENDED" else 0 if shown.payments else 2]] += 1
        for claim_id, payment_id in first_payment.items():
            words = auditor.grants[auditor.claims[claim_id].grant_id].versions[0][0]
            assert words is not None, "a grant begins with words"
            discharged_ms = by_pseudonym[words.subject].discharged_ms
            if payment_id in auditor.paid_ms and discharged_ms is not None:
                day = (discharged_ms - simulation.began_ms) // DAY_MS + 1
                figures.payouts.append((day, auditor.paid_ms[payment_id] - discharged_ms))
        figures.lanes = {lane: lanes[lane] for lane in LANES}
        figures.books_bytes = tuple(self._books_bytes(node) for node in figures.nodes)
        figures.refusals = dict(sorted(auditor.refusals.items()))
        figures.trace_hash = simulation.trace_hash
        figures.virtual_ms = simulation.now_ms - simulation.began_ms
        if not lanes[LANES[5]]:
            figures.moved = check_money(self.town, auditor)


def plan(
    workload: Workload,
    contracts: ContractSet,
    on_day: Callable[[int], None] = lambda _day: None,
    write_trace: Callable[[str], None] | None = None,
) -> Figures:
    """Run a workload and return what was measured; raises `InvariantError` if a check finds something."""
    with use_stand_in(OpenSeal()):
        planning = Planning(workload, contracts)
        planning.simulation.trace.write_line = write_trace
        return planning.run(on_day)


def compare(
    workload: Workload,
    on_day: Callable[[int], None] = lambda _day: None,
    write_trace: Callable[[str], None] | None = None,
) -> Comparison:
    """Run a workload in one piece here, and in another process split for a day; return both.

    Args:
        workload: Its partition's day may be left open: then it is the middle one.
        on_day: Told each day of the one here.
        write_trace: Takes the trace of the one here.
    """
    day = workload.partition_day
    if day is None and workload.days >= SPLIT_DAYS_MIN:
        day = (workload.days + 1) // 2
    whole = workload.without_partition()
    if day is None:
        return Comparison(plan(whole, load_installed_contracts(), on_day, write_trace), None)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        split = pool.submit(_plan_installed, replace(workload, partition_day=day))
        return Comparison(plan(whole, load_installed_contracts(), on_day, write_trace), split.result())


def _plan_installed(workload: Workload) -> Figures:
    return plan(workload, load_installed_contracts())
