"""The light client follows the real set changes of a chain, and no forger's.

The chain of these tests: heights 1 and 2 are decided by a, b, c, d; the header of height 2 hands over to b, c, d, e,
who decide 3 and 4; the header of height 4 hands back to the first four, who decide 5.
"""

import hashlib
from collections.abc import Callable, Iterable

import pytest
from msgspec.structs import replace

from ledger import merkle
from ledger.blocks import PRECOMMIT, PREVOTE, BlockHeader, Commit, CommitSignature, Vote, make_commit, vote_sign_bytes
from ledger.codec import decode, encode
from ledger.crypto.signatures import PrivateKey, sign_vote
from ledger.errors import VerificationError
from ledger.genesis import Genesis, Organisation
from ledger.light_client import TrustedState, advance, trust_checkpoint, trust_genesis, verify_entry, verify_history
from ledger.membership import Validator, ValidatorSet
from ledger.state_tree import StateRoots, TreeUpdate, prove, update


class Nodes(dict[bytes, bytes]):
    def get_node(self, key: bytes) -> bytes | None:
        return self.get(key)


def key_of(name: str) -> PrivateKey:
    return PrivateKey(hashlib.sha256(name.encode()).digest())


def set_of(names: str, powers: Iterable[int] = ()) -> ValidatorSet:
    weights = tuple(powers) or (1,) * len(names)
    return ValidatorSet(
        tuple(Validator(name, key_of(name).public_key, power) for name, power in zip(names, weights, strict=True))
    )


FIRST, SECOND = set_of("abcd"), set_of("bcde")
GENESIS = Genesis.found(
    1,
    "test",
    1_000,
    FIRST,
    (Organisation("a", "regulator", key_of("a").public_key, bytes(1216), bytes(32)),),
    (),
)
CHAIN = GENESIS.chain_id
ENTRIES: dict[bytes, bytes | None] = {b"consent\x00grants\x00%d" % i: b"version %d" % i for i in range(20)}


def precommit(header: BlockHeader, name: str, round_: int = 0, kind: int = PRECOMMIT) -> Vote:
    """Return a vote that says precommit; of another kind, its signature says something else."""
    message = vote_sign_bytes(header.chain_id, kind, header.height, round_, header.hash)
    return Vote(2, header.height, round_, header.hash, name, sign_vote(key_of(name), message))


def certify(header: BlockHeader, validators: ValidatorSet, round_: int = 0) -> Commit:
    return make_commit(tuple(precommit(header, item.name, round_) for item in validators.validators), validators)


def state() -> tuple[Nodes, StateRoots]:
    nodes = Nodes()
    made: TreeUpdate = update(nodes, StateRoots(), ENTRIES)
    nodes.update({key: node for key, node in made.node_writes.items() if node is not None})
    return nodes, made.roots


def make_chain(chain_id: str = CHAIN, first_hash: bytes = GENESIS.hash, salt: bytes = b"") -> list[BlockHeader]:
    sets = {1: FIRST, 2: FIRST, 3: SECOND, 4: SECOND, 5: FIRST, 6: FIRST}
    hashes = [first_hash]
    headers = []
    for height in range(1, 6):
        header = BlockHeader(
            protocol_version=1,
            chain_id=chain_id,
            height=height,
            time_ms=1_000 + height,
            proposer=sets[height].proposer(height, 0).name,
            parent_hash=hashes[-1],
            transaction_count=0,
            history_root=merkle.root([merkle.leaf_hash(item) for item in hashes]),
            transactions_root=merkle.EMPTY_ROOT,
            receipts_root=hashlib.sha256(salt).digest(),
            evidence_root=merkle.EMPTY_ROOT,
            state_root=state()[1].root,
            validators_hash=sets[height].hash,
            next_validators_hash=sets[height + 1].hash,
        )
        headers.append(header)
        hashes.append(header.hash)
    return headers


HEADERS = make_chain()
H1, H2, H3, H4, H5 = HEADERS


def trusted_at_2() -> TrustedState:
    return advance(trust_genesis(GENESIS), H2, certify(H2, FIRST), SECOND)


def test_every_height_in_turn_is_accepted() -> None:
    trusted = trust_genesis(GENESIS)
    for header, deciding, following in zip(
        HEADERS, (FIRST, FIRST, SECOND, SECOND, FIRST), (None, SECOND, None, FIRST, None), strict=True
    ):
        trusted = advance(trusted, header, certify(header, deciding), following)
        assert (trusted.height, trusted.header_hash) == (header.height, header.hash)
    assert trusted.validators == FIRST


def test_heights_are_skipped_between_two_set_changes() -> None:
    trusted = advance(trusted_at_2(), H4, certify(H4, SECOND), FIRST)
    assert advance(trusted, H5, certify(H5, FIRST)).height == 5


def test_a_trusted_state_survives_being_stored() -> None:
    trusted = trusted_at_2()
    assert decode(encode(trusted), TrustedState) == trusted


