"""The outbox: every item is done at least once and taken on once, across any restart."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import DecodeError
from nodes.storage import KeyValueStore, StorageError, open_store
from nodes.storage.folder import Engine
from nodes.storage.outbox import Outbox, OutboxItem
from tests.nodes.storage.conftest import ENGINES


def item(key: bytes, kind: str = "deliver") -> OutboxItem:
    return OutboxItem(kind, key, b"payload of " + key)


def test_items_are_pending_in_order_until_they_are_done(store: KeyValueStore) -> None:
    outbox = Outbox(store)
    assert outbox.add([item(b"b"), item(b"a")]) == 2
    assert outbox.add([item(b"c")]) == 1
    assert list(outbox.pending()) == [item(b"b"), item(b"a"), item(b"c")]
    outbox.mark_done("deliver", b"a")
    outbox.mark_done("deliver", b"a")
    assert list(Outbox(store).pending()) == [item(b"b"), item(b"c")]


def test_an_item_is_taken_on_once_though_it_is_derived_again(store: KeyValueStore) -> None:
    outbox = Outbox(store)
    assert outbox.add([item(b"a"), item(b"a"), item(b"a", "pay")], followed_height=4) == 2
    outbox.mark_done("deliver", b"a")
    restarted = Outbox(store)
    assert restarted.followed_height() == 4
    assert restarted.add([item(b"a")]) == 0
    assert restarted.add([], followed_height=5) == 0
    assert Outbox(store).followed_height() == 5
    assert list(restarted.pending()) == [item(b"a", "pay")]
    assert restarted.is_known("deliver", b"a")
    assert not restarted.is_known("deliver", b"b")


def test_a_new_outbox_has_followed_nothing(store: KeyValueStore) -> None:
    assert Outbox(store).followed_height() == 0
    assert list(Outbox(store).pending()) == []


@pytest.mark.parametrize("bad", [item(b"a", "no\x00name"), item(b""), item(b"k" * 257)])
def test_an_item_out_of_bounds_is_refused_before_anything_is_written(store: KeyValueStore, bad: OutboxItem) -> None:
    outbox = Outbox(store)
    with pytest.raises(DecodeError, match="OutboxItem"):
        outbox.add([item(b"good"), bad], followed_height=1)
    assert list(outbox.pending()) == []
    assert outbox.followed_height() == 0


def test_what_was_never_added_cannot_be_done(store: KeyValueStore) -> None:
    with pytest.raises(AssertionError, match="deliver was never added"):
        Outbox(store).mark_done("deliver", b"a")


def test_a_failed_write_adds_nothing(store: KeyValueStore, monkeypatch: pytest.MonkeyPatch) -> None:
    outbox = Outbox(store)

    def refuse(_changes: object) -> None:
        raise StorageError(Path("disk"), "cannot write", "free space")

    with monkeypatch.context() as patch:
        patch.setattr(store, "write", refuse)
        with pytest.raises(StorageError, match="cannot write"):
            outbox.add([item(b"a")])
    assert not outbox.is_known("deliver", b"a")
    assert outbox.add([item(b"a")]) == 1


def test_a_damaged_item_is_a_storage_error_that_names_it(store: KeyValueStore) -> None:
    store.write({b"i/" + (3).to_bytes(8): b"\xc1"})
    with pytest.raises(StorageError, match="item 3: "):
        list(Outbox(store).pending())


@given(
    st.lists(st.tuples(st.sampled_from(["add", "done", "restart"]), st.integers(0, 4)), max_size=15),
    st.sampled_from(ENGINES),
)
def test_an_outbox_behaves_like_a_list_that_remembers(actions: list[tuple[str, int]], engine: Engine) -> None:
    known: list[bytes] = []
    done: set[bytes] = set()
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(Path(folder), engine)
        outbox = Outbox(store)
        for action, number in actions:
            key = b"%d" % number
            if action == "add":
                assert outbox.add([item(key)]) == (key not in known)
                known += [] if key in known else [key]
            elif action == "done" and key in known:
                outbox.mark_done("deliver", key)
                done.add(key)
            else:
                outbox = Outbox(store)
            assert [entry.key for entry in outbox.pending()] == [key for key in known if key not in done]
        store.close()
