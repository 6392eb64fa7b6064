"""The engine of a node that has plyvel: LevelDB, a log-structured tree.

A batch is one record of LevelDB's own log, synced before `write` returns; a record that a crash tore is dropped as a
whole when the store is opened. Blocks of the tables and records of the log carry CRC32C, and every read here checks
them: `paranoid_checks` makes a damaged log an error at open, where LevelDB would otherwise go on without the batch.

plyvel ships no types and no wheel for every Python, so it is imported by name and its shape is written down below.
"""

import importlib
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol, cast

from nodes.storage.errors import REMEDY_CORRUPT, REMEDY_WRITE, StorageError
from nodes.storage.folder_lock import FolderLock
from nodes.storage.store import prefix_end

ENGINE = "leveldb (plyvel)"

WRITE_BUFFER_BYTES = 32 * 1024 * 1024
"""Several full blocks before a table is written; four nodes share one laptop's memory."""
CACHE_BYTES = 64 * 1024 * 1024
BLOOM_FILTER_BITS = 10
"""Most keys a block writes are new: one false positive in a hundred looks into a table for nothing."""


class _Batch(Protocol):
    def put(self, key: bytes, value: bytes) -> None: ...
    def delete(self, key: bytes) -> None: ...
    def write(self) -> None: ...


class _Database(Protocol):
    def get(self, key: bytes, *, verify_checksums: bool) -> bytes | None: ...
    def write_batch(self, *, sync: bool) -> _Batch: ...
    def iterator(
        self, *, start: bytes, stop: bytes | None, verify_checksums: bool
    ) -> AbstractContextManager[Iterator[tuple[bytes, bytes]]]: ...
    def close(self) -> None: ...


plyvel = importlib.import_module("plyvel")
_Error = cast("type[Exception]", plyvel.Error)


class LevelDBStore:
    """A `KeyValueStore` in a folder of LevelDB's files."""

    engine = ENGINE

    def __init__(self, path: Path, lock: FolderLock, *, create: bool) -> None:
        """Open the store.

        Args:
            path: LevelDB's own folder.
            lock: Released by `close`.
            create: Whether a missing store is made; else it is an error, and not an empty chain.

        Raises:
            StorageError: If it is missing, corrupt or in use.
        """
        self.path = path
        self._lock = lock
        self._writing = threading.Lock()
        self._failed = False
        self._database: _Database | None = None
        try:
            self._database = plyvel.DB(
                str(path),
                create_if_missing=create,
                paranoid_checks=True,
                write_buffer_size=WRITE_BUFFER_BYTES,
                lru_cache_size=CACHE_BYTES,
                bloom_filter_bits=BLOOM_FILTER_BITS,
            )
        except _Error as error:
            raise StorageError(path, f"cannot open the store: {_words(error)}", REMEDY_CORRUPT) from error

    def get(self, key: bytes) -> bytes | None:
        """Return the value of `key`, or None."""
        try:
            return self._opened().get(key, verify_checksums=True)
        except _Error as error:
            raise self._unreadable(error) from error

    def scan(self, prefix: bytes, start: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:
        """Yield the entries under `prefix` from `start` on, sorted."""
        first = prefix if start is None else max(prefix, start)
        try:
            with self._opened().iterator(start=first, stop=prefix_end(prefix), verify_checksums=True) as entries:
                yield from entries
        except _Error as error:
            raise self._unreadable(error) from error

    def write(self, changes: Mapping[bytes, bytes | None]) -> None:
        """Apply all changes or none, synced."""
        with self._writing:
            batch = self._opened().write_batch(sync=True)
            if self._failed:
                raise StorageError(self.path, "an earlier write failed", REMEDY_WRITE)
            for key, value in changes.items():
                if value is None:
                    batch.delete(key)
                else:
                    batch.put(key, value)
            try:
                batch.write()
            except _Error as error:
                # LevelDB would append the next record behind a torn one: refuse, and let the next open drop it.
                self._failed = True
                problem = f"cannot write a batch of {len(changes)} entries: {_words(error)}"
                raise StorageError(self.path, problem, REMEDY_WRITE) from error

    def close(self) -> None:
        """Let go of the files and the lock."""
        if self._database is not None:
            self._database.close()
            self._database = None
            self._lock.release()

    def _opened(self) -> _Database:
        if self._database is None:
            raise StorageError(self.path, "the store is closed", "open it again")
        return self._database

    def _unreadable(self, error: Exception) -> StorageError:
        return StorageError(self.path, f"cannot read: {_words(error)}", REMEDY_CORRUPT)


def _words(error: Exception) -> str:
    """LevelDB's message, which plyvel hands over as bytes."""
    return ", ".join(part.decode(errors="replace") if isinstance(part, bytes) else str(part) for part in error.args)
