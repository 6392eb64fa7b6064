"""A store made from a snapshot replaces the old one as a whole, whenever the power goes."""

import threading
from pathlib import Path

import pytest

from ledger import snapshot
from ledger.application import Application
from ledger.errors import DecodeError, VerificationError
from nodes.storage import adoption, open_store
from nodes.storage.adoption import AdoptionCancelledError, base_files, build_store, finish, read_stored, taken_files
from nodes.storage.blocks import BlockStore
from nodes.storage.snapshots import Target
from tests.ledger.snapshots import SnapshotChain

HEIGHT = 3


class PowerCutError(Exception):
    """The process ends here."""


@pytest.fixture(scope="module")
def chain() -> SnapshotChain:
    made = SnapshotChain()
    for _ in range(HEIGHT):
        made.grow(30)
    return made


@pytest.fixture
def folder(chain: SnapshotChain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a node's folder: a store at the genesis, and all chunks of a snapshot."""
    monkeypatch.setattr(snapshot, "SNAPSHOT_CHUNK_BYTES", 1_500)
    store = open_store(tmp_path / "store")
    blocks = BlockStore(store, chain.genesis.chain_id, chain.genesis.hash)
    blocks.create({b"m/genesis": chain.genesis.hash})
    store.close()
    manifest, chunks = chain.show()
    adoption.make_sync_folder(tmp_path)
    files = taken_files(tmp_path)
    files.begin()
    files.write_target(Target(manifest, ()))
    for index, data in enumerate(chunks):
        files.write_chunk(index, data)
    return tmp_path


def build(folder: Path, chain: SnapshotChain, *, is_ending: bool = False) -> None:
    ending = threading.Event()
    if is_ending:
        ending.set()
    earlier = chain.step(1)
    build_store(folder, chain.genesis, ((earlier.header, earlier.commit),), ending)


def height_of(folder: Path, chain: SnapshotChain) -> int:
    """Return where the store stands that a node would start on, after looking at all of it."""
    store = open_store(folder / "store")
    try:
        blocks = BlockStore(store, chain.genesis.chain_id, chain.genesis.hash)
        if blocks.height():
            assert blocks.first_height == HEIGHT + 1
            assert [header.height for header, _ in blocks.certificates()] == [1, HEIGHT]
            assert blocks.certificate(HEIGHT) == (chain.step(HEIGHT).header, chain.step(HEIGHT).commit)
            assert blocks.block(HEIGHT) is None
            assert f"begin at height {HEIGHT + 1}" in blocks.describe_absence(1)
            application = Application(chain.genesis, chain.contracts, store)
            inputs = chain.inputs(chain.submit("counter.add", ("x", 1)))
            assert application.execute(inputs).block == chain.application.execute(inputs).block
        return blocks.height()
    finally:
        store.close()


def test_a_whole_snapshot_becomes_the_store_and_its_files_the_base(folder: Path, chain: SnapshotChain) -> None:
    assert finish(folder) is False
    build(folder, chain)
    assert height_of(folder, chain) == 0, "only decided for"
    assert finish(folder) is True
    assert height_of(folder, chain) == HEIGHT
    assert base_files(folder).target() == Target(chain.show()[0], ())
    assert not (folder / "sync").exists()
    assert finish(folder) is False


@pytest.mark.parametrize("name", ["adopt", "metadata_writes", "replace_synced"])
def test_a_crash_before_the_decision_leaves_the_old_store_and_the_chunks(
    folder: Path, chain: SnapshotChain, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def cut(*_: object) -> None:
        raise PowerCutError

    with monkeypatch.context() as patch:
        patch.setattr(BlockStore if name == "adopt" else adoption, name, cut)
        with pytest.raises(PowerCutError):
            build(folder, chain)
    assert finish(folder) is False
    assert height_of(folder, chain) == 0
    stored = read_stored(taken_files(folder), threading.Event())
    assert stored is not None
    assert len(stored.indexes) == len(stored.manifest.parts)
    build(folder, chain)
    assert finish(folder) is True
    assert height_of(folder, chain) == HEIGHT


@pytest.mark.parametrize("renames", range(3))
def test_a_crash_after_the_decision_ends_with_the_new_store(
    folder: Path, chain: SnapshotChain, monkeypatch: pytest.MonkeyPatch, renames: int
) -> None:
    build(folder, chain)
    left, real = [renames], Path.replace

    def replace(self: Path, target: Path) -> Path:
        if not left[0]:
            raise PowerCutError
        left[0] -= 1
        return real(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", replace)
        with pytest.raises(PowerCutError):
            finish(folder)
    assert finish(folder) is True
    assert height_of(folder, chain) == HEIGHT
    assert base_files(folder).target() is not None


def test_a_node_that_stops_meanwhile_adopts_nothing(folder: Path, chain: SnapshotChain) -> None:
    with pytest.raises(AdoptionCancelledError):
        build(folder, chain, is_ending=True)
    assert finish(folder) is False
    assert height_of(folder, chain) == 0


def test_a_chunk_that_changed_on_the_disk_is_noticed_and_fetched_again(folder: Path, chain: SnapshotChain) -> None:
    taken_files(folder).write_chunk(1, b"torn")
    with pytest.raises(DecodeError, match="Chunk"):
        build(folder, chain)
    assert finish(folder) is False
    stored = read_stored(taken_files(folder), threading.Event())
    assert stored is not None
    assert set(range(len(stored.manifest.parts))) - stored.indexes == {1}


def test_a_snapshot_without_a_target_is_none(folder: Path, chain: SnapshotChain) -> None:
    (taken_files(folder).folder / "target").write_bytes(b"torn")
    assert read_stored(taken_files(folder), threading.Event()) is None
    with pytest.raises(VerificationError, match="target is gone"):
        build(folder, chain)
