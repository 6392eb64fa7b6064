"""The consensus log: what a validator was told, synced before it acted on it.

    file    = header, frame, frame, ...
    header  = "XPLOG" 0x01 0x00 0x00, salt (16), height (8), checksum (16)
    frame   = salt (16), payload length (4), sequence (8), checksum (16), payload
    payload = the encoding of the tuple of entries of one `append`

Integers are big-endian. The salt is random, new in every file, and known to nobody else. A checksum is the first 16
bytes of SHA-256 over the salt and what it covers: a header's height; a frame's length, sequence and payload. Sequences
count from 0 in every file.

**Tail or middle.** One `append` is one frame and returns after the sync, so frame n + 1 is begun only when frame n is
on the disk as a whole. Hence a frame that does not hold is a *torn tail* if no valid frame with its sequence or a later
one begins anywhere behind it: a crash interrupted its write, nobody acted on it, and it is cut. If a later frame does
hold, the bad one had been synced and was damaged since, or it is missing. That is a *broken middle*, and the node must
not go on as if it had never been told: `LogCorruptError`. The salt is why this search can be trusted, and why it is
fast: a peer whose proposal lies torn in the log cannot have put anything like a frame into it.

What this cannot tell: damage of the very last synced frame looks like a tear. The inputs in it are then forgotten, but
what was signed is not: that is `nodes.storage.signer`.

Entries carry their height, so a file may go on over several; `reset` replaces it as a whole. One process has it open;
the lock of the store in the same home folder sees to that.
"""

import hashlib
import logging
import os
import secrets
import struct
from collections.abc import Sequence
from pathlib import Path

from ledger.codec import decode, encode
from ledger.errors import DecodeError
from nodes.storage.errors import REMEDY_WRITE, LogCorruptError, StorageError, describe_os_error
from nodes.storage.files import read_whole, replace_synced, sync_data, write_all

_logger = logging.getLogger(__name__)

_FILE_MAGIC = b"XPLOG\x01\x00\x00"
_SALT_BYTES = 16
_CHECKSUM_BYTES = 16
_HEADER = struct.Struct(f">8s{_SALT_BYTES}sQ{_CHECKSUM_BYTES}s")
_FRAME = struct.Struct(f">{_SALT_BYTES}sIQ{_CHECKSUM_BYTES}s")
_PAYLOAD_BYTES_MAX = 2**32 - 1


