"""Attempts: every look at a customer's records that is no share which went through, as an entry about her.

Rules:

    1. One entry per attempt, never overwritten, under the customer's pseudonym and in the order of the chain. What was
       allowed and what was refused look alike but for the decision and the condition that failed.
    2. A share that is allowed is a `ShareReceipt` of the contract `records`, a break-glass use that is allowed is a
       `GlassUse` of `emergencies`, a visit an `ExecutionReceipt` of `visits`, a settlement a step of its claim: those
       are their receipts. Refused, all of them are entries here. What a recipient asks for, what a regulator orders
       and whom a claim is opened to are entries here in either case. What a custodian's node turned away is one here
       by the custodian's word (contract `access`, rule 6), and is its entry under rule 3, not the asker's.
    3. Nobody fills a customer's log: of one member about one pseudonym there are ENTRIES_MAX entries a day, by block
       time at UTC+8. After these nothing that has its receipt here is permitted to that member until the day is over
       (TOO_MANY), and what it attempts is counted in one running entry of that day: how many, the first one's place,
       and the latest one whole. So what was permitted always has an entry of its own, and nothing is silent.
    4. Nobody posts here: the contracts write as they go, and refuse on the record.

    table      key                  value
    attempts   subject, sequence    Attempt
    counted    subject, sequence    Counted: one running entry for each member and day that passed the bound
    heads      subject              AttemptHead
    quotas     subject, signer      Quota: of the signer's latest day
"""

from typing import Annotated, Literal

from contracts.calendar import DAY_MS, UTC_OFFSET_MS
from contracts.consent import Consent
from contracts.field_sets import FieldSetName, find_field_set, list_fields
from contracts.grants import Purpose, RecordType
from contracts.identifiers import ClaimId, GrantId, OrderId, Place, RecordId, StayId, locate
from contracts.membership import Membership
from contracts.needs import Finding, Need
from contracts.orders import LegalBasis
from contracts.stays import Stay
from ledger.execution.contract import (
    Contract,
    Day,
    Meta,
    Name,
    Role,
    Struct,
    Table,
    query,
    replace,
)

ENTRIES_MAX = 100
"""Entries of one member about one pseudonym in one day: more than the parts of the longest stay."""
LIST_ROWS_MAX = 200
"""Rows of one page of a listing."""
Kind = Literal["share", "ask", "emergency", "order", "visit", "settlement", "opening", "fetch"]
"""A hospital would have shared; a recipient asked; a hospital broke the glass; somebody ordered under HLEGAL; rules
would have visited; an insurer would have settled on the data; an insurer opened a claim's calculation to somebody;
somebody asked a custodian's node point to point and was turned away."""


class Attempt(Struct):
    """Table `attempts`: who would have seen what, and whether it was allowed."""

    subject: Name
    kind: Kind
    recipient: Name
    """Who would see it."""
    role: Role | None
    """The recipient's; None for a name that nobody has."""
    signer: Name
    """Who posted the attempt: the recipient, the hospital for a share, visit or fetch, the insurer for an opening."""
    hospital: Name
    """Whose records."""
    stay_id: StayId | None
    record_id: RecordId | None
    record_type: RecordType | None
    purpose: Purpose
    grant_id: GrantId | None
    """What it was to rest on; None for an order."""
    grant_version: Annotated[int, Meta(ge=0)]
    """The latest one then; 0 where there is no such grant."""
    order_id: OrderId | None
    decision: Literal["permit", "deny"]
    code: str
    """Of a refusal: `AUTH-013` or `ELIG-001`; empty for a permit."""
    condition: str
    """The first condition that failed; empty for a permit."""
    field_set: FieldSetName | None
    """What a permit releases; None for a refusal, which releases nothing."""
    place: Place
    claim_id: ClaimId | None = None
    """The claim that the stay belonged to; of a settlement or an opening, the claim itself."""
    basis: LegalBasis | None = None
    """Of an order or an opening: under which law."""
    names_person: bool = False
    """Of an opening: whether who the customer is is opened with the calculation."""


class Asked(Struct):
    """What somebody wants to see of a stay under a grant, before it is decided."""

    kind: Kind
    recipient: Name
    stay: Stay
    record_type: RecordType | None
    """None for the stay as a whole."""
    record_id: RecordId | None
    """None for whatever record of the type."""
    grant_id: GrantId
    purpose: Purpose

    @property
    def need(self) -> Need:
        """What the grant has to cover."""
        stay = self.stay
        return Need(
            self.grant_id,
            stay.hospital,
            self.recipient,
            stay.subject,
            self.record_type,
            stay.stay_id,
            stay.claim_id,
            "enter" if self.purpose == "BTG" else "release",  # an emergency's use was counted when it was entered
            self.purpose,
        )


