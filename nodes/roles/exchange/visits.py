"""What passes between insurer and hospital when rules visit the data: the premises one way, the result the other.

    premises   insurer to hospital   what the rules need of policy and balance, and the hospital cannot know
    result     hospital to insurer   the amounts and what opens their commitments; reasons as codes; no fact of the case

Both are sealed to their reader and signed. The premises come for every policy that may answer, because the day of
admission says which one does, and that day does not leave the hospital. The result leaves after the chain has it:
everything in it opens what the hospital entered by `visits.execute`, or is held against the insurer's own books.

The customer's opening goes along, sealed to her by the hospital: the insurer keeps it for her and cannot read it.
"""

from typing import Annotated

from msgspec import Meta

from contracts.adjudication.case import Accumulator, AlreadySettled, CategoryPaid, Policy
from contracts.adjudication.decision import Action, Decision, Disposition
from contracts.adjudication.product import Product
from contracts.adjudication.reasons import Code, RuleId
from contracts.executions import ExecutionReceipt, ShowExecutions
from contracts.identifiers import ClaimId, PolicyId, Version, YearTag
from ledger.codec import Struct
from nodes.agent import ChainView
from nodes.vault.sealing import AmountOpening, SealContext

POLICIES_MAX = 32
"""Policies of one person that may answer for one claim."""
Salt = Annotated[bytes, Meta(min_length=32, max_length=32)]


class PolicyPremises(Struct):
    """One policy that may answer, and the balance of its year."""

    policy_id: PolicyId
    payee_version: Version
    year_tag: YearTag
    policy: Policy
    period_salt: Salt
    """Opens the chain's commitment to the policy's days."""
    accumulator: Accumulator
    """What the rules read: the year's two sums are opened below, the others are the insurer's word."""
    paid: AmountOpening
    """Opens the balance on the chain, as the next."""
    deductible_used: AmountOpening

    def __repr__(self) -> str:
        """Show which, not what."""
        return f"PolicyPremises({self.policy_id})"


class VisitPremises(Struct):
    """What the insurer brings."""

    claim_id: ClaimId
    version: Version
    """Of the settlement that it is for."""
    policies: Annotated[tuple[PolicyPremises, ...], Meta(min_length=1, max_length=POLICIES_MAX)]


class VisitReason(Struct):
    """Why something is not paid: the code, without the line, diagnosis or amount that it is about."""

    rule: RuleId
    code: Code
    action: Action


class VisitResult(Struct):
    """What leaves the hospital beside the commitments on the chain."""

    payable: AmountOpening
    deductible: AmountOpening
    standing: AlreadySettled
    """What the claim is settled with after it, by category only as `limit_categories` leaves."""
    paid_categories: Annotated[tuple[CategoryPaid, ...], Meta(max_length=14)]
    """The year's sums after it of the categories that the product limits by the year; none of any other."""
    disposition: Disposition
    reasons: Annotated[tuple[VisitReason, ...], Meta(max_length=256)]
    """Each once, sorted."""

    def __repr__(self) -> str:
        """Show nothing."""
        return "VisitResult(...)"


def premises_context(chain_id: str, claim_id: str, insurer: str, hospital: str) -> SealContext:
    """Return what premises are sealed for."""
    return SealContext(chain_id, f"premises.{claim_id}", insurer, hospital)


def result_context(chain_id: str, claim_id: str, hospital: str, insurer: str) -> SealContext:
    """Return what a result is sealed for."""
    return SealContext(chain_id, f"result.{claim_id}", hospital, insurer)


def list_reasons(decision: Decision) -> tuple[VisitReason, ...]:
    """Return a decision's reasons as codes, each once."""
    found = {(reason.rule, reason.code, reason.action) for reason in decision.reasons}
    return tuple(VisitReason(*key) for key in sorted(found))


def limit_categories(product: Product, paid: tuple[CategoryPaid, ...]) -> tuple[CategoryPaid, ...]:
    """Return the sums of those categories that the product limits by the year: later claims need no other.

    What a category was paid tells what was done, so the others stay where they are.
    """
    limited = {limit.category for limit in product.limits.categories if limit.per == "year"}
    return tuple(item for item in paid if item.category in limited)


def list_executions(view: ChainView, claim_id: str) -> tuple[ExecutionReceipt, ...]:
    """Return all visits of a claim's records, the first one first."""
    return view.query("visits", "show", ShowExecutions(claim_id), tuple[ExecutionReceipt, ...])
