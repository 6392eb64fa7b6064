"""One stay towards one insurer: what is left to do, derived from the chain and the hospital's own file.

    state              when                                              to do
    unreported         the claim is not on the chain                     admission and report, under a usable grant;
                                                                         nothing without one
    staying            reported, not discharged                          interim bills, where the grant covers them
    handing-over       discharged, not everything delivered              records, closing, shares
    awaiting-consent   the claim's grant does not cover what is left     one attempt that the chain refuses, and the
                                                                         wait; once a grant covers it, the resumption
    outside-dates      the claim's grant does not mean these days        nothing
    disputed           the insurer disputed a record again and again     nothing; a person looks
    delivered          everything that is live was delivered             nothing
    awaiting-rules     discharged, and rules visit the data; or they     records and closing; the insurer asks
                       ran, and that is not settled or was left to a     (where that needs a visit for which no use is
                       person                                            left, `visiting` has the claim await consent)
    visited            the rules ran on the latest closing, and the      nothing
                       insurer settled on that
    withdrawn          the customer ended the claim                      nothing
    erased             she asked to have a record erased that the        nothing
                       claim needs, or it is erased here

An interim bill that did not reach the chain before the discharge is of no use any more and is not entered. Attached
documents are entered and shared before and after it, under the claim's grant or another one of hers that covers them;
nothing waits for them.

What a grant no longer covers is not sent to be refused record by record: an entry that fails would still leave the
record's commitment in the chain. One record that is on the chain already stands for all, and its refusal is the trace.
"""

from collections.abc import Collection

from contracts.conditions import CLAIM_PURPOSE
from contracts.grants import BESIDE, RecordType
from contracts.settlements import AwaitConsent, ClosingReference, Report, Resume
from contracts.stays import RecordView, StayView
from nodes.agent import Call, ChainView
from nodes.roles.erasing import list_asked
from nodes.roles.exchange.visits import list_executions
from nodes.roles.hospital.coverage import Coverage, Days
from nodes.roles.hospital.disclosing import DisclosureWorker
from nodes.roles.hospital.records import RecordWriter
from nodes.roles.hospital.sharing import Progress, is_delivered, is_given_up, is_share_due, is_waited_for
from nodes.roles.hospital.stays import Entry, Lane, LocalStay, days_of
from nodes.roles.lookup import find_claim, find_record, find_stay

VISITED_FOR = ("SETTLED", "PAID", "RECOVERING")
"""Of a claim that needs nothing more of its hospital once rules ran on the latest closing."""


