"""R10 to R15: from what is eligible to what is payable, in exact fractions until the one rounding.

Each eligible line is at most two parts, inside and outside the basic insurance's scope; a step scales parts, and the
trace shows their sum. What a part bears of a total is always in proportion to the part:

    R10   what the pool (or basic insurance) paid comes off the parts in scope first, since it pays for nothing else;
          what remains of it, and every other payer's amount, comes off all parts
    R11   the remaining deductible comes off all parts
    R12   each part times its ratio
    R13   the sum times the tiers of the amount before R12, and times the grade's tier
    R14   categories, stay, year, life: each caps what the one before it left
    R15   the sum rounded half up, then split by largest remainders: first over categories, so that none exceeds its
          limit by a unit, then over the lines within each

Nothing here can refuse anything: these are the cuts that arithmetic may make (R19).
"""

from fractions import Fraction

from contracts.adjudication.billing import payments, ratios_of
from contracts.adjudication.case import Case
from contracts.adjudication.decision import Trace
from contracts.adjudication.product import AmountTier, Category
from contracts.adjudication.reasons import Code, RuleId
from contracts.adjudication.screening import Screening
from ledger.execution.contract import Amount, Struct

WHOLE = 10_000
"""100 % as a `Ratio`."""


class Balances(Struct):
    """The accumulator without what this claim itself put into it earlier."""

    deductible_used: Amount
    paid_year: Amount
    paid_life: Amount
    categories: dict[Category, int]


class Benefit(Struct):
    """What the arithmetic gives."""

    lines: tuple[int, ...]
    """Each line's share, in the bill's order; their sum is what is payable."""
    deductible_used: int
    trace: tuple[Trace, ...]

    @property
    def total(self) -> int:
        """What is payable, in minor units."""
        return sum(self.lines)


class Part(Struct):
    """The part of one line that is inside, or outside, the scope of the basic insurance."""

    line: int
    """Its line's place in the bill."""
    category: Category
    in_scope: bool


def calculate(case: Case, screening: Screening, balances: Balances) -> Benefit:
    """Return what the eligible lines entitle to."""
    parts, amounts = _divide(case, screening)
    trace: list[Trace] = []
    _deduct_payments(case, parts, amounts, trace)
    deductible_used = _deduct_deductible(case, amounts, balances, trace)
    compensable = sum(amounts, Fraction(0))
    _apply_ratio(case, parts, amounts, trace)
    _apply_tiers(case, compensable, amounts, trace)
    categories, caps = _apply_limits(case, parts, amounts, balances, trace)
    paid = _round(case, parts, amounts, categories, caps, trace)
    return Benefit(paid, deductible_used, tuple(trace))


def _divide(case: Case, screening: Screening) -> tuple[list[Part], list[Fraction]]:
    parts: list[Part] = []
    amounts: list[Fraction] = []
    for index, line in enumerate(case.bill.lines):
        if screening.lines[index] != "eligible":
            continue
        inside = line.amount if line.split is None else line.split.inscp_scp_amt
        for in_scope, amount in ((True, inside), (False, line.amount - inside)):
            if amount > 0:
                parts.append(Part(index, line.category, in_scope))
                amounts.append(Fraction(amount))
    return parts, amounts


def _note(
    trace: list[Trace],
    rule: RuleId,
    detail: str,
    before: Fraction,
    after: Fraction,
    subject: str = "",
    code: Code | None = None,
) -> None:
    trace.append(Trace(rule, "pass", "go-on", detail, str(before), str(after), code, None, subject, None))


def _take(amounts: list[Fraction], indexes: list[int], cut: Fraction) -> Fraction:
    """Take `cut` off the amounts at `indexes` in proportion to them; return what they could not bear."""
    whole = sum([amounts[index] for index in indexes], Fraction(0))
    taken = min(cut, whole)
    if taken > 0:
        factor = (whole - taken) / whole
        for index in indexes:
            amounts[index] *= factor
    return cut - taken


def _deduct_payments(case: Case, parts: list[Part], amounts: list[Fraction], trace: list[Trace]) -> None:
    everything = list(range(len(parts)))
    in_scope = [index for index in everything if parts[index].in_scope]
    before = sum(amounts, Fraction(0))
    paid = payments(case)
    for payer, amount in paid:
        rest = Fraction(amount)
        if payer in ("pool", "basic"):
            rest = _take(amounts, in_scope, rest)
        _take(amounts, everything, rest)
        after = sum(amounts, Fraction(0))
        _note(trace, "R10", "other-cover", before, after, payer)
        before = after
    if len(paid) == 0:
        _note(trace, "R10", "other-cover", before, before)


def _deduct_deductible(case: Case, amounts: list[Fraction], balances: Balances, trace: list[Trace]) -> int:
    deductible = case.product.deductible
    remaining = deductible.amount
    if deductible.per == "year":
        carried = min(deductible.carry_over_max, case.accumulator.deductible_previous_year)
        remaining = max(0, remaining - balances.deductible_used - carried)
    before = sum(amounts, Fraction(0))
    used = 0
    if deductible.other_payments_consume:
        used = min(remaining, sum([amount for _, amount in payments(case)]))
        if used > 0:
            _note(trace, "R11", "consumed-by-others", before, before)
    rest = _take(amounts, list(range(len(amounts))), Fraction(remaining - used))
    after = sum(amounts, Fraction(0))
    _note(trace, "R11", "deductible", before, after)
    return remaining - int(rest)


