"""What a dossier shows: the entries of one claim in the state, and which entries those must be.

    contract     entries
    claims       the claim; all its settlements; all its payments
    consent      of every grant that was used: the versions used, those after them, the latest one, and the absence of
                 the next; the judgements of hospital and insurer; a guardian's countersignature where one was needed;
                 all denials of the customer in all versions, or that there never was one
    authorities  what guardians, delegates and heirs among the grantors rested on
    records      its stays; the closings that were settled; one share of every part of these that was handed over
    visits       for settlements under a grant that has rules visit the data: what the hospital entered as their result
    coverage     the balance that a settlement started from, unless it is 0 or the former settlement's own
    retention    what its holders were asked to erase and answered, row by row, and that there is no further row; so
                 for hospital and insurer also that nobody asked
    membership   hospital, insurer, rail and who attested authorities, with their roles and keys; the code of the
                 adjudicator; and on which genesis the chain was founded
    customers    the keys of pseudonyms that signed with another than their first

Keys are derived from the values, and nothing may be there that is not needed: what no check looks at would be an
unverified statement in a verified file. `list_entries` gives the keys, `verify` compares.

What the members' contracts enforce at every settlement is not shown a second time: that the policy is the insurer's
and its payee current, that invoices are consumed by this claim alone, that the recipient confirmed every part.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated

from msgspec import Meta

from contracts.erasures import ErasureRow
from contracts.executions import ExecutionReceipt
from contracts.grants import DENIALS_MAX, Countersignature, Denials, GrantVersion, LinkHistory, RecordType
from contracts.identifiers import Place
from contracts.mandates import Authority
from contracts.membership import Founding
from contracts.needs import Act as ConsentAct
from contracts.policies import Balance
from contracts.settlements import Claim, Payment, Settlement
from contracts.stays import Closing, ShareReceipt, Stay
from ledger.codec import Hash, Height, Milliseconds, Name, Nonce, PublicKey, Signature, Struct, encode
from ledger.errors import VerificationError
from ledger.execution.contract import actor_key
from ledger.execution.state import Key, encode_key
from ledger.genesis import PinHistory
from ledger.membership import CUSTOMER_PREFIX, Actor
from ledger.transactions import KeyVersion

ADJUDICATOR = "adjudication"
"""The contract that decided, and that is run again where amounts are opened."""
ITEMS_MAX = 1_024
"""Of one kind: 8 stays of 32 parts, corrected and shared four times."""
Count = Annotated[int, Meta(ge=0, le=ITEMS_MAX)]


def founding_entry(genesis_hash: bytes) -> dict[bytes, bytes | None]:
    """Return the state entry that says on which genesis a chain was founded."""
    return {encode_key("membership", "founding", "genesis"): encode(Founding(genesis_hash))}


class Countersigned(Struct):
    """A guardian's countersignature of one version."""

    version: Annotated[int, Meta(ge=1)]
    signature: Countersignature


class GrantEvidence(Struct):
    """One grant that the claim used."""

    versions: Annotated[tuple[GrantVersion, ...], Meta(min_length=1, max_length=ITEMS_MAX)]
    """Sorted: those used, each one's next, the latest. There is none after the last."""
    links: Annotated[tuple[LinkHistory, ...], Meta(min_length=2, max_length=2)]
    """The judgements of the claim's hospital and of its insurer."""
    countersignatures: Annotated[tuple[Countersigned, ...], Meta(max_length=ITEMS_MAX)]
    """Of the versions that a subject of 14 to 17 gave, where there is one; sorted."""


class DenialEvidence(Struct):
    """One denial of the customer."""

    versions: Annotated[tuple[GrantVersion, ...], Meta(min_length=1, max_length=ITEMS_MAX)]
    """All of them; there is none after the last."""


class Batch(Struct):
    """One submission, without the transactions that are not about this claim."""

    signer: Name
    key_version: KeyVersion
    count: Annotated[int, Meta(ge=1, le=256)]
    nodes: Annotated[tuple[Hash, ...], Meta(max_length=256)]
    """Roots of what is left out, from the left."""
    signature: Signature


