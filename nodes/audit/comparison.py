"""Says where two stores of one chain differ: the first height, what differs there, and the contracts and keys.

Blocks, receipts and certificates are compared height by height, up to the height that both stores have. Two nodes may
keep certificates of different quorums for one block: that is no difference, as long as both certify it. The latest
states are compared entry by entry where both stores stand at one height; a store keeps no older state, so of a store
that is behind only the headers can be compared.

This compares, it does not judge: of the first differing height it says which store's copy is certified and complete;
`nodes.audit.reexecution` finds out what a store must hold.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ledger.blocks import Block, Commit, receipts_root, verify_commit
from ledger.codec import Struct, decode, encode
from ledger.crypto.hashes import hash_bytes
from ledger.errors import LedgerError
from ledger.execution.store import ROOTS, VALIDATORS
from ledger.membership import ValidatorSet
from ledger.replica.candidates import check_body
from ledger.state_tree import StateRoots, differing_contracts
from ledger.transactions import Receipt
from nodes.audit.reexecution import describe_key, describe_value
from nodes.storage.blocks import METADATA_PREFIX, BlockStore

ENTRIES_MAX = 10
"""Differing entries of one contract that are named; the others are counted."""

NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class FieldDifference:
    """One place where both stores have something, and not the same."""

    field: str
    """`header.state_root`, `submissions[0]`, `receipts[2]`, `commit`; or a state entry's key, its parts apart."""
    first: str
    second: str


@dataclass(frozen=True, slots=True)
class BlockDifference:
    """The first height at which two stores differ."""

    height: int
    fields: tuple[FieldDifference, ...]
    """All header fields that differ; if none does, the first part of the block, its receipts or its commit."""
    faults: tuple[str, str]
    """Why each store's own copy does not hold; empty for one that is complete and certified."""


@dataclass(frozen=True, slots=True)
class StateDifference:
    """One contract whose latest states differ."""

    contract: str
    count: int
    """Entries that differ; 0 if only the trees over them do."""
    entries: tuple[FieldDifference, ...]
    """The first ENTRIES_MAX of them by key."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two stores have in common, and what not."""

    heights: tuple[int, int]
    block: BlockDifference | None
    states: tuple[StateDifference, ...] | None
    """None if the stores stand at different heights: then there are no two states to compare."""
    first_height: int = 1
    """The first height whose blocks both have: above 1 if one of them began from a snapshot."""

    @property
    def is_equal(self) -> bool:
        """Whether no difference was found in what both have."""
        return self.block is None and not self.states


def compare_chains(first: BlockStore, second: BlockStore, note: Callable[[int, int], None]) -> Comparison:
    """Compare two stores of one chain; both are only read.

    Args:
        first: A store of the genesis that both were opened with.
        second: The other one.
        note: Told the height that was compared, and the last one to compare.

    Raises:
        StorageError, LedgerError: If a store cannot be read.
    """
    heights = first.height(), second.height()
    last = min(heights)
    block = None
    begin = max(first.first_height, second.first_height)
    for height in range(begin, last + 1):
        block = _compare_height(height, _Copy(first, height), _Copy(second, height))
        if block is not None:
            break
        note(height, last)
    states = _compare_states(first, second) if heights[0] == heights[1] else None
    return Comparison(heights, block, states, begin)


class _Copy:
    """What one store has of one height."""

    def __init__(self, store: BlockStore, height: int) -> None:
        self._store = store
        self._height = height
        self.block: Block | None = store.block(height)
        self.receipts: tuple[Receipt, ...] | None = store.receipts(height)
        self.commit: Commit | None = store.commit(height)

    def find_fault(self) -> str:
        """Return why this is no certified block with its receipts, or nothing."""
        if self.block is None or self.receipts is None or self.commit is None:
            return "the block, its receipts or its commit is missing"
        try:
            verify_commit(self.commit, self.block.header, self._validators())
            check_body(self.block)
        except LedgerError as error:
            return str(error)
        if receipts_root(self.receipts) != self.block.header.receipts_root:
            return "the receipts are not those of the header"
        return ""

    def _validators(self) -> ValidatorSet:
        sets = [(int(key[len(VALIDATORS) :], 16), value) for key, value in self._store.state.scan(VALIDATORS)]
        since = max((since for since, _ in sets if since <= self._height), default=None)
        if since is None:
            msg = f"height {self._height}: the store names no validators for it"
            raise LedgerError(msg)
        return decode(dict(sets)[since], ValidatorSet)


