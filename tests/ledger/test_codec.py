"""One encoding per value: round trips, second encodings, and bytes that encode nothing."""

import struct
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ledger.codec import Amount, ChainId, Day, Hash, Height, Name, Struct, decode, encode
from ledger.errors import DecodeError


class Inner(Struct):
    number: Annotated[int, msgspec.Meta(ge=-(2**31), le=2**53)]
    text: str


class Outer(Struct):
    data: bytes
    inner: Inner
    items: tuple[Inner, ...]
    optional: Hash | None
    flag: bool
    pair: tuple[int, str] = (0, "")


class Left(Struct, tag="left"):
    number: int


class Right(Struct, tag="right"):
    number: int


inners = st.builds(Inner, st.integers(-(2**31), 2**53), st.text(max_size=40))
outers = st.builds(
    Outer,
    st.binary(max_size=300),
    inners,
    st.lists(inners, max_size=20).map(tuple),
    st.none() | st.binary(min_size=32, max_size=32),
    st.booleans(),
    st.tuples(st.integers(0, 300), st.text(max_size=3)),
)
SAMPLE = Outer(b"\x01\x02", Inner(7, "seven"), (Inner(-1, ""),), None, flag=True)


def encode_loosely(value: object, width: int) -> bytes:
    """Encode as MessagePack allows and the codec does not: every length and integer in a form of `width` bytes."""
    form = {1: ">B", 2: ">H", 4: ">I"}[width]
    order = {1: 0, 2: 1, 4: 2}[width]
    if isinstance(value, Struct):
        value = tuple(getattr(value, field) for field in value.__struct_fields__)
    if isinstance(value, tuple):
        head = bytes([0xDC + (order > 1)]) + struct.pack(">H" if order < 2 else ">I", len(value))
        return head + b"".join(encode_loosely(item, width) for item in value)
    if isinstance(value, bytes):
        return bytes([0xC4 + order]) + struct.pack(form, len(value)) + value
    if isinstance(value, str):
        raw = value.encode()
        return bytes([0xD9 + order]) + struct.pack(form, len(raw)) + raw
    if isinstance(value, int) and not isinstance(value, bool):
        return b"\xd3" + struct.pack(">q", value)
    return encode(value)


@given(outers)
def test_what_is_encoded_decodes_to_the_same_value_and_bytes(value: Outer) -> None:
    encoded = encode(value)
    assert decode(encoded, Outer) == value
    assert encode(decode(encoded, Outer)) == encoded


@given(st.binary(max_size=80))
def test_no_bytes_raise_anything_but_a_decode_error(data: bytes) -> None:
    try:
        value = decode(data, Outer)
    except DecodeError:
        return
    assert encode(value) == data


@given(outers, st.data())
def test_a_changed_byte_is_another_value_or_none(value: Outer, data: st.DataObject) -> None:
    encoded = bytearray(encode(value))
    encoded[data.draw(st.integers(0, len(encoded) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        changed = decode(bytes(encoded), Outer)
    except DecodeError:
        return
    assert changed != value
    assert encode(changed) == bytes(encoded)


@given(outers, st.sampled_from([1, 2, 4]))
def test_a_longer_form_of_a_value_is_refused_though_messagepack_allows_it(value: Outer, width: int) -> None:
    assume(width > 1 or len(value.data) < 256)
    loose = encode_loosely(value, width)
    assert msgspec.msgpack.decode(loose, type=Outer) == value
    with pytest.raises(DecodeError, match="not the canonical encoding"):
        decode(loose, Outer)


def test_a_default_left_out_is_refused() -> None:
    short = encode((b"\x01\x02", (7, "seven"), ((-1, ""),), None, True))
    assert msgspec.msgpack.decode(short, type=Outer) == SAMPLE
    with pytest.raises(DecodeError, match="not the canonical encoding"):
        decode(short, Outer)


@pytest.mark.parametrize(
    ("desc", "data"),
    [
        ("nothing", b""),
        ("a byte left over", encode(SAMPLE) + b"\xc0"),
        ("cut short", encode(SAMPLE)[:-1]),
        ("a field too many", encode((*(getattr(SAMPLE, name) for name in SAMPLE.__struct_fields__), 1))),
        ("a field too few", encode((b"", (7, "seven")))),
        ("a map in place of an array", msgspec.msgpack.encode({"data": b""})),
        ("a float for an integer", encode((b"", (7.0, ""), (), None, True, (0, "")))),
        ("a boolean for an integer", encode((b"", (True, ""), (), None, True, (0, "")))),
        ("an integer for a boolean", encode((b"", (7, ""), (), None, 1, (0, "")))),
        ("text for bytes", encode(("", (7, ""), (), None, True, (0, "")))),
        ("bytes for text", encode((b"", (7, b""), (), None, True, (0, "")))),
        ("text that is no UTF-8", encode(SAMPLE).replace(b"seven", b"seve\xff")),
        ("a surrogate in text", encode(SAMPLE).replace(b"seven", b"se\xed\xa0\x80")),
        ("a hash of 31 bytes", encode((b"", (7, ""), (), bytes(31), True, (0, "")))),
        ("an integer out of range", encode((b"", (2**53 + 1, ""), (), None, True, (0, "")))),
        ("an extension", b"\xd4\x01\x00"),
        ("the reserved byte", b"\xc1"),
        ("an array that announces 2^32 items", b"\xdd\xff\xff\xff\xff"),
        ("deep nesting", b"\x91" * 100_000),
    ],
)
def test_bytes_that_are_no_value_are_refused(desc: str, data: bytes) -> None:
    with pytest.raises(DecodeError, match="Outer"):
        decode(data, Outer)


def test_deep_nesting_is_refused_even_where_any_value_is_allowed() -> None:
    kind: Any = object
    with pytest.raises(DecodeError):
        decode(b"\x91" * 1_000_000 + b"\xc0", kind)


def test_more_bytes_than_allowed_are_refused_unread() -> None:
    with pytest.raises(DecodeError, match="at most 3 bytes, got 4"):
        decode(b"\xc1\xc1\xc1\xc1", Outer, bytes_max=3)


def test_the_tag_of_one_kind_is_refused_for_another() -> None:
    kind: Any = Left | Right
    assert decode(encode(Right(1)), kind) == Right(1)
    with pytest.raises(DecodeError):
        decode(encode(Right(1)), Left)
    with pytest.raises(DecodeError):
        decode(encode(("neither", 1)), kind)


def test_two_structs_with_equal_fields_of_different_kinds_have_different_bytes() -> None:
    assert encode(Left(1)) != encode(Right(1))


def test_encoded_objects_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        SAMPLE.flag = False  # type: ignore[misc]


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (Name, ["a", "hospital-a", "c-x7", "0.a_b-c", "a" * 64], ["", "A", "-a", "a b", "a\n", "é", "信", "a" * 65]),
        (ChainId, ["xinpei-test.1", "a" * 48], ["", "a_b", "a\n", ".a", "a" * 49]),
        (Height, [0, 2**53], [-1, 2**53 + 1]),
        (Day, [0, 200_000], [-1, 200_001]),
        (Amount, [0, 10**13], [-1, 10**13 + 1]),
        (Hash, [bytes(32)], [b"", bytes(31), bytes(33)]),
    ],
)
def test_constrained_fields_take_what_they_say(kind: Any, good: list[object], bad: list[object]) -> None:
    for value in good:
        assert decode(encode(value), kind) == value
    for value in bad:
        with pytest.raises(DecodeError):
            decode(encode(value), kind)
