"""Opening a sum of commitments without its blinding: a Schnorr proof over the second generator.

A commitment C is to the total T exactly if C - T * B is a multiple of H, and only who knows an opening of C can name
T and that multiple r, the blinding:

    hidden = C - T * B                      must be r * H
    R      = k * H                          k drawn anew for every proof
    e      = SHA-512(tag, C, R, T, context) modulo the group order
    s      = k + e * r                      the proof is R and s, 64 bytes
    holds    exactly if s * H = R + e * hidden

So T is learnt and r is not: whoever held r could subtract a blinding that he knows and open what is left by trying
amounts. The context is what the total is said to be of; a proof moved to another context does not hold. A k that
served two proofs would tell r, so it is hashed from fresh entropy, the blinding and everything that is proved: a
source that repeats itself repeats the proof.

The total may be negative, and a sum of nothing is the identity with blinding 0. This is no range proof.
"""

import hashlib

import nacl.bindings as sodium

from ledger.crypto.commitments import (
    GENERATOR,
    GROUP_ORDER,
    IDENTITY,
    check_commitment,
    subtract_commitments,
    verify_difference,
)
from ledger.errors import VerificationError
from ledger.limits import AMOUNT_MINOR_UNITS_MAX

PROOF_BYTES = 64
"""A point, then a scalar, little-endian."""
_CHALLENGE = b"xinpei/total/challenge/v1"
_NONCE = b"xinpei/total/nonce/v1"


def prove_total(commitment: bytes, total: int, blinding: int, context: bytes, entropy: bytes) -> bytes:
    """Return the proof that `commitment` is to `total`, 64 bytes.

    Args:
        commitment: A sum of commitments, 32 bytes.
        total: Minor units, at most AMOUNT_MINOR_UNITS_MAX either way.
        blinding: The sum of the blindings, any residue.
        context: The canonical encoding of what the total is of.
        entropy: 64 fresh random bytes.

    Raises:
        VerificationError: If total and blinding do not open the commitment, or the entropy is not 64 bytes.
    """
    verify_difference(commitment, total, blinding)
    if len(entropy) != 64:
        msg = f"entropy: expected 64 random bytes, got {len(entropy)}"
        raise VerificationError(msg)
    blinding %= GROUP_ORDER
    statement = commitment + _signed(total) + context
    nonce = _reduce(_NONCE, entropy + blinding.to_bytes(32, "little") + statement)
    point = _multiply(nonce, GENERATOR)
    challenge = _challenge(commitment, point, total, context)
    return point + ((nonce + challenge * blinding) % GROUP_ORDER).to_bytes(32, "little")


def verify_total(commitment: bytes, total: int, context: bytes, proof: bytes) -> None:
    """Check that whoever made `proof` knew an opening of `commitment` to `total`, and meant this context.

    Raises:
        VerificationError: If it does not hold, or anything is malformed or out of range.
    """
    check_commitment(commitment)
    if abs(total) > AMOUNT_MINOR_UNITS_MAX:
        msg = f"total: expected at most {AMOUNT_MINOR_UNITS_MAX} either way, got {total}"
        raise VerificationError(msg)
    if len(proof) != PROOF_BYTES:
        msg = f"proof: expected {PROOF_BYTES} bytes, got {len(proof)}"
        raise VerificationError(msg)
    point, scalar = proof[:32], int.from_bytes(proof[32:], "little")
    check_commitment(point)
    if point == IDENTITY or scalar >= GROUP_ORDER:
        msg = "proof: expected a point other than the identity and a scalar below the group order"
        raise VerificationError(msg)
    hidden = subtract_commitments(commitment, _multiply_base(total % GROUP_ORDER))
    challenge = _challenge(commitment, point, total, context)
    if subtract_commitments(_multiply(scalar, GENERATOR), _multiply(challenge, hidden)) != point:
        msg = f"total: {total} is not what the commitment {commitment.hex()[:16]} opens to, or the proof is another's"
        raise VerificationError(msg)


def _challenge(commitment: bytes, point: bytes, total: int, context: bytes) -> int:
    return _reduce(_CHALLENGE, commitment + point + _signed(total) + context)


def _reduce(tag: bytes, data: bytes) -> int:
    return int.from_bytes(hashlib.sha512(bytes([len(tag)]) + tag + data).digest(), "little") % GROUP_ORDER


def _signed(total: int) -> bytes:
    return total.to_bytes(8, "little", signed=True)


def _multiply(scalar: int, point: bytes) -> bytes:
    if scalar == 0 or point == IDENTITY:
        return IDENTITY
    return sodium.crypto_scalarmult_ed25519_noclamp(scalar.to_bytes(32, "little"), point)


def _multiply_base(scalar: int) -> bytes:
    if scalar == 0:
        return IDENTITY
    return sodium.crypto_scalarmult_ed25519_base_noclamp(scalar.to_bytes(32, "little"))
