"""Whole claims through the API: admitted, reported, discharged, shared, handed over, adjudicated, settled, paid.

Customers, policies and grants are there before the clock runs. A claim's latency is the time from sending the
discharge until a client that watches the claim at the regulator's node sees it paid, on a simulated rail. The load is
all claims of a run: first every stay is admitted and reported, then every stay is discharged, many at a time.
"""

import asyncio
import json
import time
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from contracts.grants import RecordType
from nodes.cli.claims.watching import is_settled
from nodes.entropy import SystemEntropy
from nodes.identity import synthetic_identity
from nodes.roles.customer.customer import Customer
from nodes.schemas.civil_time import today
from nodes.schemas.terms import RECORD_TYPES, default_terms
from nodes.wallet import Wallet
from scripts.benchmark.connections import Connection, RefusedError
from scripts.benchmark.figures import Load, Work, count_claim_work
from scripts.benchmark.loads import ChainCount, Outcomes, measure, open_connection, run_workers
from scripts.benchmark.network import BenchmarkNetwork

INSURER = "insurer-a"
PRODUCT = "inpatient-100"
RECORDS = 4
"""Handed over for one claim: admission, item list, invoice, discharge summary."""
EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "polyp"
PREPARE_AT_ONCE = 8
REPORTED_SECONDS_MAX = 120.0
PAID_SECONDS_MAX = 120.0
WATCH_SECONDS = 10
POLL_SECONDS = 0.02
IDLE_PAUSE_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Patient:
    """Somebody with a policy and a usable grant at one hospital."""

    number: str
    hospital: str


@dataclass(frozen=True, slots=True)
class Admitted:
    """A patient whose stay was reported and goes on."""

    patient: Patient
    stay: str
    claim: str


async def prepare_patients(
    network: BenchmarkNetwork, count: int, name: str = "patient", record_types: tuple[RecordType, ...] = RECORD_TYPES
) -> list[Patient]:
    """Enrol customers, issue their policies, and have them consent; alternately at the two hospitals.

    Args:
        network: Runs.
        count: How many.
        name: Their numbers begin with it.
        record_types: What their grants cover.
    """
    hospitals = [item.name for item in network.genesis.organisations if item.role == "hospital"]
    patients = [Patient(f"{name}-{number}", hospitals[number % len(hospitals)]) for number in range(count)]
    waiting = iter(patients)

    async def work(_: int) -> None:
        desks = {name: open_connection(network, name, name) for name in (*hospitals, INSURER)}
        for patient in waiting:
            await _prepare(network, desks, patient, record_types)
        for desk in desks.values():
            await desk.close()

    await run_workers(min(PREPARE_AT_ONCE, count), work)
    return patients


async def load_claims(network: BenchmarkNetwork, patients: list[Patient], at_once: int) -> Load:
    """Return the figures of one stay of each patient.

    Args:
        network: Runs.
        patients: Whose.
        at_once: How many are on their way from discharge to payment; 1 is an idle network.
    """

    async def run(outcomes: Outcomes) -> None:
        admitted = await admit_all(network, patients, at_once)
        waiting = iter(admitted)

        async def work(_: int) -> None:
            desks = {name: open_connection(network, name, name) for name in {item.hospital for item in patients}}
            watcher = open_connection(network, "regulator", "regulator")
            for item in waiting:
                if at_once == 1:
                    await asyncio.sleep(IDLE_PAUSE_SECONDS)
                await _discharge(desks[item.patient.hospital], watcher, item, outcomes)
            for connection in (*desks.values(), watcher):
                await connection.close()

        await run_workers(at_once, work)

    def count_work(chain: ChainCount, units: int) -> Work:
        each = max(1, units)
        return count_claim_work(len(network.names), chain.transactions / each, chain.submissions / each, RECORDS)

    return await measure(network, f"claims, {at_once} at once", "claim", run, count_work)


async def _prepare(
    network: BenchmarkNetwork, desks: dict[str, Connection], patient: Patient, record_types: tuple[RecordType, ...]
) -> None:
    entropy = SystemEntropy()
    wallet = Wallet.create(synthetic_identity(patient.number, entropy), entropy)
    identity = {name: value for name, value in _fields(wallet).items() if value is not None}
    await desks[patient.hospital].post("/v1/patients", _json({"number": patient.number, "identity": identity}))
    form = {"insured": patient.number, "identity": identity, "product": PRODUCT, "payee_account": "benchmark"}
    await desks[INSURER].post("/v1/policies", _json(form))
    customer = Customer(network.home, network.genesis, wallet, entropy)
    terms = replace(default_terms(patient.hospital, INSURER, today()), record_types=record_types)
    granted = await asyncio.to_thread(lambda: customer.sign(customer.draw_up(terms, "zh")))
    assert set(granted.links.values()) == {"matched"}, f"{patient.number}: {granted.links}"


async def admit_all(network: BenchmarkNetwork, patients: list[Patient], at_once: int) -> list[Admitted]:
    """Admit every patient and wait until every claim is reported."""
    admission = json.loads((EXAMPLE / "admission.json").read_bytes())
    waiting = iter(patients)
    admitted: list[Admitted] = []

    async def work(_: int) -> None:
        desks = {name: open_connection(network, name, name) for name in {item.hospital for item in patients}}
        for patient in waiting:
            desk = desks[patient.hospital]
            found = await desk.post("/v1/stays", _json(admission | {"patient": patient.number}))
            (lane,) = found["lanes"]
            admitted.append(Admitted(patient, found["number"], lane["claim"]))
        for item in admitted:
            await _await_reported(desks[item.patient.hospital], item)
        for desk in desks.values():
            await desk.close()

    await run_workers(min(at_once, 4), work)
    return admitted


async def _await_reported(desk: Connection, item: Admitted) -> None:
    deadline = time.monotonic() + REPORTED_SECONDS_MAX
    while (await desk.get(f"/v1/stays/{item.stay}"))["lanes"][0]["claim_status"] is None:
        if time.monotonic() > deadline:
            msg = f"{item.claim}: not reported within {REPORTED_SECONDS_MAX:.0f} s"
            raise TimeoutError(msg)
        await asyncio.sleep(POLL_SECONDS)


async def _discharge(desk: Connection, watcher: Connection, item: Admitted, outcomes: Outcomes) -> None:
    discharge = json.loads((EXAMPLE / "discharge.json").read_bytes())
    number = SystemEntropy().draw(4).hex()
    body = _json(discharge | {"invoice": discharge["invoice"] | {"number": f"{int(number, 16):010}"}})
    begun = time.perf_counter()
    try:
        await desk.post(f"/v1/stays/{item.stay}/discharge", body)
        view = await watcher.get(f"/v1/claims/{item.claim}")
        while not is_settled(view, 1):
            if time.perf_counter() - begun > PAID_SECONDS_MAX:
                outcomes.failures[f"UNPAID-{view['status']}"] += 1
                return
            steps = len(view["claim"]["steps"])
            view = await watcher.get(f"/v1/claims/{item.claim}?wait={WATCH_SECONDS}&steps={steps}")
    except RefusedError as error:
        outcomes.failures[error.code] += 1
        return
    if view["status"] != "PAID":
        outcomes.failures[str(view["status"])] += 1
        return
    outcomes.latencies.append(time.perf_counter() - begun)
    outcomes.done += 1


def _fields(wallet: Wallet) -> dict[str, str | None]:
    identity = wallet.identity
    return {name: getattr(identity, name) for name in ("document_type", "document_number", "name", "birth_date")}


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()
