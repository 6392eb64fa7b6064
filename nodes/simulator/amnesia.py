"""A Byzantine validator that forgets its locks: it votes against them in later rounds, and never twice in one.

Whoever has precommitted a value must prevote for no other in a later round, unless a newer polka says so. This one
prevotes for whatever is proposed. It signs nothing twice, so no evidence comes of it: what keeps it harmless is that
less than a third does so.

To come to later rounds it works for them: it prevotes nil while it is not locked, so that others need everybody's votes
to see a polka; it tells its votes to some only; and it tells nobody about a polka that it has seen. In a network that
loses votes it is then locked itself, others are not, and the next proposer proposes another block.
"""

from collections.abc import Iterable

from msgspec.structs import replace

from ledger.blocks import PRECOMMIT, PREVOTE, Vote
from ledger.crypto.hashes import hash_tagged
from ledger.crypto.signatures import sign_vote
from ledger.replica.log import ProposalEntry
from ledger.replica.messages import PolkaMessage, VoteMessage
from ledger.replica.ports import AppendLog, Broadcast, Effect, Send
from nodes.simulator.node import Node


class Amnesiac:
    """A `nodes.simulator.node.Lie` of one node, with what it remembers: more than it admits."""

    def __init__(self) -> None:
        """Have seen nothing."""
        self._height = 0
        self._lock: tuple[int, bytes] | None = None
        """Round and value of its last precommit at this height."""
        self._offers: dict[int, bytes] = {}
        """What was first proposed in each round of this height."""
        self._told: dict[tuple[int, int], Vote] = {}
        """Its votes of this height by round and type, as it has sent them: it never signs another one."""

    def __call__(self, node: Node, effect: Effect) -> Iterable[Effect]:
        """Vote for what is proposed, and tell some only."""
        match effect:
            case AppendLog(entry=ProposalEntry(proposal=proposal)):
                self._turn_to(proposal.height)
                self._offers.setdefault(proposal.round, proposal.block_hash)
                yield effect
            case Broadcast(message=VoteMessage(vote=vote)) if vote.validator == node.name:
                vote = self._vote(node, vote)
                for name in self._choose(node, vote):
                    yield Send(name, VoteMessage(vote))
            case Send(message=VoteMessage(vote=vote)) if vote.validator == node.name:
                yield replace(effect, message=VoteMessage(self._vote(node, vote)))
            case Broadcast(message=PolkaMessage()) | Send(message=PolkaMessage()):
                pass
            case _:
                yield effect

    def _turn_to(self, height: int) -> None:
        if height != self._height:
            self._height, self._lock = height, None
            self._offers.clear()
            self._told.clear()

    def _vote(self, node: Node, vote: Vote) -> Vote:
        """Return what is voted in the place of an honest vote."""
        if vote.height < self._height:
            return vote
        self._turn_to(vote.height)
        place = (vote.round, vote.type)
        if place in self._told:
            return self._told[place]
        offered = self._offers.get(vote.round)
        if vote.type == PREVOTE and self._lock is None:
            vote = _sign(node, replace(vote, block_hash=None))
        elif vote.type == PREVOTE and self._lock is not None and vote.block_hash is None and offered is not None:
            lock_round, locked = self._lock
            if lock_round < vote.round and offered != locked:
                node.deeds["votes against a lock"] += 1
                vote = _sign(node, replace(vote, block_hash=offered))
        if vote.type == PRECOMMIT and vote.block_hash is not None:
            self._lock = (vote.round, vote.block_hash)
        self._told[place] = vote
        return vote

    def _choose(self, node: Node, vote: Vote) -> list[str]:
        """Return whom it tells: everybody in one place out of four, else about half of them."""
        assert node.replica is not None, "a node that lies is up"
        validators = node.replica.application.validators(vote.height).validators
        others = [validator.name for validator in validators if validator.name != node.name]
        dice = hash_tagged("test/amnesia", f"{vote.height} {vote.round} {vote.type}".encode())
        if dice[0] < 64:
            return others
        return [name for place, name in enumerate(others) if dice[1 + place % 31] < 128]


def _sign(node: Node, vote: Vote) -> Vote:
    assert node.replica is not None, "a node that lies is up"
    chain_id = node.replica.application.genesis.chain_id
    return replace(vote, signature=sign_vote(node.key_at(vote.height), vote.sign_bytes(chain_id)))
