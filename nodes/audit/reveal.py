"""The openings of a claim: what the customer may add to a dossier, and what follows from it.

A dossier says that figures add up, not what they are. The openings file holds, for each settlement, the bytes that the
insurer sealed to the customer before it settled; the settlement names their hash. Her wallet opens them, and then:

    what is in them is what the settlement committed to     salted commitments, amounts, opening balances
    the terms are the insurer's registered ones             a proof of policy, product and payee under a header
    the adjudicator gives the same decision                 `contracts.adjudication.engine`, run again, to the 分:
                                                            as it was in force then (`nodes.audit.adjudicators`)

It is a file of its own because the sealed case alone is 4 KB or more, and because whoever gets the dossier need not
get this. It opens for the holder of the pseudonym's seal key and for nobody else.

An insurer can seal the same openings to a regulator or an auditor who audits a sample: a file of this form that opens
for that organisation's seal key. The settlement names the hash of the customer's bytes, not of these, so here the
commitments alone say that the openings are the right ones. Such a file may open who the customer is as well
(`nodes.audit.person`).
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from contracts.adjudication.decision import Decision
from contracts.identifiers import ClaimId, Version
from contracts.policies import PayeeVersion, PolicyVersion, ProductEntry, hash_product
from contracts.settlements import Outcome, Settlement
from contracts.stays import Closing
from ledger.blocks import BlockHeader, Commit, verify_commit
from ledger.codec import Struct, encode
from ledger.crypto.commitments import subtract_commitments
from ledger.crypto.hashes import commit_salted
from ledger.errors import ContractError, DecodeError, InvalidTransactionError, LedgerError, VerificationError
from ledger.execution.state import encode_key
from ledger.state_multiproof import StateMultiProof, verify_many
from nodes.audit.adjudicators import Adjudicate, Adjudicators
from nodes.audit.expectation import expect, expect_canonical
from nodes.audit.verify import VerifiedClaim
from nodes.roles.exchange.opening import ClaimOpening, hash_opening, open_opening, opening_context
from nodes.schemas.canonical_json import parse
from nodes.vault.sealing import AmountOpening, Sealed, SealKeys

OPENINGS_FORMAT: Literal["xinpei-openings/2"] = "xinpei-openings/2"


class ReaderError(LedgerError):
    """Openings that were sealed to somebody else: nothing is found out about them."""

    def __init__(self, what: str, recipient: str, reader: str) -> None:
        """Say to whom they were sealed, and who tries."""
        super().__init__(f"{what}: sealed to {recipient}, and {reader} cannot open them")


class SealedOpening(Struct):
    """The opening of one settlement."""

    version: Version
    sealed: Sealed
    """`nodes.roles.exchange.opening`."""
    is_sealed_again: bool
    """Whether these are other bytes than the settlement names: for another reader, or to another key of hers."""


class Openings(Struct):
    """What opens one claim's settlements, for the customer's wallet."""

    format: Literal["xinpei-openings/2"]
    claim_id: ClaimId
    sealed: Annotated[tuple[SealedOpening, ...], Meta(min_length=1, max_length=200)]
    """Sorted by version; the latest settlement's is the last."""
    person: Sealed | None
    """Who she is (`nodes.roles.exchange.person`), in a file for an auditor who is to know; her own wallet knows it."""
    policy: PolicyVersion
    payee: PayeeVersion
    product: ProductEntry
    """The terms of the latest settlement."""
    header: BlockHeader
    commit: Commit
    """By the same validators as the dossier's latest header."""
    proof: StateMultiProof
    """Of the terms under `header`."""


@dataclass(frozen=True)
class RevealedSettlement:
    """One settlement with its amounts."""

    version: int
    decision: Decision
    payable: int
    """All that the claim pays as of this version, in minor units."""
    moved: int
    """What this version moved: below zero for a recovery."""
    is_sealed_again: bool
    """Whether the settlement names the hash of other bytes: what was opened is held to its commitments alone."""


@dataclass(frozen=True)
class Revealed:
    """What the openings showed; made by `verify_reveal` only."""

    settlements: tuple[RevealedSettlement, ...]
    policy: PolicyVersion
    product: ProductEntry
    payee: PayeeVersion


