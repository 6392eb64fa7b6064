"""What waits to be sent to one peer: bounded, and forgetful at the old end.

A peer that is slow or away must cost a bounded amount of memory. When the backlog is full, the oldest frames go:
everything sent between nodes can be sent again (consensus does on every tick, agents ask again), and of two votes
the newer one is worth more to a peer that fell behind.

There are two lanes. What is bulky (chunks of attached documents, and whatever else is large and asked for) goes when
nothing else waits, one frame at a time, and has a bound of its own: however many documents a peer fetches, its votes
are behind one such frame at most, and no vote is forgotten for a document. Within a lane nothing is reordered.
"""

from collections import deque

from ledger.limits import FRAME_BYTES_MAX

BACKLOG_BYTES_MAX = 4 * FRAME_BYTES_MAX
"""Four of the largest proposals: 17 MiB for each peer."""
BACKLOG_FRAMES_MAX = 16_384
"""A few rounds of everybody's votes at 64 validators."""
BULK_BYTES_MAX = 2 * FRAME_BYTES_MAX
"""Beside that, what is bulky: two of the largest answers, or 32 with chunks of documents."""


class Backlog:
    """Frames for one peer, oldest first in each lane."""

    __slots__ = ("_bulk", "_bulk_bytes", "_bytes", "_frames", "dropped")

    def __init__(self) -> None:
        """Begin empty."""
        self._frames: deque[bytes] = deque()
        self._bytes = 0
        self._bulk: deque[bytes] = deque()
        self._bulk_bytes = 0
        self.dropped = 0
        """Frames that were forgotten."""

    def __len__(self) -> int:
        """The number of frames that wait."""
        return len(self._frames) + len(self._bulk)

    @property
    def size(self) -> int:
        """Bytes that wait; at most BACKLOG_BYTES_MAX + BULK_BYTES_MAX."""
        return self._bytes + self._bulk_bytes

    def put(self, frame: bytes, *, is_bulky: bool = False) -> None:
        """Add a frame, forgetting the oldest ones of its lane if there is no room."""
        if is_bulky:
            self._bulk.append(frame)
            self._bulk_bytes += len(frame)
            while self._bulk_bytes > BULK_BYTES_MAX:
                self._bulk_bytes -= len(self._bulk.popleft())
                self.dropped += 1
            return
        self._frames.append(frame)
        self._bytes += len(frame)
        while self._bytes > BACKLOG_BYTES_MAX or len(self._frames) > BACKLOG_FRAMES_MAX:
            self._bytes -= len(self._frames.popleft())
            self.dropped += 1

    def take(self, bytes_max: int) -> list[bytes]:
        """Remove and return the oldest frames, up to `bytes_max` bytes together, but at least one if there is any.

        A bulky frame comes alone, and only if nothing else waits.
        """
        if not self._frames and self._bulk:
            self._bulk_bytes -= len(self._bulk[0])
            return [self._bulk.popleft()]
        batch: list[bytes] = []
        size = 0
        while self._frames and (not batch or size + len(self._frames[0]) <= bytes_max):
            frame = self._frames.popleft()
            size += len(frame)
            batch.append(frame)
        self._bytes -= size
        return batch
