"""A file that grows by whole chunks, as a large payload comes in: a write that fails leaves it where it was."""

import os

from ledger.errors import VerificationError

SYNC_BYTES = 4 * 1024 * 1024
"""Written bytes are synced this often: the last sync, when all has come, is then a short one."""
_BLOCK_BYTES = 4096
"""What a disk writes at once: a block that a power cut lost reads as zeros."""


class ChunkFile:
    """The chunks so far; the place where the next one goes is its size, whatever a crash left behind it."""

    def __init__(self, path: str) -> None:
        """Open the file, or make it; nothing of it is counted until it is read."""
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._size = 0
        self._synced = 0
        self._is_open = True

    def read(self, count: int) -> bytes:
        """Return the next bytes, and count them."""
        data = self.peek(count)
        self._size += len(data)
        return data

    def peek(self, count: int) -> bytes:
        """Return the next bytes that are there, without counting them."""
        return os.pread(self._descriptor, count, self._size)

    def cut(self, size: int) -> None:
        """Cut off what lies behind."""
        os.ftruncate(self._descriptor, size)
        self._size = self._synced = size

    def write(self, chunk: bytes) -> None:
        """Put the next chunk down, over whatever is there; raises `OSError`."""
        done = 0
        try:
            while done < len(chunk):
                done += os.pwrite(self._descriptor, chunk[done:], self._size + done)
        except OSError:
            os.ftruncate(self._descriptor, self._size)
            raise
        self._size += len(chunk)
        if self._size - self._synced >= SYNC_BYTES:
            os.fdatasync(self._descriptor)
            self._synced = self._size

    def write_again(self, chunk: bytes) -> None:
        """Put the next chunk down where a crash may have left a part of it.

        Counted nonces allow one text for each chunk of a key: bytes that are there must be those of this chunk, or
        zeros where a power cut lost them.

        Raises:
            VerificationError: If other bytes are there; nothing is written.
            OSError: If the machine refuses.
        """
        there = self.peek(len(chunk))
        for start in range(0, len(there), _BLOCK_BYTES):
            block = there[start : start + _BLOCK_BYTES]
            if any(block) and block != chunk[start : start + len(block)]:
                msg = "chunk: expected the bytes that were taken in here before a restart, got others"
                raise VerificationError(msg)
        self.write(chunk)

    def close(self) -> None:
        """Cut off what lies behind, sync what was written, and close."""
        os.ftruncate(self._descriptor, self._size)
        os.fsync(self._descriptor)
        self.abandon()

    def abandon(self) -> None:
        """Close; doing it twice is fine."""
        if self._is_open:
            self._is_open = False
            os.close(self._descriptor)
