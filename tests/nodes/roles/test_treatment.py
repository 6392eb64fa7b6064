"""Treatment between hospitals: one hands over what a grant covers, the other opens and keeps it, and nobody else."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from contracts.erasures import Ask
from contracts.grants import RecordType
from nodes.agent import Answer, Call, PeerRequested
from nodes.roles.activity import list_looks
from nodes.roles.erasing import list_asked
from nodes.roles.exchange.attachments import AttachmentLabel, read_head
from nodes.roles.exchange.documents import Admission, DischargeSummary
from nodes.roles.exchange.questions import FetchRecord, RecordHandover, Refusal, decode_reply, encode_body
from nodes.roles.exchange.receiving import ReceivingError
from nodes.roles.hospital import Hospital
from nodes.roles.hospital.stays import Lane
from nodes.roles.lookup import find_record
from nodes.vault.attachments import read_plaintext
from tests.nodes.roles.desk import Desk, build_hospital, correction, know, make_town
from tests.nodes.roles.lane import Lane as InsuredLane
from tests.nodes.roles.test_attachments import WITH_DOCUMENTS, attach
from tests.nodes.roles.test_hospital import file_of
from tests.nodes.roles.town import TODAY, Customer, Town
from tests.nodes.secrets import list_secrets, search_folder

CLINICAL: tuple[RecordType, ...] = ("admission", "discharge-summary", "document")
CARE: dict[str, Any] = {"purpose": "CAREMGT", "record_types": CLINICAL}


@pytest.fixture
def town(tmp_path: Path) -> Town:
    """Two hospitals that know wang."""
    town = make_town(tmp_path)
    town.install("hospital-b", build_hospital)
    return town


@pytest.fixture
def wang(town: Town) -> Customer:
    return meet(town)


def meet(town: Town) -> Customer:
    """Return wang towards the two hospitals, which both know her, by numbers of their own."""
    wang = Customer(town, "wang", insurer="hospital-b")
    Desk(town).register("wang", wang.identity)
    Desk(town, "hospital-b").register("B-77", wang.identity)
    return wang


def other(town: Town) -> Hospital:
    agent = town.agents["hospital-b"]
    assert isinstance(agent, Hospital)
    return agent


def received(town: Town, patient: str | None = None) -> list[str]:
    return sorted(item.record.record_type for item in other(town).list_received(patient, ""))


def lane_of(town: Town, number: str = "S-01") -> Lane:
    (lane,) = [lane for lane in file_of(town, number).lanes if lane.insurer == "hospital-b"]
    return lane


def test_what_a_grant_covers_is_handed_over_kept_and_opened_without_an_insurer(town: Town, wang: Customer) -> None:
    wang.consent(**CARE)
    desk = Desk(town)
    desk.admit()
    town.run_until_quiet()
    assert received(town) == ["admission"]
    desk.discharge("S-01")
    town.run_until_quiet()
    assert received(town, "B-77") == ["admission", "discharge-summary"]
    assert received(town, "B-78") == []
    documents = [other(town).open_received(item.record.record_id) for item in other(town).list_received(None, "")]
    assert {type(document) for _, document in documents} == {Admission, DischargeSummary}
    assert {item.purpose for item, _ in documents} == {"CAREMGT"}
    assert [lane.claim_id for lane in desk.agent.show("S-01").lanes] == [None], "nothing is claimed of a hospital"
    looks = list_looks(town.view, wang.pseudonym.name, "shares", "").looks
    assert {(look.by, look.purpose, look.status) for look in looks} == {("hospital-b", "CAREMGT", "delivered")}
    assert town.codes("records.append", "hospital-a") == ["OK", "OK"]
    assert town.faults == []


def test_a_stay_that_ended_before_the_grant_is_handed_over_too_if_its_days_are_meant(
    town: Town, wang: Customer
) -> None:
    desk = Desk(town)
    desk.admit()
    desk.discharge("S-01")
    town.run_until_quiet()
    wang.consent(**CARE, days=(TODAY + 1, TODAY + 365))
    assert received(town) == []
    wang.consent(**CARE)
    assert received(town) == ["admission", "discharge-summary"]


def test_a_files_copy_that_was_never_entered_goes_with_the_last_one_that_was(tmp_path: Path) -> None:
    lane = InsuredLane(tmp_path, 0, ())
    lane.town.install("hospital-b", build_hospital)
    insured = lane.know()
    lane.issue()
    insured.consent(record_types=WITH_DOCUMENTS)
    wang = Customer(lane.town, "wang", insurer="hospital-b", wallet=insured.wallet)
    Desk(lane.town, "hospital-b").register("B-77", wang.identity)
    wang.consent(purpose="CAREMGT", record_types=("admission", "discharge-summary"))
    lane.stay()
    entered = attach(lane, copies=2)
    lane.run()
    vault = lane.desk.agent._handover._vault
    (copy,) = [entry.record_id for entry in lane_of(lane.town).entries if entry.record_type == "document"]
    assert (find_record(lane.town.view, copy), copy in vault) == (None, True), "sealed, and no grant covers it"
    claims = next(known for known in file_of(lane.town).lanes if known.insurer == "insurer-a")
    assert insured.post(Call("erasure", "ask", Ask(claims.stay_id, (entered,), "hospital-a"))).ok
    lane.run()
    assert list_asked(lane.town.view, claims.stay_id, "hospital-a")[entered].status == "ERASED"
    assert vault.is_erased(copy), "nobody could ask for it: its id is not on the chain"
    assert received(lane.town) == ["admission", "discharge-summary"]


def test_what_a_revocation_kept_from_being_entered_is_erased_with_what_was(tmp_path: Path) -> None:
    lane = InsuredLane(tmp_path, 0, ())
    lane.town.install("hospital-b", build_hospital)
    insured = lane.insure()
    wang = Customer(lane.town, "wang", insurer="hospital-b", wallet=insured.wallet)
    Desk(lane.town, "hospital-b").register("B-77", wang.identity)
    care = wang.consent(**CARE)
    lane.desk.admit()
    lane.run()
    wang.revoke(care)
    lane.desk.discharge("S-01")
    lane.run()
    agent = lane.desk.agent
    wanted = list_secrets(agent._handover._vault, agent._book._register)
    assert search_folder(wanted, tmp_path / "hospital-a")
    for customer, known in ((insured, "insurer-a"), (wang, "hospital-b")):
        (mine,) = [item for item in file_of(lane.town).lanes if item.insurer == known]
        ids = sorted(entry.record_id for entry in mine.entries if find_record(lane.town.view, entry.record_id))
        assert customer.post(Call("erasure", "ask", Ask(mine.stay_id, tuple(ids), "hospital-a"))).ok
    lane.run()
    assert search_folder(wanted, tmp_path / "hospital-a") == []


def test_the_insurers_claim_and_the_treatment_go_their_own_ways(town: Town, wang: Customer) -> None:
    insured = Customer(town, "wang", wallet=wang.wallet)
    know(town, insured)
    insured.consent()
    care = wang.consent(**CARE)
    desk = Desk(town)
    desk.admit()
    town.run_until_quiet()
    wang.revoke(care)
    summary = desk.discharge("S-01")
    town.run_until_quiet()
    assert received(town) == ["admission"], "what she had revoked is not handed over"
    states = {lane.insurer: lane.state for lane in desk.agent.show(summary.number).lanes}
    assert states == {"insurer-a": "delivered", "hospital-b": "not-permitted"}


def test_a_correction_reaches_the_other_hospital(town: Town, wang: Customer) -> None:
    wang.consent(**CARE)
    desk = Desk(town)
    desk.admit()
    desk.discharge("S-01")
    town.run_until_quiet()
    desk.correct("S-01", correction(accident=True))
    town.run_until_quiet()
    assert town.codes("records.append") == ["OK"] * 4, "the summary is reversed and replaced; of bills nothing is sent"
    views = [find_record(town.view, entry.record_id) for entry in lane_of(town).live()]
    assert all(view is not None and view.shares[-1].status == "DELIVERED" for view in views)


def test_nothing_is_handed_to_a_hospital_that_no_grant_names(town: Town, wang: Customer) -> None:
    insured = Customer(town, "wang", wallet=wang.wallet)
    know(town, insured)
    insured.consent()
    desk = Desk(town)
    desk.admit()
    desk.discharge("S-01")
    town.run_until_quiet()
    assert received(town) == []
    (lane,) = file_of(town).lanes
    effects = desk.agent.step(
        PeerRequested(1, "hospital-b", encode_body(FetchRecord(lane.entries[0].record_id, 1)), town.now_ms)
    )
    (answer,) = [effect for effect in effects if isinstance(effect, Answer)]
    reply = decode_reply(answer.body)
    assert isinstance(reply, Refusal)
    assert reply.code == "NOT_SHARED"
    with pytest.raises(ReceivingError, match="a hospital handed"):
        other(town).open_received(lane.entries[0].record_id)


def test_a_record_that_does_not_hold_is_disputed_and_not_kept(
    town: Town, wang: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    handover = Desk(town).agent._handover
    honest = handover.answer

    def forge(peer: str, question: FetchRecord) -> object:
        reply = honest(peer, question)
        assert isinstance(reply, RecordHandover)
        return replace(reply, ciphertext=reply.ciphertext[:-1] + bytes([reply.ciphertext[-1] ^ 1]))

    monkeypatch.setattr(handover, "answer", forge)
    wang.consent(**CARE)
    Desk(town).admit()
    town.run_until_quiet()
    assert received(town) == []
    assert set(town.codes("records.dispute", "hospital-b")) == {"OK"}


def test_an_erasure_reaches_the_other_hospital_and_the_bills_of_the_first_stay_its_own(
    town: Town, wang: Customer
) -> None:
    wang.consent(**CARE)
    desk = Desk(town)
    desk.admit()
    desk.discharge("S-01")
    town.run_until_quiet()
    lane = lane_of(town)
    ids = tuple(sorted(entry.record_id for entry in lane.entries))
    assert wang.post(Call("erasure", "ask", Ask(lane.stay_id, ids, "hospital-b"))).ok
    town.run_until_quiet()
    assert received(town) == []
    with pytest.raises(ReceivingError):
        other(town).open_received(ids[0])
    assert file_of(town).discharges[0].bills[0].invoice is not None


def test_both_hospitals_may_be_killed_at_any_action(tmp_path: Path) -> None:
    for step in range(1, 40, 3):
        town = make_town(tmp_path / str(step), seed=step)
        town.install("hospital-b", build_hospital)
        wang = meet(town)
        wang.consent(**CARE)
        Desk(town).admit()
        town.kills = {town.actions + step}
        town.run_until_quiet()
        assert received(town) == ["admission"], step
        assert town.codes("records.append") == ["OK"], step


def test_a_document_that_is_attached_comes_too_and_is_read_as_a_file(town: Town, wang: Customer) -> None:
    wang.consent(**CARE)
    desk = Desk(town)
    desk.admit()
    town.run_until_quiet()
    scan = bytes(range(256)) * 1024
    label = AttachmentLabel("imaging", "application/dicom", len(scan))
    digest = hashlib.sha256(scan).digest()
    draft, _ = desk.agent.begin_attachment("S-01", label, digest, town.now_ms)
    town.operate("hospital-a", lambda hospital: hospital.take_attachment(draft, 0, scan, town.now_ms))
    town.run_until_quiet()
    assert received(town) == ["admission", "document"]
    (item,) = [item for item in other(town).list_received(None, "") if item.record.record_type == "document"]
    assert other(town).open_received(item.record.record_id) == (item, None)
    vault = other(town)._handover._vault
    plaintext = b"".join(read_plaintext(vault, item.record.record_id, 0, 64))
    assert plaintext[read_head(plaintext)[1] :] == scan
