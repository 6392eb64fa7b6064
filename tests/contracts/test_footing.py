"""Settling uses the data: what consent or an erasure keeps from it is refused, as an entry about the customer."""

import pytest
from msgspec.structs import replace

from contracts.attempts import Attempt, AttemptView, ListAttempts
from contracts.erasures import Ask
from contracts.grants import GrantView, Revoke, ShowGrant
from contracts.listings import ShowPayment
from contracts.settlements import AwaitConsent, ClosingReference, Payment
from tests.contracts.consortium import Call, Case, Consortium, Figure

PAYABLE = Figure.draw(206_000, "payable")


@pytest.fixture
def case(chain: Consortium) -> Case:
    """Have a stay closed and every part of it confirmed."""
    case = chain.case(chain.consent(), chain.policy())
    chain.do(*chain.admit(case))
    chain.do(*chain.discharge(case))
    chain.do(*chain.deliver(case))
    return case


def settle(chain: Consortium, case: Case) -> Call:
    return chain.settle(case, chain.outcome(case, PAYABLE))


def attempts(chain: Consortium, case: Case) -> list[Attempt]:
    found = chain.ask("attempts.of_subject", ListAttempts(case.customer, 0), tuple[AttemptView, ...])
    return [view.attempt for view in found]


def payment(chain: Consortium, case: Case) -> Payment | None:
    payment_id = f"payment-{case.claim_id.removeprefix('claim-')}0001"
    return chain.ask("claims.payment", ShowPayment(payment_id), Payment | None)  # type: ignore[arg-type]


def test_a_settlement_after_a_revocation_is_an_entry_and_moves_nothing(chain: Consortium, case: Case) -> None:
    assert chain.post((case.customer, "consent.revoke", Revoke(case.grant_id)), settle(chain, case)) == [
        "OK",
        "AUTH-013",
    ]
    assert chain.events() == ["consent-revoked", "access-refused"]
    (found,) = attempts(chain, case)
    assert (found.kind, found.decision, found.condition) == ("settlement", "deny", "status")
    assert (found.recipient, found.signer, found.claim_id) == ("insurer-a", "insurer-a", case.claim_id)
    assert (found.stay_id, found.grant_id, found.grant_version) == (case.stay_id, case.grant_id, 2)
    assert payment(chain, case) is None
    assert chain.view(case).settlements == ()


def test_a_settlement_before_the_revocation_in_the_same_block_stands_and_is_no_entry(
    chain: Consortium, case: Case
) -> None:
    chain.do(settle(chain, case), (case.customer, "consent.revoke", Revoke(case.grant_id)))
    assert attempts(chain, case) == []
    assert payment(chain, case) is not None


def test_a_type_that_the_grant_lost_is_named_by_the_entry(chain: Consortium, case: Case) -> None:
    words = chain.ask("consent.show", ShowGrant(case.grant_id), GrantView).versions[-1].grant
    scope = replace(words.scope, record_types=("admission", "discharge-summary", "item-list"))
    narrow = replace(words, version=2, previous_version=1, scope=scope)
    chain.do((case.customer, "consent.grant", narrow))
    assert chain.post(settle(chain, case)) == ["AUTH-013"]
    (found,) = attempts(chain, case)
    assert (found.condition, found.record_type, found.record_id) == ("record type", "invoice", None)


def test_a_record_that_the_insurer_was_asked_to_erase_is_named_by_the_entry(chain: Consortium, case: Case) -> None:
    record_id = case.record("invoice")
    asked = Ask(case.stay_id, (record_id,), "insurer-a")
    assert chain.post((case.customer, "erasure.ask", asked), settle(chain, case)) == ["OK", "ERASED"]
    (found,) = attempts(chain, case)
    assert (found.kind, found.condition, found.record_id) == ("settlement", "erasure", record_id)
    assert payment(chain, case) is None


def test_a_claim_that_waits_for_consent_is_not_settled_behind_the_customers_back(chain: Consortium, case: Case) -> None:
    chain.do((case.customer, "consent.revoke", Revoke(case.grant_id)))
    chain.do(("insurer-a", "claims.await_consent", AwaitConsent(case.claim_id, "invoice")))
    assert chain.post(settle(chain, case)) == ["AUTH-013"]
    assert [entry.kind for entry in attempts(chain, case)] == ["settlement"]


def test_a_claim_that_waits_and_is_covered_again_is_resumed_before_it_is_settled(chain: Consortium, case: Case) -> None:
    grant = chain.ask("consent.show", ShowGrant(case.grant_id), GrantView).versions[-1].grant
    chain.do(chain.link(grant, "insurer-a", "mismatch"))
    chain.do(("insurer-a", "claims.await_consent", AwaitConsent(case.claim_id, "invoice")))
    chain.do(chain.link(grant, "insurer-a"))
    assert chain.post(settle(chain, case)) == ["WRONG_STATE"]
    assert attempts(chain, case) == []


def test_a_settlement_on_closings_of_somebody_elses_stay_is_no_entry_about_her(chain: Consortium, case: Case) -> None:
    other = chain.case(chain.consent(), chain.policy())
    chain.do(*chain.admit(other))
    chain.do(*chain.discharge(other))
    closings = (ClosingReference(other.stay_id, 1),)
    assert chain.post(chain.settle(case, chain.outcome(case, PAYABLE, closings=closings))) == ["CLOSINGS"]
    assert attempts(chain, other) == attempts(chain, case) == []


def test_what_keeps_no_data_from_anybody_is_no_entry(chain: Consortium, case: Case) -> None:
    """Another's signature, a balance that moved on, a figure that does not add up: transactions that fail."""
    outcome = chain.outcome(case, PAYABLE)
    stranger = ("insurer-b", *settle(chain, case)[1:])
    codes = chain.post(
        stranger,
        chain.settle(case, replace(outcome, accumulator_sequence=3)),
        chain.settle(case, replace(outcome, paid_after=outcome.deductible)),
        chain.settle(case, replace(outcome, grant_version=2)),
    )
    assert codes == ["FORBIDDEN", "STALE_ACCUMULATOR", "BALANCE", "STALE_GRANT"]
    assert attempts(chain, case) == []
