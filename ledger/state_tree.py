"""The authenticated state: one sparse Merkle tree of 16 branches per contract, and one root over all of them.

A state key leads to a leaf by its path, SHA-256(key), nibble by nibble. A subtree that holds one leaf *is* that leaf,
so the tree is as deep as its paths need to differ and has no chains above a lone leaf; an empty subtree is 32 zero
bytes. The shape follows from the contents alone: the same map has the same root, whatever was written or deleted
before.

    leaf         SHA-256(0x00 || path || SHA-256(value))
    pair         SHA-256(0x01 || left || right), or EMPTY where both are
    inner node   its 16 slots paired four times, so that a proof has four siblings a level instead of fifteen
    state root   RFC 9162 root over encode(ContractRoot), sorted by name: two nodes can say where their states differ

A proof shows the value of a key or that the key is absent: its slot is empty, or holds the leaf of another path.

Inner nodes are stored under contract and nibble prefix and overwritten in place, so a store holds the latest version
only. `update` writes nothing: it returns what to write, so that several candidates may start from one state. It is not
a database either; values live beside the tree and only their hashes are in it.
"""

import hashlib
from collections.abc import Mapping
from typing import Annotated, NamedTuple, Protocol

import msgspec
from msgspec import Meta

from ledger import merkle
from ledger.codec import Hash, Name, Struct, encode
from ledger.errors import VerificationError
from ledger.limits import CONTRACTS_MAX, HASH_BYTES
from ledger.merkle import NODE_PREFIX

EMPTY = bytes(32)
"""The hash of an empty subtree; nobody knows a preimage."""

PATH_BITS = 256
_LEVELS = 4
"""Pairings of one inner node: 16 slots are 4 levels of a binary tree."""
_SLOT_COUNT = 16
_LEAF_BYTES = 96
"""A slot with a leaf: its path, the hash of its value, and the leaf's hash. A slot with a subtree has that one's hash,
an empty slot nothing; so the last 32 bytes of a slot are its hash."""
_SLOTS = {digit: index for index, digit in enumerate("0123456789abcdef", start=16)}
"""Where in a node's heap the slot of a nibble is."""

_sha256 = hashlib.sha256
_decode_node = msgspec.msgpack.Decoder(list[bytes]).decode
"""Without the check for a second encoding: these bytes are our own, and their hashes are what counts."""


class NodeReader(Protocol):
    """Where the inner nodes of the latest committed state are read from."""

    def get_node(self, key: bytes) -> bytes | None:
        """Return what was last written under `key`, or None."""
        ...


class ContractRoot(Struct):
    """The root of one contract's subtree."""

    contract: Name
    root: Hash


class StateRoots(Struct):
    """The roots of all contracts that have state: what the next update starts from."""

    contracts: Annotated[tuple[ContractRoot, ...], Meta(max_length=CONTRACTS_MAX)] = ()
    """Sorted by name, each once; a contract without entries is not listed."""

    def __post_init__(self) -> None:
        """Refuse unsorted or repeated names.

        Raises:
            ValueError: msgspec turns it into a decode error.
        """
        names = [item.contract for item in self.contracts]
        if names != sorted(set(names)):
            msg = "state roots: contracts must be sorted by name, each once"
            raise ValueError(msg)

    @property
    def root(self) -> bytes:
        """The header's `state_root`."""
        return merkle.root([merkle.leaf_hash(encode(item)) for item in self.contracts])

    def get(self, contract: str) -> bytes:
        """Return the root of a contract's subtree; `EMPTY` if it has no state."""
        return next((item.root for item in self.contracts if item.contract == contract), EMPTY)


class TreeUpdate(NamedTuple):
    """What a batch of changes makes of the tree; nothing is written yet."""

    roots: StateRoots
    node_writes: dict[bytes, bytes | None]
    """Node key to its new bytes, None to delete; to be written in one batch with the entries."""


class OtherLeaf(Struct):
    """The leaf that stands where an absent key would."""

    path: Hash
    value_hash: Hash


class StateProof(Struct):
    """Shows one key's value, or its absence, under a state root."""

    roots: StateRoots
    """All contracts' roots: they are few, and so a contract without state is shown like any other."""
    siblings: Annotated[tuple[Hash | None, ...], Meta(max_length=PATH_BITS)]
    """From the slot up to the contract's root, four a level; None is `EMPTY`, which is never spelled out."""
    other: OtherLeaf | None
    """For an absent key whose slot holds another leaf; else None."""


def path_of(key: bytes) -> bytes:
    """Return where in its contract's subtree the leaf of a state key is, 32 bytes: 64 nibbles from the root down."""
    return _sha256(key).digest()


def hash_leaf(path: bytes, value: bytes) -> bytes:
    """Return the hash of the leaf at `path` for an entry's value: all that a tree says of an entry."""
    return merkle.leaf_hash(path + _sha256(value).digest())


