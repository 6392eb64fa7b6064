"""R10, R12 and R13 before any arithmetic: does the bill balance, and are the facts there that money depends on?

The equations are our reading of the settlement list's fields, so a bill that breaks one is not false: it is pended
with the difference, for a person to find out which side is wrong.
"""

from contracts.adjudication.case import Bill, Case, Settlement
from contracts.adjudication.findings import Finding, Findings, failed, missing, on_line, or_passed
from contracts.adjudication.product import Ratios, ScopeRatios
from contracts.adjudication.reasons import Code

UNBALANCED: Code = "PRCE-001"


def check_bill(case: Case) -> Findings:
    """R10, first half: one currency, lines that add up, a settlement list whose equations hold, and no payer twice."""
    bill = case.bill
    if bill.currency != case.product.currency:
        return (failed("R10", "foreign-currency", UNBALANCED, bill.currency),)
    findings: list[Finding] = []
    _compare(findings, "lines-total", sum(line.amount for line in bill.lines), bill.total)
    for line in bill.lines:
        if line.split is not None:
            parts = line.split.fulamt_ownpay_amt + line.split.overlmt_selfpay
            parts += line.split.preselfpay_amt + line.split.inscp_scp_amt
            _compare(findings, "line-split", parts, line.amount, line.id)
    settlement = bill.settlement
    if settlement is not None:
        _compare(findings, "medfee-bill", settlement.medfee_sumamt, bill.total)
        _check_equations(findings, settlement)
        _check_splits(findings, bill, settlement)
        for payment in case.other_payments:
            if payment.payer == "basic":
                _compare(findings, "basic-twice", payment.amount, settlement.fund_pay_sumamt, "basic")
    paid = sum(amount for _, amount in payments(case))
    if paid > bill.total:
        findings.append(failed("R10", "over-cost", UNBALANCED, amount=min(paid - bill.total, bill.total)))
    return or_passed("R10", findings)


def _check_equations(findings: list[Finding], settlement: Settlement) -> None:
    s = settlement
    _compare(
        findings,
        "medfee-parts",
        s.fulamt_ownpay_amt + s.overlmt_selfpay + s.preselfpay_amt + s.inscp_scp_amt,
        s.medfee_sumamt,
    )
    _compare(
        findings,
        "fund-parts",
        s.hifp_pay + s.cvlserv_pay + s.hifes_pay + s.hifmi_pay + s.hifob_pay + s.maf_pay + s.oth_pay,
        s.fund_pay_sumamt,
    )
    _compare(findings, "medfee-payers", s.fund_pay_sumamt + s.psn_part_amt + s.hosp_part_amt, s.medfee_sumamt)
    _compare(findings, "person-parts", s.acct_pay + s.acct_mulaid_pay + s.psn_cash_pay, s.psn_part_amt)


def _check_splits(findings: list[Finding], bill: Bill, settlement: Settlement) -> None:
    own_pay, over_limit, first_self_pay, in_scope = 0, 0, 0, 0
    for line in bill.lines:
        if line.split is None:
            return
        own_pay += line.split.fulamt_ownpay_amt
        over_limit += line.split.overlmt_selfpay
        first_self_pay += line.split.preselfpay_amt
        in_scope += line.split.inscp_scp_amt
    _compare(findings, "split-total", own_pay, settlement.fulamt_ownpay_amt, "fulamt_ownpay_amt")
    _compare(findings, "split-total", over_limit, settlement.overlmt_selfpay, "overlmt_selfpay")
    _compare(findings, "split-total", first_self_pay, settlement.preselfpay_amt, "preselfpay_amt")
    _compare(findings, "split-total", in_scope, settlement.inscp_scp_amt, "inscp_scp_amt")


def _compare(findings: list[Finding], detail: str, left: int, right: int, subject: str = "") -> None:
    if left != right:
        findings.append(failed("R10", detail, UNBALANCED, subject, abs(left - right)))


def payments(case: Case) -> list[tuple[str, int]]:
    """Return who else paid how much, in the order in which it is deducted; the keys are those of `PAYERS`.

    The customer's own account and cash are her money and not here. What a settlement list's fund paid and a separate
    statement of the basic insurance are one payment.
    """
    paid: list[tuple[str, int]] = []
    settlement = case.bill.settlement
    if settlement is not None:
        paid.append(("pool", settlement.fund_pay_sumamt))
        paid.append(("hospital", settlement.hosp_part_amt))
    paid.extend(
        (payment.payer, payment.amount)
        for payment in case.other_payments
        if settlement is None or payment.payer != "basic"
    )
    return [(payer, amount) for payer, amount in paid if amount > 0]


def check_ratio_facts(case: Case) -> Findings:
    """R12, first half: what the basic insurance did, and which part of each line is in its scope, if that matters."""
    ratios = case.product.ratios
    findings: list[Finding] = []
    if case.stay.basic_insurance is None and not _same_for_all(ratios):
        findings.append(missing("R12", "stay.basic_insurance", "AUTH-012"))
    scope = ratios_of(case)
    if scope.in_scope != scope.out_of_scope:
        unsplit = missing("R12", "line.split", "AUTH-012")
        findings.extend(on_line(unsplit, line.id) for line in case.bill.lines if line.split is None)
    return tuple(findings)


def _same_for_all(ratios: Ratios) -> bool:
    return ratios.basic_used == ratios.basic_unused == ratios.uninsured


def ratios_of(case: Case) -> ScopeRatios:
    """Return the ratios that apply; where the fact is missing and assumed, those of a stay with basic insurance."""
    if case.stay.basic_insurance == "unused":
        return case.product.ratios.basic_unused
    if case.stay.basic_insurance == "uninsured":
        return case.product.ratios.uninsured
    return case.product.ratios.basic_used


def check_tier_facts(case: Case) -> Findings:
    """R13, first half: the hospital's grade, if a ratio depends on it."""
    if len(case.product.grade_tiers) > 0 and case.stay.hospital_grade is None:
        return (missing("R13", "stay.hospital_grade", "AUTH-012"),)
    return ()