def list_terms(policy: PolicyVersion, payee: PayeeVersion, product: ProductEntry) -> dict[bytes, bytes | None]:
    """Return the state entries that the terms of a settlement are."""
    key = (product.insurer, product.product.id, product.product.version)
    return {
        encode_key("coverage", "policies", (policy.policy_id, policy.version)): encode(policy),
        encode_key("coverage", "payees", (policy.policy_id, payee.version)): encode(payee),
        encode_key("coverage", "products", key): encode(product),
    }


def verify_reveal(
    verified: VerifiedClaim,
    data: bytes,
    seal_key: SealKeys,
    auditor: str | None = None,
    adjudicators: Adjudicators | None = None,
) -> Revealed:
    """Open a verified claim's amounts and adjudicate its cases again.

    Args:
        verified: From `verify_dossier`.
        data: The openings file.
        seal_key: The seal key of the claim's pseudonym, from the customer's wallet; or of the auditor.
        auditor: The organisation that the insurer sealed the openings to; None if they are the customer's. Then the
            settlement does not name the bytes' hash, and what is in them is held to its commitments alone.
        adjudicators: Where the code that decided is found; the installed one alone if left out.

    Raises:
        VerificationError: Naming the first thing that does not hold.
        ReaderError: If they were sealed to another than `auditor`.
        MissingAdjudicatorError: If a settlement was decided with code that is not at hand.
    """
    library = adjudicators or Adjudicators()
    with expect_canonical("openings"):
        openings = parse(data, Openings)
    evidence = verified.evidence
    expect("openings claim id", evidence.claim.claim_id, openings.claim_id)
    versions = [item.version for item in openings.sealed]
    expect("openings versions", sorted(set(versions)), versions)
    expect("openings latest version", evidence.claim.settlement_version, versions[-1])
    _check_terms(verified, openings)
    revealed = []
    for item in openings.sealed:
        settlement = evidence.settlements[item.version - 1]
        opening = _open(verified, settlement, item, seal_key, auditor)
        is_sealed_again = auditor is None and item.is_sealed_again
        code = library.find(settlement)
        revealed.append(_check_opening(verified, settlement, opening, code, is_sealed_again=is_sealed_again))
    product = openings.product.product
    expect("case product", hash_product(product).hex(), hash_product(opening.case.product).hex())
    return Revealed(tuple(revealed), openings.policy, openings.product, openings.payee)


def _check_terms(verified: VerifiedClaim, openings: Openings) -> None:
    """Check that policy, payee and product are those of the latest settlement."""
    settlement = verified.evidence.settlements[-1]
    outcome = settlement.outcome
    expect("openings header chain id", verified.chain_id, openings.header.chain_id)
    verify_commit(openings.commit, openings.header, verified.ground.validators)
    policy, payee, product = openings.policy, openings.payee, openings.product
    for field, expected, actual in (
        ("policy", (outcome.policy_id, settlement.policy_version), (policy.policy_id, policy.version)),
        ("payee version", outcome.payee_version, payee.version),
        ("product insurer", verified.evidence.claim.insurer, product.insurer),
        (
            "product",
            (policy.product_id, policy.product_version),
            (product.product.id, product.product.version),
        ),
        ("product hash", hash_product(product.product), product.content_hash),
    ):
        expect(f"openings {field}", expected, actual)
    verify_many(openings.header.state_root, list_terms(policy, payee, product), openings.proof)


def _open(
    verified: VerifiedClaim, settlement: Settlement, item: SealedOpening, seal_key: SealKeys, auditor: str | None
) -> ClaimOpening:
    claim, outcome, sealed = verified.evidence.claim, settlement.outcome, item.sealed
    what = f"settlement {outcome.version} openings"
    if auditor is not None and sealed.context.recipient != auditor:
        raise ReaderError(what, sealed.context.recipient, auditor)
    if auditor is None and not item.is_sealed_again:
        expect(f"{what} hash", outcome.opening_hash, hash_opening(sealed))
    reader = auditor or claim.customer
    context = opening_context(verified.chain_id, claim.claim_id, outcome.version, claim.insurer, reader)
    try:
        return open_opening(seal_key, sealed, context)
    except DecodeError as error:
        msg = f"{what}: {error}"
        raise VerificationError(msg) from None


