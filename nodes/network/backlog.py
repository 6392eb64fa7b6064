"""What waits to be sent to one peer: bounded, and forgetful at the old end.

A peer that is slow or away must cost a bounded amount of memory. When the backlog is full, the oldest frames go:
everything sent between nodes can be sent again (consensus does on every tick, agents ask again), and of two votes
the newer one is worth more to a peer that fell behind. Nothing is reordered.
"""

from collections import deque

from ledger.limits import FRAME_BYTES_MAX

BACKLOG_BYTES_MAX = 4 * FRAME_BYTES_MAX
"""Four of the largest proposals: 17 MiB for each peer."""
BACKLOG_FRAMES_MAX = 16_384
"""A few rounds of everybody's votes at 64 validators."""


class Backlog:
    """Frames for one peer, oldest first."""

    __slots__ = ("_bytes", "_frames", "dropped")

    def __init__(self) -> None:
        """Begin empty."""
        self._frames: deque[bytes] = deque()
        self._bytes = 0
        self.dropped = 0
        """Frames that were forgotten."""

    def __len__(self) -> int:
        """The number of frames that wait."""
        return len(self._frames)

    @property
    def size(self) -> int:
        """Bytes that wait; at most BACKLOG_BYTES_MAX."""
        return self._bytes

    def put(self, frame: bytes) -> None:
        """Add a frame, forgetting the oldest ones if there is no room."""
        self._frames.append(frame)
        self._bytes += len(frame)
        while self._bytes > BACKLOG_BYTES_MAX or len(self._frames) > BACKLOG_FRAMES_MAX:
            self._bytes -= len(self._frames.popleft())
            self.dropped += 1

    def take(self, bytes_max: int) -> list[bytes]:
        """Remove and return the oldest frames, up to `bytes_max` bytes together, but at least one if there is any."""
        batch: list[bytes] = []
        size = 0
        while self._frames and (not batch or size + len(self._frames[0]) <= bytes_max):
            frame = self._frames.popleft()
            size += len(frame)
            batch.append(frame)
        self._bytes -= size
        return batch
