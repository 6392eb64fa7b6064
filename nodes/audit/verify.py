"""Verifies a dossier offline and says the first thing that does not hold.

In this order: the file's canonical form; the walk over the validator sets from the genesis or a checkpoint, each
header's commit by more than two thirds of its validators (`nodes.audit.trust`); the proof that every entry of the
evidence is in the state, and that no grant has a later version; the rules of consent, parts and figures
(`nodes.audit.rules`); the insurer's signature over each decision; and the signatures of customer, hospital, insurer and
rail behind the entries, with the keys that the state has for them.

What the state proves is that the members said so, each under its own key: not that the person behind the pseudonym is
the right one (two members matched her, by signature), not that the bill is true, and not what later heights hold.

Erased records and missing openings do not matter here: commitments remain, and nothing else of a record is used. What
was erased or restricted, by whom and when, is proven with the rest; that bytes are gone from a disk nobody can prove.
"""

from dataclasses import dataclass

from contracts.customers import pseudonym
from contracts.identifiers import Place
from contracts.outcomes import decision_message
from ledger.blocks import BlockHeader
from ledger.codec import encode
from ledger.crypto.signatures import verify
from ledger.errors import VerificationError
from ledger.membership import Actor
from ledger.merkle import leaf_hash
from ledger.state_multiproof import verify_many
from ledger.transactions import batch_sign_bytes
from nodes.audit.consent import check_consent
from nodes.audit.deeds import Deed, batch_root, list_deeds, rebuild
from nodes.audit.dossier import read_dossier
from nodes.audit.evidence import Act, Batch, Evidence, list_actors, list_entries
from nodes.audit.expectation import expect
from nodes.audit.rules import check_erasures, check_figures, check_parts, check_rules
from nodes.audit.trust import Ground, Trust, check_ground

LIMITS = "not proven: that hospital and insurer matched the right person, that the bill is true, and anything later"
"""What the verification leaves open; printed with every result."""


@dataclass(frozen=True)
class VerifiedClaim:
    """What a dossier proved; made by `verify_dossier` only."""

    evidence: Evidence
    ground: Ground
    """As of which height, time and state, and what that rests on."""
    signatures: int
    """Submissions and decisions whose signature was checked."""

    @property
    def header(self) -> BlockHeader:
        """The header whose state has the entries."""
        return self.ground.header

    @property
    def chain_id(self) -> str:
        """The chain."""
        return self.ground.header.chain_id


def verify_dossier(data: bytes, trust: Trust) -> VerifiedClaim:
    """Check everything about a dossier.

    Args:
        data: The file.
        trust: What the verifier begins with.

    Raises:
        VerificationError: Naming the first thing that does not hold.
    """
    dossier, evidence, proof = read_dossier(data)
    expect("claim id", dossier.claim_id, evidence.claim.claim_id)
    ground = check_ground(trust, dossier.chain_id, dossier.genesis_hash, dossier.certificates)
    verify_many(ground.header.state_root, list_entries(evidence, dossier.genesis_hash), proof)
    _check_members(evidence)
    check_consent(evidence)
    check_parts(evidence)
    check_rules(evidence)
    check_figures(evidence)
    check_erasures(evidence)
    signatures = _check_decisions(dossier.chain_id, evidence) + _check_deeds(dossier.chain_id, evidence)
    return VerifiedClaim(evidence, ground, signatures)


def _check_members(evidence: Evidence) -> None:
    """Check that the organisations have the roles in which they acted, and that nobody else is shown."""
    claim = evidence.claim
    for name, role in ((claim.hospital, "hospital"), (claim.insurer, "insurer")):
        expect(f"{name} role", role, _role(evidence, name))
    actors, customers = list_actors(evidence.claim, evidence.batches, evidence.erasures)
    expect("actors", actors, [actor.name for actor in evidence.actors])
    expect("customer keys", customers, [pseudonym(key) for key in evidence.customer_keys])


def _role(evidence: Evidence, name: str) -> str | None:
    return next((actor.role for actor in evidence.actors if actor.name == name), None)