def test_a_set_change_cannot_be_skipped() -> None:
    with pytest.raises(VerificationError, match="show the header at which the set changed"):
        advance(trust_genesis(GENESIS), H3, certify(H3, SECOND))


def test_the_step_over_a_set_change_needs_the_new_set() -> None:
    with pytest.raises(VerificationError, match="next validators hash"):
        advance(trust_genesis(GENESIS), H2, certify(H2, FIRST))


@pytest.mark.parametrize("names", ["abce", "bcd", "bcdef", "vwxy"])
def test_a_set_that_the_certified_header_does_not_name_is_refused(names: str) -> None:
    with pytest.raises(VerificationError, match="next validators hash"):
        advance(trust_genesis(GENESIS), H2, certify(H2, FIRST), set_of(names))


def test_the_named_set_with_other_powers_is_refused() -> None:
    with pytest.raises(VerificationError, match="next validators hash"):
        advance(trust_genesis(GENESIS), H2, certify(H2, FIRST), set_of("bcde", [1, 1, 1, 9]))


def test_a_new_set_does_not_certify_its_own_election() -> None:
    newcomers = make_commit(tuple(precommit(H2, name) for name in "cde"), SECOND)
    with pytest.raises(VerificationError, match="e is no validator"):
        advance(trust_genesis(GENESIS), H2, newcomers, SECOND)


def test_a_header_elected_by_a_stranger_set_is_refused_even_if_it_names_the_trusted_one() -> None:
    strangers = set_of("vwxy")
    forged = certify(replace(H2, validators_hash=strangers.hash), strangers)
    with pytest.raises(VerificationError, match="another block"):
        advance(trust_genesis(GENESIS), H2, forged, SECOND)


def test_the_replaced_set_decides_nothing_after_its_last_height() -> None:
    forged = replace(H3, validators_hash=FIRST.hash, next_validators_hash=FIRST.hash)
    with pytest.raises(VerificationError, match="validators hash"):
        advance(trusted_at_2(), forged, certify(forged, FIRST))


def test_heights_do_not_go_back_or_stand_still() -> None:
    with pytest.raises(VerificationError, match="expected above 2, got 1"):
        advance(trusted_at_2(), H1, certify(H1, FIRST))
    trusted = advance(trust_genesis(GENESIS), H1, certify(H1, FIRST))
    rival = replace(H1, time_ms=H1.time_ms + 1)
    for header in (H1, rival):
        with pytest.raises(VerificationError, match="expected above 1, got 1"):
            advance(trusted, header, certify(header, FIRST))


def test_the_next_header_must_have_the_trusted_one_as_parent() -> None:
    forked = replace(H3, parent_hash=H1.hash)
    with pytest.raises(VerificationError, match="parent hash"):
        advance(trusted_at_2(), forked, certify(forked, SECOND))


def test_block_time_must_increase() -> None:
    stale = replace(H4, time_ms=H2.time_ms)
    with pytest.raises(VerificationError, match="time"):
        advance(trusted_at_2(), stale, certify(stale, SECOND), FIRST)


def test_a_header_of_another_protocol_version_is_refused() -> None:
    newer = replace(H1, protocol_version=2)
    with pytest.raises(VerificationError, match="protocol version"):
        advance(trust_genesis(GENESIS), newer, certify(newer, FIRST))


def test_the_same_validators_on_another_chain_certify_nothing_here() -> None:
    foreign = make_chain("xinpei-other")[0]
    with pytest.raises(VerificationError, match="chain id"):
        advance(trust_genesis(GENESIS), foreign, certify(foreign, FIRST))
    moved = replace(foreign, chain_id=CHAIN)
    signatures = certify(foreign, FIRST).signatures
    with pytest.raises(VerificationError, match="signature"):
        advance(trust_genesis(GENESIS), moved, Commit(1, 0, moved.hash, signatures))


def test_a_chain_of_the_same_id_from_another_genesis_is_told_apart() -> None:
    other = make_chain(first_hash=bytes(32))[0]
    with pytest.raises(VerificationError, match="parent hash"):
        advance(trust_genesis(GENESIS), other, certify(other, FIRST))
    with pytest.raises(VerificationError):
        verify_history(other, 0, GENESIS.hash, ())


def of_another_round(commit: Commit) -> Commit:
    return replace(commit, round=commit.round + 1)


def of_prevotes(commit: Commit) -> Commit:
    votes = [precommit(H1, entry.validator, kind=PREVOTE) for entry in commit.signatures]
    return replace(commit, signatures=tuple(CommitSignature(vote.validator, vote.signature) for vote in votes))


def below_quorum(commit: Commit) -> Commit:
    return replace(commit, signatures=commit.signatures[:2])


def more_than_minimal(commit: Commit) -> Commit:
    votes = [precommit(H1, name) for name in "abcd"]
    return replace(commit, signatures=tuple(CommitSignature(vote.validator, vote.signature) for vote in votes))


