"""The network driver: one organisation's replica in a process, on real time, disk and sockets.

Everything that happens is one input to `Replica.step`, taken one after the other on one event loop; the effects of a
step are performed in order before the next input is looked at. Log entries that stand together are appended as one
frame with one sync, always before any later effect. A durable effect that fails (log, signer state, store) stops the
node; a peer that cannot be reached does not.

    transport frame ─┐                       ┌─ AppendLog, SaveSignerState, CommitBlock, ResetLog   disk
    timer, tick ─────┤  queue -> Replica ->  ├─ Broadcast, Send, SendBlocks                         peers
    submission ──────┘                       ├─ ScheduleTimeout                                     timers
                                             └─ after CommitBlock: agents and waiting clients are told

It knows no contract: the application comes from the composition root (`nodes.process`).
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import cast

from ledger.application import Application, ExecutedBlock
from ledger.blocks import Commit
from ledger.codec import decode, encode
from ledger.consensus.driver import Timeout
from ledger.crypto.signatures import PrivateKey
from ledger.errors import InvalidTransactionError, LedgerError
from ledger.replica import Replica
from ledger.replica.log import LogEntry
from ledger.replica.messages import CommittedBlock, Message, StatusMessage
from ledger.replica.ports import (
    AppendLog,
    Broadcast,
    CommitBlock,
    Effect,
    Halt,
    Input,
    LogReplayed,
    MessageReceived,
    Report,
    ResetLog,
    SaveSignerState,
    ScheduleTimeout,
    Send,
    SendBlocks,
    Started,
    SubmissionAccepted,
    SubmissionReceived,
    SubmissionRefused,
    Tick,
    TimeoutElapsed,
)
from ledger.replica.status import ReplicaStatus
from ledger.transactions import Submission
from nodes.agent import Call, Committed, Ticked
from nodes.config import ConfigurationError
from nodes.entropy import Entropy
from nodes.network.admission import Admission
from nodes.network.directory import MemberDirectory
from nodes.network.files import NodeFiles
from nodes.network.frames import make_hello
from nodes.network.hosting import AgentHost, NodeView
from nodes.network.messages import AnswerFrame, ConsensusFrame, Frame, RequestFrame, decode_frame, is_bulky, pack_frame
from nodes.network.snapshots import Snapshots
from nodes.network.syncing import SnapshotPolicy
from nodes.network.transport import Address, PeerState, Transport
from nodes.network.waiting import TransactionPlace, Waiting
from nodes.pki import Tls
from nodes.storage.errors import StorageError, describe_os_error

TICK_SECONDS = 0.5
"""How often a replica looks for what is unanswered, and agents for what is left to do."""

LOG_BYTES_KEPT = 1024 * 1024
"""The log is begun anew only above this size: a new file costs two syncs more, and of what is left in the old one a
replica that starts takes the entries of its own height and no others."""

UNLOGGED = (CommitBlock, ScheduleTimeout, Report)
"""Effects that need no synced log before them: a block stands by its own certificate, timers and lines of this node's
own log end with the process. Whatever a peer or the key's own file gets to see waits for the sync."""

ENTRY_BYTES_MAX = 2**31
"""Log entries were bounded when they came in."""


class NodeStoppedError(Exception):
    """The node stopped and why; the process ends with it."""


class StoreReplacedError(NodeStoppedError):
    """The node has taken a snapshot and must begin again, on the store that was made from it."""


def read_clock_ms() -> int:
    """Return this machine's clock, milliseconds since 1970."""
    return time.time_ns() // 1_000_000


