"""What the payment rail destroys of a claim: its orders, with payee, account and amount, and the bank's entries.

The chain asks the insurer; the rail hears of it and answers with a row of its own, if it ever had an order of the
claim. Which claims those are is in memory: read from the book of attempts at the start, and kept as orders come.
"""

from contracts.erasures import ErasureEvent, ErasureItem, ErasureRow
from ledger.codec import decode
from ledger.transactions import Event
from nodes.agent import ChainView
from nodes.roles.erasing import Asked, is_money_moving, list_erasures
from nodes.roles.lookup import find_claim
from nodes.roles.rail.attempts import Attempts
from nodes.roles.rail.bank import Bank
from nodes.schemas.civil_time import civil_day


class RailBooks:
    """One rail's attempts, as far as they can be erased."""

    def __init__(self, rail: str, view: ChainView, attempts: Attempts, bank: Bank) -> None:
        """Erase in `attempts` and at the bank."""
        self._rail = rail
        self._view = view
        self._attempts = attempts
        self._bank = bank
        self._keys = attempts.keys_by_claim()
        self._asked = set(self._keys)

    def add(self, claim_id: str, idempotency_key: bytes) -> None:
        """Note an order for a claim."""
        self._keys.setdefault(claim_id, []).append(idempotency_key)
        self._asked.add(claim_id)

    def follow(self, event: Event) -> None:
        """Note that something is to be erased."""
        if (event.contract, event.name) == ("retention", "erasure-asked"):
            self._asked.add(decode(event.data, ErasureEvent).scope)

    def list_asked(self) -> tuple[ErasureRow, ...]:
        """Return what the chain asks of the insurer and this rail has not answered: a row of its own for each claim."""
        rows = []
        for claim_id in sorted(self._asked):
            others = list_erasures(self._view, claim_id) if claim_id in self._keys else ()
            if not others or any(row.holder == self._rail for row in others):
                self._asked.discard(claim_id)
                continue
            (claim,) = others[0].items
            item = ErasureItem(claim.item, claim.kind, claim.cause, claim.steps[:1])
            rows.append(ErasureRow(claim_id, self._rail, "rail", others[0].subject, (item,)))
        return tuple(rows)

    def is_in_use(self, asked: Asked) -> bool:
        """Whether an attempt is open, or a payment of the claim not paid yet."""
        is_open = any(attempt.order.claim_id == asked.scope for attempt in self._attempts.list_open())
        return is_open or is_money_moving(find_claim(self._view, asked.scope))

    def hold_begins(self, asked: Asked) -> int | None:
        """Return the day of the claim's last receipt."""
        claim = find_claim(self._view, asked.scope)
        if claim is None or asked.scope not in self._keys:
            return None
        return max((civil_day(step.place.time_ms) for paid in claim.payments for step in paid.steps), default=None)

    def erase(self, asked: Asked) -> None:
        """Destroy every order of the claim."""
        for key in self._keys.get(asked.scope, []):
            self._bank.forget(key)
            self._attempts.erase(key)
        self._keys.pop(asked.scope, None)
