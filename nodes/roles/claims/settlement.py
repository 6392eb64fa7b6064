"""From a decision to what the chain is told: commitments that add up, what opens them, and what moves.

    payable, deductible        fresh commitments to all that the claim pays and consumes of the year's deductible
    moves                      payable less the former settlement's
    paid_after                 the balance's paid, plus moves
    deductible_used_after      the balance's deductible used, plus what this settlement adds to it

Blindings of the first two are drawn anew each time and never used again; those of the others follow, because
commitments add up with their blindings. Where nothing moves, the blinding of `moves` is published and proves it.

A decision that leaves everything to a person (PENDED) moves nothing: what the claim was settled with stands, and so
do the balances. A deductible of each stay consumes no balance, so its commitment is to 0.
"""

from dataclasses import dataclass

from contracts.adjudication.case import AlreadySettled, Case
from contracts.adjudication.decision import Decision
from contracts.settlements import ClosingReference, Disposition, Outcome, SettledBefore
from ledger.codec import encode
from ledger.crypto.commitments import (
    GROUP_ORDER,
    commit_amount,
    reduce_blinding,
)
from ledger.crypto.hashes import commit_salted
from nodes.entropy import Entropy
from nodes.roles.claims.casebook import Draft
from nodes.roles.exchange.opening import ClaimOpening, hash_opening, opening_context, seal_opening
from nodes.vault.sealing import AmountOpening

NOTHING_SETTLED = AlreadySettled(0, 0, ())


@dataclass(frozen=True, slots=True)
class BalanceOpening:
    """Opens an accumulator's two commitments."""

    paid: AmountOpening
    deductible_used: AmountOpening


EMPTY_BALANCE = BalanceOpening(
    AmountOpening("paid-before", 0, bytes(32)), AmountOpening("deductible-used-before", 0, bytes(32))
)
"""At sequence 0: the commitments are the identity."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What a settlement stands on: if any of it changes, the settlement is another one."""

    claim_id: str
    version: int
    closings: tuple[ClosingReference, ...]
    grant_id: str
    grant_version: int
    policy_id: str
    payee_version: int
    year_tag: str
    currency: str
    sequence: int
    is_review: bool
    rules: bytes
    """The adjudicator in force where it will stand: what another one decided is another settlement."""
    after: SettledBefore | None = None

    def carries(self, outcome: Outcome) -> bool:
        """Whether an outcome that was drafted earlier still stands on this ground."""
        return self == Ground(
            outcome.claim_id,
            outcome.version,
            outcome.closings,
            outcome.grant_id,
            outcome.grant_version,
            outcome.policy_id,
            outcome.payee_version,
            outcome.year_tag,
            outcome.currency,
            outcome.accumulator_sequence,
            outcome.is_review,
            outcome.rules,
            outcome.after,
        )

    def shares_balance_with(self, outcome: Outcome) -> bool:
        """Whether an outcome that was drafted earlier moves the same balance: of one policy, year and currency."""
        balance = (outcome.policy_id, outcome.year_tag, outcome.currency)
        return (self.policy_id, self.year_tag, self.currency) == balance


@dataclass(frozen=True, slots=True)
class Reader:
    """The customer who can open the settlement."""

    chain_id: str
    insurer: str
    customer: str
    seal_key: bytes


def draft_settlement(
    ground: Ground,
    case: Case,
    decision: Decision,
    former: Draft | None,
    before: BalanceOpening,
    totals: tuple[AmountOpening, ...],
    reader: Reader,
    entropy: Entropy,
) -> Draft:
    """Return a settlement with all its secrets; keep it before submitting it.

    Args:
        ground: What it stands on.
        case: The adjudicator's input.
        decision: Its output.
        former: The claim's settlement before this one.
        before: Opens the balance that it starts from.
        totals: Open the closings' totals, in the ground's order.
        reader: To whom the opening is sealed.
        entropy: For blindings, salts and the payment's id.
    """
    standing = _stand(case, decision, former)
    payable = _draw("payable", standing.payable, entropy)
    deductible = _draw("deductible", standing.deductible_used, entropy)
    moves, added = open_moves(payable, deductible, former)
    after = open_after(before, moves, added)
    opening = ClaimOpening(
        case=case,
        decision=decision,
        case_salt=entropy.draw(32),
        decision_salt=entropy.draw(32),
        totals=totals,
        payable=payable,
        deductible=deductible,
        paid_before=before.paid,
        deductible_used_before=before.deductible_used,
        paid_after=after.paid,
        deductible_used_after=after.deductible_used,
    )
    _check_balances(opening)
    context = opening_context(reader.chain_id, ground.claim_id, ground.version, reader.insurer, reader.customer)
    sealed = seal_opening(reader.seal_key, context, opening)
    outcome = _make_outcome(ground, opening, moves, hash_opening(sealed))
    nothing_moves = outcome.disposition == "none"
    return Draft(
        outcome=outcome,
        payment_id=None if nothing_moves else f"payment-{entropy.draw(12).hex()}",
        zero_blinding=moves.blinding if nothing_moves else None,
        opening=opening,
        sealed=sealed,
        moves=moves,
        standing=standing,
    )


