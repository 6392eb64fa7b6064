"""The insurer's side of a visit: bring the premises, hold the result against the chain and its own books, settle on it.

    1. bring    closed, covered, nothing of it handed over: the hospital gets what the rules need of policy and balance
    2. wait     the hospital enters the result on the chain (`visits.execute`); then the question is asked again
    3. check    signature of the hospital's key in force; the amounts open the commitments of the visit; balances after
                are those before plus what moves; the customer's opening is the one that the chain names
    4. settle   on the visit's outcome, unchanged; what opens it is in the casebook before

What cannot be checked here is that the case is what the records say: the insurer has seen neither. It trusts the
hospital's signature for that, and whoever has the customer's opening runs the rules again.

A balance that another settlement moved in between makes another visit: the premises are brought anew. So does what a
person decided about findings that a visit left to her: it goes along with the premises, under the same signature.
"""

from contracts.adjudication.reasons import CODES, find_text
from contracts.executions import ExecutionReceipt
from contracts.listings import ClaimView
from contracts.settlements import ClosingReference, Outcome
from ledger.codec import decode, encode
from ledger.crypto.commitments import commit_amount
from ledger.crypto.signatures import sign_instruction, verify
from ledger.errors import DecodeError, VerificationError
from nodes.agent import Call, ChainView, Note, PeerAnswered, Request
from nodes.entropy import Entropy
from nodes.keystore import Keystore
from nodes.roles.claims.adjudicator import hash_installed_rules, hash_pinned_rules
from nodes.roles.claims.casebook import Casebook, Draft
from nodes.roles.claims.settlement import disposition_of, open_after, open_moves
from nodes.roles.erasing import list_asked
from nodes.roles.exchange.asking import Asking, note_lost_key
from nodes.roles.exchange.opening import VisitOpening, hash_opening
from nodes.roles.exchange.questions import EXECUTING, Refusal, VisitAnswer, VisitRules, decode_reply, encode_body
from nodes.roles.exchange.visits import (
    POLICIES_MAX,
    PolicyPremises,
    VisitPremises,
    VisitResult,
    VisitReview,
    list_executions,
    premises_context,
    result_context,
)
from nodes.roles.insurer.portfolio import PolicyEntry, Portfolio
from nodes.roles.insurer.premises import Premises, RulesError, WaitError
from nodes.roles.insurer.submission import submit_settlement
from nodes.roles.linking import LinkEntry
from nodes.roles.lookup import RemovedMemberError, find_claim, find_seal_key
from nodes.roles.own_keys import OwnKeys
from nodes.vault.sealing import AmountOpening, LostKeyError, seal

WAITS = "VISIT"
"""Code of a claim that waits for its hospital to run the rules."""


