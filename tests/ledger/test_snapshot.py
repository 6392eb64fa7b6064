"""Snapshots: what is cut out of a state can be put together again, and nothing else passes for it."""

from collections.abc import Iterator
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ledger import snapshot, state_tree
from ledger.application import Application
from ledger.blocks import PREVOTE, Vote
from ledger.codec import decode, encode
from ledger.consensus.evidence import pair_votes
from ledger.errors import DecodeError, InvalidTransactionError, LedgerError, VerificationError
from ledger.execution.store import NODES, STATE
from ledger.light_client import trust_genesis, walk
from ledger.snapshot import (
    Chunk,
    Entry,
    Manifest,
    Part,
    divide,
    hash_entries,
    metadata_writes,
    verify_chunk,
    verify_manifest,
)
from ledger.state_tree import EMPTY, StateRoots, path_of
from tests.ledger.execution.chain import MemoryStore
from tests.ledger.snapshots import SnapshotChain, is_below


class Nodes(dict[bytes, bytes]):
    def get_node(self, key: bytes) -> bytes | None:
        return self.get(key)


@pytest.fixture
def chain(monkeypatch: pytest.MonkeyPatch) -> SnapshotChain:
    monkeypatch.setattr(snapshot, "SNAPSHOT_CHUNK_BYTES", 1_500)
    made = SnapshotChain()
    for _ in range(3):
        made.grow(30)
    return made


def rebuild(manifest: Manifest, chunks: list[bytes]) -> MemoryStore:
    """Put a store together from a snapshot, in an order of nobody's choice."""
    store, nodes, roots = MemoryStore(), Nodes(), StateRoots()
    for part, data in sorted(zip(manifest.parts, chunks, strict=True), key=lambda item: item[0].hash):
        entries = verify_chunk(part, data).entries
        update = state_tree.update(nodes, roots, dict(entries))
        roots = update.roots
        nodes |= {key: node for key, node in update.node_writes.items() if node is not None}
        store.write({STATE + key: value for key, value in entries})
    assert roots == verify_manifest(manifest)
    store.write({NODES + key: node for key, node in nodes.items()})
    return store


def test_a_state_rebuilt_from_its_chunks_goes_on_as_the_chain_does(chain: SnapshotChain) -> None:
    manifest, chunks = chain.show()
    assert len(chunks) > 10
    trusted = walk(trust_genesis(chain.genesis), (manifest.certificate,))
    assert trusted.header_hash == chain.application.head_hash
    store = rebuild(manifest, chunks)
    store.write(metadata_writes(chain.genesis.hash, manifest, verify_manifest(manifest)))
    assert store.entries == chain.store.entries
    copy = Application(chain.genesis, chain.contracts, store)
    inputs = chain.inputs(chain.submit("counter.add", ("x", 1)))
    assert copy.execute(inputs).block == chain.application.execute(inputs).block


def test_who_began_from_a_snapshot_refuses_what_happened_before_it(chain: SnapshotChain) -> None:
    submission = chain.submit("counter.add", ("x", 1))
    pair = pair_votes(*(Vote(PREVOTE, 1, 0, block_hash, "alice", bytes(64)) for block_hash in (None, bytes(32))))
    executed = chain.application.execute(replace(chain.inputs(submission), evidence=(pair,)))
    chain.application.commit(executed)
    chain.store.write(executed.writes)
    chain.headers.append(executed.block.header)
    manifest, chunks = chain.show()
    store = rebuild(manifest, chunks)
    store.write(metadata_writes(chain.genesis.hash, manifest, verify_manifest(manifest)))
    copy = Application(chain.genesis, chain.contracts, store)
    assert copy.includes_evidence(pair)
    assert [copy.validators(height) for height in range(6)] == [chain.application.validators(at) for at in range(6)]
    with pytest.raises(InvalidTransactionError, match="REPLAYED"):
        copy.check_submission(submission, 0)


def test_equal_states_are_divided_alike_whatever_came_before(chain: SnapshotChain) -> None:
    manifest, _ = chain.show()
    again, _ = chain.show()
    assert manifest.id == again.id
    chain.grow(1)
    later, _ = chain.show()
    assert later.id != manifest.id


@pytest.mark.parametrize("place", range(4))
def test_every_flipped_byte_of_a_chunk_is_refused(chain: SnapshotChain, place: int) -> None:
    manifest, chunks = chain.show()
    index = place * len(chunks) // 4
    data = chunks[index]
    for offset in range(len(data)):
        damaged = data[:offset] + bytes([data[offset] ^ 1 << offset % 8]) + data[offset + 1 :]
        with pytest.raises(LedgerError):
            verify_chunk(manifest.parts[index], damaged)


def test_a_chunk_with_an_entry_left_out_or_put_in_is_refused(chain: SnapshotChain) -> None:
    manifest, chunks = chain.show()
    for part, data in zip(manifest.parts, chunks, strict=True):
        entries = decode(data, Chunk).entries
        owner = part.contract.encode()
        extra = next(key for at in count() if is_below(key := owner + b"\x00extra\x00%d" % at, part.prefix))
        for other in (
            *(entries[:at] + entries[at + 1 :] for at in range(len(entries)) if len(entries) > 1),
            tuple(sorted((*entries, (extra, b"value")))),
            (*entries, entries[-1]),
            entries[::-1] if len(entries) > 1 else entries * 2,
        ):
            with pytest.raises(VerificationError, match=f"snapshot part {part.contract}/{part.prefix}"):
                verify_chunk(part, encode(Chunk(other)))
    with pytest.raises(DecodeError):
        verify_chunk(manifest.parts[0], encode(((),)))


