"""What a validator's key has signed last: the file that keeps a restarted node from voting twice.

`ledger.replica.signer` decides what may be signed; this is its memory. The file lies beside the key, is made together
with it, and is written before every broadcast. A key without its file refuses to sign (`SignerFile.open` returns None),
because a wiped node cannot know where it has voted; governance gives it a new key.

    file  = slot 0, slot 1
    slot  = the same page twice
    page  = "XPS1", payload length (4), sequence (8), checksum (16), payload, zeros up to 4096 bytes

The state of sequence n goes into slot n mod 2, so the state before it stays whole while it is written: one write in
place and one sync. The usual way, a new file renamed over the old one, needs two syncs and the file system's journal,
and took five times as long (docs/adr/0003-storage.md).

Writing a slot in place can tear, and disks can rot, and the two must not be confused: a tear is a state that was never
used, while a rotten state was, and falling back to the one before it could sign twice. So a slot has two pages. A write
that was interrupted leaves at least one of them whole, the old or the new one; a page that rotted has its twin; both
are made equal again when the file is opened. A slot in which *neither* page holds is neither tear nor accident, and is
refused.
"""

import hashlib
import os
import struct
from collections.abc import Mapping
from pathlib import Path

from ledger.codec import decode, encode
from ledger.crypto.signatures import PrivateKey
from ledger.errors import DecodeError
from ledger.replica.signer import NOTHING_SIGNED, SignerState
from nodes.storage.errors import REMEDY_WRITE, StorageError, describe_os_error
from nodes.storage.files import read_whole, replace_synced, sync_data, write_all

_PAGE_BYTES = 4096
_SLOT_BYTES = 2 * _PAGE_BYTES
_MAGIC = b"XPS1"
_CHECKSUM_BYTES = 16
_PAGE = struct.Struct(f">4sIQ{_CHECKSUM_BYTES}s")
_PAYLOAD_BYTES_MAX = _PAGE_BYTES - _PAGE.size
_REMEDY = (
    "do not remove it and do not restore an old copy: either could make this validator sign twice; retire the key and "
    "have the members admit a new one"
)


def signer_path(folder: Path, version: int) -> Path:
    """Return the file of one version of the consensus key in a node's folder of consensus files."""
    return folder / f"signer-state-{version}"


def open_signers(folder: Path, keys: Mapping[int, PrivateKey]) -> "dict[bytes, SignerFile]":
    """Open the files of all versions of a consensus key: public key -> file; a key without a file has none here.

    Raises:
        StorageError: If one is damaged or cannot be read; the others are closed again.
    """
    files: dict[bytes, SignerFile] = {}
    try:
        for version, key in keys.items():
            file = SignerFile.open(signer_path(folder, version))
            if file is not None:
                files[key.public_key] = file
    except StorageError:
        for file in files.values():
            file.close()
        raise
    return files


