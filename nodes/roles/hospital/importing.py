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

from nodes.fhir.instants import format_day
from nodes.fhir.stays import Bill, BillItem, Stay
from nodes.roles.hospital.paperwork import PaperworkError
from nodes.schemas.notation import write_yuan

INVOICE_CODE = "FHIR-R4"
BILLS_MAX = 16
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
            "onset": None if diagnosis.onset_day is None else format_day(diagnosis.onset_day),
        }
        for place, diagnosis in enumerate(stay.diagnoses[:64])
    ]
    department = "" if stay.provider is None else stay.provider.name[:200]
    admission = {
        "patient": patient,
        "admitted": format_day(stay.admission_day),
        "department": department,
        "reason": diagnoses[:16],
    }
    first, *further = [_render_bill(bill, place) for place, bill in enumerate(stay.bills)]
    discharge = {
        "discharged": format_day(stay.discharge_day),
        "deceased": stay.deceased,
        "diagnoses": diagnoses or [{"id": "d1", "text": "not recorded"}],
        **first,
        "further_bills": further,
    }
    return ImportedStay(admission, discharge, _list_notes(stay))


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
        "day": format_day(bill.first_day),
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
