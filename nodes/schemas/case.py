"""A case file: the adjudicator's input as JSON that people write.

Amounts are decimal text in yuan (`"6480.00"`), ratios are per cent (`"85%"`), days are ISO dates; field names are
those of `contracts.adjudication`, whose docstrings say what each means. A fact that is left out, or null, is unknown.
`"exclusions": "standard"` stands for the shared list of `contracts.adjudication.exclusions`.

    {"product": {...}, "hospital": "hospital-a", "insurer": "insurer-a", "policy": {...}, "stay": {...},
     "diagnoses": [...], "bill": {"total": "6480.00", "lines": [...], "settlement": {...}}, ...}

A file that does not fit is refused with one sentence per field: what was expected there, and what came.
"""

from typing import Annotated, Literal

from pydantic import Field, ValidationError

from contracts.adjudication import case as cases
from contracts.adjudication import product as products
from contracts.adjudication.consistency import check_case
from ledger.errors import ContractError, DecodeError, LedgerError
from nodes.schemas.notation import (
    CivilDay,
    Count,
    Currency,
    Grade,
    Icd10,
    ItemCode,
    LineId,
    Mirror,
    Name,
    RecordType,
    Yuan,
    describe_errors,
)
from nodes.schemas.product import Product

CASE_FILE_BYTES_MAX = 4 * 1024 * 1024
"""4,096 lines of the bill at under a kilobyte each."""


class CaseFileError(LedgerError):
    """A case file that does not fit: one sentence for each field."""


class Consent(Mirror):
    """JSON of `contracts.adjudication.case.Consent`."""

    struct = cases.Consent
    active: bool | None = None
    purpose: Annotated[str, Field(min_length=1, max_length=16)]
    hospital: Name
    insurer: Name
    record_types: tuple[RecordType, ...]
    from_day: CivilDay
    until_day: CivilDay
    uses_left: Count | None = None


class Links(Mirror):
    """JSON of `contracts.adjudication.case.Links`."""

    struct = cases.Links
    hospital: cases.Link | None = None
    insurer: cases.Link | None = None


class Policy(Mirror):
    """JSON of `contracts.adjudication.case.Policy`."""

    struct = cases.Policy
    inception_day: CivilDay
    from_day: CivilDay
    until_day: CivilDay
    renewal: bool = False
    payee_currency: Currency


class CircumstanceFact(Mirror):
    """JSON of `contracts.adjudication.case.CircumstanceFact`."""

    struct = cases.CircumstanceFact
    circumstance: products.Circumstance
    holds: bool


class Stay(Mirror):
    """JSON of `contracts.adjudication.case.Stay`."""

    struct = cases.Stay
    hospital_grade: Grade | None = None
    ward: products.Ward | None = None
    admission_day: CivilDay
    discharge_day: CivilDay | None = None
    ordered_discharge_day: CivilDay | None = None
    hanging_bed: bool | None = None
    accident: bool | None = None
    deceased: bool = False
    basic_insurance: cases.BasicInsurance | None = None
    circumstances: tuple[CircumstanceFact, ...] = ()


class Diagnosis(Mirror):
    """JSON of `contracts.adjudication.case.Diagnosis`."""

    struct = cases.Diagnosis
    id: LineId
    principal: bool
    icd10: Icd10 | None = None
    onset_day: CivilDay | None = None
    diagnosed_day: CivilDay | None = None


class Procedure(Mirror):
    """JSON of `contracts.adjudication.case.Procedure`."""

    struct = cases.Procedure
    id: LineId
    code: ItemCode | None = None


class Split(Mirror):
    """JSON of `contracts.adjudication.case.Split`."""

    struct = cases.Split
    fulamt_ownpay_amt: Yuan = 0
    overlmt_selfpay: Yuan = 0
    preselfpay_amt: Yuan = 0
    inscp_scp_amt: Yuan = 0


class Line(Mirror):
    """JSON of `contracts.adjudication.case.Line`."""

    struct = cases.Line
    id: LineId
    item: ItemCode
    category: products.Category
    amount: Yuan
    split: Split | None = None
    day: CivilDay | None = None
    diagnosis: LineId | None = None
    procedure: LineId | None = None
    reasonable: bool | None = None


