"""State sync in a simulated node: the core's machine (`ledger.state_sync`), driven as the real node drives it.

    ledger.lag            says when a snapshot must be taken
    ledger.state_sync     asks for it, verifies it, says what to store
    ledger.restoration    builds the new state from what was stored
    here                  sends, stores, crashes, puts the new store in the place of the old one

Questions and answers are lost, repeated and late like everything else. A node may crash before it stores any chunk;
what it had stored is verified again in its next life. While it takes chunks it passes over blocks.
"""

from typing import TYPE_CHECKING

from ledger.application import Application
from ledger.errors import LedgerError
from ledger.execution.store import NODES
from ledger.lag import Lag
from ledger.light_client import TrustedState
from ledger.replica import Replica
from ledger.restoration import restore
from ledger.snapshot import metadata_writes, verify_chunk, verify_manifest
from ledger.snapshot_exchange import (
    BlocksAbsent,
    ChunkFrame,
    ChunkRequest,
    OfferFrame,
    OfferRequest,
    SnapshotFrame,
)
from ledger.state_sync import (
    BeginSnapshot,
    Complete,
    GiveUp,
    Note,
    RequestChunk,
    RequestOffer,
    StateSync,
    StoreChunk,
    Stored,
    SyncEffect,
)
from nodes.simulator.disk import Disk, Taken
from nodes.simulator.node import AdoptedError, CrashedError, Node
from nodes.simulator.snapshots import SnapshotPolicy, answer

if TYPE_CHECKING:
    from nodes.simulator.simulation import Simulation

SETTLE_MS = 2_000
"""After the start: as a real node waits for its peers to connect."""
RETRY_MS = 60_000
"""After an attempt that was given up, as in a real node."""


