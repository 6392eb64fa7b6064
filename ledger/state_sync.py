"""State sync: how a node that is far behind takes a snapshot from peers that it does not trust.

    asking      every peer is asked what it has; each answer is followed by the light client from this node's own last
                header (or its genesis), and its parts must give the certified state root: all else is refused
    taking      the snapshot that most peers have is chosen; each of these peers is asked for one chunk after the
                other, and each chunk is verified before it is stored
    done        every chunk is stored; or nobody is left to ask, and it is given up

A chunk that does not hold ends what its sender is asked for; the same chunk is asked of others. A peer that does not
answer in time keeps nothing back: its chunk is asked of others, and after three times it is left alone. When few chunks
are missing, those that are under way are asked of idle peers as well. So a peer that lies or stalls costs a bounded
time, and the machine always ends.

No I/O and no clock: the driver gives it answers, ticks and the time, and performs the effects in their order. A driver
that crashed hands over what it had stored, and the machine goes on with it if somebody still has that snapshot.
"""

from collections.abc import Iterable
from typing import Final

from ledger.codec import Struct
from ledger.errors import LedgerError, VerificationError
from ledger.light_client import TrustedState, WalkStep, walk
from ledger.snapshot import Manifest, verify_chunk, verify_manifest

ANSWER_MS: Final = 10_000
"""How long an answer may take: a chunk of 2 MB on a line of 2 Mbit/s."""
STALLS_MAX: Final = 3
"""Answers that a peer may fail to give in time."""


class RequestOffer(Struct):
    """Ask a peer which snapshot it has, and for the way there from this height."""

    peer: str
    height: int


class RequestChunk(Struct):
    """Ask a peer for one chunk."""

    peer: str
    snapshot_id: bytes
    index: int


class BeginSnapshot(Struct):
    """Forget the chunks stored so far, and store those of this snapshot from here on."""

    manifest: Manifest
    steps: tuple[WalkStep, ...]
    """The changes of the validator set on the way to it."""


class StoreChunk(Struct):
    """Store a verified chunk."""

    index: int
    data: bytes


class Complete(Struct):
    """Every chunk is stored."""

    manifest: Manifest
    steps: tuple[WalkStep, ...]


class GiveUp(Struct):
    """Nobody is left to ask; go on with blocks."""

    why: str


class Note(Struct):
    """A line for the operator's log: what was wrong with a peer."""

    kind: str
    peer: str
    why: str


SyncEffect = RequestOffer | RequestChunk | BeginSnapshot | StoreChunk | Complete | GiveUp | Note


class Stored(Struct):
    """What a driver stored before it crashed."""

    manifest: Manifest
    steps: tuple[WalkStep, ...]
    indexes: frozenset[int]
    """Chunks that are there; they were verified again when they were read."""


class _Asked(Struct):
    index: int
    deadline_ms: int


