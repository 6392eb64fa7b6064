"""State keys and the overlay: order, nesting, and what a scan sees."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ledger.execution.state import Overlay, decode_key, encode_key, encode_prefix, encode_start

PART = st.one_of(
    st.text(alphabet=st.characters(exclude_characters="\x00", codec="utf-8"), max_size=8),
    st.integers(0, 2**64 - 1),
    st.binary(max_size=8),
)
KEYS = st.sampled_from([f"{letter}{number}".encode() for letter in "abc" for number in range(4)])
PREFIXES = st.sampled_from([b"", b"a", b"b", b"c", b"a1", b"z"])


class Committed:
    """A committed state in memory."""

    def __init__(self, entries: dict[bytes, bytes]) -> None:
        self.entries = entries

    def get(self, key: bytes) -> bytes | None:
        return self.entries.get(key)

    def scan(self, prefix: bytes, start: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:
        entries = sorted((key, value) for key, value in self.entries.items() if key.startswith(prefix))
        return iter([entry for entry in entries if start is None or entry[0] >= start])


@given(st.lists(PART, min_size=1, max_size=4))
def test_a_key_is_below_every_prefix_of_it(parts: list[str | int | bytes]) -> None:
    key = encode_key("contract", "table", tuple(parts))
    assert decode_key(key)[:2] == ("contract", "table")
    assert len(decode_key(key)) == len(parts) + 2
    for length in range(len(parts)):
        assert key.startswith(encode_prefix("contract", "table", tuple(parts[:length])))
    assert not key.startswith(encode_prefix("contract", "table", tuple(parts)))


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_integers_sort_as_numbers(first: int, second: int) -> None:
    assert (first < second) == (encode_key("c", "t", first) < encode_key("c", "t", second))


@pytest.mark.parametrize("part", ["a\x00b", -1, 2**64, True, None, 1.0, ["a"]])
def test_a_part_that_is_none_is_refused(part: object) -> None:
    with pytest.raises(ValueError, match="key part"):
        encode_key("c", "t", part)  # type: ignore[arg-type]


def test_a_prefix_does_not_reach_into_its_neighbour() -> None:
    overlay = Overlay(Committed({}))
    for key in (("ab", "1"), ("abc", "2"), "ab"):
        overlay.put(encode_key("c", "t", key), b"")
    overlay.put(encode_key("c", "tt", "ab"), b"")
    assert [decode_key(key)[2:] for key, _ in overlay.scan(encode_prefix("c", "t", "ab"))] == [("ab", "1")]
    assert len(list(overlay.scan(encode_prefix("c", "t")))) == 3


TEXT = st.text(alphabet=st.characters(exclude_characters="\x00", codec="utf-8"), min_size=1, max_size=4)


@given(st.lists(st.tuples(TEXT, st.lists(TEXT, max_size=1)), max_size=12), TEXT)
def test_a_scan_with_a_start_leaves_out_exactly_what_does_not_sort_after_it(
    rows: list[tuple[str, list[str]]], after: str
) -> None:
    prefix = encode_prefix("c", "t", "p")
    committed = Committed({encode_key("c", "t", ("p", first, *rest)): b"" for first, rest in rows})
    overlay = Overlay(committed)
    overlay.put(encode_key("c", "t", ("p", after)), b"")
    overlay.put(encode_key("c", "t", ("q", "z")), b"")
    found = [decode_key(key)[2:] for key, _ in overlay.scan(prefix, encode_start(prefix, after))]
    every = [decode_key(key)[2:] for key, _ in overlay.scan(prefix)]
    assert found == [key for key in every if key[1].encode() > after.encode()]


def test_a_scan_does_not_see_what_is_written_while_it_runs() -> None:
    overlay = Overlay(Committed({b"a": b"1", b"c": b"3"}))
    overlay.put(b"b", b"2")
    seen = []
    for key, value in overlay.scan(b""):
        seen.append((key, value))
        overlay.put(b"c", None)
        overlay.put(b"d", b"4")
    assert seen == [(b"a", b"1"), (b"b", b"2"), (b"c", b"3")]


def test_a_failing_reader_is_remembered() -> None:
    class Broken(Committed):
        def get(self, key: bytes) -> bytes | None:
            raise OSError(key)

        def scan(self, prefix: bytes, start: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:
            yield start or prefix, b""
            raise OSError(prefix)

    overlay = Overlay(Broken({}))
    overlay.put(b"a", b"1")
    assert overlay.get(b"a") == b"1"
    assert overlay.failure is None
    with pytest.raises(OSError, match="b"):
        overlay.get(b"b")
    assert isinstance(overlay.failure, OSError)
    other = Overlay(Broken({}))
    with pytest.raises(OSError, match="x"):
        list(other.scan(b"x"))
    assert isinstance(other.failure, OSError)


class OverlayMachine(RuleBasedStateMachine):
    """An overlay against copies of a plain dict."""

    def __init__(self) -> None:
        super().__init__()
        self.committed = {b"a1": b"old", b"b1": b"old", b"b2": b"old"}
        self.overlay = Overlay(Committed(dict(self.committed)))
        self.model = dict(self.committed)
        self.marks: list[tuple[int, dict[bytes, bytes]]] = []

    @rule(key=KEYS, value=st.one_of(st.none(), st.binary(max_size=2)))
    def put(self, key: bytes, value: bytes | None) -> None:
        self.overlay.put(key, value)
        if value is None:
            self.model.pop(key, None)
        else:
            self.model[key] = value

    @rule()
    def mark(self) -> None:
        self.marks.append((self.overlay.mark(), dict(self.model)))

    @precondition(lambda self: self.marks)
    @rule(data=st.data())
    def revert(self, data: st.DataObject) -> None:
        place = data.draw(st.integers(0, len(self.marks) - 1))
        mark, self.model = self.marks[place]
        del self.marks[place:]
        self.overlay.revert(mark)

    @rule(prefix=PREFIXES, start=st.one_of(st.none(), KEYS))
    def scan(self, prefix: bytes, start: bytes | None) -> None:
        expected = sorted((key, value) for key, value in self.model.items() if key.startswith(prefix))
        expected = [entry for entry in expected if start is None or entry[0] >= start]
        assert list(self.overlay.scan(prefix, start)) == expected

    @invariant()
    def agrees(self) -> None:
        result = dict(self.committed)
        for key, value in self.overlay.writes.items():
            if value is None:
                result.pop(key, None)
            else:
                result[key] = value
        assert result == self.model


TestOverlay = OverlayMachine.TestCase
