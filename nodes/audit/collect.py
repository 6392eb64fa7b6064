"""Builds dossiers at a node: from its latest state, and the blocks that its entries came from.

A dossier is as of the latest committed header, because the state's tree has one version. Nothing here decides
anything; what does not fit together is found by `verify`, which trusts no node.
"""

import itertools
from collections.abc import Iterator, Mapping
from typing import Protocol, TypeVar

from contracts.erasures import ErasureRow
from contracts.executions import ExecutionHead, ExecutionReceipt
from contracts.grants import Countersignature, Denials, GrantHead, GrantVersion, LinkHistory
from contracts.mandates import Authority
from contracts.policies import Balance, PayeeVersion, PolicyVersion, ProductEntry
from contracts.settlements import Claim, Payment, Settle, Settlement
from contracts.stays import Closing, Deliver, Handover, ShareHead, ShareReceipt, Stay
from ledger.application import Application
from ledger.blocks import Block, BlockHeader, Commit
from ledger.codec import decode, encode
from ledger.errors import LedgerError
from ledger.execution.contract import actor_key
from ledger.execution.state import Key, encode_key
from ledger.genesis import PinHistory
from ledger.membership import Actor
from ledger.merkle import leaf_hash
from ledger.state_multiproof import StateMultiProof, join_proofs
from ledger.transactions import Submission, Transaction
from nodes.audit.deeds import Deed, batch_nodes, list_deeds
from nodes.audit.dossier import Certificate, Dossier
from nodes.audit.evidence import (
    ADJUDICATOR,
    Act,
    Batch,
    Countersigned,
    DenialEvidence,
    Evidence,
    GrantEvidence,
    Use,
    list_actors,
    list_authorities,
    list_entries,
    list_holdings,
    list_uses,
    needs_balance,
    needs_countersignature,
)
from nodes.audit.packing import pack
from nodes.audit.reveal import OPENINGS_FORMAT, Openings, SealedOpening, list_terms
from nodes.audit.trust import CHECKPOINT_FORMAT, Checkpoint
from nodes.roles.exchange.opening import hash_opening
from nodes.vault.sealing import Sealed

V = TypeVar("V")


class CollectionError(LedgerError):
    """A dossier that this node cannot build."""


class Blocks(Protocol):
    """What is read of a node's block store."""

    def block(self, height: int) -> Block | None:
        """Return the block at `height`."""
        ...

    def commit(self, height: int) -> Commit | None:
        """Return the commit of the block at `height`."""
        ...

    def certificate(self, height: int) -> tuple[BlockHeader, Commit] | None:
        """Return header and commit of a block, or of a change of the validator set before the first one."""
        ...

    def find_transaction(self, transaction_id: bytes) -> tuple[int, int] | None:
        """Return height and place of a transaction."""
        ...

    @property
    def first_height(self) -> int:
        """Return the first height whose block is here."""
        ...


def collect_dossier(application: Application, blocks: Blocks, claim_id: str) -> Dossier:
    """Return the dossier of a claim as of the latest committed height.

    Raises:
        CollectionError: If there is no such claim, or no block yet.
    """
    state = _State(application)
    evidence = _Collector(state, blocks).collect(claim_id)
    return Dossier(
        application.genesis.chain_id,
        application.genesis.hash,
        claim_id,
        collect_certificates(application, blocks),
        pack(state.prove(list_entries(evidence, application.genesis.hash))),
        pack(evidence),
    )


