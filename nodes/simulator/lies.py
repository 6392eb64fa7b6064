"""What a Byzantine validator does instead of what its replica asks for.

Each lie takes a node and one effect and gives the effects that are performed. The lying node keeps an honest replica
inside, so that it takes part and is believed until it lies.
"""

from collections.abc import Iterable

from msgspec.structs import replace

from ledger.application import BlockInputs
from ledger.blocks import PREVOTE, Block, Proposal, Vote, submissions_root
from ledger.consensus.evidence import pair_votes
from ledger.crypto.hashes import hash_tagged
from ledger.crypto.signatures import sign_proposal, sign_vote
from ledger.membership import Validator
from ledger.replica.messages import ProposalMessage, StatusMessage, SubmissionMessage, VoteMessage
from ledger.replica.ports import AppendLog, Broadcast, CommitBlock, Effect, SaveSignerState, Send
from nodes.simulator.node import Node


def vote_twice(node: Node, effect: Effect) -> Iterable[Effect]:
    """Tell everybody a second, different prevote beside every own one."""
    yield effect
    if isinstance(effect, Broadcast) and isinstance(effect.message, VoteMessage):
        vote = effect.message.vote
        if vote.validator == node.name and vote.type == PREVOTE:
            other = None if vote.block_hash else hash_tagged("test/lie", vote.sign_bytes(_chain_id(node)))
            node.deeds["double votes"] += 1
            yield Broadcast(VoteMessage(_sign_vote(node, replace(vote, block_hash=other))))


def propose_twice(node: Node, effect: Effect) -> Iterable[Effect]:
    """Tell everybody a second, equally valid block beside every own first proposal."""
    yield effect
    if isinstance(effect, Broadcast) and isinstance(effect.message, ProposalMessage):
        proposal, block = effect.message.proposal, effect.message.block
        if proposal.proposer == node.name and proposal.pol_round == -1 and node.replica is not None:
            header = block.header
            inputs = BlockInputs(header.height, header.time_ms + 1, node.name, block.submissions, block.evidence)
            executed = node.replica.application.execute(inputs)
            node.deeds["double proposals"] += 1
            second = _sign_proposal(node, replace(proposal, block_hash=executed.block.header.hash))
            yield Broadcast(ProposalMessage(second, executed.block, executed.roots))


def propose_nonsense(node: Node, effect: Effect) -> Iterable[Effect]:
    """Propose blocks whose state root is made up, instead of the real ones."""
    if not isinstance(effect, Broadcast | Send) or not isinstance(effect.message, ProposalMessage):
        yield effect
        return
    message = effect.message
    if message.proposal.proposer == node.name:
        node.deeds["made-up state roots"] += 1
        header = replace(message.block.header, state_root=bytes(32))
        proposal = _sign_proposal(node, replace(message.proposal, block_hash=header.hash))
        yield Broadcast(ProposalMessage(proposal, replace(message.block, header=header), message.roots))


def propose_badly(node: Node, effect: Effect) -> Iterable[Effect]:
    """Propose, in turn: a time to come, another parent, unsigned submissions, a missing body, made-up evidence."""
    if not isinstance(effect, Broadcast | Send) or not isinstance(effect.message, ProposalMessage):
        yield effect
        return
    message = effect.message
    if message.proposal.proposer == node.name:
        node.deeds["bad proposals"] += 1
        block = _spoil(node, message.block)
        proposal = _sign_proposal(node, replace(message.proposal, block_hash=block.header.hash))
        yield Broadcast(ProposalMessage(proposal, block, message.roots))


def _spoil(node: Node, block: Block) -> Block:
    header = block.header
    match header.height % 5:
        case 0:
            return _execute(node, replace(_inputs(block), time_ms=header.time_ms + 3_600_000))
        case 1:
            return replace(block, header=replace(header, parent_hash=bytes(32)))
        case 2:
            unsigned = tuple(replace(submission, signature=bytes(64)) for submission in block.submissions)
            return Block(replace(header, transactions_root=submissions_root(unsigned)), unsigned, block.evidence)
        case 3:
            return Block(header, (), ())
        case _:
            victim = next(item.name for item in _validators(node) if item.name != node.name)
            vote = Vote(PREVOTE, header.height, 0, None, victim, bytes(64))
            forged = pair_votes(vote, replace(vote, block_hash=bytes(32)))
            return _execute(node, replace(_inputs(block), evidence=(forged,)))


def _inputs(block: Block) -> BlockInputs:
    header = block.header
    return BlockInputs(header.height, header.time_ms, header.proposer, block.submissions, block.evidence)


def _execute(node: Node, inputs: BlockInputs) -> Block:
    assert node.replica is not None, "a node that lies is up"
    return node.replica.application.execute(inputs).block


def say_nothing(_node: Node, effect: Effect) -> Iterable[Effect]:
    """Send nothing at all."""
    if not isinstance(effect, Broadcast | Send):
        yield effect


def forget_votes(_node: Node, effect: Effect) -> Iterable[Effect]:
    """Keep neither log nor signer state: whenever it restarts, it votes as if it never had."""
    if not isinstance(effect, AppendLog | SaveSignerState):
        yield effect


def send_selectively(node: Node, effect: Effect) -> Iterable[Effect]:
    """Send what should go to everybody to the alphabet's first half only, and swear otherwise."""
    if not isinstance(effect, Broadcast) or isinstance(effect.message, StatusMessage):
        yield effect
        return
    others = sorted({validator.name for validator in _validators(node)} - {node.name})
    for name in others[: (len(others) + 1) // 2]:
        yield Send(name, effect.message)


def replay_submissions(node: Node, effect: Effect) -> Iterable[Effect]:
    """Tell everybody again, as if it were new, whatever a block has included."""
    yield effect
    if isinstance(effect, CommitBlock):
        for submission in effect.executed.block.submissions:
            node.deeds["submissions replayed"] += 1
            yield Broadcast(SubmissionMessage(submission))


def tell_the_truth(_node: Node, effect: Effect) -> Iterable[Effect]:
    """Take part as an honest validator does: what cheats is elsewhere."""
    yield effect


def _validators(node: Node) -> tuple[Validator, ...]:
    assert node.replica is not None, "a node that lies is up"
    application = node.replica.application
    return application.validators(application.height + 1).validators


def _chain_id(node: Node) -> str:
    assert node.replica is not None, "a node that lies is up"
    return node.replica.application.genesis.chain_id


def _sign_vote(node: Node, vote: Vote) -> Vote:
    return replace(vote, signature=sign_vote(node.key_at(vote.height), vote.sign_bytes(_chain_id(node))))


def _sign_proposal(node: Node, proposal: Proposal) -> Proposal:
    return replace(
        proposal, signature=sign_proposal(node.key_at(proposal.height), proposal.sign_bytes(_chain_id(node)))
    )
