"""Records: nothing without consent, one door, and corrections that add up."""

import pytest
from msgspec.structs import replace

from contracts.entries import SHARE_HEIGHTS
from contracts.grants import Revoke
from contracts.stays import (
    Append,
    Close,
    Deliver,
    Dispute,
    ListInbox,
    ListSeen,
    RecordView,
    Share,
    ShareView,
    ShowRecord,
    ShowStay,
    StayView,
)
from ledger.crypto.commitments import IDENTITY
from ledger.execution.state import encode_prefix
from tests.contracts.consortium import Call, Case, Consortium, Figure, digest


@pytest.fixture
def case(chain: Consortium) -> Case:
    return chain.case(chain.consent(), chain.policy())


def appended(call: Call, **changes: object) -> Call:
    signer, target, message = call
    assert isinstance(message, Append)
    return signer, target, replace(message, **changes)


def closed(call: Call, **changes: object) -> Call:
    signer, target, message = call
    assert isinstance(message, Close)
    return signer, target, replace(message, **changes)


def reversal(chain: Consortium, case: Case, record_id: str | None = None) -> Call:
    former = record_id or case.record("invoice")
    return appended(
        chain.append(case, "invoice"),
        record_id=chain.draw("record"),
        kind="reversal",
        replaces=former,
        total=case.bill.negative,
    )


def replacement(chain: Consortium, case: Case, bill: Figure) -> Call:
    return appended(
        chain.append(case, "invoice"),
        record_id=chain.draw("record"),
        kind="replacement",
        replaces=case.record("invoice"),
        total=bill.point,
        invoice_tag=digest("new tag"),
    )


def stay(chain: Consortium, case: Case) -> StayView:
    found: StayView | None = chain.ask("records.stay", ShowStay(case.stay_id), StayView | None)  # type: ignore[arg-type]
    assert found is not None
    return found


def record(chain: Consortium, record_id: str) -> RecordView:
    found: RecordView | None = chain.ask("records.record", ShowRecord(record_id), RecordView | None)  # type: ignore[arg-type]
    assert found is not None
    return found


def revoke(case: Case) -> Call:
    return case.customer, "consent.revoke", Revoke(case.grant_id)


# ------------------------------------------------------------------------------------------- consent comes first


def test_nothing_is_entered_for_a_patient_without_a_usable_grant(chain: Consortium, case: Case) -> None:
    customer, enrolment = chain.enrol("insurer-a")
    chain.do(enrolment)
    grant = chain.grant(customer)
    unlinked = appended(chain.append(case, "admission"), grant_id=grant.grant_id)
    assert chain.post(unlinked) == ["AUTH-013"]
    chain.do((customer, "consent.grant", grant))
    assert chain.post(unlinked) == ["ELIG-001"]
    assert chain.ask("records.stay", ShowStay(case.stay_id), StayView | None) is None  # type: ignore[arg-type]


def test_another_hospital_cannot_use_the_grant(chain: Consortium, case: Case) -> None:
    _, target, message = chain.append(case, "admission")
    assert chain.post(("hospital-b", target, message)) == ["AUTH-013"]
    assert chain.reason().startswith("source: ")


def test_an_insurer_cannot_act_as_a_hospital(chain: Consortium, case: Case) -> None:
    _, target, message = chain.append(case, "admission")
    for stranger in ("insurer-a", "regulator", "rail", case.customer):
        assert chain.post((stranger, target, message)) == ["FORBIDDEN"]


def test_a_stranger_cannot_add_to_anothers_stay(chain: Consortium, case: Case) -> None:
    chain.do(chain.append(case, "admission"))
    _, target, message = chain.append(case, "invoice")
    assert chain.post(("hospital-b", target, message)) == ["FORBIDDEN"]


def test_a_record_goes_to_no_recipient_but_the_one_consented_to(chain: Consortium, case: Case) -> None:
    chain.do(*chain.admit(case))
    share = Share(case.record("admission"), "insurer-b", case.grant_id)
    assert chain.post(("hospital-a", "records.share", share)) == ["AUTH-013"]
    assert chain.reason().startswith("recipient: ")


def test_another_customers_grant_opens_nothing(chain: Consortium, case: Case) -> None:
    other = chain.consent()
    chain.do(*chain.admit(case))
    share = Share(case.record("admission"), "insurer-a", other.grant_id)
    assert chain.post(("hospital-a", "records.share", share)) == ["AUTH-013"]
    assert chain.reason().startswith("subject: ")


