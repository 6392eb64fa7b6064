"""One attached document on its way in: the keys first, then its chunks, and a record once it is whole.

Whoever takes it in asks in its own words, for a share or for an order, and says what follows; what arrived lies in the
vault and is gone on with after a restart. A full disk loses nothing: the same chunk is asked for again later.
"""

import errno

from contracts.stays import Record
from ledger.errors import VerificationError
from nodes.roles.exchange.attachments import read_head
from nodes.roles.exchange.questions import AttachmentChunks, AttachmentOffer
from nodes.vault.attachments import AttachmentReceiver
from nodes.vault.records import RecordDigest, Vault
from nodes.vault.sealing import RecordKeys

ARRIVING_MAX = 2
"""Documents that arrive at once at one member."""
FULL_DISK_MS = 30_000
"""Until the next try after the disk was full."""
_FULL_DISK = (errno.ENOSPC, errno.EDQUOT)


def is_full_disk(error: OSError) -> bool:
    """Whether a write failed for want of room: what arrived is kept, and it is tried again."""
    return error.errno in _FULL_DISK


class Arrival:
    """A document that arrives."""

    def __init__(self, vault: Vault, record_id: str) -> None:
        """Wait for the keys."""
        self.record_id = record_id
        self._vault = vault
        self._receiver: AttachmentReceiver | None = None

    @property
    def next_chunk(self) -> int | None:
        """The first chunk that is missing; None while the keys have not come."""
        return None if self._receiver is None else self._receiver.next_chunk

    def begin(self, record: Record, keys: RecordKeys, offer: AttachmentOffer) -> None:
        """Take in the keys, once they were held against the chain; raises as `AttachmentReceiver`."""
        digest = RecordDigest(record.record_id, record.ciphertext_hash, record.commitment)
        self._receiver = AttachmentReceiver(self._vault, digest, keys, offer.payload_bytes)

    def take(self, reply: AttachmentChunks) -> None:
        """Take in the next chunks; raises as `AttachmentReceiver.take`."""
        assert self._receiver is not None, "chunks are asked for when the keys are here"
        self._receiver.take(reply.first, reply.chunks)

    def keep_whole(self) -> int:
        """Keep the document if all of it is here, and return how many chunks it has; 0 while it is not.

        Raises:
            VerificationError: If the whole is not what the chain and its own label say.
        """
        receiver = self._receiver
        if receiver is None or receiver.next_chunk < receiver.chunk_count:
            return 0
        label, begin = read_head(receiver.head)
        if begin + label.file_bytes != receiver.plaintext_bytes:
            file_bytes = receiver.plaintext_bytes - begin
            msg = f"{self.record_id}: expected a file of {label.file_bytes} bytes, got {file_bytes}"
            raise VerificationError(msg)
        receiver.finish()
        return receiver.chunk_count

    def pause(self) -> None:
        """Make place for another document; what arrived stays in the vault."""
        if self._receiver is not None:
            self._receiver.pause()

    def stop(self) -> None:
        """Remove what arrived."""
        if self._receiver is None:
            self._vault.stop_arrival(self.record_id)
        else:
            self._receiver.discard()
