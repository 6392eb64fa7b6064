"""Pedersen commitments: the published generator, their arithmetic, and points that are none."""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ledger.crypto.commitments import (
    GENERATOR,
    GENERATOR_LABEL,
    GROUP_ORDER,
    IDENTITY,
    add_commitments,
    check_commitment,
    commit_amount,
    reduce_blinding,
    subtract_commitments,
    verify_amount,
    verify_difference,
)
from ledger.errors import VerificationError
from ledger.limits import AMOUNT_MINOR_UNITS_MAX

VECTORS = json.loads((Path(__file__).parents[1] / "conformance" / "pedersen.json").read_text())
OPENINGS = [pytest.param(case, id=case["desc"]) for case in VECTORS["openings"]]
POINTS = [pytest.param(case, id=case["desc"]) for case in VECTORS["points"]]
BAD_POINTS = [base64.b64decode(case["point"]) for case in VECTORS["points"] if case["wantErr"]]

PRIME = 2**255 - 19
CURVE_D = -121665 * pow(121666, -1, PRIME) % PRIME
BASE = bytes.fromhex("58" + "66" * 31)

amounts = st.integers(0, AMOUNT_MINOR_UNITS_MAX)
blindings = st.integers(1, GROUP_ORDER - 1)

Affine = tuple[int, int]


def add_affine(first: Affine, second: Affine) -> Affine:
    """Add two points by the curve's own law, without libsodium."""
    (x1, y1), (x2, y2) = first, second
    product = CURVE_D * x1 * x2 * y1 * y2
    x = (x1 * y2 + x2 * y1) * pow(1 + product, -1, PRIME)
    y = (y1 * y2 + x1 * x2) * pow(1 - product, -1, PRIME)
    return x % PRIME, y % PRIME


def multiply_affine(scalar: int, point: Affine) -> Affine:
    result = (0, 1)
    while scalar:
        if scalar & 1:
            result = add_affine(result, point)
        point = add_affine(point, point)
        scalar >>= 1
    return result


