"""The consortium of `tests.contracts` with four validators, signed commits and a block store: what a node has."""

from collections.abc import Iterator
from pathlib import Path

from msgspec.structs import force_setattr, replace

from contracts.identifiers import GrantId
from ledger.application import Application, BlockInputs
from ledger.blocks import PRECOMMIT, BlockHeader, Commit, Vote, make_commit, vote_sign_bytes
from ledger.codec import encode
from ledger.crypto.signatures import PrivateKey, sign_vote
from ledger.execution.loader import ContractSet
from ledger.genesis import Genesis, Organisation
from ledger.limits import PROTOCOL_VERSION
from ledger.membership import Validator, ValidatorSet
from ledger.transactions import Submission, Transaction, make_submission
from nodes.storage.blocks import BlockStore
from tests.contracts.consortium import BEGUN_MS, ORGANISATIONS, Call, Case, Consortium, digest
from tests.ledger.execution.chain import MemoryStore

VALIDATORS = ("hospital-a", "hospital-b", "insurer-a", "regulator")

__all__ = ["AuditedChain", "GrantId", "certify", "consensus_key", "forge_genesis", "set_of"]


class MemoryEngine(MemoryStore):
    """A `KeyValueStore` in memory."""

    path = Path("memory")
    engine = "memory"

    def close(self) -> None:
        return


def consensus_key(name: str) -> PrivateKey:
    return PrivateKey(digest(f"consensus of {name}"))


def set_of(*names: str) -> ValidatorSet:
    return ValidatorSet(tuple(Validator(name, consensus_key(name).public_key, 1) for name in sorted(names)))


def certify(header: BlockHeader, validators: ValidatorSet, count: int | None = None) -> Commit:
    """Return the commit of a header by its validators; by `count` of them if that is given."""
    votes = []
    for validator in validators.validators:
        message = vote_sign_bytes(header.chain_id, PRECOMMIT, header.height, 0, header.hash)
        signature = sign_vote(consensus_key(validator.name), message)
        votes.append(Vote(2, header.height, 0, header.hash, validator.name, signature))
    commit = make_commit(tuple(votes), validators)
    if count is None:
        return commit
    return Commit(commit.height, commit.round, commit.block_hash, commit.signatures[:count])


def forge_genesis(genesis: Genesis, **changes: object) -> Genesis:
    """Return a genesis with another's chain id: none that any node loads, for what is checked behind that."""
    forged = replace(genesis)
    for field, value in changes.items():
        force_setattr(forged, field, value)
    return forged


class AuditedChain(Consortium):
    """One chain as a node stores it; calls of one signer that follow each other are one submission."""

    def __init__(self, contracts: ContractSet, label: str = "test") -> None:
        self.keys = {name: PrivateKey(digest(name)) for name, _ in ORGANISATIONS}
        self.key_versions: dict[str, int] = {}
        organisations = tuple(
            Organisation(name, role, self.keys[name].public_key, bytes(1216), bytes(32)) for name, role in ORGANISATIONS
        )
        self.genesis = Genesis.found(
            PROTOCOL_VERSION, label, BEGUN_MS, set_of(*VALIDATORS), organisations, contracts.pins()
        )
        self.contracts = contracts
        self.engine = MemoryEngine()
        self.store = self.engine
        self.application = Application(self.genesis, contracts, self.engine)
        self.blocks = BlockStore(self.engine, self.genesis.chain_id, self.genesis.hash)
        self.blocks.create(self.application.genesis_writes())
        self.receipts = ()
        self.faults = ()
        self.proposer = "hospital-a"
        """Of the blocks to come."""
        self._drawn = 0

    def post(self, *calls: Call, after_ms: int = 1_000) -> list[str]:
        time_ms = self.application.time_ms + after_ms
        height = self.application.height + 1
        submissions = tuple(self._submissions(calls, height, time_ms))
        executed = self.application.execute(BlockInputs(height, time_ms, self.proposer, submissions, ()))
        commit = certify(executed.block.header, self.application.validators(height))
        self.application.commit(executed)
        self.blocks.append(executed.block, commit, executed.receipts, executed.writes)
        self.receipts = executed.receipts
        self.faults = executed.faults
        return [receipt.code for receipt in executed.receipts]

    def _submissions(self, calls: tuple[Call, ...], height: int, time_ms: int) -> Iterator[Submission]:
        batch: list[Transaction] = []
        for signer, target, message in calls:
            if batch and batch[0].signer != signer:
                yield make_submission(self.keys[batch[0].signer], tuple(batch))
                batch = []
            contract, _, method = target.partition(".")
            self._drawn += 1
            arguments = message if isinstance(message, bytes) else encode(message)
            version = self.key_versions.get(signer, 1)
            nonce = digest(f"nonce {self._drawn}")[:16]
            batch.append(
                Transaction(
                    self.genesis.chain_id,
                    signer,
                    version,
                    contract,
                    method,
                    arguments,
                    nonce,
                    height + 10,
                    time_ms + 60_000,
                )
            )
        if batch:
            yield make_submission(self.keys[batch[0].signer], tuple(batch))

    def admitted(self, case: Case) -> None:
        """Admit and discharge a case, as its hospital and insurer would, up to its settlement."""
        self.do(*self.admit(case))
        self.do(*self.discharge(case))

    def paid(self, case: Case) -> None:
        """Let the rail pay the latest payment."""
        payment = self.view(case).claim.payments[-1]
        self.do(self.pay(payment, "accepted"), after_ms=60_000)
        self.do(self.pay(payment, "paid"), after_ms=60_000)
