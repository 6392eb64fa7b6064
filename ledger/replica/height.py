"""One height of one replica: the driver joined to blocks, log and signer.

Whatever comes is verified, logged, and only then acted upon (`act`). What the driver asks for is performed in its
order; own votes and proposals are signed, saved, logged and taken like everybody else's, and then sent:

    AppendLog(input)  SaveSignerState  AppendLog(own vote)  Broadcast(own vote)

While the log is replayed nothing is signed: own votes stand in the log. Those that a crash kept out of it are signed
afterwards, and the signer gives the same signature where it had signed already.
"""

from collections import deque
from collections.abc import Callable

from ledger.application import Application, ExecutedBlock
from ledger.blocks import PRECOMMIT, PREVOTE, Block, Commit, Proposal, Vote, make_commit
from ledger.consensus.driver import Driver, EvidenceFound, Output, Timeout, timeout_duration_ms
from ledger.consensus.evidence import offender, pair_proposals, pair_votes
from ledger.consensus.round import NO_ROUND, CastVote, Decide, EnterRound, GetValue, Propose, StartTimeout, Step
from ledger.consensus.votes import PolkaValue
from ledger.errors import InvalidBlockError, VerificationError
from ledger.limits import CANDIDATE_BLOCKS_MAX, CLOCK_SKEW_MS_MAX
from ledger.replica.candidates import Candidates, check_body
from ledger.replica.evidence_pool import EvidencePool
from ledger.replica.log import LogEntry, PolkaEntry, ProposalEntry, StartEntry, TimeoutEntry, ValueEntry, VoteEntry
from ledger.replica.messages import EvidenceMessage, PolkaMessage, ProposalMessage, VoteMessage
from ledger.replica.ports import AppendLog, Broadcast, Effect, Report, SaveSignerState, ScheduleTimeout
from ledger.replica.signer import Signer
from ledger.state_tree import StateRoots


