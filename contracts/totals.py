"""What an insurer paid in a year, by month, and how months are merged before any of it is opened.

An insurer has one row of twelve months for each calendar year at UTC+8 and currency. A month holds how many claims
and payments count in it and the sum of the payments' commitments, so nothing private is on the chain, and the whole
year is one entry that one proof shows.

    a payment     counts in the month in which the rail receipted it, while it is paid
    its return    takes it back from there; if that year's report is published, it counts against the month of the
                  return instead, as an adjustment, so that a published report stays true
    a claim       counts once, in the month of its first payout that still counts; so claims add up over months. What a
                  published report counted makes no claim count again, however often it comes back and is paid again

One total per month would tell what a single claim was paid where a month has few. So months are merged, in order,
until ten claims are together; what is left at the end of the year joins the last group; and a year of fewer than ten
claims has no group: nothing of it is opened. This is the only partition, and it follows from the counts, which
everybody sees. Each of a group's ten claims has a payment that no report published before it counts: so no sum or
difference of published totals is about fewer than ten.

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
    """Claims whose first payout in force counts here."""
    payments: Sequence
    """Payouts and recoveries in force."""
    adjustments: Sequence
    """Returns of payments that a published report counts."""
    paid: Point
    """The sum of the payments' amounts, recoveries negative, less the adjustments'."""


class YearTotal(Struct):
    """Table `totals` of `registers`: what an insurer paid in a calendar year at UTC+8, by the rail's receipts."""

    months: Annotated[tuple[MonthTotal, ...], Meta(min_length=MONTHS, max_length=MONTHS)]
    is_published: bool
    """Whether its report is published: then nothing changes here any more."""


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
    """Return the month of a return with what it takes off a published year."""
    return replace(total, adjustments=total.adjustments + 1, paid=subtract_commitments(total.paid, payment.amount))


def count_claims(total: MonthTotal, claims: int) -> MonthTotal:
    """Return a month with so many more claims."""
    return replace(total, claims=total.claims + claims)


def put_month(total: YearTotal, month: Month, changed: MonthTotal) -> YearTotal:
    """Return a year with one month changed."""
    before, after = total.months[: month.month - 1], total.months[month.month :]
    return replace(total, months=(*before, changed, *after))


def merge_months(months: tuple[MonthTotal, ...]) -> tuple[Group, ...]:
    """Return the groups of a year's months, in order: each of GROUP_CLAIMS_MIN claims or more; none if there are fewer.

    Every month is in exactly one group, unless there is none.
    """
    groups: list[Group] = []
    first = 1
    sums = EMPTY_MONTH
    for number, month in enumerate(months, 1):
        sums = add_months(sums, month)
        if sums.claims >= GROUP_CLAIMS_MIN:
            groups.append(Group(first, number, sums))
            first = number + 1
            sums = EMPTY_MONTH
    if groups and first <= MONTHS:
        last = groups[-1]
        groups = [*groups[:-1], Group(last.first_month, MONTHS, add_months(last.sums, sums))]
    return tuple(groups)


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
