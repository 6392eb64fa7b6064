"""The default consortium on one application in memory, and the main lane as calls to put into blocks.

A call is (signer, "contract.method", message). `post` makes one block of its calls, one submission each, and returns
their codes, so a test says in one line what was ordered before what.
"""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

from msgspec.structs import replace

from contracts.adjudication.product import (
    Deductible,
    Limits,
    Network,
    Product,
    Ratios,
    ScopeRatios,
    Waiting,
)
from contracts.customers import Enrol, enrolment_message, pseudonym
from contracts.grants import (
    Capacity,
    Grant,
    Grantee,
    Grantor,
    IdentityCommitment,
    Link,
    LinkResult,
    Notice,
    Permission,
    RecordType,
    Scope,
)
from contracts.listings import ClaimView, ShowClaim
from contracts.membership import FindPin
from contracts.outcomes import decision_message
from contracts.policies import IssuePolicy, RegisterProduct
from contracts.settlements import ClosingReference, Disposition, Outcome, Pay, Report, Settle
from contracts.stays import Append, Close, Deliver, Share
from ledger.application import Application, BlockInputs
from ledger.codec import Struct, decode, encode
from ledger.crypto.commitments import GROUP_ORDER, IDENTITY, commit_amount, subtract_commitments
from ledger.crypto.signatures import PrivateKey, sign_decision, sign_enrolment
from ledger.execution.loader import PLATFORM_MODULES, ContractSet, load_contracts
from ledger.genesis import Genesis, Organisation, PinHistory
from ledger.limits import PROTOCOL_VERSION
from ledger.membership import Role, Validator, ValidatorSet
from ledger.transactions import Receipt, Transaction, make_submission
from tests.ledger.execution.chain import MemoryStore

ROOT = Path(__file__).parents[2]
BEGUN_MS = 1_767_225_600_000
"""2026-01-01T00:00Z."""
YEAR_MS = 365 * 86_400_000
ORGANISATIONS: tuple[tuple[str, Role], ...] = (
    ("hospital-a", "hospital"),
    ("hospital-b", "hospital"),
    ("insurer-a", "insurer"),
    ("insurer-b", "insurer"),
    ("rail", "rail"),
    ("regulator", "regulator"),
)
PRODUCT = Product(
    id="inpatient",
    version=1,
    name_zh="住院医疗",
    name_en="inpatient",
    currency="CNY",
    deductible=Deductible(10_000, "stay", other_payments_consume=False, carry_over_max=0),
    ratios=Ratios(ScopeRatios(10_000, 10_000), ScopeRatios(6_000, 6_000), ScopeRatios(6_000, 6_000)),
    amount_tiers=(),
    grade_tiers=(),
    limits=Limits(None, (), None, None),
    waiting=Waiting(30, 90, (), "arose"),
    covers_preexisting=False,
    exclusions=(),
    excluded_items=(),
    network=Network(2, (), ()),
    continuation_days=30,
    unknowns=(),
)

Call = tuple[str, str, object]
T = TypeVar("T")


def digest(text: str) -> bytes:
    """Return 32 bytes that stand for a hash or commitment."""
    return hashlib.sha256(text.encode()).digest()


@dataclass(frozen=True)
class Figure:
    """An amount with its blinding: what a holder of openings knows."""

    amount: int
    blinding: int

    @classmethod
    def draw(cls, amount: int, label: str) -> "Figure":
        return cls(amount, int.from_bytes(hashlib.sha512(label.encode()).digest(), "little") % GROUP_ORDER)

    @property
    def point(self) -> bytes:
        return IDENTITY if self == ZERO else commit_amount(self.amount, self.blinding)

    @property
    def negative(self) -> bytes:
        return subtract_commitments(IDENTITY, self.point)

    def plus(self, other: "Figure") -> "Figure":
        return Figure(self.amount + other.amount, (self.blinding + other.blinding) % GROUP_ORDER)

    def minus(self, other: "Figure") -> "Figure":
        return Figure(self.amount - other.amount, (self.blinding - other.blinding) % GROUP_ORDER)


ZERO = Figure(0, 0)


