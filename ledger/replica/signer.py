"""The signer: a key that remembers where it last signed.

The replayed log makes a validator vote the same way twice; this is the second line of defence. Every signature has a
position (height, round, step), and positions only grow: at its last position the signer gives the same signature for
the same bytes, and refuses everything else there and before. The state is saved before what was signed is sent.

A key is made together with its state. A key without one refuses to sign, because nobody knows where it has voted:
the members give that validator a new key. Each key has a state of its own, and each height names the key that votes
there: a new one signs nothing before its height, an old one nothing after.
"""

from dataclasses import dataclass
from typing import Annotated, Final, Literal

from msgspec import Meta

from ledger.blocks import (
    Proposal,
    Round,
    Vote,
    proposal_sign_bytes,
    vote_sign_bytes,
)
from ledger.codec import Height, Struct
from ledger.consensus.round import CastVote, Propose
from ledger.crypto.signatures import PrivateKey, sign_proposal, sign_vote

PROPOSAL: Final = 0
"""The step of a signed proposal; prevote and precommit are `ledger.blocks.PREVOTE` and `PRECOMMIT`: they grow."""


class SignerState(Struct):
    """The last position a key signed at, and what."""

    height: Height
    """0 for a key that has never signed."""
    round: Round
    step: Literal[0, 1, 2]
    """0 proposal, 1 prevote, 2 precommit: the order within a round."""
    sign_bytes: Annotated[bytes, Meta(max_length=2048)]
    """What the signature is over: the same bytes may be sent again, no others at this position."""
    signature: Annotated[bytes, Meta(max_length=64)]

    @property
    def position(self) -> tuple[int, int, int]:
        """Height, round and step, which only ever grow."""
        return (self.height, self.round, self.step)


NOTHING_SIGNED = SignerState(0, 0, PROPOSAL, b"", b"")
"""The state a key is made with."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One version of a consensus key, and what it has signed last."""

    key: PrivateKey
    state: SignerState | None
    """None if it is unknown: then this key never signs."""


class Signer:
    """Signs votes and proposals of one chain for one validator, each place once."""

    def __init__(self, chain_id: str, name: str, keys: tuple[SigningKey, ...]) -> None:
        """Take all versions of a key and where each last signed; none is selected.

        Args:
            chain_id: The only chain it signs for.
            name: The validator's name.
            keys: None of them for a node that only follows.
        """
        self.chain_id = chain_id
        self.name = name
        self._keys = {item.key.public_key: item.key for item in keys}
        self._states = {item.key.public_key: item.state for item in keys}
        self.public_key: bytes | None = None
        """Which key signs now; None if it is none of ours."""

    def has(self, public_key: bytes) -> bool:
        """Whether this is one of our keys, with its state or without."""
        return public_key in self._keys

    def select(self, public_key: bytes | None) -> None:
        """Sign with this key from now on, if it is one of ours; else with none."""
        self.public_key = public_key if public_key in self._keys else None

    @property
    def state(self) -> SignerState | None:
        """Where the selected key last signed; None if that is unknown, or none is selected."""
        return None if self.public_key is None else self._states[self.public_key]

    def sign_bytes(self, height: int, wanted: CastVote | Propose) -> bytes:
        """Return what the signature of a vote or proposal of this height would be over."""
        if isinstance(wanted, CastVote):
            return vote_sign_bytes(self.chain_id, wanted.type, height, wanted.round, wanted.value)
        return proposal_sign_bytes(self.chain_id, height, wanted.round, wanted.pol_round, wanted.value)

    def sign(self, height: int, wanted: CastVote | Propose) -> Vote | Proposal | None:
        """Return the signed vote or proposal, or None if signing it is refused."""
        step = wanted.type if isinstance(wanted, CastVote) else PROPOSAL
        signature = self._sign(height, wanted.round, step, self.sign_bytes(height, wanted))
        if signature is None:
            return None
        if isinstance(wanted, CastVote):
            return Vote(wanted.type, height, wanted.round, wanted.value, self.name, signature)
        return Proposal(height, wanted.round, wanted.pol_round, wanted.value, self.name, signature)

    def _sign(self, height: int, round_: int, step: Literal[0, 1, 2], message: bytes) -> bytes | None:
        state = self.state
        if self.public_key is None or state is None:
            return None
        position = (height, round_, step)
        if position == state.position and message == state.sign_bytes:
            return state.signature
        if position <= state.position:
            return None
        key = self._keys[self.public_key]
        signature = (sign_proposal if step == PROPOSAL else sign_vote)(key, message)
        self._states[self.public_key] = SignerState(height, round_, step, message, signature)
        return signature
