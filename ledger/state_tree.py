"""The authenticated state: for each contract one sparse Merkle tree over its subjects, each subject a tree of its own.

A subject is what the first part of a row's key names: a claim, a stay, a grant. All rows of one subject are one group,
whatever their table, so that what is shown about one claim shares one way through the large tree. Groups and entries
lie in trees of the same kind, of 16 branches, in which a leaf is found by its path nibble by nibble:

    tree          leaf's path                                   leaf's content
    of a contract SHA-256(contract || 0x00 || key's first part) the root of the group's tree
    of a group    SHA-256(state key)                            SHA-256(value)

A subtree that holds one leaf *is* that leaf, so a tree is as deep as its paths need to differ and has no chains above
a lone leaf; an empty subtree is 32 zero bytes, and a group without entries is no leaf. The shape follows from the
contents alone: the same map has the same root, whatever was written or deleted before.

    leaf         SHA-256(0x00 || path || content)
    pair         SHA-256(0x01 || left || right), or EMPTY where both are
    inner node   its 16 slots paired four times, so that a proof has four siblings a level instead of fifteen
    state root   RFC 9162 root over encode(ContractRoot), sorted by name: two nodes can say where their states differ

A proof shows the value of a key or that the key is absent: its slot is empty, or holds the leaf of another path; or so
it is with its whole group. Whoever chooses names to collide has to find prefixes of SHA-256: 16 times the work for one
level more, on the ways of those names alone.

Inner nodes are stored under contract, group and nibble prefix and overwritten in place, so a store holds the latest
version only. `update` writes nothing: it returns what to write, so that several candidates may start from one state. It
is not a database either; values live beside the tree and only their hashes are in it.
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

_ROOTS_MAX = CONTRACTS_MAX + 3
"""Those of the contracts, and of the system's own names: the clock's, consensus' and the replay window's."""
PATH_BITS = 256
_LEVELS = 4
"""Pairings of one inner node: 16 slots are 4 levels of a binary tree."""
_SLOT_COUNT = 16
_LEAF_BYTES = 96
"""A slot with a leaf: its path, its content, and the leaf's hash. A slot with a subtree has that one's hash, an empty
slot nothing; so the last 32 bytes of a slot are its hash."""
_SLOTS = {digit: index for index, digit in enumerate("0123456789abcdef", start=16)}
"""Where in a node's heap the slot of a nibble is."""
_GROUP_MARK = b"g"
"""Between a contract and the path of a group in the keys of the group's nodes; no nibble."""

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

    contracts: Annotated[tuple[ContractRoot, ...], Meta(max_length=_ROOTS_MAX)] = ()
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
    content: Hash
    """SHA-256 of its value; of a group, its root."""


class Branch(Struct):
    """The way from one slot of a tree up to the tree's root."""

    siblings: Annotated[tuple[Hash | None, ...], Meta(max_length=PATH_BITS)]
    """Four a level; None is `EMPTY`, which is never spelled out."""
    other: OtherLeaf | None
    """What stands in the slot, if it is not what the branch is about; else None."""


class StateProof(Struct):
    """Shows one key's value, or its absence, under a state root."""

    roots: StateRoots
    """All contracts' roots: they are few, and so a contract without state is shown like any other."""
    group: Branch
    """From the key's group to the contract's root."""
    entry: Branch | None
    """From the key's entry to the group's root; None where the contract has no such group."""


def path_of(key: bytes) -> bytes:
    """Return where the leaf of a state key is: 32 bytes from its contract's root to its group, 32 within the group.

    Raises:
        VerificationError: If the key has no contract in front.
    """
    return locate_group(key)[1] + _sha256(key).digest()


def update(reader: NodeReader, roots: StateRoots, changes: Mapping[bytes, bytes | None]) -> TreeUpdate:
    """Return the tree after a batch of changes, touching each node once.

    Args:
        reader: The nodes that belong to `roots`.
        roots: The state to start from.
        changes: State key to its new value, None to delete. Deleting what is absent changes nothing.
    """
    by_contract: dict[str, dict[bytes, list[_Change]]] = {}
    for key, value in changes.items():
        contract, group_path = locate_group(key)
        path = _sha256(key).digest()
        slot = b"" if value is None else _leaf_slot(path, _sha256(value).digest())
        by_contract.setdefault(contract, {}).setdefault(group_path, []).append((path.hex(), slot, None))
    new_roots = {item.contract: item.root for item in roots.contracts}
    writes: dict[bytes, bytes | None] = {}
    for contract, groups in by_contract.items():
        moved: list[_Change] = []
        for group_path, entries in groups.items():
            tree = _Tree(reader, _group_key(contract, group_path), writes)
            before = tree.stored_root()
            after = tree.update(before, entries)
            slot = b"" if after == EMPTY else _leaf_slot(group_path, after)
            moved.append((group_path.hex(), slot, b"" if before == EMPTY else before))
        new_root = _Tree(reader, _contract_key(contract), writes).update(new_roots.pop(contract, EMPTY), moved)
        if new_root != EMPTY:
            new_roots[contract] = new_root
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
    contract, group_path = locate_group(key)
    group, found = _Tree(reader, _contract_key(contract), {}).prove(roots.get(contract), group_path)
    if found is None:
        return StateProof(roots, group, None)
    tree = _Tree(reader, _group_key(contract, group_path), {})
    return StateProof(roots, group, tree.prove(found, _sha256(key).digest())[0])


