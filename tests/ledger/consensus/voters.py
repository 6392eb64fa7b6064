"""Validators with real keys, and votes and proposals signed by them."""

from ledger.blocks import Proposal, Vote, proposal_sign_bytes, vote_sign_bytes
from ledger.crypto.hashes import hash_tagged
from ledger.crypto.signatures import PrivateKey, sign_proposal, sign_vote
from ledger.membership import Validator, ValidatorSet

CHAIN_ID = "xinpei-test"
NAMES = ("a", "b", "c", "d")
KEYS = {name: PrivateKey(hash_tagged("test/key", name.encode())) for name in (*NAMES, "stranger")}
VALIDATORS = ValidatorSet(tuple(Validator(name, KEYS[name].public_key, 1) for name in NAMES))
HEIGHT = 4
"""At this height, `a` proposes in round 0, `b` in round 1, and so on."""


def value(label: str) -> bytes:
    """Return a block hash."""
    return hash_tagged("test/value", label.encode())


V = value("v")
W = value("w")


def vote(type_: int, round_: int, block_hash: bytes | None, name: str, height: int = HEIGHT) -> Vote:
    """Return a signed vote."""
    message = vote_sign_bytes(CHAIN_ID, type_, height, round_, block_hash)
    return Vote(type_, height, round_, block_hash, name, sign_vote(KEYS[name], message))  # type: ignore[arg-type]


def proposal(round_: int, block_hash: bytes, pol_round: int = -1, name: str = "", height: int = HEIGHT) -> Proposal:
    """Return a signed proposal, by default of the round's proposer."""
    name = name or VALIDATORS.proposer(height, round_).name
    message = proposal_sign_bytes(CHAIN_ID, height, round_, pol_round, block_hash)
    return Proposal(height, round_, pol_round, block_hash, name, sign_proposal(KEYS[name], message))
