"""Who waits at a node is told, or let go of; nobody is kept."""

import asyncio

from ledger.replica.ports import SubmissionRefused
from ledger.transactions import Receipt
from nodes.network.waiting import TransactionPlace, Waiting

ID = bytes(32)
OTHER = bytes([1]) * 32
RECEIPT = Receipt(ID, "OK", "", (), 0)


def find_nothing(_id: bytes) -> TransactionPlace | None:
    return None


def test_a_transactions_place_is_told_to_everybody_who_waits_for_it() -> None:
    async def run() -> None:
        waiting = Waiting()
        both = [asyncio.ensure_future(waiting.wait_for((ID,), find_nothing, 60)) for _ in range(2)]
        await asyncio.sleep(0)
        waiting.tell_block(7, (Receipt(OTHER, "OK", "", (), 0), RECEIPT))
        assert await asyncio.gather(*both) == [(TransactionPlace(7, 1, RECEIPT),)] * 2
        assert len(waiting) == 0

    asyncio.run(run())


def test_what_takes_too_long_is_none_and_what_was_committed_is_found_at_once() -> None:
    async def run() -> None:
        waiting, known = Waiting(), TransactionPlace(1, 0, RECEIPT)
        places = {ID: known}
        assert await waiting.wait_for((OTHER, ID), places.get, 0) == (None, known)
        assert len(waiting) == 0

    asyncio.run(run())


def test_who_stops_waiting_is_forgotten_and_the_others_are_not() -> None:
    async def run() -> None:
        waiting = Waiting()
        gone, stays = (asyncio.ensure_future(waiting.wait_for((ID,), find_nothing, 60)) for _ in range(2))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.wait([gone])
        waiting.tell_block(2, (RECEIPT,))
        assert await stays == (TransactionPlace(2, 0, RECEIPT),)

    asyncio.run(run())


def test_a_verdict_is_told_to_all_who_submit_the_same_and_kept_for_nobody() -> None:
    async def run() -> None:
        waiting, refusal = Waiting(), SubmissionRefused(ID, "EXPIRED", "too late")
        first, second = waiting.expect_verdict(ID), waiting.expect_verdict(ID)
        assert waiting.give_verdict(ID, refusal)
        assert await first is await second is refusal
        assert not waiting.give_verdict(ID, refusal)
        assert len(waiting) == 0

    asyncio.run(run())


def test_a_node_that_leaves_lets_go_of_everybody_and_keeps_nobody_waiting() -> None:
    async def run() -> None:
        waiting, heights = Waiting(), list[int]()
        waiting.follow(heights.append)
        one = asyncio.ensure_future(waiting.wait_for((ID,), find_nothing, 60))
        verdict = waiting.expect_verdict(ID)
        await asyncio.sleep(0)
        waiting.dismiss(9)
        waiting.end_verdicts()
        assert (await one, await verdict, heights) == ((None,), None, [9])
        assert await waiting.wait_for((ID,), find_nothing, 60) == (None,)

    asyncio.run(run())


def test_a_follower_that_leaves_while_it_is_told_disturbs_nobody() -> None:
    waiting, heights = Waiting(), list[int]()
    leave = waiting.follow(lambda _height: leave())
    waiting.follow(heights.append)
    waiting.tell_block(1, ())
    waiting.tell_block(2, ())
    assert heights == [1, 2]
