"""What an insurer's settlement must satisfy on its own figures: its turn, its arithmetic, and what it moves.

The chain sees no amount, but commitments add up, so it can hold the insurer to the balances:

    moves                  = payable - former payable
    paid_after             = the balance's paid + moves
    deductible_used_after  = the balance's deductible used + (deductible - former deductible)

It is no range proof: that a payout is not negative and that the figures are the decision's is checked by whoever has
the openings, the rail and the customer among them. That nothing moves is proved here, by opening the difference to 0.

These are functions of what they are given; the contract `claims` reads the tables.
"""

from contracts.identifiers import Place
from contracts.policies import Balance
from contracts.settlements import Claim, Outcome, OutcomeSigned, Settle, Settlement
from ledger.execution.contract import (
    IDENTITY,
    add_commitments,
    check_commitment,
    encode,
    reject,
    subtract_commitments,
    verify_difference,
)


def decision_message(chain_id: str, insurer: str, outcome: Outcome) -> bytes:
    """Return what an insurer signs with purpose `decision`."""
    return encode(OutcomeSigned(chain_id, insurer, outcome))


def check_turn(claim: Claim, former: Settlement | None, outcome: Outcome) -> None:
    """Refuse a settlement that is not the claim's next one; whether the claim waits for consent is asked beside it.

    Args:
        claim: The claim before it.
        former: The claim's latest settlement.
        outcome: What the insurer decided.
    """
    if claim.status == "WITHDRAWN":
        reject("WRONG_STATE", f"{claim.claim_id}: is {claim.status}")
    if tuple(reference.stay_id for reference in outcome.closings) != claim.stay_ids:
        reject("CLOSINGS", f"{claim.claim_id}: expected one closing for each of its {len(claim.stay_ids)} stays")
    is_same = former is not None and former.outcome.closings == outcome.closings
    may_review = former is not None and former.outcome.is_pended
    if is_same and not (outcome.is_review and may_review):
        reject("ALREADY_SETTLED", f"{claim.claim_id}: settlement {claim.settlement_version} is on these closings")
    if outcome.is_review and not is_same:
        reject("CLOSINGS", f"{claim.claim_id}: expected a review to be on the closings it reviews")
    if outcome.version != claim.settlement_version + 1:
        reject("STALE_VERSION", f"version: expected {claim.settlement_version + 1}, got {outcome.version}")


def check_arithmetic(balance: Balance, former: Settlement | None, outcome: Outcome) -> bytes:
    """Return the commitment to what moves; refuse figures that do not add up.

    Args:
        balance: The accumulator's current state.
        former: The claim's latest settlement.
        outcome: What the insurer decided.
    """
    if balance.sequence != outcome.accumulator_sequence:
        reject(
            "STALE_ACCUMULATOR",
            f"{outcome.policy_id}: started from {outcome.accumulator_sequence}, {balance.sequence} is current",
        )
    check_commitment(outcome.payable)
    check_commitment(outcome.deductible)
    moves = outcome.payable
    deductible_added = outcome.deductible
    if former is not None:
        before = former.outcome
        if (before.policy_id, before.year_tag, before.currency) != (
            outcome.policy_id,
            outcome.year_tag,
            outcome.currency,
        ):
            reject("BALANCE", f"{outcome.claim_id}: expected the policy, year and currency of its first settlement")
        moves = subtract_commitments(outcome.payable, before.payable)
        deductible_added = subtract_commitments(outcome.deductible, before.deductible)
    if add_commitments(balance.paid, moves) != outcome.paid_after:
        reject("BALANCE", f"{outcome.claim_id}: paid_after is not the balance and what this settlement adds")
    if add_commitments(balance.deductible_used, deductible_added) != outcome.deductible_used_after:
        reject("BALANCE", f"{outcome.claim_id}: deductible_used_after is not the balance and what this adds")
    return moves


def advance_balance(balance: Balance, outcome: Outcome, place: Place) -> Balance:
    """Return the accumulator's state after a settlement whose arithmetic holds."""
    return Balance(
        balance.sequence + 1,
        outcome.deductible_used_after,
        outcome.paid_after,
        outcome.claim_id,
        outcome.version,
        place,
    )


def check_movement(message: Settle, moves: bytes) -> None:
    """Refuse a settlement whose payment does not fit what moves.

    Args:
        message: The settlement.
        moves: What `check_arithmetic` returned.
    """
    outcome = message.outcome
    if outcome.disposition == "none":
        if message.payment_id is not None or message.rail is not None or message.zero_blinding is None:
            reject("PAYMENT", f"{outcome.claim_id}: expected no payment, no rail and a proof that nothing moves")
        verify_difference(moves, 0, int.from_bytes(message.zero_blinding, "little"))
        return
    if message.payment_id is None or message.rail is None or message.zero_blinding is not None:
        reject("PAYMENT", f"{outcome.claim_id}: expected a payment and its rail for a {outcome.disposition}")
    if moves == IDENTITY:
        reject("PAYMENT", f"{outcome.claim_id}: expected an amount to move, nothing does")
    if outcome.disposition == "recovery" and outcome.version == 1:
        reject("PAYMENT", f"{outcome.claim_id}: a first settlement has nothing to recover")
