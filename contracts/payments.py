"""How a payment moves, and what that makes of its claim.

    status      may become                              idempotency key
    due         accepted, unknown, paid, rejected       a fresh one
    accepted    unknown, paid, rejected                 the same
    unknown     accepted, paid, returned, rejected      the same: it is queried, never sent again
    paid        returned                                the same
    returned    accepted, unknown, paid, rejected       a fresh one: the return reopened it
    rejected    accepted, unknown, paid, rejected       a fresh one

The insurer may redirect a returned or rejected payment to the policy's current payee: it is due again.

An attempt is one rail's, from the settlement or redirection that made it due to its end, and nobody else's receipt
counts. A rail that was removed signs nothing any more, and nobody knows whether it moved what it was instructed to. So
such a payment stays where it is until the insurer states how the attempt ended: it is `paid`, or `rejected` and open
for another attempt by a rail that is a member. Nothing makes that attempt by itself.

A recovery is a payment in the other direction: `paid` is the rail's receipt that the refund came in. Only when every
payment of a claim is paid is the claim PAID, or PENDED if a part waits for a person.

These are functions of what they are given; the contract `claims` reads the tables.
"""

from contracts.identifiers import Place
from contracts.settlements import (
    PAYMENT_STEPS_MAX,
    Claim,
    ClaimStatus,
    Conclude,
    Outcome,
    Pay,
    Payment,
    PaymentStatus,
    PaymentStep,
    Redirect,
    Settle,
)
from ledger.execution.contract import reject, replace

ATTEMPTED = ("accepted", "unknown", "paid", "rejected")
NEXT_STATUSES = (
    ("due", ATTEMPTED),
    ("accepted", ("unknown", "paid", "rejected")),
    ("unknown", ("accepted", "paid", "returned", "rejected")),
    ("paid", ("returned",)),
    ("returned", ATTEMPTED),
    ("rejected", ATTEMPTED),
)
OPEN_STATUSES = ("due", "returned", "rejected")
"""No attempt is under way: the next receipt begins one, under a fresh key."""

ENDS = ("paid", "returned", "rejected")
STEPS_RESERVED = 16
"""Of those only for how attempts end: a rail that cannot make up its mind keeps no money that moved from its entry."""


def open_payment(claim: Claim, message: Settle, moves: bytes, place: Place) -> Payment:
    """Return the payment that a settlement gives rise to, due.

    Args:
        claim: What is settled.
        message: The settlement, which names the payment.
        moves: The commitment to what moves.
        place: Of the transaction.
    """
    assert message.payment_id is not None, "something moves"
    assert message.rail is not None, "something moves"
    outcome = message.outcome
    return Payment(
        message.payment_id,
        claim.claim_id,
        outcome.version,
        claim.insurer,
        outcome.policy_id,
        outcome.payee_version,
        outcome.disposition,
        moves,
        "due",
        None,
        message.rail,
        (),
        (),
        (PaymentStep("due", None, outcome.payee_version, message.rail, place),),
    )


def move_payment(payment: Payment, message: Pay, place: Place, *, is_key_fresh: bool) -> Payment:
    """Return the payment after the rail's receipt; reject what the table above does not have.

    Args:
        payment: Before.
        message: The receipt.
        place: Of the transaction.
        is_key_fresh: Whether no payment ever used the receipt's key.
    """
    for status, following in NEXT_STATUSES:
        if status == payment.status and message.status not in following:
            expected = " or ".join(following)
            reject("WRONG_STATE", f"{payment.payment_id}: after {status} expected {expected}, got {message.status}")
    if payment.status in OPEN_STATUSES and not is_key_fresh:
        reject("IDEMPOTENCY_KEY", f"{payment.payment_id}: expected a fresh key for a new attempt")
    if payment.status not in OPEN_STATUSES and message.idempotency_key != payment.idempotency_key:
        reject("IDEMPOTENCY_KEY", f"{payment.payment_id}: is {payment.status}, expected the key of that attempt")
    steps_max = PAYMENT_STEPS_MAX if message.status in ENDS else PAYMENT_STEPS_MAX - STEPS_RESERVED
    if len(payment.steps) >= steps_max:
        reject("TOO_MANY", f"{payment.payment_id}: expected at most {steps_max} steps")
    step = PaymentStep(message.status, message.idempotency_key, payment.payee_version, payment.rail, place)
    return replace(
        payment,
        status=message.status,
        idempotency_key=message.idempotency_key,
        steps=(*payment.steps, step),
    )


def conclude_payment(payment: Payment, message: Conclude, place: Place) -> Payment:
    """Return a payment whose rail was removed as the insurer states that its attempt ended; reject one that ended."""
    if payment.status not in ("due", "accepted", "unknown"):
        reject("WRONG_STATE", f"{payment.payment_id}: expected due, accepted or unknown, got {payment.status}")
    status: PaymentStatus = "paid" if message.has_moved else "rejected"
    key = payment.idempotency_key
    step = PaymentStep(status, key, payment.payee_version, payment.rail, place, is_stated=True)
    return replace(payment, status=status, steps=(*payment.steps, step))


def redirect_payment(payment: Payment, message: Redirect, place: Place) -> Payment:
    """Return a returned or rejected payment as due, to another version of the payee or by another rail; else reject."""
    if payment.status not in ("returned", "rejected"):
        reject("WRONG_STATE", f"{payment.payment_id}: expected returned or rejected, got {payment.status}")
    steps_max = PAYMENT_STEPS_MAX - STEPS_RESERVED
    if len(payment.steps) >= steps_max:
        reject("TOO_MANY", f"{payment.payment_id}: expected at most {steps_max} steps")
    payee_version, rail = message.payee_version, message.rail
    steps = (*payment.steps, PaymentStep("due", None, payee_version, rail, place))
    return replace(payment, status="due", idempotency_key=None, rail=rail, payee_version=payee_version, steps=steps)


def advance_status(claim: Claim, outcome: Outcome) -> ClaimStatus:
    """Return what `derive_status` will say of a claim that is settled now, out of what it says of it before.

    Args:
        claim: Before: no wait for consent, which nothing is settled in.
        outcome: What its insurer decided.
    """
    if claim.status == "RECOVERING" or outcome.disposition == "recovery":
        return "RECOVERING"
    is_due = claim.status == "SETTLED" and claim.payments != ()
    if is_due or outcome.disposition == "payout":
        return "SETTLED"
    if outcome.is_pended:
        return "PENDED"
    return "PAID" if claim.payments else "SETTLED"


def derive_status(payments: list[Payment], *, is_pended: bool) -> ClaimStatus:
    """Return what a settled claim is, by its payments and whether its latest settlement left a part pended."""
    unpaid = [payment.direction for payment in payments if payment.status != "paid"]
    if "recovery" in unpaid:
        return "RECOVERING"
    if unpaid:
        return "SETTLED"
    if is_pended:
        return "PENDED"
    return "PAID" if payments else "SETTLED"
