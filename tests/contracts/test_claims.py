"""Claims: settled once, by their insurer, under consent, on figures that add up."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from contracts.grants import Grant, Revoke
from contracts.listings import ClaimSummary, ClaimView, CountClaims, FindTotal, ListClaims, ShowClaim, Wait
from contracts.policies import Balance, ChangePolicy, FindBalance, NamePayee
from contracts.settlements import (
    Acknowledge,
    AwaitConsent,
    ClosingReference,
    DisputeSettlement,
    Extend,
    Outcome,
    Pay,
    RegisterHead,
    Report,
    Resume,
    Settle,
    Withdraw,
)
from contracts.stays import Append, Close, Deliver
from contracts.totals import YearTotal, sum_year
from ledger.crypto.commitments import verify_difference
from ledger.crypto.signatures import sign_challenge
from ledger.execution.loader import ContractSet
from tests.contracts.consortium import YEAR_MS, Call, Case, Consortium, Figure, digest

PAYABLE = Figure.draw(206_000, "payable")


@pytest.fixture
def case(chain: Consortium) -> Case:
    return chain.case(chain.consent(), chain.policy())


def deliverable(chain: Consortium, case: Case) -> None:
    chain.do(*chain.admit(case))
    chain.do(*chain.discharge(case))


def deliver(chain: Consortium, case: Case) -> None:
    deliverable(chain, case)
    chain.do(*chain.deliver(case))


def settled(chain: Consortium, case: Case, **changes: object) -> None:
    deliver(chain, case)
    chain.do(chain.settle(case, chain.outcome(case, PAYABLE, **changes)))


def revoke(case: Case) -> Call:
    return case.customer, "consent.revoke", Revoke(case.grant_id)


def renewed(chain: Consortium, case: Case) -> tuple[Grant, tuple[Call, ...]]:
    """Return a second grant of the same customer, and the calls that make it usable."""
    grant = chain.grant(case.customer, case.hospital, case.insurer)
    calls: tuple[Call, ...] = (
        (case.customer, "consent.grant", grant),
        chain.link(grant, case.hospital),
        chain.link(grant, case.insurer),
    )
    return grant, calls


def corrected(chain: Consortium, case: Case, bill: Figure, former_tag: bytes | None = None) -> None:
    """Reverse and re-issue the invoice, which has the case's tag or a former one, close again, hand over, confirm."""
    signer, target, original = chain.append(case, "invoice")
    assert isinstance(original, Append)
    invoice, reversal, new = case.record("invoice"), chain.draw("record"), chain.draw("record")
    parts = tuple(sorted((*(record_id for kind, record_id in case.records if kind != "invoice"), new)))
    tag = digest("new tag")
    chain.do(
        (
            signer,
            target,
            replace(
                original,
                record_id=reversal,
                kind="reversal",
                replaces=invoice,
                total=case.bill.negative,
                invoice_tag=former_tag or case.tag,
            ),
        ),
        (
            signer,
            target,
            replace(original, record_id=new, kind="replacement", replaces=invoice, total=bill.point, invoice_tag=tag),
        ),
        (signer, "records.close", Close(case.stay_id, 2, parts, 4, bill.point, (tag,), case.grant_id)),
        chain.share(case, new),
        (case.insurer, "records.deliver", Deliver(new)),
    )


def second(chain: Consortium, case: Case, payable: Figure, **changes: object) -> Outcome:
    """Return the outcome of a correction: balances move by the difference."""
    base = chain.outcome(case, payable)
    outcome = replace(
        base,
        version=2,
        closings=(ClosingReference(case.stay_id, 2),),
        accumulator_sequence=1,
        disposition="payout" if payable.amount > PAYABLE.amount else "recovery",
    )
    return replace(outcome, **changes)


# ------------------------------------------------------------------------------------------- the main lane


