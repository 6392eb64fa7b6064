"""One proof for many entries of the state: what their single proofs share is written once.

Proofs of ten keys in a state of a million have 180 siblings each in theory and share the upper ones in practice: keys
of one group share the whole way of their group, and near the root nearly every sibling of one way lies on another. A
multi-proof walks the keys' common trees once and names only the hashes that no key below gives.

Groups are taken per contract, and entries per group, in the order of their paths. `shape` says what the walk meets,
one bit at a time, and `hashes` holds what it cannot compute, in the same order:

    at a slot           1 an inner node: descend its four pairings, left before right
                        0 the end of the way
    at a pairing        for a side without keys: 1 its hash follows in `hashes`; 0 it is empty
    at the end of       a group with a present key: the walk of its entries
    groups              else, for each of the groups until it is there: 1 the walk of its entries; 0 it is not there;
                        if none is: 1 another group's leaf, its path and root follow in `hashes`; 0 an empty slot
    at the end of       if one of the keys is present, its leaf
    entries             else: 1 another leaf, its path and value hash follow in `hashes`; 0 an empty slot

Both are used up exactly, and an empty subtree is never spelled out, so a map of entries has one multi-proof under a
root. A proof shows nothing about keys that it was not made for.
"""

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Annotated, NamedTuple

from msgspec import Meta

from ledger import merkle
from ledger.codec import Struct
from ledger.errors import VerificationError
from ledger.limits import HASH_BYTES
from ledger.state_tree import EMPTY, PATH_BITS, Branch, OtherLeaf, StateProof, StateRoots, locate_group

ENTRIES_MAX = 4_096
"""Keys of one proof; a walk of all of them stays below a second."""
_NIBBLE_BITS = 4


