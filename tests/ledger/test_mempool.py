"""The mempool is bounded, fair, and forgets what is done."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ledger import mempool as module
from ledger.codec import encode
from ledger.crypto.hashes import hash_tagged
from ledger.crypto.signatures import PrivateKey
from ledger.errors import InvalidTransactionError
from ledger.limits import (
    ARGUMENTS_BYTES_MAX,
    BLOCK_BYTES_MAX,
    BLOCK_SIGNER_TRANSACTIONS_MAX,
    BLOCK_TRANSACTIONS_MAX,
    MEMPOOL_SIGNER_BYTES_MAX,
    MEMPOOL_SIGNER_SUBMISSIONS_MAX,
    RESEND_AFTER_MS,
    RESEND_SUBMISSIONS_MAX,
)
from ledger.mempool import Mempool
from ledger.transactions import Submission, Transaction, make_submission

KEY = PrivateKey(hash_tagged("test/key", b"mempool"))
NOW_MS = 1_000


def submission(number: int, signer: str = "a", count: int = 1, size: int = 0, expires: int = 100) -> Submission:
    """Return a batch of `count` transactions that only this number has."""
    transactions = tuple(
        Transaction(
            "chain",
            signer,
            1,
            "counter",
            "add",
            bytes(size),
            (number * 1_000 + index).to_bytes(16, "big"),
            expires,
            10**6,
        )
        for index in range(count)
    )
    return make_submission(KEY, transactions)


def filled(*submissions: Submission) -> Mempool:
    mempool = Mempool()
    for item in submissions:
        mempool.add(item, NOW_MS, is_local=True)
    return mempool


def test_submissions_leave_in_the_order_of_arrival() -> None:
    items = [submission(number, "ab"[number % 2]) for number in (3, 1, 2)]
    assert list(filled(*items).select()) == items


def test_a_transaction_waits_once_also_inside_another_batch() -> None:
    batch = submission(1, count=3)
    mempool = filled(batch)
    part = make_submission(KEY, batch.transactions[1:2])
    twice = make_submission(KEY, submission(2).transactions * 2)
    for item in (batch, part, twice):
        with pytest.raises(InvalidTransactionError, match=module.ALREADY_WAITING):
            mempool.add(item, NOW_MS, is_local=False)
    assert len(mempool) == 1


def test_one_loud_signer_does_not_crowd_out_the_others() -> None:
    mempool = filled(*(submission(number) for number in range(MEMPOOL_SIGNER_SUBMISSIONS_MAX)))
    with pytest.raises(InvalidTransactionError, match=module.SIGNER_QUOTA):
        mempool.add(submission(99_999), NOW_MS, is_local=True)
    mempool.add(submission(1, "b"), NOW_MS, is_local=True)


def test_one_signer_with_few_but_large_submissions_does_not_crowd_out_the_others() -> None:
    mempool = filled(*(submission(number, count=20, size=16_000) for number in range(52)))
    assert MEMPOOL_SIGNER_BYTES_MAX - 400_000 < mempool.size_bytes <= MEMPOOL_SIGNER_BYTES_MAX
    with pytest.raises(InvalidTransactionError, match=module.SIGNER_QUOTA):
        mempool.add(submission(99, count=20, size=16_000), NOW_MS, is_local=True)
    mempool.add(submission(1, "b"), NOW_MS, is_local=True)
    mempool.remove(submission(0, count=20, size=16_000).id)
    mempool.add(submission(99, count=20, size=16_000), NOW_MS, is_local=True)


def test_one_block_holds_a_signers_quota_and_the_others_come_in() -> None:
    loud = [submission(number, count=256) for number in range(BLOCK_SIGNER_TRANSACTIONS_MAX // 256 + 2)]
    quiet = submission(1, "b")
    chosen = list(filled(*loud, quiet).select())
    assert chosen == [*loud[:-2], quiet]


def test_a_signers_later_submission_does_not_overtake_its_earlier_one() -> None:
    first = [submission(number, count=250) for number in range(9)]
    small = submission(50)
    assert small not in list(filled(*first, small).select())


def test_a_submission_above_its_size_is_refused() -> None:
    with pytest.raises(InvalidTransactionError, match=module.SUBMISSION_TOO_LARGE):
        filled(submission(1, count=40, size=ARGUMENTS_BYTES_MAX))


def test_a_full_mempool_refuses_and_takes_again_after_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MEMPOOL_SUBMISSIONS_MAX", 2)
    items = [submission(number) for number in range(3)]
    mempool = filled(*items[:2])
    with pytest.raises(InvalidTransactionError, match=module.MEMPOOL_FULL):
        mempool.add(items[2], NOW_MS, is_local=True)
    mempool.remove_committed((items[0],))
    mempool.add(items[2], NOW_MS, is_local=True)


def test_what_a_block_included_leaves_and_what_it_included_in_part_stays() -> None:
    whole, batch = submission(1), submission(2, count=2)
    mempool = filled(whole, batch)
    mempool.remove_committed((whole, make_submission(KEY, batch.transactions[:1])))
    assert list(mempool.select()) == [batch]
    mempool.remove_committed((batch,))
    assert (len(mempool), mempool.size_bytes) == (0, 0)


def test_what_no_later_block_may_include_leaves() -> None:
    old, new = submission(1, expires=5), submission(2, expires=6)
    mempool = filled(old, new)
    mempool.remove_expired(6, NOW_MS)
    assert list(mempool.select()) == [new]
    mempool.remove_expired(6, 10**6 + 1)
    assert len(mempool) == 0


def test_only_old_local_submissions_are_sent_again_and_not_at_every_tick() -> None:
    mempool = filled(*(submission(number) for number in range(RESEND_SUBMISSIONS_MAX + 1)))
    mempool.add(submission(500), NOW_MS, is_local=False)
    assert mempool.resend(NOW_MS + RESEND_AFTER_MS - 1) == ()
    assert len(mempool.resend(NOW_MS + RESEND_AFTER_MS)) == RESEND_SUBMISSIONS_MAX
    assert len(mempool.resend(NOW_MS + RESEND_AFTER_MS)) == 1
    assert mempool.resend(NOW_MS + RESEND_AFTER_MS) == ()


BATCHES = st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 40), st.integers(0, 4_000)), max_size=40)


@given(BATCHES, st.data())
def test_a_selection_fits_a_block_and_the_books_balance(
    batches: list[tuple[str, int, int]], data: st.DataObject
) -> None:
    items = [submission(number, signer, count, size) for number, (signer, count, size) in enumerate(batches)]
    items = [replace(item, signature=bytes(64)) for item in items]
    mempool = Mempool()
    for item in items:
        mempool.add(item, NOW_MS, is_local=True)
    chosen = list(mempool.select())
    per_signer = Counter(transaction.signer for item in chosen for transaction in item.transactions)
    assert sum(per_signer.values()) <= BLOCK_TRANSACTIONS_MAX
    assert all(count <= BLOCK_SIGNER_TRANSACTIONS_MAX for count in per_signer.values())
    assert sum(len(encode(item)) for item in chosen) <= BLOCK_BYTES_MAX
    for item in data.draw(st.permutations(items)):
        mempool.remove(item.id)
        mempool.remove(item.id)
    assert (len(mempool), mempool.size_bytes, mempool._signers, mempool._transaction_ids) == (0, 0, {}, set())
