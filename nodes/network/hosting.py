"""Hosting role agents in a node: their calls become signed submissions, their questions frames, their notes log lines.

A node hosts its organisation's agents and those of members that run no node. Each agent signs with its own member's
key. Requests that stay without an answer are given back to the agent as unanswered after REQUEST_MS; the agent
decides whether to ask again. A question from a node that is a block ahead waits here for that block: nearly every
question is about what was committed a moment ago.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar, cast

from ledger.application import Application
from ledger.codec import Struct, decode, encode
from ledger.crypto.signatures import PrivateKey
from ledger.errors import LedgerError, VerificationError
from ledger.execution.contract import read_actor
from ledger.limits import SUBMISSION_TRANSACTIONS_MAX
from ledger.membership import Actor
from ledger.transactions import Submission, Transaction, make_submission
from nodes.agent import (
    Agent,
    AgentEffect,
    AgentInput,
    Answer,
    Call,
    Note,
    PeerAnswered,
    PeerRequested,
    Request,
    Submit,
)
from nodes.entropy import Entropy
from nodes.network.messages import BODY_BYTES_MAX, AnswerFrame, RequestFrame

R = TypeVar("R")

EXPIRY_HEIGHTS = 500
"""How many blocks an agent's transaction may wait; an agent that still wants it makes a new one."""
EXPIRY_MS = 10 * 60 * 1000
ANSWERS_MAX = 4_096
"""Answers of queries kept until the next block: what a few hundred claims in work ask for."""
EARLY_MAX = 256
"""Questions that wait for a block to be committed here; what is above is answered at once, as far as it can be."""
REQUEST_MS = 5_000
"""How long a question to a peer waits for its answer."""


class SigningError(LedgerError):
    """A member that cannot sign now: it is none, was removed, or its key in force is not on this disk."""


class NodeView:
    """The latest committed state of this node, as agents and the API read it.

    Agents derive what is left to do again and again and ask the same each time; until the next block the answer is the
    same too, so it is kept that long.
    """

    def __init__(self, application: Application, read: Callable[[bytes], bytes | None]) -> None:
        """Read from an application.

        Args:
            application: Asked for queries.
            read: Returns one state entry.
        """
        self._application = application
        self._read = read
        self._answers: dict[tuple[str, str, bytes, object], object] = {}
        self._answers_height = -1

    @property
    def chain_id(self) -> str:
        """The chain's id."""
        return self._application.genesis.chain_id

    @property
    def height(self) -> int:
        """The latest committed height."""
        return self._application.height

    @property
    def time_ms(self) -> int:
        """The latest block's time; the genesis time on an empty chain."""
        return self._application.time_ms

    def query(self, contract: str, method: str, message: Struct, result: type[R]) -> R:
        """Run a contract's query and decode its answer."""
        if self._answers_height != self.height or len(self._answers) >= ANSWERS_MAX:
            self._answers.clear()
            self._answers_height = self.height
        arguments = encode(message)
        key = (contract, method, arguments, result)
        if key not in self._answers:
            answer = self._application.query(contract, method, arguments)
            self._answers[key] = decode(answer, result, 2**31)
        return cast("R", self._answers[key])

    def actor(self, name: str) -> Actor | None:
        """Return a member or pseudonym with its key history."""
        return read_actor(_Reading(self._read), name)


class _Reading:
    def __init__(self, read: Callable[[bytes], bytes | None]) -> None:
        self.get = read


@dataclass(frozen=True, slots=True)
class Signatory:
    """A member and its submission keys; it signs with the one that the chain has in force."""

    name: str
    keys: Mapping[int, PrivateKey]
    """Version -> key."""

    def key_in_force(self, view: NodeView) -> tuple[int, PrivateKey]:
        """Return the key that is in force in the next block, with its version.

        Raises:
            SigningError: If there is none, or it is not here.
        """
        actor = view.actor(self.name)
        if actor is None:
            msg = f"{self.name}: no actor of this chain at height {view.height}"
            raise SigningError(msg)
        try:
            version = actor.key_in_force(view.height + 1).version
            return version, self.keys[version]
        except VerificationError as error:
            raise SigningError(str(error)) from None
        except KeyError:
            msg = f"{self.name}: the chain expects submission key version {version}, which is not here; restore it"
            raise SigningError(msg) from None


