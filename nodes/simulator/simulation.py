"""The simulation: one event heap, one virtual clock, one seeded generator.

    heap entry     what happens when its time comes
    deliver        a message, as bytes, reaches a node that is up and not cut off
    elapse         a timeout of a node's present life
    tick           every node that is up, every TICK_MS

A step's effects are performed one by one, and the node may crash between any two of them. Every event enters the
trace's hash, so two runs of one seed can be compared by 32 bytes.
"""

import hashlib
import heapq
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Literal

from ledger.application import Application
from ledger.codec import encode
from ledger.consensus.driver import Timeout
from ledger.crypto.signatures import PrivateKey
from ledger.execution.loader import ContractSet
from ledger.genesis import Genesis
from ledger.replica import Replica
from ledger.replica.messages import CommittedBlock, Message, decode_message
from ledger.replica.ports import (
    AppendLog,
    Broadcast,
    CommitBlock,
    Effect,
    Halt,
    Input,
    LogReplayed,
    MessageReceived,
    Report,
    ResetLog,
    SaveSignerState,
    ScheduleTimeout,
    Send,
    SendBlocks,
    Started,
    SubmissionAccepted,
    SubmissionReceived,
    SubmissionRefused,
    Tick,
    TimeoutElapsed,
)
from ledger.transactions import Submission
from nodes.simulator.checks import Checks
from nodes.simulator.disk import Disk

TICK_MS = 500


@dataclass
class Weather:
    """What the network and the machines do to us."""

    delay_min_ms: int = 1
    delay_max_ms: int = 40
    loss: float = 0.0
    """Share of messages that never arrive."""
    repeats: float = 0.0
    """Share of messages that arrive twice."""
    crashes: float = 0.0
    """Chance that a step of a node ends in a crash between two of its effects."""
    down_max_ms: int = 3_000
    """After such a crash, the node is up again within this time."""


Lie = Callable[["Node", Effect], Iterable[Effect]]
"""What a Byzantine node does instead of one effect."""


@dataclass
class Node:
    """One node: what is durable, and the replica while it is up."""

    name: str
    key: PrivateKey
    disk: Disk = field(default_factory=Disk)
    replica: Replica | None = None
    life: int = 0
    """Counts starts: timeouts of an earlier life are void."""
    clock_offset_ms: int = 0
    lie: Lie | None = None
    reports: list[Report] = field(default_factory=list)
    replies: list[SubmissionAccepted | SubmissionRefused | Halt] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Happening:
    """One entry of the heap, beside its time."""

    kind: Literal["deliver", "elapse", "tick", "start"]
    node: str
    life: int
    """The node's life when it was planned: only deliveries outlive it."""
    sender: str = ""
    data: bytes = b""
    timeout: Timeout | None = None


