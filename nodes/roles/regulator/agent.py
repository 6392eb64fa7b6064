"""The regulator: orders records under a law, and opens what the custodian then hands over; nothing of it is silent.

What a customer grants it for public health it takes in as every recipient of a disclosure does (`exchange.receiving`).

    1. order     the order's number goes into the register with its salt, the commitment onto the chain
    2. fetch     a committed order that is not answered is asked for at its custodian, ever more seldom
                 (an attached document chunk by chunk: `documents`)
    3. check     as every recipient does: envelope, payload, plaintext and openings against the chain
    4. keep      in the vault, and `access.answer`; or the dispute, whose reason is a salted commitment
    5. erase     when the customer or the clock of her grant asks and no hold is left: see `erasing`

The customer's activity shows the order from the moment it is committed, before anything is handed over.
"""

from typing import Literal, cast

from contracts.access import LIST_ROWS_MAX
from contracts.erasures import ErasureItem
from contracts.holds import HOLDS, Hold
from contracts.identifiers import OrderId
from contracts.orders import AnswerOrder, LegalBasis, ListOrders, Order, PlaceOrder
from contracts.stays import Record
from ledger.codec import decode, encode
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
from nodes.roles.erasing import Erasing, list_asked
from nodes.roles.exchange.arriving import FULL_DISK_MS, is_full_disk
from nodes.roles.exchange.asking import Asking, note_lost_key
from nodes.roles.exchange.attachments import AttachmentLabel, read_head
from nodes.roles.exchange.documents import Document
from nodes.roles.exchange.intake import Intake, check_record
from nodes.roles.exchange.questions import (
    AttachmentChunks,
    AttachmentOffer,
    FetchOrdered,
    RecordHandover,
    Refusal,
    Reply,
    decode_reply,
    encode_body,
)
from nodes.roles.exchange.receiving import Received, Receiving
from nodes.roles.in_flight import InFlight
from nodes.roles.lookup import find_record, find_signing_key
from nodes.roles.regulator.book import OrderBook
from nodes.roles.regulator.documents import OrderedDocuments
from nodes.roles.regulator.erasing import RegulatorBooks
from nodes.roles.regulator.reviewing import Reviewing, Verdict, WaitingUse
from nodes.vault.attachments import read_plaintext
from nodes.vault.records import RecordDigest, Vault
from nodes.vault.register import Register
from nodes.vault.sealing import Envelope, LostKeyError, RecordKeys, SealContext, open_envelope

QUESTIONS_MAX = 16
UNEXPECTED_MS = 30_000
"""Until a custodian that answered something else than was asked is asked again."""
GONE = "was erased before it was handed over"


class RegulatorError(LedgerError):
    """An order that cannot be given or shown; says why."""


