"""What a grant says, and what the chain keeps of it.

The artefact is a superset of ABDM's consent artefact, of IHE PCF's cases and of PIPL's demands. Three clocks are
kept apart: the dates of the records (`Scope.dates`), the retention (`Permission.erase_at_ms`) and the end of the
grant itself (`Permission.expires_at_ms`).

It is public like everything on the chain, so it holds nobody's name and no medical fact: the subject is a pseudonym,
her identity is sealed to each party and committed here, and the record dates are a commitment that the parties can
open.

An artefact permits or denies. Both are the customer's own acts: what is merely asked for, edited or declined stays off
the chain.
"""

from typing import Annotated, Literal

from contracts.identifiers import AuthorityId, ClaimId, GrantId, Place, StayId, Version
from ledger.execution.contract import Hash, Meta, Milliseconds, Name, Struct

Purpose = Literal["CAREMGT", "BTG", "PUBHLTH", "HPAYMT", "DSRCH", "PATRQT", "HLEGAL"]
"""ABDM's purposes, and HLEGAL for a regulator's statutory access, which is never granted and never silent."""
RecordType = Literal["admission", "item-list", "invoice", "interim-bill", "discharge-summary", "document"]
"""A `document` is a file that is attached to a stay, such as a scan or an image: whoever reads it is a person."""
BESIDE: tuple[RecordType, ...] = ("document", "interim-bill")
"""What is handed over beside a claim: no closing lists it, nothing settles on it, nothing waits for it."""
Status = Literal["REQUESTED", "EDITED", "GRANTED", "DENIED", "EXPIRED", "REVOKED"]
"""The chain writes GRANTED and REVOKED; EXPIRED follows from block time. Requests, edits and denials pass between
the customer and whoever asks, off the chain: a request on it would tell of a patient who never agreed."""
Effect = Literal["permit", "deny"]
LinkResult = Literal["matched", "mismatch"]
Capacity = Literal["adult", "youth", "child", "ward", "deceased"]
"""In what way the subject acts, as a linking party knows it: alone; at 14 to 17 with a guardian's countersignature;
under 14 through a guardian only; under guardianship whatever her age, through a guardian only; not any more. Open on
the chain: a class tells no birth date, and the form of a usable grant (its grantor, its countersignature) would tell
nearly the same."""
Minority = Literal["child", "youth", "ward"]
"""In what way the subject of a guardian acts."""
PartyRole = Literal["hospital", "insurer", "regulator"]

SOURCES_MAX = 16
LINK_ENTRIES_MAX = 16
"""Judgements of one party about one grant; each correction of master data may need one."""
DENIALS_MAX = 16
"""Denials of one pseudonym: every release looks at all of them."""
DENIALS_BY_OTHERS_MAX = 8
"""Places among them that guardians, delegates and heirs may fill: the rest stays the subject's own."""
DENIAL_VERSIONS_MAX = 16
"""Versions of one denial, a revocation aside: a dossier shows all of them."""
ALL_DAYS = bytes(32)
"""What stands in a denial for the record dates: it is about all days, since the chain could not compare any."""


class Grantor(Struct):
    """Who gives the grant."""

    kind: Literal["customer", "guardian", "delegate", "heir"]
    name: Name
    """The pseudonym whose key signs; for a customer, the subject herself."""
    authority: AuthorityId | None
    """What a guardian, delegate or heir rests on (contract `authorities`); None for the customer."""


class Grantee(Struct):
    """The one recipient."""

    organisation: Name
    role: PartyRole


class Scope(Struct):
    """What may be shared."""

    case: Literal["one-case", "standing"]
    """`one-case`: the first claim that is reported, released for or settled under the grant is the only one."""
    encounters: Annotated[tuple[StayId, ...], Meta(max_length=16)]
    """The only stays meant, sorted; empty for any."""
    record_types: Annotated[tuple[RecordType, ...], Meta(min_length=1, max_length=8)]
    """Sorted."""
    dates: Hash
    """Salted commitment to the first and last civil day of the records meant, sealed to each party; ALL_DAYS in a
    denial."""


class Frequency(Struct):
    """At most so many releases within so many days, counted in fixed windows from the first version on."""

    uses: Annotated[int, Meta(ge=1, le=10_000)]
    days: Annotated[int, Meta(ge=1, le=3_660)]


class Permission(Struct):
    """What the recipient may do, how often, and until when."""

    mode: Literal["VIEW", "STORE", "EXECUTE"]
    """Data is handed over under STORE only; VIEW shows it without; EXECUTE lets rules visit it."""
    uses_max: Annotated[int, Meta(ge=1, le=1_000_000)] | None
    """Releases of one record to the recipient; None for no bound but the others."""
    frequency: Frequency | None
    erase_at_ms: Milliseconds
    """When the recipient must have erased what it got, if no law demands to keep it."""
    expires_at_ms: Milliseconds
    """From this block time on the grant is EXPIRED."""


class Notice(Struct):
    """The text that was shown before the signature."""

    language: Literal["zh", "en"]
    hash: Hash