class Act(Struct):
    """Where the transaction behind an entry stands in its batch, and what only it knows."""

    batch: Count
    position: Annotated[int, Meta(ge=0, le=255)]
    nonce: Nonce
    expires_height: Height
    expires_ms: Milliseconds


class Evidence(Struct):
    """All about one claim."""

    claim: Claim
    settlements: Annotated[tuple[Settlement, ...], Meta(max_length=ITEMS_MAX)]
    """Version 1 first."""
    payments: Annotated[tuple[Payment, ...], Meta(max_length=ITEMS_MAX)]
    """In the claim's order."""
    grants: Annotated[tuple[GrantEvidence, ...], Meta(max_length=ITEMS_MAX)]
    """Sorted by id."""
    denials: Annotated[tuple[DenialEvidence, ...], Meta(max_length=DENIALS_MAX)]
    """In the order in which they were given; none is a statement too, and proven."""
    authorities: Annotated[tuple[Authority, ...], Meta(max_length=ITEMS_MAX)]
    """Those that the shown grants, countersignatures and denials name, sorted by id."""
    stays: Annotated[tuple[Stay, ...], Meta(max_length=ITEMS_MAX)]
    """In the claim's order."""
    closings: Annotated[tuple[Closing, ...], Meta(max_length=ITEMS_MAX)]
    """Of all settlements, sorted by stay and version."""
    shares: Annotated[tuple[ShareReceipt, ...], Meta(max_length=ITEMS_MAX)]
    """Of the parts of all closings that were settled on what was handed over, sorted by record."""
    executions: Annotated[tuple[ExecutionReceipt, ...], Meta(max_length=ITEMS_MAX)]
    """One for each settlement whose rules visited the data, in their order."""
    balances: Annotated[tuple[Balance, ...], Meta(max_length=ITEMS_MAX)]
    """In the order of the settlements that started from them."""
    erasures: Annotated[tuple[ErasureRow, ...], Meta(max_length=ITEMS_MAX)]
    """What holders of its records were asked to erase, and what they answered, sorted by scope and holder. For hospital
    and insurer none is left out: their other rows are proven absent."""
    actors: Annotated[tuple[Actor, ...], Meta(max_length=ITEMS_MAX)]
    """The organisations that had a part in it, and the pseudonyms that signed with another key than their first; sorted
    by name. `list_actors` says which."""
    adjudicator: PinHistory
    """The code of the contract `adjudication`: what `--reveal` must run again."""
    customer_keys: Annotated[tuple[PublicKey, ...], Meta(max_length=ITEMS_MAX)]
    """First keys of the pseudonyms that signed with them, sorted by pseudonym, which is a key's hash."""
    zero_blindings: Annotated[tuple[Hash, ...], Meta(max_length=ITEMS_MAX)]
    """Of the settlements that moved nothing, in their order: what proves that."""
    batches: Annotated[tuple[Batch, ...], Meta(max_length=ITEMS_MAX)]
    """In the order of their first act."""
    acts: Annotated[tuple[Act, ...], Meta(max_length=4 * ITEMS_MAX)]
    """One for each of `deeds.list_deeds`, in that order."""


class Use(Struct):
    """A place at which a grant had to cover something."""

    what: str
    grant_id: str
    version: int
    place: Place
    record_type: RecordType | None
    act: ConsentAct
    stay_ids: tuple[str, ...]
    """For which stays."""