def test_admission_reports_and_discharge_settles_with_the_whole_timeline_kept(chain: Consortium, case: Case) -> None:
    chain.do(*chain.admit(case))
    assert chain.view(case).status == "REPORTED"
    chain.do(*chain.discharge(case))
    assert chain.view(case).status == "ASSEMBLING"
    chain.do(*chain.deliver(case), chain.settle(case, chain.outcome(case, PAYABLE)))
    assert "claim-settled" in chain.events()
    payment_id = chain.view(case).claim.payments[0]
    chain.do(chain.pay(payment_id, "accepted"))
    assert chain.view(case).status == "SETTLED"
    chain.do(chain.pay(payment_id, "paid"))
    view = chain.view(case)
    assert view.status == "PAID"
    assert [step.name for step in view.claim.steps] == ["reported", "settled", "payment"]
    assert [step.grant_version for step in view.claim.steps] == [1, 1, None]
    assert [step.place.height for step in view.claim.steps] == sorted(step.place.height for step in view.claim.steps)
    assert view.settlements[0].difference == PAYABLE.point
    assert [step.status for step in view.payments[0].steps] == ["due", "accepted", "paid"]


def test_a_whole_discharge_and_settlement_fit_into_one_block(chain: Consortium, case: Case) -> None:
    settle = chain.settle(case, chain.outcome(case, PAYABLE))
    chain.do(*chain.admit(case), *chain.discharge(case), *chain.deliver(case), settle)
    assert chain.view(case).status == "SETTLED"


def test_every_insurers_claims_are_numbered_without_a_gap(chain: Consortium) -> None:
    policy_id = chain.policy()
    cases = [chain.case(chain.consent(), policy_id) for _ in range(3)]
    for case in cases:
        chain.do(*chain.admit(case))
    head = chain.ask("registers.count", CountClaims("insurer-a"), RegisterHead)
    rows = chain.ask("claims.list_claims", ListClaims("insurer", "insurer-a", ""), tuple[ClaimSummary, ...])
    assert head.count == 3
    assert [(row.number, row.claim_id) for row in rows] == [(n, case.claim_id) for n, case in enumerate(cases)]


@pytest.mark.parametrize("by", ["customer", "insurer", "hospital", "status"])
def test_claims_are_listed_by_whom_they_concern_and_by_status(chain: Consortium, case: Case, by: str) -> None:
    chain.do(*chain.admit(case))
    value = {"customer": case.customer, "insurer": "insurer-a", "hospital": "hospital-a", "status": "REPORTED"}[by]
    query = ListClaims(by, value, "")  # type: ignore[arg-type]
    assert [row.claim_id for row in chain.ask("claims.list_claims", query, tuple[ClaimSummary, ...])] == [case.claim_id]
    chain.do((case.customer, "claims.withdraw", Withdraw(case.claim_id)))
    rows = chain.ask("claims.list_claims", query, tuple[ClaimSummary, ...])
    assert [row.status for row in rows] == ([] if by == "status" else ["WITHDRAWN"])


# ------------------------------------------------------------------------------------------- reports


def test_only_the_stays_own_hospital_reports_it(chain: Consortium, case: Case) -> None:
    chain.do(chain.append(case, "admission"))
    _, target, message = chain.report(case)
    assert chain.post(("insurer-a", target, message)) == ["FORBIDDEN"]
    assert chain.post(("hospital-b", target, message)) == ["AUTH-013"]


def test_a_report_before_the_admission_is_refused(chain: Consortium, case: Case) -> None:
    assert chain.post(chain.report(case)) == ["UNKNOWN_STAY"]


def test_a_stay_and_a_claims_id_are_used_once(chain: Consortium, case: Case) -> None:
    chain.do(*chain.admit(case))
    report = Report(chain.draw("claim"), (case.stay_id,), case.grant_id)
    assert chain.post(chain.report(case)) == ["CLAIM_TAKEN"]
    assert chain.post(("hospital-a", "claims.report", report)) == ["STAY_TAKEN"]


def test_another_customers_stay_is_not_reported_under_a_grant(chain: Consortium, case: Case) -> None:
    other = chain.consent()
    chain.do(chain.append(case, "admission"))
    report = Report(case.claim_id, (case.stay_id,), other.grant_id)
    assert chain.post(("hospital-a", "claims.report", report)) == ["FOREIGN_STAY"]


