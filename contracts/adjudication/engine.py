"""`adjudicate`: screening, arithmetic, and what moves.

A claim is adjudicated on the stay's current total each time. What an earlier settlement of the same claim decided is
taken out of the balances first, and only the difference moves: a top-up or a recovery (R16). While anything waits
for a person, nothing is taken back, and where nothing is decided nothing moves at all.
"""

from fractions import Fraction

from contracts.adjudication.benefit import Balances, Benefit, calculate
from contracts.adjudication.billing import payments
from contracts.adjudication.case import Accumulator, Case, CategoryPaid
from contracts.adjudication.consistency import check_case
from contracts.adjudication.decision import Decision, Disposition, LineDecision, Reason, Trace
from contracts.adjudication.product import Category
from contracts.adjudication.reasons import RuleId
from contracts.adjudication.screening import Screening, screen
from ledger.execution.contract import replace


def adjudicate(case: Case) -> Decision:
    """Decide a case.

    Returns:
        The decision; the same for the same case, everywhere and always.

    Raises:
        DecodeError: If a field of the case is out of its bounds.
        ContractError: `CASE-MALFORMED`, if its fields contradict each other.
    """
    check_case(case)
    screening = screen(case)
    balances = restore(case)
    if screening.claim == "pended":
        return _pend(case, screening, (), screening.trace[-1].after, "nothing-decided")
    benefit = Benefit(tuple([0 for _ in case.bill.lines]), 0, ())
    trace: list[Trace] = []
    if screening.claim == "refused":
        trace.append(_step("R19", "reviewed", screening.trace[-1].after, "0"))
    else:
        benefit = calculate(case, screening, balances)
        trace.extend(benefit.trace)
    moved = _settle(case, benefit.total, trace)
    waiting = "pended" in screening.lines
    if waiting and (benefit.total == 0 or moved < 0):
        detail = "held" if moved < 0 else "nothing-decided"
        return _pend(case, screening, tuple(trace), str(Fraction(moved)), detail)
    detail = "reviewed" if screening.reviewed else "automatic"
    trace.append(_step("R19", "undisputed" if waiting else detail, str(moved), str(moved)))
    disposition: Disposition = "NONE"
    if waiting:
        disposition = "PARTIAL_PENDED"
    elif benefit.total > 0:
        disposition = "PAY"
    return _decide(case, screening, benefit, balances, moved, disposition, tuple(trace))


def restore(case: Case) -> Balances:
    """Return the balances without what this claim's last settlement put into them."""
    accumulator, earlier = case.accumulator, case.already_settled
    categories: dict[Category, int] = {paid.category: paid.amount for paid in accumulator.paid_categories}
    if earlier is None:
        return Balances(accumulator.deductible_used, accumulator.paid_year, accumulator.paid_life, categories)
    for paid in earlier.categories:
        categories[paid.category] = categories.get(paid.category, 0) - paid.amount
    yearly = case.product.deductible.per == "year"
    return Balances(
        accumulator.deductible_used - (earlier.deductible_used if yearly else 0),
        accumulator.paid_year - earlier.payable,
        accumulator.paid_life - earlier.payable,
        categories,
    )


def _step(rule: RuleId, detail: str, before: str, after: str) -> Trace:
    return Trace(rule, "pass", "go-on", detail, before, after, None, None, "", None)


def _settle(case: Case, payable: int, trace: list[Trace]) -> int:
    """R16: return what moves, below zero for a recovery."""
    moved = payable
    if case.already_settled is not None:
        trace.append(_step("R16", "already-settled", str(moved), str(moved - case.already_settled.payable)))
        moved -= case.already_settled.payable
    if case.advances > 0 or case.already_settled is None:
        trace.append(_step("R16", "advances", str(moved), str(moved - case.advances)))
        moved -= case.advances
    if moved < 0:
        trace.append(replace(_step("R16", "recovery", str(moved), str(moved)), code="PRCE-003"))
    return moved


def _pend(case: Case, screening: Screening, steps: tuple[Trace, ...], before: str, detail: str) -> Decision:
    """Decide nothing: no line is paid, the balances stay, a person has the reasons."""
    trace = (*screening.trace, *steps, _step("R19", detail, before, "0"))
    lines = tuple(
        LineDecision(line.id, line.amount, "refused" if screening.lines[index] == "refused" else "pended", 0)
        for index, line in enumerate(case.bill.lines)
    )
    return Decision(
        disposition="PENDED",
        currency=case.product.currency,
        payable=0,
        transfer=0,
        recovery=0,
        pended=_sum_of(lines, "pended"),
        customer_bears=_remainder(case, 0),
        deductible_used=0,
        categories=(),
        accumulator=case.accumulator,
        lines=lines,
        reasons=_reasons(screening, trace),
        trace=trace,
    )


def _decide(
    case: Case,
    screening: Screening,
    benefit: Benefit,
    balances: Balances,
    moved: int,
    disposition: Disposition,
    steps: tuple[Trace, ...],
) -> Decision:
    lines = tuple(
        LineDecision(line.id, line.amount, screening.lines[index], benefit.lines[index])
        for index, line in enumerate(case.bill.lines)
    )
    paid: dict[Category, int] = {}
    for index, line in enumerate(case.bill.lines):
        if benefit.lines[index] > 0:
            paid[line.category] = paid.get(line.category, 0) + benefit.lines[index]
    trace = (*screening.trace, *steps)
    return Decision(
        disposition=disposition,
        currency=case.product.currency,
        payable=benefit.total,
        transfer=max(0, moved),
        recovery=max(0, -moved),
        pended=_sum_of(lines, "pended"),
        customer_bears=_remainder(case, benefit.total),
        deductible_used=benefit.deductible_used,
        categories=_listed(paid),
        accumulator=_accumulate(case, balances, benefit, paid),
        lines=lines,
        reasons=_reasons(screening, trace),
        trace=trace,
    )


def _accumulate(case: Case, balances: Balances, benefit: Benefit, paid: dict[Category, int]) -> Accumulator:
    opening = case.accumulator
    yearly = case.product.deductible.per == "year"
    categories = dict(balances.categories)
    for category, amount in paid.items():
        categories[category] = categories.get(category, 0) + amount
    return Accumulator(
        opening.sequence + 1,
        balances.deductible_used + (benefit.deductible_used if yearly else 0),
        opening.deductible_previous_year,
        balances.paid_year + benefit.total,
        balances.paid_life + benefit.total,
        _listed(categories),
    )


def _listed(amounts: dict[Category, int]) -> tuple[CategoryPaid, ...]:
    return tuple(CategoryPaid(category, amounts[category]) for category in sorted(amounts) if amounts[category] > 0)


def _sum_of(lines: tuple[LineDecision, ...], status: str) -> int:
    return sum(line.amount for line in lines if line.status == status)


def _remainder(case: Case, payable: int) -> int:
    """Return what neither the product nor another payer has paid of the bill."""
    return max(0, case.bill.total - sum(amount for _, amount in payments(case)) - payable)


def _reasons(screening: Screening, trace: tuple[Trace, ...]) -> tuple[Reason, ...]:
    """Return the screening's reasons, then those of limits and recoveries."""
    cuts = tuple(
        Reason(step.rule, step.code, step.action, step.detail, None, step.subject)
        for step in trace[len(screening.trace) :]
        if step.code is not None
    )
    return screening.reasons + cuts
