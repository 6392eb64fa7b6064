"""State sync between real nodes in one process: adopted when certified, resumed after a crash, nothing from liars."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from ledger import snapshot, state_sync
from ledger.consensus import driver
from ledger.consensus.round import Step
from ledger.replica.messages import CommittedBlock, ProposalMessage
from ledger.snapshot_exchange import ChunkFrame
from nodes.api.chain import show_block, show_transaction
from nodes.api.errors import NotFoundError
from nodes.audit.comparison import compare_chains
from nodes.audit.reexecution import ReexecutionError, verify_chain
from nodes.network import syncing
from nodes.network.messages import ConsensusFrame, Frame
from nodes.storage.adoption import base_files, taken_files
from tests.nodes.network.consortium import PATIENCE_SECONDS, Consortium, Party, run_consortium
from tests.nodes.network.solo import contracts

EARLY, LATE = ("hospital-a", "hospital-b", "insurer-a"), "regulator"
Way = Callable[[str, Frame], Frame | None]


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many chunks of a small state, and short rounds where a validator is away."""
    monkeypatch.setattr(snapshot, "SNAPSHOT_CHUNK_BYTES", 1_000)
    for step in (Step.PROPOSE, Step.PREVOTE, Step.PRECOMMIT):
        monkeypatch.setitem(driver.TIMEOUTS_MS, step, 300 if step is Step.PROPOSE else 100)


def lose_blocks(_: str, frame: Frame) -> Frame | None:
    """Keep blocks from a node: so few would be there before it has heard how far behind it is.

    Proposals are blocks as well: those that a peer had queued while the node was away would take it near enough.
    """
    is_block = isinstance(frame, ConsensusFrame) and isinstance(frame.message, CommittedBlock | ProposalMessage)
    return None if is_block else frame


def on_chunks(change: Callable[[str, ChunkFrame], Frame | None]) -> Way:
    """Return a way on which blocks are lost and chunks changed."""
    return lambda peer, frame: change(peer, frame) if isinstance(frame, ChunkFrame) else lose_blocks(peer, frame)


async def make_snapshots(four: Consortium, blocks: int = 12) -> list[bytes]:
    """Commit blocks at three nodes until all of them have made their snapshots."""
    done = await four.grow(blocks)
    for name in EARLY:
        await four[name].until(lambda party=four[name]: len(party.events("snapshot-made")) == blocks // 5)  # type: ignore[misc]
    return done


def chunks_on_disk(party: Party) -> int:
    """Return how many chunks a node has taken."""
    return len(list(taken_files(party.folder).folder.glob("*.chunk")))


def test_a_node_too_far_behind_takes_a_snapshot_and_then_blocks_and_votes(tmp_path: Path) -> None:
    async def run() -> None:
        async with run_consortium(tmp_path, *EARLY) as four:
            await make_snapshots(four)
            late = four[LATE]
            late.incoming = lose_blocks
            await late.start()
            await late.run_through(lambda _, frame: frame)
            blocks = late.running.files.blocks
            assert (await late.said("state-sync-complete"))["height"] == 10
            assert blocks.first_height == 11
            await four.grow(3)
            await late.until(lambda: late.height >= 15)
            assert [blocks.block(height) is None for height in (1, 10, 11, 15)] == [True, True, False, False]
            assert late.running.application.roots == four["insurer-a"].running.application.roots
            assert late.running.status().signing == "yes"
            await four["hospital-a"].stop()
            await four.grow(2)  # nothing is committed without its vote now
            assert not [line for party in four.parties.values() for line in party.lines if line[0] == "evidence"]

    asyncio.run(run())


def test_what_was_before_the_snapshot_is_refused_clearly_and_the_rest_is_verified(tmp_path: Path) -> None:
    async def run() -> None:
        async with run_consortium(tmp_path, *EARLY) as four:
            done = await make_snapshots(four)
            late, genesis = four[LATE], four.home.load_genesis()
            late.incoming = lose_blocks
            await late.start()
            await late.run_through(lambda _, frame: frame)
            await late.until(lambda: late.height >= 12)
            node, blocks = late.running, late.running.files.blocks
            for height in (1, 10):
                with pytest.raises(NotFoundError, match=f"begin at height 11.*ask a node that has height {height}"):
                    await show_block(node, four.caller, height)
            with pytest.raises(NotFoundError, match="or before it: this node's blocks begin at height 11"):
                await show_transaction(node, four.caller, done[0].hex())
            assert (await show_transaction(node, four.caller, done[11].hex())).height == 12
            base = base_files(late.folder)
            assert [at.height for at in verify_chain(genesis, blocks, contracts(), base)] == [11, 12]
            found = compare_chains(blocks, four["insurer-a"].running.files.blocks, lambda *_: None)
            assert (found.is_equal, found.first_height) == (True, 11)
            with pytest.raises(ReexecutionError, match="the one that this store began from, got none"):
                list(verify_chain(genesis, blocks, contracts()))
            data = base.chunk(0) or b""
            base.write_chunk(0, data[:-1] + bytes([data[-1] ^ 1]))
            with pytest.raises(ReexecutionError, match="height 10: snapshot: expected one that is certified"):
                list(verify_chain(genesis, blocks, contracts(), base))

    asyncio.run(run())


def test_fewer_blocks_behind_it_takes_blocks_and_has_them_all(tmp_path: Path) -> None:
    async def run() -> None:
        async with run_consortium(tmp_path, *EARLY) as four:
            await four.grow(8)
            late = four[LATE]
            await late.start()
            await late.until(lambda: late.height >= 8)
            assert late.running.files.blocks.first_height == 1
            assert late.events("state-sync") == []
            assert not taken_files(late.folder).folder.exists()

    asyncio.run(run())


def test_bad_chunks_of_one_peer_are_refused_and_come_from_the_others(tmp_path: Path) -> None:
    async def run() -> None:
        async with run_consortium(tmp_path, *EARLY) as four:
            await make_snapshots(four)
            late = four[LATE]

            def forge(peer: str, frame: ChunkFrame) -> Frame:
                data = frame.data[:-1] + bytes([frame.data[-1] ^ 1])
                return ChunkFrame(frame.snapshot_id, frame.index, data) if peer == "hospital-a" else frame

            late.incoming = on_chunks(forge)
            await late.start()
            await late.run_through(lambda _, frame: frame)
            assert [line["peer"] for line in late.events("snapshot-refused")] == ["hospital-a"]
            assert late.running.files.blocks.first_height == 11

    asyncio.run(run())


def test_peers_that_stall_are_given_up_and_blocks_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_sync, "ANSWER_MS", 100)

    async def run() -> None:
        async with run_consortium(tmp_path, *EARLY) as four:
            await make_snapshots(four)
            late = four[LATE]
            late.incoming = on_chunks(lambda *_: None)
            await late.start()
            await late.said("state-sync-given-up")
            assert {event["peer"] for event in late.events("snapshot-stalled")} == set(EARLY)
            assert late.height < 10
            late.incoming = lambda _, frame: frame
            await late.until(lambda: late.height >= 12)
            assert late.running.files.blocks.first_height == 1

    asyncio.run(run())


