"""The trace of a simulation: a hash over everything that happens, and if wanted one readable line for each of it.

Two runs of one seed can be compared by the hash; where they part, the lines say.
"""

import hashlib
from collections.abc import Callable

from msgspec.structs import asdict

from ledger.codec import encode
from ledger.replica.messages import Message, VoteMessage
from ledger.replica.ports import Report
from nodes.simulator.node import Happening


class Trace:
    """What has happened so far."""

    def __init__(self, began_ms: int) -> None:
        """Begin.

        Args:
            began_ms: The lines count from here.
        """
        self.write_line: Callable[[str], None] | None = None
        """Takes one line for each state transition; None writes none."""
        self._began_ms = began_ms
        self._hash = hashlib.sha256()

    @property
    def hash(self) -> str:
        """The hash of everything that was noted, in hex."""
        return self._hash.hexdigest()

    def note(self, now_ms: int, kind: str, name: str, data: bytes, detail: str) -> None:
        """Note one transition.

        Args:
            now_ms: The true time.
            kind: Such as `deliver`, `commit`.
            name: The node.
            data: What enters the hash beside these.
            detail: For people; enters the line only.
        """
        self._hash.update(encode((now_ms, kind, name, data)))
        if self.write_line is not None:
            self.write_line(f"{now_ms - self._began_ms:>9} {name:<12} {kind:<8} {detail}".rstrip())

    def describe(self, message: Message) -> str:
        """Return a message in a few words, or none if nobody reads them."""
        if self.write_line is None:
            return ""
        fields: dict[str, int | str] = {}
        for part in (message, getattr(message, "vote", None), getattr(message, "proposal", None)):
            if part is not None:
                fields |= {key: value for key, value in asdict(part).items() if isinstance(value, int | str)}
        words = [f"{key} {value}" for key, value in fields.items() if value != ""]
        name = type(message).__name__.removesuffix("Message").lower()
        if isinstance(message, VoteMessage):
            words.append("for nil" if message.vote.block_hash is None else f"for {message.vote.block_hash.hex()[:8]}")
        return " ".join([name, *words])

    def describe_report(self, report: Report) -> str:
        """Return what a replica tells its operator, such as the round that it enters; nothing if nobody reads it."""
        if self.write_line is None:
            return ""
        return " ".join([report.kind, *(f"{name} {value}" for name, value in report.fields)])

    def describe_event(self, event: Happening) -> str:
        """Return a timeout or a frame in a few words."""
        if event.timeout is not None:
            return f"{event.timeout.step.name.lower()} height {event.timeout.height} round {event.timeout.round}"
        return f"{len(event.data)} bytes from {event.sender}" if event.data else ""
