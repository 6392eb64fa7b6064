"""Packing is a bijection between structs and their packed forms."""

import contextlib

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.codec import Struct, encode
from ledger.errors import DecodeError
from nodes.audit.packing import UNPACKED_BYTES_MAX, pack, unpack


class Inner(Struct):
    name: str
    hash: bytes
    number: int


class Outer(Struct):
    items: tuple[Inner, ...]
    note: bytes | None


names = st.sampled_from(("abc", "abcd", "hospital-a", "insurer-a", ""))
hashes = st.sampled_from((b"", b"abcd", b"hospital-a", bytes(32), b"\xff" * 32))
numbers = st.sampled_from((0, 7, 2**32 - 1, 2**32, 1_767_225_600_000))
values = st.builds(
    Outer, st.lists(st.builds(Inner, names, hashes, numbers), max_size=300).map(tuple), st.none() | hashes
)


@settings(max_examples=100)
@given(values)
def test_what_was_packed_comes_back(value: Outer) -> None:
    assert unpack(pack(value), Outer) == value


@settings(max_examples=100)
@given(values, st.data())
def test_another_byte_is_another_value_or_refused(value: Outer, data: st.DataObject) -> None:
    packed = pack(value)
    index = data.draw(st.integers(0, len(packed) - 1))
    flipped = packed[:index] + bytes([packed[index] ^ data.draw(st.integers(1, 255))]) + packed[index + 1 :]
    with contextlib.suppress(DecodeError):
        assert unpack(flipped, Outer) != value


def test_a_text_and_equal_bytes_are_two_things() -> None:
    value = Outer((Inner("abcdef", b"abcdef", 1), Inner("abcdef", b"abcdef", 1)), b"abcdef")
    assert unpack(pack(value), Outer) == value


def test_what_comes_again_costs_three_bytes() -> None:
    one = Outer((Inner("hospital-a", bytes(32), 2**40),), None)
    two = Outer((Inner("hospital-a", bytes(32), 2**40),) * 2, None)
    assert len(pack(two)) - len(pack(one)) == 10
    assert len(pack(two)) < len(encode(two))


def test_a_value_spelled_out_twice_is_refused() -> None:
    value = Outer((Inner("hospital-a", bytes(32), 1),) * 2, None)
    with pytest.raises(DecodeError, match="not the packed form"):
        unpack(encode(value), Outer)


def test_references_to_nothing_and_of_other_kinds_are_refused() -> None:
    for code, data in ((1, b"\x00"), (1, b""), (2, b"\x00"), (1, b"\xff\xff")):
        reference = msgspec.msgpack.Ext(code, data)
        with pytest.raises(DecodeError):
            unpack(msgspec.msgpack.encode([[[reference, b"", 1]], None]), Outer)


def test_a_small_file_cannot_become_a_large_value() -> None:
    first = ["a" * 4_000, b"", 1]
    again = [msgspec.msgpack.Ext(1, b"\x00"), b"", 1]
    bomb = msgspec.msgpack.encode([[first, *[again] * (UNPACKED_BYTES_MAX // 4_000)], None])
    with pytest.raises(DecodeError, match="at most"):
        unpack(bomb, Outer)
