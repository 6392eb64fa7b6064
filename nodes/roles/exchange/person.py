"""Who a claim's customer is, as her insurer opens it to a regulator or an auditor: sealed, once that was entered.

The chain has one salted commitment to her identity in each grant, and the judgements of hospital and insurer that it is
somebody whom they know. A commitment opens whole or not at all, so this holds her whole identity as she disclosed it to
the insurer; who reads it masks what it shows.
"""

from typing import Annotated

from msgspec import Meta

from contracts.identifiers import GrantId
from ledger.codec import Struct, decode, encode
from nodes.identity import IdentityOpening
from nodes.vault.sealing import SealContext, Sealed, SealKeys, seal


class OpenedIdentity(Struct):
    """What opens the commitment of one grant."""

    grant_id: GrantId
    opening: IdentityOpening


class PersonOpening(Struct, tag="person-opening"):
    """Opens whom the grants of one claim are about."""

    links: Annotated[tuple[OpenedIdentity, ...], Meta(min_length=1, max_length=200)]
    """Sorted by grant."""

    def __repr__(self) -> str:
        """Show nothing: all of it is hers."""
        return "PersonOpening(...)"


def seal_person(
    public_key: bytes, chain_id: str, claim_id: str, insurer: str, auditor: str, opening: PersonOpening
) -> Sealed:
    """Seal who a claim's customer is to an auditor; raises `VerificationError` if the key is malformed."""
    return seal(public_key, _context(chain_id, claim_id, insurer, auditor), encode(opening))


def open_person(
    seal_key: SealKeys, sealed: Sealed, chain_id: str, claim_id: str, insurer: str, auditor: str
) -> PersonOpening:
    """Open what `seal_person` sealed.

    Raises:
        VerificationError: If it is for another claim, chain or reader, or does not open.
        DecodeError: If what was sealed is no identity.
    """
    return decode(seal_key.open(sealed, _context(chain_id, claim_id, insurer, auditor)), PersonOpening)


def _context(chain_id: str, claim_id: str, insurer: str, auditor: str) -> SealContext:
    return SealContext(chain_id, f"person.{claim_id}", insurer, auditor)
