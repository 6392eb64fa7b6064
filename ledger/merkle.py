"""Merkle trees over lists, after RFC 9162 (Certificate Transparency 2.0), with its terms.

    MTH({})     = SHA-256()
    MTH({d})    = SHA-256(0x00 || d)                      the leaf hash
    MTH(D[n])   = SHA-256(0x01 || MTH(D[0:k]) || MTH(D[k:n]))   k the largest power of two below n

An inclusion proof shows that a leaf stands at an index; a consistency proof shows that a longer list begins with a
shorter one. The verifiers return None or raise `VerificationError`; they also refuse what the RFC leaves open:
`size1 == 0`, sizes out of order, nodes left over, and nodes that are not 32 bytes long.

A root does not say how many leaves it has: a verifier takes size and root from one certified header.

A tree here has no keys and cannot show absence; that is `ledger.state_tree`. Functions take leaf hashes, not
leaves, so that a caller who has hashed once does not hash again.
"""

import hashlib
from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta

from ledger.codec import Hash, Height, Struct
from ledger.errors import VerificationError
from ledger.limits import HASH_BYTES

LEAF_PREFIX = b"\x00"
NODE_PREFIX = b"\x01"
EMPTY_ROOT = hashlib.sha256(b"").digest()
"""The root of the empty list."""

SUBTREES_MAX = 54
"""Subtrees of a frontier: one per bit of a size, and sizes are heights, at most 2^53."""

_sha256 = hashlib.sha256


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of one leaf, 32 bytes."""
    return _sha256(LEAF_PREFIX + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node, 32 bytes."""
    return _sha256(NODE_PREFIX + left + right).digest()


def root(leaf_hashes: Sequence[bytes]) -> bytes:
    """Return the tree head over `leaf_hashes`; `EMPTY_ROOT` for none."""
    if not leaf_hashes:
        return EMPTY_ROOT
    level = list(leaf_hashes)
    while len(level) > 1:
        level = _parents(level)
    return level[0]


