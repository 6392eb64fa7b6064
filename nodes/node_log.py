"""The log of a node's process: lines on the standard error, in a file that does not grow for ever.

Whoever starts a node sends its standard error to `node.log`. The process writes a line with one call and keeps
nothing back, so a kill loses none. Once the file has LOG_BYTES_MAX it is renamed to `node.log.1`, in the place of an
older one, and a new one is put under the standard error; until then lines still go to the renamed file, so none is
lost between the two. Where the standard error is something else (a terminal, a journal), nothing is rotated.
"""

import contextlib
import os
from pathlib import Path

LOG_FILE = "node.log"
LOG_BYTES_MAX = 16 * 1024 * 1024
"""Weeks of an ordinary node. With the old file a log takes twice as much."""


class NodeLog:
    """Writes lines to a descriptor, and rotates the file behind it if it is told which one that is."""

    def __init__(self) -> None:
        """Begin without a file: lines are written, nothing is rotated."""
        self._path: Path | None = None

    def attach(self, path: Path, descriptor: int) -> None:
        """Rotate `path` from now on, if that is the file behind the descriptor."""
        try:
            self._path = path if os.path.samestat(path.stat(), os.fstat(descriptor)) else None
        except OSError:
            self._path = None

    def write(self, line: bytes, descriptor: int) -> None:
        """Write one line; a log that cannot be written or rotated stops nothing."""
        with contextlib.suppress(OSError):
            os.write(descriptor, line)
            if self._path is not None and os.fstat(descriptor).st_size >= LOG_BYTES_MAX:
                self._rotate(self._path, descriptor)

    def _rotate(self, path: Path, descriptor: int) -> None:
        now = os.fstat(descriptor)
        if path.exists() and os.path.samestat(path.stat(), now):
            path.replace(old_log(path))
        fresh = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, now.st_mode & 0o777)
        try:
            os.dup2(fresh, descriptor)
        finally:
            os.close(fresh)


def old_log(path: Path) -> Path:
    """Return where a log goes when it is full."""
    return path.with_name(path.name + ".1")
