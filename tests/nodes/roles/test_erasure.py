"""Erasure by the agents of hospital, insurer and rail: all of it, by law not yet, never twice, whoever dies when."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from contracts.erasures import Ask, Certify, ErasureItem, ErasureRow, ErasureStep, ListOpen, ShowErasures
from contracts.holds import HOLDS, begin_ms
from contracts.identifiers import Place
from contracts.listings import ClaimView
from contracts.retention import LIST_ROWS_MAX
from contracts.stays import ListSeen, RecordView
from ledger.codec import decode
from nodes.agent import Call
from nodes.roles.erasing import Erasing
from nodes.roles.hospital import Hospital
from nodes.roles.hospital.book import StayError
from nodes.roles.hospital.stays import LocalStay
from nodes.roles.insurer.inquiries import InsurerError
from nodes.roles.insurer.yearbook import YearPage
from nodes.roles.lookup import find_record
from nodes.vault import records as vault_records
from nodes.vault import register as vault_register
from nodes.vault.records import Vault
from nodes.vault.register import Register
from tests.nodes.roles.desk import Desk, discharge, example, know
from tests.nodes.roles.lane import Lane
from tests.nodes.roles.recipient import Recipient
from tests.nodes.roles.town import Customer, Killed, Kit, Town
from tests.nodes.secrets import list_secrets, search_folder, search_register

HOLDERS = ("hospital-a", "insurer-a", "rail")
DAY_MS = 86_400_000
SUMMED = ("blinding payable", "blinding moves", "blinding paid-after")
OTHER: dict[str, Any] = {
    "department": "orthopaedics",
    "reason": [{"icd10": "S82.6", "text": "broken ankle, suspected"}],
}


def other_discharge() -> dict[str, Any]:
    """Return what is said of somebody else's stay: no text of it stands in the polyp's."""
    form = example("discharge")
    lines = [{**line, "item": f"other-{line['id']}"} | {"procedure": None} for line in form["lines"]]
    return {
        "diagnoses": [{"id": "d1", "principal": True, "icd10": "S82.6", "text": "broken ankle"}],
        "procedures": [],
        "lines": lines,
        "invoice": {"code": "99000001", "number": "1111111111", "check_code": "zzzz99"},
    }


def list_records(lane: Lane, customer: Customer) -> tuple[RecordView, ...]:
    found: tuple[RecordView, ...] = lane.town.query(
        "records", "of_subject", ListSeen(customer.pseudonym.name, ""), tuple[RecordView, ...]
    )
    return found


def ask(lane: Lane, customer: Customer, *types: str, holder: str | None = None) -> str:
    """Have the customer's records of her one stay erased; return the receipt's code."""
    records = [view.record for view in list_records(lane, customer)]
    wanted = sorted(record.record_id for record in records if not types or record.record_type in types)
    message = Ask(records[0].stay_id, tuple(wanted), holder)
    return customer.post(Call("erasure", "ask", message)).code


def rows(lane: Lane, scope: str) -> dict[str, set[str]]:
    found: tuple[ErasureRow, ...] = lane.town.query("retention", "show", ShowErasures(scope), tuple[ErasureRow, ...])
    return {row.holder: {item.status for item in row.items} for row in found}


def books(lane: Lane, name: str) -> tuple[Vault | None, Register]:
    """Return what an agent keeps, through the very objects that it has."""
    agent: Any = lane.town.agents[name]
    if name == "hospital-a":
        return agent._handover._vault, agent._book._register
    if name == "insurer-a":
        return agent._intake._vault, agent._casebook._register
    return None, agent._attempts._register


def secrets(lane: Lane, *, alone: bool = True) -> dict[str, bytes]:
    """Return what all holders have to destroy; of a month's only payment the yearbook's sum tells the amount."""
    found: dict[str, bytes] = {}
    for name in HOLDERS:
        found |= {f"{name} {secret}": data for secret, data in list_secrets(*books(lane, name)).items()}
    assert len(found) > 60, "there is something to look for"
    return {name: data for name, data in found.items() if not (alone and name.endswith(SUMMED))}


def search(lane: Lane, wanted: dict[str, bytes]) -> list[str]:
    found = search_folder(wanted, lane.town.folder)
    for name in HOLDERS:
        found += [f"{name} {hit}" for hit in search_register(wanted, books(lane, name)[1])]
    return found


def settle(folder: Path, holds: Any = (), seed: int = 0) -> tuple[Lane, Customer]:
    lane = Lane(folder, seed, holds)
    customer = lane.insure()
    lane.stay()
    lane.run()
    assert lane.claim().status == "PAID"
    return lane, customer


def settle_two(folder: Path) -> tuple[Lane, Customer, dict[str, bytes]]:
    """Return a lane in which two people were paid in one month, one of them, and what is hers alone."""
    lane = OneOfTwo(folder, 0, ())
    lane.insure("li")
    number = lane.desk.admit(patient="li", **OTHER).number
    lane.run()
    lane.desk.discharge(number, discharge(**other_discharge()))
    lane.run()
    of_other = secrets(lane, alone=False)
    customer = lane.insure()
    lane.wang = customer.pseudonym.name
    lane.stay()
    lane.run()
    assert [view.status for view in lane.claims()] == ["PAID", "PAID"]
    return lane, customer, {name: data for name, data in secrets(lane, alone=False).items() if name not in of_other}


class OneOfTwo(Lane):
    wang = ""

    def claim(self) -> ClaimView:
        return next(view for view in self.claims() if view.claim.customer == self.wang)


def scopes(lane: Lane) -> tuple[str, str]:
    claim = lane.claim().claim
    return claim.stay_ids[0], claim.claim_id


# -------------------------------------------------------------------------------------------------------- all of it


def test_the_search_finds_what_is_there(tmp_path: Path) -> None:
    lane, _ = settle(tmp_path)
    wanted = secrets(lane)
    found = search(lane, wanted)
    assert len({hit.split(": ")[1] for hit in found}) > 60
    assert any("keys" in hit and "data key" in hit for hit in found)
    assert any(hit.startswith("insurer-a draft") for hit in found)
    assert any(hit.startswith("hospital-a stay") for hit in found)


def test_everybody_erases_what_no_law_holds_and_the_search_finds_nothing(tmp_path: Path) -> None:
    lane, customer, wanted = settle_two(tmp_path)
    stay_id, claim_id = scopes(lane)
    assert ask(lane, customer) == "OK"
    lane.run()
    assert rows(lane, stay_id) == {"hospital-a": {"ERASED"}, "insurer-a": {"ERASED"}}
    assert rows(lane, claim_id) == {"insurer-a": {"ERASED"}, "rail": {"ERASED"}}
    assert any(name.endswith(SUMMED) for name in wanted), "what the yearbook adds up is looked for as well"
    assert search(lane, wanted) == []
    assert [order.idempotency_key for order in lane.bank.moves[1:]] == lane.bank.forgotten


def test_what_the_yearly_report_needs_survives_as_a_sum(tmp_path: Path) -> None:
    lane, customer, _ = settle_two(tmp_path)
    yearbook, year = lane.insurer._yearbook, 2026
    before = yearbook.open_months("CNY", year, 1, 12)
    ask(lane, customer)
    lane.run()
    lane.town.restart("insurer-a")
    lane.run()
    assert lane.insurer._yearbook.open_months("CNY", year, 1, 12) == before
    assert before[0] == lane.bank.balance
    pages = [decode(data, YearPage) for _, data in books(lane, "insurer-a")[1].list_entries("year-sum")]
    assert [len(page.marks) for page in pages] == [2], "no page has her payment alone"


def test_nothing_of_it_comes_back_with_a_restart(tmp_path: Path) -> None:
    lane, customer = settle(tmp_path)
    wanted = secrets(lane)
    ask(lane, customer)
    lane.run()
    for name in HOLDERS:
        lane.town.restart(name)
    lane.run()
    assert search(lane, wanted) == []
    assert (
        lane.desk.agent.list_stays()[0].message == "insurer-a: the customer had records erased; nothing is handed "
        "over any more"
    )
    stay: LocalStay = lane.desk.agent._book.get("S-01")
    assert (stay.patient, stay.admission, stay.first_day, stay.last_day) == ("", None, None, None)


def test_the_vault_never_takes_an_erased_record_again(tmp_path: Path) -> None:
    lane, customer = settle(tmp_path)
    record_id = list_records(lane, customer)[0].record.record_id
    ask(lane, customer)
    lane.run()
    vault = books(lane, "hospital-a")[0]
    assert vault is not None
    assert record_id not in vault
    with pytest.raises(vault_records.VaultError, match="was erased"):
        vault.add(record_id, b"again")
    assert Vault(tmp_path / "insurer-a" / "vault", lane.town.genesis.chain_id, lane.town._entropy).is_erased(record_id)


def test_a_corrected_stay_is_erased_with_what_was_reversed(tmp_path: Path) -> None:
    lane = Lane(tmp_path, holds=())
    customer = lane.insure()
    number = lane.stay()
    lane.run()
    lane.desk.correct(number)
    lane.run()
    wanted = secrets(lane)
    ask(lane, customer)
    lane.run()
    assert search(lane, wanted) == []


def test_an_interim_bill_that_never_reached_the_chain_goes_too(tmp_path: Path) -> None:
    lane = Lane(tmp_path, holds=())
    customer = lane.insure()
    number = lane.desk.admit().number
    lane.town.loses_submission = lambda submission: submission.transactions[0].method == "append"
    lane.desk.bill(number, "3100.07")
    lane.town.loses_submission = lambda _submission: False
    lane.run()
    lane.desk.discharge(number)
    lane.run()
    wanted = secrets(lane)
    ask(lane, customer)
    lane.run()
    assert search(lane, wanted) == []


def test_an_erased_interim_bill_keeps_no_correction_from_being_settled(tmp_path: Path) -> None:
    lane = Lane(tmp_path, holds=())
    customer = lane.insure()
    number = lane.desk.admit().number
    lane.run()
    lane.desk.bill(number)
    lane.run()
    lane.desk.discharge(number)
    lane.run()
    assert ask(lane, customer, "interim-bill") == "OK"
    lane.run()
    stay_id, claim_id = scopes(lane)
    assert rows(lane, stay_id) == {"hospital-a": {"ERASED"}, "insurer-a": {"ERASED"}}
    assert rows(lane, claim_id) == {}
    assert lane.desk.agent._book.get(number).interims == (None,)
    lane.desk.correct(number)
    lane.run()
    assert (lane.claim().status, lane.payable()) == ("PAID", 224_000)


def test_one_record_is_erased_and_the_others_stay(tmp_path: Path) -> None:
    lane, customer = settle(tmp_path)
    stay_id, claim_id = scopes(lane)
    assert ask(lane, customer, "item-list", holder="hospital-a") == "OK"
    lane.run()
    assert rows(lane, stay_id) == {"hospital-a": {"ERASED"}}
    assert rows(lane, claim_id) == {}
    stay = lane.desk.agent._book.get("S-01")
    assert (stay.discharges[0].bills[0].item_list, stay.patient) == (None, "wang")
    assert stay.discharges[0].bills[0].invoice is not None
    assert lane.shown().settled is not None
    with pytest.raises(StayError, match="not corrected any more"):
        lane.desk.correct("S-01")


# ------------------------------------------------------------------------------------------------------------ holds


def test_what_a_law_has_kept_is_restricted_with_basis_and_day(tmp_path: Path) -> None:
    lane, customer = settle(tmp_path, HOLDS)
    wanted = secrets(lane)
    before = len(search(lane, wanted))
    stay_id, claim_id = scopes(lane)
    assert ask(lane, customer) == "OK"
    lane.run()
    assert rows(lane, stay_id) == {"hospital-a": {"RESTRICTED"}, "insurer-a": {"RESTRICTED"}}
    assert rows(lane, claim_id) == {"insurer-a": {"RESTRICTED"}, "rail": {"RESTRICTED"}}
    assert len(search(lane, wanted)) == before
    shown = lane.shown()
    assert shown.settled is None
    assert shown.waits is not None
    assert str(shown.waits) == "RESTRICTED: kept until 2031-12-31 for insurance-claim-file alone, and not to be read"
    with pytest.raises(StayError, match="erased or restricted"):
        lane.desk.correct("S-01")
    assert lane.opening(customer).decision.payable == 206_000, "what is hers stays hers to read"


def test_a_hold_that_has_ended_erases_by_itself(tmp_path: Path) -> None:
    lane, customer = settle(tmp_path, HOLDS)
    wanted = secrets(lane)
    stay_id, claim_id = scopes(lane)
    ask(lane, customer)
    lane.run()
    for _ in range(4):
        due = lane.town.application.next_due_ms()
        if due is None:
            break
        lane.town.now_ms = due + 1
        lane.town.add_block(())
        lane.run()
    assert rows(lane, stay_id) == {"hospital-a": {"ERASED"}, "insurer-a": {"ERASED"}}
    assert rows(lane, claim_id) == {"insurer-a": {"ERASED"}, "rail": {"ERASED"}}
    assert search(lane, wanted) == []


def test_the_retention_of_the_grant_erases_at_the_recipient_by_itself(tmp_path: Path) -> None:
    lane, _ = settle(tmp_path)
    stay_id, claim_id = scopes(lane)
    wanted = {name: data for name, data in secrets(lane).items() if name.startswith("insurer-a")}
    due = lane.town.application.next_due_ms()
    assert due is not None
    lane.town.now_ms = due
    lane.town.add_block(())
    lane.run()
    assert rows(lane, stay_id) == {"insurer-a": {"ERASED"}}
    assert rows(lane, claim_id) == {"insurer-a": {"ERASED"}, "rail": {"ERASED"}}
    assert search_folder(wanted, tmp_path / "insurer-a") == []
    assert search_register(wanted, books(lane, "insurer-a")[1]) == []
    assert due > begin_ms(20_605)


# --------------------------------------------------------------------------------------------------- two insurers


def test_a_document_leaves_the_stays_file_with_the_last_record_that_holds_it(tmp_path: Path) -> None:
    town = Town(tmp_path)

    def build(kit: Kit) -> Hospital:
        return Hospital(kit.name, kit.view, kit.keystore, kit.vault, kit.register, kit.entropy, ())

    town.install("hospital-a", build)
    for insurer in ("insurer-a", "insurer-b"):
        town.install(insurer, Recipient)
    first = Customer(town, "wang")
    second = Customer(town, "wang", insurer="insurer-b", wallet=first.wallet)
    for customer in (first, second):
        know(town, customer)
        customer.consent()
    desk = Desk(town)
    desk.admit(patient=first.identity.name)
    desk.discharge("S-01")
    town.run_until_quiet()
    assert {lane.insurer for lane in desk.agent._book.get("S-01").lanes} == {"insurer-a", "insurer-b"}
    vault: Vault = desk.agent._handover._vault
    for customer, gone in ((first, False), (second, True)):
        records = town.query("records", "of_subject", ListSeen(customer.pseudonym.name, ""), tuple[RecordView, ...])
        ids = tuple(view.record.record_id for view in records)
        assert customer.post(Call("erasure", "ask", Ask(records[0].record.stay_id, ids, "hospital-a"))).ok
        town.run_until_quiet()
        assert all(vault.is_erased(record_id) for record_id in ids)
        stay = desk.agent._book.get("S-01")
        assert (stay.admission is None, stay.discharges[0].summary is None) == (gone, gone)
        assert (stay.patient == "") == gone
    assert vault.list_records() == ()


# ---------------------------------------------------------------------------------------------- before the settlement


def test_a_stay_that_goes_on_is_answered_after_the_discharge_and_never_handed_over(tmp_path: Path) -> None:
    lane = Lane(tmp_path, holds=())
    customer = lane.insure()
    number = lane.desk.admit().number
    lane.run()
    assert ask(lane, customer) == "OK"
    lane.run()
    stay_id, _ = scopes(lane)
    assert rows(lane, stay_id) == {"hospital-a": {"ASKED"}}
    lane.desk.discharge(number)
    lane.run()
    assert rows(lane, stay_id) == {"hospital-a": {"ERASED"}}
    assert (lane.claim().status, lane.bank.moves) == ("REPORTED", [])
    assert lane.town.codes("records.share") == []


def test_a_share_that_was_not_handed_over_yet_never_is(tmp_path: Path) -> None:
    lane = Lane(tmp_path, holds=())
    customer = lane.insure()
    lane.town.loses_request = lambda _source, peer, _body: peer == "hospital-a"
    lane.stay()
    lane.run_for(5_000)
    assert set(lane.town.codes("records.share")) == {"OK"}
    assert ask(lane, customer) == "OK"
    lane.town.loses_request = lambda _source, _peer, _body: False
    lane.run()
    stay_id, claim_id = scopes(lane)
    assert rows(lane, stay_id) == {"hospital-a": {"ERASED"}, "insurer-a": {"ERASED"}}
    assert rows(lane, claim_id) == {"insurer-a": {"ERASED"}}
    vault = books(lane, "insurer-a")[0]
    assert vault is not None
    assert vault.list_records() == ()
    assert lane.town.codes("records.deliver") == []


def test_a_claim_that_was_not_settled_waits_and_is_never_paid(tmp_path: Path) -> None:
    lane = Lane(tmp_path)
    customer = lane.know()
    customer.consent()
    lane.stay()
    lane.run()
    shown = lane.shown()
    assert shown.waits is not None
    assert shown.waits.code == "ELIG-005", "there is no policy yet"
    assert ask(lane, customer, "invoice", holder="insurer-a") == "OK"
    lane.run()
    lane.issue()
    lane.run()
    waits = lane.shown().waits
    assert waits is not None
    assert waits.code == "ERASED"
    assert (lane.claim().settlements, lane.bank.moves) == ((), [])
    stay_id, claim_id = scopes(lane)
    assert rows(lane, stay_id)["insurer-a"] == {"ERASED"}, "no law keeps what nothing was settled on"
    assert rows(lane, claim_id)["insurer-a"] == {"ERASED"}
    assert "ERASED" not in lane.town.codes("claims.settle"), "it was not even tried"


def test_money_that_moves_is_waited_for(tmp_path: Path) -> None:
    lane = Lane(tmp_path, holds=())
    customer = lane.insure()
    lane.bank.answers = ["unknown"]
    lane.bank.later = [None] * 4
    lane.stay()
    lane.run_for(12_000)
    assert lane.claim().status == "SETTLED"
    ask(lane, customer)
    lane.run_for(6_000)
    stay_id, claim_id = scopes(lane)
    assert rows(lane, stay_id) == {"hospital-a": {"ERASED"}, "insurer-a": {"ASKED"}}
    with pytest.raises(InsurerError, match="opened to nobody until that is answered"):
        lane.insurer.draft_opening(claim_id, "regulator", "insurance-supervision")
    lane.bank.later = ["paid"]
    lane.run()
    assert (lane.claim().status, lane.bank.balance) == ("PAID", 206_000)
    assert rows(lane, stay_id)["insurer-a"] == {"ERASED"}
    assert rows(lane, claim_id) == {"insurer-a": {"ERASED"}, "rail": {"ERASED"}}


def test_the_customer_is_told_that_an_erased_opening_is_gone(tmp_path: Path) -> None:
    lane, customer = settle(tmp_path)
    ask(lane, customer)
    lane.run()
    with pytest.raises(InsurerError, match="the opening of settlement 1 was erased, certified at height"):
        lane.opening(customer)
    shown = lane.shown()
    assert shown.waits is not None
    assert shown.waits.code == "ERASED"


# ---------------------------------------------------------------------------------------------------- whoever dies


class Mortal:
    """Kills whoever writes or destroys a secret file, before or after its nth act."""

    def __init__(self, lane: Lane, number: int, *, after: bool) -> None:
        self.lane = lane
        self.number = number
        self.after = after
        self.acts = 0

    def wrap(self, act: Callable[..., None]) -> Callable[..., None]:
        def do(path: Path, *rest: bytes) -> None:
            self.acts += 1
            if self.acts != self.number:
                act(path, *rest)
                return
            if self.after:
                act(path, *rest)
            self.lane.town.restart(path.relative_to(self.lane.town.folder).parts[0])
            raise Killed

        return do


@pytest.mark.parametrize("number", range(1, 31, 3))
def test_dying_before_or_after_an_act_of_an_erasure_finishes_it_after_the_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    after = number % 2 == 0
    lane, customer = settle(tmp_path, seed=number)
    wanted = secrets(lane)
    stay_id, claim_id = scopes(lane)
    mortal = Mortal(lane, number, after=after)
    for module in (vault_records, vault_register):
        monkeypatch.setattr(module, "write_private", mortal.wrap(module.write_private))
        monkeypatch.setattr(module, "erase_private", mortal.wrap(module.erase_private))
    ask(lane, customer)
    lane.run()
    assert mortal.acts >= number, "nobody died"
    assert rows(lane, stay_id) == {"hospital-a": {"ERASED"}, "insurer-a": {"ERASED"}}
    assert rows(lane, claim_id) == {"insurer-a": {"ERASED"}, "rail": {"ERASED"}}
    assert search(lane, wanted) == []
    assert set(lane.town.codes("erasure.certify")) <= {"OK", "ALREADY_ERASED"}
    record = find_record(lane.town.view, list_records(lane, customer)[0].record.record_id)
    assert record is not None, "what the chain has stays there"


def test_rows_that_cannot_be_answered_yet_keep_no_later_one_waiting() -> None:
    place = Place(1, 0, 1_780_000_000_000, bytes(32))
    items = (ErasureItem("record-0123456789ab", "admission", "request", (ErasureStep("ASKED", None, None, place),)),)
    rows = [ErasureRow(f"stay-{number:012x}", "hospital-a", "hospital", "c-her", items) for number in range(150)]
    erased: set[str] = set()

    def query(_contract: str, _method: str, message: ListOpen, _kind: Any) -> tuple[ErasureRow, ...]:
        left = [row for row in rows if row.scope > message.after_scope and row.scope not in erased]
        return tuple(left[:LIST_ROWS_MAX])

    books: Any = SimpleNamespace(
        is_in_use=lambda asked: asked.scope < rows[120].scope,
        hold_begins=lambda _asked: None,
        erase=lambda asked: erased.add(asked.scope),
    )
    view: Any = SimpleNamespace(query=query, time_ms=place.time_ms)
    erasing = Erasing("hospital-a", view, books, ())
    assert erasing.derive() == [], "the stays of the first page go on"
    assert [call.message for call in erasing.derive()] == [Certify(row.scope, (items[0].item,)) for row in rows[120:]]
    assert erasing.derive() == [], "from the first again"
    assert erased == {row.scope for row in rows[120:]}
