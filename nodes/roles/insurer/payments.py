"""A payment that is due, until the rail has receipted it on the chain.

    the chain says        the insurer
    due                   instructs the rail, sealed and signed; the same order under the same key until it answers
    accepted, unknown     asks the rail what became of it; never instructs again
    returned, rejected    names the policy's current payee and the rail that insurers instruct now (`redirect`), which
                          makes it due again: another attempt
    paid                  nothing

An attempt is the rail's that the chain names with it. Once that one is a member no more, nobody is asked about it or
instructed again: a person finds out what it did, and states it (`conclude`).

The key of an attempt follows from the payment and the attempt's number under the insurer's secret, so after a crash
the same attempt has the same key, and the rail moves it once. An account that sent the money back ATTEMPTS_MAX times
is not tried again by itself: a person names another payee.
"""

from typing import Literal

from contracts.listings import ClaimView
from contracts.settlements import Conclude, Payment, Redirect
from ledger.codec import encode
from ledger.crypto.hashes import tag_keyed
from ledger.crypto.signatures import sign_instruction
from ledger.errors import DecodeError, LedgerError
from nodes.agent import Call, ChainView, Note, PeerAnswered, Request
from nodes.roles.claims.casebook import Casebook
from nodes.roles.exchange.asking import Asking
from nodes.roles.exchange.questions import (
    AskPayment,
    InstructPayment,
    PaymentAcknowledged,
    PaymentOrder,
    Refusal,
    decode_reply,
    encode_body,
)
from nodes.roles.insurer.portfolio import Portfolio
from nodes.roles.lookup import find_credentials, find_rail, find_seal_key
from nodes.roles.own_keys import OwnKeys
from nodes.vault.sealing import SealContext, seal

ATTEMPTS_MAX = 3
"""Attempts to one version of a payee that come back."""


class PaymentError(LedgerError):
    """There is nothing to state about a claim's payments."""

    def __init__(self, claim_id: str, stranded: list[str]) -> None:
        """Say of which claim, and the payments that there are to choose from."""
        ids = ", ".join(stranded)
        super().__init__(
            f"{claim_id}: expected an attempt that a removed payment rail has not reported to its end"
            + (f"; each is stated by itself, name one of {ids}" if stranded else "")
        )


