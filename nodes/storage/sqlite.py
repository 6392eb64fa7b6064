"""The engine of a node without plyvel: one table in an SQLite file, from the standard library.

A batch is one transaction in SQLite's write-ahead journal, synced when it commits. The connection holds the file
alone, so there is no shared memory beside it. SQLite keeps no checksum over its pages; each row here carries a CRC-32
over key and value, so that a flipped bit in a row is an error and not a value. A flipped bit in the tree above the rows
may still hide one: a node whose state then differs from its peers' says so at the next block.
"""

import sqlite3
import threading
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from nodes.storage.errors import REMEDY_CORRUPT, REMEDY_WRITE, StorageError, describe_os_error
from nodes.storage.files import sync_folder
from nodes.storage.folder_lock import FolderLock
from nodes.storage.store import prefix_end

ENGINE = "sqlite"

CACHE_KIBIBYTES = 64 * 1024
PAGE_BYTES = 8192
"""Twice the default: fewer pages for a block to touch, and fewer for one that overflows."""
CHECKPOINT_PAGES = 4000
"""32 MB of journal before its pages are copied into the table: a page that ten blocks touch is copied once."""
SCAN_ROWS = 256
"""Rows fetched at a time, as in the two statements below; none stays open in between, so writes may happen there."""

_TABLE = """
CREATE TABLE IF NOT EXISTS entries (key BLOB PRIMARY KEY, value BLOB NOT NULL, checksum INTEGER NOT NULL)
WITHOUT ROWID
"""
_GET = "SELECT key, value, checksum FROM entries WHERE key = ?"
_SCAN_ALL = "SELECT key, value, checksum FROM entries WHERE key >= ? ORDER BY key LIMIT 256"
_SCAN_BELOW = "SELECT key, value, checksum FROM entries WHERE key >= ? AND key < ? ORDER BY key LIMIT 256"


class SQLiteStore:
    """A `KeyValueStore` in one SQLite file and its journal."""

    engine = ENGINE

    def __init__(self, path: Path, lock: FolderLock, *, create: bool) -> None:
        """Open the store.

        Args:
            path: The database file.
            lock: Released by `close`.
            create: Whether a missing store is made; else it is an error, and not an empty chain.

        Raises:
            StorageError: If it is missing, corrupt or in use.
        """
        self.path = path
        self._lock = lock
        self._using = threading.RLock()
        self._failed = False
        self._connection: sqlite3.Connection | None = None
        connection: sqlite3.Connection | None = None
        try:
            uri = f"{path.absolute().as_uri()}?mode={'rwc' if create else 'rw'}"
            connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(f"PRAGMA cache_size = -{CACHE_KIBIBYTES}")
            connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
            connection.execute(_TABLE)
            connection.execute(_SCAN_ALL, (b"",)).fetchone()
            sync_folder(path.parent)
        except (sqlite3.Error, OSError) as error:
            if connection is not None:
                connection.close()
            words = describe_os_error(error) if isinstance(error, OSError) else str(error)
            raise StorageError(path, f"cannot open the store: {words}", REMEDY_CORRUPT) from error
        self._connection = connection

    def get(self, key: bytes) -> bytes | None:
        """Return the value of `key`, or None."""
        rows = self._select(_GET, key)
        return rows[0][1] if rows else None

    def scan(self, prefix: bytes, start: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:
        """Yield the entries under `prefix` from `start` on, sorted."""
        first = prefix if start is None else max(prefix, start)
        end = prefix_end(prefix)
        while True:
            rows = self._select(_SCAN_ALL, first) if end is None else self._select(_SCAN_BELOW, first, end)
            yield from rows
            if len(rows) < SCAN_ROWS:
                return
            first = rows[-1][0] + b"\x00"

    def write(self, changes: Mapping[bytes, bytes | None]) -> None:
        """Apply all changes or none, synced."""
        puts = [(key, value, _checksum(key, value)) for key, value in sorted(changes.items()) if value is not None]
        deletes = [(key,) for key, value in changes.items() if value is None]
        with self._using:
            connection = self._opened()
            if self._failed:
                raise StorageError(self.path, "an earlier write failed", REMEDY_WRITE)
            try:
                connection.execute("BEGIN IMMEDIATE")
                connection.executemany("DELETE FROM entries WHERE key = ?", deletes)
                connection.executemany("INSERT OR REPLACE INTO entries VALUES (?, ?, ?)", puts)
                connection.execute("COMMIT")
            except sqlite3.Error as error:
                self._failed = True
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                problem = f"cannot write a batch of {len(changes)} entries: {error}"
                raise StorageError(self.path, problem, REMEDY_WRITE) from error

    def close(self) -> None:
        """Let go of the files and the lock."""
        with self._using:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
                self._lock.release()

    def _select(self, statement: str, *parameters: bytes) -> list[tuple[bytes, bytes]]:
        with self._using:
            try:
                rows: list[tuple[bytes, bytes, int]] = self._opened().execute(statement, parameters).fetchall()
            except sqlite3.Error as error:
                raise StorageError(self.path, f"cannot read: {error}", REMEDY_CORRUPT) from error
        for key, value, checksum in rows:
            if checksum != _checksum(key, value):
                problem = f"the row of key {key.hex()} does not match its checksum"
                raise StorageError(self.path, problem, REMEDY_CORRUPT)
        return [(key, value) for key, value, _ in rows]

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StorageError(self.path, "the store is closed", "open it again")
        return self._connection


def _checksum(key: bytes, value: bytes) -> int:
    return zlib.crc32(value, zlib.crc32(key))
