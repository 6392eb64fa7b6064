"""The replica: `step(input) -> list[Effect]`, consensus and application together, without I/O.

    input               what happens
    LogReplayed         the inputs of the height at hand are taken again; nothing is signed or sent
    Started             whether we may vote is settled; unsigned votes are signed; timeouts run again
    MessageReceived     votes, proposals: verified, logged, acted upon; submissions, evidence: kept;
                        statuses: answered with what the peer lacks; committed blocks: verified, executed, committed
    TimeoutElapsed      logged and acted upon, if it still runs
    SubmissionReceived  checked, kept, told to the others, answered
    Tick                what is unanswered is sent again

An idle chain makes no blocks. A height's round 0 begins when a submission waits, or evidence against a validator that
is not on record, when a contract's clock is due, when a change of validators waits for its height, or when others are
at work: a valid proposal, or votes of more than a third. If nothing is left to do then, an idle block ends the height,
but not in round 0.

A step that commits ends there; the next height begins with the next step, for which a timeout of 0 ms is asked, so
that the committed block is stored first. A peer's fault is reported and goes no further. A block that a quorum
committed and that is invalid here stops this replica: it runs other code, or its state is broken. So does a height
whose code the members have agreed on and that is not here: before anything is voted on.
"""

from ledger.application import Application, ExecutedBlock
from ledger.blocks import Commit, Evidence, Vote, verify_commit
from ledger.consensus.driver import Timeout
from ledger.consensus.evidence import pair_votes
from ledger.consensus.round import Step
from ledger.consensus.votes import VoteKeeper
from ledger.errors import InvalidTransactionError, LedgerError
from ledger.limits import CATCH_UP_BLOCKS_MAX
from ledger.mempool import Mempool
from ledger.replica.candidates import check_body
from ledger.replica.evidence_pool import EvidencePool
from ledger.replica.height import HeightConsensus
from ledger.replica.log import LogEntry, entry_height
from ledger.replica.messages import (
    CommittedBlock,
    EvidenceMessage,
    Message,
    PolkaMessage,
    ProposalMessage,
    StatusMessage,
    SubmissionMessage,
    VoteMessage,
)
from ledger.replica.peers import Peers
from ledger.replica.ports import (
    Broadcast,
    CommitBlock,
    Effect,
    Halt,
    Input,
    LogReplayed,
    MessageReceived,
    Report,
    ResetLog,
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
from ledger.replica.signer import Signer, SigningKey
from ledger.replica.status import PeerHeight, ReplicaStatus, votes_of
from ledger.transactions import Submission


class Replica:
    """One node's part in the chain."""

    def __init__(self, application: Application, name: str, *keys: SigningKey) -> None:
        """Stand after the latest stored block; give `LogReplayed`, then `Started`.

        Args:
            application: At the latest block of the store.
            name: Our name, as validator or follower.
            keys: All versions of the consensus key; a height is voted on with the one that its validator set names.
        """
        self.application = application
        self.name = name
        self.mempool = Mempool()
        self.halted = ""
        """Why this replica stopped; empty while it goes on."""
        self._signer = Signer(application.genesis.chain_id, name, keys)
        self._evidence = EvidencePool(application)
        self._peers = Peers()
        self._effects: list[Effect] = []
        self._now_ms = 0
        self._is_started = False
        self._is_between_heights = False
        self._asked_until = 0
        self._mark: tuple[int, int, int] = (0, 0, 0)
        self._last_votes: VoteKeeper | None = None
        self._current = self._make_height()

    def step(self, input_: Input) -> list[Effect]:
        """Take one input and return what is to be done, in order; nothing once halted."""
        if self.halted:
            return []
        self._effects = []
        if isinstance(input_, LogReplayed):
            self._replay(input_.entries)
            return self._effects
        if not self._is_started and not isinstance(input_, Started):
            return []  # until then nobody knows whether we may vote; whatever it was comes again
        self._now_ms = self._current.now_ms = input_.now_ms
        if self._is_between_heights:
            self._begin_height()
        match input_:
            case Started():
                self._start()
            case MessageReceived():
                self._receive(input_.peer, input_.message)
            case TimeoutElapsed():
                self._current.elapse(input_.timeout)
            case SubmissionReceived():
                self._submit(input_.submission)
            case Tick():
                self._tick()
        self._settle()
        if self._is_started and not self.halted and not self._is_between_heights:
            self._work()
        return self._effects

    # -------------------------------------------------------------------------------------- start and heights

    def _replay(self, entries: tuple[LogEntry, ...]) -> None:
        assert not self._is_started, "the log is replayed before the start"
        self._current.replay([entry for entry in entries if entry_height(entry) == self._current.height])
        self._settle()

    def _start(self) -> None:
        self._is_started = True
        self._current.resume(self._now_ms)
        if self._current.signing != "yes":
            self._report("abstain", height=self._current.height, why=self._current.signing)
        self._emit(Broadcast(self._status_message()))

    def _make_height(self) -> HeightConsensus:
        return HeightConsensus(self.application, self._signer, self._evidence, self._emit)

    def _begin_height(self) -> None:
        """Turn to the height after the one that was committed, with what came early for it."""
        self._is_between_heights = False
        self._last_votes = self._current.driver.votes
        self._current = self._make_height()
        self._current.now_ms = self._now_ms
        if not self._is_started:
            return
        self._current.resume(self._now_ms)
        for peer, message in self._peers.release():
            self._receive(peer, message)

    def _settle(self) -> None:
        """See whether the height is decided, or contradicted."""
        value = self._current.driver.contradicted_value()
        if self._current.decision is not None and not self._is_between_heights:
            executed, commit = self._current.decision
            self._commit(executed, commit)
        elif value is not None:
            block = self._current.candidates.block(value)
            assert block is not None, "a contradicted block is known"
            self._halt_on_invalid(str(self._current.candidates.judge(block)))

    def _commit(self, executed: ExecutedBlock, commit: Commit) -> None:
        header = executed.block.header
        self.application.commit(executed)
        self.mempool.remove_committed(executed.block.submissions)
        self._evidence.refresh()
        self._is_between_heights = True
        self._emit(CommitBlock(executed, commit))
        self._emit(ResetLog(header.height + 1))
        self._emit(ScheduleTimeout(Timeout(header.height + 1, 0, Step.UNSTARTED), 0))
        self._report("committed", height=header.height, round=commit.round, transactions=header.transaction_count)
        for fault in executed.faults:
            self._report("contract-fault", height=header.height, what=fault)
        for lacking in self.application.code.missing_later():
            self._report("code-missing", height=header.height, why=lacking)
        if self.application.code.missing:
            self._halt(self.application.code.missing)

    def _halt_on_invalid(self, reason: str) -> None:
        self._halt(f"height {self._current.height}: a quorum committed a block that is invalid here: {reason}")

    def _halt(self, reason: str) -> None:
        self.halted = reason
        self._emit(Halt(reason))

    def _work(self) -> None:
        """Begin the height if there is a reason, and make the block that was asked for."""
        current = self._current
        if not current.is_started and (self._has_work() or current.is_known_to_others):
            current.start()
            self._settle()
        if self._is_between_heights or current.wanted_round is None or current.signing != "yes":
            return
        is_needed = current.wanted_round > 0 or self._has_work()
        if current.driver.state.step is Step.PROPOSE and is_needed:
            block = current.candidates.make(self.name, self._now_ms, self.mempool, self._evidence.pending())
            if current.wanted_round > 0 or not current.candidates.is_idle(block):
                current.add_value(block)
                self._settle()

    def _has_work(self) -> bool:
        if len(self.mempool) or self._evidence.is_reason:
            return True
        return self.application.has_due(self._now_ms)

    # ----------------------------------------------------------------------------------------------- messages

    def _receive(self, peer: str, message: Message) -> None:
        try:
            match message:
                case ProposalMessage():
                    self._receive_signed(peer, message.proposal.height, message)
                case VoteMessage():
                    self._receive_signed(peer, message.vote.height, message)
                case PolkaMessage():
                    if message.votes[0].height == self._current.height and not self._is_between_heights:
                        self._current.add_polka(message.votes)
                case SubmissionMessage():
                    self._keep_submission(message.submission, is_local=False)
                case EvidenceMessage():
                    self._receive_evidence(message.evidence)
                case StatusMessage():
                    self._receive_status(peer, message)
                case CommittedBlock():
                    self._receive_committed(peer, message)
        except InvalidTransactionError:
            pass  # whoever made the submission is told by the node that it gave it to
        except LedgerError as error:
            self._report("refused", peer=peer, message=type(message).__name__, why=str(error))

    def _receive_signed(self, peer: str, height: int, message: ProposalMessage | VoteMessage) -> None:
        if height == self._current.height and not self._is_between_heights:
            if isinstance(message, VoteMessage):
                self._current.add_vote(message.vote)
            else:
                self._current.add_proposal(message)
        elif height == self._current.height + 1:
            self._peers.keep(peer, message)
        elif height == self._current.height - 1 and isinstance(message, VoteMessage):
            self._receive_late(message.vote)

    def _receive_late(self, vote: Vote) -> None:
        """Compare a vote of the height before with those counted: a decision must not hide a double vote."""
        known = self._last_votes.get(vote.round, vote.type, vote.validator) if self._last_votes else None
        if known is not None and known.block_hash != vote.block_hash:
            self._receive_evidence(pair_votes(known, vote))

    def _receive_evidence(self, evidence: Evidence) -> None:
        if self._evidence.add(evidence):
            self._emit(Broadcast(EvidenceMessage(evidence)))

    def _receive_status(self, peer: str, status: StatusMessage) -> None:
        """Send a peer what it lacks to come to where we are: blocks, the votes of its round, or our proposal."""
        self._peers.note_status(peer, status)
        current, state = self._current, self._current.driver.state
        committed = self.application.height
        if 1 <= status.height <= committed:
            if self._peers.may_answer(peer, self._now_ms):
                count = min(CATCH_UP_BLOCKS_MAX, committed + 1 - status.height)
                self._emit(SendBlocks(peer, status.height, count))
        elif status.height == current.height and status.round < state.round:
            votes = current.driver.votes.of_round(status.round)
            if votes and self._peers.may_answer(peer, self._now_ms):
                for vote in votes:
                    self._emit(Send(peer, VoteMessage(vote)))
        elif (status.height, status.round) == (current.height, state.round) and not status.has_proposal:
            offer = current.driver.offers.get(state.round)
            message = current.proposal_message(offer.proposal) if offer else None
            if message is not None and self._peers.may_answer(peer, self._now_ms):
                self._emit(Send(peer, message))

    def _receive_committed(self, peer: str, message: CommittedBlock) -> None:
        """Commit a block that a quorum committed: no vote, no log, its certificate says it all."""
        current, header = self._current, message.block.header
        if header.height != current.height or self._is_between_heights:
            return
        verify_commit(message.commit, header, current.validators)
        check_body(message.block)
        error = current.candidates.judge(message.block)
        if error is not None:
            self._halt_on_invalid(str(error))
            return
        self._commit(current.candidates.executed(header.hash), message.commit)
        if header.height >= self._asked_until and self._peers.height(peer) > header.height + 1:
            self._asked_until = header.height + CATCH_UP_BLOCKS_MAX
            self._emit(Send(peer, StatusMessage(header.height + 1, 0, Step.UNSTARTED, has_proposal=True)))

    # -------------------------------------------------------------------------------------------- submissions

    def _submit(self, submission: Submission) -> None:
        try:
            self._keep_submission(submission, is_local=True)
        except InvalidTransactionError as error:
            self._emit(SubmissionRefused(submission.id, error.code, error.message))
        else:
            self._emit(Broadcast(SubmissionMessage(submission)))
            self._emit(SubmissionAccepted(submission.id))

    def _keep_submission(self, submission: Submission, *, is_local: bool) -> None:
        if submission.id in self.mempool:
            return
        self.application.check_submission(submission, self._now_ms)
        self.mempool.add(submission, self._now_ms, is_local=is_local)

    # --------------------------------------------------------------------------------------------------- tick

    def _tick(self) -> None:
        """Send again what may have been lost; votes only if nothing has moved since the last tick."""
        self.mempool.remove_expired(self._current.height, max(self._now_ms, self.application.time_ms + 1))
        self._emit(Broadcast(self._status_message()))
        for submission in self.mempool.resend(self._now_ms):
            self._emit(Broadcast(SubmissionMessage(submission)))
        if self._evidence.is_reason or self._current.is_started:  # what rides along can wait until something moves
            for evidence in self._evidence.pending():
                self._emit(Broadcast(EvidenceMessage(evidence)))
        state = self._current.driver.state
        mark = (state.height, state.round, int(state.step))
        if mark == self._mark and self._current.is_started:
            votes = self._current.driver.votes
            for vote in votes.of_round(state.round):
                self._emit(Broadcast(VoteMessage(vote)))
            if state.valid is not None:
                self._emit(Broadcast(PolkaMessage(votes.polka(state.valid.round))))
        self._mark = mark

    def _status_message(self) -> StatusMessage:
        if self._is_between_heights:
            return StatusMessage(self._current.height + 1, 0, Step.UNSTARTED, has_proposal=True)
        state = self._current.driver.state
        has_proposal = state.round in self._current.driver.offers
        return StatusMessage(state.height, state.round, state.step, has_proposal)

    @property
    def round(self) -> int:
        """The round of the height that is being decided."""
        return self._current.driver.state.round

    def status(self) -> ReplicaStatus:
        """Return what the operator sees."""
        current, state = self._current, self._current.driver.state
        prevoted, precommitted, missing, power_lacking = votes_of(current.driver)
        timeout, due_ms = min(current.timeouts.items(), key=lambda item: item[1], default=(None, self._now_ms))
        return ReplicaStatus(
            height=state.height,
            round=state.round,
            step=state.step.name.lower(),
            proposer=current.validators.proposer(state.height, state.round).name,
            has_proposal=state.round in current.driver.offers,
            missing_block=(current.driver.missing_value() or b"").hex(),
            prevoted=prevoted,
            precommitted=precommitted,
            missing=missing,
            power_lacking=power_lacking,
            next_timeout=timeout.step.name.lower() if timeout else "",
            next_timeout_ms=max(0, due_ms - self._now_ms),
            peers=tuple(
                PeerHeight(peer, status.height, status.round, status.step.name.lower())
                for peer, status in sorted(self._peers.statuses.items())
            ),
            waiting_submissions=len(self.mempool),
            pending_evidence=len(self._evidence.pending()),
            signing=current.signing,
            halted=self.halted,
        )

    def _emit(self, effect: Effect) -> None:
        self._effects.append(effect)

    def _report(self, kind: str, **fields: str | int) -> None:
        self._emit(Report(kind, tuple(fields.items())))
