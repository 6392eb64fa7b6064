"""A snapshot: the committed state of one height, cut into chunks that are verified one by one.

Whoever is far behind need not execute every block: a quorum's certificate over one header says what the state after
that block is, because the header has its root. A snapshot is that state and the way to check it:

    manifest    a certified header, the history's frontier below it, and the list of parts
    part        one contract's entries whose path begins with a nibble prefix, and the hash of their subtree
    chunk       the entries of one part

The parts' hashes give the contracts' roots, and these the header's state root: a manifest that passes authenticates
every part, and then each chunk stands alone, whoever sent it and in whatever order they come. A chunk in which a byte
differs, an entry is missing or one is too many gives another hash. Nothing unverified needs to be stored.

How a state is divided follows from the state: a subtree whose entries fit into one chunk is a part, any other one is
divided by its next nibble; a group that is alone and too large, by the nibbles of its own tree. So nodes that are at
one height have the same parts, and their chunks can be mixed.

All that decides whether a block is valid is in the state (`ledger.execution.store`), so a node that took a snapshot
judges the next block as everybody does. What it has not seen are the blocks before. It relies on what the light client
relies on: that no two thirds of a past validator set signed another past.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import groupby
from typing import Annotated, Final

from msgspec import Meta

from ledger import merkle
from ledger.blocks import BlockHeader
from ledger.codec import Hash, Name, Struct, decode, encode
from ledger.crypto.hashes import hash_tagged
from ledger.errors import VerificationError
from ledger.execution.store import FRONTIER, GENESIS, HEADER, ROOTS
from ledger.light_client import WalkStep
from ledger.limits import SNAPSHOT_CHUNK_BYTES, SNAPSHOT_CHUNK_BYTES_MAX, SNAPSHOT_PARTS_MAX
from ledger.merkle import Frontier, leaf_hash
from ledger.state_tree import EMPTY, ContractRoot, StateRoots, path_of

Prefix = Annotated[str, Meta(max_length=128, pattern=r"^[0-9a-f]*\Z")]
"""The first nibbles of paths: up to 64 in the contract's tree, then in the tree of one group."""
Entry = tuple[bytes, bytes]
"""State key and value."""
Scan = Callable[[str], Iterator[Entry]]
"""Returns a contract's entries whose path begins with a prefix, in any order."""

_NOWHERE: Final = ("", "")
"""The place of no part."""
_DIGITS: Final = "0123456789abcdef"
_SLOT_COUNT: Final = 16
_GROUP_NIBBLES: Final = 64
"""Of a path: what leads to the group; the rest leads to the entry."""
_NODES_MAX: Final = 4 * SNAPSHOT_PARTS_MAX
"""Nodes above the parts of one manifest: computed in about a second, before anybody has taken a chunk."""


class Part(Struct):
    """What one chunk must hold."""

    contract: Name
    """Of the members or the system's own (`clock`, `consensus`, `replay`)."""
    prefix: Prefix
    hash: Hash
    """Of the subtree under the prefix; never empty."""


class Chunk(Struct):
    """The entries of one part."""

    entries: Annotated[tuple[Entry, ...], Meta(min_length=1)]
    """Sorted by key, each once."""


class Manifest(Struct):
    """Which state a snapshot has, and its parts."""

    certificate: WalkStep
    """Of the header after whose block the state is what the snapshot has. Two nodes may keep different commits."""
    frontier: Frontier
    """Of the history below that header: one leaf per earlier height."""
    parts: Annotated[tuple[Part, ...], Meta(max_length=SNAPSHOT_PARTS_MAX)]
    """Sorted by contract and prefix."""

    @property
    def header(self) -> BlockHeader:
        """The header that certifies the state."""
        return self.certificate.header

    @property
    def id(self) -> bytes:
        """What is equal in all copies of one snapshot, 32 bytes: whose chunks can be mixed."""
        return hash_tagged("xinpei/snapshot/v1", encode((self.header.hash, self.parts)))


def divide(contract: str, scan: Scan) -> Iterator[tuple[Part, Chunk]]:
    """Yield the parts of one contract's state with their chunks, in order; at most about one chunk is in memory.

    Args:
        contract: Its name; one without entries has no parts.
        scan: Reads its entries, several times.
    """
    yield from _divide(contract, "", scan)