def test_a_revocation_stops_what_is_ordered_after_it_in_the_same_block(chain: Consortium, case: Case) -> None:
    chain.do(*chain.admit(case))
    share = chain.share(case, case.record("admission"))
    assert chain.post(revoke(case), share) == ["OK", "AUTH-013"]
    assert chain.reason().startswith("status: ")


def test_what_is_ordered_before_a_revocation_stands(chain: Consortium, case: Case) -> None:
    chain.do(*chain.admit(case))
    share = chain.share(case, case.record("admission"))
    assert chain.post(share, revoke(case)) == ["OK", "OK"]
    assert chain.post(("insurer-a", "records.deliver", Deliver(case.record("admission")))) == ["OK"]


def test_after_a_revocation_nothing_more_is_entered_or_closed(chain: Consortium, case: Case) -> None:
    chain.do(*chain.admit(case))
    chain.do(*chain.discharge(case)[:3])
    chain.do(revoke(case))
    assert chain.post(reversal(chain, case), chain.close(case)) == ["AUTH-013", "AUTH-013"]


# ------------------------------------------------------------------------------------------- the order of parts


def test_a_discharge_before_the_admission_is_refused(chain: Consortium, case: Case) -> None:
    for kind in ("discharge-summary", "invoice", "item-list"):
        assert chain.post(chain.append(case, kind)) == ["OUT_OF_ORDER"]


def test_a_stay_has_one_admission(chain: Consortium, case: Case) -> None:
    again = appended(chain.append(case, "admission"), record_id=chain.draw("record"))
    assert chain.post(chain.append(case, "admission"), again) == ["OK", "OUT_OF_ORDER"]


def test_a_record_is_entered_once(chain: Consortium, case: Case) -> None:
    call = chain.append(case, "admission")
    assert chain.post(call, call) == ["OK", "RECORD_TAKEN"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"total": IDENTITY}, "TOTAL"),
        ({"invoice_tag": None}, "INVOICE_TAG"),
        ({"total": bytes(32)}, "INVALID_PROOF"),
        ({"total": b"\xff" * 32}, "INVALID_PROOF"),
        ({"total": b"\xec" + b"\xff" * 30 + b"\x7f"}, "INVALID_PROOF"),
        ({"replaces": "record-aaaaaaaaaaaa"}, "SUCCESSION"),
    ],
)
def test_a_bill_needs_a_point_of_the_group_and_a_tag(
    chain: Consortium, case: Case, changes: dict[str, object], code: str
) -> None:
    chain.do(chain.append(case, "admission"))
    assert chain.post(appended(chain.append(case, "invoice"), **changes)) == [code]


def test_what_is_no_bill_has_no_total_and_no_tag(chain: Consortium, case: Case) -> None:
    chain.do(chain.append(case, "admission"))
    call = chain.append(case, "item-list")
    assert chain.post(appended(call, total=case.bill.point)) == ["TOTAL"]
    assert chain.post(appended(call, invoice_tag=case.tag)) == ["INVOICE_TAG"]


# ------------------------------------------------------------------------------------------- corrections


def test_a_reversal_and_a_replacement_leave_the_replacement_live(chain: Consortium, case: Case) -> None:
    chain.do(*chain.admit(case))
    chain.do(*chain.discharge(case))
    new = replacement(chain, case, Figure.draw(600_000, "new bill"))
    chain.do(reversal(chain, case), new)
    invoice = record(chain, case.record("invoice"))
    assert invoice.reversed_by is not None
    assert invoice.replaced_by in stay(chain, case).live
    assert case.record("invoice") not in stay(chain, case).live
    assert not stay(chain, case).is_closed


def test_nothing_is_reversed_that_does_not_exist_or_is_reversed(chain: Consortium, case: Case) -> None:
    chain.do(*chain.admit(case))
    chain.do(*chain.discharge(case)[:3])
    assert chain.post(reversal(chain, case, "record-ffffffffffff")) == ["UNKNOWN_RECORD"]
    assert chain.post(appended(reversal(chain, case), replaces=None)) == ["SUCCESSION"]
    first = reversal(chain, case)
    assert chain.post(first, reversal(chain, case)) == ["OK", "SUCCESSION"]
    _, _, message = first
    assert isinstance(message, Append)
    of_a_reversal = appended(reversal(chain, case, message.record_id), total=case.bill.point)
    assert chain.post(of_a_reversal) == ["SUCCESSION"]