def _check_decisions(chain_id: str, evidence: Evidence) -> int:
    """Check the signatures over each decision, apart from the submissions'; return how many.

    The insurer signs every one; the hospital too, where it ran the rules.
    """
    insurer = evidence.claim.insurer
    for settlement in evidence.settlements:
        key = _find_key(evidence, insurer, settlement.signer_key_version, settlement.place)
        message = decision_message(chain_id, insurer, settlement.outcome)
        try:
            verify("decision", key, message, settlement.signature)
        except VerificationError as error:
            msg = f"settlement {settlement.outcome.version} decision of {insurer}: {error}"
            raise VerificationError(msg) from None
    for execution in evidence.executions:
        key = _find_key(evidence, execution.hospital, execution.signer_key_version, execution.place)
        message = decision_message(chain_id, execution.hospital, execution.outcome)
        try:
            verify("decision", key, message, execution.signature)
        except VerificationError as error:
            msg = f"visit {execution.sequence} decision of {execution.hospital}: {error}"
            raise VerificationError(msg) from None
    return len(evidence.settlements) + len(evidence.executions)


def _check_deeds(chain_id: str, evidence: Evidence) -> int:
    """Check who signed the transactions behind the entries; return how many submissions."""
    deeds = list(list_deeds(evidence))
    expect("acts", len(deeds), len(evidence.acts))
    order = list(dict.fromkeys(act.batch for act in evidence.acts))
    expect("batches", list(range(len(evidence.batches))), order)
    leaves: list[dict[int, bytes]] = [{} for _ in evidence.batches]
    for deed, act in zip(deeds, evidence.acts, strict=True):
        batch = evidence.batches[act.batch]
        _check_party(evidence, deed, batch)
        transaction = rebuild(chain_id, deed, act, batch)
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
        _check_signature(chain_id, evidence, batch, leaves[number], deeds[_first(evidence.acts, number)])
    return len(evidence.batches)


def _first(acts: tuple[Act, ...], batch: int) -> int:
    return next(place for place, act in enumerate(acts) if act.batch == batch)


def _check_party(evidence: Evidence, deed: Deed, batch: Batch) -> None:
    claim = evidence.claim
    if deed.party == "rail":
        expect(f"{deed.what} signer's role", "rail", _role(evidence, batch.signer))
        expect(f"{deed.what} signer", deed.signer, batch.signer)
        return
    if deed.party == "attestor":
        role = _role(evidence, batch.signer)
        if role not in ("hospital", "insurer"):
            msg = f"{deed.what} signer's role: expected hospital or insurer, got {role}"
            raise VerificationError(msg)
    parties = {"hospital": claim.hospital, "insurer": claim.insurer}
    expect(f"{deed.what} signer", parties.get(deed.party, deed.signer), batch.signer)


def _check_signature(chain_id: str, evidence: Evidence, batch: Batch, leaves: dict[int, bytes], first: Deed) -> None:
    root = batch_root(batch.count, leaves, batch.nodes)
    key = _find_key(evidence, batch.signer, batch.key_version, first.place)
    message = batch_sign_bytes(chain_id, batch.signer, batch.key_version, batch.count, root)
    try:
        verify("submission", key, message, batch.signature)
    except VerificationError as error:
        msg = f"{first.what} by {batch.signer}: {error}"
        raise VerificationError(msg) from None


def _find_key(evidence: Evidence, signer: str, version: int, place: Place | None) -> bytes:
    """Return a signer's key: from the proven entry of its keys, or by her pseudonym.

    Args:
        evidence: Has the entry.
        signer: Whose.
        version: Which of the keys.
        place: Where it must have been in force; None where that is not shown.
    """
    actor: Actor | None = next((item for item in evidence.actors if item.name == signer), None)
    if actor is not None:
        record = next((item for item in actor.keys if item.version == version), None)
        if record is not None and (place is None or record.in_force(place.height)):
            return record.public_key
    elif version == 1:
        for key in evidence.customer_keys:
            if pseudonym(key) == signer:
                return key
    msg = f"{signer}: key version {version} is not among its keys in the evidence, or was not in force"
    raise VerificationError(msg)
