"""What survives a crash: the store, the blocks, snapshots, the log's synced part, and the signer state beside the key.

As a real disk promises no more than what was synced, entries appended to the log since the last sync may be lost in a
crash, all or the latter part of them; the rest of a torn entry is cut when the log is opened. A disk may also fail: an
armed one refuses an operation, read or write, and its node stops there, as a real node does.
"""

import hashlib
from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from random import Random

from ledger.blocks import Block, BlockHeader, Commit
from ledger.codec import encode
from ledger.light_client import WalkStep
from ledger.replica.log import LogEntry, decode_entry
from ledger.replica.signer import NOTHING_SIGNED, SignerState
from ledger.snapshot import Manifest
from ledger.transactions import Receipt

SNAPSHOTS_KEPT = 2
"""Snapshots that a node keeps to give, beside the one that its own store began from."""


class DiskFaultError(OSError):
    """The simulated machine refused to read or write; it says which."""


@dataclass(frozen=True)
class Snapshot:
    """A whole snapshot."""

    manifest: Manifest
    chunks: tuple[bytes, ...]
    """Encoded, in the order of the manifest's parts."""


@dataclass
class Taken:
    """What was taken so far of a snapshot."""

    manifest: Manifest
    steps: tuple[WalkStep, ...]
    """The changes of the validator set on the way to it."""
    chunks: dict[int, bytes] = field(default_factory=dict)


