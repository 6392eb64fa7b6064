"""What a node gives to peers that are behind: blocks, and snapshots in ready-made chunks.

A request costs this node one read of one file, whoever asks and however often: at most one request of a peer waits,
all answers together keep to BYTES_PER_SECOND, and a peer that does not take what was sent is sent nothing more.
"""

import asyncio
from collections.abc import Callable

from ledger.application import Application
from ledger.codec import encode
from ledger.limits import FRAME_BYTES_MAX
from ledger.replica.messages import CommittedBlock
from ledger.snapshot import Manifest
from ledger.snapshot_exchange import (
    BlocksAbsent,
    ChunkFrame,
    ChunkRequest,
    OfferFrame,
    OfferRequest,
    answer_offer,
)
from nodes.network.messages import ConsensusFrame, Frame
from nodes.storage import StorageError
from nodes.storage.blocks import BlockStore
from nodes.storage.snapshots import SnapshotFiles, SnapshotShelf

BYTES_PER_SECOND = 16 * 1024 * 1024
"""Of all answers together: a snapshot must not take the line from votes and proposals."""
ANSWER_BYTES = 64 * 1024
"""What an answer counts for at least."""


class SnapshotServer:
    """Answers peers from this node's store and shelf."""

    def __init__(
        self,
        application: Application,
        blocks: BlockStore,
        shelf: SnapshotShelf,
        base: SnapshotFiles,
        send: Callable[[str, Frame], None],
        waiting_bytes: Callable[[str], int],
    ) -> None:
        """Serve what is there.

        Args:
            application: Knows the validator sets.
            blocks: The node's blocks and certificates.
            shelf: The node's snapshots.
            base: The one that its own store began from, if there is one: who comes after it needs that one at least.
            send: Queues a frame for a peer.
            waiting_bytes: How much waits to be sent to a peer.
        """
        self._application = application
        self._blocks = blocks
        self._shelf = shelf
        self._base = base
        self._send = send
        self._waiting_bytes = waiting_bytes
        self._newest: Manifest | None = None
        self._files: dict[bytes, SnapshotFiles] = {}
        self._waiting: set[str] = set()
        self._free_at = 0.0
        self.refresh()

    def refresh(self) -> None:
        """See which snapshots there are."""
        self._newest, self._files = None, {}
        for files in (*map(self._shelf.get, self._shelf.heights()), self._base):
            target = files.target()
            if target is not None:
                self._files[target.manifest.id] = files
                self._newest = self._newest or target.manifest

    def take(self, peer: str, request: OfferRequest | ChunkRequest) -> None:
        """Answer a peer when it is its turn; a second request before that is not heard."""
        if peer in self._waiting:
            return
        self._waiting.add(peer)
        loop = asyncio.get_running_loop()
        loop.call_later(max(0.0, self._free_at - loop.time()), self._answer, peer, request)

    def send_blocks(self, peer: str, from_height: int, count: int) -> None:
        """Send blocks while little waits for the peer: a full backlog would forget the first ones, which it needs."""
        if from_height < self._blocks.first_height:
            self._send(peer, BlocksAbsent(self._blocks.first_height))
            return
        for height in range(from_height, from_height + count):
            if self._waiting_bytes(peer) >= FRAME_BYTES_MAX:
                return
            block, commit = self._blocks.block(height), self._blocks.commit(height)
            if block is None or commit is None:
                return
            self._send(peer, ConsensusFrame(CommittedBlock(block, commit)))

    def _answer(self, peer: str, request: OfferRequest | ChunkRequest) -> None:
        self._waiting.discard(peer)
        if self._waiting_bytes(peer) >= FRAME_BYTES_MAX:
            return
        frame = self._offer(request.height) if isinstance(request, OfferRequest) else self._chunk(request)
        now = asyncio.get_running_loop().time()
        cost = max(ANSWER_BYTES, len(frame.data) if isinstance(frame, ChunkFrame) else len(encode(frame)))
        self._free_at = max(self._free_at, now) + cost / BYTES_PER_SECOND
        self._send(peer, frame)

    def _offer(self, height: int) -> OfferFrame:
        return answer_offer(height, self._newest, self._application.validator_sets[1:], self._blocks.certificate)

    def _chunk(self, request: ChunkRequest) -> ChunkFrame:
        files = self._files.get(request.snapshot_id)
        try:
            data = None if files is None else files.chunk(request.index)
        except StorageError:  # removed this moment, or unreadable: others have it
            data = None
        return ChunkFrame(request.snapshot_id, request.index, data or b"")
