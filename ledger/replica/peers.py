"""Where the others stand, and what they sent too early.

Everything is kept per peer and bounded, so that a peer can fill its own place only. What is dropped is sent again:
votes and proposals with the next ticks, blocks on request.
"""

from collections import deque

from ledger.limits import ANSWER_STATUS_EVERY_MS, FUTURE_MESSAGES_MAX, PEERS_MAX
from ledger.replica.messages import ProposalMessage, StatusMessage, VoteMessage


class Peers:
    """Known heights, and messages for the next height."""

    def __init__(self) -> None:
        """Know nobody."""
        self.statuses: dict[str, StatusMessage] = {}
        self._answered_ms: dict[str, int] = {}
        self._votes: dict[str, deque[VoteMessage]] = {}
        self._proposals: dict[str, ProposalMessage] = {}

    def note_status(self, peer: str, status: StatusMessage) -> None:
        """Remember where a peer says it stands."""
        if peer in self.statuses or len(self.statuses) < PEERS_MAX:
            self.statuses[peer] = status

    def height(self, peer: str) -> int:
        """Return the height a peer is deciding, as far as it told; 0 if it did not."""
        status = self.statuses.get(peer)
        return status.height if status else 0

    def may_answer(self, peer: str, now_ms: int) -> bool:
        """Whether a peer's status may be answered already, and note that it is: an answer is far larger than it."""
        last_ms = self._answered_ms.get(peer)
        if peer not in self.statuses or (last_ms is not None and 0 <= now_ms - last_ms < ANSWER_STATUS_EVERY_MS):
            return False
        self._answered_ms[peer] = now_ms
        return True

    def keep(self, peer: str, message: VoteMessage | ProposalMessage) -> None:
        """Keep a message of the next height: the newest votes and the newest proposal of a peer."""
        if isinstance(message, ProposalMessage):
            if peer in self._proposals or len(self._proposals) < PEERS_MAX:
                self._proposals[peer] = message
        elif peer in self._votes or len(self._votes) < PEERS_MAX:
            self._votes.setdefault(peer, deque(maxlen=FUTURE_MESSAGES_MAX)).append(message)

    def release(self) -> list[tuple[str, VoteMessage | ProposalMessage]]:
        """Return what was kept, proposals first, and forget it."""
        kept: list[tuple[str, VoteMessage | ProposalMessage]] = list(self._proposals.items())
        kept.extend((peer, vote) for peer, votes in self._votes.items() for vote in votes)
        self._proposals.clear()
        self._votes.clear()
        return kept