class Counted(Struct):
    """Table `counted`: what one member attempted about a pseudonym on one day after its ENTRIES_MAX entries."""

    signer: Name
    day: Day
    """Civil day at UTC+8."""
    count: Annotated[int, Meta(ge=1)]
    first: Place
    latest: Attempt
    """The last one that was counted: with its condition and place."""


class Quota(Struct):
    """Table `quotas`: how much of a day's entries a member has made about a pseudonym."""

    day: Day
    entries: Annotated[int, Meta(ge=0, le=ENTRIES_MAX)]
    counted: Annotated[int, Meta(ge=0)]
    """The sequence of the day's running entry; 0 while there is none."""


class AttemptHead(Struct):
    """Table `heads`: how many attempts there are about a pseudonym, and how many running entries."""

    count: Annotated[int, Meta(ge=0)]
    counted: Annotated[int, Meta(ge=0)]


class AttemptView(Struct):
    """One row of a listing."""

    sequence: Annotated[int, Meta(ge=1)]
    attempt: Attempt
    fields: tuple[str, ...]
    """Of the field set."""


class CountedView(Struct):
    """One running entry of a listing."""

    sequence: Annotated[int, Meta(ge=1)]
    counted: Counted


class ListAttempts(Struct):
    """Queries `of_subject` and `counted_of_subject`: at most LIST_ROWS_MAX, the oldest first."""

    subject: Name
    after: Annotated[int, Meta(ge=0)]
    """The last sequence already seen; 0 for the first page."""


class AttemptEvent(Struct):
    """Events `access-permitted`, `access-refused` and `access-counted`."""

    subject: Name
    sequence: Annotated[int, Meta(ge=1)]
    """The entry's; of `access-counted`, the running entry's."""
    kind: Kind
    recipient: Name
    hospital: Name
    stay_id: StayId | None
    code: str


