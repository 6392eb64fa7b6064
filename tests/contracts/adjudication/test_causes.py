"""R04 to R06: waiting period, pre-existing conditions, exclusions."""

import pytest

from contracts.adjudication.case import Case, CircumstanceFact, Diagnosis, Procedure
from contracts.adjudication.engine import adjudicate
from contracts.adjudication.exclusions import STANDARD_EXCLUSIONS
from contracts.adjudication.product import Exclusion, UnknownAction
from tests.contracts.adjudication.plain_case import (
    INCEPTION,
    LINES,
    PLAIN,
    change,
    codes,
    outcome,
    steps,
    with_lines,
    with_unknown,
)

LATE = 20_100
"""The stay's day: an inception close before it puts the stay into the waiting period."""


def diagnosed(onset: int | None, known: int | None, icd10: str | None = "N84.0", inception: int = INCEPTION) -> Case:
    case = change(PLAIN, "policy", inception_day=inception, from_day=max(inception, 20_000))
    return change(case, "", diagnoses=(Diagnosis("d1", True, icd10, onset, known),))  # noqa: FBT003 - principal


@pytest.mark.parametrize(
    ("icd10", "days", "expected"),
    [
        ("N84.0", 0, ["AUTH-011"]),
        ("N84.0", 29, ["AUTH-011"]),
        ("N84.0", 30, []),
        ("C50.9", 30, ["AUTH-011"]),
        ("C50.9", 89, ["AUTH-011"]),
        ("C50.9", 90, []),
    ],
)
def test_the_waiting_period_counts_both_days(icd10: str, days: int, expected: list[str]) -> None:
    # The 1st is a day of its own: of 30 days, inception plus 29 is the last one out.
    decision = adjudicate(diagnosed(LATE - 100 + days, LATE, icd10, inception=LATE - 100))
    assert codes(decision) == expected


def test_a_disease_of_the_waiting_period_is_out_even_if_the_stay_is_later() -> None:
    decision = adjudicate(diagnosed(INCEPTION + 5, INCEPTION + 6))
    assert (decision.disposition, codes(decision)) == ("PENDED", ["AUTH-011"])


def test_there_is_no_waiting_period_on_renewal_or_for_accidents_or_where_the_product_has_none() -> None:
    case = diagnosed(INCEPTION + 5, INCEPTION + 6)
    assert adjudicate(change(case, "policy", renewal=True)).disposition == "PAY"
    assert adjudicate(change(case, "stay", accident=True)).disposition == "PAY"
    assert adjudicate(change(case, "product.waiting", days=0, critical_days=0)).disposition == "PAY"


def test_whether_it_was_an_accident_is_asked_for_where_it_decides_and_never_assumed() -> None:
    case = with_unknown(change(diagnosed(INCEPTION + 5, INCEPTION + 6), "stay", accident=None), "R04", "assume")
    decision = adjudicate(case)
    assert (decision.disposition, codes(decision)) == ("PENDED", ["AUTH-012"])
    assert (decision.reasons[0].action, decision.reasons[0].subject) == ("ask", "stay.accident")
    assert outcome(change(PLAIN, "stay", accident=None), "R04") == ("PAY", "pass", "go-on")


def test_the_product_says_whether_onset_or_diagnosis_counts() -> None:
    arose_before_diagnosed_after = diagnosed(LATE - 80, LATE - 60, inception=LATE - 100)
    assert codes(adjudicate(arose_before_diagnosed_after)) == ["AUTH-011"]
    assert codes(adjudicate(change(arose_before_diagnosed_after, "product.waiting", basis="diagnosed"))) == []


@pytest.mark.parametrize(("action", "disposition"), [("ask", "PENDED"), ("assume", "PAY"), ("pend", "PENDED")])
def test_an_unknown_onset_does_what_the_product_says(action: UnknownAction, disposition: str) -> None:
    case = change(with_unknown(diagnosed(None, LATE), "R04", action), "product", covers_preexisting=True)
    decision = adjudicate(case)
    step = steps(decision, "R04")[0]
    assert (decision.disposition, step.outcome, step.subject) == (disposition, "unknown", "diagnosis.d1.onset_day")
    assert codes(decision) == {"ask": ["AUTH-012"], "assume": [], "pend": ["AUTH-011"]}[action]


def test_a_disease_diagnosed_in_the_waiting_period_arose_in_it_or_before() -> None:
    case = with_unknown(diagnosed(None, LATE - 90, inception=LATE - 100), "R04", "assume")
    assert "AUTH-011" in codes(adjudicate(case))


def test_a_diagnosis_on_the_first_day_in_cover_leaves_the_onset_open() -> None:
    assert outcome(diagnosed(None, LATE - 70, inception=LATE - 100), "R04")[1] == "unknown"
    assert outcome(diagnosed(None, LATE - 71, inception=LATE - 100), "R04")[1] == "fail"


def test_a_discharge_in_the_waiting_period_bounds_every_onset() -> None:
    assert outcome(diagnosed(None, None, inception=LATE - 20), "R04")[1] == "fail"


def test_an_unmapped_diagnosis_is_open_only_between_the_two_periods() -> None:
    assert outcome(diagnosed(LATE - 90, LATE, None, inception=LATE - 100), "R04")[1] == "fail"
    assert outcome(diagnosed(LATE - 50, LATE, None, inception=LATE - 100), "R04")[1] == "unknown"
    assert outcome(diagnosed(LATE - 5, LATE, None, inception=LATE - 100), "R04")[1] == "pass"