def update(reader: NodeReader, roots: StateRoots, changes: Mapping[bytes, bytes | None]) -> TreeUpdate:
    """Return the tree after a batch of changes, touching each node once.

    Args:
        reader: The nodes that belong to `roots`.
        roots: The state to start from.
        changes: State key to its new value, None to delete. Deleting what is absent changes nothing.
    """
    by_contract: dict[str, list[tuple[str, bytes]]] = {}
    for key, value in changes.items():
        contract, separator, _ = key.partition(b"\x00")
        assert contract, "a state key begins with a contract's name"
        assert separator, "a contract's name ends with a zero byte"
        path = path_of(key)
        slot = b"" if value is None else _leaf_slot(path, value)
        by_contract.setdefault(contract.decode("ascii"), []).append((path.hex(), slot))
    new_roots = {item.contract: item.root for item in roots.contracts}
    writes: dict[bytes, bytes | None] = {}
    for contract_name, slots in by_contract.items():
        slots.sort()
        new_root = _Subtree(reader, contract_name, writes).update(new_roots.pop(contract_name, EMPTY), slots)
        if new_root != EMPTY:
            new_roots[contract_name] = new_root
    return TreeUpdate(StateRoots(tuple(ContractRoot(name, new_roots[name]) for name in sorted(new_roots))), writes)


def prove(reader: NodeReader, roots: StateRoots, key: bytes) -> StateProof:
    """Return the proof of a key's value, or of its absence, for `verify_state`.

    Args:
        reader: The nodes that belong to `roots`.
        roots: The state to prove from.
        key: The state key.

    Raises:
        VerificationError: If the key has no contract in front.
    """
    contract = _contract_of(key)
    path = path_of(key)
    siblings, slot = _Subtree(reader, contract, {}).find(roots.get(contract), path.hex())
    other = OtherLeaf(slot[:32], slot[32:64]) if slot and slot[:32] != path else None
    return StateProof(roots, tuple(node or None for node in siblings), other)


def verify_state(root: bytes, key: bytes, value: bytes | None, proof: StateProof) -> None:
    """Check that under a certified state root `key` has `value`, or with None that it is absent.

    Raises:
        VerificationError: Naming what does not hold.
    """
    if proof.roots.root != root:
        msg = f"state proof: expected state root {root.hex()}, the proof's contracts give {proof.roots.root.hex()}"
        raise VerificationError(msg)
    contract = _contract_of(key)
    path = path_of(key)
    depth = len(proof.siblings)
    if depth % _LEVELS or depth > PATH_BITS:
        msg = f"state proof siblings: expected four a level and at most {PATH_BITS}, got {depth}"
        raise VerificationError(msg)
    computed = _verify_slot(path, value, proof.other, depth)
    if computed == EMPTY and depth and not any(proof.siblings[:_LEVELS]):
        msg = "state proof siblings: an empty slot is shown in its node, not below an empty one"
        raise VerificationError(msg)
    position = int.from_bytes(path, "big") >> (PATH_BITS - depth)
    for sibling in proof.siblings:
        if sibling == EMPTY:
            msg = "state proof siblings: an empty one is None, not zero bytes"
            raise VerificationError(msg)
        node = sibling or EMPTY
        if computed != EMPTY or node != EMPTY:
            computed = merkle.node_hash(node, computed) if position & 1 else merkle.node_hash(computed, node)
        position >>= 1
    if computed != proof.roots.get(contract):
        msg = f"state proof: {contract} has not {'this value' if value is not None else 'this key absent'}"
        raise VerificationError(msg)


def differing_contracts(first: StateRoots, second: StateRoots) -> tuple[str, ...]:
    """Return the names of the contracts whose state differs, sorted."""
    names = {item.contract for item in first.contracts + second.contracts}
    return tuple(sorted(name for name in names if first.get(name) != second.get(name)))


