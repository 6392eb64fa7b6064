"""The state trees of a state with so many more keys, as far as some keys' proofs can see them.

Filler groups fall to either side of every branching as random paths do (binomially, from one seed), subtrees without a
shown key are random hashes, and the rest is hashed as `ledger.state_tree` does. The proofs and roots have the sizes
and shapes of real trees of that many keys, which need not be built. Beside the shown entries of a subject, its group
holds as many others as the group of a plain stay does.
"""

import hashlib
import random
from collections.abc import Mapping
from typing import NamedTuple

from ledger import merkle
from ledger.state_multiproof import StateMultiProof, join_proofs
from ledger.state_tree import EMPTY, PATH_BITS, Branch, ContractRoot, OtherLeaf, StateProof, StateRoots, locate_group

Entries = Mapping[bytes, bytes | None]


class Share(NamedTuple):
    """What a contract has of 1,000 keys, where every claim is a plain stay of 55 keys and one in ten is erased."""

    groups: int
    """Subjects: claims, stays, records, customers."""
    hidden: int
    """Rows of a shown subject that a dossier does not show."""
    hidden_each: int = 0
    """And for each row that it does show."""


SHARES = {
    "claims": Share(55, 0),
    "consent": Share(36, 1),
    "coverage": Share(18, 4),
    "customers": Share(18, 0),
    "keys": Share(18, 0),
    "records": Share(109, 0, 2),
    "registers": Share(18, 0),
    "retention": Share(4, 0),
}
ASIDE = (
    "access",
    "attempts",
    "authorities",
    "clock",
    "consensus",
    "emergencies",
    "erasure",
    "governance",
    "invoices",
    "recovery",
    "replay",
    "reports",
)
"""Contracts with state of which a dossier shows nothing but the root."""
MEMBERSHIP = 40
"""Organisations, credentials and pins: as many in a state of any size."""


class Leaf(NamedTuple):
    """A leaf that is shown there or absent."""

    path: int
    content: bytes | None


class Grove:
    """One tree, grown around the leaves to be shown."""

    def __init__(self, leaves: list[Leaf], fillers: int, chance: random.Random) -> None:
        self._chance = chance
        self._siblings: dict[int, list[bytes]] = {leaf.path: [] for leaf in leaves}
        self._others: dict[int, OtherLeaf] = {}
        self.root = self._slot(leaves, 0, fillers)

    def branch(self, path: int) -> Branch:
        upwards = tuple(node if node != EMPTY else None for node in reversed(self._siblings[path]))
        return Branch(upwards, self._others.get(path))

    def _slot(self, leaves: list[Leaf], depth: int, fillers: int) -> bytes:
        present = [leaf for leaf in leaves if leaf.content is not None]
        if not leaves:
            return self._chance.randbytes(32) if fillers else EMPTY
        if fillers + len(present) > 1:
            return self._pairing(leaves, depth, depth + 4, fillers)
        if present:
            other = OtherLeaf(present[0].path.to_bytes(32), present[0].content or b"")
        elif fillers:
            rest = self._chance.getrandbits(PATH_BITS - depth)
            path = (leaves[0].path >> (PATH_BITS - depth) << (PATH_BITS - depth)) | rest
            other = OtherLeaf(path.to_bytes(32), self._chance.randbytes(32))
        else:
            return EMPTY
        self._others |= {leaf.path: other for leaf in leaves if leaf.content is None}
        return merkle.leaf_hash(other.path + other.content)

    def _pairing(self, leaves: list[Leaf], depth: int, slot_depth: int, fillers: int) -> bytes:
        if depth == slot_depth:
            return self._slot(leaves, depth, fillers)
        left_fillers = self._chance.getrandbits(fillers).bit_count() if fillers else 0
        bit = 1 << (PATH_BITS - 1 - depth)
        sides = [[leaf for leaf in leaves if not leaf.path & bit], [leaf for leaf in leaves if leaf.path & bit]]
        for leaf in leaves:
            self._siblings[leaf.path].append(b"")
        places = {leaf.path: len(self._siblings[leaf.path]) - 1 for leaf in leaves}
        left = self._side(sides[0], depth + 1, slot_depth, left_fillers)
        right = self._side(sides[1], depth + 1, slot_depth, fillers - left_fillers)
        for side, sibling in zip(sides, (right, left), strict=True):
            for leaf in side:
                self._siblings[leaf.path][places[leaf.path]] = sibling
        return merkle.node_hash(left, right) if (left, right) != (EMPTY, EMPTY) else EMPTY

    def _side(self, leaves: list[Leaf], depth: int, slot_depth: int, fillers: int) -> bytes:
        if leaves:
            return self._pairing(leaves, depth, slot_depth, fillers)
        return self._chance.randbytes(32) if fillers else EMPTY


class Forest:
    """The trees of all contracts."""

    def __init__(self, entries: Entries, key_count: int, seed: int = 1) -> None:
        self._entries = entries
        self._groves: dict[tuple[str, bytes], Grove] = {}
        self._contracts: dict[str, Grove] = {}
        chance = random.Random(seed)
        subjects: dict[tuple[str, bytes], list[Leaf]] = {}
        for key, value in entries.items():
            content = None if value is None else hashlib.sha256(value).digest()
            subjects.setdefault(locate_group(key), []).append(Leaf(_path(key), content))
        for name in sorted({*SHARES, "membership"}):
            groups = []
            for place in (place for place in subjects if place[0] == name):
                share = SHARES.get(name, Share(0, 1))
                hidden = share.hidden + share.hidden_each * len(subjects[place])
                grove = self._groves[place] = Grove(subjects[place], hidden, chance)
                content = grove.root if grove.root != EMPTY else None
                groups.append(Leaf(int.from_bytes(place[1]), content))
            fillers = key_count * SHARES[name].groups // 1_000 if name in SHARES else MEMBERSHIP
            self._contracts[name] = Grove(groups, fillers, chance)
        roots = {name: grove.root for name, grove in self._contracts.items()}
        roots |= {name: chance.randbytes(32) for name in ASIDE}
        self.roots = StateRoots(tuple(ContractRoot(name, roots[name]) for name in sorted(roots)))

    def prove(self) -> StateMultiProof:
        return join_proofs(self.roots, {key: (value, self._proof(key)) for key, value in self._entries.items()})

    def _proof(self, key: bytes) -> StateProof:
        contract, group = locate_group(key)
        grove = self._groves[contract, group]
        branch = None if grove.root == EMPTY else grove.branch(_path(key))
        return StateProof(self.roots, self._contracts[contract].branch(int.from_bytes(group)), branch)


def _path(key: bytes) -> int:
    return int.from_bytes(hashlib.sha256(key).digest())