def test_what_is_older_than_the_policy_is_pre_existing_and_not_waiting() -> None:
    decision = adjudicate(diagnosed(INCEPTION - 1, LATE))
    assert (decision.disposition, codes(decision)) == ("PENDED", ["NCOV-002"])
    assert steps(decision, "R04")[0].outcome == "pass"
    assert codes(adjudicate(diagnosed(None, INCEPTION - 1))) == ["NCOV-002"]


def test_a_product_may_cover_what_was_there_before() -> None:
    case = change(diagnosed(INCEPTION - 1, LATE), "product", covers_preexisting=True)
    assert adjudicate(case).disposition == "PAY"


@pytest.mark.parametrize(("action", "disposition"), [("ask", "PENDED"), ("assume", "PAY"), ("pend", "PENDED")])
def test_an_unknown_history_does_what_the_product_says(action: UnknownAction, disposition: str) -> None:
    case = change(diagnosed(None, LATE), "product.waiting", days=0, critical_days=0)
    assert outcome(with_unknown(case, "R05", action), "R05")[0] == disposition


def test_a_secondary_diagnosis_concerns_the_lines_that_name_it() -> None:
    old = Diagnosis("d2", False, "I10.x00", INCEPTION - 500, INCEPTION - 500)  # noqa: FBT003 - principal
    case = change(PLAIN, "", diagnoses=(*PLAIN.diagnoses, old))
    assert adjudicate(case).disposition == "PAY"  # listed, but nothing was spent on it
    named = with_lines(case, *LINES[:2], change(LINES[2], "", diagnosis="d2"))
    decision = adjudicate(named)
    assert (decision.disposition, decision.payable) == ("PARTIAL_PENDED", 700_000)
    assert [(reason.code, reason.line) for reason in decision.reasons] == [("NCOV-002", "drugs")]


def excluding(*exclusions: Exclusion) -> Case:
    return change(PLAIN, "product", exclusions=exclusions)


@pytest.mark.parametrize(
    ("icd10", "exclusion", "code"),
    [
        ("X78.900", "self-harm", "NCOV-003"),
        ("F10.200", "alcohol-or-drugs", "NCOV-001"),
        ("Q21.100", "congenital", "NCOV-001"),
        ("Z41.100", "cosmetic", "NCOV-003"),
        ("K02.900", "dental", "NCOV-003"),
        ("O80.000", "pregnancy", "NCOV-001"),
        ("Z00.000", "check-up", "NCOV-003"),
        ("Z50.100", "rehabilitation", "NCOV-003"),
    ],
)
def test_an_excluded_diagnosis_pends_the_claim(icd10: str, exclusion: str, code: str) -> None:
    case = change(excluding(*STANDARD_EXCLUSIONS), "", diagnoses=(change(PLAIN.diagnoses[0], "", icd10=icd10),))
    decision = adjudicate(case)
    assert (decision.disposition, codes(decision)) == ("PENDED", [code])
    assert decision.reasons[0].subject == exclusion


def test_every_standard_exclusion_can_be_reached() -> None:
    for exclusion in STANDARD_EXCLUSIONS:
        assert exclusion.diagnosis_prefixes or exclusion.procedure_prefixes or exclusion.circumstance


@pytest.mark.parametrize(
    ("circumstance", "code"), [("work-injury", "CLAI-007"), ("third-party-liable", "CLAI-007"), ("crime", "NCOV-003")]
)
def test_a_circumstance_decides_where_it_is_known(circumstance: str, code: str) -> None:
    case = excluding(*STANDARD_EXCLUSIONS)
    for holds, disposition, reasons in ((True, "PENDED", [code]), (False, "PAY", [])):
        fact = CircumstanceFact(circumstance, holds)  # type: ignore[arg-type] # one of the literals above
        decision = adjudicate(change(case, "stay", circumstances=(fact,)))
        assert (decision.disposition, codes(decision)) == (disposition, reasons)


@pytest.mark.parametrize(("action", "disposition"), [("ask", "PENDED"), ("assume", "PAY"), ("pend", "PENDED")])
def test_an_unknown_circumstance_does_what_the_exclusion_says(action: UnknownAction, disposition: str) -> None:
    exclusion = Exclusion("third-party", "第三方", "Third party", "CLAI-007", (), (), "third-party-liable", action)
    decision = adjudicate(excluding(exclusion))
    assert decision.disposition == disposition
    assert steps(decision, "R06")[0].subject == "stay.circumstances.third-party-liable"


def test_an_excluded_procedure_pends_its_lines_or_if_none_names_it_the_claim() -> None:
    cosmetic = Exclusion("cosmetic", "美容", "Cosmetic", "NCOV-003", (), ("86.8",), None, "pend")
    case = change(excluding(cosmetic), "", procedures=(Procedure("p1", "86.8200"), Procedure("p2", "68.2900")))
    assert adjudicate(case).disposition == "PENDED"
    decision = adjudicate(with_lines(case, LINES[0], change(LINES[1], "", procedure="p1"), LINES[2]))
    assert (decision.disposition, decision.payable) == ("PARTIAL_PENDED", 500_000)


def test_unmapped_codes_pend_unless_the_product_assumes() -> None:
    case = change(excluding(*STANDARD_EXCLUSIONS), "", procedures=(Procedure("p1", None),))
    case = change(case, "", diagnoses=(change(PLAIN.diagnoses[0], "", icd10=None),))
    decision = adjudicate(case)
    assert [reason.subject for reason in decision.reasons] == ["diagnosis.d1.icd10", "procedure.p1.code"]
    assert adjudicate(with_unknown(case, "R06", "assume")).disposition == "PAY"
