"""Attached documents that a regulator ordered: their keys first, then chunk by chunk; each is one record like others.

A few arrive at a time. What has come lies in the vault as ciphertext over a restart; it goes when its order is
answered without it, or was given by another node.
"""

from contracts.orders import Order
from contracts.stays import Record
from nodes.roles.exchange.arriving import ARRIVING_MAX, Arrival
from nodes.roles.exchange.questions import AttachmentChunks, AttachmentOffer, FetchOrdered, FetchOrderedChunks
from nodes.vault.records import Vault
from nodes.vault.sealing import RecordKeys


class OrderedDocuments:
    """The documents that arrive under the orders of one regulator."""

    def __init__(self, vault: Vault) -> None:
        """Begin with whatever the vault holds."""
        self._vault = vault
        self._arriving: dict[str, Arrival] = {}
        self._waiting: tuple[str, ...] | None = None

    def next_question(self, order: Order) -> FetchOrdered | FetchOrderedChunks | None:
        """Return what to ask its custodian for next; None while others arrive, or this one under another order."""
        if order.order_id not in self._arriving:
            is_coming = any(arrival.record_id == order.record_id for arrival in self._arriving.values())
            if is_coming or len(self._arriving) >= ARRIVING_MAX:
                return None
            self._arriving[order.order_id] = Arrival(self._vault, order.record_id)
        first = self._arriving[order.order_id].next_chunk
        return FetchOrdered(order.order_id) if first is None else FetchOrderedChunks(order.order_id, first)

    def expects(self, order_id: str, reply: object) -> bool:
        """Whether an answer is what was asked for last."""
        arrival = self._arriving.get(order_id)
        if arrival is None:
            return False
        return isinstance(reply, AttachmentOffer if arrival.next_chunk is None else AttachmentChunks)

    def begin(self, order_id: str, record: Record, keys: RecordKeys, offer: AttachmentOffer) -> None:
        """Take in the keys, once they were held against the chain; raises as `Arrival.begin`."""
        self._arriving[order_id].begin(record, keys, offer)

    def take(self, order_id: str, reply: AttachmentChunks) -> None:
        """Take in the next chunks; raises as `Arrival.take`."""
        self._arriving[order_id].take(reply)

    def keep_whole(self, order_id: str) -> bool:
        """Keep a document of which everything is here; raises as `Arrival.keep_whole`."""
        if not self._arriving[order_id].keep_whole():
            return False
        del self._arriving[order_id]
        return True

    def pause(self, order_id: str) -> None:
        """Make place for another one; nothing is fine."""
        arrival = self._arriving.pop(order_id, None)
        if arrival is not None:
            arrival.pause()

    def stop(self, order_id: str) -> None:
        """Remove what arrived; nothing is fine."""
        arrival = self._arriving.pop(order_id, None)
        if arrival is not None:
            arrival.stop()

    def tidy(self, wanted: tuple[Order, ...]) -> None:
        """Remove what arrived of documents that are not waited for any more; looked at when the orders change."""
        waiting = tuple(order.record_id for order in wanted)
        if waiting == self._waiting:
            return
        self._waiting = waiting
        orders = {order.order_id for order in wanted}
        for order_id in [order_id for order_id in self._arriving if order_id not in orders]:
            self.pause(order_id)
        for record_id in self._vault.list_arriving():
            if record_id not in waiting:
                self._vault.stop_arrival(record_id)
