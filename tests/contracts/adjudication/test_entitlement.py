"""R01 to R03: consent, policy, duplicates."""

from typing import Any

import pytest

from contracts.adjudication.case import AlreadySettled, Case, Review
from contracts.adjudication.engine import adjudicate
from nodes.schemas.trace import render_trace
from tests.contracts.adjudication.plain_case import ADMITTED, DISCHARGED, PLAIN, UNTIL, change, codes, outcome, steps


def test_a_plain_case_passes_every_rule() -> None:
    decision = adjudicate(PLAIN)
    assert (decision.disposition, decision.payable, decision.reasons) == ("PAY", 1_000_000, ())
    assert {step.outcome for step in decision.trace} == {"pass"}
    assert [step.rule for step in decision.trace] == [f"R{number:02}" for number in (*range(1, 11), *range(10, 17), 19)]


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        ({"active": False}, "grant-inactive"),
        ({"purpose": "CAREMGT"}, "grant-purpose"),
        ({"hospital": "hospital-b"}, "grant-party"),
        ({"insurer": "insurer-b"}, "grant-party"),
        ({"record_types": ("invoice",)}, "grant-types"),
        ({"from_day": ADMITTED + 1}, "grant-dates"),
        ({"until_day": ADMITTED}, "grant-dates"),
        ({"uses_left": 0}, "grant-uses"),
    ],
)
def test_a_grant_that_does_not_cover_the_claim_stops_everything(fields: dict[str, Any], detail: str) -> None:
    decision = adjudicate(change(PLAIN, "consent", **fields))
    assert (decision.disposition, decision.payable, codes(decision)) == ("PENDED", 0, ["AUTH-013"])
    assert steps(decision, "R01")[0].detail == detail
    assert {step.rule for step in decision.trace} == {"R01", "R19"}  # without consent nobody looks further


def test_without_a_grant_nothing_is_looked_at() -> None:
    decision = adjudicate(change(PLAIN, "", consent=None))
    assert (decision.disposition, codes(decision)) == ("PENDED", ["AUTH-013"])


def test_a_grant_of_unknown_state_waits() -> None:
    assert outcome(change(PLAIN, "consent", active=None), "R01") == ("PENDED", "unknown", "review")


def test_a_grant_of_exactly_the_stays_days_covers_it() -> None:
    exact = change(PLAIN, "consent", from_day=ADMITTED, until_day=DISCHARGED)
    assert adjudicate(exact).disposition == "PAY"


def test_the_last_use_of_a_grant_still_counts() -> None:
    assert outcome(change(PLAIN, "consent", uses_left=1), "R01") == ("PAY", "pass", "go-on")


@pytest.mark.parametrize("side", ["hospital", "insurer"])
def test_a_link_that_does_not_match_pends(side: str) -> None:
    mismatched = adjudicate(change(PLAIN, "links", **{side: "mismatch"}))
    assert (mismatched.disposition, codes(mismatched)) == ("PENDED", ["ELIG-001"])
    assert outcome(change(PLAIN, "links", **{side: None}), "R02") == ("PENDED", "unknown", "review")


def test_a_death_pends_the_claim_whatever_else_holds() -> None:
    decision = adjudicate(change(PLAIN, "stay", deceased=True))
    assert (decision.disposition, decision.payable, codes(decision)) == ("PENDED", 0, ["ELIG-001"])
    (step,) = steps(decision, "R02")
    assert (step.detail, step.action) == ("deceased", "review")
    texts = render_trace(decision, "zh"), render_trace(decision, "en")
    assert any("被保险人已身故，授权终止，由继承人受领" in line for line in texts[0])
    assert any("the grant ends, the heirs are the payee" in line for line in texts[1])


def test_a_death_that_is_learned_of_later_takes_nothing_back() -> None:
    earlier = adjudicate(PLAIN)
    settled = AlreadySettled(earlier.payable, earlier.deductible_used, earlier.categories)
    case = change(PLAIN, "", accumulator=earlier.accumulator, already_settled=settled)
    decision = adjudicate(change(case, "stay", deceased=True))
    assert (decision.disposition, decision.transfer, decision.recovery) == ("PENDED", 0, 0)


@pytest.mark.parametrize(
    ("from_day", "until_day", "expected"),
    [
        (ADMITTED, UNTIL, []),
        (ADMITTED + 1, UNTIL, ["ELIG-006"]),
        (20_000, ADMITTED, []),
        (20_000, ADMITTED - 1, ["ELIG-005"]),
    ],
    ids=["first day", "a day before", "last day", "a day after"],
)
def test_the_policy_is_in_force_on_its_first_and_last_day(from_day: int, until_day: int, expected: list[str]) -> None:
    decision = adjudicate(change(PLAIN, "policy", from_day=from_day, until_day=until_day))
    assert codes(decision) == expected


def test_a_payee_account_in_another_currency_pends() -> None:
    decision = adjudicate(change(PLAIN, "policy", payee_currency="USD"))
    assert (decision.disposition, codes(decision)) == ("PENDED", ["PRCE-001"])


@pytest.mark.parametrize("fact", ["invoice_settled", "encounter_settled"])
def test_an_earlier_settlement_pends_the_claim(fact: str) -> None:
    decision = adjudicate(change(PLAIN, "duplicates", **{fact: True}))
    assert (decision.disposition, codes(decision)) == ("PENDED", ["DUPL-001"])
    assert outcome(change(PLAIN, "duplicates", **{fact: None}), "R03") == ("PENDED", "unknown", "review")


def test_a_line_settled_before_pends_alone() -> None:
    decision = adjudicate(change(PLAIN, "duplicates", lines_settled=("drugs", "of-another-stay")))
    assert (decision.disposition, decision.payable, codes(decision)) == ("PARTIAL_PENDED", 700_000, ["DUPL-002"])


def _all_doubts() -> Case:
    return change(change(PLAIN, "links", insurer=None), "duplicates", invoice_settled=None)


@pytest.mark.parametrize("case", [_all_doubts(), change(PLAIN, "stay", deceased=True)], ids=["doubts", "death"])
def test_no_review_stands_in_for_identity_the_books_or_the_heirs(case: Case) -> None:
    reviews = tuple(Review(rule, None, accepted=True) for rule in ("R04", "R05", "R06", "R07", "R08", "R09"))
    assert adjudicate(change(case, "", reviews=reviews)).disposition == "PENDED"
