"""A hospital on the main lane: what it enters, when it enters nothing, and what its desk may not do."""

from pathlib import Path
from typing import cast

import pytest

from contracts.listings import ClaimView
from contracts.stays import BESIDE_PARTS_MAX, CLOSING_PARTS_MAX, REPLACEMENTS_MAX, RecordView
from ledger.codec import decode
from ledger.crypto.commitments import IDENTITY, add_commitments, verify_amount
from ledger.errors import LedgerError
from nodes.entropy import SystemEntropy
from nodes.roles.exchange.attachments import AttachmentLabel
from nodes.roles.exchange.documents import Admission, DischargeSummary, Invoice, ItemList, Reversal
from nodes.roles.hospital.attaching import AttachingError
from nodes.roles.hospital.book import StayError
from nodes.roles.hospital.paperwork import PaperworkError
from nodes.roles.hospital.records import RecordWriter
from nodes.roles.hospital.stays import Entry, Lane, LocalStay
from nodes.roles.lookup import find_claim, find_record, find_stay
from nodes.roles.people import PeopleError
from nodes.schemas.stay import FURTHER_BILLS_MAX, StayFileError
from nodes.vault.records import Vault
from tests.nodes.roles.desk import Desk, admission, correction, discharge, example, interim, know, make_town
from tests.nodes.roles.recipient import Recipient
from tests.nodes.roles.town import TODAY, Customer, Town

DELIVERED = "insurer-a: everything was handed over"


@pytest.fixture
def town(tmp_path: Path) -> Town:
    return make_town(tmp_path)


@pytest.fixture
def desk(town: Town) -> Desk:
    return Desk(town)


@pytest.fixture
def wang(town: Town) -> Customer:
    wang = Customer(town, "wang")
    know(town, wang)
    return wang


def file_of(town: Town, number: str = "S-01") -> LocalStay:
    hospital = Desk(town).agent
    return hospital._book.get(number)


def entry_of(lane: Lane, record_type: str, kind: str = "original") -> Entry:
    return next(entry for entry in lane.entries if (entry.record_type, entry.kind) == (record_type, kind))


def record_of(town: Town, entry: Entry) -> RecordView:
    view = find_record(town.view, entry.record_id)
    assert view is not None
    return view


def claim_of(town: Town, number: str = "S-01") -> ClaimView:
    view = find_claim(town.view, file_of(town, number).lanes[0].claim_id)
    assert view is not None
    return view


def insurer(town: Town, name: str = "insurer-a") -> Recipient:
    agent = town.agents[name]
    assert isinstance(agent, Recipient)
    return agent


# ------------------------------------------------------------------------------------------------ the main lane


def test_an_admission_under_a_grant_is_entered_and_reported_and_nothing_is_shared(
    town: Town, desk: Desk, wang: Customer
) -> None:
    wang.consent()
    first = desk.admit()
    assert (first.number, first.message) == ("S-01", "insurer-a: is being reported")
    town.run_until_quiet()
    assert desk.agent.show("S-01").message == "insurer-a: reported"
    assert claim_of(town).status == "REPORTED"
    assert town.codes("records.append") == ["OK"]
    assert town.codes("records.share") == []


def test_a_discharge_is_one_batch_and_the_insurer_opens_every_part(town: Town, desk: Desk, wang: Customer) -> None:
    wang.consent()
    desk.admit()
    town.run_until_quiet()
    desk.discharge("S-01")
    assert [f"{tx.contract}.{tx.method}" for tx in town.submissions[0].transactions] == [
        *["records.append"] * 3,
        "records.close",
        *["records.share"] * 4,
    ]
    town.run_until_quiet()
    summary = desk.agent.show("S-01")
    assert (summary.message, summary.lanes[0].state, summary.discharged_day) == (DELIVERED, "delivered", TODAY)
    assert set(town.codes("records.append") + town.codes("records.close") + town.codes("records.share")) == {"OK"}
    lane = file_of(town).lanes[0]
    documents = [insurer(town).document(entry.record_id) for entry in lane.live()]
    assert [type(document) for document in documents] == [Admission, ItemList, Invoice, DischargeSummary]
    assert documents[2] == file_of(town).discharges[0].bills[0].invoice
    assert isinstance(documents[2], Invoice)
    assert documents[2].total == 648_000
    stay = find_stay(town.view, lane.stay_id)
    assert stay is not None
    assert stay.is_closed
    assert len(stay.live) == 4