def inclusion_proof(leaf_hashes: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """Return the siblings from the leaf at `index` up to the root (RFC 9162, 2.1.3.1).

    Raises:
        VerificationError: Unless 0 <= index < len(leaf_hashes).
    """
    _check_index(index, len(leaf_hashes))
    proof = []
    level = list(leaf_hashes)
    while len(level) > 1:
        if index ^ 1 < len(level):
            proof.append(level[index ^ 1])
        level = _parents(level)
        index >>= 1
    return tuple(proof)


def verify_inclusion(index: int, size: int, leaf_hash: bytes, proof: Sequence[bytes], root: bytes) -> None:
    """Check that `leaf_hash` stands at `index` of the list of `size` leaves under `root` (RFC 9162, 2.1.3.2).

    Raises:
        VerificationError: Unless 0 <= index < size and the proof leads to the root exactly.
    """
    _check_index(index, size)
    _check_hashes("inclusion", (leaf_hash, *proof, root))
    position, last, computed = index, size - 1, leaf_hash
    for node in proof:
        if last == 0:
            msg = f"inclusion: {len(proof)} nodes are more than index {index} of size {size} needs"
            raise VerificationError(msg)
        if position & 1 or position == last:
            computed = node_hash(node, computed)
            while position and not position & 1:
                position >>= 1
                last >>= 1
        else:
            computed = node_hash(computed, node)
        position >>= 1
        last >>= 1
    if last != 0:
        msg = f"inclusion: {len(proof)} nodes are fewer than index {index} of size {size} needs"
        raise VerificationError(msg)
    _check_root("inclusion", root, computed)


def consistency_proof(leaf_hashes: Sequence[bytes], size1: int) -> tuple[bytes, ...]:
    """Return the nodes that show that the first `size1` leaves are a prefix of all (RFC 9162, 2.1.4.1).

    Raises:
        VerificationError: Unless 1 <= size1 <= len(leaf_hashes).
    """
    start, end = 0, len(leaf_hashes)
    if not 1 <= size1 <= end:
        msg = f"consistency: expected 1 <= size1 <= {end}, got {size1}"
        raise VerificationError(msg)
    proof: list[bytes] = []
    while end != size1:  # SUBPROOF of the subtree [start, end), from the root down
        middle = start + _split(end - start)
        if size1 <= middle:
            proof.append(root(leaf_hashes[middle:end]))
            end = middle
        else:
            proof.append(root(leaf_hashes[start:middle]))
            start = middle
    if start != 0:  # else the verifier knows this subtree: it is the first root itself
        proof.append(root(leaf_hashes[start:end]))
    proof.reverse()
    return tuple(proof)


def verify_consistency(size1: int, size2: int, proof: Sequence[bytes], root1: bytes, root2: bytes) -> None:
    """Check that the list of `size1` leaves under `root1` begins the one of `size2` under `root2` (RFC 9162, 2.1.4.2).

    Raises:
        VerificationError: Unless 1 <= size1 <= size2 and the proof leads to both roots exactly.
    """
    if not 1 <= size1 <= size2:
        msg = f"consistency: expected 1 <= size1 <= size2, got {size1} and {size2}"
        raise VerificationError(msg)
    _check_hashes("consistency", (*proof, root1, root2))
    if size1 == size2:
        if proof:
            msg = f"consistency: equal sizes need no nodes, got {len(proof)}"
            raise VerificationError(msg)
        _check_root("consistency", root1, root2)
        return
    nodes = [root1, *proof] if size1 & (size1 - 1) == 0 else list(proof)
    if not nodes:
        msg = "consistency: expected nodes, got none"
        raise VerificationError(msg)
    position, last = size1 - 1, size2 - 1
    while position & 1:
        position >>= 1
        last >>= 1
    computed1 = computed2 = nodes[0]
    for node in nodes[1:]:
        if last == 0:
            msg = f"consistency: {len(proof)} nodes are more than sizes {size1} and {size2} need"
            raise VerificationError(msg)
        if position & 1 or position == last:
            computed1 = node_hash(node, computed1)
            computed2 = node_hash(node, computed2)
            while position and not position & 1:
                position >>= 1
                last >>= 1
        else:
            computed2 = node_hash(computed2, node)
        position >>= 1
        last >>= 1
    if last != 0:
        msg = f"consistency: {len(proof)} nodes are fewer than sizes {size1} and {size2} need"
        raise VerificationError(msg)
    _check_root("consistency", root1, computed1)
    _check_root("consistency", root2, computed2)


class Frontier(Struct):
    """The right edge of a growing tree: all that appending to it and computing its root takes.

    Also called a compact range from 0. It holds the roots of the perfect subtrees that the size's binary digits
    stand for, so it has O(log n) hashes; it proves nothing by itself.
    """

    size: Height = 0
    """Leaves so far; leaf n of the history tree is the block of height n."""
    subtrees: Annotated[tuple[Hash, ...], Meta(max_length=SUBTREES_MAX)] = ()
    """Roots of the perfect subtrees, largest first: one per set bit of `size`."""

    def __post_init__(self) -> None:
        """Refuse a number of subtrees that the size does not have.

        Raises:
            ValueError: msgspec turns it into a decode error.
        """
        if len(self.subtrees) != self.size.bit_count():
            msg = f"frontier of size {self.size}: expected {self.size.bit_count()} subtrees, got {len(self.subtrees)}"
            raise ValueError(msg)

    def append(self, leaf_hash: bytes) -> "Frontier":
        """Return the frontier after one more leaf."""
        subtrees = [*self.subtrees, leaf_hash]
        carry = self.size
        while carry & 1:
            right = subtrees.pop()
            subtrees[-1] = node_hash(subtrees[-1], right)
            carry >>= 1
        return Frontier(self.size + 1, tuple(subtrees))

    def root(self) -> bytes:
        """Return the tree head over all leaves so far."""
        if not self.subtrees:
            return EMPTY_ROOT
        computed = self.subtrees[-1]
        for subtree in self.subtrees[-2::-1]:
            computed = node_hash(subtree, computed)
        return computed


def _parents(level: list[bytes]) -> list[bytes]:
    """Return the level above: an odd last node rises as it is, which is the RFC's split at every size."""
    parents = [
        _sha256(NODE_PREFIX + left + right).digest() for left, right in zip(level[::2], level[1::2], strict=False)
    ]
    if len(level) & 1:
        parents.append(level[-1])
    return parents


def _split(size: int) -> int:
    """Return the largest power of two below `size`, for size >= 2."""
    return 1 << ((size - 1).bit_length() - 1)


def _check_index(index: int, size: int) -> None:
    if not 0 <= index < size:
        msg = f"inclusion: expected 0 <= index < size, got index {index} of size {size}"
        raise VerificationError(msg)


def _check_hashes(proof_kind: str, hashes: Sequence[bytes]) -> None:
    for value in hashes:
        if len(value) != HASH_BYTES:
            msg = f"{proof_kind}: expected hashes of {HASH_BYTES} bytes, got {len(value)}"
            raise VerificationError(msg)


def _check_root(proof_kind: str, expected: bytes, computed: bytes) -> None:
    if computed != expected:
        msg = f"{proof_kind}: expected root {expected.hex()}, the proof gives {computed.hex()}"
        raise VerificationError(msg)