def _check_opening(
    verified: VerifiedClaim,
    settlement: Settlement,
    opening: ClaimOpening,
    adjudicate: Adjudicate,
    *,
    is_sealed_again: bool,
) -> RevealedSettlement:
    outcome = settlement.outcome
    case, decision = opening.case, opening.decision
    what = f"settlement {outcome.version}"
    expect(f"{what} case", outcome.case, commit_salted(opening.case_salt, encode(case)))
    expect(f"{what} decision", outcome.decision, commit_salted(opening.decision_salt, encode(decision)))
    _check_facts(verified, what, outcome, opening)
    try:
        again = adjudicate(case)
    except (ContractError, DecodeError, InvalidTransactionError) as error:
        msg = f"{what} case: the adjudicator refuses it: {error}"
        raise VerificationError(msg) from None
    if again != decision:
        msg = (
            f"{what} decision: expected {again.payable} {again.currency} in minor units, as the adjudicator finds "
            f"again, got {decision.payable} {decision.currency} or another trace"
        )
        raise VerificationError(msg)
    _check_amounts(verified, settlement, opening)
    moved = opening.paid_after.amount - opening.paid_before.amount
    settled = 0 if case.already_settled is None else case.already_settled.payable
    expect(f"{what} settled before", opening.payable.amount - moved, settled)
    return RevealedSettlement(outcome.version, decision, opening.payable.amount, moved, is_sealed_again)


def _check_facts(verified: VerifiedClaim, what: str, outcome: Outcome, opening: ClaimOpening) -> None:
    """Check the case's facts against what the dossier proved."""
    claim, case, decision = verified.evidence.claim, opening.case, opening.decision
    is_pended = decision.disposition in ("PENDED", "PARTIAL_PENDED")
    for field, expected, actual in (
        ("hospital", claim.hospital, case.hospital),
        ("insurer", claim.insurer, case.insurer),
        ("currency", outcome.currency, decision.currency),
        ("balance sequence", outcome.accumulator_sequence, case.accumulator.sequence),
        ("pended", outcome.is_pended, is_pended),
    ):
        expect(f"{what} {field}", expected, actual)


def _check_amounts(verified: VerifiedClaim, settlement: Settlement, opening: ClaimOpening) -> None:
    """Check that every commitment of a settlement opens to the case's and the decision's amounts."""
    outcome, case, decision = settlement.outcome, opening.case, opening.decision
    what = f"settlement {outcome.version}"
    closings = _closings(verified, outcome)
    expect(f"{what} totals", len(closings), len(opening.totals))
    for closing, total in zip(closings, opening.totals, strict=True):
        _verify(f"{what} total of {closing.stay_id}", total, closing.total, total.amount)
    expect(f"{what} bill", sum(total.amount for total in opening.totals), case.bill.total)
    payable, deductible = decision.payable, decision.deductible_used
    if decision.disposition == "PENDED":
        payable = 0 if case.already_settled is None else case.already_settled.payable
        deductible = 0 if case.already_settled is None else case.already_settled.deductible_used
    if case.product.deductible.per != "year":
        deductible = 0
    paid_before = subtract_commitments(outcome.paid_after, settlement.difference)
    used_before = subtract_commitments(outcome.deductible_used_after, _deductible_added(verified, outcome))
    for name, shown, commitment, amount in (
        ("payable", opening.payable, outcome.payable, payable),
        ("deductible", opening.deductible, outcome.deductible, deductible),
        ("paid before", opening.paid_before, paid_before, case.accumulator.paid_year),
        ("deductible used before", opening.deductible_used_before, used_before, case.accumulator.deductible_used),
        ("paid after", opening.paid_after, outcome.paid_after, decision.accumulator.paid_year),
        (
            "deductible used after",
            opening.deductible_used_after,
            outcome.deductible_used_after,
            decision.accumulator.deductible_used,
        ),
    ):
        _verify(f"{what} {name}", shown, commitment, amount)


def _closings(verified: VerifiedClaim, outcome: Outcome) -> list[Closing]:
    closings = {(closing.stay_id, closing.version): closing for closing in verified.evidence.closings}
    return [closings[item.stay_id, item.version] for item in outcome.closings]


def _deductible_added(verified: VerifiedClaim, outcome: Outcome) -> bytes:
    if outcome.version == 1:
        return outcome.deductible
    return subtract_commitments(
        outcome.deductible, verified.evidence.settlements[outcome.version - 2].outcome.deductible
    )


def _verify(what: str, shown: AmountOpening, commitment: bytes, amount: int) -> None:
    expect(f"{what} in minor units", amount, shown.amount)
    try:
        shown.verify(commitment)
    except VerificationError as error:
        msg = f"{what}: {error}"
        raise VerificationError(msg) from None
