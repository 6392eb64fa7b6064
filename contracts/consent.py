"""Consent: which organisation may get what from which hospital, for what, and until when.

Rules:

    1. A grant is signed by its subject's own key. One grantee and one purpose stand in it: a bundled consent cannot
       be written down. Guardians and delegates are in the format and are refused until their proof can be checked.
    2. Versions are appended and never overwritten. An amendment names the version that it follows; a revocation is
       the last version.
    3. Each hospital in the sources, and the grantee, compares the sealed identity with its own master data and
       signs `matched` or `mismatch`. A grant is usable only between a hospital and a grantee that both matched, so
       an insurer that enrols a customer and consents for her has consented to nothing.
    4. An amendment keeps a party's judgement only if it commits to the same identity for that party.
    5. `check` looks at the state at the transaction's place: what is ordered after a revocation or a mismatch is
       stopped, in the same block too; what was ordered before it stands.
    6. No insurer gets a break-glass grant, and HLEGAL needs no grant and cannot be granted.
    7. A one-case grant serves the first claim that anything is done for under it, and no other.
    8. Absence is refusal.

    status                        by                            next
    (none)                        grant, version 1              GRANTED
    GRANTED                       grant, version n + 1          GRANTED
    GRANTED                       revoke                        REVOKED, final
    GRANTED                       block time >= expires_at_ms   EXPIRED (derived); an amendment may extend it

    table        key                           value
    grants       grant id, version             GrantVersion, with its place
    heads        grant id                      GrantHead: latest version, uses
    links        grant id, organisation        LinkHistory: all judgements of one party, with their places
    by_subject   subject, grant id             IndexEntry
    by_party     organisation, grant id        IndexEntry
"""

from contracts.conditions import find_failing, find_link_failing, status_at, window_of
from contracts.customers import Customers
from contracts.grants import (
    LINK_ENTRIES_MAX,
    Explanation,
    Finding,
    FindUsable,
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
    Need,
    Revoke,
    ShowGrant,
)
from contracts.identifiers import locate
from contracts.membership import Membership
from ledger.execution.contract import Contract, Table, query, reject, replace, transaction

LIST_ROWS_MAX = 100
"""Rows of one page of a listing."""


