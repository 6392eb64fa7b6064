"""Steps: what is derived from a claim's entry, without a table.

The events that followers are told, the need that a claim has of its grant, and how long the claim has waited for
consent: while it waits, the clocks of its insurer stand still.
"""

from contracts.grants import RecordType
from contracts.needs import Act, Need
from contracts.settlements import Claim, ClaimEvent, Payment, PaymentEvent, Step


def need_of(claim: Claim, stay_id: str, record_type: RecordType | None, act: Act) -> Need:
    """Return what a claim needs of its grant for one of its stays."""
    return Need(
        claim.grant_id, claim.hospital, claim.insurer, claim.customer, record_type, stay_id, claim.claim_id, act
    )


def claim_event(claim: Claim, reference: str) -> ClaimEvent:
    """Return what followers are told of a claim's latest step."""
    return ClaimEvent(
        claim.claim_id,
        claim.hospital,
        claim.insurer,
        claim.customer,
        claim.grant_id,
        claim.status,
        claim.settlement_version,
        reference,
    )


def payment_event(claim: Claim, payment: Payment) -> PaymentEvent:
    """Return what followers are told of a payment."""
    return PaymentEvent(
        payment.payment_id,
        claim.claim_id,
        claim.insurer,
        claim.customer,
        claim.hospital,
        payment.direction,
        payment.status,
        claim.status,
    )


def waited_ms(steps: tuple[Step, ...], until_ms: int) -> int:
    """Return how long a claim has waited for consent up to a block time: for so long its clocks stood still."""
    total = 0
    began_ms: int | None = None
    for step in steps:
        if step.name == "awaiting":
            began_ms = step.place.time_ms
        elif began_ms is not None and step.name in ("resumed", "withdrawn"):
            total = total + step.place.time_ms - began_ms
            began_ms = None
    return total if began_ms is None else total + max(0, until_ms - began_ms)
