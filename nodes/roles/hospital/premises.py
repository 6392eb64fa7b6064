"""What an insurer brings to a visit, held against the chain before anything is done with it.

rules      the adjudicator that the insurer means is the one that the members pinned, and is installed here
policy     the insurer's, its payee and days in force as the chain has them; its product is the chain's
balance    the current one, and opened
reviews    about findings that the claim's latest settlement left to a person
"""

from typing import cast

from contracts.adjudication.case import Review
from contracts.adjudication.product import Product
from contracts.executions import RefusedFor
from contracts.grants import RecordType
from contracts.listings import ClaimView
from contracts.policies import Balance, FindBalance, FindProduct, PolicyView, ProductEntry, ShowPolicy
from ledger.codec import decode, encode
from ledger.crypto.hashes import commit_salted
from ledger.crypto.signatures import verify
from ledger.errors import DecodeError, LedgerError, VerificationError
from nodes.agent import ChainView
from nodes.roles.claims.adjudicator import hash_installed_rules, hash_pinned_rules
from nodes.roles.claims.assembly import StayDocuments
from nodes.roles.claims.casebook import Draft
from nodes.roles.claims.facts import days_outside
from nodes.roles.exchange.questions import VisitRules
from nodes.roles.exchange.visits import PolicyPremises, VisitPremises, place_reviews, premises_context
from nodes.vault.sealing import SealKeys

PREMISES = "PREMISES"
"""Refusal: what the insurer brought is not what chain or records say."""


class VisitRefusedError(LedgerError):
    """A visit that is not let in, or not now; says why, and nothing about the patient."""

    def __init__(
        self,
        code: str,
        reason: str,
        refused_for: RefusedFor | None = None,
        lacking: RecordType | None = None,
    ) -> None:
        """Say why, by code and in a sentence.

        Args:
            code: For the insurer.
            reason: For people.
            refused_for: What the chain is told; None where the question comes too early or too late, or the hospital
                cannot answer it: nobody was turned away then.
            lacking: A type of record that rules would have to read once more and that no grant lets them read any
                more: the claim waits for consent then.
        """
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason
        self.refused_for = refused_for
        self.lacking = lacking


class PremisesDesk:
    """Takes in premises, for one hospital."""

    def __init__(self, hospital: str, view: ChainView, seal_key: SealKeys) -> None:
        """Read the chain through `view`; open with `seal_key` what is sealed to `hospital`."""
        self._hospital = hospital
        self._view = view
        self._seal_key = seal_key

    def open(self, peer: str, question: VisitRules) -> VisitPremises:
        """Return what a peer brings, if it signed it and sealed it to this hospital; raises `VisitRefusedError`."""
        actor = self._view.actor(peer)
        keys = [] if actor is None else [key for key in actor.keys if key.in_force(self._view.height + 1)]
        if not keys:
            raise VisitRefusedError("FORBIDDEN", f"{peer}: has no key in force", "signature")
        try:
            verify("instruction", keys[-1].public_key, encode(question.premises), question.signature)
        except VerificationError as error:
            raise VisitRefusedError(PREMISES, str(error), "signature") from None
        context = premises_context(self._view.chain_id, question.claim_id, peer, self._hospital)
        try:
            return decode(self._seal_key.open(question.premises, context), VisitPremises)
        except (VerificationError, DecodeError) as error:
            raise VisitRefusedError(PREMISES, str(error), "premises") from None

    def check_rules(self, premises: VisitPremises) -> None:
        """Refuse rules that are not those that the members pinned; and say so where this installation has others."""
        pinned = hash_pinned_rules(self._view)
        if premises.rules != pinned:
            reason = f"rules: expected {pinned.hex()[:16]}, which the members pinned, got {premises.rules.hex()[:16]}"
            raise VisitRefusedError("RULES", reason, "rules")
        if hash_installed_rules() != pinned:
            raise VisitRefusedError("UNAVAILABLE", "rules: those that the members pinned are not installed here")

    def choose(self, premises: VisitPremises, stays: tuple[StayDocuments, ...], shown: ClaimView) -> PolicyPremises:
        """Return the policy that answers: the former one, else that of the day of admission, else the nearest.

        Raises:
            VisitRefusedError: If there is none.
        """
        if shown.settlements:
            former = shown.settlements[-1].outcome.policy_id
            found = [item for item in premises.policies if item.policy_id == former]
            if not found:
                reason = f"policies: expected {former}, which the claim was settled on"
                raise VisitRefusedError(PREMISES, reason, "premises")
            return found[0]
        days = [summary.stay.admission_day for stay in stays for summary in stay.summaries]
        if not days:
            raise VisitRefusedError("ASSEMBLY", "there is no discharge summary to choose a policy by")
        first = min(days)
        return min(
            premises.policies, key=lambda item: days_outside((item.policy.from_day, item.policy.until_day), first)
        )

    def check(self, peer: str, brought: PolicyPremises) -> Product:
        """Return the policy's product as the chain has it, if all that the chain can tell of the premises holds.

        Raises:
            VisitRefusedError: Naming what does not.
        """
        kind = cast("type[PolicyView | None]", PolicyView | None)
        shown = self._view.query("coverage", "policy", ShowPolicy(brought.policy_id), kind)
        if shown is None or shown.versions[-1].insurer != peer:
            reason = f"policy: expected one of {peer}, got {brought.policy_id}"
            raise VisitRefusedError(PREMISES, reason, "premises")
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
                reason = f"{field}: not what the chain has of {brought.policy_id}"
                raise VisitRefusedError(PREMISES, reason, "premises")
        if balance.sequence != brought.accumulator.sequence:
            reason = f"balance: expected sequence {balance.sequence}, got {brought.accumulator.sequence}"
            raise VisitRefusedError("STALE_ACCUMULATOR", reason)
        if balance.sequence == 0:
            if (brought.paid.amount, brought.deductible_used.amount) != (0, 0):
                raise VisitRefusedError(PREMISES, "balance: expected 0 at sequence 0", "premises")
            return found.product
        try:
            brought.paid.verify(balance.paid)
            brought.deductible_used.verify(balance.deductible_used)
        except VerificationError as error:
            raise VisitRefusedError(PREMISES, str(error), "premises") from None
        return found.product


def take_reviews(premises: VisitPremises, former: Draft | None) -> tuple[Review, ...]:
    """Return all that people decided about a claim: what its latest settlement took in, and what is brought now."""
    if former is None:
        if premises.reviews:
            raise VisitRefusedError(PREMISES, "reviews: expected none, nothing was pended before", "premises")
        return ()
    try:
        placed = place_reviews(former.whole.case, former.whole.decision, premises.reviews)
    except VerificationError as error:
        raise VisitRefusedError(PREMISES, str(error), "premises") from None
    return (*former.whole.case.reviews, *placed)
