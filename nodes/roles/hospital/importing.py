"""A stay that was read from FHIR, as the desk would have written it: JSON for the same forms.

Nothing is added that the bundle does not say: no settlement list (those of 2304 are Chinese), no ward, no grade of
the hospital, and no ICD-10 code where there is no reviewed mapping. What follows from a missing fact is the product's
choice. Every billing record of the bundle becomes an invoice of its own, in its own currency; its number is derived
from the Claim's id, so the same bundle imported twice is recognised as the same invoices.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Any

from nodes.fhir.stays import Bill, BillItem, Patient, Stay
from nodes.identity import NAME_CHARACTERS_MAX, NUMBER_CHARACTERS_MAX, DocumentType, Identity, check_identity
from nodes.roles.hospital.paperwork import PaperworkError
from nodes.schemas.civil_time import write_day
from nodes.schemas.notation import write_yuan
from nodes.schemas.stay import FURTHER_BILLS_MAX

INVOICE_CODE = "FHIR-R4"
BILLS_MAX = 1 + FURTHER_BILLS_MAX
DOCUMENTS: tuple[tuple[str, DocumentType], ...] = (
    ("NNCHN", "resident-id"),
    ("PPN", "passport"),
    ("PRC", "residence-permit"),
    ("SS", "social-security"),
    ("BCT", "birth-certificate"),
)
"""HL7's identifier types (v2-0203) that name one person, the best first. A driver's licence and a hospital's own record
number do not."""
_ITEM_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+*/_-]{0,47}")


@dataclass(frozen=True, slots=True)
class ImportedStay:
    """Two forms as JSON values, and what whoever imports should be told."""

    admission: dict[str, Any]
    """For `nodes.schemas.stay.read_admission`."""
    discharge: dict[str, Any]
    """For `nodes.schemas.stay.read_discharge`."""
    notes: tuple[str, ...]
    """One sentence each; nothing in them identifies the patient."""


def import_stay(stay: Stay, patient: str) -> ImportedStay:
    """Return the forms of a stay.

    Args:
        stay: From `nodes.fhir.read_bundle`.
        patient: Her number in this hospital's patient index.

    Raises:
        PaperworkError: If the stay has no bill, or more than a stay may have.
    """
    if not 1 <= len(stay.bills) <= BILLS_MAX:
        msg = f"bills: expected 1 to {BILLS_MAX} claims for Encounter {stay.encounter_id}, got {len(stay.bills)}"
        raise PaperworkError(msg)
    diagnoses = [
        {
            "id": f"d{place + 1}",
            "icd10": diagnosis.icd10,
            "text": diagnosis.display[:200],
            "onset": None if diagnosis.onset_day is None else write_day(diagnosis.onset_day),
        }
        for place, diagnosis in enumerate(stay.diagnoses[:64])
    ]
    department = "" if stay.provider is None else stay.provider.name[:200]
    admission = {
        "patient": patient,
        "admitted": write_day(stay.admission_day),
        "department": department,
        "reason": diagnoses[:16],
    }
    first, *further = [_render_bill(bill, place) for place, bill in enumerate(stay.bills)]
    discharge = {
        "discharged": write_day(stay.discharge_day),
        "deceased": stay.deceased,
        "diagnoses": diagnoses or [{"id": "d1", "text": "not recorded"}],
        **first,
        "further_bills": further,
    }
    return ImportedStay(admission, discharge, _list_notes(stay))


def identify(patient: Patient) -> Identity:
    """Return the identity of a bundle's patient, by the best document that the bundle has of her.

    Raises:
        PaperworkError: If it has none, or name or number are longer than an identity takes.
        VerificationError: If the document contradicts itself.
    """
    numbers = {document.kind: document.number for document in reversed(patient.documents)}
    found = next(((named, numbers[kind]) for kind, named in DOCUMENTS if kind in numbers), None)
    if found is None:
        kinds = ", ".join(kind for kind, _ in DOCUMENTS)
        msg = (
            f"Patient {patient.id}: expected an identifier of type {kinds}, got {', '.join(sorted(numbers)) or 'none'}"
        )
        raise PaperworkError(msg)
    if len(found[1]) > NUMBER_CHARACTERS_MAX or len(patient.name) > NAME_CHARACTERS_MAX:
        msg = (
            f"Patient {patient.id}: expected a name of at most {NAME_CHARACTERS_MAX} characters and a number of at "
            f"most {NUMBER_CHARACTERS_MAX}, got {len(patient.name)} and {len(found[1])}"
        )
        raise PaperworkError(msg)
    identity = Identity(found[0], found[1], patient.name, patient.birth_date)
    check_identity(identity)
    return identity


def _render_bill(bill: Bill, place: int) -> dict[str, Any]:
    priced = [item for item in bill.items if item.amount > 0] or list(bill.items[:1])
    return {
        "bill": {"currency": bill.currency, "medfee_sumamt": write_yuan(bill.total)},
        "lines": [_render_line(item, place, bill) for item in priced],
        "invoice": {
            "code": INVOICE_CODE,
            "number": hashlib.sha256(bill.id.encode("utf-8")).hexdigest()[:32],
            "check_code": bill.kind[:32],
        },
    }


def _render_line(item: BillItem, place: int, bill: Bill) -> dict[str, Any]:
    code = item.code if item.code is not None and _ITEM_CODE.fullmatch(item.code) else f"item-{item.sequence}"
    return {
        "id": f"b{place + 1}-{item.sequence}",
        "item": code,
        "category": "other",
        "amount": write_yuan(item.amount),
        "day": write_day(bill.first_day),
    }


def _list_notes(stay: Stay) -> tuple[str, ...]:
    notes = ["no basic-insurance settlement: the bundle has none"]
    if stay.shifted_days:
        notes.append(f"dates are shifted by {stay.shifted_days} days from what the bundle says")
    if stay.unmapped:
        notes.append(f"{len(stay.unmapped)} of {len(stay.diagnoses)} diagnoses have no ICD-10 code: the claim pends")
    if not stay.diagnoses:
        notes.append("the bundle records no diagnosis: the claim pends")
    if stay.deceased:
        notes.append("the patient died: her grant ends, the payee becomes her heirs, and the claim pends")
    return tuple(notes)
