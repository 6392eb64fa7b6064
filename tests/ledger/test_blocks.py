"""Votes, proposals and commits: what is signed, and what a certificate must be."""

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ledger import merkle
from ledger.blocks import (
    PRECOMMIT,
    PREVOTE,
    Block,
    BlockHeader,
    Commit,
    CommitSignature,
    DuplicateProposal,
    DuplicateVote,
    Evidence,
    Proposal,
    Vote,
    evidence_root,
    make_commit,
    proposal_sign_bytes,
    receipts_root,
    submissions_root,
    verify_commit,
    vote_sign_bytes,
)
from ledger.codec import decode, encode
from ledger.crypto.signatures import PrivateKey, sign_proposal, sign_vote
from ledger.errors import DecodeError, VerificationError
from ledger.membership import Validator, ValidatorSet

CHAIN = "xinpei-test"


def key_of(name: str) -> PrivateKey:
    return PrivateKey(hashlib.sha256(name.encode()).digest())


def set_of(powers: dict[str, int]) -> ValidatorSet:
    return ValidatorSet(tuple(Validator(name, key_of(name).public_key, powers[name]) for name in sorted(powers)))


FOUR = set_of({"a": 1, "b": 1, "c": 1, "d": 1})
HEADER = BlockHeader(
    1, CHAIN, 5, 1_000, "b", bytes(32), 0, bytes(32), bytes(32), bytes(32), bytes(32), bytes(32), FOUR.hash, FOUR.hash
)


def precommit(name: str, header: BlockHeader = HEADER, round_: int = 0) -> Vote:
    message = vote_sign_bytes(header.chain_id, PRECOMMIT, header.height, round_, header.hash)
    return Vote(2, header.height, round_, header.hash, name, sign_vote(key_of(name), message))


def certify(names: str, round_: int = 0) -> Commit:
    votes = [precommit(name, round_=round_) for name in names]
    return Commit(5, round_, HEADER.hash, tuple(CommitSignature(vote.validator, vote.signature) for vote in votes))


def test_the_block_hash_covers_every_field_of_the_header() -> None:
    changes: dict[str, Any] = {
        "protocol_version": 2,
        "chain_id": "xinpei-other",
        "height": 6,
        "time_ms": 1_001,
        "proposer": "c",
        "transaction_count": 1,
    }
    for field in BlockHeader.__struct_fields__:
        value = changes.get(field, b"\x01" * 32)
        assert replace(HEADER, **{field: value}).hash != HEADER.hash, field


def test_every_part_of_a_vote_is_signed() -> None:
    parts: list[tuple[str, int, int, int, bytes | None]] = [
        (CHAIN, PREVOTE, 5, 0, bytes(32)),
        (CHAIN, PRECOMMIT, 5, 0, bytes(32)),
        (CHAIN, PRECOMMIT, 5, 1, bytes(32)),
        (CHAIN, PRECOMMIT, 6, 0, bytes(32)),
        (CHAIN, PRECOMMIT, 5, 0, None),
        (CHAIN, PRECOMMIT, 5, 0, b"\x01" * 32),
        ("xinpei-other", PRECOMMIT, 5, 0, bytes(32)),
    ]
    assert len({vote_sign_bytes(*part) for part in parts}) == len(parts)


@pytest.mark.parametrize("change", [{"round": 3}, {"type": PREVOTE}, {"height": 6}, {"block_hash": None}])
def test_a_vote_is_worth_nothing_in_another_round_type_height_or_for_nil(change: dict[str, Any]) -> None:
    vote = precommit("a")
    vote.verify(CHAIN, key_of("a").public_key)
    with pytest.raises(VerificationError, match="vote signature"):
        replace(vote, **change).verify(CHAIN, key_of("a").public_key)


def test_a_vote_of_another_chain_or_validator_is_refused() -> None:
    vote = precommit("a")
    with pytest.raises(VerificationError):
        vote.verify("xinpei-other", key_of("a").public_key)
    with pytest.raises(VerificationError):
        vote.verify(CHAIN, key_of("b").public_key)


@pytest.mark.parametrize("change", [{"round": 3}, {"pol_round": 0}, {"height": 6}, {"block_hash": b"\x01" * 32}])
def test_a_proposal_is_worth_nothing_with_another_round_justification_height_or_block(change: dict[str, Any]) -> None:
    message = proposal_sign_bytes(CHAIN, 5, 1, -1, bytes(32))
    proposal = Proposal(5, 1, -1, bytes(32), "b", sign_proposal(key_of("b"), message))
    proposal.verify(CHAIN, key_of("b").public_key)
    with pytest.raises(VerificationError, match="proposal signature"):
        replace(proposal, **change).verify(CHAIN, key_of("b").public_key)