def test_a_readmission_extends_a_claim_and_both_stays_are_settled(chain: Consortium, case: Case) -> None:
    again = replace_ids(chain, case)
    deliver(chain, case)
    chain.do(chain.append(again, "admission"))
    extend = Extend(case.claim_id, again.stay_id)
    assert chain.post(("hospital-b", "claims.extend", extend)) == ["FORBIDDEN"]
    chain.do(("hospital-a", "claims.extend", extend))
    outcome = chain.outcome(case, PAYABLE)
    assert chain.post(chain.settle(case, outcome)) == ["CLOSINGS"]
    chain.do(*chain.discharge(again))
    chain.do(*chain.deliver(again))
    both = tuple(ClosingReference(stay_id, 1) for stay_id in sorted((case.stay_id, again.stay_id)))
    chain.do(chain.settle(case, replace(outcome, closings=both)))


def replace_ids(chain: Consortium, case: Case) -> Case:
    fresh = tuple((kind, chain.draw("record")) for kind, _ in case.records)
    return Case(
        case.customer,
        case.hospital,
        case.insurer,
        case.grant_id,
        chain.draw("stay"),
        case.claim_id,
        case.policy_id,
        case.year_tag,
        fresh,
        Figure.draw(1, fresh[0][1]),
    )


# ------------------------------------------------------------------------------------------- waiting for consent


def test_a_claim_without_consent_waits_and_goes_on_under_a_new_grant(chain: Consortium, case: Case) -> None:
    chain.do(*chain.admit(case))
    chain.do(revoke(case))
    chain.do(("hospital-a", "claims.await_consent", AwaitConsent(case.claim_id, "invoice")))
    view = chain.view(case)
    assert view.status == "AWAITING_CONSENT"
    assert view.claim.steps[-1].reference == "AUTH-013 status"
    grant, calls = renewed(chain, case)
    resume = ("hospital-a", "claims.resume", Resume(case.claim_id, grant.grant_id))
    assert chain.post(resume) == ["AUTH-013"]
    chain.do(*calls, resume)
    assert chain.view(case).status == "REPORTED"
    moved = Case(**{**case.__dict__, "grant_id": grant.grant_id})
    chain.do(*chain.discharge(moved))
    chain.do(*chain.deliver(moved), chain.settle(moved, chain.outcome(moved, PAYABLE)))


def test_a_mismatch_waits_with_its_own_code_and_resumes_under_the_same_grant(chain: Consortium, case: Case) -> None:
    grant = chain.grant(case.customer)
    chain.do(*chain.admit(case))
    mismatched = replace(grant, grant_id=case.grant_id)
    chain.do(chain.link(mismatched, "insurer-a", "mismatch"))
    chain.do(("insurer-a", "claims.await_consent", AwaitConsent(case.claim_id, "invoice")))
    assert chain.view(case).claim.steps[-1].reference == "ELIG-001 link"
    chain.do(chain.link(mismatched, "insurer-a"))
    chain.do((case.customer, "claims.resume", Resume(case.claim_id, case.grant_id)))
    assert chain.view(case).status == "REPORTED"


def test_nobody_lets_a_covered_claim_wait(chain: Consortium, case: Case) -> None:
    chain.do(*chain.admit(case))
    wait = AwaitConsent(case.claim_id, "invoice")
    assert chain.post(("hospital-a", "claims.await_consent", wait)) == ["GRANT_USABLE"]
    assert chain.post(("hospital-b", "claims.await_consent", wait)) == ["FORBIDDEN"]
    assert chain.post((case.customer, "claims.await_consent", wait)) == ["FORBIDDEN"]


def test_a_waiting_claim_is_not_settled_and_resumes_once(chain: Consortium, case: Case) -> None:
    deliver(chain, case)
    chain.do(revoke(case), ("hospital-a", "claims.await_consent", AwaitConsent(case.claim_id, "invoice")))
    assert chain.post(chain.settle(case, chain.outcome(case, PAYABLE))) == ["AUTH-013"]
    grant, calls = renewed(chain, case)
    resume = ("hospital-a", "claims.resume", Resume(case.claim_id, grant.grant_id))
    assert chain.post(*calls, resume, resume) == ["OK", "OK", "OK", "OK", "WRONG_STATE"]


