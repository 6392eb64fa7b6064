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

For public health a hospital enters less of the same: `HealthAdmission` and `HealthSummary`, cut out of the two
documents by `release` before they are sealed, so that what was not to be told is in no record of that stay.
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
from contracts.disclosures import HEALTH
from contracts.grants import Purpose, RecordType
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


class HealthAdmission(Struct, tag="health-admission"):
    """What public health is told of an admission."""

    admission_day: Day
    reasons: Annotated[tuple[Diagnosis, ...], Meta(max_length=16)]


class HealthStay(Struct):
    """What public health is told of a stay."""

    admission_day: Day
    discharge_day: Day | None
    deceased: bool


class HealthSummary(Struct, tag="health-summary"):
    """What public health is told of a discharge."""

    stay: HealthStay
    diagnoses: Annotated[tuple[Diagnosis, ...], Meta(min_length=1, max_length=64)]


class Reversal(Struct, tag="reversal"):
    """An earlier record no longer holds."""

    record_id: RecordId


Document = Admission | ItemList | Invoice | DischargeSummary | HealthAdmission | HealthSummary | Reversal
Part = Admission | ItemList | Invoice | DischargeSummary | HealthAdmission | HealthSummary
"""Whatever is no reversal."""

DOCUMENT_TYPES: dict[RecordType, type[Part]] = {
    "admission": Admission,
    "item-list": ItemList,
    "invoice": Invoice,
    "interim-bill": Invoice,
    "discharge-summary": DischargeSummary,
}
"""Record type -> what a record of it says."""
HEALTH_DOCUMENT_TYPES: dict[RecordType, type[Part]] = {
    "admission": HealthAdmission,
    "discharge-summary": HealthSummary,
}
"""Record type -> what a record of it says that was entered for public health."""


def find_document_type(purpose: Purpose, record_type: RecordType) -> type[Part] | None:
    """Return what a record says that was entered for a purpose; None for what is no such document."""
    return (HEALTH_DOCUMENT_TYPES if purpose == HEALTH else DOCUMENT_TYPES).get(record_type)


def release(document: Document, purpose: Purpose) -> Document:
    """Return what a record that is entered for a purpose says of a document."""
    if purpose != HEALTH:
        return document
    if isinstance(document, Admission):
        return HealthAdmission(document.admission_day, document.reasons)
    if isinstance(document, DischargeSummary):
        stay = HealthStay(document.stay.admission_day, document.stay.discharge_day, document.stay.deceased)
        return HealthSummary(stay, document.diagnoses)
    return document
