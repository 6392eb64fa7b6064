"""R10 to R15: other cover, deductible, ratio, tiers, limits, rounding."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.adjudication.benefit import apportion
from contracts.adjudication.case import Case, CategoryPaid, OtherPayment, Split
from contracts.adjudication.decision import Decision
from contracts.adjudication.engine import adjudicate
from contracts.adjudication.product import AmountTier, CategoryLimit, GradeTier, ScopeRatios
from tests.contracts.adjudication.plain_case import LINES, PLAIN, change, codes, steps, with_lines


def paid(decision: Decision) -> list[int]:
    return [line.paid for line in decision.lines]


def deductible(amount: int, used: int = 0, **fields: object) -> Case:
    case = change(PLAIN, "product.deductible", amount=amount, **fields)
    return change(case, "accumulator", deductible_used=used)


def test_other_payers_share_lies_on_all_lines_in_proportion() -> None:
    decision = adjudicate(change(PLAIN, "", other_payments=(OtherPayment("third-party", 100_000),)))
    assert paid(decision) == [180_000, 450_000, 270_000]


def test_what_basic_insurance_paid_comes_off_what_is_in_its_scope() -> None:
    own_pay = change(LINES[2], "", split=Split(300_000, 0, 0, 0))
    inside = [change(line, "", split=Split(0, 0, 0, line.amount)) for line in LINES[:2]]
    case = with_lines(PLAIN, *inside, own_pay)
    case = change(case, "product.ratios", basic_used=ScopeRatios(10_000, 5_000))
    part = adjudicate(change(case, "", other_payments=(OtherPayment("basic", 350_000),)))
    assert paid(part) == [100_000, 250_000, 150_000]
    more = adjudicate(change(case, "", other_payments=(OtherPayment("basic", 800_000),)))
    assert paid(more) == [0, 0, 100_000]  # the 1,000.00 beyond the scope come off the rest, then 50 %


@pytest.mark.parametrize(
    ("used", "payable", "consumed"), [(0, 400_000, 600_000), (450_000, 850_000, 150_000), (600_000, 1_000_000, 0)]
)
def test_only_the_remaining_deductible_of_the_year_is_taken(used: int, payable: int, consumed: int) -> None:
    decision = adjudicate(deductible(600_000, used))
    assert (decision.payable, decision.deductible_used) == (payable, consumed)
    assert decision.accumulator.deductible_used == 600_000


def test_the_deductible_lies_on_the_lines_in_proportion() -> None:
    assert paid(adjudicate(deductible(100_000))) == [180_000, 450_000, 270_000]


def test_a_deductible_per_stay_is_taken_each_time_and_enters_no_balance() -> None:
    decision = adjudicate(deductible(10_000, 10_000, per="stay"))
    assert (decision.payable, decision.deductible_used, decision.accumulator.deductible_used) == (
        990_000,
        10_000,
        10_000,
    )


def test_a_bill_below_the_deductible_pays_nothing_and_consumes_it() -> None:
    decision = adjudicate(deductible(1_500_000))
    assert (decision.disposition, decision.payable, decision.deductible_used) == ("NONE", 0, 1_000_000)
    assert decision.accumulator.sequence == 8


def test_the_product_says_whether_other_payments_consume_the_deductible() -> None:
    payments = (OtherPayment("basic", 400_000),)
    kept = adjudicate(change(deductible(600_000), "", other_payments=payments))
    assert (kept.payable, kept.deductible_used) == (0, 600_000)
    consumed = adjudicate(change(deductible(600_000, other_payments_consume=True), "", other_payments=payments))
    assert (consumed.payable, consumed.deductible_used) == (400_000, 600_000)


def test_what_last_year_consumed_carries_over_up_to_its_maximum() -> None:
    case = change(deductible(600_000, carry_over_max=200_000), "accumulator", deductible_previous_year=500_000)
    assert adjudicate(case).deductible_used == 400_000
    assert adjudicate(change(case, "accumulator", deductible_previous_year=50_000)).deductible_used == 550_000


@pytest.mark.parametrize(
    ("basic_insurance", "payable"), [("used", 1_000_000), ("unused", 600_000), ("uninsured", 800_000)]
)
def test_the_ratio_follows_what_the_basic_insurance_did(basic_insurance: str, payable: int) -> None:
    case = change(PLAIN, "product.ratios", basic_unused=ScopeRatios(6_000, 6_000), uninsured=ScopeRatios(8_000, 8_000))
    assert adjudicate(change(case, "stay", basic_insurance=basic_insurance)).payable == payable


@pytest.mark.parametrize(("amount", "payable"), [(500_000, 400_000), (1_000_000, 800_000), (3_000_000, 2_600_000)])
def test_tiers_apply_to_the_part_of_the_amount_within_each(amount: int, payable: int) -> None:
    tiers = (AmountTier(0, 8_000), AmountTier(1_000_000, 9_000))
    case = change(with_lines(PLAIN, change(LINES[0], "", amount=amount)), "product", amount_tiers=tiers)
    assert adjudicate(case).payable == payable


def test_a_grade_may_have_a_ratio_of_its_own() -> None:
    case = change(PLAIN, "product", grade_tiers=(GradeTier(3, 7_000), GradeTier(2, 8_000)))
    assert adjudicate(case).payable == 700_000
    assert adjudicate(change(case, "stay", hospital_grade=2)).payable == 800_000


@pytest.mark.parametrize(
    ("limits", "opening", "payable", "code"),
    [
        ({"stay": 700_000}, {}, 700_000, "BENX-002"),
        ({"year": 700_000}, {"paid_year": 200_000}, 500_000, "BENX-005"),
        ({"life": 700_000}, {"paid_life": 600_000}, 100_000, "BENX-002"),
        ({"year": 700_000}, {"paid_year": 900_000}, 0, "BENX-005"),
        ({"categories": (CategoryLimit("surgery", 100_000, "stay"),)}, {}, 600_000, "BENX-002"),
        (
            {"categories": (CategoryLimit("surgery", 100_000, "year"),)},
            {"paid_categories": (CategoryPaid("surgery", 40_000),)},
            560_000,
            "BENX-005",
        ),
    ],
)
def test_a_limit_pays_its_remaining_balance(
    limits: dict[str, object], opening: dict[str, object], payable: int, code: str
) -> None:
    decision = adjudicate(change(change(PLAIN, "product.limits", **limits), "accumulator", **opening))
    assert (decision.payable, codes(decision)) == (payable, [code])
    assert decision.disposition == ("PAY" if payable else "NONE")
    assert decision.reasons[0].action == "go-on"  # arithmetic, not a refusal


def test_limits_cap_what_the_one_before_left() -> None:
    limits = {"stay": 900_000, "year": 800_000, "life": 900_000, "categories": (CategoryLimit("bed", 100_000, "stay"),)}
    decision = adjudicate(change(PLAIN, "product.limits", **limits))
    assert decision.payable == 800_000
    assert [step.detail for step in steps(decision, "R14")] == ["limit-category", "limit-year"]


def test_the_benefit_is_rounded_half_up_once() -> None:
    halves = change(PLAIN, "product.ratios", basic_used=ScopeRatios(5_000, 5_000))
    decision = adjudicate(with_lines(halves, *(change(line, "", amount=1) for line in LINES)))
    assert (decision.payable, paid(decision)) == (2, [1, 1, 0])  # 1.5 becomes 2, not three times 1
    assert [(step.before, step.after) for step in steps(decision, "R15")] == [("3/2", "2")]


def test_a_category_at_its_limit_gets_no_unit_of_the_rounding() -> None:
    # Bed is capped at 1 分, exact halves on two lines; the leftover unit of the others must not land there.
    limit = (CategoryLimit("bed", 1, "stay"),)
    case = change(PLAIN, "product.limits", categories=limit)
    case = change(case, "product.ratios", basic_used=ScopeRatios(4_000, 4_000))
    lines = [change(LINES[0], "", id=f"b{index}", amount=10) for index in range(2)]
    rest = [change(LINES[1], "", id=f"s{index}", amount=1) for index in range(4)]
    decision = adjudicate(with_lines(case, *lines, *rest))
    assert sum(line.paid for line in decision.lines[:2]) == 1
    assert decision.payable == 3


@given(st.lists(st.fractions(min_value=0, max_value=1_000, max_denominator=97), min_size=1, max_size=12))
def test_apportioning_keeps_the_total_and_each_share_within_one_unit(shares: list[Fraction]) -> None:
    exact = sum(shares, Fraction(0))
    total = (2 * exact.numerator + exact.denominator) // (2 * exact.denominator)
    whole = apportion(total, shares)
    assert sum(whole) == total
    assert all(abs(part - share) < 1 for part, share in zip(whole, shares, strict=True))


def test_the_earlier_share_wins_a_tie() -> None:
    assert apportion(2, [Fraction(1, 2), Fraction(1, 2), Fraction(1, 2)]) == [1, 1, 0]
