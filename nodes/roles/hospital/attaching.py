"""Files that the desk attaches to a stay: taken in piece by piece, sealed for each insurer as they come.

A file is sealed for every lane that the stay has when it begins to come in. Until its last byte is there it is a
draft: in memory, with chunks in the vault that nobody can open after a restart; then the desk sends it again. Its
records are planned when it is whole, and not before.
"""

import hashlib
from dataclasses import dataclass

from ledger.errors import LedgerError, VerificationError
from nodes.entropy import Entropy
from nodes.roles.exchange.attachments import AttachmentLabel, write_head
from nodes.roles.hospital.stays import Attachment, LocalStay
from nodes.vault.attachments import AttachmentWriter
from nodes.vault.records import Vault, VaultError

DRAFTS_MAX = 4
"""Files that may be coming in at once; the one that stood still for longest makes place."""
PIECE_BYTES_MAX = 1024 * 1024
"""What is taken in at a time: sealing it takes a few milliseconds, in which the node does nothing else."""


class AttachingError(LedgerError):
    """A file, or a piece of one, that cannot be taken in; names the field."""


@dataclass(slots=True)
class _Draft:
    number: str
    label: AttachmentLabel
    sha256: bytes
    writers: dict[str, AttachmentWriter]
    """Stay id of a lane -> what seals for it."""
    running: "hashlib._Hash"
    taken: int = 0


class Attaching:
    """The drafts of one hospital."""

    def __init__(self, vault: Vault, entropy: Entropy) -> None:
        """Begin without drafts.

        Args:
            vault: Takes the sealed chunks.
            entropy: For ids.
        """
        self._vault = vault
        self._entropy = entropy
        self._drafts: dict[str, _Draft] = {}

    def begin(self, stay: LocalStay, label: AttachmentLabel, sha256: bytes) -> str:
        """Return the id of a new draft.

        Args:
            stay: What the file is attached to.
            label: What it is.
            sha256: Of the file.

        Raises:
            AttachingError: If the stay was reported to nobody, or is erased in part.
            VaultError: If the disk refuses.
        """
        if not stay.lanes or stay.is_redacted:
            msg = f"{stay.number}: expected a stay that is reported to an insurer and whole"
            raise AttachingError(msg)
        while len(self._drafts) >= DRAFTS_MAX:
            self._discard(next(iter(self._drafts)))
        draft_id = f"draft-{self._entropy.draw(8).hex()}"
        writers: dict[str, AttachmentWriter] = {}
        self._drafts[draft_id] = draft = _Draft(stay.number, label, sha256, writers, hashlib.sha256())
        for lane in stay.lanes:
            writers[lane.stay_id] = AttachmentWriter(self._vault, f"record-{self._entropy.draw(8).hex()}")
        self._write(draft_id, draft, write_head(label))
        return draft_id

    def take(self, draft_id: str, offset: int, piece: bytes) -> tuple[str, dict[str, Attachment]]:
        """Take in the next piece of a file.

        Args:
            draft_id: From `begin`.
            offset: Where the piece begins in the file.
            piece: 1 to PIECE_BYTES_MAX bytes.

        Returns:
            The number of the stay, and by lane what was sealed; nothing as long as the file is not whole.

        Raises:
            AttachingError: If there is no such draft, or this is not its next piece; the draft stays as it is. If the
                whole is not the file that was announced; the draft is gone then.
            VaultError: If the disk refuses; the draft is gone then.
        """
        draft = self._drafts.get(draft_id)
        if draft is None:
            msg = f"draft: expected one that is coming in, got {draft_id[:40]!r}; a restart forgets them: attach again"
            raise AttachingError(msg)
        room = min(PIECE_BYTES_MAX, draft.label.file_bytes - draft.taken)
        if offset != draft.taken or not 0 < len(piece) <= room:
            msg = f"piece: expected 1 to {room} bytes at {draft.taken}, got {len(piece)} at {offset}"
            raise AttachingError(msg)
        self._drafts[draft_id] = self._drafts.pop(draft_id)
        self._write(draft_id, draft, piece)
        draft.taken += len(piece)
        draft.running.update(piece)
        if draft.taken < draft.label.file_bytes:
            return draft.number, {}
        if draft.running.digest() != draft.sha256:
            self._discard(draft_id)
            msg = f"sha256: expected {draft.sha256.hex()[:16]}, got {draft.running.hexdigest()[:16]}; nothing was kept"
            raise AttachingError(msg)
        return draft.number, self._finish(draft_id, draft)

    def _finish(self, draft_id: str, draft: _Draft) -> dict[str, Attachment]:
        try:
            digests = {stay_id: writer.finish() for stay_id, writer in draft.writers.items()}
        except OSError as error:
            raise self._refuse(draft_id, error) from None
        del self._drafts[draft_id]
        return {
            stay_id: Attachment(digest.record_id, digest.ciphertext_hash, digest.commitment)
            for stay_id, digest in digests.items()
        }

    def _write(self, draft_id: str, draft: _Draft, data: bytes) -> None:
        try:
            for writer in draft.writers.values():
                writer.write(data)
        except OSError as error:
            raise self._refuse(draft_id, error) from None
        except VerificationError:
            self._discard(draft_id)
            raise

    def _refuse(self, draft_id: str, error: OSError) -> VaultError:
        self._discard(draft_id)
        return VaultError(f"vault: the file could not be written ({error.strerror}); nothing was kept, attach it again")

    def _discard(self, draft_id: str) -> None:
        for writer in self._drafts.pop(draft_id).writers.values():
            writer.discard()
