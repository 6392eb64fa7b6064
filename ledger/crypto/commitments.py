"""Pedersen commitments to amounts, in libsodium's Ed25519 group.

    C = amount * B + blinding * H

B is the group's base point; H comes from hashing the fixed label `xinpei/pedersen/H/v1` to the curve (Elligator 2,
`crypto_core_ed25519_from_uniform`), so that nobody knows its logarithm to B. A commitment hides the amount
unconditionally and binds it under the discrete-logarithm assumption. Commitments add up: the sum of commitments
opens to the sum of amounts under the sum of blindings, which is what a yearly report is checked by.

libsodium refuses the zero scalar and the identity, so both are handled explicitly here: a zero amount commits to
`blinding * H`, a blinding is never zero, and `IDENTITY` is the encoding of the neutral element for empty sums.

This is not a range proof: amounts are bounded where they are opened, and settlements are adjudicated before they
are committed.
"""

import hashlib

import nacl.bindings as sodium
from nacl.exceptions import RuntimeError as SodiumError

from ledger.errors import VerificationError
from ledger.limits import AMOUNT_MINOR_UNITS_MAX

GENERATOR_LABEL = b"xinpei/pedersen/H/v1"
GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493
IDENTITY = b"\x01" + bytes(31)
"""The neutral element's encoding (x = 0, y = 1): the commitment to nothing at all."""

GENERATOR = sodium.crypto_core_ed25519_from_uniform(hashlib.sha256(GENERATOR_LABEL).digest())
"""The second generator H; a published test vector."""


def reduce_blinding(entropy: bytes) -> int:
    """Return a blinding from 64 random bytes, reduced modulo the group order and never zero.

    Raises:
        VerificationError: If `entropy` is not 64 bytes or reduces to zero.
    """
    if len(entropy) != 64:
        msg = f"blinding: expected 64 random bytes, got {len(entropy)}"
        raise VerificationError(msg)
    blinding = int.from_bytes(entropy, "little") % GROUP_ORDER
    if blinding == 0:
        msg = "blinding: the entropy reduces to zero; draw again"
        raise VerificationError(msg)
    return blinding


def commit_amount(amount: int, blinding: int) -> bytes:
    """Return the commitment to an amount, 32 bytes.

    Args:
        amount: Minor units, 0 <= amount <= AMOUNT_MINOR_UNITS_MAX.
        blinding: A scalar, 0 < blinding < GROUP_ORDER, never used for a second commitment.

    Raises:
        VerificationError: If either is out of its range.
    """
    if not 0 <= amount <= AMOUNT_MINOR_UNITS_MAX:
        msg = f"amount: expected 0 to {AMOUNT_MINOR_UNITS_MAX}, got {amount}"
        raise VerificationError(msg)
    return _combine(amount, blinding)


def add_commitments(first: bytes, second: bytes) -> bytes:
    """Return the commitment to the sum of two committed amounts."""
    check_commitment(first)
    check_commitment(second)
    if first == IDENTITY:
        return second
    if second == IDENTITY:
        return first
    return sodium.crypto_core_ed25519_add(first, second)


def subtract_commitments(first: bytes, second: bytes) -> bytes:
    """Return the commitment to the difference of two committed amounts."""
    check_commitment(first)
    check_commitment(second)
    if second == IDENTITY:
        return first
    if first == IDENTITY:
        return sodium.crypto_core_ed25519_sub(sodium.crypto_core_ed25519_sub(second, second), second)
    return sodium.crypto_core_ed25519_sub(first, second)


def check_commitment(point: bytes) -> None:
    """Refuse what is not a canonical point of the prime-order subgroup.

    Raises:
        VerificationError: For wrong lengths, non-canonical encodings and points of small or mixed order.
    """
    if point == IDENTITY:
        return
    if len(point) != 32 or not sodium.crypto_core_ed25519_is_valid_point(point):
        msg = f"commitment {point.hex()[:16]}: not a point of the prime-order group"
        raise VerificationError(msg)


def verify_amount(commitment: bytes, amount: int, blinding: int) -> None:
    """Check an opening.

    Raises:
        VerificationError: If amount and blinding do not open the commitment.
    """
    check_commitment(commitment)
    if commit_amount(amount, blinding) != commitment:
        msg = "amount: the opening does not fit the commitment"
        raise VerificationError(msg)


def verify_difference(commitment: bytes, amount: int, blinding: int) -> None:
    """Check the opening of a signed difference: amount may be negative, blinding may be any residue.

    Raises:
        VerificationError: If it does not open the commitment, or the amount is out of range.
    """
    check_commitment(commitment)
    if abs(amount) > AMOUNT_MINOR_UNITS_MAX:
        msg = f"amount: expected at most {AMOUNT_MINOR_UNITS_MAX} either way, got {amount}"
        raise VerificationError(msg)
    if _combine(amount % GROUP_ORDER, blinding % GROUP_ORDER, allow_zero=True) != commitment:
        msg = "amount: the opening does not fit the commitment"
        raise VerificationError(msg)


def _combine(amount: int, blinding: int, *, allow_zero: bool = False) -> bytes:
    if not (0 if allow_zero else 1) <= blinding < GROUP_ORDER:
        msg = "blinding: expected a non-zero scalar below the group order"
        raise VerificationError(msg)
    try:
        left = sodium.crypto_scalarmult_ed25519_base_noclamp(amount.to_bytes(32, "little")) if amount else IDENTITY
        right = (
            sodium.crypto_scalarmult_ed25519_noclamp(blinding.to_bytes(32, "little"), GENERATOR)
            if blinding
            else IDENTITY
        )
    except SodiumError:  # pragma: no cover - zero scalars are excluded above
        msg = "commitment: scalar multiplication gave the identity"
        raise VerificationError(msg) from None
    if left == IDENTITY:
        return right
    if right == IDENTITY:
        return left
    return sodium.crypto_core_ed25519_add(left, right)
