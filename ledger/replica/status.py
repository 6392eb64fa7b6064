"""What the operator sees: where consensus stands, and what it waits for.

"The chain is stuck and nothing says why" is what this is against: it names who has voted, who has not, and how much
power is missing.
"""

from ledger.blocks import PRECOMMIT, PREVOTE
from ledger.codec import Struct
from ledger.consensus.driver import Driver
from ledger.consensus.round import Step


class PeerHeight(Struct):
    """Where a peer said it stands."""

    peer: str
    height: int
    """The height it is deciding."""
    round: int
    step: str


class ReplicaStatus(Struct):
    """A replica's standing at one moment."""

    height: int
    """The height that is being decided: one more than the last committed one."""
    round: int
    step: str
    """unstarted, propose, prevote, precommit or commit; unstarted means that there is nothing to do."""
    proposer: str
    """Who proposes in this round."""
    has_proposal: bool
    missing_block: str
    """A block that a quorum committed and that is not here yet, in hex; or nothing."""
    prevoted: tuple[str, ...]
    precommitted: tuple[str, ...]
    missing: tuple[str, ...]
    """Validators whose vote of this step's type is not here; none if there is nothing to do."""
    power_lacking: int
    """What the votes of this step's type lack to a quorum; 0 if they are one, or if there is nothing to do."""
    next_timeout: str
    """Step of the timeout that elapses next, or nothing."""
    next_timeout_ms: int
    """In how many milliseconds; 0 if none is running."""
    peers: tuple[PeerHeight, ...]
    waiting_submissions: int
    pending_evidence: int
    signing: str
    """`yes`, or why this replica does not vote."""
    halted: str
    """Empty, or why this replica stopped."""


def votes_of(driver: Driver) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], int]:
    """Return who prevoted, who precommitted, who is missing at this step, and the power lacking to a quorum."""
    round_ = driver.state.round
    prevoted = tuple(vote.validator for vote in driver.votes.votes(round_, PREVOTE))
    precommitted = tuple(vote.validator for vote in driver.votes.votes(round_, PRECOMMIT))
    if driver.state.step == Step.UNSTARTED:
        return prevoted, precommitted, (), 0
    here = prevoted if driver.state.step <= Step.PREVOTE else precommitted
    missing = tuple(item.name for item in driver.validators.validators if item.name not in here)
    quorum = driver.validators.total_power * 2 // 3 + 1
    power = sum(driver.validators.power(name) for name in here)
    return prevoted, precommitted, missing, max(0, quorum - power)
