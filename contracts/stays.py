"""What the chain keeps of a stay: records, the closing that lists them, and who was given which.

A record is off the chain, sealed in its custodian's vault. Here are its random id, its type, the hash of the
ciphertext, a salted commitment to the plaintext and, for a bill, a commitment to its total. Real hospitals cancel
and re-issue, so a record is `original`, `reversal` (its total the negative of what it reverses) or `replacement`;
nothing is ever edited.
"""

from typing import Annotated, Literal

from contracts.field_sets import FieldSetName
from contracts.grants import Purpose, RecordType
from contracts.identifiers import ClaimId, GrantId, Place, RecordId, StayId, Version
from ledger.execution.contract import Hash, Height, Meta, Name, Point, Struct

RecordKind = Literal["original", "reversal", "replacement"]
HandoverResult = Literal["DELIVERED", "DISPUTED"]
ShareStatus = Literal["SHARED", "DELIVERED", "DISPUTED", "LAPSED"]
"""LAPSED follows from the height and is never written."""
Sequence = Annotated[int, Meta(ge=1, le=2**31)]

CLOSING_PARTS_MAX = 32
"""Live parts that a closing lists: bills, lists of items and a summary. A claim of the longest closings of as many
stays as it may have can be settled, followed and corrected within one transaction's meter."""
BESIDE_PARTS_MAX = 32
"""Live interim bills and documents of one stay. They have room of their own: else a long stay could not be closed."""
PARTS_MAX = CLOSING_PARTS_MAX + BESIDE_PARTS_MAX
"""Live parts of one stay: whoever looks whether it is closed reads them all."""
REPLACEMENTS_MAX = 16
"""Replacements in a row: closing looks through all of them for who consumed one."""


class Append(Struct):
    """Transaction `append`: a hospital enters a record of a stay."""

    record_id: RecordId
    stay_id: StayId
    record_type: RecordType
    kind: RecordKind
    replaces: RecordId | None
    """What a reversal reverses, or the reversed record that a replacement stands for; None for an original."""
    ciphertext_hash: Hash
    commitment: Hash
    """Salted commitment to the plaintext."""
    total: Point
    """Commitment to a bill's total; of a reversal the negative; IDENTITY for all that is no bill."""
    invoice_tag: Hash | None
    """For an invoice and its reversal or replacement: HMAC of code, number and check code under the hospital's
    secret. None for everything else."""
    grant_id: GrantId


class Close(Struct):
    """Transaction `close`: a hospital states that these are all parts of a stay, as of now."""

    stay_id: StayId
    version: Version
    parts: Annotated[tuple[RecordId, ...], Meta(max_length=CLOSING_PARTS_MAX)]
    """Every live part but interim bills and documents, sorted; none after the whole stay was reversed."""
    count: Annotated[int, Meta(ge=0, le=CLOSING_PARTS_MAX)]
    total: Point
    """The sum of the invoices' totals; IDENTITY for no invoice."""
    invoice_tags: Annotated[tuple[Hash, ...], Meta(max_length=CLOSING_PARTS_MAX)]
    """Of the live invoices, sorted."""
    grant_id: GrantId


class Share(Struct):
    """Transaction `share`: a hospital hands a record to a recipient under a grant."""

    record_id: RecordId
    recipient: Name
    grant_id: GrantId


class Deliver(Struct):
    """Transaction `deliver`: the recipient opened the record and its commitment holds."""

    record_id: RecordId


class Dispute(Struct):
    """Transaction `dispute`: the recipient got something else, or nothing."""

    record_id: RecordId
    reason: Hash
    """Salted commitment to what is wrong."""


class Record(Struct):
    """Table `records`: one record, never overwritten."""

    record_id: RecordId
    stay_id: StayId
    hospital: Name
    subject: Name
    record_type: RecordType
    kind: RecordKind
    replaces: RecordId | None
    ciphertext_hash: Hash
    commitment: Hash
    total: Point
    invoice_tag: Hash | None
    grant_id: GrantId
    grant_version: Version
    """What covered the entry."""
    place: Place


class Part(Struct):
    """Table `parts`: a live record of a stay; removed when it is reversed."""

    record_type: RecordType
    total: Point
    invoice_tag: Hash | None


