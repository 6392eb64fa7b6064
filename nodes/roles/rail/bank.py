"""What moves the money: the boundary to a bank, and the simulated one.

A bank is asked to move under an idempotency key and answers with a state. It may also not know what became of a
movement; then it is asked under the same key, and never told to move again. Asked about a key that never reached it,
it says so, and only then may the movement be made.

    accepted    it will move
    unknown     it cannot say now: ask again
    paid        moved; for a recovery: the refund came in
    returned    moved, and came back
    rejected    not moved, and will not be
"""

from typing import Literal, Protocol

from ledger.codec import Hash, Struct, decode, encode
from nodes.roles.exchange.questions import PaymentOrder
from nodes.vault.register import Register

BankState = Literal["accepted", "unknown", "paid", "returned", "rejected"]
BOOK = "bank"


class Bank(Protocol):
    """Somebody who moves money."""

    def move(self, order: PaymentOrder) -> BankState:
        """Move what the order says, once for its idempotency key."""
        ...

    def ask(self, idempotency_key: bytes) -> BankState | None:
        """Return what became of a movement; None if this key never reached the bank."""
        ...

    def forget(self, idempotency_key: bytes) -> None:
        """Drop whose account and how much a movement was, as far as this side keeps it; again is fine."""
        ...


class _Movement(Struct):
    """Register, kind `bank`: one movement."""

    idempotency_key: Hash
    payee_account: str
    amount: int


class PromptBank:
    """A simulated bank that pays at once. Its book stands for an account: nothing real moves."""

    def __init__(self, register: Register) -> None:
        """Keep the book in `register`."""
        self._register = register

    def move(self, order: PaymentOrder) -> BankState:
        """Enter the movement, unless it is entered; it is paid."""
        key = order.idempotency_key
        if self.ask(key) is None:
            movement = _Movement(key, order.payee_account, order.opening.amount)
            self._register.put(BOOK, key.hex(), encode(movement))
        return "paid"

    def ask(self, idempotency_key: bytes) -> BankState | None:
        """Return `paid` for what is entered."""
        return None if self._register.get(BOOK, idempotency_key.hex()) is None else "paid"

    def forget(self, idempotency_key: bytes) -> None:
        """Remove an entry of the simulated book."""
        self._register.erase(BOOK, idempotency_key.hex())

    def moved(self) -> tuple[int, ...]:
        """Return the amounts of all movements, sorted."""
        return tuple(sorted(decode(data, _Movement).amount for _, data in self._register.list_entries(BOOK)))
