"""State sync between real nodes in one process: adopted when certified, resumed after a crash, nothing from liars."""

import asyncio
from pathlib import Path

import pytest

from ledger import snapshot
from ledger.replica.messages import CommittedBlock
from nodes.network.messages import ConsensusFrame, Frame
from nodes.storage.adoption import base_files, taken_files
from tests.nodes.network.consortium import run_consortium

EARLY, LATE = ("hospital-a", "hospital-b", "insurer-a"), "regulator"


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "SNAPSHOT_CHUNK_BYTES", 1_000)


def lose_blocks(_: str, frame: Frame) -> Frame | None:
    """Keep old blocks from a node: so few would be there before it has heard how far behind it is."""
    return None if isinstance(frame, ConsensusFrame) and isinstance(frame.message, CommittedBlock) else frame


def test_a_node_too_far_behind_takes_a_snapshot_and_then_blocks_and_votes(tmp_path: Path) -> None:
    async def run() -> None:
        async with run_consortium(tmp_path, *EARLY) as four:
            await four.grow(12)
            for name in EARLY:
                await four[name].until(lambda name=name: len(four[name].events("snapshot-made")) == 2)  # type: ignore[misc]
            late = four[LATE]
            late.incoming = lose_blocks
            await late.start()
            await late.run_through()
            late.incoming = lambda _, frame: frame
            blocks = late.running.files.blocks
            assert (await late.said("state-sync-complete"))["height"] == 10
            assert blocks.first_height == 11
            await four.grow(3)
            await late.until(lambda: late.height >= 15)
            assert [blocks.block(height) is None for height in (1, 10, 11, 15)] == [True, True, False, False]
            assert late.running.application.roots == four["insurer-a"].running.application.roots
            assert late.running.status().signing == "yes"
            assert base_files(late.folder).target() is not None
            await four["hospital-a"].stop()
            await four.grow(2)  # nothing is committed without its vote now
            assert not [line for party in four.parties.values() for line in party.lines if line[0] == "evidence"]

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
