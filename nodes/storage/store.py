"""The protocol of a store: ordered bytes to bytes, and one atomic, synced batch at a time.

There are no transactions that read, no partial updates and no iterators that outlive a batch: the ledger writes once
per block and reads in between, and that is all a store has to be good at.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol


class KeyValueStore(Protocol):
    """What both engines do, and what the tests in `tests/nodes/storage/test_store.py` hold them to.

    Keys are ordered as bytes. Any thread may call; a batch is seen by readers as a whole or not at all.
    """

    @property
    def path(self) -> Path:
        """The folder or file the engine writes to, for messages."""

    @property
    def engine(self) -> str:
        """The engine's name for people: `leveldb (plyvel)` or `sqlite`."""

    def get(self, key: bytes) -> bytes | None:
        """Return the value of `key`, or None.

        Raises:
            StorageError: If the disk fails or what it holds fails its checksum.
        """

    def scan(self, prefix: bytes, start: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:
        """Yield the entries whose key begins with `prefix`, in the order of their keys.

        What a batch changes while a scan is under way may or may not appear in the rest of it.

        Args:
            prefix: Empty for everything.
            start: A whole key: entries before it are left out; None begins at the prefix.

        Raises:
            StorageError: As for `get`.
        """

    def write(self, changes: Mapping[bytes, bytes | None]) -> None:
        """Apply all changes or none, and return once they would survive a power cut.

        Args:
            changes: New values by key; None removes the key, whether or not it is there.

        Raises:
            StorageError: If the disk is full or fails. The store refuses every later write: open it again.
        """

    def close(self) -> None:
        """Let go of the files and the lock; a second call does nothing. Every other call then raises."""


def prefix_end(prefix: bytes) -> bytes | None:
    """Return the smallest key above every key that begins with `prefix`; None if there is none."""
    stripped = prefix.rstrip(b"\xff")
    return stripped[:-1] + bytes([stripped[-1] + 1]) if stripped else None