def test_a_customer_withdraws_an_unsettled_claim_for_good(chain: Consortium, case: Case) -> None:
    deliver(chain, case)
    withdraw = Withdraw(case.claim_id)
    for stranger in ("hospital-a", "insurer-a"):
        assert chain.post((stranger, "claims.withdraw", withdraw)) == ["FORBIDDEN"]
    chain.do((case.customer, "claims.withdraw", withdraw))
    assert chain.post(chain.settle(case, chain.outcome(case, PAYABLE))) == ["WRONG_STATE"]
    assert chain.post((case.customer, "claims.withdraw", withdraw)) == ["WRONG_STATE"]


def test_after_a_withdrawal_nothing_more_is_shared_until_a_new_report(chain: Consortium, case: Case) -> None:
    chain.do(*chain.admit(case))
    chain.do((case.customer, "claims.withdraw", Withdraw(case.claim_id)))
    assert chain.post(chain.share(case, case.record("admission"))) == ["NOT_REPORTED"]
    again = Report(chain.draw("claim"), (case.stay_id,), case.grant_id)
    chain.do(("hospital-a", "claims.report", again), chain.share(case, case.record("admission")))


# ------------------------------------------------------------------------------------------- settlements


def test_a_settlement_after_the_revocation_is_refused_and_before_it_stands(chain: Consortium, case: Case) -> None:
    deliver(chain, case)
    settle = chain.settle(case, chain.outcome(case, PAYABLE))
    assert chain.post(revoke(case), settle) == ["OK", "AUTH-013"]
    other = chain.case(chain.consent(), chain.policy())
    deliver(chain, other)
    assert chain.post(chain.settle(other, chain.outcome(other, PAYABLE)), revoke(other)) == ["OK", "OK"]


def test_a_claim_is_settled_once_on_the_same_closings(chain: Consortium, case: Case) -> None:
    deliver(chain, case)
    first = chain.outcome(case, PAYABLE)
    again = replace(first, version=2, accumulator_sequence=1)
    review = replace(again, is_review=True)
    codes = chain.post(*[chain.settle(case, outcome) for outcome in (first, first, again, review)])
    assert codes == ["OK", "ALREADY_SETTLED", "ALREADY_SETTLED", "ALREADY_SETTLED"]


def test_only_the_claims_insurer_settles(chain: Consortium, case: Case) -> None:
    deliver(chain, case)
    _, target, message = chain.settle(case, chain.outcome(case, PAYABLE))
    for stranger in ("hospital-a", "insurer-b", "regulator", "rail", case.customer):
        assert chain.post((stranger, target, message)) == ["FORBIDDEN"]


def test_a_signature_of_another_insurer_or_purpose_or_outcome_is_refused(chain: Consortium, case: Case) -> None:
    deliver(chain, case)
    outcome = chain.outcome(case, PAYABLE)
    foreign = Case(**{**case.__dict__, "insurer": "insurer-b"})
    _, target, message = chain.settle(foreign, outcome)
    assert chain.post(("insurer-a", target, message)) == ["INVALID_PROOF"]
    _, _, own = chain.settle(case, outcome)
    assert isinstance(own, Settle)
    other_purpose = replace(own, signature=sign_challenge(chain.keys["insurer-a"], digest("anything")))
    other_outcome = replace(own, outcome=replace(outcome, decision=digest("another decision")))
    for wrong in (other_purpose, other_outcome):
        assert chain.post(("insurer-a", target, wrong)) == ["INVALID_PROOF"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"grant_version": 2}, "STALE_GRANT"),
        ({"grant_id": "grant-ffffffffffff"}, "STALE_GRANT"),
        ({"policy_id": "policy-ffffffffffff"}, "ELIG-005"),
        ({"payee_version": 2}, "STALE_PAYEE"),
        ({"currency": "USD"}, "CURRENCY"),
        ({"accumulator_sequence": 1}, "STALE_ACCUMULATOR"),
        ({"rules": digest("former rules")}, "STALE_RULES"),
        ({"version": 2}, "STALE_VERSION"),
        ({"closings": (ClosingReference("stay-ffffffffffff", 1),)}, "CLOSINGS"),
        ({"is_review": True}, "CLOSINGS"),
        ({"payable": Figure.draw(206_001, "payable").point}, "BALANCE"),
        ({"paid_after": Figure.draw(1, "x").point}, "BALANCE"),
        ({"deductible": Figure.draw(5, "x").point}, "BALANCE"),
        ({"payable": b"\x02" + bytes(31)}, "INVALID_PROOF"),
        ({"payable": bytes(32)}, "INVALID_PROOF"),
        ({"disposition": "recovery"}, "PAYMENT"),
    ],
)
def test_an_outcome_that_does_not_fit_the_state_is_refused(
    chain: Consortium, case: Case, change: dict[str, object], code: str
) -> None:
    deliver(chain, case)
    assert chain.post(chain.settle(case, chain.outcome(case, PAYABLE, **change))) == [code]
    chain.do(chain.settle(case, chain.outcome(case, PAYABLE)))


