"""Blocks that belong together without being valid: what the store is given, with none of the cost of consensus."""

from ledger.blocks import Block, BlockHeader, Commit, CommitSignature, receipts_root
from ledger.crypto.hashes import hash_bytes
from ledger.transactions import OK, Receipt
from nodes.storage.blocks import BlockStore

CHAIN_ID = "xinpei-test"
GENESIS_HASH = hash_bytes(b"genesis")


def transaction_id(height: int, index: int) -> bytes:
    return hash_bytes(b"%d/%d" % (height, index))


def make_receipt(identity: bytes, code: str = OK) -> Receipt:
    return Receipt(identity, code, "" if code == OK else "a reason", (), 7)


def make_block(height: int, receipts: tuple[Receipt, ...], clock_calls: int = 0) -> tuple[Block, Commit]:
    """Return a block whose last `clock_calls` receipts are of clock calls, and its certificate."""
    roots = [hash_bytes(b"%d" % field) for field in range(7)]
    roots[2] = receipts_root(receipts)
    header = BlockHeader(
        1,
        CHAIN_ID,
        height,
        1_000 + height,
        "hospital-a",
        GENESIS_HASH,
        len(receipts) - clock_calls,
        *roots,
    )
    return Block(header, (), ()), Commit(height, 0, header.hash, (CommitSignature("hospital-a", bytes(64)),))


def make_writes(height: int, value_bytes: int = 20) -> dict[bytes, bytes | None]:
    """Return the writes of a block: three entries that say which height they are of, and one that comes and goes."""
    value = b"%d " % height + bytes(value_bytes)
    return {
        b"s/consent\x00grants\x00g1": value,
        b"n/consent/": value,
        b"m/roots": value,
        b"s/consent\x00odd": value if height % 2 else None,
    }


def append_block(blocks: BlockStore, height: int, value_bytes: int = 20) -> None:
    receipts = tuple(make_receipt(transaction_id(height, index)) for index in range(3))
    block, commit = make_block(height, receipts)
    blocks.append(block, commit, receipts, make_writes(height, value_bytes))


def check_whole(blocks: BlockStore) -> int:
    """Check that everything in the store is of one height, and return it."""
    height = blocks.height()
    assert blocks.block(height + 1) is None
    assert blocks.find_transaction(transaction_id(height + 1, 0)) is None
    entries = {key: value.split()[0] for key, value in blocks.state.scan(b"")}
    expected = b"%d" % height
    odd = {b"consent\x00odd": expected} if height % 2 else {}
    assert entries == {b"consent\x00grants\x00g1": expected} | odd
    for value in (blocks.state.get_node(b"consent/"), blocks.state.get_metadata(b"roots")):
        assert value is not None
        assert value.split()[0] == expected
    for past in range(1, height + 1):
        block, commit, receipts = blocks.block(past), blocks.commit(past), blocks.receipts(past)
        assert block is not None
        assert commit is not None
        assert receipts is not None
        assert (block.header.height, commit.block_hash, len(receipts)) == (past, block.header.hash, 3)
        assert blocks.find_transaction(transaction_id(past, 2)) == (past, 2)
    return height