class Simulation:
    """A consortium under one seed."""

    def __init__(
        self, genesis: Genesis, contracts: ContractSet, keys: dict[str, PrivateKey], seed: int, weather: Weather
    ) -> None:
        """Build the nodes; none is up.

        Args:
            genesis: Its validators are `keys`' owners, or some of them.
            contracts: What the genesis pins.
            keys: Name to consensus key.
            seed: All chance comes from it.
            weather: May be changed while it runs.
        """
        self.genesis = genesis
        self.contracts = contracts
        self.weather = weather
        self.nodes = {name: Node(name, key) for name, key in sorted(keys.items())}
        self.checks = Checks()
        self.now_ms = genesis.time_ms + 1_000
        self.chance = Random(seed)
        self._cut: set[tuple[str, str]] = set()
        self._heap: list[tuple[int, int, Happening]] = []
        self._count = 0
        self._trace = hashlib.sha256()

    @property
    def trace_hash(self) -> str:
        """The hash of everything that has happened."""
        return self._trace.hexdigest()

    # ---------------------------------------------------------------------------------------- what a test does

    def start(self, *names: str) -> None:
        """Start nodes (all, if none is named) from what their disks hold."""
        for name in names or tuple(self.nodes):
            node = self.nodes[name]
            assert node.replica is None, f"{name} is up"
            application = Application(self.genesis, self.contracts, node.disk)
            if not node.disk.entries:
                node.disk.write(application.genesis_writes())
            node.replica = Replica(application, name, node.key, node.disk.signer)
            node.life += 1
            self._step(node, LogReplayed(node.disk.read_log()))
            self._step(node, Started(self._clock(node)))
            self._plan(self.chance.randint(1, TICK_MS), Happening("tick", name, node.life))

    def crash(self, *names: str) -> None:
        """Stop nodes at once; what was not durable is lost."""
        for name in names:
            node = self.nodes[name]
            node.replica = None
            node.disk.crash(self.chance)
            self._note("crash", name, b"")

    def cut(self, senders: Sequence[str], receivers: Sequence[str]) -> None:
        """Cut the links from each sender to each receiver, one way."""
        self._cut.update((sender, receiver) for sender in senders for receiver in receivers)

    def split(self, *groups: Sequence[str]) -> None:
        """Cut all links between groups, both ways."""
        for group in groups:
            for other in groups:
                if group is not other:
                    self.cut(group, other)

    def heal(self) -> None:
        """Mend all links; crashed nodes stay down."""
        self._cut.clear()

    def submit(self, name: str, submission: Submission) -> None:
        """Hand a submission to a node as its local client."""
        node = self.nodes[name]
        self._step(node, SubmissionReceived(submission, self._clock(node)))

    def run_for(self, duration_ms: int) -> None:
        """Let virtual time pass."""
        self.run_until(lambda: False, duration_ms)

    def run_until(self, condition: Callable[[], bool], limit_ms: int) -> bool:
        """Let time pass until the condition holds; returns whether it did within the limit."""
        end_ms = self.now_ms + limit_ms
        while self._heap and self._heap[0][0] <= end_ms:
            if condition():
                return True
            self._pop()
        self.now_ms = end_ms
        return condition()

    def height(self, name: str) -> int:
        """Return the latest height that a node has stored."""
        return max(self.nodes[name].disk.blocks, default=0)

    def heights(self) -> list[int]:
        """Return all nodes' stored heights, by name."""
        return [self.height(name) for name in self.nodes]

    # ------------------------------------------------------------------------------------------------- events

    def _clock(self, node: Node) -> int:
        return self.now_ms + node.clock_offset_ms

    def _plan(self, delay_ms: int, happening: Happening) -> None:
        self._count += 1
        heapq.heappush(self._heap, (self.now_ms + delay_ms, self._count, happening))

    def _pop(self) -> None:
        self.now_ms, _, event = heapq.heappop(self._heap)
        node = self.nodes[event.node]
        is_same_life = node.life == event.life
        if event.kind == "start" and node.replica is None and is_same_life:
            self.start(node.name)
        if node.replica is None or event.kind == "start":
            return
        self._note(event.kind, node.name, event.data)
        if event.kind == "deliver":
            self._step(node, MessageReceived(event.sender, decode_message(event.data), self._clock(node)))
        elif event.kind == "elapse" and event.timeout is not None and is_same_life:
            self._step(node, TimeoutElapsed(event.timeout, self._clock(node)))
        elif event.kind == "tick" and is_same_life:
            self._plan(TICK_MS, event)
            self._step(node, Tick(self._clock(node)))

    def _step(self, node: Node, input_: Input) -> None:
        if node.replica is None:
            return
        effects = node.replica.step(input_)
        if node.lie is not None:
            effects = [told for effect in effects for told in node.lie(node, effect)]
        crash_at = len(effects)
        if node.lie is None and effects and self.chance.random() < self.weather.crashes:
            crash_at = self.chance.randint(0, len(effects))
        for effect in effects[:crash_at]:
            self._perform(node, effect)
        if crash_at < len(effects):
            self.crash(node.name)
            self._plan(self.chance.randint(1, self.weather.down_max_ms), Happening("start", node.name, node.life))

    def _perform(self, node: Node, effect: Effect) -> None:
        if isinstance(effect, AppendLog):
            node.disk.append(effect.entry)
            return
        node.disk.sync()
        match effect:
            case SaveSignerState():
                node.disk.signer = effect.state
            case Broadcast():
                for name in self.nodes:
                    if name != node.name:
                        self._send(node, name, effect.message)
            case Send():
                self._send(node, effect.peer, effect.message)
            case SendBlocks():
                for height in range(effect.from_height, effect.from_height + effect.count):
                    self._send(node, effect.peer, CommittedBlock(*node.disk.blocks[height]))
            case ScheduleTimeout():
                self._plan(effect.duration_ms, Happening("elapse", node.name, node.life, timeout=effect.timeout))
            case CommitBlock():
                self._commit(node, effect)
            case ResetLog():
                node.disk.reset_log()
            case Report():
                node.reports.append(effect)
            case Halt():
                node.replies.append(effect)
                self.crash(node.name)
            case SubmissionAccepted() | SubmissionRefused():
                node.replies.append(effect)

    def _commit(self, node: Node, effect: CommitBlock) -> None:
        header = effect.executed.block.header
        assert node.replica is not None, f"{node.name} is down"
        validators = node.replica.application.validators(header.height)
        self.checks.note_commit(effect.executed, effect.commit, validators)
        node.disk.write(effect.executed.writes)
        node.disk.blocks[header.height] = (effect.executed.block, effect.commit)
        self._note("commit", node.name, header.hash)

    def _send(self, node: Node, receiver: str, message: Message) -> None:
        if node.lie is None:
            self.checks.note_sent(node.name, message)
        data = encode(message)
        copies = 1 + (self.chance.random() < self.weather.repeats)
        for _ in range(copies):
            delay_ms = self.chance.randint(self.weather.delay_min_ms, self.weather.delay_max_ms)
            lost = self.chance.random() < self.weather.loss or (node.name, receiver) in self._cut
            if not lost:
                self._plan(delay_ms, Happening("deliver", receiver, 0, sender=node.name, data=data))

    def _note(self, kind: str, name: str, data: bytes) -> None:
        self._trace.update(encode((self.now_ms, kind, name, data)))
