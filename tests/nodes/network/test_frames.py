"""Frames and greeting, without a connection."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import DecodeError
from ledger.limits import FRAME_BYTES_MAX
from nodes.network.backlog import BACKLOG_BYTES_MAX, BACKLOG_FRAMES_MAX, BULK_BYTES_MAX, Backlog
from nodes.network.frames import (
    GREETING_BYTES_MAX,
    Answer,
    FrameDecoder,
    Hello,
    PeerError,
    check_hello,
    encode_frame,
    encode_greeting,
    make_hello,
    parse_answer,
    parse_hello,
)

HELLO = make_hello("xinpei-test", b"g" * 32, "hospital-a")


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=10), st.lists(st.integers(1, 50), max_size=40))
def test_frames_come_out_as_they_went_in_however_the_stream_is_cut(payloads: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(encode_frame(payload) for payload in payloads)
    decoder = FrameDecoder()
    frames: list[bytes] = []
    for cut in cuts:
        frames += decoder.feed(stream[:cut])
        stream = stream[cut:]
    frames += decoder.feed(stream)
    decoder.finish()
    assert frames == payloads


@pytest.mark.parametrize("length", [0, FRAME_BYTES_MAX + 1, 2**32 - 1])
def test_a_length_that_is_not_allowed_is_refused_before_its_bytes_arrive(length: int) -> None:
    decoder = FrameDecoder()
    decoder.accept_frames()
    with pytest.raises(PeerError, match=f"expected 1 to {FRAME_BYTES_MAX}, got {length}"):
        list(decoder.feed(length.to_bytes(4, "big")))


def test_before_the_greeting_only_short_frames_are_accepted() -> None:
    header = (GREETING_BYTES_MAX + 1).to_bytes(4, "big")
    with pytest.raises(PeerError, match=f"expected 1 to {GREETING_BYTES_MAX}"):
        list(FrameDecoder().feed(header))
    decoder = FrameDecoder()
    decoder.accept_frames()
    assert list(decoder.feed(header)) == []


def test_frames_before_a_bad_length_still_come_out() -> None:
    decoder = FrameDecoder()
    stream = decoder.feed(encode_frame(b"good") + bytes(4))
    assert next(stream) == b"good"
    with pytest.raises(PeerError, match="got 0"):
        next(stream)


@pytest.mark.parametrize("cut", [1, 4, 5])
def test_a_stream_that_ends_inside_a_frame_is_told(cut: int) -> None:
    decoder = FrameDecoder()
    assert list(decoder.feed(encode_frame(b"payload")[:cut])) == []
    with pytest.raises(PeerError, match=f"ended after {cut} bytes"):
        decoder.finish()


def test_a_payload_that_no_peer_would_accept_is_not_sent() -> None:
    for payload in (b"", bytes(FRAME_BYTES_MAX + 1)):
        with pytest.raises(PeerError, match=f"got {len(payload)}"):
            encode_frame(payload)


@pytest.mark.parametrize(
    ("other", "field"),
    [
        (Hello(2, HELLO.chain_id, HELLO.genesis_hash, HELLO.organisation), "protocol version: expected 1, got 2"),
        (make_hello("other", HELLO.genesis_hash, "hospital-a"), "chain: expected xinpei-test, got other"),
        (make_hello(HELLO.chain_id, b"h" * 32, "hospital-a"), "genesis: expected 6767676767676767, got 6868"),
        (
            make_hello(HELLO.chain_id, HELLO.genesis_hash, "insurer-a"),
            "organisation: expected hospital-a, got insurer-a",
        ),
    ],
)
def test_a_peer_of_another_network_is_told_what_differs(other: Hello, field: str) -> None:
    with pytest.raises(PeerError, match=f"greeting {field}"):
        check_hello(HELLO, other, "hospital-a")


def test_greetings_survive_the_wire_and_nothing_else_is_one() -> None:
    decoder = FrameDecoder()
    answer = Answer(HELLO, "because")
    frames = list(decoder.feed(encode_greeting(HELLO) + encode_greeting(answer)))
    assert (parse_hello(frames[0]), parse_answer(frames[1])) == (HELLO, answer)
    for frame in (b"GET / HTTP/1.1", frames[1], frames[0] + b"\x00"):
        with pytest.raises(DecodeError):
            parse_hello(frame)


def test_a_backlog_forgets_the_oldest_frames_and_counts_them() -> None:
    backlog = Backlog()
    half = bytes(BACKLOG_BYTES_MAX // 2)
    backlog.put(half + b"1")
    backlog.put(half[:-2] + b"2")
    assert backlog.dropped == 0
    backlog.put(b"3")
    assert backlog.dropped == 1
    assert backlog.size <= BACKLOG_BYTES_MAX
    assert [frame[-1:] for frame in backlog.take(BACKLOG_BYTES_MAX)] == [b"2", b"3"]
    assert (len(backlog), backlog.size) == (0, 0)


def test_a_backlog_is_bounded_in_number_too() -> None:
    backlog = Backlog()
    for _ in range(BACKLOG_FRAMES_MAX + 5):
        backlog.put(b"x")
    assert (len(backlog), backlog.dropped) == (BACKLOG_FRAMES_MAX, 5)


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=20), st.integers(1, 100))
def test_a_backlog_gives_everything_in_order_in_bounded_batches(frames: list[bytes], bytes_max: int) -> None:
    backlog = Backlog()
    for frame in frames:
        backlog.put(frame)
    taken: list[bytes] = []
    while batch := backlog.take(bytes_max):
        assert len(batch) == 1 or sum(map(len, batch)) <= bytes_max
        taken += batch
        assert backlog.size == sum(map(len, frames)) - sum(map(len, taken))
    assert taken == frames


def test_what_is_bulky_waits_for_everything_else_and_goes_alone() -> None:
    backlog = Backlog()
    for bulky in (b"chunk 1", b"chunk 2"):
        backlog.put(bulky, is_bulky=True)
    backlog.put(b"vote 1")
    backlog.put(b"vote 2")
    assert backlog.take(1000) == [b"vote 1", b"vote 2"]
    assert backlog.take(1000) == [b"chunk 1"]
    backlog.put(b"vote 3")
    assert [backlog.take(1000) for _ in range(3)] == [[b"vote 3"], [b"chunk 2"], []]
    assert (len(backlog), backlog.size) == (0, 0)


def test_a_peer_that_fetches_documents_and_does_not_read_loses_no_vote() -> None:
    backlog = Backlog()
    backlog.put(b"vote")
    for _ in range(100):
        backlog.put(bytes(BULK_BYTES_MAX // 10), is_bulky=True)
    assert (len(backlog), backlog.dropped) == (11, 90)
    assert backlog.take(1000) == [b"vote"]
    assert backlog.size <= BULK_BYTES_MAX
