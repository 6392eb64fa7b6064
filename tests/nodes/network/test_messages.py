"""Frames between nodes: one form each, bounded, and nothing else is one."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.codec import encode
from ledger.consensus.round import Step
from ledger.errors import DecodeError
from ledger.limits import FRAME_BYTES_MAX
from ledger.replica.messages import StatusMessage
from nodes.network.messages import (
    BODY_BYTES_MAX,
    AnswerFrame,
    ConsensusFrame,
    Frame,
    RequestFrame,
    decode_frame,
)

STATUS = ConsensusFrame(StatusMessage(7, 1, Step.PREVOTE, has_proposal=True))
REQUEST = RequestFrame(5, "insurer-a", "hospital-a", 3, b"question")
ANSWER = AnswerFrame(5, b"answer")
FRAMES = [STATUS, REQUEST, ANSWER]


@pytest.mark.parametrize("frame", FRAMES)
def test_a_frame_survives_the_wire_and_no_part_of_it_does(frame: Frame) -> None:
    data = encode(frame)
    assert decode_frame(data) == frame
    for end in range(len(data)):
        with pytest.raises(DecodeError):
            decode_frame(data[:end])
    with pytest.raises(DecodeError):
        decode_frame(data + b"\x00")


@pytest.mark.parametrize(
    ("frame", "field", "longer"),
    [
        (STATUS, b"\x07", b"\xcc\x07"),
        (STATUS, b"\x07", b"\xd0\x07"),
        (REQUEST, b"\xa9insurer-a", b"\xd9\x09insurer-a"),
        (REQUEST, b"\xc4\x08question", b"\xc5\x00\x08question"),
        (ANSWER, b"\x93", b"\xdc\x00\x03"),
    ],
)
def test_a_second_encoding_of_a_frame_is_refused(frame: Frame, field: bytes, longer: bytes) -> None:
    data = encode(frame)
    assert data.count(field) == 1
    with pytest.raises(DecodeError, match="canonical"):
        decode_frame(data.replace(field, longer))


@pytest.mark.parametrize(
    "wrong",
    [
        ("consensus", ("status", 7, 1, 99, True)),
        ("consensus", ("status", 7, 1, 2, 1)),
        ("consensus", ("status", True, 1, 2, True)),
        ("consensus", ("status", 7.0, 1, 2, True)),
        ("consensus", ("status", 7, 1, 2, True, None)),
        ("consensus", ("unheard-of", 7)),
        ("request", 5, "insurer-a", "hospital-a", "text"),
        ("request", 5, b"insurer-a", "hospital-a", b""),
        ("request", -1, "insurer-a", "hospital-a", b""),
        ("request", 5, "Insurer A", "hospital-a", b""),
        ("request", 5, "insurer-a\n", "hospital-a", b""),
        ("request", 5, "insurer-a", "hospital-a", bytes(BODY_BYTES_MAX + 1)),
        ("answer", 5, bytes(BODY_BYTES_MAX + 1)),
        ("answer", 2**53 + 1, b""),
        {"answer": 5},
    ],
)
def test_what_is_no_frame_is_refused(wrong: Any) -> None:
    with pytest.raises(DecodeError):
        decode_frame(encode(wrong))


def test_a_frame_above_its_size_is_refused_unread() -> None:
    with pytest.raises(DecodeError, match=f"at most {FRAME_BYTES_MAX} bytes"):
        decode_frame(b"\xff" * (FRAME_BYTES_MAX + 1))


@given(st.binary(max_size=64))
def test_no_bytes_raise_anything_but_a_decode_error(data: bytes) -> None:
    for prefix in (b"", b"\x92\xa9consensus", b"\x95\xa7request", b"\x93\xa6answer"):
        try:
            frame = decode_frame(prefix + data)
        except DecodeError:
            continue
        assert encode(frame) == prefix + data
