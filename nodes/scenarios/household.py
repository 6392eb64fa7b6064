"""The agents of one simulated node, hosted exactly as a real node hosts them (`nodes.network.hosting`)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ledger.application import ExecutedBlock
from ledger.errors import LedgerError
from ledger.genesis import Genesis
from ledger.membership import Role
from ledger.transactions import Submission
from nodes.agent import Agent, AgentEffect, AgentInput, Committed, Ticked
from nodes.entropy import SeededEntropy
from nodes.keystore import Keystore
from nodes.network.hosting import AgentHost, NodeView, Signatory
from nodes.network.messages import AnswerFrame, ConsensusFrame, RequestFrame, decode_frame, pack_frame
from nodes.roles.hospital import Hospital
from nodes.roles.insurer import Insurer
from nodes.roles.rail import Rail
from nodes.roles.rail.bank import PromptBank
from nodes.scenarios.consortium import Consortium
from nodes.simulator.books import Shelf, SimulatedRegister, SimulatedVault
from nodes.simulator.node import Node
from nodes.simulator.simulation import Simulation
from nodes.vault.records import Vault
from nodes.vault.register import Register


@dataclass(frozen=True, slots=True)
class Kit:
    """What an agent is made from, each time anew: everything but the view lies on disk."""

    name: str
    genesis: Genesis
    view: NodeView
    keystore: Keystore
    vault: Vault
    register: Register
    entropy: SeededEntropy


Builder = Callable[[Kit], Agent]


def build_hospital(kit: Kit) -> Agent:
    """Return a hospital's agent."""
    return Hospital(kit.name, kit.view, kit.keystore, kit.vault, kit.register, kit.entropy)


def build_insurer(kit: Kit) -> Agent:
    """Return an insurer's agent."""
    return Insurer(kit.name, kit.view, kit.keystore, kit.vault, kit.register, kit.entropy)


def build_rail(kit: Kit) -> Agent:
    """Return the rail's agent, with a bank that pays at once."""
    return Rail(kit.name, kit.view, kit.keystore, kit.register, PromptBank(kit.register))


class Clerk:
    """The agent of a member that does nothing by itself: what its operator wants is submitted in its name."""

    def __init__(self, name: str) -> None:
        """Sit down."""
        self.name = name

    def step(self, event: AgentInput) -> list[AgentEffect]:  # noqa: ARG002 - an agent is told everything
        """Do nothing."""
        return []


def build_clerk(kit: Kit) -> Agent:
    """Return a regulator's agent."""
    return Clerk(kit.name)


BUILDERS: Mapping[Role, Builder] = {
    "hospital": build_hospital,
    "insurer": build_insurer,
    "rail": build_rail,
    "regulator": build_clerk,
}


@dataclass
class Estate:
    """What the households of one simulation are made from."""

    consortium: Consortium
    seed: int
    builders: Mapping[Role, Builder] = field(default_factory=lambda: BUILDERS)
    special: dict[str, Builder] = field(default_factory=dict)
    """Member -> another builder than its role's: cheats, and agents with a planted bug."""
    shelves: dict[str, Shelf] = field(default_factory=dict)
    answered: Callable[[Node, bytes], None] = lambda _node, _body: None
    """Told every answer that leaves a node."""

    def shelf(self, member: str) -> Shelf:
        """Return what lies on the disk for a member."""
        return self.shelves.setdefault(member, Shelf())


class Household:
    """The residents of one node for one life of it."""

    def __init__(self, simulation: Simulation, estate: Estate, node: Node) -> None:
        """Open the books of all members of the node, and make their agents.

        Args:
            simulation: Where the node is.
            estate: What agents are made from.
            node: Up, and at its latest block.
        """
        assert node.replica is not None, "a household lives in a node that is up"
        self._simulation = simulation
        self._estate = estate
        self._node = node
        consortium, application = estate.consortium, node.replica.application
        self.view = NodeView(application, application.read)
        entropy = SeededEntropy(f"node {estate.seed} {node.name} {node.life}".encode())
        self.agents: dict[str, Agent] = {}
        self.host = AgentHost(
            node.name, consortium.hosted, self.view, entropy, submit=self._submit, send=self._send, note=self._note
        )
        for member in consortium.members:
            builder = estate.special.get(member.name) or estate.builders.get(member.role)
            if member.host != node.name or builder is None:
                continue
            agent = builder(self._make_kit(member.name, entropy))
            keys = consortium.keystores[member.name]
            self.agents[member.name] = agent
            self.host.add(agent, Signatory(member.name, keys.submissions))

    def take_frame(self, peer: str, data: bytes, now_ms: int) -> None:
        """Pass a question or an answer to the agent that it is for; what does not fit is the peer's fault."""
        frame = decode_frame(data)
        try:
            match frame:
                case RequestFrame():
                    self.host.take_request(peer, frame, now_ms)
                case AnswerFrame():
                    self.host.take_answer(peer, frame, now_ms)
                case ConsensusFrame():
                    self._note("frame-refused", {"peer": peer})
        except LedgerError as error:
            self._note("request-refused", {"peer": peer, "why": str(error)})

    def take_block(self, executed: ExecutedBlock, now_ms: int) -> None:
        """Tell all agents what was committed."""
        self.host.step_all(Committed(executed.block, executed.receipts, now_ms))

    def tick(self, now_ms: int) -> None:
        """Tell all agents that time has passed."""
        self.host.expire(now_ms)
        self.host.step_all(Ticked(now_ms))

    def _make_kit(self, member: str, entropy: SeededEntropy) -> Kit:
        genesis, shelf = self._estate.consortium.genesis, self._estate.shelf(member)
        operate = self._node.disk.operate
        vault = SimulatedVault(shelf, operate, genesis.chain_id, entropy)
        register = SimulatedRegister(shelf, operate)
        return Kit(member, genesis, self.view, self._estate.consortium.keystores[member], vault, register, entropy)

    def _submit(self, submission: Submission) -> None:
        self._simulation.risk(self._node)
        self._simulation.submit(self._node.name, submission)

    def _send(self, peer: str, frame: RequestFrame | AnswerFrame) -> None:
        if isinstance(frame, AnswerFrame):
            self._estate.answered(self._node, frame.body)
        self._simulation.send_frame(self._node, peer, pack_frame(frame))

    def _note(self, event: str, fields: dict[str, str | int]) -> None:
        self._simulation.note(self._node, event, fields)
