"""Whom a claim is about: a grant's commitment to an identity is opened, and the two judgements of it are named.

A dossier has a pseudonym. Behind it stand, in each grant, one salted commitment to who the customer is, and the
judgements of hospital and insurer that it is somebody in their own master data. Whoever has what opens it can name her:

    her wallet               its seed and the grant's own words give the salt (`nodes.wallet`)
    a regulator or auditor   if the insurer sealed it to them, as an entry says (`nodes.roles.exchange.person`)

What is given for a grant and does not open its commitment is refused: nobody is shown another person than was judged.
A commitment opens whole; what is shown of it is masked unless it is asked for.
"""

from dataclasses import dataclass
from typing import Any

from contracts.identifiers import Place
from ledger.errors import DecodeError, VerificationError
from nodes.audit.evidence import GrantEvidence
from nodes.audit.expectation import expect_canonical
from nodes.audit.reveal import Openings, ReaderError
from nodes.audit.summary import locate_deed
from nodes.audit.verify import VerifiedClaim
from nodes.identity import Identity, IdentityOpening
from nodes.roles.exchange.person import open_person
from nodes.schemas.canonical_json import parse
from nodes.vault.sealing import SealKeys
from nodes.wallet import Wallet

SHOWN_CHARACTERS = 4
"""Of a document's number, at its end; of a shorter one none is shown."""


@dataclass(frozen=True)
class RevealedLink:
    """One grant's commitment, opened or not, and where hospital and insurer last said that they matched it."""

    grant_id: str
    identity: Identity | None
    """None if its commitment was not opened."""
    versions: tuple[int, ...]
    """Those of the grant that are shown and commit to what was opened."""
    matched: tuple[tuple[str, Place], ...]
    """(organisation, place) for those whose latest judgement of what was opened is a match."""


@dataclass(frozen=True)
class RevealedPerson:
    """Whom a claim's grants are about; made by `reveal_own_person` and `reveal_person` only."""

    links: tuple[RevealedLink, ...]


def reveal_own_person(verified: VerifiedClaim, wallet: Wallet) -> RevealedPerson:
    """Open with the customer's own wallet whom a claim's grants are about; one that it did not sign stays closed."""
    claim = verified.evidence.claim
    found = {}
    for shown in verified.evidence.grants:
        for version in shown.versions:
            words = version.grant
            for item in words.identities:
                opened = wallet.find_identity(
                    verified.chain_id, claim.hospital, claim.insurer, words.scope.dates, item.commitment
                )
                if opened is not None:
                    found[words.grant_id] = opened
    return _reveal(verified, found)


def reveal_person(verified: VerifiedClaim, data: bytes, seal_key: SealKeys, auditor: str) -> RevealedPerson | None:
    """Open whom a claim's grants are about, as its insurer sealed it to an auditor.

    Args:
        verified: From `verify_dossier`.
        data: The openings file.
        seal_key: The auditor's.
        auditor: Who opens.

    Returns:
        None if the file says of nobody who she is.

    Raises:
        VerificationError: If it does not open, or what is given for a grant of the claim does not open its commitment.
        ReaderError: If it was sealed to another than `auditor`.
    """
    with expect_canonical("openings"):
        sealed = parse(data, Openings).person
    if sealed is None:
        return None
    if sealed.context.recipient != auditor:
        raise ReaderError("person", sealed.context.recipient, auditor)
    claim = verified.evidence.claim
    try:
        opening = open_person(seal_key, sealed, verified.chain_id, claim.claim_id, claim.insurer, auditor)
    except DecodeError as error:
        msg = f"person: {error}"
        raise VerificationError(msg) from None
    return _reveal(verified, {item.grant_id: item.opening for item in opening.links})


def describe_person(person: RevealedPerson | None, *, whole: bool) -> list[dict[str, Any]] | None:
    """Return whom the grants are about as JSON values; None if nothing was tried.

    Args:
        person: What was opened.
        whole: Show everything that the commitment opens to, and not the end of the document's number alone.
    """
    if person is None:
        return None
    return [
        {
            "grant": link.grant_id,
            "versions": list(link.versions),
            "identity": None if link.identity is None else _describe_identity(link.identity, whole=whole),
            "matched": [{"by": organisation, **locate_deed(place)} for organisation, place in link.matched],
        }
        for link in person.links
    ]


def mask_number(number: str) -> str:
    """Return the end of a document's number, the rest as dots."""
    shown = number[-SHOWN_CHARACTERS:] if len(number) > 2 * SHOWN_CHARACTERS else ""
    return "·" * (len(number) - len(shown)) + shown


def _describe_identity(identity: Identity, *, whole: bool) -> dict[str, Any]:
    facts: dict[str, Any] = {"name": identity.name, "document_type": identity.document_type}
    if not whole:
        return {**facts, "document_number": mask_number(identity.document_number)}
    rest = {"document_number": identity.document_number, "birth_date": identity.birth_date, "phone": identity.phone}
    return facts | rest


def _reveal(verified: VerifiedClaim, openings: dict[str, IdentityOpening]) -> RevealedPerson:
    evidence = verified.evidence
    shown = {grant.versions[-1].grant.grant_id: grant for grant in evidence.grants}
    parties = (evidence.claim.hospital, evidence.claim.insurer)
    return RevealedPerson(
        tuple(_reveal_link(grant_id, grant, parties, openings.get(grant_id)) for grant_id, grant in shown.items())
    )


def _reveal_link(
    grant_id: str, grant: GrantEvidence, parties: tuple[str, str], opening: IdentityOpening | None
) -> RevealedLink:
    if opening is None:
        return RevealedLink(grant_id, None, (), ())
    commitment = opening.commitment
    versions = tuple(
        version.version
        for version in grant.versions
        if all(item.commitment == commitment for item in version.grant.identities)
    )
    if not versions:
        msg = f"person: what was given for {grant_id} does not open its commitment: hospital and insurer judged another"
        raise VerificationError(msg)
    matched = []
    for organisation, history in zip(parties, grant.links, strict=True):
        judged = [entry for entry in history.entries if entry.identity == commitment]
        if judged and judged[-1].result == "matched":
            first = next(entry for entry in judged if entry.result == "matched")
            matched.append((organisation, first.place))
    return RevealedLink(grant_id, opening.identity, versions, tuple(matched))
