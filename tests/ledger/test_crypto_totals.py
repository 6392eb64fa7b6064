"""Totals opened without their blinding: what holds, and that nothing else does."""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.crypto.commitments import (
    GENERATOR,
    GROUP_ORDER,
    IDENTITY,
    add_commitments,
    commit_amount,
    subtract_commitments,
)
from ledger.crypto.totals import PROOF_BYTES, prove_total, verify_total
from ledger.errors import VerificationError
from ledger.limits import AMOUNT_MINOR_UNITS_MAX

CONFORMANCE = Path(__file__).parents[1] / "conformance"
VECTORS = [
    pytest.param(case, id=case["desc"]) for case in json.loads((CONFORMANCE / "totals.json").read_text())["proofs"]
]
BAD_POINTS = [
    base64.b64decode(case["point"])
    for case in json.loads((CONFORMANCE / "pedersen.json").read_text())["points"]
    if case["wantErr"]
]
ENTROPY = hashlib.sha512(b"entropy").digest()

amounts = st.integers(0, AMOUNT_MINOR_UNITS_MAX // 8)
blindings = st.integers(1, GROUP_ORDER - 1)
openings = st.lists(st.tuples(amounts, blindings, st.booleans()), max_size=5)
contexts = st.binary(max_size=40)


def add_up(signed: list[tuple[int, int, bool]]) -> tuple[bytes, int, int]:
    """Return commitment, total and blinding of payouts and of recoveries."""
    point, total, blinding = IDENTITY, 0, 0
    for amount, scalar, is_recovery in signed:
        one = commit_amount(amount, scalar)
        point = subtract_commitments(point, one) if is_recovery else add_commitments(point, one)
        total += -amount if is_recovery else amount
        blinding += -scalar if is_recovery else scalar
    return point, total, blinding


@pytest.mark.parametrize("case", VECTORS)
def test_proof_vectors(case: dict[str, Any]) -> None:
    commitment, context, proof = (base64.b64decode(case[name]) for name in ("commitment", "context", "proof"))
    if case["wantErr"]:
        with pytest.raises(VerificationError):
            verify_total(commitment, case["total"], context, proof)
    else:
        verify_total(commitment, case["total"], context, proof)


@given(openings, contexts, st.binary(min_size=64, max_size=64))
def test_the_sum_of_any_payments_is_proved_without_its_blinding(
    signed: list[tuple[int, int, bool]], context: bytes, entropy: bytes
) -> None:
    point, total, blinding = add_up(signed)
    proof = prove_total(point, total, blinding, context, entropy)
    verify_total(point, total, context, proof)
    assert len(proof) == PROOF_BYTES
    assert blinding == 0 or (blinding % GROUP_ORDER).to_bytes(32, "little") not in proof


@given(openings, contexts, st.integers(1, 10_000) | st.integers(-10_000, -1))
def test_no_other_total_holds(signed: list[tuple[int, int, bool]], context: bytes, off: int) -> None:
    point, total, blinding = add_up(signed)
    proof = prove_total(point, total, blinding, context, ENTROPY)
    with pytest.raises(VerificationError, match="total"):
        verify_total(point, total + off, context, proof)
    with pytest.raises(VerificationError, match="opening"):
        prove_total(point, total + off, blinding, context, ENTROPY)


@given(st.lists(st.tuples(amounts, blindings, st.booleans()), min_size=1, max_size=5), contexts)
def test_a_sum_with_one_payment_left_out_does_not_hold(signed: list[tuple[int, int, bool]], context: bytes) -> None:
    point, total, blinding = add_up(signed)
    proof = prove_total(point, total, blinding, context, ENTROPY)
    with pytest.raises(VerificationError):
        verify_total(add_up(signed[1:])[0], total, context, proof)


@given(amounts, blindings, contexts, contexts)
def test_a_proof_does_not_move_to_another_context(amount: int, blinding: int, context: bytes, other: bytes) -> None:
    point = commit_amount(amount, blinding)
    proof = prove_total(point, amount, blinding, context, ENTROPY)
    if context != other:
        with pytest.raises(VerificationError):
            verify_total(point, amount, other, proof)


@given(st.integers(0, 8 * PROOF_BYTES - 1), amounts, blindings)
def test_no_bit_of_a_proof_can_be_another(bit: int, amount: int, blinding: int) -> None:
    point = commit_amount(amount, blinding)
    proof = bytearray(prove_total(point, amount, blinding, b"context", ENTROPY))
    proof[bit // 8] ^= 1 << bit % 8
    with pytest.raises(VerificationError):
        verify_total(point, amount, b"context", bytes(proof))


@pytest.mark.parametrize("point", BAD_POINTS)
def test_bad_points_are_refused_as_commitment_and_in_the_proof(point: bytes) -> None:
    proof = prove_total(GENERATOR, 0, 1, b"", ENTROPY)
    with pytest.raises(VerificationError):
        verify_total(point, 0, b"", proof)
    with pytest.raises(VerificationError):
        verify_total(GENERATOR, 0, b"", point[:32].ljust(32, b"\0") + proof[32:])


def test_who_does_not_know_the_opening_cannot_shift_a_total_by_shifting_the_point() -> None:
    point = commit_amount(1_000, 7)
    proof = prove_total(point, 1_000, 7, b"", ENTROPY)
    shifted = add_commitments(proof[:32], subtract_commitments(commit_amount(1, 1), GENERATOR))
    with pytest.raises(VerificationError):
        verify_total(point, 1_001, b"", shifted + proof[32:])


def test_entropy_that_repeats_repeats_a_proof_and_nothing_more() -> None:
    point = commit_amount(5, 7)
    first, again = (prove_total(point, 5, 7, b"", ENTROPY) for _ in range(2))
    assert first == again
    elsewhere = prove_total(point, 5, 7, b"elsewhere", ENTROPY)
    assert elsewhere[:32] != first[:32]


@pytest.mark.parametrize("length", [0, 32, 63, 65])
def test_a_proof_needs_64_random_bytes(length: int) -> None:
    with pytest.raises(VerificationError, match="64 random bytes"):
        prove_total(IDENTITY, 0, 0, b"", bytes(length))


def test_a_total_is_bounded_both_ways() -> None:
    for total in (AMOUNT_MINOR_UNITS_MAX + 1, -AMOUNT_MINOR_UNITS_MAX - 1):
        with pytest.raises(VerificationError, match="at most"):
            verify_total(IDENTITY, total, b"", bytes(64))
        with pytest.raises(VerificationError, match="at most"):
            prove_total(IDENTITY, total, 0, b"", ENTROPY)
