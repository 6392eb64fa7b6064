"""State sync in a node: when it begins, what it asks, where it stores, and how it ends (`ledger.state_sync` decides).

What peers say of themselves starts an attempt (`ledger.lag`) and nothing more. While chunks are taken, blocks of peers
are passed over; if the attempt is given up, blocks are taken again, and the next attempt waits. At the end the new
store is built in a thread, and the node begins again on it.
"""

import asyncio
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from ledger.application import Application
from ledger.errors import LedgerError
from ledger.lag import Lag
from ledger.light_client import TrustedState
from ledger.replica.status import PeerHeight
from ledger.snapshot_exchange import ChunkFrame, ChunkRequest, OfferFrame, OfferRequest
from ledger.state_sync import (
    BeginSnapshot,
    Complete,
    GiveUp,
    Note,
    RequestChunk,
    RequestOffer,
    StateSync,
    StoreChunk,
    SyncEffect,
)
from nodes.network.messages import Frame
from nodes.storage import StorageError
from nodes.storage.adoption import build_store, make_sync_folder, read_stored, taken_files
from nodes.storage.blocks import BlockStore
from nodes.storage.snapshots import Target

EVERY_HEIGHTS = 2_000
"""A snapshot is made at every multiple of this: at all nodes of the same heights, so that chunks can be mixed. What
comes after it is at most a few minutes of blocks to catch up with."""
BEHIND_HEIGHTS = 10_000
"""Nearer than this a node takes blocks: it then has them for good, and executing that many takes minutes. Beyond it
waiting for them would take longer than anybody should wait for a node."""
SETTLE_MS = 2_000
"""After the start: peers are still connecting, and the first one to speak need not be right."""
RETRY_MS = 60_000
"""After an attempt that was given up."""


@dataclass(frozen=True, slots=True)
class SnapshotPolicy:
    """When snapshots are made and taken. Constants; tests make them small."""

    every_heights: int = EVERY_HEIGHTS
    behind_heights: int = BEHIND_HEIGHTS
    settle_ms: int = SETTLE_MS


