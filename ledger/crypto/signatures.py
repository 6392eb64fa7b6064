"""Ed25519 by purpose.

    purpose        signed by                     over
    vote           a validator                   the vote's sign bytes
    proposal       a validator                   the proposal's sign bytes
    submission     an organisation or customer   signer, key version, count and root of the transactions
    request        an actor calling an API       method, path, time, nonce and hash of the body
    challenge      a customer's key              a challenge of the organisation that links her
    enrolment      a customer's key              her pseudonym's public key and the sponsoring organisation
    envelope       a custodian                   a sealed record's envelope
    decision       an adjudicating organisation  the decision and the commitments of its inputs
    instruction    an insurer                    a payment instruction to the rail

Each is signed over its domain tag, its length and the message, so that no signature can be moved to another
purpose. PyNaCl both signs and verifies: one rule in the whole network.
"""

from typing import Literal

from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from ledger.errors import VerificationError

Purpose = Literal[
    "vote", "proposal", "submission", "request", "challenge", "enrolment", "envelope", "decision", "instruction"
]


class PrivateKey:
    """An Ed25519 private key that can only sign for a purpose and never prints itself."""

    __slots__ = ("_key", "public_key")

    def __init__(self, seed: bytes) -> None:
        """Derive the key pair.

        Args:
            seed: 32 secret bytes from the entropy port of `nodes/`.
        """
        self._key = SigningKey(seed)
        self.public_key: bytes = bytes(self._key.verify_key)

    def __repr__(self) -> str:
        """Show the public half only."""
        return f"PrivateKey(public_key={self.public_key.hex()})"

    def __reduce__(self) -> str:
        """Refuse to be pickled: a key leaves this object as a signature only."""
        msg = "a private key cannot be serialised"
        raise TypeError(msg)

    def _sign(self, purpose: Purpose, message: bytes) -> bytes:
        return bytes(self._key.sign(_tagged(purpose, message)).signature)


def sign_vote(key: PrivateKey, message: bytes) -> bytes:
    """Sign the sign bytes of a vote (`ledger.blocks.Vote.sign_bytes`)."""
    return key._sign("vote", message)


def sign_proposal(key: PrivateKey, message: bytes) -> bytes:
    """Sign the sign bytes of a proposal (`ledger.blocks.Proposal.sign_bytes`)."""
    return key._sign("proposal", message)


def sign_submission(key: PrivateKey, message: bytes) -> bytes:
    """Sign the sign bytes of a submission (`ledger.transactions.Submission.sign_bytes`)."""
    return key._sign("submission", message)


def sign_request(key: PrivateKey, message: bytes) -> bytes:
    """Sign an API request."""
    return key._sign("request", message)


def sign_challenge(key: PrivateKey, message: bytes) -> bytes:
    """Answer an organisation's challenge with a customer's key."""
    return key._sign("challenge", message)


def sign_enrolment(key: PrivateKey, message: bytes) -> bytes:
    """Prove possession of the key that a pseudonym is enrolled with."""
    return key._sign("enrolment", message)


def sign_envelope(key: PrivateKey, message: bytes) -> bytes:
    """Sign a sealed record's envelope as its custodian."""
    return key._sign("envelope", message)


def sign_decision(key: PrivateKey, message: bytes) -> bytes:
    """Sign an adjudication's decision."""
    return key._sign("decision", message)


def sign_instruction(key: PrivateKey, message: bytes) -> bytes:
    """Sign a payment instruction to the rail."""
    return key._sign("instruction", message)


def verify(purpose: Purpose, public_key: bytes, message: bytes, signature: bytes) -> None:
    """Check a signature for one purpose.

    Raises:
        VerificationError: If the key or signature is malformed, or does not fit purpose and message.
    """
    try:
        VerifyKey(public_key).verify(_tagged(purpose, message), signature)
    except (BadSignatureError, ValueError, TypeError):
        msg = f"{purpose} signature does not verify under key {public_key.hex()[:16]}"
        raise VerificationError(msg) from None


def _tagged(purpose: Purpose, message: bytes) -> bytes:
    tag = f"xinpei/sign/{purpose}/v1".encode("ascii")
    return bytes([len(tag)]) + tag + message
