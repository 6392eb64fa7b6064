"""Identifiers that members draw at random, and the places where entries were made.

An identifier says what it names and carries nothing else: a prefix and random hex digits. The pattern is the rule
that keeps names, document numbers and hospital numbers out of identifiers; nobody can pick a telling one.

A `Place` is where in the chain an entry was made: height and index order any two entries, also within one block,
and the transaction id leads to the signature behind it. Entries of every contract carry one, so that a few state
proofs at one later header show what was in force when.
"""

from typing import Annotated

from ledger.execution.contract import Context, Hash, Height, Meta, Milliseconds, Struct

GrantId = Annotated[str, Meta(pattern=r"^grant-[0-9a-f]{12,32}\Z")]
AuthorityId = Annotated[str, Meta(pattern=r"^authority-[0-9a-f]{12,32}\Z")]
GlassUseId = Annotated[str, Meta(pattern=r"^glass-[0-9a-f]{12,32}\Z")]
OrderId = Annotated[str, Meta(pattern=r"^order-[0-9a-f]{12,32}\Z")]
"""A regulator's statutory order; the number on its paper stays off the chain."""
StayId = Annotated[str, Meta(pattern=r"^stay-[0-9a-f]{12,32}\Z")]
"""One encounter, under a number drawn for this chain; the hospital's own number stays in its vault."""
RecordId = Annotated[str, Meta(pattern=r"^record-[0-9a-f]{12,32}\Z")]
ClaimId = Annotated[str, Meta(pattern=r"^claim-[0-9a-f]{12}\Z")]
"""People are shown `C-` and the same digits."""
PolicyId = Annotated[str, Meta(pattern=r"^policy-[0-9a-f]{12,32}\Z")]
PaymentId = Annotated[str, Meta(pattern=r"^payment-[0-9a-f]{12,32}\Z")]
YearTag = Annotated[str, Meta(pattern=r"^year-[0-9a-f]{12,32}\Z")]
"""A policy year under a keyed name: which year it is would tell the service dates."""
Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z")]
"""An ISO 4217 code."""
Version = Annotated[int, Meta(ge=1, le=2**31)]


class Place(Struct):
    """Where in the chain an entry was made."""

    height: Height
    index: Annotated[int, Meta(ge=0)]
    """The place of the transaction's receipt in its block."""
    time_ms: Milliseconds
    """The block's time."""
    transaction_id: Hash


def locate(context: Context) -> Place:
    """Return the place of the transaction that is running."""
    return Place(context.height, context.index, context.time_ms, context.transaction_id)
