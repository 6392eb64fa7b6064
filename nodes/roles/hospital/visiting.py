"""The hospital's side of a visit: run the insurer's rules on its own records, enter the result, then tell the figures.

An insurer asks and brings premises. Decided on the latest committed state, as at a hand-over:

    1. the claim is this insurer's and of this hospital's stays, all closed; nothing of them is to be erased
    2. the claim's grant covers a visit (`rules-visit-data`, EXECUTE) for every type of record, and means these days
    3. the premises are signed, and what the chain can tell of them holds: policy and product version, payee, days in
       force, the balance and its sequence
    4. the rules are those that the members pinned
    5. what a person of the insurer decided is about findings that the rules left to a person
    6. they run on the records in the vault; the result is kept, and entered on the
       chain; the insurer is told to ask again
    7. asked again, once the chain has it and the grant still covers it: the amounts, sealed to the insurer

So no figure leaves before the customer can see on the chain that it did, and none after a revocation. Rules that are
not let in are an entry on the chain too, about the customer whose records they would have read.

What leaves is in `nodes.roles.exchange.visits`; no diagnosis, line, bill or day does. The case and the decision stay
in the hospital's register, and with the customer, to whom they are sealed.
"""

from dataclasses import dataclass
from typing import cast

from msgspec.structs import replace

from contracts.adjudication.case import AlreadySettled, Case, Review
from contracts.adjudication.decision import Decision
from contracts.adjudication.engine import adjudicate
from contracts.adjudication.product import Product
from contracts.executions import Execute, RefusedFor, RefuseVisit
from contracts.grants import GrantView, RecordType
from contracts.listings import ClaimView
from contracts.needs import Act
from contracts.outcomes import decision_message
from contracts.settlements import AwaitConsent, Claim, ClosingReference, Outcome, Settlement
from contracts.stays import Closing
from contracts.steps import need_of
from ledger.codec import decode, encode
from ledger.crypto.commitments import GROUP_ORDER
from ledger.crypto.signatures import sign_decision, sign_envelope
from ledger.errors import ContractError, DecodeError, VerificationError
from nodes.agent import Call, ChainView
from nodes.entropy import Entropy
from nodes.keystore import Keystore
from nodes.roles.claims.assembly import AssemblyError, StayDocuments, assemble, sort_documents
from nodes.roles.claims.casebook import Casebook, Draft, find_case
from nodes.roles.claims.facts import Facts, consent_facts
from nodes.roles.claims.settlement import BalanceOpening, Ground, Reader, draft_settlement
from nodes.roles.erasing import list_asked
from nodes.roles.exchange.documents import Document
from nodes.roles.exchange.questions import EXECUTING, Refusal, VisitAnswer, VisitRules
from nodes.roles.exchange.visits import (
    PolicyPremises,
    VisitResult,
    VisitReview,
    limit_categories,
    list_executions,
    list_reasons,
    result_context,
)
from nodes.roles.hospital.premises import PREMISES, PremisesDesk, VisitRefusedError, take_reviews
from nodes.roles.linking import Linking
from nodes.roles.lookup import (
    RemovedMemberError,
    explain,
    find_claim,
    find_grant,
    find_record,
    find_seal_key,
    find_stay,
)
from nodes.roles.own_keys import OwnKeys
from nodes.vault.records import Vault, VaultError
from nodes.vault.register import Register
from nodes.vault.sealing import AmountOpening, seal

UNKNOWN_CLAIM = "UNKNOWN_CLAIM"


@dataclass(frozen=True, slots=True)
class _Visit:
    """One visit, once everything that was brought holds."""

    shown: ClaimView
    closings: tuple[Closing, ...]
    stays: tuple[StayDocuments, ...]
    """What the closings list, read."""
    grant: GrantView
    brought: PolicyPremises
    """Of the policy that answers."""
    product: Product
    former: Draft | None
    """The claim's latest settlement."""
    reviews: tuple[Review, ...]
    """All that people decided about the claim."""
    rules: bytes
    """The insurer's adjudicator: the one in force, and installed here."""

    @property
    def ground(self) -> Ground:
        """What the result stands on."""
        claim, settlements = self.shown.claim, self.shown.settlements
        references = tuple(ClosingReference(closing.stay_id, closing.version) for closing in self.closings)
        return Ground(
            claim_id=claim.claim_id,
            version=claim.settlement_version + 1,
            closings=references,
            grant_id=claim.grant_id,
            grant_version=self.grant.versions[-1].version,
            policy_id=self.brought.policy_id,
            payee_version=self.brought.payee_version,
            year_tag=self.brought.year_tag,
            currency=self.product.currency,
            sequence=self.brought.accumulator.sequence,
            is_review=bool(settlements) and settlements[-1].outcome.closings == references,
            rules=self.rules,
        )


