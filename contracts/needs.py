"""Needs: what somebody wants to do under a grant, and the answers to whether that is covered.

A `Need` names the one grant that it rests on; the contracts fill it from their own state. A `Question` names none: it
asks which of a subject's grants would cover something, and what stands against it. Both are answered by the same
conditions (`contracts.conditions`).
"""

from typing import Annotated, Literal

from contracts.grants import Effect, Grant, Purpose, RecordType
from contracts.identifiers import ClaimId, GrantId, StayId, Version
from ledger.execution.contract import Day, Hash, Meta, Name, Struct

Act = Literal["enter", "release", "view", "visit"]
"""What would be done: an entry, a closing, a report or a settlement; a record handed over to be kept; a record shown;
rules that visit it. All but the first are uses and need their mode."""
ACTS: dict[str, Act] = {"data-to-insurer": "release", "rules-visit-data": "visit"}
"""Execution of a grant -> what is done with the records that a claim needs."""
ConditionCode = Literal[
    "AUTH-013", "ELIG-001", "FORBIDDEN", "NOT_REPORTED", "REVERSED", "ERASED", "TOO_MANY", "NOT_SHARED", "NOT_ORDERED"
]
"""The first two are of the grant; the others say that no grant would help."""
Dates = Literal["within", "outside", "unknown"]
"""Whether a grant means records of certain days; unknown to whoever has no opening of its record dates."""
OPENINGS_MAX = 64
"""Record dates opened in one question: more grants than a pseudonym is likely to have."""


class Need(Struct):
    """What somebody wants to do under a grant."""

    grant_id: GrantId
    hospital: Name
    recipient: Name
    subject: Name | None
    """The pseudonym it is about, where already known."""
    record_type: RecordType | None
    """None for a stay as a whole: a closing, a report."""
    stay_id: StayId | None
    claim_id: ClaimId | None
    act: Act
    purpose: Purpose = "HPAYMT"


class Finding(Struct):
    """Why a need is not covered."""

    code: ConditionCode
    condition: str
    """The first condition that fails, in the order of `contracts.conditions`."""
    text: str


class Explanation(Struct):
    """Whether a need is covered, and if not, why not."""

    usable: bool
    version: Version | None
    """The version that covers it."""
    finding: Finding | None


class FindUsable(Struct):
    """Query `consent.usable`: a page of the subject's grants under which this could be done now."""

    subject: Name
    hospital: Name
    recipient: Name
    record_type: RecordType
    stay_id: StayId | None
    after: str
    """The last id already seen; empty for the first page."""


class Days(Struct):
    """The civil days at UTC+8 of the records that are asked about."""

    first_day: Day
    last_day: Day


class DatesOpening(Struct):
    """What opens the record dates of one grant (`Scope.dates`); it is held against the commitment, not believed."""

    grant_id: GrantId
    first_day: Day
    last_day: Day
    salt: Hash


class Question(Struct):
    """Query `explanations.decide`: may this be done with a subject's records, and under which of her grants?"""

    subject: Name
    hospital: Name
    recipient: Name
    record_type: RecordType | None
    stay_id: StayId | None
    claim_id: ClaimId | None
    act: Act
    purpose: Purpose
    what_if: Grant | None
    """Answer as if she had given this too, and as if both parties had matched her; nothing is written."""
    without: GrantId | None
    """Answer as if she had revoked this."""
    days: Days | None = None
    """Of the records; None to leave record dates out of it, as the chain itself has to."""
    openings: Annotated[tuple[DatesOpening, ...], Meta(max_length=OPENINGS_MAX)] = ()
    """The record dates that the asker can open; of other grants it is not known which days they mean."""


class Considered(Struct):
    """One of the subject's grants or denials, held against a question."""

    grant_id: GrantId
    version: Version
    effect: Effect
    finding: Finding | None
    """Of a permit the first condition that fails, of a denial why it does not apply; None if it covers or applies."""
    dates: Dates | None = None
    """Of a permit, if days were asked about: whether it means them. A denial is about all days."""


class Decision(Struct):
    """The answer to a question."""

    permitted: bool
    grant_id: GrantId | None
    """The permit that covers it, or the denial that stands against it; None where there is neither."""
    version: Version | None
    finding: Finding | None
    """Why it is refused; None if it is permitted."""
    considered: tuple[Considered, ...]
    """All her grants, in the order of their ids; the hypothetical one last."""
    dates: Dates | None = None
    """Of the permit that covers it, if days were asked about: `unknown` says that its parties alone know."""