def make_transactions(
    calls: tuple[Call, ...], signer: str, key_version: int, view: NodeView, entropy: Entropy, now_ms: int
) -> tuple[Transaction, ...]:
    """Return the transactions of a signer's calls, valid from now on for a while."""
    return tuple(
        Transaction(
            chain_id=view.chain_id,
            signer=signer,
            key_version=key_version,
            contract=call.contract,
            method=call.method,
            arguments=encode(call.message),
            nonce=entropy.draw(16),
            expires_height=view.height + EXPIRY_HEIGHTS,
            expires_ms=max(now_ms, view.time_ms) + EXPIRY_MS,
        )
        for call in calls
    )


@dataclass(slots=True)
class _Waiting:
    agent: str
    request_id: int
    peer: str
    deadline_ms: int


@dataclass(frozen=True, slots=True)
class _Early:
    peer: str
    frame: RequestFrame
    deadline_ms: int


class AgentHost:
    """All agents of one process, and the questions between them and other nodes."""

    def __init__(
        self,
        organisation: str,
        hosted: Mapping[str, str],
        view: NodeView,
        entropy: Entropy,
        *,
        submit: Callable[[Submission], None],
        send: Callable[[str, RequestFrame | AnswerFrame], None],
        note: Callable[[str, dict[str, str | int]], None],
    ) -> None:
        """Set up without agents.

        Args:
            organisation: Whose node this is.
            hosted: Member without a node -> the organisation that hosts it.
            view: What the agents' submissions are dated by.
            entropy: For nonces.
            submit: Offers a submission to the chain.
            send: Sends a frame to an organisation's node.
            note: Writes a log line.
        """
        self._organisation = organisation
        self._hosted = dict(hosted)
        self._view = view
        self._entropy = entropy
        self._submit = submit
        self._send = send
        self._note = note
        self._agents: dict[str, tuple[Agent, Signatory]] = {}
        self._asked: dict[int, _Waiting] = {}
        self._received: dict[int, tuple[str, int]] = {}
        self._early: list[_Early] = []
        self._next_id = int.from_bytes(entropy.draw(6), "big")

    def add(self, agent: Agent, signatory: Signatory) -> None:
        """Host an agent that signs as its member."""
        self._agents[agent.name] = (agent, signatory)

    def sign(self, name: str, calls: tuple[Call, ...], now_ms: int) -> Submission:
        """Return the calls of a hosted member as one signed submission; raises `SigningError` if it cannot sign."""
        version, key = self._agents[name][1].key_in_force(self._view)
        transactions = make_transactions(calls, name, version, self._view, self._entropy, now_ms)
        return make_submission(key, transactions)

    def step_all(self, event: AgentInput) -> None:
        """Tell every agent the same."""
        for name in self._agents:
            self._step(name, event, event.now_ms)
        ready = [early for early in self._early if early.frame.height <= self._view.height]
        if ready:
            self._early = [early for early in self._early if early.frame.height > self._view.height]
            for early in ready:
                self._take_early(early, event.now_ms)

    def expire(self, now_ms: int) -> None:
        """Give back the questions that nobody answered in time, and drop those that came too early for too long."""
        self._early = [early for early in self._early if early.deadline_ms > now_ms]
        late = [number for number, waiting in self._asked.items() if waiting.deadline_ms <= now_ms]
        for number in late:
            waiting = self._asked.pop(number)
            self._step(waiting.agent, PeerAnswered(waiting.request_id, waiting.peer, None, now_ms), now_ms)

    def take_request(self, peer: str, frame: RequestFrame, now_ms: int) -> None:
        """Pass a question from another node to the agent it is for."""
        if frame.source != peer and self._hosted.get(frame.source) != peer:
            self._note("request-refused", {"peer": peer, "source": frame.source, "why": "not hosted there"})
            return
        if frame.target not in self._agents:
            self._note("request-refused", {"peer": peer, "target": frame.target, "why": "not hosted here"})
            return
        if frame.height > self._view.height and len(self._early) < EARLY_MAX:
            self._early.append(_Early(peer, frame, now_ms + REQUEST_MS))
            return
        number = self._number()
        self._received[number] = (peer, frame.request_id)
        try:
            self._step(frame.target, PeerRequested(number, frame.source, frame.body, now_ms), now_ms)
        finally:
            self._received.pop(number, None)

    def _take_early(self, early: _Early, now_ms: int) -> None:
        try:
            self.take_request(early.peer, early.frame, now_ms)
        except LedgerError as error:
            self._note("request-refused", {"peer": early.peer, "why": str(error)})

    def take_answer(self, peer: str, frame: AnswerFrame, now_ms: int) -> None:
        """Pass an answer to the agent that asked; one that nobody waits for is dropped."""
        waiting = self._asked.get(frame.request_id)
        if waiting is None or self._node_of(waiting.peer) != peer:
            return
        del self._asked[frame.request_id]
        self._step(waiting.agent, PeerAnswered(waiting.request_id, waiting.peer, frame.body, now_ms), now_ms)

    def perform(self, name: str, effects: list[AgentEffect], now_ms: int) -> None:
        """Perform what an agent wants done, in order; also for what the API asked of it.

        Raises:
            SigningError: If its member cannot sign; all that is not to be signed was done.
        """
        failed: SigningError | None = None
        for effect in effects:
            match effect:
                case Submit(calls):
                    try:
                        self._offer(name, calls, now_ms)
                    except SigningError as error:
                        failed = error
                case Request(request_id, peer, body):
                    self._ask(name, request_id, peer, body, now_ms)
                case Answer(request_id, body):
                    self._answer(request_id, body)
                case Note(event, fields):
                    self._note(event, {"agent": name, **fields})
        if failed is not None:
            raise failed

    def _step(self, name: str, event: AgentInput, now_ms: int) -> None:
        """Step an agent; what it cannot do with a block, a tick or an answer is noted, and derived again later.

        The chain goes on without an agent. A question that an agent refuses is its asker's matter and passes on.
        """
        try:
            effects = self._agents[name][0].step(event)
        except LedgerError as error:
            if isinstance(event, PeerRequested):
                raise
            self._note("agent-failed", {"agent": name, "event": type(event).__name__, "why": str(error)})
            return
        try:
            self.perform(name, effects, now_ms)
        except SigningError as error:
            self._note("agent-failed", {"agent": name, "event": type(event).__name__, "why": str(error)})

    def _offer(self, name: str, calls: tuple[Call, ...], now_ms: int) -> None:
        for start in range(0, len(calls), SUBMISSION_TRANSACTIONS_MAX):
            self._submit(self.sign(name, calls[start : start + SUBMISSION_TRANSACTIONS_MAX], now_ms))

    def _ask(self, name: str, request_id: int, peer: str, body: bytes, now_ms: int) -> None:
        number = self._number()
        node = self._node_of(peer)
        self._asked[number] = _Waiting(name, request_id, peer, now_ms + REQUEST_MS)
        frame = RequestFrame(number, name, peer, self._view.height, body)
        if node != self._organisation:
            self._send(node, frame)
            return
        del self._asked[number]
        self._note("request-refused", {"agent": name, "target": peer, "why": "hosted in this process"})
        self._step(name, PeerAnswered(request_id, peer, None, now_ms), now_ms)

    def _answer(self, request_id: int, body: bytes) -> None:
        where = self._received.pop(request_id, None)
        assert where is not None, "an agent answers a request in the step that brings it"
        if len(body) > BODY_BYTES_MAX:  # its reader would end the connection with it
            self._note("answer-refused", {"peer": where[0], "why": f"{len(body)} bytes, at most {BODY_BYTES_MAX}"})
            return
        self._send(where[0], AnswerFrame(where[1], body))

    def _node_of(self, member: str) -> str:
        return self._hosted.get(member, member)

    def _number(self) -> int:
        self._next_id += 1
        return self._next_id
