"""The yearbook: what an insurer's payments of each month add up to, with the blinding, and no payment's own figures.

The chain adds up commitments by month (`contracts.totals`); this adds up what opens them, so that a report can be
proved after the openings of single claims were erased. Register, kind `year-sum`, one page for each

    currency, year, month, first digit of the payment's id        YearPage
    currency, year, first month of a stretch, `blend`             YearPage over several months

so that an entry stays small however many payments a month has. A page holds the sums over its payments, and marks
that say which payments are in them, how often. Sums and marks are one file, replaced at once, so a payment is added
exactly once whatever crashes when: what should be marked follows from the payment on the chain, what is marked is
here, and the difference is added. Nothing is remembered elsewhere, and a page that was lost or restored from an old
copy is right again after a look through the claims whose openings are still there.

A page with one payment tells that payment, whatever became of its claim's own file. So when a claim is erased, the
pages of its stretch are blended into one: of all months that the chain's counts will open together, as far as is
settled by now. A blend of fewer than ten payments takes in what comes, until it has ten; and once the year is over and
the claim is looked at again, at the next start at the latest, what is left joins the group before. All pages live until
their year is published, and are erased then.

What blending cannot do: as long as nothing else was paid in the stretch, its sum is the one payment; and whoever opens
all the others can subtract them.
"""

from typing import Annotated

from msgspec import Meta

from contracts.calendar import MONTHS, Month, MonthNumber, civil_month
from contracts.identifiers import Currency, PaymentId
from contracts.listings import ClaimView, FindTotal
from contracts.settlements import Payment
from contracts.totals import GROUP_CLAIMS_MIN, YearTotal, close_groups, merge_months
from ledger.codec import Struct, decode, encode
from ledger.crypto.commitments import GROUP_ORDER
from nodes.agent import ChainView
from nodes.roles.claims.casebook import Casebook
from nodes.vault.register import ENTRY_BYTES_MAX, Register

YEAR_SUM = "year-sum"
SHELVES = "0123456789abcdef"
"""The pages of a month: by the first digit of a payment's id, which is drawn at random."""
BLEND = "blend"
"""The page that a stretch's others were put together on. One within it, with a payment which is on it too, is a page
that a crash left, and does not count."""


class Mark(Struct):
    """That a payment is in a page's sums."""

    payment_id: PaymentId
    times: Annotated[int, Meta(ge=-1, le=1)]
    """1: it counts in these months; -1: its return counts against them; 0, on a blend: both."""


class YearPage(Struct):
    """Register, kind `year-sum`."""

    month: Month
    """The first one."""
    last_month: MonthNumber
    currency: Currency
    amount: int
    """Minor units."""
    blinding: Annotated[bytes, Meta(min_length=32, max_length=32)]
    """A scalar below the group order, little-endian."""
    marks: tuple[Mark, ...]
    """Sorted by payment."""

    @property
    def payments(self) -> set[str]:
        """The payments that are marked."""
        return {mark.payment_id for mark in self.marks}

    def covers(self, month: Month) -> bool:
        """Whether a month is one of these."""
        return month.year == self.month.year and self.month.month <= month.month <= self.last_month

    def __repr__(self) -> str:
        """Show which, not what."""
        months = f"{self.month.year}-{self.month.month:02} to {self.last_month:02}"
        return f"YearPage({self.currency} {months}, {len(self.marks)} payments)"


