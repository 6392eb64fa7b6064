"""What the desk is shown of its stays: where each stands towards each insurer, in words.

Derived from chain and register at the moment of asking; nothing here is stored.
"""

from dataclasses import dataclass

from contracts.conditions import CLAIM_PURPOSE
from nodes.agent import ChainView
from nodes.roles.hospital.lanes import LaneWorker
from nodes.roles.hospital.sharing import LaneState
from nodes.roles.hospital.stays import Lane, LocalStay
from nodes.roles.lookup import find_claim
from nodes.schemas.waiting import describe_wait

NO_GRANT = "no usable grant: nothing was reported"
WORDS: dict[LaneState, str] = {
    "unreported": "is being reported",
    "staying": "reported",
    "handing-over": "records are being handed over",
    "awaiting-consent": "waits for the customer's consent",
    "outside-dates": "nothing is handed over: the grant does not mean these days",
    "disputed": "the insurer disputes a record; somebody has to look",
    "delivered": "everything was handed over",
    "awaiting-rules": "nothing is handed over: the insurer's rules visit the records here",
    "visited": "the insurer's rules ran here; only their result left",
    "withdrawn": "the customer withdrew the claim",
    "not-permitted": "nothing is handed over: no grant covers it, or nobody broke the glass",
    "erased": "the customer had records erased; nothing is handed over any more",
}


@dataclass(frozen=True, slots=True)
class LaneSummary:
    """A stay towards one insurer, or another hospital that treats her, for the desk."""

    insurer: str
    stay_id: str
    claim_id: str | None
    """None where she is treated: nothing is claimed there."""
    state: LaneState
    claim_status: str | None
    """As the chain has it; None before the report is committed."""
    waits_for: str
    """What keeps it from settling, such as `AUTH-013 status` or `DUPL-002`; empty if nothing that is open does."""
    message: str
    """One sentence on what happens with it."""


@dataclass(frozen=True, slots=True)
class StaySummary:
    """A stay, for the desk."""

    number: str
    patient: str
    admitted_day: int | None
    """None once it was erased."""
    discharged_day: int | None
    interim_bills: int
    corrections: int
    lanes: tuple[LaneSummary, ...]
    message: str
    """The same for all insurers in one line."""


class SummaryWriter:
    """Writes summaries for one hospital."""

    def __init__(self, view: ChainView, lanes: LaneWorker) -> None:
        """Ask the chain, and what each lane has left to do."""
        self._view = view
        self._lanes = lanes

    def write(self, stay: LocalStay) -> StaySummary:
        """Return what the desk is shown of a stay."""
        lanes = tuple(self._write_lane(stay, lane) for lane in stay.lanes)
        summary = stay.discharges[-1].summary if stay.discharges else None
        ended = None if summary is None else summary.stay.discharge_day
        return StaySummary(
            stay.number,
            stay.patient,
            stay.first_day,
            ended,
            len(stay.interims),
            max(0, len(stay.discharges) - 1),
            lanes,
            "; ".join(f"{lane.insurer}: {lane.message}" for lane in lanes) or NO_GRANT,
        )

    def _write_lane(self, stay: LocalStay, lane: Lane) -> LaneSummary:
        progress = self._lanes.derive(stay, lane)
        is_refused = progress.state == "unreported" and not progress.calls
        claim_id = lane.claim_id if lane.purpose == CLAIM_PURPOSE else None
        claim = None if claim_id is None else find_claim(self._view, claim_id)
        wait = None if claim is None else claim.wait
        message = NO_GRANT if is_refused else WORDS[progress.state]
        if claim is not None and wait is not None and wait.code.startswith("DUPL"):
            message = describe_wait(wait, claim.status)
        return LaneSummary(
            lane.insurer,
            lane.stay_id,
            claim_id,
            progress.state,
            None if claim is None else claim.status,
            "" if wait is None else wait.code,
            message,
        )
