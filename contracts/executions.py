"""What the chain keeps of a visit: rules that ran on records where these lie, and the result that they gave.

Under a grant with execution `rules-visit-data` no record is handed over. The hospital runs the insurer's adjudicator
on its own records, enters the result here, and only then tells the insurer the figures behind the commitments. The
result is a whole `Outcome`: the insurer settles on it to the byte, or not at all.
"""

from typing import Annotated

from contracts.grants import RecordType
from contracts.identifiers import ClaimId, GrantId, Place, StayId, Version
from contracts.settlements import STAYS_MAX, Outcome
from ledger.execution.contract import Meta, Name, Signature, Struct

Sequence = Annotated[int, Meta(ge=1, le=2**31)]


class Execute(Struct):
    """Transaction `execute`: a hospital enters what the insurer's rules said about records in its keeping."""

    outcome: Outcome
    signature: Signature
    """By the hospital's key of this transaction, purpose `decision`, over `decision_message` in the hospital's name."""


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
