"""What can be asked about claims, and the answers.

A status here is the status as it stands: ASSEMBLING is derived from the stays' parts, and all else is written.
"""

from typing import Annotated, Literal

from contracts.calendar import Year
from contracts.identifiers import ClaimId, Currency, PaymentId, Place
from contracts.settlements import Claim, ClaimStatus, Payment, Sequence, Settlement
from ledger.execution.contract import Meta, Name, Struct


class ShowClaim(Struct):
    """Query `show`."""

    claim_id: ClaimId


class ShowPayment(Struct):
    """Query `payment`."""

    payment_id: PaymentId


class ListClaims(Struct):
    """Query `list_claims`: at most LIST_ROWS_MAX claims of one customer, insurer, hospital or written status."""

    by: Literal["customer", "insurer", "hospital", "status"]
    value: str
    after: str
    """The last key already seen (a claim id; for `insurer` its number as 16 hex digits); empty for the first page."""


class FindTotal(Struct):
    """Query `registers.total`."""

    insurer: Name
    year: Year
    currency: Currency


class FindYear(Struct):
    """Query `registers.year`."""

    insurer: Name
    year: Year


class CountClaims(Struct):
    """Query `registers.count`."""

    insurer: Name


class Wait(Struct):
    """Whom a claim waits for, as the contract `waits` derives it."""

    whom: Literal["customer", "hospital", "insurer", "rail"]
    code: str
    """`DUPL-001`, `DUPL-002`, or the code and condition of consent that fails; empty where there is none to tell."""
    parts: Annotated[int, Meta(ge=0)]
    """Parts of the stays' closings, while they are handed over; 0 otherwise."""
    delivered: Annotated[int, Meta(ge=0)]
    """Those of them that the insurer has confirmed."""


class ClaimView(Struct):
    """A claim as it stands."""

    claim: Claim
    status: ClaimStatus
    """With ASSEMBLING derived from the stays' parts."""
    settlements: tuple[Settlement, ...]
    payments: tuple[Payment, ...]
    wait: Wait | None
    """Whom it waits for; None once it has ended."""


class ClaimSummary(Struct):
    """One row of a listing."""

    claim_id: ClaimId
    number: Sequence
    hospital: Name
    insurer: Name
    customer: Name
    status: ClaimStatus
    """With ASSEMBLING derived."""
    settlement_version: Sequence
    reported: Place
    latest: Place