def verify_manifest(manifest: Manifest) -> StateRoots:
    """Check that the parts and the frontier are those of the header; return the roots of the contracts.

    That the header is certified is the light client's to say (`ledger.light_client.walk`).

    Raises:
        VerificationError: Naming what does not hold.
    """
    header, places = manifest.header, [(part.contract, part.prefix) for part in manifest.parts]
    if places != sorted(set(places)):
        msg = f"snapshot {header.height} parts: expected them sorted by contract and prefix, each once"
        raise VerificationError(msg)
    if manifest.frontier.size != header.height or manifest.frontier.root() != header.history_root:
        msg = f"snapshot {header.height} frontier: expected the one of the header's history, got another"
        raise VerificationError(msg)
    if _count_nodes(manifest.parts) > _NODES_MAX:
        msg = f"snapshot {header.height} parts: expected at most {_NODES_MAX} nodes above them, got more"
        raise VerificationError(msg)
    roots = StateRoots(
        tuple(
            ContractRoot(name, _join([(part.prefix, part.hash) for part in parts], 0))
            for name, parts in groupby(manifest.parts, key=lambda part: part.contract)
        )
    )
    if roots.root != header.state_root:
        msg = f"snapshot {header.height} parts: expected state root {header.state_root.hex()}, got {roots.root.hex()}"
        raise VerificationError(msg)
    return roots


def verify_chunk(part: Part, data: bytes) -> Chunk:
    """Return the entries of a part of a verified manifest.

    Args:
        part: Which part it is said to be.
        data: A chunk's encoding, from anybody.

    Raises:
        DecodeError: If it is no chunk.
        VerificationError: If it is not this part's, entry for entry.
    """
    chunk = decode(data, Chunk, SNAPSHOT_CHUNK_BYTES_MAX)
    keys = [key for key, _ in chunk.entries]
    if keys != sorted(set(keys)):
        msg = f"{_name(part)}: expected entries sorted by key, each once"
        raise VerificationError(msg)
    owner = part.contract.encode() + b"\x00"
    stranger = next((key for key in keys if not key.startswith(owner)), None)
    if stranger is None:
        stranger = next((key for key in keys if not path_of(key).hex().startswith(part.prefix)), None)
    if stranger is not None:
        msg = f"{_name(part)}: expected entries of this part only, got the key {stranger[:64]!r}"
        raise VerificationError(msg)
    found = hash_entries(part.prefix, chunk.entries)
    if found != part.hash:
        msg = f"{_name(part)}: expected the subtree {part.hash.hex()}, the entries give {found.hex()}"
        raise VerificationError(msg)
    return chunk


def hash_entries(prefix: str, entries: Iterable[Entry]) -> bytes:
    """Return the hash of the subtree under `prefix` that has exactly these entries; `EMPTY` for none."""
    leaves = []
    for key, value in entries:
        path = path_of(key)
        leaves.append((path.hex(), leaf_hash(path[32:] + sha256(value).digest())))
    leaves.sort()
    if len(prefix) >= _GROUP_NIBBLES:
        return _hash_subtree(leaves, len(prefix))
    groups = []
    for group, inside in groupby(leaves, key=lambda leaf: leaf[0][:_GROUP_NIBBLES]):
        root = _hash_subtree(tuple(inside), _GROUP_NIBBLES)
        groups.append((group, leaf_hash(bytes.fromhex(group) + root)))
    return _hash_subtree(groups, len(prefix))


def metadata_writes(genesis_hash: bytes, manifest: Manifest, roots: StateRoots) -> dict[bytes, bytes]:
    """Return what a store holds beside state and nodes after the snapshot's block.

    Args:
        genesis_hash: The chain's own.
        manifest: Certified and verified.
        roots: What `verify_manifest` returned.
    """
    return {
        GENESIS: genesis_hash,
        HEADER: encode(manifest.header),
        FRONTIER: encode(manifest.frontier.append(leaf_hash(manifest.header.hash))),
        ROOTS: encode(roots),
    }