class StateSyncing:
    """Takes a snapshot for one node, if it must."""

    def __init__(
        self,
        application: Application,
        blocks: BlockStore,
        folder: Path,
        policy: SnapshotPolicy,
        *,
        send: Callable[[str, Frame], None],
        report: Callable[[str, Mapping[str, object]], None],
        adopt: Callable[[], None],
    ) -> None:
        """Stand by.

        Args:
            application: This node's latest state.
            blocks: Its store.
            folder: The node's folder.
            policy: When to begin.
            send: Queues a frame for a peer.
            report: Writes a log line.
            adopt: Called once the new store is decided for: the node must begin again.
        """
        self._application = application
        self._blocks = blocks
        self._folder = folder
        self._files = taken_files(folder)
        self._policy = policy
        self._send = send
        self._report = report
        self._adopt = adopt
        self._sync: StateSync | None = None
        self._work: asyncio.Task[None] | None = None
        self._lag = Lag(policy.behind_heights)
        self._liars: set[str] = set()
        self._next_ms: int | None = None
        self._told_percent = -1
        self._ending = threading.Event()

    @property
    def is_taking(self) -> bool:
        """Whether blocks are of no use now: a snapshot is being taken, or built into a store."""
        return self._work is not None or (self._sync is not None and self._sync.progress[1] > 0)

    @property
    def progress(self) -> str:
        """What `status` says; empty if nothing is under way."""
        if self._sync is None:
            return ""
        stored, total, height = self._sync.progress
        if not total:
            return "asking peers for a snapshot"
        if self._sync.is_over:
            return f"building the state of height {height}"
        return f"{stored}/{total} chunks of height {height}"

    def note_absent(self, peer: str, first_height: int) -> None:
        """Remember that a peer has no blocks below a height."""
        self._lag.note_absent(peer, first_height)

    def tick(self, statuses: Collection[PeerHeight], connected: Collection[str], now_ms: int) -> None:
        """Look whether an attempt must begin, or an answer is late."""
        if self._next_ms is None:
            self._next_ms = now_ms + self._policy.settle_ms
        if self._work is not None:
            return
        if self._sync is not None:
            self._perform(self._sync.tick(now_ms), now_ms)
            if self._sync is not None and self._work is None:
                self._perform(self._sync.ask(sorted(set(connected) - self._liars), now_ms), now_ms)
            return
        height_min = self._lag.needed(self._application.height, statuses, now_ms)
        peers = sorted(set(connected) - self._liars)
        if height_min is None or now_ms < self._next_ms or not peers:
            return
        self._next_ms = now_ms + RETRY_MS
        self._work = asyncio.get_running_loop().create_task(self._begin(height_min, peers, now_ms))

    def take(self, peer: str, frame: OfferFrame | ChunkFrame, now_ms: int) -> None:
        """Take a peer's answer."""
        if self._sync is None or self._work is not None:
            return
        if isinstance(frame, OfferFrame):
            effects = self._sync.take_offer(peer, frame.manifest, frame.steps, now_ms)
        else:
            effects = self._sync.take_chunk(peer, frame.snapshot_id, frame.index, frame.data, now_ms)
        self._perform(effects, now_ms)

    async def stop(self) -> None:
        """Let what works on files end soon, and wait for it."""
        self._ending.set()
        if self._work is not None:
            await asyncio.gather(self._work, return_exceptions=True)

    async def _begin(self, height_min: int, peers: list[str], now_ms: int) -> None:
        app = self._application
        voters = app.validators(app.height + 1)
        trusted = TrustedState(app.genesis.chain_id, app.height, app.head_hash, app.time_ms, voters)
        self._report("state-sync", {"height": app.height, "from": height_min, "peers": peers})
        try:
            stored = await asyncio.to_thread(read_stored, self._files, self._ending)
        except StorageError as error:
            self._report("state-sync-failed", {"why": str(error)})
            return
        finally:
            self._work = None
        if self._ending.is_set():
            return
        self._sync = StateSync(trusted, height_min, stored)
        self._told_percent = -1
        self._perform(self._sync.ask(peers, now_ms), now_ms)

    def _perform(self, effects: list[SyncEffect], now_ms: int) -> None:
        try:
            for effect in effects:
                self._perform_one(effect, now_ms)
        except StorageError as error:
            self._sync = None
            self._report("state-sync-failed", {"why": str(error)})

    def _perform_one(self, effect: SyncEffect, now_ms: int) -> None:
        match effect:
            case RequestOffer(peer, height):
                self._send(peer, OfferRequest(height))
            case RequestChunk(peer, snapshot_id, index):
                self._send(peer, ChunkRequest(snapshot_id, index))
            case BeginSnapshot(manifest, steps):
                make_sync_folder(self._folder)
                self._files.begin()
                self._files.write_target(Target(manifest, steps))
            case StoreChunk(index, data):
                self._files.write_chunk(index, data)
                self._tell_progress()
            case Complete():
                self._work = asyncio.get_running_loop().create_task(self._build())
            case GiveUp(why):
                assert self._sync is not None, "an attempt is under way"
                self._liars |= self._sync.liars
                self._sync, self._next_ms = None, now_ms + RETRY_MS
                self._report("state-sync-given-up", {"why": why})
            case Note(kind, peer, why):
                self._report(kind, {"peer": peer, "why": why})

    def _tell_progress(self) -> None:
        """Write a line at every tenth of the way."""
        assert self._sync is not None, "an attempt is under way"
        stored, total, height = self._sync.progress
        percent = 10 * stored // total
        if percent != self._told_percent:
            self._told_percent = percent
            self._report("state-sync-progress", {"chunks": stored, "of": total, "snapshot": height})

    async def _build(self) -> None:
        try:
            earlier = tuple(self._blocks.certificates())
            await asyncio.to_thread(build_store, self._folder, self._application.genesis, earlier, self._ending)
        except (LedgerError, StorageError) as error:
            self._report("state-sync-failed", {"why": str(error)})
            self._sync = self._work = None
            return
        self._report("state-sync-complete", {"height": self._height()})
        self._adopt()

    def _height(self) -> int:
        assert self._sync is not None, "an attempt is under way"
        return self._sync.progress[2]
