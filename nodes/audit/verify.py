"""Verifies a dossier offline and says the first thing that does not hold.

In this order: the file's canonical form; the chain and the genesis hash; the walk over the validator sets, each
header's commit by more than two thirds of its validators; the proof that every entry of the evidence is in the state,
and that no grant has a later version; the rules of consent, parts and figures (`nodes.audit.rules`); the insurer's
signature over each decision; and the signatures of customer, hospital, insurer and rail behind the entries.

What is trusted is the genesis, and that no two thirds of any past validator set have leaked their keys: with those,
another past could be signed. A checkpoint, a header hash from somebody trusted, removes that assumption. What the
state proves is that the members said so, each under its own key: not that the person behind the pseudonym is the right
one (two members matched her, by signature), not that the bill is true, and not what later heights hold.

Erased records and missing openings do not matter here: commitments remain, and nothing else of a record is used. What
was erased or restricted, by whom and when, is proven with the rest; that bytes are gone from a disk nobody can prove.
"""

from dataclasses import dataclass

from contracts.customers import pseudonym
from contracts.outcomes import decision_message
from ledger.blocks import BlockHeader
from ledger.codec import encode
from ledger.crypto.signatures import verify
from ledger.errors import VerificationError
from ledger.execution.loader import ContractSet
from ledger.genesis import Genesis
from ledger.light_client import TrustedState, advance, trust_genesis
from ledger.membership import CUSTOMER_PREFIX, Actor, ValidatorSet
from ledger.merkle import leaf_hash
from ledger.state_multiproof import verify_many
from ledger.transactions import batch_sign_bytes
from nodes.audit.consent import check_consent
from nodes.audit.deeds import Deed, batch_root, list_deeds, rebuild
from nodes.audit.dossier import Certificate, Dossier, read_dossier
from nodes.audit.evidence import Act, Batch, Evidence, list_entries
from nodes.audit.expectation import expect
from nodes.audit.rules import check_erasures, check_figures, check_parts

TRUST = (
    "trusted: the genesis, and that no two thirds of any past validator set have leaked their keys",
    "not proven: that hospital and insurer matched the right person, that the bill is true, and anything later",
)
"""What the verification rests on and leaves open; printed with every result."""


@dataclass(frozen=True)
class VerifiedClaim:
    """What a dossier proved; made by `verify_dossier` only."""

    genesis: Genesis
    evidence: Evidence
    header: BlockHeader
    """As of which height, time and state."""
    validators: ValidatorSet
    """Who decided that header."""
    set_changes: int
    signatures: int
    """Submissions and decisions whose signature was checked."""


def verify_dossier(data: bytes, genesis: Genesis, checkpoint: bytes | None = None) -> VerifiedClaim:
    """Check everything about a dossier.

    Args:
        data: The file.
        genesis: What the verifier trusts.
        checkpoint: The hash of a header that somebody trusted vouches for; it must be among the dossier's.

    Raises:
        VerificationError: Naming the first thing that does not hold.
    """
    dossier, evidence, proof = read_dossier(data)
    expect("chain id", genesis.chain_id, dossier.chain_id)
    expect("genesis hash", genesis.hash, dossier.genesis_hash)
    expect("claim id", dossier.claim_id, evidence.claim.claim_id)
    validators = walk_certificates(genesis, dossier.certificates)
    header = dossier.certificates[-1].header
    _check_checkpoint(dossier, checkpoint)
    verify_many(header.state_root, list_entries(evidence), proof)
    _check_members(genesis, evidence)
    check_consent(evidence)
    check_parts(evidence)
    check_figures(evidence)
    check_erasures(evidence, {item.name for item in genesis.organisations if item.role == "rail"})
    signatures = _check_decisions(genesis, evidence) + _check_deeds(genesis, evidence)
    return VerifiedClaim(genesis, evidence, header, validators, len(dossier.certificates) - 1, signatures)


def walk_certificates(genesis: Genesis, certificates: tuple[Certificate, ...]) -> ValidatorSet:
    """Check the walk from the genesis to the last header, and return who decided that.

    Raises:
        VerificationError: Naming the header, commit or step that does not hold.
    """
    trusted: TrustedState = trust_genesis(genesis)
    deciding = trusted.validators
    for place, certificate in enumerate(certificates):
        deciding = trusted.validators
        expect("header chain id", genesis.chain_id, certificate.header.chain_id)
        if certificate.header.next_validators_hash == deciding.hash:
            expect(f"next validators of header {certificate.header.height}", None, certificate.next_validators)
            if place < len(certificates) - 1:
                msg = f"header {certificate.header.height}: changes no validator set and is not the last one"
                raise VerificationError(msg)
        trusted = advance(trusted, certificate.header, certificate.commit, certificate.next_validators)
    return deciding


def check_contracts(genesis: Genesis, contracts: ContractSet) -> None:
    """Check that these are the contracts that the genesis pins: the rules that ran, and the adjudicator to run again.

    Raises:
        VerificationError: Naming the first contract that differs.
    """
    pinned = {pin.name: pin.code_hash for pin in genesis.contracts}
    loaded = {pin.name: pin.code_hash for pin in contracts.pins()}
    for name in sorted(pinned.keys() | loaded.keys()):
        expect(f"contract {name}", pinned.get(name), loaded.get(name))


