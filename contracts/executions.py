"""What the chain keeps of a visit: rules that ran on records where these lie, and the result that they gave.

Under a grant with execution `rules-visit-data` no record is handed over. The hospital runs the insurer's adjudicator
on its own records, enters the result here, and only then tells the insurer the figures behind the commitments. The
result is a whole `Outcome`: the insurer settles on it to the byte, or not at all.
"""

from typing import Annotated, Literal

from contracts.grants import RecordType
from contracts.identifiers import ClaimId, GrantId, Place, StayId, Version
from contracts.settlements import STAYS_MAX, Outcome
from ledger.execution.contract import Meta, Name, Signature, Struct

RefusedFor = Literal["grant", "record dates", "signature", "premises", "rules", "erasure"]
"""Why a hospital lets no rules in.

    grant          the grant does not cover a visit; the chain names the condition
    record dates   the grant does not mean the days of these records, which the chain cannot see
    signature      the premises are not signed by a key of the asking member that is in force
    premises       they do not open, or say of policy, balance or review what the chain or the hospital contradicts
    rules          the insurer means another adjudicator than the members have pinned
    erasure        the customer asked to have a record of the stay erased
"""
Sequence = Annotated[int, Meta(ge=1, le=2**31)]


class Execute(Struct):
    """Transaction `execute`: a hospital enters what the insurer's rules said about records in its keeping."""

    outcome: Outcome
    signature: Signature
    """By the hospital's key of this transaction, purpose `decision`, over `decision_message` in the hospital's name."""


class RefuseVisit(Struct):
    """Transaction `refuse`: a hospital enters that it let no rules in."""

    stay_id: StayId
    """The first stay of the claim that the rules were to visit."""
    recipient: Name
    """Who asked, as mutual TLS established."""
    grant_id: GrantId
    """The claim's."""
    condition: RefusedFor
    """What the hospital says; what the chain itself can say comes before it."""


class RefusedVisit(Struct):
    """Table `refused`: where a claim stood when a visit was refused for a condition."""

    grant_version: Annotated[int, Meta(ge=0)]
    sequence: Annotated[int, Meta(ge=0)]
    """Of the visits to the claim's records so far."""


class VisitedStay(Struct):
    """What rules visited of one stay."""

    stay_id: StayId
    record_types: tuple[RecordType, ...]
    """Of the closing's parts, in the order of closings."""


class ExecutionReceipt(Struct):
    """Table `executions`: one visit, never overwritten."""

    claim_id: ClaimId
    sequence: Sequence
    """1, and one more for every time that rules visit this claim's records again."""
    hospital: Name
    recipient: Name
    subject: Name
    stays: Annotated[tuple[VisitedStay, ...], Meta(max_length=STAYS_MAX)]
    """In the outcome's order."""
    grant_id: GrantId
    grant_version: Version
    outcome: Outcome
    signature: Signature
    signer_key_version: Version
    place: Place


class ExecutionHead(Struct):
    """Table `heads`: the latest visit of a claim's records."""

    sequence: Sequence


class ClaimEntry(Struct):
    """Table `by_subject`: a claim to look up."""

    hospital: Name


class ShowExecutions(Struct):
    """Query `show`: all visits of a claim's records, the first one first."""

    claim_id: ClaimId


class ListExecutions(Struct):
    """Query `of_subject`: the visits of a customer's records, claim by claim."""

    subject: Name
    after: str
    """The last claim id already seen; empty for the first page."""


class ExecutionEvent(Struct):
    """Event `records-executed`."""

    claim_id: ClaimId
    hospital: Name
    recipient: Name
    subject: Name
    sequence: Sequence
    grant_id: GrantId
