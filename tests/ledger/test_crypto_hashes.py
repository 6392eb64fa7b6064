"""Hashes by purpose: no input of one is an input of another, and commitments hide and bind."""

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.crypto.hashes import commit_salted, hash_bytes, hash_tagged, tag_keyed

tags = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20)


def test_a_tagged_hash_is_what_its_docstring_says() -> None:
    expected = hashlib.sha256(b"\x15xinpei/transaction/v1data").digest()
    assert hash_tagged("xinpei/transaction/v1", b"data") == expected


@given(tags, tags, st.binary(max_size=30), st.binary(max_size=30))
def test_two_tags_never_share_an_input(first: str, second: str, data: bytes, other: bytes) -> None:
    if first != second:
        assert hash_tagged(first, data) != hash_tagged(second, other)


def test_text_cannot_move_from_the_tag_into_the_data() -> None:
    assert hash_tagged("ab", b"c") != hash_tagged("a", b"bc")


def test_a_tag_has_at_most_255_ascii_characters() -> None:
    with pytest.raises(ValueError, match="range"):
        hash_tagged("x" * 256, b"")
    with pytest.raises(UnicodeEncodeError):
        hash_tagged("信", b"")


def test_a_plain_hash_is_sha_256() -> None:
    assert hash_bytes(b"abc").hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=40))
def test_a_commitment_depends_on_salt_and_data(salt: bytes, data: bytes) -> None:
    other_salt = bytes([salt[0] ^ 1]) + salt[1:]
    assert len({commit_salted(salt, data), commit_salted(other_salt, data), commit_salted(salt, data + b"\0")}) == 3


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_salt_of_another_length_stops_the_program(length: int) -> None:
    with pytest.raises(AssertionError, match="32 bytes"):
        commit_salted(bytes(length), b"moved into the salt")


def test_a_keyed_tag_is_hmac_sha_256() -> None:
    assert tag_keyed(b"key", b"data") == hmac.digest(b"key", b"data", "sha256")
