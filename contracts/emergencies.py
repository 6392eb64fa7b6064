"""Emergencies: break-glass, a look for treatment that nobody could wait for; each is announced and reviewed.

Rules:

    1. Only a hospital breaks the glass, and only under the customer's grant for the purpose BTG that names it. An
       insurer never can: no such grant can be given to it (contract `consent`), and it may not sign here.
    2. A denial of treatment does not reach BTG, a denial of BTG does: purposes are separate acts.
       A use that no grant covers is refused on the record (contract `attempts`).
    3. Each use counts as one of the grant's, is an entry for ever, and is announced at once by the event
       `glass-broken`, which names the pseudonym. What was seen and why is committed to.
    4. A regulator reviews each use, once. Until then it stands among those that wait.
    5. A use is open for GLASS_MS of block time: so long the custodian enters and hands over, for this recipient, what
       the use names (contract `records`), as long as the grant stands as it was: an amendment closes it like a
       revocation. Nothing is handed over under the grant alone.
       While a use is open, another one of the same types is none: nobody fills a customer's log with them.

    table        key                    value
    uses         use id                 GlassUse, with its review
    open         grant, custodian, type OpenGlass: until when the latest use of it is open
    waiting      use id                 IndexEntry: not yet reviewed
    by_subject   subject, use id        IndexEntry
"""

from typing import Annotated, Literal

from contracts.attempts import Attempt, Attempts
from contracts.consent import Consent
from contracts.grants import IndexEntry, ListGrants, RecordType
from contracts.identifiers import GlassUseId, GrantId, Place, Version, locate
from contracts.membership import Membership
from contracts.needs import Finding, Need
from ledger.execution.contract import (
    Contract,
    Hash,
    Meta,
    Milliseconds,
    Name,
    Struct,
    Table,
    query,
    reject,
    replace,
    transaction,
)

GLASS_MS = 24 * 60 * 60 * 1000
"""How long a use is open: a day, by block time; who needs more enters another, which is another review."""
LIST_ROWS_MAX = 100
"""Rows of one page of a listing."""


class BreakGlass(Struct):
    """Transaction `break_glass`: a hospital looks at another hospital's records in an emergency."""

    use_id: GlassUseId
    grant_id: GrantId
    hospital: Name
    """Whose records."""
    record_types: Annotated[tuple[RecordType, ...], Meta(min_length=1, max_length=8)]
    """Sorted."""
    reason: Hash
    """Salted commitment to who looked, at what and why."""


class ReviewUse(Struct):
    """Transaction `review`: a regulator's finding."""

    use_id: GlassUseId
    finding: Literal["justified", "unjustified"]
    grounds: Hash
    """Salted commitment to its reasons."""


class OpenGlass(Struct):
    """Table `open`: the latest use that names a record type."""

    use_id: GlassUseId
    until_ms: Milliseconds


class ShowOpen(Struct):
    """Query `list_open`: the record types for which a use is open now."""

    grant_id: GrantId
    hospital: Name


class ShowUse(Struct):
    """Query `show`."""

    use_id: GlassUseId


class ListWaiting(Struct):
    """Query `list_waiting`: at most LIST_ROWS_MAX uses, in the order of their ids."""

    after: str
    """The last id already seen; empty for the first page."""


class Review(Struct):
    """A regulator's finding about one use."""

    regulator: Name
    finding: Literal["justified", "unjustified"]
    grounds: Hash
    place: Place


class GlassUse(Struct):
    """Table `uses`: one use; its review is all that is ever added."""

    use_id: GlassUseId
    grant_id: GrantId
    grant_version: Version
    subject: Name
    hospital: Name
    recipient: Name
    record_types: tuple[RecordType, ...]
    reason: Hash
    place: Place
    review: Review | None


class GlassEvent(Struct):
    """Events `glass-broken` and `glass-reviewed`."""

    use_id: GlassUseId
    grant_id: GrantId
    subject: Name
    hospital: Name
    recipient: Name