class Visiting:
    """Lets rules in, for one hospital."""

    def __init__(
        self,
        hospital: str,
        view: ChainView,
        keystore: Keystore,
        vault: Vault,
        register: Register,
        linking: Linking,
        entropy: Entropy,
    ) -> None:
        """Run rules on one vault.

        Args:
            hospital: Whose records.
            view: The latest committed state.
            keystore: Opens premises, signs results.
            vault: Holds the records.
            register: Keeps what was computed.
            linking: Knows the days that grants mean, and what customers' openings are sealed to.
            entropy: For blindings and salts.
        """
        self._hospital = hospital
        self._view = view
        self._keys = OwnKeys(hospital, view, keystore)
        self._premises = PremisesDesk(hospital, view, keystore.seal)
        self._vault = vault
        self.casebook = Casebook(register)
        """Everything that opens what was computed here."""
        self._linking = linking
        self._entropy = entropy

    def answer(self, peer: str, question: VisitRules) -> tuple[VisitAnswer | Refusal, list[Call]]:
        """Return the answer to an insurer, and what is to be entered on the chain before there is another.

        Args:
            peer: Who asks, as mutual TLS established.
            question: Which claim, with the premises.
        """
        shown = find_claim(self._view, question.claim_id)
        if shown is None or shown.claim.hospital != self._hospital:
            return Refusal(UNKNOWN_CLAIM, f"{question.claim_id}: no such claim between this hospital and {peer}"), []
        try:
            return self._answer(peer, question, shown)
        except VisitRefusedError as error:
            calls = [] if error.refused_for is None else self._enter_refusal(peer, shown.claim, error.refused_for)
            if error.lacking is not None:
                calls.append(Call("claims", "await_consent", AwaitConsent(question.claim_id, error.lacking)))
            return Refusal(error.code, error.reason[:300]), calls
        except VaultError:
            return Refusal("UNAVAILABLE", f"{question.claim_id}: a record is erased or damaged here"), []
        except (VerificationError, DecodeError):  # of one's own books, or a key of the customer's that seals nothing
            return Refusal("UNAVAILABLE", f"{question.claim_id}: what is kept here about it does not hold"), []

    def _answer(self, peer: str, question: VisitRules, shown: ClaimView) -> tuple[VisitAnswer | Refusal, list[Call]]:
        if shown.claim.insurer != peer:  # the answer is that of a claim that there is not: a stranger learns nothing
            reason = f"{question.claim_id}: no such claim between this hospital and {peer}"
            raise VisitRefusedError(UNKNOWN_CLAIM, reason, "grant")
        grant = find_grant(self._view, shown.claim.grant_id)
        assert grant is not None, "a claim's grant exists"
        closings = self._closings(shown, grant)
        premises = self._premises.open(peer, question)
        if (premises.claim_id, premises.version) != (question.claim_id, shown.claim.settlement_version + 1):
            raise VisitRefusedError("STALE_VERSION", f"{question.claim_id}: the premises are for another settlement")
        self._premises.check_rules(premises)
        stays = tuple(self._read(closing) for closing in closings)
        brought = self._premises.choose(premises, stays, shown)
        product = self._premises.check(peer, brought)
        former = self._former(shown.settlements[-1]) if shown.settlements else None
        reviews = take_reviews(premises, former)
        visit = _Visit(shown, closings, stays, grant, brought, product, former, reviews, premises.rules)
        ground = visit.ground
        if ground.is_review and not premises.reviews:
            raise VisitRefusedError("ALREADY_SETTLED", f"{question.claim_id}: is settled on these closings")
        executions = list_executions(self._view, question.claim_id)
        entered = executions[-1].outcome if executions else None
        draft = self._find_draft(visit, entered)
        is_entered = draft is not None and draft.outcome == entered
        is_overtaken = entered is not None and ground.shares_balance_with(entered) and not ground.carries(entered)
        self._require_covered(shown, closings, grant, "enter" if is_entered else "visit", is_overtaken=is_overtaken)
        self._require_days(grant, stays)
        if draft is not None and is_entered:
            return self._tell(peer, question.claim_id, draft, premises.reviews), []
        if draft is None:
            draft = self._run(visit)
        signed = decision_message(self._view.chain_id, self._hospital, draft.outcome)
        call = Call("visits", "execute", Execute(draft.outcome, sign_decision(self._keys.next(), signed)))
        return Refusal(EXECUTING, f"{question.claim_id}: the result is being entered on the chain; ask again"), [call]

    def _find_draft(self, visit: _Visit, entered: Outcome | None) -> Draft | None:
        """Return what rules computed before on the same ground and decisions: what is entered first, else the latest.

        Raises:
            VisitRefusedError: If other decisions are brought instead of those that were brought before.
        """
        claim_id, ground = visit.shown.claim.claim_id, visit.ground
        latest = self.casebook.latest_draft(claim_id, ground.version)
        if latest is not None:
            _require_kept(latest.whole.case.reviews, visit.reviews)
        kept = None if entered is None or not ground.carries(entered) else self.casebook.settled_draft(entered)
        for draft in (kept, latest):
            if draft is not None and ground.carries(draft.outcome) and draft.whole.case.reviews == visit.reviews:
                return draft
        return None

    def _enter_refusal(self, peer: str, claim: Claim, refused_for: RefusedFor) -> list[Call]:
        """Return the entry that rules were not let in; none if it is there already, or the chain lets them in again."""
        message = RefuseVisit(claim.stay_ids[0], peer, claim.grant_id, refused_for)
        try:
            is_entered = self._view.query("visits", "is_refused", message, bool)
        except ContractError:  # the grant covers a visit by now
            return []
        return [] if is_entered else [Call("visits", "refuse_visit", message)]

    # ------------------------------------------------------------------------------------------- may they come in?

    def _closings(self, shown: ClaimView, grant: GrantView) -> tuple[Closing, ...]:
        """Return the closings that rules may visit, as far as grant, claim and stays say."""
        if shown.claim.status == "WITHDRAWN":
            raise VisitRefusedError("WRONG_STATE", f"{shown.claim.claim_id}: is withdrawn")
        found = []
        for stay_id in shown.claim.stay_ids:
            stay = find_stay(self._view, stay_id)
            assert stay is not None, "a claim's stays exist"
            if not stay.is_closed:
                raise VisitRefusedError("ASSEMBLING", f"{stay_id}: is not closed")
            if list_asked(self._view, stay_id, self._hospital).keys() & set(stay.closings[-1].parts):
                reason = f"{stay_id}: the customer asked to have a record of it erased"
                raise VisitRefusedError("ERASED", reason, "erasure")
            found.append(stay.closings[-1])
        self._require_covered(shown, tuple(found), grant, "enter")
        if shown.claim.status == "AWAITING_CONSENT":
            raise VisitRefusedError("WRONG_STATE", f"{shown.claim.claim_id}: waits for the customer's consent")
        return tuple(found)

    def _require_covered(
        self, shown: ClaimView, closings: tuple[Closing, ...], grant: GrantView, act: Act, *, is_overtaken: bool = False
    ) -> None:
        """Refuse what a claim's grant does not cover.

        Args:
            shown: The claim.
            closings: The latest ones of its stays.
            grant: Its grant.
            act: What is to be done under it.
            is_overtaken: Whether rules were here before, and what they computed stands no more: after an upgrade,
                another settlement of the year, an amended grant, another payee, or a review. Without a use for another
                visit nothing goes on then, which the lane cannot see, and the claim waits for consent. What still
                stands was not overtaken, and for another policy or year that is the insurer's word alone: no clock
                stands still for these. It can name another payee and review a finding, and signs that it did.
        """
        claim, terms = shown.claim, grant.versions[-1].grant
        if terms.execution != "rules-visit-data":
            reason = f"{terms.grant_id}: says {terms.execution}; no rules visit under it"
            raise VisitRefusedError("AUTH-013", reason, "grant")
        for closing in closings:
            for record_type in self._types(closing):
                need = need_of(claim, closing.stay_id, record_type, act)
                finding = explain(self._view, need).finding
                if finding is not None:
                    lacking = record_type if is_overtaken and act == "visit" else None
                    raise VisitRefusedError(finding.code, f"{terms.grant_id}: {finding.condition}", "grant", lacking)

    def _require_days(self, grant: GrantView, stays: tuple[StayDocuments, ...]) -> None:
        terms = grant.versions[-1].grant
        for summary in (summary for stay in stays for summary in stay.summaries):
            last = summary.stay.discharge_day or summary.stay.admission_day
            if not self._linking.covers(terms, summary.stay.admission_day, last):
                reason = f"{terms.grant_id}: does not mean the days of these records"
                raise VisitRefusedError("AUTH-013", reason, "record dates")

    def _types(self, closing: Closing) -> list[RecordType]:
        views = [find_record(self._view, record_id) for record_id in closing.parts]
        return sorted({view.record.record_type for view in views if view is not None})

    # ------------------------------------------------------------------------------------------------ adjudication

    def _run(self, visit: _Visit) -> Draft:
        claim = visit.shown.claim
        entry = self._linking.entry(claim.grant_id)
        if entry is None:
            raise VisitRefusedError("ELIG-001", "the customer's disclosure is not in the register")
        own_uses = len(
            [item for item in list_executions(self._view, claim.claim_id) if item.grant_id == claim.grant_id]
        )
        brought, former = visit.brought, visit.former
        facts = Facts(
            hospital=claim.hospital,
            insurer=claim.insurer,
            product=visit.product,
            consent=consent_facts(claim, visit.grant, entry, own_uses),
            policy=brought.policy,
            accumulator=brought.accumulator,
            already_settled=None if former is None else _limit(visit.product, former.standing),
            former_case=find_case(former),
            reviews=visit.reviews,
        )
        case, decision = _adjudicate(facts, visit.stays)
        totals = tuple(self._open_total(closing) for closing in visit.closings)
        reader = Reader(self._view.chain_id, claim.insurer, claim.customer, entry.seal_key)
        before = BalanceOpening(brought.paid, brought.deductible_used)
        draft = draft_settlement(visit.ground, case, decision, former, before, totals, reader, self._entropy)
        self.casebook.add_draft(draft)
        return draft

    def _former(self, settlement: Settlement) -> Draft:
        draft = self.casebook.settled_draft(settlement.outcome)
        if draft is None:
            raise VisitRefusedError(
                "OPENING_LOST", f"settlement {settlement.outcome.version} was not computed here, or is erased"
            )
        return draft

    def _read(self, closing: Closing) -> StayDocuments:
        parts = []
        for record_id in closing.parts:
            view = find_record(self._view, record_id)
            assert view is not None, "a closing's parts exist"
            document = decode(self._vault.open(record_id), cast("type[Document]", Document))
            parts.append((str(view.record.record_type), document))
        return sort_documents(parts)

    def _open_total(self, closing: Closing) -> AmountOpening:
        """Return what opens a closing's total: the sum of its invoices' openings."""
        openings = [opening for part in closing.parts for opening in self._vault.keys(part).openings]
        scalar = sum(opening.scalar for opening in openings) % GROUP_ORDER
        total = AmountOpening("total", sum(opening.amount for opening in openings), scalar.to_bytes(32, "little"))
        total.verify(closing.total)
        return total

    def _tell(self, peer: str, claim_id: str, draft: Draft, reviews: tuple[VisitReview, ...]) -> VisitAnswer | Refusal:
        try:
            seal_key = find_seal_key(self._view, peer)
        except RemovedMemberError as error:
            return Refusal("NO_SEAL_KEY", str(error))
        opening = draft.whole
        product = opening.case.product
        result = VisitResult(
            opening.payable,
            opening.deductible,
            _limit(product, draft.standing),
            limit_categories(product, opening.paid_categories),
            opening.decision.disposition,
            list_reasons(opening.case, opening.decision),
            reviews,
        )
        context = result_context(self._view.chain_id, claim_id, self._hospital, peer)
        sealed = seal(seal_key, context, encode(result))
        signature = sign_envelope(self._keys.now(), encode((sealed, draft.sealed)))
        return VisitAnswer(claim_id, sealed, draft.sealed, signature)


def _limit(product: Product, settled: AlreadySettled) -> AlreadySettled:
    """Return what a claim was settled with as the insurer's balances have it: without categories it was not told."""
    return replace(settled, categories=limit_categories(product, settled.categories))


def _require_kept(former: tuple[Review, ...], brought: tuple[Review, ...]) -> None:
    """Refuse to run with other decisions instead of those that were brought before: that would try out each line."""
    if brought[: len(former)] != former:
        reason = "reviews: expected those that were brought before, and others only after them"
        raise VisitRefusedError(PREMISES, reason, "premises")


def _adjudicate(facts: Facts, stays: tuple[StayDocuments, ...]) -> tuple[Case, Decision]:
    try:
        case = assemble(facts, stays)
        return case, adjudicate(case)
    except AssemblyError:
        raise VisitRefusedError("ASSEMBLY", "the records do not make a case; this hospital corrects them") from None
    except (ContractError, DecodeError):
        raise VisitRefusedError(
            "CASE-MALFORMED", "the records contradict each other; this hospital corrects them"
        ) from None
