"""Members who collude or cut corners: what a grant, a closing or an invoice is worth is what it says, and once."""

import pytest
from msgspec.structs import replace

from contracts.grants import Grant, GrantView, RecordType, Revoke, ShowGrant
from contracts.policies import ChangePolicy, NamePayee
from contracts.settlements import Acknowledge, AwaitConsent, ClosingReference, Extend, Redirect, Report, Resume
from contracts.stays import Append, Close
from ledger.crypto.commitments import IDENTITY
from tests.contracts.consortium import Call, Case, Consortium, Figure, digest

PAYABLE = Figure.draw(206_000, "payable")


@pytest.fixture
def case(chain: Consortium) -> Case:
    return chain.case(chain.consent(), chain.policy())


def one_case(chain: Consortium, *encounters: str) -> Grant:
    """Return a usable one-case grant, for these stays only if any is named."""
    grant = chain.consent()
    scope = replace(grant.scope, case="one-case", encounters=tuple(sorted(encounters)))
    amended = replace(grant, version=2, previous_version=1, scope=scope)
    chain.do((grant.subject, "consent.grant", amended))
    return amended


def another(chain: Consortium, case: Case, insurer: str | None = None) -> Grant:
    """Return a second usable grant of the same customer."""
    grant = chain.grant(case.customer, case.hospital, insurer or case.insurer)
    parties = (case.hospital, grant.grantee.organisation)
    chain.do((case.customer, "consent.grant", grant), *(chain.link(grant, party) for party in parties))
    return grant


def amend(chain: Consortium, grant: Grant, *dropped: RecordType) -> None:
    """Take record types out of a grant."""
    types = tuple(kind for kind in grant.scope.record_types if kind not in dropped)
    scope = replace(grant.scope, record_types=types)
    chain.do((grant.subject, "consent.grant", replace(grant, version=2, previous_version=1, scope=scope)))


def delivered(chain: Consortium, case: Case) -> None:
    chain.do(*chain.admit(case))
    chain.do(*chain.discharge(case))
    chain.do(*chain.deliver(case))


# ------------------------------------------------------------------------------------------- one-case grants


def test_a_one_case_grant_that_names_two_stays_still_serves_one_claim(chain: Consortium) -> None:
    stays = (chain.draw("stay"), chain.draw("stay"))
    grant = one_case(chain, *stays)
    policy_id = chain.policy()
    first, second = (replace_stay(chain.case(grant, policy_id), stay_id) for stay_id in stays)
    chain.do(*chain.admit(first))
    chain.do(chain.append(second, "admission"))
    assert chain.post(chain.report(second)) == ["AUTH-013"]
    assert chain.reason().startswith("case: ")
    assert chain.post((first.hospital, "claims.extend", Extend(first.claim_id, second.stay_id))) == ["OK"]


def test_a_one_case_grant_releases_the_records_of_one_claim_only(chain: Consortium) -> None:
    standing = chain.consent()
    policy_id = chain.policy()
    first, second = chain.case(standing, policy_id), chain.case(standing, policy_id)
    chain.do(*chain.admit(first), *chain.admit(second))
    narrow = another(chain, first)
    scope = replace(narrow.scope, case="one-case")
    chain.do((first.customer, "consent.grant", replace(narrow, version=2, previous_version=1, scope=scope)))
    first, second = (replace_grant(case, narrow.grant_id) for case in (first, second))
    chain.do(chain.share(first, first.record("admission")))
    assert chain.post(chain.share(second, second.record("admission"))) == ["AUTH-013"]
    assert chain.reason().startswith("case: ")


def test_a_grant_narrowed_to_one_case_settles_one_of_the_claims_under_it(chain: Consortium) -> None:
    grant = chain.consent()
    first, second = chain.case(grant, chain.policy()), chain.case(grant, chain.policy())
    delivered(chain, first)
    delivered(chain, second)
    scope = replace(grant.scope, case="one-case")
    chain.do((grant.subject, "consent.grant", replace(grant, version=2, previous_version=1, scope=scope)))
    chain.do(chain.settle(first, chain.outcome(first, PAYABLE, grant_version=2)))
    assert chain.post(chain.settle(second, chain.outcome(second, PAYABLE, grant_version=2))) == ["AUTH-013"]


