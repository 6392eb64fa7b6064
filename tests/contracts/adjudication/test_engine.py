"""R16 and R19: advances, corrections, recoveries, human review; and cases that are refused outright."""

import pytest

from contracts.adjudication.case import CASE_AMOUNT_MAX, AlreadySettled, Case, CategoryPaid, Review
from contracts.adjudication.decision import Decision
from contracts.adjudication.engine import adjudicate
from contracts.adjudication.exclusions import STANDARD_EXCLUSIONS
from contracts.adjudication.product import AmountTier
from ledger.errors import ContractError, DecodeError
from tests.contracts.adjudication.plain_case import LINES, PLAIN, change, codes, steps, with_lines

VIP = change(LINES[0], "", id="vip", item="bed-vip", amount=70_000)


def settled_again(case: Case, earlier: Decision) -> Case:
    """Return the case as it stands after an earlier decision about the same claim moved its money."""
    already = AlreadySettled(earlier.payable, earlier.deductible_used, earlier.categories)
    return change(case, "", accumulator=earlier.accumulator, already_settled=already, advances=0)


def test_advances_come_off_after_rounding() -> None:
    decision = adjudicate(change(PLAIN, "", advances=400_000))
    assert (decision.payable, decision.transfer, decision.recovery) == (1_000_000, 600_000, 0)
    assert sum(line.paid for line in decision.lines) == 1_000_000


def test_advances_above_the_benefit_open_a_recovery() -> None:
    decision = adjudicate(change(PLAIN, "", advances=1_200_000))
    assert (decision.disposition, decision.transfer, decision.recovery) == ("PAY", 0, 200_000)
    assert codes(decision) == ["PRCE-003"]


def test_a_settlement_enters_the_balances() -> None:
    case = change(PLAIN, "product.deductible", amount=100_000)
    after = adjudicate(change(case, "accumulator", paid_year=5, paid_life=9)).accumulator
    assert (after.sequence, after.deductible_used, after.paid_year, after.paid_life) == (8, 100_000, 900_005, 900_009)
    assert after.paid_categories == (
        CategoryPaid("bed", 180_000),
        CategoryPaid("surgery", 450_000),
        CategoryPaid("western-medicine", 270_000),
    )


def test_settling_the_same_total_again_moves_nothing() -> None:
    case = change(PLAIN, "product.deductible", amount=600_000)
    first = adjudicate(case)
    again = adjudicate(settled_again(case, first))
    assert (again.payable, again.transfer, again.recovery) == (400_000, 0, 0)
    assert change(again.accumulator, "", sequence=0) == change(first.accumulator, "", sequence=0)


def test_a_correction_upwards_tops_up_the_difference_on_restored_balances() -> None:
    case = change(change(PLAIN, "product.deductible", amount=600_000), "product.limits", year=1_000_000)
    more = with_lines(case, *LINES, change(LINES[2], "", id="more", amount=250_000))
    decision = adjudicate(settled_again(more, adjudicate(case)))
    assert (decision.payable, decision.transfer, decision.recovery) == (650_000, 250_000, 0)
    assert (decision.accumulator.deductible_used, decision.accumulator.paid_year) == (600_000, 650_000)


@pytest.mark.parametrize("per", ["year", "stay"])
def test_a_correction_downwards_recovers_the_difference(per: str) -> None:
    case = change(PLAIN, "product.deductible", amount=600_000, per=per)
    less = with_lines(case, *LINES[:2])
    decision = adjudicate(settled_again(less, adjudicate(case)))
    assert (decision.disposition, decision.payable, decision.recovery) == ("PAY", 100_000, 300_000)
    assert codes(decision) == ["PRCE-003"]
    assert decision.accumulator.paid_categories == (CategoryPaid("bed", 28_571), CategoryPaid("surgery", 71_429))


def test_a_recalled_stay_recovers_everything() -> None:
    nothing = with_lines(PLAIN, change(LINES[0], "", amount=0))
    decision = adjudicate(settled_again(nothing, adjudicate(PLAIN)))
    assert (decision.disposition, decision.payable, decision.recovery) == ("NONE", 0, 1_000_000)
    assert (decision.accumulator.paid_year, decision.accumulator.paid_categories) == (0, ())


def test_nothing_is_taken_back_while_something_waits_for_review() -> None:
    doubted = with_lines(PLAIN, *LINES[:2], change(LINES[2], "", reasonable=False))
    case = settled_again(doubted, adjudicate(PLAIN))
    decision = adjudicate(case)
    assert (decision.disposition, decision.transfer, decision.recovery) == ("PENDED", 0, 0)
    assert decision.accumulator == case.accumulator
    assert steps(decision, "R19")[-1].detail == "held"


def test_a_pended_claim_moves_nothing_and_keeps_its_balances() -> None:
    case = change(change(PLAIN, "stay", ward="vip"), "", advances=300_000)
    decision = adjudicate(case)
    assert (decision.payable, decision.transfer, decision.recovery, decision.pended) == (0, 0, 0, 1_000_000)
    assert decision.accumulator == case.accumulator
    assert {line.status for line in decision.lines} == {"pended"}


