"""Tallies: each threshold once, by power, and what is not counted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.blocks import PRECOMMIT, PREVOTE, DuplicateVote
from ledger.consensus.votes import (
    PolkaAny,
    PolkaNil,
    PolkaValue,
    PrecommitAny,
    PrecommitValue,
    SkipRound,
    Threshold,
    VoteKeeper,
)
from ledger.limits import FUTURE_ROUNDS_MAX
from ledger.membership import Validator, ValidatorSet
from tests.ledger.consensus.voters import HEIGHT, KEYS, NAMES, VALIDATORS, V, W, vote


def add(keeper: VoteKeeper, type_: int, round_: int, block_hash: bytes | None, *names: str) -> list[Threshold]:
    new: list[Threshold] = []
    for name in names:
        new.extend(keeper.add(vote(type_, round_, block_hash, name), 0).thresholds)
    return new


@pytest.mark.parametrize(
    ("type_", "block_hash", "expected"),
    [
        (PREVOTE, V, [PolkaValue(0, V), PolkaAny(0)]),
        (PREVOTE, None, [PolkaNil(0), PolkaAny(0)]),
        (PRECOMMIT, V, [PrecommitValue(0, V), PrecommitAny(0)]),
        (PRECOMMIT, None, [PrecommitAny(0)]),
    ],
)
def test_each_threshold_is_emitted_once(type_: int, block_hash: bytes | None, expected: list[Threshold]) -> None:
    keeper = VoteKeeper(HEIGHT, VALIDATORS)
    assert add(keeper, type_, 0, block_hash, "a", "b") == []
    assert add(keeper, type_, 0, block_hash, "c") == expected
    assert add(keeper, type_, 0, block_hash, "d", "a") == []
    assert list(keeper.emitted(0)) == expected


def test_votes_for_different_values_are_a_quorum_for_any_only() -> None:
    keeper = VoteKeeper(HEIGHT, VALIDATORS)
    assert add(keeper, PREVOTE, 0, V, "a") + add(keeper, PREVOTE, 0, W, "b") == []
    assert add(keeper, PREVOTE, 0, None, "c") == [PolkaAny(0)]


def test_quorums_go_by_power_and_not_by_heads() -> None:
    powers = {"a": 7, "b": 1, "c": 1, "d": 1}
    validators = ValidatorSet(tuple(Validator(name, KEYS[name].public_key, powers[name]) for name in NAMES))
    keeper = VoteKeeper(HEIGHT, validators)
    assert add(keeper, PREVOTE, 0, V, "b", "c", "d") == []
    assert add(keeper, PREVOTE, 0, V, "a") == [PolkaValue(0, V), PolkaAny(0)]


def test_two_thirds_exactly_are_no_quorum() -> None:
    validators = ValidatorSet(VALIDATORS.validators[:3])
    keeper = VoteKeeper(HEIGHT, validators)
    assert add(keeper, PREVOTE, 0, V, "a", "b") == []
    assert add(keeper, PREVOTE, 0, V, "c") == [PolkaValue(0, V), PolkaAny(0)]


def test_a_third_and_more_in_a_later_round_lets_us_skip_and_both_types_count() -> None:
    keeper = VoteKeeper(HEIGHT, VALIDATORS)
    assert add(keeper, PREVOTE, 2, None, "a") == []
    assert add(keeper, PRECOMMIT, 2, V, "a") == []
    assert add(keeper, PRECOMMIT, 2, V, "b") == [SkipRound(2)]


def test_only_precommit_value_outranks_skip_round() -> None:
    keeper = VoteKeeper(HEIGHT, VALIDATORS)
    add(keeper, PRECOMMIT, 2, V, "a", "b", "c")
    assert keeper.emitted(2) == (SkipRound(2), PrecommitValue(2, V), PrecommitAny(2))
    heavy = ValidatorSet((Validator("a", KEYS["a"].public_key, 9), Validator("b", KEYS["b"].public_key, 1)))
    assert VoteKeeper(HEIGHT, heavy).add(vote(PRECOMMIT, 2, V, "a"), 0).thresholds == (
        PrecommitValue(2, V),
        SkipRound(2),
        PrecommitAny(2),
    )


def test_a_second_different_vote_is_evidence_and_is_not_counted() -> None:
    keeper = VoteKeeper(HEIGHT, VALIDATORS)
    add(keeper, PREVOTE, 0, V, "a", "b")
    tallied = keeper.add(vote(PREVOTE, 0, W, "a"), 0)
    assert not tallied.counted
    assert isinstance(tallied.evidence, DuplicateVote)
    assert {tallied.evidence.first.block_hash, tallied.evidence.second.block_hash} == {V, W}
    assert add(keeper, PREVOTE, 0, W, "c", "d") == [PolkaAny(0)]


def test_the_same_vote_again_is_no_evidence() -> None:
    keeper = VoteKeeper(HEIGHT, VALIDATORS)
    add(keeper, PREVOTE, 0, V, "a")
    tallied = keeper.add(vote(PREVOTE, 0, V, "a"), 0)
    assert not tallied.counted
    assert tallied.evidence is None


def test_a_strangers_vote_is_dropped() -> None:
    keeper = VoteKeeper(HEIGHT, VALIDATORS)
    assert not keeper.add(vote(PREVOTE, 0, V, "stranger"), 0).counted
    assert keeper.votes(0, PREVOTE) == ()


def test_a_validator_cannot_fill_the_memory_with_later_rounds() -> None:
    keeper = VoteKeeper(HEIGHT, VALIDATORS)
    add(keeper, PREVOTE, 5, None, "b")
    for round_ in range(1, 200):
        keeper.add(vote(PREVOTE, round_, None, "a"), 0)
    assert len([round_ for round_ in keeper.rounds() if keeper.get(round_, PREVOTE, "a")]) == FUTURE_ROUNDS_MAX
    assert keeper.get(199, PREVOTE, "a")
    assert keeper.get(5, PREVOTE, "b"), "another validator's votes stay"
    assert not keeper.add(vote(PREVOTE, 3, None, "a"), 0).counted, "an older round makes no place for itself"
    assert len(keeper._votes) + len(keeper._emitted) <= 2 * (FUTURE_ROUNDS_MAX + 1), "nothing is left of the others"


@given(st.permutations([(name, block_hash) for name in NAMES for block_hash in (V, W, None)]))
def test_in_any_order_each_validator_counts_once_and_thresholds_hold(order: list[tuple[str, bytes | None]]) -> None:
    keeper = VoteKeeper(HEIGHT, VALIDATORS)
    emitted: list[Threshold] = []
    for name, block_hash in order:
        emitted.extend(keeper.add(vote(PREVOTE, 0, block_hash, name), 0).thresholds)
    assert len(emitted) == len(set(emitted))
    assert len(keeper.votes(0, PREVOTE)) == len(NAMES)
    for block_hash in (V, W):
        assert (PolkaValue(0, block_hash) in emitted) == (len(keeper.votes_for(0, PREVOTE, block_hash)) >= 3)
    assert PolkaAny(0) in emitted
