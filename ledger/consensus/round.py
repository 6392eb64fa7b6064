"""One round of consensus as one function: `apply(state, input) -> Transition`.

Arms name the lines of Algorithm 1 in "The latest gossip on BFT consensus" (Buchman, Kwon, Milosevic, 2018).

    step             input                            line    what happens
    Unstarted        NewRound, we propose             11, 14  propose the valid value (pol_round), else ask for one
    Unstarted        NewRound, another proposes       11, 20  propose timeout
    Propose          ProposeValue                     18      proposal with pol_round nil
    Propose          Proposal                         22      prevote it, or nil if locked on another value
    Propose          InvalidProposal                  22, 26  prevote nil
    Propose          ProposalAndPolkaPrevious         28      prevote it if locked round <= pol_round or locked on it
    Propose          InvalidProposalAndPolkaPrevious  28, 32  prevote nil
    Propose          TimeoutPropose                   57      prevote nil
    Prevote          PolkaAny                         34      prevote timeout
    Prevote          PolkaNil                         44      precommit nil
    Prevote          ProposalAndPolkaCurrent          36, 37  lock it, mark it valid, precommit it
    Prevote          TimeoutPrevote                   61      precommit nil
    Precommit        ProposalAndPolkaCurrent          36, 42  mark it valid only
    any but Commit   PrecommitAny, this round         47      precommit timeout
    any but Commit   TimeoutPrecommit, this round     65      new round, round + 1
    any but Commit   SkipRound(r > round)             55      new round r
    any but Commit   ProposalAndPrecommitValue        49      decide, step Commit

Everything else is an invalid transition that leaves the state as it is: the network may deliver anything in any
order, and that is no error. The paper's "for the first time" is kept by `ledger.consensus.votes` and `driver`, not
here. Values are block hashes; a round is a number from 0, and -1 is the paper's nil round.
"""

from enum import IntEnum

from msgspec.structs import replace

from ledger.blocks import PRECOMMIT, PREVOTE, VoteType
from ledger.codec import Struct
from ledger.limits import ROUND_MAX

NO_ROUND = -1
"""The paper's `-1`: no polka justifies this proposal."""


class Step(IntEnum):
    """Where in a round a validator stands; it only moves forward."""

    UNSTARTED = 0
    PROPOSE = 1
    PREVOTE = 2
    PRECOMMIT = 3
    COMMIT = 4


class RoundValue(Struct):
    """A value and the round in which it got its polka or its precommits."""

    value: bytes
    round: int


class State(Struct):
    """All that one height remembers between inputs."""

    height: int
    round: int = 0
    step: Step = Step.UNSTARTED
    locked: RoundValue | None = None
    """`lockedValue` and `lockedRound`: what we precommitted and may not vote against without a newer polka."""
    valid: RoundValue | None = None
    """`validValue` and `validRound`: the newest value known to have a polka; what we propose again."""
    decision: RoundValue | None = None


class NewRound(Struct):
    """Begin `round`, whose proposer we are or are not."""

    round: int
    is_proposer: bool


class ProposeValue(Struct):
    """The value we asked for is here."""

    round: int
    value: bytes


class Proposal(Struct):
    """A valid proposal of this round without a `pol_round`."""

    round: int
    value: bytes


class InvalidProposal(Struct):
    """A proposal of this round that must not be voted for."""

    round: int


class ProposalAndPolkaPrevious(Struct):
    """A valid proposal of this round, and the polka of the earlier round that it names."""

    round: int
    value: bytes
    pol_round: int


class InvalidProposalAndPolkaPrevious(Struct):
    """An invalid proposal of this round, with a polka of the earlier round that it names."""

    round: int
    pol_round: int


class PolkaAny(Struct):
    """More than 2/3 prevoted in this round, for whatever."""

    round: int


class PolkaNil(Struct):
    """More than 2/3 prevoted nil in this round."""

    round: int


class ProposalAndPolkaCurrent(Struct):
    """A valid value with more than 2/3 of this round's prevotes."""

    round: int
    value: bytes


class PrecommitAny(Struct):
    """More than 2/3 precommitted in this round, for whatever."""

    round: int


class ProposalAndPrecommitValue(Struct):
    """A valid value with more than 2/3 of the precommits of `round`, which may be any round."""

    round: int
    value: bytes


class SkipRound(Struct):
    """More than 1/3 voted in a later round: at least one honest validator is there."""

    round: int


class TimeoutPropose(Struct):
    """The propose timeout of `round` elapsed."""

    round: int


class TimeoutPrevote(Struct):
    """The prevote timeout of `round` elapsed."""

    round: int


class TimeoutPrecommit(Struct):
    """The precommit timeout of `round` elapsed."""

    round: int


Input = (
    NewRound
    | ProposeValue
    | Proposal
    | InvalidProposal
    | ProposalAndPolkaPrevious
    | InvalidProposalAndPolkaPrevious
    | PolkaAny
    | PolkaNil
    | ProposalAndPolkaCurrent
    | PrecommitAny
    | ProposalAndPrecommitValue
    | SkipRound
    | TimeoutPropose
    | TimeoutPrevote
    | TimeoutPrecommit
)


