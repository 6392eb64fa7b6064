"""Transactions, submissions and receipts: what clients send, and what the chain answers.

A `Transaction` says who calls which contract method with what, and until when. Its id hashes all of it, the signer
included, so nobody can burn another's id by copying. A `Submission` is 1 to 256 transactions of one signer under
one signature: over signer, key version, count and the RFC 9162 root of the transactions. A single transaction is a
batch of one; there is no second form. The transactions of a batch succeed or fail one by one.

A `Receipt` says what became of one transaction. A failed transaction is included, reverts its writes, and so leaves
a trace: a refused access is evidence too.

System codes of a receipt (everything else comes from a contract):

    OK                   applied
    REPLAYED             this id was seen within the replay window
    EXPIRED              its expiry height or time has passed, or lies too far ahead
    KEY_NOT_IN_FORCE     the signer's key was retired before this place in the chain
    QUOTA_EXCEEDED       the signer has had its share of this block; not counted as seen, so try again
    BLOCK_FULL           the block's own meter has ended; not counted as seen, so try again
    UNKNOWN_METHOD       no such contract or method
    MALFORMED_ARGUMENTS  the arguments are not the canonical encoding of the method's message
    METER_EXHAUSTED      the transaction used more than its charges
    INVALID_PROOF        a signature, opening or proof in the arguments does not hold
    CONTRACT_FAULT       the contract raised something it did not declare; its text is not recorded
"""

from functools import cached_property
from typing import Annotated

from msgspec import Meta

from ledger import merkle
from ledger.codec import ChainId, Hash, Height, Milliseconds, Name, Nonce, Signature, Struct, encode
from ledger.crypto.hashes import hash_tagged
from ledger.crypto.signatures import PrivateKey, sign_submission, verify
from ledger.errors import InvalidTransactionError
from ledger.limits import (
    ARGUMENTS_BYTES_MAX,
    EVENT_BYTES_MAX,
    EVENTS_PER_TRANSACTION_MAX,
    REASON_CHARACTERS_MAX,
    SUBMISSION_TRANSACTIONS_MAX,
)

OK = "OK"
REPLAYED = "REPLAYED"
EXPIRED = "EXPIRED"
KEY_NOT_IN_FORCE = "KEY_NOT_IN_FORCE"
QUOTA_EXCEEDED = "QUOTA_EXCEEDED"
BLOCK_FULL = "BLOCK_FULL"
UNKNOWN_METHOD = "UNKNOWN_METHOD"
MALFORMED_ARGUMENTS = "MALFORMED_ARGUMENTS"
METER_EXHAUSTED = "METER_EXHAUSTED"
INVALID_PROOF = "INVALID_PROOF"
CONTRACT_FAULT = "CONTRACT_FAULT"

SYSTEM_CODES = frozenset(
    {OK, REPLAYED, EXPIRED, KEY_NOT_IN_FORCE, QUOTA_EXCEEDED, BLOCK_FULL}
    | {UNKNOWN_METHOD, MALFORMED_ARGUMENTS, METER_EXHAUSTED, INVALID_PROOF, CONTRACT_FAULT}
)
"""What no contract may give as its own reason code."""

KeyVersion = Annotated[int, Meta(ge=1, le=2**31)]


class Transaction(Struct, dict=True):
    """One call of one contract method."""

    chain_id: ChainId
    """The chain it is for: worthless on every other."""
    signer: Name
    """An organisation's name or a customer's pseudonym."""
    key_version: KeyVersion
    """Which of the signer's keys; the key must be in force at the height of inclusion."""
    contract: Name
    method: Name
    arguments: Annotated[bytes, Meta(max_length=ARGUMENTS_BYTES_MAX)]
    """The canonical encoding of the method's message."""
    nonce: Nonce
    """16 random bytes: makes two equal calls two transactions."""
    expires_height: Height
    """The last height that may include it."""
    expires_ms: Milliseconds
    """The last block time that may include it."""

    @cached_property
    def id(self) -> bytes:
        """The transaction's id, 32 bytes, over every field."""
        return hash_tagged("xinpei/transaction/v1", encode(self))


class _SubmissionSigned(Struct):
    chain_id: ChainId
    signer: Name
    key_version: KeyVersion
    count: int
    root: Hash


