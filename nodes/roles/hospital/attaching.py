"""Files that the desk attaches to a stay: taken in piece by piece, sealed for each insurer as they come.

A file is sealed for every lane that the stay has when it begins to come in. Until its last byte is there it is a
draft, and its records are not planned.

    begun     in the register: what it is, and the record for each lane; in the vault: a key for each of them
    coming    whole chunks are in the vault, sealed; after a restart the desk announces the same file again and is told
              where to go on
    whole     the register has what goes onto the chain; what a crash leaves undone from here on the next start does
    attached  the records are in the file of the stay; nothing is left of the draft

A draft that is not whole DRAFT_MS after it began is given up, and so is one of a stay of which something is erased:
its keys are overwritten.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta
from msgspec.structs import replace

from contracts.identifiers import RecordId, StayId
from contracts.stays import BESIDE_PARTS_MAX
from ledger.codec import Hash, Struct, decode, encode
from ledger.errors import LedgerError, VerificationError
from nodes.entropy import Entropy
from nodes.roles.exchange.attachments import AttachmentLabel, write_head
from nodes.roles.hospital.stays import Attachment, LocalStay, count_beside
from nodes.vault.drafts import DraftWriter, begin_draft
from nodes.vault.records import Vault, VaultError
from nodes.vault.register import Register

ATTACHING = "attaching"
DRAFTS_MAX = 4
"""Files that may be coming in at once; the one that stood still for longest makes place."""
DRAFT_MS = 24 * 60 * 60 * 1000
"""How long a file may take to come in: a day of interruptions."""
PIECE_BYTES_MAX = 1024 * 1024
"""What is taken in at a time: sealing it takes a few milliseconds, in which the node does nothing else."""


class AttachingError(LedgerError):
    """A file, or a piece of one, that cannot be taken in; names the field."""


class DraftLane(Struct):
    """For whom a draft is sealed."""

    stay_id: StayId
    """Of the lane."""
    record_id: RecordId
    """What it becomes for that lane."""


class DraftEntry(Struct):
    """Register, kind `attaching`: a file that is coming in; the id is the draft's."""

    number: str
    """Of the stay."""
    label: AttachmentLabel
    sha256: Hash
    """Of the file, as the desk announced it."""
    begun_ms: Annotated[int, Meta(ge=0)]
    lanes: tuple[DraftLane, ...]
    sealed: tuple[Attachment, ...]
    """By lane, once it is whole; none before."""


@dataclass(slots=True)
class _Draft:
    entry: DraftEntry
    writers: tuple[DraftWriter, ...]
    """By lane."""
    running: "hashlib._Hash"
    taken: int = 0
    """Bytes of the file."""