def list_uses(
    claim: Claim,
    settlements: tuple[Settlement, ...],
    shares: tuple[ShareReceipt, ...],
    executions: tuple[ExecutionReceipt, ...],
    closings: tuple[Closing, ...],
) -> Iterator[Use]:
    """Yield every place at which a grant covered a step of the claim, a share, a visit or a part of a settlement."""
    types = {share.record_id: share.record_type for share in shares}
    visits = {execution.outcome.version: execution for execution in executions}
    later = [step.reference for step in claim.steps if step.name == "extended"]
    stay_ids = tuple(stay_id for stay_id in claim.stay_ids if stay_id not in later)
    for step in claim.steps:
        if step.name == "extended":
            stay_ids = (*stay_ids, step.reference)
        if step.grant_version is not None and step.name != "settled":
            what = f"claim step {step.name}"
            yield Use(what, step.grant_id, step.grant_version, step.place, None, "enter", stay_ids)
    for share in shares:
        what, ground = f"share of {share.record_id}", (share.grant_id, share.grant_version, share.place)
        yield Use(what, *ground, share.record_type, "release", (share.stay_id,))
    for execution in executions:
        what = f"visit {execution.sequence}"
        ground = (execution.grant_id, execution.grant_version, execution.place)
        for stay in execution.stays:
            for record_type in stay.record_types:
                yield Use(what, *ground, record_type, "visit", (stay.stay_id,))
    listed = {(closing.stay_id, closing.version): closing for closing in closings}
    for settlement in settlements:
        outcome = settlement.outcome
        what, ground = f"settlement {outcome.version}", (outcome.grant_id, outcome.grant_version, settlement.place)
        settled = [
            listed[item.stay_id, item.version] for item in outcome.closings if (item.stay_id, item.version) in listed
        ]
        yield Use(what, *ground, None, "enter", tuple(closing.stay_id for closing in settled))
        visit = visits.get(outcome.version)
        for stay in () if visit is None else visit.stays:
            for record_type in stay.record_types:
                yield Use(what, *ground, record_type, "enter", (stay.stay_id,))
        for closing in settled if visit is None else ():
            for record_type in sorted({types[record_id] for record_id in closing.parts if record_id in types}):
                yield Use(what, *ground, record_type, "enter", (closing.stay_id,))


def list_authorities(grants: tuple[GrantEvidence, ...], denials: tuple[DenialEvidence, ...]) -> list[str]:
    """Return the ids of the authorities that have to be shown, sorted."""
    versions = [version for granted in grants for version in granted.versions]
    versions += [version for denied in denials for version in denied.versions]
    named = {version.grant.grantor.authority for version in versions} | {version.authority for version in versions}
    named |= {item.signature.authority for shown in grants for item in shown.countersignatures}
    return sorted(authority for authority in named if authority is not None)


def list_actors(claim: Claim, batches: Sequence[Batch], erasures: Iterable[ErasureRow]) -> tuple[list[str], list[str]]:
    """Return whose entries have to be shown, and the pseudonyms whose first key is enough; both sorted."""
    signers = {batch.signer for batch in batches}
    organisations = {name for name in signers if not name.startswith(CUSTOMER_PREFIX)}
    organisations |= {claim.hospital, claim.insurer, *(row.holder for row in erasures)}
    rotated = {batch.signer for batch in batches if batch.key_version > 1}
    return sorted(organisations | rotated), sorted(signers - organisations - rotated)


def needs_countersignature(version: GrantVersion, links: Iterable[LinkHistory]) -> bool:
    """Whether a version may have rested on a countersignature: a party has judged its subject to be 14 to 17."""
    youth = any(entry.capacity == "youth" for history in links for entry in history.entries)
    return youth and version.status == "GRANTED" and version.grant.grantor.kind == "customer"


def needs_balance(settlement: Settlement, former: Settlement | None) -> bool:
    """Whether the balance that a settlement started from has to be shown: neither 0 nor the former one's result."""
    start = settlement.outcome.accumulator_sequence
    return start != 0 and (former is None or former.balance_sequence != start)


def list_entries(evidence: Evidence, genesis_hash: bytes) -> dict[bytes, bytes | None]:
    """Return the state entries that a dossier states: key to value, None for what is absent.

    Args:
        evidence: The dossier's.
        genesis_hash: On which the chain was founded.

    Raises:
        VerificationError: If one stands twice.
    """
    entries = founding_entry(genesis_hash)
    for key, value in _list(evidence):
        if key in entries:
            shown = key.replace(b"\x00", b" ").decode(errors="replace")
            msg = f"evidence: {shown} stands twice"
            raise VerificationError(msg)
        entries[key] = None if value is None else encode(value)
    return entries


