"""What peers ask for costs this node a bounded amount, whoever asks and however often."""

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest

from ledger import snapshot, snapshot_exchange
from ledger.codec import encode
from ledger.limits import FRAME_BYTES_MAX
from ledger.membership import Validator, ValidatorSet
from ledger.snapshot_exchange import BlocksAbsent, ChunkFrame, ChunkRequest, OfferFrame, OfferRequest
from nodes.network import serving
from nodes.network.messages import Frame
from nodes.network.serving import SnapshotServer
from nodes.storage.blocks import BlockStore
from nodes.storage.snapshots import SnapshotFiles, SnapshotShelf, Target
from tests.ledger.execution.chain import KEYS
from tests.ledger.snapshots import SnapshotChain


class Blocks:
    """The certificates of a chain, and a first height."""

    def __init__(self, chain: SnapshotChain) -> None:
        self.chain = chain
        self.first_height = 3

    def certificate(self, height: int) -> Any:
        step = self.chain.step(height)
        return (step.header, step.commit)

    def block(self, _: int) -> None:
        return None

    commit = block


class Desk:
    """A server, and what it sent."""

    def __init__(self, chain: SnapshotChain, folder: Path) -> None:
        self.manifest, self.chunks = chain.show()
        self.shelf = shelf = SnapshotShelf(folder / "snapshots")
        files = shelf.make(self.manifest.header.height)
        files.begin()
        for index, data in enumerate(self.chunks):
            files.write_chunk(index, data)
        files.write_target(Target(self.manifest, ()))
        shelf.finish(self.manifest.header.height)
        self.sent: list[tuple[str, Frame]] = []
        self.waiting = 0
        self.server = SnapshotServer(
            chain.application,
            cast("BlockStore", Blocks(chain)),
            shelf,
            SnapshotFiles(folder / "base"),
            lambda peer, frame: self.sent.append((peer, frame)),
            lambda _: self.waiting,
        )

    def ask(self, *requests: tuple[str, OfferRequest | ChunkRequest], seconds: float = 0.01) -> list[tuple[str, Frame]]:
        """Give the server requests at once; return what it sends within a while."""

        async def run() -> None:
            for peer, request in requests:
                self.server.take(peer, request)
            await asyncio.sleep(seconds)

        self.sent.clear()
        asyncio.run(run())
        return self.sent


@pytest.fixture
def chain(monkeypatch: pytest.MonkeyPatch) -> SnapshotChain:
    """Five blocks; the validators change at the first and at the second."""
    monkeypatch.setattr(snapshot, "SNAPSHOT_CHUNK_BYTES", 1_500)
    made = SnapshotChain()
    for power in (1, 2):
        new = ValidatorSet((Validator("alice", KEYS["alice"].public_key, power),))
        made.headers.append(made.add_block(made.submit("membership.elect", new)).block.header)
    for _ in range(3):
        made.grow(10)
    return made


@pytest.fixture
def desk(chain: SnapshotChain, tmp_path: Path) -> Desk:
    return Desk(chain, tmp_path)


def test_the_way_is_shown_before_the_snapshot(desk: Desk, chain: SnapshotChain) -> None:
    steps = (chain.step(2), chain.step(3))
    assert desk.ask(("a", OfferRequest(0))) == [("a", OfferFrame(None, steps))]
    assert desk.ask(("a", OfferRequest(2))) == [("a", OfferFrame(None, steps[1:]))]
    assert desk.ask(("a", OfferRequest(3))) == [("a", OfferFrame(desk.manifest, ()))]
    assert desk.ask(("a", OfferRequest(5))) == [("a", OfferFrame(None, ()))]


def test_a_way_that_is_too_long_for_a_frame_is_shown_in_pieces(
    desk: Desk, chain: SnapshotChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot_exchange, "WALK_STEPS_MAX", 1)
    assert desk.ask(("a", OfferRequest(0))) == [("a", OfferFrame(None, (chain.step(2),)))]
    assert desk.ask(("a", OfferRequest(2))) == [("a", OfferFrame(None, (chain.step(3),)))]


def test_the_snapshot_that_the_store_began_from_is_served_when_there_is_no_newer_one(
    chain: SnapshotChain, tmp_path: Path
) -> None:
    desk = Desk(chain, tmp_path)
    made = desk.shelf.get(5).folder
    made.replace(tmp_path / "base")
    desk.server.refresh()
    assert desk.ask(("a", OfferRequest(3))) == [("a", OfferFrame(desk.manifest, ()))]
    (answer,) = desk.ask(("a", ChunkRequest(desk.manifest.id, 0)))
    assert answer == ("a", ChunkFrame(desk.manifest.id, 0, desk.chunks[0]))


def test_chunks_are_served_by_their_place_and_what_is_not_here_is_empty(desk: Desk) -> None:
    for index, data in enumerate(desk.chunks):
        asked = ChunkRequest(desk.manifest.id, index)
        assert desk.ask(("a", asked)) == [("a", ChunkFrame(desk.manifest.id, index, data))]
    for snapshot_id, index in ((desk.manifest.id, len(desk.chunks)), (bytes(32), 0)):
        assert desk.ask(("a", ChunkRequest(snapshot_id, index))) == [("a", ChunkFrame(snapshot_id, index, b""))]


def test_a_peer_that_asks_a_thousand_times_is_answered_once_and_keeps_nobody_waiting(desk: Desk) -> None:
    asked = ChunkRequest(desk.manifest.id, 0)
    answers = desk.ask(*[("loud", asked)] * 1_000, ("quiet", asked))
    assert [peer for peer, _ in answers] == ["loud", "quiet"]


def test_all_answers_together_keep_to_the_rate(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "BYTES_PER_SECOND", 1_000)
    size = len(encode(desk.manifest))
    assert size < serving.ANSWER_BYTES, "a small answer counts for more than it is"
    answers = desk.ask(("a", OfferRequest(0)))
    assert len(answers) == 1
    assert desk.ask(("a", OfferRequest(0)), ("b", OfferRequest(0))) == []


def test_a_peer_that_does_not_take_what_was_sent_is_sent_nothing_more(desk: Desk) -> None:
    desk.waiting = FRAME_BYTES_MAX
    assert desk.ask(("a", OfferRequest(0)), ("b", ChunkRequest(desk.manifest.id, 0))) == []
    desk.waiting = 0
    assert len(desk.ask(("a", OfferRequest(0)))) == 1


def test_blocks_that_are_not_here_are_said_to_be_absent(desk: Desk) -> None:
    desk.server.send_blocks("a", 2, 16)
    assert desk.sent == [("a", BlocksAbsent(3))]
