"""Dossiers of claims on which rules visited the data: who computed is shown, and nothing about it can be another."""

import pytest
from msgspec.structs import replace

from ledger.errors import VerificationError
from nodes.audit.collect import collect_dossier
from nodes.audit.consent import check_consent
from nodes.audit.dossier import render_dossier
from nodes.audit.evidence import Evidence
from nodes.audit.narration import render_summary
from nodes.audit.packing import pack, unpack
from nodes.audit.rules import check_parts
from nodes.audit.summary import summarise
from nodes.audit.trust import Trust
from nodes.audit.verify import VerifiedClaim, verify_dossier
from tests.contracts.consortium import Case, Figure, load
from tests.contracts.test_visits import closed, consent, execute
from tests.nodes.audit.chain import AuditedChain
from tests.nodes.audit.conftest import PAYABLE, RAISED


@pytest.fixture(scope="module")
def visited() -> tuple[AuditedChain, Case]:
    """A claim whose rules ran twice at the hospital, settled on the second result and paid."""
    chain = AuditedChain(load())
    case = closed(chain, consent(chain))
    chain.do(execute(chain, case, chain.outcome(case, RAISED)))
    outcome = chain.outcome(case, PAYABLE)
    chain.do(execute(chain, case, outcome))
    chain.do(chain.settle(case, outcome))
    chain.paid(case)
    return chain, case


def verified(visited: tuple[AuditedChain, Case]) -> VerifiedClaim:
    chain, case = visited
    return verify_dossier(
        render_dossier(collect_dossier(chain.application, chain.blocks, case.claim_id)), Trust(chain.genesis)
    )


def evidence_of(visited: tuple[AuditedChain, Case]) -> Evidence:
    chain, case = visited
    return unpack(collect_dossier(chain.application, chain.blocks, case.claim_id).evidence, Evidence)


def test_the_dossier_says_who_computed_and_that_nothing_was_handed_over(visited: tuple[AuditedChain, Case]) -> None:
    claim = verified(visited)
    assert (claim.evidence.shares, [item.sequence for item in claim.evidence.executions]) == ((), [2])
    facts = summarise(claim)
    assert (facts["settlements"][0]["computed_by"], facts["settlements"][0]["decided_by"]) == (
        "hospital-a",
        "insurer-a",
    )
    text = "\n".join(render_summary(claim))
    assert "computed and signed by hospital-a, nothing handed over" in text
    assert "by the adjudicator, which hospital-a ran, of insurer-a" in text
    assert "规则到访" in "\n".join(render_summary(claim, None, "zh"))


def test_every_value_of_a_visit_is_bound(visited: tuple[AuditedChain, Case]) -> None:
    chain, case = visited
    dossier = collect_dossier(chain.application, chain.blocks, case.claim_id)
    evidence = unpack(dossier.evidence, Evidence)
    execution = evidence.executions[0]
    for field in ("claim_id", "sequence", "hospital", "recipient", "subject", "grant_id", "grant_version"):
        value = getattr(execution, field)
        other = value + 1 if isinstance(value, int) else f"{value[:-1]}{'0' if value[-1] != '0' else '1'}"
        changed = replace(evidence, executions=(replace(execution, **{field: other}),))
        with pytest.raises(VerificationError):
            verify_dossier(render_dossier(replace(dossier, evidence=pack(changed))), Trust(chain.genesis))
    for executions in ((), (execution, execution)):
        changed = replace(evidence, executions=executions)
        with pytest.raises(VerificationError):
            verify_dossier(render_dossier(replace(dossier, evidence=pack(changed))), Trust(chain.genesis))


def test_a_settlement_that_is_not_what_the_hospital_entered_is_named(visited: tuple[AuditedChain, Case]) -> None:
    evidence = evidence_of(visited)
    execution = evidence.executions[0]
    altered = replace(execution, outcome=replace(execution.outcome, is_pended=True))
    with pytest.raises(VerificationError, match="visit 2 outcome"):
        check_parts(replace(evidence, executions=(altered,)))
    with pytest.raises(VerificationError, match="visits: expected"):
        check_parts(replace(evidence, executions=()))
    late = replace(execution, place=evidence.payments[0].steps[-1].place)
    with pytest.raises(VerificationError, match="visit 2"):
        check_parts(replace(evidence, executions=(late,)))


def test_a_grant_that_lets_no_rules_in_covers_no_visit(visited: tuple[AuditedChain, Case]) -> None:
    evidence = evidence_of(visited)
    shown = evidence.grants[0]
    words = replace(shown.versions[0].grant, execution="data-to-insurer")
    forged = replace(shown, versions=(replace(shown.versions[0], grant=words),))
    with pytest.raises(VerificationError, match="execution"):
        check_consent(replace(evidence, grants=(forged,)))


def test_the_hospital_signed_the_result_itself(visited: tuple[AuditedChain, Case]) -> None:
    assert verified(visited).signatures > 0
    evidence = evidence_of(visited)
    assert evidence.executions[0].signature != evidence.settlements[0].signature


def test_a_review_from_afar_is_shown_with_who_ran_the_rules_both_times() -> None:
    chain = AuditedChain(load())
    case = closed(chain, consent(chain))
    zero = Figure.draw(0, "zero")
    pended = chain.outcome(case, zero, disposition="none", is_pended=True)
    chain.do(execute(chain, case, pended), chain.settle(case, pended, zero.blinding))
    review = chain.outcome(
        case,
        PAYABLE,
        version=2,
        is_review=True,
        accumulator_sequence=1,
        deductible_used_after=pended.deductible_used_after,
        paid_after=zero.plus(PAYABLE.minus(zero)).point,
    )
    assert chain.post(chain.settle(case, review)) == ["NOT_EXECUTED"], "the hospital runs the rules again first"
    chain.do(execute(chain, case, review), chain.settle(case, review))
    chain.paid(case)
    claim = verified((chain, case))
    facts = summarise(claim)
    assert [item["computed_by"] for item in facts["settlements"]] == ["hospital-a", "hospital-a"]
    assert [item["by_person"] for item in facts["settlements"]] == [False, True]
    assert "by a person on review, with the adjudicator which hospital-a ran, of insurer-a" in "\n".join(
        render_summary(claim)
    )
