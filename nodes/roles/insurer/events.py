"""Which claim an event of the chain is about, so that it is looked at at once and not with the next sweep."""

from contracts.executions import ExecutionEvent
from contracts.settlements import ClaimEvent, PaymentEvent, Settle
from contracts.stays import CloseEvent, ShareEvent
from ledger.codec import decode
from ledger.transactions import Event
from nodes.agent import Committed
from nodes.roles.insurer.premises import WaitError

CLAIM_EVENTS: dict[str, type[ClaimEvent | PaymentEvent | ShareEvent | CloseEvent | ExecutionEvent]] = {
    **{f"claim-{name}": ClaimEvent for name in ("reported", "extended", "awaiting", "resumed", "settled")},
    **{f"claim-{name}": ClaimEvent for name in ("withdrawn", "acknowledged", "disputed", "coordinated")},
    "payment-changed": PaymentEvent,
    "record-delivered": ShareEvent,
    "record-disputed": ShareEvent,
    "records-executed": ExecutionEvent,
    "stay-closed": CloseEvent,
}
CLAIM_CONTRACTS = ("claims", "coordination", "records", "visits")
DUPLICATES = ("DUPL-001", "DUPL-002")
GENERAL_EVENTS = (
    *("consent-granted", "consent-denied", "consent-countersigned", "consent-revoked", "consent-linked"),
    *("authority-attested", "authority-ended", "policy-issued", "policy-changed"),
)
"""After these any open claim may have another answer."""


def is_general(event: Event) -> bool:
    """Whether any open claim may have another answer after this."""
    return event.contract in ("consent", "authorities", "coverage") and event.name in GENERAL_EVENTS


def claim_of(event: Event, insurer: str) -> str | None:
    """Return the insurer's claim that an event is about, or None."""
    kind = CLAIM_EVENTS.get(event.name) if event.contract in CLAIM_CONTRACTS else None
    if kind is None:
        return None
    data = decode(event.data, kind)
    whose = data.recipient if isinstance(data, ShareEvent | CloseEvent | ExecutionEvent) else data.insurer
    return data.claim_id if whose == insurer else None


def find_duplicates(committed: Committed, insurer: str) -> dict[str, WaitError]:
    """Return the insurer's claims whose settlement a block refused because another claim consumed an invoice."""
    receipts = {receipt.transaction_id: receipt for receipt in committed.receipts}
    found = {}
    for submission in committed.block.submissions:
        for tx in submission.transactions:
            receipt = receipts[tx.id]
            if (tx.signer, tx.contract, tx.method) == (insurer, "claims", "settle") and receipt.code in DUPLICATES:
                claim_id = decode(tx.arguments, Settle).outcome.claim_id
                found[claim_id] = WaitError(receipt.code, receipt.reason)
    return found
