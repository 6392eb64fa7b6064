"""The state tree of a state with so many more keys, as far as some keys' proofs can see it.

Filler leaves fall to either side of every branching as random paths do (binomially, from one seed), subtrees without a
shown key are random hashes, and the rest is hashed as `ledger.state_tree` does. The proofs and roots have the sizes
and shapes of a real tree of that many keys, which need not be built.
"""

import hashlib
import random
from collections.abc import Mapping

from ledger import merkle
from ledger.state_multiproof import StateMultiProof, join_proofs
from ledger.state_tree import EMPTY, PATH_BITS, ContractRoot, OtherLeaf, StateProof, StateRoots

Entries = Mapping[bytes, bytes | None]
SHARES = {"records": 54, "claims": 10, "registers": 6, "consent": 14, "coverage": 12, "customers": 2, "keys": 2}
"""Of 100 keys, by contract, where every claim is a plain stay: 27 of 50 keys are about records."""


class Forest:
    """One tree per contract, grown around the keys to be shown."""

    def __init__(self, entries: Entries, key_count: int, seed: int = 1) -> None:
        self._entries = entries
        self._chance = random.Random(seed)
        self._siblings: dict[bytes, list[bytes]] = {}
        self._others: dict[bytes, OtherLeaf] = {}
        roots = []
        for contract, share in sorted(SHARES.items()):
            keys = [key for key in entries if key.startswith(contract.encode() + b"\x00")]
            roots.append(ContractRoot(contract, self._slot(keys, 0, key_count * share // 100)))
        self.roots = StateRoots(tuple(roots))

    def prove(self) -> StateMultiProof:
        proofs = {}
        for key, value in self._entries.items():
            upwards = tuple(node if node != EMPTY else None for node in reversed(self._siblings.get(key, [])))
            proofs[key] = (value, StateProof(self.roots, upwards, self._others.get(key)))
        return join_proofs(self.roots, proofs)

    def _slot(self, keys: list[bytes], depth: int, fillers: int) -> bytes:
        present = [key for key in keys if self._entries[key] is not None]
        if not keys:
            return self._chance.randbytes(32) if fillers else EMPTY
        if fillers + len(present) > 1:
            return self._pairing(keys, depth, depth + 4, fillers)
        if present:
            value = self._entries[present[0]]
            assert value is not None
            return merkle.leaf_hash(_path(present[0]).to_bytes(32) + hashlib.sha256(value).digest())
        if not fillers:
            return EMPTY
        rest = self._chance.getrandbits(PATH_BITS - depth)
        other = OtherLeaf(
            ((_path(keys[0]) >> (PATH_BITS - depth) << (PATH_BITS - depth)) | rest).to_bytes(32),
            self._chance.randbytes(32),
        )
        self._others |= dict.fromkeys(keys, other)
        return merkle.leaf_hash(other.path + other.value_hash)

    def _pairing(self, keys: list[bytes], depth: int, slot_depth: int, fillers: int) -> bytes:
        if depth == slot_depth:
            return self._slot(keys, depth, fillers)
        left_fillers = self._chance.getrandbits(fillers).bit_count() if fillers else 0
        bit = 1 << (PATH_BITS - 1 - depth)
        sides = [[key for key in keys if not _path(key) & bit], [key for key in keys if _path(key) & bit]]
        for key in keys:
            self._siblings.setdefault(key, []).append(b"")
        places = {key: len(self._siblings[key]) - 1 for key in keys}
        left = self._side(sides[0], depth + 1, slot_depth, left_fillers)
        right = self._side(sides[1], depth + 1, slot_depth, fillers - left_fillers)
        for side, sibling in zip(sides, (right, left), strict=True):
            for key in side:
                self._siblings[key][places[key]] = sibling
        return merkle.node_hash(left, right) if (left, right) != (EMPTY, EMPTY) else EMPTY

    def _side(self, keys: list[bytes], depth: int, slot_depth: int, fillers: int) -> bytes:
        if keys:
            return self._pairing(keys, depth, slot_depth, fillers)
        return self._chance.randbytes(32) if fillers else EMPTY


def _path(key: bytes) -> int:
    return int.from_bytes(hashlib.sha256(key).digest())
