"""The driver: its priority, and the traps that others fell into, each by name.

At height 4, `a` proposes in round 0, `b` in round 1, `c` in round 2, `d` in round 3. The driver under test is `d`'s.
"""

from ledger.blocks import PRECOMMIT, PREVOTE, DuplicateProposal, DuplicateVote
from ledger.consensus.driver import Driver, EvidenceFound, Output, Timeout, timeout_duration_ms
from ledger.consensus.round import CastVote, Decide, EnterRound, GetValue, Propose, RoundValue, StartTimeout, Step
from ledger.limits import ROUND_MAX, TIMEOUT_DELTA_MS, TIMEOUT_MAX_MS, TIMEOUT_PREVOTE_MS
from tests.ledger.consensus.voters import HEIGHT, VALIDATORS, V, W, proposal, vote


def started(name: str = "d") -> Driver:
    driver = Driver(HEIGHT, VALIDATORS, name)
    driver.start()
    return driver


def votes(driver: Driver, type_: int, round_: int, block_hash: bytes | None, names: str) -> list[Output]:
    return [output for name in names for output in driver.add_vote(vote(type_, round_, block_hash, name))]


def offer(driver: Driver, round_: int, value: bytes, pol_round: int = -1, *, valid: bool = True) -> list[Output]:
    return driver.add_proposal(proposal(round_, value, pol_round), valid=valid, acceptable=True)


def elapse(driver: Driver, round_: int, step: Step) -> list[Output]:
    return driver.elapse(Timeout(HEIGHT, round_, step))


def test_a_round_without_faults_runs_from_proposal_to_decision() -> None:
    driver = started()
    assert offer(driver, 0, V) == [CastVote(PREVOTE, 0, V)]
    assert votes(driver, PREVOTE, 0, V, "abd") == [CastVote(PRECOMMIT, 0, V)]
    assert votes(driver, PRECOMMIT, 0, V, "ab") == []
    assert votes(driver, PRECOMMIT, 0, V, "d") == [Decide(0, V)]
    assert driver.state.decision == RoundValue(V, 0)
    assert votes(driver, PRECOMMIT, 0, V, "c") == []


def test_the_proposer_asks_for_a_value_and_proposes_it() -> None:
    driver = Driver(HEIGHT, VALIDATORS, "a")
    assert driver.start() == [GetValue(0), StartTimeout(0, Step.PROPOSE)]
    assert driver.add_value(0, V) == [Propose(0, V, -1)]
    assert driver.add_value(1, V) == []


def test_a_proposer_with_a_valid_value_proposes_that_with_its_round() -> None:
    driver = started("b")
    offer(driver, 0, V)
    votes(driver, PREVOTE, 0, V, "acd")
    votes(driver, PRECOMMIT, 0, None, "acd")
    assert elapse(driver, 0, Step.PRECOMMIT) == [EnterRound(1), Propose(1, V, 0), StartTimeout(1, Step.PROPOSE)]


def test_without_a_proposal_timeouts_lead_through_the_round_to_the_next() -> None:
    driver = started()
    assert elapse(driver, 0, Step.PROPOSE) == [CastVote(PREVOTE, 0, None)]
    assert votes(driver, PREVOTE, 0, None, "abd") == [CastVote(PRECOMMIT, 0, None)]
    assert votes(driver, PRECOMMIT, 0, None, "abd") == [StartTimeout(0, Step.PRECOMMIT)]
    assert elapse(driver, 0, Step.PRECOMMIT) == [EnterRound(1), StartTimeout(1, Step.PROPOSE)]


def test_trap_precommit_any_does_not_shadow_a_pending_polka_nil() -> None:
    driver = started()
    votes(driver, PRECOMMIT, 0, None, "abc")
    votes(driver, PREVOTE, 0, None, "abc")
    assert driver.state.step is Step.PROPOSE
    assert elapse(driver, 0, Step.PROPOSE) == [CastVote(PREVOTE, 0, None), CastVote(PRECOMMIT, 0, None)]


