"""The chain and its state on disk: one synced batch per block, so a crash leaves the old height or the new one.

    h/genesis            which chain this is; written once, with the state of the genesis
    h/height             the last height in the store
    h/first              the first height whose block is here; absent in a store that has them all
    k/ + height          header and commit of a height at which the validator set changed, and of an adopted snapshot
    b/ c/ r/ + height    the block, the commit that finalises it, the receipts
    t/ + transaction id  where the transaction is: height and place among the receipts
    s/ n/ m/ + key       state entries, tree nodes and metadata, as execution wrote them

Heights in keys are 8 bytes, big-endian. Only the latest state is kept; older heights are re-executed by whoever wants
them. The store checks that what comes belongs together, not that it is valid: the replica has voted on it.

A store that was made from a snapshot (`nodes.storage.adoption`) has the blocks after it and none before. The
certificates that led to it stay, so that whoever asks this node for the way from the genesis gets it.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

from ledger.blocks import Block, BlockHeader, Commit, receipts_root
from ledger.codec import ChainId, Hash, Struct, decode, encode
from ledger.errors import DecodeError
from ledger.transactions import EXPIRED, REPLAYED, Receipt
from nodes.storage.errors import REMEDY_CORRUPT, StorageError
from nodes.storage.store import KeyValueStore

T = TypeVar("T")

STATE_PREFIX = b"s/"
NODE_PREFIX = b"n/"
METADATA_PREFIX = b"m/"

_GENESIS = b"h/genesis"
_HEIGHT = b"h/height"
_FIRST = b"h/first"
_RECORD_BYTES_MAX = 2**31
"""What was accepted once is read back whatever its size; the limits of the protocol held when it came in."""


class _Origin(Struct):
    chain_id: ChainId
    genesis_hash: Hash


class _Certified(Struct):
    header: BlockHeader
    commit: Commit


class CommittedState:
    """The latest committed state as the core reads it: a `StateReader` and a `NodeReader` in one."""

    def __init__(self, store: KeyValueStore) -> None:
        """Read from `store`, always its latest batch."""
        self._store = store

    def get(self, key: bytes) -> bytes | None:
        """Return the state entry of `key`, or None."""
        return self._store.get(STATE_PREFIX + key)

    def scan(self, prefix: bytes, start: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:
        """Yield the state entries whose key begins with `prefix`, sorted by key; those before the key `start` not."""
        for key, value in self._store.scan(STATE_PREFIX + prefix, None if start is None else STATE_PREFIX + start):
            yield key[len(STATE_PREFIX) :], value

    def get_node(self, key: bytes) -> bytes | None:
        """Return the tree node of `key`, or None."""
        return self._store.get(NODE_PREFIX + key)

    def get_metadata(self, key: bytes) -> bytes | None:
        """Return what execution keeps beside the state under `key`, or None."""
        return self._store.get(METADATA_PREFIX + key)

    def scan_metadata(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield what execution keeps beside the state under keys that begin with `prefix`, sorted by key."""
        for key, value in self._store.scan(METADATA_PREFIX + prefix):
            yield key[len(METADATA_PREFIX) :], value