class Attaching:
    """The drafts of one hospital."""

    def __init__(self, vault: Vault, register: Register, entropy: Entropy) -> None:
        """Go on with the drafts that are there, as far as their chunks open; give up what cannot be gone on with.

        Args:
            vault: Takes the sealed chunks.
            register: Keeps what is coming in.
            entropy: For ids.
        """
        self._vault = vault
        self._register = register
        self._entropy = entropy
        self._drafts: dict[str, _Draft] = {}
        self.whole: dict[str, DraftEntry] = {}
        """Drafts that were whole before a restart: to be attached, or given up."""
        for draft_id, data in register.list_entries(ATTACHING):
            self._resume(draft_id, decode(data, DraftEntry))
        named = {lane.record_id for entry in self._entries() for lane in entry.lanes}
        for record_id in vault.list_drafts():
            if record_id not in named:
                vault.stop_draft(record_id)

    def begin(self, stay: LocalStay, label: AttachmentLabel, sha256: bytes, now_ms: int) -> tuple[str, int]:
        """Return the id of a draft, and how much of the file is there already; a new draft unless it is.

        Args:
            stay: What the file is attached to.
            label: What it is.
            sha256: Of the file.
            now_ms: The node's clock.

        Raises:
            AttachingError: If the stay was reported to nobody who is ever handed a file, is erased in part, or has
                as many documents and interim bills as the chain takes.
            VaultError: If the disk refuses.
        """
        held = tuple(lane for lane in stay.lanes if lane.holds("document"))
        if not held or stay.is_redacted:
            msg = f"{stay.number}: expected a stay that is reported to an insurer and whole"
            raise AttachingError(msg)
        for draft_id, draft in self._drafts.items():
            entry = draft.entry
            same = (entry.number, entry.label, entry.sha256) == (stay.number, label, sha256)
            if same and [lane.stay_id for lane in entry.lanes] == [lane.stay_id for lane in held]:
                return draft_id, draft.taken
        coming = [draft for draft in self._drafts.values() if draft.entry.number == stay.number]
        if count_beside(stay) + len(coming) >= BESIDE_PARTS_MAX:
            msg = f"{stay.number}: expected at most {BESIDE_PARTS_MAX} interim bills and documents, those coming in too"
            raise AttachingError(msg)
        while len(self._drafts) >= DRAFTS_MAX:
            self._discard(next(iter(self._drafts)))
        draft_id = f"draft-{self._entropy.draw(8).hex()}"
        lanes = tuple(DraftLane(lane.stay_id, f"record-{self._entropy.draw(8).hex()}") for lane in held)
        entry = DraftEntry(stay.number, label, sha256, now_ms, lanes, ())
        self._drafts[draft_id] = draft = _Draft(entry, (), hashlib.sha256())
        try:
            self._register.put(ATTACHING, draft_id, encode(entry))
            for lane in lanes:
                begin_draft(self._vault, lane.record_id)
            draft.writers = self._open(entry)
        except OSError as error:
            raise self._refuse(draft_id, error) from None
        self._write(draft_id, draft, write_head(label))
        return draft_id, 0

    def take(self, draft_id: str, offset: int, piece: bytes) -> tuple[str, dict[str, Attachment]]:
        """Take in the next piece of a file.

        Args:
            draft_id: From `begin`.
            offset: Where the piece begins in the file.
            piece: 1 to PIECE_BYTES_MAX bytes.

        Returns:
            The number of the stay, and by lane what was sealed, for `close`; nothing as long as the file is not whole.

        Raises:
            AttachingError: If there is no such draft, or this is not its next piece; the draft stays as it is. If the
                whole is not the file that was announced; the draft is gone then.
            VerificationError: If other bytes came here before a restart; the draft is gone then.
            VaultError: If the disk refuses; the draft is gone then.
        """
        draft = self._drafts.get(draft_id)
        if draft is None:
            msg = f"draft: expected one that is coming in, got {draft_id[:40]!r}; attach the file again"
            raise AttachingError(msg)
        room = min(PIECE_BYTES_MAX, draft.entry.label.file_bytes - draft.taken)
        if offset != draft.taken or not 0 < len(piece) <= room:
            msg = f"piece: expected 1 to {room} bytes at {draft.taken}, got {len(piece)} at {offset}"
            raise AttachingError(msg)
        self._drafts[draft_id] = self._drafts.pop(draft_id)
        self._write(draft_id, draft, piece)
        draft.taken += len(piece)
        draft.running.update(piece)
        if draft.taken < draft.entry.label.file_bytes:
            return draft.entry.number, {}
        if draft.running.digest() != draft.entry.sha256:
            expected, got = draft.entry.sha256.hex()[:16], draft.running.hexdigest()[:16]
            self._discard(draft_id)
            msg = f"sha256: expected {expected}, got {got}; nothing was kept"
            raise AttachingError(msg)
        return draft.entry.number, self._finish(draft_id, draft)

    def close(self, draft_id: str) -> None:
        """Forget a draft whose records are in the file of its stay."""
        self.whole.pop(draft_id, None)
        self._register.erase(ATTACHING, draft_id)

    def give_up(self, now_ms: int, is_redacted: Callable[[str], bool]) -> list[str]:
        """Destroy drafts that are too old, or of stays of which something is erased; return the stays' numbers."""
        stale = [
            (draft_id, draft.entry.number)
            for draft_id, draft in self._drafts.items()
            if now_ms - draft.entry.begun_ms >= DRAFT_MS or is_redacted(draft.entry.number)
        ]
        for draft_id, _ in stale:
            self._discard(draft_id)
        return [number for _, number in stale]

    def drop(self, draft_id: str) -> None:
        """Destroy a draft that was whole before a restart, and what it became."""
        self._erase(draft_id, self.whole.pop(draft_id))

    def _entries(self) -> list[DraftEntry]:
        return [*(draft.entry for draft in self._drafts.values()), *self.whole.values()]

    def _open(self, entry: DraftEntry) -> tuple[DraftWriter, ...]:
        plaintext_bytes = len(write_head(entry.label)) + entry.label.file_bytes
        return tuple(DraftWriter(self._vault, lane.record_id, plaintext_bytes) for lane in entry.lanes)

    def _resume(self, draft_id: str, entry: DraftEntry) -> None:
        """Take over the chunks that every lane has."""
        if entry.sealed:
            self.whole[draft_id] = entry
            return
        try:
            writers = self._open(entry)
        except VaultError:  # a crash at its begin, or its keys are damaged
            self._erase(draft_id, entry)
            return
        self._drafts[draft_id] = draft = _Draft(entry, writers, hashlib.sha256())
        head = write_head(entry.label)
        while (plaintext := self._accept(writers)) is not None:
            draft.running.update(plaintext if draft.taken else plaintext[len(head) :])
            draft.taken = writers[0].taken - len(head)
        if not writers[0].taken:
            self._write(draft_id, draft, head)

    @staticmethod
    def _accept(writers: tuple[DraftWriter, ...]) -> bytes | None:
        found = [writer.peek() for writer in writers]
        plaintext = found[0]
        if plaintext is None or any(other != plaintext for other in found):
            return None
        for writer in writers:
            writer.accept(plaintext)
        return plaintext

    def _finish(self, draft_id: str, draft: _Draft) -> dict[str, Attachment]:
        try:
            digests = [writer.finish() for writer in draft.writers]
            sealed = tuple(Attachment(item.record_id, item.ciphertext_hash, item.commitment) for item in digests)
            entry = replace(draft.entry, sealed=sealed)
            self._register.put(ATTACHING, draft_id, encode(entry))
            found = self.keep(entry)
        except OSError as error:
            raise self._refuse(draft_id, error) from None
        del self._drafts[draft_id]
        return found

    def keep(self, entry: DraftEntry) -> dict[str, Attachment]:
        """Make records of a draft that is whole, and return them by lane; doing it twice is fine."""
        for lane in entry.lanes:
            self._vault.keep_draft(lane.record_id)
        return {lane.stay_id: sealed for lane, sealed in zip(entry.lanes, entry.sealed, strict=True)}

    def _write(self, draft_id: str, draft: _Draft, data: bytes) -> None:
        try:
            for writer in draft.writers:
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
        draft = self._drafts.pop(draft_id)
        for writer in draft.writers:
            writer.close()
        self._erase(draft_id, draft.entry)

    def _erase(self, draft_id: str, entry: DraftEntry) -> None:
        for lane in entry.lanes:
            if lane.record_id in self._vault:
                self._vault.erase(lane.record_id)
            self._vault.stop_draft(lane.record_id)
        self._register.erase(ATTACHING, draft_id)
