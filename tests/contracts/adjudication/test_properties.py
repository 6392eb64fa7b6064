"""What holds for every case: money conserved, nothing negative, more bill never less benefit, one answer."""

from fractions import Fraction
from itertools import pairwise
from typing import get_args

from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.adjudication.billing import payments
from contracts.adjudication.case import AlreadySettled, Case, Line, OtherPayment, Payer, Split
from contracts.adjudication.decision import Decision
from contracts.adjudication.engine import adjudicate
from contracts.adjudication.product import (
    AmountTier,
    Category,
    CategoryLimit,
    Deductible,
    GradeTier,
    Limits,
    Product,
    Ratios,
    ScopeRatios,
)
from contracts.adjudication.reasons import CODES, DETAILS, RULES, Code, RuleId
from ledger.codec import decode, encode
from tests.contracts.adjudication.plain_case import PLAIN, PRODUCT, change, with_lines

RATIOS = st.integers(0, 10_000)
SCOPES = st.builds(ScopeRatios, RATIOS, RATIOS)
CHOICES: tuple[Category, ...] = ("bed", "surgery", "nursing")
CATEGORIES = st.sampled_from(CHOICES)
AMOUNTS = st.one_of(st.integers(0, 50), st.integers(0, 3_000_000))


@st.composite
def products(draw: st.DrawFn) -> Product:
    limits = Limits(
        draw(st.none() | AMOUNTS),
        tuple(
            CategoryLimit(category, draw(AMOUNTS), draw(st.sampled_from(("stay", "year"))))
            for category in draw(st.lists(CATEGORIES, unique=True, max_size=3))
        ),
        draw(st.none() | AMOUNTS),
        draw(st.none() | AMOUNTS),
    )
    thresholds = sorted(draw(st.sets(st.integers(1, 1_000_000), max_size=3)))
    tier_ratios = sorted(draw(st.lists(RATIOS, min_size=len(thresholds) + 1, max_size=len(thresholds) + 1)))
    tiers = tuple(AmountTier(above, ratio) for above, ratio in zip([0, *thresholds], tier_ratios, strict=True))
    return change(
        PRODUCT,
        "",
        deductible=Deductible(
            draw(AMOUNTS),
            draw(st.sampled_from(("year", "stay"))),
            other_payments_consume=draw(st.booleans()),
            carry_over_max=draw(AMOUNTS),
        ),
        ratios=Ratios(draw(SCOPES), draw(SCOPES), draw(SCOPES)),
        amount_tiers=draw(st.sampled_from((tiers, ()))),
        grade_tiers=draw(st.sampled_from(((), (GradeTier(3, 7_777),)))),
        limits=limits,
    )


@st.composite
def lines(draw: st.DrawFn) -> tuple[Line, ...]:
    made = []
    for index in range(draw(st.integers(1, 6))):
        parts = [draw(AMOUNTS) for _ in range(4)]
        item = draw(st.sampled_from(("item", "item", "bed-vip")))
        made.append(
            Line(f"l{index}", item, draw(CATEGORIES), sum(parts), Split(*parts), 20_101, None, None, reasonable=True)
        )
    return tuple(made)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    case = with_lines(PLAIN, *draw(lines()))
    rest, paid = case.bill.total, []
    for payer in draw(st.lists(st.sampled_from(get_args(Payer)), max_size=3)):
        amount = draw(st.integers(0, rest))
        rest -= amount
        paid.append(OtherPayment(payer, amount))
    case = change(case, "", product=draw(products()), other_payments=tuple(paid), advances=draw(AMOUNTS))
    case = change(case, "stay", basic_insurance=draw(st.sampled_from(("used", "unused", "uninsured"))))
    return change(
        case,
        "accumulator",
        deductible_used=draw(AMOUNTS),
        deductible_previous_year=draw(AMOUNTS),
        paid_year=draw(AMOUNTS),
        paid_life=draw(AMOUNTS),
    )


@given(cases())
@settings(max_examples=100, deadline=None)
def test_money_is_conserved(case: Case) -> None:
    decision = adjudicate(case)
    assert sum(line.paid for line in decision.lines) == decision.payable
    assert sum(paid.amount for paid in decision.categories) == decision.payable
    assert all(0 <= line.paid <= line.amount for line in decision.lines)
    assert all(line.paid == 0 for line in decision.lines if line.status != "eligible")
    others = sum(amount for _, amount in payments(case))
    assert decision.payable + others + decision.customer_bears == case.bill.total
    assert min(decision.transfer, decision.recovery) == 0
    assert decode(encode(decision), Decision) == decision  # which holds every bound, so nothing is negative


