"""Four validators inside this process: real nodes, stores and connections, that can be started, stopped and misled."""

import asyncio
import contextlib
import datetime as dt
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

from ledger.application import Application
from ledger.codec import encode
from ledger.transactions import Submission, make_submission
from nodes.authentication import Caller
from nodes.config import Home
from nodes.keystore import load_keystore
from nodes.network.directory import MemberDirectory
from nodes.network.files import NodeFiles
from nodes.network.founding import CONSENSUS_FOLDER, Member, found_network
from nodes.network.messages import Frame, decode_frame
from nodes.network.node import NetworkNode, StoreReplacedError
from nodes.network.syncing import SnapshotPolicy
from nodes.process import load_network_tls
from nodes.storage import open_store
from nodes.storage.adoption import STORE_FOLDER, finish
from nodes.storage.blocks import BlockStore
from nodes.storage.log import ConsensusLog
from nodes.storage.signer import open_signers
from tests.nodes.network.solo import ENTROPY, contracts, enrolment

NAMES = ("hospital-a", "hospital-b", "insurer-a", "regulator")
MEMBERS = (
    Member("hospital-a", "hospital"),
    Member("hospital-b", "hospital"),
    Member("insurer-a", "insurer"),
    Member("regulator", "regulator"),
)
SMALL = SnapshotPolicy(every_heights=5, behind_heights=8, settle_ms=800)
"""Snapshots every few blocks, taken by whoever is nine behind."""
PATIENCE_SECONDS = 30.0


class Party:
    """One organisation's node: its files, and the node while it runs."""

    def __init__(self, home: Home, name: str, policy: SnapshotPolicy) -> None:
        """Run nothing yet."""
        self.home, self.name, self.policy = home, name, policy
        self.folder = home.node_folder(name)
        self.lines: list[tuple[str, Mapping[str, object]]] = []
        self.node: NetworkNode | None = None
        self.incoming: Callable[[str, Frame], Frame | None] = lambda _, frame: frame
        """What becomes of a frame from a peer on its way: changed, or lost."""
        self._news = asyncio.Event()

    @property
    def running(self) -> NetworkNode:
        """The node, which runs."""
        assert self.node is not None
        return self.node

    @property
    def height(self) -> int:
        """The last committed height."""
        return self.running.view.height

    def events(self, kind: str) -> list[Mapping[str, object]]:
        """Return the fields of the log's lines of one kind."""
        return [fields for event, fields in self.lines if event == kind]

    async def start(self) -> NetworkNode:
        """Start the node on what is on the disk."""
        finish(self.folder)
        genesis, network = self.home.load_genesis(), self.home.load_network()
        self._store = open_store(self.folder / STORE_FOLDER)
        blocks = BlockStore(self._store, genesis.chain_id, genesis.hash)
        application = Application(genesis, contracts(), self._store)
        if blocks.is_new:
            blocks.create(application.genesis_writes())
        keys = load_keystore(self.folder / "keys")
        consensus = self.folder / CONSENSUS_FOLDER
        signers = open_signers(consensus, keys.consensus_keys)
        self.node = NetworkNode(
            self.name,
            application,
            (keys.consensus,),
            NodeFiles(blocks, ConsensusLog(consensus / "log"), signers, self.folder),
            ENTROPY,
            hosted={},
            report=self._take_line,
            policy=self.policy,
        )
        take = self.node._take_frame

        def pass_on(peer: str, data: bytes) -> None:
            frame = self.incoming(peer, decode_frame(data))
            if frame is not None:
                take(peer, encode(frame))

        self.node._take_frame = pass_on  # type: ignore[method-assign]
        address = network.address(self.name)
        directory = MemberDirectory(self.home, self.name)
        _, tls, addresses = load_network_tls(self.folder / "keys", application, directory, self.name)
        await self.node.start((address.host, address.peer_port), addresses, tls, directory)
        return self.node

    async def stop(self) -> None:
        """Stop the node, if it runs."""
        if self.node is not None:
            await self.node.stop()
            self.node = None
            self._store.close()

    def _take_line(self, event: str, fields: Mapping[str, object]) -> None:
        self.lines.append((event, fields))
        self._news.set()

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for something that a line of the log goes with; looks again at each line."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not condition():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(self.name, self.lines[-8:]) from None

    async def said(self, kind: str) -> Mapping[str, object]:
        """Wait for a line of a kind; returns the first one's fields."""
        await self.until(lambda: self.events(kind))
        return self.events(kind)[0]

    async def run_through(self, incoming: Callable[[str, Frame], Frame | None]) -> None:
        """Wait until the node must begin again on a new store, and begin, with another way for frames."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            with contextlib.suppress(StoreReplacedError):
                await self.running.wait()
        await self.stop()
        self.incoming = incoming
        await self.start()


class Consortium:
    """The four of them."""

    def __init__(self, folder: Path, policy: SnapshotPolicy = SMALL) -> None:
        """Found the network."""
        self.home = Home(folder)
        found_network(self.home, contracts().pins(), ENTROPY, dt.datetime.now(dt.UTC), MEMBERS)
        self.parties = {name: Party(self.home, name, policy) for name in NAMES}
        self.caller = Caller("insurer-a", "insurer", bytes(32), 0, enrolled=True)
        self.key = load_keystore(self.home.node_folder("insurer-a") / "keys").submission

    def __getitem__(self, name: str) -> Party:
        """Return a party by its name."""
        return self.parties[name]

    def submission(self, at: NetworkNode) -> Submission:
        """Return an enrolment by the insurer."""
        return make_submission(self.key, (enrolment(at, "insurer-a"),))

    async def grow(self, blocks: int, at: str = "insurer-a") -> list[bytes]:
        """Commit transactions one after the other; returns their ids."""
        node, done = self[at].running, []
        for _ in range(blocks):
            submission = self.submission(node)
            await node.submit(submission)
            (place,) = await node.wait_for((submission.transactions[0].id,), PATIENCE_SECONDS)
            assert place is not None
            assert place.receipt.ok
            done.append(submission.transactions[0].id)
        return done


@contextlib.asynccontextmanager
async def run_consortium(folder: Path, *names: str, policy: SnapshotPolicy = SMALL) -> AsyncIterator[Consortium]:
    """Found four, run these, and stop them all at the end."""
    consortium = Consortium(folder, policy)
    try:
        for name in names or NAMES:
            await consortium[name].start()
        yield consortium
    finally:
        for party in consortium.parties.values():
            await party.stop()
