"""What a record says: the plaintext that is sealed, handed over and adjudicated.

A stay's parts arrive one by one and each is a document of its own, in the adjudicator's terms, so that the insurer
assembles the case from them without interpreting anything:

    record type          document            part of the case
    admission            Admission           day and ward of admission
    item-list            ItemList            the bill's lines
    invoice              Invoice             the bill's total, the settlement list, what others paid
    interim-bill         Invoice             nothing: interim bills never settle
    discharge-summary    DischargeSummary    the stay, its diagnoses and procedures
    document             a file of any kind  nothing: a person reads it (`nodes.roles.exchange.attachments`)

A reversal seals a `Reversal`, which names what it takes back. Nothing here reaches the chain but salted commitments.
"""

from typing import Annotated

from msgspec import Meta

from contracts.adjudication.case import (
    LINES_MAX,
    Diagnosis,
    Fen,
    Line,
    OtherPayment,
    Procedure,
    Settlement,
    Stay,
)
from contracts.adjudication.product import Currency, Grade, Ward
from contracts.grants import RecordType
from contracts.identifiers import RecordId
from ledger.codec import Day, Struct

Text = Annotated[str, Meta(max_length=200)]


class Admission(Struct, tag="admission"):
    """A stay begins."""

    admission_day: Day
    department: Text
    ward: Ward | None
    hospital_grade: Grade | None
    reasons: Annotated[tuple[Diagnosis, ...], Meta(max_length=16)]
    """The suspected diagnoses; the discharge summary replaces them."""


class ItemList(Struct, tag="item-list"):
    """What was done and what each item costs."""

    lines: Annotated[tuple[Line, ...], Meta(min_length=1, max_length=LINES_MAX)]


class Invoice(Struct, tag="invoice"):
    """The electronic invoice with the basic insurance's settlement list, if it took part."""

    code: Annotated[str, Meta(min_length=1, max_length=32)]
    number: Annotated[str, Meta(min_length=1, max_length=32)]
    check_code: Annotated[str, Meta(min_length=1, max_length=32)]
    """Code, number and check code identify a Chinese electronic invoice; the tag on the chain is keyed over them."""
    currency: Currency
    total: Fen
    settlement: Settlement | None
    other_payments: Annotated[tuple[OtherPayment, ...], Meta(max_length=32)]


class DischargeSummary(Struct, tag="discharge-summary"):
    """A stay ends."""

    stay: Stay
    diagnoses: Annotated[tuple[Diagnosis, ...], Meta(min_length=1, max_length=64)]
    procedures: Annotated[tuple[Procedure, ...], Meta(max_length=64)]


class Reversal(Struct, tag="reversal"):
    """An earlier record no longer holds."""

    record_id: RecordId


Document = Admission | ItemList | Invoice | DischargeSummary | Reversal

DOCUMENT_TYPES: dict[RecordType, type[Admission | ItemList | Invoice | DischargeSummary]] = {
    "admission": Admission,
    "item-list": ItemList,
    "invoice": Invoice,
    "interim-bill": Invoice,
    "discharge-summary": DischargeSummary,
}
"""Record type -> what a record of it says."""
