"""Frames between nodes: one form each, bounded, and nothing else is one."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

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
    pack_frame,
    pad_length,
)
from nodes.roles.exchange.questions import ANSWER_CHUNKS_MAX, AttachmentChunks, encode_body
from nodes.vault.payloads import CHUNK_BYTES, SEALED_CHUNK_BYTES

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
        (ANSWER, b"\x94", b"\xdc\x00\x04"),
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
        ("request", 5, "insurer-a", "hospital-a", 3, "text", b""),
        ("request", 5, b"insurer-a", "hospital-a", 3, b"", b""),
        ("request", -1, "insurer-a", "hospital-a", 3, b"", b""),
        ("request", 5, "Insurer A", "hospital-a", 3, b"", b""),
        ("request", 5, "insurer-a\n", "hospital-a", 3, b"", b""),
        ("request", 5, "insurer-a", "hospital-a", 3, bytes(BODY_BYTES_MAX + 1), b""),
        ("request", 5, "insurer-a", "hospital-a", 3, b"question"),
        ("answer", 5, bytes(BODY_BYTES_MAX + 1), b""),
        ("answer", 2**53 + 1, b"", b""),
        ("answer", 5, b"answer", "text"),
        ("answer", 5, b"answer"),
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


@pytest.mark.parametrize(
    ("encoded", "sent"),
    [(1, 8_192), (8_192, 8_192), (8_193, 16_384), (65_536, 65_536), (65_537, 81_920), (262_400, 278_528)],
)
def test_a_frame_between_members_has_one_of_a_few_lengths(encoded: int, sent: int) -> None:
    assert pad_length(encoded) == sent
    assert pad_length(FRAME_BYTES_MAX) == FRAME_BYTES_MAX


@pytest.mark.parametrize("empty", [RequestFrame(5, "insurer-a", "hospital-a", 3, b""), AnswerFrame(5, b"")])
def test_whatever_is_in_it_a_padded_frame_comes_back_and_has_such_a_length(empty: RequestFrame | AnswerFrame) -> None:
    around = len(encode(empty))
    edges = (0, 8_192, 16_384, 32_768, 65_536, 81_920, 98_304)
    near = {edge - around + off for edge in edges for off in range(-262, 8)} | {BODY_BYTES_MAX}
    for size in sorted(size for size in near if size >= 0):
        frame = replace(empty, body=bytes(size))
        data = pack_frame(frame)
        assert len(data) == pad_length(len(data)) >= len(encode(frame))
        assert len(data) <= FRAME_BYTES_MAX
        came = decode_frame(data)
        assert isinstance(came, RequestFrame | AnswerFrame)
        assert replace(came, padding=b"") == frame


def test_two_hand_overs_of_other_sizes_are_equally_long_and_a_vote_is_as_long_as_it_is() -> None:
    short, long = (pack_frame(AnswerFrame(5, bytes(size))) for size in (1_400, 7_900))
    assert len(short) == len(long)
    assert pack_frame(STATUS) == encode(STATUS)


def list_answer_lengths(file_bytes: int) -> list[int]:
    """Return how long the answers with a document's chunks are on their way."""
    full, rest = divmod(file_bytes, CHUNK_BYTES)
    chunks = [bytes(SEALED_CHUNK_BYTES)] * full + ([bytes(rest + SEALED_CHUNK_BYTES - CHUNK_BYTES)] if rest else [])
    firsts = range(0, len(chunks), ANSWER_CHUNKS_MAX)
    record_id = "record-0123456789ab"
    bodies = [AttachmentChunks(record_id, first, tuple(chunks[first : first + ANSWER_CHUNKS_MAX])) for first in firsts]
    return [len(pack_frame(AnswerFrame(5, encode_body(body)))) for body in bodies]


def test_the_size_of_a_document_shows_to_16_kib() -> None:
    assert list_answer_lengths(1_000_000) == [278_528, 278_528, 278_528, 229_376]
    assert list_answer_lengths(1_010_000) == list_answer_lengths(1_000_000)
    assert list_answer_lengths(1_020_000) != list_answer_lengths(1_000_000)
