"""Signed transactions through the API: one at a time on an idle network, then as many as it takes.

The call is `coverage.register_product`: about 1.4 KB of arguments that the contract decodes, checks for
contradictions, hashes and stores, without cryptography of its own. All are of one insurer; clients are spread over the
four nodes, and each waits for its receipts before it sends again.
"""

import asyncio
import time
from itertools import count

from msgspec.structs import replace

from contracts.policies import RegisterProduct
from ledger.codec import encode
from ledger.limits import EXPIRY_HEIGHTS_MAX
from ledger.transactions import OK, Submission, Transaction, make_submission
from nodes.entropy import SystemEntropy
from nodes.keystore import load_keystore
from nodes.schemas.products import find_product
from scripts.benchmark.connections import Connection, RefusedError
from scripts.benchmark.figures import Load, Percentiles, Work, count_transaction_work, percentiles
from scripts.benchmark.loads import ChainCount, Outcomes, measure, open_connection, run_workers
from scripts.benchmark.network import BenchmarkNetwork

SIGNER = "insurer-a"
PRODUCT = "inpatient-100"
WAIT_SECONDS = 30
EXPIRY_MS = 10 * 60 * 1000
IDLE_PAUSE_SECONDS = 0.05
"""Between two transactions on the idle network: everything about the one before is over by then."""


class TransactionSource:
    """Endless different transactions."""

    def __init__(self, network: BenchmarkNetwork) -> None:
        """Sign with the insurer's own key."""
        keys = load_keystore(network.home.node_folder(SIGNER) / "keys")
        self._key, self._key_version = keys.submission, keys.submission_version
        self._chain_id = network.genesis.chain_id
        self._entropy = SystemEntropy()
        self._product = find_product(PRODUCT)
        self._numbers = count(1)
        self._prefix = f"bench-{self._entropy.draw(4).hex()}"
        self.height = 0
        """The latest height that was heard of: expiries count from there."""

    async def catch_up(self, connection: Connection) -> None:
        """Hear of the height now: other loads have made blocks meanwhile."""
        self.height = int((await connection.get("/v1/status"))["height"])

    def make(self, batch: int) -> Submission:
        """Return the next submission, of `batch` transactions."""
        return make_submission(self._key, tuple(self._make_one() for _ in range(batch)))

    def _make_one(self) -> Transaction:
        product = replace(self._product, id=f"{self._prefix}-{next(self._numbers)}")
        return Transaction(
            chain_id=self._chain_id,
            signer=SIGNER,
            key_version=self._key_version,
            contract="coverage",
            method="register_product",
            arguments=encode(RegisterProduct(product)),
            nonce=self._entropy.draw(16),
            expires_height=self.height + EXPIRY_HEIGHTS_MAX // 2,
            expires_ms=time.time_ns() // 1_000_000 + EXPIRY_MS,
        )


async def measure_idle_finality(network: BenchmarkNetwork, source: TransactionSource, samples: int) -> Percentiles:
    """Return the time from sending a transaction until its receipt is here, with nothing else going on."""
    connections = [open_connection(network, SIGNER, node) for node in network.names]
    outcomes = Outcomes()
    for connection in connections:
        await source.catch_up(connection)
    for number in range(samples):
        await asyncio.sleep(IDLE_PAUSE_SECONDS)
        await _submit(connections[number % len(connections)], source, 1, outcomes)
    for connection in connections:
        await connection.close()
    return percentiles(outcomes.latencies)


async def load_transactions(
    network: BenchmarkNetwork, source: TransactionSource, batch: int, submissions: int, clients: int
) -> Load:
    """Return the figures of a fixed number of submissions from several clients at once."""
    numbers = iter(range(submissions))

    async def run(outcomes: Outcomes) -> None:
        async def work(client: int) -> None:
            connection = open_connection(network, SIGNER, network.names[client % len(network.names)])
            await source.catch_up(connection)
            for _ in numbers:
                await _submit(connection, source, batch, outcomes)
            await connection.close()

        await run_workers(clients, work)

    def count_work(_chain: ChainCount, _units: int) -> Work:
        return count_transaction_work(len(network.names), batch)

    name = f"transactions, {batch} a submission, {clients} clients"
    return await measure(network, name, "transaction", run, count_work)


async def _submit(connection: Connection, source: TransactionSource, batch: int, outcomes: Outcomes) -> None:
    submission = source.make(batch)
    body = encode((submission,))
    begun = time.perf_counter()
    try:
        answer = await connection.post(f"/v1/submissions?wait={WAIT_SECONDS}", body, "application/msgpack")
    except RefusedError as error:
        outcomes.failures[error.code] += batch
        return
    seconds = time.perf_counter() - begun
    outcomes.latencies.append(seconds)
    for receipt in answer["receipts"]:
        if receipt is not None and receipt["code"] == OK:
            outcomes.done += 1
            source.height = max(source.height, int(receipt["height"]))
        else:
            outcomes.failures["TIMEOUT" if receipt is None else receipt["code"]] += 1
