"""Files that hold secrets: mode 0600, written whole or not at all, and destroyed before they are unlinked.

A write goes to a temporary file beside the target, is synced, renamed, and the directory is synced, so that a crash
leaves the old file or the new one. The temporary file is the later file (a rename moves no bytes), so a secret lies
in one place only; one that a crash left behind is overwritten by the next write or by `erase_leftovers`. A command may
clear up beside a node that writes: whoever writes or erases holds a lock on the file until it has its name or none, and
nobody clears up a file that is locked, or that another one has replaced since it was opened.

What erasing promises is file-system level: the blocks of the file are overwritten and synced before the name goes.
A copy-on-write file system, a snapshot, a backup or the spare blocks of a flash disk may keep older ones.
"""

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from ledger.errors import LedgerError

_TEMPORARY_SUFFIX = ".partial"
_OVERWRITE_BYTES = 1024 * 1024


class FileError(LedgerError):
    """A private file that is missing, readable by others, too large, or not what it should be."""


def create_private_directory(path: Path) -> None:
    """Create a directory that only its owner enters, and its parents; one that exists stays as it is."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)


def write_private(path: Path, data: bytes) -> None:
    """Replace the file at `path` by `data`, atomically and durably, with mode 0600, and overwrite what was there.

    A crash in between leaves the old file or the new one, and possibly the old bytes in a block that no file names.

    Args:
        path: The file; one writer at a time.
        data: All of its bytes.

    Raises:
        OSError: If the machine refuses; the old file is then still there.
    """
    temporary = _temporary_name(path)
    erase_private(temporary)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file, _hold_former(path) as former:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        file.write(data)
        file.flush()
        os.fsync(descriptor)
        temporary.replace(path)
        sync_directory(path.parent)
        if former is not None:
            overwrite(former)


def read_private(path: Path, what: str, bytes_max: int) -> bytes:
    """Return the content of a private file.

    Args:
        path: The file.
        what: What it holds, for the error: `consensus key`.
        bytes_max: Refused unread above this size.

    Raises:
        FileError: If it is missing, not a regular file, open to others, or too large.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        msg = f"{what}: expected a file at {path}, found none"
        raise FileError(msg) from None
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            msg = f"{what}: expected a regular file at {path}"
            raise FileError(msg)
        mode = stat.S_IMODE(status.st_mode)
        if mode & 0o077:
            msg = f"{what}: expected mode 0600, got {mode:04o}; others could read it: chmod 600 {path}"
            raise FileError(msg)
        if status.st_size > bytes_max:
            msg = f"{what}: expected at most {bytes_max} bytes in {path}, got {status.st_size}"
            raise FileError(msg)
        return file.read(bytes_max)


def erase_private(path: Path) -> None:
    """Overwrite a file with zeros, sync it, unlink it, sync its directory; a file that is not there is fine.

    It loses its name first, so that no crash leaves a file of zeros where a key or an entry was. A temporary file that
    somebody holds stays: it is being written, or erased.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    temporary = path if _is_temporary(path) else _temporary_name(path)
    try:
        if not _seize(descriptor, path, wait=temporary != path):
            return
        if temporary != path:
            erase_private(temporary)
            path.rename(temporary)
            sync_directory(path.parent)
        overwrite(descriptor)
    finally:
        os.close(descriptor)
    temporary.unlink(missing_ok=True)
    sync_directory(path.parent)


def overwrite(descriptor: int) -> None:
    """Overwrite an open file with zeros from its start and sync it.

    Args:
        descriptor: Open for writing, at its start; stays open.
    """
    left = os.fstat(descriptor).st_size
    while left > 0:
        left -= os.write(descriptor, bytes(min(left, _OVERWRITE_BYTES)))
    os.fsync(descriptor)


def erase_leftovers(directory: Path) -> None:
    """Erase the temporary files that a crash left in `directory`: half written ones, and half erased ones."""
    for path in directory.glob(f".*{_TEMPORARY_SUFFIX}"):
        erase_private(path)


def sync_directory(path: Path) -> None:
    """Make names that were created, renamed or removed in a directory survive a crash."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _hold_former(path: Path) -> Iterator[int | None]:
    """Keep the file at `path` open while another one takes its name; None if there is none, or a link."""
    descriptor = None
    if path.is_file() and not path.is_symlink():
        descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _seize(descriptor: int, path: Path, *, wait: bool) -> bool:
    """Lock an open file; return whether it is locked now and still has its name."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except (BlockingIOError, FileNotFoundError):
        return False


def _temporary_name(path: Path) -> Path:
    return path.with_name(f".{path.name}{_TEMPORARY_SUFFIX}")


def _is_temporary(path: Path) -> bool:
    return path.name.startswith(".") and path.name.endswith(_TEMPORARY_SUFFIX)
