"""Treatment: records of one hospital for another, under a grant for that; nothing of it is a claim's."""

import pytest
from msgspec.structs import replace

from contracts.emergencies import GLASS_MS, BreakGlass, ShowOpen
from contracts.erasures import ErasureRow, ShowErasures
from contracts.grants import Grant, Grantee, RecordType, Revoke
from contracts.settlements import Report
from contracts.stays import Append, Deliver, ListInbox, Share, ShareView
from ledger.crypto.commitments import IDENTITY
from tests.contracts.consortium import Call, Consortium, digest

YEAR_MS = 365 * 86_400_000
PARTIES = ("hospital-a", "hospital-b")


def permit(chain: Consortium, purpose: str = "CAREMGT", **permission: object) -> Grant:
    """Let hospital-b have hospital-a's records."""
    customer, enrolment = chain.enrol("hospital-a")
    words = chain.grant(customer, *PARTIES)
    grant = replace(
        words,
        purpose=purpose,
        grantee=Grantee("hospital-b", "hospital"),
        permission=replace(words.permission, **permission),
    )
    chain.do(enrolment, (customer, "consent.grant", grant), *(chain.link(grant, party) for party in PARTIES))
    return grant


def entry(chain: Consortium, grant: Grant, record_type: RecordType = "admission", stay_id: str = "") -> Append:
    record_id = chain.draw("record")
    stay_id = stay_id or chain.draw("stay")
    hashes = (digest(f"ciphertext {record_id}"), digest(f"plaintext {record_id}"))
    return Append(record_id, stay_id, record_type, "original", None, *hashes, IDENTITY, None, grant.grant_id)


def entering(message: Append) -> Call:
    return ("hospital-a", "records.append", message)


def sharing(message: Append, grant: Grant, recipient: str = "hospital-b") -> Call:
    return ("hospital-a", "records.share", Share(message.record_id, recipient, grant.grant_id))


def breaking(chain: Consortium, grant: Grant, *types: RecordType) -> Call:
    use = BreakGlass(chain.draw("glass"), grant.grant_id, "hospital-a", types or ("admission",), digest("why"))
    return ("hospital-b", "emergencies.break_glass", use)


def inbox(chain: Consortium) -> tuple[ShareView, ...]:
    return chain.ask("records.inbox", ListInbox("hospital-b"), tuple[ShareView, ...])


def test_a_record_goes_to_another_hospital_without_a_claim_and_with_its_own_field_set(chain: Consortium) -> None:
    grant = permit(chain)
    message = entry(chain, grant)
    chain.do(entering(message), sharing(message, grant))
    (view,) = inbox(chain)
    assert (view.share.recipient, view.share.field_set) == ("hospital-b", "CAREMGT/admission/1")
    chain.do(("hospital-b", "records.deliver", Deliver(message.record_id)))
    assert inbox(chain) == ()


@pytest.mark.parametrize("record_type", ["invoice", "item-list", "interim-bill"])
def test_no_bill_is_entered_for_treatment(chain: Consortium, record_type: RecordType) -> None:
    grant = permit(chain)
    first = entry(chain, grant)
    chain.do(entering(first))
    assert chain.post(entering(entry(chain, grant, record_type, first.stay_id))) == ["AUTH-013"]
    assert chain.reason().startswith("field set: ")


def test_an_insurer_gets_nothing_for_treatment_and_a_treatment_is_no_claim(chain: Consortium) -> None:
    customer, enrolment = chain.enrol("hospital-a")
    insurers = replace(chain.grant(customer), purpose="CAREMGT")
    links = [chain.link(insurers, party) for party in ("hospital-a", "insurer-a")]
    chain.do(enrolment, (customer, "consent.grant", insurers), *links)
    assert chain.post(entering(entry(chain, insurers))) == ["AUTH-013"]
    assert chain.reason().startswith("purpose: ")
    grant = permit(chain)
    message = entry(chain, grant)
    chain.do(entering(message))
    report = Report(chain.draw("claim"), (message.stay_id,), grant.grant_id)
    codes = chain.post(("hospital-a", "claims.report", report), sharing(message, grant, "insurer-a"))
    assert "OK" not in codes
    assert codes[1] == "AUTH-013"


