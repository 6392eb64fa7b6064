"""R07 to R09: network, stay, lines."""

import pytest

from contracts.adjudication.case import Case
from contracts.adjudication.engine import adjudicate
from contracts.adjudication.product import UnknownAction
from tests.contracts.adjudication.plain_case import (
    ADMITTED,
    DISCHARGED,
    LINES,
    PLAIN,
    change,
    codes,
    outcome,
    steps,
    with_lines,
    with_unknown,
)

ACTIONS = [("ask", "PENDED"), ("assume", "PAY"), ("pend", "PENDED")]


@pytest.mark.parametrize(("grade", "expected"), [(3, []), (2, []), (1, ["ELIG-007"]), (0, ["ELIG-007"])])
def test_a_hospital_needs_the_grade(grade: int, expected: list[str]) -> None:
    assert codes(adjudicate(change(PLAIN, "stay", hospital_grade=grade))) == expected


def test_an_approved_hospital_needs_no_grade() -> None:
    case = change(change(PLAIN, "", hospital="clinic-near"), "consent", hospital="clinic-near")
    assert adjudicate(change(case, "stay", hospital_grade=1)).disposition == "PAY"
    assert adjudicate(change(case, "stay", hospital_grade=None)).disposition == "PAY"


@pytest.mark.parametrize("ward", ["international", "vip", "special-need"])
def test_a_stay_in_an_excluded_ward_pends_whole(ward: str) -> None:
    decision = adjudicate(change(PLAIN, "stay", ward=ward))
    assert (decision.disposition, codes(decision), decision.payable) == ("PENDED", ["ELIG-007"], 0)


@pytest.mark.parametrize("fact", ["hospital_grade", "ward"])
@pytest.mark.parametrize(("action", "disposition"), ACTIONS)
def test_an_unknown_place_does_what_the_product_says(fact: str, action: UnknownAction, disposition: str) -> None:
    case = with_unknown(change(PLAIN, "stay", **{fact: None}), "R07", action)
    assert outcome(case, "R07")[:2] == (disposition, "unknown")


def test_a_hanging_bed_pends_the_claim() -> None:
    assert codes(adjudicate(change(PLAIN, "stay", hanging_bed=True))) == ["NCOV-003"]


@pytest.mark.parametrize("fact", ["hanging_bed", "ordered_discharge_day", "discharge_day"])
@pytest.mark.parametrize(("action", "disposition"), ACTIONS)
def test_an_unknown_stay_does_what_the_product_says(fact: str, action: UnknownAction, disposition: str) -> None:
    case = with_unknown(change(PLAIN, "stay", **{fact: None}), "R08", action)
    assert outcome(case, "R08")[:2] == (disposition, "unknown")


def test_lines_after_the_ordered_discharge_pend_alone() -> None:
    case = change(PLAIN, "stay", ordered_discharge_day=20_102)
    decision = adjudicate(case)
    assert [(line.line, line.status) for line in decision.lines] == [
        ("bed", "eligible"),
        ("surgery", "eligible"),  # of the ordered day itself
        ("drugs", "pended"),
    ]
    assert (decision.disposition, decision.payable) == ("PARTIAL_PENDED", 700_000)


def beyond_expiry(*days: int | None) -> Case:
    """Return a stay that began in force, went on long after expiry, and has lines on these days."""
    case = change(PLAIN, "policy", until_day=ADMITTED)
    case = change(case, "stay", discharge_day=ADMITTED + 40, ordered_discharge_day=ADMITTED + 40)
    return with_lines(case, *(change(LINES[0], "", id=f"l{index}", day=day) for index, day in enumerate(days)))


def test_a_stay_goes_on_for_thirty_days_after_expiry() -> None:
    decision = adjudicate(beyond_expiry(ADMITTED, ADMITTED + 30, ADMITTED + 31))
    assert [line.status for line in decision.lines] == ["eligible", "eligible", "pended"]
    assert codes(decision) == ["ELIG-005"]


def test_an_undated_line_is_open_only_if_the_stay_went_beyond() -> None:
    decision = adjudicate(beyond_expiry(ADMITTED, None))
    assert [line.status for line in decision.lines] == ["eligible", "pended"]
    assert steps(decision, "R08")[0].outcome == "unknown"
    assert adjudicate(with_lines(PLAIN, change(LINES[0], "", day=None))).disposition == "PAY"


def test_a_vip_bed_charge_pends_alone_while_the_rest_is_paid() -> None:
    vip = change(LINES[0], "", id="vip", item="bed-vip-single", amount=70_000)
    decision = adjudicate(with_lines(PLAIN, *LINES, vip))
    assert (decision.disposition, decision.payable, decision.pended) == ("PARTIAL_PENDED", 1_000_000, 70_000)
    assert [(reason.code, reason.line) for reason in decision.reasons] == [("NCOV-003", "vip")]


def test_an_unreasonable_line_pends_alone() -> None:
    decision = adjudicate(with_lines(PLAIN, *LINES[:2], change(LINES[2], "", reasonable=False)))
    assert (decision.payable, codes(decision)) == (700_000, ["NCOV-003"])


@pytest.mark.parametrize(
    ("action", "payable", "expected"),
    [("ask", 700_000, ["AUTH-012"]), ("assume", 1_000_000, []), ("pend", 700_000, ["NCOV-003"])],
)
def test_a_line_nobody_checked_does_what_the_product_says(
    action: UnknownAction, payable: int, expected: list[str]
) -> None:
    case = with_lines(PLAIN, *LINES[:2], change(LINES[2], "", reasonable=None))
    decision = adjudicate(with_unknown(case, "R09", action))
    assert (decision.payable, codes(decision)) == (payable, expected)


def test_a_line_in_doubt_twice_is_taken_out_once() -> None:
    twice = change(LINES[2], "", item="bed-vip", day=DISCHARGED + 1)
    decision = adjudicate(with_lines(PLAIN, *LINES[:2], twice))
    assert (decision.payable, decision.pended, len(decision.reasons)) == (700_000, 300_000, 2)
    assert [step.after for step in steps(decision, "R08") + steps(decision, "R09")] == ["700000", "700000"]
