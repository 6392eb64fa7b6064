"""Which grants cover what: the chain's conditions, and the one that only the parties can check.

The chain holds a commitment to the days whose records a grant means; the customer opened it when she was linked. A
stay outside those days is not covered, whatever the chain says, and nothing about it leaves the house.
"""

from contracts.disclosures import EMERGENCY, is_disclosure
from contracts.emergencies import ShowOpen
from contracts.grants import Grant, GrantVersion, GrantView, RecordType
from contracts.needs import ACTS, Act, Finding, Need
from nodes.agent import ChainView
from nodes.roles.hospital.stays import Lane
from nodes.roles.linking import Linking
from nodes.roles.lookup import explain, find_grant, list_grants

Days = tuple[int, int]
"""First and last civil day of a stay, as far as it is known."""


class Coverage:
    """A hospital's view of the grants that name it."""

    def __init__(self, hospital: str, view: ChainView, linking: Linking) -> None:
        """Ask the chain and the hospital's links.

        Args:
            hospital: Whose stays.
            view: The latest committed state.
            linking: Knows which pseudonym is which patient, and the days that grants mean.
        """
        self.hospital = hospital
        self._view = view
        self._linking = linking

    def find_grants(self, patient: str, day: int) -> list[Grant]:
        """Return the grants under which an admission on `day` would be reported, in the order of their ids."""
        pseudonyms = sorted({entry.pseudonym for entry in self._linking.matched(patient)})
        return [
            grant
            for pseudonym in pseudonyms
            for grant in self._usable(pseudonym, None, (day, day))
            if self._person_of(grant) == patient
        ]

    def find_owed(self, patient: str, day: int, at_ms: int) -> list[Grant]:
        """Return the grants under which an admission on `day` was to be reported at a time that the chain has passed.

        A node that was behind then did not know of them. They may have ended since: the lane that they open hands
        nothing over without a grant that is in force now. Where anything was denied at that time, nothing is owed.

        Args:
            patient: Whose stay.
            day: Of the admission.
            at_ms: When the stay ended for the desk.
        """
        pseudonyms = sorted({entry.pseudonym for entry in self._linking.matched(patient)})
        return [
            grant
            for pseudonym in pseudonyms
            for grant in self._list_given(pseudonym, at_ms)
            if self._linking.covers(grant, day, day) and self._person_of(grant) == patient
        ]

    def find_disclosures(self, patient: str, days: Days) -> list[Grant]:
        """Return the grants under which a stay of these days is disclosed beside any claim now, by their ids."""
        pseudonyms = sorted({entry.pseudonym for entry in self._linking.matched(patient)})
        return [
            grant
            for pseudonym in pseudonyms
            for grant in self._list_disclosing(pseudonym, days)
            if self._person_of(grant) == patient and self._may_have(grant, "admission", None)
        ]

    def find_disclosing(self, lane: Lane, record_type: RecordType, days: Days) -> str | None:
        """Return a grant that covers handing a type to the recipient of a disclosure; None if none does."""
        for grant in self._list_disclosing(lane.subject, days):
            is_for = (grant.grantee.organisation, grant.purpose) == (lane.insurer, lane.purpose)
            if is_for and self._may_have(grant, record_type, lane.stay_id):
                return grant.grant_id
        return None

    def find_for(self, lane: Lane, types: list[RecordType], claim_id: str | None, days: Days) -> str | None:
        """Return a grant for the lane's insurer that covers handing over `types`, or a visit; None if none does."""
        for grant in self._usable(lane.subject, lane.insurer, days, types, lane.stay_id, claim_id):
            return grant.grant_id
        return None

    def act_under(self, grant_id: str) -> Act:
        """Return what is done with records under a grant: they are handed over, or rules visit them."""
        view = find_grant(self._view, grant_id)
        return "release" if view is None else ACTS[view.versions[-1].grant.execution]

    def find_uncovered(self, lane: Lane, types: list[RecordType], grant_id: str) -> tuple[RecordType, Finding] | None:
        """Return the first of `types` that may not be handed over or visited under a claim's grant, and why."""
        act = self.act_under(grant_id)
        for record_type in types:
            finding = self.explain(lane, record_type, grant_id, lane.claim_id, act)
            if finding is not None:
                return record_type, finding
        return None

    def explain(
        self, lane: Lane, record_type: RecordType | None, grant_id: str, claim_id: str | None, act: Act
    ) -> Finding | None:
        """Return why a grant does not cover something of a lane, or None."""
        need = Need(
            grant_id,
            self.hospital,
            lane.insurer,
            lane.subject,
            record_type,
            lane.stay_id,
            claim_id,
            act,
        )
        return explain(self._view, need).finding

    def means(self, grant_id: str, days: Days) -> bool:
        """Whether a grant means records of these days."""
        view = find_grant(self._view, grant_id)
        return view is not None and self._linking.covers(view.versions[-1].grant, *days)

    def _list_given(self, subject: str, at_ms: int) -> list[Grant]:
        """Return the permits of a pseudonym for claims of this hospital's stays as they stood at a time."""
        views = list_grants(self._view, subject)
        given = [(view, found) for view in views if (found := _find_version(view, at_ms)) is not None]
        if any(version.grant.effect == "deny" for _, version in given):
            return []
        return [
            version.grant
            for view, version in given
            if version.grant.grantee.role == "insurer"
            and self.hospital in version.grant.sources
            and "admission" in version.grant.scope.record_types
            and all(_was_matched(view, party, at_ms) for party in (self.hospital, version.grant.grantee.organisation))
        ]

    def _list_disclosing(self, subject: str, days: Days) -> list[Grant]:
        """Return the permits of a pseudonym for a disclosure that mean these days."""
        grants = [view.versions[-1].grant for view in list_grants(self._view, subject) if view.status == "GRANTED"]
        return [
            grant
            for grant in grants
            if grant.effect == "permit"
            and is_disclosure(grant)
            and self.hospital in grant.sources
            and self._linking.covers(grant, *days)
        ]

    def _may_have(self, grant: Grant, record_type: RecordType, stay_id: str | None) -> bool:
        """Whether a recipient may be handed a type now: under its grant, in an emergency under an open use of it."""
        act: Act = "release"
        if grant.purpose == EMERGENCY:
            act = "enter"  # the use was counted when the glass was broken
            asked = ShowOpen(grant.grant_id, self.hospital)
            if record_type not in self._view.query("emergencies", "list_open", asked, tuple[RecordType, ...]):
                return False
        recipient, purpose = grant.grantee.organisation, grant.purpose
        need = Need(grant.grant_id, self.hospital, recipient, grant.subject, record_type, stay_id, None, act, purpose)
        return explain(self._view, need).usable

    def _person_of(self, grant: Grant) -> str | None:
        entry = self._linking.entry(grant.grant_id)
        return None if entry is None else entry.person

    def _usable(
        self,
        subject: str,
        insurer: str | None,
        days: Days,
        types: list[RecordType] | None = None,
        stay_id: str | None = None,
        claim_id: str | None = None,
    ) -> list[Grant]:
        wanted: tuple[RecordType | None, ...] = ("admission",) if types is None else tuple(types) or (None,)
        found = []
        for view in list_grants(self._view, subject):
            grant = view.versions[-1].grant
            if not self._is_candidate(view, insurer) or not self._linking.covers(grant, *days):
                continue
            needs = [
                Need(
                    grant.grant_id,
                    self.hospital,
                    grant.grantee.organisation,
                    subject,
                    record_type,
                    stay_id,
                    claim_id,
                    "enter" if record_type is None else ACTS[grant.execution],
                )
                for record_type in wanted
            ]
            if all(explain(self._view, need).usable for need in needs):
                found.append(grant)
        return found

    def _is_candidate(self, view: GrantView, insurer: str | None) -> bool:
        grant = view.versions[-1].grant
        is_for = grant.grantee.role == "insurer" and insurer in (None, grant.grantee.organisation)
        return view.status == "GRANTED" and is_for and self.hospital in grant.sources


def _find_version(view: GrantView, at_ms: int) -> GrantVersion | None:
    """Return the version of a grant that was in force at a time, or None."""
    given = [version for version in view.versions if version.place.time_ms < at_ms]
    latest = given[-1] if given else None
    is_over = latest is None or latest.status != "GRANTED" or latest.grant.permission.expires_at_ms <= at_ms
    return None if is_over else latest


def _was_matched(view: GrantView, party: str, at_ms: int) -> bool:
    """Whether a party had matched the subject of a grant by a time."""
    judged = [
        entry
        for name, history in view.links
        if name == party
        for entry in history.entries
        if entry.place.time_ms < at_ms
    ]
    return bool(judged) and judged[-1].result == "matched"