def test_the_invoice_commits_to_its_total_and_everything_else_to_nothing(
    town: Town, desk: Desk, wang: Customer
) -> None:
    wang.consent()
    desk.admit()
    desk.discharge("S-01")
    town.run_until_quiet()
    for entry in file_of(town).lanes[0].live():
        record = record_of(town, entry).record
        if entry.record_type == "invoice":
            opening = desk.agent._handover._vault.keys(entry.record_id).openings[0]
            verify_amount(record.total, 648_000, opening.scalar)
            assert record.invoice_tag is not None
        else:
            assert (record.total, record.invoice_tag) == (IDENTITY, None)


def test_a_correction_reverses_and_replaces_what_differs_and_hands_over_the_new_alone(
    town: Town, desk: Desk, wang: Customer
) -> None:
    wang.consent()
    desk.admit()
    desk.discharge("S-01")
    town.run_until_quiet()
    assert desk.correct("S-01").corrections == 1
    town.run_until_quiet()
    lane = file_of(town).lanes[0]
    added = [(entry.record_type, entry.kind) for entry in lane.entries[4:]]
    assert added == [
        ("item-list", "reversal"),
        ("item-list", "replacement"),
        ("invoice", "reversal"),
        ("invoice", "replacement"),
    ]
    stay = find_stay(town.view, lane.stay_id)
    assert stay is not None
    assert (stay.is_closed, stay.stay.closing_version) == (True, 2)
    former, reversal = entry_of(lane, "invoice"), entry_of(lane, "invoice", "reversal")
    assert add_commitments(record_of(town, former).record.total, record_of(town, reversal).record.total) == IDENTITY
    assert record_of(town, reversal).shares == ()
    assert stay.closings[1].total == record_of(town, entry_of(lane, "invoice", "replacement")).record.total
    assert len(town.codes("records.share")) == 6
    assert desk.agent.show("S-01").message == DELIVERED
    plain = desk.agent._handover._vault.open(reversal.record_id)
    assert decode(plain, Reversal) == Reversal(former.record_id)


def test_a_second_correction_stands_on_the_first(town: Town, desk: Desk, wang: Customer) -> None:
    wang.consent()
    desk.admit()
    desk.discharge("S-01")
    desk.correct("S-01")
    desk.correct("S-01", discharge(invoice={"code": "1", "number": "2", "check_code": "3"}))
    town.run_until_quiet()
    stay = find_stay(town.view, file_of(town).lanes[0].stay_id)
    assert stay is not None
    assert stay.is_closed
    assert len(stay.live) == 4
    assert desk.agent.show("S-01").message == DELIVERED
    assert set(town.codes("records.append")) == {"OK"}


def test_the_last_correction_that_the_chain_takes_closes_the_stay_and_one_more_is_refused_at_the_desk(
    town: Town, desk: Desk, wang: Customer
) -> None:
    wang.consent()
    desk.admit()
    desk.discharge("S-01")
    for number in range(REPLACEMENTS_MAX):
        desk.correct("S-01", discharge(invoice={"code": "1", "number": str(number), "check_code": "3"}))
    before = file_of(town)
    with pytest.raises(StayError, match="S-01: expected at most 16 corrections"):
        desk.correct("S-01")
    assert file_of(town) == before
    town.run_until_quiet()
    assert desk.agent.show("S-01").message == DELIVERED
    assert set(town.codes("records.append") + town.codes("records.close")) == {"OK"}


