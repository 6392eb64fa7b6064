"""Blocks, the votes about them, certificates, and evidence of double signing.

A block is executed before it is voted on, so its header carries the results, and what validators sign covers them:
a commit over the block hash is a commit over every receipt and the whole state. A header has no round: a value
proposed again in a later round keeps its bytes and its hash.

The certificate that finalises a block (`Commit`) is stored beside it and not inside the next one; two nodes may keep
different minimal quorums for one block, and both are right.
"""

from typing import Annotated, Final, Literal

from msgspec import Meta

from ledger import merkle
from ledger.codec import ChainId, Hash, Height, Milliseconds, Name, Signature, Struct, encode
from ledger.crypto.hashes import hash_tagged
from ledger.crypto.signatures import verify
from ledger.errors import VerificationError
from ledger.limits import BLOCK_EVIDENCE_MAX, PROTOCOL_VERSION, ROUND_MAX, VALIDATORS_MAX
from ledger.membership import ValidatorSet
from ledger.transactions import Receipt, Submission

PREVOTE: Final = 1
PRECOMMIT: Final = 2

Round = Annotated[int, Meta(ge=0, le=ROUND_MAX)]
VoteType = Literal[1, 2]
"""1 prevote, 2 precommit."""
PolRound = Annotated[int, Meta(ge=-1, le=ROUND_MAX)]
"""The round of the polka that justifies a re-proposal; -1 for none (the paper's `validRound`)."""


class BlockHeader(Struct):
    """What a commit certifies: the past, the contents and the results of one block."""

    protocol_version: Annotated[int, Meta(ge=1)]
    chain_id: ChainId
    height: Height
    """The genesis block has height 0 and is not voted on; the first decided block has height 1."""
    time_ms: Milliseconds
    """The proposer's clock; exceeds the parent's by at least 1 ms. All that a contract sees of time."""
    proposer: Name
    parent_hash: Hash
    """The hash of the previous header; the genesis hash for height 1."""
    transaction_count: Annotated[int, Meta(ge=0)]
    history_root: Hash
    """RFC 9162 tree head over the hashes of all earlier blocks, genesis first: `height` leaves."""
    transactions_root: Hash
    """RFC 9162 root over the submissions' encodings."""
    receipts_root: Hash
    """RFC 9162 root over the receipts' encodings, one per transaction in order."""
    evidence_root: Hash
    state_root: Hash
    """`ledger.state_tree` root after this block."""
    validators_hash: Hash
    """Who votes on this block."""
    next_validators_hash: Hash
    """Who votes on the next one: a light client walks set changes by this."""

    @property
    def hash(self) -> bytes:
        """The block's hash, 32 bytes."""
        return hash_tagged("xinpei/block/v1", encode(self))


class Vote(Struct):
    """A prevote or precommit for a block hash, or for nil."""

    type: VoteType
    height: Height
    round: Round
    block_hash: Hash | None
    """None is nil."""
    validator: Name
    signature: Signature

    def sign_bytes(self, chain_id: str) -> bytes:
        """What the signature is over: a precommit of round 0 is worth nothing in round 3."""
        return vote_sign_bytes(chain_id, self.type, self.height, self.round, self.block_hash)

    def verify(self, chain_id: str, public_key: bytes) -> None:
        """Check the signature; raises `VerificationError`."""
        verify("vote", public_key, self.sign_bytes(chain_id), self.signature)


class _VoteSigned(Struct, tag="vote"):
    protocol_version: int
    chain_id: str
    vote_type: int
    height: int
    round: int
    block_hash: bytes | None


def vote_sign_bytes(chain_id: str, vote_type: int, height: int, round_: int, block_hash: bytes | None) -> bytes:
    """Return the bytes a vote's signature is over."""
    return encode(_VoteSigned(PROTOCOL_VERSION, chain_id, vote_type, height, round_, block_hash))


class Proposal(Struct):
    """A proposer's signed offer of one block in one round; the block itself travels beside it."""

    height: Height
    round: Round
    pol_round: PolRound
    block_hash: Hash
    proposer: Name
    signature: Signature

    def sign_bytes(self, chain_id: str) -> bytes:
        """What the signature is over."""
        return proposal_sign_bytes(chain_id, self.height, self.round, self.pol_round, self.block_hash)

    def verify(self, chain_id: str, public_key: bytes) -> None:
        """Check the signature; raises `VerificationError`."""
        verify("proposal", public_key, self.sign_bytes(chain_id), self.signature)


class _ProposalSigned(Struct, tag="proposal"):
    protocol_version: int
    chain_id: str
    height: int
    round: int
    pol_round: int
    block_hash: bytes


