"""Visits on the chain: who may enter one, under which grant, and what a settlement needs of it."""

import pytest
from msgspec.structs import replace

from contracts.attempts import Attempt, AttemptView, ListAttempts
from contracts.erasures import Ask
from contracts.executions import (
    Execute,
    ExecutionReceipt,
    ListExecutions,
    RefusedFor,
    RefuseVisit,
    ShowExecutions,
)
from contracts.grants import Grant, Revoke
from contracts.outcomes import decision_message
from contracts.settlements import AwaitConsent, Outcome
from ledger.crypto.signatures import sign_decision
from tests.contracts.consortium import Call, Case, Consortium, Figure, load

PAYABLE = Figure.draw(206_000, "payable")


@pytest.fixture
def chain() -> Consortium:
    return Consortium(load())


def visiting(grant: Grant, **changes: object) -> Grant:
    """Return a grant that has rules visit the data."""
    permission = replace(grant.permission, mode="EXECUTE", **changes)
    return replace(grant, permission=permission, execution="rules-visit-data")


def consent(chain: Consortium, **changes: object) -> Grant:
    """Enrol a customer whose usable grant has rules visit the data."""
    customer, enrolment = chain.enrol("insurer-a")
    grant = visiting(chain.grant(customer), **changes)
    chain.do(enrolment)
    chain.do((customer, "consent.grant", grant), chain.link(grant, "hospital-a"), chain.link(grant, "insurer-a"))
    return grant


def closed(chain: Consortium, grant: Grant) -> Case:
    """Return a stay that is reported and closed, of which nothing is handed over."""
    case = chain.case(grant, chain.policy())
    chain.do(*chain.admit(case))
    chain.do(*chain.discharge(case)[:4])
    return case


def execute(chain: Consortium, case: Case, outcome: Outcome, signer: str = "hospital-a") -> Call:
    message = decision_message(chain.chain_id, signer, outcome)
    return signer, "visits.execute", Execute(outcome, sign_decision(chain.keys[signer], message))


def visits(chain: Consortium, case: Case) -> tuple[ExecutionReceipt, ...]:
    return chain.ask("visits.show", ShowExecutions(case.claim_id), tuple[ExecutionReceipt, ...])


def test_a_claim_settles_on_what_the_hospital_entered_and_nothing_is_shared(chain: Consortium) -> None:
    case = closed(chain, consent(chain))
    outcome = chain.outcome(case, PAYABLE)
    chain.do(execute(chain, case, outcome))
    assert chain.events() == ["records-executed"]
    chain.do(chain.settle(case, outcome))
    assert chain.view(case).status == "SETTLED"
    (receipt,) = visits(chain, case)
    assert (receipt.hospital, receipt.recipient, receipt.subject) == ("hospital-a", "insurer-a", case.customer)
    assert receipt.stays[0].record_types == ("admission", "discharge-summary", "invoice", "item-list")
    listed = chain.ask("visits.of_subject", ListExecutions(case.customer, ""), tuple[ExecutionReceipt, ...])
    assert listed == (receipt,), "she sees who computed on her records"


def test_without_a_visit_nothing_settles_and_another_outcome_neither(chain: Consortium) -> None:
    case = closed(chain, consent(chain))
    outcome = chain.outcome(case, PAYABLE)
    assert chain.post(chain.settle(case, outcome)) == ["NOT_EXECUTED"]
    chain.do(execute(chain, case, outcome))
    raised = chain.outcome(case, Figure.draw(206_001, "payable"))
    assert chain.post(chain.settle(case, raised)) == ["NOT_EXECUTED"], "the insurer changes nothing of the result"
    assert chain.post(chain.settle(case, replace(outcome, is_pended=True))) == ["NOT_EXECUTED"]


def test_only_the_latest_visit_counts(chain: Consortium) -> None:
    case = closed(chain, consent(chain))
    first, second = chain.outcome(case, PAYABLE), chain.outcome(case, Figure.draw(100_000, "again"))
    chain.do(execute(chain, case, first))
    chain.do(execute(chain, case, second))
    assert [receipt.sequence for receipt in visits(chain, case)] == [1, 2]
    assert chain.post(chain.settle(case, first)) == ["NOT_EXECUTED"]
    chain.do(chain.settle(case, second))


def test_a_grant_for_handing_over_covers_no_visit(chain: Consortium) -> None:
    case = closed(chain, chain.consent())
    assert chain.post(execute(chain, case, chain.outcome(case, PAYABLE))) == ["AUTH-013"]
    assert chain.reason() == "execution: expected rules-visit-data, got data-to-insurer"


