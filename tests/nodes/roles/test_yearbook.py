"""The yearbook alone: whatever the rail says in which order, and whenever a write fails, each payment is in once."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from contracts.calendar import MONTHS, Month
from contracts.identifiers import Place
from contracts.listings import ClaimView, FindTotal
from contracts.settlements import Payment, PaymentStep
from contracts.totals import EMPTY_MONTH, YearTotal, close_groups, merge_months
from ledger.codec import decode
from nodes.agent import ChainView
from nodes.roles.claims.casebook import Casebook
from nodes.roles.insurer.yearbook import YEAR_SUM, Yearbook, YearPage
from nodes.simulator.books import Shelf, SimulatedRegister
from tests.contracts.books import MONTH_MS
from tests.contracts.consortium import BEGUN_MS, Figure, digest

PAYMENTS = 4
FIGURES = [Figure.draw(1_000 * (number + 1), f"payment {number}") for number in range(PAYMENTS)]
HASH = digest("hash")


class DiskError(Exception):
    """A write that did not happen."""


@dataclass
class World:
    """The chain as far as the yearbook reads it, by the contract's rules; and a disk that may fail."""

    month: int = 0
    """Since January 2026."""
    crowd: list[int] = field(default_factory=lambda: [0] * 240)
    """How many claims each month counts: they decide which months are opened together."""
    published: set[int] = field(default_factory=set)
    payments: list[Payment] = field(
        default_factory=lambda: [
            Payment(
                f"payment-{number % 2}{number:011x}", "claim-aaaaaaaaaaaa", 1, "insurer-a", "policy-aaaaaaaaaaaa", 1,
                "payout", FIGURES[number].point, "due", None, "rail", (), (), (),
            )
            for number in range(PAYMENTS)
        ]
    )  # fmt: skip
    fails: int | None = None
    shelf: Shelf = field(default_factory=Shelf)

    @property
    def now(self) -> Month:
        return Month(2026 + self.month // MONTHS, self.month % MONTHS + 1)

    @property
    def time_ms(self) -> int:
        return BEGUN_MS + self.month * MONTH_MS + MONTH_MS // 2

    def query(self, _contract: str, _method: str, message: Any, _kind: Any) -> YearTotal:
        assert isinstance(message, FindTotal)
        first = (message.year - 2026) * MONTHS
        crowd = [claims if index <= self.month else 0 for index, claims in enumerate(self.crowd)]
        months = tuple(replace(EMPTY_MONTH, claims=claims) for claims in crowd[first : first + MONTHS])
        return YearTotal(months, is_published=message.year in self.published)

    def stretches(self, year: int) -> list[range]:
        """Return the months of a year that are opened together, as far as that is settled."""
        months = self.query("registers", "total", FindTotal("insurer-a", year, "CNY"), YearTotal).months
        if year < self.now.year:
            groups = merge_months(months)
            return [range(group.first_month, group.last_month + 1) for group in groups] or [range(1, MONTHS + 1)]
        groups, _ = close_groups(months[: self.now.month - 1])
        first = groups[-1].last_month + 1 if groups else 1
        closed = [range(group.first_month, group.last_month + 1) for group in groups]
        return [*closed, range(first, self.now.month + 1)]

    def move(self, number: int) -> None:
        """Let the rail pay a payment, or say that it came back."""
        before = self.payments[number]
        status = "returned" if before.status == "paid" else "paid"
        counted, adjusted = before.counted, before.adjusted
        if status == "paid":
            counted = (*counted, self.now)
        elif counted[-1] == self.now:
            counted = counted[:-1]
        else:
            adjusted = (*adjusted, self.now)
        place = Place(1, 0, self.time_ms, HASH)
        step = PaymentStep(status, HASH, 1, "rail", place)  # type: ignore[arg-type]
        self.payments[number] = Payment(
            before.payment_id, before.claim_id, 1, before.insurer, before.policy_id, 1,
            before.direction, before.amount, status, HASH, "rail", counted, adjusted, (*before.steps, step),  # type: ignore[arg-type]
        )  # fmt: skip

    def show(self, number: int) -> ClaimView:
        outcome = SimpleNamespace(currency="CNY", number=number)
        settlements = (SimpleNamespace(outcome=outcome),)
        return cast("ClaimView", SimpleNamespace(settlements=settlements, payments=(self.payments[number],)))

    def operate(self) -> None:
        if self.fails is not None:
            self.fails -= 1
            if self.fails < 0:
                self.fails = None
                raise DiskError

    def book(self) -> Yearbook:
        """Return the yearbook as an agent opens it again."""
        register = SimulatedRegister(self.shelf, self.operate)
        return Yearbook("insurer-a", cast("ChainView", self), register, cast("Casebook", self))

    def settled_draft(self, outcome: Any) -> Any:
        figure = FIGURES[outcome.number]
        return SimpleNamespace(moves=SimpleNamespace(amount=figure.amount, scalar=figure.blinding))

    def pages(self) -> list[YearPage]:
        """Return all pages, by their first month."""
        found = [decode(data, YearPage) for data in self.shelf.entries[YEAR_SUM].values()]
        return sorted(found, key=lambda page: page.month.month)

    def wanted(self, year: int, stretch: range) -> Figure:
        """Return what the contract's sum of some months opens to."""
        found = Figure(0, 0)
        for figure, payment in zip(FIGURES, self.payments, strict=True):
            for month in payment.counted:
                found = found.plus(figure) if month.year == year and month.month in stretch else found
            for month in payment.adjusted:
                found = found.minus(figure) if month.year == year and month.month in stretch else found
        return found


ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("move"), st.integers(0, PAYMENTS - 1)),
        st.tuples(st.just("follow"), st.integers(0, PAYMENTS - 1)),
        st.tuples(st.just("later"), st.integers(1, 7)),
        st.tuples(st.just("publish"), st.just(0)),
        st.tuples(st.just("fail"), st.integers(0, 3)),
        st.tuples(st.just("blend"), st.integers(0, PAYMENTS - 1)),
        st.tuples(st.just("lose"), st.just(0)),
    ),
    max_size=30,
)


