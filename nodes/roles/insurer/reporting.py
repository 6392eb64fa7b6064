"""An insurer's yearly report as it goes to the chain: one total with its proof for each group of the fixed partition.

Everything follows from the chain's counts and the yearbook, so nothing is kept: a report that did not reach the chain
is made again, with fresh proofs. The chain takes the first.
"""

from contracts.calendar import civil_year
from contracts.listings import FindTotal, FindYear
from contracts.reports import Publish, StatedTotal
from contracts.totals import Group, YearHead, YearTotal, disclosure_context, merge_months
from ledger.crypto.totals import prove_total
from ledger.errors import VerificationError
from nodes.agent import Call, ChainView
from nodes.entropy import Entropy
from nodes.roles.insurer.inquiries import InsurerError
from nodes.roles.insurer.yearbook import Yearbook


class Reporting:
    """Makes one insurer's reports."""

    def __init__(self, insurer: str, view: ChainView, yearbook: Yearbook, entropy: Entropy) -> None:
        """Make reports of `insurer`.

        Args:
            insurer: Whose.
            view: The latest committed state.
            yearbook: Opens the months.
            entropy: For the proofs.
        """
        self._insurer = insurer
        self._view = view
        self._yearbook = yearbook
        self._entropy = entropy

    def draft(self, year: int, now_ms: int) -> list[Call]:
        """Return what publishes a year: one call for each currency that is not published yet.

        Raises:
            InsurerError: If the year is not over, nothing was paid in it, all of it is published, or what opens a
                group is not in the books.
        """
        running = civil_year(max(now_ms, self._view.time_ms))
        if year >= running:
            msg = (
                f"year: {year} is not over; a report is published once, and the first day for it is 1 January "
                f"{year + 1} at UTC+8"
            )
            raise InsurerError(msg)
        head = self._view.query("registers", "year", FindYear(self._insurer, year), YearHead)
        if not head.currencies:
            msg = f"year: nothing was paid in {year}, there is nothing to report"
            raise InsurerError(msg)
        totals = {
            currency: self._view.query("registers", "total", FindTotal(self._insurer, year, currency), YearTotal)
            for currency in head.currencies
        }
        due = [currency for currency, total in totals.items() if not total.is_published]
        if not due:
            msg = f"year: the report of {year} is published already; see it with `xinpei report show`"
            raise InsurerError(msg)
        return [Call("reports", "publish", self._make(year, currency, totals[currency])) for currency in due]

    def _make(self, year: int, currency: str, total: YearTotal) -> Publish:
        groups = merge_months(total.months)
        return Publish(year, currency, tuple(self._state(year, currency, group) for group in groups))

    def _state(self, year: int, currency: str, group: Group) -> StatedTotal:
        amount, blinding = self._yearbook.open_months(currency, year, group.first_month, group.last_month)
        context = disclosure_context(self._view.chain_id, self._insurer, year, currency, group)
        try:
            proof = prove_total(group.sums.paid, amount, blinding, context, self._entropy.draw(64))
        except VerificationError:
            msg = (
                f"year: the books do not open {currency} {year}-{group.first_month:02} to {year}-"
                f"{group.last_month:02}: what opened a payment of these months was lost before it was added up"
            )
            raise InsurerError(msg) from None
        return StatedTotal(amount, proof)