def replace_stay(case: Case, stay_id: str) -> Case:
    return Case(**{**vars(case), "stay_id": stay_id})


def replace_grant(case: Case, grant_id: str) -> Case:
    return Case(**{**vars(case), "grant_id": grant_id})


# ------------------------------------------------------------------------------------------- what a grant covers


def test_a_settlement_needs_a_grant_that_covers_the_type_of_every_part(chain: Consortium) -> None:
    grant = chain.consent()
    case = chain.case(grant, chain.policy())
    delivered(chain, case)
    amend(chain, grant, "invoice")
    assert chain.post(chain.settle(case, chain.outcome(case, PAYABLE, grant_version=2))) == ["AUTH-013"]
    assert chain.reason().startswith("record type: ")


def test_a_claim_resumed_under_a_narrower_grant_is_not_settled_on_more_than_it_covers(
    chain: Consortium, case: Case
) -> None:
    delivered(chain, case)
    narrow = another(chain, case)
    amend(chain, narrow, "item-list")
    chain.do(revoke(case), (case.hospital, "claims.await_consent", AwaitConsent(case.claim_id, "invoice")))
    chain.do((case.insurer, "claims.resume", Resume(case.claim_id, narrow.grant_id)))
    outcome = chain.outcome(case, PAYABLE, grant_id=narrow.grant_id, grant_version=2)
    assert chain.post(chain.settle(case, outcome)) == ["AUTH-013"]


def revoke(case: Case) -> Call:
    return case.customer, "consent.revoke", Revoke(case.grant_id)


def test_a_stay_entered_for_one_insurer_is_not_reported_to_another(chain: Consortium, case: Case) -> None:
    chain.do(chain.append(case, "admission"))
    other = another(chain, case, "insurer-b")
    report = Report(case.claim_id, (case.stay_id,), other.grant_id)
    assert chain.post((case.hospital, "claims.report", report)) == ["FOREIGN_STAY"]
    assert "insurer-a" in chain.reason()


# ------------------------------------------------------------------------------------------- invoices and closings


def test_an_invoice_is_not_counted_twice_in_one_closing(chain: Consortium, case: Case) -> None:
    chain.do(*chain.admit(case))
    signer, target, invoice = chain.append(case, "invoice")
    assert isinstance(invoice, Append)
    copy = chain.draw("record")
    chain.do((signer, target, invoice), (signer, target, replace(invoice, record_id=copy)))
    chain.do(chain.append(case, "item-list"), chain.append(case, "discharge-summary"))
    parts = tuple(sorted((*(record_id for _, record_id in case.records), copy)))
    total = case.bill.plus(case.bill).point
    close = Close(case.stay_id, 1, parts, len(parts), total, (case.tag, case.tag), case.grant_id)
    assert chain.post((case.hospital, "records.close", close)) == ["DUPL-001"]


def test_an_invoice_is_not_counted_twice_in_two_stays_of_one_claim(chain: Consortium, case: Case) -> None:
    again = Case(
        **{
            **vars(chain.case(grant_of(chain, case), case.policy_id)),
            "claim_id": case.claim_id,
        }
    )
    chain.do(*chain.admit(case))
    chain.do(chain.append(again, "admission"), (case.hospital, "claims.extend", Extend(case.claim_id, again.stay_id)))
    chain.do(*chain.discharge(case))
    signer, target, invoice = chain.append(again, "invoice")
    assert isinstance(invoice, Append)
    chain.do(
        chain.append(again, "item-list"),
        (signer, target, replace(invoice, invoice_tag=case.tag)),
        chain.append(again, "discharge-summary"),
    )
    parts = tuple(record_id for _, record_id in again.records)
    close = Close(again.stay_id, 1, parts, len(parts), again.bill.point, (case.tag,), case.grant_id)
    chain.do((case.hospital, "records.close", close), *(chain.share(again, record_id) for record_id in parts))
    chain.do(*chain.deliver(case), *chain.deliver(again))
    closings = tuple(ClosingReference(stay_id, 1) for stay_id in sorted((case.stay_id, again.stay_id)))
    assert chain.post(chain.settle(case, chain.outcome(case, PAYABLE, closings=closings))) == ["DUPL-001"]


