"""The network driver without a network: the order of its effects, and what a peer that is behind is sent."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from ledger.application import Application, BlockInputs
from ledger.blocks import PREVOTE, Block, Commit, CommitSignature, Vote, vote_sign_bytes
from ledger.crypto.signatures import sign_vote
from ledger.limits import BLOCK_BYTES_MAX, FRAME_BYTES_MAX
from ledger.replica.messages import CommittedBlock, VoteMessage
from ledger.replica.ports import LogReplayed, MessageReceived, SendBlocks, Started, SubmissionReceived, Tick
from ledger.replica.signer import SignerState
from nodes.entropy import SeededEntropy
from nodes.network.backlog import BACKLOG_BYTES_MAX
from nodes.network.files import NodeFiles
from nodes.network.messages import ConsensusFrame, decode_frame
from nodes.network.node import NetworkNode
from nodes.simulator.disk import Disk
from nodes.storage import open_store
from nodes.storage.blocks import BlockStore
from nodes.storage.log import ConsensusLog
from nodes.storage.signer import SignerFile
from tests.ledger.replica.consortium import CHAIN_ID, KEYS, TIME_MS, contracts, make_genesis, submission

GENESIS = make_genesis()
NOW_MS = TIME_MS + 5_000


class Wire:
    """A transport that keeps what it is given."""

    def __init__(self, happened: list[str]) -> None:
        self.happened = happened
        self.sent: list[bytes] = []
        self.waiting = 0

    def send(self, _peer: str, payload: bytes, *, is_bulky: bool) -> None:  # noqa: ARG002 - all wait alike here
        self.sent.append(payload)
        self.waiting += len(payload)

    def broadcast(self, _payload: bytes) -> None:
        self.happened.append("broadcast")

    def waiting_bytes(self, _peer: str) -> int:
        return self.waiting


class Recorder:
    """A node with real files that writes down the order of what it does."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        store = open_store(folder / "store")
        blocks = BlockStore(store, CHAIN_ID, GENESIS.hash)
        application = Application(GENESIS, contracts(), store)
        blocks.create(application.genesis_writes())
        self.happened: list[str] = []
        self.wire = Wire(self.happened)
        signer = SignerFile.create(folder / "signer")
        self.files = NodeFiles(blocks, ConsensusLog(folder / "log"), {KEYS["b"].public_key: signer}, folder)
        self.node = NetworkNode(
            "b", application, (KEYS["b"],), self.files, SeededEntropy(b"node"), hosted={}, report=self.report
        )
        append, save = self.files.log.append, signer.save

        def note_append(entries: Sequence[bytes]) -> None:
            self.happened.append(f"log {len(entries)}")
            append(entries)

        def note_save(state: SignerState) -> None:
            self.happened.append("signer")
            save(state)

        monkeypatch.setattr(self.files.log, "append", note_append)
        monkeypatch.setattr(signer, "save", note_save)
        monkeypatch.setattr(self.node, "_transport", self.wire)
        monkeypatch.setattr("nodes.network.node.asyncio.get_running_loop", lambda: self)

    def call_later(self, *_arguments: object) -> None:
        """Timers never ring here."""

    def report(self, event: str, _fields: Mapping[str, object]) -> None:
        assert event != "halt"


@pytest.fixture
def recorder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder = Recorder(tmp_path, monkeypatch)
    recorder.node.feed(LogReplayed(()))
    recorder.node.feed(Started(NOW_MS))
    recorder.happened.clear()
    return recorder


def test_log_and_signer_state_are_on_disk_before_anything_is_sent(recorder: Recorder) -> None:
    recorder.node.feed(SubmissionReceived(submission(1), NOW_MS))
    told, *rest = recorder.happened
    assert told == "broadcast", "the submission is passed on"
    proposed, voted = rest[:4], rest[4:]
    assert proposed == ["log 2", "signer", "log 1", "broadcast"], "the start, our block; its signature; our proposal"
    assert voted == ["signer", "log 1", "broadcast"]


def test_votes_that_lead_to_nothing_cost_no_sync_of_their_own(recorder: Recorder) -> None:
    """Else one validator's votes for ever later rounds would each make everybody wait for the disk."""
    for round_ in range(2, 40):
        signature = sign_vote(KEYS["c"], vote_sign_bytes(CHAIN_ID, PREVOTE, 1, round_, None))
        vote = Vote(PREVOTE, 1, round_, None, "c", signature)
        recorder.node.feed(MessageReceived("c", VoteMessage(vote), NOW_MS))
    assert recorder.happened == []
    recorder.node.feed(Tick(NOW_MS + 1))
    assert recorder.happened == ["log 38", "broadcast"]


def committed(height: int, size: int) -> CommittedBlock:
    """Return a block of about `size` bytes, as it is sent to a peer that is behind."""
    executed = Application(GENESIS, contracts(), Disk()).execute(BlockInputs(1, NOW_MS, "b", (submission(1),), ()))
    item = submission(1)
    filled = replace(item, transactions=(replace(item.transactions[0], arguments=bytes(size // 270)),) * 250)
    header = replace(executed.block.header, height=height)
    return CommittedBlock(
        Block(header, (filled,), ()), Commit(height, 0, header.hash, (CommitSignature("b", bytes(64)),))
    )


@pytest.mark.parametrize(("size", "count"), [(BLOCK_BYTES_MAX, 2), (BLOCK_BYTES_MAX // 3, 4), (16_000, 16)])
def test_a_peer_behind_is_sent_what_its_backlog_holds_and_the_first_block_first(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch, size: int, count: int
) -> None:
    """A full backlog forgets the oldest frames: of sixteen full blocks at once the peer would miss the first."""
    monkeypatch.setattr(recorder.files.blocks, "block", lambda height: committed(height, size).block)
    monkeypatch.setattr(recorder.files.blocks, "commit", lambda height: committed(height, size).commit)
    recorder.node._perform([SendBlocks("c", 7, 16)])
    frames = [decode_frame(payload) for payload in recorder.wire.sent]
    assert frames == [ConsensusFrame(committed(7 + place, size)) for place in range(count)]
    assert recorder.wire.waiting <= 2 * FRAME_BYTES_MAX < BACKLOG_BYTES_MAX
    if size == BLOCK_BYTES_MAX:
        recorder.node._perform([SendBlocks("c", 7, 16)])
        assert len(recorder.wire.sent) == count, "a peer that does not read is sent no more"
