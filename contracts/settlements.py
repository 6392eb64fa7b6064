"""What the chain keeps of a claim: its steps, its settlements, its payments, and its places in registers.

No amount stands here. A settlement's figures are commitments to amounts that add up on the chain; the case, the
decision and the customer's openings are hashes of what the parties hold.
"""

from typing import Annotated, Literal

from contracts.calendar import Month
from contracts.grants import RecordType
from contracts.identifiers import (
    AuthorityId,
    ClaimId,
    Currency,
    GrantId,
    PaymentId,
    Place,
    PolicyId,
    StayId,
    Version,
    YearTag,
)
from ledger.execution.contract import ChainId, Hash, Meta, Name, Point, Signature, Struct

ClaimStatus = Literal[
    "REPORTED", "ASSEMBLING", "AWAITING_CONSENT", "SETTLED", "PAID", "PENDED", "RECOVERING", "WITHDRAWN"
]
"""ASSEMBLING follows from the stays' parts and is never written."""
StepName = Literal[
    "reported", "extended", "awaiting", "resumed", "settled", "payment", "withdrawn", "acknowledged", "disputed"
]
Disposition = Literal["payout", "recovery", "none"]
"""What a settlement moves: open, like statuses."""
PaymentStatus = Literal["due", "accepted", "unknown", "paid", "returned", "rejected"]
Sequence = Annotated[int, Meta(ge=0, le=2**31)]
STAYS_MAX = 8
"""Encounters of one claim: transfers and readmissions."""
STEPS_MAX = 200
"""Steps of one claim; a row of that many stays below half of STATE_VALUE_BYTES_MAX."""

PAYMENT_STEPS_MAX = 48
"""Steps of one payment: a receipt reads all payments of its claim."""


class Report(Struct):
    """Transaction `report`: a hospital reports a claim at admission."""

    claim_id: ClaimId
    stay_ids: Annotated[tuple[StayId, ...], Meta(min_length=1, max_length=STAYS_MAX)]
    """Admitted stays, sorted."""
    grant_id: GrantId


class Extend(Struct):
    """Transaction `extend`: the hospital adds an admitted stay to a claim."""

    claim_id: ClaimId
    stay_id: StayId


class AwaitConsent(Struct):
    """Transaction `await_consent`: hospital or insurer records that the claim's grant does not cover it."""

    claim_id: ClaimId
    record_type: RecordType
    """What could not be shared."""


class Resume(Struct):
    """Transaction `resume`: hospital, insurer or customer names a grant that covers the claim."""

    claim_id: ClaimId
    grant_id: GrantId


class ClosingReference(Struct):
    """A stay and the closing that is settled."""

    stay_id: StayId
    version: Version


class SettledBefore(Struct):
    """The claim of another insurer that pays an invoice first, and its settlement that is final."""

    claim_id: ClaimId
    version: Version


class Outcome(Struct):
    """What an insurer decided about a claim, and from which state: the part of `Settle` that it signs."""

    claim_id: ClaimId
    version: Version
    """1, or one more than the claim's latest settlement."""
    closings: Annotated[tuple[ClosingReference, ...], Meta(min_length=1, max_length=STAYS_MAX)]
    """One for each of the claim's stays, in their order."""
    grant_id: GrantId
    grant_version: Version
    policy_id: PolicyId
    payee_version: Version
    year_tag: YearTag
    currency: Currency
    accumulator_sequence: Sequence
    """The balance that it starts from; 0 before the first settlement of the policy year."""
    case: Hash
    """Salted commitment to the adjudication's case."""
    decision: Hash
    """Salted commitment to the adjudication's decision."""
    rules: Hash
    """The pinned code of `adjudication` that decided: the one in force where this is entered, and no other."""
    payable: Point
    """Commitment to all that the claim pays, advances and earlier settlements included."""
    deductible: Point
    """Commitment to all that the claim consumes of the deductible."""
    deductible_used_after: Point
    """The new balance: the old one plus what this settlement adds to `deductible`."""
    paid_after: Point
    """The new balance: the old one plus what this settlement adds to `payable`."""
    opening_hash: Hash
    """SHA-256 of the openings as sealed to the customer."""
    disposition: Disposition
    """The sign of what moves; the rail opens the amount before it moves any."""
    is_pended: bool
    """Whether a part waits for a person's decision."""
    is_review: bool
    """Whether this is a person's decision on what the version before left pended: the closings are the same."""
    after: SettledBefore | None = None
    """What another insurer paid of the same invoices before, as the customer stated (contract `coordination`)."""