def test_a_proposal_is_no_vote() -> None:
    message = vote_sign_bytes(CHAIN, PRECOMMIT, 5, 0, HEADER.hash)
    vote = Vote(2, 5, 0, HEADER.hash, "a", sign_proposal(key_of("a"), message))
    with pytest.raises(VerificationError):
        vote.verify(CHAIN, key_of("a").public_key)


@pytest.mark.parametrize("names", ["abc", "abd", "acd", "bcd"])
def test_any_minimal_quorum_certifies_the_block(names: str) -> None:
    verify_commit(certify(names), HEADER, FOUR)
    verify_commit(certify(names, round_=3), HEADER, FOUR)


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        ("a", "no quorum"),
        ("ab", "no quorum"),
        ("abcd", "minimal quorum"),
        ("cba", "sorted and distinct"),
        ("aab", "sorted and distinct"),
        ("abcc", "sorted and distinct"),
        ("abz", "z is no validator"),
    ],
)
def test_a_commit_of_other_signers_is_refused(names: str, complaint: str) -> None:
    with pytest.raises(VerificationError, match=complaint):
        verify_commit(certify(names), HEADER, FOUR)


def test_a_commit_without_signatures_is_refused() -> None:
    with pytest.raises(VerificationError, match="no quorum"):
        verify_commit(Commit(5, 0, HEADER.hash, ()), HEADER, FOUR)
    with pytest.raises(DecodeError):
        decode(encode(Commit(5, 0, HEADER.hash, ())), Commit)


def test_a_commit_is_for_one_header_only() -> None:
    commit = certify("abc")
    for header in (replace(HEADER, state_root=b"\x01" * 32), replace(HEADER, height=6)):
        with pytest.raises(VerificationError, match="another block"):
            verify_commit(commit, header, FOUR)
    with pytest.raises(VerificationError, match="another validator set"):
        verify_commit(commit, HEADER, set_of({"a": 1, "b": 1, "c": 1}))


def test_signatures_of_another_round_cannot_be_gathered_under_this_one() -> None:
    mixed = (*certify("ab").signatures, *certify("c", round_=1).signatures)
    with pytest.raises(VerificationError, match="vote signature"):
        verify_commit(Commit(5, 0, HEADER.hash, mixed), HEADER, FOUR)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=7), st.data())
def test_what_make_commit_makes_verifies_and_loses_its_quorum_with_any_signature(
    powers: list[int], data: st.DataObject
) -> None:
    validators = set_of({chr(ord("a") + index): power for index, power in enumerate(powers)})
    header = replace(HEADER, validators_hash=validators.hash)
    votes = data.draw(st.permutations([precommit(item.name, header) for item in validators.validators]))
    commit = make_commit(tuple(votes), validators)
    verify_commit(commit, header, validators)
    for index in range(len(commit.signatures)):
        fewer = commit.signatures[:index] + commit.signatures[index + 1 :]
        with pytest.raises(VerificationError, match="no quorum"):
            verify_commit(replace(commit, signatures=fewer), header, validators)


def test_make_commit_wants_a_quorum_for_a_block() -> None:
    with pytest.raises(AssertionError, match="quorum"):
        make_commit((precommit("a"), precommit("b")), FOUR)
    with pytest.raises(AssertionError, match="nil"):
        make_commit((replace(precommit("a"), block_hash=None),), FOUR)


def test_evidence_of_either_kind_survives_the_wire() -> None:
    kind: Any = Evidence
    vote = precommit("a")
    proposal = Proposal(5, 1, -1, bytes(32), "b", bytes(64))
    for item in (DuplicateVote(vote, replace(vote, block_hash=None)), DuplicateProposal(proposal, proposal)):
        assert decode(encode(item), kind) == item
    block = Block(HEADER, (), (DuplicateVote(vote, vote),))
    assert decode(encode(block), Block) == block


def test_a_block_holds_a_bounded_number_of_evidence_items() -> None:
    vote = precommit("a")
    with pytest.raises(DecodeError, match="length <= 16"):
        decode(encode(Block(HEADER, (), (DuplicateVote(vote, vote),) * 17)), Block)


@pytest.mark.parametrize("change", [{"type": 3}, {"type": 0}, {"round": -1}, {"round": 10_001}, {"signature": b""}])
def test_a_vote_out_of_bounds_is_refused_on_the_wire(change: dict[str, Any]) -> None:
    with pytest.raises(DecodeError):
        decode(encode(replace(precommit("a"), **change)), Vote)


def test_the_roots_of_an_empty_block_are_the_empty_tree_head() -> None:
    assert submissions_root(()) == receipts_root(()) == evidence_root(()) == merkle.EMPTY_ROOT