def _divide(contract: str, prefix: str, scan: Scan) -> Iterator[tuple[Part, Chunk]]:
    entries: list[Entry] = []
    size = 0
    for key, value in scan(prefix):
        entries.append((key, value))
        size += len(key) + len(value)
        if size > SNAPSHOT_CHUNK_BYTES and len(entries) > 1:
            break
    else:
        if entries:
            yield Part(contract, prefix, hash_entries(prefix, entries)), Chunk(tuple(sorted(entries)))
        return
    if len(prefix) < _GROUP_NIBBLES:
        group = path_of(entries[0][0]).hex()[:_GROUP_NIBBLES]
        if all(path_of(key).hex().startswith(group) for key, _ in scan(prefix)):
            prefix = group
    entries.clear()
    for digit in _DIGITS:
        yield from _divide(contract, prefix + digit, scan)


def _count_nodes(parts: Sequence[Part]) -> int:
    """Return how many nodes are above sorted parts: the nibbles that each does not share with the one before.

    A divided group is a leaf of its contract, no deeper than what tells it from its neighbours.
    """
    places = [(part.contract, part.prefix) for part in parts]
    outer = [place for place, _ in groupby(places, key=_group_place)]
    count = 0
    for before, place, after in zip([_NOWHERE, *outer], outer, [*outer[1:], _NOWHERE], strict=False):
        shared = _shared(before, place)
        is_group = len(place[1]) == _GROUP_NIBBLES
        count += max(shared, _shared(place, after)) + 1 - shared if is_group else len(place[1]) - shared
    for before, place in zip([_NOWHERE, *places], places, strict=False):
        count += max(0, len(place[1]) - max(_shared(before, place), _GROUP_NIBBLES))
    return count


def _group_place(place: tuple[str, str]) -> tuple[str, str]:
    return place[0], place[1][:_GROUP_NIBBLES]


def _shared(one: tuple[str, str], other: tuple[str, str]) -> int:
    """Return how many nibbles two places (contract, prefix) have in common; none in two contracts."""
    if one[0] != other[0]:
        return 0
    pairs = zip(one[1], other[1], strict=False)
    return next((at for at, (left, right) in enumerate(pairs) if left != right), min(len(one[1]), len(other[1])))


def _join(parts: Sequence[tuple[str, bytes]], depth: int) -> bytes:
    """Return the hash of the subtree that sorted parts below one prefix of `depth` nibbles make."""
    prefix, part_hash = parts[0]
    if len(prefix) == depth:
        if len(parts) > 1:
            msg = f"snapshot parts: {parts[1][0]!r} lies inside {prefix!r}"
            raise VerificationError(msg)
        if part_hash == EMPTY:
            msg = f"snapshot parts: {prefix!r} is empty; an empty part is left out"
            raise VerificationError(msg)
        return part_hash
    group = prefix[:_GROUP_NIBBLES]
    if depth < _GROUP_NIBBLES == len(group) and parts[-1][0].startswith(group):
        return leaf_hash(bytes.fromhex(group) + _join(parts, _GROUP_NIBBLES))
    slots = [EMPTY] * _SLOT_COUNT
    for digit, below in groupby(parts, key=lambda item: item[0][depth]):
        slots[int(digit, 16)] = _join(tuple(below), depth + 1)
    return _pair(slots)


def _hash_subtree(leaves: Sequence[tuple[str, bytes]], depth: int) -> bytes:
    """Return the hash of the subtree with these leaves, sorted by path: a lone leaf is its own subtree."""
    if len(leaves) <= 1:
        return leaves[0][1] if leaves else EMPTY
    slots = [EMPTY] * _SLOT_COUNT
    for digit, group in groupby(leaves, key=lambda item: item[0][depth]):
        slots[int(digit, 16)] = _hash_subtree(tuple(group), depth + 1)
    return _pair(slots)


def _pair(level: Sequence[bytes]) -> bytes:
    while len(level) > 1:
        level = [
            EMPTY if left == right == EMPTY else sha256(merkle.NODE_PREFIX + left + right).digest()
            for left, right in zip(level[::2], level[1::2], strict=True)
        ]
    return level[0]


def _name(part: Part) -> str:
    return f"snapshot part {part.contract}/{part.prefix}"