class Settlement(Mirror):
    """JSON of `contracts.adjudication.case.Settlement`."""

    struct = cases.Settlement
    medfee_sumamt: Yuan
    fulamt_ownpay_amt: Yuan = 0
    overlmt_selfpay: Yuan = 0
    preselfpay_amt: Yuan = 0
    inscp_scp_amt: Yuan = 0
    act_pay_dedc: Yuan = 0
    hifp_pay: Yuan = 0
    cvlserv_pay: Yuan = 0
    hifes_pay: Yuan = 0
    hifmi_pay: Yuan = 0
    hifob_pay: Yuan = 0
    maf_pay: Yuan = 0
    oth_pay: Yuan = 0
    fund_pay_sumamt: Yuan
    psn_part_amt: Yuan
    acct_pay: Yuan = 0
    acct_mulaid_pay: Yuan = 0
    psn_cash_pay: Yuan = 0
    hosp_part_amt: Yuan = 0


class Bill(Mirror):
    """JSON of `contracts.adjudication.case.Bill`."""

    struct = cases.Bill
    currency: Currency
    total: Yuan
    settlement: Settlement | None = None
    lines: Annotated[tuple[Line, ...], Field(min_length=1, max_length=cases.LINES_MAX)]


class OtherPayment(Mirror):
    """JSON of `contracts.adjudication.case.OtherPayment`."""

    struct = cases.OtherPayment
    payer: cases.Payer
    amount: Yuan


class CategoryPaid(Mirror):
    """JSON of `contracts.adjudication.case.CategoryPaid`."""

    struct = cases.CategoryPaid
    category: products.Category
    amount: Yuan


class Accumulator(Mirror):
    """JSON of `contracts.adjudication.case.Accumulator`."""

    struct = cases.Accumulator
    sequence: Count = 0
    deductible_used: Yuan = 0
    deductible_previous_year: Yuan = 0
    paid_year: Yuan = 0
    paid_life: Yuan = 0
    paid_categories: tuple[CategoryPaid, ...] = ()


class Duplicates(Mirror):
    """JSON of `contracts.adjudication.case.Duplicates`."""

    struct = cases.Duplicates
    invoice_settled: bool | None = None
    encounter_settled: bool | None = None
    lines_settled: tuple[LineId, ...] = ()


class AlreadySettled(Mirror):
    """JSON of `contracts.adjudication.case.AlreadySettled`."""

    struct = cases.AlreadySettled
    payable: Yuan
    deductible_used: Yuan = 0
    categories: tuple[CategoryPaid, ...] = ()


class Review(Mirror):
    """JSON of `contracts.adjudication.case.Review`."""

    struct = cases.Review
    rule: Literal["R04", "R05", "R06", "R07", "R08", "R09"]
    line: LineId | None = None
    accepted: bool


class CaseFile(Mirror):
    """One JSON file: a case, and optionally what it is and what it must pay."""

    struct = cases.Case
    description: Annotated[str, Field(max_length=1_000)] = ""
    expected_payable: Yuan | None = None
    """What the adjudicator must find; for examples and test vectors."""
    product: Product
    hospital: Name
    insurer: Name
    record_types: Annotated[tuple[RecordType, ...], Field(min_length=1)]
    consent: Consent | None = None
    links: Links = Links()
    policy: Policy
    stay: Stay
    diagnoses: Annotated[tuple[Diagnosis, ...], Field(min_length=1)]
    procedures: tuple[Procedure, ...] = ()
    bill: Bill
    other_payments: tuple[OtherPayment, ...] = ()
    accumulator: Accumulator = Accumulator()
    duplicates: Duplicates = Duplicates()
    advances: Yuan = 0
    already_settled: AlreadySettled | None = None
    reviews: tuple[Review, ...] = ()


def read_case_file(data: bytes) -> CaseFile:
    """Return a case file from its JSON.

    Raises:
        CaseFileError: If it is too large, no JSON, or does not fit; one line for each field that does not.
    """
    if len(data) > CASE_FILE_BYTES_MAX:
        msg = f"case file: expected at most {CASE_FILE_BYTES_MAX} bytes, got {len(data)}"
        raise CaseFileError(msg)
    try:
        return CaseFile.model_validate_json(data)
    except ValidationError as error:
        raise CaseFileError(describe_errors(error, "case file")) from None


def read_case(data: bytes) -> cases.Case:
    """Return the case of a case file, checked against every bound of the contracts.

    Raises:
        CaseFileError: As `read_case_file`, and if fields contradict each other.
    """
    case: cases.Case = read_case_file(data).build()
    try:
        check_case(case)
    except (ContractError, DecodeError) as error:
        raise CaseFileError(str(error)) from None
    return case
