"""What survives a crash: the store, the blocks, the log's synced part, and the signer state beside the key.

As a real disk promises no more than what was synced, entries appended to the log since the last sync may be lost in a
crash, all or the latter part of them; the rest of a torn entry is cut when the log is opened.
"""

from collections.abc import Iterator, Mapping
from random import Random

from ledger.blocks import Block, Commit
from ledger.codec import encode
from ledger.replica.log import LogEntry, decode_entry
from ledger.replica.signer import NOTHING_SIGNED, SignerState


class Disk:
    """One node's durable things, as bytes wherever the real node writes bytes."""

    def __init__(self) -> None:
        """Start as a new node with a new key."""
        self.entries: dict[bytes, bytes] = {}
        self.blocks: dict[int, tuple[Block, Commit]] = {}
        self.signer: SignerState | None = NOTHING_SIGNED
        self._log: list[bytes] = []
        self._unsynced: list[bytes] = []

    def get(self, key: bytes) -> bytes | None:
        """Read one entry of the store."""
        return self.entries.get(key)

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Read the store's entries below a prefix, sorted by key."""
        yield from sorted((key, value) for key, value in self.entries.items() if key.startswith(prefix))

    def write(self, writes: Mapping[bytes, bytes | None]) -> None:
        """Write one synced batch to the store."""
        for key, value in writes.items():
            if value is None:
                self.entries.pop(key, None)
            else:
                self.entries[key] = value

    def append(self, entry: LogEntry) -> None:
        """Append to the log; durable with the next `sync`."""
        self._unsynced.append(encode(entry))

    def sync(self) -> None:
        """Make the log durable."""
        self._log.extend(self._unsynced)
        self._unsynced.clear()

    def reset_log(self) -> None:
        """Empty the log."""
        self._log.clear()
        self._unsynced.clear()

    def read_log(self) -> tuple[LogEntry, ...]:
        """Return the log as a node that starts finds it."""
        return tuple(decode_entry(data) for data in self._log)

    def crash(self, chance: Random) -> None:
        """Lose what was not synced, or only the latter part of it."""
        self._log.extend(self._unsynced[: chance.randint(0, len(self._unsynced))])
        self._unsynced.clear()

    def wipe(self, *, with_signer: bool) -> None:
        """Lose the store and the log, and the signer state too or not."""
        self.entries.clear()
        self.blocks.clear()
        self.reset_log()
        if with_signer:
            self.signer = None
