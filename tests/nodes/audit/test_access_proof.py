"""A refusal is proven offline: no byte of it can be another, and no other chain, place or decision passes for it."""

from dataclasses import dataclass

import pytest
from msgspec.structs import replace

from contracts.attempts import ENTRIES_MAX, AttemptView, ListAttempts
from contracts.grants import Revoke
from contracts.orders import Ask, PlaceOrder
from contracts.refusals import TurnAway
from ledger.errors import VerificationError
from ledger.execution.loader import ContractSet
from nodes.audit.access_proof import AccessProof, collect_access, render_access, summarise_access, verify_access
from nodes.audit.collect import CollectionError, collect_checkpoint
from nodes.audit.trust import Trust
from nodes.schemas.canonical_json import render
from tests.contracts.consortium import Case, digest
from tests.nodes.audit.chain import AuditedChain


@dataclass(frozen=True)
class Refused:
    """A share after a revocation, a question of another insurer, and an order, all about one customer."""

    chain: AuditedChain
    case: Case
    proof: AccessProof

    @property
    def trust(self) -> Trust:
        return Trust(self.chain.genesis)


@pytest.fixture(scope="module")
def refused(contract_set: ContractSet) -> Refused:
    chain = AuditedChain(contract_set)
    case = chain.case(chain.consent(), chain.policy())
    chain.do(*chain.admit(case))
    chain.do(*chain.discharge(case)[:4])
    chain.do((case.customer, "consent.revoke", Revoke(case.grant_id)))
    assert chain.post(chain.share(case, case.record("invoice"))) == ["AUTH-013"]
    chain.post(("insurer-b", "access.ask", Ask(case.stay_id, "invoice", None, case.grant_id, "HPAYMT")))
    order = PlaceOrder("order-0123456789ab", case.record("invoice"), "evidence-collection", digest("number"))
    chain.do(("regulator", "access.order", order))
    return Refused(chain, case, collect_access(chain.application, chain.blocks, case.customer, 1))


def fails(file: AccessProof, refused: Refused, match: str = "(?s).+") -> None:
    with pytest.raises(VerificationError, match=match):
        verify_access(render(file), refused.trust)


def test_a_refusal_verifies_from_the_genesis_alone(refused: Refused) -> None:
    verified = verify_access(render(refused.proof), refused.trust)
    summary = summarise_access(verified)
    assert (summary["number"], summary["attempts"], summary["fields"]) == (1, 3, [])
    lines = render_access(verified, "en")
    assert lines[1].startswith("REFUSED: AUTH-013 status · HPAYMT")
    assert "insurer-a" in lines[0]
    assert render_access(verified, "zh")[1].startswith("已拒绝：AUTH-013 status")


def test_it_verifies_from_a_checkpoint_alone(refused: Refused) -> None:
    checkpoint = collect_checkpoint(refused.chain.application)
    verified = verify_access(render(refused.proof), Trust(checkpoint=checkpoint))
    assert verified.ground.from_checkpoint is not None


def test_a_statutory_order_is_proven_with_its_law_and_its_fields(refused: Refused) -> None:
    chain = refused.chain
    proof = collect_access(chain.application, chain.blocks, refused.case.customer, 3)
    verified = verify_access(render(proof), refused.trust)
    summary = summarise_access(verified)
    assert summary["order"]["basis"] == "evidence-collection"
    assert "total" in summary["fields"]
    assert any("Criminal Procedure Law" in line for line in render_access(verified, "en"))
    fails(replace(proof, order=None), refused)


def test_attempts_that_are_counted_are_proven_with_their_number_and_the_latest_of_them(refused: Refused) -> None:
    chain, case = refused.chain, refused.case
    question = ("rail", "access.ask", Ask(case.stay_id, "invoice", None, case.grant_id, "HPAYMT"))
    for _ in range(0, ENTRIES_MAX + 25, 25):
        chain.post(*[question] * 25)
    proof = collect_access(chain.application, chain.blocks, case.customer, 1, is_counted=True)
    summary = summarise_access(verify_access(render(proof), refused.trust))
    assert summary["counted"]["count"] == 25
    assert "the latest of 25 by rail" in render_access(verify_access(render(proof), refused.trust), "en")[3]
    assert "共 25 次" in render_access(verify_access(render(proof), refused.trust), "zh")[3]
    assert proof.counted is not None
    for changed in (
        replace(proof, counted=replace(proof.counted, count=1)),
        replace(proof, counted=None),
        replace(proof, attempt=replace(proof.attempt, recipient="insurer-b")),
        replace(proof, sequence=2),
    ):
        fails(changed, refused)


def test_a_refusal_cannot_be_told_as_a_permit_nor_of_somebody_else(refused: Refused) -> None:
    attempt = refused.proof.attempt
    permitted = replace(attempt, decision="permit", code="", condition="", field_set="HPAYMT/invoice/1")
    for changed in (
        permitted,
        replace(attempt, recipient="insurer-b"),
        replace(attempt, condition="expiry"),
        replace(attempt, place=replace(attempt.place, height=1)),
    ):
        fails(replace(refused.proof, attempt=changed), refused)
    fails(replace(refused.proof, sequence=2), refused)
    fails(replace(refused.proof, subject="c-ffff"), refused)
    fails(replace(refused.proof, head=replace(refused.proof.head, count=1)), refused)
    fails(replace(refused.proof, genesis_hash=bytes(32)), refused, "genesis hash")


@pytest.mark.parametrize("place", range(0, 1000, 37))
def test_no_byte_of_the_file_can_be_another(refused: Refused, place: int) -> None:
    data = bytearray(render(refused.proof))
    data[place * len(data) // 1000] ^= 1
    with pytest.raises(VerificationError):
        verify_access(bytes(data), refused.trust)


def test_there_is_no_proof_of_what_did_not_happen(refused: Refused) -> None:
    chain = refused.chain
    for subject, sequence in ((refused.case.customer, 400), ("c-ffff", 1)):
        with pytest.raises(CollectionError, match="there is no attempt"):
            collect_access(chain.application, chain.blocks, subject, sequence)


def test_of_a_question_at_a_nodes_door_it_says_whose_word_it_is(refused: Refused) -> None:
    chain, case = refused.chain, refused.case
    chain.do(("hospital-a", "access.turn_away", TurnAway(case.record("invoice"), "insurer-b")))
    number = max(view.sequence for view in chain.ask("attempts.of_subject", asked(case), tuple[AttemptView, ...]))
    proof = collect_access(chain.application, chain.blocks, case.customer, number)
    verified = verify_access(render(proof), refused.trust)
    english, chinese = render_access(verified, "en"), render_access(verified, "zh")
    assert english[1] == "REFUSED: NOT_SHARED no share · HPAYMT · -"
    assert "that insurer-b asked is the word of hospital-a, whose node turned it away: nobody signs" in english[-2]
    assert "由 hospital-a 所述" in chinese[-2]
    assert any("word of hospital-a" in line for line in summarise_access(verified)["trust"])


def asked(case: Case) -> ListAttempts:
    return ListAttempts(case.customer, 0)
