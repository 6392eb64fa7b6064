"""The machine's faults, as far as they concern what a node keeps on disk.

    StorageError            names the file, what is wrong, and what to do
    └── LogCorruptError     a frame in the middle of the consensus log does not hold

Neither is a `LedgerError` (no peer caused it) nor an `OSError` (whoever survives a lost connection must not survive a
lost disk by the same handler).
"""

from pathlib import Path


class StorageError(Exception):
    """A file that cannot be read, written, locked or trusted; the node stops."""

    def __init__(self, path: Path, problem: str, remedy: str) -> None:
        """Keep the parts beside the sentence.

        Args:
            path: The file or folder.
            problem: What was expected and what came.
            remedy: What the operator can do about it.
        """
        super().__init__(f"{path}: {problem}; {remedy}")
        self.path = path
        self.problem = problem
        self.remedy = remedy


class LogCorruptError(StorageError):
    """A frame of the consensus log that was once synced and no longer holds."""

    def __init__(self, path: Path, offset: int, problem: str) -> None:
        """Name the place.

        Args:
            path: The log file.
            offset: Where the first bad frame begins, in bytes.
            problem: What does not hold.
        """
        super().__init__(
            path,
            f"{problem} at offset {offset}",
            "the disk lost data that was synced: keep a copy of the file, check the disk, then remove the file and let "
            "the node catch up from its peers",
        )
        self.offset = offset


def describe_os_error(error: OSError) -> str:
    """Return the system's own words, without the path that `StorageError` names anyway."""
    return error.strerror or str(error)


REMEDY_WRITE = "free space on this disk or repair it, then start the node again"
"""After a failed write: nothing was lost that had been acknowledged."""

REMEDY_CORRUPT = (
    "restore the folder from a backup, or move it away and let the node fetch the chain again from its peers"
)
"""After a failed read: what the disk holds is not what was written."""
