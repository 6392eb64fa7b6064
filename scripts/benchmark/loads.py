"""What is measured around every load: time, processes, disk and chain, before and after."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from nodes.authentication import RequestSigner
from nodes.keystore import load_keystore
from scripts.benchmark.connections import Connection
from scripts.benchmark.figures import Load, Work, percentiles
from scripts.benchmark.moments import Moments
from scripts.benchmark.network import BenchmarkNetwork

FAILURE_CODES_SHOWN = 5


@dataclass(slots=True)
class Outcomes:
    """What the clients of one load saw."""

    latencies: list[float] = field(default_factory=list)
    """Seconds, of what succeeded."""
    done: int = 0
    """Units that succeeded."""
    failures: Counter[str] = field(default_factory=Counter)
    """Code -> units."""
    submissions: int = 0


@dataclass(frozen=True, slots=True)
class ChainCount:
    """What a stretch of the chain holds."""

    blocks: int
    transactions: int
    submissions: int
    fetches: tuple[float, ...]
    """Seconds from each record's share to its confirmation."""


def open_connection(network: BenchmarkNetwork, actor: str, node: str) -> Connection:
    """Return a connection of an organisation to a node, signing with its submission key."""
    keys = load_keystore(network.home.node_folder(actor) / "keys")
    signer = RequestSigner(keys.submission, network.genesis.chain_id, actor, keys.submission_version)
    return Connection(network.home, network.network.address(node), signer)


async def run_workers(count: int, work: Callable[[int], Awaitable[None]]) -> None:
    """Run `work(0)` to `work(count - 1)` at once; raises what the first one raises, and cancels the others."""
    async with asyncio.TaskGroup() as group:
        for number in range(count):
            group.create_task(_await(work, number))


async def measure(
    network: BenchmarkNetwork,
    name: str,
    unit: str,
    run: Callable[[Outcomes], Awaitable[None]],
    count_work: Callable[[ChainCount, int], Work],
) -> Load:
    """Run one load and return its figures.

    Args:
        network: Runs.
        name: Of the load.
        unit: What is counted.
        run: Does it, and notes what it sees.
        count_work: Returns what one unit costs at the least, given what the chain got and how many units there were.
    """
    regulator = open_connection(network, "regulator", "regulator")
    outcomes = Outcomes()
    first = int((await regulator.get("/v1/status"))["height"]) + 1
    cpu, disk, begun = network.cpu_seconds(), network.disk_bytes(), time.perf_counter()
    await run(outcomes)
    seconds = time.perf_counter() - begun
    cpu_after, disk_after = network.cpu_seconds(), network.disk_bytes()
    last = int((await regulator.get("/v1/status"))["height"])
    chain = await count_chain(regulator, first, last)
    await regulator.close()
    return Load(
        name=name,
        unit=unit,
        units=outcomes.done,
        failures=outcomes.failures.total(),
        seconds=seconds,
        latency=percentiles(outcomes.latencies),
        cpu_seconds={node: cpu_after[node] - cpu[node] for node in cpu},
        disk_bytes=disk_after - disk,
        blocks=chain.blocks,
        transactions=chain.transactions,
        submissions=chain.submissions,
        work=count_work(chain, outcomes.done),
        fetches=percentiles(chain.fetches),
        failure_codes=tuple(f"{code} {count}" for code, count in outcomes.failures.most_common(FAILURE_CODES_SHOWN)),
    )


async def count_chain(connection: Connection, first: int, last: int) -> ChainCount:
    """Return what the blocks from `first` to `last` hold."""
    transactions = submissions = 0
    moments = Moments()
    for height in range(first, last + 1):
        block = await connection.get(f"/v1/blocks/{height}")
        transactions += int(block["header"]["transaction_count"])
        submissions += len(block["submissions"])
        moments.note(block)
    return ChainCount(max(0, last - first + 1), transactions, submissions, tuple(moments.list_fetches()))


async def _await(work: Callable[[int], Awaitable[None]], number: int) -> None:
    await work(number)
