"""What goes into a replica and what comes out: inputs, and effects for a driver to perform in order.

A durable effect (`AppendLog`, `SaveSignerState`, `CommitBlock`, `ResetLog`) that fails stops the node; a peer that
cannot be reached does not. Log and signer state stand before the broadcast they protect: that order is the crash rule,
and the driver must not change it. What an entry must be durable before is whatever the world could learn of it:
`SaveSignerState`, `Broadcast`, `Send`, `SendBlocks`. Timers and reports tell nobody, and `CommitBlock` ends the height
whose entries it makes void, so a driver may let entries wait for these. All effects of a step are performed before the
next step.
"""

from ledger.application import ExecutedBlock
from ledger.blocks import Commit
from ledger.codec import Hash, PublicKey, Struct
from ledger.consensus.driver import Timeout
from ledger.replica.log import LogEntry
from ledger.replica.messages import Message
from ledger.replica.signer import SignerState
from ledger.transactions import Submission


class LogReplayed(Struct):
    """The log as it was found on disk; given once, before `Started`, also when it is empty."""

    entries: tuple[LogEntry, ...]


class Started(Struct):
    """The log was replayed, the transport is up: go on."""

    now_ms: int


class MessageReceived(Struct):
    """A decoded message of an authenticated peer."""

    peer: str
    message: Message
    now_ms: int


class TimeoutElapsed(Struct):
    """A timeout that `ScheduleTimeout` asked for."""

    timeout: Timeout
    now_ms: int


class SubmissionReceived(Struct):
    """A submission of a local client; answered by `SubmissionAccepted` or `SubmissionRefused`."""

    submission: Submission
    now_ms: int


class Tick(Struct):
    """Comes about every 500 ms: send again, ask again, see what is due."""

    now_ms: int


Input = LogReplayed | Started | MessageReceived | TimeoutElapsed | SubmissionReceived | Tick


class AppendLog(Struct):
    """Append an entry to the consensus log; durable before any later effect of another kind."""

    entry: LogEntry


class SaveSignerState(Struct):
    """Overwrite the file beside the key, synced, before what was signed is sent."""

    public_key: PublicKey
    """Which key."""
    state: SignerState


class Broadcast(Struct):
    """Send to every peer."""

    message: Message


class Send(Struct):
    """Send to one peer."""

    peer: str
    message: Message


class SendBlocks(Struct):
    """Read up to `count` committed blocks from the store and send each as `CommittedBlock`, in order."""

    peer: str
    from_height: int
    count: int


class ScheduleTimeout(Struct):
    """Give back `TimeoutElapsed(timeout)` after this long; late and repeated ones do no harm."""

    timeout: Timeout
    duration_ms: int


class CommitBlock(Struct):
    """Write block, certificate and state in one synced batch."""

    executed: ExecutedBlock
    commit: Commit


class ResetLog(Struct):
    """Earlier heights' entries are void: the driver may empty the log now or later, since replay passes over them."""

    height: int


class SubmissionAccepted(Struct):
    """A local client's submission waits for a block."""

    submission_id: Hash


class SubmissionRefused(Struct):
    """A local client's submission may not enter a block."""

    submission_id: Hash
    code: str
    message: str


class Report(Struct):
    """A line for the operator's log."""

    kind: str
    """Such as `round`, `committed`, `block-refused`, `evidence`, `abstain`."""
    fields: tuple[tuple[str, str | int], ...]


class Halt(Struct):
    """Stop the node: going on would be wrong, and this is why."""

    reason: str


Effect = (
    AppendLog
    | SaveSignerState
    | Broadcast
    | Send
    | SendBlocks
    | ScheduleTimeout
    | CommitBlock
    | ResetLog
    | SubmissionAccepted
    | SubmissionRefused
    | Report
    | Halt
)
