"""What the chain keeps of erasures: who was asked to erase what, what each holder answered, and what is said to them.

An erasure is about items that one holder has of one stay, or of one claim. A record is an item of its stay; all that
was made of a claim (drafts and openings at the insurer, orders at the rail) is one item of the claim. Nothing here
says what was in them.
"""

from typing import Annotated, Literal

from contracts.holds import Basis, HolderRole, Kind
from contracts.identifiers import AuthorityId, ClaimId, GrantId, Place, RecordId, StayId
from ledger.execution.contract import Day, Meta, Name, Struct

Scope = Annotated[str, Meta(pattern=r"^(stay-[0-9a-f]{12,32}|claim-[0-9a-f]{12})\Z")]
"""What an erasure is about: a stay with its records, or a claim."""
ItemId = Annotated[str, Meta(pattern=r"^(record-[0-9a-f]{12,32}|claim-[0-9a-f]{12})\Z")]
Cause = Literal["request", "guardian", "heir", "retention"]
"""The customer asked, her guardian did, an heir of hers did, or the day came by which the grant has its recipient
erase."""
ErasureStatus = Literal["ASKED", "RESTRICTED", "ERASED"]
RowNumber = Annotated[int, Meta(ge=1)]

ASK_RECORDS_MAX = 32
"""Records of one request."""
ITEMS_MAX = 64
"""Items of one row: with all their steps they stay below STATE_VALUE_BYTES_MAX, and their ids fit in one event. A
holder of more has several rows of a stay."""
STEPS_MAX = 8
"""Steps of one item: asked, restricted, asked again when the hold has ended, erased."""
STEPS_RESERVED = 2
"""Steps that no restriction takes: whoever restricts is asked again when that has ended, and can answer."""


class Ask(Struct):
    """Transaction `ask`: a customer, her guardian or an heir wants records of one stay erased."""

    stay_id: StayId
    record_ids: Annotated[tuple[RecordId, ...], Meta(min_length=1, max_length=ASK_RECORDS_MAX)]
    """Sorted; reversed records too: what was taken back was handed over all the same."""
    holder: Name | None
    """The one holder that is asked; None for everybody who has them, which is the subject's to say."""
    authority: AuthorityId | None = None
    """What a guardian or heir rests on; None for the subject herself."""


class Certify(Struct):
    """Transaction `certify`: a holder states that it has erased items, keys first."""

    scope: Scope
    items: Annotated[tuple[ItemId, ...], Meta(min_length=1, max_length=ITEMS_MAX)]
    """Sorted; of one row."""


class Restrict(Struct):
    """Transaction `restrict`: a holder that must keep items states why and until when; until then nobody reads them."""

    scope: Scope
    items: Annotated[tuple[ItemId, ...], Meta(min_length=1, max_length=ITEMS_MAX)]
    """Sorted; of one row."""
    basis: Basis
    until_day: Day
    """The last civil day at UTC+8, a 31 December: then they are erased without being asked again."""


class ErasureStep(Struct):
    """One thing that happened to an item; appended, never overwritten."""

    status: ErasureStatus
    basis: Basis | None
    """Of a restriction."""
    until_day: Day | None
    place: Place


class ErasureItem(Struct):
    """One item at one holder."""

    item: ItemId
    kind: Kind
    cause: Cause
    steps: Annotated[tuple[ErasureStep, ...], Meta(min_length=1, max_length=STEPS_MAX)]

    @property
    def status(self) -> ErasureStatus:
        """Where it stands."""
        return self.steps[-1].status


class ErasureRow(Struct):
    """Table `erasures`: what one holder was asked to erase of one stay or claim, ITEMS_MAX items to a row."""

    scope: Scope
    holder: Name
    role: HolderRole
    subject: Name
    """The customer; her pseudonym."""
    items: Annotated[tuple[ErasureItem, ...], Meta(min_length=1, max_length=ITEMS_MAX)]
    """Sorted by id."""
    number: RowNumber = 1
    """Of this scope and holder: a row is full before the next one begins."""


class AskedItem(Struct):
    """Table `asked`: in which row an item stands."""

    number: RowNumber


class ErasureHead(Struct):
    """Table `heads`: how many rows a holder has of a stay or claim."""

    rows: RowNumber


class OpenErasure(Struct):
    """Table `open`: a holder's row with an item that it has not answered."""

    scope: Scope
    number: RowNumber


class RetentionEnds(Struct):
    """Clock `end_retention`: the day by which a recipient erases what was shared with it."""

    record_id: RecordId
    kind: Kind
    recipient: Name
    role: HolderRole
    subject: Name
    stay_id: StayId
    claim_id: ClaimId | None
    """What was made of the record; None for one that was shared for treatment, of which no claim is made."""
    grant_id: GrantId


class HoldEnds(Struct):
    """Clock `end_hold`: the day after the last one of a restriction."""

    scope: Scope
    holder: Name
    number: RowNumber


class ShowErasures(Struct):
    """Query `show`: what was asked about one stay or claim, by holder and row."""

    scope: Scope


class ListOpen(Struct):
    """Query `list_open`: rows that a holder has not answered; at most LIST_ROWS_MAX, by scope and number.

    What cannot be answered yet hides nothing behind it: the next page begins after the last row of this one.
    """

    holder: Name
    after_scope: Annotated[str, Meta(max_length=64)] = ""
    """Of the last row already seen; empty for the first page."""
    after_number: Annotated[int, Meta(ge=0)] = 0


class ErasureEvent(Struct):
    """Events `erasure-asked`, `erasure-restricted` and `erasure-certified`."""

    scope: Scope
    holder: Name
    subject: Name
    items: tuple[ItemId, ...]
