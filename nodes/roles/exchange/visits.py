"""What passes between insurer and hospital when rules visit the data: the premises one way, the result the other.

    premises   insurer to hospital   what the rules need of policy and balance, and the hospital cannot know
    result     hospital to insurer   the amounts and what opens their commitments; reasons as codes; no fact of the case

What the rules leave to a person comes as rule, code and the number of the line in the bill. Her decision goes back in
the next visit's premises, by the same rule and number: she has not seen the records, and the hospital finds the line.

Both are sealed to their reader and signed. The premises come for every policy that may answer, because the day of
admission says which one does, and that day does not leave the hospital. The result leaves after the chain has it:
everything in it opens what the hospital entered by `visits.execute`, or is held against the insurer's own books.

The customer's opening goes along, sealed to her by the hospital: the insurer keeps it for her and cannot read it.
"""

from typing import Annotated

from msgspec import Meta

from contracts.adjudication.case import (
    LINES_MAX,
    Accumulator,
    AlreadySettled,
    Case,
    CategoryPaid,
    Policy,
    Review,
    ReviewedRule,
)
from contracts.adjudication.decision import Action, Decision, Disposition
from contracts.adjudication.product import Product
from contracts.adjudication.reasons import Code, RuleId
from contracts.executions import ExecutionReceipt, ShowExecutions
from contracts.identifiers import ClaimId, PolicyId, Version, YearTag
from ledger.codec import Hash, Struct
from ledger.errors import VerificationError
from nodes.agent import ChainView
from nodes.vault.sealing import AmountOpening, SealContext

POLICIES_MAX = 32
"""Policies of one person that may answer for one claim."""
REASONS_MAX = 1_024
"""Of one result. Findings on more lines than this come without their lines, and are not reviewed from afar."""
REVIEWS_MAX = 256
PENDING: tuple[Action, ...] = ("ask", "review")
"""What waits for a person or an answer."""
LineNumber = Annotated[int, Meta(ge=1, le=LINES_MAX)]
"""The place of a line in the bill; its id and item stay where the bill is."""
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


class VisitReview(Struct):
    """What a person of the insurer decided about a finding that a visit pended."""

    rule: ReviewedRule
    line: LineNumber | None
    """None for a finding about the whole claim."""
    accepted: bool
    """True: covered after all. False: refused, with the finding's reasons."""


class VisitPremises(Struct):
    """What the insurer brings."""

    claim_id: ClaimId
    version: Version
    """Of the settlement that it is for."""
    policies: Annotated[tuple[PolicyPremises, ...], Meta(min_length=1, max_length=POLICIES_MAX)]
    reviews: Annotated[tuple[VisitReview, ...], Meta(max_length=REVIEWS_MAX)]
    """Of what the settlement before this version pended."""
    rules: Hash
    """The hash of the adjudicator that the insurer means: the one that the members have pinned."""


class VisitReason(Struct):
    """Why something is not paid: the code, without the diagnosis, item or amount that it is about."""

    rule: RuleId
    code: Code
    action: Action
    line: LineNumber | None
    """None where it is about the whole claim."""


class VisitResult(Struct):
    """What leaves the hospital beside the commitments on the chain."""

    payable: AmountOpening
    deductible: AmountOpening
    standing: AlreadySettled
    """What the claim is settled with after it, by category only as `limit_categories` leaves."""
    paid_categories: Annotated[tuple[CategoryPaid, ...], Meta(max_length=14)]
    """The year's sums after it of the categories that the product limits by the year; none of any other."""
    disposition: Disposition
    reasons: Annotated[tuple[VisitReason, ...], Meta(max_length=REASONS_MAX)]
    """Each once, sorted."""
    reviews: Annotated[tuple[VisitReview, ...], Meta(max_length=REVIEWS_MAX)]
    """Those of the premises, which this result has taken in."""

    def __repr__(self) -> str:
        """Show nothing."""
        return "VisitResult(...)"


def premises_context(chain_id: str, claim_id: str, insurer: str, hospital: str) -> SealContext:
    """Return what premises are sealed for."""
    return SealContext(chain_id, f"premises.{claim_id}", insurer, hospital)


def result_context(chain_id: str, claim_id: str, hospital: str, insurer: str) -> SealContext:
    """Return what a result is sealed for."""
    return SealContext(chain_id, f"result.{claim_id}", hospital, insurer)


def list_reasons(case: Case, decision: Decision) -> tuple[VisitReason, ...]:
    """Return a decision's reasons as codes and numbers of lines, each once; without lines if there are too many."""
    numbers = {line.id: number for number, line in enumerate(case.bill.lines, start=1)}
    found = {
        (item.rule, item.code, item.action, 0 if item.line is None else numbers[item.line]) for item in decision.reasons
    }
    if len(found) > REASONS_MAX:
        found = {(rule, code, action, 0) for rule, code, action, _ in found}
    return tuple(VisitReason(rule, code, action, line or None) for rule, code, action, line in sorted(found))


def place_reviews(case: Case, decision: Decision, reviews: tuple[VisitReview, ...]) -> tuple[Review, ...]:
    """Return what a person decided from afar, with the lines that she meant.

    Args:
        case: What the rules pended findings of.
        decision: What they said.
        reviews: The person's decisions.

    Raises:
        VerificationError: If one is about no finding that is pended, or two are about the same one.
    """
    pended = {(item.rule, item.line) for item in decision.reasons if item.action in PENDING}
    placed: list[Review] = []
    for review in reviews:
        lines = case.bill.lines
        line = lines[review.line - 1].id if review.line is not None and review.line <= len(lines) else None
        is_known = (review.line is None) == (line is None)
        if not is_known or (review.rule, line) not in pended:
            msg = f"review: expected a finding that is pended, got {review.rule} of line {review.line}"
            raise VerificationError(msg)
        pended.remove((review.rule, line))
        placed.append(Review(review.rule, line, review.accepted))
    return tuple(placed)


def limit_categories(product: Product, paid: tuple[CategoryPaid, ...]) -> tuple[CategoryPaid, ...]:
    """Return the sums of those categories that the product limits by the year: later claims need no other.

    What a category was paid tells what was done, so the others stay where they are.
    """
    limited = {limit.category for limit in product.limits.categories if limit.per == "year"}
    return tuple(item for item in paid if item.category in limited)


def list_executions(view: ChainView, claim_id: str) -> tuple[ExecutionReceipt, ...]:
    """Return all visits of a claim's records, the first one first."""
    return view.query("visits", "show", ShowExecutions(claim_id), tuple[ExecutionReceipt, ...])
