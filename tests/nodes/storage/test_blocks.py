"""The chain on disk: whole blocks only, of one network only."""

from pathlib import Path

import pytest

from ledger.errors import LedgerError
from ledger.transactions import EXPIRED, REPLAYED
from nodes.storage import KeyValueStore, StorageError
from nodes.storage.blocks import BlockStore
from tests.nodes.storage.chain import (
    CHAIN_ID,
    GENESIS_HASH,
    append_block,
    check_whole,
    make_block,
    make_receipt,
    make_writes,
    transaction_id,
)


@pytest.fixture
def blocks(store: KeyValueStore) -> BlockStore:
    opened = BlockStore(store, CHAIN_ID, GENESIS_HASH)
    opened.create(make_writes(0))
    return opened


def test_a_new_store_waits_for_the_state_of_its_genesis(store: KeyValueStore) -> None:
    blocks = BlockStore(store, CHAIN_ID, GENESIS_HASH)
    assert blocks.is_new
    assert BlockStore(store, CHAIN_ID, GENESIS_HASH).is_new
    blocks.create(make_writes(0))
    assert not BlockStore(store, CHAIN_ID, GENESIS_HASH).is_new
    assert check_whole(blocks) == 0
    assert check_whole(BlockStore(store, CHAIN_ID, GENESIS_HASH)) == 0
    with pytest.raises(AssertionError, match="a chain is created once"):
        blocks.create({})


def test_what_was_appended_comes_back_after_reopening(blocks: BlockStore, store: KeyValueStore) -> None:
    for height in range(1, 6):
        append_block(blocks, height)
        assert check_whole(BlockStore(store, CHAIN_ID, GENESIS_HASH)) == height
    assert blocks.block(0) is None
    assert blocks.commit(6) is None
    assert blocks.receipts(6) is None


@pytest.mark.parametrize(("chain_id", "genesis_hash"), [("other", GENESIS_HASH), (CHAIN_ID, bytes(32))])
def test_the_home_folder_of_another_network_is_refused(
    blocks: BlockStore, store: KeyValueStore, chain_id: str, genesis_hash: bytes
) -> None:
    with pytest.raises(StorageError, match=f"home folder of another network: it holds chain {CHAIN_ID}"):
        BlockStore(store, chain_id, genesis_hash)


@pytest.mark.parametrize("height", [1, 3])
def test_only_the_next_height_is_appended(blocks: BlockStore, height: int) -> None:
    append_block(blocks, 1)
    with pytest.raises(AssertionError, match=f"expected height 2, got {height}"):
        append_block(blocks, height)
    assert check_whole(blocks) == 1


def test_a_block_without_its_own_commit_and_receipts_is_refused(blocks: BlockStore) -> None:
    receipts = (make_receipt(transaction_id(1, 0)),)
    block, commit = make_block(1, receipts)
    _, foreign = make_block(1, ())
    with pytest.raises(AssertionError, match="the commit is for another block"):
        blocks.append(block, foreign, receipts, {})
    with pytest.raises(AssertionError, match="one receipt per transaction"):
        blocks.append(block, commit, (), {})
    with pytest.raises(AssertionError, match="the receipts are another block's"):
        blocks.append(block, commit, (make_receipt(transaction_id(1, 0), "AUTH-013"),), {})
    with pytest.raises(AssertionError, match="key outside the state: b'h/height'"):
        blocks.append(block, commit, receipts, {b"h/height": bytes(8)})
    assert check_whole(blocks) == 0


def test_the_receipts_of_clock_calls_follow_those_of_the_transactions(blocks: BlockStore) -> None:
    receipts = tuple(make_receipt(transaction_id(1, index)) for index in range(3))
    block, commit = make_block(1, receipts, clock_calls=2)
    blocks.append(block, commit, receipts, {})
    assert blocks.receipts(1) == receipts
    assert blocks.find_transaction(transaction_id(1, 2)) == (1, 2)


def append_receipts(blocks: BlockStore, *codes: str) -> None:
    receipts = tuple(make_receipt(b"\x07" * 32, code) for code in codes)
    block, commit = make_block(blocks.height() + 1, receipts)
    blocks.append(block, commit, receipts, {})


def test_a_copy_of_a_transaction_does_not_move_it(blocks: BlockStore) -> None:
    append_receipts(blocks, "AUTH-013", REPLAYED)
    append_receipts(blocks, REPLAYED)
    append_receipts(blocks, EXPIRED)
    assert blocks.find_transaction(b"\x07" * 32) == (1, 0)


def test_a_transaction_that_was_refused_as_expired_is_found_where_it_was_applied(blocks: BlockStore) -> None:
    append_receipts(blocks, EXPIRED)
    assert blocks.find_transaction(b"\x07" * 32) == (1, 0)
    append_receipts(blocks, EXPIRED, "OK", REPLAYED)
    assert blocks.find_transaction(b"\x07" * 32) == (2, 1)


def test_the_state_is_read_without_its_prefixes(blocks: BlockStore, store: KeyValueStore) -> None:
    store.write({b"s/a": b"state", b"n/a": b"node", b"m/a": b"metadata", b"s/b": b"other"})
    state = blocks.state
    assert (state.get(b"a"), state.get_node(b"a"), state.get_metadata(b"a")) == (b"state", b"node", b"metadata")
    assert (state.get(b"x"), state.get_node(b"x"), state.get_metadata(b"x")) == (None, None, None)
    assert list(state.scan(b"a")) == [(b"a", b"state")]
    assert [key for key, _ in state.scan(b"")] == [b"a", b"b", b"consent\x00grants\x00g1"]


@pytest.mark.parametrize("key", [b"b/", b"c/", b"r/"])
def test_a_damaged_record_is_a_storage_error_that_names_it(
    blocks: BlockStore, store: KeyValueStore, key: bytes
) -> None:
    append_block(blocks, 1)
    store.write({key + (1).to_bytes(8): b"\xc1"})
    with pytest.raises(StorageError, match=f"entry {key.decode()}0000000000000001: ") as caught:
        check_whole(blocks)
    assert not isinstance(caught.value, LedgerError)
    assert caught.value.path == store.path


def test_a_damaged_index_or_height_is_a_storage_error(blocks: BlockStore, store: KeyValueStore) -> None:
    append_block(blocks, 1)
    store.write({b"t/" + transaction_id(1, 0): b"short", b"h/height": None})
    with pytest.raises(StorageError, match="expected 12 bytes, got 5"):
        blocks.find_transaction(transaction_id(1, 0))
    with pytest.raises(StorageError, match="the height is missing"):
        BlockStore(store, CHAIN_ID, GENESIS_HASH)


def test_a_write_that_fails_leaves_the_old_height(
    blocks: BlockStore, store: KeyValueStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    append_block(blocks, 1)

    def refuse(changes: object) -> None:
        raise StorageError(Path("disk"), "cannot write", "free space")

    with monkeypatch.context() as patch:
        patch.setattr(store, "write", refuse)
        with pytest.raises(StorageError, match="cannot write; free space"):
            append_block(blocks, 2)
    assert check_whole(blocks) == 1
    append_block(blocks, 2)
    assert check_whole(BlockStore(store, CHAIN_ID, GENESIS_HASH)) == 2
