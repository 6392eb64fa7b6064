"""One process per folder: an advisory lock that the system drops when its holder dies."""

import fcntl
import os
from pathlib import Path

from nodes.storage.errors import StorageError, describe_os_error


class FolderLock:
    """An exclusive `flock` on a file in the folder; it holds the number of the process, for the message."""

    def __init__(self, path: Path) -> None:
        """Take the lock or say who has it.

        Args:
            path: The lock file; made if missing, never removed.

        Raises:
            StorageError: If it is held, by another process or by this one.
        """
        try:
            self._descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
        except OSError as error:
            problem = f"cannot open the lock: {describe_os_error(error)}"
            raise StorageError(path, problem, "choose a home folder that you may write to") from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(self._descriptor, 20, 0).decode("ascii", errors="replace").strip() or "unknown"
            os.close(self._descriptor)
            problem = f"the folder is in use by process {holder}"
            raise StorageError(path.parent, problem, "stop that node first, or choose another home folder") from error
        try:
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, b"%d\n" % os.getpid(), 0)
        except OSError as error:
            os.close(self._descriptor)
            problem = f"cannot write the lock: {describe_os_error(error)}"
            raise StorageError(path, problem, "free space on this disk") from error

    def release(self) -> None:
        """Let the next process in; called once, by the store that owns the lock."""
        os.close(self._descriptor)