def test_a_stay_with_as_many_bills_as_a_form_takes_is_closed_after_as_many_interim_bills(
    town: Town, desk: Desk, wang: Customer
) -> None:
    wang.consent()
    desk.admit()
    for _ in range(BESIDE_PARTS_MAX):
        desk.bill("S-01")
    with pytest.raises(StayError, match="S-01: expected at most 32 interim bills and documents"):
        desk.bill("S-01")
    label = AttachmentLabel("other", "text/plain", 10)
    with pytest.raises(AttachingError, match="S-01: expected at most 32 interim bills and documents"):
        desk.agent.begin_attachment("S-01", label, bytes(32), town.now_ms)
    further = [
        {
            "bill": {"currency": "CNY", "medfee_sumamt": "120.00"},
            "lines": [{"id": f"m{number}", "item": "drug", "category": "western-medicine", "amount": "120.00"}],
            "invoice": {"code": "33060126", "number": str(number), "check_code": "b1"},
        }
        for number in range(FURTHER_BILLS_MAX + 1)
    ]
    with pytest.raises(StayFileError, match="further_bills"):
        discharge(further_bills=further)
    desk.discharge("S-01", discharge(further_bills=further[:-1]))
    town.run_until_quiet()
    assert desk.agent.show("S-01").message == DELIVERED
    stay = find_stay(town.view, file_of(town).lanes[0].stay_id)
    assert stay is not None
    assert len(stay.closings[-1].parts) == CLOSING_PARTS_MAX
    assert set(town.codes("records.append") + town.codes("records.close")) == {"OK"}


def test_a_stay_may_have_several_invoices_and_a_correction_may_drop_one(town: Town, desk: Desk, wang: Customer) -> None:
    wang.consent()
    desk.admit()
    pharmacy = {
        "bill": {"currency": "CNY", "medfee_sumamt": "120.00"},
        "lines": [{"id": "m1", "item": "drug", "category": "western-medicine", "amount": "120.00"}],
        "invoice": {"code": "33060126", "number": "77", "check_code": "b1"},
    }
    desk.discharge("S-01", discharge(further_bills=[pharmacy]))
    town.run_until_quiet()
    stay = find_stay(town.view, file_of(town).lanes[0].stay_id)
    assert stay is not None
    assert (len(stay.live), len(stay.closings[0].invoice_tags)) == (6, 2)
    desk.correct("S-01", discharge())
    town.run_until_quiet()
    stay = find_stay(town.view, file_of(town).lanes[0].stay_id)
    assert stay is not None
    assert (len(stay.live), len(stay.closings[1].invoice_tags), stay.is_closed) == (4, 1, True)


def test_an_interim_bill_is_shared_during_the_stay_and_in_no_closing(town: Town, desk: Desk, wang: Customer) -> None:
    wang.consent()
    desk.admit()
    town.run_until_quiet()
    assert desk.bill("S-01").interim_bills == 1
    town.run_until_quiet()
    lane = file_of(town).lanes[0]
    bill = entry_of(lane, "interim-bill")
    assert record_of(town, bill).shares[0].status == "DELIVERED"
    desk.discharge("S-01")
    town.run_until_quiet()
    stay = find_stay(town.view, lane.stay_id)
    assert stay is not None
    assert stay.is_closed
    assert bill.record_id not in stay.closings[0].parts


def test_two_insurers_see_two_stays_and_one_invoice_tag(town: Town, desk: Desk, wang: Customer) -> None:
    other = Customer(town, "wang", insurer="insurer-b", wallet=wang.wallet)
    know(town, other)
    wang.consent()
    other.consent()
    desk.admit()
    desk.discharge("S-01")
    town.run_until_quiet()
    first, second = file_of(town).lanes
    assert (first.subject, first.stay_id, first.claim_id) != (second.subject, second.stay_id, second.claim_id)
    assert not {entry.record_id for entry in first.entries} & {entry.record_id for entry in second.entries}
    tags = [record_of(town, entry_of(lane, "invoice")).record.invoice_tag for lane in (first, second)]
    assert tags[0] == tags[1]
    replaced = RecordWriter(cast("Vault", None), bytes(32), SystemEntropy())
    assert replaced._tag(file_of(town), first, entry_of(first, "invoice")) != tags[0], "why its secret is not replaced"
    totals = [record_of(town, entry_of(lane, "invoice")).record.total for lane in (first, second)]
    assert totals[0] != totals[1]
    assert {lane.state for lane in desk.agent.show("S-01").lanes} == {"delivered"}


def test_a_bill_that_does_not_balance_is_handed_over_as_it_is(town: Town, desk: Desk, wang: Customer) -> None:
    wang.consent()
    desk.admit()
    bill = {**example("discharge")["bill"], "fund_pay_sumamt": "4000.00"}
    desk.discharge("S-01", discharge(bill=bill))
    town.run_until_quiet()
    assert desk.agent.show("S-01").message == DELIVERED


