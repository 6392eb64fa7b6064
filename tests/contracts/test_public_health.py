"""Public health: records of a hospital for a regulator that is not told whose they are; nothing of it is a claim."""

import pytest
from msgspec.structs import replace

from contracts.erasures import ErasureRow, ShowErasures
from contracts.grants import Grant, Grantee, IdentityCommitment, RecordType, Revoke
from contracts.orders import FindOrder, Order, PlaceOrder
from contracts.settlements import Report
from contracts.stays import Append, Deliver, ListInbox, ShareView
from tests.contracts.consortium import Call, Consortium, digest
from tests.contracts.test_treatment import entering, entry, sharing


def words(chain: Consortium) -> tuple[Grant, Call]:
    """Return a new customer's grant to the regulator, and the call that enrols her."""
    customer, enrolment = chain.enrol("hospital-a")
    grant = chain.grant(customer, "hospital-a", "regulator")
    identities = (IdentityCommitment("hospital-a", digest("identity at hospital-a")),)
    return replace(
        grant, purpose="PUBHLTH", grantee=Grantee("regulator", "regulator"), identities=identities
    ), enrolment


def permit(chain: Consortium) -> Grant:
    """Let the regulator have hospital-a's records."""
    grant, enrolment = words(chain)
    chain.do(enrolment, (grant.subject, "consent.grant", grant), chain.link(grant, "hospital-a"))
    return grant


def give(chain: Consortium, grant: Grant) -> Append:
    """Enter an admission for the regulator and share it."""
    message = entry(chain, grant)
    chain.do(entering(message), sharing(message, grant, "regulator"))
    return message


def test_a_record_goes_to_the_regulator_with_its_own_field_set_once_the_hospital_knows_whose_it_is(
    chain: Consortium,
) -> None:
    grant, enrolment = words(chain)
    chain.do(enrolment, (grant.subject, "consent.grant", grant))
    assert chain.post(entering(entry(chain, grant))) == ["ELIG-001"]
    chain.do(chain.link(grant, "hospital-a"))
    message = give(chain, grant)
    (view,) = chain.ask("records.inbox", ListInbox("regulator"), tuple[ShareView, ...])
    assert (view.share.field_set, "ward" in view.fields) == ("PUBHLTH/admission/1", False)
    chain.do(("regulator", "records.deliver", Deliver(message.record_id)))


def test_a_regulator_is_committed_no_identity_and_judges_none(chain: Consortium) -> None:
    grant, enrolment = words(chain)
    told = (*grant.identities, IdentityCommitment("regulator", digest("identity at regulator")))
    assert chain.post(enrolment, (grant.subject, "consent.grant", replace(grant, identities=told))) == [
        "OK",
        "IDENTITIES",
    ]
    chain.do((grant.subject, "consent.grant", grant))
    assert chain.post(chain.link(grant, "regulator")) == ["FORBIDDEN"]


@pytest.mark.parametrize("record_type", ["invoice", "item-list", "interim-bill", "document"])
def test_no_bill_and_no_file_is_entered_for_public_health(chain: Consortium, record_type: RecordType) -> None:
    grant = permit(chain)
    first = give(chain, grant)
    assert chain.post(entering(entry(chain, grant, record_type, first.stay_id))) == ["AUTH-013"]
    assert chain.reason().startswith("field set: ")


def test_what_was_entered_for_public_health_goes_to_nobody_else_and_is_no_claim(chain: Consortium) -> None:
    grant = permit(chain)
    message = give(chain, grant)
    report = Report(chain.draw("claim"), (message.stay_id,), grant.grant_id)
    codes = chain.post(("hospital-a", "claims.report", report), sharing(message, grant, "insurer-a"))
    assert "OK" not in codes
    assert chain.post(sharing(message, grant, "hospital-b")) == ["AUTH-013"]


def test_a_claims_record_goes_to_no_regulator_under_a_grant_for_public_health(chain: Consortium) -> None:
    case = chain.case(chain.consent(), chain.policy())
    chain.do(*chain.admit(case))
    grant = permit(chain)
    message = replace(entry(chain, grant), record_id=case.record("admission"))
    assert chain.post(sharing(message, grant, "regulator")) == ["AUTH-013"]


def test_a_revocation_stops_it_and_retention_asks_the_regulator(chain: Consortium) -> None:
    grant = permit(chain)
    first = give(chain, grant)
    second = entry(chain, grant, "discharge-summary", first.stay_id)
    chain.do(entering(second), ("regulator", "records.deliver", Deliver(first.record_id)))
    chain.do((grant.subject, "consent.revoke", Revoke(grant.grant_id)))
    assert chain.post(sharing(second, grant, "regulator")) == ["AUTH-013"]
    chain.post(after_ms=grant.permission.erase_at_ms - chain.application.time_ms)
    chain.post()
    rows = chain.ask("retention.show", ShowErasures(first.stay_id), tuple[ErasureRow, ...])
    assert [(row.holder, row.role, [item.item for item in row.items]) for row in rows] == [
        ("regulator", "regulator", [first.record_id])
    ]


def test_an_order_needs_no_grant_and_says_which_fields_such_a_record_has(chain: Consortium) -> None:
    grant = permit(chain)
    message = give(chain, grant)
    chain.do((grant.subject, "consent.revoke", Revoke(grant.grant_id)))
    order = PlaceOrder(chain.draw("order"), message.record_id, "evidence-collection", digest("number"))
    chain.do(("regulator", "access.order", order))
    found = chain.ask("access.latest", FindOrder(message.record_id, "regulator"), Order)
    assert found.field_set == "PUBHLTH/admission/1"
