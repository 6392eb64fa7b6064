"""The claims desk: what is left to do about one claim, derived from chain and register.

    the chain says                                      the desk
    a stay is not closed, or a part not delivered       nothing: it is the hospital's turn, or the intake's
    the grant does not cover the claim (any more)       says so: `await_consent`
    awaiting consent                                    nothing: the hospital resumes it under another grant
    all closed and delivered, not settled like this     adjudicates, keeps the draft, settles; waits with `RULES` while
                                                        the installed adjudicator is not the one that is in force
    settled on these closings                           nothing, or a review if a person decided since
    all closed, and rules visit the data                asks the hospital to run them (`visiting`)
    a part is to be erased                              nothing any more, and says so: it waits for a person
    withdrawn                                           drops the drafts

Which policy answers is said in `portfolio.choose`; once a claim is settled, its later settlements are on the same
policy and year, as the contract demands. If the person has none, there is nothing to settle on: the claim waits with
ELIG-005 and is settled by itself when she has one. If she has one that was not in force on the day of admission, the
claim is settled on it with nothing paid, pended with ELIG-005 or ELIG-006, so that she gets the reasons.

A draft that was kept is submitted again as long as its ground stands and the code in force decides its case as it was
decided, so a crash in between draws no second one.
"""

from dataclasses import dataclass

from contracts.adjudication.case import Case, OtherPayment
from contracts.adjudication.decision import Decision
from contracts.adjudication.engine import adjudicate
from contracts.grants import RecordType
from contracts.listings import ClaimView
from contracts.settlements import AwaitConsent, Claim, ClosingReference, Settlement
from contracts.stays import Closing, Record
from contracts.steps import need_of
from ledger.crypto.commitments import GROUP_ORDER
from ledger.errors import ContractError, DecodeError
from nodes.agent import Call, ChainView
from nodes.entropy import Entropy
from nodes.roles.claims.adjudicator import hash_installed_rules, hash_pinned_rules
from nodes.roles.claims.assembly import AssemblyError, StayDocuments, assemble, sort_documents
from nodes.roles.claims.casebook import Casebook, Draft, find_case
from nodes.roles.claims.facts import Facts, consent_facts
from nodes.roles.claims.settlement import Ground, Reader, draft_settlement
from nodes.roles.erasing import list_asked
from nodes.roles.exchange.coordination import PaidBefore
from nodes.roles.exchange.intake import Intake
from nodes.roles.exchange.opening import VisitOpening
from nodes.roles.insurer.portfolio import PolicyEntry, Portfolio
from nodes.roles.insurer.premises import Balances, Premises, RulesError, WaitError
from nodes.roles.insurer.submission import submit_settlement
from nodes.roles.insurer.visiting import Visiting
from nodes.roles.linking import LinkEntry, Linking
from nodes.roles.lookup import explain, find_grant, find_order, find_record, find_stay
from nodes.roles.own_keys import OwnKeys
from nodes.vault.sealing import AmountOpening