def verify_state(root: bytes, key: bytes, value: bytes | None, proof: StateProof) -> None:
    """Check that under a certified state root `key` has `value`, or with None that it is absent.

    Raises:
        VerificationError: Naming what does not hold.
    """
    if proof.roots.root != root:
        msg = f"state proof: expected state root {root.hex()}, the proof's contracts give {proof.roots.root.hex()}"
        raise VerificationError(msg)
    contract, group_path = locate_group(key)
    group_root = None
    if proof.entry is not None:
        content = None if value is None else _sha256(value).digest()
        group_root = _climb(_sha256(key).digest(), content, proof.entry)
        if group_root == EMPTY:
            msg = "state proof entry: a group without entries is no leaf of its contract"
            raise VerificationError(msg)
    elif value is not None:
        msg = "state proof entry: expected the way to the value, the proof shows that the group is absent"
        raise VerificationError(msg)
    if _climb(group_path, group_root, proof.group) != proof.roots.get(contract):
        msg = f"state proof: {contract} has not {'this value' if value is not None else 'this key absent'}"
        raise VerificationError(msg)


def locate_group(key: bytes) -> tuple[str, bytes]:
    """Return the contract of a state key and the path of its group in the contract's tree.

    Raises:
        VerificationError: If the key has no contract in front.
    """
    contract, *rest = key.split(b"\x00", 3)
    if not contract or not rest or not contract.isascii():
        msg = f"state key: expected a contract's name and a zero byte in front, got {key[:64]!r}"
        raise VerificationError(msg)
    subject = rest[1] if len(rest) > 1 else b""
    return contract.decode("ascii"), _sha256(contract + b"\x00" + subject).digest()


def differing_contracts(first: StateRoots, second: StateRoots) -> tuple[str, ...]:
    """Return the names of the contracts whose state differs, sorted."""
    names = {item.contract for item in first.contracts + second.contracts}
    return tuple(sorted(name for name in names if first.get(name) != second.get(name)))


_Change = tuple[str, bytes, bytes | None]
"""A leaf's path in hex, its new slot, and what its content is known to have been: b"" absent, None not known."""