class Attempts(Contract):
    """The register of attempts."""

    name = "attempts"
    attempts = Table("attempts", Attempt)
    counted = Table("counted", Counted)
    heads = Table("heads", AttemptHead)
    quotas = Table("quotas", Quota)

    @query
    def of_subject(self, message: ListAttempts) -> tuple[AttemptView, ...]:
        """Return the attempts about a pseudonym."""
        last = min(self._head(message.subject).count, message.after + LIST_ROWS_MAX)
        found: list[AttemptView] = []
        for sequence in range(message.after + 1, last + 1):
            attempt = self.attempts.get((message.subject, sequence))
            assert attempt is not None, "a head counts attempts that exist"
            fields = () if attempt.field_set is None else list_fields(attempt.field_set)
            found.append(AttemptView(sequence, attempt, fields))
        return tuple(found)

    @query
    def counted_of_subject(self, message: ListAttempts) -> tuple[CountedView, ...]:
        """Return the running entries about a pseudonym."""
        last = min(self._head(message.subject).counted, message.after + LIST_ROWS_MAX)
        found: list[CountedView] = []
        for sequence in range(message.after + 1, last + 1):
            counted = self.counted.get((message.subject, sequence))
            assert counted is not None, "a head counts running entries that exist"
            found.append(CountedView(sequence, counted))
        return tuple(found)

    def failing(self, asked: Asked) -> Finding | None:
        """Return why this may not be seen, or None; a stay's records are for the one they were entered for."""
        if asked.recipient != asked.stay.recipient:
            text = f"{asked.stay.stay_id} was entered for {asked.stay.recipient} alone"
            return Finding("AUTH-013", "recipient", text)
        if not self.call(Membership).is_member(asked.recipient):
            return Finding("AUTH-013", "recipient", f"{asked.recipient} is a member no more")
        if asked.record_type is not None and find_field_set(asked.purpose, asked.record_type) is None:
            return Finding("AUTH-013", "field set", f"there is none for {asked.purpose}: nothing is released")
        if asked.purpose != asked.stay.purpose:
            text = f"{asked.stay.stay_id} was entered for {asked.stay.purpose}"
            return Finding("AUTH-013", "purpose", text)
        return self.call(Consent).failing(asked.need)

    def find_crowding(self, subject: str) -> Finding | None:
        """Return why nothing more about a pseudonym is permitted to the signer today, or None."""
        quota = self._quota(subject, self.context.signer)
        if quota.entries < ENTRIES_MAX:
            return None
        text = f"{self.context.signer} has made {ENTRIES_MAX} entries about {subject} today"
        return Finding("TOO_MANY", "quota", text)

    def note(self, asked: Asked, finding: Finding | None) -> None:
        """Enter what was decided about `asked`."""
        known = None if asked.record_type is None else find_field_set(asked.purpose, asked.record_type)
        self.decide(
            Attempt(
                asked.stay.subject,
                asked.kind,
                asked.recipient,
                self.role_of(asked.recipient),
                self.context.signer,
                asked.stay.hospital,
                asked.stay.stay_id,
                asked.record_id,
                asked.record_type,
                asked.purpose,
                asked.grant_id,
                self.call(Consent).latest_version(asked.grant_id),
                None,
                "permit",
                "",
                "",
                None if known is None else known.name,
                locate(self.context),
                asked.stay.claim_id,
            ),
            finding,
        )

    def decide(self, permit: Attempt, finding: Finding | None) -> None:
        """Enter an attempt as it is if it is permitted, or with what keeps it from that."""
        if finding is not None:
            permit = replace(permit, decision="deny", code=finding.code, condition=finding.condition, field_set=None)
        self.enter(permit)

    def refuse_on_record(self, asked: Asked, finding: Finding) -> None:
        """Enter that `asked` is refused, and give the transaction's receipt the same; what was written stands."""
        self.note(asked, finding)
        self.refuse(finding.code, f"{finding.condition}: {finding.text}")

    def role_of(self, name: str) -> Role | None:
        """Return the role of somebody who would see a record; None for a name that is no actor's."""
        actor = self.context.actor(name)
        return None if actor is None else actor.role

    def enter(self, attempt: Attempt) -> None:
        """Enter an attempt, or count it where its signer has made too many entries today."""
        quota = self._quota(attempt.subject, attempt.signer)
        head = self._head(attempt.subject)
        if quota.entries >= ENTRIES_MAX:
            self._count(attempt, quota, head)
            return
        sequence = head.count + 1
        self.attempts.put((attempt.subject, sequence), attempt)
        self.heads.put(attempt.subject, replace(head, count=sequence))
        self.quotas.put((attempt.subject, attempt.signer), replace(quota, entries=quota.entries + 1))
        self._emit("access-permitted" if attempt.decision == "permit" else "access-refused", sequence, attempt)

    def _count(self, attempt: Attempt, quota: Quota, head: AttemptHead) -> None:
        """Add an attempt to the running entry of its signer and day; the first of them begins it."""
        assert attempt.decision == "deny", "beyond the bound nothing is permitted"
        sequence = quota.counted
        if sequence == 0:
            sequence = head.counted + 1
            self.heads.put(attempt.subject, replace(head, counted=sequence))
            self.quotas.put((attempt.subject, attempt.signer), replace(quota, counted=sequence))
            running = Counted(attempt.signer, quota.day, 1, attempt.place, attempt)
        else:
            known = self.counted.get((attempt.subject, sequence))
            assert known is not None, "a quota names a running entry that exists"
            running = replace(known, count=known.count + 1, latest=attempt)
        self.counted.put((attempt.subject, sequence), running)
        self._emit("access-counted", sequence, attempt)

    def _head(self, subject: str) -> AttemptHead:
        head = self.heads.get(subject)
        return AttemptHead(0, 0) if head is None else head

    def _quota(self, subject: str, signer: str) -> Quota:
        """Return what a member has made of today's entries about a pseudonym."""
        today = (self.context.time_ms + UTC_OFFSET_MS) // DAY_MS
        quota = self.quotas.get((subject, signer))
        return quota if quota is not None and quota.day == today else Quota(today, 0, 0)

    def _emit(self, event: str, sequence: int, attempt: Attempt) -> None:
        self.emit(
            event,
            AttemptEvent(
                attempt.subject,
                sequence,
                attempt.kind,
                attempt.recipient,
                attempt.hospital,
                attempt.stay_id,
                attempt.code,
            ),
        )


def find_foreign(stay: Stay, signer: str) -> Finding | None:
    """Return that a stay's records are in another hospital's keeping than the signer's, or None."""
    if stay.hospital == signer:
        return None
    return Finding("FORBIDDEN", "custodian", f"{stay.stay_id}: expected {stay.hospital}, got {signer}")
