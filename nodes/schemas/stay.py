"""A stay as a hospital's desk writes it: admission, interim bill, discharge and correction as JSON.

    admission     {"patient": "wang", "admitted": "today-3", "department": "gynaecology", "ward_type": "general",
                   "hospital_grade": 3, "reason": [{"icd10": "N84.0"}]}
    interim bill  {"bill": {"currency": "CNY", "medfee_sumamt": "3100.00"}}
    discharge     {"discharged": "today", "diagnoses": [...], "bill": {...}, "lines": [...], "invoice": {...}}
    correction    the same as a discharge: the whole stay as it should have been

Days are ISO dates, or `today` and `today-3` for examples that never grow old; what today is, the reader says. Amounts
are decimal text in yuan under the field names of the 2304 settlement list, whose meaning stands in
`contracts.adjudication.case`. A bill with only `medfee_sumamt` is one without basic insurance. Whether a bill adds up
is not asked here: one that does not is pended by the adjudication, with the difference.

`text` is for people who read the file; rules read codes, and no record carries it.
"""

import re
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, ValidationInfo, model_validator

from contracts.adjudication import case as cases
from contracts.adjudication import product as products
from contracts.stays import CLOSING_PARTS_MAX
from ledger.errors import LedgerError
from nodes.schemas.case import CircumstanceFact, Line, OtherPayment, Procedure
from nodes.schemas.notation import Currency, Grade, Icd10, LineId, Yuan, describe_errors, read_day

STAY_FILE_BYTES_MAX = 4 * 1024 * 1024
"""4,096 lines of a bill at under a kilobyte each."""
FURTHER_BILLS_MAX = (CLOSING_PARTS_MAX - 2) // 2 - 1
"""A closing lists the admission, the summary, and of each bill the invoice and its list of items."""
_TODAY = re.compile(r"today(?:-([0-9]{1,4}))?")

F = TypeVar("F", bound="Form")


class StayFileError(LedgerError):
    """A file about a stay that does not fit: one sentence for each field."""


def read_near_day(value: object, info: ValidationInfo) -> int:
    """Return a civil day from an ISO date, or from `today` and `today-N` if the reader said what today is."""
    found = _TODAY.fullmatch(value) if isinstance(value, str) else None
    if found is None or not info.context:
        return read_day(value)
    today: int = info.context["today"]
    return today - int(found[1] or "0")


NearDay = Annotated[int, BeforeValidator(read_near_day)]
Text = Annotated[str, Field(max_length=200)]
InvoiceText = Annotated[str, Field(min_length=1, max_length=32)]


class Form(BaseModel):
    """A part of a stay's file."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    what: ClassVar[str] = "stay"


class DiagnosisForm(Form):
    """A diagnosis; the first one is the principal one unless another says so."""

    id: LineId | None = None
    """What lines refer to; `d1`, `d2` and so on if left out."""
    principal: bool | None = None
    icd10: Icd10 | None = None
    """Left out where the hospital's code has no reviewed mapping: the claim pends to a person."""
    text: Text = ""
    onset: NearDay | None = None
    diagnosed: NearDay | None = None


class LineForm(Line):
    """A line of the bill."""

    day: NearDay | None = None


class BillForm(Form):
    """A bill's total and, where basic insurance took part, its settlement list (2304 `setlinfo`)."""

    currency: Currency
    medfee_sumamt: Yuan
    fulamt_ownpay_amt: Yuan | None = None
    overlmt_selfpay: Yuan | None = None
    preselfpay_amt: Yuan | None = None
    inscp_scp_amt: Yuan | None = None
    act_pay_dedc: Yuan | None = None
    hifp_pay: Yuan | None = None
    cvlserv_pay: Yuan | None = None
    hifes_pay: Yuan | None = None
    hifmi_pay: Yuan | None = None
    hifob_pay: Yuan | None = None
    maf_pay: Yuan | None = None
    oth_pay: Yuan | None = None
    fund_pay_sumamt: Yuan | None = None
    psn_part_amt: Yuan | None = None
    acct_pay: Yuan | None = None
    acct_mulaid_pay: Yuan | None = None
    psn_cash_pay: Yuan | None = None
    hosp_part_amt: Yuan | None = None

    @model_validator(mode="after")
    def check_settlement(self) -> "BillForm":
        """Refuse half a settlement list."""
        missing = [name for name in ("fund_pay_sumamt", "psn_part_amt") if getattr(self, name) is None]
        if missing and self.has_settlement:
            msg = f"expected {' and '.join(missing)} too, or only medfee_sumamt if there is no basic insurance"
            raise ValueError(msg)
        return self

    @property
    def has_settlement(self) -> bool:
        """Whether anything of a settlement list is given."""
        fields = [name for name in cases.Settlement.__struct_fields__ if name != "medfee_sumamt"]
        return any(getattr(self, name) is not None for name in fields)

    def settlement(self) -> cases.Settlement | None:
        """Return the settlement list; what it leaves out is 0."""
        if not self.has_settlement:
            return None
        return cases.Settlement(**{name: getattr(self, name) or 0 for name in cases.Settlement.__struct_fields__})


