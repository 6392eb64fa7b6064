"""Which claims an insurer has to look at, and why one of them waits.

The docket decides nothing about a claim. It is memory and may be lost at any moment: who begins anew puts every claim
on it once. After that a claim is looked at when an event names it, when something happened that may change any answer,
and every SWEEP_MS while something about it is still open. So an event that is missed makes a claim late and never lost.
"""

from ledger.transactions import Event
from nodes.agent import Committed
from nodes.roles.insurer.events import claim_of, find_duplicates, is_general
from nodes.roles.insurer.premises import WaitError

SWEEP_MS = 2_000
"""Between two looks at the claims that are still open."""
ENDS_DUPLICATE = ("stay-closed", "claim-coordinated", "claim-withdrawn")
"""A consumed invoice stays consumed; what else there is to do about its claim changes with these."""


class Docket:
    """The claims that one insurer has to look at."""

    def __init__(self, insurer: str) -> None:
        """Begin with nothing on it.

        Args:
            insurer: Whose claims.
        """
        self._insurer = insurer
        self._open: set[str] = set()
        self._touched: set[str] = set()
        self._ready: dict[str, frozenset[str]] = {}
        self._waits: dict[str, WaitError] = {}
        self._duplicates: dict[str, WaitError] = {}
        self._sweep_ms = 0

    def touch(self, *claim_ids: str) -> None:
        """Look at claims next time."""
        self._touched.update(claim_ids)

    def touch_open(self) -> None:
        """Look next time at every claim about which something is open."""
        self._touched |= self._open

    def note_ready(self, ready: dict[str, frozenset[str]]) -> None:
        """Put on the claims of which other shares are ready than last time: an answer of a hospital is no event.

        Args:
            ready: Of each claim, what names its shares that were kept and are not confirmed on the chain yet.
        """
        self.touch(*(claim_id for claim_id, shares in ready.items() if shares != self._ready.get(claim_id)))
        self._ready = ready

    def note_duplicates(self, committed: Committed) -> None:
        """Keep which claims a block refused because another one consumed an invoice."""
        self._duplicates.update(find_duplicates(committed, self._insurer))

    def follow(self, event: Event) -> None:
        """Put on what an event of the chain is about."""
        if is_general(event):
            self.touch_open()
        claim_id = claim_of(event, self._insurer)
        if claim_id is not None:
            self.touch(claim_id)
            if event.name in ENDS_DUPLICATE:
                self._duplicates.pop(claim_id, None)

    def take(self, now_ms: int) -> set[str]:
        """Return the claims to look at now, and take them off; the open ones come back with the next sweep."""
        if now_ms >= self._sweep_ms:
            self._sweep_ms = now_ms + SWEEP_MS
            self.touch_open()
        taken, self._touched = self._touched, set()
        return taken

    def wait(self, claim_id: str, reason: WaitError | None) -> None:
        """Keep why a claim is not settled now; None if nothing holds it."""
        if reason is None:
            self._waits.pop(claim_id, None)
        else:
            self._waits[claim_id] = reason

    def find_reason(self, claim_id: str) -> WaitError | None:
        """Return why a claim waits, or None."""
        return self._waits.get(claim_id) or self._duplicates.get(claim_id)

    def is_duplicate(self, claim_id: str) -> bool:
        """Whether another claim consumed an invoice of it; see ENDS_DUPLICATE."""
        return claim_id in self._duplicates

    def keep_open(self, claim_id: str, *, is_busy: bool) -> None:
        """Say whether a claim that was looked at is looked at again by itself: while it is busy, or waits."""
        if is_busy or claim_id in self._waits:
            self._open.add(claim_id)
        else:
            self._open.discard(claim_id)
