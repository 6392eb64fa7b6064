"""Who waits at a node for what becomes of a submission, and who follows its heights.

    a verdict     whether the node's mempool takes a submission; given at once, by the replica
    a place       where a transaction was committed, and its receipt; given with its block, or not in time
    a follower    is told every committed height, and the last one again when the node leaves

All of it is memory for clients that are connected now: nobody is promised anything, and whoever is let go of asks the
chain again. A node that leaves answers everybody at once, and takes nobody any more.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ledger.replica.ports import SubmissionRefused
from ledger.transactions import Receipt


@dataclass(frozen=True, slots=True)
class TransactionPlace:
    """Where a transaction stands and what became of it."""

    height: int
    index: int
    receipt: Receipt


class Waiting:
    """Everybody who waits at one node."""

    def __init__(self) -> None:
        """Begin with nobody."""
        self.is_leaving = False
        """Whether the node stops, and nobody should wait for it any more."""
        self._places: dict[bytes, list[asyncio.Future[TransactionPlace | None]]] = {}
        self._verdicts: dict[bytes, asyncio.Future[SubmissionRefused | None]] = {}
        self._followers: list[Callable[[int], None]] = []

    def __len__(self) -> int:
        """Return how many wait or follow."""
        return len(self._places) + len(self._verdicts) + len(self._followers)

    def expect_verdict(self, submission_id: bytes) -> asyncio.Future[SubmissionRefused | None]:
        """Return what will hold the mempool's verdict; the same for all who submit the same."""
        return self._verdicts.setdefault(submission_id, asyncio.get_running_loop().create_future())

    def give_verdict(self, submission_id: bytes, refusal: SubmissionRefused | None) -> bool:
        """Tell who waits for a verdict; return whether somebody did."""
        future = self._verdicts.pop(submission_id, None)
        if future is None or future.done():
            return False
        future.set_result(refusal)
        return True

    async def wait_for(
        self,
        transaction_ids: Sequence[bytes],
        find: Callable[[bytes], TransactionPlace | None],
        timeout_seconds: float,
    ) -> tuple[TransactionPlace | None, ...]:
        """Return where each transaction stands once all are committed; None for those that take too long.

        Args:
            transaction_ids: Of what was submitted.
            find: Looks a transaction up that was committed before.
            timeout_seconds: How long to wait for all of them.
        """
        places = {item: find(item) for item in transaction_ids}
        futures: dict[bytes, asyncio.Future[TransactionPlace | None]] = {}
        for item in [item for item, place in places.items() if place is None]:
            futures[item] = asyncio.get_running_loop().create_future()
            self._places.setdefault(item, []).append(futures[item])
        try:
            if futures and not self.is_leaving:
                await asyncio.wait(futures.values(), timeout=timeout_seconds)
            places |= {item: future.result() for item, future in futures.items() if future.done()}
        finally:
            for item, future in futures.items():
                waiting = self._places.get(item, [])
                if future in waiting:
                    waiting.remove(future)
                if not waiting:
                    self._places.pop(item, None)
        return tuple(places[item] for item in transaction_ids)

    def follow(self, follower: Callable[[int], None]) -> Callable[[], None]:
        """Have a callback told each committed height; return what ends that."""
        self._followers.append(follower)
        return lambda: self._followers.remove(follower)

    def tell_block(self, height: int, receipts: Sequence[Receipt]) -> None:
        """Tell who waits for a transaction of a block that is durable now, and every follower."""
        for index, receipt in enumerate(receipts):
            for future in self._places.pop(receipt.transaction_id, []):
                if not future.done():
                    future.set_result(TransactionPlace(height, index, receipt))
        for follower in list(self._followers):
            follower(height)

    def dismiss(self, height: int) -> None:
        """Take nobody any more; who waits for a place is answered without, and followers are told the height again."""
        self.is_leaving = True
        for follower in list(self._followers):
            follower(height)
        for waiting in self._places.values():
            for future in waiting:
                if not future.done():
                    future.set_result(None)
        self._places.clear()

    def end_verdicts(self) -> None:
        """Let go of who waits for a verdict: the replica gives none any more."""
        for verdict in self._verdicts.values():
            if not verdict.done():
                verdict.set_result(None)
        self._verdicts.clear()
