"""The JSON form of a struct is one text per value."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.codec import Struct
from ledger.errors import DecodeError
from nodes.schemas.canonical_json import parse, render


class Leaf(Struct, tag="leaf"):
    data: bytes
    number: int


class Twig(Struct, tag="twig"):
    name: str


class Tree(Struct):
    title: str
    parts: tuple[Leaf | Twig, ...]
    pair: tuple[int, bool]
    note: bytes | None


trees = st.builds(
    Tree,
    st.text(max_size=8),
    st.lists(
        st.one_of(
            st.builds(Leaf, st.binary(max_size=40), st.integers(-(2**60), 2**60)), st.builds(Twig, st.text(max_size=4))
        ),
        max_size=3,
    ).map(tuple),
    st.tuples(st.integers(0, 9), st.booleans()),
    st.none() | st.binary(max_size=70),
)


@given(trees)
def test_every_value_comes_back_from_its_text(tree: Tree) -> None:
    assert parse(render(tree), Tree) == tree


@pytest.mark.parametrize("note", [bytes(33), bytes.fromhex("69b71d79f8" * 7)])
def test_long_bytes_whose_base64_could_be_hex_come_back(note: bytes) -> None:
    tree = Tree("t", (), (1, True), note)
    assert parse(render(tree), Tree) == tree


@given(trees, st.data())
def test_a_changed_byte_changes_the_value_or_is_refused(tree: Tree, data: st.DataObject) -> None:
    text = bytearray(render(tree))
    place = data.draw(st.integers(0, len(text) - 1))
    text[place] ^= data.draw(st.integers(1, 255))
    try:
        changed = parse(bytes(text), Tree)
    except DecodeError:
        return
    assert changed != tree


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b'"number": 5', b'"number": 5.0', "expected int, got 5.0"),
        (b'"number": 5', b'"number": true', "expected int, got true"),
        (b'"title"', b'"titel"', "fields title, parts, pair, note in this order"),
        (b'"leaf"', b'"bark"', "known type"),
        (b"{\n", b"{", "not the canonical JSON"),
        (b"0a", b"0A", "not the canonical JSON"),
        (b"0a", b"0g!", "expected hex, or base64 after"),
    ],
)
def test_the_first_thing_that_does_not_fit_is_named(old: bytes, new: bytes, said: str) -> None:
    text = render(Tree("t", (Leaf(b"\x0a", 5),), (1, True), None))
    assert old in text
    with pytest.raises(DecodeError, match=said):
        parse(text.replace(old, new, 1), Tree)
