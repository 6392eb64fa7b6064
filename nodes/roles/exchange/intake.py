"""What a recipient does with what is shared with it: ask for it, open it, check it, keep or dispute it.

    1. fetch     a share in the inbox whose record the vault does not hold is asked for at its custodian
    2. check     envelope: signature of the custodian's key in force, this record, this recipient, this payload
                 payload: the hash on the chain; it opens; its plaintext is what was committed to
                 document: of the record's type; a bill's amount opens the commitment to its total
    3. keep      in the vault; when that is said on the chain is the recipient's: an insurer says it as it settles
       dispute   if anything of 2 does not hold; the reason is a salted commitment, its opening is in the register

An invoice's tag is keyed by the hospital's secret, so a recipient cannot compute it: what it can tell is that two
invoices have the same tag, which the chain compares anyway.

Attached documents come in chunks: `nodes.roles.exchange.attachment_intake`.

A custodian that does not answer, or refuses, is asked again, ever more seldom, until the share lapses.
"""

from typing import Annotated, cast

from msgspec import Meta

from contracts.identifiers import RecordId
from contracts.stays import Dispute, ListInbox, Record, Sequence, ShareReceipt, ShareView
from ledger.codec import Hash, Struct, decode, encode
from ledger.crypto.hashes import commit_salted, hash_bytes
from ledger.errors import DecodeError, VerificationError
from nodes.agent import Call, ChainView, Note, PeerAnswered, Request
from nodes.entropy import Entropy
from nodes.roles.erasing import list_asked
from nodes.roles.exchange.asking import Asking, note_lost_key
from nodes.roles.exchange.documents import Document, Invoice, find_document_type
from nodes.roles.exchange.questions import FetchRecord, RecordHandover, Refusal, decode_reply, encode_body
from nodes.roles.lookup import find_record, find_signing_key, find_stay
from nodes.vault.payloads import decrypt_payload
from nodes.vault.records import RecordDigest, Vault
from nodes.vault.register import Register
from nodes.vault.sealing import Envelope, LostKeyError, RecordKeys, SealContext, SealKeys, open_envelope

DISPUTE = "dispute"
WITHHELD = ("AUTH-013", "ELIG-001", "ERASED", "WITHDRAWN")
"""Refusals that stand while this share does: another grant makes another share."""
WITHHELD_MS = 10 * 60 * 1000


class DisputeEntry(Struct):
    """Register, kind `dispute`: what was wrong with one hand-over; the id is record and sequence."""

    record_id: RecordId
    sequence: Sequence
    reason: str
    salt: Annotated[bytes, Meta(min_length=32, max_length=32)]

    @property
    def commitment(self) -> Hash:
        """What the chain has."""
        return commit_salted(self.salt, encode(self.reason))