class _Tree:
    """One tree, a contract's or a group's, during one update or proof.

    A stored node is the heap of its binary tree: [1] is its hash, [2 * i] and [2 * i + 1] are the children of [i],
    [16] to [31] are the slots, an empty place is b"". So one changed slot costs four hashes and not fifteen. A tree
    with a single leaf has no node; that leaf's slot is stored alone, or nobody would know its path.
    """

    def __init__(self, reader: NodeReader, key: bytes, writes: dict[bytes, bytes | None]) -> None:
        self._reader = reader
        self._key = key
        self._writes = writes

    def stored_root(self) -> bytes:
        """Return the root that the store has for this tree."""
        data = self._reader.get_node(self._key)
        if data is None:
            return EMPTY
        stored = _decode_node(data)
        return stored[0][-HASH_BYTES:] if len(stored) == 1 else stored[1]

    def update(self, root: bytes, changes: list[_Change]) -> bytes:
        """Return the new root."""
        changes.sort()
        top = self._top_slot(root)
        if len(changes) == 1 and _is_place(top, changes[0]):
            slot = changes[0][1]
        else:
            slot = self._apply(self._key, 0, top, changes)
        if len(slot) == _LEAF_BYTES:
            self._writes[self._key] = encode([slot])
        elif not slot and root != EMPTY:
            self._writes[self._key] = None
        return slot[-HASH_BYTES:] or EMPTY

    def prove(self, root: bytes, path: bytes) -> tuple[Branch, bytes | None]:
        """Return the branch of a leaf, or of where it would be, and its content."""
        siblings: list[bytes] = []
        slot = self._top_slot(root)
        nibbles = path.hex()
        depth = 0
        while len(slot) == HASH_BYTES:
            heap = self._read(self._key + nibbles[:depth].encode("ascii"), slot)
            index = _SLOTS[nibbles[depth]]
            slot = heap[index]
            level = []
            while index > 1:
                level.append(heap[index ^ 1][-HASH_BYTES:])
                index >>= 1
            siblings[:0] = level
            depth += 1
        content = slot[32:64] if slot[:32] == path else None
        other = OtherLeaf(slot[:32], slot[32:64]) if slot and content is None else None
        return Branch(tuple(node or None for node in siblings), other), content

    def _top_slot(self, root: bytes) -> bytes:
        """Return the tree's root as a slot: empty, a lone leaf, or the hash of an inner node."""
        if root == EMPTY:
            return b""
        stored = self._load(self._key)
        if len(stored) > 1:
            return root
        assert stored[0][-HASH_BYTES:] == root, f"state tree leaf {self._key!r} is of another version than its parent"
        return stored[0]

    def _apply(self, key: bytes, depth: int, slot: bytes, changes: list[_Change]) -> bytes:
        """Return the slot at node `key` after changes that all lie under it."""
        stored = len(slot) == HASH_BYTES
        heap = self._read(key, slot) if stored else [b""] * 32
        touched = []
        if slot and not stored:
            touched.append(_SLOTS[slot.hex()[depth]])
            heap[touched[0]] = slot
        start, count = 0, len(changes)
        while start < count:
            digit = changes[start][0][depth]
            end = start + 1
            while end < count and changes[end][0][depth] == digit:
                end += 1
            index = _SLOTS[digit]
            old = heap[index]
            if end == start + 1 and _is_place(old, changes[start]):
                heap[index] = changes[start][1]
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


def _contract_key(contract: str) -> bytes:
    return contract.encode("ascii") + b"\x00"


def _group_key(contract: str, group_path: bytes) -> bytes:
    return _contract_key(contract) + _GROUP_MARK + group_path


def _is_place(slot: bytes, change: _Change) -> bool:
    """Whether a changed leaf belongs into this slot, which is empty or has the leaf already."""
    if len(slot) not in (0, _LEAF_BYTES) or (slot and slot[:32].hex() != change[0]):
        return False
    assert change[2] is None or slot[32:64] == change[2], "a group is of another version than its contract's tree"
    return True


def _climb(path: bytes, content: bytes | None, branch: Branch) -> bytes:
    """Return the root of the tree in which a branch shows a leaf, or with None that there is none of this path."""
    depth = len(branch.siblings)
    if depth % _LEVELS or depth > PATH_BITS:
        msg = f"state proof siblings: expected four a level and at most {PATH_BITS}, got {depth}"
        raise VerificationError(msg)
    computed = _verify_slot(path, content, branch.other, depth)
    if computed == EMPTY and depth and not any(branch.siblings[:_LEVELS]):
        msg = "state proof siblings: an empty slot is shown in its node, not below an empty one"
        raise VerificationError(msg)
    position = int.from_bytes(path, "big") >> (PATH_BITS - depth)
    for sibling in branch.siblings:
        if sibling == EMPTY:
            msg = "state proof siblings: an empty one is None, not zero bytes"
            raise VerificationError(msg)
        node = sibling or EMPTY
        if computed != EMPTY or node != EMPTY:
            computed = merkle.node_hash(node, computed) if position & 1 else merkle.node_hash(computed, node)
        position >>= 1
    return computed


def _verify_slot(path: bytes, content: bytes | None, other: OtherLeaf | None, depth: int) -> bytes:
    """Return the hash of the slot at `depth` bits that a branch claims, for a leaf, another leaf or none."""
    if content is not None:
        if other is not None:
            msg = "state proof other: a proof of what is there names no other leaf"
            raise VerificationError(msg)
        return merkle.leaf_hash(path + content)
    if other is None:
        return EMPTY
    if other.path == path:
        msg = "state proof other: the leaf has the very path that is said to be absent"
        raise VerificationError(msg)
    if (int.from_bytes(other.path, "big") ^ int.from_bytes(path, "big")) >> (PATH_BITS - depth):
        msg = f"state proof other: the leaf does not lie under the first {depth} bits of the key's path"
        raise VerificationError(msg)
    return merkle.leaf_hash(other.path + other.content)


def _leaf_slot(path: bytes, content: bytes) -> bytes:
    return path + content + merkle.leaf_hash(path + content)


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
