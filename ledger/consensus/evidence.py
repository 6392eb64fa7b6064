"""Evidence: two signatures of one validator that no honest validator gives.

Two different votes in one height, round and type, or two different proposals in one height and round. Evidence is put
into a canonical order, so that the same pair has one encoding. All that a validator signs twice at one height is one
offence, included once; it is verified with the keys of *that* height and refused when it is too old. What it does to
the validator is the members' decision, not this module's. Amnesia (voting against one's lock) leaves no such pair and
is not detected.
"""

from typing import NoReturn

from ledger.blocks import DuplicateProposal, DuplicateVote, Evidence, Proposal, Vote
from ledger.codec import encode
from ledger.crypto.hashes import hash_tagged
from ledger.errors import VerificationError
from ledger.limits import EVIDENCE_AGE_HEIGHTS_MAX
from ledger.membership import ValidatorSet


def pair_votes(one: Vote, other: Vote) -> DuplicateVote:
    """Return the evidence for two conflicting votes: ordered by block hash, nil first."""
    first, second = sorted((one, other), key=lambda vote: vote.block_hash or b"")
    return DuplicateVote(first, second)


def pair_proposals(one: Proposal, other: Proposal) -> DuplicateProposal:
    """Return the evidence for two conflicting proposals: ordered by what they sign, block hash before pol_round."""
    first, second = sorted((one, other), key=lambda proposal: (proposal.block_hash, proposal.pol_round))
    return DuplicateProposal(first, second)


def offender(evidence: Evidence) -> str:
    """Return the name of the validator that signed twice."""
    return evidence.first.validator if isinstance(evidence, DuplicateVote) else evidence.first.proposer


def offence_id(evidence: Evidence) -> bytes:
    """Return what makes an offence one offence, 32 bytes: who signed twice, and at which height.

    Not in which round and not what: whoever may sign once more is told nothing new about by a second pair, and could
    make as many of them as it likes, each a reason for another block.
    """
    return hash_tagged("xinpei/offence/v1", encode((offender(evidence), evidence.first.height)))


def verify_evidence(evidence: Evidence, chain_id: str, height: int, validators: ValidatorSet) -> None:
    """Check that the evidence proves an offence and may still be included.

    Args:
        evidence: What a peer or a proposal says.
        chain_id: The chain both signatures must be for.
        height: The height of the block that would include it.
        validators: The set of the height of the offence, not of `height`.

    Raises:
        VerificationError: Naming the first thing that does not hold.
    """
    first, second = evidence.first, evidence.second
    name = offender(evidence)
    if (first.height, first.round) != (second.height, second.round):
        _refuse(name, f"both in height {first.height} round {first.round}", f"{second.height} and {second.round}")
    if not height - EVIDENCE_AGE_HEIGHTS_MAX <= first.height <= height:
        _refuse(name, f"an offence at most {EVIDENCE_AGE_HEIGHTS_MAX} heights before {height}", f"{first.height}")
    if isinstance(first, Vote) and isinstance(second, Vote):
        if (first.validator, first.type) != (second.validator, second.type):
            _refuse(name, "one validator and one vote type", f"{second.validator}, type {second.type}")
        if first.block_hash == second.block_hash:
            _refuse(name, "two different votes", "the same vote twice")
        ordered: Evidence = pair_votes(first, second)
    elif isinstance(first, Proposal) and isinstance(second, Proposal):
        if first.proposer != second.proposer:
            _refuse(name, "one proposer", second.proposer)
        if (first.block_hash, first.pol_round) == (second.block_hash, second.pol_round):
            _refuse(name, "two different proposals", "the same proposal twice")
        ordered = pair_proposals(first, second)
    else:
        _refuse(name, "two votes or two proposals", "one of each")
    if ordered != evidence:
        _refuse(name, "the canonical order", "the reverse")
    validator = validators.get(name)
    if validator is None:
        _refuse(name, f"a validator of height {first.height}", "a stranger")
    first.verify(chain_id, validator.public_key)
    second.verify(chain_id, validator.public_key)


def _refuse(name: str, expected: str, actual: str) -> NoReturn:
    msg = f"evidence against {name}: expected {expected}, got {actual}"
    raise VerificationError(msg)
