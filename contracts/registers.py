"""Registers: which claims an insurer has, in which order, and what it paid in a year.

Rules:

    1. Every claim is numbered in its insurer's register, from 0, without a gap: the count is an entry of the state,
       so an auditor can prove it, draw a sample from it, and prove that nothing was left out.
    2. A month's total counts what the rail said was paid in that calendar month at UTC+8 (of a removed rail: what its
       insurer states), as a sum of commitments: it is opened as a whole without opening a claim. A return within the
       month takes back what its payment had added; a later one counts against the month in which it comes back. So a
       month that is over never changes.
    3. A claim counts once, in the month of its first payout. If all payouts of that month come back within it, it
       counts in the month of its next one; else it stays counted there and nowhere else.
    4. Nobody posts here: the contracts `claims` and `reports` write as they go.

    table            key                       value
    register         insurer, number           RegisterRow
    register_heads   insurer                   RegisterHead: the count
    years            insurer, year             YearHead: the currencies paid in
    totals           insurer, year, currency   YearTotal: its months
    by_customer      customer, claim id        RegisterRow
    by_hospital      hospital, claim id        RegisterRow
    by_status        written status, claim id  RegisterRow
"""

from contracts.calendar import Month, civil_month
from contracts.listings import CountClaims, FindTotal, FindYear, ListClaims
from contracts.settlements import Claim, Payment, RegisterHead, RegisterRow
from contracts.totals import (
    EMPTY_YEAR,
    MonthTotal,
    YearHead,
    YearTotal,
    adjust_payment,
    count_claims,
    count_payment,
    discount_payment,
    put_month,
)
from ledger.execution.contract import Contract, Table, query, reject, replace

LIST_ROWS_MAX = 100
"""Rows of one page of a listing."""


class Registers(Contract):
    """Indexes over claims, and totals."""

    name = "registers"
    register = Table("register", RegisterRow)
    register_heads = Table("register_heads", RegisterHead)
    years = Table("years", YearHead)
    totals = Table("totals", YearTotal)
    by_customer = Table("by_customer", RegisterRow)
    by_hospital = Table("by_hospital", RegisterRow)
    by_status = Table("by_status", RegisterRow)

    @query
    def year(self, message: FindYear) -> YearHead:
        """Return in which currencies an insurer paid in a calendar year."""
        return self._year(message.insurer, message.year)

    @query
    def total(self, message: FindTotal) -> YearTotal:
        """Return what an insurer paid in a calendar year and currency."""
        return self._total(message.insurer, message.year, message.currency)

    @query
    def count(self, message: CountClaims) -> RegisterHead:
        """Return how many claims an insurer's register has."""
        return self._head(message.insurer)

    def enter(self, claim_id: str, customer: str, hospital: str, insurer: str) -> int:
        """Enter a new claim and return its number in the insurer's register."""
        head = self._head(insurer)
        row = RegisterRow(claim_id)
        self.register.put((insurer, head.count), row)
        self.register_heads.put(insurer, RegisterHead(head.count + 1))
        self.by_customer.put((customer, claim_id), row)
        self.by_hospital.put((hospital, claim_id), row)
        return head.count

    def move(self, claim_id: str, former: str, status: str) -> None:
        """List a claim under its status, and no longer under the former one."""
        if former != status:
            self.by_status.delete((former, claim_id))
        self.by_status.put((status, claim_id), RegisterRow(claim_id))

    def page(self, message: ListClaims) -> list[str]:
        """Return the claim ids of one page of a listing."""
        if message.by == "customer":
            rows = self.by_customer.scan(message.value, message.after, LIST_ROWS_MAX)
        elif message.by == "insurer":
            rows = self.register.scan(message.value, message.after, LIST_ROWS_MAX)
        elif message.by == "hospital":
            rows = self.by_hospital.scan(message.value, message.after, LIST_ROWS_MAX)
        else:
            rows = self.by_status.scan(message.value, message.after, LIST_ROWS_MAX)
        return [row.claim_id for _, row in rows]

    def add_paid(self, claim: Claim, payment: Payment, currency: str) -> tuple[Claim, Payment]:
        """Count a payment that was just paid; return claim and payment with the month they count in."""
        month = civil_month(self.context.time_ms)
        is_first = claim.counted is None and payment.direction == "payout"
        total = count_claims(self._month(claim.insurer, month, currency), 1 if is_first else 0)
        self._put_month(claim.insurer, month, currency, count_payment(total, payment))
        counted = replace(payment, counted=(*payment.counted, month))
        return (replace(claim, counted=month) if is_first else claim), counted

    def take_back(self, claim: Claim, payment: Payment, currency: str, paid: list[Payment]) -> tuple[Claim, Payment]:
        """Take back a payment that was just returned: from this month if it was paid in it, else against this month.

        Args:
            claim: The payment's claim.
            payment: The returned payment.
            currency: Of its settlement.
            paid: The claim's payments in force before the return, this one among them.
        """
        month = civil_month(self.context.time_ms)
        assert payment.counted, "what was paid was counted"
        total = self._month(claim.insurer, month, currency)
        if payment.counted[-1] != month:
            self._put_month(claim.insurer, month, currency, adjust_payment(total, payment))
            return claim, replace(payment, adjusted=(*payment.adjusted, month))
        total = discount_payment(total, payment)
        others = [
            other.payment_id
            for other in paid
            if other.payment_id != payment.payment_id and other.direction == "payout" and month in other.counted
        ]
        if claim.counted == month and not others:
            total = count_claims(total, -1)
            claim = replace(claim, counted=None)
        self._put_month(claim.insurer, month, currency, total)
        return claim, replace(payment, counted=payment.counted[:-1])

    def close_year(self, insurer: str, year: int, currency: str) -> YearTotal:
        """Let a year's totals stand as they are from now on, and return them; reject a year that has none."""
        total = self.totals.get((insurer, year, currency))
        if total is None:
            reject("NOTHING_PAID", f"{insurer}: nothing was paid in {year} in {currency}")
        self.totals.put((insurer, year, currency), replace(total, is_published=True))
        return total

    def _head(self, insurer: str) -> RegisterHead:
        return self.register_heads.get(insurer) or RegisterHead(0)

    def _year(self, insurer: str, year: int) -> YearHead:
        return self.years.get((insurer, year)) or YearHead(())

    def _total(self, insurer: str, year: int, currency: str) -> YearTotal:
        return self.totals.get((insurer, year, currency)) or EMPTY_YEAR

    def _month(self, insurer: str, month: Month, currency: str) -> MonthTotal:
        return self._total(insurer, month.year, currency).months[month.month - 1]

    def _put_month(self, insurer: str, month: Month, currency: str, changed: MonthTotal) -> None:
        total = self._total(insurer, month.year, currency)
        assert not total.is_published, "a published year does not change"
        head = self._year(insurer, month.year)
        if currency not in head.currencies:
            currencies = tuple(sorted((*head.currencies, currency)))
            self.years.put((insurer, month.year), YearHead(currencies))
        self.totals.put((insurer, month.year, currency), put_month(total, month, changed))
