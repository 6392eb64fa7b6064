"""Questions to peers that are on their way, and when each may be asked again.

What to ask is derived again and again, so one question must not be asked twice while its answer may still come, and a
peer that does not answer is asked ever more seldom. A subject, such as a record's id, has one question at a time.
This is memory: after a restart everything is asked once more, which peers must bear.
"""

from dataclasses import dataclass

from nodes.agent import Note, PeerAnswered, Request
from nodes.vault.sealing import LostKeyError

FIRST_MS = 2_000
"""Between the first question about a subject and the second; doubled each time."""
LONGEST_MS = 30_000
UNANSWERED_MS = 30_000
"""A question without an answer or a notice that there is none by then is gone."""


@dataclass(slots=True)
class _Subject:
    next_ms: int
    wait_ms: int


class Asking:
    """The questions of one agent."""

    def __init__(self, in_flight_max: int) -> None:
        """Begin with nothing asked.

        Args:
            in_flight_max: Questions that may be on their way at once.
        """
        self._in_flight_max = in_flight_max
        self._is_full = False
        self._number = 0
        self._sent: dict[int, tuple[str, int]] = {}
        self._subjects: dict[str, _Subject] = {}

    def may_ask(self, subject: str, now_ms: int) -> bool:
        """Whether a question about `subject` would be asked now; look before preparing a costly one."""
        for number in [number for number, (_, until_ms) in self._sent.items() if until_ms <= now_ms]:
            del self._sent[number]
        if len(self._sent) >= self._in_flight_max:
            self._is_full = True
            return False
        if any(asked == subject for asked, _ in self._sent.values()):
            return False
        known = self._subjects.get(subject)
        return known is None or known.next_ms <= now_ms

    def ask(self, subject: str, peer: str, body: bytes, now_ms: int) -> Request:
        """Return the question to send; only after `may_ask`."""
        assert self.may_ask(subject, now_ms), "look before asking"
        known = self._subjects.get(subject)
        wait_ms = FIRST_MS if known is None else max(known.wait_ms, min(2 * known.wait_ms, LONGEST_MS))
        self._subjects[subject] = _Subject(now_ms + wait_ms, wait_ms)
        self._number += 1
        self._sent[self._number] = (subject, now_ms + UNANSWERED_MS)
        return Request(self._number, peer, body)

    def take(self, event: PeerAnswered) -> str | None:
        """Return the subject that an answer is about; None for one that nobody waits for."""
        sent = self._sent.pop(event.request_id, None)
        return None if sent is None else sent[0]

    def has_room_again(self) -> bool:
        """Whether questions were turned away for want of room since this was last asked, and there is room now."""
        if not self._is_full or len(self._sent) >= self._in_flight_max:
            return False
        self._is_full = False
        return True

    def postpone(self, subject: str, now_ms: int, wait_ms: int) -> None:
        """Ask about `subject` no sooner than this; the answer is not going to change by itself."""
        self._subjects[subject] = _Subject(now_ms + wait_ms, wait_ms)

    def forget(self, subject: str) -> None:
        """Ask about `subject` anew, without waiting: it is done, or it is another matter now."""
        self._subjects.pop(subject, None)


def note_lost_key(fields: dict[str, str | int], error: LostKeyError) -> Note:
    """Return the log line about what is sealed to a key that is not here: it is asked for again, and not disputed.

    Its sender is honest if it has seen an older state, or if this organisation lost its key. Asked again, it seals to
    the key that the chain has by then.
    """
    return Note("sealed-to-lost-key", {**fields, "why": str(error)})
