"""All that a node does with snapshots: makes them while it commits, gives them to peers, takes one if it must.

exporting   how a snapshot is made beside the commits
serving     what peers get, and how much of it
syncing     when a snapshot is taken, and how that ends
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from ledger.application import Application, ExecutedBlock
from ledger.blocks import Commit
from ledger.codec import decode
from ledger.errors import LedgerError
from ledger.execution.store import FRONTIER
from ledger.light_client import WalkStep
from ledger.merkle import Frontier
from ledger.replica.status import PeerHeight
from ledger.snapshot_exchange import (
    BlocksAbsent,
    ChunkFrame,
    ChunkRequest,
    OfferFrame,
    OfferRequest,
    SnapshotFrame,
)
from nodes.network.exporting import ExportError, SnapshotExport
from nodes.network.messages import Frame
from nodes.network.serving import SnapshotServer
from nodes.network.syncing import SnapshotPolicy, StateSyncing
from nodes.storage import StorageError
from nodes.storage.adoption import base_files
from nodes.storage.blocks import METADATA_PREFIX, BlockStore
from nodes.storage.snapshots import SnapshotShelf

SHELF_FOLDER = "snapshots"


class Snapshots:
    """The snapshots of one node."""

    def __init__(
        self,
        application: Application,
        blocks: BlockStore,
        folder: Path,
        policy: SnapshotPolicy,
        *,
        send: Callable[[str, Frame], None],
        waiting_bytes: Callable[[str], int],
        report: Callable[[str, Mapping[str, object]], None],
        adopt: Callable[[], None],
    ) -> None:
        """Set up; nothing happens before the first block or tick.

        Args:
            application: The node's.
            blocks: Its store.
            folder: Its folder.
            policy: When snapshots are made and taken.
            send: Queues a frame for a peer.
            waiting_bytes: How much waits to be sent to a peer.
            report: Writes a log line.
            adopt: Called when the node must begin again on a new store.
        """
        self._blocks = blocks
        self._policy = policy
        self._report = report
        self._shelf = SnapshotShelf(folder / SHELF_FOLDER)
        self.server = SnapshotServer(application, blocks, self._shelf, base_files(folder), send, waiting_bytes)
        self.syncing = StateSyncing(application, blocks, folder, policy, send=send, report=report, adopt=adopt)
        self._export: SnapshotExport | None = None
        self._exporting: asyncio.Task[None] | None = None
        self._frontier: Frontier | None = None

    def hold(self, executed: ExecutedBlock) -> None:
        """Read what a block is about to overwrite; to be called before it is stored."""
        if self._export is not None:
            try:
                self._export.capture.hold(executed.writes)
            except ExportError as error:
                self._export.cancel()
                self._export = None
                self._report("snapshot-failed", {"why": str(error)})
        if self._exporting is None and executed.block.header.height % self._policy.every_heights == 0:
            found = self._blocks.state.get_metadata(FRONTIER[len(METADATA_PREFIX) :])
            assert found is not None, "the history has a frontier"
            self._frontier = decode(found, Frontier)

    def make(self, executed: ExecutedBlock, commit: Commit) -> None:
        """Begin a snapshot if it is time; to be called when the block is stored."""
        if self._frontier is None:
            return
        header = executed.block.header
        is_change = header.next_validators_hash != header.validators_hash
        certificate = WalkStep(header, commit, executed.next_validators if is_change else None)
        self._export = SnapshotExport(self._blocks.state, certificate, self._frontier, self._shelf)
        self._frontier = None
        self._exporting = asyncio.get_running_loop().create_task(self._run(self._export))

    def take(self, peer: str, frame: SnapshotFrame, now_ms: int) -> None:
        """Take a peer's request or answer."""
        match frame:
            case OfferRequest() | ChunkRequest():
                self.server.take(peer, frame)
            case OfferFrame() | ChunkFrame():
                self.syncing.take(peer, frame, now_ms)
            case BlocksAbsent(first_height):
                self.syncing.note_absent(peer, first_height)

    def tick(self, statuses: Collection[PeerHeight], connected: Collection[str], now_ms: int) -> None:
        """Look whether this node must take a snapshot, or an answer is late."""
        self.syncing.tick(statuses, connected, now_ms)

    async def stop(self) -> None:
        """End what works on files."""
        if self._export is not None:
            self._export.cancel()
        if self._exporting is not None:
            await self._exporting
        await self.syncing.stop()

    async def _run(self, export: SnapshotExport) -> None:
        try:
            manifest = await export.run()
        except (LedgerError, StorageError, OSError) as error:
            if self._export is export:
                self._report("snapshot-failed", {"height": export.height, "why": str(error)})
        else:
            self._report("snapshot-made", {"height": export.height, "chunks": len(manifest.parts)})
            self.server.refresh()
        finally:
            self._export = self._exporting = None
