"""Both engines keep one protocol; a dict is the model."""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.storage import KeyValueStore, StorageError, open_store
from nodes.storage.folder import Engine
from nodes.storage.store import prefix_end
from tests.nodes.storage.conftest import ENGINES

KEYS = st.binary(max_size=4) | st.text("ab\x00\xff", max_size=4).map(lambda text: text.encode("latin-1"))
BATCHES = st.lists(st.dictionaries(KEYS, st.none() | st.binary(max_size=40), max_size=6), max_size=8)


@given(BATCHES, KEYS, st.none() | KEYS, st.sampled_from(ENGINES))
def test_a_store_answers_like_a_sorted_dict_also_after_reopening(
    batches: list[dict[bytes, bytes | None]], prefix: bytes, start: bytes | None, engine: Engine
) -> None:
    model: dict[bytes, bytes] = {}
    with tempfile.TemporaryDirectory() as folder:
        for batch in (*batches, {}):
            store = open_store(Path(folder), engine)
            try:
                store.write(batch)
                model = {
                    key: value
                    for key in {*model, *batch}
                    if (value := batch[key] if key in batch else model.get(key)) is not None
                }
                assert list(store.scan(b"")) == sorted(model.items())
                expected = sorted(
                    item for item in model.items() if item[0].startswith(prefix) and item[0] >= (start or b"")
                )
                assert list(store.scan(prefix, start)) == expected
                assert all(store.get(key) == model.get(key) for key in {prefix, *model, *batch})
            finally:
                store.close()


def test_a_scan_longer_than_one_fetch_is_whole_and_sorted(store: KeyValueStore) -> None:
    expected = {b"k%04d" % number: b"v" for number in range(700)}
    store.write({**expected, b"l": b"beyond"})
    assert list(store.scan(b"k")) == sorted(expected.items())
    assert next(store.scan(b"k", b"k0300")) == (b"k0300", b"v")


def test_a_batch_may_be_written_while_a_scan_is_under_way(store: KeyValueStore) -> None:
    store.write({b"a": b"1", b"b": b"1"})
    entries = store.scan(b"")
    assert next(entries) == (b"a", b"1")
    store.write({b"c": b"1", b"a": None})
    assert next(entries) == (b"b", b"1")
    assert [key for key, _ in store.scan(b"")] == [b"b", b"c"]
    assert isinstance(entries, Iterator)
    list(entries)


def test_a_value_of_a_full_block_comes_back(store: KeyValueStore) -> None:
    value = bytes(range(256)) * 20_000
    store.write({b"big": value})
    assert store.get(b"big") == value


@pytest.mark.parametrize(
    ("prefix", "end"), [(b"", None), (b"\xff\xff", None), (b"a", b"b"), (b"a\xff", b"b"), (b"a\x00", b"a\x01")]
)
def test_the_end_of_a_prefix_is_the_first_key_behind_it(prefix: bytes, end: bytes | None) -> None:
    assert prefix_end(prefix) == end


def test_a_closed_store_says_so_and_closes_twice(store: KeyValueStore) -> None:
    store.close()
    store.close()
    for use in (lambda: store.get(b"k"), lambda: list(store.scan(b"")), lambda: store.write({})):
        with pytest.raises(StorageError, match="the store is closed; open it again"):
            use()


def test_a_second_opener_is_refused_and_told_who_holds_the_folder(store: KeyValueStore, engine: Engine) -> None:
    with pytest.raises(StorageError, match=r"in use by process \d+; stop that node first"):
        open_store(store.path.parent, engine)
    store.close()
    open_store(store.path.parent, engine).close()


def test_the_engine_is_chosen_by_what_can_be_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "plyvel", None)
    store = open_store(tmp_path)
    store.close()
    assert store.engine == "sqlite"
    assert (tmp_path / "engine").read_text() == "sqlite\n"


def test_leveldb_without_plyvel_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "plyvel", None)
    monkeypatch.delitem(sys.modules, "nodes.storage.leveldb", raising=False)
    with pytest.raises(StorageError, match="needs plyvel"):
        open_store(tmp_path, "leveldb")


@pytest.mark.parametrize("named", [True, False])
def test_a_folder_of_the_other_engine_is_refused(store: KeyValueStore, engine: Engine, *, named: bool) -> None:
    other: Engine = "leveldb" if engine == "sqlite" else "sqlite"
    store.close()
    folder = store.path.parent
    if not named:
        (folder / "engine").unlink()
    with pytest.raises(StorageError, match=f"holds a store of the engine {engine}, this node uses {other}"):
        open_store(folder, other)
    open_store(folder, engine).close()


def test_an_unknown_engine_is_refused(tmp_path: Path, engine: Engine) -> None:
    (tmp_path / "engine").write_text("rocksdb\n")
    with pytest.raises(StorageError, match="expected one of leveldb, sqlite, got b'rocksdb"):
        open_store(tmp_path, engine)


