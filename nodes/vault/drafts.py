"""Drafts: large payloads of one's own that come in piece by piece, sealed as they come, over a restart.

    begin      a key is drawn and kept beside the chunks to be, before the first of them
    write      plaintext in, in pieces of any size; every whole chunk is sealed and written down
    peek,      after a restart: the chunks that are there, opened one by one as far as they open and are wanted;
    accept     sealing goes on behind them
    finish     the last chunk is sealed, everything synced; `Vault.keep_draft` makes it a record then

No key ever seals two texts that anybody could see. A chunk that a crash tore is sealed again under its number, and
what there is of the former one must be the same bytes (`ChunkFile.write_again`): who sends another text the second
time is refused. The last chunk is never taken over: it is sealed again, alike.
"""

import hashlib

from ledger.crypto.hashes import RunningCommitment
from ledger.errors import VerificationError
from nodes.vault.chunk_files import ChunkFile
from nodes.vault.payloads import (
    ATTACHMENT_BYTES_MAX,
    CHUNK_BYTES,
    DATA_KEY_BYTES,
    SEALED_CHUNK_BYTES,
    PayloadOpener,
    PayloadSealer,
)
from nodes.vault.records import SALT_BYTES, RecordDigest, Vault
from nodes.vault.sealing import RecordKeys


class DraftWriter:
    """Seals one large payload into a vault."""

    def __init__(self, vault: Vault, record_id: str, plaintext_bytes: int) -> None:
        """Go on with a draft that `begin_draft` or an earlier process began; nothing of it is taken over yet.

        Args:
            vault: The custodian's.
            record_id: The draft.
            plaintext_bytes: Of the whole payload.

        Raises:
            VaultError: If the vault has no such draft.
            VerificationError: If it would be too long.
        """
        if not 0 < plaintext_bytes <= ATTACHMENT_BYTES_MAX:
            msg = f"attachment: expected 1 to {ATTACHMENT_BYTES_MAX} bytes, got {plaintext_bytes}"
            raise VerificationError(msg)
        keys, path = vault.open_draft(record_id)
        self.taken = 0
        """Bytes of plaintext so far."""
        self._record_id = record_id
        self._plaintext_bytes = plaintext_bytes
        self._chunk_count = -(-plaintext_bytes // CHUNK_BYTES)
        self._sealer = PayloadSealer(keys.data_key, vault.chain_id, record_id)
        self._opener = PayloadOpener(keys.data_key, vault.chain_id, record_id, self._chunk_count)
        self._commitment = RunningCommitment(keys.salt)
        self._hash = hashlib.sha256()
        self._file = ChunkFile(str(path))
        self._rest = b""

    def peek(self) -> bytes | None:
        """Return the plaintext of the next chunk that is there whole; None for none, or the payload's last one."""
        number = self._sealer.number
        if self._rest or number >= self._chunk_count - 1:
            return None
        try:
            return self._opener.open(number, self._file.peek(SEALED_CHUNK_BYTES))
        except VerificationError:
            return None

    def accept(self, plaintext: bytes) -> None:
        """Take over the chunk that `peek` returned."""
        self._hash.update(self._file.read(SEALED_CHUNK_BYTES))
        self._commitment.update(plaintext)
        self._sealer.skip()
        self.taken += len(plaintext)

    def write(self, data: bytes) -> None:
        """Take in the next plaintext.

        Raises:
            VerificationError: If that is more than was announced, or not what came here before a restart.
            OSError: If the machine refuses, such as for a full disk; `stop_draft` then.
        """
        self.taken += len(data)
        if self.taken > self._plaintext_bytes:
            msg = f"attachment: expected at most {self._plaintext_bytes} bytes, got {self.taken}"
            raise VerificationError(msg)
        self._commitment.update(data)
        data = self._rest + data
        start = 0
        while len(data) - start > CHUNK_BYTES:  # the last chunk is known by the end, so one is held back
            self._put(self._sealer.seal(data[start : start + CHUNK_BYTES], last=False))
            start += CHUNK_BYTES
        self._rest = data[start:]

    def finish(self) -> RecordDigest:
        """Seal the last chunk, sync everything and close; return what goes onto the chain."""
        assert self.taken == self._plaintext_bytes, "all of it has come"
        self._put(self._sealer.seal(self._rest, last=True))
        self._file.close()
        return RecordDigest(self._record_id, self._hash.digest(), self._commitment.commitment())

    def close(self) -> None:
        """Let go of the file; what has come stays for another writer."""
        self._file.abandon()

    def _put(self, chunk: bytes) -> None:
        self._file.write_again(chunk)
        self._hash.update(chunk)


def begin_draft(vault: Vault, record_id: str) -> None:
    """Begin a draft: its keys are on disk when this returns.

    Args:
        vault: The custodian's.
        record_id: New to it.

    Raises:
        VaultError: If the vault has this id already, or erased it.
    """
    vault.begin_draft(record_id, RecordKeys(vault.entropy.draw(DATA_KEY_BYTES), vault.entropy.draw(SALT_BYTES)))
