"""Claims on real contracts with real keys: settled once, and corrected; collected once for all tests that only read."""

from dataclasses import dataclass

import pytest
from msgspec.structs import replace

from contracts.settlements import ClosingReference
from contracts.stays import Append, Close, Deliver, ShowStay, StayView
from ledger.execution.loader import ContractSet
from nodes.audit.collect import collect_dossier
from nodes.audit.dossier import Dossier, render_dossier
from tests.contracts.consortium import Call, Case, Figure, digest, load
from tests.nodes.audit.chain import AuditedChain

PAYABLE = Figure.draw(206_000, "payable")
RAISED = Figure.draw(250_000, "raised")


@dataclass(frozen=True)
class Settled:
    """A chain, the case on it, and the claim's dossier."""

    chain: AuditedChain
    case: Case

    @property
    def dossier(self) -> Dossier:
        return collect_dossier(self.chain.application, self.chain.blocks, self.case.claim_id)

    @property
    def data(self) -> bytes:
        return render_dossier(self.dossier)


@pytest.fixture(scope="session")
def contract_set() -> ContractSet:
    return load()


@pytest.fixture
def chain(contract_set: ContractSet) -> AuditedChain:
    return AuditedChain(contract_set)


@pytest.fixture(scope="session")
def settled(contract_set: ContractSet) -> Settled:
    """A claim that was settled once and paid."""
    chain = AuditedChain(contract_set)
    return Settled(chain, settle(chain))


@pytest.fixture(scope="session")
def corrected(contract_set: ContractSet) -> Settled:
    """A claim whose invoice was replaced after the payout, settled again and paid."""
    chain = AuditedChain(contract_set)
    case = settle(chain)
    correct(chain, case)
    return Settled(chain, case)


def settle(chain: AuditedChain) -> Case:
    """Take a claim from consent to payment."""
    case = chain.case(chain.consent(), chain.policy())
    chain.admitted(case)
    chain.do(*chain.deliver(case), chain.settle(case, chain.outcome(case, PAYABLE)))
    chain.paid(case)
    return case


def correct(chain: AuditedChain, case: Case, payable: Figure = RAISED) -> None:
    """Replace the invoice, settle the difference and pay it, if there is any; again and again, if called so."""
    signer, target, original = chain.append(case, "invoice")
    assert isinstance(original, Append)
    number = chain.view(case).claim.settlement_version
    kept = {record_id for kind, record_id in case.records if kind != "invoice"}
    (invoice,) = {*chain.ask("records.stay", ShowStay(case.stay_id), StayView).live} - kept
    before = case.bill if number == 1 else Figure.draw(700_000, f"bill {number}")
    reversal, new = chain.draw("record"), chain.draw("record")
    parts = tuple(sorted((*kept, new)))
    bill, tag = Figure.draw(700_000, f"bill {number + 1}"), digest(f"tag {number + 1}")
    minus = replace(original, record_id=reversal, kind="reversal", replaces=invoice, total=before.negative)
    if number > 1:
        minus = replace(minus, invoice_tag=digest(f"tag {number}"))
    plus = replace(original, record_id=new, kind="replacement", replaces=invoice, total=bill.point, invoice_tag=tag)
    close = Close(case.stay_id, number + 1, parts, len(parts), bill.point, (tag,), case.grant_id)
    chain.do((signer, target, minus), (signer, target, plus), (signer, "records.close", close), chain.share(case, new))
    outcome = replace(
        chain.outcome(case, payable),
        version=number + 1,
        closings=(ClosingReference(case.stay_id, number + 1),),
        accumulator_sequence=number,
        case=digest(f"case {number + 1}"),
        decision=digest(f"decision {number + 1}"),
        opening_hash=digest(f"openings {number + 1}"),
    )
    deliver: Call = (case.insurer, "records.deliver", Deliver(new))
    if payable == PAYABLE:
        chain.do(deliver, chain.settle(case, replace(outcome, disposition="none"), 0))
        return
    chain.do(deliver, chain.settle(case, outcome))
    chain.paid(case)