def grant_of(chain: Consortium, case: Case) -> Grant:
    return replace(chain.grant(case.customer, case.hospital, case.insurer), grant_id=case.grant_id)


def test_a_claim_without_any_part_is_not_paid(chain: Consortium, case: Case) -> None:
    chain.do(*chain.admit(case))
    signer, target, admission = chain.append(case, "admission")
    assert isinstance(admission, Append)
    reversal = replace(admission, record_id=chain.draw("record"), kind="reversal", replaces=admission.record_id)
    close = Close(case.stay_id, 1, (), 0, IDENTITY, (), case.grant_id)
    chain.do((signer, target, reversal), (signer, "records.close", close))
    assert chain.post(chain.settle(case, chain.outcome(case, PAYABLE))) == ["CLOSINGS"]


def test_a_payment_of_provably_nothing_is_refused(chain: Consortium, case: Case) -> None:
    delivered(chain, case)
    outcome = chain.outcome(case, PAYABLE, payable=IDENTITY, paid_after=IDENTITY)
    assert chain.post(chain.settle(case, outcome)) == ["PAYMENT"]


# ------------------------------------------------------------------------------------------- room for the rail


def test_a_claim_full_of_other_steps_has_room_for_the_rails_receipts(chain: Consortium, case: Case) -> None:
    delivered(chain, case)
    chain.do(chain.settle(case, chain.outcome(case, PAYABLE, is_pended=True)))
    payment_id = chain.view(case).claim.payments[0]
    codes: list[str] = []
    version = 1
    while "TOO_MANY" not in codes:
        answer = Acknowledge(case.claim_id, version)
        version += 1
        review = chain.outcome(case, PAYABLE, version=version, disposition="none", is_pended=True, is_review=True)
        review = replace(review, accumulator_sequence=version - 1)
        codes = chain.post((case.customer, "claims.acknowledge", answer), chain.settle(case, review, 0))
    chain.do(chain.pay(payment_id, "paid"), chain.pay(payment_id, "returned"))
    assert chain.view(case).payments[0].status == "returned"


def test_an_insurer_that_terminates_a_policy_still_redirects_what_it_owes(chain: Consortium, case: Case) -> None:
    delivered(chain, case)
    chain.do(chain.settle(case, chain.outcome(case, PAYABLE)))
    payment_id = chain.view(case).claim.payments[0]
    chain.do(
        chain.pay(payment_id, "rejected"),
        (case.insurer, "coverage.change_policy", ChangePolicy(case.policy_id, 2, digest("period"), "terminated")),
        (case.insurer, "coverage.name_payee", NamePayee(case.policy_id, 2, digest("heir"))),
        (case.insurer, "claims.redirect", Redirect(payment_id, 2, "rail")),
        chain.pay(payment_id, "paid", "second"),
    )
    payment = chain.view(case).payments[0]
    assert (payment.status, payment.payee_version) == ("paid", 2)


@pytest.mark.parametrize("narrowing", ["later", "sooner"])
def test_a_grant_that_ends_before_the_settlements_block_settles_nothing(
    chain: Consortium, case: Case, narrowing: str
) -> None:
    delivered(chain, case)
    grant = chain.ask("consent.show", ShowGrant(case.grant_id), GrantView).versions[0].grant
    ends_ms = chain.application.time_ms + (2_000 if narrowing == "sooner" else 2_001)
    permission = replace(grant.permission, expires_at_ms=ends_ms)
    chain.do((case.customer, "consent.grant", replace(grant, version=2, previous_version=1, permission=permission)))
    expected = ["AUTH-013"] if narrowing == "sooner" else ["OK"]
    assert chain.post(chain.settle(case, chain.outcome(case, PAYABLE, grant_version=2))) == expected
