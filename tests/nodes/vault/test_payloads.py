"""Sealed payloads against whoever holds the ciphertext and changes it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import VerificationError
from nodes.entropy import SeededEntropy, SystemEntropy
from nodes.vault.payloads import CHUNK_BYTES, PAYLOAD_BYTES_MAX, decrypt_payload, encrypt_payload

CHAIN, RECORD = "xinpei-test", "record-000000000001"
SEALED_CHUNK = CHUNK_BYTES + 16
SIZES = (0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES)


@pytest.mark.parametrize("size", SIZES)
def test_a_payload_of_any_length_comes_back(size: int) -> None:
    plaintext = SeededEntropy(b"payload").draw(size) if size else b""
    key, ciphertext = encrypt_payload(SystemEntropy(), CHAIN, RECORD, plaintext)
    assert decrypt_payload(key, CHAIN, RECORD, ciphertext) == plaintext
    assert len(ciphertext) == size + 16 * max(1, -(-size // CHUNK_BYTES))


def test_every_payload_has_a_key_of_its_own() -> None:
    entropy = SeededEntropy(b"keys")
    assert len({encrypt_payload(entropy, CHAIN, RECORD, b"same")[0] for _ in range(5)}) == 5


@given(st.binary(max_size=300), st.data())
def test_no_bit_can_be_flipped(plaintext: bytes, data: st.DataObject) -> None:
    key, ciphertext = encrypt_payload(SeededEntropy(b"s"), CHAIN, RECORD, plaintext)
    bit = data.draw(st.integers(0, 8 * len(ciphertext) - 1))
    changed = bytearray(ciphertext)
    changed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(VerificationError, match="chunk 0 of 1 does not open"):
        decrypt_payload(key, CHAIN, RECORD, bytes(changed))


def test_another_chain_record_or_key_does_not_open_it() -> None:
    key, ciphertext = encrypt_payload(SystemEntropy(), CHAIN, RECORD, b"x")
    for other_key, chain, record in (
        (bytes(32), CHAIN, RECORD),
        (key, "other-chain", RECORD),
        (key, CHAIN, "record-000000000002"),
    ):
        with pytest.raises(VerificationError, match="does not open"):
            decrypt_payload(other_key, chain, record, ciphertext)
    with pytest.raises(VerificationError, match="expected 32 bytes, got 31"):
        decrypt_payload(key[:31], CHAIN, RECORD, ciphertext)


def test_chunks_cannot_be_moved_dropped_repeated_or_cut() -> None:
    plaintext = b"a" * CHUNK_BYTES + b"b" * CHUNK_BYTES + b"c" * 10
    key, ciphertext = encrypt_payload(SystemEntropy(), CHAIN, RECORD, plaintext)
    a, b, c = ciphertext[:SEALED_CHUNK], ciphertext[SEALED_CHUNK : 2 * SEALED_CHUNK], ciphertext[2 * SEALED_CHUNK :]
    assert decrypt_payload(key, CHAIN, RECORD, a + b + c) == plaintext
    for changed in (
        b + a + c,
        a + c,
        b + c,
        a + b,
        a,
        c,
        a + b + b + c,
        a + a + b + c,
        a + b + c[:-1],
        a + b + c + c,
        a[:-1],
    ):
        with pytest.raises(VerificationError, match="does not open"):
            decrypt_payload(key, CHAIN, RECORD, changed)


def test_empty_and_oversized_payloads_are_refused_unread() -> None:
    with pytest.raises(VerificationError, match="got 0"):
        decrypt_payload(bytes(32), CHAIN, RECORD, b"")
    with pytest.raises(VerificationError, match="expected at most"):
        encrypt_payload(SystemEntropy(), CHAIN, RECORD, bytes(PAYLOAD_BYTES_MAX + 1))
    with pytest.raises(VerificationError, match="expected 16 to"):
        decrypt_payload(bytes(32), CHAIN, RECORD, bytes(2 * PAYLOAD_BYTES_MAX))
