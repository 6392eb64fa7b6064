"""The regulator: orders records under a law, and opens what the custodian then hands over; nothing of it is silent.

    1. order     the order's number goes into the register with its salt, the commitment onto the chain
    2. fetch     a committed order that is not answered is asked for at its custodian, ever more seldom
    3. check     as every recipient does: envelope, payload, plaintext and openings against the chain
    4. keep      in the vault, and `access.answer`; or the dispute, whose reason is a salted commitment

The customer's activity shows the order from the moment it is committed, before anything is handed over.
"""

from typing import Annotated, cast

from msgspec import Meta

from contracts.identifiers import OrderId
from contracts.orders import AnswerOrder, LegalBasis, ListOrders, Order, PlaceOrder
from ledger.codec import Hash, Struct, decode, encode
from ledger.crypto.hashes import commit_salted
from ledger.errors import DecodeError, LedgerError, VerificationError
from nodes.agent import (
    AgentEffect,
    AgentInput,
    Answer,
    Call,
    ChainView,
    Committed,
    Note,
    PeerAnswered,
    PeerRequested,
)
from nodes.entropy import Entropy
from nodes.keystore import Keystore
from nodes.roles.exchange.asking import Asking
from nodes.roles.exchange.documents import Document
from nodes.roles.exchange.questions import FetchOrdered, RecordHandover, Refusal, decode_reply, encode_body
from nodes.roles.in_flight import InFlight
from nodes.roles.insurer.intake import check_record
from nodes.roles.lookup import find_record, find_signing_key
from nodes.vault.records import RecordDigest, Vault
from nodes.vault.register import Register
from nodes.vault.sealing import SealContext, open_envelope

ORDER = "order"
QUESTIONS_MAX = 16
Salt = Annotated[bytes, Meta(min_length=32, max_length=32)]


class RegulatorError(LedgerError):
    """An order that cannot be given or shown; says why."""


class OrderEntry(Struct):
    """Register, kind `order`: what the chain has commitments of; the id is the order's."""

    number: Annotated[str, Meta(min_length=1, max_length=200)]
    """As on its paper, with the issuing authority."""
    salt: Salt
    dispute: Annotated[str, Meta(max_length=300)]
    """What was wrong with the hand-over; empty if nothing was."""

    @property
    def commitment(self) -> Hash:
        """Of the number."""
        return commit_salted(self.salt, encode(self.number))


