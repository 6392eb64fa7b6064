"""Why somebody broke the glass: kept where it was done, told to a regulator that reviews it; the chain has its hash."""

from typing import Annotated

from msgspec import Meta

from ledger.codec import Hash, Struct, encode
from ledger.crypto.hashes import commit_salted
from ledger.errors import VerificationError

REASON_CHARACTERS_MAX = 500
Salt = Annotated[bytes, Meta(min_length=32, max_length=32)]


class GlassReason(Struct):
    """Who looked, and why, as the desk said it, with the salt that opens its commitment."""

    text: Annotated[str, Meta(min_length=1, max_length=REASON_CHARACTERS_MAX)]
    salt: Salt

    def __repr__(self) -> str:
        """Show nothing: a reason speaks of somebody's illness."""
        return "GlassReason(...)"

    @property
    def commitment(self) -> Hash:
        """What the use, or its review, has on the chain."""
        return commit_salted(self.salt, encode(self.text))

    def verify(self, expected: bytes) -> None:
        """Raise `VerificationError` if this is not what was committed to."""
        if self.commitment != expected:
            msg = "reason: not the one that was committed to when the glass was broken"
            raise VerificationError(msg)


def name_reason(use_id: str) -> str:
    """Return the record id of a sealed reason's context."""
    return f"reason.{use_id}"
