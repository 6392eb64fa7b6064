"""The yearbook alone: whatever the rail says in which order, and whenever a write fails, each payment is in once."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from contracts.calendar import MONTHS, Month
from contracts.identifiers import Place
from contracts.listings import ClaimView, FindTotal
from contracts.settlements import Payment, PaymentStep
from contracts.totals import EMPTY_YEAR, YearTotal
from nodes.agent import ChainView
from nodes.roles.claims.casebook import Casebook
from nodes.roles.insurer.yearbook import YEAR_SUM, Yearbook
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
    published: set[int] = field(default_factory=set)
    payments: list[Payment] = field(
        default_factory=lambda: [
            Payment(
                f"payment-{number % 2}{number:011x}", "claim-aaaaaaaaaaaa", 1, "insurer-a", "policy-aaaaaaaaaaaa", 1,
                "payout", FIGURES[number].point, "due", None, None, (), (),
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
        return YearTotal(EMPTY_YEAR.months, is_published=message.year in self.published)

    def move(self, number: int) -> None:
        """Let the rail pay a payment, or say that it came back."""
        before = self.payments[number]
        status = "returned" if before.status == "paid" else "paid"
        counted, adjusted = before.counted, before.adjusted
        if counted is None:
            counted = self.now
        else:
            if counted.year in self.published:
                adjusted = (*adjusted, self.now)
            counted = None
        place = Place(1, 0, self.time_ms, HASH)
        step = PaymentStep(status, HASH, 1, place)  # type: ignore[arg-type]
        self.payments[number] = Payment(
            before.payment_id, before.claim_id, 1, before.insurer, before.policy_id, 1,
            before.direction, before.amount, status, HASH, counted, adjusted, (*before.steps, step),  # type: ignore[arg-type]
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

    def wanted(self, month: Month) -> Figure:
        """Return what the contract's sum of a month opens to."""
        found = Figure(0, 0)
        for number, payment in enumerate(self.payments):
            if payment.counted == month:
                found = found.plus(FIGURES[number])
            for _ in range(payment.adjusted.count(month)):
                found = found.minus(FIGURES[number])
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


@given(ACTS, st.booleans())
def test_the_pages_open_what_the_chain_counts_in_every_year_that_is_not_published(
    acts: list[tuple[str, int]], is_published: bool
) -> None:
    world = World()
    for act, number in [*FIRST_YEAR, ("publish" if is_published else "follow", 0), *acts]:
        try:
            _play(world, act, number)
        except DiskError:
            continue
    world.fails = None
    for number in range(PAYMENTS):
        world.book().follow(world.show(number))
    for index in range(world.month + 1):
        month = Month(2026 + index // MONTHS, index % MONTHS + 1)
        if month.year not in world.published:
            figure = world.wanted(month)
            opened = world.book().open_months("CNY", month.year, month.month, month.month)
            assert opened == (figure.amount, figure.blinding)
    world.book().drop_published()
    kept = {entry_id.split(".")[1] for entry_id in world.shelf.entries.get(YEAR_SUM, {})}
    assert kept.isdisjoint(str(year) for year in world.published)


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
