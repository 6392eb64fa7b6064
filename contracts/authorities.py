"""Authorities: guardians, delegates and heirs, each with what was seen, within what bounds, until when.

Rules:

    1. A guardian and an heir are attested by a hospital or an insurer that has seen the documents: the subject cannot
       speak for herself. A delegate is named by the customer's own key and by nobody else.
    2. Subject and holder are two enrolled pseudonyms. The authority begins now or later and ends. A guardian's says
       whether it is for a child, a youth or a ward, and lasts no longer than anybody is one.
    3. It is ended by who gave it, by its holder or by its subject; final. What was done under it before stands.
    4. It gives no access: a grant that rests on it stays within it and needs both parties' link, like every grant
       (contract `consent`).

    table        key                        value
    authorities  authority id               Authority
    by_subject   subject, authority id      IndexEntry
    by_holder    holder, authority id       IndexEntry
"""

from contracts.customers import Customers
from contracts.grants import IndexEntry, ListGrants
from contracts.identifiers import Place, locate
from contracts.mandates import MINORITY_MS, Attest, Authority, AuthorityEvent, EndAuthority, find_lapse
from contracts.membership import Membership
from ledger.execution.contract import Contract, Table, query, reject, replace, transaction

LIST_ROWS_MAX = 100
"""Rows of one page of a listing."""


class Authorities(Contract):
    """The register of who may act for whom."""

    name = "authorities"
    authorities = Table("authorities", Authority)
    by_subject = Table("by_subject", IndexEntry)
    by_holder = Table("by_holder", IndexEntry)

    @transaction
    def attest(self, message: Attest) -> None:
        """Enter an authority."""
        customers = self.call(Customers)
        if message.kind != "delegate":
            giver = self.call(Membership).require(("hospital", "insurer"))
            customers.find(message.subject)
        else:
            giver = customers.require()
            if giver.name != message.subject:
                reject("FORBIDDEN", f"subject: expected the signer {giver.name}, got {message.subject}")
        customers.find(message.holder)
        if message.holder == message.subject:
            reject("GRANTOR", f"holder: expected another than the subject {message.subject}")
        if self.authorities.get(message.authority_id) is not None:
            reject("AUTHORITY_TAKEN", f"{message.authority_id} is entered already")
        self._check_terms(message)
        place = locate(self.context)
        authority = Authority(
            message.authority_id,
            message.kind,
            message.subject,
            message.holder,
            giver.name,
            message.documents,
            message.scope,
            message.from_ms,
            message.until_ms,
            place,
            None,
            message.minority,
        )
        self.authorities.put(message.authority_id, authority)
        self.by_subject.put((message.subject, message.authority_id), IndexEntry(place))
        self.by_holder.put((message.holder, message.authority_id), IndexEntry(place))
        self._emit("authority-attested", authority)

    @transaction
    def end(self, message: EndAuthority) -> None:
        """End an authority for everything ordered after this."""
        authority = self._find(message.authority_id)
        if self.context.signer not in (authority.given_by, authority.holder, authority.subject):
            reject("FORBIDDEN", f"{message.authority_id}: expected its giver, holder or subject")
        if authority.ended is not None:
            reject("WRONG_STATE", f"{message.authority_id}: was ended at height {authority.ended.height}")
        ended = replace(authority, ended=locate(self.context))
        self.authorities.put(message.authority_id, ended)
        self._emit("authority-ended", ended)

    @query
    def list_of_subject(self, message: ListGrants) -> tuple[Authority, ...]:
        """Return who may or might act for a pseudonym."""
        return self._page(message, is_holder=False)

    @query
    def list_of_holder(self, message: ListGrants) -> tuple[Authority, ...]:
        """Return for whom a pseudonym may or might act."""
        return self._page(message, is_holder=True)

    def get(self, authority_id: str) -> Authority | None:
        """Return an authority, in force or not, or None."""
        return self.authorities.get(authority_id)

    def given_at(self, authority_id: str | None) -> Place:
        """Return where an authority was entered; else reject."""
        return self._find(authority_id or "").place

    def require(self, authority_id: str | None, kinds: tuple[str, ...], subject: str) -> Authority:
        """Return the signer's authority of one of `kinds` for `subject`, if it is in force; else reject."""
        if authority_id is None:
            reject("GRANTOR", f"authority: expected what a {' or '.join(kinds)} rests on, got none")
        authority = self._find(authority_id)
        if (authority.holder, authority.subject) != (self.context.signer, subject):
            reject("GRANTOR", f"{authority_id}: does not let {self.context.signer} act for {subject}")
        if authority.kind not in kinds:
            reject("GRANTOR", f"{authority_id}: expected that of a {' or '.join(kinds)}, got a {authority.kind}'s")
        lapse = find_lapse(authority, self.context.time_ms)
        if lapse is not None:
            reject("GRANTOR", lapse)
        return authority

    def _check_terms(self, message: Attest) -> None:
        scope = message.scope
        for field, names in (
            ("purposes", scope.purposes),
            ("record_types", scope.record_types),
            ("sources", scope.sources),
            ("grantees", scope.grantees),
        ):
            if names != tuple(sorted(names)):
                reject("UNSORTED", f"{field}: expected sorted names")
        membership = self.call(Membership)
        for source in scope.sources:
            membership.find(source, "hospital")
        if message.until_ms <= message.from_ms:
            reject("PERIOD", f"until_ms: expected after from_ms {message.from_ms}, got {message.until_ms}")
        if (message.kind == "guardian") != (message.minority is not None):
            reject("MINORITY", f"minority: expected one of a guardian and of nobody else, got {message.minority}")
        longest_ms = MINORITY_MS.get(message.minority or "")
        if longest_ms is not None and message.until_ms > self.context.time_ms + longest_ms:
            reject("PERIOD", f"until_ms: nobody is a {message.minority} for so long, got {message.until_ms}")
        if message.until_ms <= self.context.time_ms:
            reject("PERIOD", f"until_ms: expected after block time {self.context.time_ms}, got {message.until_ms}")

    def _find(self, authority_id: str) -> Authority:
        authority = self.authorities.get(authority_id)
        if authority is None:
            reject("GRANTOR", f"there is no authority {authority_id}")
        return authority

    def _page(self, message: ListGrants, *, is_holder: bool) -> tuple[Authority, ...]:
        table = self.by_holder if is_holder else self.by_subject
        return tuple(self._find(key[-1]) for key, _ in table.scan(message.name, message.after, LIST_ROWS_MAX))

    def _emit(self, event: str, authority: Authority) -> None:
        self.emit(
            event,
            AuthorityEvent(
                authority.authority_id, authority.kind, authority.subject, authority.holder, authority.given_by
            ),
        )
