"""R10 before arithmetic: bills that balance and bills that do not; the facts that ratios need."""

import pytest

from contracts.adjudication.case import Case, OtherPayment, Settlement, Split
from contracts.adjudication.engine import adjudicate
from contracts.adjudication.product import GradeTier, ScopeRatios, UnknownAction
from tests.contracts.adjudication.plain_case import (
    LINES,
    PLAIN,
    change,
    codes,
    outcome,
    steps,
    with_lines,
    with_unknown,
)

SETTLEMENT = Settlement(
    medfee_sumamt=1_000_000,
    fulamt_ownpay_amt=100_000,
    overlmt_selfpay=50_000,
    preselfpay_amt=50_000,
    inscp_scp_amt=800_000,
    act_pay_dedc=60_000,
    hifp_pay=300_000,
    cvlserv_pay=40_000,
    hifes_pay=30_000,
    hifmi_pay=20_000,
    hifob_pay=5_000,
    maf_pay=4_000,
    oth_pay=1_000,
    fund_pay_sumamt=400_000,
    psn_part_amt=590_000,
    acct_pay=90_000,
    acct_mulaid_pay=100_000,
    psn_cash_pay=400_000,
    hosp_part_amt=10_000,
)
SPLITS = (Split(0, 0, 0, 200_000), Split(100_000, 0, 50_000, 350_000), Split(0, 50_000, 0, 250_000))


def settled(settlement: Settlement = SETTLEMENT) -> Case:
    lines = tuple(change(line, "", split=split) for line, split in zip(LINES, SPLITS, strict=True))
    return change(with_lines(PLAIN, *lines), "bill", settlement=settlement)


def test_a_bill_that_balances_is_paid_less_what_fund_and_hospital_bore() -> None:
    decision = adjudicate(settled())
    assert (decision.disposition, decision.payable) == ("PAY", 590_000)  # account and cash are her own money
    assert [(step.subject, step.before, step.after) for step in steps(decision, "R10")[1:]] == [
        ("pool", "1000000", "600000"),
        ("hospital", "600000", "590000"),
    ]


@pytest.mark.parametrize(
    ("field", "details"),
    [
        ("fulamt_ownpay_amt", ["medfee-parts", "split-total"]),
        ("overlmt_selfpay", ["medfee-parts", "split-total"]),
        ("preselfpay_amt", ["medfee-parts", "split-total"]),
        ("inscp_scp_amt", ["medfee-parts", "split-total"]),
        ("medfee_sumamt", ["medfee-bill", "medfee-parts", "medfee-payers"]),
        ("hifp_pay", ["fund-parts"]),
        ("cvlserv_pay", ["fund-parts"]),
        ("hifes_pay", ["fund-parts"]),
        ("hifmi_pay", ["fund-parts"]),
        ("hifob_pay", ["fund-parts"]),
        ("maf_pay", ["fund-parts"]),
        ("oth_pay", ["fund-parts"]),
        ("fund_pay_sumamt", ["fund-parts", "medfee-payers"]),
        ("psn_part_amt", ["medfee-payers", "person-parts"]),
        ("hosp_part_amt", ["medfee-payers"]),
        ("acct_pay", ["person-parts"]),
        ("acct_mulaid_pay", ["person-parts"]),
        ("psn_cash_pay", ["person-parts"]),
    ],
)
def test_a_settlement_list_off_by_one_fen_pends_with_the_difference(field: str, details: list[str]) -> None:
    decision = adjudicate(settled(change(SETTLEMENT, "", **{field: getattr(SETTLEMENT, field) + 1})))
    assert (decision.disposition, decision.payable, decision.transfer) == ("PENDED", 0, 0)
    assert [(step.detail, step.code, step.amount) for step in steps(decision, "R10")] == [
        (detail, "PRCE-001", 1) for detail in details
    ]


def test_lines_that_do_not_add_up_pend_with_the_difference() -> None:
    decision = adjudicate(change(PLAIN, "bill", total=1_000_700))
    assert (decision.disposition, codes(decision)) == ("PENDED", ["PRCE-001"])
    assert steps(decision, "R10")[0].amount == 700


def test_a_line_whose_parts_do_not_add_up_pends_the_bill() -> None:
    decision = adjudicate(with_lines(PLAIN, change(LINES[0], "", split=Split(0, 0, 0, 199_999)), *LINES[1:]))
    assert (decision.disposition, steps(decision, "R10")[0].subject) == ("PENDED", "bed")


def test_a_bill_in_another_currency_pends() -> None:
    decision = adjudicate(change(PLAIN, "bill", currency="HKD"))
    assert (decision.disposition, codes(decision), decision.payable) == ("PENDED", ["PRCE-001"], 0)


def test_basic_insurance_stated_twice_counts_once_or_pends() -> None:
    same = change(settled(), "", other_payments=(OtherPayment("basic", 400_000),))
    assert adjudicate(same).payable == 590_000
    other = adjudicate(change(same, "", other_payments=(OtherPayment("basic", 399_000),)))
    assert (other.disposition, steps(other, "R10")[0].amount) == ("PENDED", 1_000)


def test_payers_who_paid_more_than_the_cost_pend() -> None:
    decision = adjudicate(change(PLAIN, "", other_payments=(OtherPayment("insurer", 1_000_001),)))
    assert (decision.disposition, steps(decision, "R10")[0].detail) == ("PENDED", "over-cost")
    assert decision.customer_bears == 0


def test_payers_who_paid_the_whole_cost_leave_nothing() -> None:
    decision = adjudicate(change(PLAIN, "", other_payments=(OtherPayment("insurer", 1_000_000),)))
    assert (decision.disposition, decision.payable, decision.reasons) == ("NONE", 0, ())


def with_scope_ratios() -> Case:
    return change(PLAIN, "product.ratios", basic_used=ScopeRatios(10_000, 5_000))


@pytest.mark.parametrize(("action", "payable"), [("ask", 0), ("assume", 1_000_000), ("pend", 0)])
def test_a_line_of_unknown_scope_matters_only_where_ratios_differ(action: UnknownAction, payable: int) -> None:
    assert adjudicate(PLAIN).payable == 1_000_000
    decision = adjudicate(with_unknown(with_scope_ratios(), "R12", action))
    assert decision.payable == payable
    assert [step.subject for step in steps(decision, "R12")[:3]] == ["line.split"] * 3


@pytest.mark.parametrize(("action", "disposition"), [("ask", "PENDED"), ("assume", "PAY"), ("pend", "PENDED")])
def test_an_unknown_use_of_basic_insurance_matters_only_where_ratios_differ(
    action: UnknownAction, disposition: str
) -> None:
    case = change(PLAIN, "stay", basic_insurance=None)
    assert adjudicate(case).disposition == "PAY"
    case = change(case, "product.ratios", basic_unused=ScopeRatios(6_000, 6_000))
    assert outcome(with_unknown(case, "R12", action), "R12")[:2] == (disposition, "unknown")


@pytest.mark.parametrize(("action", "disposition"), [("ask", "PENDED"), ("assume", "PAY"), ("pend", "PENDED")])
def test_an_unknown_grade_matters_only_where_the_ratio_depends_on_it(action: UnknownAction, disposition: str) -> None:
    case = change(change(PLAIN, "", hospital="clinic-near"), "consent", hospital="clinic-near")
    case = change(case, "stay", hospital_grade=None)
    assert adjudicate(case).disposition == "PAY"
    case = change(case, "product", grade_tiers=(GradeTier(3, 8_000),))
    assert outcome(with_unknown(case, "R13", action), "R13")[:2] == (disposition, "unknown")
