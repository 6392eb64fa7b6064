"""Hand-overs through the API, on the running network: shared, fetched, opened and confirmed, each by its moment.

What is handed over is a document attached to a stay that is admitted and reported, because no claim settles on one: so
the clock sees the hand-over and nothing else. Small documents give hand-overs a second, large ones megabytes a second.

    the desk begins to send            its pieces are sealed and synced in the custodian's vault as they come
    the desk sends the last piece
    the block with its `share`         share: from the last piece, and counted from the beginning
    the block with its `deliver`       fetch and open: the recipient has asked, opened every chunk, held the whole
                                       against the chain and synced it; counted from the first share

Blocks have the times of the validators who proposed them, by the clock of the same machine.
"""

import asyncio
import hashlib
import json
import time

from nodes.entropy import SystemEntropy
from nodes.roles.hospital.attaching import PIECE_BYTES_MAX
from scripts.benchmark.claims import Admitted, Patient, admit_all
from scripts.benchmark.connections import Connection, RefusedError
from scripts.benchmark.figures import MEGABYTE, Handovers, Load, Work, count_handover_work, percentiles
from scripts.benchmark.loads import ChainCount, Outcomes, measure, open_connection, run_workers
from scripts.benchmark.moments import Moments
from scripts.benchmark.network import BenchmarkNetwork

CONFIRMED_SECONDS_MAX = 120.0
LOOK_SECONDS = 0.1


async def load_handovers(
    network: BenchmarkNetwork, patients: list[Patient], documents: int, file_bytes: int, at_once: int
) -> Handovers:
    """Return the figures of so many documents, handed over from the patients' hospitals to their insurer.

    Args:
        network: Runs.
        patients: Whose; each has a grant that covers documents, and is admitted here.
        documents: How many, in turn for each patient.
        file_bytes: How large each is.
        at_once: How many a desk sends at a time.
    """
    admitted = await admit_all(network, patients, at_once)
    moments = Moments(time.time())

    async def run(outcomes: Outcomes) -> None:
        node = open_connection(network, "regulator", "regulator")
        first, moments.begun = await _read_height(node) + 1, time.time()
        waiting = iter([admitted[number % len(admitted)] for number in range(documents)])

        async def work(_: int) -> None:
            desks = {name: open_connection(network, name, name) for name in {item.hospital for item in patients}}
            for item in waiting:
                await _attach(desks[item.patient.hospital], item, file_bytes, moments, outcomes)
            for desk in desks.values():
                await desk.close()

        await run_workers(at_once, work)
        await _follow(node, first, moments)
        await node.close()
        for record_id, sent in moments.sent.items():
            if record_id in moments.confirmed:
                outcomes.latencies.append(moments.confirmed[record_id] - sent)
                outcomes.done += 1
            else:
                outcomes.failures["UNCONFIRMED"] += 1

    def count_work(chain: ChainCount, units: int) -> Work:
        each = max(1, units)
        counts = (chain.transactions / each, chain.submissions / each, file_bytes / MEGABYTE)
        return count_handover_work(len(network.names), *counts)

    size = f"{file_bytes // MEGABYTE} MB" if file_bytes >= MEGABYTE else f"{file_bytes // 1024} KB"
    load = await measure(network, f"hand-overs of {size}, {at_once} at once", "hand-over", run, count_work)
    return summarise(load, moments, file_bytes)


def summarise(load: Load, moments: Moments, file_bytes: int) -> Handovers:
    """Return a load with its two halves: until the share is on the chain, and from there until it is confirmed."""
    first_share = min(moments.shared.values(), default=moments.begun)
    done = [record_id for record_id in moments.sent if record_id in moments.confirmed]
    return Handovers(
        load,
        file_bytes / MEGABYTE,
        shared=_rate([moments.shared[item] for item in done], moments.begun),
        confirmed=_rate([moments.confirmed[item] for item in done], first_share),
        share=percentiles([moments.shared[item] - moments.sent[item] for item in done]),
    )


def _rate(moments: list[float], begun: float) -> float:
    passed = max(moments, default=begun) - begun
    return len(moments) / passed if passed > 0 else 0.0


async def _attach(desk: Connection, item: Admitted, file_bytes: int, moments: Moments, outcomes: Outcomes) -> None:
    """Send one document as the desk does; its record is known with the last piece."""
    entropy = SystemEntropy()
    pieces = [entropy.draw(min(PIECE_BYTES_MAX, file_bytes - at)) for at in range(0, file_bytes, PIECE_BYTES_MAX)]
    digest = hashlib.sha256(b"".join(pieces)).hexdigest()
    form = {"kind": "imaging", "media_type": "application/dicom", "file_bytes": file_bytes, "sha256": digest}
    sent, records, last = 0, [], moments.begun
    try:
        draft = await desk.post(f"/v1/stays/{item.stay}/attachments", json.dumps(form).encode())
        for piece in pieces:
            last = time.time()
            target = f"/v1/attachments/{draft['draft']}/{sent}"
            records = (await desk.post(target, piece, "application/octet-stream"))["records"]
            sent += len(piece)
    except RefusedError as error:
        outcomes.failures[error.code] += 1
        return
    moments.sent |= dict.fromkeys(records, last)


async def _follow(node: Connection, first: int, moments: Moments) -> None:
    """Read blocks until every document is confirmed, or for so long none was."""
    seen = time.monotonic()
    while set(moments.sent) - set(moments.confirmed) and time.monotonic() - seen < CONFIRMED_SECONDS_MAX:
        await asyncio.sleep(LOOK_SECONDS)
        height, before = await _read_height(node), len(moments.confirmed)
        for number in range(first, height + 1):
            moments.note(await node.get(f"/v1/blocks/{number}"))
        first = height + 1
        if len(moments.confirmed) > before:
            seen = time.monotonic()


async def _read_height(node: Connection) -> int:
    return int((await node.get("/v1/status"))["height"])