class OutcomeSigned(Struct):
    """What the purpose `decision` is signed over."""

    chain_id: ChainId
    insurer: Name
    outcome: Outcome


class Settle(Struct):
    """Transaction `settle`: the insurer settles a claim."""

    outcome: Outcome
    signature: Signature
    """By the insurer's key of this transaction, purpose `decision`, over `decision_message`."""
    payment_id: PaymentId | None
    """For a payout or recovery; None if nothing moves."""
    zero_blinding: Hash | None
    """If nothing moves: payable's blinding minus the former one's, modulo the group order, 32 bytes little-endian,
    which proves that the difference is 0. None if something moves."""
    rail: Name | None = None
    """Who is to move it, a member; None if nothing moves."""


class Pay(Struct):
    """Transaction `pay`: the rail's receipt about a payment."""

    payment_id: PaymentId
    idempotency_key: Hash
    """Of the attempt: the same until it is returned or rejected."""
    status: Literal["accepted", "unknown", "paid", "returned", "rejected"]


class Redirect(Struct):
    """Transaction `redirect`: after a return or rejection the insurer names the policy's current payee."""

    payment_id: PaymentId
    payee_version: Version
    rail: Name
    """Who is to make the next attempt, a member."""


class Conclude(Struct):
    """Transaction `conclude`: the insurer says how an attempt ended of which its rail, removed, will report nothing."""

    payment_id: PaymentId
    has_moved: bool
    """True: the money moved, and the payment is paid. False: it did not, and will not; the payment is open again."""


class Withdraw(Struct):
    """Transaction `withdraw`: the customer ends a claim that is not settled."""

    claim_id: ClaimId
    files_herself: bool = False
    """She hands in the papers herself instead: the insurer expects them, and nothing is shared on the chain."""
    authority: AuthorityId | None = None
    """What a guardian, delegate or heir rests on; None for the customer herself."""


class Acknowledge(Struct):
    """Transaction `acknowledge`: the customer accepts a settlement."""

    claim_id: ClaimId
    version: Version
    authority: AuthorityId | None = None
    """What a guardian, delegate or heir rests on; None for the customer herself."""


class DisputeSettlement(Struct):
    """Transaction `dispute`: the customer asks for a person's review."""

    claim_id: ClaimId
    version: Version
    reason: Hash
    """Salted commitment to her reasons."""
    authority: AuthorityId | None = None
    """What a guardian, delegate or heir rests on; None for the customer herself."""


class Release(Struct):
    """Transaction `release` of `coordination`: as the customer of the claim that was paid first."""

    claim_id: ClaimId
    version: Version
    """Of its settlement: the latest, final one."""
    to: ClaimId
    """The other insurer's claim, which may be told what this one paid."""
    authority: AuthorityId | None = None
    """What a guardian, delegate or heir rests on; None for the customer herself."""


class Follow(Struct):
    """Transaction `follow` of `coordination`: as the customer of the claim that is to pay what is left."""

    claim_id: ClaimId
    after: SettledBefore
    authority: AuthorityId | None = None
    """What a guardian, delegate or heir rests on; None for the customer herself."""


class InvoiceOrder(Struct):
    """Table `orders` of `invoices`: after which settlement a claim pays what is left; stated once both places are."""

    after: SettledBefore
    released: Place | None
    """Where the first claim's customer let the other insurer be told."""
    followed: Place | None
    """Where the second claim's customer stated the order."""