class Successor(Struct):
    """Tables `reversals` and `replacements`: which record reversed or replaced another."""

    record_id: RecordId


class Stay(Struct):
    """Table `stays`: a stay and where it is."""

    stay_id: StayId
    hospital: Name
    subject: Name
    recipient: Name
    """The grantee its records were entered for."""
    claim_id: ClaimId | None
    """The claim that reported it; None before, and after that claim was withdrawn."""
    closing_version: Annotated[int, Meta(ge=0)]
    """0 before the first closing."""
    place: Place
    """Of the first record."""
    purpose: Purpose = "HPAYMT"
    """What its records are handed over for: a claim, treatment by another hospital (CAREMGT, BTG) or public health."""


class Closing(Struct):
    """Table `closings`: one version, never overwritten."""

    stay_id: StayId
    version: Version
    parts: tuple[RecordId, ...]
    total: Point
    invoice_tags: tuple[Hash, ...]
    place: Place


class InvoiceLock(Struct):
    """Table `invoices`: the claim that consumed an invoice."""

    claim_id: ClaimId
    insurer: Name
    place: Place


class ShareReceipt(Struct):
    """Table `shares`: one hand-over under a grant, never overwritten."""

    stay_id: StayId
    record_id: RecordId
    recipient: Name
    sequence: Sequence
    """1, and one more for every time it is shared with this recipient again."""
    hospital: Name
    subject: Name
    record_type: RecordType
    grant_id: GrantId
    grant_version: Version
    field_set: FieldSetName
    """What is released; the contract `field_sets` lists the fields."""
    expires_height: Height
    """The last height at which the recipient may answer."""
    place: Place


class Handover(Struct):
    """Table `handovers`: the recipient's answer to one share."""

    result: HandoverResult
    reason: Hash | None
    place: Place


class ShareHead(Struct):
    """Table `share_heads`: the latest share of a record with a recipient."""

    sequence: Sequence


class IndexEntry(Struct):
    """Tables `by_subject` and `inbox`: a record to look up."""

    stay_id: StayId


class ShareView(Struct):
    """A share as it stands."""

    share: ShareReceipt
    status: ShareStatus
    handover: Handover | None
    fields: tuple[str, ...]
    """Released with it: those of its field set."""


class RecordView(Struct):
    """A record, what became of it, and who was given it."""

    record: Record
    reversed_by: RecordId | None
    replaced_by: RecordId | None
    shares: tuple[ShareView, ...]


class StayView(Struct):
    """A stay as it stands."""

    stay: Stay
    live: tuple[RecordId, ...]
    """The parts that are not reversed, interim bills and documents included."""
    closings: tuple[Closing, ...]
    is_closed: bool
    """Whether the latest closing lists exactly the live parts."""


class ShowRecord(Struct):
    """Query `record`."""

    record_id: RecordId


class ShowStay(Struct):
    """Query `stay`."""

    stay_id: StayId


class ListInbox(Struct):
    """Query `inbox`: at most LIST_ROWS_MAX shares that a recipient has not answered, the next to lapse first."""

    recipient: Name


class ListSeen(Struct):
    """Query `seen`: who was given a customer's records, under which grant, by record.

    A page ends with the record that makes it LIST_ROWS_MAX shares.
    """

    subject: Name
    after: str
    """The last record id already seen; empty for the first page."""


class RecordEvent(Struct):
    """Event `record-appended`."""

    record_id: RecordId
    stay_id: StayId
    hospital: Name
    recipient: Name
    record_type: RecordType
    kind: RecordKind
    claim_id: ClaimId | None


class CloseEvent(Struct):
    """Event `stay-closed`."""

    stay_id: StayId
    version: Version
    hospital: Name
    recipient: Name
    claim_id: ClaimId | None


class ShareEvent(Struct):
    """Events `record-shared`, `record-delivered` and `record-disputed`."""

    record_id: RecordId
    stay_id: StayId
    hospital: Name
    recipient: Name
    sequence: Sequence
    grant_id: GrantId
    expires_height: Height
    claim_id: ClaimId | None