def collect_openings(
    application: Application, blocks: Blocks, claim_id: str, sealed: Mapping[int, Sealed], person: Sealed | None = None
) -> Openings:
    """Return the file that lets the customer open her claim's amounts.

    Args:
        application: The state.
        blocks: The node's blocks.
        claim_id: The claim; it has been settled.
        sealed: What the insurer sealed to her, by the settlement's version; the latest one's is among them.
        person: Who she is, as the insurer sealed it to an auditor (`nodes.roles.exchange.person`).

    Raises:
        CollectionError: If there is no such claim, or it is not settled.
    """
    state = _State(application)
    claim = state.find("claims", "claims", claim_id, Claim)
    if claim is None or claim.settlement_version == 0:
        msg = f"{claim_id}: there is no settled claim of this id at height {application.height}"
        raise CollectionError(msg)
    settlement = state.read("claims", "settlements", (claim_id, claim.settlement_version), Settlement)
    outcome = settlement.outcome
    policy = state.read("coverage", "policies", (outcome.policy_id, settlement.policy_version), PolicyVersion)
    payee = state.read("coverage", "payees", (outcome.policy_id, outcome.payee_version), PayeeVersion)
    key = (policy.insurer, policy.product_id, policy.product_version)
    product = state.read("coverage", "products", key, ProductEntry)
    header, commit = _certified(blocks, application.height)
    proof = state.prove(list_terms(policy, payee, product))
    shown = tuple(_show_opening(state, claim_id, version, sealed[version]) for version in sorted(sealed))
    return Openings(OPENINGS_FORMAT, claim_id, shown, person, policy, payee, product, header, commit, proof)


def _show_opening(state: "_State", claim_id: str, version: int, sealed: Sealed) -> SealedOpening:
    settlement = state.read("claims", "settlements", (claim_id, version), Settlement)
    return SealedOpening(version, sealed, settlement.outcome.opening_hash != hash_opening(sealed))


def collect_certificates(application: Application, blocks: Blocks) -> tuple[Certificate, ...]:
    """Return the walk from the genesis' validators to the latest header.

    Raises:
        CollectionError: If there is no block yet.
    """
    if application.header is None:
        msg = "there is no block yet: a dossier needs a header that the validators decided"
        raise CollectionError(msg)
    latest = application.header.height
    changes = {since - 1: voters for since, voters in application.validator_sets[1:] if since - 1 <= latest}
    heights = sorted({*changes, latest})
    deciding = {latest: application.validators(latest)}
    return tuple(
        Certificate(*_certified(blocks, height), changes.get(height), deciding.get(height)) for height in heights
    )


def collect_checkpoint(application: Application) -> Checkpoint:
    """Return the latest header with the set that votes next, for somebody who trusts this node.

    Raises:
        CollectionError: If there is no block yet.
    """
    header = application.header
    if header is None:
        msg = "there is no block yet: a checkpoint is a header that the validators decided"
        raise CollectionError(msg)
    return Checkpoint(CHECKPOINT_FORMAT, header, application.validators(header.height + 1))


def _certified(blocks: Blocks, height: int) -> tuple[BlockHeader, Commit]:
    certificate = blocks.certificate(height)
    if certificate is None:
        msg = f"height {height}: this node has not stored its block and commit"
        raise CollectionError(msg)
    return certificate


class _State:
    """Entries of the latest state, decoded, and their proofs."""

    def __init__(self, application: Application) -> None:
        self._application = application

    def find(self, contract: str, table: str, key: Key, kind: type[V]) -> V | None:
        value = self._application.read(encode_key(contract, table, key))
        return None if value is None else decode(value, kind)

    def read(self, contract: str, table: str, key: Key, kind: type[V]) -> V:
        value = self.find(contract, table, key, kind)
        assert value is not None, f"the contracts left {contract}.{table} without {key!r}"
        return value

    def actor(self, name: str) -> Actor:
        value = self._application.read(actor_key(name))
        assert value is not None, f"the contracts left {name} without an entry"
        return decode(value, Actor)

    def list_rails(self) -> list[str]:
        return [name for name, role in self._application.roles().items() if role == "rail"]

    def prove(self, entries: Mapping[bytes, bytes | None]) -> StateMultiProof:
        proven = {key: (value, self._application.prove(key)) for key, value in entries.items()}
        return join_proofs(self._application.roots, proven)


