"""Visits: the door through which rules come to records that stay where they are.

Rules:

    1. Only the hospital that keeps the records enters a visit, and only of claims that its stays belong to: the
       latest closing of every stay, every part of it kept.
    2. The grant is asked as at a share, for a visit: it names this hospital and this recipient, says
       `rules-visit-data` and EXECUTE, and covers every type of record that was visited. One visit is one use. A grant
       for handing over covers no visit, and one for visits no share.
    3. The result is signed by the hospital over the chain, the hospital and the whole outcome. It names the rules that
       ran, which are those in force at its place (STALE_RULES). Settled on after an upgrade it is refused likewise:
       then the rules in force visit, which is another visit.
    4. What is refused is an entry about the customer too (contract `attempts`), and releases nothing: a visit that the
       hospital would enter and the grant does not cover any more, and one that the hospital let in nowhere. There the
       hospital says why; what the chain can tell, the chain says. Asked again for the same, while the grant's version
       and the visits are the same, it is one entry.
    5. Visits are appended. A settlement under such a grant is, to the byte, the outcome of the claim's latest visit,
       and that visit was under this grant (NOT_EXECUTED). What was ordered before a revocation stands as an entry;
       settling needs the grant again.

    table          key                      value
    executions     claim id, sequence       ExecutionReceipt
    heads          claim id                 ExecutionHead
    by_subject     subject, claim id        ClaimEntry: all of a customer
    refused        stay id, recipient,      RefusedVisit: the latest
                   condition
"""

from contracts.attempts import Asked, Attempts
from contracts.consent import Consent
from contracts.executions import (
    ClaimEntry,
    Execute,
    ExecutionEvent,
    ExecutionHead,
    ExecutionReceipt,
    ListExecutions,
    RefusedVisit,
    RefuseVisit,
    ShowExecutions,
    VisitedStay,
)
from contracts.footing import check_rules
from contracts.grants import GrantVersion, RecordType
from contracts.identifiers import locate
from contracts.membership import Membership
from contracts.needs import Finding, Need
from contracts.outcomes import decision_message
from contracts.records import Records
from contracts.retention import Retention
from contracts.settlements import Outcome
from contracts.stays import Closing, Stay
from ledger.execution.contract import Contract, Table, query, reject, transaction, verify

LIST_ROWS_MAX = 100
"""Rows of one listing."""


