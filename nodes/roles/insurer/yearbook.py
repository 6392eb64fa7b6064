"""The yearbook: what an insurer's payments of each month add up to, with the blinding, and no payment's own figures.

The chain adds up commitments by month (`contracts.totals`); this adds up what opens them, so that a report can be
proved after the openings of single claims were erased. Register, kind `year-sum`, one page for each

    currency, year, month, first digit of the payment's id        YearPage

so that an entry stays small however many payments a month has. A page holds the sums over its payments, and marks
that say which payments are in them, how often. Sums and marks are one file, replaced at once, so a payment is added
exactly once whatever crashes when: what should be marked follows from the payment on the chain, what is marked is
here, and the difference is added. Nothing is remembered elsewhere, and a page that was lost or restored from an old
copy is right again after a look through the claims whose openings are still there.

A page with one payment tells that payment, whatever became of its claim's own file. So when a claim is erased, the
pages of its months are blended into one for each month, and all pages live until their year is published, and are
erased then. What blending cannot do: a month with one payment tells that payment, and whoever opens all the others of
a month can subtract them.
"""

from typing import Annotated

from msgspec import Meta

from contracts.calendar import Month, civil_month, civil_year
from contracts.identifiers import Currency, PaymentId
from contracts.listings import ClaimView, FindTotal
from contracts.settlements import Payment
from contracts.totals import YearTotal
from ledger.codec import Struct, decode, encode
from ledger.crypto.commitments import GROUP_ORDER
from nodes.agent import ChainView
from nodes.roles.claims.casebook import Casebook
from nodes.vault.register import ENTRY_BYTES_MAX, Register

YEAR_SUM = "year-sum"
SHELVES = "0123456789abcdef"
"""The pages of a month: by the first digit of a payment's id, which is drawn at random."""
BLEND = "blend"
"""The page that a month's others were put together on. One that stands beside it with a payment which is on it too is
a page that a crash left, and does not count."""


class Mark(Struct):
    """That a payment is in a page's sums."""

    payment_id: PaymentId
    times: Annotated[int, Meta(ge=-1, le=1)]
    """1: it counts in this month; -1: its return counts against it."""


class YearPage(Struct):
    """Register, kind `year-sum`."""

    month: Month
    currency: Currency
    amount: int
    """Minor units."""
    blinding: Annotated[bytes, Meta(min_length=32, max_length=32)]
    """A scalar below the group order, little-endian."""
    marks: tuple[Mark, ...]
    """Sorted by payment."""

    def __repr__(self) -> str:
        """Show which, not what."""
        return f"YearPage({self.currency} {self.month.year}-{self.month.month:02}, {len(self.marks)} payments)"