class HeightConsensus:
    """The consensus of the next height, from its first message to its decision."""

    def __init__(
        self, application: Application, signer: Signer, evidence: EvidencePool, emit: Callable[[Effect], None]
    ) -> None:
        """Stand before round 0 of the height after the latest committed one.

        Args:
            application: At the parent block.
            signer: Ours; may refuse.
            evidence: Where double signing is noted.
            emit: Takes effects in their order.
        """
        self.height = application.height + 1
        self.validators = application.validators(self.height)
        self.driver = Driver(self.height, self.validators, signer.name)
        self.candidates = Candidates(application)
        self.decision: tuple[ExecutedBlock, Commit] | None = None
        self.timeouts: dict[Timeout, int] = {}
        """Running timeouts and when they elapse."""
        self.wanted_round: int | None = None
        """The round that waits for a block of ours."""
        self.abstains = False
        """Whether this height's votes may have been cast by an earlier life of this node."""
        self.now_ms = 0
        self._chain_id = application.genesis.chain_id
        self._signer = signer
        self._evidence = evidence
        self._emit = emit
        validator = self.validators.get(signer.name)
        signer.select(None if validator is None else validator.public_key)
        self._queue: deque[Output] = deque()
        self._is_replaying = False
        self._unsigned: list[CastVote | Propose] = []
        self._early: dict[str, ProposalMessage] = {}
        self._roots: StateRoots | None = None

    @property
    def is_started(self) -> bool:
        """Whether round 0 or a later round has begun."""
        return self.driver.state.step is not Step.UNSTARTED

    @property
    def is_known_to_others(self) -> bool:
        """Whether others work at this height: a valid proposal, or votes that an honest validator is among."""
        offer = self.driver.offers.get(0)
        is_offered = offer is not None and offer.acceptable and self.driver.validity[offer.proposal.block_hash]
        return is_offered or self.validators.is_skip(self.driver.votes.voters_power(0))

    @property
    def signing(self) -> str:
        """`yes`, or why we do not vote at this height."""
        validator = self.validators.get(self._signer.name)
        if validator is None:
            return "no validator at this height"
        if not self._signer.has(validator.public_key):
            return "the key is not the one that votes at this height"
        if self._signer.state is None:
            return "a key without its signer state: the members must give this validator a new key"
        return "may have voted at this height before its log was lost" if self.abstains else "yes"

    # ------------------------------------------------------------------------------------------------ restart

    def replay(self, entries: list[LogEntry]) -> None:
        """Take this height's logged inputs again, without signing, sending or logging."""
        self._is_replaying = True
        for entry in entries:
            if self.decision is not None:
                break
            self._take(entry)
            self._drain()
        self._is_replaying = False

    def resume(self, now_ms: int) -> None:
        """Go on where the log ended: find out whether we may vote, sign what was not signed, let timeouts run."""
        self.now_ms = now_ms
        self.abstains = not self._covers_signer_state()
        for timeout in self.timeouts:
            self._schedule(timeout)
        unsigned, self._unsigned = self._unsigned, []
        for output in unsigned:
            if output.round == self.driver.state.round and not self._is_said(output):
                self._queue.append(output)
        self._drain()

    def _covers_signer_state(self) -> bool:
        """Whether the log brought us to where our key last signed; if not, it knew more than we do."""
        state = self._signer.state
        if state is None or state.height < self.height:
            return True
        name, said = self._signer.name, []
        offer = self.driver.offers.get(state.round)
        if offer is not None and offer.proposal.proposer == name:
            said.append(offer.proposal.sign_bytes(self._chain_id))
        for vote_type in (PREVOTE, PRECOMMIT):
            vote = self.driver.votes.get(state.round, vote_type, name)
            said.extend([vote.sign_bytes(self._chain_id)] if vote else [])
        said.extend(self._signer.sign_bytes(self.height, output) for output in self._unsigned)
        return state.height == self.height and state.sign_bytes in said

    def _is_said(self, output: CastVote | Propose) -> bool:
        if isinstance(output, CastVote):
            return self.driver.votes.get(output.round, output.type, self._signer.name) is not None
        return output.round in self.driver.offers

    # ------------------------------------------------------------------------------------------------- inputs

    def start(self) -> None:
        """Begin round 0."""
        self._act(StartEntry(self.height))

    def elapse(self, timeout: Timeout) -> None:
        """Take an elapsed timeout, if it is one that still runs."""
        if timeout in self.timeouts:
            self._act(TimeoutEntry(timeout))

    def add_value(self, block: Block) -> None:
        """Take the block of ours that `wanted_round` waits for."""
        assert self.wanted_round is not None, "nobody asked for a block"
        self._act(ValueEntry(self.wanted_round, block))

    def add_vote(self, vote: Vote) -> None:
        """Take a vote of this height.

        Raises:
            VerificationError: If its signature does not hold.
        """
        if self.validators.get(vote.validator) is None:
            return
        known = self.driver.votes.get(vote.round, vote.type, vote.validator)
        if known is not None and known.block_hash == vote.block_hash:
            return
        if not self.driver.votes.has_place(vote, self.driver.state.round):
            return
        self._verify(vote)
        if known is None:
            self._act(VoteEntry(vote))
        else:  # a conflict changes no tally, so it is not logged: nobody can make the log grow by it
            self._note(EvidenceFound(pair_votes(known, vote)))

    def add_polka(self, votes: tuple[Vote, ...]) -> None:
        """Take a polka as a whole: vote by vote where it can be counted, else as a certificate.

        Raises:
            VerificationError: If it is none, or a signature does not hold.
        """
        first = votes[0]
        names = [vote.validator for vote in votes]
        power = sum(self.validators.power(name) for name in names)
        is_one = all(
            (vote.type, vote.height, *_place(vote)) == (PREVOTE, self.height, *_place(first)) for vote in votes
        )
        if (
            first.block_hash is None
            or not is_one
            or names != sorted(set(names))
            or not self.validators.is_quorum(power)
        ):
            msg = f"polka of round {first.round}: expected a quorum's prevotes for one value, sorted by validator"
            raise VerificationError(msg)
        for vote in votes:
            self.add_vote(vote)
        is_known = PolkaValue(first.round, first.block_hash) in self.driver.votes.emitted(first.round)
        if is_known or first.round > self.driver.state.round or self.decision is not None:
            return
        for vote in votes:
            self._verify(vote)
        self._act(PolkaEntry(votes))

    def add_proposal(self, message: ProposalMessage) -> None:
        """Take a proposal of this height; one of a later round waits until we are there, one per proposer.

        Raises:
            VerificationError: If its signature does not hold.
            InvalidBlockError: If the block beside it is another one, or its body was changed on the way.
        """
        proposal = message.proposal
        proposer = self.validators.proposer(self.height, proposal.round)
        known = self.driver.offers.get(proposal.round)
        if proposer.name != proposal.proposer or (known is not None and _same(known.proposal, proposal)):
            return
        proposal.verify(self._chain_id, proposer.public_key)
        if message.block.header.hash != proposal.block_hash:
            raise InvalidBlockError("hash", proposal.block_hash.hex(), message.block.header.hash.hex())
        check_body(message.block)
        if proposal.round > self.driver.state.round:
            self._early[proposal.proposer] = message
            return
        if known is not None and not self._note(EvidenceFound(pair_proposals(known.proposal, proposal))):
            return  # a third one proves nothing new, and is not executed
        is_known = self.candidates.block(proposal.block_hash) is not None
        self._roots = message.roots
        self._act(ProposalEntry(proposal, None if is_known else message.block, self.now_ms))

    def _verify(self, vote: Vote) -> None:
        validator = self.validators.get(vote.validator)
        if validator is None:
            msg = f"vote of {vote.validator}: no validator at height {self.height}"
            raise VerificationError(msg)
        vote.verify(self._chain_id, validator.public_key)

    # ---------------------------------------------------------------------------------------- log, then act

    def _act(self, entry: LogEntry) -> None:
        self._take(entry)
        self._drain()

    def _take(self, entry: LogEntry) -> None:
        """Log an input, give it to the driver, and queue what the driver asks for.

        Whoever does not sign here does not log either: a log that leads to the vote that was signed last says that
        this node knows its locks (`_covers_signer_state`), and only the life that signed it may say that.
        """
        if not self._is_replaying and self.signing == "yes":
            self._emit(AppendLog(entry))
        match entry:
            case StartEntry():
                self._queue.extend(self.driver.start())
            case VoteEntry():
                self._queue.extend(self.driver.add_vote(entry.vote))
            case PolkaEntry():
                self._queue.extend(self.driver.add_polka(entry.votes))
            case TimeoutEntry():
                self.timeouts.pop(entry.timeout, None)
                self._queue.extend(self.driver.elapse(entry.timeout))
            case ValueEntry():
                self.wanted_round = None
                self._judge(entry.block)
                self._queue.extend(self.driver.add_value(entry.round, entry.block.header.hash))
            case ProposalEntry():
                self._take_proposal(entry)

    def _take_proposal(self, entry: ProposalEntry) -> None:
        proposal = entry.proposal
        block = entry.block or self.candidates.block(proposal.block_hash)
        assert block is not None, "a proposal is logged with its block, or after it"
        is_valid = self._judge(block)
        is_timely = abs(block.header.time_ms - entry.now_ms) <= CLOCK_SKEW_MS_MAX
        is_first = proposal.pol_round == NO_ROUND
        # Once a height has begun it must end, also when what it was begun for has expired meanwhile: from round 1 on
        # an idle block does that.
        is_needed = proposal.round > 0 or not self.candidates.is_idle(block)
        acceptable = not is_first or (is_timely and is_needed and block.header.proposer == proposal.proposer)
        if is_first and not is_timely:
            self._report("untimely", proposer=proposal.proposer, block_ms=block.header.time_ms, our_ms=entry.now_ms)
        self._queue.extend(self.driver.add_proposal(proposal, valid=is_valid, acceptable=acceptable))

    def _judge(self, block: Block) -> bool:
        is_new = self.candidates.block(block.header.hash) is None
        roots, self._roots = self._roots, None
        error = self.candidates.judge(block, roots)
        if error is not None and is_new:
            self._report("block-refused", proposer=block.header.proposer, block=block.header.hash.hex(), why=str(error))
        return error is None

    def _drain(self) -> None:
        while self._queue and self.decision is None:
            self._perform(self._queue.popleft())

    def _perform(self, output: Output) -> None:
        match output:
            case CastVote() | Propose():
                if self._is_replaying:
                    self._unsigned.append(output)
                elif self.signing == "yes":
                    self._say(output)
            case GetValue():
                self.wanted_round = output.round
            case StartTimeout():
                self._schedule(Timeout(self.height, output.round, output.step))
            case EnterRound():
                self._enter_round(output.round)
            case Decide():
                votes = self.driver.votes.votes_for(output.round, PRECOMMIT, output.value)
                self.decision = (self.candidates.executed(output.value), make_commit(votes, self.validators))
            case EvidenceFound():
                self._note(output)

    def _say(self, output: CastVote | Propose) -> None:
        """Sign, save, log, take, send: in this order."""
        signed = self._signer.sign(self.height, output)
        state, public_key = self._signer.state, self._signer.public_key
        if signed is None or state is None or public_key is None:
            self._report("signing-refused", round=output.round, what=type(output).__name__)
            return
        self._emit(SaveSignerState(public_key, state))
        if isinstance(signed, Vote):
            self._take(VoteEntry(signed))
            self._emit(Broadcast(VoteMessage(signed)))
        else:
            self._take(ProposalEntry(signed, None, self.now_ms))
            message = self.proposal_message(signed)
            assert message is not None, "an own proposal has its block"
            if signed.pol_round != NO_ROUND:
                self._emit(Broadcast(PolkaMessage(self.driver.votes.polka(signed.pol_round))))
            self._emit(Broadcast(message))

    def proposal_message(self, proposal: Proposal) -> ProposalMessage | None:
        """Return the message for a known proposal, or None if its block is not kept or is invalid."""
        block = self.candidates.block(proposal.block_hash)
        if block is None or not self.driver.validity.get(proposal.block_hash):
            return None
        return ProposalMessage(proposal, block, self.candidates.executed(proposal.block_hash).roots)

    def _schedule(self, timeout: Timeout) -> None:
        duration_ms = timeout_duration_ms(timeout)
        self.timeouts[timeout] = self.now_ms + duration_ms
        if not self._is_replaying:
            self._emit(ScheduleTimeout(timeout, duration_ms))

    def _enter_round(self, round_: int) -> None:
        self.timeouts = {timeout: due_ms for timeout, due_ms in self.timeouts.items() if timeout.round >= round_}
        if self.wanted_round is not None and self.wanted_round < round_:
            self.wanted_round = None
        state = self.driver.state
        keep = {kept.value for kept in (state.locked, state.valid) if kept is not None}
        for block_hash in self.candidates.prune(keep, CANDIDATE_BLOCKS_MAX):
            self.driver.forget(block_hash)
        self._report("round", round=round_)
        for name, message in tuple(self._early.items()):
            if message.proposal.round <= state.round:
                del self._early[name]
                self.add_proposal(message)

    def _note(self, found: EvidenceFound) -> bool:
        """Keep evidence and tell the others; returns whether it is new."""
        try:
            is_new = self._evidence.add(found.evidence)
        except VerificationError:
            return False
        if is_new and not self._is_replaying:
            self._report("evidence", offence=type(found.evidence).__name__, offender=offender(found.evidence))
            self._emit(Broadcast(EvidenceMessage(found.evidence)))
        return is_new

    def _report(self, kind: str, **fields: str | int) -> None:
        if not self._is_replaying:
            self._emit(Report(kind, (("height", self.height), *fields.items())))


def _same(one: Proposal, other: Proposal) -> bool:
    return (one.block_hash, one.pol_round) == (other.block_hash, other.pol_round)


def _place(vote: Vote) -> tuple[int, bytes | None]:
    return (vote.round, vote.block_hash)
