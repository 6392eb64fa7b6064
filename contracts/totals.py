"""What an insurer paid in a year, by month, and how months are merged before any of it is opened.

An insurer has one row of twelve months for each calendar year at UTC+8 and currency. A month holds how many claims
and payments count in it and the sum of the payments' commitments, so nothing private is on the chain, and the whole
year is one entry that one proof shows.

    a payment     counts in the month in which the rail receipted it
    its return    within that month takes it back from there; later, it counts against the month of the return instead,
                  as an adjustment: so a month that is over never changes
    a claim       counts once, in the month of its first payout; so claims add up over months. What came back and is
                  paid again in a later month makes no claim count again

One total per month would tell what a single claim was paid where a month has few. So months are merged, in order,
until ten claims are together, less one for each adjustment, which may take away the one payment of a claim; what is
left at the end of the year joins the last group; a last group that adjustments have brought below ten joins the one
before; and a year that has not ten in this way has no group: nothing of it is opened. This is the only partition, and
it follows from the counts, which everybody sees. Ten of a group's claims have a payment that neither a group before nor
a return within it has: so no sum or difference of published totals is about fewer than ten.

Which months stand together is settled as they end: later ones may join them, and never part them. So an insurer can put
what opens them together long before it publishes.

These are functions of what they are given; the contracts `registers` and `reports` read the tables.
"""

from typing import Annotated

from contracts.calendar import MONTHS, Month, MonthNumber, Year
from contracts.identifiers import Currency
from contracts.settlements import Payment, Sequence
from ledger.execution.contract import (
    IDENTITY,
    ChainId,
    Meta,
    Name,
    Point,
    Struct,
    add_commitments,
    encode,
    replace,
    subtract_commitments,
)

GROUP_CLAIMS_MIN = 10
"""Claims that a total is opened over, at least."""


class MonthTotal(Struct):
    """What counts in one month."""

    claims: Sequence
    """Claims whose first payout counts here."""
    payments: Sequence
    """Payouts and recoveries that did not come back within the month."""
    adjustments: Sequence
    """Returns of payments that an earlier month counts."""
    paid: Point
    """The sum of the payments' amounts, recoveries negative, less the adjustments'."""


class YearTotal(Struct):
    """Table `totals` of `registers`: what an insurer paid in a calendar year at UTC+8, by the rail's receipts."""

    months: Annotated[tuple[MonthTotal, ...], Meta(min_length=MONTHS, max_length=MONTHS)]
    is_published: bool
    """Whether its report is published: it is once."""


class YearHead(Struct):
    """Table `years` of `registers`: the currencies in which an insurer's year has totals."""

    currencies: tuple[Currency, ...]
    """Sorted."""


class Group(Struct):
    """Months whose total is opened as one."""

    first_month: MonthNumber
    last_month: MonthNumber
    sums: MonthTotal


class Disclosure(Struct):
    """What the proof of a group's total is bound to, beside the group's commitment and the total itself."""

    chain_id: ChainId
    insurer: Name
    year: Year
    currency: Currency
    group: Group


EMPTY_MONTH = MonthTotal(0, 0, 0, IDENTITY)
EMPTY_YEAR = YearTotal((EMPTY_MONTH,) * MONTHS, is_published=False)


def count_payment(total: MonthTotal, payment: Payment) -> MonthTotal:
    """Return a month with a payment that was just paid."""
    return replace(total, payments=total.payments + 1, paid=add_commitments(total.paid, payment.amount))


def discount_payment(total: MonthTotal, payment: Payment) -> MonthTotal:
    """Return a payment's month without it."""
    return replace(total, payments=total.payments - 1, paid=subtract_commitments(total.paid, payment.amount))


def adjust_payment(total: MonthTotal, payment: Payment) -> MonthTotal:
    """Return the month of a return with what it takes off an earlier one."""
    return replace(total, adjustments=total.adjustments + 1, paid=subtract_commitments(total.paid, payment.amount))


def count_claims(total: MonthTotal, claims: int) -> MonthTotal:
    """Return a month with so many more claims."""
    return replace(total, claims=total.claims + claims)


def put_month(total: YearTotal, month: Month, changed: MonthTotal) -> YearTotal:
    """Return a year with one month changed."""
    before, after = total.months[: month.month - 1], total.months[month.month :]
    return replace(total, months=(*before, changed, *after))


def close_groups(months: tuple[MonthTotal, ...]) -> tuple[tuple[Group, ...], Group | None]:
    """Return the groups that a year's first months make, in order, and what is left after the last one.

    Args:
        months: The year's first months, all of them over: further ones add groups and change none of these.
    """
    groups: list[Group] = []
    first = 1
    sums = EMPTY_MONTH
    for number, month in enumerate(months, 1):
        sums = add_months(sums, month)
        if is_enough(sums):
            groups.append(Group(first, number, sums))
            first = number + 1
            sums = EMPTY_MONTH
    return tuple(groups), (Group(first, len(months), sums) if first <= len(months) else None)


def merge_months(months: tuple[MonthTotal, ...]) -> tuple[Group, ...]:
    """Return the groups of a year's months, in order: each has enough claims; none if the year has not.

    Every month is in exactly one group, unless there is none.
    """
    groups, left = close_groups(months)
    if groups and left is not None:
        groups = (*groups[:-1], join_groups(groups[-1], left))
    while len(groups) > 1 and not is_enough(groups[-1].sums):
        groups = (*groups[:-2], join_groups(groups[-2], groups[-1]))
    return groups if groups and is_enough(groups[-1].sums) else ()


def is_enough(sums: MonthTotal) -> bool:
    """Whether months have GROUP_CLAIMS_MIN claims with a payment that nothing in them takes away."""
    return sums.claims - sums.adjustments >= GROUP_CLAIMS_MIN


def join_groups(first: Group, second: Group) -> Group:
    """Return a group and the one after it as one."""
    return Group(first.first_month, second.last_month, add_months(first.sums, second.sums))


def add_months(first: MonthTotal, second: MonthTotal) -> MonthTotal:
    """Return two months as one."""
    return MonthTotal(
        first.claims + second.claims,
        first.payments + second.payments,
        first.adjustments + second.adjustments,
        add_commitments(first.paid, second.paid),
    )


def sum_year(total: YearTotal) -> MonthTotal:
    """Return a year's months as one."""
    sums = EMPTY_MONTH
    for month in total.months:
        sums = add_months(sums, month)
    return sums


def disclosure_context(chain_id: str, insurer: str, year: int, currency: str, group: Group) -> bytes:
    """Return what `prove_total` and `verify_total` take as the context of a group's total."""
    return encode(Disclosure(chain_id, insurer, year, currency, group))