def test_undisputed_lines_below_the_deductible_wait_with_the_rest() -> None:
    case = change(with_lines(PLAIN, LINES[0], VIP), "product.deductible", amount=600_000)
    decision = adjudicate(case)
    assert (decision.disposition, decision.deductible_used, decision.accumulator) == ("PENDED", 0, case.accumulator)


def test_what_a_person_accepts_is_paid_as_a_top_up() -> None:
    case = with_lines(PLAIN, *LINES, VIP)
    first = adjudicate(case)
    review = Review("R09", "vip", accepted=True)
    decision = adjudicate(change(settled_again(case, first), "", reviews=(review,)))
    assert (first.disposition, decision.disposition, decision.transfer) == ("PARTIAL_PENDED", "PAY", 70_000)
    assert (decision.reasons, steps(decision, "R19")[-1].detail) == ((), "reviewed")


def test_what_a_person_refuses_is_final_and_keeps_its_reason() -> None:
    case = with_lines(PLAIN, *LINES, VIP)
    decision = adjudicate(change(case, "", reviews=(Review("R09", "vip", accepted=False),)))
    assert (decision.disposition, decision.payable, decision.pended) == ("PAY", 1_000_000, 0)
    assert [(line.line, line.status) for line in decision.lines if line.status != "eligible"] == [("vip", "refused")]
    assert [(reason.code, reason.action) for reason in decision.reasons] == [("NCOV-003", "refused")]


def test_a_claim_that_a_person_refuses_pays_nothing_and_returns_its_advance() -> None:
    case = change(change(PLAIN, "stay", ward="vip"), "", advances=300_000)
    decision = adjudicate(change(case, "", reviews=(Review("R07", None, accepted=False),)))
    assert (decision.disposition, decision.payable, decision.recovery) == ("NONE", 0, 300_000)
    assert codes(decision) == ["ELIG-007", "PRCE-003"]
    assert {line.status for line in decision.lines} == {"refused"}


def test_a_review_of_one_rule_leaves_the_others_standing() -> None:
    case = change(
        change(PLAIN, "stay", ward="vip", hanging_bed=True), "", reviews=(Review("R07", None, accepted=True),)
    )
    decision = adjudicate(case)
    assert (decision.disposition, codes(decision)) == ("PENDED", ["NCOV-003"])


def test_no_rule_refuses_by_itself() -> None:
    for case in (
        change(PLAIN, "stay", ward="vip"),
        change(PLAIN, "stay", hanging_bed=True),
        change(PLAIN, "policy", renewal=False, inception_day=20_000),
        change(PLAIN, "", diagnoses=(change(PLAIN.diagnoses[0], "", onset_day=1),)),
    ):
        decision = adjudicate(case)
        assert "refused" not in {reason.action for reason in decision.reasons}
        assert "refused" not in {line.status for line in decision.lines}


@pytest.mark.parametrize("amount", [-1, CASE_AMOUNT_MAX + 1, 2**63, 2**80])
def test_negative_and_overflowing_amounts_are_refused(amount: int) -> None:
    with pytest.raises((DecodeError, OverflowError)):
        adjudicate(with_lines(PLAIN, change(LINES[0], "", amount=amount)))
    with pytest.raises((DecodeError, OverflowError)):
        adjudicate(change(PLAIN, "", advances=amount))


@pytest.mark.parametrize(
    ("case", "field"),
    [
        (change(PLAIN, "bill", lines=(LINES[0], LINES[0])), "bill.lines.id"),
        (change(PLAIN, "", diagnoses=(change(PLAIN.diagnoses[0], "", principal=False),)), "principal"),
        (with_lines(PLAIN, change(LINES[0], "", diagnosis="d9")), "line bed"),
        (with_lines(PLAIN, change(LINES[0], "", procedure="p9")), "line bed"),
        (change(PLAIN, "policy", until_day=19_999), "policy.until_day"),
        (change(PLAIN, "policy", from_day=9_999), "policy.from_day"),
        (change(PLAIN, "stay", discharge_day=20_099), "stay.discharge_day"),
        (change(PLAIN, "product", amount_tiers=(AmountTier(1, 9_000),)), "amount_tiers"),
        (change(PLAIN, "product", amount_tiers=(AmountTier(0, 9_000), AmountTier(5, 8_000))), "amount_tiers"),
        (change(PLAIN, "product", exclusions=STANDARD_EXCLUSIONS[:1] * 2), "product.exclusions.id"),
        (change(PLAIN, "accumulator", paid_year=10**13), "paid_year"),
        (change(PLAIN, "accumulator", paid_life=10**13), "paid_life"),
        (change(PLAIN, "accumulator", deductible_used=10**13), "deductible_used"),
        (change(PLAIN, "", already_settled=AlreadySettled(1, 0, ())), "already_settled.payable"),
        (change(PLAIN, "", already_settled=AlreadySettled(0, 1, ())), "already_settled.deductible_used"),
        (change(PLAIN, "", already_settled=AlreadySettled(0, 0, (CategoryPaid("bed", 1),))), "category bed"),
    ],
)
def test_a_case_at_odds_with_itself_is_refused_by_the_field(case: Case, field: str) -> None:
    with pytest.raises(ContractError, match=field) as refused:
        adjudicate(case)
    assert refused.value.code == "CASE-MALFORMED"
