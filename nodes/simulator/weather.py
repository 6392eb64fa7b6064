"""What the network and the machines do to the nodes."""

from collections.abc import Sequence
from dataclasses import dataclass

from ledger.replica.messages import Message, PolkaMessage, ProposalMessage, VoteMessage


@dataclass
class Weather:
    """What happens to every message and step; may be changed while a simulation runs."""

    delay_min_ms: int = 1
    delay_max_ms: int = 40
    loss: float = 0.0
    """Share of messages that never arrive."""
    proposal_loss: float = 0.0
    vote_loss: float = 0.0
    """Share of proposals, and of votes and polkas, that never arrive, if it is more: a network that hates progress.
    Proposals that come too late and votes that some do not hear are what leads to later rounds with locks."""
    sharp_ears: tuple[str, ...] = ()
    """Receivers that lose no more proposals and votes than other messages."""
    repeats: float = 0.0
    """Share of messages that arrive twice."""
    crashes: float = 0.0
    """Chance that a step of a node ends in a crash between two of its effects."""
    down_max_ms: int = 3_000
    """After such a crash, the node is up again within this time."""

    def loss_of(self, message: Message, receiver: str) -> float:
        """Return the share of such messages that never arrive there."""
        if receiver in self.sharp_ears:
            return self.loss
        if isinstance(message, ProposalMessage):
            return max(self.loss, self.proposal_loss)
        if isinstance(message, VoteMessage | PolkaMessage):
            return max(self.loss, self.vote_loss)
        return self.loss


class Links:
    """Which links are cut, each way by itself."""

    def __init__(self) -> None:
        """Start with all links whole."""
        self._cut: set[tuple[str, str]] = set()

    def cut(self, senders: Sequence[str], receivers: Sequence[str]) -> None:
        """Cut the links from each sender to each receiver, one way."""
        self._cut.update((sender, receiver) for sender in senders for receiver in receivers)

    def split(self, *groups: Sequence[str]) -> None:
        """Cut all links between groups, both ways."""
        for group in groups:
            for other in groups:
                if group is not other:
                    self.cut(group, other)

    def heal(self) -> None:
        """Mend all links."""
        self._cut.clear()

    def is_cut(self, sender: str, receiver: str) -> bool:
        """Whether nothing gets from one to the other."""
        return (sender, receiver) in self._cut