class Yearbook:
    """The pages of one insurer."""

    def __init__(self, insurer: str, view: ChainView, register: Register, casebook: Casebook) -> None:
        """Keep the pages of one insurer.

        Args:
            insurer: Whose payments.
            view: The latest committed state: says which months are over, and which years are published.
            register: Where the pages are.
            casebook: What opens single payments.
        """
        self._insurer = insurer
        self._view = view
        self._register = register
        self._casebook = casebook
        self._blends: dict[tuple[str, int], set[int]] = {}
        """Currency and year -> the months at which a blend may begin: mostly none, so that none is looked for."""

    def follow(self, shown: ClaimView) -> None:
        """Take in what the rail has said of a claim's payments; doing it again changes nothing.

        A payment whose opening is gone stays as it is marked; the month then does not open, and a report says so.
        """
        for payment, currency, month in _list_months(shown):
            if not self._total(currency, month.year).is_published:
                self._mark(shown, payment, month)
                blends = self._list_blends(currency, month.year)
                stretch = self._find_stretch(currency, month) if blends else range(0)
                if any(blend.month.month in stretch and len(blend.marks) < GROUP_CLAIMS_MIN for blend in blends):
                    self._blend(currency, month)

    def blend(self, shown: ClaimView) -> None:
        """Put the pages that a claim's payments are on together with their stretch; again changes nothing."""
        for _, currency, month in _list_months(shown):
            self._blend(currency, month)

    def drop_published(self) -> None:
        """Erase the pages of years whose report is on the chain."""
        for page_id, data in self._register.list_entries(YEAR_SUM):
            page = _decode(data)
            if self._total(page.currency, page.month.year).is_published:
                self._register.erase(YEAR_SUM, page_id)

    def open_months(self, currency: str, year: int, first_month: int, last_month: int) -> tuple[int, int]:
        """Return what the months' sum of commitments opens to: amount and blinding.

        Months of a blend open together: a stretch that ends within one is not what is asked for here.
        """
        pages = self._list_pages(currency, year, range(first_month, last_month + 1))
        blinding = sum(int.from_bytes(page.blinding, "little") for page in pages)
        return sum(page.amount for page in pages), blinding % GROUP_ORDER

    def _total(self, currency: str, year: int) -> YearTotal:
        return self._view.query("registers", "total", FindTotal(self._insurer, year, currency), YearTotal)

    def _find_stretch(self, currency: str, month: Month) -> range:
        """Return the months that are opened with this one, as far as that is settled now."""
        months = self._total(currency, month.year).months
        running = civil_month(self._view.time_ms)
        if month.year < running.year:
            groups = merge_months(months)
        else:
            groups, _ = close_groups(months[: running.month - 1])
        for group in groups:
            if group.first_month <= month.month <= group.last_month:
                return range(group.first_month, group.last_month + 1)
        last = MONTHS if month.year < running.year else max(running.month, month.month)
        return range(groups[-1].last_month + 1 if groups else 1, last + 1)

    def _blend(self, currency: str, month: Month) -> None:
        stretch = self._find_stretch(currency, month)
        stored = self._list_stored(currency, month.year, stretch)
        taken = [place for place in stored if place != (stretch[0], BLEND)]
        if not taken:
            return
        pages = self._list_pages(currency, month.year, stretch)
        times: dict[str, int] = {}
        for mark in (mark for page in pages for mark in page.marks):
            times[mark.payment_id] = times.get(mark.payment_id, 0) + mark.times
        blended = YearPage(
            Month(month.year, stretch[0]),
            stretch[-1],
            currency,
            sum(page.amount for page in pages),
            (sum(int.from_bytes(page.blinding, "little") for page in pages) % GROUP_ORDER).to_bytes(32, "little"),
            tuple(Mark(payment_id, times[payment_id]) for payment_id in sorted(times)),
        )
        self._blend_months(currency, month.year).add(stretch[0])
        if blended != stored.get((stretch[0], BLEND)):
            self._register.put(YEAR_SUM, _page_id(currency, blended.month, BLEND), encode(blended))
        for number, shelf in taken:
            self._register.erase(YEAR_SUM, _page_id(currency, Month(month.year, number), shelf))

    def _list_pages(self, currency: str, year: int, stretch: range) -> list[YearPage]:
        """Return the pages of a stretch that count."""
        blends = [blend for blend in self._list_blends(currency, year) if blend.month.month in stretch]
        stored = self._list_stored(currency, year, stretch)
        shelves = [page for (_, shelf), page in stored.items() if shelf != BLEND]
        return [*blends, *(page for page in shelves if not self._is_leftover(page, blends))]

    def _list_stored(self, currency: str, year: int, stretch: range) -> dict[tuple[int, str], YearPage]:
        """Return all pages that begin in a stretch, whether they count or not, by month and shelf."""
        begun = self._blend_months(currency, year)
        places = [(number, shelf) for number in stretch for shelf in (BLEND, *SHELVES)]
        wanted = [(number, shelf) for number, shelf in places if shelf != BLEND or number in begun]
        found = {(number, shelf): self._read(currency, Month(year, number), shelf) for number, shelf in wanted}
        return {place: page for place, page in found.items() if page is not None}

    def _list_blends(self, currency: str, year: int) -> list[YearPage]:
        """Return the blends of a year that count, in order."""
        found: list[YearPage] = []
        for number in sorted(self._blend_months(currency, year)):
            page = self._read(currency, Month(year, number), BLEND)
            if page is not None and not self._is_leftover(page, found):
                found.append(page)
        return found

    def _blend_months(self, currency: str, year: int) -> set[int]:
        """Return the months at which a blend may begin."""
        key = (currency, year)
        if key not in self._blends:
            months = range(1, MONTHS + 1)
            begun = {number for number in months if self._read(currency, Month(year, number), BLEND) is not None}
            self._blends[key] = begun
        return self._blends[key]

    def _is_leftover(self, page: YearPage, blends: list[YearPage]) -> bool:
        """Whether a crash left a page that a blend over its month has taken in."""
        return any(blend.covers(page.month) and blend.payments & page.payments for blend in blends)

    def _read(self, currency: str, month: Month, shelf: str) -> YearPage | None:
        data = self._register.get(YEAR_SUM, _page_id(currency, month, shelf))
        return None if data is None else _decode(data)

    def _mark(self, shown: ClaimView, payment: Payment, month: Month) -> None:
        outcome = shown.settlements[payment.settlement_version - 1].outcome
        blends = self._list_blends(outcome.currency, month.year)
        page = next((item for item in blends if item.covers(month) and payment.payment_id in item.payments), None)
        shelf = BLEND
        if page is None:
            shelf = payment.payment_id.removeprefix("payment-")[0]
            page = self._read(outcome.currency, month, shelf)
            if page is None or self._is_leftover(page, blends):
                page = YearPage(month, month.month, outcome.currency, 0, bytes(32), ())
        marked = {mark.payment_id: mark.times for mark in page.marks}
        wanted = sum(page.covers(item) for item in payment.counted)
        wanted -= sum(page.covers(item) for item in payment.adjusted)
        more = wanted - marked.pop(payment.payment_id, 0)
        draft = self._casebook.settled_draft(outcome) if more else None
        if draft is None:
            return
        if wanted or shelf == BLEND:
            marked[payment.payment_id] = wanted
        blinding = int.from_bytes(page.blinding, "little") + more * draft.moves.scalar
        changed = YearPage(
            page.month,
            page.last_month,
            outcome.currency,
            page.amount + more * draft.moves.amount,
            (blinding % GROUP_ORDER).to_bytes(32, "little"),
            tuple(Mark(payment_id, marked[payment_id]) for payment_id in sorted(marked)),
        )
        self._register.put(YEAR_SUM, _page_id(outcome.currency, page.month, shelf), encode(changed))


def _list_months(shown: ClaimView) -> list[tuple[Payment, str, Month]]:
    """Return a claim's payments with their currency and every month in which the rail has said something of them."""
    found = []
    for payment in shown.payments:
        currency = shown.settlements[payment.settlement_version - 1].outcome.currency
        said = {step.place.time_ms for step in payment.steps if step.status in ("paid", "returned")}
        months = {(month.year, month.month): month for month in map(civil_month, sorted(said))}
        found += [(payment, currency, months[key]) for key in sorted(months)]
    return found


def _page_id(currency: str, month: Month, shelf: str) -> str:
    return f"{currency}.{month.year}.{month.month:02}.{shelf}"


def _decode(data: bytes) -> YearPage:
    return decode(data, YearPage, ENTRY_BYTES_MAX)