class StateSync:
    """One attempt to take a snapshot."""

    def __init__(self, trusted: TrustedState, height_min: int, stored: Stored | None = None) -> None:
        """Stand before the first question.

        Args:
            trusted: What this node has verified itself: its last header, or its genesis.
            height_min: Older snapshots are of no use.
            stored: What is left of an attempt before; it is verified like an offer.
        """
        self._trusted = trusted
        self._height_min = height_min
        self._stored = stored if stored is not None and self._holds(stored) else None
        self._trusts: dict[str, TrustedState] = {}
        self._steps: dict[str, tuple[WalkStep, ...]] = {}
        self._asked: dict[str, int] = {}
        self._offers: dict[str, Manifest] = {}
        self._target: Manifest | None = None
        self._target_steps: tuple[WalkStep, ...] = ()
        self._missing: dict[int, None] = {}
        self._under_way: dict[str, _Asked] = {}
        self._stalls: dict[str, int] = {}
        self.liars: set[str] = set()
        """Peers that sent what does not hold."""
        self.is_over = False
        """Whether it has completed or given up."""

    @property
    def progress(self) -> tuple[int, int, int]:
        """Chunks stored, chunks in all, and the snapshot's height; zeros while nothing is chosen."""
        if self._target is None:
            return (0, 0, 0)
        total = len(self._target.parts)
        return (total - len(self._missing), total, self._target.header.height)

    def ask(self, peers: Iterable[str], now_ms: int) -> list[SyncEffect]:
        """Ask peers what they have: all at the beginning, and later whoever was not there; each is asked once."""
        effects: list[SyncEffect] = []
        for peer in peers:
            if peer in self._trusts:
                continue
            self._trusts[peer], self._steps[peer] = self._trusted, ()
            effects.append(self._ask(peer, now_ms))
        return effects + self._go_on(now_ms)

    def take_offer(
        self, peer: str, manifest: Manifest | None, steps: tuple[WalkStep, ...], now_ms: int
    ) -> list[SyncEffect]:
        """Take a peer's answer: its snapshot and the way there; None if it has none, or shows more of the way first."""
        if self._asked.pop(peer, None) is None or self.is_over:
            return []
        try:
            _check_changes(steps)
            self._trusts[peer] = trusted = walk(self._trusts[peer], steps)
            self._steps[peer] += steps
            if manifest is None:
                return [self._ask(peer, now_ms)] if steps else self._go_on(now_ms)
            if manifest.header.height < self._height_min:
                return [self._pass_over(peer, manifest.header.height), *self._go_on(now_ms)]
            self._check(manifest, trusted)
        except LedgerError as error:
            return [self._refuse(peer, error), *self._go_on(now_ms)]
        self._offers[peer] = manifest
        return self._go_on(now_ms)

    def take_chunk(self, peer: str, snapshot_id: bytes, index: int, data: bytes, now_ms: int) -> list[SyncEffect]:
        """Take a peer's answer: an encoded chunk; empty if it has it no more."""
        asked = self._under_way.get(peer)
        if asked is None or self._target is None or (snapshot_id, index) != (self._target.id, asked.index):
            return []
        del self._under_way[peer]
        if not data:
            del self._offers[peer]
            return [Note("snapshot-gone", peer, f"chunk {index}"), *self._go_on(now_ms)]
        if index not in self._missing:
            return self._go_on(now_ms)
        try:
            verify_chunk(self._target.parts[index], data)
        except LedgerError as error:
            return [self._refuse(peer, error), *self._go_on(now_ms)]
        del self._missing[index]
        return [StoreChunk(index, data), *self._go_on(now_ms)]

    def tick(self, now_ms: int) -> list[SyncEffect]:
        """Let go of answers that did not come in time."""
        effects: list[SyncEffect] = []
        for peer in [peer for peer, deadline_ms in self._asked.items() if deadline_ms <= now_ms]:
            del self._asked[peer]
            effects.append(Note("snapshot-stalled", peer, "no offer in time"))
        for peer in [peer for peer, asked in self._under_way.items() if asked.deadline_ms <= now_ms]:
            asked = self._under_way.pop(peer)
            self._stalls[peer] = self._stalls.get(peer, 0) + 1
            if asked.index in self._missing:  # to the end, so that others are asked for it and this peer for another
                self._missing[asked.index] = self._missing.pop(asked.index)
            if self._stalls[peer] >= STALLS_MAX:
                del self._offers[peer]
            effects.append(Note("snapshot-stalled", peer, f"chunk {asked.index} did not come in time"))
        return effects + self._go_on(now_ms)

    # ------------------------------------------------------------------------------------------------ private

    def _holds(self, stored: Stored) -> bool:
        try:
            self._check(stored.manifest, walk(self._trusted, stored.steps))
        except LedgerError:
            return False
        return stored.manifest.header.height >= self._height_min

    def _check(self, manifest: Manifest, trusted: TrustedState) -> None:
        walk(trusted, (manifest.certificate,))
        verify_manifest(manifest)

    def _ask(self, peer: str, now_ms: int) -> RequestOffer:
        self._asked[peer] = now_ms + ANSWER_MS
        return RequestOffer(peer, self._trusts[peer].height)

    def _pass_over(self, peer: str, height: int) -> Note:
        """Do without a peer that has nothing newer: how far ahead the others are is hearsay, so it is no liar."""
        return Note("snapshot-old", peer, f"expected one of height {self._height_min} or later, got {height}")

    def _refuse(self, peer: str, error: LedgerError) -> Note:
        self.liars.add(peer)
        self._offers.pop(peer, None)
        return Note("snapshot-refused", peer, str(error))

    def _go_on(self, now_ms: int) -> list[SyncEffect]:
        """Choose once everybody has answered; ask who is idle; end when nothing is missing or nobody is left."""
        if self.is_over:
            return []
        effects: list[SyncEffect] = []
        if self._target is not None and self._missing and not self._sources(self._target):
            self._target = None
        if self._target is None:
            if self._asked:
                return []
            if not self._offers:
                self.is_over = True
                return [GiveUp("no peer has a snapshot that is certified, recent enough and complete")]
            effects += self._choose()
        assert self._target is not None, "one was chosen"
        if not self._missing:
            self.is_over = True
            return [*effects, Complete(self._target, self._target_steps)]
        for peer in self._sources(self._target):
            index = None if peer in self._under_way else self._next_index()
            if index is not None:
                self._under_way[peer] = _Asked(index, now_ms + ANSWER_MS)
                effects.append(RequestChunk(peer, self._target.id, index))
        return effects

    def _choose(self) -> list[SyncEffect]:
        """Turn to the snapshot that was begun before, or to the one that most peers have."""
        groups: dict[bytes, list[str]] = {}
        for peer, manifest in sorted(self._offers.items()):
            groups.setdefault(manifest.id, []).append(peer)
        self._under_way.clear()
        if self._stored is not None and self._stored.manifest.id in groups:
            stored, self._stored = self._stored, None
            self._target, self._target_steps = stored.manifest, stored.steps
            self._missing = {at: None for at in range(len(stored.manifest.parts)) if at not in stored.indexes}
            return []
        self._stored = None
        peers = max(groups.values(), key=self._rank)
        self._target, self._target_steps = self._offers[peers[0]], self._steps[peers[0]]
        self._missing = dict.fromkeys(range(len(self._target.parts)))
        return [BeginSnapshot(self._target, self._target_steps)]

    def _rank(self, peers: list[str]) -> tuple[int, int, int]:
        """Most peers first; then the fewest parts, so that nobody is led through a state in crumbs; then the height."""
        manifest = self._offers[peers[0]]
        return (len(peers), -len(manifest.parts), manifest.header.height)

    def _sources(self, target: Manifest) -> list[str]:
        return sorted(peer for peer, manifest in self._offers.items() if manifest.id == target.id)

    def _next_index(self) -> int | None:
        """Return a chunk that nobody is asked for; else one that is under way from another peer."""
        asked = {item.index for item in self._under_way.values()}
        free = next((index for index in self._missing if index not in asked), None)
        return free if free is not None else next(iter(self._missing), None)


def _check_changes(steps: tuple[WalkStep, ...]) -> None:
    """Refuse what makes the way longer and leads nowhere, or one peer could keep everybody waiting height by height."""
    for step in steps:
        if step.header.next_validators_hash == step.header.validators_hash:
            msg = (
                f"snapshot steps: expected headers at which the set of validators changed, got {step.header.height}, "
                "which changes nothing"
            )
            raise VerificationError(msg)
