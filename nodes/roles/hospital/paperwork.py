"""From the desk's forms to documents, with the checks that need more than one field.

What contradicts itself is refused here, before anything is kept: a line that names a diagnosis which is not there
would otherwise be found by the insurer, days later. What is merely unwelcome, such as a bill that does not add up, is
not for the hospital's computer to refuse.
"""

from pydantic import BaseModel

from contracts.adjudication.case import CASE_AMOUNT_MAX, Diagnosis, Line, Stay
from ledger.errors import LedgerError
from nodes.roles.exchange.documents import Admission, DischargeSummary, Invoice, ItemList
from nodes.roles.hospital.stays import Billing, Discharge
from nodes.schemas.civil_time import write_day
from nodes.schemas.notation import write_yuan
from nodes.schemas.stay import AdmissionForm, BillingForm, DischargeForm, InterimForm, list_diagnoses

INTERIM_CODE = "interim"
"""Stands where an invoice has its code: an interim bill is no invoice yet."""


class PaperworkError(LedgerError):
    """A form that contradicts itself or what the hospital knows; names the field."""


def write_admission(form: AdmissionForm, today: int) -> Admission:
    """Return the admission document.

    Args:
        form: As the desk wrote it.
        today: The civil day of now.

    Raises:
        PaperworkError: If the admission lies in the future.
    """
    if form.admitted > today:
        msg = f"admitted: expected no day after {write_day(today)}, got {write_day(form.admitted)}"
        raise PaperworkError(msg)
    return Admission(form.admitted, form.department, form.ward_type, form.hospital_grade, list_diagnoses(form.reason))


def write_interim(form: InterimForm, number: int) -> Invoice:
    """Return the document of a stay's interim bill of this number, counted from 1; raises `PaperworkError`."""
    _check_amounts("", form)
    return Invoice(
        INTERIM_CODE,
        str(number),
        INTERIM_CODE,
        form.bill.currency,
        form.bill.medfee_sumamt,
        form.bill.settlement(),
        tuple(payment.build() for payment in form.other_payments),
    )


def write_discharge(form: DischargeForm, admission: Admission, today: int) -> Discharge:
    """Return the documents of a discharge or of a correction.

    Args:
        form: As the desk wrote it.
        admission: Of the same stay: it says when the stay began, in which ward, in a hospital of which grade.
        today: The civil day of now.

    Raises:
        PaperworkError: If days are out of order, ids stand twice, a line names what is not there, or an amount is out
            of bounds.
    """
    _check_amounts("", form)
    first, last = admission.admission_day, form.discharged
    if not first <= last <= max(today, first):
        msg = f"discharged: expected {write_day(first)} to {write_day(max(today, first))}, got {write_day(last)}"
        raise PaperworkError(msg)
    ordered = form.ordered_discharge
    if ordered is not None and not first <= ordered:
        msg = f"ordered_discharge: expected no day before {write_day(first)}, got {write_day(ordered)}"
        raise PaperworkError(msg)
    diagnoses = list_diagnoses(form.diagnoses)
    procedures = tuple(procedure.build() for procedure in form.procedures)
    _check_once("circumstances", [fact.circumstance for fact in form.circumstances])
    _check_once("procedures.id", [procedure.id for procedure in procedures])
    documents = [_write_billing(billing) for billing in form.billings]
    lines = [line for item_list, _ in documents for line in item_list.lines]
    _check_lines(lines, diagnoses, [procedure.id for procedure in procedures])
    _check_once("invoice", [f"{invoice.code} {invoice.number} {invoice.check_code}" for _, invoice in documents])
    currencies = sorted({invoice.currency for _, invoice in documents})
    if len(currencies) > 1:
        msg = f"bill.currency: expected one for the whole stay, got {' and '.join(currencies)}"
        raise PaperworkError(msg)
    stay = Stay(
        admission.hospital_grade,
        admission.ward,
        first,
        last,
        ordered,
        form.hanging_bed,
        form.accident,
        form.deceased,
        form.basic_insurance,
        tuple(fact.build() for fact in form.circumstances),
    )
    bills = tuple(Billing(item_list, invoice) for item_list, invoice in documents)
    return Discharge(DischargeSummary(stay, diagnoses, procedures), bills)


def _write_billing(form: BillingForm) -> tuple[ItemList, Invoice]:
    invoice = Invoice(
        form.invoice.code,
        form.invoice.number,
        form.invoice.check_code,
        form.bill.currency,
        form.bill.medfee_sumamt,
        form.bill.settlement(),
        tuple(payment.build() for payment in form.other_payments),
    )
    return ItemList(tuple(line.build() for line in form.lines)), invoice


def _check_lines(lines: list[Line], diagnoses: tuple[Diagnosis, ...], procedures: list[str]) -> None:
    _check_once("lines.id", [line.id for line in lines])
    known = {diagnosis.id for diagnosis in diagnoses}
    for line in lines:
        if line.diagnosis is not None and line.diagnosis not in known:
            msg = f"lines.{line.id}.diagnosis: expected the id of a diagnosis, got {line.diagnosis}"
            raise PaperworkError(msg)
        if line.procedure is not None and line.procedure not in procedures:
            msg = f"lines.{line.id}.procedure: expected the id of a procedure, got {line.procedure}"
            raise PaperworkError(msg)


def _check_once(field: str, values: list[str]) -> None:
    twice = sorted(value for value in set(values) if values.count(value) > 1)
    if twice:
        msg = f"{field}: expected each once, got {twice[0]} twice"
        raise PaperworkError(msg)


def _check_amounts(path: str, value: object) -> None:
    """Refuse amounts above what one case may have; nothing else in a form is a large number."""
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            _check_amounts(f"{path}.{name}" if path else name, getattr(value, name))
    elif isinstance(value, tuple):
        for place, item in enumerate(value):
            _check_amounts(f"{path}.{place}", item)
    elif isinstance(value, int) and value > CASE_AMOUNT_MAX:
        msg = f"{path}: expected at most {write_yuan(CASE_AMOUNT_MAX)}, got {write_yuan(value)}"
        raise PaperworkError(msg)
