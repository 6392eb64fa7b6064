"""Consent: which organisation may get what from which hospital, for what, and until when.

Rules:

    1. A grant is signed by its subject's own key, or by a guardian, delegate or heir whose authority (contract
       `authorities`) is in force and covers it: GRANTOR, and WIDENED for whatever goes beyond. One grantee and one
       purpose stand in it: a bundled consent cannot be written down.
    2. Versions are appended and never overwritten. An amendment names the version that it follows, keeps subject and
       effect, and is by whoever gave the version before it or by the subject; a revocation is the last version.
    3. Each hospital in the sources, and the grantee, compares the sealed identity with its own master data and
       signs `matched` or `mismatch`, and in what way the subject acts. A grant is usable only between a hospital and a
       grantee that both matched, so an insurer that enrols a customer and consents for her has consented to nothing.
       A regulator is shown nobody's identity: a grant to it rests on the hospital's match.
    4. An amendment keeps a party's judgement only if it commits to the same identity for that party.
    5. A subject of 14 to 17 grants, and her guardian countersigns every version. The guardian of a child or ward
       grants, as `contracts.mandates` tells them apart. Once a party knows that the subject has died, her grants cover
       nothing; an heir's may.
    6. A denial needs nobody's match. It stands against permits as `contracts.precedence` says.
    7. `check` looks at the state at the transaction's place: what is ordered after a revocation, a denial or a
       mismatch is stopped, in the same block too; what was ordered before it stands.
    8. No insurer gets a break-glass grant, nobody but a regulator one for public health, and HLEGAL needs no grant and
       cannot be granted.
    9. A one-case grant serves the first claim that anything is done for under it, and no other.
    10. Absence is refusal.
    11. What an attested authority says nobody has matched takes little: a guardian or heir revokes a permit only if a
        party of it attested her, a denial only if she gave it herself, and fills half of the places for denials.
        A guardian whom the grantee attested countersigns nothing for it.

    status                        by                            next
    (none)                        grant, version 1              GRANTED
    GRANTED                       grant, version n + 1          GRANTED
    GRANTED                       revoke                        REVOKED, final
    GRANTED                       block time >= expires_at_ms   EXPIRED (derived); an amendment may extend it

    table              key                           value
    grants             grant id, version             GrantVersion, with its place
    heads              grant id                      GrantHead: latest version, uses
    links              grant id, organisation        LinkHistory: all judgements of one party, with their places
    countersignatures  grant id, version             Countersignature
    denials            subject                       Denials: all of hers, in one entry
    by_subject         subject, grant id             IndexEntry
    by_party           organisation, grant id        IndexEntry
"""

from contracts.authorities import Authorities
from contracts.conditions import Facts, find_failing, find_link_failing, status_at, window_of
from contracts.customers import Customers
from contracts.grants import (
    DENIAL_VERSIONS_MAX,
    DENIALS_BY_OTHERS_MAX,
    DENIALS_MAX,
    LINK_ENTRIES_MAX,
    Countersign,
    Countersignature,
    Denials,
    Grant,
    GrantEvent,
    GrantHead,
    GrantVersion,
    GrantView,
    IndexEntry,
    Link,
    LinkEntry,
    LinkEvent,
    LinkHistory,
    ListGrants,
    Revoke,
    ShowGrant,
)
from contracts.identifiers import locate
from contracts.mandates import ANY_MANDATE, Authority, find_widening
from contracts.membership import Membership
from contracts.needs import Explanation, Finding, FindUsable, Need
from contracts.precedence import list_against
from contracts.wording import check_wording
from ledger.execution.contract import Contract, Table, query, reject, replace, transaction

LIST_ROWS_MAX = 100
"""Rows of one page of a listing."""


