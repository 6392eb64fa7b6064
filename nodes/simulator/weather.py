"""What the network and the machines do to the nodes."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass
class Weather:
    """What happens to every message and step; may be changed while a simulation runs."""

    delay_min_ms: int = 1
    delay_max_ms: int = 40
    loss: float = 0.0
    """Share of messages that never arrive."""
    repeats: float = 0.0
    """Share of messages that arrive twice."""
    crashes: float = 0.0
    """Chance that a step of a node ends in a crash between two of its effects."""
    down_max_ms: int = 3_000
    """After such a crash, the node is up again within this time."""


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
