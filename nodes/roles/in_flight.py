"""What an agent has offered to the chain and not yet seen there.

An agent derives what is left to do again and again, so it must not offer the same call twice while the first is on
its way. This remembers a call until a block includes it, or until a deadline, after which it counts as lost. One that
the chain refused is not offered again at once: the next attempt waits, each time twice as long, or until something
happened that may change the answer (`forgive`).

It is memory and may be lost at any moment: a call that is offered twice is refused by the contracts.
"""

from dataclasses import dataclass

from ledger.codec import encode
from ledger.transactions import BLOCK_FULL, QUOTA_EXCEEDED
from nodes.agent import Call, Committed, Note, Submit

LOST_MS = 15_000
"""A call that no block has included by then is offered again."""
REFUSED_MS = 30_000
REFUSED_MS_MAX = 3_600_000

_Key = tuple[str, str, bytes]
_NOT_TRIED = (BLOCK_FULL, QUOTA_EXCEEDED)


@dataclass(slots=True)
class _Refused:
    until_ms: int
    wait_ms: int


class InFlight:
    """The calls of one agent that are on their way, and those that wait after a refusal."""

    def __init__(self, organisation: str) -> None:
        """Begin with nothing on its way.

        Args:
            organisation: Whose submissions to look for in blocks.
        """
        self._organisation = organisation
        self._sent: dict[_Key, int] = {}
        self._refused: dict[_Key, _Refused] = {}

    def take(self, calls: list[Call], now_ms: int) -> tuple[Call, ...]:
        """Return those of `calls` that may be offered now, in order, and remember them as sent."""
        taken = []
        for call in calls:
            key = (call.contract, call.method, encode(call.message))
            refused = self._refused.get(key)
            if self._sent.get(key, now_ms) > now_ms or (refused is not None and refused.until_ms > now_ms):
                continue
            self._sent[key] = now_ms + LOST_MS
            taken.append(call)
        return tuple(taken)

    def take_batch(self, calls: tuple[Call, ...], now_ms: int) -> tuple[Call, ...]:
        """Return as `take` does, but none while one of `calls` is on its way: the others may build on it."""
        if any(self.is_sent(call, now_ms) for call in calls):
            return ()
        return self.take(list(calls), now_ms)

    def offer(self, calls: list[Call], now_ms: int) -> list[Submit]:
        """Return the submission of what `take` takes; none if that is nothing."""
        taken = self.take(calls, now_ms)
        return [Submit(taken)] if taken else []

    def is_sent(self, call: Call, now_ms: int) -> bool:
        """Whether a call is on its way."""
        return self._sent.get((call.contract, call.method, encode(call.message)), now_ms) > now_ms

    def release(self, committed: Committed) -> list[Note]:
        """Take in a block; return a note for each own call that it refused."""
        notes = []
        receipts = {receipt.transaction_id: receipt for receipt in committed.receipts}
        for submission in committed.block.submissions:
            if submission.signer != self._organisation:
                continue
            for tx in submission.transactions:
                key = (tx.contract, tx.method, tx.arguments)
                self._sent.pop(key, None)
                code = receipts[tx.id].code
                if receipts[tx.id].ok:
                    self._refused.pop(key, None)
                elif code not in _NOT_TRIED:
                    self._refuse(key, committed.now_ms)
                    target = f"{tx.contract}.{tx.method}"
                    notes.append(Note("call-refused", {"call": target, "code": code, "transaction": tx.id.hex()}))
        return notes

    def forgive(self) -> None:
        """Forget refusals: something happened that may change the answers."""
        self._refused.clear()

    def _refuse(self, key: _Key, now_ms: int) -> None:
        former = self._refused.get(key)
        wait_ms = REFUSED_MS if former is None else min(2 * former.wait_ms, REFUSED_MS_MAX)
        self._refused[key] = _Refused(now_ms + wait_ms, wait_ms)