def test_a_grant_for_visits_covers_no_share(chain: Consortium) -> None:
    case = closed(chain, consent(chain))
    assert chain.post(chain.share(case, case.record("invoice"))) == ["AUTH-013"]
    assert chain.reason() == "execution: expected data-to-insurer, got rules-visit-data"


def test_a_grant_that_visits_but_says_store_covers_neither(chain: Consortium) -> None:
    customer, enrolment = chain.enrol("insurer-a")
    grant = replace(chain.grant(customer), execution="rules-visit-data")
    chain.do(enrolment)
    chain.do((customer, "consent.grant", grant), chain.link(grant, "hospital-a"), chain.link(grant, "insurer-a"))
    case = closed(chain, grant)
    assert chain.post(execute(chain, case, chain.outcome(case, PAYABLE))) == ["AUTH-013"]
    assert chain.reason() == "mode: expected EXECUTE, got STORE"


def test_a_revocation_before_the_visit_stops_it_and_one_after_it_stops_the_settlement(chain: Consortium) -> None:
    grant = consent(chain)
    case = closed(chain, grant)
    outcome = chain.outcome(case, PAYABLE)
    revoke: Call = (case.customer, "consent.revoke", Revoke(grant.grant_id))
    assert chain.post(execute(chain, case, outcome), revoke, chain.settle(case, outcome)) == ["OK", "OK", "AUTH-013"]
    assert chain.post(execute(chain, case, outcome)) == ["AUTH-013"]
    assert chain.reason().startswith("status: expected GRANTED, got REVOKED")
    waits: Call = (case.insurer, "claims.await_consent", AwaitConsent(case.claim_id, "invoice"))
    chain.do(waits)
    assert chain.view(case).claim.steps[-1].reference == "AUTH-013 status"


def test_a_visit_under_one_grant_settles_nothing_under_another(chain: Consortium) -> None:
    grant = consent(chain)
    case = closed(chain, grant)
    outcome = chain.outcome(case, PAYABLE)
    chain.do(execute(chain, case, outcome))
    handing_over = replace(
        grant,
        version=2,
        previous_version=1,
        permission=replace(grant.permission, mode="STORE"),
        execution="data-to-insurer",
    )
    chain.do((case.customer, "consent.grant", handing_over))
    assert chain.post(chain.settle(case, replace(outcome, grant_version=2))) == ["NOT_DELIVERED"]


def test_one_visit_is_one_use(chain: Consortium) -> None:
    case = closed(chain, consent(chain, uses_max=1))
    chain.do(execute(chain, case, chain.outcome(case, PAYABLE)))
    assert chain.post(execute(chain, case, chain.outcome(case, PAYABLE))) == ["AUTH-013"]
    assert chain.reason() == "uses: all 1 are used"
    chain.do(chain.settle(case, chain.outcome(case, PAYABLE)))


def test_only_the_custodian_enters_and_only_with_its_own_signature(chain: Consortium) -> None:
    case = closed(chain, consent(chain))
    outcome = chain.outcome(case, PAYABLE)
    assert chain.post(execute(chain, case, outcome, "hospital-b")) == ["FORBIDDEN"]
    assert chain.post(execute(chain, case, outcome, "insurer-a")) == ["FORBIDDEN"]
    _, target, message = execute(chain, case, outcome, "insurer-a")
    assert chain.post(("hospital-a", target, message)) == ["INVALID_PROOF"]
    assert visits(chain, case) == ()


def test_a_visit_is_of_the_latest_closing_of_the_claims_own_stays(chain: Consortium) -> None:
    grant = consent(chain)
    case, other = closed(chain, grant), closed(chain, grant)
    outcome = chain.outcome(case, PAYABLE)
    assert chain.post(execute(chain, case, replace(outcome, claim_id=other.claim_id))) == ["FOREIGN_STAY"]
    stale = replace(outcome, closings=(replace(outcome.closings[0], version=2),))
    assert chain.post(execute(chain, case, stale)) == ["STALE_CLOSING"]
    assert chain.post(execute(chain, case, replace(outcome, grant_version=2))) == ["STALE_GRANT"]
    assert chain.post(execute(chain, case, replace(outcome, rules=bytes(32)))) == ["STALE_RULES"]


def test_a_balance_that_moved_in_between_refuses_the_settlement_and_another_visit_settles(chain: Consortium) -> None:
    grant = consent(chain)
    policy = chain.policy()
    cases = [chain.case(grant, policy) for _ in range(2)]
    for case in cases:
        chain.do(*chain.admit(case))
        chain.do(*chain.discharge(case)[:4])
    outcomes = [chain.outcome(case, PAYABLE) for case in cases]
    chain.do(*(execute(chain, case, outcome) for case, outcome in zip(cases, outcomes, strict=True)))
    chain.do(chain.settle(cases[0], outcomes[0]))
    assert chain.post(chain.settle(cases[1], outcomes[1])) == ["STALE_ACCUMULATOR"]


