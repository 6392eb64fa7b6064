"""The dossier: one file that shows a claim to whoever trusts the genesis or a checkpoint, without node or network.

    part            what it is                                       what binds it
    chain           chain id and genesis hash                        the headers; an entry of the proven state
    certificates    headers with their commits: one for every        signatures of more than two thirds of the
                    change of the validator set, then the latest     validators, set after set from what is trusted
    proof           multi-proof of the evidence, packed              the latest header's state root
    evidence        entries of the state, packed                     the proof; and what its entries say of each other
                    signed transactions behind them                  the entries' transaction ids, and the signatures

Nothing else is in it. It is canonical JSON: a changed byte changes a value, and every value is bound, so no byte of a
valid dossier can be another. It holds no name, no amount and no medical fact; it does link the pseudonym, hospital and
insurer of one claim, so it is for those who may know that.

Certificates, proof and evidence are packed rather than spelled out, which saves a third; people read the summary that
`verify` derives.
"""

from typing import Annotated, Literal

from msgspec import Meta

from contracts.identifiers import ClaimId
from ledger.blocks import BlockHeader, Commit
from ledger.codec import ChainId, Hash, Struct
from ledger.membership import ValidatorSet
from ledger.state_multiproof import StateMultiProof
from nodes.audit.evidence import Evidence
from nodes.audit.expectation import expect_canonical
from nodes.audit.packing import UNPACKED_BYTES_MAX, pack, unpack
from nodes.schemas.canonical_json import parse, render

FORMAT: Literal["xinpei-dossier/1"] = "xinpei-dossier/1"
CERTIFICATES_MAX = 1_024
"""Changes of the validator set between the genesis and the dossier."""


class Certificate(Struct):
    """A header that its validators decided."""

    header: BlockHeader
    commit: Commit
    next_validators: ValidatorSet | None
    """Who votes on the next height, if that is another set than decided this one."""
    validators: ValidatorSet | None
    """Who decided it: of the last certificate, so that it can be checked by whoever trusts its hash; else None."""


class Dossier(Struct):
    """One claim, as of the last certificate's height."""

    chain_id: ChainId
    genesis_hash: Hash
    claim_id: ClaimId
    certificates: Annotated[tuple[Certificate, ...], Meta(min_length=1, max_length=CERTIFICATES_MAX)]
    proof: Annotated[bytes, Meta(max_length=UNPACKED_BYTES_MAX)]
    """`packing.pack` of a `StateMultiProof`."""
    evidence: Annotated[bytes, Meta(max_length=UNPACKED_BYTES_MAX)]
    """`packing.pack` of an `Evidence`."""


class Walk(Struct):
    """The certificates as they are packed."""

    certificates: Annotated[tuple[Certificate, ...], Meta(min_length=1, max_length=CERTIFICATES_MAX)]


class DossierFile(Struct):
    """A dossier as it is written."""

    format: Literal["xinpei-dossier/1"]
    chain_id: ChainId
    genesis_hash: Hash
    claim_id: ClaimId
    certificates: Annotated[bytes, Meta(max_length=UNPACKED_BYTES_MAX)]
    """`packing.pack` of a `Walk`."""
    proof: Annotated[bytes, Meta(max_length=UNPACKED_BYTES_MAX)]
    evidence: Annotated[bytes, Meta(max_length=UNPACKED_BYTES_MAX)]


def render_dossier(dossier: Dossier) -> bytes:
    """Return the bytes of a dossier's file."""
    walk = pack(Walk(dossier.certificates))
    named = (dossier.chain_id, dossier.genesis_hash, dossier.claim_id)
    return render(DossierFile(FORMAT, *named, walk, dossier.proof, dossier.evidence))


def read_dossier(data: bytes) -> tuple[Dossier, Evidence, StateMultiProof]:
    """Return a dossier, its evidence and its proof from the file's bytes; nothing is verified yet.

    Raises:
        VerificationError: If the file is not canonical, or is no dossier.
    """
    with expect_canonical():
        file = parse(data, DossierFile)
        walk = unpack(file.certificates, Walk)
        evidence, proof = unpack(file.evidence, Evidence), unpack(file.proof, StateMultiProof)
    named = (file.chain_id, file.genesis_hash, file.claim_id)
    return Dossier(*named, walk.certificates, file.proof, file.evidence), evidence, proof