class StateMultiProof(Struct):
    """Shows the values, or the absence, of several keys under one state root."""

    roots: StateRoots
    """All contracts' roots, so that a proof that fails says in which contract."""
    shape: Annotated[bytes, Meta(max_length=ENTRIES_MAX * PATH_BITS // 2)]
    """The walk's bits, most significant first, ended by a 1 and filled up with zeros."""
    hashes: Annotated[bytes, Meta(max_length=2 * ENTRIES_MAX * PATH_BITS * HASH_BYTES)]
    """What the walk cannot compute, 32 bytes each."""


class _Way(NamedTuple):
    """One entry of a group, or one group of a contract, as the walk sees it."""

    path: int
    value_hash: bytes | None
    """Of a present entry; None for an absent one, and for a group."""
    entries: tuple["_Way", ...] | None
    """Of a group, sorted by path; None for an entry."""
    branch: Branch | None
    """While proving; None for an entry of an absent group."""

    @property
    def is_shown(self) -> bool:
        """Whether a value says that the leaf is there."""
        return self.value_hash is not None or any(way.is_shown for way in self.entries or ())


def join_proofs(roots: StateRoots, proven: Mapping[bytes, tuple[bytes | None, StateProof]]) -> StateMultiProof:
    """Return one proof from single proofs under the same roots.

    Args:
        roots: The roots of all of them.
        proven: State key to its value (None for an absent key) and its proof from `ledger.state_tree.prove`.

    Raises:
        VerificationError: If a key has no contract in front.
    """
    ways = {key: _entry(key, value, proof.entry) for key, (value, proof) in proven.items()}
    branches = {locate_group(key): proof.group for key, (_, proof) in proven.items()}
    writer = _Writer()
    for _, groups in _by_contract(ways, branches):
        writer.write(groups, 0)
    return StateMultiProof(roots, writer.shape(), b"".join(writer.hashes))


def verify_many(root: bytes, entries: Mapping[bytes, bytes | None], proof: StateMultiProof) -> None:
    """Check that under a certified state root every key has its value, or with None is absent.

    Raises:
        VerificationError: Naming what does not hold; a wrong value is narrowed down to its contract.
    """
    if proof.roots.root != root:
        msg = f"state proof: expected state root {root.hex()}, the proof's contracts give {proof.roots.root.hex()}"
        raise VerificationError(msg)
    if not 1 <= len(entries) <= ENTRIES_MAX:
        msg = f"state proof: expected 1 to {ENTRIES_MAX} entries, got {len(entries)}"
        raise VerificationError(msg)
    ways = {key: _entry(key, value, None) for key, value in entries.items()}
    reader = _Reader(proof)
    for contract, groups in _by_contract(ways, {}):
        found = reader.read(groups, 0)
        if found != proof.roots.get(contract):
            count = sum(len(group.entries or ()) for group in groups)
            given = "its entry as given here makes" if count == 1 else f"its {count} entries as given here make"
            msg = (
                f"state proof: {contract}: expected root {proof.roots.get(contract).hex()}, {given} {found.hex()}: "
                "one is not what the certified state has"
            )
            raise VerificationError(msg)
    reader.finish()


def _entry(key: bytes, value: bytes | None, branch: Branch | None) -> _Way:
    value_hash = None if value is None else sha256(value).digest()
    return _Way(int.from_bytes(sha256(key).digest()), value_hash, None, branch)


def _by_contract(
    ways: Mapping[bytes, _Way], branches: Mapping[tuple[str, bytes], Branch]
) -> Iterator[tuple[str, list[_Way]]]:
    """Yield contract name and groups sorted by path, sorted by name."""
    entries: dict[tuple[str, bytes], list[_Way]] = {}
    for key, way in ways.items():
        entries.setdefault(locate_group(key), []).append(way)
    contracts: dict[str, list[_Way]] = {}
    for place in sorted(entries):
        within = tuple(sorted(entries[place], key=_path))
        contracts.setdefault(place[0], []).append(_Way(int.from_bytes(place[1]), None, within, branches.get(place)))
    yield from contracts.items()


def _path(way: _Way) -> int:
    return way.path


def _split(ways: Sequence[_Way], depth: int) -> tuple[Sequence[_Way], Sequence[_Way]]:
    """Return the ways that go left and right after `depth` bits."""
    bit = 1 << (PATH_BITS - 1 - depth)
    middle = sum(1 for way in ways if not way.path & bit)
    return ways[:middle], ways[middle:]


class _Writer:
    """Writes a multi-proof's bits and hashes from single proofs."""

    def __init__(self) -> None:
        self.hashes: list[bytes] = []
        self._bits: list[int] = []

    def shape(self) -> bytes:
        """Return the bits, ended by a 1 and filled up with zeros."""
        text = "".join(map(str, self._bits)) + "1"
        size = -(-len(text) // 8)
        return int(text.ljust(8 * size, "0"), 2).to_bytes(size)

    def write(self, ways: Sequence[_Way], depth: int) -> None:
        """Write the walk from `depth` bits of a tree down, over at least one way."""
        branch = ways[0].branch
        assert branch is not None, "every way was proven"
        if depth % _NIBBLE_BITS == 0:
            is_end = len(branch.siblings) <= depth
            self._bits.append(0 if is_end else 1)
            if is_end:
                self._write_end(ways, branch.other)
                return
        for side in _split(ways, depth):
            if side:
                self.write(side, depth + 1)
                continue
            sibling = branch.siblings[-1 - depth]
            self._bits.append(0 if sibling is None else 1)
            if sibling is not None:
                self.hashes.append(sibling)

    def _write_end(self, ways: Sequence[_Way], other: OtherLeaf | None) -> None:
        shown = next((way for way in ways if way.is_shown), None)
        if shown is None and ways[0].entries is not None:
            for way in ways:
                is_there = way.entries is not None and way.entries[0].branch is not None
                self._bits.append(1 if is_there else 0)
                if is_there:
                    shown = way
                    break
        if shown is not None:
            if shown.entries is not None:
                self.write(shown.entries, 0)
            return
        self._bits.append(0 if other is None else 1)
        if other is not None:
            self.hashes += [other.path, other.content]


class _Reader:
    """Computes hashes from a multi-proof and its entries."""

    def __init__(self, proof: StateMultiProof) -> None:
        self._shape = proof.shape
        self._hashes = proof.hashes
        self._bit = 0
        self._offset = 0

    def read(self, ways: Sequence[_Way], depth: int) -> bytes:
        """Return the hash of what is at `depth` bits of a tree on the way of at least one leaf."""
        is_slot = depth % _NIBBLE_BITS == 0
        if is_slot and not self._take_bit():
            return self._read_end(ways, depth)
        if depth >= PATH_BITS:
            msg = f"state proof shape: no slot is deeper than {PATH_BITS} bits"
            raise VerificationError(msg)
        sides = _split(ways, depth)
        left = self.read(sides[0], depth + 1) if sides[0] else self._read_sibling()
        right = self.read(sides[1], depth + 1) if sides[1] else self._read_sibling()
        node = EMPTY if left == right == EMPTY else merkle.node_hash(left, right)
        if is_slot and node == EMPTY:
            msg = "state proof shape: an empty slot is shown in its node, not below an empty one"
            raise VerificationError(msg)
        return node

    def finish(self) -> None:
        """Refuse bits and hashes left over."""
        left = 8 * len(self._shape) - self._bit
        if not 0 < left <= 8 or int.from_bytes(self._shape) & ((1 << left) - 1) != 1 << (left - 1):
            msg = f"state proof shape: expected {self._bit} bits and their end, got {8 * len(self._shape)} bits"
            raise VerificationError(msg)
        if self._offset != len(self._hashes):
            msg = f"state proof hashes: expected {self._offset} bytes, got {len(self._hashes)}"
            raise VerificationError(msg)

    def _read_sibling(self) -> bytes:
        if not self._take_bit():
            return EMPTY
        sibling = self._take_hash()
        if sibling == EMPTY:
            msg = "state proof hashes: an empty subtree is a bit, not zero bytes"
            raise VerificationError(msg)
        return sibling

    def _read_end(self, ways: Sequence[_Way], depth: int) -> bytes:
        """Return the hash of the slot where the ways end: one leaf at most is in it."""
        shown = [way for way in ways if way.is_shown]
        if len(shown) > 1:
            msg = f"state proof shape: {len(shown)} entries in one slot at {depth} bits"
            raise VerificationError(msg)
        there = shown[0] if shown else None
        if there is None and ways[0].entries is not None:
            there = next((way for way in ways if self._take_bit()), None)
        if there is not None:
            return self._read_leaf(there)
        if not self._take_bit():
            return EMPTY
        path, content = self._take_hash(), self._take_hash()
        number = int.from_bytes(path)
        for way in ways:
            if number == way.path:
                msg = "state proof hashes: the other leaf has the very path that is said to be absent"
                raise VerificationError(msg)
            if (number ^ way.path) >> (PATH_BITS - depth):
                msg = f"state proof hashes: the other leaf does not lie under the first {depth} bits of the key's path"
                raise VerificationError(msg)
        return merkle.leaf_hash(path + content)

    def _read_leaf(self, way: _Way) -> bytes:
        content = way.value_hash
        if way.entries is not None:
            content = self.read(way.entries, 0)
            if content == EMPTY:
                msg = "state proof shape: a group without entries is no leaf of its contract"
                raise VerificationError(msg)
        return merkle.leaf_hash(way.path.to_bytes(HASH_BYTES) + (content or b""))

    def _take_bit(self) -> int:
        byte, place = divmod(self._bit, 8)
        if byte >= len(self._shape):
            msg = f"state proof shape: ends after {8 * len(self._shape)} bits, more are needed"
            raise VerificationError(msg)
        self._bit += 1
        return self._shape[byte] >> (7 - place) & 1

    def _take_hash(self) -> bytes:
        taken = self._hashes[self._offset : self._offset + HASH_BYTES]
        if len(taken) != HASH_BYTES:
            msg = f"state proof hashes: ends after {len(self._hashes)} bytes, more are needed"
            raise VerificationError(msg)
        self._offset += HASH_BYTES
        return taken