def _list(evidence: Evidence) -> Iterator[tuple[bytes, Struct | None]]:
    claim = evidence.claim
    yield _key("claims", "claims", claim.claim_id), claim
    for settlement in evidence.settlements:
        yield _key("claims", "settlements", (claim.claim_id, settlement.outcome.version)), settlement
    for payment in evidence.payments:
        yield _key("claims", "payments", (claim.claim_id, payment.payment_id)), payment
    for shown in evidence.grants:
        grant_id = shown.versions[-1].grant.grant_id
        for version in shown.versions:
            yield _key("consent", "grants", (grant_id, version.version)), version
        yield _key("consent", "grants", (grant_id, shown.versions[-1].version + 1)), None
        for organisation, history in zip((claim.hospital, claim.insurer), shown.links, strict=True):
            yield _key("consent", "links", (grant_id, organisation)), history
        for item in shown.countersignatures:
            yield _key("consent", "countersignatures", (grant_id, item.version)), item.signature
    yield from _list_denials(evidence)
    for authority in evidence.authorities:
        yield _key("authorities", "authorities", authority.authority_id), authority
    for stay in evidence.stays:
        yield _key("records", "stays", stay.stay_id), stay
    for closing in evidence.closings:
        yield _key("records", "closings", (closing.stay_id, closing.version)), closing
    for share in evidence.shares:
        yield _key("records", "shares", (share.stay_id, share.record_id, share.recipient, share.sequence)), share
    for execution in evidence.executions:
        yield _key("visits", "executions", (execution.claim_id, execution.sequence)), execution
    yield from _list_balances(evidence)
    yield from _list_erasures(evidence)
    for actor in evidence.actors:
        yield actor_key(actor.name), actor
    yield _key("membership", "pins", ADJUDICATOR), evidence.adjudicator


def _list_erasures(evidence: Evidence) -> Iterator[tuple[bytes, Struct | None]]:
    """Return every row that is shown, and of each holder the absence of the one after its last."""
    shown = {(row.scope, row.holder, row.number): row for row in evidence.erasures}
    if len(shown) < len(evidence.erasures):
        msg = "evidence: an erasure stands twice"
        raise VerificationError(msg)
    latest = dict.fromkeys(list_holdings(evidence.claim), 0)
    for scope, holder, number in sorted(shown):
        latest[(scope, holder)] = number
    absent = [(*place, number + 1) for place, number in latest.items()]
    for place in sorted([*shown, *absent]):
        yield _key("retention", "erasures", place), shown.get(place)


def _list_denials(evidence: Evidence) -> Iterator[tuple[bytes, Struct | None]]:
    ids = tuple(shown.versions[-1].grant.grant_id for shown in evidence.denials)
    yield _key("consent", "denials", evidence.claim.customer), Denials(ids) if ids else None
    for grant_id, shown in zip(ids, evidence.denials, strict=True):
        for version in shown.versions:
            yield _key("consent", "grants", (grant_id, version.version)), version
        yield _key("consent", "grants", (grant_id, shown.versions[-1].version + 1)), None


def list_holdings(claim: Claim) -> list[tuple[str, str]]:
    """Return (stay or claim, holder) of everything that a claim's hospital and insurer can be asked to erase."""
    of_stays = [(stay_id, holder) for stay_id in claim.stay_ids for holder in (claim.hospital, claim.insurer)]
    return [(claim.claim_id, claim.insurer), *of_stays]


def _list_balances(evidence: Evidence) -> Iterator[tuple[bytes, Struct]]:
    former: Settlement | None = None
    balances = iter(evidence.balances)
    for settlement in evidence.settlements:
        outcome = settlement.outcome
        if needs_balance(settlement, former):
            balance = next(balances, None)
            if balance is None:
                msg = f"evidence: the balance that settlement {outcome.version} started from is missing"
                raise VerificationError(msg)
            key = (outcome.policy_id, outcome.year_tag, outcome.currency, outcome.accumulator_sequence)
            yield _key("coverage", "balances", key), balance
        former = settlement
    if next(balances, None) is not None:
        msg = "evidence: a balance that no settlement started from"
        raise VerificationError(msg)


def _key(contract: str, table: str, key: Key) -> bytes:
    return encode_key(contract, table, key)