class Consent(Contract):
    """The register of grants, and the check that every disclosure and settlement runs."""

    name = "consent"
    grants = Table("grants", GrantVersion)
    heads = Table("heads", GrantHead)
    links = Table("links", LinkHistory)
    by_subject = Table("by_subject", IndexEntry)
    by_party = Table("by_party", IndexEntry)

    @transaction
    def grant(self, message: Grant) -> None:
        """Give or amend a grant."""
        self._check_grantor(message)
        self._check_parties(message)
        self._check_terms(message)
        head = self._append(message)
        place = locate(self.context)
        if head.version == 1:
            self.by_subject.put((message.subject, message.grant_id), IndexEntry(place))
        for identity in message.identities:
            key = (identity.organisation, message.grant_id)
            if self.by_party.get(key) is None:
                self.by_party.put(key, IndexEntry(place))
        self._emit_grant("consent-granted", self._latest(message.grant_id))

    @transaction
    def revoke(self, message: Revoke) -> None:
        """End a grant for everything ordered after this."""
        latest = self._latest(message.grant_id)
        if latest.grant.subject != self.context.signer:
            reject("FORBIDDEN", f"{message.grant_id}: expected its subject's signature, got {self.context.signer}")
        if latest.status != "GRANTED":
            reject("WRONG_STATE", f"{message.grant_id}: expected GRANTED, got {latest.status}")
        version = latest.version + 1
        revoked = GrantVersion(version, latest.grant, "REVOKED", locate(self.context))
        self.grants.put((message.grant_id, version), revoked)
        self.heads.put(message.grant_id, replace(self._head(message.grant_id), version=version))
        self._emit_grant("consent-revoked", revoked)

    @transaction
    def link(self, message: Link) -> None:
        """Record a party's judgement of who the subject is."""
        latest = self._latest(message.grant_id)
        if latest.status != "GRANTED":
            reject("WRONG_STATE", f"{message.grant_id}: expected GRANTED, got {latest.status}")
        if latest.version != message.version:
            reject("STALE_VERSION", f"{message.grant_id}: expected version {latest.version}, got {message.version}")
        organisation = self.context.signer
        identities = [entry for entry in latest.grant.identities if entry.organisation == organisation]
        if not identities:
            reject("FORBIDDEN", f"{message.grant_id}: {organisation} is no party of it")
        history = self.links.get((message.grant_id, organisation))
        entries = () if history is None else history.entries
        if len(entries) >= LINK_ENTRIES_MAX:
            reject("TOO_MANY", f"{message.grant_id}: expected at most {LINK_ENTRIES_MAX} judgements of one party")
        identity = identities[0].commitment
        entry = LinkEntry(message.result, latest.version, identity, message.evidence, locate(self.context))
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
                releasing=True,
            )
            if self.failing(need) is None:
                found = (*found, self._latest(key[-1]))
            if len(found) == LIST_ROWS_MAX:
                break
        return found

    @query
    def explain(self, message: Need) -> Explanation:
        """Say whether a need is covered now, and if not, which condition fails."""
        finding = self.failing(message)
        if finding is not None:
            return Explanation(usable=False, version=None, finding=finding)
        return Explanation(usable=True, version=self._latest(message.grant_id).version, finding=None)

    def failing(self, need: Need) -> Finding | None:
        """Return the first condition that `need` does not meet at this place, or None."""
        head = self.heads.get(need.grant_id)
        if head is None:
            return Finding("AUTH-013", "grant", f"there is no grant {need.grant_id}")
        links = (self.links.get((need.grant_id, need.hospital)), self.links.get((need.grant_id, need.recipient)))
        return find_failing(need, self._latest(need.grant_id), head, links, self.context.time_ms)

    def check(self, need: Need) -> GrantVersion:
        """Return the version that covers `need` at this place; else reject with the condition that fails.

        A one-case grant belongs to the claim that it first covers anything for, from then on.
        """
        finding = self.failing(need)
        if finding is not None:
            reject(finding.code, f"{finding.condition}: {finding.text}")
        latest = self._latest(need.grant_id)
        self._bind(latest, need)
        return latest

    def use(self, need: Need) -> GrantVersion:
        """Check `need` and count one release under the grant."""
        latest = self.check(need)
        head = self._head(need.grant_id)
        window = window_of(latest, head, self.context.time_ms)
        window_uses = head.window_uses + 1 if window == head.window else 1
        counted = replace(head, uses=head.uses + 1, window=window, window_uses=window_uses)
        self.heads.put(need.grant_id, counted)
        return latest

    def terms(self, grant_id: str) -> Grant:
        """Return the latest words of a grant; else reject with AUTH-013."""
        return self._latest(grant_id).grant

    def _bind(self, latest: GrantVersion, need: Need) -> None:
        """Tie a `one-case` grant to the claim that uses it first, for whatever; a standing grant stays free."""
        if latest.grant.scope.case == "one-case" and need.claim_id is not None:
            self.heads.put(need.grant_id, replace(self._head(need.grant_id), claim_id=need.claim_id))

    def _check_grantor(self, message: Grant) -> None:
        actor = self.call(Customers).require()
        if message.subject != actor.name:
            reject("FORBIDDEN", f"subject: expected the signer {actor.name}, got {message.subject}")
        grantor = message.grantor
        if grantor.kind != "customer" or grantor.name != message.subject or grantor.proof is not None:
            reject("GRANTOR", f"grantor: expected the customer herself, without proof, got a {grantor.kind}")

    def _check_parties(self, message: Grant) -> None:
        membership = self.call(Membership)
        if message.sources != tuple(sorted(message.sources)):
            reject("UNSORTED", "sources: expected sorted names")
        for hospital in message.sources:
            membership.find(hospital, "hospital")
        membership.find(message.grantee.organisation, message.grantee.role)
        parties = sorted((*message.sources, message.grantee.organisation))
        for place in range(1, len(parties)):
            if parties[place] == parties[place - 1]:
                reject("REPEATED", f"sources and grantee: {parties[place]} stands twice")
        if [identity.organisation for identity in message.identities] != parties:
            reject("IDENTITIES", "identities: expected one commitment per source and grantee, sorted")

    def _check_terms(self, message: Grant) -> None:
        scope = message.scope
        permission = message.permission
        now = self.context.time_ms
        if message.purpose == "HLEGAL":
            reject("PURPOSE", "purpose: HLEGAL rests on an order and needs no grant")
        if message.purpose == "BTG" and message.grantee.role == "insurer":
            reject("PURPOSE", "purpose: break-glass is for treatment, never for an insurer")
        if scope.record_types != tuple(sorted(scope.record_types)):
            reject("UNSORTED", "record types: expected sorted names")
        if scope.encounters != tuple(sorted(scope.encounters)):
            reject("UNSORTED", "encounters: expected sorted ids")
        if permission.expires_at_ms <= now:
            reject("EXPIRED_GRANT", f"expires_at_ms: expected after block time {now}, got {permission.expires_at_ms}")
        if permission.erase_at_ms <= now:
            reject("EXPIRED_GRANT", f"erase_at_ms: expected after block time {now}, got {permission.erase_at_ms}")

    def _append(self, message: Grant) -> GrantHead:
        place = locate(self.context)
        head = self.heads.get(message.grant_id)
        if head is None:
            head = GrantHead(0, place.time_ms, 0, 0, 0, None)
            previous = None
        else:
            latest = self._latest(message.grant_id)
            previous = latest.version
            if latest.grant.subject != message.subject or latest.status != "GRANTED":
                reject("GRANT_TAKEN", f"{message.grant_id}: expected a new id, this one is another's or revoked")
        if (message.version, message.previous_version) != (head.version + 1, previous):
            reject("STALE_VERSION", f"version: expected {head.version + 1} after {previous}, got {message.version}")
        head = replace(head, version=message.version)
        self.grants.put((message.grant_id, message.version), GrantVersion(message.version, message, "GRANTED", place))
        self.heads.put(message.grant_id, head)
        return head

    def _head(self, grant_id: str) -> GrantHead:
        head = self.heads.get(grant_id)
        if head is None:
            reject("AUTH-013", f"grant: there is no grant {grant_id}")
        return head

    def _latest(self, grant_id: str) -> GrantVersion:
        latest = self.grants.get((grant_id, self._head(grant_id).version))
        assert latest is not None, "a head names a version that exists"
        return latest

    def _is_linked(self, latest: GrantVersion) -> bool:
        grant = latest.grant
        recipient = grant.grantee.organisation
        if find_link_failing(latest, recipient, self.links.get((grant.grant_id, recipient))) is not None:
            return False
        for hospital in grant.sources:
            if find_link_failing(latest, hospital, self.links.get((grant.grant_id, hospital))) is None:
                return True
        return False

    def _view(self, grant_id: str) -> GrantView:
        latest = self._latest(grant_id)
        return GrantView(
            grant_id,
            status_at(latest, self.context.time_ms),
            self._head(grant_id),
            tuple(version for _, version in self.grants.scan(grant_id)),
            tuple((key[-1], history) for key, history in self.links.scan(grant_id)),
        )

    def _page(self, message: ListGrants, *, is_party: bool) -> tuple[GrantView, ...]:
        table = self.by_party if is_party else self.by_subject
        found: list[GrantView] = []
        for key, _ in table.scan(message.name, message.after):
            found.append(self._view(key[-1]))
            if len(found) == LIST_ROWS_MAX:
                break
        return tuple(found)

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