@cache
def load() -> ContractSet:
    """Load the contracts of the repository through the real loader."""
    sources = {name: (ROOT / f"{name.replace('.', '/')}.py").read_text(encoding="utf-8") for name in PLATFORM_MODULES}
    for path in sorted((ROOT / "contracts").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        sources[name] = path.read_text(encoding="utf-8")
    return load_contracts(sources)


def consensus_key(name: str, version: int = 1) -> PrivateKey:
    """Return a validator's consensus key."""
    return PrivateKey(digest(f"consensus of {name} {version}"))


def found(contracts: ContractSet) -> Genesis:
    """Return the genesis of all organisations, each a validator."""
    organisations = tuple(
        Organisation(name, role, PrivateKey(digest(name)).public_key, bytes(1216), bytes(32))
        for name, role in ORGANISATIONS
    )
    validators = ValidatorSet(tuple(Validator(name, consensus_key(name).public_key, 1) for name, _ in ORGANISATIONS))
    return Genesis.found(PROTOCOL_VERSION, "test", BEGUN_MS, validators, organisations, contracts.pins())


@dataclass(frozen=True)
class Case:
    """The identifiers of one stay on the main lane."""

    customer: str
    hospital: str
    insurer: str
    grant_id: str
    stay_id: str
    claim_id: str
    policy_id: str
    year_tag: str
    records: tuple[tuple[RecordType, str], ...]
    """(type, id), sorted by id: admission, discharge-summary, invoice, item-list."""
    bill: Figure

    def record(self, record_type: RecordType) -> str:
        return next(record_id for kind, record_id in self.records if kind == record_type)

    @property
    def tag(self) -> bytes:
        return digest(f"tag of {self.record('invoice')}")


CHAIN_ID = found(load()).chain_id
"""Of every `Consortium`: what its signatures name."""


class Consortium:
    """One chain with its members' keys."""

    def __init__(self, contracts: ContractSet) -> None:
        self.keys = {name: PrivateKey(digest(name)) for name, _ in ORGANISATIONS}
        self.versions: dict[str, int] = {}
        """Of those keys; 1 for who is not here."""
        self.store = MemoryStore()
        self.application = Application(found(contracts), contracts, self.store)
        self.store.write(self.application.genesis_writes())
        self.receipts: tuple[Receipt, ...] = ()
        self.faults: tuple[str, ...] = ()
        self._drawn = 0

    def consensus_key(self, name: str, version: int = 1) -> PrivateKey:
        """Return a validator's consensus key."""
        return consensus_key(name, version)

    @property
    def chain_id(self) -> str:
        """What every signature names."""
        return self.application.genesis.chain_id

    # ---------------------------------------------------------------------------------------- blocks and queries

    def post(self, *calls: Call, after_ms: int = 1_000) -> list[str]:
        """Make one block of the calls, in order, and return their codes."""
        time_ms = self.application.time_ms + after_ms
        height = self.application.height + 1
        submissions = []
        for signer, target, message in calls:
            contract, _, method = target.partition(".")
            self._drawn += 1
            nonce = self._drawn.to_bytes(16, "big")
            arguments = message if isinstance(message, bytes) else encode(message)
            version = self.versions.get(signer, 1)
            tx = Transaction(
                self.chain_id, signer, version, contract, method, arguments, nonce, height + 10, time_ms + 60_000
            )
            submissions.append(make_submission(self.keys[signer], (tx,)))
        executed = self.application.execute(BlockInputs(height, time_ms, "hospital-a", tuple(submissions), ()))
        self.application.commit(executed)
        self.store.write(executed.writes)
        self.receipts = executed.receipts
        self.faults = executed.faults
        return [receipt.code for receipt in executed.receipts]

    def do(self, *calls: Call, after_ms: int = 1_000) -> None:
        """Make one block of calls that must all be applied."""
        self.post(*calls, after_ms=after_ms)
        refused = [(receipt.code, receipt.reason) for receipt in self.receipts if not receipt.ok]
        assert not refused, (refused, self.faults)

    def reason(self) -> str:
        """Return the reason of the last transaction posted."""
        return self.receipts[-1].reason

    def events(self) -> list[str]:
        """Return the names of the last block's events."""
        return [event.name for receipt in self.receipts for event in receipt.events]

    def ask(self, target: str, message: object, kind: type[T]) -> T:
        """Return a query's answer."""
        contract, _, method = target.partition(".")
        return decode(self.application.query(contract, method, encode(message)), kind)

    def draw(self, prefix: str) -> str:
        """Return an identifier that was not drawn before."""
        self._drawn += 1
        return f"{prefix}-{self._drawn:012x}"

    # ---------------------------------------------------------------------------------------- the main lane

    def enrol(self, sponsor: str) -> tuple[str, Call]:
        """Return a new customer's pseudonym and the call that enrols it."""
        key = PrivateKey(digest(self.draw("key")))
        name = pseudonym(key.public_key)
        self.keys[name] = key
        proof = sign_enrolment(key, enrolment_message(self.chain_id, name, key.public_key, sponsor))
        return name, (sponsor, "customers.enrol", Enrol(name, key.public_key, proof))

    def grant(self, customer: str, hospital: str = "hospital-a", insurer: str = "insurer-a") -> Grant:
        """Return a standing grant that covers the main lane."""
        grant_id = self.draw("grant")
        parties = tuple(sorted((hospital, insurer)))
        return Grant(
            grant_id,
            1,
            None,
            customer,
            Grantor("customer", customer, None),
            Grantee(insurer, "insurer"),
            (hospital,),
            "HPAYMT",
            Scope(
                "standing",
                (),
                ("admission", "discharge-summary", "interim-bill", "invoice", "item-list"),
                digest("dates"),
            ),
            Permission("STORE", None, None, BEGUN_MS + 5 * YEAR_MS, BEGUN_MS + 2 * YEAR_MS),
            "data-to-insurer",
            Notice("zh", digest("notice")),
            tuple(IdentityCommitment(party, digest(f"identity in {grant_id}")) for party in parties),
        )

    def link(self, grant: Grant, party: str, result: LinkResult = "matched", capacity: Capacity = "adult") -> Call:
        """Return a party's judgement."""
        return party, "consent.link", Link(grant.grant_id, grant.version, result, digest("evidence"), capacity)

    def consent(self, hospital: str = "hospital-a", insurer: str = "insurer-a") -> Grant:
        """Enrol a customer and return her usable grant."""
        customer, enrolment = self.enrol(insurer)
        self.do(enrolment)
        grant = self.grant(customer, hospital, insurer)
        self.do((customer, "consent.grant", grant), self.link(grant, hospital), self.link(grant, insurer))
        return grant

    def policy(self, insurer: str = "insurer-a") -> str:
        """Issue a policy and return its id."""
        policy_id = self.draw("policy")
        issue = IssuePolicy(policy_id, "inpatient", 1, digest("holder"), digest("period"), digest("payee"))
        self.post((insurer, "coverage.register_product", RegisterProduct(PRODUCT)))
        self.do((insurer, "coverage.issue_policy", issue))
        return policy_id

    def case(self, grant: Grant, policy_id: str, bill: int = 648_000) -> Case:
        """Return the identifiers of a new stay."""
        types: tuple[RecordType, ...] = ("admission", "discharge-summary", "invoice", "item-list")
        records = tuple((kind, self.draw("record")) for kind in types)
        return Case(
            grant.subject,
            grant.sources[0],
            grant.grantee.organisation,
            grant.grant_id,
            self.draw("stay"),
            self.draw("claim"),
            policy_id,
            f"year-{policy_id.removeprefix('policy-')}",
            records,
            Figure.draw(bill, records[0][1]),
        )

    def append(self, case: Case, record_type: RecordType) -> Call:
        """Return the entry of an original record."""
        is_bill = record_type == "invoice"
        record_id = case.record(record_type)
        message = Append(
            record_id,
            case.stay_id,
            record_type,
            "original",
            None,
            digest(f"ciphertext of {record_id}"),
            digest(f"plaintext of {record_id}"),
            case.bill.point if is_bill else IDENTITY,
            case.tag if is_bill else None,
            case.grant_id,
        )
        return case.hospital, "records.append", message

    def draw_summary(self, case: Case, replaces: str | None = None) -> tuple[str, Call]:
        """Return a further discharge summary, or the reversal of one, and the call that enters it."""
        record_id = self.draw("record")
        message = Append(
            record_id,
            case.stay_id,
            "discharge-summary",
            "original" if replaces is None else "reversal",
            replaces,
            digest(f"ciphertext of {record_id}"),
            digest(f"plaintext of {record_id}"),
            IDENTITY,
            None,
            case.grant_id,
        )
        return record_id, (case.hospital, "records.append", message)

    def report(self, case: Case) -> Call:
        """Return the report of the claim."""
        return case.hospital, "claims.report", Report(case.claim_id, (case.stay_id,), case.grant_id)

    def admit(self, case: Case) -> tuple[Call, ...]:
        """Return what a hospital posts at admission."""
        return self.append(case, "admission"), self.report(case)

    def close(self, case: Case, version: int = 1) -> Call:
        """Return the closing of the case's own records."""
        parts = tuple(record_id for _, record_id in case.records)
        message = Close(case.stay_id, version, parts, len(parts), case.bill.point, (case.tag,), case.grant_id)
        return case.hospital, "records.close", message

    def share(self, case: Case, record_id: str) -> Call:
        """Return the share of one record with the case's insurer."""
        return case.hospital, "records.share", Share(record_id, case.insurer, case.grant_id)

    def discharge(self, case: Case) -> tuple[Call, ...]:
        """Return what a hospital posts at discharge."""
        entered: tuple[RecordType, ...] = ("item-list", "invoice", "discharge-summary")
        return (
            *(self.append(case, record_type) for record_type in entered),
            self.close(case),
            *(self.share(case, record_id) for _, record_id in case.records),
        )

    def deliver(self, case: Case) -> tuple[Call, ...]:
        """Return the insurer's confirmations."""
        return tuple((case.insurer, "records.deliver", Deliver(record_id)) for _, record_id in case.records)

    def outcome(self, case: Case, payable: Figure, paid_before: Figure = ZERO, /, **changes: object) -> Outcome:
        """Return a first settlement's outcome: a deductible of 0 is consumed from sequence 0."""
        deductible = Figure.draw(0, f"deductible of {case.claim_id}")
        outcome = Outcome(
            claim_id=case.claim_id,
            version=1,
            closings=(ClosingReference(case.stay_id, 1),),
            grant_id=case.grant_id,
            grant_version=1,
            policy_id=case.policy_id,
            payee_version=1,
            year_tag=case.year_tag,
            currency="CNY",
            accumulator_sequence=0,
            case=digest("case"),
            decision=digest("decision"),
            rules=self.rules,
            payable=payable.point,
            deductible=deductible.point,
            deductible_used_after=deductible.point,
            paid_after=paid_before.plus(payable).point,
            opening_hash=digest("openings"),
            disposition="payout",
            is_pended=False,
            is_review=False,
        )
        return replace(outcome, **changes)

    @property
    def rules(self) -> bytes:
        """The adjudicator in force in the next block."""
        history = self.ask("membership.pin", FindPin("adjudication"), PinHistory)
        return [item.code_hash for item in history.versions if item.from_height <= self.application.height + 1][-1]

    def settle(self, case: Case, outcome: Outcome, zero_blinding: int | None = None) -> Call:
        """Return a settlement, signed by the case's insurer."""
        moves: Disposition = outcome.disposition
        message = Settle(
            outcome,
            sign_decision(self.keys[case.insurer], decision_message(self.chain_id, case.insurer, outcome)),
            None if moves == "none" else f"payment-{case.claim_id.removeprefix('claim-')}{outcome.version:04x}",
            None if zero_blinding is None else zero_blinding.to_bytes(32, "little"),
            None if moves == "none" else "rail",
        )
        return case.insurer, "claims.settle", message

    def pay(self, payment_id: str, status: str, key: str = "first") -> Call:
        """Return a receipt of the rail."""
        return "rail", "claims.pay", encode(_pay(payment_id, digest(key + payment_id), status))

    def view(self, case: Case) -> ClaimView:
        """Return the case's claim."""
        view = self.ask("claims.show", ShowClaim(case.claim_id), ClaimView | None)  # type: ignore[arg-type]
        assert view is not None
        return view


def _pay(payment_id: str, key: bytes, status: str) -> Struct:
    return decode(encode((payment_id, key, status)), Pay)
