"""What a recipient does with records that a hospital discloses to it: another hospital to treat, a regulator otherwise.

The same as every recipient: fetch what is shared, hold it against the chain, keep it in the vault and say so, or
dispute it (`intake`, and `attachment_intake` for documents). Nothing is settled on it, so it is confirmed
by itself as soon as it is kept. What was received is never mixed with what the recipient has otherwise, such as a
hospital's own stays: it is read from the vault, by the record's id. A hospital knows the patient behind its pseudonym,
a regulator knows nobody.

What the recipient was asked to erase is not read here any more, even if a regulator keeps it for an order of its own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from contracts.stays import Deliver, Record, ShareReceipt
from ledger.codec import decode, encode
from ledger.errors import LedgerError
from nodes.agent import Call, ChainView, Note, PeerAnswered, Request
from nodes.roles.erasing import list_asked
from nodes.roles.exchange.attachment_intake import AttachmentIntake
from nodes.roles.exchange.documents import Document
from nodes.roles.exchange.intake import Intake
from nodes.roles.lookup import find_record, find_stay
from nodes.vault.records import Vault
from nodes.vault.register import Register

RECEIVED = "received"
PAGE_MAX = 100
"""Received records of one listing."""


class ReceivingError(LedgerError):
    """A record that was not received here."""


@dataclass(frozen=True, slots=True)
class Received:
    """A record that a hospital handed over."""

    record: Record
    patient: str | None
    """A hospital's own number for her; None if no grant of hers is known here any more, and at a regulator."""
    purpose: str


class Receiving:
    """The hand-overs to one recipient."""

    def __init__(
        self,
        recipient: str,
        view: ChainView,
        vault: Vault,
        register: Register,
        person_of: Callable[[str], str | None],
        intake: Intake,
        documents: AttachmentIntake | None = None,
    ) -> None:
        """Begin with whatever vault and register hold.

        Args:
            recipient: Who is handed records.
            view: The latest committed state.
            vault: Keeps what was opened.
            register: Keeps what came.
            person_of: Pseudonym -> the recipient's own number for whom it is, if it knows her.
            intake: Fetches and opens records.
            documents: Fetches attached documents, where they may be among what is handed over. What arrives of a
                document that a regulator ordered is not for this to tidy up.
        """
        self._recipient = recipient
        self._view = view
        self._vault = vault
        self._register = register
        self._received = {record_id for record_id, _ in register.list_entries(RECEIVED)}
        self._person_of = person_of
        self._intake = intake
        self._intakes: tuple[Intake | AttachmentIntake, ...] = (intake,) if documents is None else (intake, documents)

    def derive(self, now_ms: int) -> tuple[list[Call], list[Request]]:
        """Return the answers that the chain lacks, and the questions to custodians that are due."""
        shares = self._intake.list_shares()
        calls: list[Call] = []
        for share in shares:
            dispute = self._intake.dispute(share)
            if dispute is not None:
                calls.append(dispute)
            elif self._intake.is_kept(share):
                self._note(share)
                calls.append(Call("records", "deliver", Deliver(share.record_id)))
        return calls, [request for intake in self._intakes for request in intake.fetch(shares, now_ms)]

    def take(self, subject: str, event: PeerAnswered) -> list[Note] | None:
        """Take in an answer of a custodian; None if it is about something else."""
        for intake in self._intakes:
            notes = intake.take(subject, event)
            if notes is not None:
                return notes
        return None

    def erase(self, record_id: str) -> None:
        """Remove what was written about hand-overs of a record that is erased; the vault's part is done."""
        self._intake.erase_disputes(record_id)
        self._register.erase(RECEIVED, record_id)
        self._received.discard(record_id)

    def list_received(self, patient: str | None, after: str) -> tuple[Received, ...]:
        """Return a page of what hospitals handed over and is kept, by record id.

        Args:
            patient: Of one patient only, by the recipient's own number.
            after: The last record id already seen; empty for the first page.
        """
        found: list[Received] = []
        for record_id in sorted(known for known in self._received if known > after):
            item = self._find(record_id)
            if item is not None and patient in (None, item.patient):
                found.append(item)
            if len(found) == PAGE_MAX:
                break
        return tuple(found)

    def open(self, record_id: str) -> tuple[Received, Document | None]:
        """Return a received record and what it says; None for a document, which is saved as a file.

        Raises:
            ReceivingError: If it was not handed over here, or is erased.
            VaultError: If it is damaged.
        """
        item = self._find(record_id)
        if item is None:
            msg = f"record: expected one that a hospital handed to {self._recipient}, got {record_id[:64]!r}"
            raise ReceivingError(msg)
        if item.record.record_type == "document":
            return item, None
        return item, decode(self._vault.open(record_id), cast("type[Document]", Document))

    def _note(self, share: ShareReceipt) -> None:
        """Remember, before it is confirmed, that a record came from a hospital: a listing reads no vault."""
        if share.record_id not in self._received:
            self._register.put(RECEIVED, share.record_id, encode(share.hospital))
            self._received.add(share.record_id)

    def _find(self, record_id: str) -> Received | None:
        view = find_record(self._view, record_id) if record_id in self._received else None
        if view is None or record_id not in self._vault:
            return None
        if record_id in list_asked(self._view, view.record.stay_id, self._recipient):
            return None
        stay = find_stay(self._view, view.record.stay_id)
        assert stay is not None, "a record belongs to a stay"
        return Received(view.record, self._person_of(view.record.subject), stay.stay.purpose)
