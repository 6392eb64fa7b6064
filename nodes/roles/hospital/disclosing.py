"""One stay towards somebody who makes no claim of it: what is left to do, derived from the chain and the own file.

That is another hospital, to treat her, or a regulator, for public health (`contracts.disclosures`).

    state           when                                              to do
    handing-over    a grant covers something that is not delivered;   what has a field set is entered and shared;
                    of an emergency, while a use of it is open        no bill, nobody closes such a stay
    delivered       everything that is live was delivered             nothing
    disputed        the recipient disputed a record again and again   nothing; a person looks
    not-permitted   no grant, or no use of one, covers what is left   nothing
    erased          she had all of it erased                          nothing

A stay is handed over whether it goes on or has ended, as long as its days are among those that the grant means. What
she had erased is left out, the rest goes on. Such a stay has no claim: nothing settles on it, nothing waits for it.
"""

from contracts.grants import BESIDE, RecordType
from nodes.agent import Call, ChainView
from nodes.roles.erasing import list_asked
from nodes.roles.hospital.coverage import Coverage
from nodes.roles.hospital.records import RecordWriter
from nodes.roles.hospital.sharing import Progress, is_delivered, is_given_up, is_share_due, is_waited_for
from nodes.roles.hospital.stays import Lane, LocalStay, days_of
from nodes.roles.linking import Linking
from nodes.roles.lookup import find_record


class DisclosureWorker:
    """Derives what a recipient is to be given beside any claim."""

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

    def derive(self, stay: LocalStay, lane: Lane) -> Progress:
        """Return where a stay stands towards a recipient, and the calls that it needs next, in order."""
        asked = list_asked(self._view, lane.stay_id, self._coverage.hospital, lane.insurer)
        kept = [entry for entry in lane.entries if not (entry.record_id in asked or self._is_erased(entry.record_id))]
        live = [entry for entry in lane.live() if entry in kept]
        if stay.first_day is None or not [entry for entry in live if entry.record_type not in BESIDE]:
            return Progress("erased")
        types = tuple(dict.fromkeys(entry.record_type for entry in kept))
        grants = {
            record_type: self._coverage.find_disclosing(lane, record_type, days_of(stay)) for record_type in types
        }
        views = {entry.record_id: find_record(self._view, entry.record_id) for entry in kept}
        calls: list[Call] = []
        if self._may_begin(lane, grants):
            for entry in kept:
                grant_id = grants[entry.record_type]
                if views[entry.record_id] is None and grant_id is not None:
                    calls.append(self._writer.append(stay, lane, entry, grant_id))
            for entry in live:
                grant_id = grants[entry.record_type]
                if grant_id is not None and is_share_due(views[entry.record_id], lane.insurer, grant_id):
                    calls.append(self._writer.share(lane, entry, grant_id))
        if calls or any(is_waited_for(views[entry.record_id], lane.insurer) for entry in live):
            return Progress("handing-over", tuple(calls))
        if all(is_delivered(views[entry.record_id], lane.insurer) for entry in live):
            return Progress("delivered")
        if any(is_given_up(views[entry.record_id], lane.insurer) for entry in live):
            return Progress("disputed")
        return Progress("not-permitted")

    def _may_begin(self, lane: Lane, grants: dict[RecordType, str | None]) -> bool:
        """Whether the stay's admission, which comes first, is on the chain or may be entered."""
        admission = next(entry for entry in lane.entries if entry.record_type == "admission")
        return grants.get("admission") is not None or find_record(self._view, admission.record_id) is not None

    def _is_erased(self, record_id: str) -> bool:
        return self._writer.is_erased(record_id)


class Disclosed:
    """Which patients have given a grant for a disclosure: nobody else's stays are looked at for one."""

    def __init__(self, linking: Linking) -> None:
        """Know those who are linked."""
        self._linking = linking
        self._patients = linking.list_disclosed()

    def note(self, grant_id: str) -> str | None:
        """Take in that a grant was given, changed or used; return the patient if it is for a disclosure."""
        entry = self._linking.entry(grant_id)
        if entry is None or entry.person is None or not entry.is_disclosure:
            return None
        self._patients.add(entry.person)
        return entry.person

    def __contains__(self, patient: str) -> bool:
        """Whether a patient has given a grant for a disclosure, in force or not."""
        return patient in self._patients
