"""Public health: a regulator is handed what diseases take, under a pseudonym; whole documents never leave for it."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from contracts.erasures import Ask
from contracts.grants import RecordType
from contracts.holds import HOLDS
from nodes.agent import Answer, Call, PeerRequested
from nodes.roles.activity import list_looks
from nodes.roles.customer.acting import stand_in
from nodes.roles.customer.customer import CustomerError
from nodes.roles.erasing import list_asked
from nodes.roles.exchange.documents import Document, HealthAdmission, HealthSummary
from nodes.roles.exchange.questions import FetchRecord, Refusal, decode_reply, encode_body
from nodes.roles.exchange.receiving import Received, ReceivingError
from nodes.roles.hospital import records as hospital_records
from nodes.roles.hospital.stays import Lane
from nodes.roles.regulator import Regulator
from tests.nodes.roles.desk import Desk, correction, example, know, make_town
from tests.nodes.roles.lane import Lane as InsuredLane
from tests.nodes.roles.test_attachments import WITH_DOCUMENTS, attach
from tests.nodes.roles.test_hospital import file_of
from tests.nodes.roles.town import TODAY, Customer, Kit, Town
from tests.nodes.secrets import list_secrets, search_folder

TYPES: tuple[RecordType, ...] = ("admission", "discharge-summary")
HEALTH: dict[str, Any] = {"purpose": "PUBHLTH", "record_types": TYPES}


def build_regulator(kit: Kit) -> Regulator:
    return Regulator(kit.name, kit.view, kit.keystore, kit.vault, kit.register, kit.entropy, HOLDS)


@pytest.fixture
def town(tmp_path: Path) -> Town:
    """A hospital that knows wang, and a regulator that does not."""
    return found(tmp_path)


@pytest.fixture
def wang(town: Town) -> Customer:
    return meet(town)


def found(folder: Path, seed: int = 0) -> Town:
    town = make_town(folder, seed)
    town.install("regulator", build_regulator)
    return town


def meet(town: Town) -> Customer:
    wang = Customer(town, "wang", insurer="regulator")
    Desk(town).register("wang", wang.identity)
    return wang


def regulator(town: Town) -> Regulator:
    agent = town.agents["regulator"]
    assert isinstance(agent, Regulator)
    return agent


def received(town: Town) -> list[tuple[Received, Document | None]]:
    return [regulator(town).open_received(item.record.record_id) for item in regulator(town).list_received(None, "")]


def types(town: Town) -> list[str]:
    return sorted(item.record.record_type for item in regulator(town).list_received(None, ""))


def lane_of(town: Town) -> Lane:
    (lane,) = [lane for lane in file_of(town).lanes if lane.insurer == "regulator"]
    return lane


def stay(town: Town) -> Desk:
    desk = Desk(town)
    desk.admit()
    desk.discharge("S-01")
    town.run_until_quiet()
    return desk


def test_what_a_grant_covers_is_handed_over_without_whose_it_is_and_without_what_no_disease_takes(
    town: Town, wang: Customer
) -> None:
    wang.consent(**HEALTH)
    stay(town)
    items = received(town)
    documents = {type(document): document for _, document in items}
    assert set(documents) == {HealthAdmission, HealthSummary}
    summary = documents[HealthSummary]
    assert isinstance(summary, HealthSummary)
    assert summary.diagnoses[0].icd10 == example("discharge")["diagnoses"][0]["icd10"]
    assert {(item.patient, item.record.subject, item.purpose) for item, _ in items} == {
        (None, wang.pseudonym.name, "PUBHLTH")
    }
    looks = list_looks(town.view, wang.pseudonym.name, "shares", "").looks
    assert {(look.by, look.purpose, look.status) for look in looks} == {("regulator", "PUBHLTH", "delivered")}
    assert town.codes("records.append", "hospital-a") == ["OK", "OK"], "of bills nothing is entered"
    assert town.faults == []


def test_nothing_of_a_claim_reaches_the_regulator_and_nothing_for_it_the_insurer(town: Town, wang: Customer) -> None:
    insured = Customer(town, "wang", wallet=wang.wallet)
    know(town, insured)
    insured.consent()
    granted = wang.consent(**HEALTH)
    desk = Desk(town)
    desk.admit()
    town.run_until_quiet()
    wang.revoke(granted)
    desk.discharge("S-01")
    town.run_until_quiet()
    assert types(town) == ["admission"], "what she had revoked is not handed over"
    states = {lane.insurer: lane.state for lane in desk.agent.show("S-01").lanes}
    assert states == {"insurer-a": "delivered", "regulator": "not-permitted"}
    claims = next(lane for lane in file_of(town).lanes if lane.insurer == "insurer-a")
    body = encode_body(FetchRecord(claims.entries[0].record_id, 1))
    effects = desk.agent.step(PeerRequested(1, "regulator", body, town.now_ms))
    (reply,) = [decode_reply(effect.body) for effect in effects if isinstance(effect, Answer)]
    assert isinstance(reply, Refusal)
    with pytest.raises(ReceivingError):
        regulator(town).open_received(claims.entries[0].record_id)


def test_days_that_are_not_meant_are_not_handed_over_though_the_regulator_could_not_tell(
    town: Town, wang: Customer
) -> None:
    wang.consent(**HEALTH, days=(TODAY + 1, TODAY + 365))
    stay(town)
    assert types(town) == []


def test_a_correction_that_changes_nothing_of_a_disease_is_not_told(town: Town, wang: Customer) -> None:
    wang.consent(**HEALTH)
    desk = stay(town)
    desk.correct("S-01", correction(accident=True))
    town.run_until_quiet()
    assert town.codes("records.append") == ["OK"] * 2
    diagnoses = [{**item, "onset": "today-9"} for item in example("correction")["diagnoses"]]
    desk.correct("S-01", correction(accident=True, diagnoses=diagnoses))
    town.run_until_quiet()
    assert town.codes("records.append") == ["OK"] * 4, "the summary is reversed and replaced"


def test_a_hospital_that_seals_a_whole_document_is_disputed(
    town: Town, wang: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hospital_records, "release", lambda document, _purpose: document)
    monkeypatch.setattr(hospital_records, "check_release", lambda *_: None)
    wang.consent(**HEALTH)
    Desk(town).admit()
    town.run_until_quiet()
    assert types(town) == []
    assert set(town.codes("records.dispute", "regulator")) == {"OK"}


def test_a_file_is_sealed_for_nobody_who_is_never_handed_one(tmp_path: Path) -> None:
    lane = InsuredLane(tmp_path)
    lane.town.install("regulator", build_regulator)
    insured = lane.know()
    lane.issue()
    insured.consent(record_types=WITH_DOCUMENTS)
    Customer(lane.town, "wang", insurer="regulator", wallet=insured.wallet).consent(**HEALTH)
    lane.stay()
    attach(lane, copies=1)
    lane.run()
    assert "document" not in [entry.record_type for entry in lane_of(lane.town).entries]
    assert {item.insurer: item.state for item in lane.desk.agent.show("S-01").lanes}["regulator"] == "delivered"


def test_an_erasure_destroys_what_the_regulator_has_and_no_hold_keeps_it(tmp_path: Path) -> None:
    town = found(tmp_path)
    wang = meet(town)
    wang.consent(**HEALTH)
    stay(town)
    wanted = list_secrets(regulator(town)._vault, regulator(town)._book._register)
    assert search_folder(wanted, tmp_path / "regulator"), "the search finds what is there"
    lane = lane_of(town)
    ids = tuple(sorted(entry.record_id for entry in lane.entries))
    assert wang.post(Call("erasure", "ask", Ask(lane.stay_id, ids, "regulator"))).ok
    town.run_until_quiet()
    assert types(town) == []
    assert search_folder(wanted, tmp_path / "regulator") == []
    assert {item.status for item in list_asked(town.view, lane.stay_id, "regulator").values()} == {"ERASED"}
    town.restart("regulator")
    assert types(town) == []


def test_what_was_ordered_too_is_kept_for_the_order_and_read_for_nothing_else(town: Town, wang: Customer) -> None:
    wang.consent(**HEALTH)
    stay(town)
    lane = lane_of(town)
    record_id = next(entry.record_id for entry in lane.entries if entry.record_type == "discharge-summary")
    order_id, call = regulator(town).order(record_id, "evidence-collection", "1")
    assert town.post("regulator", call)[0].ok
    town.run_until_quiet()
    assert wang.post(Call("erasure", "ask", Ask(lane.stay_id, (record_id,), "regulator"))).ok
    town.run_until_quiet()
    assert list_asked(town.view, lane.stay_id, "regulator")[record_id].status == "RESTRICTED"
    assert types(town) == ["admission"]
    with pytest.raises(ReceivingError):
        regulator(town).open_received(record_id)
    (order,) = [item for item in regulator(town).list_orders() if item.order_id == order_id]
    assert isinstance(regulator(town).read(order), HealthSummary)


def test_an_order_that_was_disputed_keeps_nothing_of_what_a_grant_brought(
    town: Town, wang: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    handover = Desk(town).agent._handover
    monkeypatch.setattr(handover, "answer", lambda *_: Refusal("WITHDRAWN", "not yet"))
    wang.consent(**HEALTH)
    Desk(town).admit()
    town.run_until_quiet()
    (record_id,) = [entry.record_id for entry in lane_of(town).entries]
    order_id, call = regulator(town).order(record_id, "evidence-collection", "1")
    regulator(town)._book.dispute(order_id, "the payload is not the one whose hash is on the chain")
    assert town.post("regulator", call)[0].ok
    town.run_until_quiet()
    monkeypatch.undo()
    town.pass_time(700_000)
    town.run_until_quiet()
    assert types(town) == ["admission"]
    Desk(town).discharge("S-01")
    town.run_until_quiet()
    lane = lane_of(town)
    assert wang.post(Call("erasure", "ask", Ask(lane.stay_id, (record_id,), "regulator"))).ok
    town.run_until_quiet()
    assert list_asked(town.view, lane.stay_id, "regulator")[record_id].status == "ERASED"


def test_nobody_has_a_regulator_erase_for_another() -> None:
    guardian = cast("Any", SimpleNamespace(is_regulator=lambda name: name == "regulator"))
    with pytest.raises(CustomerError, match="holder: regulator is not told who is who"):
        stand_in(guardian, guardian, "guardian", cast("Any", None), "regulator")


def test_hospital_and_regulator_may_be_killed_at_any_action(tmp_path: Path) -> None:
    for step in range(1, 31, 10):
        town = found(tmp_path / str(step), seed=step)
        wang = meet(town)
        wang.consent(**HEALTH)
        Desk(town).admit()
        town.kills = {town.actions + step}
        town.run_until_quiet()
        assert types(town) == ["admission"], step
        assert town.codes("records.append") == ["OK"], step
