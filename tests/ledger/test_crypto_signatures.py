"""Signatures by purpose: what moves between purposes, keys or encodings is refused."""

import copy
import hashlib
import pickle
from collections.abc import Callable
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.crypto import signatures
from ledger.crypto.commitments import GROUP_ORDER
from ledger.crypto.signatures import PrivateKey, Purpose, sign_submission, sign_vote, verify
from ledger.errors import VerificationError

KEY = PrivateKey(bytes(range(32)))
OTHER = PrivateKey(bytes(32))
PURPOSES: tuple[Purpose, ...] = get_args(Purpose)
SIGNERS: dict[Purpose, Callable[[PrivateKey, bytes], bytes]] = {
    purpose: getattr(signatures, f"sign_{purpose}") for purpose in PURPOSES
}
SMALL_ORDER = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "0100000000000000000000000000000000000000000000000000000000000080",
]


@given(st.binary(max_size=100))
def test_a_signature_verifies_for_its_key_purpose_and_message(message: bytes) -> None:
    for purpose, sign in SIGNERS.items():
        verify(purpose, KEY.public_key, message, sign(KEY, message))


@pytest.mark.parametrize("purpose", PURPOSES)
def test_a_signature_for_one_purpose_is_worth_nothing_for_another(purpose: Purpose) -> None:
    signature = SIGNERS[purpose](KEY, b"message")
    for other in PURPOSES:
        if other != purpose:
            with pytest.raises(VerificationError, match=f"{other} signature"):
                verify(other, KEY.public_key, b"message", signature)


def test_the_domain_tag_cannot_be_written_into_the_message() -> None:
    tag = b"xinpei/sign/vote/v1"
    signature = sign_submission(KEY, bytes([len(tag)]) + tag + b"message")
    with pytest.raises(VerificationError):
        verify("vote", KEY.public_key, b"message", signature)


def test_a_signature_is_a_plain_ed25519_signature_over_tag_and_message() -> None:
    from nacl.signing import SigningKey  # noqa: PLC0415 - only here, as the other implementation

    tag = b"xinpei/sign/vote/v1"
    expected = SigningKey(bytes(range(32))).sign(bytes([len(tag)]) + tag + b"message").signature
    assert sign_vote(KEY, b"message") == expected


@given(st.integers(0, 511))
def test_a_flipped_bit_is_refused(bit: int) -> None:
    signature = bytearray(sign_vote(KEY, b"message"))
    signature[bit // 8] ^= 1 << bit % 8
    with pytest.raises(VerificationError):
        verify("vote", KEY.public_key, b"message", bytes(signature))


def test_another_key_or_message_is_refused() -> None:
    signature = sign_vote(KEY, b"message")
    with pytest.raises(VerificationError):
        verify("vote", OTHER.public_key, b"message", signature)
    with pytest.raises(VerificationError):
        verify("vote", KEY.public_key, b"messagf", signature)


def test_the_second_encoding_of_a_signature_is_refused() -> None:
    signature = sign_vote(KEY, b"message")
    scalar = int.from_bytes(signature[32:], "little")
    with pytest.raises(VerificationError):
        verify("vote", KEY.public_key, b"message", signature[:32] + (scalar + GROUP_ORDER).to_bytes(32, "little"))


@pytest.mark.parametrize("point", SMALL_ORDER)
def test_a_key_of_small_order_signs_nothing(point: str) -> None:
    """Under such a key, R = identity and S = 0 satisfies the bare equation for many messages."""
    key = bytes.fromhex(point)
    for commitment in (bytes.fromhex(SMALL_ORDER[0]), key):
        for message in (b"a", b"b", b"c", b"d", b"e", b"f", b"g", b"h"):
            with pytest.raises(VerificationError):
                verify("vote", key, message, commitment + bytes(32))


@pytest.mark.parametrize(
    "key",
    [
        b"",
        bytes(31),
        bytes(33),
        b"\xff" * 32,
        b"\x02" + bytes(31),
        (2**255 - 19 + 3).to_bytes(32, "little"),
    ],
    ids=["empty", "31 bytes", "33 bytes", "all ones", "not on the curve", "not reduced"],
)
def test_a_malformed_key_is_refused(key: bytes) -> None:
    with pytest.raises(VerificationError):
        verify("vote", key, b"message", sign_vote(KEY, b"message"))


@pytest.mark.parametrize("length", [0, 63, 65, 128])
def test_a_signature_of_another_length_is_refused(length: int) -> None:
    signature = (sign_vote(KEY, b"message") * 2)[:length]
    with pytest.raises(VerificationError):
        verify("vote", KEY.public_key, b"message", signature)


def test_a_private_key_never_shows_or_copies_its_secret() -> None:
    secret = hashlib.sha256(b"secret").digest()
    key = PrivateKey(secret)
    assert secret.hex() not in repr(key)
    assert repr(key) == f"PrivateKey(public_key={key.public_key.hex()})"
    for duplicate in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="serialised"):
            duplicate(key)
    assert not hasattr(key, "sign")
