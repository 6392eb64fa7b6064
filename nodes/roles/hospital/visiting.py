"""The hospital's side of a visit: run the insurer's rules on its own records, enter the result, then tell the figures.

An insurer asks and brings premises. Decided on the latest committed state, as at a hand-over:

    1. the claim is this insurer's and of this hospital's stays, all closed; nothing of them is to be erased
    2. the claim's grant covers a visit (`rules-visit-data`, EXECUTE) for every type of record, and means these days
    3. the premises are signed, and what the chain can tell of them holds: policy and product version, payee, days in
       force, the balance and its sequence
    4. the adjudicator that the members pinned runs on the records in the vault; the result is kept, and entered on the
       chain; the insurer is told to ask again
    5. asked again, once the chain has it and the grant still covers it: the amounts, sealed to the insurer

So no figure leaves before the customer can see on the chain that it did, and none after a revocation.

What leaves is in `nodes.roles.exchange.visits`; no diagnosis, line, bill or day does. The case and the decision stay
in the hospital's register, and with the customer, to whom they are sealed.
"""

from typing import cast

from msgspec.structs import replace

from contracts.adjudication.case import AlreadySettled, Case
from contracts.adjudication.decision import Decision
from contracts.adjudication.engine import adjudicate
from contracts.adjudication.product import Product
from contracts.executions import Execute
from contracts.grants import GrantView, RecordType
from contracts.listings import ClaimView
from contracts.needs import Act, Need
from contracts.outcomes import decision_message
from contracts.policies import Balance, FindBalance, FindProduct, PolicyView, ProductEntry, ShowPolicy
from contracts.settlements import ClosingReference, Settlement
from contracts.stays import Closing
from ledger.codec import decode, encode
from ledger.crypto.commitments import GROUP_ORDER
from ledger.crypto.hashes import commit_salted
from ledger.crypto.signatures import sign_decision, sign_envelope, verify
from ledger.errors import ContractError, DecodeError, LedgerError, VerificationError
from nodes.agent import Call, ChainView
from nodes.entropy import Entropy
from nodes.keystore import Keystore
from nodes.roles.claims.assembly import AssemblyError, StayDocuments, assemble, sort_documents
from nodes.roles.claims.casebook import Casebook, Draft, find_case
from nodes.roles.claims.facts import Facts, consent_facts, days_outside
from nodes.roles.claims.settlement import BalanceOpening, Ground, Reader, draft_settlement
from nodes.roles.erasing import list_asked
from nodes.roles.exchange.documents import Document
from nodes.roles.exchange.questions import Refusal, VisitAnswer, VisitRules
from nodes.roles.exchange.visits import (
    PolicyPremises,
    VisitPremises,
    VisitResult,
    limit_categories,
    list_executions,
    list_reasons,
    premises_context,
    result_context,
)
from nodes.roles.linking import Linking
from nodes.roles.lookup import explain, find_claim, find_credentials, find_grant, find_record, find_stay
from nodes.roles.own_keys import OwnKeys
from nodes.vault.records import Vault, VaultError
from nodes.vault.register import Register
from nodes.vault.sealing import AmountOpening, seal

EXECUTING = "EXECUTING"
"""Refusal: the result is being entered on the chain; ask again."""