class Consent(Contract):
    """The register of grants, and the check that every disclosure and settlement runs."""

    name = "consent"
    grants = Table("grants", GrantVersion)
    heads = Table("heads", GrantHead)
    links = Table("links", LinkHistory)
    countersignatures = Table("countersignatures", Countersignature)
    denials = Table("denials", Denials)
    by_subject = Table("by_subject", IndexEntry)
    by_party = Table("by_party", IndexEntry)

    @transaction
    def grant(self, message: Grant) -> None:
        """Give or amend a grant, or a denial."""
        self._check_grantor(message)
        self.check_words(message)
        head = self._append(message)
        place = locate(self.context)
        if head.version == 1:
            self.by_subject.put((message.subject, message.grant_id), IndexEntry(place))
            if message.effect == "deny":
                self._enter_denial(message)
        for organisation in (*message.sources, message.grantee.organisation):
            key = (organisation, message.grant_id)
            if self.by_party.get(key) is None:
                self.by_party.put(key, IndexEntry(place))
        event = "consent-denied" if message.effect == "deny" else "consent-granted"
        self._emit_grant(event, self.latest(message.grant_id))

    @transaction
    def countersign(self, message: Countersign) -> None:
        """Agree, as a guardian, to what a subject of 14 to 17 granted."""
        latest = self._granted(message.grant_id, message.version)
        if latest.grant.grantor.kind != "customer" or latest.grant.effect != "permit":
            reject("GRANTOR", f"{message.grant_id}: only what the subject herself permits is countersigned")
        authority = self.call(Authorities).require(message.authority, ("guardian",), latest.grant.subject)
        if authority.minority != "youth":
            reject("GRANTOR", f"{message.authority}: is for a {authority.minority}, whose guardian grants alone")
        self._check_width(authority, latest.grant)
        key = (message.grant_id, message.version)
        if self.countersignatures.get(key) is not None:
            reject("WRONG_STATE", f"{message.grant_id}: version {message.version} is countersigned already")
        signed = Countersignature(message.authority, authority.holder, locate(self.context))
        self.countersignatures.put(key, signed)
        self._emit_grant("consent-countersigned", latest)

    @transaction
    def revoke(self, message: Revoke) -> None:
        """End a grant or a denial for everything ordered after this."""
        latest = self.latest(message.grant_id)
        grant = latest.grant
        if message.authority is not None:
            authority = self.call(Authorities).require(message.authority, ANY_MANDATE, grant.subject)
            self._check_revocation(authority, grant)
        elif grant.subject != self.context.signer:
            reject("FORBIDDEN", f"{message.grant_id}: expected its subject's signature, got {self.context.signer}")
        if latest.status != "GRANTED":
            reject("WRONG_STATE", f"{message.grant_id}: expected GRANTED, got {latest.status}")
        version = latest.version + 1
        revoked = GrantVersion(version, grant, "REVOKED", locate(self.context), message.authority)
        self.grants.put((message.grant_id, version), revoked)
        self.heads.put(message.grant_id, replace(self._head(message.grant_id), version=version))
        self._emit_grant("consent-revoked", revoked)

    @transaction
    def link(self, message: Link) -> None:
        """Record a party's judgement of who the subject is, and in what way she acts."""
        latest = self._granted(message.grant_id, message.version)
        organisation = self.context.signer
        identities = [entry for entry in latest.grant.identities if entry.organisation == organisation]
        if not identities:
            reject("FORBIDDEN", f"{message.grant_id}: {organisation} is no party of it")
        history = self.links.get((message.grant_id, organisation))
        entries = () if history is None else history.entries
        if len(entries) >= LINK_ENTRIES_MAX:
            reject("TOO_MANY", f"{message.grant_id}: expected at most {LINK_ENTRIES_MAX} judgements of one party")
        identity = identities[0].commitment
        place = locate(self.context)
        entry = LinkEntry(message.result, latest.version, identity, message.evidence, place, message.capacity)
        self.links.put((message.grant_id, organisation), LinkHistory((*entries, entry)))
        usable = self._is_linked(latest)
        self.emit("consent-linked", LinkEvent(message.grant_id, latest.version, organisation, message.result, usable))

    @query
    def show(self, message: ShowGrant) -> GrantView | None:
        """Return a grant with all versions and judgements, or None."""
        return None if self.heads.get(message.grant_id) is None else self._view(message.grant_id)

    @query
    def list_of_subject(self, message: ListGrants) -> tuple[GrantView, ...]:
        """Return a customer's grants."""
        return self._page(message, is_party=False)

    @query
    def list_of_party(self, message: ListGrants) -> tuple[GrantView, ...]:
        """Return the grants that name an organisation as source or grantee."""
        return self._page(message, is_party=True)

    @query
    def usable(self, message: FindUsable) -> tuple[GrantVersion, ...]:
        """Return the latest versions of the subject's grants that would cover this release now."""
        found: tuple[GrantVersion, ...] = ()
        for key, _ in self.by_subject.scan(message.subject, message.after):
            need = Need(
                key[-1],
                message.hospital,
                message.recipient,
                message.subject,
                message.record_type,
                message.stay_id,
                None,
                "release",
            )
            if self.failing(need) is None:
                found = (*found, self.latest(key[-1]))
            if len(found) == LIST_ROWS_MAX:
                break
        return found

    @query
    def explain(self, message: Need) -> Explanation:
        """Say whether a need is covered now, and if not, which condition fails."""
        finding = self.failing(message)
        if finding is not None:
            return Explanation(usable=False, version=None, finding=finding)
        return Explanation(usable=True, version=self.latest(message.grant_id).version, finding=None)

    def failing(self, need: Need) -> Finding | None:
        """Return the first condition that `need` does not meet at this place, or None."""
        found = self.find_uncovered([need])
        return None if found is None else found[1]

    def find_uncovered(self, needs: list[Need]) -> tuple[Need, Finding] | None:
        """Return the first of some needs that is not met at this place, and the first condition that fails; or None.

        They are of one grant, hospital, recipient and purpose: what the chain has of these is read once.
        """
        first = needs[0]
        if self.heads.get(first.grant_id) is None:
            return first, Finding("AUTH-013", "grant", f"there is no grant {first.grant_id}")
        latest = self.latest(first.grant_id)
        facts = self.facts(first, latest, self.denials_of(latest.grant.subject))
        for need in needs:
            finding = find_failing(need, facts, self.context.time_ms)
            if finding is not None:
                return need, finding
        return None

    def facts(self, need: Need, latest: GrantVersion, denials: tuple[GrantVersion, ...]) -> Facts:
        """Return what the chain has of a grant, as far as `need` is concerned."""
        grant = latest.grant
        countersignature = self.countersignatures.get((grant.grant_id, latest.version))
        authority_id = grant.grantor.authority
        if authority_id is None and countersignature is not None:
            authority_id = countersignature.authority
        return Facts(
            latest,
            self._head(grant.grant_id),
            self.links.get((grant.grant_id, need.hospital)),
            self.links.get((grant.grant_id, need.recipient)),
            None if authority_id is None else self.call(Authorities).get(authority_id),
            countersignature,
            list_against(need, latest, denials, self.context.time_ms),
        )

    def denials_of(self, subject: str) -> tuple[GrantVersion, ...]:
        """Return the latest versions of all denials of a pseudonym, in the order in which they were given."""
        denials = self.denials.get(subject)
        return () if denials is None else tuple(self.latest(grant_id) for grant_id in denials.grant_ids)

    def versions_of(self, subject: str) -> tuple[GrantVersion, ...]:
        """Return the latest versions of all grants and denials of a pseudonym, in the order of their ids."""
        return tuple(self.latest(key[-1]) for key, _ in self.by_subject.scan(subject))

    def check_words(self, message: Grant) -> None:
        """Reject a grant that says what none may say, or names a party that is none."""
        membership = self.call(Membership)
        for hospital in message.sources:
            membership.find(hospital, "hospital")
        membership.find(message.grantee.organisation, message.grantee.role)
        check_wording(message, self.context.time_ms)

    def check(self, *needs: Need) -> GrantVersion:
        """Return the version that covers `needs`, as of `find_uncovered`; else reject with the condition that fails."""
        found = self.find_uncovered(list(needs))
        if found is not None:
            finding = found[1]
            reject(finding.code, f"{finding.condition}: {finding.text}")
        return self.take(needs[0])

    def take(self, need: Need) -> GrantVersion:
        """Return the version that covers `need` at this place: the caller has asked `failing`.

        A one-case grant belongs to the claim that it first covers anything for, from then on.
        """
        latest = self.latest(need.grant_id)
        self._bind(latest, need)
        return latest

    def use(self, need: Need) -> GrantVersion:
        """Count one release under a grant that covers `need` at this place: the caller has asked `failing`."""
        latest = self.latest(need.grant_id)
        self._bind(latest, need)
        head = self._head(need.grant_id)
        window = window_of(latest, head, self.context.time_ms)
        window_uses = head.window_uses + 1 if window == head.window else 1
        counted = replace(head, uses=head.uses + 1, window=window, window_uses=window_uses)
        self.heads.put(need.grant_id, counted)
        return latest

    def latest_version(self, grant_id: str) -> int:
        """Return a grant's latest version; 0 where there is none."""
        head = self.heads.get(grant_id)
        return 0 if head is None else head.version

    def terms(self, grant_id: str) -> Grant:
        """Return the latest words of a grant; else reject with AUTH-013."""
        return self.latest(grant_id).grant

    def _bind(self, latest: GrantVersion, need: Need) -> None:
        """Tie a `one-case` grant to the claim that uses it first, for whatever; a standing grant stays free."""
        if latest.grant.scope.case == "one-case" and need.claim_id is not None:
            self.heads.put(need.grant_id, replace(self._head(need.grant_id), claim_id=need.claim_id))

    def _check_grantor(self, message: Grant) -> None:
        signer = self.call(Customers).require().name
        grantor = message.grantor
        if grantor.name != signer:
            reject("FORBIDDEN", f"grantor: expected the signer {signer}, got {grantor.name}")
        if grantor.kind == "customer":
            if message.subject != signer:
                reject("FORBIDDEN", f"subject: expected the signer {signer}, got {message.subject}")
            if grantor.authority is not None:
                reject("GRANTOR", "grantor: the customer herself rests on no authority")
            return
        authority = self.call(Authorities).require(grantor.authority, (grantor.kind,), message.subject)
        self._check_width(authority, message)

    def _check_width(self, authority: Authority, grant: Grant) -> None:
        widening = find_widening(authority, grant)
        if widening is not None:
            reject("WIDENED", widening)

    def _check_revocation(self, authority: Authority, grant: Grant) -> None:
        """Let everybody take back what she gave herself, and a guardian or heir permits of a party that attested her.

        Nobody has matched the holder for this. So to a permit an attested authority does what its giver could do alone,
        as a party that finds a mismatch; to the subject's own denial it does nothing.
        """
        if grant.grantor.authority == authority.authority_id:
            return
        if authority.kind == "delegate" or grant.effect == "deny":
            reject("GRANTOR", f"{grant.grant_id}: was not given under {authority.authority_id}")
        if authority.given_by not in (*grant.sources, grant.grantee.organisation):
            reject("GRANTOR", f"{grant.grant_id}: {authority.given_by}, who attested the {authority.kind}, is no party")

    def _append(self, message: Grant) -> GrantHead:
        place = locate(self.context)
        head = self.heads.get(message.grant_id)
        if head is None:
            head = GrantHead(0, place.time_ms, 0, 0, 0, None)
            previous = None
        else:
            latest = self.latest(message.grant_id)
            previous = latest.version
            self._check_amendment(latest, message)
        if (message.version, message.previous_version) != (head.version + 1, previous):
            reject("STALE_VERSION", f"version: expected {head.version + 1} after {previous}, got {message.version}")
        head = replace(head, version=message.version)
        self.grants.put((message.grant_id, message.version), GrantVersion(message.version, message, "GRANTED", place))
        self.heads.put(message.grant_id, head)
        return head

    def _check_amendment(self, latest: GrantVersion, message: Grant) -> None:
        former = latest.grant
        if former.subject != message.subject or latest.status != "GRANTED":
            reject("GRANT_TAKEN", f"{message.grant_id}: expected a new id, this one is another's or revoked")
        if former.effect != message.effect:
            reject("EFFECT", f"effect: expected {former.effect}, got {message.effect}; revoke it and give another")
        if former.effect == "deny" and latest.version >= DENIAL_VERSIONS_MAX:
            reject("TOO_MANY", f"{message.grant_id}: expected at most {DENIAL_VERSIONS_MAX} versions of a denial")
        if message.grantor.kind != "customer" and former.grantor != message.grantor:
            reject("GRANTOR", f"{message.grant_id}: a {message.grantor.kind} amends what she gave herself, and no more")

    def _enter_denial(self, message: Grant) -> None:
        known = self.denials.get(message.subject)
        ids = () if known is None else known.grant_ids
        ids_max = DENIALS_MAX if message.grantor.kind == "customer" else DENIALS_BY_OTHERS_MAX
        if len(ids) >= ids_max:
            reject("TOO_MANY", f"{message.subject}: expected at most {ids_max} denials; amend one of them")
        self.denials.put(message.subject, Denials((*ids, message.grant_id)))

    def _granted(self, grant_id: str, version: int) -> GrantVersion:
        """Return the latest version if it is `version` and GRANTED; else reject."""
        latest = self.latest(grant_id)
        if latest.status != "GRANTED":
            reject("WRONG_STATE", f"{grant_id}: expected GRANTED, got {latest.status}")
        if latest.version != version:
            reject("STALE_VERSION", f"{grant_id}: expected version {latest.version}, got {version}")
        return latest

    def _head(self, grant_id: str) -> GrantHead:
        head = self.heads.get(grant_id)
        if head is None:
            reject("AUTH-013", f"grant: there is no grant {grant_id}")
        return head

    def latest(self, grant_id: str) -> GrantVersion:
        """Return a grant's latest version; else reject with AUTH-013."""
        latest = self.grants.get((grant_id, self._head(grant_id).version))
        assert latest is not None, "a head names a version that exists"
        return latest

    def _is_linked(self, latest: GrantVersion) -> bool:
        grant = latest.grant
        recipient = grant.grantee.organisation
        history = self.links.get((grant.grant_id, recipient))
        if recipient in grant.parties and find_link_failing(latest, recipient, history) is not None:
            return False
        for hospital in grant.sources:
            if find_link_failing(latest, hospital, self.links.get((grant.grant_id, hospital))) is None:
                return True
        return False

    def _view(self, grant_id: str) -> GrantView:
        latest = self.latest(grant_id)
        return GrantView(
            grant_id,
            status_at(latest, self.context.time_ms),
            self._head(grant_id),
            tuple(version for _, version in self.grants.scan(grant_id)),
            tuple((key[-1], history) for key, history in self.links.scan(grant_id)),
            self._countersigned(grant_id, latest.version),
        )

    def _countersigned(self, grant_id: str, latest: int) -> tuple[tuple[int, Countersignature], ...]:
        found: tuple[tuple[int, Countersignature], ...] = ()
        for version in range(1, latest + 1):
            signed = self.countersignatures.get((grant_id, version))
            if signed is not None:
                found = (*found, (version, signed))
        return found

    def _page(self, message: ListGrants, *, is_party: bool) -> tuple[GrantView, ...]:
        table = self.by_party if is_party else self.by_subject
        return tuple(self._view(key[-1]) for key, _ in table.scan(message.name, message.after, LIST_ROWS_MAX))

    def _emit_grant(self, event: str, latest: GrantVersion) -> None:
        grant = latest.grant
        self.emit(
            event,
            GrantEvent(
                grant.grant_id,
                latest.version,
                grant.subject,
                grant.grantee.organisation,
                grant.sources,
                latest.status,
            ),
        )