class Step(Struct):
    """One transaction in a claim's life; appended to the claim's entry."""

    name: StepName
    status: ClaimStatus
    """After it."""
    grant_id: GrantId
    grant_version: Version | None
    """The version in force that covered it; None where none did or none was asked for."""
    reference: str
    """`settlement 2`, `payment-...: paid`, a stay's id, or the reason code of a wait."""
    detail: Hash | None
    """The commitment that came with it."""
    place: Place


class Claim(Struct):
    """Table `claims`: the claim's entry; its steps are appended."""

    claim_id: ClaimId
    number: Sequence
    """Its place in the insurer's register."""
    hospital: Name
    insurer: Name
    customer: Name
    stay_ids: tuple[StayId, ...]
    grant_id: GrantId
    """The grant in use."""
    status: ClaimStatus
    resumes_as: ClaimStatus
    """What a wait for consent goes back to."""
    settlement_version: Sequence
    """0 before the first."""
    payments: tuple[PaymentId, ...]
    counted: Month | None
    """The month that counts the claim as paid: of its first payout. It stays, once that month is over."""
    steps: Annotated[tuple[Step, ...], Meta(max_length=STEPS_MAX)]


class Settlement(Struct):
    """Table `settlements`: one version, never overwritten."""

    outcome: Outcome
    signature: Signature
    signer_key_version: Version
    policy_version: Version
    balance_sequence: Sequence
    """The accumulator's state that it led to."""
    difference: Point
    """payable minus the former settlement's: what moves."""
    payment_id: PaymentId | None
    place: Place


class PaymentStep(Struct):
    """One receipt of the rail, a redirection, or what the insurer states of a rail that is a member no more."""

    status: PaymentStatus
    idempotency_key: Hash | None
    payee_version: Version
    rail: Name
    """Whose attempt it is."""
    place: Place
    is_stated: bool = False
    """The insurer's word (`conclude`), and no receipt of the rail's."""


class Payment(Struct):
    """Table `payments`: one movement of money; its steps are appended."""

    payment_id: PaymentId
    claim_id: ClaimId
    settlement_version: Version
    insurer: Name
    policy_id: PolicyId
    payee_version: Version
    direction: Disposition
    amount: Point
    """The difference as signed by its commitment: negative for a recovery."""
    status: PaymentStatus
    idempotency_key: Hash | None
    """Of the current attempt."""
    rail: Name
    """Who alone makes the current attempt and reports of it, or made the latest."""
    counted: tuple[Month, ...]
    """The months that it counts in: each time that it was paid and did not come back within the month."""
    adjusted: tuple[Month, ...]
    """The months that its returns count against: later ones than it was paid in, which were over."""
    steps: Annotated[tuple[PaymentStep, ...], Meta(max_length=PAYMENT_STEPS_MAX)]


class PaymentClaim(Struct):
    """Table `payment_claims`: the claim that a payment belongs to."""

    claim_id: ClaimId


class RegisterHead(Struct):
    """Table `register_heads` of `registers`: how many claims an insurer has."""

    count: Sequence


class RegisterRow(Struct):
    """Tables `register`, `by_customer`, `by_hospital` and `by_status` of `registers`: a claim to look up."""

    claim_id: ClaimId


class KeyUse(Struct):
    """Table `idempotency`: the payment that an idempotency key belongs to."""

    payment_id: PaymentId


class ClaimEvent(Struct):
    """Events `claim-` with reported, extended, awaiting, resumed, settled, withdrawn, acknowledged or disputed."""

    claim_id: ClaimId
    hospital: Name
    insurer: Name
    customer: Name
    grant_id: GrantId
    status: ClaimStatus
    settlement_version: Sequence
    reference: str
    """As in the step."""


class PaymentEvent(Struct):
    """Event `payment-changed`."""

    payment_id: PaymentId
    claim_id: ClaimId
    insurer: Name
    customer: Name
    hospital: Name
    direction: Disposition
    status: PaymentStatus
    claim_status: ClaimStatus