class BlockStore:
    """The blocks, receipts, commits and latest state of one chain."""

    def __init__(self, store: KeyValueStore, chain_id: str, genesis_hash: bytes) -> None:
        """Open the chain in `store`; a new store stays empty until `create`.

        Args:
            store: Closed by whoever opened it.
            chain_id: The chain this node is configured for.
            genesis_hash: The hash of its genesis.

        Raises:
            StorageError: If the store holds another chain, or no chain that this program can read.
        """
        self._store = store
        self._origin = _Origin(chain_id, genesis_hash)
        self._height: int | None = None
        self._first = 1
        self.state = CommittedState(store)
        found = store.get(_GENESIS)
        if found is None:
            return
        origin = self._decode(_GENESIS, found, _Origin)
        if origin != self._origin:
            problem = (
                f"home folder of another network: it holds chain {origin.chain_id} with genesis "
                f"{origin.genesis_hash.hex()}, this node is configured for {chain_id} with {genesis_hash.hex()}"
            )
            raise StorageError(store.path, problem, "choose another home folder, or the genesis that made this one")
        height = store.get(_HEIGHT)
        if height is None or len(height) != 8:
            raise StorageError(store.path, "the height is missing", REMEDY_CORRUPT)
        self._height = int.from_bytes(height)
        self._first = int.from_bytes(store.get(_FIRST) or b"\x01")

    @property
    def engine(self) -> str:
        """Which engine keeps it."""
        return self._store.engine

    @property
    def is_new(self) -> bool:
        """Whether the state of the genesis has yet to be written."""
        return self._height is None

    def create(self, writes: Mapping[bytes, bytes | None]) -> None:
        """Record which chain this is, together with the state of its genesis, at height 0.

        Args:
            writes: What executing the genesis wrote; keys as for `append`.

        Raises:
            StorageError: If the disk refuses; the store is still new.
        """
        assert self.is_new, "a chain is created once"
        self._write(0, writes, {_GENESIS: encode(self._origin)})

    def adopt(
        self, height: int, writes: Mapping[bytes, bytes | None], certificates: Iterable[tuple[BlockHeader, Commit]]
    ) -> None:
        """Record which chain this is and where it stands, in a new store that has a snapshot's entries and nodes.

        Args:
            height: The snapshot's; the first block here will be the next.
            writes: The metadata after that height; keys as for `append`.
            certificates: Those that led there, and its own.

        Raises:
            StorageError: If the disk refuses; the store is still new.
        """
        assert self.is_new, "a snapshot is adopted by a new store"
        first = height + 1
        records = {_at(b"k/", header.height): encode(_Certified(header, commit)) for header, commit in certificates}
        self._write(height, writes, {**records, _GENESIS: encode(self._origin), _FIRST: first.to_bytes(8)})
        self._first = first

    @property
    def first_height(self) -> int:
        """The first height whose block is here, or will be: above 1 if this chain was begun from a snapshot."""
        return self._first

    def describe_absence(self, height: int) -> str:
        """Return why the block at `height` is not here, and what to do about it."""
        if 0 < height < self._first:
            return (
                f"this node's blocks begin at height {self._first}, because it began from a snapshot of height "
                f"{self._first - 1}; ask a node that has height {height}"
            )
        return f"expected {self._first} to {self.height()}"

    def certificates(self) -> Iterator[tuple[BlockHeader, Commit]]:
        """Yield header and commit of each height at which the validator set changed, and of an adopted snapshot."""
        for key, value in self._store.scan(b"k/"):
            found = self._decode(key, value, _Certified)
            yield found.header, found.commit

    def certificate(self, height: int) -> tuple[BlockHeader, Commit] | None:
        """Return header and commit of a height at which the validator set changed, or of any block that is here."""
        found = self._read(_at(b"k/", height), _Certified)
        if found is not None:
            return found.header, found.commit
        block, commit = self.block(height), self.commit(height)
        return None if block is None or commit is None else (block.header, commit)

    def height(self) -> int:
        """Return the last height in the store; 0 when there is only the genesis."""
        assert self._height is not None, "create comes first"
        return self._height

    def append(
        self, block: Block, commit: Commit, receipts: tuple[Receipt, ...], writes: Mapping[bytes, bytes | None]
    ) -> None:
        """Make `block` the last one, with everything that follows from it, in one synced batch.

        Args:
            block: At the height after the last.
            commit: The certificate for exactly this block.
            receipts: One per transaction, in order, then one per clock call.
            writes: What executing the block wrote: keys under `s/`, `n/` or `m/`; None deletes.

        Raises:
            StorageError: If the disk refuses; the last height is unchanged.
        """
        height = block.header.height
        assert height == self.height() + 1, f"expected height {self.height() + 1}, got {height}"
        assert (commit.height, commit.block_hash) == (height, block.header.hash), "the commit is for another block"
        assert len(receipts) >= block.header.transaction_count, "one receipt per transaction, then those of clock calls"
        assert receipts_root(receipts) == block.header.receipts_root, "the receipts are another block's"
        records: dict[bytes, bytes] = {
            _at(b"b/", height): encode(block),
            _at(b"c/", height): encode(commit),
            _at(b"r/", height): encode(receipts),
        }
        if block.header.next_validators_hash != block.header.validators_hash:
            records[_at(b"k/", height)] = encode(_Certified(block.header, commit))
        for index, receipt in enumerate(receipts):
            key = b"t/" + receipt.transaction_id
            # A copy included again is found at its first place: only a copy is REPLAYED, or EXPIRED after the window.
            if receipt.code in {REPLAYED, EXPIRED} and (key in records or self._store.get(key) is not None):
                continue
            records[key] = height.to_bytes(8) + index.to_bytes(4)
        self._write(height, writes, records)

    def block(self, height: int) -> Block | None:
        """Return the block at `height`; None for the genesis, for heights to come, and below `first_height`."""
        return self._read(_at(b"b/", height), Block)

    def commit(self, height: int) -> Commit | None:
        """Return the certificate this node keeps for `height`; another node may keep another quorum's."""
        return self._read(_at(b"c/", height), Commit)

    def receipts(self, height: int) -> tuple[Receipt, ...] | None:
        """Return what became of each transaction of the block at `height`, and then of its clock calls."""
        return self._read(_at(b"r/", height), tuple[Receipt, ...])

    def find_transaction(self, transaction_id: bytes) -> tuple[int, int] | None:
        """Return where a transaction stands: its block's height, and its place among the receipts there.

        A transaction that was included more than once is found where it was judged, not where it was `REPLAYED`.
        """
        key = b"t/" + transaction_id
        found = self._store.get(key)
        if found is None:
            return None
        if len(found) != 12:
            raise self._unreadable(key, f"expected 12 bytes, got {len(found)}")
        return int.from_bytes(found[:8]), int.from_bytes(found[8:])

    def _write(self, height: int, writes: Mapping[bytes, bytes | None], records: Mapping[bytes, bytes]) -> None:
        for key in writes:
            assert key[:2] in {STATE_PREFIX, NODE_PREFIX, METADATA_PREFIX}, f"key outside the state: {key[:40]!r}"
        self._store.write({**writes, **records, _HEIGHT: height.to_bytes(8)})
        self._height = height

    def _read(self, key: bytes, kind: type[T]) -> T | None:
        found = self._store.get(key)
        return None if found is None else self._decode(key, found, kind)

    def _decode(self, key: bytes, data: bytes, kind: type[T]) -> T:
        try:
            return decode(data, kind, _RECORD_BYTES_MAX)
        except DecodeError as error:
            raise self._unreadable(key, str(error)) from error

    def _unreadable(self, key: bytes, problem: str) -> StorageError:
        return StorageError(self._store.path, f"entry {key[:2].decode()}{key[2:].hex()}: {problem}", REMEDY_CORRUPT)


def _at(prefix: bytes, height: int) -> bytes:
    return prefix + height.to_bytes(8)