class _Collector:
    """Collects the evidence about one claim."""

    def __init__(self, state: _State, blocks: Blocks) -> None:
        self._state = state
        self._blocks = blocks

    def collect(self, claim_id: str) -> Evidence:
        claim = self._state.find("claims", "claims", claim_id, Claim)
        if claim is None:
            msg = f"{claim_id}: there is no claim of this id"
            raise CollectionError(msg)
        settlements = tuple(
            self._state.read("claims", "settlements", (claim_id, version), Settlement)
            for version in range(1, claim.settlement_version + 1)
        )
        closings = self._closings(settlements)
        executions = self._executions(settlements)
        visited = {execution.outcome.version for execution in executions}
        handed_over = self._closings(tuple(item for item in settlements if item.outcome.version not in visited))
        parts = {record_id: closing.stay_id for closing in handed_over for record_id in closing.parts}
        shares = tuple(self._share(parts[record_id], record_id, claim.insurer) for record_id in sorted(parts))
        uses = tuple(list_uses(claim, settlements, shares, executions, closings))
        grants, denials = self._grants(claim, uses), self._denials(claim.customer)
        bare = Evidence(
            claim=claim,
            settlements=settlements,
            payments=tuple(self._state.read("claims", "payments", (claim_id, key), Payment) for key in claim.payments),
            grants=grants,
            denials=denials,
            authorities=tuple(
                self._state.read("authorities", "authorities", authority_id, Authority)
                for authority_id in list_authorities(grants, denials)
            ),
            stays=tuple(self._state.read("records", "stays", stay_id, Stay) for stay_id in claim.stay_ids),
            closings=closings,
            shares=shares,
            executions=executions,
            balances=self._balances(settlements),
            erasures=self._erasures(claim),
            actors=(),
            adjudicator=self._state.read("membership", "pins", ADJUDICATOR, PinHistory),
            customer_keys=(),
            zero_blindings=tuple(self._zero_blinding(item) for item in settlements if item.payment_id is None),
            batches=(),
            acts=(),
        )
        return self._sign(bare)

    def _closings(self, settlements: tuple[Settlement, ...]) -> tuple[Closing, ...]:
        references = {(item.stay_id, item.version) for settled in settlements for item in settled.outcome.closings}
        return tuple(self._state.read("records", "closings", key, Closing) for key in sorted(references))

    def _share(self, stay_id: str, record_id: str, recipient: str) -> ShareReceipt:
        """Return the share that the recipient confirmed."""
        key = (stay_id, record_id, recipient)
        head = self._state.read("records", "share_heads", key, ShareHead)
        return self._state.read("records", "shares", (*key, head.sequence), ShareReceipt)

    def _executions(self, settlements: tuple[Settlement, ...]) -> tuple[ExecutionReceipt, ...]:
        """Return the visits that settlements rest on."""
        found = []
        for settlement in settlements:
            outcome = settlement.outcome
            granted = self._state.read("consent", "grants", (outcome.grant_id, outcome.grant_version), GrantVersion)
            if granted.grant.execution == "rules-visit-data":
                sequence = self._state.read("visits", "heads", outcome.claim_id, ExecutionHead).sequence
                entered = (
                    self._state.read("visits", "executions", (outcome.claim_id, number), ExecutionReceipt)
                    for number in range(sequence, 0, -1)
                )
                found.append(next(execution for execution in entered if execution.outcome == outcome))
        return tuple(found)

    def _grants(self, claim: Claim, uses: tuple[Use, ...]) -> tuple[GrantEvidence, ...]:
        used: dict[str, set[int]] = {}
        for use in uses:
            used.setdefault(use.grant_id, set()).add(use.version)
        shown = []
        for grant_id in sorted(used):
            latest = self._state.read("consent", "heads", grant_id, GrantHead).version
            wanted = used[grant_id] | {min(version + 1, latest) for version in used[grant_id]} | {latest}
            versions = tuple(
                self._state.read("consent", "grants", (grant_id, version), GrantVersion) for version in sorted(wanted)
            )
            links = tuple(
                self._state.read("consent", "links", (grant_id, party), LinkHistory)
                for party in (claim.hospital, claim.insurer)
            )
            signed = (self._countersigned(version) for version in versions if needs_countersignature(version, links))
            countersignatures = tuple(item for item in signed if item is not None)
            shown.append(GrantEvidence(versions, links, countersignatures))
        return tuple(shown)

    def _countersigned(self, version: GrantVersion) -> Countersigned | None:
        key = (version.grant.grant_id, version.version)
        signature = self._state.find("consent", "countersignatures", key, Countersignature)
        return None if signature is None else Countersigned(version.version, signature)

    def _denials(self, subject: str) -> tuple[DenialEvidence, ...]:
        """Return all denials of a customer, each with all its versions."""
        known = self._state.find("consent", "denials", subject, Denials)
        shown = []
        for grant_id in () if known is None else known.grant_ids:
            latest = self._state.read("consent", "heads", grant_id, GrantHead).version
            versions = (
                self._state.read("consent", "grants", (grant_id, version), GrantVersion)
                for version in range(1, latest + 1)
            )
            shown.append(DenialEvidence(tuple(versions)))
        return tuple(shown)

    def _balances(self, settlements: tuple[Settlement, ...]) -> tuple[Balance, ...]:
        found = []
        for former, settlement in zip((None, *settlements), settlements, strict=False):
            if needs_balance(settlement, former):
                outcome = settlement.outcome
                key = (outcome.policy_id, outcome.year_tag, outcome.currency, outcome.accumulator_sequence)
                found.append(self._state.read("coverage", "balances", key, Balance))
        return tuple(found)

    def _erasures(self, claim: Claim) -> tuple[ErasureRow, ...]:
        of_rails = [(claim.claim_id, rail) for rail in self._state.list_rails()]
        places = sorted({*list_holdings(claim), *of_rails})
        return tuple(row for place in places for row in self._erasures_at(*place))

    def _erasures_at(self, scope: str, holder: str) -> Iterator[ErasureRow]:
        """Return all rows of one holder, in their order."""
        for number in itertools.count(1):
            row = self._state.find("retention", "erasures", (scope, holder, number), ErasureRow)
            if row is None:
                return
            yield row

    def _zero_blinding(self, settlement: Settlement) -> bytes:
        transaction = self._find(settlement.place.transaction_id)[1]
        blinding = decode(transaction.arguments, Settle).zero_blinding
        assert blinding is not None, "a settlement without payment proves that nothing moves"
        return blinding

    def _sign(self, bare: Evidence) -> Evidence:
        """Return the evidence with the signatures behind its entries."""
        submissions: list[Submission] = []
        shown: list[set[int]] = []
        acts: list[Act] = []
        for deed in list_deeds(bare):
            submission, transaction = self._find(self._transaction_id(bare, deed))
            if submission not in submissions:
                submissions.append(submission)
                shown.append(set())
            batch = submissions.index(submission)
            position = submission.transactions.index(transaction)
            shown[batch].add(position)
            acts.append(Act(batch, position, transaction.nonce, transaction.expires_height, transaction.expires_ms))
        batches = tuple(map(_batch, submissions, shown))
        actors, customers = list_actors(bare.claim, batches, bare.erasures)
        return Evidence(
            **{name: getattr(bare, name) for name in Evidence.__struct_fields__}
            | {
                "actors": tuple(self._state.actor(name) for name in actors),
                "customer_keys": tuple(self._first_key(name) for name in customers),
                "batches": batches,
                "acts": tuple(acts),
            }
        )

    def _first_key(self, customer: str) -> bytes:
        return self._state.actor(customer).keys[0].public_key

    def _transaction_id(self, bare: Evidence, deed: Deed) -> bytes:
        if deed.place is not None:
            return deed.place.transaction_id
        share = next(share for share in bare.shares if Deliver(share.record_id) == deed.message)
        key = (share.stay_id, share.record_id, share.recipient, share.sequence)
        return self._state.read("records", "handovers", key, Handover).place.transaction_id

    def _find(self, transaction_id: bytes) -> tuple[Submission, Transaction]:
        place = self._blocks.find_transaction(transaction_id)
        block = None if place is None else self._blocks.block(place[0])
        if block is not None:
            for submission in block.submissions:
                for transaction in submission.transactions:
                    if transaction.id == transaction_id:
                        return submission, transaction
        msg = f"transaction {transaction_id.hex()}: this node has not stored its block"
        if self._blocks.first_height > 1:
            msg = (
                f"{msg}: its blocks begin at height {self._blocks.first_height}, because it began from a snapshot; "
                "build this at a node that has the blocks before"
            )
        raise CollectionError(msg)


def _batch(submission: Submission, shown: set[int]) -> Batch:
    leaves = [leaf_hash(encode(transaction)) for transaction in submission.transactions]
    return Batch(
        submission.signer,
        submission.key_version,
        len(leaves),
        batch_nodes(leaves, frozenset(shown)),
        submission.signature,
    )