def test_numbers_go_on_after_a_restart(town: Town, desk: Desk, wang: Customer) -> None:
    assert desk.admit().number == "S-01"
    town.restart("hospital-a")
    assert desk.admit().number == "S-02"
    assert [stay.number for stay in desk.agent.list_stays()] == ["S-01", "S-02"]


def test_a_second_admission_of_one_patient_and_day_is_refused_with_the_stay_there_is(
    town: Town, desk: Desk, wang: Customer
) -> None:
    desk.admit(admitted="today-3")
    for _ in range(2):
        with pytest.raises(StayError) as refused:
            desk.admit(admitted="today-3", department="surgery")
        assert "admitted on" in str(refused.value)
        assert "already, as S-01; go on with that stay or correct it" in str(refused.value)
        town.restart("hospital-a")
    desk.discharge("S-01")
    with pytest.raises(StayError, match="already, as S-01"):
        desk.admit(admitted="today-3")
    assert desk.admit(admitted="today-2").number == "S-02"
    desk.register("li", Customer(town, "li").identity)
    assert desk.admit(patient="li", admitted="today-3").number == "S-03"
    assert [stay.number for stay in desk.agent.list_stays()] == ["S-01", "S-02", "S-03"]


# --------------------------------------------------------------------------------------- absence is refusal


def test_without_a_grant_nothing_is_appended(town: Town, desk: Desk, wang: Customer) -> None:
    height = town.application.height
    assert desk.admit().message == "no usable grant: nothing was reported"
    desk.discharge("S-01")
    desk.correct("S-01")
    town.run_until_quiet()
    assert town.application.height == height
    assert town.codes("records.append") == town.codes("claims.report") == []
    assert desk.agent.show("S-01").lanes == ()


@pytest.mark.parametrize("defect", ["mismatch", "elsewhere", "revoked", "expired", "types", "dates", "undisclosed"])
def test_a_grant_that_does_not_cover_the_admission_reports_nothing(
    town: Town, desk: Desk, wang: Customer, defect: str
) -> None:
    match defect:
        case "mismatch":
            stranger = Customer(town, "li")
            Desk(town).register("wang", wang.identity)
            stranger.consent()
        case "elsewhere":
            town.install("hospital-b", town._builders["hospital-a"])
            Desk(town, "hospital-b").register("wang", wang.identity)
            other = Customer(town, "wang", hospital="hospital-b", wallet=wang.wallet)
            other.consent()
        case "revoked":
            wang.revoke(wang.consent())
        case "expired":
            wang.consent(for_ms=3_600_000)
            town.now_ms += 3_600_000
        case "types":
            wang.consent(record_types=("discharge-summary", "invoice", "item-list"))
        case "dates":
            wang.consent(days=(TODAY - 2, TODAY))
        case "undisclosed":
            wang.enrol()
            wang.grant()
    town.add_block(())
    assert desk.admit().message == "no usable grant: nothing was reported"
    town.run_until_quiet()
    assert town.codes("records.append") == town.codes("claims.report") == []


def test_a_grant_that_becomes_usable_during_the_stay_is_reported_then(town: Town, desk: Desk, wang: Customer) -> None:
    desk.admit()
    town.run_until_quiet()
    wang.consent()
    town.run_until_quiet()
    assert desk.agent.show("S-01").message == "insurer-a: reported"
    assert claim_of(town).status == "REPORTED"


def test_a_grant_that_comes_after_the_discharge_reports_nothing(town: Town, desk: Desk, wang: Customer) -> None:
    desk.admit()
    desk.discharge("S-01")
    wang.consent()
    town.run_until_quiet()
    assert town.codes("claims.report") == []


def test_a_stay_that_outlasts_the_days_that_the_grant_means_is_not_handed_over(
    town: Town, desk: Desk, wang: Customer
) -> None:
    wang.consent(days=(TODAY - 10, TODAY - 1))
    desk.admit()
    town.run_until_quiet()
    desk.discharge("S-01")
    town.run_until_quiet()
    assert desk.agent.show("S-01").lanes[0].state == "outside-dates"
    assert town.codes("records.append") == ["OK"]


# --------------------------------------------------------------------------------------- what the desk gets wrong


def test_an_unknown_patient_is_not_admitted(town: Town, desk: Desk) -> None:
    with pytest.raises(PeopleError, match="expected the number of a person entered here, got 'wang'"):
        desk.admit()
    assert desk.agent.list_stays() == ()


