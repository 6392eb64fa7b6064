"""What a regulator destroys: a record that it ordered or was granted, and why a hand-over of it was disputed.

What was granted for public health no hold keeps: it goes when its customer or the clock of her grant asks.

An order that is not answered yet is in use: the law has it carried out first. Where the record's hospital has erased
it, nothing will come any more, and the regulator answers. What has come is kept as long as the hold on an inspection's
file says, and for that inspection it is read: each reading is a line of the node's log. The order itself, its number
and its entry on the chain stay; they say nothing of the record.
"""

from typing import cast

from contracts.orders import FindOrder, Order
from nodes.agent import ChainView
from nodes.roles.erasing import Asked, list_asked
from nodes.roles.exchange.receiving import Receiving
from nodes.roles.regulator.book import OrderBook
from nodes.schemas.civil_time import civil_day
from nodes.vault.records import Vault


class RegulatorBooks:
    """One regulator's vault and book of orders, as far as they can be erased."""

    def __init__(self, regulator: str, view: ChainView, vault: Vault, book: OrderBook, receiving: Receiving) -> None:
        """Erase in `vault`, `book` and `receiving`; `view` has the orders of `regulator`."""
        self._regulator = regulator
        self._view = view
        self._vault = vault
        self._book = book
        self._receiving = receiving

    def is_in_use(self, asked: Asked) -> bool:
        """Whether an order of the record waits for it, and its hospital can still hand it over."""
        order = self._find_order(asked.item)
        if order is None or order.answer is not None or self._book.find(order.order_id) is None:
            return False
        at_hospital = list_asked(self._view, asked.scope, order.hospital).get(asked.item)
        return at_hospital is None or at_hospital.status != "ERASED"

    def hold_begins(self, asked: Asked) -> int | None:
        """Return the day of the record's latest order; what no order brought, or what is gone, is held by nothing."""
        order = self._find_order(asked.item)
        if order is None or asked.item not in self._vault:
            return None
        is_disputed = order.answer is not None and order.answer.result == "DISPUTED"
        return None if is_disputed else civil_day(order.place.time_ms)

    def erase(self, asked: Asked) -> None:
        """Destroy the record, and what was written about its hand-over."""
        self._vault.erase(asked.item)
        self._receiving.erase(asked.item)
        order = self._find_order(asked.item)
        if order is not None and order.answer is not None:
            self._book.redact(order.order_id)

    def _find_order(self, record_id: str) -> Order | None:
        message = FindOrder(record_id, self._regulator)
        return self._view.query("access", "latest", message, cast("type[Order | None]", Order | None))
