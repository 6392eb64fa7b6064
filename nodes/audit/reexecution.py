"""Runs a whole chain again from its genesis, and compares everything that the node has stored.

Every commit is verified with the validators of its height; every block is executed on a fresh state, each field of its
header compared with what follows from its contents; every stored receipt is compared; and at the end every entry of
the stored state. The first height and field that differ are named.

A store that began from a snapshot has no blocks before it. Then the way from the genesis to the snapshot's header is
verified, certificate by certificate, then every chunk of the snapshot under that header, and the blocks after it are
executed from there. What was before the snapshot rests on the validators that certified it.

Otherwise this trusts the genesis and the contracts it pins, and nothing else: not the validators, whose roots are
recomputed. It takes as long as the chain took to execute, and holds the whole state in memory.
"""

import time
from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ledger import state_tree
from ledger.application import Application
from ledger.blocks import Block, Commit, verify_commit
from ledger.codec import decode
from ledger.errors import InvalidBlockError, LedgerError
from ledger.execution.pins import ContractLibrary
from ledger.execution.store import VALIDATORS
from ledger.genesis import Genesis
from ledger.light_client import WalkStep, trust_genesis, walk
from ledger.membership import ValidatorSet
from ledger.snapshot import metadata_writes, verify_chunk, verify_manifest
from ledger.state_tree import StateRoots
from ledger.transactions import Receipt
from nodes.storage.blocks import NODE_PREFIX, STATE_PREFIX, BlockStore
from nodes.storage.snapshots import SnapshotFiles


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


def verify_chain(
    genesis: Genesis, blocks: BlockStore, library: ContractLibrary, base: SnapshotFiles | None = None
) -> Iterator[Progress]:
    """Re-execute a store's chain, yielding after each block.

    Args:
        genesis: What is trusted.
        blocks: The store; only read.
        library: Finds the contracts of every height by their pins.
        base: The snapshot that the store began from, if it did not begin from the genesis.

    Raises:
        ReexecutionError: At the first difference.
        LedgerError: If the library lacks the contracts of a height.
        StorageError: If the store cannot be read.
    """
    state = _MemoryState()
    if blocks.first_height > 1:
        _read_base(genesis, blocks, base, state)
    application = Application(genesis, library, state)
    state.write(application.genesis_writes())
    last = blocks.height()
    begun = time.perf_counter()
    transactions = 0
    for height in range(blocks.first_height, last + 1):
        block, commit, receipts = blocks.block(height), blocks.commit(height), blocks.receipts(height)
        if block is None or commit is None or receipts is None:
            raise ReexecutionError(height, "store", "a block, its commit and its receipts", "less")
        state.write(_run(application, block, commit, receipts))
        transactions += block.header.transaction_count
        yield Progress(height, last, transactions, time.perf_counter() - begun)
    _compare_state(last, state, blocks)


def _read_base(genesis: Genesis, blocks: BlockStore, base: SnapshotFiles | None, state: "_MemoryState") -> None:
    """Put the snapshot that a store began from into a state, verified from the genesis on."""
    height = blocks.first_height - 1
    target = base.target() if base is not None else None
    if base is None or target is None:
        raise ReexecutionError(height, "snapshot", "the one that this store began from", "none")
    manifest = target.manifest
    try:
        expected = verify_manifest(manifest)
        roots = StateRoots()
        nodes = _MemoryNodes(state)
        for index, part in enumerate(manifest.parts):
            entries = verify_chunk(part, base.chunk(index) or b"").entries
            update = state_tree.update(nodes, roots, dict(entries))
            roots = update.roots
            state.write({STATE_PREFIX + key: value for key, value in entries})
            state.write({NODE_PREFIX + key: node for key, node in update.node_writes.items()})
        assert roots == expected, "parts that hold give their roots"
        state.write(metadata_writes(genesis.hash, manifest, roots))
        sets = {
            int(key[len(STATE_PREFIX + VALIDATORS) :], 16): decode(value, ValidatorSet)
            for key, value in state.scan(STATE_PREFIX + VALIDATORS)
        }
        steps = [
            WalkStep(header, commit, sets.get(header.height + 1))
            for header, commit in blocks.certificates()
            if header.height < height
        ]
        trusted = walk(trust_genesis(genesis), (*steps, manifest.certificate))
    except LedgerError as error:
        raise ReexecutionError(height, "snapshot", "one that is certified from the genesis on", error) from None
    if trusted.height != height:
        raise ReexecutionError(height, "snapshot", f"one of height {height}", trusted.height)


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


class _MemoryNodes:
    """The tree's nodes in a state in memory."""

    def __init__(self, state: "_MemoryState") -> None:
        self._state = state

    def get_node(self, key: bytes) -> bytes | None:
        return self._state.get(NODE_PREFIX + key)


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