def proposal_sign_bytes(chain_id: str, height: int, round_: int, pol_round: int, block_hash: bytes) -> bytes:
    """Return the bytes a proposal's signature is over."""
    return encode(_ProposalSigned(PROTOCOL_VERSION, chain_id, height, round_, pol_round, block_hash))


class DuplicateVote(Struct, tag="duplicate-vote"):
    """Two different votes of one validator in one height, round and type, ordered by block hash (nil first)."""

    first: Vote
    second: Vote


class DuplicateProposal(Struct, tag="duplicate-proposal"):
    """Two different proposals of one proposer in one height and round, ordered by sign bytes."""

    first: Proposal
    second: Proposal


Evidence = DuplicateVote | DuplicateProposal


class CommitSignature(Struct):
    """One validator's precommit inside a commit."""

    validator: Name
    signature: Signature


class Commit(Struct):
    """Precommits of a minimal quorum of more than 2/3, sorted by validator, over one block hash."""

    height: Height
    round: Round
    block_hash: Hash
    signatures: Annotated[tuple[CommitSignature, ...], Meta(min_length=1, max_length=VALIDATORS_MAX)]


class Block(Struct):
    """A header and what it commits to."""

    header: BlockHeader
    submissions: tuple[Submission, ...]
    evidence: Annotated[tuple[Evidence, ...], Meta(max_length=BLOCK_EVIDENCE_MAX)]


def submissions_root(submissions: tuple[Submission, ...]) -> bytes:
    """Return the header's `transactions_root`."""
    return merkle.root([merkle.leaf_hash(encode(submission)) for submission in submissions])


def receipts_root(receipts: tuple[Receipt, ...]) -> bytes:
    """Return the header's `receipts_root`."""
    return merkle.root([merkle.leaf_hash(encode(receipt)) for receipt in receipts])


def evidence_root(evidence: tuple[Evidence, ...]) -> bytes:
    """Return the header's `evidence_root`."""
    return merkle.root([merkle.leaf_hash(encode(item)) for item in evidence])


def make_commit(votes: tuple[Vote, ...], validators: ValidatorSet) -> Commit:
    """Return the minimal commit from precommits for one block hash, by power and then name.

    Args:
        votes: Verified precommits of one height, round and non-nil block hash, at most one per validator.
        validators: The set of that height.
    """
    first = votes[0]
    assert first.block_hash is not None, "nil is never committed"
    ranked = sorted(votes, key=lambda vote: (-validators.power(vote.validator), vote.validator))
    chosen: list[Vote] = []
    power = 0
    for vote in ranked:
        chosen.append(vote)
        power += validators.power(vote.validator)
        if validators.is_quorum(power):
            break
    assert validators.is_quorum(power), "a commit needs a quorum"
    chosen.sort(key=lambda vote: vote.validator)
    signatures = tuple(CommitSignature(vote.validator, vote.signature) for vote in chosen)
    return Commit(first.height, first.round, first.block_hash, signatures)


def verify_commit(commit: Commit, header: BlockHeader, validators: ValidatorSet) -> None:
    """Check that a minimal quorum of `validators` precommitted exactly this header.

    Raises:
        VerificationError: Naming the first thing that does not hold.
    """
    if header.validators_hash != validators.hash:
        msg = f"commit {commit.height}: the header names another validator set"
        raise VerificationError(msg)
    if commit.height != header.height or commit.block_hash != header.hash:
        msg = f"commit {commit.height}: certifies another block than header {header.height}"
        raise VerificationError(msg)
    names = [entry.validator for entry in commit.signatures]
    if names != sorted(set(names)):
        msg = f"commit {commit.height}: validators are not sorted and distinct"
        raise VerificationError(msg)
    message = vote_sign_bytes(header.chain_id, PRECOMMIT, commit.height, commit.round, commit.block_hash)
    power = 0
    smallest = 0
    for entry in commit.signatures:
        validator = validators.get(entry.validator)
        if validator is None:
            msg = f"commit {commit.height}: {entry.validator} is no validator of this height"
            raise VerificationError(msg)
        verify("vote", validator.public_key, message, entry.signature)
        power += validator.power
        smallest = validator.power if smallest == 0 else min(smallest, validator.power)
    if not validators.is_quorum(power):
        msg = f"commit {commit.height}: power {power} of {validators.total_power} is no quorum"
        raise VerificationError(msg)
    if validators.is_quorum(power - smallest):
        msg = f"commit {commit.height}: more signatures than a minimal quorum"
        raise VerificationError(msg)