def _check_checkpoint(dossier: Dossier, checkpoint: bytes | None) -> None:
    hashes = [certificate.header.hash for certificate in dossier.certificates]
    if checkpoint is not None and checkpoint not in hashes:
        msg = f"checkpoint: expected header {checkpoint.hex()}, got {', '.join(item.hex() for item in hashes)}"
        raise VerificationError(msg)


def _check_members(genesis: Genesis, evidence: Evidence) -> None:
    claim = evidence.claim
    for name, role in ((claim.hospital, "hospital"), (claim.insurer, "insurer")):
        organisation = genesis.organisation(name)
        expect(f"{name} role", role, None if organisation is None else organisation.role)


def _check_decisions(genesis: Genesis, evidence: Evidence) -> int:
    """Check the insurer's own signature over each decision, apart from the submission's; return how many."""
    insurer = evidence.claim.insurer
    for settlement in evidence.settlements:
        key = _find_key(genesis, evidence, insurer, settlement.signer_key_version)
        message = decision_message(genesis.chain_id, insurer, settlement.outcome)
        try:
            verify("decision", key, message, settlement.signature)
        except VerificationError as error:
            msg = f"settlement {settlement.outcome.version} decision of {insurer}: {error}"
            raise VerificationError(msg) from None
    return len(evidence.settlements)


def _check_deeds(genesis: Genesis, evidence: Evidence) -> int:
    """Check who signed the transactions behind the entries; return how many submissions."""
    deeds = list(list_deeds(evidence))
    expect("acts", len(deeds), len(evidence.acts))
    order = list(dict.fromkeys(act.batch for act in evidence.acts))
    expect("batches", list(range(len(evidence.batches))), order)
    leaves: list[dict[int, bytes]] = [{} for _ in evidence.batches]
    for deed, act in zip(deeds, evidence.acts, strict=True):
        batch = evidence.batches[act.batch]
        _check_party(genesis, evidence, deed, batch)
        transaction = rebuild(genesis.chain_id, deed, act, batch)
        if deed.place is not None and deed.place.transaction_id != transaction.id:
            msg = (
                f"{deed.what}: expected transaction {deed.place.transaction_id.hex()}, as the state says, "
                f"got {transaction.id.hex()}"
            )
            raise VerificationError(msg)
        if act.position in leaves[act.batch]:
            msg = f"{deed.what}: position {act.position} of its batch is taken"
            raise VerificationError(msg)
        leaves[act.batch][act.position] = leaf_hash(encode(transaction))
    for number, batch in enumerate(evidence.batches):
        _check_signature(genesis, evidence, batch, leaves[number], deeds[_first(evidence.acts, number)].what)
    _check_actors_needed(evidence)
    return len(evidence.batches)


def _first(acts: tuple[Act, ...], batch: int) -> int:
    return next(place for place, act in enumerate(acts) if act.batch == batch)


def _check_party(genesis: Genesis, evidence: Evidence, deed: Deed, batch: Batch) -> None:
    claim = evidence.claim
    if deed.party == "rail":
        organisation = genesis.organisation(batch.signer)
        expect(f"{deed.what} signer's role", "rail", None if organisation is None else organisation.role)
        return
    if deed.party == "attestor":
        organisation = genesis.organisation(batch.signer)
        role = None if organisation is None else organisation.role
        if role not in ("hospital", "insurer"):
            msg = f"{deed.what} signer's role: expected hospital or insurer, got {role}"
            raise VerificationError(msg)
    parties = {"hospital": claim.hospital, "insurer": claim.insurer}
    expect(f"{deed.what} signer", parties.get(deed.party, deed.signer), batch.signer)


def _check_signature(genesis: Genesis, evidence: Evidence, batch: Batch, leaves: dict[int, bytes], first: str) -> None:
    root = batch_root(batch.count, leaves, batch.nodes)
    key = _find_key(genesis, evidence, batch.signer, batch.key_version)
    message = batch_sign_bytes(genesis.chain_id, batch.signer, batch.key_version, batch.count, root)
    try:
        verify("submission", key, message, batch.signature)
    except VerificationError as error:
        msg = f"{first} by {batch.signer}: {error}"
        raise VerificationError(msg) from None


def _find_key(genesis: Genesis, evidence: Evidence, signer: str, version: int) -> bytes:
    """Return a signer's key: of the genesis, by her pseudonym, or from the proven entry of its keys."""
    actor: Actor | None = next((item for item in evidence.actors if item.name == signer), None)
    if actor is not None:
        record = next((item for item in actor.keys if item.version == version), None)
        if record is not None:
            return record.public_key
    elif version == 1:
        organisation = genesis.organisation(signer)
        if organisation is not None:
            return organisation.public_key
        for key in evidence.customer_keys:
            if pseudonym(key) == signer:
                return key
    msg = f"{signer}: key version {version} is neither in the genesis nor in the evidence"
    raise VerificationError(msg)


def _check_actors_needed(evidence: Evidence) -> None:
    """Refuse keys that nothing was verified with."""
    rotated = sorted({batch.signer for batch in evidence.batches if batch.key_version > 1})
    expect("actors", rotated, [actor.name for actor in evidence.actors])
    signers = {batch.signer for batch in evidence.batches} - set(rotated)
    customers = sorted(signer for signer in signers if signer.startswith(CUSTOMER_PREFIX))
    expect("customer keys", customers, [pseudonym(key) for key in evidence.customer_keys])
