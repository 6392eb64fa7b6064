"""What one frame between nodes holds: consensus, a member's question and its answer, or what snapshots need.

The transport has established which organisation a frame comes from. A member without a node of its own (the payment
rail) is hosted by another's process; its questions say so, and are believed only from that host.

What members ask and answer is about one person, and TLS hides what is said and not how much. So these frames are
padded before they are sent (`pack_frame`): an onlooker sees one of a few lengths, whatever the diagnosis is called and
however many lines a usual bill has. Consensus is not padded: all in it is open among members, or a commitment, and
these are equally long.

    encoded frame     length on its way
    up to 8 KiB       8 KiB
    up to 64 KiB      the next power of two
    above             the next multiple of 16 KiB, at most FRAME_BYTES_MAX
"""

from typing import Annotated, cast

from msgspec import Meta
from msgspec.structs import replace

from ledger.codec import Height, Name, Struct, decode, encode
from ledger.limits import FRAME_BYTES_MAX
from ledger.replica.messages import Message
from ledger.snapshot_exchange import SnapshotFrame

RequestId = Annotated[int, Meta(ge=0, le=2**53)]
BODY_BYTES_MAX = FRAME_BYTES_MAX - 1024
"""A question or answer between members: the largest sealed record with its envelope, and what is around it."""
BULKY_BYTES = 64 * 1024
"""An answer of this size waits behind everything smaller, and behind consensus."""


PADDED_BYTES_MIN = 8 * 1024
PADDED_BYTES_DOUBLED = 64 * 1024
PADDED_BYTES_STEP = 16 * 1024

Padding = Annotated[bytes, Meta(max_length=FRAME_BYTES_MAX)]
"""Makes a frame as long as others; nobody looks at what is in it."""


class ConsensusFrame(Struct, tag="consensus"):
    """A message from replica to replica."""

    message: Message


class RequestFrame(Struct, tag="request"):
    """A member asks another member something, point to point."""

    request_id: RequestId
    """Chosen by the asking node, once in its life; the answer repeats it."""
    source: Name
    """The member who asks: the sending organisation or one that it hosts."""
    target: Name
    """The member who is asked: the receiving organisation or one that it hosts."""
    height: Height
    """The asking node's: what it asks about is on the chain by then, so it is answered from there on."""
    body: Annotated[bytes, Meta(max_length=BODY_BYTES_MAX)]
    padding: Padding = b""


class AnswerFrame(Struct, tag="answer"):
    """The answer to a request."""

    request_id: RequestId
    body: Annotated[bytes, Meta(max_length=BODY_BYTES_MAX)]
    padding: Padding = b""


Frame = ConsensusFrame | RequestFrame | AnswerFrame | SnapshotFrame


def is_bulky(frame: Frame) -> bool:
    """Whether a frame is to wait until nothing else is to be sent (`nodes.network.backlog`)."""
    return isinstance(frame, AnswerFrame) and len(frame.body) >= BULKY_BYTES


def pack_frame(frame: Frame) -> bytes:
    """Return a frame as it is sent: encoded, and what members ask and answer padded to a length that tells little."""
    data = encode(frame)
    if not isinstance(frame, RequestFrame | AnswerFrame):
        return data
    length = pad_length(len(data))
    while (padding := _find_padding(length - len(data))) is None:
        length = pad_length(length + 1)
    return encode(replace(frame, padding=bytes(padding)))


def pad_length(length: int) -> int:
    """Return the length on its way of a frame that is encoded in `length` bytes without padding."""
    if length <= PADDED_BYTES_DOUBLED:
        return max(PADDED_BYTES_MIN, 1 << (length - 1).bit_length())
    return min(FRAME_BYTES_MAX, -(-length // PADDED_BYTES_STEP) * PADDED_BYTES_STEP)


def _find_padding(missing: int) -> int | None:
    """Return how much padding makes a frame so much longer; None where the padding's own header skips that length."""
    for shortest, longest, header in ((0, 2**8 - 1, 0), (2**8, 2**16 - 1, 1), (2**16, FRAME_BYTES_MAX, 3)):
        if shortest <= missing - header <= longest:
            return missing - header
    return None


def decode_frame(data: bytes) -> Frame:
    """Return what a frame holds; raises `DecodeError`."""
    return decode(data, cast("type[Frame]", Frame))