class Visits(Contract):
    """The register of visits."""

    name = "visits"
    executions = Table("executions", ExecutionReceipt)
    heads = Table("heads", ExecutionHead)
    by_subject = Table("by_subject", ClaimEntry)
    refused = Table("refused", RefusedVisit)

    @transaction
    def execute(self, message: Execute) -> None:
        """Enter what the recipient's rules said about records that stay here."""
        hospital = self.call(Membership).require(("hospital",)).name
        outcome = message.outcome
        stays = [self._owned(reference.stay_id, hospital) for reference in outcome.closings]
        stay = stays[0]
        visited: tuple[VisitedStay, ...] = ()
        for place, reference in enumerate(outcome.closings):
            claim_id = stays[place].claim_id
            if claim_id != outcome.claim_id:
                reject("FOREIGN_STAY", f"{reference.stay_id}: expected a stay of {outcome.claim_id}, got {claim_id}")
            closing, found = self.call(Records).closed(reference.stay_id, reference.version)
            failing = self._failing(stays[place], stay.recipient, outcome.grant_id, found)
            failing = failing or self._find_erased(closing, hospital)
            if failing is not None:
                record_type, finding = failing
                asked = _ask(stays[place], stay.recipient, outcome.grant_id, record_type)
                self.call(Attempts).refuse_on_record(asked, finding)
                return
            visited = (*visited, VisitedStay(reference.stay_id, found))
        version = self.call(Consent).use(_need(outcome.grant_id, stay, stay.recipient, None))
        if version.version != outcome.grant_version:
            reject(
                "STALE_GRANT", f"{outcome.grant_id}: expected version {version.version}, got {outcome.grant_version}"
            )
        check_rules(self.call(Membership), outcome)
        signed = decision_message(self.context.chain_id, hospital, outcome)
        verify("decision", self.call(Membership).signer_key(), signed, message.signature)
        head = self.heads.get(outcome.claim_id)
        receipt = ExecutionReceipt(
            outcome.claim_id,
            1 if head is None else head.sequence + 1,
            hospital,
            stay.recipient,
            stay.subject,
            visited,
            outcome.grant_id,
            version.version,
            outcome,
            message.signature,
            self.context.key_version,
            locate(self.context),
        )
        self.executions.put((receipt.claim_id, receipt.sequence), receipt)
        self.heads.put(receipt.claim_id, ExecutionHead(receipt.sequence))
        self.by_subject.put((stay.subject, receipt.claim_id), ClaimEntry(hospital))
        self.emit(
            "records-executed",
            ExecutionEvent(
                receipt.claim_id, hospital, stay.recipient, stay.subject, receipt.sequence, receipt.grant_id
            ),
        )

    @transaction
    def refuse_visit(self, message: RefuseVisit) -> None:
        """Enter that rules asked to come and were not let in."""
        hospital = self.call(Membership).require(("hospital",)).name
        stay = self._owned(message.stay_id, hospital)
        record_type, finding = self._refusal(stay, message)
        key = (stay.stay_id, message.recipient, finding.condition)
        standing = self._standing(stay, message.grant_id)
        if self.refused.get(key) == standing:
            reject("ALREADY_REFUSED", f"{stay.stay_id}: {message.recipient} was refused for {finding.condition}")
        self.refused.put(key, standing)
        self.call(Attempts).note(_ask(stay, message.recipient, message.grant_id, record_type), finding)

    @query
    def is_refused(self, message: RefuseVisit) -> bool:
        """Return whether this refusal is entered, while the grant and the visits are the same."""
        stay = self.call(Records).find_stay(message.stay_id)
        _, finding = self._refusal(stay, message)
        key = (stay.stay_id, message.recipient, finding.condition)
        return self.refused.get(key) == self._standing(stay, message.grant_id)

    @query
    def show(self, message: ShowExecutions) -> tuple[ExecutionReceipt, ...]:
        """Return all visits of a claim's records."""
        return self.of_claim(message.claim_id)

    @query
    def of_subject(self, message: ListExecutions) -> tuple[ExecutionReceipt, ...]:
        """Return the visits of a customer's records; a page ends with the claim that makes it LIST_ROWS_MAX."""
        found: tuple[ExecutionReceipt, ...] = ()
        for key, _ in self.by_subject.scan(message.subject, message.after):
            found = (*found, *self.of_claim(key[-1]))
            if len(found) >= LIST_ROWS_MAX:
                break
        return found

    def of_claim(self, claim_id: str) -> tuple[ExecutionReceipt, ...]:
        """Return all visits of a claim's records, the first one first."""
        return tuple(receipt for _, receipt in self.executions.scan(claim_id))

    def require_executed(self, outcome: Outcome, covered: GrantVersion) -> None:
        """Reject unless this is the outcome of the claim's latest visit, under the grant that covers the claim."""
        head = self.heads.get(outcome.claim_id)
        receipt = None if head is None else self.executions.get((outcome.claim_id, head.sequence))
        if receipt is None:
            reject("NOT_EXECUTED", f"{outcome.claim_id}: its hospital has entered no result of the insurer's rules")
        if receipt.outcome != outcome:
            reject("NOT_EXECUTED", f"{outcome.claim_id}: expected the outcome of visit {receipt.sequence}, unchanged")
        if receipt.grant_id != covered.grant.grant_id:
            reject("NOT_EXECUTED", f"{outcome.claim_id}: visit {receipt.sequence} was under another grant")

    def _owned(self, stay_id: str, hospital: str) -> Stay:
        stay = self.call(Records).find_stay(stay_id)
        if stay.hospital != hospital:
            reject("FORBIDDEN", f"{stay_id}: expected {stay.hospital}, got {hospital}")
        return stay

    def _failing(
        self, stay: Stay, recipient: str, grant_id: str, record_types: tuple[RecordType, ...]
    ) -> tuple[RecordType | None, Finding] | None:
        """Return why a recipient's rules may not visit a stay, with the type of record that it is about, or None."""
        if recipient != stay.recipient:
            text = f"{stay.stay_id} was entered for {stay.recipient} alone"
            return None, Finding("AUTH-013", "recipient", text)
        needs = [_need(grant_id, stay, recipient, record_type) for record_type in record_types or (None,)]
        found = self.call(Consent).find_uncovered(needs)
        return None if found is None else (found[0].record_type, found[1])

    def _find_erased(self, closing: Closing, hospital: str) -> tuple[RecordType, Finding] | None:
        """Return that the hospital was asked to erase a part, with the part's type, or None."""
        record_id = self.call(Retention).find_asked(closing.stay_id, closing.parts, hospital)
        if record_id is None:
            return None
        finding = self.call(Retention).find_erasure(closing.stay_id, record_id, hospital)
        assert finding is not None, "it was asked to erase this part"
        return self.call(Records).find(record_id).record_type, finding

    def _refusal(self, stay: Stay, message: RefuseVisit) -> tuple[RecordType | None, Finding]:
        """Return the first condition that fails as the chain sees it, or else the one that the hospital says."""
        failing = self._failing(stay, message.recipient, message.grant_id, self._types(stay))
        if failing is not None:
            return failing
        if message.condition == "grant":
            reject("COVERED", f"{message.grant_id}: covers a visit to {stay.stay_id}")
        return None, Finding("AUTH-013", message.condition, f"{stay.hospital} let no rules in")

    def _types(self, stay: Stay) -> tuple[RecordType, ...]:
        """Return the types of record of a stay's closing; none while it is not closed."""
        records = self.call(Records)
        if not records.is_closed(stay.stay_id):
            return ()
        return records.closed(stay.stay_id, records.closing_version(stay.stay_id))[1]

    def _standing(self, stay: Stay, grant_id: str) -> RefusedVisit:
        head = None if stay.claim_id is None else self.heads.get(stay.claim_id)
        return RefusedVisit(self.call(Consent).latest_version(grant_id), 0 if head is None else head.sequence)


def _ask(stay: Stay, recipient: str, grant_id: str, record_type: RecordType | None) -> Asked:
    return Asked("visit", recipient, stay, record_type, None, grant_id, "HPAYMT")


def _need(grant_id: str, stay: Stay, recipient: str, record_type: RecordType | None) -> Need:
    return Need(
        grant_id,
        stay.hospital,
        recipient,
        stay.subject,
        record_type,
        stay.stay_id,
        stay.claim_id,
        "visit",
    )