def test_trap_precommit_any_does_not_shadow_a_pending_polka_any() -> None:
    driver = started()
    votes(driver, PRECOMMIT, 0, None, "ab")
    votes(driver, PREVOTE, 0, None, "ab")
    votes(driver, PREVOTE, 0, V, "c")
    assert votes(driver, PRECOMMIT, 0, None, "c") == [StartTimeout(0, Step.PRECOMMIT)]
    assert elapse(driver, 0, Step.PROPOSE) == [CastVote(PREVOTE, 0, None), StartTimeout(0, Step.PREVOTE)]


def test_trap_timeouts_of_the_old_round_do_nothing_after_a_skip() -> None:
    driver = started()
    assert votes(driver, PREVOTE, 2, None, "ab") == [EnterRound(2), StartTimeout(2, Step.PROPOSE)]
    before = driver.state
    for step in (Step.PROPOSE, Step.PREVOTE, Step.PRECOMMIT):
        assert elapse(driver, 0, step) == []
        assert driver.elapse(Timeout(HEIGHT - 1, 2, step)) == []
    assert driver.state == before


def test_trap_a_late_polka_in_precommit_updates_valid_and_nothing_else() -> None:
    driver = started()
    elapse(driver, 0, Step.PROPOSE)
    elapse(driver, 0, Step.PREVOTE)
    assert driver.state.step is Step.PRECOMMIT
    offer(driver, 0, V)
    assert votes(driver, PREVOTE, 0, V, "abc") == []
    assert driver.state.valid == RoundValue(V, 0)
    assert driver.state.locked is None


def test_trap_a_commit_quorum_of_an_earlier_round_decides() -> None:
    driver = started()
    offer(driver, 0, V)
    votes(driver, PREVOTE, 2, None, "ab")
    assert driver.state.round == 2
    assert votes(driver, PRECOMMIT, 0, V, "abc") == [Decide(0, V)]


def test_trap_a_commit_quorum_of_a_later_round_decides_before_it_skips() -> None:
    driver = started()
    offer(driver, 0, V)
    assert driver.add_vote(vote(PRECOMMIT, 3, V, "a")) == []
    outputs = votes(driver, PRECOMMIT, 3, V, "bc")
    assert outputs[-1] == Decide(3, V)


def test_trap_a_proposal_whose_pol_round_has_no_known_polka_waits() -> None:
    driver = started()
    votes(driver, PREVOTE, 1, None, "ab")
    assert offer(driver, 1, V, pol_round=0) == []
    assert driver.state.step is Step.PROPOSE
    assert votes(driver, PREVOTE, 0, V, "abc") == [CastVote(PREVOTE, 1, V)]


def test_a_pol_round_that_is_not_before_the_round_is_an_invalid_proposal() -> None:
    driver = started()
    assert offer(driver, 0, V, pol_round=0) == [CastVote(PREVOTE, 0, None)]


def test_trap_a_precommit_quorum_without_its_proposal_is_precommit_any_in_the_same_round() -> None:
    driver = started()
    assert votes(driver, PRECOMMIT, 0, V, "abc") == [StartTimeout(0, Step.PRECOMMIT)]
    assert driver.missing_value() == V
    assert offer(driver, 0, V) == [Decide(0, V)]


def test_trap_a_precommit_quorum_without_its_proposal_in_a_later_round_skips_there() -> None:
    driver = started()
    outputs = votes(driver, PRECOMMIT, 2, V, "abc")
    assert outputs == [EnterRound(2), StartTimeout(2, Step.PROPOSE), StartTimeout(2, Step.PRECOMMIT)]
    assert offer(driver, 2, V) == [Decide(2, V)]


def test_trap_never_two_different_votes_of_one_type_in_one_round_whatever_is_repeated() -> None:
    driver = started()
    first = offer(driver, 0, V) + elapse(driver, 0, Step.PROPOSE) + offer(driver, 0, V)
    assert first == [CastVote(PREVOTE, 0, V)]
    second = votes(driver, PREVOTE, 0, V, "abc") + elapse(driver, 0, Step.PREVOTE) + votes(driver, PREVOTE, 0, V, "abc")
    assert second == [CastVote(PRECOMMIT, 0, V)]


def test_trap_a_validator_that_starts_late_with_a_round_of_votes_already_there_decides() -> None:
    driver = Driver(HEIGHT, VALIDATORS, "d")
    for name in "abc":
        for type_ in (PREVOTE, PRECOMMIT):
            driver.add_vote(vote(type_, 0, V, name))
    assert offer(driver, 0, V) == [Decide(0, V)]


