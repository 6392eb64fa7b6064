"""What replicas say to each other: one union of tagged structs, one frame each.

Peers are authenticated by the transport, and votes, proposals, submissions and evidence carry signatures of their
own: who relays one is of no importance. A status is a hint that a peer gives about itself, never a proof.
"""

from typing import Annotated, cast

from msgspec import Meta

from ledger.blocks import Block, Commit, Evidence, Proposal, Round, Vote
from ledger.codec import Height, Struct, decode
from ledger.consensus.round import Step
from ledger.limits import VALIDATORS_MAX
from ledger.state_tree import StateRoots
from ledger.transactions import Submission


class ProposalMessage(Struct, tag="proposal"):
    """A signed proposal and the block it is about."""

    proposal: Proposal
    block: Block
    roots: StateRoots
    """The proposer's state roots per contract: a hint by which a validator that differs can say where."""


class VoteMessage(Struct, tag="vote"):
    """A signed vote, the sender's own or one that it knows."""

    vote: Vote


class PolkaMessage(Struct, tag="polka"):
    """The prevotes of a quorum for one value: what justifies a proposal with a `pol_round`."""

    votes: Annotated[tuple[Vote, ...], Meta(min_length=1, max_length=VALIDATORS_MAX)]
    """Of one height and round, sorted by validator."""


class SubmissionMessage(Struct, tag="submission"):
    """A submission that waits for a block."""

    submission: Submission


class EvidenceMessage(Struct, tag="evidence"):
    """Two conflicting signatures that wait for a block."""

    evidence: Evidence


class StatusMessage(Struct, tag="status"):
    """Where the sender stands: told regularly, and when it wants more blocks."""

    height: Height
    """The height it is deciding: one more than the last it has committed."""
    round: Round
    step: Step
    has_proposal: bool
    """Whether it knows the proposal of its round; if not, whoever does sends it."""


class CommittedBlock(Struct, tag="committed"):
    """A block and its certificate, for a peer that is behind."""

    block: Block
    commit: Commit


Message = (
    ProposalMessage | VoteMessage | PolkaMessage | SubmissionMessage | EvidenceMessage | StatusMessage | CommittedBlock
)


def decode_message(data: bytes) -> Message:
    """Return the message that a frame holds.

    Raises:
        DecodeError: If it is not the canonical encoding of one.
    """
    return decode(data, cast("type[Message]", Message))
