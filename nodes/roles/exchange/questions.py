"""What members ask each other point to point, and the answers: one union of tagged structs.

    question           from        to            answer
    FetchRecord        recipient   custodian     RecordHandover | AttachmentOffer | Refusal
    FetchOrdered       regulator   custodian     RecordHandover | AttachmentOffer | Refusal
    FetchChunks        recipient   custodian     AttachmentChunks | Refusal
    FetchOrderedChunks regulator   custodian     AttachmentChunks | Refusal
    InstructPayment    insurer     rail          PaymentAcknowledged | Refusal
    AskPayment         insurer     rail          PaymentAcknowledged | Refusal
    VisitRules         insurer     hospital      VisitAnswer | Refusal
    FetchReason        regulator   hospital      ReasonGiven | Refusal

Mutual TLS has established who asks. A question carries no authority of its own: the custodian looks at its latest
committed state, finds the share or order that the question names, and hands over only if that stands. An attached
document is too large for one answer: its keys come first and then its chunks, each of them under the same check. A
refusal names a code and nothing about the patient. Nobody signs a question for records, so what the custodian enters
of one that it refused (`refusals`) is its own word.
"""

from typing import Annotated, Literal, cast

from msgspec import Meta

from contracts.identifiers import ClaimId, GlassUseId, OrderId, PaymentId, RecordId
from contracts.stays import Sequence
from ledger.codec import Hash, Name, Signature, Struct, decode, encode
from nodes.vault.payloads import ATTACHMENT_CHUNKS_MAX, SEALED_CHUNK_BYTES
from nodes.vault.sealing import AmountOpening, Envelope, Sealed

ANSWER_CHUNKS_MAX = 4
"""Chunks of one answer, 256 KiB: a vote that waits behind one on its way waits 20 ms at 100 Mbit/s."""

ChunkNumber = Annotated[int, Meta(ge=0, lt=ATTACHMENT_CHUNKS_MAX)]
EXECUTING = "EXECUTING"
"""Refusal of a visit: its result is being entered on the chain; ask again."""


class FetchRecord(Struct, tag="fetch-record"):
    """The recipient of a committed share asks for the record."""

    record_id: RecordId
    sequence: Sequence
    """Which share of the record with this recipient."""


class FetchOrdered(Struct, tag="fetch-ordered"):
    """The regulator of a committed statutory order asks for the record."""

    order_id: OrderId


class FetchOrderedChunks(Struct, tag="fetch-ordered-chunks"):
    """The regulator of a committed statutory order asks for the next chunks of an attached document."""

    order_id: OrderId
    first: ChunkNumber
    """The number of the first chunk."""


class RecordHandover(Struct, tag="record-handover"):
    """The sealed payload, and the keys to it sealed to the recipient."""

    record_id: RecordId
    envelope: Envelope
    ciphertext: bytes


class AttachmentOffer(Struct, tag="attachment-offer"):
    """The keys of an attached document, sealed to the recipient; its payload is to be asked for in chunks."""

    record_id: RecordId
    envelope: Envelope
    payload_bytes: Annotated[int, Meta(ge=1, le=ATTACHMENT_CHUNKS_MAX * SEALED_CHUNK_BYTES)]
    """Of the sealed payload."""


class FetchChunks(Struct, tag="fetch-chunks"):
    """The recipient of a committed share asks for the next chunks of an attached document."""

    record_id: RecordId
    sequence: Sequence
    """Which share of the record with this recipient."""
    first: ChunkNumber
    """The number of the first chunk."""


class AttachmentChunks(Struct, tag="attachment-chunks"):
    """Sealed chunks, in order."""

    record_id: RecordId
    first: ChunkNumber
    chunks: Annotated[
        tuple[Annotated[bytes, Meta(max_length=SEALED_CHUNK_BYTES)], ...], Meta(max_length=ANSWER_CHUNKS_MAX)
    ]


class PaymentOrder(Struct):
    """What the insurer wants moved; sealed to the rail, because the chain knows no amount and no payee."""

    payment_id: PaymentId
    claim_id: ClaimId
    insurer: Name
    direction: Literal["payout", "recovery"]
    currency: str
    opening: AmountOpening
    """Opens the payment's commitment on the chain; negative for a recovery."""
    payee_name: Annotated[str, Meta(min_length=1, max_length=64)]
    payee_account: Annotated[str, Meta(min_length=1, max_length=64)]
    idempotency_key: Hash
    """Of this attempt: asked twice, moved once."""


class InstructPayment(Struct, tag="instruct-payment"):
    """A sealed order under the insurer's signature, purpose `instruction`, over the encoding of `order`."""

    order: Sealed
    """`PaymentOrder`, sealed to the rail; its context's record id is the payment id."""
    signature: Signature


class AskPayment(Struct, tag="ask-payment"):
    """What became of an attempt: asked when its state is unknown, never answered by sending it again."""

    payment_id: PaymentId
    idempotency_key: Hash


class PaymentAcknowledged(Struct, tag="payment-acknowledged"):
    """The rail knows the attempt; what becomes of it is receipted on the chain."""

    payment_id: PaymentId
    idempotency_key: Hash
    status: Literal["accepted", "unknown", "paid", "returned", "rejected"]


class VisitRules(Struct, tag="visit-rules"):
    """The insurer asks to have its rules run on a claim's records, where these are."""

    claim_id: ClaimId
    premises: Sealed
    """`nodes.roles.exchange.visits.VisitPremises`, sealed to the hospital."""
    signature: Signature
    """The insurer's, purpose `instruction`, over the encoding of `premises`."""


class VisitAnswer(Struct, tag="visit-answer"):
    """What the rules said, after the hospital entered it on the chain."""

    claim_id: ClaimId
    result: Sealed
    """`nodes.roles.exchange.visits.VisitResult`, sealed to the insurer."""
    opening: Sealed
    """`nodes.roles.exchange.opening.ClaimOpening`, sealed to the customer: the chain has its hash."""
    signature: Signature
    """The hospital's, purpose `envelope`, over the encoding of (`result`, `opening`)."""


class FetchReason(Struct, tag="fetch-reason"):
    """A regulator asks why a hospital broke the glass."""

    use_id: GlassUseId


class ReasonGiven(Struct, tag="reason-given"):
    """Why it did."""

    use_id: GlassUseId
    reason: Sealed
    """`nodes.roles.exchange.emergencies.GlassReason`, sealed to the regulator."""


class Refusal(Struct, tag="refusal"):
    """The question is not answered, and why."""

    code: Annotated[str, Meta(min_length=1, max_length=64)]
    reason: Annotated[str, Meta(max_length=300)]


Fetch = FetchRecord | FetchChunks | FetchOrdered | FetchOrderedChunks
Question = Fetch | InstructPayment | AskPayment | VisitRules | FetchReason
Reply = RecordHandover | AttachmentOffer | AttachmentChunks | PaymentAcknowledged | VisitAnswer | ReasonGiven | Refusal


def decode_question(body: bytes) -> Question:
    """Return the question in a request; raises `DecodeError`."""
    return decode(body, cast("type[Question]", Question))


def decode_reply(body: bytes) -> Reply:
    """Return the answer to a request; raises `DecodeError`."""
    return decode(body, cast("type[Reply]", Reply))


def encode_body(value: Question | Reply) -> bytes:
    """Return the body of a request or answer."""
    return encode(value)
