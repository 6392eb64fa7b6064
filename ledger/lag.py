"""Lag: whether a node is so far behind that it must take a snapshot, from what its peers say of themselves.

    far behind        a peer says that it is `behind_heights` ahead
    nobody has them   peers that are ahead say that they lack the block this node needs next, and of the others none
                      has sent it in SILENT_MS

It is hearsay and begins an attempt at most: the snapshot must be certified, and as high as it must be to be worth it.
"""

from collections.abc import Collection
from typing import Final

from ledger.replica.status import PeerHeight

SILENT_MS: Final = 60_000
"""After this time a peer that says it is ahead, and from which nothing has come that moves this node, does not count:
or one that claims a height and keeps silent would keep a node waiting for blocks that nobody else has."""


class Lag:
    """What one node knows of how far it is behind."""

    def __init__(self, behind_heights: int) -> None:
        """Know nothing.

        Args:
            behind_heights: Nearer than this a node takes blocks.
        """
        self._behind_heights = behind_heights
        self._absent: dict[str, int] = {}
        self._waiting: tuple[int, dict[str, int]] = (0, {})
        """Our height, and since when each peer says that it is above it."""

    def note_absent(self, peer: str, first_height: int) -> None:
        """Remember that a peer has no blocks below a height."""
        self._absent[peer] = first_height

    def needed(self, height: int, statuses: Collection[PeerHeight], now_ms: int) -> int | None:
        """Return the height from which on a snapshot is worth it; None if blocks will do.

        Args:
            height: This node's latest.
            statuses: What its peers said last.
            now_ms: The node's clock.
        """
        ahead = [peer for peer in statuses if peer.height - 1 > height]
        known = self._waiting[1] if self._waiting[0] == height else {}
        since_ms = {peer.peer: known.get(peer.peer, now_ms) for peer in ahead}
        self._waiting = (height, since_ms)
        lacking = {peer.peer for peer in ahead if self._absent.get(peer.peer, 0) > height + 1}
        silent = {peer for peer, begun_ms in since_ms.items() if now_ms - begun_ms >= SILENT_MS}
        if lacking and lacking | silent == since_ms.keys():
            return height + 1
        if any(peer.height - 1 - height > self._behind_heights for peer in ahead):
            return height + self._behind_heights // 2
        return None