def _make_outcome(ground: Ground, opening: ClaimOpening, moves: AmountOpening, opening_hash: bytes) -> Outcome:
    return Outcome(
        claim_id=ground.claim_id,
        version=ground.version,
        closings=ground.closings,
        grant_id=ground.grant_id,
        grant_version=ground.grant_version,
        policy_id=ground.policy_id,
        payee_version=ground.payee_version,
        year_tag=ground.year_tag,
        currency=ground.currency,
        accumulator_sequence=ground.sequence,
        case=commit_salted(opening.case_salt, encode(opening.case)),
        decision=commit_salted(opening.decision_salt, encode(opening.decision)),
        rules=ground.rules,
        payable=_commit(opening.payable),
        deductible=_commit(opening.deductible),
        deductible_used_after=_commit(opening.deductible_used_after),
        paid_after=_commit(opening.paid_after),
        opening_hash=opening_hash,
        disposition=disposition_of(moves),
        is_pended=opening.decision.disposition in ("PENDED", "PARTIAL_PENDED"),
        is_review=ground.is_review,
        after=ground.after,
    )


def _stand(case: Case, decision: Decision, former: Draft | None) -> AlreadySettled:
    """Return what the claim is settled with after a decision."""
    if decision.disposition == "PENDED":
        return NOTHING_SETTLED if former is None else former.standing
    is_yearly = case.product.deductible.per == "year"
    return AlreadySettled(decision.payable, decision.deductible_used if is_yearly else 0, decision.categories)


def _check_balances(opening: ClaimOpening) -> None:
    after = opening.decision.accumulator
    amounts = (opening.paid_after.amount, opening.deductible_used_after.amount)
    assert amounts == (after.paid_year, after.deductible_used), "the decision's balances are those committed to"


def disposition_of(moves: AmountOpening) -> Disposition:
    """Return what a settlement moves, by its sign."""
    return "none" if moves.amount == 0 else "payout" if moves.amount > 0 else "recovery"


def open_moves(
    payable: AmountOpening, deductible: AmountOpening, former: Draft | None
) -> tuple[AmountOpening, AmountOpening]:
    """Return what a settlement moves, and what it adds to the year's deductible used."""
    if former is None:
        return payable, deductible
    moves = _subtract("moves", payable, former.opening.payable)
    return moves, _subtract("added", deductible, former.opening.deductible)


def open_after(before: BalanceOpening, moves: AmountOpening, added: AmountOpening) -> BalanceOpening:
    """Return what opens the balance after a settlement."""
    return BalanceOpening(
        _add("paid-after", before.paid, moves), _add("deductible-used-after", before.deductible_used, added)
    )


def _draw(name: str, amount: int, entropy: Entropy) -> AmountOpening:
    return _open(name, amount, reduce_blinding(entropy.draw(64)))


def _add(name: str, first: AmountOpening, second: AmountOpening) -> AmountOpening:
    return _open(name, first.amount + second.amount, first.scalar + second.scalar)


def _subtract(name: str, first: AmountOpening, second: AmountOpening) -> AmountOpening:
    return _open(name, first.amount - second.amount, first.scalar - second.scalar)


def _open(name: str, amount: int, scalar: int) -> AmountOpening:
    return AmountOpening(name, amount, (scalar % GROUP_ORDER).to_bytes(32, "little"))


def _commit(opening: AmountOpening) -> bytes:
    return commit_amount(opening.amount, opening.scalar)
