"""The rail's agent: it moves what an insurer may have moved, once, and receipts every state on the chain.

An instruction is checked before anything else happens:

    the order       opens with the rail's key, for this payment, from the member who asks
    the signature   is the insurer's, by its key in force, purpose `instruction`
    the payment     is on the chain, due, and of this insurer, claim, direction and currency; the attempt is this rail's
    the amount      opens the payment's commitment; above 0 for a payout, below 0 for a recovery
    the key         is new, and no earlier attempt of the payment is still open or unreported

    attempt     the rail                                       the chain gets
    received    keeps it, then tells the bank to move          accepted
    accepted    asks the bank                                  accepted
    unknown     asks the bank, never moves again               unknown
    paid        nothing, unless the bank reports a return      paid
    returned    nothing                                        returned: the payment is open for another attempt
    rejected    nothing                                        rejected: likewise

A rail that is a member no more tells the bank nothing new: what it has not begun to move by then it never moves, and of
the rest its bank is asked, so that it can say what became of it to whoever asks.

What is kept is durable before the bank is told, so whatever dies when, a key moves once; and a bank that never heard
of a key says so before it is told a second time. What the chain lacks is derived from the attempts that are open.
"""

from typing import Literal, cast

from contracts.holds import HOLDS, Hold
from contracts.listings import ClaimView, ShowPayment
from contracts.settlements import Pay, Payment
from ledger.codec import decode, encode
from ledger.crypto.signatures import verify
from ledger.errors import DecodeError, LedgerError, VerificationError
from nodes.agent import (
    AgentEffect,
    AgentInput,
    Answer,
    Call,
    ChainView,
    Committed,
    Note,
    PeerRequested,
)
from nodes.keystore import Keystore
from nodes.roles.erasing import Erasing
from nodes.roles.exchange.questions import (
    AskPayment,
    InstructPayment,
    PaymentAcknowledged,
    PaymentOrder,
    Refusal,
    Reply,
    decode_question,
    encode_body,
)
from nodes.roles.in_flight import InFlight
from nodes.roles.lookup import find_claim, find_credentials
from nodes.roles.rail.attempts import Attempt, Attempts, AttemptState
from nodes.roles.rail.bank import Bank
from nodes.roles.rail.erasing import RailBooks
from nodes.vault.register import Register
from nodes.vault.sealing import SealContext, Sealed

PaidStatus = Literal["accepted", "unknown", "paid", "returned", "rejected"]
ASK_MS = 5_000
"""Between two questions to the bank about attempts that are under way."""
WAYS: dict[tuple[str, AttemptState], tuple[PaidStatus, ...]] = {
    ("due", "received"): ("accepted",),
    ("due", "accepted"): ("accepted",),
    ("due", "unknown"): ("accepted", "unknown"),
    ("due", "paid"): ("accepted", "paid"),
    ("due", "returned"): ("accepted", "paid", "returned"),
    ("due", "rejected"): ("rejected",),
    ("accepted", "unknown"): ("unknown",),
    ("accepted", "paid"): ("paid",),
    ("accepted", "returned"): ("paid", "returned"),
    ("accepted", "rejected"): ("rejected",),
    ("unknown", "accepted"): ("accepted",),
    ("unknown", "paid"): ("paid",),
    ("unknown", "returned"): ("returned",),
    ("unknown", "rejected"): ("rejected",),
    ("paid", "returned"): ("returned",),
}
"""(what the chain has of an attempt, `due` for nothing; its state) -> the receipts that are missing, in order."""
ENDS = ("paid", "returned", "rejected")


class RefusalError(LedgerError):
    """An instruction or question that is not followed."""

    def __init__(self, code: str, reason: str) -> None:
        """Say why, by code and in a sentence without amounts and names."""
        super().__init__(f"{code}: {reason}")
        self.reply = Refusal(code, reason)


