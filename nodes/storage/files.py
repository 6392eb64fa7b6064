"""Synced writes and replacements of small files.

A rename is atomic, but only durable once the folder that holds the name is synced too; and the new content must be
synced before the name points to it. `replace_synced` is this order, once.
"""

import os
from pathlib import Path

from nodes.storage.errors import REMEDY_WRITE, StorageError, describe_os_error

sync_data = getattr(os, "fdatasync", os.fsync)
"""Sync a file's bytes and size but not its times; macOS has only the full sync."""


def write_all(descriptor: int, data: bytes, offset: int) -> None:
    """Write all of `data` at `offset`: one call to the system may write less than asked."""
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view = view[written:]
        offset += written


def sync_folder(folder: Path) -> None:
    """Make names created in or removed from `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Create a folder only its owner may enter; its name is durable when this returns.

    Raises:
        StorageError: If it cannot be made, or if something else has its name.
    """
    try:
        missing = not folder.exists()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if missing:
            sync_folder(folder.parent)
    except OSError as error:
        problem = f"cannot make the folder: {describe_os_error(error)}"
        raise StorageError(folder, problem, "choose a home folder that you may write to") from error


def replace_synced(path: Path, data: bytes) -> None:
    """Put `data` at `path`, which a crash leaves either as it was or as it shall be.

    Raises:
        StorageError: If the disk refuses; the old content is still there.
    """
    temporary = path.with_name(path.name + ".new")
    try:
        descriptor = os.open(temporary, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        try:
            write_all(descriptor, data, 0)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        problem = f"cannot write {len(data)} bytes: {describe_os_error(error)}"
        raise StorageError(path, problem, REMEDY_WRITE) from error


def read_whole(path: Path) -> bytes | None:
    """Return the file's bytes, or None if there is no such file.

    Raises:
        StorageError: If it is there and cannot be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        problem = f"cannot be read: {describe_os_error(error)}"
        raise StorageError(path, problem, "check the file's owner and the disk") from error