@given(cases())
@settings(max_examples=100, deadline=None)
def test_what_moves_is_what_is_payable_less_what_has_moved(case: Case) -> None:
    decision = adjudicate(case)
    if decision.disposition == "PENDED":
        assert (decision.payable, decision.transfer, decision.recovery) == (0, 0, 0)
        assert decision.accumulator == case.accumulator
    else:
        assert decision.transfer - decision.recovery == decision.payable - case.advances
        assert decision.accumulator.paid_year == case.accumulator.paid_year + decision.payable
        assert decision.accumulator.paid_life == case.accumulator.paid_life + decision.payable


@given(cases())
@settings(max_examples=100, deadline=None)
def test_limits_hold_with_their_opening_balances(case: Case) -> None:
    decision, limits = adjudicate(case), case.product.limits
    for most, used in (
        (limits.stay, 0),
        (limits.year, case.accumulator.paid_year),
        (limits.life, case.accumulator.paid_life),
    ):
        assert most is None or decision.payable <= max(0, most - used)
    paid = {item.category: item.amount for item in decision.categories}
    assert all(paid.get(limit.category, 0) <= limit.amount for limit in limits.categories)


@given(cases())
@settings(max_examples=100, deadline=None)
def test_the_trace_is_one_chain_from_the_bill_to_what_moves(case: Case) -> None:
    decision = adjudicate(case)
    trace = decision.trace
    assert trace[0].before == str(case.bill.total)
    assert all(former.after == latter.before for former, latter in pairwise(trace))
    assert trace[-1].after == str(decision.transfer - decision.recovery)
    rounding = [step for step in trace if step.rule == "R15"]
    for step in rounding:
        assert abs(Fraction(step.after) - Fraction(step.before)) <= Fraction(1, 2)
        assert Fraction(step.after).denominator == 1
    texts = {text.id for text in DETAILS}
    assert {step.detail for step in trace} <= texts


@given(cases(), st.integers(0, 5), st.integers(0, 1_000_000), st.booleans())
@settings(max_examples=100, deadline=None)
def test_a_larger_bill_never_pays_less(case: Case, index: int, more: int, inside: bool) -> None:
    line = case.bill.lines[index % len(case.bill.lines)]
    assert line.split is not None
    field = "inscp_scp_amt" if inside else "fulamt_ownpay_amt"
    split = change(line.split, "", **{field: getattr(line.split, field) + more})
    larger = change(line, "", amount=line.amount + more, split=split)
    grown = with_lines(case, *(larger if item.id == line.id else item for item in case.bill.lines))
    # An advance may hide what is payable behind a claim that waits; it has no part in what is payable.
    before = adjudicate(change(case, "", advances=0))
    after = adjudicate(change(grown, "", advances=0))
    assert after.payable >= before.payable


@given(cases())
@settings(max_examples=50, deadline=None)
def test_the_same_case_decides_the_same(case: Case) -> None:
    assert encode(adjudicate(case)) == encode(adjudicate(decode(encode(case), Case)))


@given(cases())
@settings(max_examples=50, deadline=None)
def test_settling_twice_moves_nothing_more(case: Case) -> None:
    first = adjudicate(case)
    if first.disposition == "PENDED":
        return
    already = AlreadySettled(first.payable, first.deductible_used, first.categories)
    again = adjudicate(change(case, "", accumulator=first.accumulator, already_settled=already, advances=0))
    assert (again.transfer, again.recovery, again.payable) == (0, 0, first.payable)
    assert change(again.accumulator, "", sequence=0) == change(first.accumulator, "", sequence=0)


def test_every_rule_code_and_category_has_its_words() -> None:
    assert tuple(rule.name.id for rule in RULES) == get_args(RuleId)
    assert {code.id for code in CODES} == set(get_args(Code))
    assert all(text.zh and text.en for text in (*CODES, *DETAILS, *(rule.name for rule in RULES)))
    assert len(get_args(Category)) == 14