class Regulator:
    """One regulator's agent."""

    def __init__(
        self, name: str, view: ChainView, keystore: Keystore, vault: Vault, register: Register, entropy: Entropy
    ) -> None:
        """Go on where chain and register are.

        Args:
            name: The regulator.
            view: The latest committed state.
            keystore: Its seal key opens what is handed over.
            vault: Keeps it.
            register: Keeps the orders' numbers.
            entropy: For ids and salts.
        """
        self.name = name
        self._view = view
        self._seal_key = keystore.seal
        self._vault = vault
        self._register = register
        self._entropy = entropy
        self._asking = Asking(QUESTIONS_MAX)
        self._in_flight = InFlight(name)

    # -------------------------------------------------------------------------------------------- what is ordered

    def order(self, record_id: str, basis: LegalBasis, number: str) -> tuple[OrderId, Call]:
        """Return a new order's id and the call that enters it.

        Raises:
            RegulatorError: If there is no such record, it is a reversal, or the number is empty or too long.
        """
        entered = find_record(self._view, record_id)
        if entered is None:
            msg = f"record: expected one on the chain, got {record_id[:64]!r}"
            raise RegulatorError(msg)
        if entered.record.kind == "reversal":
            msg = f"record: expected one with content, got a reversal of {entered.record.replaces}"
            raise RegulatorError(msg)
        if not 1 <= len(number) <= 200:
            msg = f"number: expected 1 to 200 characters, got {len(number)}"
            raise RegulatorError(msg)
        order_id = f"order-{self._entropy.draw(8).hex()}"
        entry = OrderEntry(number, self._entropy.draw(32), "")
        self._register.put(ORDER, order_id, encode(entry))
        return order_id, Call("access", "order", PlaceOrder(order_id, record_id, basis, entry.commitment))

    def list_orders(self, after: str = "") -> tuple[Order, ...]:
        """Return a page of this regulator's orders."""
        return self._list("list_of_regulator", after)

    def read(self, order: Order) -> Document | None:
        """Return the record that an order brought, or None while it has not come."""
        if order.record_id not in self._vault:
            return None
        return decode(self._vault.open(order.record_id), cast("type[Document]", Document))

    def find_number(self, order_id: str) -> str | None:
        """Return an order's number, as on its paper."""
        data = self._register.get(ORDER, order_id)
        return None if data is None else decode(data, OrderEntry).number

    # -------------------------------------------------------------------------------------------------- the agent

    def step(self, event: AgentInput) -> list[AgentEffect]:
        """Take in what happened; return what to do, in order."""
        effects: list[AgentEffect] = []
        if isinstance(event, PeerRequested):
            refusal = Refusal("NOT_ASKED_HERE", f"{self.name} hands nothing over")
            return [Answer(event.request_id, encode_body(refusal))]
        if isinstance(event, Committed):
            effects.extend(self._in_flight.release(event))
        if isinstance(event, PeerAnswered):
            effects.extend(self._take(event))
        calls = []
        for order in self._list("list_open", ""):
            entry = self._entry(order.order_id)
            if entry is None:
                continue  # given by another node of this regulator, whose books have its number
            if entry.dispute:
                reason = commit_salted(entry.salt, encode(entry.dispute))
                calls.append(Call("access", "answer", AnswerOrder(order.order_id, reason)))
            elif order.record_id in self._vault:
                calls.append(Call("access", "answer", AnswerOrder(order.order_id, None)))
            elif self._asking.may_ask(order.order_id, event.now_ms):
                body = encode_body(FetchOrdered(order.order_id))
                effects.append(self._asking.ask(order.order_id, order.hospital, body, event.now_ms))
        return [*effects, *self._in_flight.offer(calls, event.now_ms)]

    def _take(self, event: PeerAnswered) -> list[Note]:
        order_id = self._asking.take(event)
        order = next((item for item in self._list("list_open", "") if item.order_id == order_id), None)
        if order is None or event.body is None or order.record_id in self._vault:
            return []
        fields: dict[str, str | int] = {"order": order.order_id, "record": order.record_id}
        try:
            reply = decode_reply(event.body)
            if not isinstance(reply, RecordHandover):
                code = reply.code if isinstance(reply, Refusal) else "UNEXPECTED"
                return [Note("order-refused", {**fields, "code": code})]
            self._keep(order, reply)
        except (VerificationError, DecodeError) as error:
            entry = self._entry(order.order_id)
            assert entry is not None, "an order that is fetched is in the register"
            disputed = OrderEntry(entry.number, entry.salt, str(error)[:300])
            self._register.put(ORDER, order.order_id, encode(disputed))
            return [Note("order-disputed", fields)]
        self._asking.forget(order.order_id)
        return [Note("order-opened", fields)]

    def _keep(self, order: Order, handover: RecordHandover) -> None:
        entered = find_record(self._view, order.record_id)
        assert entered is not None, "what is ordered was entered"
        record = entered.record
        context = SealContext(self._view.chain_id, record.record_id, record.hospital, self.name)
        signing_key = find_signing_key(self._view, record.hospital)
        keys = open_envelope(self._seal_key, handover.envelope, context, record.ciphertext_hash, signing_key)
        check_record(self._view.chain_id, record, keys, handover.ciphertext)
        digest = RecordDigest(record.record_id, record.ciphertext_hash, record.commitment)
        self._vault.put(digest, keys, handover.ciphertext)

    def _entry(self, order_id: str) -> OrderEntry | None:
        data = self._register.get(ORDER, order_id)
        return None if data is None else decode(data, OrderEntry)

    def _list(self, method: str, after: str) -> tuple[Order, ...]:
        return self._view.query("access", method, ListOrders(self.name, after), tuple[Order, ...])