# ------------------------------------------------------------------------------------------------- refused visits


def refusal(case: Case, condition: RefusedFor, recipient: str = "insurer-a", signer: str = "hospital-a") -> Call:
    return signer, "visits.refuse_visit", RefuseVisit(case.stay_id, recipient, case.grant_id, condition)


def attempts(chain: Consortium, case: Case) -> list[Attempt]:
    found = chain.ask("attempts.of_subject", ListAttempts(case.customer, 0), tuple[AttemptView, ...])
    return [item.attempt for item in found]


def test_a_visit_that_the_grant_does_not_cover_any_more_is_refused_on_the_record(chain: Consortium) -> None:
    grant = consent(chain)
    case = closed(chain, grant)
    chain.do((case.customer, "consent.revoke", Revoke(grant.grant_id)))
    assert chain.post(execute(chain, case, chain.outcome(case, PAYABLE))) == ["AUTH-013"]
    (attempt,) = attempts(chain, case)
    assert (attempt.kind, attempt.decision, attempt.condition) == ("visit", "deny", "status")
    assert (attempt.recipient, attempt.signer, attempt.hospital) == ("insurer-a", "hospital-a", "hospital-a")
    assert (attempt.record_type, attempt.field_set, attempt.stay_id) == ("admission", None, case.stay_id)
    assert chain.events() == ["access-refused"]
    assert visits(chain, case) == ()


def test_the_hospital_says_why_it_let_no_rules_in_where_the_chain_cannot(chain: Consortium) -> None:
    case = closed(chain, consent(chain))
    chain.do(refusal(case, "rules"), refusal(case, "premises"))
    assert [(item.code, item.condition) for item in attempts(chain, case)] == [
        ("AUTH-013", "rules"),
        ("AUTH-013", "premises"),
    ]


def test_rules_that_would_visit_what_the_hospital_was_asked_to_erase_are_refused_on_the_record(
    chain: Consortium,
) -> None:
    case = closed(chain, consent(chain))
    erasure: Call = (case.customer, "erasure.ask", Ask(case.stay_id, (case.record("invoice"),), None))
    assert chain.post(erasure, execute(chain, case, chain.outcome(case, PAYABLE))) == ["OK", "ERASED"]
    (found,) = attempts(chain, case)
    assert (found.kind, found.decision, found.condition, found.record_type) == ("visit", "deny", "erasure", "invoice")
    assert visits(chain, case) == ()


def test_what_the_chain_can_tell_of_a_refusal_the_chain_says(chain: Consortium) -> None:
    case = closed(chain, consent(chain, uses_max=1))
    chain.do(execute(chain, case, chain.outcome(case, PAYABLE)))
    chain.do(refusal(case, "rules"))
    assert attempts(chain, case)[-1].condition == "uses"
    chain.do(refusal(case, "premises", "insurer-b"))
    assert (attempts(chain, case)[-1].condition, attempts(chain, case)[-1].recipient) == ("recipient", "insurer-b")


def test_a_hospital_does_not_say_that_a_grant_covers_nothing_which_does(chain: Consortium) -> None:
    case = closed(chain, consent(chain))
    assert chain.post(refusal(case, "grant")) == ["COVERED"]
    assert attempts(chain, case) == []


def test_the_same_refusal_is_one_entry_until_grant_or_visits_change(chain: Consortium) -> None:
    case = closed(chain, consent(chain))
    message = refusal(case, "premises")[2]
    assert not chain.ask("visits.is_refused", message, bool)
    chain.do(refusal(case, "premises"))
    assert chain.ask("visits.is_refused", message, bool)
    assert chain.post(refusal(case, "premises")) == ["ALREADY_REFUSED"]
    chain.do(execute(chain, case, chain.outcome(case, PAYABLE)))
    assert not chain.ask("visits.is_refused", message, bool)
    chain.do(refusal(case, "premises"))
    assert len(attempts(chain, case)) == 2


def test_only_the_custodian_enters_a_refusal(chain: Consortium) -> None:
    case = closed(chain, consent(chain))
    for signer in ("hospital-b", "insurer-a", "regulator"):
        assert chain.post(refusal(case, "premises", signer=signer)) == ["FORBIDDEN"]
    assert attempts(chain, case) == []