class SignerFile:
    """The open file of one key's state."""

    def __init__(self, path: Path, state: SignerState, sequence: int) -> None:
        """Use `create` and `open`.

        Args:
            path: The file, which exists.
            state: What it holds.
            sequence: The number of that state.

        Raises:
            StorageError: If it cannot be opened for writing.
        """
        self.path = path
        self.state = state
        """The last state saved or read."""
        self._sequence = sequence
        self._failed = False
        try:
            self._descriptor = os.open(path, os.O_RDWR)
        except OSError as error:
            problem = f"cannot be opened for writing: {describe_os_error(error)}"
            raise StorageError(path, problem, "check the file's owner and the disk") from error

    @classmethod
    def create(cls, path: Path) -> "SignerFile":
        """Make the file of a new key, before the key itself is written.

        Args:
            path: Where; a file of a key that has never signed may be there already, left by a crash.

        Raises:
            StorageError: If a key has signed under this file, or the disk refuses.
        """
        found = cls.open(path)
        if found is not None:
            if found.state == NOTHING_SIGNED:
                return found
            found.close()
            problem = f"a key has already signed here, up to height {found.state.height}"
            raise StorageError(path, problem, "make the new key in another folder")
        replace_synced(path, _make_slot(0, NOTHING_SIGNED) + _make_slot(1, NOTHING_SIGNED))
        return cls(path, NOTHING_SIGNED, 1)

    @classmethod
    def open(cls, path: Path) -> "SignerFile | None":
        """Read the state; None if there is no file, and then the key must not sign.

        Raises:
            StorageError: If the file is damaged beyond what a crash can do, or cannot be read.
        """
        data = read_whole(path)
        if data is None:
            return None
        if len(data) != 2 * _SLOT_BYTES:
            raise StorageError(path, f"expected {2 * _SLOT_BYTES} bytes, got {len(data)}", _REMEDY)
        slots = [_read_slot(path, data, parity) for parity in (0, 1)]
        sequence, state = max(slots, key=lambda slot: slot[0])
        if abs(slots[0][0] - slots[1][0]) != 1:
            problem = f"its slots hold states {slots[0][0]} and {slots[1][0]}, which never lie there together"
            raise StorageError(path, problem, _REMEDY)
        file = cls(path, state, sequence)
        try:
            file._heal(data, slots)
        except StorageError:
            file.close()
            raise
        return file

    def save(self, state: SignerState) -> None:
        """Make `state` the last one; only then may its signature leave the node.

        Args:
            state: After the last one, or equal to it in height, round, step and sign bytes.

        Raises:
            StorageError: If the disk refuses. Nothing may be sent, and every later save is refused.
        """
        back = state.position < self.state.position
        twice = state.position == self.state.position and state.sign_bytes != self.state.sign_bytes
        if back or (twice and self.state != NOTHING_SIGNED):
            # Raised and not asserted: this is the last place that can keep a validator honest, also under `-O`.
            msg = f"asked to sign {state.position} after {self.state.position}: {'going back' if back else 'twice'}"
            raise AssertionError(msg)
        if self._failed:
            raise StorageError(self.path, "an earlier write failed", REMEDY_WRITE)
        sequence = self._sequence + 1
        self._write_slot(sequence, state)
        self._sequence, self.state = sequence, state

    def close(self) -> None:
        """Let go of the file; called once."""
        os.close(self._descriptor)

    def _heal(self, data: bytes, slots: list[tuple[int, SignerState]]) -> None:
        """Make both pages of each slot equal again: a page without its twin must not be the last to hold a state."""
        for parity, (sequence, state) in enumerate(slots):
            start = parity * _SLOT_BYTES
            if data[start : start + _SLOT_BYTES] != _make_slot(sequence, state):
                self._write_slot(sequence, state)

    def _write_slot(self, sequence: int, state: SignerState) -> None:
        try:
            write_all(self._descriptor, _make_slot(sequence, state), sequence % 2 * _SLOT_BYTES)
            sync_data(self._descriptor)
        except OSError as error:
            self._failed = True
            problem = f"cannot save what is about to be signed: {describe_os_error(error)}"
            raise StorageError(self.path, problem, REMEDY_WRITE) from error


def _make_slot(sequence: int, state: SignerState) -> bytes:
    payload = encode(state)
    assert len(payload) <= _PAYLOAD_BYTES_MAX, "a state fits into one page"
    checksum = _checksum(sequence, payload)
    page = _PAGE.pack(_MAGIC, len(payload), sequence, checksum) + payload
    return page.ljust(_PAGE_BYTES, b"\x00") * 2


def _read_slot(path: Path, data: bytes, parity: int) -> tuple[int, SignerState]:
    """Return the newer of the slot's valid pages, with its sequence."""
    start = parity * _SLOT_BYTES
    pages = [_read_page(data[offset : offset + _PAGE_BYTES]) for offset in (start, start + _PAGE_BYTES)]
    valid = [page for page in pages if page is not None and page[0] % 2 == parity]
    if not valid:
        raise StorageError(path, f"neither page of slot {parity} matches its checksum", _REMEDY)
    return max(valid, key=lambda page: page[0])


def _read_page(page: bytes) -> tuple[int, SignerState] | None:
    magic, length, sequence, checksum = _PAGE.unpack_from(page)
    payload = page[_PAGE.size : _PAGE.size + length]
    if magic != _MAGIC or checksum != _checksum(sequence, payload):
        return None
    try:
        return sequence, decode(payload, SignerState)
    except DecodeError:
        return None


def _checksum(sequence: int, payload: bytes) -> bytes:
    return hashlib.sha256(struct.pack(">Q", sequence) + payload).digest()[:_CHECKSUM_BYTES]
