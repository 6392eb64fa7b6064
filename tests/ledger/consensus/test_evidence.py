"""Evidence proves exactly one thing, has one form, and cannot be made without the offender's key."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ledger.blocks import PRECOMMIT, PREVOTE, DuplicateProposal, DuplicateVote, Evidence
from ledger.consensus.evidence import offence_id, offender, pair_proposals, pair_votes, verify_evidence
from ledger.errors import VerificationError
from ledger.limits import EVIDENCE_AGE_HEIGHTS_MAX
from tests.ledger.consensus.voters import CHAIN_ID, HEIGHT, VALIDATORS, V, W, proposal, vote

VOTES = pair_votes(vote(PREVOTE, 0, V, "a"), vote(PREVOTE, 0, None, "a"))
PROPOSALS = pair_proposals(proposal(0, V), proposal(0, W))


@pytest.mark.parametrize("evidence", [VOTES, PROPOSALS, pair_proposals(proposal(1, V, 0), proposal(1, V, -1))])
def test_two_signatures_for_one_place_are_evidence(evidence: Evidence) -> None:
    verify_evidence(evidence, CHAIN_ID, HEIGHT + 1, VALIDATORS)
    assert offender(evidence) in {"a", "b"}


@pytest.mark.parametrize(
    ("words", "evidence"),
    [
        ("the reverse", DuplicateVote(VOTES.second, VOTES.first)),
        ("the reverse", DuplicateProposal(PROPOSALS.second, PROPOSALS.first)),
        ("the same vote twice", DuplicateVote(VOTES.first, VOTES.first)),
        ("the same proposal twice", DuplicateProposal(PROPOSALS.first, PROPOSALS.first)),
        ("one validator", pair_votes(vote(PREVOTE, 0, V, "a"), vote(PREVOTE, 0, W, "b"))),
        ("one vote type", pair_votes(vote(PREVOTE, 0, V, "a"), vote(PRECOMMIT, 0, W, "a"))),
        ("round", pair_votes(vote(PREVOTE, 0, V, "a"), vote(PREVOTE, 1, W, "a"))),
        ("one proposer", pair_proposals(proposal(0, V), proposal(0, W, name="b"))),
        ("a stranger", pair_votes(vote(PREVOTE, 0, V, "stranger"), vote(PREVOTE, 0, W, "stranger"))),
        ("does not verify", pair_votes(vote(PREVOTE, 0, V, "a"), replace(vote(PREVOTE, 0, W, "b"), validator="a"))),
    ],
)
def test_anything_else_is_refused_and_says_why(words: str, evidence: Evidence) -> None:
    with pytest.raises(VerificationError, match=words):
        verify_evidence(evidence, CHAIN_ID, HEIGHT + 1, VALIDATORS)


def test_evidence_of_another_chain_is_refused() -> None:
    with pytest.raises(VerificationError):
        verify_evidence(VOTES, "another-chain", HEIGHT + 1, VALIDATORS)


def test_evidence_has_an_age_limit_and_does_not_come_from_the_future() -> None:
    verify_evidence(VOTES, CHAIN_ID, HEIGHT + EVIDENCE_AGE_HEIGHTS_MAX, VALIDATORS)
    for height in (HEIGHT + EVIDENCE_AGE_HEIGHTS_MAX + 1, HEIGHT - 1):
        with pytest.raises(VerificationError, match="at most"):
            verify_evidence(VOTES, CHAIN_ID, height, VALIDATORS)


VALUES = st.sampled_from([V, W, None])


@given(VALUES, VALUES, st.sampled_from([PREVOTE, PRECOMMIT]), st.integers(0, 3))
def test_one_offence_has_one_form_and_one_id(one: bytes | None, other: bytes | None, type_: int, round_: int) -> None:
    first, second = vote(type_, round_, one, "c"), vote(type_, round_, other, "c")
    assert pair_votes(first, second) == pair_votes(second, first)
    assert offence_id(pair_votes(first, second)) == offence_id(pair_votes(second, first))
    assert offence_id(pair_votes(first, second)) != offence_id(VOTES)


def test_a_validator_offends_once_per_height_however_often_it_signs() -> None:
    other_round = pair_votes(vote(PREVOTE, 3, V, "c"), vote(PREVOTE, 3, W, "c"))
    other_type = pair_votes(vote(PRECOMMIT, 0, None, "c"), vote(PRECOMMIT, 0, W, "c"))
    assert offence_id(other_round) == offence_id(other_type)
    assert offence_id(other_round) != offence_id(pair_votes(vote(PREVOTE, 3, V, "d"), vote(PREVOTE, 3, W, "d")))