class InvoiceForm(Form):
    """What identifies an electronic invoice."""

    code: InvoiceText
    number: InvoiceText
    check_code: InvoiceText


class BillingForm(Form):
    """One billing record: an invoice, its total and its lines."""

    bill: BillForm
    lines: Annotated[tuple[LineForm, ...], Field(min_length=1, max_length=cases.LINES_MAX)]
    invoice: InvoiceForm
    other_payments: Annotated[tuple[OtherPayment, ...], Field(max_length=32)] = ()


class AdmissionForm(Form):
    """A stay begins."""

    what: ClassVar[str] = "admission"
    patient: Annotated[str, Field(min_length=1, max_length=64)]
    """Her number in this hospital's patient index."""
    admitted: NearDay
    department: Text = ""
    ward_type: products.Ward | None = None
    hospital_grade: Grade | None = None
    reason: Annotated[tuple[DiagnosisForm, ...], Field(max_length=16)] = ()


class InterimForm(Form):
    """What a stay has cost so far."""

    what: ClassVar[str] = "interim bill"
    bill: BillForm
    other_payments: Annotated[tuple[OtherPayment, ...], Field(max_length=32)] = ()


class DischargeForm(BillingForm):
    """A stay ends, with what was found, what was done, and what it costs."""

    what: ClassVar[str] = "discharge"
    discharged: NearDay
    ordered_discharge: NearDay | None = None
    hanging_bed: bool | None = None
    accident: bool | None = None
    deceased: bool = False
    """The patient died no later than at discharge: the claim pends, for her grant ends and the heirs are the payee."""
    basic_insurance: cases.BasicInsurance | None = None
    circumstances: Annotated[tuple[CircumstanceFact, ...], Field(max_length=8)] = ()
    diagnoses: Annotated[tuple[DiagnosisForm, ...], Field(min_length=1, max_length=64)]
    procedures: Annotated[tuple[Procedure, ...], Field(max_length=64)] = ()
    further_bills: Annotated[tuple[BillingForm, ...], Field(max_length=FURTHER_BILLS_MAX)] = ()
    """Where a stay has several invoices."""

    @property
    def billings(self) -> tuple[BillingForm, ...]:
        """All billing records, the first one included."""
        return (self, *self.further_bills)


def read_admission(data: bytes, today: int) -> AdmissionForm:
    """Return an admission from its JSON.

    Args:
        data: The file.
        today: The civil day that `today` stands for.

    Raises:
        StayFileError: If it is too large, no JSON, or does not fit; one line for each field that does not.
    """
    return _read(AdmissionForm, data, today)


def read_interim(data: bytes, today: int) -> InterimForm:
    """Return an interim bill from its JSON; as `read_admission`."""
    return _read(InterimForm, data, today)


def read_discharge(data: bytes, today: int) -> DischargeForm:
    """Return a discharge or a correction from its JSON; as `read_admission`."""
    return _read(DischargeForm, data, today)


def list_diagnoses(forms: tuple[DiagnosisForm, ...]) -> tuple[cases.Diagnosis, ...]:
    """Return diagnoses with their ids, one of them principal.

    Raises:
        StayFileError: If an id stands twice, or several are principal.
    """
    chosen = [place for place, form in enumerate(forms) if form.principal]
    if len(chosen) > 1:
        msg = f"diagnoses: expected one principal diagnosis, got {len(chosen)}"
        raise StayFileError(msg)
    principal = chosen[0] if chosen else 0
    ids = [form.id or f"d{place + 1}" for place, form in enumerate(forms)]
    if len(set(ids)) != len(ids):
        msg = "diagnoses.id: expected each once"
        raise StayFileError(msg)
    return tuple(
        cases.Diagnosis(name, place == principal, form.icd10, form.onset, form.diagnosed)
        for place, (name, form) in enumerate(zip(ids, forms, strict=True))
    )


def _read(kind: type[F], data: bytes, today: int) -> F:
    if len(data) > STAY_FILE_BYTES_MAX:
        msg = f"{kind.what}: expected at most {STAY_FILE_BYTES_MAX} bytes, got {len(data)}"
        raise StayFileError(msg)
    context: dict[str, Any] = {"today": today}
    try:
        return kind.model_validate_json(data, context=context)
    except ValidationError as error:
        raise StayFileError(describe_errors(error, kind.what)) from None