def _compare_height(height: int, first: _Copy, second: _Copy) -> BlockDifference | None:
    fields = tuple(_compare_copies(first, second))
    if not fields:
        if first.commit == second.commit:
            return None
        faults = first.find_fault(), second.find_fault()
        if not any(faults):
            return None  # the certificates of two quorums
        fields = (FieldDifference("commit", _show_commit(first.commit), _show_commit(second.commit)),)
        return BlockDifference(height, fields, faults)
    return BlockDifference(height, fields, (first.find_fault(), second.find_fault()))


def _compare_copies(first: _Copy, second: _Copy) -> Iterator[FieldDifference]:
    """Yield what differs in header, body and receipts; of body and receipts the first place only."""
    if first.block is None or second.block is None:
        if first.block is not second.block:
            yield FieldDifference("block", _show_block(first.block), _show_block(second.block))
        return
    if first.block.header != second.block.header:
        for name in first.block.header.__struct_fields__:
            values = getattr(first.block.header, name), getattr(second.block.header, name)
            if values[0] != values[1]:
                yield FieldDifference(f"header.{name}", _show(values[0]), _show(values[1]))
        return
    place = (
        _find_place("submissions", first.block.submissions, second.block.submissions)
        or _find_place("evidence", first.block.evidence, second.block.evidence)
        or _find_place("receipts", first.receipts or (), second.receipts or ())
    )
    if place is not None:
        yield place


def _find_place(name: str, first: Sequence[Struct], second: Sequence[Struct]) -> FieldDifference | None:
    if first == second:
        return None
    for index in range(max(len(first), len(second))):
        here = [_show_item(items[index]) if index < len(items) else NOTHING for items in (first, second)]
        if index >= min(len(first), len(second)) or first[index] != second[index]:
            return FieldDifference(f"{name}[{index}]", *here)
    return None


def _compare_states(first: BlockStore, second: BlockStore) -> tuple[StateDifference, ...]:
    counts = dict.fromkeys(differing_contracts(_read_roots(first), _read_roots(second)), 0)
    entries: dict[str, list[FieldDifference]] = {}
    for key, values in _differing_entries(first, second):
        contract = key.partition(b"\x00")[0].decode(errors="replace")
        counts[contract] = counts.get(contract, 0) + 1
        named = entries.setdefault(contract, [])
        if len(named) < ENTRIES_MAX:
            named.append(FieldDifference(describe_key(key), describe_value(values[0]), describe_value(values[1])))
    return tuple(StateDifference(name, counts[name], tuple(entries.get(name, ()))) for name in sorted(counts))


def _differing_entries(
    first: BlockStore, second: BlockStore
) -> Iterator[tuple[bytes, tuple[bytes | None, bytes | None]]]:
    """Yield the keys whose values differ, in their order, reading both states once."""
    scans = first.state.scan(b""), second.state.scan(b"")
    heads = [next(scan, None) for scan in scans]
    while any(heads):
        key = min(head[0] for head in heads if head is not None)
        values: list[bytes | None] = []
        for index, head in enumerate(heads):
            is_here = head is not None and head[0] == key
            values.append(head[1] if head is not None and is_here else None)
            if is_here:
                heads[index] = next(scans[index], None)
        if values[0] != values[1]:
            yield key, (values[0], values[1])


def _read_roots(store: BlockStore) -> StateRoots:
    found = store.state.get_metadata(ROOTS[len(METADATA_PREFIX) :])
    return StateRoots() if found is None else decode(found, StateRoots)


def _show(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)


def _show_block(block: Block | None) -> str:
    return NOTHING if block is None else block.header.hash.hex()


def _show_commit(commit: Commit | None) -> str:
    if commit is None:
        return NOTHING
    names = ", ".join(entry.validator for entry in commit.signatures)
    return f"round {commit.round} of block {commit.block_hash.hex()[:16]} by {names or 'nobody'}"


def _show_item(item: Struct) -> str:
    """Return what tells an item from others: what it is, and how the hash of all of it begins."""
    kind = item.code if isinstance(item, Receipt) else type(item).__name__.lower()
    return f"{kind} {hash_bytes(encode(item)).hex()[:16]}"
