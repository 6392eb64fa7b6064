"""What one frame between nodes holds: consensus, a member's question and its answer, or what snapshots need.

The transport has established which organisation a frame comes from. A member without a node of its own (the payment
rail) is hosted by another's process; its questions say so, and are believed only from that host.
"""

from typing import Annotated, cast

from msgspec import Meta

from ledger.codec import Height, Name, Struct, decode
from ledger.limits import FRAME_BYTES_MAX
from ledger.replica.messages import Message
from ledger.snapshot_exchange import SnapshotFrame

RequestId = Annotated[int, Meta(ge=0, le=2**53)]
BODY_BYTES_MAX = FRAME_BYTES_MAX - 1024
"""A question or answer between members: the largest sealed record with its envelope, and what is around it."""
BULKY_BYTES = 64 * 1024
"""An answer of this size waits behind everything smaller, and behind consensus."""


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


class AnswerFrame(Struct, tag="answer"):
    """The answer to a request."""

    request_id: RequestId
    body: Annotated[bytes, Meta(max_length=BODY_BYTES_MAX)]


Frame = ConsensusFrame | RequestFrame | AnswerFrame | SnapshotFrame


def is_bulky(frame: Frame) -> bool:
    """Whether a frame is to wait until nothing else is to be sent (`nodes.network.backlog`)."""
    return isinstance(frame, AnswerFrame) and len(frame.body) >= BULKY_BYTES


def decode_frame(data: bytes) -> Frame:
    """Return what a frame holds; raises `DecodeError`."""
    return decode(data, cast("type[Frame]", Frame))
