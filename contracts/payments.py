"""How a payment moves, what that makes of its claim, and into which year it counts.

    status      may become                              idempotency key
    due         accepted, unknown, paid, rejected       a fresh one
    accepted    unknown, paid, rejected                 the same
    unknown     accepted, paid, returned, rejected      the same: it is queried, never sent again
    paid        returned                                the same
    returned    accepted, unknown, paid, rejected       a fresh one: the return reopened it
    rejected    accepted, unknown, paid, rejected       a fresh one

The insurer may redirect a returned or rejected payment to the policy's current payee: it is due again.

A recovery is a payment in the other direction: `paid` is the rail's receipt that the refund came in. Only when every
payment of a claim is paid is the claim PAID, or PENDED if a part waits for a person.

These are functions of what they are given; the contract `claims` reads the tables.
"""

from contracts.identifiers import Place
from contracts.settlements import STEPS_MAX, ClaimStatus, Pay, Payment, PaymentStep, Total
from ledger.execution.contract import add_commitments, reject, replace, subtract_commitments

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

UTC_OFFSET_MS = 8 * 60 * 60 * 1000
DAY_MS = 24 * 60 * 60 * 1000


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
    if len(payment.steps) >= STEPS_MAX:
        reject("TOO_MANY", f"{payment.payment_id}: expected at most {STEPS_MAX} steps")
    step = PaymentStep(message.status, message.idempotency_key, payment.payee_version, place)
    return replace(
        payment,
        status=message.status,
        idempotency_key=message.idempotency_key,
        steps=(*payment.steps, step),
    )


def redirect_payment(payment: Payment, payee_version: int, place: Place) -> Payment:
    """Return a returned or rejected payment as due to another version of the payee; reject any other."""
    if payment.status not in ("returned", "rejected"):
        reject("WRONG_STATE", f"{payment.payment_id}: expected returned or rejected, got {payment.status}")
    if len(payment.steps) >= STEPS_MAX:
        reject("TOO_MANY", f"{payment.payment_id}: expected at most {STEPS_MAX} steps")
    steps = (*payment.steps, PaymentStep("due", None, payee_version, place))
    return replace(payment, status="due", idempotency_key=None, payee_version=payee_version, steps=steps)


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


def count_payment(total: Total, payment: Payment, claims: int) -> Total:
    """Return a year's total with a paid payment, and `claims` more claims."""
    paid = add_commitments(total.paid, payment.amount)
    return Total(total.claims + claims, total.payments + 1, paid)


def discount_payment(total: Total, payment: Payment) -> Total:
    """Return a year's total without a returned payment."""
    return Total(total.claims, total.payments - 1, subtract_commitments(total.paid, payment.amount))


def civil_year(time_ms: int) -> int:
    """Return the calendar year of a block time at UTC+8 (days to civil, after Howard Hinnant's algorithm)."""
    shifted = (time_ms + UTC_OFFSET_MS) // DAY_MS + 719_468
    era = shifted // 146_097
    day_of_era = shifted - era * 146_097
    year_of_era = (day_of_era - day_of_era // 1_460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    begins_in_march = year_of_era + era * 400
    return begins_in_march + 1 if day_of_year >= 306 else begins_in_march
