"""What a Byzantine node gives to those that take a snapshot: each of these takes an honest answer and gives others."""

from collections.abc import Iterable

from msgspec.structs import replace

from ledger.codec import decode, encode
from ledger.limits import SNAPSHOT_CHUNK_BYTES_MAX
from ledger.snapshot import Chunk
from ledger.snapshot_exchange import ChunkFrame, OfferFrame, SnapshotFrame
from nodes.simulator.node import Node


def give_other_values(node: Node, frame: SnapshotFrame) -> Iterable[SnapshotFrame]:
    """Give chunks in which the last entry has another value."""
    if isinstance(frame, ChunkFrame) and frame.data:
        node.deeds["wrong chunks given"] += 1
        *others, (key, value) = _open(frame).entries
        frame = _close(frame, (*others, (key, value[:-1] + bytes([value[-1] ^ 1]) if value else b"0")))
    yield frame


def give_holes(node: Node, frame: SnapshotFrame) -> Iterable[SnapshotFrame]:
    """Give chunks without their first entry, or with an empty one if there is no other."""
    if isinstance(frame, ChunkFrame) and frame.data:
        node.deeds["wrong chunks given"] += 1
        (key, _), *others = _open(frame).entries
        frame = _close(frame, tuple(others) or ((key, b""),))
    yield frame


def offer_made_up(node: Node, frame: SnapshotFrame) -> Iterable[SnapshotFrame]:
    """Offer snapshots of a header that nobody has signed, and give their chunks."""
    if isinstance(frame, OfferFrame) and frame.manifest is not None:
        node.deeds["made-up snapshots offered"] += 1
        certificate = frame.manifest.certificate
        header = replace(certificate.header, time_ms=certificate.header.time_ms + 1)
        frame = OfferFrame(replace(frame.manifest, certificate=replace(certificate, header=header)), frame.steps)
    elif isinstance(frame, ChunkFrame) and not frame.data and node.disk.snapshots:
        chunks = node.disk.snapshots[0].chunks
        frame = replace(frame, data=chunks[min(frame.index, len(chunks) - 1)])
    yield frame


def give_nothing(node: Node, frame: SnapshotFrame) -> Iterable[SnapshotFrame]:
    """Offer, and give no chunk."""
    if isinstance(frame, ChunkFrame):
        node.deeds["chunks withheld"] += 1
    else:
        yield frame


def _open(frame: ChunkFrame) -> Chunk:
    return decode(frame.data, Chunk, SNAPSHOT_CHUNK_BYTES_MAX)


def _close(frame: ChunkFrame, entries: tuple[tuple[bytes, bytes], ...]) -> ChunkFrame:
    return replace(frame, data=encode(Chunk(entries)))