class Syncing:
    """Takes snapshots for one life of one node, and gives them."""

    def __init__(self, simulation: "Simulation", node: Node, policy: SnapshotPolicy) -> None:
        """Stand by.

        Args:
            simulation: Where the node is.
            node: Up.
            policy: When to begin, and what goes wrong.
        """
        assert node.replica is not None, "a node that takes snapshots is up"
        self._simulation = simulation
        self._node = node
        self._policy = policy
        self._replica: Replica = node.replica
        self._lag = Lag(policy.behind_heights)
        self._sync: StateSync | None = None
        self._liars: set[str] = set()
        self._next_ms = simulation.clock(node) + SETTLE_MS

    @property
    def is_taking(self) -> bool:
        """Whether blocks are of no use now."""
        return self._sync is not None and self._sync.progress[1] > 0

    def tick(self, now_ms: int) -> None:
        """Look whether an attempt must begin, or an answer is late."""
        peers = sorted(set(self._simulation.reachable(self._node)) - self._liars)
        if self._sync is not None:
            self._perform(self._sync.tick(now_ms), now_ms)
            if self._sync is not None:
                self._perform(self._sync.ask(peers, now_ms), now_ms)
            return
        app = self._application
        height_min = self._lag.needed(app.height, self._replica.status().peers, now_ms)
        if height_min is None or now_ms < self._next_ms or not peers:
            return
        self._next_ms = now_ms + RETRY_MS
        self._note("state-sync", f"from {app.height}, height {height_min} at least")
        trusted = TrustedState(
            app.genesis.chain_id, app.height, app.head_hash, app.time_ms, app.validators(app.height + 1)
        )
        self._sync = StateSync(trusted, height_min, self._read_stored())
        self._perform(self._sync.ask(peers, now_ms), now_ms)

    def take(self, peer: str, frame: SnapshotFrame, now_ms: int) -> None:
        """Take a peer's question or answer."""
        match frame:
            case OfferRequest() | ChunkRequest():
                self._give(peer, frame)
            case BlocksAbsent(first_height):
                self._lag.note_absent(peer, first_height)
            case OfferFrame(manifest, steps) if self._sync is not None:
                self._perform(self._sync.take_offer(peer, manifest, steps, now_ms), now_ms)
            case ChunkFrame(snapshot_id, index, data) if self._sync is not None:
                self._perform(self._sync.take_chunk(peer, snapshot_id, index, data, now_ms), now_ms)
            case _:
                pass

    @property
    def _application(self) -> Application:
        return self._replica.application

    def _give(self, peer: str, request: OfferRequest | ChunkRequest) -> None:
        if isinstance(request, ChunkRequest) and self._node.is_honest:
            self._risk(self._policy.giver_crashes, "crashes while giving a snapshot")
        frame = answer(self._node.disk, self._application, request)
        for told in (frame,) if self._node.giving is None else self._node.giving(self._node, frame):
            self._simulation.send_snapshot_frame(self._node, peer, told)

    def _read_stored(self) -> Stored | None:
        """Return what an attempt of an earlier life has left, verified again."""
        taken = self._node.disk.taken
        if taken is None:
            return None
        indexes = set()
        for index, data in taken.chunks.items():
            try:
                verify_chunk(taken.manifest.parts[index], data)
            except LedgerError:
                continue
            indexes.add(index)
        self._simulation.happened["interrupted snapshots taken up again"] += bool(indexes)
        return Stored(taken.manifest, taken.steps, frozenset(indexes))

    def _perform(self, effects: list[SyncEffect], now_ms: int) -> None:
        for effect in effects:
            self._perform_one(effect, now_ms)

    def _perform_one(self, effect: SyncEffect, now_ms: int) -> None:
        disk, happened = self._node.disk, self._simulation.happened
        match effect:
            case RequestOffer(peer, height):
                self._simulation.send_snapshot_frame(self._node, peer, OfferRequest(height))
            case RequestChunk(peer, snapshot_id, index):
                self._simulation.send_snapshot_frame(self._node, peer, ChunkRequest(snapshot_id, index))
            case BeginSnapshot(manifest, steps):
                disk.operate()
                disk.taken = Taken(manifest, steps)
            case StoreChunk(index, data):
                self._risk(self._policy.taker_crashes, "crashes while taking a snapshot")
                disk.operate()
                assert disk.taken is not None, "a snapshot was begun"
                disk.taken.chunks[index] = data
                happened["chunks taken"] += 1
            case Complete():
                self._adopt()
            case GiveUp(why):
                assert self._sync is not None, "an attempt is under way"
                self._liars |= self._sync.liars
                self._sync, self._next_ms = None, now_ms + RETRY_MS
                happened["snapshots given up"] += 1
                self._note("given up", why)
            case Note(kind, peer, why):
                happened[NOTED[kind]] += 1
                self._note(kind, f"{peer}: {why}")

    def _adopt(self) -> None:
        """Build the new store beside the old one; when it is whole it takes its place, and the node begins again."""
        disk, genesis = self._node.disk, self._application.genesis
        taken, fresh = disk.taken, Disk()
        assert taken is not None, "a snapshot was taken"
        try:
            for writes in restore(taken.manifest, taken.chunks.get, _Nodes(fresh)):
                disk.operate()
                fresh.write(writes)
            fresh.write({**metadata_writes(genesis.hash, taken.manifest, verify_manifest(taken.manifest))})
        except LedgerError as error:
            self._note("state-sync-failed", str(error))
            self._sync = None
            return
        disk.sync()
        disk.adopt(fresh)
        header = taken.manifest.header
        if self._node.is_honest:
            self._simulation.checks.note_adopted(self._node, header)
        self._simulation.happened["snapshots taken"] += 1
        self._note("adopted", f"height {header.height}, {len(taken.manifest.parts)} chunks")
        raise AdoptedError

    def _risk(self, chance: float, what: str) -> None:
        """Crash now and then, but not for ever."""
        if self._policy.crashes_left > 0 and self._simulation.chance.random() < chance:
            self._policy.crashes_left -= 1
            self._simulation.happened[what] += 1
            raise CrashedError

    def _note(self, event: str, detail: str) -> None:
        self._simulation.note(self._node, event, {"": detail})


NOTED = {
    "snapshot-refused": "offers and chunks refused",
    "snapshot-stalled": "offers and chunks that did not come",
    "snapshot-old": "offers of snapshots that were too old",
    "snapshot-gone": "chunks that were there no more",
}
"""What the core notes about peers -> as what it is counted."""


class _Nodes:
    """The tree nodes of a store that is being built: a `NodeReader`."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    def get_node(self, key: bytes) -> bytes | None:
        return self._disk.entries.get(NODES + key)