def test_a_claim_is_not_settled_before_every_part_is_delivered(chain: Consortium, case: Case) -> None:
    deliverable(chain, case)
    chain.do(*chain.deliver(case)[1:])
    settle = chain.settle(case, chain.outcome(case, PAYABLE))
    assert chain.post(settle) == ["NOT_DELIVERED"]
    chain.do(chain.deliver(case)[0], settle)


def test_a_claim_is_not_settled_before_the_closing_or_on_a_stale_one(chain: Consortium, case: Case) -> None:
    chain.do(*chain.admit(case))
    settle = chain.settle(case, chain.outcome(case, PAYABLE))
    assert chain.post(settle) == ["STALE_CLOSING"]
    chain.do(*chain.discharge(case))
    chain.do(*chain.deliver(case))
    corrected(chain, case, Figure.draw(1, "bill"))
    assert chain.post(settle) == ["STALE_CLOSING"]


def test_a_claim_is_not_settled_between_a_correction_and_its_closing(chain: Consortium, case: Case) -> None:
    deliver(chain, case)
    signer, target, original = chain.append(case, "item-list")
    assert isinstance(original, Append)
    changes = {"record_id": chain.draw("record"), "kind": "reversal", "replaces": original.record_id}
    chain.do((signer, target, replace(original, **changes)))
    assert chain.view(case).status == "ASSEMBLING"
    assert chain.post(chain.settle(case, chain.outcome(case, PAYABLE))) == ["ASSEMBLING"]


def test_a_policy_of_another_insurer_or_a_terminated_one_does_not_pay(chain: Consortium, case: Case) -> None:
    deliver(chain, case)
    foreign = chain.policy("insurer-b")
    assert chain.post(chain.settle(case, chain.outcome(case, PAYABLE, policy_id=foreign))) == ["ELIG-005"]
    terminate = ChangePolicy(case.policy_id, 2, digest("period"), "terminated")
    chain.do(("insurer-a", "coverage.change_policy", terminate))
    assert chain.post(chain.settle(case, chain.outcome(case, PAYABLE))) == ["ELIG-005"]


def test_a_settlement_pays_the_current_payee(chain: Consortium, case: Case) -> None:
    deliver(chain, case)
    chain.do(("insurer-a", "coverage.name_payee", NamePayee(case.policy_id, 2, digest("heirs"))))
    assert chain.post(chain.settle(case, chain.outcome(case, PAYABLE))) == ["STALE_PAYEE"]
    chain.do(chain.settle(case, chain.outcome(case, PAYABLE, payee_version=2)))


def test_two_stays_race_for_one_balance_and_the_second_is_adjudicated_again(chain: Consortium) -> None:
    policy_id = chain.policy()
    first, late = (chain.case(chain.consent(), policy_id) for _ in range(2))
    for case in (first, late):
        deliver(chain, case)
    calls = [chain.settle(case, chain.outcome(case, PAYABLE)) for case in (first, late)]
    assert chain.post(*calls) == ["OK", "STALE_ACCUMULATOR"]
    balance = chain.ask("coverage.balance", FindBalance(policy_id, first.year_tag, "CNY"), Balance)
    assert (balance.sequence, balance.paid, balance.claim_id) == (1, PAYABLE.point, first.claim_id)
    payable = Figure.draw(1_000, "late")
    deductible = Figure.draw(0, f"deductible of {first.claim_id}").plus(
        Figure.draw(0, f"deductible of {late.claim_id}")
    )
    again = chain.outcome(late, payable, PAYABLE, accumulator_sequence=1, deductible_used_after=deductible.point)
    chain.do(chain.settle(late, again))