class Intake:
    """The hand-overs to one recipient."""

    def __init__(
        self,
        recipient: str,
        view: ChainView,
        vault: Vault,
        register: Register,
        seal_key: SealKeys,
        entropy: Entropy,
        asking: Asking,
    ) -> None:
        """Begin with whatever vault and register hold.

        Args:
            recipient: Who is handed records.
            view: The latest committed state.
            vault: Keeps what was opened.
            register: Keeps why something was disputed.
            seal_key: Opens envelopes.
            entropy: For the salts of disputes.
            asking: The agent's questions.
        """
        self._recipient = recipient
        self._view = view
        self._vault = vault
        self._register = register
        self._seal_key = seal_key
        self._entropy = entropy
        self._asking = asking
        self._asked: dict[str, ShareReceipt] = {}
        self._disputed = {key: decode(data, DisputeEntry) for key, data in register.list_entries(DISPUTE)}

    def list_shares(self) -> tuple[ShareReceipt, ...]:
        """Return the shares that wait for an answer on the chain."""
        views = self._view.query("records", "inbox", ListInbox(self._recipient), tuple[ShareView, ...])
        return tuple(view.share for view in views)

    def is_kept(self, share: ShareReceipt) -> bool:
        """Whether the record was opened and holds."""
        return share.record_id in self._vault

    def dispute(self, share: ShareReceipt) -> Call | None:
        """Return the dispute of a hand-over that did not hold, or None."""
        entry = self._disputed.get(key_of(share))
        return None if entry is None else Call("records", "dispute", Dispute(entry.record_id, entry.commitment))

    def fetch(self, shares: tuple[ShareReceipt, ...], now_ms: int) -> list[Request]:
        """Return the questions to custodians that are due."""
        requests = []
        for share in shares:
            subject = key_of(share)
            if share.record_type == "document" or self.is_kept(share) or subject in self._disputed:
                continue
            if not self._asking.may_ask(subject, now_ms):
                continue
            self._asked[subject] = share
            body = encode_body(FetchRecord(share.record_id, share.sequence))
            requests.append(self._asking.ask(subject, share.hospital, body, now_ms))
        return requests

    def take(self, subject: str, event: PeerAnswered) -> list[Note] | None:
        """Take in an answer of a custodian.

        Args:
            subject: What `Asking.take` returned for it.
            event: The answer.

        Returns:
            Notes, or None if the subject is not a share's.
        """
        share = self._asked.pop(subject, None)
        if share is None:
            return None
        if event.body is None or self.is_kept(share) or subject in self._disputed or self._is_unwanted(share):
            return []
        fields: dict[str, str | int] = {"record": share.record_id, "custodian": share.hospital}
        try:
            reply = decode_reply(event.body)
            if isinstance(reply, Refusal):
                if reply.code in WITHHELD:
                    self._asking.postpone(subject, event.now_ms, WITHHELD_MS)
                return [Note("handover-refused", {**fields, "code": reply.code})]
            if not isinstance(reply, RecordHandover):
                return [Note("handover-refused", {**fields, "code": "UNEXPECTED"})]
            self._keep(share, reply)
        except LostKeyError as error:
            return [note_lost_key(fields, error)]
        except (VerificationError, DecodeError) as error:
            self.note_dispute(share, str(error))
            return [Note("handover-disputed", fields)]
        self._asking.forget(subject)
        return [Note("record-opened", fields)]

    def erase_disputes(self, record_id: str) -> None:
        """Remove what was written about hand-overs of a record that did not hold; nothing is fine."""
        for key in [key for key, entry in self._disputed.items() if entry.record_id == record_id]:
            self._register.erase(DISPUTE, key)
            del self._disputed[key]

    def is_wanted(self, share: ShareReceipt) -> bool:
        """Whether a shared record is still to be taken in."""
        return not (self.is_kept(share) or key_of(share) in self._disputed or self._is_unwanted(share))

    def _is_unwanted(self, share: ShareReceipt) -> bool:
        """Whether a record was erased here, or is to be, while the answer was on its way."""
        if self._vault.is_erased(share.record_id):
            return True
        entered = find_record(self._view, share.record_id)
        assert entered is not None, "what was shared was entered"
        return share.record_id in list_asked(self._view, entered.record.stay_id, self._recipient)

    def read(self, record_id: str) -> tuple[Document, RecordKeys]:
        """Return a record that was kept, and its keys."""
        return decode(self._vault.open(record_id), cast("type[Document]", Document)), self._vault.keys(record_id)

    def open_keys(self, share: ShareReceipt, envelope: Envelope) -> tuple[Record, RecordKeys]:
        """Return a shared record as the chain has it, and the keys in its envelope.

        Raises:
            VerificationError, DecodeError: If the envelope is not the one that was expected.
        """
        entered = find_record(self._view, share.record_id)
        assert entered is not None, "what was shared was entered"
        record = entered.record
        context = SealContext(self._view.chain_id, record.record_id, record.hospital, self._recipient)
        keys = open_envelope(
            self._seal_key,
            envelope,
            context,
            record.ciphertext_hash,
            find_signing_key(self._view, record.hospital),
        )
        return record, keys

    def _keep(self, share: ShareReceipt, handover: RecordHandover) -> None:
        record, keys = self.open_keys(share, handover.envelope)
        check_record(self._view, record, keys, handover.ciphertext)
        digest = RecordDigest(record.record_id, record.ciphertext_hash, record.commitment)
        self._vault.put(digest, keys, handover.ciphertext)

    def note_dispute(self, share: ShareReceipt, reason: str) -> None:
        """Write down why a hand-over did not hold; it is disputed on the chain then."""
        entry = DisputeEntry(share.record_id, share.sequence, reason[:300], self._entropy.draw(32))
        self._register.put(DISPUTE, key_of(share), encode(entry))
        self._disputed[key_of(share)] = entry


def check_record(view: ChainView, record: Record, keys: RecordKeys, ciphertext: bytes) -> Document:
    """Return the document of a record, if payload, plaintext and openings are those that the chain committed to.

    Raises:
        VerificationError: If one of them is not.
        DecodeError: If the plaintext is no document.
    """
    if hash_bytes(ciphertext) != record.ciphertext_hash:
        msg = f"{record.record_id}: the payload is not the one whose hash is on the chain"
        raise VerificationError(msg)
    plaintext = decrypt_payload(keys.data_key, view.chain_id, record.record_id, ciphertext)
    if commit_salted(keys.salt, plaintext) != record.commitment:
        msg = f"{record.record_id}: the plaintext is not the one that was committed to"
        raise VerificationError(msg)
    document = decode(plaintext, cast("type[Document]", Document))
    stay = find_stay(view, record.stay_id)
    assert stay is not None, "a record belongs to a stay"
    expected = find_document_type(stay.stay.purpose, record.record_type)
    if expected is None or not isinstance(document, expected):
        msg = f"{record.record_id}: expected a document of type {record.record_type}, got {type(document).__name__}"
        raise VerificationError(msg)
    if isinstance(document, Invoice):
        _check_total(record, keys, document)
    return document


def _check_total(record: Record, keys: RecordKeys, invoice: Invoice) -> None:
    if len(keys.openings) != 1:
        msg = f"{record.record_id}: expected one opening of its total, got {len(keys.openings)}"
        raise VerificationError(msg)
    opening = keys.openings[0]
    opening.verify(record.total)
    if opening.amount != invoice.total:
        msg = f"{record.record_id}: the committed total is not the document's"
        raise VerificationError(msg)


def key_of(share: ShareReceipt) -> str:
    """Return what names one share of one record: the subject of questions about it."""
    return f"{share.record_id}.{share.sequence}"
