"""The signer: a key that remembers where it last signed.

The replayed log makes a validator vote the same way twice; this is the second line of defence. Every signature has a
position (height, round, step), and positions only grow: at its last position the signer gives the same signature for
the same bytes, and refuses everything else there and before. The state is saved before what was signed is sent.

A key is made together with its state. A key without one refuses to sign, because nobody knows where it has voted:
the members give that validator a new key.
"""

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


class Signer:
    """Signs votes and proposals of one chain for one validator, each place once."""

    def __init__(self, chain_id: str, name: str, key: PrivateKey | None, state: SignerState | None) -> None:
        """Take a key and where it last signed.

        Args:
            chain_id: The only chain it signs for.
            name: The validator's name.
            key: None for a node that only follows.
            state: None if it is unknown: then the signer never signs.
        """
        self.chain_id = chain_id
        self.name = name
        self._key = key
        self.state = state

    @property
    def public_key(self) -> bytes | None:
        """The public half of the key, None if this signer never signs."""
        return self._key.public_key if self._key and self.state else None

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
        if self._key is None or self.state is None:
            return None
        position = (height, round_, step)
        if position == self.state.position and message == self.state.sign_bytes:
            return self.state.signature
        if position <= self.state.position:
            return None
        signature = (sign_proposal if step == PROPOSAL else sign_vote)(self._key, message)
        self.state = SignerState(height, round_, step, message, signature)
        return signature