def test_a_chunk_in_anothers_place_or_of_another_height_is_refused(chain: SnapshotChain) -> None:
    manifest, chunks = chain.show()
    for part in manifest.parts:
        for index, data in enumerate(chunks):
            if manifest.parts[index] != part:
                with pytest.raises(VerificationError):
                    verify_chunk(part, data)
    old = dict(zip(((part.contract, part.prefix) for part in manifest.parts), chunks, strict=True))
    for _ in range(3):
        chain.grow(30)
    later, _ = chain.show()
    changed = [part for part in later.parts if part not in manifest.parts and (part.contract, part.prefix) in old]
    assert changed
    for part in changed:
        with pytest.raises(VerificationError):
            verify_chunk(part, old[part.contract, part.prefix])


def test_an_entry_of_another_contract_or_prefix_is_named(chain: SnapshotChain) -> None:
    manifest, chunks = chain.show()
    index = next(at for at, part in enumerate(manifest.parts) if part.prefix)
    entries = decode(chunks[index], Chunk).entries
    with pytest.raises(VerificationError, match="got the key b'other"):
        verify_chunk(manifest.parts[index], encode(Chunk((*entries, (b"other\x00a", b"")))))


def test_a_manifest_that_differs_in_any_part_is_refused(chain: SnapshotChain) -> None:
    manifest, _ = chain.show()
    parts = manifest.parts
    deep = next(part for part in parts if part.prefix)
    lies = [
        parts[1:],
        parts[::-1],
        (*parts, parts[-1]),
        (replace(parts[0], hash=bytes([1]) * 32), *parts[1:]),
        tuple(sorted((*parts, Part(deep.contract, deep.prefix + "0", deep.hash)), key=str)),
        tuple(sorted((*parts, Part(deep.contract, deep.prefix[:-1], deep.hash)), key=str)),
        (Part("another", "", EMPTY), *parts),
        (),
    ]
    for lie in lies:
        with pytest.raises(VerificationError, match="snapshot"):
            verify_manifest(replace(manifest, parts=tuple(lie)))


def test_a_manifest_with_another_history_is_refused(chain: SnapshotChain) -> None:
    manifest, _ = chain.show()
    for frontier in (manifest.frontier.append(bytes(32)), replace(manifest.frontier, subtrees=(bytes(32),) * 2)):
        with pytest.raises(VerificationError, match="frontier"):
            verify_manifest(replace(manifest, frontier=frontier))


def test_a_manifest_that_would_take_long_to_check_is_refused_first(
    chain: SnapshotChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest, _ = chain.show()
    monkeypatch.setattr(snapshot, "_NODES_MAX", 8)
    with pytest.raises(VerificationError, match="at most 8 nodes"):
        verify_manifest(manifest)


keys = st.binary(min_size=1, max_size=6).map(lambda text: b"c\x00" + text) | st.builds(
    lambda subject, row: b"c\x00rows\x00%d\x00%d" % (subject, row), st.integers(0, 3), st.integers(0, 99)
)
states = st.dictionaries(keys, st.binary(max_size=80), min_size=1, max_size=60)


@given(states, st.integers(1, 400))
def test_any_state_divides_into_parts_that_cover_it_once_and_give_its_root(
    state: dict[bytes, bytes], chunk_bytes: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(snapshot, "SNAPSHOT_CHUNK_BYTES", chunk_bytes)
        made = list(divide("c", lambda prefix: (entry for entry in state.items() if is_below(entry[0], prefix))))
    entries: list[Entry] = [entry for _, chunk in made for entry in chunk.entries]
    assert sorted(entries) == sorted(state.items())
    assert all(
        len(chunk.entries) == 1 or sum(len(key) + len(value) for key, value in chunk.entries) <= chunk_bytes
        for _, chunk in made
    )
    expected = state_tree.update(Nodes(), StateRoots(), dict(state)).roots.get("c")
    assert snapshot._join([(part.prefix, part.hash) for part, _ in made], 0) == expected
    assert hash_entries("", state.items()) == expected
    for part, chunk in made:
        assert verify_chunk(part, encode(chunk)) == chunk


def test_a_subject_with_more_rows_than_a_chunk_is_divided_by_its_own_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "SNAPSHOT_CHUNK_BYTES", 400)
    state = {b"c\x00rows\x00hot\x00%d" % row: bytes(20) for row in range(200)} | {b"c\x00rows\x00cool\x001": b"v"}
    reads = 0

    def scan(prefix: str) -> Iterator[Entry]:
        nonlocal reads
        reads += 1
        return (entry for entry in state.items() if is_below(entry[0], prefix))

    made = list(divide("c", scan))
    hot = path_of(b"c\x00rows\x00hot\x001").hex()[:64]
    assert sum(part.prefix.startswith(hot) for part, _ in made) == len(made) - 1 > 10
    assert reads < 5 * len(made), "not one nibble at a time down to the group"
    assert sorted(entry for _, chunk in made for entry in chunk.entries) == sorted(state.items())
    expected = state_tree.update(Nodes(), StateRoots(), dict(state)).roots.get("c")
    assert snapshot._join([(part.prefix, part.hash) for part, _ in made], 0) == expected
    assert snapshot._count_nodes([part for part, _ in made]) < 3 * len(made)
    for part, chunk in made:
        assert verify_chunk(part, encode(chunk)) == chunk
    moved = [(part.prefix, made[0][0].hash) for part, _ in made]
    assert snapshot._join(moved, 0) != expected


def test_an_empty_contract_has_no_parts_and_an_empty_subtree_no_hash() -> None:
    assert list(divide("c", lambda _: iter(()))) == []
    assert hash_entries("", ()) == EMPTY
    lone = (b"c\x00a", b"v")
    assert hash_entries(path_of(lone[0]).hex()[:5], (lone,)) == hash_entries("", (lone,))
