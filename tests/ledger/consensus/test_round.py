"""The transition table of one round, arm by arm, and that nothing outside it moves the state."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ledger.blocks import PRECOMMIT, PREVOTE
from ledger.consensus.round import (
    CastVote,
    Decide,
    EnterRound,
    GetValue,
    Input,
    InvalidProposal,
    InvalidProposalAndPolkaPrevious,
    NewRound,
    Output,
    PolkaAny,
    PolkaNil,
    PrecommitAny,
    Proposal,
    ProposalAndPolkaCurrent,
    ProposalAndPolkaPrevious,
    ProposalAndPrecommitValue,
    Propose,
    ProposeValue,
    RoundValue,
    SkipRound,
    StartTimeout,
    State,
    Step,
    TimeoutPrecommit,
    TimeoutPrevote,
    TimeoutPropose,
    apply,
)
from ledger.limits import ROUND_MAX
from tests.ledger.consensus.voters import V, W

R = 3
STATE = State(4, R)
U, P, PV, PC, C = Step.UNSTARTED, Step.PROPOSE, Step.PREVOTE, Step.PRECOMMIT, Step.COMMIT


def at(step: Step, locked: RoundValue | None = None, valid: RoundValue | None = None) -> State:
    return replace(STATE, step=step, locked=locked, valid=valid)


@pytest.mark.parametrize(
    ("line", "state", "input_", "output", "step"),
    [
        ("L14-15", at(U, valid=RoundValue(V, 1)), NewRound(R, is_proposer=True), Propose(R, V, 1), P),
        ("L14-17", at(U), NewRound(R, is_proposer=True), GetValue(R), P),
        ("L20", at(U), NewRound(R, is_proposer=False), StartTimeout(R, P), P),
        ("L18", at(P), ProposeValue(R, V), Propose(R, V, -1), P),
        ("L23", at(P), Proposal(R, V), CastVote(PREVOTE, R, V), PV),
        ("L23 locked on it", at(P, RoundValue(V, 1)), Proposal(R, V), CastVote(PREVOTE, R, V), PV),
        ("L26 locked on another", at(P, RoundValue(W, 1)), Proposal(R, V), CastVote(PREVOTE, R, None), PV),
        ("L26 invalid", at(P), InvalidProposal(R), CastVote(PREVOTE, R, None), PV),
        ("L29 unlocked", at(P), ProposalAndPolkaPrevious(R, V, 1), CastVote(PREVOTE, R, V), PV),
        ("L29 older", at(P, RoundValue(W, 1)), ProposalAndPolkaPrevious(R, V, 1), CastVote(PREVOTE, R, V), PV),
        ("L29 same", at(P, RoundValue(V, 2)), ProposalAndPolkaPrevious(R, V, 1), CastVote(PREVOTE, R, V), PV),
        ("L32 newer", at(P, RoundValue(W, 2)), ProposalAndPolkaPrevious(R, V, 1), CastVote(PREVOTE, R, None), PV),
        ("L32 invalid", at(P), InvalidProposalAndPolkaPrevious(R, 1), CastVote(PREVOTE, R, None), PV),
        ("L57", at(P), TimeoutPropose(R), CastVote(PREVOTE, R, None), PV),
        ("L34", at(PV), PolkaAny(R), StartTimeout(R, PV), PV),
        ("L44", at(PV), PolkaNil(R), CastVote(PRECOMMIT, R, None), PC),
        ("L37", at(PV), ProposalAndPolkaCurrent(R, V), CastVote(PRECOMMIT, R, V), PC),
        ("L61", at(PV), TimeoutPrevote(R), CastVote(PRECOMMIT, R, None), PC),
        ("L42", at(PC), ProposalAndPolkaCurrent(R, V), None, PC),
        ("L47", at(PV), PrecommitAny(R), StartTimeout(R, PC), PV),
    ],
)
def test_each_arm_of_the_table_does_what_its_line_says(
    line: str, state: State, input_: Input, output: Output | None, step: Step
) -> None:
    transition = apply(state, input_)
    assert transition.valid, line
    assert transition.output == output
    assert transition.state.step is step
    assert transition.state.round == R


@pytest.mark.parametrize("step", [U, P, PV, PC])
def test_a_precommit_timeout_or_a_skip_enters_a_later_round_from_any_step(step: Step) -> None:
    assert apply(at(step), TimeoutPrecommit(R)).output == EnterRound(R + 1)
    assert apply(at(step), SkipRound(R + 5)).state == replace(STATE, round=R + 5)
    assert not apply(at(step), SkipRound(R)).valid
    assert not apply(at(step), TimeoutPrecommit(R - 1)).valid


@pytest.mark.parametrize("step", [U, P, PV, PC])
@pytest.mark.parametrize("round_", [0, R, R + 2])
def test_trap_a_commit_quorum_of_any_round_decides(step: Step, round_: int) -> None:
    transition = apply(at(step), ProposalAndPrecommitValue(round_, V))
    assert transition.output == Decide(round_, V)
    assert transition.state.decision == RoundValue(V, round_)
    assert transition.state.step is C


def test_a_polka_in_prevote_locks_and_marks_valid() -> None:
    state = apply(at(PV, RoundValue(W, 0), RoundValue(W, 0)), ProposalAndPolkaCurrent(R, V)).state
    assert state.locked == state.valid == RoundValue(V, R)


def test_trap_a_late_polka_in_step_precommit_updates_valid_and_nothing_else() -> None:
    before = at(PC, RoundValue(W, 0), RoundValue(W, 0))
    transition = apply(before, ProposalAndPolkaCurrent(R, V))
    assert transition.state == replace(before, valid=RoundValue(V, R))
    assert transition.output is None


def test_a_pol_round_that_is_not_before_the_round_justifies_nothing() -> None:
    for pol_round in (-1, R, R + 1):
        assert not apply(at(P), ProposalAndPolkaPrevious(R, V, pol_round)).valid


def test_the_last_round_has_no_next() -> None:
    assert not apply(replace(STATE, round=ROUND_MAX), TimeoutPrecommit(ROUND_MAX)).valid


ROUNDS = st.integers(-1, 6)
VALUES = st.sampled_from([V, W])
INPUTS: st.SearchStrategy[Input] = st.one_of(
    st.builds(NewRound, ROUNDS, st.booleans()),
    *(st.builds(kind, ROUNDS, VALUES) for kind in (ProposeValue, Proposal, ProposalAndPolkaCurrent)),
    st.builds(ProposalAndPrecommitValue, ROUNDS, VALUES),
    st.builds(ProposalAndPolkaPrevious, ROUNDS, VALUES, ROUNDS),
    st.builds(InvalidProposalAndPolkaPrevious, ROUNDS, ROUNDS),
    *(st.builds(kind, ROUNDS) for kind in (InvalidProposal, PolkaAny, PolkaNil, PrecommitAny, SkipRound)),
    *(st.builds(kind, ROUNDS) for kind in (TimeoutPropose, TimeoutPrevote, TimeoutPrecommit)),
)
MARKS = st.none() | st.builds(RoundValue, VALUES, st.integers(0, 6))
STATES = st.builds(State, st.just(4), st.integers(0, 6), st.sampled_from(Step), MARKS, MARKS, st.none())


@given(STATES, INPUTS)
def test_apply_is_total_and_an_invalid_input_changes_nothing(state: State, input_: Input) -> None:
    transition = apply(state, input_)
    if not transition.valid:
        assert transition.state == state
        assert transition.output is None
    assert transition.state.round >= state.round
    if transition.state.round == state.round:
        assert transition.state.step >= state.step


@given(st.lists(INPUTS, max_size=60))
def test_one_round_never_asks_for_two_different_votes_of_one_type(inputs: list[Input]) -> None:
    state = State(4)
    cast: dict[tuple[int, int], bytes | None] = {}
    for input_ in inputs:
        transition = apply(state, input_)
        state = transition.state
        if isinstance(transition.output, CastVote):
            key = (transition.output.round, transition.output.type)
            assert key not in cast
            cast[key] = transition.output.value
        if isinstance(transition.output, EnterRound):
            state = apply(state, NewRound(state.round, is_proposer=False)).state