def test_a_record_for_a_claim_goes_to_no_other_hospital_under_a_grant_for_treatment(chain: Consortium) -> None:
    case = chain.case(chain.consent(), chain.policy())
    chain.do(*chain.admit(case))
    grant = permit(chain)
    share = Share(case.record("admission"), "hospital-b", grant.grant_id)
    assert chain.post(("hospital-a", "records.share", share)) == ["AUTH-013"]


def test_a_revocation_stops_treatment_and_retention_asks_the_other_hospital(chain: Consortium) -> None:
    grant = permit(chain)
    first = entry(chain, grant)
    second = entry(chain, grant, "discharge-summary", first.stay_id)
    chain.do(entering(first), entering(second), sharing(first, grant))
    chain.do(("hospital-b", "records.deliver", Deliver(first.record_id)))
    chain.do((grant.subject, "consent.revoke", Revoke(grant.grant_id)))
    assert chain.post(sharing(second, grant)) == ["AUTH-013"]
    chain.post(after_ms=grant.permission.erase_at_ms - chain.application.time_ms)
    chain.post()
    rows = chain.ask("retention.show", ShowErasures(first.stay_id), tuple[ErasureRow, ...])
    assert [(row.holder, [item.item for item in row.items]) for row in rows] == [("hospital-b", [first.record_id])]
    assert not chain.faults


def test_an_emergencys_records_are_entered_and_shared_while_its_use_is_open_and_not_before_or_after(
    chain: Consortium,
) -> None:
    grant = permit(chain, "BTG", uses_max=1)
    first = entry(chain, grant)
    assert chain.post(entering(first)) == ["AUTH-013"]
    assert chain.reason().startswith("emergency: ")
    chain.do(breaking(chain, grant))
    assert chain.ask("emergencies.list_open", ShowOpen(grant.grant_id, "hospital-a"), tuple[str, ...]) == ("admission",)
    chain.do(entering(first))
    summary = entry(chain, grant, "discharge-summary", first.stay_id)
    assert chain.post(entering(summary)) == ["AUTH-013"], "the use names admissions alone"
    chain.do(sharing(first, grant), ("hospital-b", "records.deliver", Deliver(first.record_id)))
    later = entry(chain, grant)
    chain.do(entering(later))
    chain.post(after_ms=GLASS_MS)
    assert chain.post(sharing(later, grant), entering(entry(chain, grant))) == ["AUTH-013", "AUTH-013"]
    assert chain.ask("emergencies.list_open", ShowOpen(grant.grant_id, "hospital-a"), tuple[str, ...]) == ()


def test_while_a_use_is_open_another_of_the_same_types_is_none(chain: Consortium) -> None:
    grant = permit(chain, "BTG")
    chain.do(breaking(chain, grant))
    again, more = breaking(chain, grant), breaking(chain, grant, "admission", "discharge-summary")
    assert chain.post(again, more, breaking(chain, grant)) == ["USE_OPEN", "OK", "USE_OPEN"]
    chain.post(after_ms=GLASS_MS)
    chain.do(breaking(chain, grant))


def test_a_use_opens_nothing_for_anybody_else_and_nothing_once_the_grant_is_revoked(chain: Consortium) -> None:
    grant, other = permit(chain, "BTG"), permit(chain, "BTG")
    message, foreign = entry(chain, grant), entry(chain, other)
    chain.do(breaking(chain, grant), entering(message))
    assert chain.post(entering(foreign)) == ["AUTH-013"], "each customer's grant is broken by itself"
    chain.do((grant.subject, "consent.revoke", Revoke(grant.grant_id)))
    assert chain.post(sharing(message, grant)) == ["AUTH-013"]
    assert chain.reason().startswith("status: ")


def test_an_amendment_closes_a_use(chain: Consortium) -> None:
    grant = permit(chain, "BTG")
    message = entry(chain, grant)
    chain.do(breaking(chain, grant), entering(message))
    amended = replace(grant, version=2, previous_version=1, permission=replace(grant.permission, mode="VIEW"))
    chain.do((grant.subject, "consent.grant", amended))
    assert chain.post(sharing(message, grant), entering(entry(chain, grant))) == ["AUTH-013", "AUTH-013"]
    assert chain.reason().startswith("emergency: ")


def test_a_grant_to_look_without_keeping_breaks_no_glass(chain: Consortium) -> None:
    grant = permit(chain, "BTG", mode="VIEW")
    assert chain.post(breaking(chain, grant)) == ["AUTH-013"]
    assert chain.reason().startswith("mode: ")
