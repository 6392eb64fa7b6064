"""Snapshots of simulated nodes: made at common heights, kept on their disks, and given to whoever asks.

One is made in one step when its block is stored; a real node takes its time for that (`nodes.network.exporting`). What
it holds, how it is offered and what a chunk must be is the core's (`ledger.snapshot`, `ledger.snapshot_exchange`).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from ledger.application import Application
from ledger.codec import decode, encode
from ledger.execution.store import STATE
from ledger.light_client import WalkStep
from ledger.merkle import Frontier
from ledger.snapshot import Entry, Manifest, divide
from ledger.snapshot_exchange import ChunkFrame, ChunkRequest, OfferFrame, OfferRequest, answer_offer
from ledger.state_tree import path_of
from nodes.simulator.disk import Disk, Snapshot


@dataclass
class SnapshotPolicy:
    """When simulated nodes make and take snapshots, and what happens to them meanwhile."""

    every_heights: int
    """One is made at every multiple of this."""
    behind_heights: int
    """Nearer than this a node takes blocks, if somebody gives them."""
    given_heights: int
    """A node gives this many of its latest blocks, at least `every_heights`, as one does that began from a snapshot and
    has no others: a simulated chain is too short for anybody to be thousands of blocks behind."""
    taker_crashes: float = 0.0
    """Chance that a node crashes before it stores a chunk."""
    giver_crashes: float = 0.0
    """Chance that an honest node crashes before it gives one."""
    crashes_left: int = 0
    """So many such crashes in all: in good weather, too, because that is when most snapshots are taken."""


def make_snapshot(disk: Disk, certificate: WalkStep, frontier: bytes) -> Snapshot:
    """Return the snapshot of the state as it is.

    Args:
        disk: Its latest block is the certificate's.
        certificate: Header and commit of that block.
        frontier: Of the history below it, encoded.
    """
    contracts: dict[str, list[tuple[str, Entry]]] = {}
    for store_key, value in disk.scan(STATE):
        key = store_key[len(STATE) :]
        owner = key.partition(b"\x00")[0].decode()
        contracts.setdefault(owner, []).append((path_of(key).hex(), (key, value)))
    found = [item for name, entries in sorted(contracts.items()) for item in divide(name, _Scan(sorted(entries)))]
    parts = tuple(part for part, _ in found)
    return Snapshot(
        Manifest(certificate, decode(frontier, Frontier), parts), tuple(encode(chunk) for _, chunk in found)
    )


class _Scan:
    """A contract's entries, sorted by path: a `ledger.snapshot.Scan`."""

    def __init__(self, entries: list[tuple[str, Entry]]) -> None:
        self._entries = entries

    def __call__(self, prefix: str) -> Iterator[Entry]:
        return (entry for path, entry in self._entries if path.startswith(prefix))


def answer(disk: Disk, application: Application, request: OfferRequest | ChunkRequest) -> OfferFrame | ChunkFrame:
    """Return what an honest node answers from what lies on its disk."""
    if isinstance(request, OfferRequest):
        newest = disk.snapshots[0].manifest if disk.snapshots else None
        return answer_offer(request.height, newest, application.validator_sets[1:], disk.certificate)
    for snapshot in disk.snapshots:
        if snapshot.manifest.id == request.snapshot_id and request.index < len(snapshot.chunks):
            return ChunkFrame(request.snapshot_id, request.index, snapshot.chunks[request.index])
    return ChunkFrame(request.snapshot_id, request.index, b"")