class Submission(Struct, dict=True):
    """1 to 256 transactions of one signer under one signature."""

    transactions: Annotated[tuple[Transaction, ...], Meta(min_length=1, max_length=SUBMISSION_TRANSACTIONS_MAX)]
    signature: Signature

    @property
    def signer(self) -> str:
        """The one signer of all its transactions."""
        return self.transactions[0].signer

    @property
    def key_version(self) -> int:
        """The one key version of all its transactions."""
        return self.transactions[0].key_version

    @cached_property
    def id(self) -> bytes:
        """The submission's id, 32 bytes, signature included."""
        return hash_tagged("xinpei/submission/v1", encode(self))

    def sign_bytes(self) -> bytes:
        """What the signature is over: chain, signer, key version, count and the root of the transactions."""
        return submission_sign_bytes(self.transactions)


def transactions_root(transactions: tuple[Transaction, ...]) -> bytes:
    """Return the RFC 9162 root over the encodings of `transactions`."""
    return merkle.root([merkle.leaf_hash(encode(tx)) for tx in transactions])


def submission_sign_bytes(transactions: tuple[Transaction, ...]) -> bytes:
    """Return the bytes a submission's signature is over."""
    first = transactions[0]
    return batch_sign_bytes(
        first.chain_id, first.signer, first.key_version, len(transactions), transactions_root(transactions)
    )


def batch_sign_bytes(chain_id: str, signer: str, key_version: int, count: int, root: bytes) -> bytes:
    """Return a submission's sign bytes from its parts: all that a proof of one transaction needs of its batch."""
    return encode(_SubmissionSigned(chain_id, signer, key_version, count, root))


def make_submission(key: PrivateKey, transactions: tuple[Transaction, ...]) -> Submission:
    """Sign a batch.

    Raises:
        InvalidTransactionError: If the transactions are none, too many, or not all of one signer and chain.
    """
    _check_uniform(transactions)
    return Submission(transactions, sign_submission(key, submission_sign_bytes(transactions)))


def verify_submission(submission: Submission, chain_id: str, public_key: bytes) -> None:
    """Check that all transactions are of one signer on this chain and that the signature covers them.

    Raises:
        InvalidTransactionError: `FOREIGN_CHAIN` or `MIXED_SIGNERS`.
        VerificationError: If the signature does not verify.
    """
    _check_uniform(submission.transactions)
    if submission.transactions[0].chain_id != chain_id:
        raise InvalidTransactionError(
            "FOREIGN_CHAIN", f"expected chain {chain_id}, got {submission.transactions[0].chain_id}"
        )
    verify("submission", public_key, submission.sign_bytes(), submission.signature)


def _check_uniform(transactions: tuple[Transaction, ...]) -> None:
    if not 1 <= len(transactions) <= SUBMISSION_TRANSACTIONS_MAX:
        raise InvalidTransactionError(
            "BATCH_SIZE", f"expected 1 to {SUBMISSION_TRANSACTIONS_MAX} transactions, got {len(transactions)}"
        )
    first = transactions[0]
    for tx in transactions:
        if (tx.chain_id, tx.signer, tx.key_version) != (first.chain_id, first.signer, first.key_version):
            raise InvalidTransactionError(
                "MIXED_SIGNERS", f"one submission has one chain, signer and key version; got {tx.signer} too"
            )


class Event(Struct):
    """Something a contract wants followers to notice, in the order it was emitted."""

    contract: Name
    name: Name
    """Such as `claim-settled`."""
    data: Annotated[bytes, Meta(max_length=EVENT_BYTES_MAX)]
    """The canonical encoding of the event's struct; public like everything on the chain."""


class Receipt(Struct):
    """What became of one transaction, at its place in the block."""

    transaction_id: Hash
    code: Annotated[str, Meta(min_length=1, max_length=64)]
    """`OK`, a system code of this module, or a contract's reason code."""
    reason: Annotated[str, Meta(max_length=REASON_CHARACTERS_MAX)]
    """Empty for `OK`; else one sentence without personal data."""
    events: Annotated[tuple[Event, ...], Meta(max_length=EVENTS_PER_TRANSACTION_MAX)]
    charges: Annotated[int, Meta(ge=0)]
    """Meter units used."""

    @property
    def ok(self) -> bool:
        """Whether the transaction did what it asked; a refusal on the record has entered its trace and no more."""
        return self.code == OK
