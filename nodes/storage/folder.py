"""One folder, one engine, one process: how a store is opened.

    lock        held while the store is open; names the process
    engine      the engine's name, one line, written when the store has been made
    leveldb/    or
    data.sqlite the store itself

The engine is plyvel where it can be imported and SQLite elsewhere. A store is never converted and never shared: a
folder of the other engine is an error, because the alternative is an empty chain beside a full one.
"""

import importlib
from pathlib import Path
from typing import Literal

from nodes.storage import sqlite
from nodes.storage.errors import REMEDY_CORRUPT, StorageError
from nodes.storage.files import make_folder, read_whole, replace_synced
from nodes.storage.folder_lock import FolderLock
from nodes.storage.store import KeyValueStore

Engine = Literal["leveldb", "sqlite"]

_DATA: dict[Engine, str] = {"leveldb": "leveldb", "sqlite": "data.sqlite"}
"""Where each engine's files are, below the folder."""


def choose_engine() -> Engine:
    """Return `leveldb` where plyvel can be imported, else `sqlite`."""
    try:
        importlib.import_module("plyvel")
    except ImportError:
        return "sqlite"
    return "leveldb"


def open_store(folder: Path, engine: Engine | None = None) -> KeyValueStore:
    """Open the store in `folder`, and make it there if there is none.

    Args:
        folder: Made if missing, for its owner only.
        engine: Which engine must be used; None takes the best one this Python has.

    Raises:
        StorageError: If the folder is in use, holds the other engine's store, or is damaged.
    """
    wanted: Engine = choose_engine() if engine is None else engine
    make_folder(folder)
    lock = FolderLock(folder / "lock")
    try:
        recorded = _read_engine(folder)
        _refuse_other(folder, wanted, recorded)
        store = _open_engine(wanted, folder / _DATA[wanted], lock, create=recorded is None)
    except StorageError:
        lock.release()
        raise
    if recorded is None:
        try:
            replace_synced(folder / "engine", wanted.encode() + b"\n")
        except StorageError:
            store.close()
            raise
    return store


def _refuse_other(folder: Path, wanted: Engine, recorded: Engine | None) -> None:
    other: Engine = "sqlite" if wanted == "leveldb" else "leveldb"
    if recorded == other or (recorded is None and (folder / _DATA[other]).exists()):
        raise StorageError(
            folder,
            f"holds a store of the engine {other}, this node uses {wanted}",
            "use a Python with plyvel for leveldb and one without it for sqlite, or choose another home folder",
        )


def _read_engine(folder: Path) -> Engine | None:
    """Return the recorded engine; None while no store has been made here to the end."""
    path = folder / "engine"
    recorded = read_whole(path)
    if recorded is None:
        return None
    for engine in _DATA:
        if recorded == engine.encode() + b"\n":
            return engine
    raise StorageError(path, f"expected one of {', '.join(_DATA)}, got {recorded[:40]!r}", REMEDY_CORRUPT)


def _open_engine(engine: Engine, path: Path, lock: FolderLock, *, create: bool) -> KeyValueStore:
    if engine == "sqlite":
        return sqlite.SQLiteStore(path, lock, create=create)
    try:
        leveldb = importlib.import_module("nodes.storage.leveldb")
    except ImportError as error:
        raise StorageError(path, f"needs plyvel, which this Python lacks: {error}", "install plyvel") from error
    store: KeyValueStore = leveldb.LevelDBStore(path, lock, create=create)
    return store
