"""What goes over a connection between peers: frames, and the greeting that begins it.

    frame      4 bytes big-endian length, then that many bytes; 1 <= length <= FRAME_BYTES_MAX
    greeting   the dialling peer sends Hello, the accepting peer sends Answer, then frames go one way: from the
               dialling peer to the accepting one

The greeting says which network a peer belongs to before anything else is read, so that a peer of another chain,
another genesis or another protocol version is refused with a sentence instead of a decoding error. It says nothing
about who the peer is; that is what its certificate is for, and the name here must agree.

Nothing here reads or writes: bytes in, frames out.
"""

from collections.abc import Iterator
from typing import Annotated

from msgspec import Meta

from ledger.codec import ChainId, Hash, Name, Struct, decode, encode
from ledger.errors import LedgerError
from ledger.limits import FRAME_BYTES_MAX, PROTOCOL_VERSION

LENGTH_BYTES = 4
GREETING_BYTES_MAX = 2048
"""A frame of the greeting: what a peer may make this node hold before it is known which network it is of."""
REFUSAL_CHARACTERS_MAX = 300


class PeerError(LedgerError):
    """A peer that breaks the protocol, is of another network, or is not there; the connection ends with it."""


class Hello(Struct):
    """Which network the sender belongs to."""

    protocol_version: Annotated[int, Meta(ge=1, le=2**31)]
    chain_id: ChainId
    genesis_hash: Hash
    organisation: Name
    """Who the sender is; its certificate must say the same."""


class Answer(Struct):
    """What the accepting peer says to a Hello."""

    hello: Hello
    refusal: Annotated[str, Meta(max_length=REFUSAL_CHARACTERS_MAX)]
    """Why the connection ends here; empty if it goes on."""


def make_hello(chain_id: str, genesis_hash: bytes, organisation: str) -> Hello:
    """Return the greeting of this version's nodes."""
    return Hello(PROTOCOL_VERSION, chain_id, genesis_hash, organisation)


def check_hello(own: Hello, other: Hello, organisation: str) -> None:
    """Refuse a peer of another network.

    Args:
        own: What this node says.
        other: What the peer says.
        organisation: Whom its certificate speaks for.

    Raises:
        PeerError: Names the field, what was expected and what came.
    """
    for field, expected, actual in (
        ("protocol version", own.protocol_version, other.protocol_version),
        ("chain", own.chain_id, other.chain_id),
        ("genesis", own.genesis_hash.hex()[:16], other.genesis_hash.hex()[:16]),
        ("organisation", organisation, other.organisation),
    ):
        if expected != actual:
            msg = f"greeting {field}: expected {expected}, got {actual}"
            raise PeerError(msg)


def parse_hello(frame: bytes) -> Hello:
    """Return the Hello in a frame; raises `DecodeError`."""
    return decode(frame, Hello, GREETING_BYTES_MAX)


def parse_answer(frame: bytes) -> Answer:
    """Return the Answer in a frame; raises `DecodeError`."""
    return decode(frame, Answer, GREETING_BYTES_MAX)


def encode_greeting(greeting: Hello | Answer) -> bytes:
    """Return a Hello or Answer as a frame, ready to write."""
    return encode_frame(encode(greeting))


def encode_frame(payload: bytes) -> bytes:
    """Return a payload as a frame, ready to write.

    Raises:
        PeerError: If it is empty or longer than any peer would accept.
    """
    if not 1 <= len(payload) <= FRAME_BYTES_MAX:
        msg = f"frame: expected 1 to {FRAME_BYTES_MAX} bytes, got {len(payload)}"
        raise PeerError(msg)
    return len(payload).to_bytes(LENGTH_BYTES, "big") + payload


class FrameDecoder:
    """Cuts a stream of bytes into frames; holds at most one unfinished frame."""

    def __init__(self) -> None:
        """Begin before the greeting, when only short frames are accepted."""
        self._buffer = bytearray()
        self._length_max = GREETING_BYTES_MAX

    def accept_frames(self) -> None:
        """Accept frames of full length from here on: the peer has greeted."""
        self._length_max = FRAME_BYTES_MAX

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take bytes from the stream.

        Yields:
            The frames that are complete now, in order; take them all before feeding again.

        Raises:
            PeerError: If a frame announces a length that is not allowed; those before it were yielded, and nothing
                more can be read from this peer.
        """
        self._buffer += data
        start = 0
        try:
            while len(self._buffer) >= start + LENGTH_BYTES:
                begin = start + LENGTH_BYTES
                length = int.from_bytes(self._buffer[start:begin], "big")
                if not 1 <= length <= self._length_max:
                    msg = f"frame length: expected 1 to {self._length_max}, got {length}"
                    raise PeerError(msg)
                if len(self._buffer) < begin + length:
                    break
                start = begin + length
                yield bytes(self._buffer[begin:start])
        finally:
            del self._buffer[:start]

    def finish(self) -> None:
        """Say that the stream has ended.

        Raises:
            PeerError: If it ended inside a frame.
        """
        if self._buffer:
            msg = f"frame: the connection ended after {len(self._buffer)} bytes of an unfinished frame"
            raise PeerError(msg)