def test_a_store_that_has_vanished_is_an_error_and_not_an_empty_chain(store: KeyValueStore, engine: Engine) -> None:
    store.close()
    if engine == "leveldb":
        shutil.rmtree(store.path)
    else:
        store.path.unlink()
    with pytest.raises(StorageError, match="cannot open the store"):
        open_store(store.path.parent, engine)


def test_a_creation_that_a_crash_interrupted_is_taken_up_again(store: KeyValueStore, engine: Engine) -> None:
    store.close()
    (store.path.parent / "engine").unlink()
    if engine == "leveldb":
        (store.path / "CURRENT").unlink()
    else:
        store.path.write_bytes(b"")
    again = open_store(store.path.parent, engine)
    again.write({b"k": b"v"})
    again.close()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, engine: Engine) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="cannot make the folder"):
        open_store(tmp_path / "file", engine)


def data_files(store: KeyValueStore) -> list[Path]:
    return [store.path] if store.path.is_file() else sorted(store.path.glob("*.l[do][bg]"))


def test_a_flipped_bit_in_a_value_is_an_error_and_never_a_value(store: KeyValueStore, engine: Engine) -> None:
    value = b"0123456789" * 20
    store.write({b"k%03d" % number: value for number in range(50)})
    store.close()
    open_store(store.path.parent, engine).close()
    flipped = 0
    for path in data_files(store):
        data = bytearray(path.read_bytes())
        if (at := data.find(b"23456789")) >= 0:
            data[at] ^= 1
            path.write_bytes(data)
            flipped += 1
    assert flipped
    with pytest.raises(StorageError, match="restore the folder from a backup"):
        read_everything(store.path.parent, engine)
    again = open_store(store.path.parent, engine)
    with pytest.raises(StorageError, match="restore the folder from a backup"):
        [again.get(b"k%03d" % number) for number in range(50)]
    again.close()


def test_damage_within_the_journal_never_leaves_half_a_batch(
    store: KeyValueStore, engine: Engine, tmp_path: Path
) -> None:
    """LevelDB refuses to open; SQLite goes on without the damaged batch and those after it."""
    for number in range(3):
        store.write({b"first": b"number %d" % number, b"second": b"number %d" % number})
    crashed = tmp_path / "crashed"
    shutil.copytree(store.path.parent, crashed)
    journal = next(crashed.rglob("*-wal" if engine == "sqlite" else "*.log"))
    data = bytearray(journal.read_bytes())
    data[data.find(b"number 1")] ^= 1
    journal.write_bytes(data)
    if engine == "sqlite":
        assert read_everything(crashed, engine) == {b"first": b"number 0", b"second": b"number 0"}
    else:
        with pytest.raises(StorageError, match="cannot open the store: Corruption"):
            open_store(crashed, engine)


def test_a_header_full_of_noise_is_an_error(store: KeyValueStore, engine: Engine) -> None:
    store.close()
    path = store.path if engine == "sqlite" else next(store.path.glob("MANIFEST-*"))
    path.write_bytes(b"\x5a" * 200)
    with pytest.raises(StorageError, match=r"cannot open the store: .*; restore the folder from a backup"):
        open_store(store.path.parent, engine)
    with pytest.raises(StorageError, match="cannot open the store"):
        open_store(store.path.parent, engine)


def read_everything(folder: Path, engine: Engine) -> dict[bytes, bytes]:
    store = open_store(folder, engine)
    try:
        return dict(store.scan(b""))
    finally:
        store.close()


def test_a_batch_torn_at_any_byte_is_there_as_a_whole_or_not_at_all(
    store: KeyValueStore, engine: Engine, tmp_path: Path
) -> None:
    old: dict[bytes, bytes | None] = {b"a": b"old", b"b": b"old"}
    new: dict[bytes, bytes | None] = {b"a": b"new", b"b": None, b"c": b"new"}
    kept = {key: value for key, value in new.items() if value is not None}
    store.write(old)
    source = store.path.parent
    journal = next(source.rglob("*-wal" if engine == "sqlite" else "*.log")).relative_to(source)
    begin = (source / journal).stat().st_size
    store.write(new)
    data = (source / journal).read_bytes()
    outcomes = set()
    step = max(1, (len(data) - begin) // 60)
    for end in (*range(begin, len(data), step), len(data)):
        crashed = tmp_path / f"crashed-{end}"
        shutil.copytree(source, crashed)
        (crashed / journal).write_bytes(data[:end])
        found = read_everything(crashed, engine)
        assert found in (old, kept), f"torn after {end} of {len(data)} bytes"
        outcomes.add(found == kept)
    assert outcomes == {False, True}
