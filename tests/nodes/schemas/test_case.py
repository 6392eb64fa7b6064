"""Case files: what people write, what is refused and how, and what they read."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.adjudication.decision import Trace
from contracts.adjudication.engine import adjudicate
from contracts.adjudication.reasons import Language
from nodes.schemas.case import CaseFileError, read_case
from nodes.schemas.civil_time import write_day
from nodes.schemas.decision import describe_decision
from nodes.schemas.notation import read_day, read_percent, read_yuan, write_yuan
from nodes.schemas.trace import render_formula, render_step, render_trace

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples" / "cases"
DEMO = (EXAMPLES / "demo-polyp.json").read_bytes()


def changed(path: str, value: Any) -> bytes:
    """Return the demo's case file with the value at a dotted path replaced; `...` removes it."""
    plain = json.loads(DEMO)
    *parents, last = path.split(".")
    place = plain
    for name in parents:
        place = place[int(name)] if name.isdigit() else place[name]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return json.dumps(plain).encode()


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("bill.total", 6480.0, 'bill.total: expected an amount in yuan as text, such as "6480.00", got 6480.0'),
        (
            "bill.total",
            "6,480.00",
            "bill.total: expected an amount in yuan as text, such as \"6480.00\", got '6,480.00'",
        ),
        ("bill.total", "-1.00", "bill.total: expected an amount"),
        ("bill.total", "0.001", "bill.total: expected an amount"),
        ("bill.lines.0.amount", "999999999999.00", "bill.lines.0.amount: expected an amount"),
        ("stay.admission_day", "3 December", "stay.admission_day: expected a date from 1970 to 2500"),
        ("stay.admission_day", "2024-02-30", "stay.admission_day: expected a date"),
        ("product.ratios.basic_used.in_scope", "101%", "product.ratios.basic_used.in_scope: expected a ratio"),
        ("product.deductible.per", "month", "product.deductible.per: expected"),
        ("product.exclusions", "usual", "product.exclusions: expected"),
        ("diagnoses.0.icd10", "polyp", "diagnoses.0.icd10: expected"),
        ("policy", ..., "policy: expected a value, got nothing"),
        ("bill.tax", "1.00", "bill.tax: expected no field of this name"),
        ("bill.lines", [], "bill.lines: expected"),
        ("policy.until_day", "2023-01-01", "policy.until_day: expected no day before policy.from_day"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_by_its_field(path: str, value: Any, message: str) -> None:
    with pytest.raises(CaseFileError) as refused:
        read_case(changed(path, value))
    assert message in str(refused.value)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff", b"null"])
def test_what_is_no_case_at_all_is_refused_with_a_sentence(data: bytes) -> None:
    with pytest.raises(CaseFileError, match="expected"):
        read_case(data)


def test_a_file_of_any_size_is_not_read() -> None:
    with pytest.raises(CaseFileError, match="expected at most"):
        read_case(b" " * (4 * 1024 * 1024 + 1))


def test_every_refused_field_is_named_at_once() -> None:
    plain = json.loads(changed("bill.total", "x"))
    plain["stay"]["ward"] = "x"
    with pytest.raises(CaseFileError) as refused:
        read_case(json.dumps(plain).encode())
    assert len(str(refused.value).splitlines()) == 2


def test_exclusions_may_be_written_out() -> None:
    exclusion = {
        "id": "dental",
        "name_zh": "牙科",
        "name_en": "Dental",
        "code": "NCOV-003",
        "diagnosis_prefixes": ["N84"],
    }
    decision = adjudicate(read_case(changed("product.exclusions", [exclusion])))
    assert (decision.disposition, decision.reasons[0].subject) == ("PENDED", "dental")
    with pytest.raises(CaseFileError, match=r"product\.exclusions\.0\.code: expected a value"):
        read_case(changed("product.exclusions", [{"id": "dental", "name_zh": "牙科", "name_en": "Dental"}]))


@given(st.integers(0, 10**13 - 1))
def test_yuan_are_read_as_they_are_written(amount: int) -> None:
    assert read_yuan(write_yuan(amount)) == amount


@given(st.integers(0, 190_000))
def test_days_are_read_as_they_are_written(day: int) -> None:
    assert read_day(write_day(day)) == day


def test_notation_reads_what_people_write() -> None:
    assert (read_yuan("6480"), read_yuan("0.5"), read_yuan("0.05")) == (648_000, 50, 5)
    assert (read_percent("85%"), read_percent("0.5 %"), read_percent("100%")) == (8_500, 50, 10_000)
    assert (read_day("1970-01-01"), read_day("2024-12-03")) == (0, 20_060)


@pytest.mark.parametrize(
    ("name", "formula"),
    [
        ("demo-polyp", "6,480.00 − 4,320.00 pool − 100.00 deductible = 2,060.00"),
        ("worked-example", "50,000.00 − 700.00 pended − 33,320.00 pool − 6,000.00 deductible = 9,980.00"),
        ("worked-example-no-basic", "(50,000.00 − 700.00 pended − 6,000.00 deductible) × 60 % = 25,980.00"),
        ("published-1", "211.55 − 100.00 deductible = 111.55"),
        ("published-2", "(50,000.00 − 10,000.00 deductible) × 60 % = 24,000.00"),
        ("published-3", "50,000.00 − 8,000.00 basic insurance − 10,000.00 deductible = 32,000.00"),
        ("published-4", "(86,000.00 − 45,000.00 basic insurance − 10,000.00 deductible) × 70 % = 21,700.00"),
    ],
)
def test_the_formula_is_the_calculation_on_one_line(name: str, formula: str) -> None:
    assert render_formula(adjudicate(read_case((EXAMPLES / f"{name}.json").read_bytes()))) == formula


def test_the_trace_speaks_both_languages() -> None:
    decision = adjudicate(read_case((EXAMPLES / "worked-example.json").read_bytes()))
    english, chinese = render_trace(decision, "en"), render_trace(decision, "zh")
    assert len(english) == len(chinese)
    assert "R11 Deductible: the remaining deductible: 15,980.00 → 9,980.00" in english
    assert "R11 免赔额: 扣除免赔额: 15,980.00 → 9,980.00" in chinese
    assert "NCOV-003 The service is not covered [l2]: waits for a person" in english
    assert "article 24" in english[-1]


@pytest.mark.parametrize(
    ("name", "ratio"),
    [("worked-example", "100 %"), ("worked-example-no-basic", "60 %: 43,300.00 → 25,980.00")],
)
def test_a_step_says_the_ratio_that_was_applied_and_what_changes_nothing(name: str, ratio: str) -> None:
    decision = adjudicate(read_case((EXAMPLES / f"{name}.json").read_bytes()))
    said: dict[Language, tuple[str, str]] = {
        "en": (f"R12 Ratio: {ratio}", "R15 Rounding: changes nothing"),
        "zh": (f"R12 赔付比例: {ratio}", "R15 四舍五入: 无须调整"),
    }
    for language, lines in said.items():
        assert set(lines) <= set(render_trace(decision, language))


def test_a_ratio_of_nothing_says_that_nothing_is_left() -> None:
    step = Trace("R12", "pass", "go-on", "ratio", "0", "0", None, None, "", None)
    assert render_step(step) == "R12 Ratio: no amount is left"


def test_a_recovery_is_shown_as_one() -> None:
    decision = adjudicate(read_case(changed("advances", "3000.00")))
    assert render_formula(decision).endswith("− 3,000.00 advances = −940.00 to recover")
    assert describe_decision(decision)["recovery"] == "940.00"


def test_a_difference_is_shown_where_a_bill_does_not_balance() -> None:
    decision = adjudicate(read_case(changed("bill.settlement.hifp_pay", "4319.00")))
    assert any("differs from the sum of the funds 1.00" in line for line in render_trace(decision))


def test_a_decision_is_readable_json() -> None:
    plain = describe_decision(adjudicate(read_case(DEMO)))
    assert json.loads(json.dumps(plain)) == plain
    assert (plain["disposition"], plain["payable"], plain["accumulator"]["paid_year"]) == ("PAY", "2060.00", "2060.00")
    assert sum(read_yuan(line["paid"]) for line in plain["lines"]) == 206_000