class Regulator:
    """One regulator's agent."""

    def __init__(
        self,
        name: str,
        view: ChainView,
        keystore: Keystore,
        vault: Vault,
        register: Register,
        entropy: Entropy,
        holds: tuple[Hold, ...] = HOLDS,
    ) -> None:
        """Go on where chain and register are.

        Args:
            name: The regulator.
            view: The latest committed state.
            keystore: Its seal key opens what is handed over.
            vault: Keeps it.
            register: Keeps the orders' numbers.
            entropy: For ids and salts.
            holds: The bases by which it keeps what it was asked to erase.
        """
        self.name = name
        self._view = view
        self._seal_key = keystore.seal
        self._vault = vault
        self._book = OrderBook(register)
        self._documents = OrderedDocuments(vault)
        self._entropy = entropy
        self._asking = Asking(QUESTIONS_MAX)
        self._reviewing = Reviewing(name, view, register, keystore.seal, entropy, self._asking)
        intake = Intake(name, view, vault, register, keystore.seal, entropy, self._asking)
        self._receiving = Receiving(name, view, vault, register, _know_nobody, intake)
        self._in_flight = InFlight(name)
        self._erasing = Erasing(name, view, RegulatorBooks(name, view, vault, self._book, self._receiving), holds)

    # -------------------------------------------------------------------------------------------- what is ordered

    def order(self, record_id: str, basis: LegalBasis, number: str) -> tuple[OrderId, Call]:
        """Return a new order's id and the call that enters it.

        Raises:
            RegulatorError: If there is no such record, it is a reversal or was erased here, or the number is empty or
                too long.
        """
        entered = find_record(self._view, record_id)
        if entered is None:
            msg = f"record: expected one on the chain, got {record_id[:64]!r}"
            raise RegulatorError(msg)
        if entered.record.kind == "reversal":
            msg = f"record: expected one with content, got a reversal of {entered.record.replaces}"
            raise RegulatorError(msg)
        if self._vault.is_erased(record_id):
            msg = f"record: {record_id} was erased here, and what is erased is not had again"
            raise RegulatorError(msg)
        if not 1 <= len(number) <= 200:
            msg = f"number: expected 1 to 200 characters, got {len(number)}"
            raise RegulatorError(msg)
        order_id = f"order-{self._entropy.draw(8).hex()}"
        entry = self._book.add(order_id, number, self._entropy.draw(32))
        return order_id, Call("access", "order", PlaceOrder(order_id, record_id, basis, entry.commitment))

    def list_orders(self, after: str = "") -> tuple[Order, ...]:
        """Return a page of this regulator's orders."""
        return self._list("list_of_regulator", after)

    def read(self, order: Order) -> Document | AttachmentLabel | None:
        """Return the record that an order brought, of an attached document its label; None while it has not come."""
        if order.record_id not in self._vault:
            return None
        if order.record_type == "document":
            (first,) = read_plaintext(self._vault, order.record_id, 0, 1)
            return read_head(first)[0]
        return decode(self._vault.open(order.record_id), cast("type[Document]", Document))

    def find_number(self, order_id: str) -> str | None:
        """Return an order's number, as on its paper."""
        entry = self._book.find(order_id)
        return None if entry is None else entry.number

    def find_asked(self, order: Order) -> ErasureItem | None:
        """Return what came of a request to erase the record of an order here; None while nobody asked."""
        return list_asked(self._view, order.stay_id, self.name).get(order.record_id)

    # ------------------------------------------------------------------------------------------- what is disclosed

    def list_received(self, patient: str | None, after: str) -> tuple[Received, ...]:
        """Return what hospitals handed over for public health; see `Receiving.list_received`."""
        return self._receiving.list_received(patient, after)

    def open_received(self, record_id: str) -> tuple[Received, Document | None]:
        """Return a received record and what it says; raises as `Receiving.open`."""
        return self._receiving.open(record_id)

    # ------------------------------------------------------------------------------------------- what is reviewed

    def list_waiting(self, after: str = "") -> tuple[WaitingUse, ...]:
        """Return a page of the emergencies that wait for review; see `Reviewing.list_waiting`."""
        return self._reviewing.list_waiting(after)

    def review(self, use_id: str, finding: Verdict, grounds: str) -> Call:
        """Return the call that reviews an emergency; raises as `Reviewing.review`."""
        return self._reviewing.review(use_id, finding, grounds)

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
        calls = self._erasing.derive()
        waiting = self._list_waiting()
        self._documents.tidy(tuple(order for order in waiting if order.record_type == "document"))
        for order in waiting:
            entry = self._book.find(order.order_id)
            if entry is None:
                continue  # given by another node of this regulator, whose books have its number
            if self._vault.is_erased(order.record_id) and not entry.dispute:
                entry = self._book.dispute(order.order_id, GONE)
            if entry.dispute:
                reason = commit_salted(entry.salt, encode(entry.dispute))
                calls.append(Call("access", "answer", AnswerOrder(order.order_id, reason)))
            elif order.record_id in self._vault:
                calls.append(Call("access", "answer", AnswerOrder(order.order_id, None)))
            elif self._asking.may_ask(order.order_id, event.now_ms):
                effects.extend(self._ask(order, event.now_ms))
        effects.extend(self._reviewing.ask(event.now_ms))
        answers, requests = self._receiving.derive(event.now_ms)
        calls.extend(answers)
        effects.extend(requests)
        return [*effects, *self._in_flight.offer(calls, event.now_ms)]

    def _ask(self, order: Order, now_ms: int) -> list[AgentEffect]:
        is_document = order.record_type == "document"
        question = self._documents.next_question(order) if is_document else FetchOrdered(order.order_id)
        if question is None:
            return []
        return [self._asking.ask(order.order_id, order.hospital, encode_body(question), now_ms)]

    def _take(self, event: PeerAnswered) -> list[Note]:
        order_id = self._asking.take(event)
        if order_id is None:
            return []
        for taker in (self._reviewing, self._receiving):
            notes = taker.take(order_id, event)
            if notes is not None:
                return notes
        order = next((item for item in self._list_waiting() if item.order_id == order_id), None)
        if order is None:
            return []
        if order.record_id in self._vault or self._vault.is_erased(order.record_id):
            self._documents.stop(order.order_id)
            return []
        if event.body is None:
            self._documents.pause(order.order_id)
            return []
        fields: dict[str, str | int] = {"order": order.order_id, "record": order.record_id}
        try:
            reply = decode_reply(event.body)
            taken = self._keep(order, reply)
            if taken == "unexpected":
                self._documents.pause(order.order_id)
                if not isinstance(reply, Refusal):
                    self._asking.postpone(order.order_id, event.now_ms, UNEXPECTED_MS)
                code = reply.code if isinstance(reply, Refusal) else "UNEXPECTED"
                return [Note("order-refused", {**fields, "code": code})]
        except OSError as error:
            if not is_full_disk(error):
                raise
            self._asking.postpone(order.order_id, event.now_ms, FULL_DISK_MS)
            return [Note("document-waits", {**fields, "why": "the disk is full; what arrived is kept"})]
        except LostKeyError as error:
            self._documents.pause(order.order_id)
            return [note_lost_key(fields, error)]
        except (VerificationError, DecodeError) as error:
            self._documents.stop(order.order_id)
            self._book.dispute(order.order_id, str(error))
            return [Note("order-disputed", fields)]
        self._asking.forget(order.order_id)
        return [Note("order-opened", fields)] if taken == "kept" else []

    def _keep(self, order: Order, reply: Reply) -> Literal["kept", "coming", "unexpected"]:
        """Take in what a custodian handed over; return whether the record is here now, whole and checked."""
        entered = find_record(self._view, order.record_id)
        assert entered is not None, "what is ordered was entered"
        record = entered.record
        if record.record_type == "document":
            if not self._documents.expects(order.order_id, reply):
                return "unexpected"
            if isinstance(reply, AttachmentChunks):
                self._documents.take(order.order_id, reply)
            elif isinstance(reply, AttachmentOffer):
                self._documents.begin(order.order_id, record, self._open(record, reply.envelope), reply)
            return "kept" if self._documents.keep_whole(order.order_id) else "coming"
        if not isinstance(reply, RecordHandover):
            return "unexpected"
        keys = self._open(record, reply.envelope)
        check_record(self._view, record, keys, reply.ciphertext)
        digest = RecordDigest(record.record_id, record.ciphertext_hash, record.commitment)
        self._vault.put(digest, keys, reply.ciphertext)
        return "kept"

    def _open(self, record: Record, envelope: Envelope) -> RecordKeys:
        context = SealContext(self._view.chain_id, record.record_id, record.hospital, self.name)
        signing_key = find_signing_key(self._view, record.hospital)
        return open_envelope(self._seal_key, envelope, context, record.ciphertext_hash, signing_key)

    def _list_waiting(self) -> tuple[Order, ...]:
        """Return all orders that are not answered: one whose custodian is silent waits for ever, the rest does not."""
        found = page = self._list("list_open", "")
        while len(page) == LIST_ROWS_MAX:
            page = self._list("list_open", page[-1].order_id)
            found += page
        return found

    def _list(self, method: str, after: str) -> tuple[Order, ...]:
        return self._view.query("access", method, ListOrders(self.name, after), tuple[Order, ...])


def _know_nobody(_pseudonym: str) -> None:
    """Return nothing: no customer shows a regulator who she is."""