def test_a_reversal_is_the_exact_negative_of_the_same_type_and_tag(chain: Consortium, case: Case) -> None:
    chain.do(*chain.admit(case))
    chain.do(*chain.discharge(case)[:3])
    call = reversal(chain, case)
    assert chain.post(appended(call, total=Figure.draw(1, "x").negative)) == ["TOTAL"]
    assert chain.post(appended(call, total=case.bill.point)) == ["TOTAL"]
    assert chain.post(appended(call, invoice_tag=digest("other"))) == ["INVOICE_TAG"]
    other_type = appended(call, record_type="item-list", total=IDENTITY, invoice_tag=None)
    assert chain.post(other_type) == ["SUCCESSION"]


def test_a_replacement_follows_a_reversal_once(chain: Consortium, case: Case) -> None:
    chain.do(*chain.admit(case))
    chain.do(*chain.discharge(case)[:3])
    bill = Figure.draw(600_000, "new bill")
    assert chain.post(replacement(chain, case, bill)) == ["SUCCESSION"]
    chain.do(reversal(chain, case))
    assert chain.post(replacement(chain, case, bill), replacement(chain, case, bill)) == ["OK", "SUCCESSION"]


def test_a_record_of_another_stay_is_not_reversed(chain: Consortium, case: Case) -> None:
    other = chain.case(chain.consent(), case.policy_id)
    chain.do(*chain.admit(case), *chain.discharge(case)[:3], *chain.admit(other))
    assert chain.post(reversal(chain, other, case.record("invoice"))) == ["SUCCESSION"]


# ------------------------------------------------------------------------------------------- closings


def test_a_closing_lists_exactly_the_live_parts(chain: Consortium, case: Case) -> None:
    chain.do(*chain.admit(case))
    chain.do(*chain.discharge(case)[:3])
    call = chain.close(case)
    _, _, message = call
    assert isinstance(message, Close)
    assert chain.post(closed(call, parts=message.parts[1:], count=3)) == ["PARTS"]
    assert chain.post(closed(call, parts=(*message.parts, "record-ffffffffffff"), count=5)) == ["PARTS"]
    assert chain.post(closed(call, parts=tuple(reversed(message.parts)))) == ["PARTS"]
    assert chain.post(closed(call, count=3)) == ["PARTS"]
    assert chain.post(closed(call, total=Figure.draw(1, "x").point)) == ["TOTAL"]
    assert chain.post(closed(call, invoice_tags=())) == ["INVOICE_TAG"]
    assert chain.post(closed(call, version=2)) == ["STALE_VERSION"]
    assert chain.post(("hospital-b", *call[1:])) == ["FORBIDDEN"]
    assert chain.post(closed(call, stay_id="stay-ffffffffffff")) == ["UNKNOWN_STAY"]
    assert chain.post(call) == ["OK"]
    assert stay(chain, case).is_closed


def test_a_stay_is_not_closed_before_its_discharge(chain: Consortium, case: Case) -> None:
    chain.do(*chain.admit(case), chain.append(case, "invoice"))
    parts = tuple(sorted((case.record("admission"), case.record("invoice"))))
    assert chain.post(closed(chain.close(case), parts=parts, count=2)) == ["PARTS"]


def test_the_same_parts_are_closed_once(chain: Consortium, case: Case) -> None:
    chain.do(*chain.admit(case))
    chain.do(*chain.discharge(case))
    assert chain.post(chain.close(case, version=2)) == ["ALREADY_CLOSED"]


def test_an_interim_bill_is_in_no_closing(chain: Consortium, case: Case) -> None:
    interim = appended(
        chain.append(case, "invoice"),
        record_id=chain.draw("record"),
        record_type="interim-bill",
        total=Figure.draw(1, "interim").point,
        invoice_tag=None,
    )
    chain.do(*chain.admit(case), interim)
    chain.do(*chain.discharge(case))
    assert len(stay(chain, case).live) == 5
    assert stay(chain, case).is_closed


def test_a_wholly_reversed_stay_closes_on_nothing(chain: Consortium, case: Case) -> None:
    chain.do(*chain.admit(case))
    chain.do(*chain.discharge(case))
    kinds = [kind for kind, _ in case.records if kind != "invoice"]
    others = [
        appended(chain.append(case, kind), record_id=chain.draw("record"), kind="reversal", replaces=case.record(kind))
        for kind in kinds
    ]
    chain.do(reversal(chain, case), *others)
    chain.do(closed(chain.close(case, 2), parts=(), count=0, total=IDENTITY, invoice_tags=()))
    assert stay(chain, case).closings[-1].parts == ()


# ------------------------------------------------------------------------------------------- handing over


