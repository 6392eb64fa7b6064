"""Submissions that wait for a block: bounded, first in first out, fair between signers.

Held in memory only: a submission that is lost in a crash is sent again by whoever made it, so nothing here is durable.
The order is that of arrival. Two bounds keep it fair: one signer holds at most MEMPOOL_SIGNER_SUBMISSIONS_MAX places
and MEMPOOL_SIGNER_BYTES_MAX bytes, and gets at most BLOCK_SIGNER_TRANSACTIONS_MAX transactions into one block; what is
above waits behind the others, in its own order. A transaction waits once: a submission that repeats a waiting
transaction id is refused.

The mempool does not verify: whoever adds has asked the application first.
"""

from collections.abc import Callable, Iterator

from msgspec.structs import replace

from ledger.codec import Struct, encode
from ledger.errors import InvalidTransactionError
from ledger.limits import (
    BLOCK_BYTES_MAX,
    BLOCK_SIGNER_TRANSACTIONS_MAX,
    BLOCK_TRANSACTIONS_MAX,
    MEMPOOL_BYTES_MAX,
    MEMPOOL_SIGNER_BYTES_MAX,
    MEMPOOL_SIGNER_SUBMISSIONS_MAX,
    MEMPOOL_SUBMISSIONS_MAX,
    RESEND_AFTER_MS,
    RESEND_SUBMISSIONS_MAX,
    SUBMISSION_BYTES_MAX,
)
from ledger.transactions import Submission

MEMPOOL_FULL = "MEMPOOL_FULL"
SIGNER_QUOTA = "SIGNER_QUOTA"
ALREADY_WAITING = "ALREADY_WAITING"
SUBMISSION_TOO_LARGE = "SUBMISSION_TOO_LARGE"


class _Waiting(Struct):
    submission: Submission
    size: int
    transaction_ids: tuple[bytes, ...]
    is_local: bool
    sent_ms: int


class Mempool:
    """What waits, by submission id, in the order of arrival."""

    def __init__(self) -> None:
        """Start empty."""
        self._waiting: dict[bytes, _Waiting] = {}
        self._transaction_ids: set[bytes] = set()
        self._signers: dict[str, tuple[int, int]] = {}
        """How many submissions of a signer wait, and how many bytes they have."""
        self._bytes = 0

    def __len__(self) -> int:
        """Return how many submissions wait."""
        return len(self._waiting)

    @property
    def size_bytes(self) -> int:
        """How much the waiting submissions weigh, encoded."""
        return self._bytes

    def __contains__(self, submission_id: bytes) -> bool:
        """Whether this very submission waits."""
        return submission_id in self._waiting

    def add(self, submission: Submission, now_ms: int, *, is_local: bool) -> None:
        """Let a checked submission wait.

        Args:
            submission: Its signature was verified.
            now_ms: When it came.
            is_local: Whether a client of ours sent it: then it is ours to send again.

        Raises:
            InvalidTransactionError: `SUBMISSION_TOO_LARGE`, `ALREADY_WAITING`, `SIGNER_QUOTA` or `MEMPOOL_FULL`.
        """
        size = len(encode(submission))
        ids = tuple(transaction.id for transaction in submission.transactions)
        if size > SUBMISSION_BYTES_MAX:
            raise InvalidTransactionError(
                SUBMISSION_TOO_LARGE, f"expected at most {SUBMISSION_BYTES_MAX} bytes, got {size}"
            )
        if len(set(ids)) != len(ids) or not self._transaction_ids.isdisjoint(ids):
            raise InvalidTransactionError(ALREADY_WAITING, "a transaction of this submission waits already")
        count, weight = self._signers.get(submission.signer, (0, 0))
        if count >= MEMPOOL_SIGNER_SUBMISSIONS_MAX or weight + size > MEMPOOL_SIGNER_BYTES_MAX:
            raise InvalidTransactionError(
                SIGNER_QUOTA,
                f"{submission.signer}: expected at most {MEMPOOL_SIGNER_SUBMISSIONS_MAX} waiting submissions of "
                f"{MEMPOOL_SIGNER_BYTES_MAX} bytes, got {count + 1} of {weight + size}; try again after a block",
            )
        if len(self._waiting) >= MEMPOOL_SUBMISSIONS_MAX or self._bytes + size > MEMPOOL_BYTES_MAX:
            raise InvalidTransactionError(MEMPOOL_FULL, "too much is waiting; try again after a block")
        self._waiting[submission.id] = _Waiting(submission, size, ids, is_local, now_ms)
        self._transaction_ids.update(ids)
        self._signers[submission.signer] = (count + 1, weight + size)
        self._bytes += size

    def select(self) -> Iterator[Submission]:
        """Yield what fits into one block, in order; a signer above its quota waits for the next one."""
        bytes_left, count_left = BLOCK_BYTES_MAX, BLOCK_TRANSACTIONS_MAX
        quotas: dict[str, int] = {}
        for waiting in tuple(self._waiting.values()):
            signer = waiting.submission.signer
            quota = quotas.get(signer, BLOCK_SIGNER_TRANSACTIONS_MAX)
            count = len(waiting.transaction_ids)
            if count > quota or count > count_left or waiting.size > bytes_left:
                quotas[signer] = 0
                continue
            quotas[signer] = quota - count
            count_left -= count
            bytes_left -= waiting.size
            yield waiting.submission

    def remove(self, submission_id: bytes) -> None:
        """Let a submission go; nothing happens if it does not wait."""
        waiting = self._waiting.pop(submission_id, None)
        if waiting is None:
            return
        signer = waiting.submission.signer
        self._transaction_ids.difference_update(waiting.transaction_ids)
        self._bytes -= waiting.size
        count, weight = self._signers.pop(signer)
        if count > 1:
            self._signers[signer] = (count - 1, weight - waiting.size)

    def remove_committed(self, submissions: tuple[Submission, ...]) -> None:
        """Let go what a block included: every submission none of whose transactions is still to come."""
        committed = {transaction.id for submission in submissions for transaction in submission.transactions}
        if not self._transaction_ids.isdisjoint(committed):
            self._remove_where(lambda waiting: committed.issuperset(waiting.transaction_ids))

    def remove_expired(self, height: int, now_ms: int) -> None:
        """Let go what no later block may include.

        Args:
            height: The next block's.
            now_ms: The earliest time that block may have.
        """
        self._remove_where(
            lambda waiting: all(
                transaction.expires_height < height or transaction.expires_ms < now_ms
                for transaction in waiting.submission.transactions
            )
        )

    def resend(self, now_ms: int) -> tuple[Submission, ...]:
        """Return local submissions that have waited long since they were last sent, oldest first, and note it."""
        old: list[Submission] = []
        for submission_id, waiting in self._waiting.items():
            if len(old) == RESEND_SUBMISSIONS_MAX:
                break
            if waiting.is_local and now_ms - waiting.sent_ms >= RESEND_AFTER_MS:
                self._waiting[submission_id] = replace(waiting, sent_ms=now_ms)
                old.append(waiting.submission)
        return tuple(old)

    def _remove_where(self, condition: Callable[[_Waiting], bool]) -> None:
        for submission_id in [item for item, waiting in self._waiting.items() if condition(waiting)]:
            self.remove(submission_id)