class Yearbook:
    """The pages of one insurer."""

    def __init__(self, insurer: str, view: ChainView, register: Register, casebook: Casebook) -> None:
        """Keep the pages of one insurer.

        Args:
            insurer: Whose payments.
            view: The latest committed state: says which years are published.
            register: Where the pages are.
            casebook: What opens single payments.
        """
        self._insurer = insurer
        self._view = view
        self._register = register
        self._casebook = casebook

    def follow(self, shown: ClaimView) -> None:
        """Take in what the rail has said of a claim's payments; doing it again changes nothing.

        A payment whose opening is gone stays as it is marked; the month then does not open, and a report says so.
        """
        running = civil_year(self._view.time_ms)
        for payment in shown.payments:
            said = {step.place.time_ms for step in payment.steps if step.status in ("paid", "returned")}
            months = {(month.year, month.month): month for month in map(civil_month, sorted(said))}
            currency = shown.settlements[payment.settlement_version - 1].outcome.currency
            for key in sorted(months):
                if months[key].year == running or not self._is_published(currency, months[key].year):
                    self._mark(shown, payment, months[key])

    def blend(self, shown: ClaimView) -> None:
        """Put the pages of each month that a claim's payments count in together; doing it again changes nothing."""
        for payment in shown.payments:
            currency = shown.settlements[payment.settlement_version - 1].outcome.currency
            for month in [*payment.adjusted, *([] if payment.counted is None else [payment.counted])]:
                self._blend(currency, month)

    def drop_published(self) -> None:
        """Erase the pages of years whose report is on the chain."""
        for page_id, data in self._register.list_entries(YEAR_SUM):
            page = _decode(data)
            if self._is_published(page.currency, page.month.year):
                self._register.erase(YEAR_SUM, page_id)

    def open_months(self, currency: str, year: int, first_month: int, last_month: int) -> tuple[int, int]:
        """Return what the months' sum of commitments opens to: amount and blinding."""
        amount, blinding = 0, 0
        for number in range(first_month, last_month + 1):
            for page in self._list_pages(currency, Month(year, number)):
                amount += page.amount
                blinding += int.from_bytes(page.blinding, "little")
        return amount, blinding % GROUP_ORDER

    def _is_published(self, currency: str, year: int) -> bool:
        message = FindTotal(self._insurer, year, currency)
        return self._view.query("registers", "total", message, YearTotal).is_published

    def _blend(self, currency: str, month: Month) -> None:
        pages = self._list_pages(currency, month)
        marks = sorted((mark for page in pages for mark in page.marks), key=lambda mark: mark.payment_id)
        blinding = sum(int.from_bytes(page.blinding, "little") for page in pages) % GROUP_ORDER
        amount = sum(page.amount for page in pages)
        blended = YearPage(month, currency, amount, blinding.to_bytes(32, "little"), tuple(marks))
        if blended.marks and blended != self._page(currency, month, BLEND):
            self._register.put(YEAR_SUM, _page_id(currency, month, BLEND), encode(blended))
        for shelf in SHELVES:
            self._register.erase(YEAR_SUM, _page_id(currency, month, shelf))

    def _list_pages(self, currency: str, month: Month) -> list[YearPage]:
        """Return the pages of a month that count."""
        blended = self._page(currency, month, BLEND)
        pages = [self._page(currency, month, shelf) for shelf in SHELVES]
        return [blended, *(page for page in pages if not _payments(page) & _payments(blended))]

    def _page(self, currency: str, month: Month, shelf: str) -> YearPage:
        """Return a page; an empty one where there is none."""
        data = self._register.get(YEAR_SUM, _page_id(currency, month, shelf))
        return YearPage(month, currency, 0, bytes(32), ()) if data is None else _decode(data)

    def _mark(self, shown: ClaimView, payment: Payment, month: Month) -> None:
        outcome = shown.settlements[payment.settlement_version - 1].outcome
        blended = self._page(outcome.currency, month, BLEND)
        shelf = payment.payment_id.removeprefix("payment-")[0]
        if payment.payment_id in _payments(blended):
            shelf, page = BLEND, blended
        else:
            page = self._page(outcome.currency, month, shelf)
            if _payments(page) & _payments(blended):
                page = YearPage(month, outcome.currency, 0, bytes(32), ())
        page_id = _page_id(outcome.currency, month, shelf)
        marked = {mark.payment_id: mark.times for mark in page.marks}
        wanted = (1 if payment.counted == month else 0) - payment.adjusted.count(month)
        more = wanted - marked.pop(payment.payment_id, 0)
        draft = self._casebook.settled_draft(outcome) if more else None
        if draft is None:
            return
        if wanted:
            marked[payment.payment_id] = wanted
        blinding = int.from_bytes(page.blinding, "little") + more * draft.moves.scalar
        page = YearPage(
            month,
            outcome.currency,
            page.amount + more * draft.moves.amount,
            (blinding % GROUP_ORDER).to_bytes(32, "little"),
            tuple(Mark(payment_id, marked[payment_id]) for payment_id in sorted(marked)),
        )
        self._register.put(YEAR_SUM, page_id, encode(page))


def _payments(page: YearPage) -> set[str]:
    return {mark.payment_id for mark in page.marks}


def _page_id(currency: str, month: Month, shelf: str) -> str:
    return f"{currency}.{month.year}.{month.month:02}.{shelf}"


def _decode(data: bytes) -> YearPage:
    return decode(data, YearPage, ENTRY_BYTES_MAX)
