"""The network driver of one validator: submissions, receipts, restarts, a failing disk, and nothing that piles up."""

import asyncio
from pathlib import Path

import pytest

from ledger.consensus.driver import Timeout
from ledger.consensus.round import Step
from ledger.errors import InvalidTransactionError
from ledger.transactions import make_submission
from nodes.config import Home
from nodes.network.node import NodeStoppedError
from nodes.storage import StorageError
from tests.nodes.network.solo import NAME, Solo, found, run_solo


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return found(tmp_path / "n")


def sizes(solo: Solo) -> list[int]:
    """Return the lengths of everything in the driver that a client can make grow."""
    node = solo.node
    kept = (node._inputs, node._pending_log, node._committed)
    return [len(node.waiting) - 1, *(len(item) for item in kept)]  # the API's meter follows for good


def test_a_submission_is_committed_and_found(home: Home) -> None:
    async def run() -> None:
        async with run_solo(home) as solo:
            submission = solo.submission(3)
            await solo.node.submit(submission)
            ids = [transaction.id for transaction in submission.transactions]
            places = await solo.node.wait_for(ids, 20)
            assert [(place.height, place.index, place.receipt.code) for place in places if place] == [
                (1, 0, "OK"),
                (1, 1, "OK"),
                (1, 2, "OK"),
            ]
            assert solo.node.find(ids[2]) == places[2]
            assert sizes(solo) == [0] * 4

    asyncio.run(run())


def test_waiting_ends_with_one_deadline_for_all(home: Home) -> None:
    async def run() -> None:
        async with run_solo(home) as solo:
            begun = asyncio.get_running_loop().time()
            assert await solo.node.wait_for([bytes([at]) * 32 for at in range(50)], 0.1) == (None,) * 50
            assert asyncio.get_running_loop().time() - begun < 2
            assert sizes(solo) == [0] * 4

    asyncio.run(run())


def test_what_was_committed_is_there_after_a_restart(home: Home) -> None:
    async def run() -> None:
        async with run_solo(home) as solo:
            submission = solo.submission()
            await solo.node.submit(submission)
            (place,) = await solo.node.wait_for((submission.transactions[0].id,), 20)
        async with run_solo(home) as solo:
            assert solo.node.find(submission.transactions[0].id) == place
            assert solo.node.view.height == 1
            with pytest.raises(InvalidTransactionError, match="REPLAYED"):
                await solo.node.submit(submission)
            assert solo.node.status().signing == "yes"

    asyncio.run(run())


def test_nothing_piles_up_under_many_submissions_good_and_bad(home: Home) -> None:
    async def run() -> None:
        async with run_solo(home) as solo:
            for _ in range(5):
                good = [solo.submission() for _ in range(20)]
                expired = make_submission(solo.keys[NAME].submission, (solo.transaction(expires_height=0),))
                results = await asyncio.gather(
                    *(solo.node.submit(item) for item in (*good, *good, *[expired] * 20)), return_exceptions=True
                )
                assert [type(item) for item in results] == [type(None)] * 20 + [InvalidTransactionError] * 40
                await solo.node.wait_for([item.transactions[0].id for item in good], 20)
            assert sizes(solo) == [0] * 4
            assert len(solo.node._replica.mempool) == 0
            assert not [line for line in solo.lines if line[0] == "submission-refused"]

    asyncio.run(run())


def test_a_client_that_gives_up_leaves_nothing_behind(home: Home) -> None:
    async def run() -> None:
        async with run_solo(home) as solo:
            waiting = asyncio.ensure_future(solo.node.wait_for((bytes(32),), 30))
            await asyncio.sleep(0)
            assert sizes(solo)[0] == 1
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            assert sizes(solo) == [0] * 4

    asyncio.run(run())


def test_a_node_that_leaves_answers_who_waits_and_takes_nothing_more(home: Home) -> None:
    async def run() -> None:
        async with run_solo(home) as solo:
            waiting = asyncio.ensure_future(solo.node.wait_for((bytes(32),), 30))
            await asyncio.sleep(0)
            solo.node.dismiss()
            assert await waiting == (None,)
            assert await solo.node.wait_for((bytes(32),), 30) == (None,)
            with pytest.raises(NodeStoppedError, match="stopping"):
                await solo.node.submit(solo.submission())

    asyncio.run(run())


@pytest.mark.parametrize("file", ["log", "signer", "blocks"])
def test_a_durable_write_that_fails_ends_the_node_and_tells_the_client(
    home: Home, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = StorageError(home.folder, "no space left on device", "free space on this disk")

    def fail(*_: object) -> None:
        raise full

    async def run() -> None:
        async with run_solo(home) as solo:
            files = solo.node.files
            target = next(iter(files.signers.values())) if file == "signer" else getattr(files, file)
            monkeypatch.setattr(target, "save" if file == "signer" else "append", fail)
            submission = solo.submission()
            try:
                await solo.node.submit(submission)
            except NodeStoppedError:
                pass
            else:
                assert await solo.node.wait_for((submission.transactions[0].id,), 20) == (None,)
            with pytest.raises(StorageError, match="no space left"):
                await solo.node.wait()
            with pytest.raises(NodeStoppedError):
                await solo.node.submit(solo.submission())
            assert solo.node.find(submission.transactions[0].id) is None
        monkeypatch.undo()
        async with run_solo(home) as solo:
            again = solo.submission()
            await solo.node.submit(again)
            (place,) = await solo.node.wait_for((again.transactions[0].id,), 20)
            assert place is not None

    asyncio.run(run())


def test_a_fault_of_an_agent_in_a_tick_ends_the_node(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        msg = "a fault of this program"
        raise AssertionError(msg)

    async def run() -> None:
        async with run_solo(home) as solo:
            monkeypatch.setattr(solo.node.host, "step_all", fail)
            with pytest.raises(AssertionError, match="a fault of this program"):
                await asyncio.wait_for(solo.node.wait(), 20)

    asyncio.run(run())


def test_late_timeouts_of_old_heights_change_nothing(home: Home) -> None:
    async def run() -> None:
        async with run_solo(home) as solo:
            before = solo.node.status()
            for step in (Step.PROPOSE, Step.PREVOTE, Step.PRECOMMIT, Step.UNSTARTED):
                solo.node._elapse(Timeout(0, 7, step))
            assert solo.node.status() == before

    asyncio.run(run())


def test_followers_are_told_each_height_until_they_leave(home: Home) -> None:
    async def run() -> None:
        async with run_solo(home) as solo:
            heights: list[int] = []
            before = len(solo.node.waiting)
            leave = solo.node.follow(heights.append)
            for _ in range(2):
                submission = solo.submission()
                await solo.node.submit(submission)
                await solo.node.wait_for((submission.transactions[0].id,), 20)
            leave()
            submission = solo.submission()
            await solo.node.submit(submission)
            await solo.node.wait_for((submission.transactions[0].id,), 20)
            assert heights == [1, 2]
            assert len(solo.node.waiting) == before

    asyncio.run(run())
