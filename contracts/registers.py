"""Registers: which claims an insurer has, in which order, and what it paid in a year.

Rules:

    1. Every claim is numbered in its insurer's register, from 0, without a gap: the count is an entry of the state,
       so an auditor can prove it, draw a sample from it, and prove that nothing was left out.
    2. A year's total counts what the rail said was paid in that calendar year at UTC+8, as a sum of commitments: it
       can be opened as a whole without opening a claim. A return takes back what its payment had added.
    3. A claim counts once, in the year of its first payout, until its last payout is returned.
    4. Nobody posts here: the contract `claims` writes as it goes.

    table            key                       value
    register         insurer, number           RegisterRow
    register_heads   insurer                   RegisterHead: the count
    totals           insurer, year             Total
    by_customer      customer, claim id        RegisterRow
    by_hospital      hospital, claim id        RegisterRow
    by_status        written status, claim id  RegisterRow
"""

from contracts.listings import CountClaims, FindTotal, ListClaims
from contracts.payments import civil_year, count_payment, discount_payment
from contracts.settlements import Claim, Payment, RegisterHead, RegisterRow, Total
from ledger.execution.contract import IDENTITY, Contract, Table, query, replace

LIST_ROWS_MAX = 100
"""Rows of one page of a listing."""


class Registers(Contract):
    """Indexes over claims, and totals."""

    name = "registers"
    register = Table("register", RegisterRow)
    register_heads = Table("register_heads", RegisterHead)
    totals = Table("totals", Total)
    by_customer = Table("by_customer", RegisterRow)
    by_hospital = Table("by_hospital", RegisterRow)
    by_status = Table("by_status", RegisterRow)

    @query
    def total(self, message: FindTotal) -> Total:
        """Return what an insurer paid in a calendar year."""
        return self._total(message.insurer, message.year)

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
            rows = self.by_customer.scan(message.value, message.after)
        elif message.by == "insurer":
            rows = self.register.scan(message.value, message.after)
        elif message.by == "hospital":
            rows = self.by_hospital.scan(message.value, message.after)
        else:
            rows = self.by_status.scan(message.value, message.after)
        found: list[str] = []
        for _, row in rows:
            found.append(row.claim_id)
            if len(found) == LIST_ROWS_MAX:
                break
        return found

    def add_paid(self, claim: Claim, payment: Payment) -> tuple[Claim, Payment]:
        """Count a payment that was just paid; return claim and payment with the year they count in."""
        year = civil_year(self.context.time_ms)
        is_first = claim.counted_year is None and payment.direction == "payout"
        total = count_payment(self._total(claim.insurer, year), payment, 1 if is_first else 0)
        self.totals.put((claim.insurer, year), total)
        return (replace(claim, counted_year=year) if is_first else claim), replace(payment, counted_year=year)

    def take_back(self, claim: Claim, payment: Payment, paid: list[Payment]) -> tuple[Claim, Payment]:
        """Take back a payment that was just returned.

        Args:
            claim: The payment's claim.
            payment: The returned payment.
            paid: The claim's payments in force before the return, this one among them.
        """
        assert payment.counted_year is not None, "what was paid was counted"
        payouts = [other for other in paid if other.direction == "payout"]
        is_last = payment.direction == "payout" and len(payouts) == 1
        total = discount_payment(self._total(claim.insurer, payment.counted_year), payment)
        self.totals.put((claim.insurer, payment.counted_year), total)
        payment = replace(payment, counted_year=None)
        if not is_last or claim.counted_year is None:
            return claim, payment
        total = self._total(claim.insurer, claim.counted_year)
        self.totals.put((claim.insurer, claim.counted_year), replace(total, claims=total.claims - 1))
        return replace(claim, counted_year=None), payment

    def _head(self, insurer: str) -> RegisterHead:
        return self.register_heads.get(insurer) or RegisterHead(0)

    def _total(self, insurer: str, year: int) -> Total:
        return self.totals.get((insurer, year)) or Total(0, 0, IDENTITY)
