"""Runs a whole chain again from its genesis, and compares everything that the node has stored.

Every commit is verified with the validators of its height; every block is executed on a fresh state, each field of its
header compared with what follows from its contents; every stored receipt is compared; and at the end every entry of
the stored state. The first height and field that differ are named.

This trusts the genesis and the contracts it pins, and nothing else: not the validators, whose roots are recomputed. It
takes as long as the chain took to execute, and holds the whole state in memory.
"""

import time
from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ledger.application import Application
from ledger.blocks import Block, Commit, verify_commit
from ledger.errors import InvalidBlockError, LedgerError
from ledger.execution.loader import ContractSet
from ledger.genesis import Genesis
from ledger.transactions import Receipt
from nodes.storage.blocks import STATE_PREFIX, BlockStore


class ReexecutionError(LedgerError):
    """A stored chain that is not what its own contents give."""

    def __init__(self, height: int, field: str, expected: object, actual: object) -> None:
        """Name the first difference.

        Args:
            height: The block's.
            field: What differs.
            expected: What re-execution gives.
            actual: What the store has.
        """
        super().__init__(f"height {height}: {field}: expected {expected}, got {actual}")
        self.height = height
        self.field = field


@dataclass(frozen=True, slots=True)
class Progress:
    """Where re-execution stands."""

    height: int
    of: int
    transactions: int
    seconds: float

    @property
    def blocks_per_second(self) -> float:
        """How fast it goes."""
        return self.height / self.seconds if self.seconds > 0 else 0.0


def verify_chain(genesis: Genesis, blocks: BlockStore, contracts: ContractSet) -> Iterator[Progress]:
    """Re-execute a store's chain, yielding after each block.

    Args:
        genesis: What is trusted.
        blocks: The store; only read.
        contracts: Those that the genesis pins.

    Raises:
        ReexecutionError: At the first difference.
        LedgerError: If the contracts are not those of the genesis.
        StorageError: If the store cannot be read.
    """
    state = _MemoryState()
    application = Application(genesis, contracts, state)
    state.write(application.genesis_writes())
    last = blocks.height()
    begun = time.perf_counter()
    transactions = 0
    for height in range(1, last + 1):
        block, commit, receipts = blocks.block(height), blocks.commit(height), blocks.receipts(height)
        if block is None or commit is None or receipts is None:
            raise ReexecutionError(height, "store", "a block, its commit and its receipts", "less")
        state.write(_run(application, block, commit, receipts))
        transactions += block.header.transaction_count
        yield Progress(height, last, transactions, time.perf_counter() - begun)
    _compare_state(last, state, blocks)


def _run(
    application: Application, block: Block, commit: Commit, receipts: tuple[Receipt, ...]
) -> Mapping[bytes, bytes | None]:
    """Execute one block and compare; return what it writes."""
    height = application.height + 1
    try:
        verify_commit(commit, block.header, application.validators(height))
    except LedgerError as error:
        raise ReexecutionError(height, "commit", "more than two thirds of the validators", error) from None
    try:
        executed = application.check_block(block)
    except InvalidBlockError as error:
        raise ReexecutionError(height, error.field, error.expected, error.actual) from None
    if len(receipts) < len(executed.receipts):
        raise ReexecutionError(height, "receipts", len(executed.receipts), len(receipts))
    for index, (expected, actual) in enumerate(zip(executed.receipts, receipts, strict=False)):
        if expected != actual:
            raise ReexecutionError(height, f"receipts[{index}]", expected.code, actual.code)
    if len(receipts) > len(executed.receipts):
        raise ReexecutionError(height, "receipts", len(executed.receipts), len(receipts))
    application.commit(executed)
    return executed.writes


def _compare_state(height: int, state: "_MemoryState", blocks: BlockStore) -> None:
    stored = dict(blocks.state.scan(b""))
    computed = {key[len(STATE_PREFIX) :]: value for key, value in state.scan(STATE_PREFIX)}
    if stored == computed:
        return
    for key in sorted(stored.keys() | computed.keys()):
        expected, actual = computed.get(key), stored.get(key)
        if expected != actual:
            raise ReexecutionError(
                height, f"state entry {describe_key(key)}", describe_value(expected), describe_value(actual)
            )


def describe_key(key: bytes) -> str:
    """Return a state key with its parts apart."""
    return key.replace(b"\x00", b" ").decode(errors="replace")


def describe_value(value: bytes | None) -> str:
    """Return how a state entry's value begins."""
    return "no entry" if value is None else f"{len(value)} bytes beginning {value[:16].hex()}"


class _MemoryState:
    """The re-executed state: sorted, in memory, gone afterwards."""

    def __init__(self) -> None:
        self._values: dict[bytes, bytes] = {}
        self._keys: list[bytes] = []

    def get(self, key: bytes) -> bytes | None:
        return self._values.get(key)

    def scan(self, prefix: bytes, start: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:
        first = prefix if start is None else max(prefix, start)
        for place in range(bisect_left(self._keys, first), len(self._keys)):
            key = self._keys[place]
            if not key.startswith(prefix):
                return
            yield key, self._values[key]

    def write(self, writes: Mapping[bytes, bytes | None]) -> None:
        for key, value in writes.items():
            if value is None:
                if self._values.pop(key, None) is not None:
                    del self._keys[bisect_left(self._keys, key)]
                continue
            if key not in self._values:
                insort(self._keys, key)
            self._values[key] = value