FIRST_YEAR = [*(item for number in range(3) for item in (("move", number), ("later", 4))), ("later", 2)]
"""Three payments in 2026, then it is February 2027."""


CROWDS = st.lists(st.sampled_from([0, 0, 1, 4, 9, 12]), min_size=240, max_size=240)


@given(ACTS, st.booleans(), CROWDS)
def test_the_pages_open_what_the_chain_opens_together_in_every_year_that_is_not_published(
    acts: list[tuple[str, int]], is_published: bool, crowd: list[int]
) -> None:
    world = World(crowd=crowd)
    for act, number in [*FIRST_YEAR, ("publish" if is_published else "follow", 0), *acts]:
        try:
            _play(world, act, number)
        except DiskError:
            continue
    check_books(world)
    world.book().drop_published()
    kept = {entry_id.split(".")[1] for entry_id in world.shelf.entries.get(YEAR_SUM, {})}
    assert kept.isdisjoint(str(year) for year in world.published)


def check_books(world: World) -> None:
    """Have every claim looked at, and assert that the pages open what is opened together."""
    world.fails = None
    for number in range(PAYMENTS):
        world.book().follow(world.show(number))
    _check_years(world)


def _check_years(world: World) -> None:
    for year in range(2026, world.now.year + 1):
        if year not in world.published:
            for stretch in world.stretches(year):
                figure = world.wanted(year, stretch)
                opened = world.book().open_months("CNY", year, stretch[0], stretch[-1])
                assert opened == (figure.amount, figure.blinding)


LONG: list[tuple[str, int]] = [
    ("move", 0), ("later", 2), ("move", 1), ("blend", 0), ("later", 1), ("move", 0), ("blend", 0), ("move", 2),
    ("later", 1), ("move", 0), ("blend", 1), ("move", 0), ("blend", 2), ("later", 6), ("move", 3), ("blend", 3),
    ("later", 2), ("move", 2), ("blend", 0), ("blend", 3), ("later", 1), ("blend", 2),
    ("move", 0), ("move", 2), ("later", 1), ("move", 2), ("move", 0),
]  # fmt: skip
"""Payments that come back in the month, and later, and are paid again; blended before, in between and afterwards."""


@pytest.mark.parametrize("claims", [0, 4, 12])
def test_a_crash_at_any_write_of_a_long_year_leaves_every_payment_in_once(claims: int) -> None:
    crashed = True
    fails = 0
    while crashed:
        world = World(crowd=[claims] * 240, fails=fails)
        for act, number in LONG:
            try:
                _play(world, act, number)
            except DiskError:
                if act == "blend":  # the node is back, and is asked to erase still
                    for other in range(PAYMENTS):
                        world.book().follow(world.show(other))
                    _check_years(world)
                    _play(world, act, number)
        crashed = world.fails is None
        check_books(world)
        fails += 1
    assert fails > 15, "there was something to interrupt"


def test_what_a_crash_left_beside_a_blend_takes_in_nothing_more() -> None:
    world = World()
    _play(world, "move", 0)
    left = dict(world.shelf.entries[YEAR_SUM])
    _play(world, "blend", 0)
    world.shelf.entries[YEAR_SUM] |= left
    check_books(world)
    world.shelf.entries[YEAR_SUM] |= left
    _play(world, "move", 2)
    assert len(world.pages()) == 1
    check_books(world)


def test_the_page_of_an_erased_payment_takes_in_those_of_later_months_that_are_opened_with_it() -> None:
    world = World(crowd=[1] * 240)
    for number in range(PAYMENTS):
        _play(world, "move", number)
        if number == 0:
            _play(world, "blend", 0)
        _play(world, "later", 2)
    (page,) = world.pages()
    assert page.payments == {payment.payment_id for payment in world.payments}
    assert (page.month, page.last_month) == (Month(2026, 1), 7)


def test_an_erased_payment_after_the_last_full_group_joins_it_when_the_year_is_over() -> None:
    world = World(crowd=[12, *[0] * 239])
    _play(world, "move", 0)
    _play(world, "later", 5)
    _play(world, "move", 1)
    _play(world, "blend", 1)
    assert [(page.month.month, len(page.marks)) for page in world.pages()] == [(1, 1), (2, 1)]
    _play(world, "later", 8)
    _play(world, "follow", 1)
    (page,) = world.pages()
    assert (page.month.month, page.last_month, len(page.marks)) == (1, MONTHS, 2)


def _play(world: World, act: str, number: int) -> None:
    match act:
        case "move":
            world.move(number)
            world.book().follow(world.show(number))
        case "follow":
            world.book().follow(world.show(number))
        case "later":
            world.month += number
        case "publish":
            if world.now.year > 2026:
                world.published.add(world.now.year - 1)
                world.book().drop_published()
        case "fail":
            world.fails = number
        case "blend":
            world.book().blend(world.show(number))
        case "lose":
            world.shelf.entries.pop(YEAR_SUM, None)