class Rail:
    """The payment rail's agent."""

    def __init__(
        self,
        name: str,
        view: ChainView,
        keystore: Keystore,
        register: Register,
        bank: Bank,
        holds: tuple[Hold, ...] = HOLDS,
    ) -> None:
        """Take up the work where the register left it.

        Args:
            name: The rail's name on the chain.
            view: The latest committed state.
            keystore: The rail's keys; the seal key opens orders.
            register: Keeps the attempts.
            bank: Moves the money.
            holds: Why it may have to keep what it is asked to erase.
        """
        self.name = name
        self._view = view
        self._seal_key = keystore.seal
        self._attempts = Attempts(register)
        self._bank = bank
        self._books = RailBooks(name, view, self._attempts, bank)
        self._erasing = Erasing(name, view, self._books, holds)
        self._in_flight = InFlight(name)
        self._ask_ms = 0

    def step(self, event: AgentInput) -> list[AgentEffect]:
        """Take in what happened; return what to do, in order."""
        effects: list[AgentEffect] = []
        if isinstance(event, Committed):
            effects.extend(self._in_flight.release(event))
            for item in (item for receipt in event.receipts for item in receipt.events):
                self._books.follow(item)
        if isinstance(event, PeerRequested):
            effects.extend(self._answer(event))
        if event.now_ms >= self._ask_ms:
            self._ask_ms = event.now_ms + ASK_MS
            for attempt in self._attempts.list_open():
                self._drive(attempt)
        return [*effects, *self._receipt(event.now_ms), *self._answer_erasures(event.now_ms)]

    def report_return(self, idempotency_key: bytes, now_ms: int) -> tuple[None, list[AgentEffect]]:
        """Take in the bank's word that money which was paid came back.

        Raises:
            RefusalError: If no attempt has this key.
        """
        attempt = self._attempts.find(idempotency_key)
        if attempt is None:
            raise RefusalError("UNKNOWN_ATTEMPT", "no attempt has this key")
        self._attempts.move_on(attempt, "returned")
        return None, self._receipt(now_ms)

    # -------------------------------------------------------------------------------------------------- questions

    def _answer(self, event: PeerRequested) -> list[AgentEffect]:
        reply: Reply
        try:
            question = decode_question(event.body)
            if isinstance(question, InstructPayment):
                reply = _acknowledge(self._take_order(event.peer, question))
            elif isinstance(question, AskPayment):
                reply = _acknowledge(self._tell(event.peer, question))
            else:
                reply = Refusal("NOT_ASKED_HERE", f"{self.name} hands no records over")
        except DecodeError:
            reply = Refusal("UNDECODABLE", "expected an instruction or a question about one")
        except VerificationError as error:
            reply = Refusal("INVALID_PROOF", str(error)[:300])
        except RefusalError as error:
            reply = error.reply
        answer = Answer(event.request_id, encode_body(reply))
        if isinstance(reply, Refusal):
            return [answer, Note("instruction-refused", {"peer": event.peer, "code": reply.code})]
        return [answer]

    def _take_order(self, peer: str, question: InstructPayment) -> Attempt:
        order = self._open_order(peer, question.order)
        verify("instruction", self._key_in_force(peer), encode(question.order), question.signature)
        known = self._attempts.find(order.idempotency_key)
        if known is not None:
            if known.order != order:
                raise RefusalError("IDEMPOTENCY_KEY", "this key belongs to another order")
            return self._drive(known)
        if self._attempts.is_spent(order.idempotency_key):
            raise RefusalError("ERASED", "the attempt of this key was made and erased")
        self._check_order(order)
        self._books.add(order.claim_id, order.idempotency_key)
        return self._drive(self._attempts.begin(order))

    def _open_order(self, peer: str, sealed: Sealed) -> PaymentOrder:
        context = SealContext(self._view.chain_id, sealed.context.record_id, peer, self.name)
        order = decode(self._seal_key.open(sealed, context), PaymentOrder)
        if (order.insurer, order.payment_id) != (peer, sealed.context.record_id):
            raise RefusalError("FOREIGN_ORDER", f"expected an order of {peer} for {sealed.context.record_id}")
        return order

    def _key_in_force(self, member: str) -> bytes:
        actor = self._view.actor(member)
        keys = [] if actor is None else [key for key in actor.keys if key.in_force(self._view.height + 1)]
        if not keys:
            raise RefusalError("UNKNOWN_MEMBER", f"{member} has no key in force")
        return keys[-1].public_key

    def _check_order(self, order: PaymentOrder) -> None:
        payment = self._payment(order.payment_id)
        if payment is None or payment.insurer != order.insurer:
            raise RefusalError("UNKNOWN_PAYMENT", f"{order.insurer} has no payment {order.payment_id}")
        if payment.status != "due":
            raise RefusalError("NOT_DUE", f"{order.payment_id} is {payment.status}")
        latest = self._attempts.latest_of(order.payment_id)
        if latest is not None and self._reported(payment, latest) not in ("returned", "rejected"):
            raise RefusalError("UNDER_WAY", f"an earlier attempt of {order.payment_id} is not reported to its end")
        if payment.rail != self.name:
            raise RefusalError("OTHER_RAIL", f"the attempt of {order.payment_id} is {payment.rail}'s")
        claim = cast("ClaimView", find_claim(self._view, payment.claim_id))
        currency = claim.settlements[payment.settlement_version - 1].outcome.currency
        if (order.claim_id, order.direction, order.currency) != (payment.claim_id, payment.direction, currency):
            raise RefusalError("FOREIGN_ORDER", "claim, direction or currency is not the payment's")
        order.opening.verify(payment.amount)
        if (order.opening.amount > 0) != (order.direction == "payout") or order.opening.amount == 0:
            raise RefusalError("DIRECTION", f"the amount's sign is not that of a {order.direction}")

    def _tell(self, peer: str, question: AskPayment) -> Attempt:
        attempt = self._attempts.find(question.idempotency_key)
        if attempt is None or (attempt.order.insurer, attempt.order.payment_id) != (peer, question.payment_id):
            raise RefusalError("UNKNOWN_ATTEMPT", f"{peer} instructed no such attempt of {question.payment_id}")
        return self._drive(attempt)

    # ------------------------------------------------------------------------------------------- bank and receipts

    def _drive(self, attempt: Attempt) -> Attempt:
        """Bring an attempt as far as the bank goes now."""
        if attempt.state in ENDS:
            return attempt
        state = self._bank.ask(attempt.order.idempotency_key)
        if state is None and attempt.state == "received" and self._may_move(attempt):
            state = self._bank.move(attempt.order)
        return attempt if state is None else self._attempts.move_on(attempt, state)

    def _may_move(self, attempt: Attempt) -> bool:
        """Whether this rail is a member still, and the attempt its own: else its insurer states how it ended."""
        payment = self._payment(attempt.order.payment_id)
        return payment is not None and payment.rail == self.name and self._is_member()

    def _is_member(self) -> bool:
        """Whether this rail is one still: who was removed signs nothing any more."""
        return find_credentials(self._view, self.name) is not None

    def _receipt(self, now_ms: int) -> list[AgentEffect]:
        """Return the receipts that the chain lacks."""
        effects: list[AgentEffect] = []
        for attempt in self._attempts.list_open() if self._is_member() else []:
            payment = self._payment(attempt.order.payment_id)
            if payment is None:
                continue
            key = attempt.order.idempotency_key
            reported = self._reported(payment, attempt)
            if reported == attempt.state and reported in ENDS:
                self._attempts.conclude(attempt)
                continue
            missing = WAYS.get((reported, attempt.state), ())
            calls = [Call("claims", "pay", Pay(payment.payment_id, key, status)) for status in missing]
            effects.extend(self._in_flight.offer(calls, now_ms))
        return effects

    def _answer_erasures(self, now_ms: int) -> list[AgentEffect]:
        if not self._is_member():
            return []
        return [*self._in_flight.offer(self._erasing.derive(self._books.list_asked()), now_ms)]

    def _reported(self, payment: Payment, attempt: Attempt) -> str:
        """Return the last status of an attempt on the chain; `due` before the first."""
        key = attempt.order.idempotency_key
        statuses = [step.status for step in payment.steps if step.idempotency_key == key]
        return statuses[-1] if statuses else "due"

    def _payment(self, payment_id: str) -> Payment | None:
        kind = cast("type[Payment | None]", Payment | None)
        return self._view.query("claims", "payment", ShowPayment(payment_id), kind)


def _acknowledge(attempt: Attempt) -> PaymentAcknowledged:
    order = attempt.order
    status: PaidStatus = "accepted" if attempt.state == "received" else attempt.state
    return PaymentAcknowledged(order.payment_id, order.idempotency_key, status)