class NetworkNode:
    """One organisation's node."""

    def __init__(
        self,
        organisation: str,
        application: Application,
        consensus_keys: Sequence[PrivateKey],
        files: NodeFiles,
        entropy: Entropy,
        *,
        hosted: Mapping[str, str],
        report: Callable[[str, Mapping[str, object]], None],
        policy: SnapshotPolicy | None = None,
    ) -> None:
        """Assemble a node; nothing is sent before `start`.

        Args:
            organisation: Whose node it is.
            application: At the latest block of the store.
            consensus_keys: The validator's keys, all versions.
            files: Its durable files.
            entropy: For nonces of agents' transactions.
            hosted: Member without a node -> the organisation that hosts it.
            report: Writes one structured log line.
            policy: When snapshots are made and taken; None for the constants.
        """
        self.organisation = organisation
        self.application = application
        self.files = files
        self.view = NodeView(application, application.read)
        self._report = report
        self._replica = Replica(application, organisation, *(files.signing_key(key) for key in consensus_keys))
        self.host = AgentHost(
            organisation,
            hosted,
            self.view,
            entropy,
            submit=self.offer,
            send=self._send,
            note=report,
        )
        self.snapshots = Snapshots(
            application,
            files.blocks,
            files.folder,
            policy or SnapshotPolicy(),
            send=self._send,
            waiting_bytes=lambda peer: self._transport.waiting_bytes(peer) if self._transport else 0,
            report=report,
            adopt=lambda: self._end(StoreReplacedError("a snapshot was taken: the node begins again")),
        )
        self._transport: Transport | None = None
        self._inputs: deque[Input] = deque()
        self._is_stepping = False
        self._pending_log: list[bytes] = []
        self._committed: deque[tuple[ExecutedBlock, Commit]] = deque()
        self.waiting = Waiting()
        self._admission: Admission | None = None
        self._ticker: asyncio.Task[None] | None = None
        self._stopped: asyncio.Future[None] | None = None

    # ------------------------------------------------------------------------------------------- start and stop

    async def start(
        self, listen: Address, peers: Mapping[str, Address], tls: Tls, directory: MemberDirectory | None = None
    ) -> None:
        """Replay the log, open the transport, and take part.

        Args:
            listen: Where peers find this node.
            peers: Where this node finds them.
            tls: This organisation's certificate and the members' authorities.
            directory: Where members that join later are looked up; None admits those of `tls` and no others.

        Raises:
            ConfigurationError: If the address cannot be listened on.
            StorageError, NodeStoppedError: If the node cannot go on from its log.
        """
        loop = asyncio.get_running_loop()
        self._stopped = loop.create_future()
        entries = self.files.log.entries
        self.feed(
            LogReplayed(tuple(decode(entry, cast("type[LogEntry]", LogEntry), ENTRY_BYTES_MAX) for entry in entries))
        )
        genesis = self.application.genesis
        hello = make_hello(genesis.chain_id, genesis.hash, self.organisation)
        transport = self._transport = Transport(hello, listen, peers, tls, self._take_frame)
        if directory is not None:
            self._admission = Admission(self.application, transport, tls, directory, self._report)
        try:
            await self._transport.start()
        except OSError as error:
            msg = (
                f"peer address {listen[0]}:{listen[1]}: cannot listen there ({describe_os_error(error)}); stop what "
                "uses that port, or give this node another peer_port in network.json"
            )
            raise ConfigurationError(msg) from None
        self.feed(Started(read_clock_ms()))
        if self._has_ended():
            await self._stopped
        self._ticker = loop.create_task(self._tick())

    async def stop(self) -> None:
        """Leave: close connections and files. What was acknowledged is durable already."""
        self.dismiss()
        if self._ticker is not None:
            self._ticker.cancel()
        await self.snapshots.stop()
        if self._transport is not None:
            await self._transport.stop()
        self.files.log.close()
        for signer in self.files.signers.values():
            signer.close()
        if self._stopped is not None and not self._stopped.done():
            self._stopped.set_result(None)

    def dismiss(self) -> None:
        """Take no more submissions, and let go of the clients that wait: for receipts, they are answered without."""
        self.waiting.dismiss(self.view.height)

    async def wait(self) -> None:
        """Wait until the node is stopped; raises why, if it had to stop by itself."""
        assert self._stopped is not None, "start the node first"
        assert self._transport is not None, "start the node first"
        assert self._ticker is not None, "start the node first"
        transport = asyncio.ensure_future(self._transport.wait())
        done, _ = await asyncio.wait({self._stopped, transport, self._ticker}, return_when=asyncio.FIRST_COMPLETED)
        for future in done:
            future.result()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now_ms = read_clock_ms()
            self.feed(Tick(now_ms))
            if self._admission is not None:
                self._admission.tick()
            self.host.expire(now_ms)
            self.host.step_all(Ticked(now_ms))
            connected = self._transport.connected() if self._transport else ()
            self.snapshots.tick(self._replica.status().peers, connected, now_ms)

    # -------------------------------------------------------------------------------------------------- inputs

    def feed(self, input_: Input) -> None:
        """Give the replica an input and perform what follows; inputs that arise meanwhile come after it.

        Whatever makes going on wrong ends the node and is raised by `wait`, not here: neither the peer that sent the
        input nor the client that submitted it is at fault. A fault of this program is raised here as well.
        """
        self._inputs.append(input_)
        if self._is_stepping or self._has_ended():
            return
        self._is_stepping = True
        try:
            while self._inputs and not self._has_ended():
                self._perform(self._replica.step(self._inputs.popleft()))
                self._tell_committed()
        except (LedgerError, StorageError, NodeStoppedError, OSError) as error:
            self._end(error)
        except Exception as error:
            self._end(error)
            raise
        finally:
            self._is_stepping = False

    def offer(self, submission: Submission) -> None:
        """Offer a submission to the chain; what becomes of it is seen on the chain or in the log."""
        self.feed(SubmissionReceived(submission, read_clock_ms()))

    async def submit(self, submission: Submission) -> None:
        """Offer a client's submission.

        Raises:
            InvalidTransactionError: If this node's mempool refuses it.
            NodeStoppedError: If this node is stopping.
        """
        if not self.waiting.is_leaving:
            verdict = self.waiting.expect_verdict(submission.id)
            self.offer(submission)
            refusal = await verdict
            if refusal is not None:
                raise InvalidTransactionError(refusal.code, refusal.message)
        if self.waiting.is_leaving:
            msg = f"{self.organisation}: this node is stopping; what it took already is not lost"
            raise NodeStoppedError(msg)

    async def call(self, member: str, call: Call, timeout_seconds: float) -> TransactionPlace:
        """Call a contract as a hosted member and wait until it is committed.

        Raises:
            InvalidTransactionError: If the mempool or the contract refuses it, or it is not committed in time.
        """
        submission = self.host.sign(member, (call,), read_clock_ms())
        await self.submit(submission)
        (place,) = await self.wait_for((submission.transactions[0].id,), timeout_seconds)
        if place is None:
            raise InvalidTransactionError(
                "TIMEOUT", f"{call.contract}.{call.method}: no block within {timeout_seconds} s"
            )
        if not place.receipt.ok:
            raise InvalidTransactionError(place.receipt.code, place.receipt.reason)
        return place

    async def wait_for(
        self, transaction_ids: Sequence[bytes], timeout_seconds: float
    ) -> tuple[TransactionPlace | None, ...]:
        """Return where each transaction stands once all are committed; None for those that take too long."""
        return await self.waiting.wait_for(transaction_ids, self.find, timeout_seconds)

    def find(self, transaction_id: bytes) -> TransactionPlace | None:
        """Return where a committed transaction stands, or None."""
        place = self.files.blocks.find_transaction(transaction_id)
        if place is None:
            return None
        receipts = self.files.blocks.receipts(place[0])
        assert receipts is not None, "an indexed transaction has its receipts"
        return TransactionPlace(place[0], place[1], receipts[place[1]])

    def follow(self, follower: Callable[[int], None]) -> Callable[[], None]:
        """Have a callback told each committed height, and the last one again when the node leaves.

        Returns:
            What ends that.
        """
        return self.waiting.follow(follower)

    @property
    def is_leaving(self) -> bool:
        """Whether the node stops, and nobody should wait for it any more."""
        return self.waiting.is_leaving

    def status(self) -> ReplicaStatus:
        """Return where consensus stands."""
        return self._replica.status()

    @property
    def store_engine(self) -> str:
        """Which engine keeps the chain on disk."""
        return self.files.blocks.engine

    def peers(self) -> tuple[PeerState, ...]:
        """Return how it stands with each peer."""
        return self._transport.peers() if self._transport is not None else ()

    def refusals(self) -> tuple[tuple[str, str], ...]:
        """Return the latest connections that were refused: remote address, reason."""
        return self._transport.refusals() if self._transport is not None else ()

    # -------------------------------------------------------------------------------------------------- effects

    def _perform(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, AppendLog):
                self._pending_log.append(encode(effect.entry))
                continue
            if not isinstance(effect, UNLOGGED):
                self._flush_log()
            self._perform_one(effect)

    def _flush_log(self) -> None:
        """Put inputs on the disk before anything follows from them; those that led to nothing wait for the next."""
        if self._pending_log:
            self.files.log.append(self._pending_log)
            self._pending_log = []

    def _perform_one(self, effect: Effect) -> None:
        match effect:
            case SaveSignerState(public_key, state):
                self.files.signers[public_key].save(state)
            case Broadcast(message):
                if not (isinstance(message, StatusMessage) and self.snapshots.syncing.is_taking):  # ask for no blocks
                    self._broadcast(message)
            case Send(peer, message):
                self._send(peer, ConsensusFrame(message))
            case SendBlocks(peer, from_height, count):
                self.snapshots.server.send_blocks(peer, from_height, count)
            case ScheduleTimeout(timeout, duration_ms):
                asyncio.get_running_loop().call_later(duration_ms / 1000, self._elapse, timeout)
            case CommitBlock(executed, commit):
                self.snapshots.hold(executed)
                self.files.blocks.append(executed.block, commit, executed.receipts, executed.writes)
                self.snapshots.make(executed, commit)
                self._pending_log.clear()  # inputs of a height that its certificate has just ended
                self._committed.append((executed, commit))
            case ResetLog(height):
                if self.files.log.size_bytes >= LOG_BYTES_KEPT:
                    self.files.log.reset(height)
            case SubmissionAccepted(submission_id):
                self._give_verdict(submission_id, None)
            case SubmissionRefused(submission_id):
                self._give_verdict(submission_id, effect)
            case Report(kind, fields):
                self._report(kind, dict(fields))
            case Halt(reason):
                self._report("halt", {"reason": reason})
                raise NodeStoppedError(reason)

    def _elapse(self, timeout: Timeout) -> None:
        self.feed(TimeoutElapsed(timeout, read_clock_ms()))

    def _give_verdict(self, submission_id: bytes, refusal: SubmissionRefused | None) -> None:
        is_told = self.waiting.give_verdict(submission_id, refusal)
        if refusal is not None and not is_told:
            self._report("submission-refused", {"code": refusal.code, "why": refusal.message})

    def _tell_committed(self) -> None:
        """Tell agents, waiting clients and followers of what is durable now."""
        while self._committed:
            executed, _ = self._committed.popleft()
            self.waiting.tell_block(executed.block.header.height, executed.receipts)
            self.host.step_all(Committed(executed.block, executed.receipts, read_clock_ms()))
            if self._admission is not None:
                self._admission.note_block(executed)

    # ---------------------------------------------------------------------------------------------------- peers

    def _take_frame(self, peer: str, data: bytes) -> None:
        frame = decode_frame(data)
        now_ms = read_clock_ms()
        match frame:
            case ConsensusFrame(message):
                if not (isinstance(message, CommittedBlock) and self.snapshots.syncing.is_taking):
                    self.feed(MessageReceived(peer, message, now_ms))
            case RequestFrame():
                self.host.take_request(peer, frame, now_ms)
            case AnswerFrame():
                self.host.take_answer(peer, frame, now_ms)
            case _:
                self.snapshots.take(peer, frame, now_ms)

    def _broadcast(self, message: Message) -> None:
        if self._transport is not None:
            self._transport.broadcast(encode(ConsensusFrame(message)))

    def _send(self, peer: str, frame: Frame) -> None:
        if self._transport is None:
            return
        try:
            self._transport.send(peer, pack_frame(frame), is_bulky=is_bulky(frame))
        except LedgerError as error:
            self._report("send-refused", {"peer": peer, "why": str(error)})

    # ------------------------------------------------------------------------------------------------------ end

    def _has_ended(self) -> bool:
        return self._stopped is not None and self._stopped.done()

    def _end(self, error: Exception) -> None:
        if self._stopped is not None and not self._stopped.done():
            self._stopped.set_exception(error)
        self.waiting.end_verdicts()
        self.dismiss()
