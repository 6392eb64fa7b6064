"""State sync among honest, lying and stalling peers: it ends, and adopts nothing that is not certified."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ledger import snapshot
from ledger.codec import decode
from ledger.light_client import WalkStep, trust_genesis
from ledger.membership import Validator, ValidatorSet
from ledger.snapshot import Chunk, Manifest
from ledger.state_sync import (
    ANSWER_MS,
    STALLS_MAX,
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
from tests.ledger.execution.chain import KEYS
from tests.ledger.snapshots import SnapshotChain

Chunks = list[bytes]


@dataclass
class Peer:
    """Answers honestly; subclasses do not."""

    manifest: Manifest
    chunks: Chunks
    steps: tuple[WalkStep, ...] = ()
    asked: list[int] = field(default_factory=list)

    def offer(self, height: int) -> tuple[Manifest | None, tuple[WalkStep, ...]] | None:
        """Answer what there is; None is silence."""
        return (self.manifest, tuple(step for step in self.steps if step.header.height > height))

    def chunk(self, index: int) -> bytes | None:
        """Answer with a chunk; None is silence."""
        self.asked.append(index)
        return self.chunks[index]


class Forger(Peer):
    """Sends chunks with one byte changed."""

    def chunk(self, index: int) -> bytes | None:
        good = super().chunk(index) or b""
        return good[:-1] + bytes([good[-1] ^ 1])


class Staller(Peer):
    """Offers, and then is silent."""

    def chunk(self, index: int) -> bytes | None:
        super().chunk(index)
        return None


class Mute(Peer):
    """Never says anything."""

    def offer(self, height: int) -> None:
        super().offer(height)


class Forgetter(Peer):
    """Has dropped its snapshot meanwhile."""

    def chunk(self, index: int) -> bytes | None:
        return super().chunk(index) and b""


class Swapper(Peer):
    """Sends another chunk than the one asked for."""

    def chunk(self, index: int) -> bytes | None:
        return self.chunks[index - 1]


class Inventor(Peer):
    """Offers a state that nobody certified."""

    def offer(self, height: int) -> tuple[Manifest | None, tuple[WalkStep, ...]] | None:
        _, steps = super().offer(height) or (None, ())
        parts = (replace(self.manifest.parts[0], hash=bytes([7]) * 32), *self.manifest.parts[1:])
        return (replace(self.manifest, parts=parts), steps)


class Usurper(Peer):
    """Offers a header that a quorum of somebody else certified."""

    def offer(self, height: int) -> tuple[Manifest | None, tuple[WalkStep, ...]] | None:
        commit = self.manifest.certificate.commit
        forged = replace(commit.signatures[0], signature=bytes(64))
        certificate = replace(
            self.manifest.certificate, commit=replace(commit, signatures=(forged, *commit.signatures[1:]))
        )
        _, steps = super().offer(height) or (None, ())
        return (replace(self.manifest, certificate=certificate), steps)


DISHONEST = (Forger, Staller, Mute, Forgetter, Swapper, Inventor, Usurper)


class Run:
    """Drives a sync until it is over; what it stores is kept as a driver would."""

    def __init__(self, sync: StateSync, peers: dict[str, Peer]) -> None:
        self.sync, self.peers = sync, peers
        self.now_ms = 0
        self.target: Manifest | None = None
        self.stored: dict[int, bytes] = {}
        self.notes: list[Note] = []
        self.end: Complete | GiveUp | None = None
        self.progress: list[tuple[int, int, int]] = []

    def until_over(self, stop: Callable[[], bool] = lambda: False) -> "Run":
        effects = self.sync.ask(self.peers, 0)
        for _ in range(10_000):
            while effects and not stop():
                effects = effects[1:] + self.perform(effects[0])
            if self.end is not None or stop():
                return self
            self.now_ms += 500
            effects = self.sync.tick(self.now_ms)
        pytest.fail("the sync did not end")

    def perform(self, effect: SyncEffect) -> list[SyncEffect]:
        self.progress.append(self.sync.progress)
        match effect:
            case RequestOffer(peer, height):
                offer = self.peers[peer].offer(height)
                return [] if offer is None else self.sync.take_offer(peer, *offer, self.now_ms)
            case RequestChunk(peer, snapshot_id, index):
                data = self.peers[peer].chunk(index)
                return [] if data is None else self.sync.take_chunk(peer, snapshot_id, index, data, self.now_ms)
            case BeginSnapshot(manifest):
                self.target, self.stored = manifest, {}
            case StoreChunk(index, data):
                self.stored[index] = data
            case Complete() | GiveUp():
                assert self.end is None, "it ends once"
                self.end = effect
            case Note():
                self.notes.append(effect)
        return []


@pytest.fixture(scope="module")
def chain() -> SnapshotChain:
    """Three blocks; the set changes at the first, so that the way has a step."""
    made = SnapshotChain()
    new = ValidatorSet((Validator("alice", KEYS["alice"].public_key, 1),))
    made.headers.append(made.add_block(made.submit("membership.elect", new)).block.header)
    for _ in range(2):
        made.grow(25)
    return made


@pytest.fixture(scope="module")
def shown(chain: SnapshotChain) -> tuple[Manifest, Chunks]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(snapshot, "SNAPSHOT_CHUNK_BYTES", 1_500)
        return chain.show()


Shown = tuple[Manifest, Chunks]


def sync_of(chain: SnapshotChain, height_min: int = 1, stored: Stored | None = None) -> StateSync:
    return StateSync(trust_genesis(chain.genesis), height_min, stored)


def peer_of(chain: SnapshotChain, shown: Shown, kind: type[Peer] = Peer) -> Peer:
    return kind(*shown, steps=(chain.step(2),))


def test_chunks_come_from_all_honest_peers_and_are_complete(chain: SnapshotChain, shown: Shown) -> None:
    peers = {name: peer_of(chain, shown) for name in "abc"}
    run = Run(sync_of(chain), peers).until_over()
    assert run.end == Complete(shown[0], (chain.step(2),))
    assert [run.stored[index] for index in range(len(shown[1]))] == shown[1]
    assert all(peer.asked for peer in peers.values())
    assert run.notes == []
    assert run.progress[-1] == (len(shown[1]), len(shown[1]), 3)
    assert run.now_ms == 0


@pytest.mark.parametrize("kind", DISHONEST)
def test_one_dishonest_peer_is_noted_and_does_not_keep_the_state_back(
    chain: SnapshotChain, shown: Shown, kind: type[Peer]
) -> None:
    run = Run(sync_of(chain), {"a": peer_of(chain, shown, kind), "b": peer_of(chain, shown)}).until_over()
    assert isinstance(run.end, Complete)
    assert list(map(run.stored.get, range(len(shown[1])))) == shown[1]
    assert {note.peer for note in run.notes} == (set() if kind is Staller else {"a"})  # the other one was idle first
    assert run.sync.liars == (set() if kind in {Staller, Mute, Forgetter} else {"a"})
    assert run.now_ms <= (STALLS_MAX + 1) * ANSWER_MS


@pytest.mark.parametrize("kind", DISHONEST)
def test_dishonest_peers_alone_make_it_give_up_in_bounded_time(
    chain: SnapshotChain, shown: Shown, kind: type[Peer]
) -> None:
    run = Run(sync_of(chain), {name: peer_of(chain, shown, kind) for name in "abc"}).until_over()
    assert isinstance(run.end, GiveUp)
    assert all(shown[1][index] == data for index, data in run.stored.items())
    assert run.now_ms <= (STALLS_MAX + 1) * ANSWER_MS
    assert run.sync.is_over
    assert run.sync.tick(run.now_ms) == []


def test_a_way_without_the_change_of_the_set_is_refused(chain: SnapshotChain, shown: Shown) -> None:
    run = Run(sync_of(chain), {"a": Peer(*shown)}).until_over()
    assert isinstance(run.end, GiveUp)
    assert "show the header at which the set changed first" in run.notes[0].why


def test_a_long_way_is_shown_in_several_answers(chain: SnapshotChain, shown: Shown) -> None:
    class Patient(Peer):
        def offer(self, height: int) -> tuple[Manifest | None, tuple[WalkStep, ...]] | None:
            return (None, self.steps) if height < 2 else (self.manifest, ())

    run = Run(sync_of(chain), {"a": peer_of(chain, shown, Patient)}).until_over()
    assert run.end == Complete(shown[0], (chain.step(2),))


def test_a_snapshot_that_is_too_old_is_of_no_use(chain: SnapshotChain, shown: Shown) -> None:
    run = Run(sync_of(chain, height_min=4), {"a": peer_of(chain, shown)}).until_over()
    assert isinstance(run.end, GiveUp)
    assert "height 4 or later, got 3" in run.notes[0].why
    assert run.sync.liars == set(), "who has an older one is honest, and asked again at the next attempt"


def test_a_way_in_small_steps_that_change_nothing_is_refused(chain: SnapshotChain, shown: Shown) -> None:
    class Dawdler(Peer):
        def offer(self, height: int) -> tuple[Manifest | None, tuple[WalkStep, ...]] | None:
            return (None, (chain.step(height + 1),)) if height < 3 else (self.manifest, ())

    run = Run(sync_of(chain), {"a": peer_of(chain, shown, Dawdler)}).until_over()
    assert isinstance(run.end, GiveUp)
    assert run.sync.liars == {"a"}
    assert "expected headers at which the set of validators changed" in run.notes[0].why


def test_what_an_earlier_life_stored_is_not_fetched_again(chain: SnapshotChain, shown: Shown) -> None:
    sync = sync_of(chain)
    first = Run(sync, {"a": peer_of(chain, shown)}).until_over(stop=lambda: sync.progress[0] >= 5)
    stored = Stored(shown[0], (chain.step(2),), frozenset(first.stored))
    peer = peer_of(chain, shown)
    second = Run(sync_of(chain, stored=stored), {"a": peer}).until_over()
    assert isinstance(second.end, Complete)
    assert len(peer.asked) == len(shown[1]) - len(first.stored)
    assert set(second.stored).isdisjoint(first.stored)
    assert second.target is None, "it went on and did not begin anew"


def test_an_earlier_lifes_snapshot_that_nobody_has_any_more_is_begun_anew(chain: SnapshotChain, shown: Shown) -> None:
    merged = replace(shown[0], parts=())
    for stored in (
        Stored(merged, (chain.step(2),), frozenset({0})),  # does not hold
        Stored(replace(shown[0], parts=coarse(chain)[0].parts), (chain.step(2),), frozenset({0})),  # holds
    ):
        run = Run(sync_of(chain, stored=stored), {"a": peer_of(chain, shown)}).until_over()
        assert isinstance(run.end, Complete)
        assert len(run.stored) == len(shown[1])


def coarse(chain: SnapshotChain) -> Shown:
    """Return the same state in parts of full size."""
    return chain.show()


def test_a_state_in_crumbs_is_not_preferred(chain: SnapshotChain, shown: Shown) -> None:
    whole = peer_of(chain, coarse(chain))
    run = Run(sync_of(chain), {"a": peer_of(chain, shown), "b": whole}).until_over()
    assert run.target == whole.manifest


def test_if_the_first_choice_fails_another_snapshot_is_taken(chain: SnapshotChain, shown: Shown) -> None:
    peers = {name: peer_of(chain, shown, Forger) for name in "ab"} | {"c": peer_of(chain, coarse(chain))}
    run = Run(sync_of(chain), peers).until_over()
    assert isinstance(run.end, Complete)
    assert run.target == peers["c"].manifest
    assert run.stored == dict(enumerate(peers["c"].chunks))


def test_a_peer_that_comes_later_is_a_source_too(chain: SnapshotChain, shown: Shown) -> None:
    sync, honest = sync_of(chain), peer_of(chain, shown)
    run = Run(sync, {"a": peer_of(chain, shown, Staller), "b": honest})
    assert sync.ask(("a",), 0) == [RequestOffer("a", 0)]
    sync.take_offer("a", *(run.peers["a"].offer(0) or (None, ())), 0)
    assert sync.ask(("a", "b"), 0)[0] == RequestOffer("b", 0)
    effects = sync.take_offer("b", *(honest.offer(0) or (None, ())), 0)
    while effects:
        effects = effects[1:] + run.perform(effects[0])
    assert isinstance(run.end, Complete)
    assert len(honest.asked) == len(shown[1])


def test_answers_that_nobody_asked_for_change_nothing(chain: SnapshotChain, shown: Shown) -> None:
    sync = sync_of(chain)
    assert sync.take_offer("a", shown[0], (), 0) == []
    sync.ask(("a", "b"), 0)
    assert sync.take_offer("c", shown[0], (), 0) == []
    sync.take_offer("a", shown[0], (chain.step(2),), 0)
    (_, ask) = sync.take_offer("b", None, (), 0)
    assert isinstance(ask, RequestChunk)
    for peer, snapshot_id, index in (("b", ask.snapshot_id, 0), ("a", bytes(32), 0), ("a", ask.snapshot_id, 1)):
        assert sync.take_chunk(peer, snapshot_id, index, shown[1][index], 0) == []
    assert sync.progress[0] == 0


@given(st.data())
def test_whatever_peers_do_it_ends_with_the_certified_state_or_with_nothing(
    chain: SnapshotChain, shown: Shown, data: st.DataObject
) -> None:
    kinds = data.draw(st.lists(st.sampled_from((Peer, *DISHONEST)), min_size=1, max_size=5))
    peers = {f"p{at}": peer_of(chain, shown, kind) for at, kind in enumerate(kinds)}
    run = Run(sync_of(chain), peers).until_over()
    assert isinstance(run.end, Complete) == (Peer in kinds)
    assert all(shown[1][index] == chunk for index, chunk in run.stored.items())
    if isinstance(run.end, Complete):
        assert len(run.stored) == len(shown[1])
        assert all(len(decode(chunk, Chunk).entries) for chunk in run.stored.values())