def decode_point(data: bytes) -> Affine:
    y = int.from_bytes(data, "little") & (2**255 - 1)
    square = (y * y - 1) * pow(CURVE_D * y * y + 1, -1, PRIME) % PRIME
    x = pow(square, (PRIME + 3) // 8, PRIME)
    if x * x % PRIME != square:
        x = x * pow(2, (PRIME - 1) // 4, PRIME) % PRIME
    assert x * x % PRIME == square
    return (PRIME - x if x & 1 != data[31] >> 7 else x), y


def encode_point(point: Affine) -> bytes:
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


def map_label_to_curve(label: bytes) -> bytes:
    """Map a label as the vector file says: SHA-256, Elligator 2 to Curve25519, to Edwards, cofactor cleared."""
    digest = bytearray(hashlib.sha256(label).digest())
    sign = digest[31] >> 7
    digest[31] &= 0x7F
    r = int.from_bytes(digest, "little")
    montgomery_a = 486662
    u = -montgomery_a * pow(1 + 2 * r * r, -1, PRIME) % PRIME
    if pow(u * (u * u + montgomery_a * u + 1), (PRIME - 1) // 2, PRIME) == PRIME - 1:
        u = (-u - montgomery_a) % PRIME
    y = (u - 1) * pow(u + 1, -1, PRIME) % PRIME
    point = decode_point((y | sign << 255).to_bytes(32, "little"))
    return encode_point(multiply_affine(8, point))


def test_the_second_generator_is_the_published_one_and_nobody_chose_it() -> None:
    assert VECTORS["label"].encode() == GENERATOR_LABEL
    assert base64.b64decode(VECTORS["generator"]) == GENERATOR
    assert map_label_to_curve(GENERATOR_LABEL) == GENERATOR


@pytest.mark.parametrize("case", OPENINGS)
def test_opening_vectors(case: dict[str, Any]) -> None:
    commitment = base64.b64decode(case["commitment"])
    if case["wantErr"]:
        with pytest.raises(VerificationError):
            verify_amount(commitment, case["amount"], int(case["blinding"]))
    else:
        verify_amount(commitment, case["amount"], int(case["blinding"]))


@pytest.mark.parametrize("case", POINTS)
def test_point_vectors(case: dict[str, Any]) -> None:
    point = base64.b64decode(case["point"])
    if case["wantErr"]:
        with pytest.raises(VerificationError, match="prime-order"):
            check_commitment(point)
    else:
        check_commitment(point)


@pytest.mark.parametrize("point", BAD_POINTS)
def test_no_operation_takes_a_bad_point(point: bytes) -> None:
    good = commit_amount(5, 7)
    for operation in (add_commitments, subtract_commitments):
        for pair in ((point, good), (good, point), (point, IDENTITY), (IDENTITY, point)):
            with pytest.raises(VerificationError):
                operation(*pair)
    with pytest.raises(VerificationError):
        verify_amount(point, 5, 7)
    with pytest.raises(VerificationError):
        verify_difference(point, 5, 7)


@given(amounts, blindings)
def test_a_commitment_is_what_its_formula_says(amount: int, blinding: int) -> None:
    expected = add_affine(
        multiply_affine(amount, decode_point(BASE)), multiply_affine(blinding, decode_point(GENERATOR))
    )
    assert commit_amount(amount, blinding) == encode_point(expected)


@given(amounts, blindings, amounts, blindings)
@example(a=1, r=1, b=0, s=GROUP_ORDER - 1)  # blindings that cancel: a sum is opened as a difference, by any residue
def test_sums_and_differences_open_to_sums_and_differences(a: int, r: int, b: int, s: int) -> None:
    first, second = commit_amount(a, r), commit_amount(b, s)
    verify_difference(subtract_commitments(first, second), a - b, r - s)
    assert subtract_commitments(add_commitments(first, second), second) == first
    if a + b <= AMOUNT_MINOR_UNITS_MAX:
        verify_difference(add_commitments(first, second), a + b, r + s)


@given(amounts, blindings, amounts, blindings)
def test_no_second_opening_is_accepted(a: int, r: int, b: int, s: int) -> None:
    if (a, r) != (b, s):
        with pytest.raises(VerificationError):
            verify_amount(commit_amount(a, r), b, s)


def test_the_neutral_element_is_the_empty_sum() -> None:
    commitment = commit_amount(5, 7)
    assert add_commitments(IDENTITY, commitment) == commitment
    assert add_commitments(commitment, IDENTITY) == commitment
    assert subtract_commitments(commitment, IDENTITY) == commitment
    assert subtract_commitments(commitment, commitment) == IDENTITY
    assert add_commitments(IDENTITY, IDENTITY) == IDENTITY
    assert subtract_commitments(IDENTITY, IDENTITY) == IDENTITY
    negative = subtract_commitments(IDENTITY, commitment)
    assert add_commitments(negative, commitment) == IDENTITY
    verify_difference(negative, -5, -7)
    verify_difference(IDENTITY, 0, 0)


def test_nothing_opens_the_empty_sum_as_an_amount() -> None:
    with pytest.raises(VerificationError, match="blinding"):
        verify_amount(IDENTITY, 0, 0)


def test_differences_are_bounded_both_ways() -> None:
    for amount in (AMOUNT_MINOR_UNITS_MAX + 1, -AMOUNT_MINOR_UNITS_MAX - 1, GROUP_ORDER):
        with pytest.raises(VerificationError, match="at most"):
            verify_difference(commit_amount(0, 1), amount, 1)


@pytest.mark.parametrize("blinding", [-1, 0, GROUP_ORDER, GROUP_ORDER + 1])
def test_a_blinding_out_of_range_is_refused(blinding: int) -> None:
    with pytest.raises(VerificationError, match="blinding"):
        commit_amount(1, blinding)


@pytest.mark.parametrize("amount", [-1, AMOUNT_MINOR_UNITS_MAX + 1, GROUP_ORDER])
def test_an_amount_out_of_range_is_refused(amount: int) -> None:
    with pytest.raises(VerificationError, match="amount"):
        commit_amount(amount, 1)


def test_a_blinding_is_reduced_from_64_bytes_and_never_zero() -> None:
    assert reduce_blinding(b"\xff" * 64) == (2**512 - 1) % GROUP_ORDER
    for entropy in (bytes(64), GROUP_ORDER.to_bytes(64, "little")):
        with pytest.raises(VerificationError, match="zero"):
            reduce_blinding(entropy)
    for length in (0, 32, 63, 65):
        with pytest.raises(VerificationError, match="64 random bytes"):
            reduce_blinding(b"\x01" * length)
