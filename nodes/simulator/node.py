"""One simulated node, and what the heap holds for it."""

from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from ledger.application import ExecutedBlock
from ledger.consensus.driver import Timeout
from ledger.crypto.signatures import PrivateKey
from ledger.replica import Replica
from ledger.replica.messages import Message, PolkaMessage, VoteMessage
from ledger.replica.ports import Effect, Halt, Input, Report, SubmissionAccepted, SubmissionRefused
from ledger.replica.signer import SigningKey
from ledger.snapshot_exchange import SnapshotFrame
from nodes.simulator.disk import Disk

if TYPE_CHECKING:
    from nodes.simulator.syncing import Syncing


class CrashedError(Exception):
    """The node that was acting is down; what it still wanted done is lost."""


class AdoptedError(Exception):
    """The node that was acting has another store, made from a snapshot, and must begin again on it."""


class Residents(Protocol):
    """Who lives in a node beside its replica: the agents of its organisation."""

    def take_frame(self, peer: str, data: bytes, now_ms: int) -> None:
        """Take in what another node's residents sent."""
        ...

    def take_block(self, executed: ExecutedBlock, now_ms: int) -> None:
        """Take note of a block that is durable here."""
        ...

    def tick(self, now_ms: int) -> None:
        """Take note that time has passed."""
        ...


Lie = Callable[["Node", Effect], Iterable[Effect]]
"""What a node does instead of one effect: a Byzantine one, or one with a planted bug."""
Giving = Callable[["Node", SnapshotFrame], Iterable[SnapshotFrame]]
"""What a Byzantine node answers instead of an honest offer or chunk."""
Way = Literal["deliver", "frame", "snapshot"]
"""What bytes on their way to a node are: a replica's message, residents', or what concerns snapshots."""


@dataclass
class Node:
    """One node: what is durable, and the replica while it is up."""

    name: str
    keys: list[PrivateKey]
    """All versions of its consensus key, oldest first."""
    disk: Disk = field(default_factory=Disk)
    replica: Replica | None = None
    residents: Residents | None = None
    syncing: "Syncing | None" = None
    """Takes and gives snapshots, where that is simulated."""
    life: int = 0
    """Counts starts: timeouts of an earlier life are void."""
    clock_offset_ms: int = 0
    lie: Lie | None = None
    """A Byzantine node's; nothing is promised about such a node."""
    giving: Giving | None = None
    """What a Byzantine one does instead of giving an honest piece of a snapshot."""
    bug: Lie | None = None
    """A node's that is believed to be honest: what checks must find."""
    deeds: Counter[str] = field(default_factory=Counter)
    """How often a Byzantine one has done what."""
    reports: list[Report] = field(default_factory=list)
    replies: list[SubmissionAccepted | SubmissionRefused | Halt] = field(default_factory=list)
    inputs: deque[Input] = field(default_factory=deque)
    committed: deque[ExecutedBlock] = field(default_factory=deque)
    is_acting: bool = False
    paused_until_ms: int = 0
    """Until then it is stopped, as by SIGSTOP: whatever happens to it waits."""
    active_ms: int = 0
    """When something happened to it that was no tick and no status."""
    tick_number: int = 0
    """The one tick that is planned; others are void."""
    sent_bytes: int = 0
    """What it has sent to others, each receiver counted."""

    def __post_init__(self) -> None:
        """Have the first key's state beside it."""
        for key in self.keys:
            self.disk.add_key(key.public_key)

    def add_key(self, key: PrivateKey) -> None:
        """Have another key; the replica takes notice of it when it starts again."""
        self.keys.append(key)
        self.disk.add_key(key.public_key)

    def signing_keys(self) -> tuple[SigningKey, ...]:
        """Return all keys with what lies beside them."""
        return tuple(SigningKey(key, self.disk.signers.get(key.public_key)) for key in self.keys)

    def key_at(self, height: int) -> PrivateKey:
        """Return the key with which it votes at a height, its first if that names none of its keys: a liar's."""
        assert self.replica is not None, "a node that lies is up"
        validator = self.replica.application.validators(height).get(self.name)
        named = None if validator is None else validator.public_key
        return next((key for key in self.keys if key.public_key == named), self.keys[0])

    @property
    def is_up(self) -> bool:
        """Whether its process runs."""
        return self.replica is not None

    @property
    def is_honest(self) -> bool:
        """Whether it is promised anything, and nothing but the truth is expected of it."""
        return self.lie is None

    def ignores(self, message: Message) -> bool:
        """Whether it does not want to hear of this: a liar that hears its own votes from others would report itself."""
        if self.lie is None:
            return False
        match message:
            case VoteMessage():
                return message.vote.validator == self.name
            case PolkaMessage():
                return any(vote.validator == self.name for vote in message.votes)
            case _:
                return False

    def stop(self) -> None:
        """Lose everything that is not durable."""
        self.replica = None
        self.residents = None
        self.syncing = None
        self.inputs.clear()
        self.committed.clear()


@dataclass(frozen=True, slots=True)
class Happening:
    """One entry of the heap, beside its time."""

    kind: Way | Literal["elapse", "tick", "start", "call"]
    node: str
    life: int
    """The node's life when it was planned: only deliveries outlive it."""
    sender: str = ""
    data: bytes = b""
    timeout: Timeout | None = None
    number: int = 0
    """Of a tick."""
    action: Callable[[], None] | None = None
    """Of a call: what somebody outside the nodes does."""
