"""A payment whose rail was removed: the dossier says that its end is the insurer's statement, and no receipt."""

import pytest
from msgspec.structs import replace

from contracts.proposals import RemoveOrganisation
from contracts.settlements import Conclude
from ledger.execution.loader import ContractSet
from nodes.audit.narration import _say_payment, render_summary
from nodes.audit.summary import summarise
from nodes.audit.trust import Trust
from nodes.audit.verify import verify_dossier
from tests.contracts.consortium import Case
from tests.contracts.test_governance import pass_
from tests.nodes.audit.chain import VALIDATORS, AuditedChain
from tests.nodes.audit.conftest import PAYABLE, Settled
from tests.nodes.audit.test_dossier import evidence_of, forged, refused


@pytest.fixture(scope="module")
def stated(contract_set: ContractSet) -> Settled:
    """A claim whose rail had accepted the payment when it was removed; its insurer found out that the money moved."""
    chain = AuditedChain(contract_set)
    case: Case = chain.case(chain.consent(), chain.policy())
    chain.do(*chain.admit(case), *chain.discharge(case), *chain.deliver(case))
    chain.do(chain.settle(case, chain.outcome(case, PAYABLE)))
    payment_id = chain.view(case).claim.payments[0]
    chain.do(chain.pay(payment_id, "accepted"))
    pass_(chain, RemoveOrganisation("rail"), VALIDATORS[:3])
    chain.do((case.insurer, "claims.conclude", Conclude(payment_id, has_moved=True)))
    return Settled(chain, case)


def test_what_an_insurer_states_holds_and_is_called_no_receipt(stated: Settled) -> None:
    verified = verify_dossier(stated.data, Trust(stated.chain.genesis))
    steps = summarise(verified)["payments"][0]["steps"]
    assert [(step["status"], step["rail"], step["stated"]) for step in steps] == [
        ("due", "rail", False),
        ("accepted", "rail", False),
        ("paid", "rail", True),
    ]
    text = "\n".join(render_summary(verified))
    assert "paid as the insurer states, rail being a member no more" in text
    assert "by the rail's receipt" not in text


def test_a_statement_is_told_from_receipts_when_another_rail_has_paid_since(stated: Settled) -> None:
    item = summarise(verify_dossier(stated.data, Trust(stated.chain.genesis)))["payments"][0]
    due, accepted, said = item["steps"]
    again = [{**due, "rail": "rail-b"}, {**accepted, "status": "paid", "rail": "rail-b"}]
    text = _say_payment({**item, "steps": [due, accepted, {**said, "status": "rejected"}, *again]})
    assert "paid by the rail's receipt" in text
    assert "rejected, the insurer states, at height" in text
    assert text.count("the insurer states") == 1


def test_a_statement_that_is_shown_as_a_receipt_and_a_receipt_as_another_rails_are_refused(stated: Settled) -> None:
    (payment,) = evidence_of(stated.dossier).payments
    accepted, paid = payment.steps[1:]
    key = accepted.idempotency_key
    as_receipt = replace(paid, is_stated=False, idempotency_key=key)
    refused(_with_steps(stated, payment.steps[:2], as_receipt), stated, "receipt paid of .* signer")
    elsewhere = replace(accepted, rail="rail-b")
    refused(_with_steps(stated, payment.steps[:1], elsewhere, paid), stated, "receipt accepted of .* signer")


def _with_steps(stated: Settled, kept: tuple[object, ...], *changed: object) -> bytes:
    (payment,) = evidence_of(stated.dossier).payments
    return forged(stated, payments=(replace(payment, steps=(*kept, *changed)),))
