"""The services that customers and desks use in a simulation: nodes to ask, and what they answer.

Whoever stands outside the nodes acts through here, as through a node's API: a node that is down or stops meanwhile
answers nothing, and then the same is asked again later.
"""

from collections.abc import Callable
from random import Random
from typing import Any, TypeVar

from ledger.crypto.signatures import PrivateKey
from ledger.errors import LedgerError
from ledger.replica.ports import Halt
from ledger.transactions import Receipt, Submission, make_submission
from nodes.agent import AgentEffect, Call
from nodes.entropy import SeededEntropy
from nodes.network.hosting import NodeView, make_transactions
from nodes.scenarios.consortium import Consortium
from nodes.scenarios.household import Estate, Household
from nodes.simulator.checks import InvariantError
from nodes.simulator.node import Node
from nodes.simulator.simulation import Simulation, Weather

T = TypeVar("T")


class Town:
    """A simulated consortium with its agents, as the world around it sees it."""

    def __init__(self, estate: Estate, seed: int, weather: Weather) -> None:
        """Build the nodes; none is up.

        Args:
            estate: Who lives in them.
            seed: All chance comes from it.
            weather: What happens to messages and steps.
        """
        consortium = estate.consortium
        self.estate = estate
        self.consortium: Consortium = consortium
        self.simulation = Simulation(
            consortium.genesis, consortium.contracts, consortium.keys(), seed, weather, self._furnish
        )
        self.chance = Random(f"town {seed}")
        self.refusals: list[str] = []
        """What agents refused the outside, in words: a refusal may be right."""

    @property
    def now_ms(self) -> int:
        """The true time."""
        return self.simulation.now_ms

    def node(self, member: str) -> Node:
        """Return the node that a member lives in."""
        return self.simulation.nodes[self.consortium.host(member)]

    def household(self, member: str) -> Household | None:
        """Return the residents of a member's node; None while it is down."""
        residents = self.node(member).residents
        return residents if isinstance(residents, Household) else None

    def view(self, member: str) -> NodeView | None:
        """Return the latest state of a member's node; None while it is down."""
        household = self.household(member)
        return None if household is None else household.view

    def read(self, member: str, question: Callable[[NodeView], T]) -> T | None:
        """Ask the latest state of a member's node; None if it is down or its disk fails meanwhile."""
        node = self.node(member)

        def ask() -> T:
            household = self.household(member)
            assert household is not None, "a node that is up has residents"
            return question(household.view)

        return self.simulation.operate(node.name, ask, is_reading=True)

    def operate(self, member: str, operation: Callable[[Any, int], tuple[T, list[AgentEffect]]]) -> T | None:
        """Call an operator method of a member's agent and perform its effects.

        Args:
            member: Whose agent.
            operation: Takes the agent and its node's clock.

        Returns:
            The result; None if the node is down, crashed meanwhile, or refused.
        """
        node = self.node(member)

        def act() -> T | None:
            household = self.household(member)
            assert household is not None, "a node that is up has residents"
            now_ms = self.simulation.clock(node)
            try:
                result, effects = operation(household.agents[member], now_ms)
            except LedgerError as error:
                self.refusals.append(f"{member}: {error}")
                return None
            household.host.perform(member, effects, now_ms)
            return result

        return self.simulation.operate(node.name, act)

    def sign(self, member: str, signer: str, key: PrivateKey, call: Call, entropy: SeededEntropy) -> Submission | None:
        """Return a customer's call as a submission, dated by a member's node; None while that is down."""
        view = self.view(member)
        if view is None:
            return None
        now_ms = self.simulation.clock(self.node(member))
        transactions = make_transactions((call,), signer, 1, view, entropy, now_ms)
        return make_submission(key, transactions)

    def submit(self, member: str, submission: Submission) -> None:
        """Offer a submission to a member's node; nothing happens if it is down."""
        node = self.node(member)
        if node.is_up and node.paused_until_ms <= self.now_ms:
            self.simulation.submit(node.name, submission)

    def find(self, member: str, transaction_id: bytes) -> Receipt | None:
        """Ask a member's node for a receipt; what an honest one answers is held against it."""
        node = self.node(member)
        if not node.is_up:
            return None
        found = node.disk.find(transaction_id)
        if found is not None and node.is_honest:
            self.simulation.checks.note_acknowledged(found[2])
        return None if found is None else found[2]

    def check_halted(self) -> None:
        """Refuse an honest node that has stopped because it contradicts a quorum."""
        for node in self.simulation.nodes.values():
            halts = [reply.reason for reply in node.replies if isinstance(reply, Halt)]
            if node.is_honest and halts:
                raise InvariantError("halted", f"{node.name}: {halts[0]}")
            node.replies.clear()

    def _furnish(self, node: Node) -> Household:
        return Household(self.simulation, self.estate, node)
