"""A snapshot is of one height although blocks go on, is given up rather than wrong, and leaves nothing half."""

import asyncio
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import snapshot
from ledger.codec import encode
from ledger.errors import VerificationError
from ledger.snapshot import verify_chunk
from nodes.network import exporting
from nodes.network.exporting import ExportError, SnapshotExport, StateCapture
from nodes.storage.blocks import CommittedState
from nodes.storage.snapshots import KEPT, SnapshotShelf
from nodes.storage.store import KeyValueStore
from tests.ledger.execution.chain import MemoryStore
from tests.ledger.snapshots import SnapshotChain

KEYS = st.sampled_from([b"c\x00t\x00%02d" % at for at in range(30)])
STATES = st.dictionaries(KEYS, st.binary(max_size=4))
WRITES = st.dictionaries(KEYS, st.none() | st.binary(max_size=4), max_size=8)


def state_of(store: MemoryStore) -> CommittedState:
    return CommittedState(cast("KeyValueStore", store))


def commit(capture: StateCapture, store: MemoryStore, writes: Mapping[bytes, bytes | None]) -> None:
    """Store a block's writes as a node does."""
    prefixed = {b"s/" + key: value for key, value in writes.items()}
    capture.hold({**prefixed, b"n/c\x00": b"node", b"m/roots": b"roots"})
    store.write(prefixed)


@given(STATES, st.lists(st.tuples(st.integers(1, 5), WRITES), max_size=12))
def test_what_is_captured_is_the_state_at_the_beginning_whatever_is_written_meanwhile(
    before: dict[bytes, bytes], blocks: list[tuple[int, dict[bytes, bytes | None]]]
) -> None:
    store = MemoryStore()
    store.write({b"s/" + key: value for key, value in before.items()})
    capture, taken = StateCapture(state_of(store)), []
    for count, writes in blocks:
        taken += capture.take(count)
        commit(capture, store, writes)
    while entries := capture.take(3):
        taken += entries
    assert taken == sorted(before.items())
    assert capture.is_done


def test_a_capture_that_would_hold_too_much_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "HELD_BYTES_MAX", 100)
    store = MemoryStore()
    store.write({b"s/c\x00%02d" % at: bytes(20) for at in range(10)})
    capture = StateCapture(state_of(store))
    with pytest.raises(ExportError, match="more than 100 bytes"):
        commit(capture, store, {b"c\x00%02d" % at: b"" for at in range(10)})


@pytest.fixture
def chain(monkeypatch: pytest.MonkeyPatch) -> SnapshotChain:
    monkeypatch.setattr(snapshot, "SNAPSHOT_CHUNK_BYTES", 1_500)
    monkeypatch.setattr(exporting, "SLICE_PAUSE_SECONDS", 0)
    monkeypatch.setattr(exporting, "SLICE_ENTRIES", 20)
    monkeypatch.setattr(exporting, "REST", 0)
    made = SnapshotChain()
    for _ in range(3):
        made.grow(30)
    return made


def export_of(chain: SnapshotChain, shelf: SnapshotShelf) -> SnapshotExport:
    shown, _ = chain.show()
    return SnapshotExport(state_of(chain.store), shown.certificate, shown.frontier, shelf)


def test_a_snapshot_on_the_shelf_is_the_certified_state_although_blocks_went_on(
    chain: SnapshotChain, tmp_path: Path
) -> None:
    shown, chunks = chain.show()
    shelf = SnapshotShelf(tmp_path / "snapshots")
    export = export_of(chain, shelf)

    async def run() -> None:
        making = asyncio.ensure_future(export.run())
        while not export.capture.is_done:
            executed = chain.application.execute(chain.inputs(chain.submit("counter.add", ("x", 1))))
            chain.application.commit(executed)
            export.capture.hold(executed.writes)
            chain.store.write(executed.writes)
            await asyncio.sleep(0)
        assert await making == shown

    asyncio.run(run())
    assert chain.application.height > 3
    assert shelf.heights() == [3]
    files = shelf.get(3)
    assert [files.chunk(index) for index in range(len(chunks))] == chunks
    assert sorted(item.name for item in files.folder.iterdir() if not item.name.endswith(".chunk")) == ["target"]


def test_a_state_that_is_not_the_certified_one_is_not_put_on_the_shelf(chain: SnapshotChain, tmp_path: Path) -> None:
    shelf = SnapshotShelf(tmp_path / "snapshots")
    export = export_of(chain, shelf)
    chain.store.write({next(iter(chain.store.scan(b"s/counter")))[0]: b"changed behind its back"})
    with pytest.raises(VerificationError, match="expected state root"):
        asyncio.run(export.run())
    assert shelf.heights() == []
    assert list(shelf.folder.glob("*.new"))
    SnapshotShelf(shelf.folder)
    assert not list(shelf.folder.glob("*.new")), "the next start removes what was not finished"


def test_a_disk_with_little_room_belongs_to_the_chain(
    chain: SnapshotChain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1_000))
    shelf = SnapshotShelf(tmp_path / "snapshots")
    with pytest.raises(ExportError, match="bytes free on the disk, got 1000"):
        asyncio.run(export_of(chain, shelf).run())
    assert shelf.heights() == []


def test_only_the_newest_snapshots_are_kept(chain: SnapshotChain, tmp_path: Path) -> None:
    shelf = SnapshotShelf(tmp_path / "snapshots")
    for _ in range(KEPT + 2):
        chain.grow(1)
        asyncio.run(export_of(chain, shelf).run())
    assert shelf.heights() == [7, 6]


def test_a_cancelled_export_ends_and_says_so(chain: SnapshotChain, tmp_path: Path) -> None:
    export = export_of(chain, SnapshotShelf(tmp_path / "snapshots"))
    export.cancel()
    with pytest.raises(ExportError, match="the node stops"):
        asyncio.run(export.run())


def test_chunks_read_from_the_shelf_are_verified_like_any_others(chain: SnapshotChain, tmp_path: Path) -> None:
    shelf = SnapshotShelf(tmp_path / "snapshots")
    manifest = asyncio.run(export_of(chain, shelf).run())
    for index, part in enumerate(manifest.parts):
        assert encode(verify_chunk(part, shelf.get(3).chunk(index) or b""))
    target = shelf.get(3).target()
    assert target is not None
    assert target.manifest == manifest
