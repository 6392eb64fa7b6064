"""A holder's answers to what it is asked to erase, derived from the chain and its own books.

    the chain says      the holder's books say         the holder
    ASKED               still in use (money moves)     nothing yet
    ASKED               a hold runs                    restricts: basis and last day on the chain
    ASKED               nothing holds it               erases, durably; then certifies
    RESTRICTED          whatever                       nothing: the chain asks again when the hold has ended
    ERASED              whatever                       nothing, ever again

Erasing comes before the certificate, and erasing twice does no harm; so whoever is killed in between finds the item
ASKED still, erases what is left and certifies.

What is the same for every holder is here: the order of things, the holds, and when money moves. A hospital's, an
insurer's and the rail's `Books` say what they have.
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import Protocol

from contracts.erasures import Certify, ErasureItem, ErasureRow, ListOpen, Restrict, ShowErasures
from contracts.holds import Basis, Hold, Kind
from contracts.listings import ClaimView
from contracts.retention import LIST_ROWS_MAX
from nodes.agent import Call, ChainView
from nodes.schemas.civil_time import civil_day
from nodes.schemas.holds import last_day


@dataclass(frozen=True, slots=True)
class Asked:
    """One item that a holder is asked for."""

    scope: str
    """The stay or claim."""
    item: str
    kind: Kind


class Books(Protocol):
    """What a holder has of others, and can destroy."""

    def is_in_use(self, asked: Asked) -> bool:
        """Whether an item is needed for something that was begun before it was asked for, such as a payment."""
        ...

    def hold_begins(self, asked: Asked) -> int | None:
        """Return the civil day with which a hold on an item begins; None if no law is about it."""
        ...

    def erase(self, asked: Asked) -> None:
        """Destroy all that is here of an item, durably; what is gone already is fine."""
        ...


class Erasing:
    """The answers of one holder."""

    def __init__(self, holder: str, view: ChainView, books: Books, holds: tuple[Hold, ...]) -> None:
        """Answer for one organisation.

        Args:
            holder: Who answers.
            view: The latest committed state.
            books: What it holds.
            holds: The bases that it applies.
        """
        self._holder = holder
        self._view = view
        self._books = books
        self._holds = holds
        self._after = ("", 0)

    def derive(self, further: tuple[ErasureRow, ...] = ()) -> list[Call]:
        """Erase what is to be erased now, and return the answers that the chain lacks.

        Args:
            further: What is asked of this holder beside its own rows on the chain.
        """
        return [call for row in (*self._list_open(), *further) for call in self._answer(row)]

    def _list_open(self) -> tuple[ErasureRow, ...]:
        """Return the next page of what is not answered; after the last one the first: some wait, the rest does not."""
        message = ListOpen(self._holder, *self._after)
        rows = self._view.query("retention", "list_open", message, tuple[ErasureRow, ...])
        self._after = (rows[-1].scope, rows[-1].number) if len(rows) == LIST_ROWS_MAX else ("", 0)
        return rows

    def _answer(self, row: ErasureRow) -> list[Call]:
        erased: list[str] = []
        restricted: dict[tuple[Basis, int], list[str]] = defaultdict(list)
        for item in row.items:
            asked = Asked(row.scope, item.item, item.kind)
            if item.status != "ASKED" or self._books.is_in_use(asked):
                continue
            held = self._find_hold(row.role, asked)
            if held is None:
                self._books.erase(asked)
                erased.append(item.item)
            else:
                restricted[held].append(item.item)
        calls = [Call("erasure", "certify", Certify(row.scope, tuple(erased)))] if erased else []
        for (basis, until_day), items in sorted(restricted.items()):
            calls.append(Call("erasure", "restrict", Restrict(row.scope, tuple(items), basis, until_day)))
        return calls

    def _find_hold(self, role: str, asked: Asked) -> tuple[Basis, int] | None:
        """Return basis and last day of the hold that keeps an item longest; None if none runs today."""
        begins = self._books.hold_begins(asked)
        if begins is None:
            return None
        fitting = [hold for hold in self._holds if hold.role == role and asked.kind in hold.kinds]
        running = [
            (last_day(hold, begins), hold.basis)
            for hold in fitting
            if last_day(hold, begins) >= civil_day(self._view.time_ms)
        ]
        if not running:
            return None
        until_day, basis = max(running)
        return basis, until_day


def is_money_moving(claim: ClaimView | None) -> bool:
    """Whether a payment of a claim is not paid yet: what opens it is in use at its insurer and at the rail."""
    return claim is not None and any(payment.status != "paid" for payment in claim.payments)


def list_erasures(view: ChainView, scope: str) -> tuple[ErasureRow, ...]:
    """Return what was asked about a stay or a claim, by holder."""
    return view.query("retention", "show", ShowErasures(scope), tuple[ErasureRow, ...])


def list_asked(view: ChainView, scope: str, *holders: str) -> dict[str, ErasureItem]:
    """Return the items of a stay or claim that one of the holders was asked for, by id."""
    rows = list_erasures(view, scope)
    return {item.item: item for row in rows if row.holder in holders for item in row.items}