def one_counted_twice(commit: Commit) -> Commit:
    first, second, _ = commit.signatures
    return replace(commit, signatures=(first, second, second))


def unsorted(commit: Commit) -> Commit:
    return replace(commit, signatures=commit.signatures[::-1])


def with_a_stranger(commit: Commit) -> Commit:
    stranger = CommitSignature("z", precommit(H1, "z").signature)
    return replace(commit, signatures=(*commit.signatures[:2], stranger))


def signed_by_another(commit: Commit) -> Commit:
    first, second, third = commit.signatures
    return replace(commit, signatures=(first, second, replace(third, signature=second.signature)))


def over_another_block(commit: Commit) -> Commit:
    return certify(make_chain(salt=b"other")[0], FIRST)


def of_another_height(commit: Commit) -> Commit:
    return replace(commit, height=2)


@pytest.mark.parametrize(
    "forge",
    [
        of_another_round,
        of_prevotes,
        below_quorum,
        more_than_minimal,
        one_counted_twice,
        unsorted,
        with_a_stranger,
        signed_by_another,
        over_another_block,
        of_another_height,
    ],
)
def test_forged_commits_are_refused(forge: Callable[[Commit], Commit]) -> None:
    genuine = certify(H1, FIRST)
    advance(trust_genesis(GENESIS), H1, genuine)
    with pytest.raises(VerificationError):
        advance(trust_genesis(GENESIS), H1, forge(genuine))


def test_a_commit_of_a_later_round_is_as_good() -> None:
    assert advance(trust_genesis(GENESIS), H1, certify(H1, FIRST, round_=7)).height == 1


def test_quorums_are_of_power_and_not_of_heads() -> None:
    heavy = set_of("abcd", [10, 1, 1, 1])
    genesis = Genesis.found(1, "test", GENESIS.time_ms, heavy, GENESIS.organisations, ())
    hashes = {"parent_hash": genesis.hash, "validators_hash": heavy.hash, "next_validators_hash": heavy.hash}
    header = replace(H1, chain_id=genesis.chain_id, **hashes)
    alone = certify(header, heavy)
    assert [entry.validator for entry in alone.signatures] == ["a"]
    advance(trust_genesis(genesis), header, alone)
    votes = [precommit(header, name) for name in "bcd"]
    light = Commit(1, 0, header.hash, tuple(CommitSignature(vote.validator, vote.signature) for vote in votes))
    with pytest.raises(VerificationError, match="no quorum"):
        advance(trust_genesis(genesis), header, light)


def test_a_checkpoint_starts_where_its_header_leaves_off() -> None:
    trusted = trust_checkpoint(H2, H2.hash, SECOND)
    assert trusted == trusted_at_2()
    assert advance(trusted, H3, certify(H3, SECOND)).height == 3


def test_a_checkpoint_of_another_header_or_set_is_refused() -> None:
    with pytest.raises(VerificationError, match="checkpoint"):
        trust_checkpoint(H1, H2.hash, SECOND)
    with pytest.raises(VerificationError, match="next validators hash"):
        trust_checkpoint(H2, H2.hash, FIRST)
    foreign_protocol = replace(H2, protocol_version=2)
    with pytest.raises(VerificationError, match="protocol version"):
        trust_checkpoint(foreign_protocol, foreign_protocol.hash, SECOND)


def test_an_entry_and_an_absence_are_checked_under_the_header() -> None:
    nodes, roots = state()
    present, absent = b"consent\x00grants\x007", b"consent\x00grants\x0099"
    verify_entry(H4, present, b"version 7", prove(nodes, roots, present))
    verify_entry(H4, absent, None, prove(nodes, roots, absent))
    with pytest.raises(VerificationError):
        verify_entry(H4, present, b"version 8", prove(nodes, roots, present))
    with pytest.raises(VerificationError):
        verify_entry(H4, present, None, prove(nodes, roots, present))
    with pytest.raises(VerificationError):
        verify_entry(replace(H4, state_root=bytes(32)), present, b"version 7", prove(nodes, roots, present))


def test_every_earlier_block_is_in_the_history_and_no_other() -> None:
    hashes = [GENESIS.hash, *(header.hash for header in HEADERS)]
    leaves = [merkle.leaf_hash(item) for item in hashes]
    for header in HEADERS:
        for height in range(header.height):
            proof = merkle.inclusion_proof(leaves[: header.height], height)
            verify_history(header, height, hashes[height], proof)
            with pytest.raises(VerificationError):
                verify_history(header, height, make_chain(salt=b"other")[2].hash, proof)
            with pytest.raises(VerificationError):
                verify_history(header, height + 1, hashes[height], proof)


def test_a_header_is_not_in_its_own_history() -> None:
    leaves = [merkle.leaf_hash(item) for item in (GENESIS.hash, H1.hash, H2.hash)]
    with pytest.raises(VerificationError, match="index"):
        verify_history(H2, 2, H2.hash, merkle.inclusion_proof(leaves, 2))