@pytest.mark.parametrize("operation", ["bill", "discharge", "correct"])
def test_a_stay_that_was_never_admitted_is_named(town: Town, desk: Desk, operation: str) -> None:
    with pytest.raises(StayError, match="expected the number of one in this hospital, such as S-01, got 'S-09'"):
        getattr(desk, operation)("S-09")


def test_a_stay_is_discharged_once_and_billed_before(town: Town, desk: Desk, wang: Customer) -> None:
    desk.admit()
    desk.discharge("S-01")
    with pytest.raises(StayError, match="S-01: was discharged already"):
        desk.discharge("S-01")
    with pytest.raises(StayError, match="S-01: expected a stay that goes on"):
        desk.bill("S-01")


def test_what_has_not_ended_or_does_not_differ_is_not_corrected(town: Town, desk: Desk, wang: Customer) -> None:
    desk.admit()
    with pytest.raises(StayError, match="S-01: expected a stay that has ended"):
        desk.correct("S-01")
    desk.discharge("S-01")
    with pytest.raises(StayError, match="expected a correction that changes something"):
        desk.correct("S-01", discharge())
    assert desk.agent.show("S-01").corrections == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"discharged": "today-4"}, "discharged: expected 2026-05-29 to 2026-06-01, got 2026-05-28"),
        ({"discharged": "2027-01-01"}, "discharged: expected 2026-05-29 to 2026-06-01, got 2027-01-01"),
        ({"ordered_discharge": "today-5"}, "ordered_discharge: expected no day before 2026-05-29"),
        ({"procedures": []}, "lines.l2.procedure: expected the id of a procedure, got p1"),
        ({"procedures": [{"id": "p1"}, {"id": "p1"}]}, "procedures.id: expected each once, got p1 twice"),
        ({"diagnoses": [{"id": "a"}, {"id": "a"}]}, "diagnoses.id: expected each once"),
        ({"diagnoses": [{"principal": True}, {"principal": True}]}, "expected one principal diagnosis, got 2"),
        ({"lines": example("discharge")["lines"] * 2}, "lines.id: expected each once, got l1 twice"),
        ({"further_bills": [example("correction")]}, "further_bills.0.discharged"),
        ({"bill": {"currency": "CNY", "medfee_sumamt": "1000000000.01"}}, "bill.medfee_sumamt: expected at most"),
    ],
)
def test_a_discharge_that_contradicts_itself_changes_nothing(
    town: Town, desk: Desk, wang: Customer, changes: dict[str, object], message: str
) -> None:
    desk.admit()
    with pytest.raises(LedgerError) as refused:
        desk.discharge("S-01", discharge(**changes))
    assert message in str(refused.value)
    assert isinstance(refused.value, PaperworkError | StayFileError)
    assert desk.agent.show("S-01").discharged_day is None


def test_an_admission_in_the_future_is_refused(town: Town, desk: Desk, wang: Customer) -> None:
    with pytest.raises(PaperworkError, match="admitted: expected no day after 2026-06-01, got 2026-06-02"):
        desk.admit(admitted="2026-06-02")


def test_nothing_readable_of_a_stay_is_on_disk(town: Town, desk: Desk, wang: Customer, tmp_path: Path) -> None:
    wang.consent()
    desk.admit()
    desk.discharge("S-01")
    town.run_until_quiet()
    written = b"".join(path.read_bytes() for path in (tmp_path / "hospital-a").rglob("*") if path.is_file())
    for word in (b"wang", b"N84.0", b"gynaecology", b"polypectomy", wang.identity.document_number.encode()):
        assert word not in written
        assert not any(word in value for value in town.store.entries.values())


def test_forms_of_the_desk_are_what_the_tests_change() -> None:
    assert (admission().patient, interim().bill.medfee_sumamt) == ("wang", 310_000)
    assert discharge() != correction()


def test_a_damaged_book_stops_the_hospital_with_the_file_named(
    town: Town, desk: Desk, wang: Customer, tmp_path: Path
) -> None:
    desk.admit()
    for path in (tmp_path / "hospital-a" / "register" / "stay").iterdir():
        path.write_bytes(b"")
    with pytest.raises(LedgerError, match="does not open"):
        town.restart("hospital-a")