@dataclass(frozen=True, slots=True)
class Desk:
    """What a settlement needs, in one place."""

    insurer: str
    view: ChainView
    keys: OwnKeys
    """Sign decisions."""
    entropy: Entropy
    casebook: Casebook
    portfolio: Portfolio
    premises: Premises
    intake: Intake
    linking: Linking
    visiting: Visiting
    """Has the rules run where the data is, for grants that say so."""

    def derive(self, shown: ClaimView, delivering: frozenset[str]) -> list[Call]:
        """Return the calls that settle a claim, or what stands in the way of settling it.

        Args:
            shown: The claim.
            delivering: Records that are confirmed in the same submission.

        Raises:
            WaitError: If somebody has to do something first that the chain does not show.
        """
        claim = shown.claim
        if claim.status == "WITHDRAWN":
            self.casebook.erase(claim.claim_id)
            return []
        closings = self._closings(claim)
        grant = find_grant(self.view, claim.grant_id)
        is_visit = grant is not None and grant.versions[-1].grant.execution == "rules-visit-data"
        if closings is None or not (is_visit or self._are_delivered(closings, delivering)):
            return []
        former = shown.settlements[-1] if shown.settlements else None
        if former is not None:
            self.casebook.drop_unsettled(former.outcome)
        references = tuple(ClosingReference(closing.stay_id, closing.version) for closing in closings)
        is_review = former is not None and former.outcome.closings == references
        if self._is_to_be_erased(closings):
            if is_review:
                return []
            raise WaitError("ERASED", "the customer had a record erased that this claim needs; she can withdraw it")
        if is_review and not self._is_reviewed(shown.settlements[-1], is_visit=is_visit):
            return []
        if not any(closing.parts for closing in closings) and former is None:
            return []
        if claim.status == "AWAITING_CONSENT":
            raise WaitError("AUTH-013", "the claim waits for the customer's consent")
        version, uncovered = self._cover(claim, closings)
        if uncovered is not None:
            return [Call("claims", "await_consent", AwaitConsent(claim.claim_id, uncovered))]
        entry = self._link(claim)
        if is_visit:
            return self.visiting.derive(shown, references, version, entry, is_review=is_review)
        rules = self._require_rules()
        stays = tuple(self._read(closing) for closing in closings)
        policy = self._choose_policy(former, entry, stays)
        balances = self.premises.open_balance(policy)
        paid = self._find_paid_before(claim)
        policy_view = self.portfolio.shown(policy.policy_id)
        assert policy_view is not None, "a policy that is chosen is on the chain"
        ground = Ground(
            claim_id=claim.claim_id,
            version=claim.settlement_version + 1,
            closings=references,
            grant_id=claim.grant_id,
            grant_version=version,
            policy_id=policy.policy_id,
            payee_version=len(policy_view.payees),
            year_tag=self.premises.year_tag(policy),
            currency=self.portfolio.product_of(policy).currency,
            sequence=balances.sequence,
            is_review=is_review,
            rules=rules,
            after=None if paid is None else paid.after,
        )
        draft = self._find_draft(ground) or self._draft(ground, claim, former, entry, policy, balances, closings, stays)
        return [submit_settlement(self.view, self.keys, self.insurer, draft)]

    # ------------------------------------------------------------------------------------------- the chain's side

    def _closings(self, claim: Claim) -> tuple[Closing, ...] | None:
        """Return the latest closing of every stay; None while one is open."""
        found = []
        for stay_id in claim.stay_ids:
            stay = find_stay(self.view, stay_id)
            assert stay is not None, "a claim's stays exist"
            if not stay.is_closed:
                return None
            found.append(stay.closings[-1])
        return tuple(found)

    def _are_delivered(self, closings: tuple[Closing, ...], delivering: frozenset[str]) -> bool:
        """Whether every part was handed over and opened, or is confirmed in the same submission."""
        for record_id in (part for closing in closings for part in closing.parts):
            record = find_record(self.view, record_id)
            assert record is not None, "a closing's parts exist"
            statuses = [share.status for share in record.shares if share.share.recipient == self.insurer]
            if record_id not in delivering and statuses[-1:] != ["DELIVERED"]:
                return False
        return True

    def _is_to_be_erased(self, closings: tuple[Closing, ...]) -> bool:
        """Whether this insurer was asked to erase a part."""
        asked = {item for closing in closings for item in list_asked(self.view, closing.stay_id, self.insurer)}
        return any(part in asked for closing in closings for part in closing.parts)

    def _cover(self, claim: Claim, closings: tuple[Closing, ...]) -> tuple[int, RecordType | None]:
        """Return the version of the claim's grant, and the first type of a part that it does not cover now."""
        version = 0
        for closing in closings:
            for record_type in self._types(closing):
                need = need_of(claim, closing.stay_id, record_type, "enter")
                found = explain(self.view, need).version
                if found is None:
                    return 0, record_type or "discharge-summary"
                version = found
        return version, None

    def _types(self, closing: Closing) -> list[RecordType | None]:
        """Return the types of a closing's parts; None alone stands for a closing without parts."""
        types = {self._record(record_id).record_type for record_id in closing.parts}
        return [*sorted(types)] or [None]

    def _is_reviewed(self, former: Settlement, *, is_visit: bool) -> bool:
        """Whether a person decided something that a pended settlement has not taken in.

        What rules pended on a visit is adjudicated here once the records are handed over after all.
        """
        if not former.outcome.is_pended:
            return False
        if is_visit:
            return bool(self.casebook.list_visit_reviews(former.outcome.claim_id, former.outcome.version))
        draft = self._settled(former)
        case = find_case(draft)
        return case is None or self.casebook.file(former.outcome.claim_id).reviews != case.reviews

    # --------------------------------------------------------------------------------------- the register's side

    def _settled(self, settlement: Settlement) -> Draft:
        draft = self.casebook.settled_draft(settlement.outcome)
        if draft is None:
            version = settlement.outcome.version
            raise WaitError("OPENING_LOST", f"what opens settlement {version} of this claim is not in the register")
        return draft

    def _link(self, claim: Claim) -> LinkEntry:
        grant = find_grant(self.view, claim.grant_id)
        entry = self.linking.entry(claim.grant_id)
        if grant is None or entry is None or entry.person is None:
            raise WaitError("ELIG-001", "the customer's disclosure is not in the register; she discloses it again")
        if entry.dates.commitment != grant.versions[-1].grant.scope.dates:
            raise WaitError(
                "AUTH-013", "the record dates of the grant's latest version were not opened to this insurer"
            )
        return entry

    def _find_paid_before(self, claim: Claim) -> PaidBefore | None:
        """Return what another insurer paid of the same invoices, as the customer told and the chain shows; or None."""
        shown = find_order(self.view, claim.claim_id)
        if shown is None or shown.order is None:
            return None
        paid = self.casebook.file(claim.claim_id).paid_before
        if not shown.is_current or paid is None or paid.after != shown.order.after:
            raise WaitError("DUPL-002", f"the customer has not told what {shown.insurer} paid of the same invoice")
        return paid

    def _choose_policy(
        self, former: Settlement | None, entry: LinkEntry, stays: tuple[StayDocuments, ...]
    ) -> PolicyEntry:
        if former is not None:
            return self.portfolio.get(former.outcome.policy_id)
        assert entry.person is not None, "a link that is used matched"
        days = [summary.stay.admission_day for stay in stays for summary in stay.summaries]
        policy = self.portfolio.choose(entry.person, min(days)) if days else None
        if policy is None:
            raise WaitError("ELIG-005", "the customer has no policy here that could be settled on")
        return policy

    def _read(self, closing: Closing) -> StayDocuments:
        parts = [(str(self._record(part).record_type), self.intake.read(part)[0]) for part in closing.parts]
        return sort_documents(parts)

    def _record(self, record_id: str) -> Record:
        shown = find_record(self.view, record_id)
        assert shown is not None, "a closing's parts exist"
        return shown.record

    def _open_total(self, closing: Closing) -> AmountOpening:
        """Return what opens a closing's total: the sum of its invoices' openings."""
        invoices = [part for part in closing.parts if self._record(part).record_type == "invoice"]
        openings = [opening for part in invoices for opening in self.intake.read(part)[1].openings]
        scalar = sum(opening.scalar for opening in openings) % GROUP_ORDER
        total = AmountOpening("total", sum(opening.amount for opening in openings), scalar.to_bytes(32, "little"))
        total.verify(closing.total)
        return total

    # ------------------------------------------------------------------------------------------------ adjudication

    def _require_rules(self) -> bytes:
        """Return the adjudicator in force in the next block; wait while it is not the one of this installation."""
        pinned, installed = hash_pinned_rules(self.view), hash_installed_rules()
        if installed != pinned:
            raise RulesError(pinned, installed)
        return installed

    def _find_draft(self, ground: Ground) -> Draft | None:
        draft = self.casebook.latest_draft(ground.claim_id, ground.version)
        if draft is None or isinstance(draft.opening, VisitOpening) or not ground.carries(draft.outcome):
            return None
        return draft if draft.opening.case.reviews == self.casebook.file(ground.claim_id).reviews else None

    def _draft(
        self,
        ground: Ground,
        claim: Claim,
        former: Settlement | None,
        entry: LinkEntry,
        policy: PolicyEntry,
        balances: Balances,
        closings: tuple[Closing, ...],
        stays: tuple[StayDocuments, ...],
    ) -> Draft:
        grant = find_grant(self.view, claim.grant_id)
        assert grant is not None, "a claim's grant exists"
        former_draft = None if former is None else self._settled(former)
        file = self.casebook.file(claim.claim_id)
        paid = None if ground.after is None else file.paid_before
        facts = Facts(
            hospital=claim.hospital,
            insurer=self.insurer,
            product=self.portfolio.product_of(policy),
            consent=consent_facts(claim, grant, entry, sum(len(closing.parts) for closing in closings)),
            policy=self.premises.policy_facts(policy),
            accumulator=self.premises.accumulate(policy, balances),
            already_settled=None if former_draft is None else former_draft.standing,
            former_case=find_case(former_draft),
            reviews=file.reviews,
            other_payments=() if paid is None else (OtherPayment("insurer", paid.opening.amount),),
        )
        case = self._assemble(facts, stays)
        decision = _decide(case)
        if decision is None:
            raise WaitError("CASE-MALFORMED", "the documents contradict each other; the hospital corrects them")
        totals = tuple(self._open_total(closing) for closing in closings)
        reader = Reader(self.view.chain_id, self.insurer, claim.customer, entry.seal_key)
        draft = draft_settlement(ground, case, decision, former_draft, balances.opening, totals, reader, self.entropy)
        self.casebook.add_draft(draft)
        return draft

    def _assemble(self, facts: Facts, stays: tuple[StayDocuments, ...]) -> Case:
        try:
            return assemble(facts, stays)
        except AssemblyError as error:
            raise WaitError("ASSEMBLY", str(error)) from None


def _decide(case: Case) -> Decision | None:
    """Return what the adjudicator decides, or None if it refuses the case."""
    try:
        return adjudicate(case)
    except (ContractError, DecodeError):
        return None