def test_trap_timeouts_grow_per_round_and_are_capped() -> None:
    durations = [timeout_duration_ms(Timeout(HEIGHT, round_, Step.PREVOTE)) for round_ in (0, 1, 2, ROUND_MAX)]
    assert durations[:2] == [TIMEOUT_PREVOTE_MS, TIMEOUT_PREVOTE_MS + TIMEOUT_DELTA_MS]
    assert durations[-1] == TIMEOUT_MAX_MS


def test_trap_a_polka_split_by_an_equivocator_holds_when_it_comes_as_a_whole() -> None:
    """`c` told us nil and the others V: vote by vote their polka stays unknown here, and their proposal waits."""
    driver = started()
    votes(driver, PREVOTE, 0, None, "c")
    votes(driver, PREVOTE, 0, V, "ab")
    votes(driver, PREVOTE, 1, None, "ab")
    assert offer(driver, 1, V, pol_round=0) == []
    assert votes(driver, PREVOTE, 0, V, "c")[0].__class__ is EvidenceFound
    assert driver.state.step is Step.PROPOSE
    polka = tuple(vote(PREVOTE, 0, V, name) for name in "abc")
    assert driver.add_polka(polka) == [CastVote(PREVOTE, 1, V)]
    assert driver.votes.polka(0) == polka
    assert driver.add_polka(polka) == []


def test_a_locked_validator_prevotes_nil_for_another_value_and_follows_a_newer_polka() -> None:
    driver = started()
    offer(driver, 0, V)
    votes(driver, PREVOTE, 0, V, "abc")
    assert driver.state.locked == RoundValue(V, 0)
    elapse(driver, 0, Step.PRECOMMIT)
    assert offer(driver, 1, W) == [CastVote(PREVOTE, 1, None)]
    votes(driver, PREVOTE, 1, W, "abc")
    assert driver.state.locked == RoundValue(W, 1)


def test_a_locked_validator_may_prevote_another_value_with_a_polka_after_its_lock() -> None:
    driver = started()
    offer(driver, 0, V)
    votes(driver, PREVOTE, 0, V, "abc")
    votes(driver, PREVOTE, 2, None, "ab")
    votes(driver, PREVOTE, 1, W, "abc")
    assert offer(driver, 2, W, pol_round=1) == [CastVote(PREVOTE, 2, W)]


def test_a_block_that_is_valid_but_untimely_is_prevoted_nil_and_still_locked_by_a_polka() -> None:
    driver = started()
    outputs = driver.add_proposal(proposal(0, V), valid=True, acceptable=False)
    assert outputs == [CastVote(PREVOTE, 0, None)]
    assert votes(driver, PREVOTE, 0, V, "abc") == [CastVote(PRECOMMIT, 0, V)]


def test_an_invalid_block_is_never_locked_and_never_decided() -> None:
    driver = started()
    assert offer(driver, 0, V, valid=False) == [CastVote(PREVOTE, 0, None)]
    assert votes(driver, PREVOTE, 0, V, "abc") == [StartTimeout(0, Step.PREVOTE)]
    votes(driver, PRECOMMIT, 0, V, "abc")
    assert driver.state.decision is None
    assert driver.contradicted_value() == V


def test_two_votes_of_one_validator_are_evidence() -> None:
    driver = started()
    votes(driver, PREVOTE, 0, V, "a")
    (found,) = votes(driver, PREVOTE, 0, W, "a")
    assert isinstance(found, EvidenceFound)
    assert isinstance(found.evidence, DuplicateVote)


def test_two_proposals_of_one_proposer_are_evidence_and_the_first_stays() -> None:
    driver = started()
    offer(driver, 0, V)
    (found,) = offer(driver, 0, W)
    assert isinstance(found, EvidenceFound)
    assert isinstance(found.evidence, DuplicateProposal)
    assert driver.offers[0].proposal.block_hash == V


def test_a_forgotten_value_is_asked_for_again() -> None:
    driver = started()
    offer(driver, 0, V)
    votes(driver, PREVOTE, 2, None, "ab")
    driver.forget(V)
    assert votes(driver, PRECOMMIT, 0, V, "abc") == []
    assert driver.missing_value() == V