class ConsensusLog:
    """The log of the latest heights, open for appending."""

    def __init__(self, path: Path) -> None:
        """Open the log and read it; a missing one is made, for height 0.

        Args:
            path: The log file.

        Raises:
            LogCorruptError: If its header or a frame in its middle does not hold.
            StorageError: If it cannot be read or written.
        """
        self.path = path
        self.height = 0
        """The first height whose inputs are in the log: behind the store's height, or the one after it."""
        self.entries: tuple[bytes, ...] = ()
        """What was found when the log was opened, in order; empty after `reset`."""
        self.cut_bytes = 0
        """How long the torn tail was; 0 if there was none."""
        self._descriptor = -1
        self._failed = False
        data = read_whole(path)
        if data is None:
            self.reset(0)
        else:
            self._recover(data)

    @property
    def size_bytes(self) -> int:
        """How long the file is."""
        return self._end

    def append(self, entries: Sequence[bytes]) -> None:
        """Add entries and return once they would survive a power cut.

        Args:
            entries: One frame: after a crash all of them are there, or none.

        Raises:
            StorageError: If the disk is full or fails. The log refuses every later append: open it again.
        """
        payload = encode(tuple(entries))
        assert len(payload) <= _PAYLOAD_BYTES_MAX, "a frame holds less than 4 GiB"
        frame = _make_frame(self._salt, self._sequence, payload)
        if self._failed:
            raise StorageError(self.path, "an earlier write failed", REMEDY_WRITE)
        try:
            write_all(self._descriptor, frame, self._end)
            sync_data(self._descriptor)
        except OSError as error:
            self._failed = True
            problem = f"cannot append {len(frame)} bytes: {describe_os_error(error)}"
            raise StorageError(self.path, problem, REMEDY_WRITE) from error
        self._end += len(frame)
        self._sequence += 1

    def reset(self, height: int) -> None:
        """Begin the log of `height` with a new, empty file in the old one's place.

        Raises:
            StorageError: If the disk refuses; the old log is still there, closed for appending.
        """
        self._failed = True
        self._salt = secrets.token_bytes(_SALT_BYTES)
        header = _make_header(self._salt, height)
        replace_synced(self.path, header)
        self._open()
        self.height, self.entries = height, ()
        self._end, self._sequence = len(header), 0
        self._failed = False

    def close(self) -> None:
        """Let go of the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _open(self) -> None:
        self.close()
        try:
            self._descriptor = os.open(self.path, os.O_RDWR)
        except OSError as error:
            problem = f"cannot be opened for writing: {describe_os_error(error)}"
            raise StorageError(self.path, problem, "check the file's owner and the disk") from error

    def _recover(self, data: bytes) -> None:
        if len(data) < _HEADER.size:
            raise LogCorruptError(self.path, 0, f"expected a header of {_HEADER.size} bytes, got {len(data)} bytes")
        _, self._salt, self.height, _ = _HEADER.unpack_from(data)
        if data[: _HEADER.size] != _make_header(self._salt, self.height):
            raise LogCorruptError(self.path, 0, "the header does not match its checksum")
        self._end, self._sequence = _HEADER.size, 0
        entries: list[bytes] = []
        while (payload := _read_frame(data, self._end, self._salt, self._sequence)) is not None:
            try:
                entries += decode(payload, tuple[bytes, ...], _PAYLOAD_BYTES_MAX)
            except DecodeError as error:
                raise LogCorruptError(self.path, self._end, f"the frame is of another version: {error}") from error
            self._end += _FRAME.size + len(payload)
            self._sequence += 1
        self.entries = tuple(entries)
        self.cut_bytes = len(data) - self._end
        if self.cut_bytes:
            self._refuse_middle(data)
        self._open()
        if self.cut_bytes:
            self._cut()

    def _refuse_middle(self, data: bytes) -> None:
        """Raise if any later frame begins behind the bad one."""
        offset = data.find(self._salt, self._end)
        while offset >= 0:
            if _read_frame(data, offset, self._salt, self._sequence, later=True) is not None:
                problem = f"frame {self._sequence} does not hold but a later one, at {offset}, does;"
                raise LogCorruptError(self.path, self._end, problem)
            offset = data.find(self._salt, offset + 1)

    def _cut(self) -> None:
        try:
            os.ftruncate(self._descriptor, self._end)
            os.fsync(self._descriptor)
        except OSError as error:
            self.close()
            problem = f"cannot cut the torn tail: {describe_os_error(error)}"
            raise StorageError(self.path, problem, REMEDY_WRITE) from error
        _logger.warning(
            "%s: cut a torn tail of %d bytes after frame %d; the crash came before it was acted on",
            self.path,
            self.cut_bytes,
            self._sequence - 1,
        )


def _make_header(salt: bytes, height: int) -> bytes:
    return _HEADER.pack(_FILE_MAGIC, salt, height, _checksum(salt, struct.pack(">Q", height)))


def _make_frame(salt: bytes, sequence: int, payload: bytes) -> bytes:
    checksum = _checksum(salt, struct.pack(">IQ", len(payload), sequence), payload)
    return _FRAME.pack(salt, len(payload), sequence, checksum) + payload


def _read_frame(data: bytes, offset: int, salt: bytes, sequence: int, *, later: bool = False) -> bytes | None:
    """Return the payload of the valid frame at `offset`, or None.

    Args:
        data: The whole file.
        offset: Where the frame would begin.
        salt: The file's salt.
        sequence: The number it must have.
        later: Accept any number from `sequence` on.
    """
    if offset + _FRAME.size > len(data):
        return None
    marker, length, found, checksum = _FRAME.unpack_from(data, offset)
    start = offset + _FRAME.size
    if marker != salt or length > len(data) - start or found < sequence or (found > sequence and not later):
        return None
    payload = data[start : start + length]
    return payload if checksum == _checksum(salt, struct.pack(">IQ", length, found), payload) else None


def _checksum(salt: bytes, *parts: bytes) -> bytes:
    digest = hashlib.sha256(salt)
    for part in parts:
        digest.update(part)
    return digest.digest()[:_CHECKSUM_BYTES]