class Disk:
    """One node's durable things, as bytes wherever the real node writes bytes."""

    def __init__(self) -> None:
        """Start as a new node with a new key."""
        self.entries: dict[bytes, bytes] = {}
        self.blocks: dict[int, tuple[Block, Commit]] = {}
        self.receipts: dict[int, tuple[Receipt, ...]] = {}
        self.places: dict[bytes, tuple[int, int]] = {}
        """Transaction id -> height and index: where it was first included."""
        self.signers: dict[bytes, SignerState] = {}
        """Public key -> what lies beside it; nothing beside one whose state was lost."""
        self.written_bytes = 0
        """What the store, the blocks and the log have taken in so far."""
        self.taken: Taken | None = None
        """The snapshot that is being taken; what an interrupted attempt has left."""
        self.base: Snapshot | None = None
        """The one that this store began from; its blocks begin after it."""
        self._shelf: list[Snapshot] = []
        self._certificates: dict[int, tuple[BlockHeader, Commit]] = {}
        self._keys: list[bytes] = []
        self._log: list[bytes] = []
        self._unsynced: list[bytes] = []
        self._left: int | None = None

    def arm(self, operations: int) -> None:
        """Fail once, after this many more operations; the node's own books count as well."""
        self._left = operations

    def disarm(self) -> None:
        """Fail no more."""
        self._left = None

    def operate(self, kind: str = "write") -> None:
        """Count one operation; raises `DiskFaultError` if this is the one that fails."""
        if self._left is not None:
            self._left -= 1
            if self._left < 0:
                self._left = None
                msg = f"disk {kind} faults"
                raise DiskFaultError(msg)

    def get(self, key: bytes) -> bytes | None:
        """Read one entry of the store."""
        self.operate("read")
        return self.entries.get(key)

    def scan(self, prefix: bytes, start: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:
        """Read the store's entries below a prefix, sorted by key; those before the whole key `start` not."""
        self.operate("read")
        first = bisect_left(self._keys, prefix if start is None else max(prefix, start))
        for place in range(first, len(self._keys)):
            key = self._keys[place]
            if not key.startswith(prefix):
                return
            yield key, self.entries[key]

    def write(self, writes: Mapping[bytes, bytes | None]) -> None:
        """Write one synced batch to the store: all of it or, if the disk fails, nothing."""
        self.operate()
        for key, value in writes.items():
            if value is not None:
                if key not in self.entries:
                    insort(self._keys, key)
                self.entries[key] = value
                self.written_bytes += len(key) + len(value)
            elif self.entries.pop(key, None) is not None:
                del self._keys[bisect_left(self._keys, key)]

    def store(
        self, block: Block, commit: Commit, receipts: tuple[Receipt, ...], writes: Mapping[bytes, bytes | None]
    ) -> None:
        """Write a block with its certificate, receipts and state, as one batch."""
        self.write(writes)
        height = block.header.height
        self.blocks[height] = (block, commit)
        self.receipts[height] = receipts
        self.written_bytes += len(encode((block, commit, receipts)))
        for index, receipt in enumerate(receipts):
            self.places.setdefault(receipt.transaction_id, (height, index))

    @property
    def base_height(self) -> int:
        """The height that this store began from, without its blocks; 0 for the genesis."""
        return 0 if self.base is None else self.base.manifest.header.height

    @property
    def height(self) -> int:
        """The latest height in the store."""
        return max(self.blocks, default=self.base_height)

    @property
    def snapshots(self) -> list[Snapshot]:
        """What is given to peers, the newest first: who comes after the base needs that one at least."""
        return self._shelf + ([] if self.base is None else [self.base])

    def keep(self, snapshot: Snapshot) -> None:
        """Put a snapshot on the shelf; those that are too old go."""
        self.operate()
        self._shelf = [snapshot, *self._shelf][:SNAPSHOTS_KEPT]

    def certificate(self, height: int) -> tuple[BlockHeader, Commit] | None:
        """Return header and commit of a height whose block is here, or that led to the base."""
        if height in self.blocks:
            block, commit = self.blocks[height]
            return block.header, commit
        return self._certificates.get(height)

    def digest(self, prefix: bytes) -> bytes:
        """Return a hash over the store's entries below a prefix, for whoever compares disks from outside."""
        found = hashlib.sha256()
        for place in range(bisect_left(self._keys, prefix), len(self._keys)):
            key = self._keys[place]
            if not key.startswith(prefix):
                break
            found.update(encode((key, self.entries[key])))
        return found.digest()

    def adopt(self, fresh: "Disk") -> None:
        """Put a store that was built from the taken snapshot in the place of this one, at once: the blocks go with it.

        Args:
            fresh: Has its entries and nothing else.
        """
        self.operate()
        taken = self.taken
        assert taken is not None, "a store was built from what was taken"
        count = range(len(taken.manifest.parts))
        earlier = [(block.header, commit) for block, commit in self.blocks.values()]
        steps = [(step.header, step.commit) for step in (*taken.steps, taken.manifest.certificate)]
        self._certificates |= {
            header.height: (header, commit)
            for header, commit in earlier
            if header.next_validators_hash != header.validators_hash
        }
        self._certificates |= {header.height: (header, commit) for header, commit in steps}
        self.base = Snapshot(taken.manifest, tuple(taken.chunks[index] for index in count))
        self.taken = None
        self.entries, self._keys = fresh.entries, sorted(fresh.entries)
        self.written_bytes += fresh.written_bytes
        self._forget_blocks()

    def find(self, transaction_id: bytes) -> tuple[int, int, Receipt] | None:
        """Return height, index and receipt of a stored transaction, or None."""
        place = self.places.get(transaction_id)
        return None if place is None else (*place, self.receipts[place[0]][place[1]])

    def add_key(self, public_key: bytes) -> None:
        """Put the state beside a key that was just made."""
        self.signers[public_key] = NOTHING_SIGNED

    def save_signer(self, public_key: bytes, state: SignerState) -> None:
        """Overwrite the state beside a key."""
        self.operate()
        self.signers[public_key] = state

    def append(self, entry: LogEntry) -> None:
        """Append to the log; durable with the next `sync`."""
        self.operate()
        data = encode(entry)
        self._unsynced.append(data)
        self.written_bytes += len(data)

    def sync(self) -> None:
        """Make the log durable."""
        if self._unsynced:
            self.operate()
            self._log.extend(self._unsynced)
            self._unsynced.clear()

    def reset_log(self) -> None:
        """Empty the log."""
        self._log.clear()
        self._unsynced.clear()

    def read_log(self) -> tuple[LogEntry, ...]:
        """Return the log as a node that starts finds it."""
        self.operate("read")
        return tuple(decode_entry(data) for data in self._log)

    def crash(self, chance: Random) -> int:
        """Lose what was not synced, or only the latter part of it; returns how many entries were lost."""
        kept = chance.randint(0, len(self._unsynced))
        lost = len(self._unsynced) - kept
        self._log.extend(self._unsynced[:kept])
        self._unsynced.clear()
        return lost

    def wipe(self, *, with_signer: bool) -> None:
        """Lose the store and the log, and the signer state too or not."""
        self.entries.clear()
        self._keys.clear()
        self._forget_blocks()
        self.taken = self.base = None
        self._shelf.clear()
        self._certificates.clear()
        self.reset_log()
        if with_signer:
            self.forget_signers()

    def _forget_blocks(self) -> None:
        self.blocks.clear()
        self.receipts.clear()
        self.places.clear()

    def forget_signers(self) -> None:
        """Lose the states beside all keys, as a backup that was restored without them does."""
        self.signers.clear()
