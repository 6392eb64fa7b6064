"""Forms of a stay: what the desk may write, what is refused with which sentence, and the polyp's own numbers."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from contracts.adjudication.case import AlreadySettled, Bill, Case
from contracts.adjudication.engine import adjudicate
from nodes.roles.hospital.paperwork import write_admission, write_discharge
from nodes.schemas.case import read_case
from nodes.schemas.civil_time import write_day
from nodes.schemas.stay import (
    STAY_FILE_BYTES_MAX,
    DischargeForm,
    StayFileError,
    read_admission,
    read_discharge,
    read_interim,
)

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"
TODAY = 20_063
"""2024-12-06."""


def example(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((EXAMPLES / "polyp" / f"{name}.json").read_text(encoding="utf-8"))
    return found


def polyp_case(name: str) -> Case:
    """Return the documented case with the bill of one of the polyp's forms."""
    case = read_case((EXAMPLES / "cases" / "demo-polyp.json").read_bytes())
    admission = write_admission(read_admission((EXAMPLES / "polyp" / "admission.json").read_bytes(), TODAY), TODAY)
    form = read_discharge((EXAMPLES / "polyp" / f"{name}.json").read_bytes(), TODAY)
    ended = write_discharge(form, admission, TODAY)
    invoice, item_list, summary = ended.bills[0].invoice, ended.bills[0].item_list, ended.summary
    assert invoice is not None
    assert item_list is not None
    assert summary is not None
    bill = Bill(invoice.currency, invoice.total, invoice.settlement, item_list.lines)
    return replace(case, stay=summary.stay, diagnoses=summary.diagnoses, procedures=summary.procedures, bill=bill)


def test_the_polyp_is_the_documented_case_and_pays_2060() -> None:
    case = polyp_case("discharge")
    assert case == read_case((EXAMPLES / "cases" / "demo-polyp.json").read_bytes())
    decision = adjudicate(case)
    assert (decision.disposition, decision.payable, decision.transfer) == ("PAY", 206_000, 206_000)


def test_its_correction_moves_the_difference_of_180_alone() -> None:
    first = adjudicate(polyp_case("discharge"))
    earlier = AlreadySettled(first.payable, first.deductible_used, first.categories)
    case = replace(polyp_case("correction"), accumulator=first.accumulator, already_settled=earlier)
    decision = adjudicate(case)
    assert (decision.payable, decision.transfer, decision.recovery) == (224_000, 18_000, 0)


@pytest.mark.parametrize("name", ["discharge", "correction"])
def test_its_bills_add_up(name: str) -> None:
    form = read_discharge(json.dumps(example(name)).encode(), TODAY)
    settlement = form.bill.settlement()
    assert settlement is not None
    assert sum(line.amount for line in form.lines) == form.bill.medfee_sumamt
    for field in ("fulamt_ownpay_amt", "preselfpay_amt", "inscp_scp_amt"):
        assert sum(getattr(line.split, field) for line in form.lines) == getattr(settlement, field)
    assert settlement.medfee_sumamt == settlement.fund_pay_sumamt + settlement.psn_part_amt
    assert settlement.psn_part_amt == settlement.acct_pay + settlement.psn_cash_pay


@given(st.integers(0, 9_999))
def test_days_back_from_today_are_the_same_days_as_dates(back: int) -> None:
    relative = read_admission(json.dumps({"patient": "w", "admitted": f"today-{back}"}).encode(), TODAY)
    absolute = read_admission(json.dumps({"patient": "w", "admitted": write_day(TODAY - back)}).encode(), TODAY)
    assert relative == absolute
    assert relative.admitted == TODAY - back


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"admitted": "tomorrow"}, "admitted: expected a date from 1970 to 2500"),
        ({"admitted": "today+1"}, "admitted: expected a date"),
        ({"admitted": 20_000}, "admitted: expected a date"),
        ({"admitted": "2024-02-30"}, "admitted: expected a date"),
        ({"patient": ""}, "patient: expected otherwise: string should have at least 1 character, got ''"),
        ({"ward_type": "suite"}, "ward_type: expected otherwise"),
        ({"hospital_grade": 4}, "hospital_grade: expected otherwise"),
        ({"reason": [{"icd10": "n84"}]}, "reason.0.icd10: expected otherwise"),
        ({"bed": 7}, "bed: expected no field of this name, got one"),
    ],
)
def test_an_admission_that_does_not_fit_is_refused_by_field(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(StayFileError) as refused:
        read_admission(json.dumps({**example("admission"), **changes}).encode(), TODAY)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("medfee_sumamt", "-1.00", 'bill.medfee_sumamt: expected an amount in yuan as text, such as "6480.00"'),
        ("medfee_sumamt", 6480.0, "bill.medfee_sumamt: expected an amount in yuan as text"),
        ("medfee_sumamt", "1.005", "bill.medfee_sumamt: expected an amount in yuan as text"),
        ("hifp_pay", "-4320.00", "bill.hifp_pay: expected an amount in yuan as text"),
        ("fund_pay_sumamt", None, "bill: expected fund_pay_sumamt too, or only medfee_sumamt"),
        ("currency", "yuan", "bill.currency: expected otherwise"),
        ("tip", "1.00", "bill.tip: expected no field of this name"),
    ],
)
def test_a_bill_that_does_not_fit_is_refused_by_field(field: str, value: object, message: str) -> None:
    form = example("discharge")
    form["bill"][field] = value
    with pytest.raises(StayFileError) as refused:
        read_discharge(json.dumps(form).encode(), TODAY)
    assert message in str(refused.value)


@pytest.mark.parametrize("field", ["discharged", "diagnoses", "bill", "lines", "invoice"])
def test_what_a_discharge_needs_is_named_when_it_is_missing(field: str) -> None:
    form = {name: value for name, value in example("discharge").items() if name != field}
    with pytest.raises(StayFileError, match=f"^{field}: expected a value, got nothing$"):
        read_discharge(json.dumps(form).encode(), TODAY)


def test_every_field_that_does_not_fit_gets_its_own_sentence() -> None:
    form = {**example("discharge"), "discharged": "x", "diagnoses": [], "accident": "no"}
    with pytest.raises(StayFileError) as refused:
        read_discharge(json.dumps(form).encode(), TODAY)
    assert len(str(refused.value).splitlines()) == 3


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff", b"null"])
def test_what_is_no_form_is_refused(data: bytes) -> None:
    with pytest.raises(StayFileError, match=r"expected"):
        read_interim(data, TODAY)


def test_a_file_has_a_bound() -> None:
    with pytest.raises(StayFileError, match="interim bill: expected at most"):
        read_interim(b" " * (STAY_FILE_BYTES_MAX + 1), TODAY)


def test_a_bill_without_basic_insurance_has_no_settlement_list() -> None:
    form = read_interim(b'{"bill": {"currency": "CNY", "medfee_sumamt": "12.3"}}', TODAY)
    assert (form.bill.medfee_sumamt, form.bill.settlement()) == (1_230, None)


def test_today_means_nothing_to_who_does_not_know_the_day() -> None:
    with pytest.raises(ValueError, match="expected a date"):
        DischargeForm.model_validate_json(json.dumps(example("discharge")))
