"""Sharing: how a record stands with one recipient, whatever it is shared for."""

from dataclasses import dataclass
from typing import Literal

from contracts.stays import RecordView
from nodes.agent import Call

LaneState = Literal[
    "unreported",
    "staying",
    "handing-over",
    "awaiting-consent",
    "outside-dates",
    "disputed",
    "delivered",
    "awaiting-rules",
    "visited",
    "withdrawn",
    "erased",
    "not-permitted",
]
"""Where a stay stands towards one recipient: the tables are in `lanes` for a claim, in `disclosing` for the rest."""
SHARES_MAX = 3
"""Shares of one record that were answered by a dispute; then a person has to look."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a lane stands and what is to be done now."""

    state: LaneState
    calls: tuple[Call, ...] = ()


def is_share_due(view: RecordView | None, recipient: str, grant_id: str) -> bool:
    """Whether a record was never shared, or its latest share ended, or stands under a grant that was replaced."""
    shares = [] if view is None else [item for item in view.shares if item.share.recipient == recipient]
    if not shares:
        return True
    latest = shares[-1]
    if latest.status == "SHARED":
        return latest.share.grant_id != grant_id
    return latest.status == "LAPSED" or (latest.status == "DISPUTED" and not is_given_up(view, recipient))


def is_delivered(view: RecordView | None, recipient: str) -> bool:
    """Whether the recipient has opened and confirmed a record."""
    shares = [] if view is None else [item for item in view.shares if item.share.recipient == recipient]
    return bool(shares) and shares[-1].status == "DELIVERED"


def is_given_up(view: RecordView | None, recipient: str) -> bool:
    """Whether the recipient disputed a record again and again."""
    shares = [] if view is None else [item for item in view.shares if item.share.recipient == recipient]
    disputes = [item for item in shares if item.status == "DISPUTED"]
    return bool(shares) and shares[-1].status == "DISPUTED" and len(disputes) >= SHARES_MAX


def is_waited_for(view: RecordView | None, recipient: str) -> bool:
    """Whether a record is shared and not answered."""
    shares = [] if view is None else [item for item in view.shares if item.share.recipient == recipient]
    return bool(shares) and shares[-1].status == "SHARED"