def test_an_invoice_is_consumed_once_by_any_insurer(chain: Consortium, case: Case) -> None:
    same_insurer = chain.case(chain.consent(), chain.policy())
    other_insurer = chain.case(chain.consent(insurer="insurer-b"), chain.policy("insurer-b"))
    settled(chain, case)
    for duplicate, waited in (
        (same_insurer, Wait("hospital", "DUPL-001", 0, 0)),
        (other_insurer, Wait("customer", "DUPL-002", 0, 0)),
    ):
        deliver_with_tag(chain, duplicate, case.tag)
        assert wait(chain, duplicate) == waited
        assert chain.post(chain.settle(duplicate, chain.outcome(duplicate, PAYABLE))) == [waited.code]
        assert wait(chain, duplicate) == waited


def test_a_claim_says_whom_it_waits_for_at_every_turn(chain: Consortium, case: Case) -> None:
    def step(*calls: Call) -> tuple[str, str, int, int] | None:
        chain.do(*calls)
        found = wait(chain, case)
        return None if found is None else (found.whom, found.code, found.parts, found.delivered)

    assert step(*chain.admit(case)) == ("hospital", "", 0, 0)
    discharge = chain.discharge(case)
    shares = [call for call in discharge if call[1] == "records.share"]
    assert step(*(call for call in discharge if call not in shares)) == ("hospital", "", 4, 0)
    assert step(*shares[:-1]) == ("hospital", "", 4, 0)
    assert step(shares[-1]) == ("insurer", "", 4, 0)
    first, *others = chain.deliver(case)
    assert step(first) == ("insurer", "", 4, 1)
    assert step(*others) == ("insurer", "", 4, 4)
    outcome = chain.outcome(case, PAYABLE)
    assert step(chain.settle(case, outcome)) == ("rail", "", 0, 0)
    (payment_id,) = chain.view(case).claim.payments
    assert step(("rail", "claims.pay", Pay(payment_id, digest("attempt"), "paid"))) is None
    assert step(("rail", "claims.pay", Pay(payment_id, digest("attempt"), "returned"))) == ("insurer", "", 0, 0)


def test_only_the_failing_condition_of_consent_is_told_of_a_wait_for_it(chain: Consortium, case: Case) -> None:
    chain.do(*chain.admit(case))
    chain.do((case.customer, "consent.revoke", Revoke(case.grant_id)))
    chain.do((case.hospital, "claims.await_consent", AwaitConsent(case.claim_id, "invoice")))
    assert wait(chain, case) == Wait("customer", "AUTH-013 status", 0, 0)
    chain.do((case.customer, "claims.withdraw", Withdraw(case.claim_id)))
    assert wait(chain, case) is None


def test_one_invoice_in_two_stays_of_a_claim_waits_for_the_hospital(chain: Consortium, case: Case) -> None:
    chain.do(*chain.admit(case))
    again = replace_ids(chain, case)
    chain.do(chain.append(again, "admission"), (case.hospital, "claims.extend", Extend(case.claim_id, again.stay_id)))
    chain.do(*chain.discharge(case), *chain.deliver(case))
    assert wait(chain, case) == Wait("hospital", "", 4, 4)
    calls = [
        (signer, target, with_tag(message, case.tag))
        for signer, target, message in (*chain.discharge(again), *chain.deliver(again))
    ]
    chain.do(*calls)
    assert wait(chain, case) == Wait("hospital", "DUPL-001", 0, 0)


def wait(chain: Consortium, case: Case) -> Wait | None:
    return chain.view(case).wait


def with_tag(message: object, tag: bytes) -> object:
    """Return a call's message with the invoice's tag replaced, if it names one."""
    if isinstance(message, Append) and message.record_type == "invoice":
        return replace(message, invoice_tag=tag)
    return replace(message, invoice_tags=(tag,)) if isinstance(message, Close) else message


def test_a_hospital_cannot_burn_another_hospitals_tag(chain: Consortium, case: Case) -> None:
    grant = chain.consent(hospital="hospital-b")
    thief = chain.case(grant, chain.policy())
    deliver_with_tag(chain, thief, case.tag)
    chain.do(chain.settle(thief, chain.outcome(thief, PAYABLE)))
    settled(chain, case)
    assert [chain.view(item).claim.settlement_version for item in (thief, case)] == [1, 1]


