"""Attempts: every look at a customer's records that is no share which went through, as an entry about her.

Rules:

    1. One entry per attempt, never overwritten, under the customer's pseudonym and in the order of the chain. What was
       allowed and what was refused look alike but for the decision and the condition that failed.
    2. A share that is allowed is a `ShareReceipt` of the contract `records`, and a break-glass use that is allowed is a
       `GlassUse` of `emergencies`: those are their receipts. Refused, both are entries here. What a recipient asks for
       and what a regulator orders (contract `access`) are entries here in either case.
    3. Nobody posts here: the contracts write as they go, and refuse on the record.

    table      key                  value
    attempts   subject, sequence    Attempt
    heads      subject              AttemptHead
"""

from typing import Annotated, Literal

from contracts.consent import Consent
from contracts.field_sets import FieldSetName, find_field_set, list_fields
from contracts.grants import Purpose, RecordType
from contracts.identifiers import GrantId, OrderId, Place, RecordId, StayId, locate
from contracts.membership import Membership
from contracts.needs import Finding, Need
from contracts.stays import Stay
from ledger.execution.contract import Contract, Meta, Name, Role, Struct, Table, query

LIST_ROWS_MAX = 200
"""Rows of one page of a listing."""
Kind = Literal["share", "ask", "emergency", "order"]
"""A hospital would have shared; a recipient asked; a hospital broke the glass; somebody ordered under HLEGAL."""


class Attempt(Struct):
    """Table `attempts`: who would have seen what, and whether it was allowed."""

    subject: Name
    kind: Kind
    recipient: Name
    """Who would see it."""
    role: Role | None
    """The recipient's; None for a name that nobody has."""
    signer: Name
    """Who posted the attempt: the recipient, or for a share the hospital."""
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


class Asked(Struct):
    """What somebody wants to see of a stay under a grant, before it is decided."""

    kind: Kind
    recipient: Name
    stay: Stay
    record_type: RecordType
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
            "release",
            self.purpose,
        )


class AttemptHead(Struct):
    """Table `heads`: how many attempts there are about a pseudonym."""

    count: Annotated[int, Meta(ge=1)]


class AttemptView(Struct):
    """One row of a listing."""

    sequence: Annotated[int, Meta(ge=1)]
    attempt: Attempt
    fields: tuple[str, ...]
    """Of the field set."""


class ListAttempts(Struct):
    """Query `of_subject`: at most LIST_ROWS_MAX attempts, the oldest first."""

    subject: Name
    after: Annotated[int, Meta(ge=0)]
    """The last sequence already seen; 0 for the first page."""


class AttemptEvent(Struct):
    """Events `access-permitted` and `access-refused`."""

    subject: Name
    sequence: Annotated[int, Meta(ge=1)]
    kind: Kind
    recipient: Name
    hospital: Name
    stay_id: StayId | None
    code: str


class Attempts(Contract):
    """The register of attempts."""

    name = "attempts"
    attempts = Table("attempts", Attempt)
    heads = Table("heads", AttemptHead)

    @query
    def of_subject(self, message: ListAttempts) -> tuple[AttemptView, ...]:
        """Return the attempts about a pseudonym."""
        head = self.heads.get(message.subject)
        last = min(0 if head is None else head.count, message.after + LIST_ROWS_MAX)
        found: list[AttemptView] = []
        for sequence in range(message.after + 1, last + 1):
            attempt = self.attempts.get((message.subject, sequence))
            assert attempt is not None, "a head counts attempts that exist"
            fields = () if attempt.field_set is None else list_fields(attempt.field_set)
            found.append(AttemptView(sequence, attempt, fields))
        return tuple(found)

    def failing(self, asked: Asked) -> Finding | None:
        """Return why this may not be seen, or None; a stay's records are for the one they were entered for."""
        if asked.recipient != asked.stay.recipient:
            text = f"{asked.stay.stay_id} was entered for {asked.stay.recipient} alone"
            return Finding("AUTH-013", "recipient", text)
        if not self.call(Membership).is_member(asked.recipient):
            return Finding("AUTH-013", "recipient", f"{asked.recipient} is a member no more")
        if find_field_set(asked.purpose, asked.record_type) is None:
            return Finding("AUTH-013", "field set", f"there is none for {asked.purpose}: nothing is released")
        return self.call(Consent).failing(asked.need)

    def note(self, asked: Asked, finding: Finding | None) -> None:
        """Enter what was decided about `asked`."""
        known = find_field_set(asked.purpose, asked.record_type)
        self.enter(
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
                "permit" if finding is None else "deny",
                "" if finding is None else finding.code,
                "" if finding is None else finding.condition,
                known.name if finding is None and known is not None else None,
                locate(self.context),
            )
        )

    def role_of(self, name: str) -> Role | None:
        """Return the role of somebody who would see a record; None for a name that is no actor's."""
        actor = self.context.actor(name)
        return None if actor is None else actor.role

    def enter(self, attempt: Attempt) -> None:
        """Enter an attempt."""
        head = self.heads.get(attempt.subject)
        sequence = 1 if head is None else head.count + 1
        self.attempts.put((attempt.subject, sequence), attempt)
        self.heads.put(attempt.subject, AttemptHead(sequence))
        self.emit(
            "access-permitted" if attempt.decision == "permit" else "access-refused",
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
