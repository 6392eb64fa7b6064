"""What the rail knows of each attempt, by idempotency key: durable before anything moves.

    kind       id                 what
    attempt    idempotency key    Attempt; kept so that the same instruction is never a second movement
    open       idempotency key    nothing: the attempt is not concluded
    payment    payment id         the key of the payment's latest attempt
    spent      idempotency key    nothing: the attempt was erased, and its key moves nothing any more

`received` is the state between the decision to move and the bank's answer. Found after a crash, it means that the bank
has to be asked first.
"""

from typing import Literal

from msgspec.structs import replace

from contracts.identifiers import PaymentId
from ledger.codec import Hash, Struct, decode, encode
from nodes.roles.exchange.questions import PaymentOrder
from nodes.vault.register import Register

ATTEMPT, OPEN, PAYMENT, SPENT = "attempt", "open", "payment", "spent"
AttemptState = Literal["received", "accepted", "unknown", "paid", "returned", "rejected"]


class Attempt(Struct):
    """One movement that was instructed."""

    order: PaymentOrder
    state: AttemptState

    def __repr__(self) -> str:
        """Show which and how far, not what."""
        return f"Attempt({self.order.payment_id}, {self.state})"


class PaymentEntry(Struct):
    """The payment's latest attempt."""

    payment_id: PaymentId
    idempotency_key: Hash


class Attempts:
    """All attempts of one rail."""

    def __init__(self, register: Register) -> None:
        """Read which attempts are open; those are in memory too, since every step looks at them."""
        self._register = register
        self._open: dict[bytes, Attempt | None] = {}
        for key in register.list_ids(OPEN):
            self._open[bytes.fromhex(key)] = self.find(bytes.fromhex(key))

    def find(self, idempotency_key: bytes) -> Attempt | None:
        """Return an attempt, or None for a key that was never instructed."""
        known = self._open.get(idempotency_key)
        if known is not None:
            return known
        data = self._register.get(ATTEMPT, idempotency_key.hex())
        return None if data is None else decode(data, Attempt)

    def is_spent(self, idempotency_key: bytes) -> bool:
        """Whether an attempt under this key was erased."""
        return self._register.get(SPENT, idempotency_key.hex()) is not None

    def keys_by_claim(self) -> dict[str, list[bytes]]:
        """Return the keys of all attempts that are kept, by claim; reads every one of them."""
        found: dict[str, list[bytes]] = {}
        for _, data in self._register.list_entries(ATTEMPT):
            order = decode(data, Attempt).order
            found.setdefault(order.claim_id, []).append(order.idempotency_key)
        return found

    def erase(self, idempotency_key: bytes) -> None:
        """Destroy a concluded attempt's order; the key stays spent, and the chain has what became of it."""
        self._register.put(SPENT, idempotency_key.hex(), b"")
        self._register.erase(ATTEMPT, idempotency_key.hex())

    def latest_of(self, payment_id: str) -> Attempt | None:
        """Return a payment's latest attempt, or None."""
        data = self._register.get(PAYMENT, payment_id)
        return None if data is None else self.find(decode(data, PaymentEntry).idempotency_key)

    def list_open(self) -> list[Attempt]:
        """Return the attempts that are not concluded, in the order of their keys."""
        found = (self._open[key] for key in sorted(self._open))
        return [attempt for attempt in found if attempt is not None]

    def begin(self, order: PaymentOrder) -> Attempt:
        """Keep a new attempt; only then may anything move.

        The payment's entry and the mark come first: a crash before the attempt itself leaves an attempt that nobody
        began, and the instruction, which the insurer repeats, begins it again.
        """
        key = order.idempotency_key
        attempt = Attempt(order, "received")
        self._register.put(PAYMENT, order.payment_id, encode(PaymentEntry(order.payment_id, key)))
        self._register.put(OPEN, key.hex(), b"")
        self._register.put(ATTEMPT, key.hex(), encode(attempt))
        self._open[key] = attempt
        return attempt

    def move_on(self, attempt: Attempt, state: AttemptState) -> Attempt:
        """Keep what the bank said; an attempt that is heard of again is open again."""
        key = attempt.order.idempotency_key
        moved = replace(attempt, state=state)
        if moved != attempt:
            self._register.put(ATTEMPT, key.hex(), encode(moved))
        if key not in self._open:
            self._register.put(OPEN, key.hex(), b"")
        self._open[key] = moved
        return moved

    def conclude(self, attempt: Attempt) -> None:
        """Close an attempt whose end is on the chain."""
        key = attempt.order.idempotency_key
        self._register.erase(OPEN, key.hex())
        self._open.pop(key, None)
