"""What a customer gets about her own settlement: everything that re-computes it, sealed to her.

The insurer seals a `ClaimOpening` to the customer's seal key before it settles, and the settlement names the SHA-256
of the sealed bytes: what she is given later can be no other. With it she, and whoever she shows it to, can run the
adjudicator again and open every commitment of the settlement.

    settlement's commitment    opened by                       must be
    case, decision             case_salt, decision_salt        salted commitments to the encodings
    closings' totals           totals, in their order          their sum the bill's total
    the balance before         paid_before and                 the case's accumulator; amount 0 and
                               deductible_used_before          blinding 0 at sequence 0
    payable                    payable                         `Decision.payable`; where the decision is PENDED, what
                                                               the case says was settled already, or 0
    deductible                 deductible                      `Decision.deductible_used` if the product's deductible is
                                                               the year's, else 0; where PENDED, as settled already
    the balance after          paid_after and                  the decision's accumulator
                               deductible_used_after

It is no record: it is not on the chain and not in the vault of a hospital.
"""

import hashlib
from typing import Annotated

from msgspec import Meta

from contracts.adjudication.case import Case, CategoryPaid
from contracts.adjudication.decision import Decision, Disposition
from contracts.settlements import STAYS_MAX
from ledger.codec import Struct, decode, encode
from nodes.roles.exchange.visits import REASONS_MAX, REVIEWS_MAX, VisitReason, VisitReview
from nodes.vault.sealing import AmountOpening, SealContext, Sealed, SealKeys, seal

Salt = Annotated[bytes, Meta(min_length=32, max_length=32)]


class ClaimOpening(Struct, tag="claim-opening"):
    """Opens one settlement of one claim."""

    case: Case
    decision: Decision
    case_salt: Salt
    """Opens `Outcome.case` over the encoding of `case`."""
    decision_salt: Salt
    """Opens `Outcome.decision` over the encoding of `decision`."""
    totals: Annotated[tuple[AmountOpening, ...], Meta(min_length=1, max_length=STAYS_MAX)]
    """Of the settled closings, in the outcome's order."""
    payable: AmountOpening
    deductible: AmountOpening
    paid_before: AmountOpening
    deductible_used_before: AmountOpening
    paid_after: AmountOpening
    deductible_used_after: AmountOpening

    @property
    def paid_categories(self) -> tuple[CategoryPaid, ...]:
        """What the policy year has paid by category after it."""
        return self.decision.accumulator.paid_categories

    def __repr__(self) -> str:
        """Show nothing: all of it is the customer's."""
        return "ClaimOpening(...)"


class VisitOpening(Struct, tag="visit-opening"):
    """What an insurer has of a settlement whose case it never saw: its amounts, and reasons as codes.

    Case, decision and the bill's total are in the `ClaimOpening` that the hospital keeps and sealed to the customer.
    """

    payable: AmountOpening
    deductible: AmountOpening
    paid_after: AmountOpening
    deductible_used_after: AmountOpening
    paid_categories: Annotated[tuple[CategoryPaid, ...], Meta(max_length=14)]
    disposition: Disposition
    reasons: Annotated[tuple[VisitReason, ...], Meta(max_length=REASONS_MAX)]
    reviews: Annotated[tuple[VisitReview, ...], Meta(max_length=REVIEWS_MAX)]
    """What people decided of the settlement before this one, and this one has taken in."""

    def __repr__(self) -> str:
        """Show nothing."""
        return "VisitOpening(...)"


def opening_context(chain_id: str, claim_id: str, version: int, insurer: str, customer: str) -> SealContext:
    """Return what the opening of one settlement is sealed for.

    Args:
        chain_id: The chain.
        claim_id: The claim.
        version: The settlement's version.
        insurer: Who seals.
        customer: The pseudonym who can open.
    """
    return SealContext(chain_id, f"opening.{claim_id}.{version}", insurer, customer)


def seal_opening(public_key: bytes, context: SealContext, opening: ClaimOpening) -> Sealed:
    """Seal an opening to the customer.

    Args:
        public_key: Her seal key.
        context: From `opening_context`.
        opening: What she is to have.

    Raises:
        VerificationError: If the key is malformed or the opening too long.
    """
    return seal(public_key, context, encode(opening))


def hash_opening(sealed: Sealed) -> bytes:
    """Return `Outcome.opening_hash`: SHA-256 of the sealed opening's encoding."""
    return hashlib.sha256(encode(sealed)).digest()


def open_opening(seal_key: SealKeys, sealed: Sealed, context: SealContext) -> ClaimOpening:
    """Open what `seal_opening` sealed.

    Raises:
        VerificationError: If it is for another claim, version, chain or reader, or does not open.
        DecodeError: If what was sealed is no opening.
    """
    return decode(seal_key.open(sealed, context), ClaimOpening)