class Payments:
    """The payments of one insurer."""

    def __init__(
        self,
        view: ChainView,
        keys: OwnKeys,
        secret: bytes,
        casebook: Casebook,
        portfolio: Portfolio,
        asking: Asking,
    ) -> None:
        """Begin with nothing under way: what is due says the chain.

        Args:
            view: The latest committed state.
            keys: Sign instructions.
            secret: 32 bytes; keys of attempts are derived from it.
            casebook: Opens the payments' amounts.
            portfolio: Knows the payees.
            asking: The agent's questions.
        """
        self._view = view
        self._keys = keys
        self._secret = secret
        self._casebook = casebook
        self._portfolio = portfolio
        self._asking = asking
        self._asked: dict[str, str] = {}

    def derive(self, shown: ClaimView, now_ms: int) -> tuple[list[Call], list[Request]]:
        """Return what is to be done about a claim's payments now."""
        calls: list[Call] = []
        requests: list[Request] = []
        for payment in shown.payments:
            if payment.status in ("returned", "rejected"):
                calls.extend(self._redirect(payment))
            elif payment.status != "paid":
                requests.extend(self._ask(shown, payment, now_ms))
        return calls, requests

    def take(self, subject: str, event: PeerAnswered) -> list[Note] | None:
        """Take in an answer of the rail; what counts is what it receipts on the chain.

        Args:
            subject: What `Asking.take` returned for it.
            event: The answer.

        Returns:
            Notes, or None if the subject is not a payment's.
        """
        payment_id = self._asked.pop(subject, None)
        if payment_id is None:
            return None
        if event.body is None:
            return []
        try:
            reply = decode_reply(event.body)
        except DecodeError:
            return [Note("payment-refused", {"payment": payment_id, "code": "UNDECODABLE"})]
        if isinstance(reply, PaymentAcknowledged):
            return [Note("payment-acknowledged", {"payment": payment_id, "status": reply.status})]
        code = reply.code if isinstance(reply, Refusal) else "UNEXPECTED"
        return [Note("payment-refused", {"payment": payment_id, "code": code})]

    def attempt_key(self, payment_id: str, attempt: int) -> bytes:
        """Return the idempotency key of an attempt, from 1."""
        return tag_keyed(self._secret, encode(("xinpei/attempt/v1", payment_id, attempt)))

    def find_stranded(self, shown: ClaimView) -> list[Payment]:
        """Return a claim's payments whose rail was removed before it reported how the attempt ended."""
        return [
            payment
            for payment in shown.payments
            if payment.status in ("due", "accepted", "unknown") and find_credentials(self._view, payment.rail) is None
        ]

    def conclude(self, shown: ClaimView, *, has_moved: bool, payment_id: str | None = None) -> Call:
        """Return what a person states of a claim's payment that is stranded.

        Args:
            shown: The claim.
            has_moved: Whether the money moved.
            payment_id: Which payment; None where there is one alone.

        Raises:
            PaymentError: If none is stranded, or it is not said which of several: one may have moved, the other not.
        """
        stranded = [payment.payment_id for payment in self.find_stranded(shown)]
        meant = [item for item in stranded if payment_id in (None, item)]
        if len(meant) != 1:
            raise PaymentError(shown.claim.claim_id, stranded)
        return Call("claims", "conclude", Conclude(meant[0], has_moved))

    def _redirect(self, payment: Payment) -> list[Call]:
        shown = self._portfolio.shown(payment.policy_id)
        assert shown is not None, "a payment's policy exists"
        current = len(shown.payees)
        tried = [step for step in payment.steps if (step.status, step.payee_version) == ("due", current)]
        if len(tried) >= ATTEMPTS_MAX:
            return []
        rail = find_rail(self._view)
        return [] if rail is None else [Call("claims", "redirect", Redirect(payment.payment_id, current, rail))]

    def _ask(self, shown: ClaimView, payment: Payment, now_ms: int) -> list[Request]:
        attempt = len([step for step in payment.steps if step.status == "due"])
        asks: Literal["instruct", "ask"] = "instruct" if payment.status == "due" else "ask"
        subject = f"{payment.payment_id} {attempt} {asks}"
        if not self._asking.may_ask(subject, now_ms):
            return []
        rail = payment.rail
        if find_credentials(self._view, rail) is None:
            return []
        key = self.attempt_key(payment.payment_id, attempt)
        if asks == "instruct":
            order = self._make_order(shown, payment, key)
            body = None if order is None else self._seal_order(order, rail)
        else:
            body = encode_body(AskPayment(payment.payment_id, payment.idempotency_key or key))
        if body is None:
            return []
        self._asked[subject] = payment.payment_id
        return [self._asking.ask(subject, rail, body, now_ms)]

    def _make_order(self, shown: ClaimView, payment: Payment, key: bytes) -> PaymentOrder | None:
        """Return the order; None if what opens the amount is lost, which the desk tells its people."""
        outcome = shown.settlements[payment.settlement_version - 1].outcome
        draft = self._casebook.settled_draft(outcome)
        if draft is None or payment.direction == "none":
            return None
        payee = self._portfolio.get(payment.policy_id).payees[payment.payee_version - 1]
        return PaymentOrder(
            payment.payment_id,
            payment.claim_id,
            payment.insurer,
            payment.direction,
            outcome.currency,
            draft.moves,
            payee.name,
            payee.account,
            key,
        )

    def _seal_order(self, order: PaymentOrder, rail: str) -> bytes:
        context = SealContext(self._view.chain_id, order.payment_id, order.insurer, rail)
        sealed = seal(find_seal_key(self._view, rail), context, encode(order))
        return encode_body(InstructPayment(sealed, sign_instruction(self._keys.now(), encode(sealed))))
