"""One height of consensus: what was received becomes one round input after the other.

The driver keeps what `round.apply` may not: votes, proposals, which values are valid, and which inputs were already
applied ("for the first time" in the paper). After everything it learns, and again after every step change, it looks
at all it has stored and chooses the first input of this table that fits and was not applied before:

    step       threshold                            proposal                        input
    any        PrecommitValue(v), of any round      valid v                         ProposalAndPrecommitValue
    any        SkipRound(r), r > round              any                             SkipRound
    any        PrecommitAny                         any                             PrecommitAny
    Propose    none                                 invalid / valid                 InvalidProposal / Proposal
    Propose    PolkaValue(v) of pol_round           invalid / valid v, pol_round    InvalidProposalAndPolkaPrevious /
                                                                                    ProposalAndPolkaPrevious
    Prevote    PolkaNil                             any                             PolkaNil
    Prevote    PolkaValue(v)                        valid v                         ProposalAndPolkaCurrent
    Prevote    PolkaAny                             any                             PolkaAny
    Precommit  PolkaValue(v)                        valid v                         ProposalAndPolkaCurrent

`PrecommitAny` stands above the polkas and yet hides none of them: it is applied once, and the driver looks again. A
proposal whose `pol_round` has no polka yet produces nothing. A value with a quorum but without a known block falls
through to `SkipRound` or `PrecommitAny`, and the block is asked for.

A value is *valid* when its block is: that is the same for everybody. A first proposal is *acceptable* when, besides,
its time lies near our clock and its author is its proposer: that decides our prevote at line 22 and nothing else.

The driver signs nothing: it returns `CastVote` and `Propose`, and what was signed comes back through `add_vote` and
`add_proposal` like everybody else's.
"""

from collections.abc import Iterator

from ledger.blocks import Evidence, Vote
from ledger.blocks import Proposal as SignedProposal
from ledger.codec import Struct
from ledger.consensus import round as rounds
from ledger.consensus.evidence import pair_proposals
from ledger.consensus.round import NO_ROUND, State, Step
from ledger.consensus.votes import PolkaAny, PolkaNil, PolkaValue, PrecommitAny, PrecommitValue, VoteKeeper
from ledger.limits import (
    TIMEOUT_DELTA_MS,
    TIMEOUT_MAX_MS,
    TIMEOUT_PRECOMMIT_MS,
    TIMEOUT_PREVOTE_MS,
    TIMEOUT_PROPOSE_MS,
)
from ledger.membership import ValidatorSet

TIMEOUTS_MS = {
    Step.PROPOSE: TIMEOUT_PROPOSE_MS,
    Step.PREVOTE: TIMEOUT_PREVOTE_MS,
    Step.PRECOMMIT: TIMEOUT_PRECOMMIT_MS,
}


class Timeout(Struct):
    """The timeout of one step of one round."""

    height: int
    round: int
    step: Step


def timeout_duration_ms(timeout: Timeout) -> int:
    """Return how long the timeout runs: it grows with the round, and is capped."""
    return min(TIMEOUTS_MS[timeout.step] + TIMEOUT_DELTA_MS * timeout.round, TIMEOUT_MAX_MS)


class Offer(Struct):
    """A proposal of one round, and what we think of it."""

    proposal: SignedProposal
    acceptable: bool
    """Whether its clock and author let us prevote it as a first proposal; says nothing about the block."""


class EvidenceFound(Struct):
    """A validator signed twice."""

    evidence: Evidence


Output = rounds.Output | EvidenceFound
"""`EnterRound` is told after the round was entered; all others ask for something."""