class Visiting:
    """The visits of one insurer's rules."""

    def __init__(
        self,
        insurer: str,
        view: ChainView,
        keystore: Keystore,
        entropy: Entropy,
        casebook: Casebook,
        portfolio: Portfolio,
        premises: Premises,
        asking: Asking,
    ) -> None:
        """Begin with nothing asked: what is due say chain and casebook.

        Args:
            insurer: Whose rules.
            view: The latest committed state.
            keystore: Signs premises and decisions, opens results.
            entropy: For payments' ids.
            casebook: Keeps what opens a settlement.
            portfolio: Knows the policies.
            premises: Knows the balances.
            asking: The agent's questions.
        """
        self._insurer = insurer
        self._view = view
        self._keys = OwnKeys(insurer, view, keystore)
        self._seal_key = keystore.seal
        self._entropy = entropy
        self._casebook = casebook
        self._portfolio = portfolio
        self._premises = premises
        self._asking = asking
        self._wanted: dict[str, tuple[PolicyEntry, ...]] = {}
        self._asked: dict[str, str] = {}
        self._doubts: dict[tuple[str, int], str] = {}
        self._refusals: dict[str, Refusal] = {}

    def derive(
        self,
        shown: ClaimView,
        references: tuple[ClosingReference, ...],
        grant_version: int,
        entry: LinkEntry,
        *,
        is_review: bool,
    ) -> list[Call]:
        """Return the settlement of a claim whose result is here.

        Args:
            shown: The claim.
            references: Its closings.
            grant_version: What covers it now.
            entry: Who the customer is here.
            is_review: Whether it is on the closings of the settlement before, which a person has reviewed.

        Raises:
            WaitError: If the result is not here yet, or does not hold.
        """
        claim = shown.claim
        former = shown.settlements[-1].outcome if shown.settlements else None
        assert entry.person is not None, "a link that is used matched"
        policies = (
            self._portfolio.list_candidates(entry.person)
            if former is None
            else (self._portfolio.get(former.policy_id),)
        )
        if not policies:
            raise WaitError("ELIG-005", "the customer has no policy here that could be settled on")
        executions = list_executions(self._view, claim.claim_id)
        latest = executions[-1].outcome if executions else None
        if latest is not None and self._stands(latest, shown, references, grant_version, policies, is_review=is_review):
            draft = self._casebook.latest_draft(claim.claim_id, latest.version)
            if draft is not None and draft.outcome == latest and self._has_taken_in(draft, shown):
                return [submit_settlement(self._view, self._keys, self._insurer, draft)]
        try:
            find_seal_key(self._view, claim.hospital)
        except RemovedMemberError as error:
            raise WaitError("HOSPITAL-REMOVED", str(error)) from None
        pinned, installed = hash_pinned_rules(self._view), hash_installed_rules()
        if installed != pinned:  # the hospital would let them in nowhere, and enter that they had come
            raise RulesError(pinned, installed)
        self._wanted[claim.claim_id] = policies[:POLICIES_MAX]
        doubt = self._doubts.get((claim.claim_id, len(executions)))
        if doubt is not None:
            raise WaitError("VISIT-DISPUTED", doubt)
        refusal = self._refusals.get(claim.claim_id)
        raise WaitError(
            WAITS,
            "the hospital runs the rules on its own records"
            if refusal is None
            else f"the hospital let no rules in: {refusal.code} {refusal.reason}",
        )

    def ask(self, now_ms: int) -> list[Request]:
        """Return the questions to hospitals that are due."""
        requests = []
        for claim_id, policies in self._wanted.items():
            shown = find_claim(self._view, claim_id)
            assert shown is not None, "a claim that waits exists"
            subject = f"visit {claim_id} {len(list_executions(self._view, claim_id))}"
            if not self._asking.may_ask(subject, now_ms):
                continue
            body = self._bring(shown, policies)
            self._asked[subject] = claim_id
            requests.append(self._asking.ask(subject, shown.claim.hospital, body, now_ms))
        self._wanted.clear()
        return requests

    def take(self, subject: str, event: PeerAnswered) -> list[Note] | None:
        """Take in a hospital's answer.

        Args:
            subject: What `Asking.take` returned for it.
            event: The answer.

        Returns:
            Notes, or None if the subject is no visit's.
        """
        claim_id = self._asked.pop(subject, None)
        if claim_id is None:
            return None
        if event.body is None or self._is_over(claim_id):
            return []
        fields: dict[str, str | int] = {"claim": claim_id, "hospital": event.peer}
        try:
            reply = decode_reply(event.body)
            if not isinstance(reply, VisitAnswer):
                code = reply.code if isinstance(reply, Refusal) else "UNEXPECTED"
                if isinstance(reply, Refusal) and code != EXECUTING:
                    self._refusals[claim_id] = reply
                return [Note("visit-refused", {**fields, "code": code})]
            self._refusals.pop(claim_id, None)
            self._keep(claim_id, reply)
        except LostKeyError as error:
            return [note_lost_key(fields, error)]
        except (VerificationError, DecodeError) as error:
            self._doubts[claim_id, len(list_executions(self._view, claim_id))] = str(error)
            return [Note("visit-disputed", fields)]
        return [Note("visit-opened", fields)]

    def _is_over(self, claim_id: str) -> bool:
        """Whether its customer withdrew a claim, or had it erased, while the answer was on its way."""
        shown = find_claim(self._view, claim_id)
        is_withdrawn = shown is not None and shown.claim.status == "WITHDRAWN"
        return is_withdrawn or claim_id in list_asked(self._view, claim_id, self._insurer)

    def _stands(
        self,
        outcome: Outcome,
        shown: ClaimView,
        references: tuple[ClosingReference, ...],
        grant_version: int,
        policies: tuple[PolicyEntry, ...],
        *,
        is_review: bool,
    ) -> bool:
        """Whether a visit's outcome is on what chain and books say now."""
        claim = shown.claim
        rules = hash_pinned_rules(self._view)
        expected = (claim.settlement_version + 1, references, claim.grant_id, grant_version, is_review, rules)
        got = (
            outcome.version,
            outcome.closings,
            outcome.grant_id,
            outcome.grant_version,
            outcome.is_review,
            outcome.rules,
        )
        policy = next((entry for entry in policies if entry.policy_id == outcome.policy_id), None)
        if expected != got or policy is None:
            return False
        shown_policy = self._portfolio.shown(policy.policy_id)
        assert shown_policy is not None, "a candidate is on the chain"
        ground = (
            len(shown_policy.payees),
            self._premises.year_tag(policy),
            self._portfolio.product_of(policy).currency,
            self._premises.open_balance(policy).sequence,
        )
        return ground == (outcome.payee_version, outcome.year_tag, outcome.currency, outcome.accumulator_sequence)

    def _has_taken_in(self, draft: Draft, shown: ClaimView) -> bool:
        """Whether a result rests on all that people have decided since the claim's latest settlement."""
        return isinstance(draft.opening, VisitOpening) and draft.opening.reviews == self._reviews(shown)

    def _reviews(self, shown: ClaimView) -> tuple[VisitReview, ...]:
        return self._casebook.list_visit_reviews(shown.claim.claim_id, shown.claim.settlement_version)

    def _bring(self, shown: ClaimView, policies: tuple[PolicyEntry, ...]) -> bytes:
        """Return the question with the premises."""
        claim = shown.claim
        seal_key = find_seal_key(self._view, claim.hospital)
        brought = tuple(self._describe(entry) for entry in policies)
        message = VisitPremises(
            claim.claim_id, claim.settlement_version + 1, brought, self._reviews(shown), hash_installed_rules()
        )
        context = premises_context(self._view.chain_id, claim.claim_id, self._insurer, claim.hospital)
        sealed = seal(seal_key, context, encode(message))
        return encode_body(VisitRules(claim.claim_id, sealed, sign_instruction(self._keys.now(), encode(sealed))))

    def _describe(self, entry: PolicyEntry) -> PolicyPremises:
        shown = self._portfolio.shown(entry.policy_id)
        assert shown is not None, "a candidate is on the chain"
        balances = self._premises.open_balance(entry)
        return PolicyPremises(
            entry.policy_id,
            len(shown.payees),
            self._premises.year_tag(entry),
            self._premises.policy_facts(entry),
            entry.period_salt,
            self._premises.accumulate(entry, balances),
            balances.opening.paid,
            balances.opening.deductible_used,
        )

    def _keep(self, claim_id: str, answer: VisitAnswer) -> None:
        """Keep a result that holds; raises `VerificationError` and `DecodeError` if it does not."""
        shown = find_claim(self._view, claim_id)
        executions = list_executions(self._view, claim_id)
        if shown is None or not executions:
            msg = f"{claim_id}: a result came before the chain has one"
            raise VerificationError(msg)
        execution = executions[-1]
        result = self._open(answer, execution)
        outcome = execution.outcome
        former = shown.settlements[-1] if shown.settlements else None
        former_draft = None if former is None else self._casebook.settled_draft(former.outcome)
        if former is not None and former_draft is None:
            msg = f"{claim_id}: what opens its former settlement is lost here"
            raise VerificationError(msg)
        policy = self._portfolio.get(outcome.policy_id)
        before = self._premises.open_balance(policy)
        _expect("balance sequence", before.sequence, outcome.accumulator_sequence)
        result.payable.verify(outcome.payable)
        result.deductible.verify(outcome.deductible)
        if result.payable.amount < 0 or result.deductible.amount < 0:
            msg = "result: expected no amount below 0"
            raise VerificationError(msg)
        _expect("standing payable", result.payable.amount, result.standing.payable)
        _expect("standing deductible", result.deductible.amount, result.standing.deductible_used)
        moves, added = open_moves(result.payable, result.deductible, former_draft)
        after = open_after(before.opening, moves, added)
        _expect("paid after", _commit(after.paid), outcome.paid_after)
        _expect("deductible after", _commit(after.deductible_used), outcome.deductible_used_after)
        _expect("disposition", disposition_of(moves), outcome.disposition)
        _expect("pended", result.disposition in ("PENDED", "PARTIAL_PENDED"), outcome.is_pended)
        _expect("customer's opening", hash_opening(answer.opening), outcome.opening_hash)
        self._check_reviews(shown, outcome, result)
        opening = VisitOpening(
            result.payable,
            result.deductible,
            after.paid,
            after.deductible_used,
            result.paid_categories,
            result.disposition,
            result.reasons,
            result.reviews,
        )
        nothing_moves = outcome.disposition == "none"
        self._casebook.add_draft(
            Draft(
                outcome,
                None if nothing_moves else f"payment-{self._entropy.draw(12).hex()}",
                moves.blinding if nothing_moves else None,
                opening,
                answer.opening,
                moves,
                result.standing,
            )
        )

    def _check_reviews(self, shown: ClaimView, outcome: Outcome, result: VisitResult) -> None:
        """Hold the reviews that a result has taken in against those that people made, and against what it says.

        After a correction the lines of the bill have other numbers: what became of them cannot be seen from here.
        """
        brought = self._reviews(shown)
        _expect("reviews", brought[: len(result.reviews)], result.reviews)
        if not outcome.is_review:
            return
        actions = {(reason.rule, reason.line): reason.action for reason in result.reasons}
        for review in result.reviews:
            _expect(
                f"review of {review.rule}",
                None if review.accepted else "refused",
                actions.get((review.rule, review.line)),
            )

    def _open(self, answer: VisitAnswer, execution: ExecutionReceipt) -> VisitResult:
        actor = self._view.actor(execution.hospital)
        assert actor is not None, "who entered a visit is a member"
        keys = [key.public_key for key in actor.keys if key.in_force(self._view.height + 1)]
        if not keys:
            msg = f"{execution.hospital}: has no key in force at height {self._view.height + 1}"
            raise VerificationError(msg)
        verify("envelope", keys[-1], encode((answer.result, answer.opening)), answer.signature)
        context = result_context(self._view.chain_id, execution.claim_id, execution.hospital, self._insurer)
        return decode(self._seal_key.open(answer.result, context), VisitResult)


def describe_visit(opening: VisitOpening) -> str:
    """Return the reasons of a visit's result in one line, in both languages; empty for none."""
    codes = sorted({reason.code for reason in opening.reasons})
    texts = [(code, find_text(CODES, code)) for code in codes]
    return "; ".join(f"{code} {text.zh} · {text.en}" for code, text in texts)


def _commit(opening: AmountOpening) -> bytes:
    return commit_amount(opening.amount, opening.scalar)


def _expect(what: str, expected: object, got: object) -> None:
    if expected != got:
        msg = f"result {what}: not what the chain and the insurer's books lead to"
        raise VerificationError(msg)
