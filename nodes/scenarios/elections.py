"""The members change who votes while everything goes on: one validator joins, one replaces its key, one is removed.

Each change is proposed by one operator (a key by its own) and approved by all that are honest, as their operators would
type it, again and again until the chain has it; then the next one begins, because a proposal is made against the set as
it is.
"""

from collections.abc import Callable, Generator
from functools import partial

from msgspec.structs import replace

from contracts.membership import FindValidators
from contracts.proposals import (
    AddValidator,
    CastVote,
    ListProposals,
    ProposalView,
    Propose,
    RekeyValidator,
    RemoveValidator,
    validator_message,
)
from ledger.crypto.signatures import PrivateKey, sign_enrolment
from ledger.membership import Validator, ValidatorSet
from nodes.agent import Call, Submit
from nodes.entropy import SeededEntropy
from nodes.network.hosting import NodeView
from nodes.scenarios.options import Changes
from nodes.scenarios.town import Town

RETRY_MS = 4_000
Life = Generator[int, None, None]
Action = AddValidator | RekeyValidator | RemoveValidator


class Elections:
    """What the members decide in one scenario."""

    def __init__(self, town: Town, changes: Changes, voters: tuple[str, ...], seed: int) -> None:
        """Have nothing decided.

        Args:
            town: Where the members are.
            changes: What they will decide, and when.
            voters: Whose operators take part: the honest members with a node.
            seed: New keys come from it.
        """
        self._town = town
        self._changes = changes
        self._voters = voters
        self._seed = seed
        self.is_done = False

    def live(self) -> Life:
        """Decide one thing after the other."""
        changes, simulation = self._changes, self._town.simulation
        if changes.joins is not None:
            yield changes.begins_ms
            simulation.start(changes.joins)
            simulation.happened["nodes that came later"] += 1
            key = self._town.consortium.keystores[changes.joins].consensus
            yield from self._decide(AddValidator(changes.joins, key.public_key, self._prove(changes.joins, key)))
        if changes.rekeys is not None:
            yield changes.begins_ms
            yield from self._rekey(changes.rekeys)
        if changes.removes is not None:
            yield changes.begins_ms
            yield from self._decide(RemoveValidator(changes.removes))
        self.is_done = True

    def _rekey(self, name: str) -> Life:
        """Give a validator a new key: as planned, or because what the old one has signed is not known any more."""
        node = self._town.node(name)
        if self._changes.loses_signer:
            is_wiped = self._changes.loses_store
            self._restart(name, partial(node.disk.wipe, with_signer=True) if is_wiped else node.disk.forget_signers)
            self._town.simulation.happened["lost signer states"] += 1
            self._town.simulation.happened["wiped stores"] += is_wiped
            yield self._changes.begins_ms
        key = PrivateKey(SeededEntropy(f"election {self._seed} {name}".encode()).draw(32))
        self._restart(name, partial(node.add_key, key))
        yield from self._decide(RekeyValidator(name, key.public_key, self._prove(name, key)))

    def _restart(self, name: str, change: Callable[[], None]) -> None:
        """Change what lies on a node's disk while it is down."""
        node, simulation = self._town.node(name), self._town.simulation
        was_up = node.is_up
        if was_up:
            simulation.crash(name)
        change()
        if was_up:
            simulation.start(name)

    def _prove(self, name: str, key: PrivateKey) -> bytes:
        chain_id = self._town.consortium.genesis.chain_id
        return sign_enrolment(key, validator_message(chain_id, name, key.public_key))

    def _decide(self, action: Action) -> Life:
        """Propose and vote until the action is done."""
        proposer = self._voters[0] if isinstance(action, RemoveValidator) else action.name
        while not self._is_done(action):
            open_ = self._town.read(proposer, partial(_find_open, action))
            if open_ is None:
                self._submit(proposer, partial(_propose, action))
            for voter in self._voters:
                self._submit(voter, partial(_vote, voter, action))
            yield RETRY_MS
        self._town.simulation.happened[f"decisions to {_verb(action)} a validator"] += 1

    def _is_done(self, action: Action) -> bool:
        for voter in self._voters:
            validators = self._town.read(voter, _validators)
            if validators is not None and _fits(action, validators.get(action.name)):
                return True
        return False

    def _submit(self, member: str, make: Callable[[NodeView], Call | None]) -> None:
        call = self._town.read(member, make)
        if call is not None:
            self._town.operate(member, lambda _agent, _now: (True, [Submit((call,))]))


def _propose(action: Action, view: NodeView) -> Call:
    message = Propose(action, bytes(32))
    against = view.query("governance", "basis", message, bytes)
    return Call("governance", "propose", replace(message, against=against))


def _vote(voter: str, action: Action, view: NodeView) -> Call | None:
    """Return a vote for an action if it is open here and this member has not voted yet."""
    found = _find_open(action, view)
    if found is None or voter in found.approvals or _validators(view).get(voter) is None:
        return None
    return Call("governance", "vote", CastVote(found.number, approve=True))


def _find_open(action: Action, view: NodeView) -> ProposalView | None:
    listed = view.query("governance", "list_proposals", ListProposals(""), tuple[ProposalView, ...])
    for item in listed:
        if item.proposal.status == "open" and item.proposal.proposal.action == action:
            return item
    return None


def _validators(view: NodeView) -> ValidatorSet:
    return view.query("membership", "validator_set", FindValidators(), ValidatorSet)


def _fits(action: Action, validator: Validator | None) -> bool:
    if isinstance(action, RemoveValidator):
        return validator is None
    return validator is not None and validator.public_key == action.public_key


def _verb(action: Action) -> str:
    if isinstance(action, AddValidator):
        return "add"
    return "re-key" if isinstance(action, RekeyValidator) else "remove"
