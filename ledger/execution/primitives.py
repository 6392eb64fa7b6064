"""What contracts call of the codec and of cryptography: the core's own functions, charged by what they cost.

A loop turn is one unit, a signature is hundreds; the meter would not see the difference by itself, because the work
is done in C. The functions do what those of `ledger.codec` and `ledger.crypto` do, errors included.
"""

from typing import Final, TypeVar

from ledger import codec
from ledger.crypto import commitments, hashes, signatures, totals
from ledger.crypto.signatures import Purpose
from ledger.errors import VerificationError
from ledger.execution.meter import charge

V = TypeVar("V")

BYTES_PER_UNIT: Final = 16
"""Bytes that one unit pays for: they may be as many small integers, each an object to decode."""
SMALL_UNITS: Final = 10
"""One hash, encoding or decoding of next to nothing, about 1 us; up to 3 us if it is refused."""
SIGNATURE_UNITS: Final = 600
"""One Ed25519 verification, about 60 us."""
POINT_UNITS: Final = 500
"""One subgroup check or scalar multiplication, about 50 us."""
TOTAL_UNITS: Final = 13 * POINT_UNITS
"""A total's proof: three multiplications, and ten subgroup checks, those inside them included."""


def encode(value: object) -> bytes:
    """Return the canonical encoding of a value."""
    data = codec.encode(value)
    charge(SMALL_UNITS + len(data) // BYTES_PER_UNIT)
    return data


def decode(data: bytes, kind: type[V]) -> V:
    """Return the value that `data` is the canonical encoding of; raises `DecodeError`."""
    charge(SMALL_UNITS + len(data) // BYTES_PER_UNIT)
    return codec.decode(data, kind)


def hash_tagged(tag: str, data: bytes) -> bytes:
    """Return the tagged SHA-256 of `data`, 32 bytes."""
    charge(SMALL_UNITS + len(data) // BYTES_PER_UNIT)
    return hashes.hash_tagged(tag, data)


def hash_bytes(data: bytes) -> bytes:
    """Return the plain SHA-256 of `data`, 32 bytes."""
    charge(SMALL_UNITS + len(data) // BYTES_PER_UNIT)
    return hashes.hash_bytes(data)


def commit_salted(salt: bytes, data: bytes) -> bytes:
    """Return the salted commitment to `data`, 32 bytes; `salt` has 32 bytes too."""
    charge(SMALL_UNITS + len(data) // BYTES_PER_UNIT)
    if len(salt) != 32:
        msg = f"salt: expected 32 bytes, got {len(salt)}"
        raise VerificationError(msg)
    return hashes.commit_salted(salt, data)


def verify(purpose: Purpose, public_key: bytes, message: bytes, signature: bytes) -> None:
    """Check a signature for one purpose; raises `VerificationError`."""
    charge(SIGNATURE_UNITS + len(message) // BYTES_PER_UNIT)
    signatures.verify(purpose, public_key, message, signature)


def check_commitment(point: bytes) -> None:
    """Refuse what is no point of the prime-order group; raises `VerificationError`."""
    charge(POINT_UNITS)
    commitments.check_commitment(point)


def add_commitments(first: bytes, second: bytes) -> bytes:
    """Return the commitment to the sum of two committed amounts; raises `VerificationError`."""
    charge(2 * POINT_UNITS)
    return commitments.add_commitments(first, second)


def subtract_commitments(first: bytes, second: bytes) -> bytes:
    """Return the commitment to the difference of two committed amounts; raises `VerificationError`."""
    charge(2 * POINT_UNITS)
    return commitments.subtract_commitments(first, second)


def verify_amount(commitment: bytes, amount: int, blinding: int) -> None:
    """Check an opening; raises `VerificationError`."""
    charge(3 * POINT_UNITS)
    commitments.verify_amount(commitment, amount, blinding)


def verify_difference(commitment: bytes, amount: int, blinding: int) -> None:
    """Check the opening of a signed difference; raises `VerificationError`."""
    charge(3 * POINT_UNITS)
    commitments.verify_difference(commitment, amount, blinding)


def verify_total(commitment: bytes, total: int, context: bytes, proof: bytes) -> None:
    """Check a proof that a commitment is to this total; raises `VerificationError`."""
    charge(TOTAL_UNITS + len(context) // BYTES_PER_UNIT)
    totals.verify_total(commitment, total, context, proof)
