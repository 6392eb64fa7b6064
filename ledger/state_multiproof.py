"""One proof for many entries of the state: what their single proofs share is written once.

Proofs of ten keys in a state of a million have 180 siblings each in theory and share the upper ones in practice: near
the root nearly every sibling of one key lies on another key's way. A multi-proof walks the keys' common tree once and
names only the hashes that no key below it gives.

Keys are taken per contract in the order of their paths. `shape` says what the walk meets, one bit at a time, and
`hashes` holds what it cannot compute, in the same order:

    at a slot           1 an inner node: descend its four pairings, left before right
                        0 the end of the way: if one of the keys is present, its leaf; else one bit more:
                          1 another leaf, its path and value hash follow in `hashes`; 0 an empty slot
    at a pairing        for a side without keys: 1 its hash follows in `hashes`; 0 it is empty

Both are used up exactly, and an empty subtree is never spelled out, so a map of entries has one multi-proof under a
root. A proof shows nothing about keys that it was not made for.
"""

from collections.abc import Mapping
from typing import Annotated, NamedTuple

from msgspec import Meta

from ledger import merkle
from ledger.codec import Struct
from ledger.errors import VerificationError
from ledger.limits import HASH_BYTES
from ledger.state_tree import EMPTY, PATH_BITS, OtherLeaf, StateProof, StateRoots, hash_leaf, path_of

ENTRIES_MAX = 4_096
"""Keys of one proof; a walk of all of them stays below a second."""
_NIBBLE_BITS = 4


class StateMultiProof(Struct):
    """Shows the values, or the absence, of several keys under one state root."""

    roots: StateRoots
    """All contracts' roots, so that a proof that fails says in which contract."""
    shape: Annotated[bytes, Meta(max_length=ENTRIES_MAX * PATH_BITS // 4)]
    """The walk's bits, most significant first, ended by a 1 and filled up with zeros."""
    hashes: Annotated[bytes, Meta(max_length=ENTRIES_MAX * PATH_BITS * HASH_BYTES)]
    """What the walk cannot compute, 32 bytes each."""


class _Way(NamedTuple):
    """One key of a contract, as the walk sees it."""

    path: int
    value: bytes | None
    siblings: tuple[bytes | None, ...]
    """While proving: from the root down."""
    other: OtherLeaf | None


def join_proofs(roots: StateRoots, proven: Mapping[bytes, tuple[bytes | None, StateProof]]) -> StateMultiProof:
    """Return one proof from single proofs under the same roots.

    Args:
        roots: The roots of all of them.
        proven: State key to its value (None for an absent key) and its proof from `ledger.state_tree.prove`.

    Raises:
        VerificationError: If a key has no contract in front.
    """
    ways = {
        key: _Way(int.from_bytes(path_of(key)), value, proof.siblings[::-1], proof.other)
        for key, (value, proof) in proven.items()
    }
    writer = _Writer()
    for _, group in _by_contract(ways):
        writer.write_slot(group, 0)
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
    ways = {key: _Way(int.from_bytes(path_of(key)), value, (), None) for key, value in entries.items()}
    reader = _Reader(proof)
    for contract, group in _by_contract(ways):
        if reader.read_slot(group, 0) != proof.roots.get(contract):
            msg = f"state proof: {contract} has not these {len(group)} entries"
            raise VerificationError(msg)
    reader.finish()


def _by_contract(ways: Mapping[bytes, _Way]) -> list[tuple[str, list[_Way]]]:
    """Return contract name and ways sorted by path, sorted by name."""
    groups: dict[str, list[_Way]] = {}
    for key, way in ways.items():
        contract, separator, _ = key.partition(b"\x00")
        if not contract or not separator or not contract.isascii():
            msg = f"state key: expected a contract's name and a zero byte in front, got {key[:64]!r}"
            raise VerificationError(msg)
        groups.setdefault(contract.decode("ascii"), []).append(way)
    return [(name, sorted(groups[name], key=_path)) for name in sorted(groups)]


def _path(way: _Way) -> int:
    return way.path


def _split(ways: list[_Way], depth: int) -> tuple[list[_Way], list[_Way]]:
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

    def write_slot(self, ways: list[_Way], depth: int) -> None:
        if len(ways[0].siblings) > depth:
            self._bits.append(1)
            self._write_pairing(ways, depth, depth + _NIBBLE_BITS)
            return
        self._bits.append(0)
        if all(way.value is None for way in ways):
            other = ways[0].other
            self._bits.append(0 if other is None else 1)
            if other is not None:
                self.hashes += [other.path, other.value_hash]

    def _write_pairing(self, ways: list[_Way], depth: int, slot_depth: int) -> None:
        if depth == slot_depth:
            self.write_slot(ways, depth)
            return
        for side in _split(ways, depth):
            if side:
                self._write_pairing(side, depth + 1, slot_depth)
                continue
            sibling = ways[0].siblings[depth]
            self._bits.append(0 if sibling is None else 1)
            if sibling is not None:
                self.hashes.append(sibling)


class _Reader:
    """Computes hashes from a multi-proof and its entries."""

    def __init__(self, proof: StateMultiProof) -> None:
        self._shape = proof.shape
        self._hashes = proof.hashes
        self._bit = 0
        self._offset = 0

    def read_slot(self, ways: list[_Way], depth: int) -> bytes:
        if not self._take_bit():
            return self._read_end(ways, depth)
        if depth >= PATH_BITS:
            msg = f"state proof shape: no slot is deeper than {PATH_BITS} bits"
            raise VerificationError(msg)
        node = self._read_pairing(ways, depth, depth + _NIBBLE_BITS)
        if node == EMPTY:
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

    def _read_pairing(self, ways: list[_Way], depth: int, slot_depth: int) -> bytes:
        if depth == slot_depth:
            return self.read_slot(ways, depth)
        left, right = (
            self._read_pairing(side, depth + 1, slot_depth) if side else self._read_sibling()
            for side in _split(ways, depth)
        )
        return EMPTY if left == right == EMPTY else merkle.node_hash(left, right)

    def _read_sibling(self) -> bytes:
        if not self._take_bit():
            return EMPTY
        sibling = self._take_hash()
        if sibling == EMPTY:
            msg = "state proof hashes: an empty subtree is a bit, not zero bytes"
            raise VerificationError(msg)
        return sibling

    def _read_end(self, ways: list[_Way], depth: int) -> bytes:
        """Return the hash of the slot where the ways end: one leaf at most is in it."""
        present = [way for way in ways if way.value is not None]
        if len(present) > 1:
            msg = f"state proof shape: {len(present)} entries in one slot at {depth} bits"
            raise VerificationError(msg)
        if present:
            return hash_leaf(present[0].path.to_bytes(HASH_BYTES), present[0].value or b"")
        if not self._take_bit():
            return EMPTY
        path, value_hash = self._take_hash(), self._take_hash()
        number = int.from_bytes(path)
        for way in ways:
            if number == way.path:
                msg = "state proof hashes: the other leaf has the very path that is said to be absent"
                raise VerificationError(msg)
            if (number ^ way.path) >> (PATH_BITS - depth):
                msg = f"state proof hashes: the other leaf does not lie under the first {depth} bits of the key's path"
                raise VerificationError(msg)
        return merkle.leaf_hash(path + value_hash)

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