class LaneWorker:
    """Derives what is left to do."""

    def __init__(self, view: ChainView, coverage: Coverage, writer: RecordWriter) -> None:
        """Read the chain and write calls.

        Args:
            view: The latest committed state.
            coverage: Which grants cover what.
            writer: Writes the calls.
        """
        self._view = view
        self._coverage = coverage
        self._writer = writer
        self._disclosing = DisclosureWorker(view, coverage, writer)

    def derive(self, stay: LocalStay, lane: Lane) -> Progress:
        """Return where a lane stands and the calls that it needs next, in order."""
        is_claim = lane.purpose == CLAIM_PURPOSE
        return self._derive_claim(stay, lane) if is_claim else self._disclosing.derive(stay, lane)

    def keeps_documents(self, lane: Lane) -> bool:
        """Whether a document is sealed for a lane and not on the chain: a grant that comes later may cover it."""
        return lane.purpose == CLAIM_PURPOSE and any(
            entry.record_type == "document"
            and find_record(self._view, entry.record_id) is None
            and not self._writer.is_erased(entry.record_id)
            for entry in lane.entries
        )

    def _derive_claim(self, stay: LocalStay, lane: Lane) -> Progress:
        entered = find_stay(self._view, lane.stay_id)
        claim = find_claim(self._view, lane.claim_id)
        if claim is not None and claim.claim.status == "WITHDRAWN":
            return Progress("withdrawn")
        asked = list_asked(self._view, lane.stay_id, self._coverage.hospital, lane.insurer)
        if self._is_erased(stay, lane, asked.keys()):
            return Progress("erased")
        if entered is None or claim is None:
            return self._report(stay, lane, entered)
        grant_id = claim.claim.grant_id
        days = days_of(stay)
        views = {entry.record_id: find_record(self._view, entry.record_id) for entry in lane.entries}
        left = self._list_left(stay, lane, views)
        if claim.claim.status == "AWAITING_CONSENT":
            return self._resume(lane, left, days)
        if not stay.discharges:
            calls = [
                call
                for record_type in ("interim-bill", "document")
                for call in self._enter_beside(stay, lane, views, grant_id, asked.keys(), record_type)
            ]
            return Progress("staying", tuple(calls))
        is_visit = self._coverage.act_under(grant_id) == "visit"
        if is_visit and self._is_visited(lane, views, entered):
            return Progress("visited" if claim.status in VISITED_FOR else "awaiting-rules")
        if left and not self._coverage.means(grant_id, days):
            return Progress("outside-dates")
        uncovered = self._coverage.find_uncovered(lane, left, grant_id)
        if uncovered is not None:
            return Progress("awaiting-consent", self._await(lane, views, uncovered[0], grant_id))
        if is_visit:
            return Progress("awaiting-rules", tuple(self._enter_and_close(stay, lane, views, entered, grant_id)))
        beside = self._enter_beside(stay, lane, views, grant_id, asked.keys(), "document")
        return self._hand_over(stay, lane, views, entered, grant_id, beside)

    def _is_visited(self, lane: Lane, views: dict[str, RecordView | None], entered: StayView) -> bool:
        """Whether rules ran on the latest closing, and everything that is planned is on the chain."""
        wanted = [entry for entry in lane.entries if entry.record_type not in BESIDE]
        if not entered.is_closed or any(views[entry.record_id] is None for entry in wanted):
            return False
        executions = list_executions(self._view, lane.claim_id)
        reference = ClosingReference(lane.stay_id, entered.stay.closing_version)
        return bool(executions) and reference in executions[-1].outcome.closings

    def _is_erased(self, stay: LocalStay, lane: Lane, asked: Collection[str]) -> bool:
        """Whether a record that the claim needs was asked for, or is erased here; interim bills it does not need."""
        needed = [entry for entry in lane.live() if entry.record_type not in BESIDE]
        return stay.is_redacted or any(
            entry.record_id in asked or self._writer.is_erased(entry.record_id) for entry in needed
        )

    def _report(self, stay: LocalStay, lane: Lane, entered: StayView | None) -> Progress:
        day = days_of(stay)[0]
        grant_id = self._coverage.find_for(lane, ["admission"], None, (day, day))
        if grant_id is None:
            return Progress("unreported")
        calls = [Call("claims", "report", Report(lane.claim_id, (lane.stay_id,), grant_id))]
        if entered is None:
            admission = next(entry for entry in lane.entries if entry.record_type == "admission")
            calls.insert(0, self._writer.append(stay, lane, admission, grant_id))
        return Progress("unreported", tuple(calls))

    def _list_left(self, stay: LocalStay, lane: Lane, views: dict[str, RecordView | None]) -> list[RecordType]:
        """Return the types of live records that still have to be delivered, in the order of the stay's records.

        An interim bill never settles, so no claim waits for one.
        """
        if not stay.discharges:
            return []
        left: list[RecordType] = []
        for entry in lane.live():
            if entry.record_type in BESIDE or is_delivered(views[entry.record_id], lane.insurer):
                continue
            if entry.record_type not in left:
                left.append(entry.record_type)
        return left

    def _await(
        self, lane: Lane, views: dict[str, RecordView | None], record_type: RecordType, grant_id: str
    ) -> tuple[Call, ...]:
        """Return the attempt that leaves its trace, where a record of the chain can stand for it, and the wait.

        No visit is attempted: without the insurer's premises there is no result to enter.
        """
        calls = [Call("claims", "await_consent", AwaitConsent(lane.claim_id, record_type))]
        if self._coverage.act_under(grant_id) == "visit":
            return tuple(calls)
        for entry in lane.live():
            refused = self._coverage.explain(lane, entry.record_type, grant_id, lane.claim_id, "release")
            if views[entry.record_id] is not None and refused is not None:
                return (self._writer.share(lane, entry, grant_id), *calls)
        return tuple(calls)

    def _resume(self, lane: Lane, left: list[RecordType], days: Days) -> Progress:
        grant_id = self._coverage.find_for(lane, left, lane.claim_id, days)
        if grant_id is None:
            return Progress("awaiting-consent")
        return Progress("awaiting-consent", (Call("claims", "resume", Resume(lane.claim_id, grant_id)),))

    def _enter_beside(
        self,
        stay: LocalStay,
        lane: Lane,
        views: dict[str, RecordView | None],
        grant_id: str,
        asked: Collection[str],
        record_type: RecordType,
    ) -> list[Call]:
        """Return the entries and shares of what goes beside the claim, if a grant covers that type."""
        entries = [
            entry
            for entry in lane.entries
            if entry.record_type == record_type
            and entry.record_id not in asked
            and not self._writer.is_erased(entry.record_id)
        ]
        if not entries:
            return []
        covering = self._find_beside(lane, record_type, grant_id, days_of(stay))
        if covering is None:
            return []
        return [
            *self._enter_missing(stay, lane, views, entries, covering),
            *self._share_due(lane, views, entries, covering),
        ]

    def _find_beside(self, lane: Lane, record_type: RecordType, grant_id: str, days: Days) -> str | None:
        """Return the claim's grant if it covers a type; else, for a document, another one of hers that does."""
        others = (
            self._coverage.find_for(lane, [record_type], lane.claim_id, days) if record_type == "document" else None
        )
        for grant in (grant_id, others):
            if grant is None or not self._coverage.means(grant, days):
                continue
            if self._coverage.explain(lane, record_type, grant, lane.claim_id, "release") is None:
                return grant
        return None

    def _hand_over(
        self,
        stay: LocalStay,
        lane: Lane,
        views: dict[str, RecordView | None],
        entered: StayView,
        grant_id: str,
        beside: list[Call],
    ) -> Progress:
        live = [entry for entry in lane.live() if entry.record_type not in BESIDE]
        calls = self._enter_and_close(stay, lane, views, entered, grant_id)
        calls.extend([*self._share_due(lane, views, live, grant_id), *beside])
        documents = [entry for entry in lane.entries if entry.record_type == "document"]
        waits = any(is_waited_for(views[entry.record_id], lane.insurer) for entry in documents)
        if not (calls or waits) and all(is_delivered(views[entry.record_id], lane.insurer) for entry in live):
            return Progress("delivered")
        if any(is_given_up(views[entry.record_id], lane.insurer) for entry in live):
            return Progress("disputed", tuple(calls))
        return Progress("handing-over", tuple(calls))

    def _enter_and_close(
        self, stay: LocalStay, lane: Lane, views: dict[str, RecordView | None], entered: StayView, grant_id: str
    ) -> list[Call]:
        wanted = [entry for entry in lane.entries if entry.record_type not in BESIDE]
        calls = self._enter_missing(stay, lane, views, wanted, grant_id)
        if calls or not entered.is_closed:
            calls.append(self._writer.close(stay, lane, entered.stay.closing_version + 1, grant_id))
        return calls

    def _enter_missing(
        self,
        stay: LocalStay,
        lane: Lane,
        views: dict[str, RecordView | None],
        entries: list[Entry],
        grant_id: str,
    ) -> list[Call]:
        return [self._writer.append(stay, lane, entry, grant_id) for entry in entries if views[entry.record_id] is None]

    def _share_due(
        self, lane: Lane, views: dict[str, RecordView | None], entries: list[Entry], grant_id: str
    ) -> list[Call]:
        return [
            self._writer.share(lane, entry, grant_id)
            for entry in entries
            if is_share_due(views[entry.record_id], lane.insurer, grant_id)
        ]
