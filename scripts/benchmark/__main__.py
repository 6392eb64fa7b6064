"""`scripts/bench`: start a network, load it, print what it did and what the machine could do."""

import argparse
import asyncio
import json
import os
import sys
import time
from dataclasses import asdict, dataclass

import uvloop

from nodes.schemas.terms import RECORD_TYPES
from scripts.benchmark.claims import load_claims, prepare_patients
from scripts.benchmark.exchange import measure_exchange, render_exchange
from scripts.benchmark.figures import (
    MEGABYTE,
    Handovers,
    Limits,
    Load,
    Percentiles,
    describe,
    describe_handovers,
    render,
    render_handovers,
)
from scripts.benchmark.handovers import load_handovers
from scripts.benchmark.machine import describe_machine, measure_limits
from scripts.benchmark.network import BenchmarkNetwork
from scripts.benchmark.transactions import TransactionSource, load_transactions, measure_idle_finality


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of everything: fixed amounts, so that two runs do the same."""

    limit_seconds: float
    idle_transactions: int
    idle_claims: int
    claims: int
    claims_at_once: int
    singles: int
    single_clients: int
    batches: int
    batch_clients: int
    small_documents: int
    large_documents: int


QUICK = Plan(0.2, 40, 6, 40, 16, 1_000, 64, 60, 16, 24, 2)
DEFAULT = Plan(1.0, 200, 24, 240, 16, 6_000, 64, 400, 16, 240, 8)
BATCH = 100
SMALL_BYTES, SMALL_AT_ONCE, SMALL_PATIENTS = 1024, 4, 8
LARGE_BYTES, LARGE_AT_ONCE, LARGE_PATIENTS = 16 * MEGABYTE, 2, 2
WITH_DOCUMENTS = tuple(sorted((*RECORD_TYPES, "document")))
FAILED_EXIT_CODE = 1


@dataclass(frozen=True, slots=True)
class Results:
    """Everything that one run measured."""

    limits: Limits
    idle: Percentiles
    loads: list[Load]
    handovers: list[Handovers]


def main() -> int:
    """Run the benchmark; exit code 1 if anything failed under load."""
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description="Start a network of four nodes on this machine, load it, and print figures."
    )
    parser.add_argument("--quick", action="store_true", help="about a minute, with rougher percentiles")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    plan = QUICK if arguments.quick else DEFAULT
    begun = time.monotonic()
    cores = len(os.sched_getaffinity(0))
    with BenchmarkNetwork() as network:
        machine = describe_machine(network.folder)
        _say("the sealed exchange, vault to vault")
        exchange = measure_exchange(network.folder, plan.limit_seconds)
        machine["network"] = f"{len(network.names)} validators on one machine, TLS between nodes and to clients"
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            results = runner.run(run(network, plan))
    machine["took"] = f"{time.monotonic() - begun:.0f} s, {os.getloadavg()[0]:.1f} load at the end"
    if arguments.json:
        found = _collect(machine, plan, results, cores) | {"exchange": asdict(exchange)}
        print(json.dumps(found, ensure_ascii=False))
    else:
        rows = render(machine, results.limits, results.loads, results.idle, cores)
        for item in results.handovers:
            rows += ["", *render_handovers(item, results.limits, cores)]
        print("\n".join([*rows, *render_exchange(exchange)]))
    loads = [*results.loads, *(item.load for item in results.handovers)]
    return FAILED_EXIT_CODE if any(load.failures for load in loads) else 0


async def run(network: BenchmarkNetwork, plan: Plan) -> Results:
    """Measure everything on a running network."""
    _say("the machine's own limits")
    limits = measure_limits(network.folder, plan.limit_seconds)
    source = TransactionSource(network)
    _say("finality on the idle network")
    idle = await measure_idle_finality(network, source, plan.idle_transactions)
    _say(f"{plan.idle_claims + plan.claims} customers with policies and grants")
    patients = await prepare_patients(network, plan.idle_claims + plan.claims)
    loads = []
    _say(f"{plan.idle_claims} claims one after the other")
    loads.append(await load_claims(network, patients[: plan.idle_claims], 1))
    _say(f"{plan.claims} claims, {plan.claims_at_once} at once")
    loads.append(await load_claims(network, patients[plan.idle_claims :], plan.claims_at_once))
    _say(f"{plan.small_documents} documents of 1 KB and {plan.large_documents} of 16 MB, shared, fetched, opened")
    handovers = []
    for name, patient_count, count, file_bytes, at_once in (
        ("small", SMALL_PATIENTS, plan.small_documents, SMALL_BYTES, SMALL_AT_ONCE),
        ("large", LARGE_PATIENTS, plan.large_documents, LARGE_BYTES, LARGE_AT_ONCE),
    ):
        documented = await prepare_patients(network, patient_count, name, WITH_DOCUMENTS)
        handovers.append(await load_handovers(network, documented, count, file_bytes, at_once))
    _say(f"{plan.singles} transactions in submissions of 1")
    loads.append(await load_transactions(network, source, 1, plan.singles, plan.single_clients))
    _say(f"{plan.batches * BATCH} transactions in submissions of {BATCH}")
    loads.append(await load_transactions(network, source, BATCH, plan.batches, plan.batch_clients))
    return Results(limits, idle, loads, handovers)


def _collect(machine: dict[str, str], plan: Plan, results: Results, cores: int) -> dict[str, object]:
    return {
        "machine": machine,
        "cores": cores,
        "plan": asdict(plan),
        "limits": asdict(results.limits),
        "idle_finality_ms": asdict(results.idle),
        "loads": [describe(load, results.limits, cores) for load in results.loads],
        "handovers": [describe_handovers(item, results.limits, cores) for item in results.handovers],
    }


def _say(text: str) -> None:
    print(f"{text} ...", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