class GetValue(Struct):
    """Make a value for this round (and let the propose timeout run meanwhile)."""

    round: int


class Propose(Struct):
    """Sign and send a proposal."""

    round: int
    value: bytes
    pol_round: int


class CastVote(Struct):
    """Sign and send a vote."""

    type: VoteType
    round: int
    value: bytes | None


class StartTimeout(Struct):
    """Tell us when the timeout of this step has elapsed."""

    round: int
    step: Step


class EnterRound(Struct):
    """This round is over; the driver answers with `NewRound`."""

    round: int


class Decide(Struct):
    """The height is decided."""

    round: int
    value: bytes


Output = GetValue | Propose | CastVote | StartTimeout | EnterRound | Decide


class Transition(Struct):
    """What one input did."""

    state: State
    output: Output | None
    valid: bool
    """Whether the input fitted the step; if not, the state is unchanged and there is no output."""


def apply(state: State, input_: Input) -> Transition:
    """Return the one transition of `input_` in `state`; total and pure."""
    if state.step is Step.COMMIT:
        return Transition(state, None, valid=False)
    if isinstance(input_, ProposalAndPrecommitValue):  # L49: of any round, so before "is it this round?"
        return _decide(state, input_)
    if isinstance(input_, SkipRound) and input_.round > state.round:  # L55
        return _enter(state, input_.round)
    if input_.round != state.round:
        return Transition(state, None, valid=False)
    if isinstance(input_, PrecommitAny):  # L47
        return Transition(state, StartTimeout(state.round, Step.PRECOMMIT), valid=True)
    if isinstance(input_, TimeoutPrecommit) and state.round < ROUND_MAX:  # L65
        return _enter(state, state.round + 1)
    match state.step:
        case Step.UNSTARTED:
            return _apply_unstarted(state, input_)
        case Step.PROPOSE:
            return _apply_propose(state, input_)
        case Step.PREVOTE:
            return _apply_prevote(state, input_)
        case _:
            return _apply_precommit(state, input_)


def _apply_unstarted(state: State, input_: Input) -> Transition:
    if not isinstance(input_, NewRound):
        return Transition(state, None, valid=False)
    begun = replace(state, step=Step.PROPOSE)
    if not input_.is_proposer:  # L11, L20
        return Transition(begun, StartTimeout(state.round, Step.PROPOSE), valid=True)
    if state.valid is not None:  # L11, L14, L15
        return Transition(begun, Propose(state.round, state.valid.value, state.valid.round), valid=True)
    return Transition(begun, GetValue(state.round), valid=True)  # L11, L14, L17


def _apply_propose(state: State, input_: Input) -> Transition:
    locked = state.locked
    match input_:
        case ProposeValue():  # L18
            return Transition(state, Propose(state.round, input_.value, NO_ROUND), valid=True)
        case Proposal():  # L22
            free = locked is None or locked.value == input_.value
            return _prevote(state, input_.value if free else None)  # L23, L24 or L26
        case InvalidProposal():  # L22, L26
            return _prevote(state, None)
        case ProposalAndPolkaPrevious() if 0 <= input_.pol_round < state.round:  # L28
            free = locked is None or locked.round <= input_.pol_round or locked.value == input_.value
            return _prevote(state, input_.value if free else None)  # L29, L30 or L32
        case InvalidProposalAndPolkaPrevious() if 0 <= input_.pol_round < state.round:  # L28, L32
            return _prevote(state, None)
        case TimeoutPropose():  # L57
            return _prevote(state, None)
        case _:
            return Transition(state, None, valid=False)


def _apply_prevote(state: State, input_: Input) -> Transition:
    match input_:
        case PolkaAny():  # L34
            return Transition(state, StartTimeout(state.round, Step.PREVOTE), valid=True)
        case PolkaNil() | TimeoutPrevote():  # L44, L61
            return _precommit(state, None)
        case ProposalAndPolkaCurrent():  # L36, L37
            polka = RoundValue(input_.value, state.round)
            return _precommit(replace(state, locked=polka, valid=polka), input_.value)
        case _:
            return Transition(state, None, valid=False)


def _apply_precommit(state: State, input_: Input) -> Transition:
    if isinstance(input_, ProposalAndPolkaCurrent):  # L36, L42: too late to lock, in time to propose it again
        return Transition(replace(state, valid=RoundValue(input_.value, state.round)), None, valid=True)
    return Transition(state, None, valid=False)


def _prevote(state: State, value: bytes | None) -> Transition:
    return Transition(replace(state, step=Step.PREVOTE), CastVote(PREVOTE, state.round, value), valid=True)


def _precommit(state: State, value: bytes | None) -> Transition:
    return Transition(replace(state, step=Step.PRECOMMIT), CastVote(PRECOMMIT, state.round, value), valid=True)


def _enter(state: State, round_: int) -> Transition:
    return Transition(replace(state, round=round_, step=Step.UNSTARTED), EnterRound(round_), valid=True)


def _decide(state: State, input_: ProposalAndPrecommitValue) -> Transition:
    decided = replace(state, step=Step.COMMIT, decision=RoundValue(input_.value, input_.round))
    return Transition(decided, Decide(input_.round, input_.value), valid=True)
