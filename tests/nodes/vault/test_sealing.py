"""Sealing and envelopes against the wrong reader, the wrong custodian and the wrong record."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.codec import decode, encode
from ledger.crypto.commitments import GROUP_ORDER, commit_amount
from ledger.crypto.hashes import hash_bytes
from ledger.crypto.signatures import PrivateKey
from ledger.errors import DecodeError, VerificationError
from nodes.vault.sealing import (
    SEAL_PUBLIC_BYTES,
    SEALED_BYTES_MAX,
    AmountOpening,
    Envelope,
    RecordKeys,
    SealContext,
    Sealed,
    SealKeyPair,
    SealKeyRing,
    make_envelope,
    open_envelope,
    seal,
)

INSURER = SealKeyPair(b"i" * 32)
HOSPITAL = PrivateKey(b"h" * 32)
CONTEXT = SealContext("xinpei-test", "record-000000000001", "hospital-a", "insurer-a")
KEYS = RecordKeys(b"k" * 32, b"s" * 32, (AmountOpening("total", 12_345, (7).to_bytes(32, "little")),))
HASH = hash_bytes(b"payload")


def make() -> Envelope:
    return make_envelope(HOSPITAL, INSURER.public_key, CONTEXT, KEYS, HASH)


def reopen(envelope: Envelope, seal_key: SealKeyPair = INSURER, context: SealContext = CONTEXT) -> RecordKeys:
    return open_envelope(seal_key, envelope, context, HASH, HOSPITAL.public_key)


def test_an_envelope_survives_the_wire_and_opens() -> None:
    assert reopen(decode(encode(make()), Envelope)) == KEYS


def test_a_seed_expands_as_x_wing_does() -> None:
    """The first vector of draft-connolly-cfrg-xwing-kem, appendix C: the start of its public key."""
    seed = bytes.fromhex("7f9c2ba4e88f827d616045507605853ed73b8093f6efbc88eb1a6eacfa66ef26")
    public_key = SealKeyPair(seed).public_key
    assert len(public_key) == SEAL_PUBLIC_BYTES
    assert public_key.hex().startswith("e2236b35a8c24b39b10aa1323a96a919a2ced88400633a7b07131713fc14b2b5")


def test_the_wrong_recipient_cannot_open_it() -> None:
    with pytest.raises(VerificationError, match="do not open for insurer-a: they are sealed to key"):
        reopen(make(), SealKeyPair(b"j" * 32))


def test_a_ring_opens_what_was_sealed_to_any_of_its_keys_and_names_the_one_it_lacks() -> None:
    former, lost = SealKeyPair(b"f" * 32), SealKeyPair(b"l" * 32)
    ring = SealKeyRing([INSURER, former])
    for pair in (INSURER, former):
        assert ring.open(seal(pair.public_key, CONTEXT, b"x"), CONTEXT) == b"x"
    with pytest.raises(VerificationError, match=f"sealed to key {lost.key_id.hex()}, here is {INSURER.key_id.hex()}, "):
        ring.open(seal(lost.public_key, CONTEXT, b"x"), CONTEXT)


def test_bytes_that_name_another_key_than_they_are_sealed_to_do_not_open() -> None:
    other = SealKeyPair(b"f" * 32)
    relabelled = Sealed(1, other.key_id, CONTEXT, seal(INSURER.public_key, CONTEXT, b"x").ciphertext)
    for keys in (INSURER, other, SealKeyRing([INSURER, other])):
        with pytest.raises(VerificationError, match="do not open"):
            keys.open(relabelled, CONTEXT)


@pytest.mark.parametrize(
    ("field", "context"),
    [
        ("chain_id", SealContext("other", CONTEXT.record_id, CONTEXT.sender, CONTEXT.recipient)),
        ("record_id", SealContext(CONTEXT.chain_id, "record-000000000002", CONTEXT.sender, CONTEXT.recipient)),
        ("sender", SealContext(CONTEXT.chain_id, CONTEXT.record_id, "hospital-b", CONTEXT.recipient)),
        ("recipient", SealContext(CONTEXT.chain_id, CONTEXT.record_id, CONTEXT.sender, "insurer-b")),
    ],
)
def test_sealed_bytes_open_in_their_own_context_only(field: str, context: SealContext) -> None:
    sealed = seal(INSURER.public_key, CONTEXT, b"x")
    with pytest.raises(VerificationError, match=f"sealed {field}: expected .*, got "):
        INSURER.open(sealed, context)
    relabelled = Sealed(sealed.suite, sealed.key_id, context, sealed.ciphertext)
    with pytest.raises(VerificationError, match="do not open"):
        INSURER.open(relabelled, context)


def test_an_unknown_suite_is_refused_by_name() -> None:
    envelope = make()
    sealed = Sealed(2, envelope.keys.key_id, envelope.keys.context, envelope.keys.ciphertext)
    with pytest.raises(VerificationError, match=r"suite: expected 1 .* got 2"):
        reopen(Envelope(sealed, envelope.ciphertext_hash, envelope.signature))
    with pytest.raises(VerificationError, match=r"suite: expected 1 .* got 2"):
        INSURER.open(sealed, CONTEXT)


def test_an_envelope_for_another_payload_is_refused() -> None:
    with pytest.raises(VerificationError, match="expected payload"):
        open_envelope(INSURER, make(), CONTEXT, hash_bytes(b"another"), HOSPITAL.public_key)


def test_an_envelope_of_another_custodian_or_with_another_hash_is_refused() -> None:
    envelope = make()
    with pytest.raises(VerificationError, match="envelope signature"):
        open_envelope(INSURER, envelope, CONTEXT, HASH, PrivateKey(b"m" * 32).public_key)
    moved = Envelope(envelope.keys, hash_bytes(b"another"), envelope.signature)
    with pytest.raises(VerificationError, match="envelope signature"):
        open_envelope(INSURER, moved, CONTEXT, hash_bytes(b"another"), HOSPITAL.public_key)


@given(st.data())
def test_no_bit_of_sealed_bytes_can_be_flipped(data: st.DataObject) -> None:
    sealed = seal(INSURER.public_key, CONTEXT, b"secret")
    bit = data.draw(st.integers(0, 8 * len(sealed.ciphertext) - 1))
    changed = bytearray(sealed.ciphertext)
    changed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(VerificationError, match="do not open"):
        INSURER.open(Sealed(1, INSURER.key_id, CONTEXT, bytes(changed)), CONTEXT)


@pytest.mark.parametrize("size", [0, 1, 1119, 1120, 1135])
def test_sealed_bytes_that_are_cut_do_not_open(size: int) -> None:
    sealed = seal(INSURER.public_key, CONTEXT, b"secret")
    with pytest.raises(VerificationError, match="do not open"):
        INSURER.open(Sealed(1, INSURER.key_id, CONTEXT, sealed.ciphertext[:size]), CONTEXT)


def test_malformed_public_keys_are_refused() -> None:
    for key, sentence in (
        (INSURER.public_key[:-1], "expected 1216 bytes, got 1215"),
        (b"\xff" * SEAL_PUBLIC_BYTES, "not an ML-KEM-768"),
        (INSURER.public_key[:1184] + bytes(32), "not an ML-KEM-768 and X25519 public key"),
    ):
        with pytest.raises(VerificationError, match=sentence):
            seal(key, CONTEXT, b"x")


def test_what_is_sealed_is_bounded() -> None:
    with pytest.raises(VerificationError, match="expected at most"):
        seal(INSURER.public_key, CONTEXT, bytes(SEALED_BYTES_MAX))


def test_sealing_something_else_than_keys_is_no_envelope() -> None:
    forged = make_envelope(HOSPITAL, INSURER.public_key, CONTEXT, "keys", HASH)  # type: ignore[arg-type]
    with pytest.raises(DecodeError):
        reopen(forged)


def test_secrets_do_not_print_themselves() -> None:
    opening = KEYS.openings[0]
    shown = f"{KEYS!r} {opening!r} {INSURER!r} {[KEYS]} {(opening,)}"
    for secret in (b"kkkk", b"ssss", b"iiii"):
        assert secret.decode() not in shown
        assert secret.hex() not in shown
    assert "12345" not in shown
    with pytest.raises(TypeError, match="cannot be serialised"):
        pickle.dumps(INSURER)


def test_an_opening_opens_its_own_commitment_only() -> None:
    opening = KEYS.openings[0]
    opening.verify(commit_amount(12_345, 7))
    with pytest.raises(VerificationError):
        opening.verify(commit_amount(12_346, 7))
    with pytest.raises(VerificationError, match="below the group order"):
        AmountOpening("total", 1, (GROUP_ORDER + 7).to_bytes(32, "little")).verify(commit_amount(1, 7))