class Emergencies(Contract):
    """The register of break-glass uses."""

    name = "emergencies"
    uses = Table("uses", GlassUse)
    waiting = Table("waiting", IndexEntry)
    open_uses = Table("open", OpenGlass)
    by_subject = Table("by_subject", IndexEntry)

    @transaction
    def break_glass(self, message: BreakGlass) -> None:
        """Enter a use that the customer's grant covers."""
        recipient = self.call(Membership).require(("hospital",)).name
        if self.uses.get(message.use_id) is not None:
            reject("USE_TAKEN", f"{message.use_id} is entered already")
        if message.record_types != tuple(sorted(dict.fromkeys(message.record_types))):
            reject("UNSORTED", "record types: expected sorted names, none twice")
        consent = self.call(Consent)
        subject = consent.terms(message.grant_id).subject
        needs = [
            Need(message.grant_id, message.hospital, recipient, subject, record_type, None, None, "release", "BTG")
            for record_type in message.record_types
        ]
        place = locate(self.context)
        for need in needs:
            finding = consent.failing(need)
            if finding is not None:
                self._enter_refusal(need, finding, place)
                self.refuse(finding.code, f"{finding.condition}: {finding.text}")
                return
        if not [kind for kind in message.record_types if self._find_shut(message, recipient, kind) is not None]:
            reject("USE_OPEN", f"{message.grant_id}: a use of all these types is open; another opens nothing more")
        version = consent.use(needs[0])
        use = GlassUse(
            message.use_id,
            message.grant_id,
            version.version,
            subject,
            message.hospital,
            recipient,
            message.record_types,
            message.reason,
            place,
            None,
        )
        self.uses.put(message.use_id, use)
        self.waiting.put(message.use_id, IndexEntry(place))
        self.by_subject.put((subject, message.use_id), IndexEntry(place))
        for record_type in message.record_types:
            glass = OpenGlass(message.use_id, place.time_ms + GLASS_MS)
            self.open_uses.put((message.grant_id, message.hospital, record_type), glass)
        self._emit("glass-broken", use)

    @transaction
    def review(self, message: ReviewUse) -> None:
        """Review a use."""
        regulator = self.call(Membership).require(("regulator",)).name
        use = self.uses.get(message.use_id)
        if use is None:
            reject("UNKNOWN_USE", f"there is no use {message.use_id}")
        if use.review is not None:
            reject("WRONG_STATE", f"{message.use_id}: was reviewed at height {use.review.place.height}")
        reviewed = replace(use, review=Review(regulator, message.finding, message.grounds, locate(self.context)))
        self.uses.put(message.use_id, reviewed)
        self.waiting.delete(message.use_id)
        self._emit("glass-reviewed", reviewed)

    @query
    def show(self, message: ShowUse) -> GlassUse | None:
        """Return a use with its review, or None."""
        return self.uses.get(message.use_id)

    @query
    def list_of_subject(self, message: ListGrants) -> tuple[GlassUse, ...]:
        """Return the uses that concern a pseudonym."""
        return self._page(message.name, message.after)

    @query
    def list_waiting(self, message: ListWaiting) -> tuple[GlassUse, ...]:
        """Return the uses that wait for review."""
        return self._page(None, message.after)

    @query
    def list_open(self, message: ShowOpen) -> tuple[RecordType, ...]:
        """Return the record types that a custodian may hand over under a grant, because the glass is broken now."""
        found: list[RecordType] = []
        for key, glass in self.open_uses.scan((message.grant_id, message.hospital)):
            use = self._find_open(message.grant_id, glass)
            if use is not None:
                found.extend([kind for kind in use.record_types if kind == key[-1]])
        return tuple(found)

    def find_closed(self, grant_id: str, hospital: str, recipient: str, record_type: RecordType) -> Finding | None:
        """Return that no use of a grant by a recipient is open for a type of a custodian's records, or None."""
        glass = self.open_uses.get((grant_id, hospital, record_type))
        use = None if glass is None else self._find_open(grant_id, glass)
        if use is not None and use.recipient == recipient:
            return None
        text = f"{recipient} has broken no glass for {record_type} under {grant_id}, or it is over"
        return Finding("AUTH-013", "emergency", text)

    def _find_open(self, grant_id: str, glass: OpenGlass) -> GlassUse | None:
        """Return a use that is open: not for too long, and its grant says what it said when the glass was broken."""
        use = self.uses.get(glass.use_id)
        assert use is not None, "an index names a use that exists"
        is_same = use.grant_version == self.call(Consent).latest_version(grant_id)
        return use if is_same and self.context.time_ms < glass.until_ms else None

    def _find_shut(self, message: BreakGlass, recipient: str, record_type: RecordType) -> Finding | None:
        return self.find_closed(message.grant_id, message.hospital, recipient, record_type)

    def _enter_refusal(self, need: Need, finding: Finding, place: Place) -> None:
        assert need.subject is not None, "a grant has a subject"
        consent = self.call(Consent)
        self.call(Attempts).enter(
            Attempt(
                need.subject,
                "emergency",
                need.recipient,
                "hospital",
                self.context.signer,
                need.hospital,
                None,
                None,
                need.record_type,
                need.purpose,
                need.grant_id,
                consent.latest_version(need.grant_id),
                None,
                "deny",
                finding.code,
                finding.condition,
                None,
                place,
            )
        )

    def _page(self, subject: str | None, after: str) -> tuple[GlassUse, ...]:
        """Return a page of a subject's uses, or without one of those that wait."""
        table, prefix = (self.waiting, ()) if subject is None else (self.by_subject, subject)
        return tuple(self._use(key[-1]) for key, _ in table.scan(prefix, after, LIST_ROWS_MAX))

    def _use(self, use_id: str) -> GlassUse:
        use = self.uses.get(use_id)
        assert use is not None, "an index names a use that exists"
        return use

    def _emit(self, event: str, use: GlassUse) -> None:
        self.emit(event, GlassEvent(use.use_id, use.grant_id, use.subject, use.hospital, use.recipient))
