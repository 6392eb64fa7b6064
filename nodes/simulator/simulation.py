"""The simulation: one event heap, one virtual clock, one seeded generator.

    heap entry     what happens when its time comes
    deliver        a message, as bytes, reaches a node that is up and not cut off
    frame          the same, from the residents of one node to those of another
    snapshot       the same, of what a node that is far behind asks for, or is answered
    elapse         a timeout of a node's present life
    tick           every node that is up, every TICK_MS
    start          a node that crashed comes back
    call           somebody outside the nodes acts: a client, or whoever breaks things

A step's effects are performed one by one, and the node may crash between any two of them; so may its residents. Every
event enters the trace's hash, so two runs of one seed can be compared by 32 bytes.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import TypeVar, cast

from ledger.application import Application
from ledger.codec import decode, encode
from ledger.consensus.driver import Timeout
from ledger.crypto.signatures import PrivateKey
from ledger.errors import DecodeError
from ledger.execution.loader import ContractSet
from ledger.genesis import Genesis
from ledger.replica import Replica
from ledger.replica.messages import CommittedBlock, Message, SubmissionMessage, decode_message
from ledger.replica.ports import (
    Input,
    LogReplayed,
    MessageReceived,
    Started,
    SubmissionReceived,
    Tick,
    TimeoutElapsed,
)
from ledger.snapshot_exchange import SnapshotFrame
from ledger.transactions import Submission
from nodes.simulator.checks import Checks
from nodes.simulator.disk import DiskFaultError
from nodes.simulator.effects import perform
from nodes.simulator.node import AdoptedError, CrashedError, Happening, Lie, Node, Residents, Way
from nodes.simulator.snapshots import SnapshotPolicy
from nodes.simulator.syncing import Syncing
from nodes.simulator.trace import Trace
from nodes.simulator.weather import Links, Weather

__all__ = ["TICK_MS", "Lie", "Node", "Simulation", "Weather"]

TICK_MS = 500
ACTIVE_MS = 20_000
"""A node at which nothing has happened for so long ticks more slowly, if the simulation allows it."""
DECODED_MAX = 1_024
RESTART_MS = 1_500
"""How long a node is away that begins again on another store."""
STUCK_TICK_MS = 30_000
"""How often one does that has something to do and gets no further; votes and timeouts go on by themselves."""

R = TypeVar("R")


class Simulation:
    """A consortium under one seed."""

    def __init__(
        self,
        genesis: Genesis,
        contracts: ContractSet,
        keys: dict[str, PrivateKey],
        seed: int,
        weather: Weather,
        furnish: Callable[[Node], Residents] | None = None,
    ) -> None:
        """Build the nodes; none is up.

        Args:
            genesis: Its validators are `keys`' owners, or some of them.
            contracts: What the genesis pins.
            keys: Name to consensus key.
            seed: All chance comes from it.
            weather: May be changed while it runs.
            furnish: Makes the residents of a node whenever it starts.
        """
        self.genesis = genesis
        self.contracts = contracts
        self.weather = weather
        self.links = Links()
        self.nodes = {name: Node(name, [key]) for name, key in sorted(keys.items())}
        self.checks = Checks()
        self.began_ms = genesis.time_ms + 1_000
        self.now_ms = self.began_ms
        self.chance = Random(seed)
        self.idle_tick_ms = TICK_MS
        """How often a node ticks at which nothing happens: more than TICK_MS for long quiet times."""
        self.trace = Trace(self.began_ms)
        self.events = 0
        self.happened: Counter[str] = Counter()
        """How often which fault really occurred."""
        self.snapshots: SnapshotPolicy | None = None
        """When nodes make and take snapshots; None if they never do, as on a chain of less than thousands of blocks."""
        self._furnish = furnish
        self._suspects: frozenset[str] | None = None
        self._heap: list[tuple[int, int, Happening]] = []
        self._count = 0
        self._decoded: dict[bytes, Message] = {}

    @property
    def trace_hash(self) -> str:
        """The hash of everything that has happened."""
        return self.trace.hash

    # ---------------------------------------------------------------------------------------- what a test does

    def start(self, *names: str) -> None:
        """Start nodes (all, if none is named) from what their disks hold."""
        for name in names or tuple(self.nodes):
            node = self.nodes[name]
            assert node.replica is None, f"{name} is up"
            self._within(node, lambda node=node: self._start(node))  # type: ignore[misc]

    def _start(self, node: Node) -> None:
        node.life += 1
        self._note("start", node.name, b"", f"life {node.life}")
        application = Application(self.genesis, self.contracts, node.disk)
        if not node.disk.entries:
            node.disk.write(application.genesis_writes())
        log = node.disk.read_log()
        node.replica = Replica(application, node.name, *node.signing_keys())
        if self._furnish is not None:
            node.residents = self._furnish(node)
        if self.snapshots is not None:
            node.syncing = Syncing(self, node, self.snapshots)
        self._take(node, LogReplayed(log))
        self._take(node, Started(self.clock(node)))
        node.active_ms = self.now_ms
        self._plan_tick(node, self.chance.randint(1, TICK_MS))

    def crash(self, *names: str) -> None:
        """Stop nodes at once; what was not durable is lost."""
        for name in names:
            node = self.nodes[name]
            node.stop()
            lost = node.disk.crash(self.chance)
            self.happened["crashes"] += 1
            self.happened["torn log ends"] += lost > 0
            self._note("crash", name, b"", "")

    def pause(self, name: str, duration_ms: int) -> None:
        """Stop a node's process for a while: what reaches it waits, and its clock goes on."""
        self.happened["pauses"] += 1
        self.nodes[name].paused_until_ms = self.now_ms + duration_ms
        self._note("pause", name, b"", f"{duration_ms} ms")

    def cut(self, senders: Sequence[str], receivers: Sequence[str]) -> None:
        """Cut the links from each sender to each receiver, one way."""
        self.happened["one-way cuts"] += 1
        self._note("cut", "", b"", f"{' '.join(senders)} > {' '.join(receivers)}")
        self.links.cut(senders, receivers)

    def split(self, *groups: Sequence[str]) -> None:
        """Cut all links between groups, both ways."""
        self.happened["partitions"] += 1
        self._note("split", "", b"", " | ".join(" ".join(group) for group in groups))
        self.links.split(*groups)

    def heal(self) -> None:
        """Mend all links; crashed nodes stay down."""
        self._note("heal", "", b"", "")
        self.links.heal()

    def submit(self, name: str, submission: Submission) -> None:
        """Hand a submission to a node as its local client."""
        node = self.nodes[name]
        self._step(node, SubmissionReceived(submission, self.clock(node)))

    def operate(self, name: str, operation: Callable[[], R], *, is_reading: bool = False) -> R | None:
        """Do something inside a node; None if it is not up or crashes meanwhile.

        Args:
            name: The node.
            operation: What is done.
            is_reading: Nothing follows from it, so a node that ticks slowly may go on so.
        """
        node = self.nodes[name]
        found: list[R] = []
        if node.is_up and node.paused_until_ms <= self.now_ms:
            if not is_reading:
                self.wake(node)
            self._within(node, lambda: found.append(operation()))
        return found[0] if found else None

    def at(self, delay_ms: int, action: Callable[[], None]) -> None:
        """Have somebody outside the nodes act after a while."""
        self._plan(max(0, delay_ms), Happening("call", "", 0, action=action))

    def live(self, life: Iterator[int]) -> None:
        """Have somebody outside the nodes live: each value is how many milliseconds she waits."""

        def go_on() -> None:
            delay_ms = next(life, None)
            if delay_ms is not None:
                self.at(delay_ms, go_on)

        self.at(0, go_on)

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
        return self.nodes[name].disk.height

    def heights(self) -> list[int]:
        """Return all nodes' stored heights, by name."""
        return [self.height(name) for name in self.nodes]

    def clock(self, node: Node) -> int:
        """Return what a node's own clock says."""
        return self.now_ms + node.clock_offset_ms

    # ------------------------------------------------------------------------------------- what residents may do

    def send_frame(self, node: Node, receiver: str, data: bytes) -> None:
        """Send bytes from a node's residents to another's."""
        self.risk(node)
        self._send(node, receiver, "frame", data, self.weather.loss)

    def send_snapshot_frame(self, node: Node, receiver: str, frame: SnapshotFrame) -> None:
        """Send a node's question about a snapshot, or its answer."""
        self._send(node, receiver, "snapshot", encode(frame), self.weather.loss)

    def reachable(self, node: Node) -> list[str]:
        """Return the nodes that a node has connections to."""
        others = [other for other in self.nodes.values() if other is not node and other.is_up]
        return [other.name for other in others if not self.links.is_cut(node.name, other.name)]

    def note(self, node: Node, event: str, fields: dict[str, str | int]) -> None:
        """Write what a node's residents log into the trace."""
        words = [f"{key} {value}" for key, value in fields.items()]
        self._note("note", node.name, b"", " ".join([event, *words]))

    def risk(self, node: Node) -> None:
        """Give a node's residents a chance to crash before what they do next; raises `CrashedError`."""
        if node.is_honest and self.weather.crashes and self.chance.random() < self.weather.crashes:
            raise CrashedError

    # ------------------------------------------------------------------------------------------------- events

    def _plan(self, delay_ms: int, happening: Happening) -> None:
        self._count += 1
        heapq.heappush(self._heap, (self.now_ms + delay_ms, self._count, happening))

    def _plan_tick(self, node: Node, delay_ms: int) -> None:
        node.tick_number += 1
        self._plan(delay_ms, Happening("tick", node.name, node.life, number=node.tick_number))

    def _pop(self) -> None:
        self.now_ms, _, event = heapq.heappop(self._heap)
        self.events += 1
        if event.action is not None:
            event.action()
            return
        node = self.nodes[event.node]
        is_same_life = node.life == event.life
        if node.paused_until_ms > self.now_ms:
            self._plan(node.paused_until_ms - self.now_ms, event)
            return
        if event.kind == "start" and node.replica is None and is_same_life:
            self.start(node.name)
        if node.replica is None or event.kind == "start":
            return
        if event.kind == "deliver":
            message = self._decode(event.data)
            self._note("deliver", node.name, event.data, f"{self.trace.describe(message)} from {event.sender}")
            if node.is_honest:
                self.checks.note_heard(node, message, self._list_suspects(), self.now_ms)
            if isinstance(message, SubmissionMessage | CommittedBlock):
                self.wake(node)
            is_passed_over = isinstance(message, CommittedBlock) and node.syncing is not None and node.syncing.is_taking
            if not node.ignores(message) and not is_passed_over:
                self._step(node, MessageReceived(event.sender, message, self.clock(node)))
            return
        self._note(event.kind, node.name, event.data, self.trace.describe_event(event))
        if event.kind == "frame":
            self.wake(node)
            self._within(node, lambda: self._take_frame(node, event))
        elif event.kind == "snapshot":
            self.wake(node)
            self._within(node, lambda: self._take_snapshot_frame(node, event))
        elif event.kind == "elapse" and event.timeout is not None and is_same_life:
            self._step(node, TimeoutElapsed(event.timeout, self.clock(node)))
        elif event.kind == "tick" and is_same_life and event.number == node.tick_number:
            self._plan_tick(node, self._tick_ms(node))
            self._within(node, lambda: self._tick(node))

    def _decode(self, data: bytes) -> Message:
        """Decode a message, once for all who receive the same bytes: what it gives cannot be changed."""
        message = self._decoded.get(data)
        if message is None:
            if len(self._decoded) >= DECODED_MAX:
                self._decoded.clear()
            message = self._decoded[data] = decode_message(data)
        return message

    def _tick_ms(self, node: Node) -> int:
        if self.now_ms - node.active_ms <= ACTIVE_MS:
            return TICK_MS
        has_work = node.replica is not None and len(node.replica.mempool) > 0
        return min(STUCK_TICK_MS, self.idle_tick_ms) if has_work else self.idle_tick_ms

    def _list_suspects(self) -> frozenset[str]:
        if self._suspects is None:
            self._suspects = frozenset(node.name for node in self.nodes.values() if not node.is_honest)
        return self._suspects

    def wake(self, node: Node) -> None:
        """Have a node tick as usual again: something happens to it."""
        if self.now_ms - node.active_ms > ACTIVE_MS and self.idle_tick_ms > TICK_MS:
            self._plan_tick(node, self.chance.randint(1, TICK_MS))
        node.active_ms = self.now_ms

    def _tick(self, node: Node) -> None:
        self._take(node, Tick(self.clock(node)))
        if node.residents is not None:
            node.residents.tick(self.clock(node))
        if node.syncing is not None:
            node.syncing.tick(self.clock(node))

    def _take_frame(self, node: Node, event: Happening) -> None:
        if node.residents is None:
            return
        try:
            node.residents.take_frame(event.sender, event.data, self.clock(node))
        except DecodeError as error:
            self._note("refused", node.name, b"", str(error))

    def _take_snapshot_frame(self, node: Node, event: Happening) -> None:
        if node.syncing is not None:
            frame = decode(event.data, cast("type[SnapshotFrame]", SnapshotFrame))
            node.syncing.take(event.sender, frame, self.clock(node))

    # -------------------------------------------------------------------------------------------------- steps

    def _step(self, node: Node, input_: Input) -> None:
        """Give a node an input, now or after those that it is at."""
        node.inputs.append(input_)
        if not node.is_acting:
            self._within(node, lambda: None)

    def _within(self, node: Node, action: Callable[[], object]) -> None:
        """Have a node act, then take its inputs; whatever kills it meanwhile ends both."""
        if node.is_acting:
            action()
            return
        node.is_acting = True
        try:
            action()
            while node.inputs and node.replica is not None:
                self._take(node, node.inputs.popleft())
        except DiskFaultError as error:
            self.happened[str(error)] += 1
            self._go_down(node)
        except CrashedError:
            self._go_down(node)
        except AdoptedError:
            node.stop()
            self._plan(RESTART_MS, Happening("start", node.name, node.life))
        finally:
            node.is_acting = False
            node.inputs.clear()

    def _go_down(self, node: Node) -> None:
        self.crash(node.name)
        self._plan(self.chance.randint(1, self.weather.down_max_ms), Happening("start", node.name, node.life))

    def _take(self, node: Node, input_: Input) -> None:
        if node.replica is None:
            return
        effects = node.replica.step(input_)
        for change in (node.lie, node.bug):
            if change is not None:
                effects = [told for effect in effects for told in change(node, effect)]
        crash_at = len(effects)
        if node.lie is None and effects and self.chance.random() < self.weather.crashes:
            crash_at = self.chance.randint(0, len(effects))
        for effect in effects[:crash_at]:
            perform(self, node, effect)
        if crash_at < len(effects):
            raise CrashedError
        while node.committed and node.residents is not None:
            node.residents.take_block(node.committed.popleft(), self.clock(node))

    def wait(self, node: Node, duration_ms: int, timeout: Timeout) -> None:
        """Have a timeout elapse in a node's present life."""
        self._plan(duration_ms, Happening("elapse", node.name, node.life, timeout=timeout))

    def send_message(self, node: Node, receivers: Sequence[str], message: Message) -> None:
        """Send a message from a node's replica to others'."""
        if node.lie is None:
            self.checks.note_sent(node.name, message)
        data = encode(message)
        for receiver in receivers:
            self._send(node, receiver, "deliver", data, self.weather.loss_of(message, receiver))

    def _send(self, node: Node, receiver: str, kind: Way, data: bytes, loss: float) -> None:
        node.sent_bytes += len(data)
        copies = 1 + (self.chance.random() < self.weather.repeats)
        self.happened["messages repeated"] += copies - 1
        for _ in range(copies):
            delay_ms = self.chance.randint(self.weather.delay_min_ms, self.weather.delay_max_ms)
            lost = self.chance.random() < loss or self.links.is_cut(node.name, receiver)
            self.happened["messages lost"] += lost
            if not lost:
                self._plan(delay_ms, Happening(kind, receiver, 0, sender=node.name, data=data))

    def _note(self, kind: str, name: str, data: bytes, detail: str) -> None:
        self.trace.note(self.now_ms, kind, name, data, detail)