class VisitRefusedError(LedgerError):
    """A visit that is not let in; says why, and nothing about the patient."""

    def __init__(self, code: str, reason: str) -> None:
        """Say why, by code and in a sentence."""
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason


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
        self._seal_key = keystore.seal
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
        try:
            return self._answer(peer, question)
        except VisitRefusedError as error:
            return Refusal(error.code, error.reason[:300]), []
        except (VerificationError, DecodeError) as error:
            return Refusal("PREMISES", str(error)[:300]), []
        except VaultError:
            return Refusal("UNAVAILABLE", f"{question.claim_id}: a record is erased or damaged here"), []

    def _answer(self, peer: str, question: VisitRules) -> tuple[VisitAnswer | Refusal, list[Call]]:
        shown = find_claim(self._view, question.claim_id)
        if shown is None or (shown.claim.hospital, shown.claim.insurer) != (self._hospital, peer):
            raise VisitRefusedError(
                "UNKNOWN_CLAIM", f"{question.claim_id}: no such claim between this hospital and {peer}"
            )
        closings = self._closings(shown)
        grant = find_grant(self._view, shown.claim.grant_id)
        assert grant is not None, "a claim's grant exists"
        premises = self._open(peer, question)
        if (premises.claim_id, premises.version) != (question.claim_id, shown.claim.settlement_version + 1):
            raise VisitRefusedError("STALE_VERSION", f"{question.claim_id}: the premises are for another settlement")
        stays = tuple(self._read(closing) for closing in closings)
        brought = self._choose(premises, stays, shown)
        product = self._check(peer, brought)
        ground = _ground(shown, closings, grant, brought, product)
        executions = list_executions(self._view, question.claim_id)
        draft = self.casebook.latest_draft(question.claim_id, ground.version)
        if draft is None or not ground.carries(draft.outcome):
            draft = None
        is_entered = draft is not None and bool(executions) and executions[-1].outcome == draft.outcome
        self._require_covered(shown, closings, grant, stays, "enter" if is_entered else "visit")
        if draft is not None and is_entered:
            return self._tell(peer, question.claim_id, draft), []
        if draft is None:
            draft = self._run(ground, shown, grant, brought, product, closings, stays)
        signed = decision_message(self._view.chain_id, self._hospital, draft.outcome)
        call = Call("visits", "execute", Execute(draft.outcome, sign_decision(self._keys.next(), signed)))
        return Refusal(EXECUTING, f"{question.claim_id}: the result is being entered on the chain; ask again"), [call]

    # ------------------------------------------------------------------------------------------- may they come in?

    def _closings(self, shown: ClaimView) -> tuple[Closing, ...]:
        if shown.claim.status in ("WITHDRAWN", "AWAITING_CONSENT"):
            raise VisitRefusedError("WRONG_STATE", f"{shown.claim.claim_id}: is {shown.claim.status}")
        found = []
        for stay_id in shown.claim.stay_ids:
            stay = find_stay(self._view, stay_id)
            assert stay is not None, "a claim's stays exist"
            if not stay.is_closed:
                raise VisitRefusedError("ASSEMBLING", f"{stay_id}: is not closed")
            if list_asked(self._view, stay_id, self._hospital).keys() & set(stay.closings[-1].parts):
                raise VisitRefusedError("ERASED", f"{stay_id}: the customer asked to have a record of it erased")
            found.append(stay.closings[-1])
        return tuple(found)

    def _require_covered(
        self,
        shown: ClaimView,
        closings: tuple[Closing, ...],
        grant: GrantView,
        stays: tuple[StayDocuments, ...],
        act: Act,
    ) -> None:
        claim, terms = shown.claim, grant.versions[-1].grant
        if terms.execution != "rules-visit-data":
            raise VisitRefusedError("AUTH-013", f"{terms.grant_id}: says {terms.execution}; no rules visit under it")
        for closing in closings:
            for record_type in self._types(closing):
                need = Need(
                    terms.grant_id,
                    claim.hospital,
                    claim.insurer,
                    claim.customer,
                    record_type,
                    closing.stay_id,
                    claim.claim_id,
                    act,
                )
                finding = explain(self._view, need).finding
                if finding is not None:
                    raise VisitRefusedError(finding.code, f"{terms.grant_id}: {finding.condition}")
        for summary in (summary for stay in stays for summary in stay.summaries):
            last = summary.stay.discharge_day or summary.stay.admission_day
            if not self._linking.covers(terms, summary.stay.admission_day, last):
                raise VisitRefusedError("AUTH-013", f"{terms.grant_id}: does not mean the days of these records")

    def _types(self, closing: Closing) -> list[RecordType]:
        views = [find_record(self._view, record_id) for record_id in closing.parts]
        return sorted({view.record.record_type for view in views if view is not None})

    # --------------------------------------------------------------------------------------------------- premises

    def _open(self, peer: str, question: VisitRules) -> VisitPremises:
        actor = self._view.actor(peer)
        keys = [] if actor is None else [key for key in actor.keys if key.in_force(self._view.height + 1)]
        if not keys:
            raise VisitRefusedError("FORBIDDEN", f"{peer}: has no key in force")
        verify("instruction", keys[-1].public_key, encode(question.premises), question.signature)
        context = premises_context(self._view.chain_id, question.claim_id, peer, self._hospital)
        return decode(self._seal_key.open(question.premises, context), VisitPremises)

    def _choose(self, premises: VisitPremises, stays: tuple[StayDocuments, ...], shown: ClaimView) -> PolicyPremises:
        """Return the policy that answers: the former one, else that of the day of admission, else the nearest."""
        if shown.settlements:
            former = shown.settlements[-1].outcome.policy_id
            found = [item for item in premises.policies if item.policy_id == former]
            if not found:
                raise VisitRefusedError("PREMISES", f"policies: expected {former}, which the claim was settled on")
            return found[0]
        days = [summary.stay.admission_day for stay in stays for summary in stay.summaries]
        if not days:
            raise VisitRefusedError("ASSEMBLY", "there is no discharge summary to choose a policy by")
        first = min(days)
        return min(
            premises.policies, key=lambda item: days_outside((item.policy.from_day, item.policy.until_day), first)
        )

    def _check(self, peer: str, brought: PolicyPremises) -> Product:
        """Return the policy's product as the chain has it, if all that the chain can tell of the premises holds."""
        kind = cast("type[PolicyView | None]", PolicyView | None)
        shown = self._view.query("coverage", "policy", ShowPolicy(brought.policy_id), kind)
        if shown is None or shown.versions[-1].insurer != peer:
            raise VisitRefusedError("PREMISES", f"policy: expected one of {peer}, got {brought.policy_id}")
        policy = shown.versions[-1]
        found = self._view.query(
            "coverage",
            "product",
            FindProduct(peer, policy.product_id, policy.product_version),
            cast("type[ProductEntry | None]", ProductEntry | None),
        )
        assert found is not None, "a policy on the chain has a product there"
        days = (brought.policy.from_day, brought.policy.until_day)
        balance = self._view.query(
            "coverage", "balance", FindBalance(brought.policy_id, brought.year_tag, policy.currency), Balance
        )
        for field, expected, got in (
            ("payee version", len(shown.payees), brought.payee_version),
            ("days in force", policy.period, commit_salted(brought.period_salt, encode(days))),
            ("currency", policy.currency, brought.policy.payee_currency),
            ("paid this year", brought.paid.amount, brought.accumulator.paid_year),
            ("deductible used", brought.deductible_used.amount, brought.accumulator.deductible_used),
        ):
            if expected != got:
                raise VisitRefusedError("PREMISES", f"{field}: not what the chain has of {brought.policy_id}")
        if balance.sequence != brought.accumulator.sequence:
            reason = f"balance: expected sequence {balance.sequence}, got {brought.accumulator.sequence}"
            raise VisitRefusedError("STALE_ACCUMULATOR", reason)
        if balance.sequence == 0:
            if (brought.paid.amount, brought.deductible_used.amount) != (0, 0):
                raise VisitRefusedError("PREMISES", "balance: expected 0 at sequence 0")
        else:
            brought.paid.verify(balance.paid)
            brought.deductible_used.verify(balance.deductible_used)
        return found.product

    # ------------------------------------------------------------------------------------------------ adjudication

    def _run(
        self,
        ground: Ground,
        shown: ClaimView,
        grant: GrantView,
        brought: PolicyPremises,
        product: Product,
        closings: tuple[Closing, ...],
        stays: tuple[StayDocuments, ...],
    ) -> Draft:
        claim = shown.claim
        entry = self._linking.entry(claim.grant_id)
        if entry is None:
            raise VisitRefusedError("ELIG-001", "the customer's disclosure is not in the register")
        former = self._former(shown.settlements[-1]) if shown.settlements else None
        own_uses = len(
            [item for item in list_executions(self._view, claim.claim_id) if item.grant_id == claim.grant_id]
        )
        facts = Facts(
            hospital=claim.hospital,
            insurer=claim.insurer,
            product=product,
            consent=consent_facts(claim, grant, entry, own_uses),
            policy=brought.policy,
            accumulator=brought.accumulator,
            already_settled=None if former is None else _limit(product, former.standing),
            former_case=find_case(former),
            reviews=(),
        )
        case, decision = _adjudicate(facts, stays)
        totals = tuple(self._open_total(closing) for closing in closings)
        reader = Reader(self._view.chain_id, claim.insurer, claim.customer, entry.seal_key)
        before = BalanceOpening(brought.paid, brought.deductible_used)
        draft = draft_settlement(ground, case, decision, former, before, totals, reader, self._entropy)
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

    def _tell(self, peer: str, claim_id: str, draft: Draft) -> VisitAnswer | Refusal:
        member = find_credentials(self._view, peer)
        if member is None:
            return Refusal("NO_SEAL_KEY", f"{peer}: the chain has no seal key of this member")
        opening = draft.whole
        product = opening.case.product
        result = VisitResult(
            opening.payable,
            opening.deductible,
            _limit(product, draft.standing),
            limit_categories(product, opening.paid_categories),
            opening.decision.disposition,
            list_reasons(opening.decision),
        )
        context = result_context(self._view.chain_id, claim_id, self._hospital, peer)
        sealed = seal(member.seal_key, context, encode(result))
        signature = sign_envelope(self._keys.now(), encode((sealed, draft.sealed)))
        return VisitAnswer(claim_id, sealed, draft.sealed, signature)


def _limit(product: Product, settled: AlreadySettled) -> AlreadySettled:
    """Return what a claim was settled with as the insurer's balances have it: without categories it was not told."""
    return replace(settled, categories=limit_categories(product, settled.categories))


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


def _ground(
    shown: ClaimView, closings: tuple[Closing, ...], grant: GrantView, brought: PolicyPremises, product: Product
) -> Ground:
    claim = shown.claim
    return Ground(
        claim_id=claim.claim_id,
        version=claim.settlement_version + 1,
        closings=tuple(ClosingReference(closing.stay_id, closing.version) for closing in closings),
        grant_id=claim.grant_id,
        grant_version=grant.versions[-1].version,
        policy_id=brought.policy_id,
        payee_version=brought.payee_version,
        year_tag=brought.year_tag,
        currency=product.currency,
        sequence=brought.accumulator.sequence,
        is_review=False,
    )
