"""Attachments: payloads of up to 64 MiB, sealed, taken in and read chunk by chunk, so that nobody holds one whole.

    AttachmentReceiver   the recipient's: sealed chunks in, in order; each is opened before it is kept
    read_chunks          sealed chunks out, for a hand-over
    read_plaintext       plaintext out, chunk by chunk

How a custodian seals one is in `nodes.vault.drafts`. What a recipient has lies in the vault over a restart, as
ciphertext. It is read again then, chunk by chunk: a chunk that a crash tore is cut off, and the next question asks from
there. A record exists once the hash of the whole is the chain's and its plaintext is what was committed to; never half.
"""

import hashlib
import os
from collections.abc import Iterator

from ledger.crypto.hashes import RunningCommitment
from ledger.errors import VerificationError
from nodes.vault.chunk_files import ChunkFile
from nodes.vault.payloads import ATTACHMENT_CHUNKS_MAX, SEALED_CHUNK_BYTES, PayloadOpener, count_chunks
from nodes.vault.records import RecordDigest, Vault, VaultError
from nodes.vault.sealing import RecordKeys

HEAD_BYTES = 1024
"""What a receiver shows of the plaintext before the record is kept."""


class AttachmentReceiver:
    """Takes in one attachment that another member hands over."""

    def __init__(self, vault: Vault, digest: RecordDigest, keys: RecordKeys, payload_bytes: int) -> None:
        """Go on where an earlier one stopped, if there is any of it.

        Args:
            vault: The recipient's.
            digest: What the chain has of the record.
            keys: Out of its envelope.
            payload_bytes: Of the sealed payload, as its custodian says; the last chunk proves it.

        Raises:
            VaultError: If the vault has this id already, or erased it.
            VerificationError: If it would be too long.
        """
        if not 0 < payload_bytes <= ATTACHMENT_CHUNKS_MAX * SEALED_CHUNK_BYTES:
            most = ATTACHMENT_CHUNKS_MAX * SEALED_CHUNK_BYTES
            msg = f"payload of {digest.record_id}: expected 1 to {most} bytes, got {payload_bytes}"
            raise VerificationError(msg)
        self.chunk_count = count_chunks(payload_bytes)
        self.next_chunk = 0
        """The number of the first chunk that is missing."""
        self.plaintext_bytes = 0
        """Of what has been taken."""
        self.head = b""
        """The first bytes of the plaintext."""
        self._vault = vault
        self._digest = digest
        self._keys = keys
        self._opener = PayloadOpener(keys.data_key, vault.chain_id, digest.record_id, self.chunk_count)
        self._commitment = RunningCommitment(keys.salt)
        self._hash = hashlib.sha256()
        self._path = vault.begin_arrival(digest.record_id)
        self._file = ChunkFile(str(self._path))
        self._resume()

    def take(self, first: int, chunks: tuple[bytes, ...]) -> None:
        """Open and keep the next chunks.

        Args:
            first: The number of the first of them.
            chunks: Sealed, in order.

        Raises:
            VerificationError: If they are not the next ones, or one does not open; it and those after it are not kept.
            OSError: If the machine refuses, such as for a full disk; what was taken before stays, and `next_chunk`
                says where to go on.
        """
        if first != self.next_chunk or not chunks or first + len(chunks) > self.chunk_count:
            msg = (
                f"payload of {self._digest.record_id}: expected chunks from {self.next_chunk} on, of "
                f"{self.chunk_count}, got {len(chunks)} from {first} on"
            )
            raise VerificationError(msg)
        for chunk in chunks:
            plaintext = self._opener.open(self.next_chunk, chunk)
            self._file.write(chunk)
            self._count_in(chunk, plaintext)

    def finish(self) -> None:
        """Keep the record, if all of it is what the chain has.

        Raises:
            VerificationError: If it is not; nothing of it is kept then.
        """
        assert self.next_chunk == self.chunk_count, "every chunk has been taken"
        what = ""
        if self._hash.digest() != self._digest.ciphertext_hash:
            what = "the payload is not the one whose hash is on the chain"
        elif self._commitment.commitment() != self._digest.commitment:
            what = "the plaintext is not the one that was committed to"
        if what:
            self.discard()
            msg = f"{self._digest.record_id}: {what}"
            raise VerificationError(msg)
        self._file.close()
        self._vault.keep(self._digest.record_id, self._keys, self._path)

    def pause(self) -> None:
        """Let go of the file; what has come stays for another receiver."""
        self._file.abandon()

    def discard(self) -> None:
        """Remove what has come."""
        self._file.abandon()
        self._vault.stop_arrival(self._digest.record_id)

    def _resume(self) -> None:
        """Read again what is there, as far as it opens."""
        while self.next_chunk < self.chunk_count:
            chunk = self._file.read(SEALED_CHUNK_BYTES)
            try:
                self._count_in(chunk, self._opener.open(self.next_chunk, chunk))
            except VerificationError:
                break
        self._file.cut(self.next_chunk * SEALED_CHUNK_BYTES)

    def _count_in(self, chunk: bytes, plaintext: bytes) -> None:
        self._hash.update(chunk)
        self._commitment.update(plaintext)
        if self.next_chunk == 0:
            self.head = plaintext[:HEAD_BYTES]
        self.plaintext_bytes += len(plaintext)
        self.next_chunk += 1


def read_chunks(vault: Vault, record_id: str, first: int, count: int) -> tuple[bytes, ...]:
    """Return sealed chunks of a record, as many of them as there are.

    Raises:
        VaultError: If it is missing or erased.
    """
    with vault.open_payload(record_id) as file:
        file.seek(first * SEALED_CHUNK_BYTES)
        chunks = [file.read(SEALED_CHUNK_BYTES) for _ in range(count)]
    return tuple(chunk for chunk in chunks if chunk)


def measure_payload(vault: Vault, record_id: str) -> int:
    """Return the bytes of a record's sealed payload; raises `VaultError` if it is missing or erased."""
    with vault.open_payload(record_id) as file:
        return os.fstat(file.fileno()).st_size


def read_plaintext(vault: Vault, record_id: str, first: int = 0, count: int = ATTACHMENT_CHUNKS_MAX) -> Iterator[bytes]:
    """Yield the plaintext of a record, chunk by chunk.

    Args:
        vault: Holds it.
        record_id: Which record.
        first: The number of the first chunk wanted.
        count: How many at most.

    Raises:
        VaultError: If it is missing, erased or damaged.
    """
    keys = vault.keys(record_id)
    opener = PayloadOpener(keys.data_key, vault.chain_id, record_id, count_chunks(measure_payload(vault, record_id)))
    for number in range(first, min(first + count, opener.count)):
        (chunk,) = read_chunks(vault, record_id, number, 1)
        try:
            yield opener.open(number, chunk)
        except VerificationError as error:
            msg = f"{error}; the file is damaged on disk: ask the record's custodian for another copy"
            raise VaultError(msg) from None
