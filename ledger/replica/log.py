"""The consensus log: the inputs of one height, in the order in which they were acted upon.

Inputs are logged before they are acted upon, so that a replica that starts again and takes them in the same order
stands where it stood, and casts no second, different vote. Own votes and proposals are entries like everybody
else's: they are taken from the log and not signed anew. Entries of a committed height are void.

A driver in `nodes/` keeps it as checksummed frames: an entry must be durable before anything that follows from it
leaves the node (`ledger.replica.ports`). A torn tail is cut; a broken middle stops the node.
"""

from typing import cast

from ledger.blocks import Block, Proposal, Round, Vote
from ledger.codec import Height, Milliseconds, Struct, decode
from ledger.consensus.driver import Timeout


class StartEntry(Struct, tag="start"):
    """Round 0 began, because there was work."""

    height: Height


class ProposalEntry(Struct, tag="proposal"):
    """A verified proposal."""

    proposal: Proposal
    block: Block | None
    """None if the block stands in an earlier entry."""
    now_ms: Milliseconds
    """Our clock when it came: what a first proposal's time is held against, then and at every replay."""


class VoteEntry(Struct, tag="vote"):
    """A verified vote."""

    vote: Vote


class PolkaEntry(Struct, tag="polka"):
    """A verified polka that came as a whole."""

    votes: tuple[Vote, ...]


class TimeoutEntry(Struct, tag="timeout"):
    """A timeout elapsed."""

    timeout: Timeout


class ValueEntry(Struct, tag="value"):
    """The block that we made to propose it."""

    round: Round
    block: Block


LogEntry = StartEntry | ProposalEntry | VoteEntry | PolkaEntry | TimeoutEntry | ValueEntry


def decode_entry(data: bytes) -> LogEntry:
    """Return the entry that a frame of the log holds.

    Raises:
        DecodeError: If it is not the canonical encoding of one.
    """
    return decode(data, cast("type[LogEntry]", LogEntry))


def entry_height(entry: LogEntry) -> int:
    """Return the height an entry belongs to."""
    match entry:
        case StartEntry():
            return entry.height
        case ProposalEntry():
            return entry.proposal.height
        case VoteEntry():
            return entry.vote.height
        case PolkaEntry():
            return entry.votes[0].height
        case TimeoutEntry():
            return entry.timeout.height
        case ValueEntry():
            return entry.block.header.height
