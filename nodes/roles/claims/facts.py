"""What an adjudicator's case needs beside the documents of the stay: facts of the chain and of the insurer's books.

Who runs the rules brings the facts: the insurer's own desk, or the hospital that the insurer's rules visit, which gets
them as premises (`nodes.roles.exchange.visits`).
"""

from dataclasses import dataclass

from contracts.adjudication.case import Accumulator, AlreadySettled, Case, Consent, OtherPayment, Policy, Review
from contracts.adjudication.product import Product
from contracts.grants import GrantView
from contracts.settlements import Claim
from nodes.roles.linking import LinkEntry


@dataclass(frozen=True, slots=True)
class Facts:
    """What the case needs beside the documents: from the chain and the insurer's own books."""

    hospital: str
    insurer: str
    product: Product
    consent: Consent
    policy: Policy
    accumulator: Accumulator
    already_settled: AlreadySettled | None
    former_case: Case | None
    """Of the claim's last settlement."""
    reviews: tuple[Review, ...]
    other_payments: tuple[OtherPayment, ...] = ()
    """What other insurers paid of the same invoices, beyond what the hospital's documents say."""


def consent_facts(claim: Claim, grant: GrantView, entry: LinkEntry, own_uses: int) -> Consent:
    """Return a claim's grant as the adjudicator reads it, once the chain said that it covers the claim.

    Args:
        claim: The claim.
        grant: Its grant.
        entry: The customer's disclosure to who asks.
        own_uses: Releases of this very claim's records, or visits to them: they do not stand against it.
    """
    terms = grant.versions[-1].grant
    permission = terms.permission
    uses_left = None if permission.uses_max is None else permission.uses_max - grant.head.uses + own_uses
    return Consent(
        active=True,
        purpose=terms.purpose,
        hospital=claim.hospital if claim.hospital in terms.sources else terms.sources[0],
        insurer=terms.grantee.organisation,
        record_types=terms.scope.record_types,
        from_day=entry.dates.first_day,
        until_day=entry.dates.last_day,
        uses_left=uses_left,
    )


def days_outside(period: tuple[int, int], day: int) -> int:
    """Return by how many days `day` lies outside a policy's first and last day; 0 within."""
    return max(period[0] - day, day - period[1], 0)