class _Subtree:
    """One contract's subtree during one update or proof.

    A stored node is the heap of its binary tree: [1] is its hash, [2 * i] and [2 * i + 1] are the children of [i],
    [16] to [31] are the slots, an empty place is b"". So one changed slot costs four hashes and not fifteen. A contract
    with a single leaf has no node; that leaf's slot is stored alone, or nobody would know its path.
    """

    def __init__(self, reader: NodeReader, contract: str, writes: dict[bytes, bytes | None]) -> None:
        self._reader = reader
        self._key = contract.encode("ascii") + b"\x00"
        self._writes = writes

    def update(self, root: bytes, changes: list[tuple[str, bytes]]) -> bytes:
        """Return the new root; `changes` are (path in hex, slot) sorted by path."""
        slot = self._apply(self._key, 0, self._top_slot(root), changes)
        if len(slot) == _LEAF_BYTES:
            self._writes[self._key] = encode([slot])
        elif not slot and root != EMPTY:
            self._writes[self._key] = None
        return slot[-HASH_BYTES:] or EMPTY

    def find(self, root: bytes, path: str) -> tuple[list[bytes], bytes]:
        """Return the siblings from the slot that `path` leads to up to the root, and what is in the slot."""
        siblings: list[bytes] = []
        slot = self._top_slot(root)
        depth = 0
        while len(slot) == HASH_BYTES:
            heap = self._read(self._key + path[:depth].encode("ascii"), slot)
            index = _SLOTS[path[depth]]
            slot = heap[index]
            level = []
            while index > 1:
                level.append(heap[index ^ 1][-HASH_BYTES:])
                index >>= 1
            siblings[:0] = level
            depth += 1
        return siblings, slot

    def _top_slot(self, root: bytes) -> bytes:
        """Return the contract's root as a slot: empty, a lone leaf, or the hash of an inner node."""
        if root == EMPTY:
            return b""
        stored = self._load(self._key)
        return stored[0] if len(stored) == 1 else root

    def _apply(self, key: bytes, depth: int, slot: bytes, changes: list[tuple[str, bytes]]) -> bytes:
        """Return the slot at node `key` after changes that all lie under it."""
        stored = len(slot) == HASH_BYTES
        heap = self._read(key, slot) if stored else [b""] * 32
        touched = []
        if slot and not stored:
            touched.append(_SLOTS[slot.hex()[depth]])
            heap[touched[0]] = slot
        start, count = 0, len(changes)
        while start < count:
            path, new = changes[start]
            digit = path[depth]
            end = start + 1
            while end < count and changes[end][0][depth] == digit:
                end += 1
            index = _SLOTS[digit]
            old = heap[index]
            if end == start + 1 and (not old or old[:-64].hex() == path):
                heap[index] = new
            else:
                heap[index] = self._apply(key + digit.encode("ascii"), depth + 1, old, changes[start:end])
            touched.append(index)
            start = end
        if heap[16:].count(b"") >= _SLOT_COUNT - 1:
            remaining = max(heap[16:])  # what is not empty, if anything
            if len(remaining) != HASH_BYTES:  # one leaf or nothing: no node
                if stored:
                    self._writes[key] = None
                return remaining
        _rehash(heap, touched)
        self._writes[key] = encode(heap)
        return heap[1]

    def _read(self, key: bytes, expected: bytes) -> list[bytes]:
        """Return a stored node; its parent names it by its hash, so a store of another version is noticed."""
        heap = self._load(key)
        assert heap[1] == expected, f"state tree node {key!r} is of another version than its parent"
        return heap

    def _load(self, key: bytes) -> list[bytes]:
        data = self._reader.get_node(key)
        assert data is not None, f"the store has no state tree node {key!r}, which its parent names"
        return _decode_node(data)


def _contract_of(key: bytes) -> str:
    contract, separator, _ = key.partition(b"\x00")
    if not contract or not separator or not contract.isascii():
        msg = f"state key: expected a contract's name and a zero byte in front, got {key[:64]!r}"
        raise VerificationError(msg)
    return contract.decode("ascii")


def _verify_slot(path: bytes, value: bytes | None, other: OtherLeaf | None, depth: int) -> bytes:
    """Return the hash of the slot at `depth` bits that a proof claims, for a value, another leaf or none."""
    if value is not None:
        if other is not None:
            msg = "state proof other: a proof of a value names no other leaf"
            raise VerificationError(msg)
        return hash_leaf(path, value)
    if other is None:
        return EMPTY
    if other.path == path:
        msg = "state proof other: the leaf has the very path that is said to be absent"
        raise VerificationError(msg)
    if (int.from_bytes(other.path, "big") ^ int.from_bytes(path, "big")) >> (PATH_BITS - depth):
        msg = f"state proof other: the leaf does not lie under the first {depth} bits of the key's path"
        raise VerificationError(msg)
    return merkle.leaf_hash(other.path + other.value_hash)


def _leaf_slot(path: bytes, value: bytes) -> bytes:
    value_hash = _sha256(value).digest()
    return path + value_hash + merkle.leaf_hash(path + value_hash)


def _rehash(heap: list[bytes], touched: list[int]) -> None:
    """Compute anew what depends on the touched slots, level by level up to [1]."""
    while touched != [1]:
        touched = list(dict.fromkeys([index >> 1 for index in touched])) if len(touched) > 1 else [touched[0] >> 1]
        for parent in touched:
            left, right = heap[2 * parent], heap[2 * parent + 1]
            if left or right:
                heap[parent] = _sha256(NODE_PREFIX + (left[-32:] or EMPTY) + (right[-32:] or EMPTY)).digest()
            else:
                heap[parent] = b""