def _apply_ratio(case: Case, parts: list[Part], amounts: list[Fraction], trace: list[Trace]) -> None:
    before = sum(amounts, Fraction(0))
    ratios = ratios_of(case)
    for index, part in enumerate(parts):
        amounts[index] *= Fraction(ratios.in_scope if part.in_scope else ratios.out_of_scope, WHOLE)
    _note(trace, "R12", "ratio", before, sum(amounts, Fraction(0)))


def _apply_tiers(case: Case, compensable: Fraction, amounts: list[Fraction], trace: list[Trace]) -> None:
    factor = Fraction(1)
    tiers = case.product.amount_tiers
    if len(tiers) > 0 and compensable > 0:
        factor = _tiered(tiers, compensable) / compensable
    for tier in case.product.grade_tiers:
        if tier.grade == case.stay.hospital_grade:
            factor *= Fraction(tier.ratio, WHOLE)
    before = sum(amounts, Fraction(0))
    for index in range(len(amounts)):
        amounts[index] *= factor
    _note(trace, "R13", "tiers", before, sum(amounts, Fraction(0)))


def _tiered(tiers: tuple[AmountTier, ...], amount: Fraction) -> Fraction:
    """Return the sum over the tiers of the amount's part within each times its ratio."""
    total = Fraction(0)
    for index, tier in enumerate(tiers):
        upper = amount
        if index + 1 < len(tiers):
            upper = min(amount, Fraction(tiers[index + 1].above))
        if upper > tier.above:
            total += (upper - tier.above) * Fraction(tier.ratio, WHOLE)
    return total


def _apply_limits(
    case: Case, parts: list[Part], amounts: list[Fraction], balances: Balances, trace: list[Trace]
) -> tuple[dict[Category, Fraction], dict[Category, Fraction]]:
    """Return each category's sum before the limits, and after them."""
    limits = case.product.limits
    sums: dict[Category, Fraction] = {}
    for index, part in enumerate(parts):
        sums[part.category] = sums.get(part.category, Fraction(0)) + amounts[index]
    capped = dict(sums)
    running = sum(list(sums.values()), Fraction(0))
    start = len(trace)
    for limit in limits.categories:
        cap = limit.amount
        if limit.per == "year":
            cap = max(0, cap - balances.categories.get(limit.category, 0))
        over = capped.get(limit.category, Fraction(0)) - cap
        if over > 0:
            capped[limit.category] = Fraction(cap)
            code: Code = "BENX-005" if limit.per == "year" else "BENX-002"
            _note(trace, "R14", "limit-category", running, running - over, limit.category, code)
            running -= over
    totals: tuple[tuple[str, int | None, int, Code], ...] = (
        ("limit-stay", limits.stay, 0, "BENX-002"),
        ("limit-year", limits.year, balances.paid_year, "BENX-005"),
        ("limit-life", limits.life, balances.paid_life, "BENX-002"),
    )
    for detail, most, used, reason in totals:
        if most is not None and running > max(0, most - used):
            cap = max(0, most - used)
            for category in capped:
                capped[category] *= cap / running
            _note(trace, "R14", detail, running, Fraction(cap), "", reason)
            running = Fraction(cap)
    if len(trace) == start:
        _note(trace, "R14", "holds", running, running)
    return sums, capped


def _round(
    case: Case,
    parts: list[Part],
    amounts: list[Fraction],
    sums: dict[Category, Fraction],
    capped: dict[Category, Fraction],
    trace: list[Trace],
) -> tuple[int, ...]:
    """Return what each line of the bill is paid."""
    exact = sum(list(capped.values()), Fraction(0))
    payable = (2 * exact.numerator + exact.denominator) // (2 * exact.denominator)
    _note(trace, "R15", "rounded", exact, Fraction(payable))
    paid = [0 for _ in case.bill.lines]
    categories = list(capped.keys())
    shares = apportion(payable, [capped[category] for category in categories])
    for place, category in enumerate(categories):
        if shares[place] == 0:
            continue
        scale = capped[category] / sums[category]
        exact_lines: dict[int, Fraction] = {}
        for index, part in enumerate(parts):
            if part.category == category:
                exact_lines[part.line] = exact_lines.get(part.line, Fraction(0)) + amounts[index] * scale
        whole_lines = apportion(shares[place], list(exact_lines.values()))
        for slot, line in enumerate(exact_lines.keys()):
            paid[line] = whole_lines[slot]
    return tuple(paid)


def apportion(total: int, shares: list[Fraction]) -> list[int]:
    """Split `total` into whole units that follow `shares` by largest remainder, earlier shares first on a tie.

    Args:
        total: The sum of `shares`, rounded to a neighbouring whole number.
        shares: Exact amounts, none negative.

    Returns:
        Whole amounts, each its share rounded down or up, that add up to `total`.
    """
    whole = [share.numerator // share.denominator for share in shares]
    order = sorted([(whole[index] - share, index) for index, share in enumerate(shares)])
    for _, index in order[: total - sum(whole)]:
        whole[index] += 1
    return whole