def deliver_with_tag(chain: Consortium, case: Case, tag: bytes) -> None:
    calls = (*chain.admit(case), *chain.discharge(case), *chain.deliver(case))
    chain.do(*((signer, target, with_tag(message, tag)) for signer, target, message in calls))


@settings(max_examples=30)
@given(st.data())
def test_whatever_the_order_no_share_or_settlement_is_applied_without_consent(
    contract_set: ContractSet, data: st.DataObject
) -> None:
    chain = Consortium(contract_set)
    case = chain.case(chain.consent(), chain.policy())
    settle = chain.settle(case, chain.outcome(case, PAYABLE))
    lane = [*chain.admit(case), *chain.discharge(case), *chain.deliver(case), settle]
    grant = replace(chain.grant(case.customer), grant_id=case.grant_id)
    ends = data.draw(st.sampled_from([revoke(case), chain.link(grant, "hospital-a", "mismatch")]))
    end = data.draw(st.integers(0, len(lane)))
    swaps = data.draw(st.lists(st.tuples(st.integers(0, len(lane) - 1), st.integers(0, len(lane) - 1)), max_size=3))
    for first, second_place in swaps:
        lane[first], lane[second_place] = lane[second_place], lane[first]
    codes = chain.post(*lane[:end], ends, *lane[end:])
    guarded = ("records.append", "records.close", "records.share", "claims.report", "claims.settle")
    after = [code for (_, target, _), code in zip(lane[end:], codes[end + 1 :], strict=True) if target in guarded]
    assert codes[end] == "OK"
    assert "OK" not in after
    if not swaps:
        assert codes[:end] == ["OK"] * end


# ------------------------------------------------------------------------------------------- nothing to move


def nothing(chain: Consortium, case: Case, payable: Figure) -> Outcome:
    return chain.outcome(case, payable, disposition="none", is_pended=True)


def test_a_settlement_that_moves_nothing_proves_it(chain: Consortium, case: Case) -> None:
    deliver(chain, case)
    zero, one = Figure.draw(0, "zero"), Figure.draw(1, "one")
    assert chain.post(chain.settle(case, nothing(chain, case, one), one.blinding)) == ["INVALID_PROOF"]
    assert chain.post(chain.settle(case, nothing(chain, case, zero))) == ["PAYMENT"]
    chain.do(chain.settle(case, nothing(chain, case, zero), zero.blinding))
    assert chain.view(case).status == "PENDED"


def test_a_person_decides_a_pended_part_in_a_new_version(chain: Consortium, case: Case) -> None:
    deliver(chain, case)
    zero = Figure.draw(0, "zero")
    chain.do(chain.settle(case, nothing(chain, case, zero), zero.blinding))
    deductible = Figure.draw(0, f"deductible of {case.claim_id}")
    review = chain.outcome(
        case,
        PAYABLE,
        version=2,
        is_review=True,
        accumulator_sequence=1,
        deductible_used_after=deductible.point,
        paid_after=zero.plus(PAYABLE.minus(zero)).point,
    )
    assert chain.post(chain.settle(case, replace(review, is_review=False))) == ["ALREADY_SETTLED"]
    chain.do(chain.settle(case, review))
    view = chain.view(case)
    assert [settlement.outcome.is_pended for settlement in view.settlements] == [True, False]
    assert view.payments[0].amount == PAYABLE.minus(zero).point


# ------------------------------------------------------------------------------------------- corrections


@pytest.mark.parametrize(
    ("amount", "disposition", "status"), [(250_000, "payout", "SETTLED"), (0, "recovery", "RECOVERING")]
)
def test_after_a_correction_only_the_difference_moves(
    chain: Consortium, case: Case, amount: int, disposition: str, status: str
) -> None:
    settled(chain, case)
    chain.do(chain.pay(chain.view(case).claim.payments[0], "paid"))
    corrected(chain, case, Figure.draw(700_000, "bill"))
    assert chain.view(case).status == "ASSEMBLING"
    payable = Figure.draw(amount, "corrected")
    chain.do(chain.settle(case, second(chain, case, payable)))
    view = chain.view(case)
    assert (view.status, view.payments[1].direction) == (status, disposition)
    difference = payable.minus(PAYABLE)
    verify_difference(view.payments[1].amount, difference.amount, difference.blinding)
    chain.do(chain.pay(view.claim.payments[1], "paid"))
    assert chain.view(case).status == "PAID"