class Driver:
    """The consensus of one height."""

    def __init__(self, height: int, validators: ValidatorSet, name: str) -> None:
        """Stand before round 0, unstarted; messages may already come.

        Args:
            height: The height to decide.
            validators: Who votes at it.
            name: Our own name; a stranger's name follows and never proposes.
        """
        self.state = State(height)
        self.validators = validators
        self.name = name
        self.votes = VoteKeeper(height, validators)
        self.offers: dict[int, Offer] = {}
        """The first proposal of each round."""
        self.validity: dict[bytes, bool] = {}
        """Values whose blocks are known, and whether those are valid."""
        self._applied: set[rounds.Input] = set()

    def start(self) -> list[Output]:
        """Begin round 0, because there is work; nothing happens if a round was begun before."""
        if self.state.step is not Step.UNSTARTED:
            return []
        outputs: list[Output] = []
        self._begin_round(outputs)
        return self._settle(outputs)

    def add_vote(self, vote: Vote) -> list[Output]:
        """Count a vote whose signature was checked, our own included."""
        tallied = self.votes.add(vote, self.state.round)
        outputs: list[Output] = [] if tallied.evidence is None else [EvidenceFound(tallied.evidence)]
        return self._settle(outputs) if tallied.thresholds else outputs

    def add_polka(self, votes: tuple[Vote, ...]) -> list[Output]:
        """Take a polka as a whole (`VoteKeeper.certify`)."""
        self.votes.certify(votes)
        return self._settle([])

    def add_proposal(self, proposal: SignedProposal, *, valid: bool, acceptable: bool) -> list[Output]:
        """Take a proposal whose signature and proposer were checked, our own included.

        Args:
            proposal: Of this height.
            valid: Whether its block is valid.
            acceptable: See `Offer`.
        """
        self.validity[proposal.block_hash] = valid
        known = self.offers.get(proposal.round)
        if known is None:
            self.offers[proposal.round] = Offer(proposal, acceptable)
        elif (known.proposal.block_hash, known.proposal.pol_round) != (proposal.block_hash, proposal.pol_round):
            return self._settle([EvidenceFound(pair_proposals(known.proposal, proposal))])
        return self._settle([])

    def add_value(self, round_: int, value: bytes) -> list[Output]:
        """Take the value that `GetValue` asked for; dropped if its round is over."""
        outputs: list[Output] = []
        self._apply(rounds.ProposeValue(round_, value), outputs)
        return self._settle(outputs)

    def elapse(self, timeout: Timeout) -> list[Output]:
        """Take an elapsed timeout; those of other heights, rounds and steps do nothing."""
        if timeout.height != self.state.height:
            return []
        outputs: list[Output] = []
        match timeout.step:
            case Step.PROPOSE:
                self._apply(rounds.TimeoutPropose(timeout.round), outputs)
            case Step.PREVOTE:
                self._apply(rounds.TimeoutPrevote(timeout.round), outputs)
            case Step.PRECOMMIT:
                self._apply(rounds.TimeoutPrecommit(timeout.round), outputs)
            case _:
                return []
        return self._settle(outputs)

    def forget(self, value: bytes) -> None:
        """Drop what is known of a value whose block is no longer kept; locked and valid values stay."""
        assert not any(kept and kept.value == value for kept in (self.state.locked, self.state.valid)), "still needed"
        self.validity.pop(value, None)
        for round_ in [round_ for round_, offer in self.offers.items() if offer.proposal.block_hash == value]:
            del self.offers[round_]

    def missing_value(self) -> bytes | None:
        """Return a value that a quorum precommitted and whose block we do not know, or None."""
        return next((item.value for item in self._precommitted() if item.value not in self.validity), None)

    def contradicted_value(self) -> bytes | None:
        """Return a value that a quorum precommitted although its block is invalid to us: a reason to halt."""
        return next((item.value for item in self._precommitted() if self.validity.get(item.value) is False), None)

    def _settle(self, outputs: list[Output]) -> list[Output]:
        """Apply what is stored until nothing fits any more."""
        while (input_ := self._choose()) is not None:
            self._applied.add(input_)
            self._apply(input_, outputs)
        return outputs

    def _apply(self, input_: rounds.Input, outputs: list[Output]) -> None:
        transition = rounds.apply(self.state, input_)
        self.state = transition.state
        if transition.output is None:
            return
        outputs.append(transition.output)
        if isinstance(transition.output, rounds.EnterRound):
            # L55, L65: nothing applied in an older round can be chosen again, so its record may go.
            self._applied.clear()
            self._begin_round(outputs)

    def _begin_round(self, outputs: list[Output]) -> None:
        height, round_ = self.state.height, self.state.round
        is_proposer = self.validators.proposer(height, round_).name == self.name
        self._apply(rounds.NewRound(round_, is_proposer), outputs)
        if is_proposer:  # L14: a proposer whose value does not come in time must move on too
            outputs.append(rounds.StartTimeout(round_, Step.PROPOSE))

    def _choose(self) -> rounds.Input | None:
        if self.state.step is Step.COMMIT:
            return None
        return next((input_ for input_ in self._fitting() if input_ not in self._applied), None)

    def _fitting(self) -> Iterator[rounds.Input]:
        """Yield the inputs that fit the step, by the priority of the table."""
        round_, step = self.state.round, self.state.step
        for precommitted in self._precommitted():
            if self.validity.get(precommitted.value):
                yield rounds.ProposalAndPrecommitValue(precommitted.round, precommitted.value)
        later = [
            number
            for number in self.votes.rounds()
            if number > round_ and self.validators.is_skip(self.votes.voters_power(number))
        ]
        if later:
            yield rounds.SkipRound(max(later))
        emitted = self.votes.emitted(round_)
        if any(isinstance(threshold, PrecommitAny) for threshold in emitted):
            yield rounds.PrecommitAny(round_)
        if step is Step.PROPOSE:
            yield from self._fitting_propose()
        if step is Step.PREVOTE and any(isinstance(threshold, PolkaNil) for threshold in emitted):
            yield rounds.PolkaNil(round_)
        if step in {Step.PREVOTE, Step.PRECOMMIT}:
            for threshold in emitted:
                if isinstance(threshold, PolkaValue) and self.validity.get(threshold.value):
                    yield rounds.ProposalAndPolkaCurrent(round_, threshold.value)
        if step is Step.PREVOTE and any(isinstance(threshold, PolkaAny) for threshold in emitted):
            yield rounds.PolkaAny(round_)

    def _fitting_propose(self) -> Iterator[rounds.Input]:
        round_ = self.state.round
        offer = self.offers.get(round_)
        if offer is None:
            return
        value, pol_round = offer.proposal.block_hash, offer.proposal.pol_round
        valid = self.validity[value]
        if pol_round == NO_ROUND:
            if valid and offer.acceptable:
                yield rounds.Proposal(round_, value)
            else:
                yield rounds.InvalidProposal(round_)
        elif pol_round >= round_:
            yield rounds.InvalidProposal(round_)
        elif PolkaValue(pol_round, value) in self.votes.emitted(pol_round):
            if valid:
                yield rounds.ProposalAndPolkaPrevious(round_, value, pol_round)
            else:
                yield rounds.InvalidProposalAndPolkaPrevious(round_, pol_round)

    def _precommitted(self) -> Iterator[PrecommitValue]:
        for number in self.votes.rounds():
            for threshold in self.votes.emitted(number):
                if isinstance(threshold, PrecommitValue):
                    yield threshold
