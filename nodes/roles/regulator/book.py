"""A regulator's book of its orders: the number on each order's paper, of which the chain has a salted commitment."""

from typing import Annotated

from msgspec import Meta

from ledger.codec import Hash, Struct, decode, encode
from ledger.crypto.hashes import commit_salted
from nodes.vault.register import Register

ORDER = "order"
Salt = Annotated[bytes, Meta(min_length=32, max_length=32)]


class OrderEntry(Struct):
    """Register, kind `order`: what the chain has commitments of; the id is the order's."""

    number: Annotated[str, Meta(min_length=1, max_length=200)]
    """As on its paper, with the issuing authority."""
    salt: Salt
    dispute: Annotated[str, Meta(max_length=300)]
    """What was wrong with the hand-over; empty if nothing was, or if the record is erased."""

    @property
    def commitment(self) -> Hash:
        """Of the number."""
        return commit_salted(self.salt, encode(self.number))


class OrderBook:
    """The orders of one regulator in its register."""

    def __init__(self, register: Register) -> None:
        """Read and write `register`."""
        self._register = register

    def find(self, order_id: str) -> OrderEntry | None:
        """Return an order; None for one that was given by another node of this regulator."""
        data = self._register.get(ORDER, order_id)
        return None if data is None else decode(data, OrderEntry)

    def add(self, order_id: str, number: str, salt: bytes) -> OrderEntry:
        """Enter an order before it goes to the chain."""
        entry = OrderEntry(number, salt, "")
        self._register.put(ORDER, order_id, encode(entry))
        return entry

    def dispute(self, order_id: str, why: str) -> OrderEntry:
        """Write what was wrong with a hand-over: its commitment is the answer."""
        entry = self.find(order_id)
        assert entry is not None, "an order that is fetched is in the book"
        disputed = OrderEntry(entry.number, entry.salt, why[:300])
        self._register.put(ORDER, order_id, encode(disputed))
        return disputed

    def redact(self, order_id: str) -> None:
        """Destroy what was written about a hand-over, and keep the order's number; nothing is fine."""
        entry = self.find(order_id)
        if entry is not None and entry.dispute:
            self._register.redact(ORDER, order_id, encode(OrderEntry(entry.number, entry.salt, "")))