def test_a_claim_counts_in_the_year_of_its_first_payment_and_a_return_where_it_comes_back(
    chain: Consortium, case: Case
) -> None:
    settled(chain, case)
    chain.do(chain.pay(chain.view(case).claim.payments[0], "paid"))
    corrected(chain, case, Figure.draw(700_000, "bill"))
    chain.do(chain.settle(case, second(chain, case, Figure.draw(250_000, "corrected"))))
    first, later = chain.view(case).claim.payments
    chain.do(chain.pay(later, "paid"), after_ms=YEAR_MS)
    assert counted(chain) == ([1, 0], [1, 1])
    chain.do(chain.pay(first, "returned"))
    assert counted(chain) == ([1, 0], [1, 1]), "the month that is over stays, the return is an adjustment of this one"
    chain.do(chain.pay(later, "returned"))
    assert counted(chain) == ([1, 0], [1, 0]), "what comes back within its month is taken out of it"


def counted(chain: Consortium) -> tuple[list[int], list[int]]:
    """Return claims and payments of 2026 and 2027."""
    messages = [FindTotal("insurer-a", year, "CNY") for year in (2026, 2027)]
    totals = [sum_year(chain.ask("registers.total", message, YearTotal)) for message in messages]
    return [total.claims for total in totals], [total.payments for total in totals]


def test_a_correction_stays_in_the_balance_of_the_first_settlement(chain: Consortium, case: Case) -> None:
    settled(chain, case)
    corrected(chain, case, Figure.draw(700_000, "bill"))
    payable = Figure.draw(250_000, "corrected")
    moved = second(chain, case, payable, year_tag="year-ffffffffffff", accumulator_sequence=0)
    assert chain.post(chain.settle(case, moved)) == ["BALANCE"]
    stale = second(chain, case, payable, accumulator_sequence=0)
    assert chain.post(chain.settle(case, stale)) == ["STALE_ACCUMULATOR"]


# ------------------------------------------------------------------------------------------- the customer


def test_a_customer_answers_her_latest_settlement_once_in_each_way(chain: Consortium, case: Case) -> None:
    settled(chain, case)
    acknowledge = Acknowledge(case.claim_id, 1)
    dispute = DisputeSettlement(case.claim_id, 1, digest("reasons"))
    for stranger in ("insurer-a", "hospital-a"):
        assert chain.post((stranger, "claims.acknowledge", acknowledge)) == ["FORBIDDEN"]
    assert chain.post((case.customer, "claims.acknowledge", Acknowledge(case.claim_id, 2))) == ["STALE_VERSION"]
    calls: list[Call] = [(case.customer, "claims.acknowledge", acknowledge)] * 2
    assert chain.post(*calls, (case.customer, "claims.dispute", dispute)) == ["OK", "ALREADY_ANSWERED", "OK"]
    steps = chain.view(case).claim.steps[-2:]
    assert [(step.name, step.detail) for step in steps] == [("acknowledged", None), ("disputed", digest("reasons"))]


@pytest.mark.parametrize(
    "call",
    [
        lambda: ("insurer-a", "claims.await_consent", AwaitConsent("claim-ffffffffffff", "invoice")),
        lambda: ("hospital-a", "claims.resume", Resume("claim-ffffffffffff", "grant-ffffffffffff")),
        lambda: ("hospital-a", "claims.extend", Extend("claim-ffffffffffff", "stay-ffffffffffff")),
    ],
)
def test_an_unknown_claim_is_refused(chain: Consortium, call: Callable[[], Call]) -> None:
    assert chain.post(call()) == ["UNKNOWN_CLAIM"]
    unknown: ClaimView | None = chain.ask("claims.show", ShowClaim("claim-ffffffffffff"), ClaimView | None)  # type: ignore[arg-type]
    assert unknown is None