class IdentityCommitment(Struct):
    """Salted commitment to what identifies the subject, as sealed to one party; the same one for all of a grant's."""

    organisation: Name
    commitment: Hash


class Grant(Struct):
    """Transaction `grant`: the grantor's own words, one recipient and one purpose."""

    grant_id: GrantId
    version: Version
    """1, or one more than the latest: an amendment."""
    previous_version: Version | None
    subject: Name
    grantor: Grantor
    grantee: Grantee
    sources: Annotated[tuple[Name, ...], Meta(min_length=1, max_length=SOURCES_MAX)]
    """The providing hospitals, sorted."""
    purpose: Purpose
    scope: Scope
    permission: Permission
    execution: Literal["data-to-insurer", "rules-visit-data"]
    notice: Notice
    identities: Annotated[tuple[IdentityCommitment, ...], Meta(max_length=SOURCES_MAX + 1)]
    """One for each of `parties`; none in a denial, which nobody has to match."""
    effect: Effect = "permit"

    @property
    def parties(self) -> tuple[Name, ...]:
        """Who is shown the subject's identity and has to match it, sorted: the sources and the grantee.

        A regulator is not among them: it gets records under a pseudonym, and whose they are only the hospital knows.
        """
        told = () if self.grantee.role == "regulator" else (self.grantee.organisation,)
        return tuple(sorted((*self.sources, *told)))


class Revoke(Struct):
    """Transaction `revoke`: a grant or a denial ends; final."""

    grant_id: GrantId
    authority: AuthorityId | None = None
    """What a guardian, delegate or heir rests on; None for the subject herself."""


class Countersign(Struct):
    """Transaction `countersign`: a guardian agrees to what a subject of 14 to 17 granted."""

    grant_id: GrantId
    version: Version
    authority: AuthorityId


class Link(Struct):
    """Transaction `link`: a party's judgement whether the subject is the person in its master data."""

    grant_id: GrantId
    version: Version
    result: LinkResult
    evidence: Hash
    """Commitment to the challenge, the key's answer and what was compared."""
    capacity: Capacity
    """In what way she acts, by this party's records."""


class GrantVersion(Struct):
    """Table `grants`: one version, never overwritten."""

    version: Version
    grant: Grant
    """The words; those of the version before if this one is a revocation."""
    status: Status
    place: Place
    authority: AuthorityId | None = None
    """Of a revocation by somebody else than the subject: what she rested on."""


class GrantHead(Struct):
    """Table `heads`: the latest version and what was used of the grant."""

    version: Version
    begun_ms: Milliseconds
    """Block time of version 1."""
    uses: Annotated[int, Meta(ge=0)]
    window: Annotated[int, Meta(ge=0)]
    """The frequency's current window."""
    window_uses: Annotated[int, Meta(ge=0)]
    claim_id: ClaimId | None
    """The claim of a `one-case` grant."""


class LinkEntry(Struct):
    """One judgement of one party."""

    result: LinkResult
    version: Version
    identity: Hash
    """The identity commitment that was judged: another one needs another judgement."""
    evidence: Hash
    place: Place
    capacity: Capacity


class LinkHistory(Struct):
    """Table `links`: all judgements of one party about one grant, appended."""

    entries: Annotated[tuple[LinkEntry, ...], Meta(min_length=1, max_length=LINK_ENTRIES_MAX)]


class Countersignature(Struct):
    """Table `countersignatures`: a guardian's agreement to one version."""

    authority: AuthorityId
    holder: Name
    place: Place


class Denials(Struct):
    """Table `denials`: every denial of one pseudonym, in one entry, so that one proof shows there is no other."""

    grant_ids: Annotated[tuple[GrantId, ...], Meta(min_length=1, max_length=DENIALS_MAX)]
    """In the order in which they were given."""


class IndexEntry(Struct):
    """Tables `by_subject` and `by_party`: a grant to look up."""

    place: Place
    """Of version 1."""


class ShowGrant(Struct):
    """Query `show`."""

    grant_id: GrantId


class ListGrants(Struct):
    """Queries `list_of_subject` and `list_of_party`: at most LIST_ROWS_MAX grants, in the order of their ids."""

    name: Name
    """A pseudonym, or an organisation."""
    after: str
    """The last id already seen; empty for the first page."""


class GrantView(Struct):
    """A grant as it stands."""

    grant_id: GrantId
    status: Status
    """With EXPIRED derived from block time."""
    head: GrantHead
    versions: tuple[GrantVersion, ...]
    links: tuple[tuple[str, LinkHistory], ...]
    """(organisation, its judgements) for the parties that judged."""
    countersignatures: tuple[tuple[Version, Countersignature], ...]
    """(version, the guardian's agreement), where there is one."""


class GrantEvent(Struct):
    """Events `consent-granted`, `consent-denied`, `consent-countersigned` and `consent-revoked`."""

    grant_id: GrantId
    version: Version
    subject: Name
    grantee: Name
    sources: tuple[Name, ...]
    status: Status


class LinkEvent(Struct):
    """Event `consent-linked`."""

    grant_id: GrantId
    version: Version
    organisation: Name
    result: LinkResult
    usable: bool
    """Whether the grantee and at least one source now match."""
