"""The agent's boundary: inputs, effects, and what an agent may read.

An agent acts for one organisation. It is stepped by whoever hosts it (`nodes.network`, `nodes.simulator`) and
returns effects, which the host performs in order. It can be killed between any two steps: what is left to do is
always derived again from the chain and the outbox, never from memory, and doing it twice is refused by the contracts
or recognised by the peer.

    input            when
    Committed        a block was committed; once per block, in order, after it is durable
    Ticked           about twice a second
    PeerRequested    another member asks something, point to point, over mutual TLS
    PeerAnswered     the answer to an own request; `body` is None if none came in time

    effect           the host
    Submit           signs the calls as one batch with the organisation's key and offers it to the chain
    Request          sends a body to a member and steps the agent with the answer
    Answer           answers a PeerRequested
    Note             writes a structured log line; never plaintext, keys or amounts
"""

from dataclasses import dataclass
from typing import Protocol, TypeVar

from ledger.blocks import Block
from ledger.codec import Struct
from ledger.membership import Actor
from ledger.transactions import Receipt

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Committed:
    """A block is durable."""

    block: Block
    receipts: tuple[Receipt, ...]
    now_ms: int


@dataclass(frozen=True, slots=True)
class Ticked:
    """Time has passed."""

    now_ms: int


@dataclass(frozen=True, slots=True)
class PeerRequested:
    """A member asks; answer with the same `request_id`."""

    request_id: int
    peer: str
    body: bytes
    now_ms: int


@dataclass(frozen=True, slots=True)
class PeerAnswered:
    """The answer to `Request(request_id)`, or None if the peer could not be reached in time."""

    request_id: int
    peer: str
    body: bytes | None
    now_ms: int


AgentInput = Committed | Ticked | PeerRequested | PeerAnswered


@dataclass(frozen=True, slots=True)
class Call:
    """One contract call: becomes one transaction."""

    contract: str
    method: str
    message: Struct


@dataclass(frozen=True, slots=True)
class Submit:
    """Offer these calls to the chain as one submission of the agent's organisation."""

    calls: tuple[Call, ...]


@dataclass(frozen=True, slots=True)
class Request:
    """Ask a member something, point to point. `request_id` is unique within the agent's life."""

    request_id: int
    peer: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer a peer's request."""

    request_id: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """One structured log line."""

    event: str
    fields: dict[str, str | int]


AgentEffect = Submit | Request | Answer | Note


class ChainView(Protocol):
    """What an agent may read: the latest committed state, through the contracts' queries."""

    @property
    def chain_id(self) -> str:
        """The chain's id."""
        ...

    @property
    def height(self) -> int:
        """The latest committed height."""
        ...

    @property
    def time_ms(self) -> int:
        """The latest block's time; the genesis time on an empty chain."""
        ...

    def query(self, contract: str, method: str, message: Struct, result: type[R]) -> R:
        """Run a contract's query on the latest committed state and decode its result."""
        ...

    def actor(self, name: str) -> Actor | None:
        """Return a member or pseudonym with its key history."""
        ...


class Agent(Protocol):
    """What a host steps."""

    name: str
    """The organisation it acts for."""

    def step(self, event: AgentInput) -> list[AgentEffect]:
        """Take in what happened; return what to do, in order."""
        ...