def test_a_crash_between_chunks_goes_on_with_those_it_had(tmp_path: Path) -> None:
    async def run() -> None:
        async with run_consortium(tmp_path, *EARLY) as four:
            await make_snapshots(four)
            late, taken = four[LATE], []

            def let_some(_: str, frame: ChunkFrame) -> Frame | None:
                taken.append(frame.index)
                return frame if len(taken) <= 6 else None

            late.incoming = on_chunks(let_some)
            await late.start()
            await late.until(lambda: late.events("state-sync-progress") and chunks_on_disk(late) >= 3)
            assert "chunks of height 10" in late.running.snapshots.syncing.progress
            before = chunks_on_disk(late)
            await late.stop()
            taken_files(late.folder).write_chunk(0, b"torn")  # what a crash may leave is verified before it is used
            taken.clear()
            late.incoming = on_chunks(lambda _, frame: taken.append(frame.index) or frame)  # type: ignore[func-returns-value]
            await late.start()
            assert late.running.files.blocks.first_height == 1, "the old store stands until the new one is whole"
            await late.run_through(lambda _, frame: frame)
            total = len(list(base_files(late.folder).folder.glob("*.chunk")))
            assert 0 in taken
            assert len(set(taken)) <= total - before + 1
            assert late.running.files.blocks.first_height == 11

    asyncio.run(run())


def test_a_node_whose_peers_lack_the_blocks_takes_a_snapshot_however_near(tmp_path: Path) -> None:
    async def run() -> None:
        policy = syncing.SnapshotPolicy(every_heights=5, behind_heights=1_000, settle_ms=0)
        async with run_consortium(tmp_path, *EARLY, policy=policy) as four:
            await make_snapshots(four, 6)
            for name in EARLY:  # as if they had begun from a snapshot of height 4 themselves
                four[name].running.files.blocks._first = 5
            late = four[LATE]
            await late.start()
            await late.run_through(lambda _, frame: frame)
            assert late.running.files.blocks.first_height == 6
            await late.until(lambda: late.height >= 6)

    asyncio.run(run())


def test_a_node_stopped_while_it_makes_a_snapshot_leaves_none_behind(tmp_path: Path) -> None:
    async def run() -> None:
        async with run_consortium(tmp_path) as four:
            await four.grow(5)
            async with asyncio.timeout(PATIENCE_SECONDS):
                await four["insurer-a"].stop()
            shelf = four["insurer-a"].folder / "snapshots"
            assert [item.name for item in shelf.glob("*") if not item.name.endswith(".new")] in ([], [f"{5:016d}"])
            await four["insurer-a"].start()
            assert not list(shelf.glob("*.new"))
            await four.grow(1)  # and it goes on

    asyncio.run(run())