def test_a_recipient_finds_its_inbox_and_answers_each_share_once(chain: Consortium, case: Case) -> None:
    chain.do(*chain.admit(case))
    chain.do(*chain.discharge(case))
    waiting = chain.ask("records.inbox", ListInbox("insurer-a"), tuple[ShareView, ...])
    assert [view.share.record_id for view in waiting] == [record_id for _, record_id in case.records]
    deliver = ("insurer-a", "records.deliver", Deliver(case.record("invoice")))
    assert chain.post(deliver, deliver) == ["OK", "WRONG_STATE"]
    assert len(chain.ask("records.inbox", ListInbox("insurer-a"), tuple[ShareView, ...])) == 3
    rows = [key for key in chain.store.entries if key.startswith(b"s/" + encode_prefix("records", "inbox"))]
    assert len(rows) == 3


def test_nobody_else_answers_for_the_recipient(chain: Consortium, case: Case) -> None:
    chain.do(*chain.admit(case))
    chain.do(*chain.discharge(case))
    for stranger in ("insurer-b", "hospital-a", case.customer):
        assert chain.post((stranger, "records.deliver", Deliver(case.record("invoice")))) == ["NOT_SHARED"]
    assert chain.post(("hospital-b", "records.share", Share(case.record("invoice"), "insurer-a", case.grant_id))) == [
        "FORBIDDEN"
    ]


def test_a_share_that_waits_is_replaced_under_another_grant_and_not_under_its_own(
    chain: Consortium, case: Case
) -> None:
    chain.do(*chain.admit(case))
    chain.do(*chain.discharge(case))
    invoice = case.record("invoice")
    chain.do((case.customer, "consent.revoke", Revoke(case.grant_id)))
    other = chain.grant(case.customer)
    chain.do(
        (case.customer, "consent.grant", other), *(chain.link(other, party) for party in (case.hospital, case.insurer))
    )
    again = (case.hospital, "records.share", Share(invoice, case.insurer, other.grant_id))
    chain.do(again)
    assert chain.post(again) == ["ALREADY_SHARED"]
    shares = record(chain, invoice).shares
    assert [(view.share.sequence, view.share.grant_id) for view in shares] == [(1, case.grant_id), (2, other.grant_id)]
    chain.do(("insurer-a", "records.deliver", Deliver(invoice)))
    assert [view.status for view in record(chain, invoice).shares] == ["SHARED", "DELIVERED"]


def test_a_disputed_record_may_be_shared_anew_and_a_delivered_one_not(chain: Consortium, case: Case) -> None:
    chain.do(*chain.admit(case))
    chain.do(*chain.discharge(case))
    invoice = case.record("invoice")
    share = chain.share(case, invoice)
    assert chain.post(share) == ["ALREADY_SHARED"]
    chain.do(("insurer-a", "records.dispute", Dispute(invoice, digest("wrong bytes"))))
    chain.do(share)
    chain.do(("insurer-a", "records.deliver", Deliver(invoice)))
    assert chain.post(share) == ["ALREADY_SHARED"]
    assert [view.status for view in record(chain, invoice).shares] == ["DISPUTED", "DELIVERED"]


def test_a_share_that_is_not_answered_lapses(chain: Consortium, case: Case) -> None:
    chain.do(*chain.admit(case))
    chain.do(*chain.discharge(case))
    for _ in range(SHARE_HEIGHTS):
        chain.post()
    invoice = case.record("invoice")
    assert chain.post(("insurer-a", "records.deliver", Deliver(invoice))) == ["WRONG_STATE"]
    assert chain.ask("records.inbox", ListInbox("insurer-a"), tuple[ShareView, ...]) == ()
    chain.do(chain.share(case, invoice))
    chain.do(("insurer-a", "records.deliver", Deliver(invoice)))
    assert [view.status for view in record(chain, invoice).shares] == ["LAPSED", "DELIVERED"]


def test_a_reversed_record_is_not_shared(chain: Consortium, case: Case) -> None:
    chain.do(*chain.admit(case))
    chain.do(*chain.discharge(case)[:3])
    chain.do(reversal(chain, case))
    assert chain.post(chain.share(case, case.record("invoice"))) == ["REVERSED"]


def test_a_customer_sees_who_was_given_what_under_which_grant(chain: Consortium, case: Case) -> None:
    chain.do(*chain.admit(case))
    chain.do(*chain.discharge(case))
    seen = chain.ask("records.seen", ListSeen(case.customer, ""), tuple[ShareView, ...])
    assert len(seen) == 4
    assert {(view.share.recipient, view.share.grant_id, view.share.grant_version) for view in seen} == {
        ("insurer-a", case.grant_id, 1)
    }
    later = ListSeen(case.customer, case.records[1][1])
    assert len(chain.ask("records.seen", later, tuple[ShareView, ...])) == 2
