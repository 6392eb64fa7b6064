"""What a regulator ordered is erased or kept by its own law, in use while it waits, and never had again."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from contracts.erasures import Ask, ErasureItem
from contracts.holds import HOLDS, Hold
from contracts.orders import Order
from nodes.agent import Call
from nodes.roles.erasing import list_asked
from nodes.roles.exchange.questions import FetchOrdered, Refusal
from nodes.roles.regulator import Regulator, RegulatorError
from nodes.schemas.civil_time import civil_day
from nodes.schemas.holds import last_day
from nodes.vault import records as vault_records
from tests.nodes.roles.lane import Lane
from tests.nodes.roles.test_erasure import Mortal, list_records
from tests.nodes.roles.town import Customer, Kit
from tests.nodes.secrets import list_secrets, search_folder

NUMBER = "医保函〔2026〕17号"
INSPECTION = tuple(hold for hold in HOLDS if hold.role == "regulator")


class Inspection:
    """A settled stay, its customer, and a regulator that orders its invoice."""

    def __init__(self, folder: Path, holds: tuple[Hold, ...], *, is_kept_at_hospital: bool = True) -> None:
        self.lane = Lane(folder, 0, HOLDS if is_kept_at_hospital else ())
        self.folder = folder

        def build(kit: Kit) -> Regulator:
            return Regulator(kit.name, kit.view, kit.keystore, kit.vault, kit.register, kit.entropy, holds)

        self.lane.town.install("regulator", build)
        self.wang: Customer = self.lane.insure()
        self.lane.stay()
        self.lane.run()
        records = [view.record for view in list_records(self.lane, self.wang)]
        self.record = next(record for record in records if record.record_type == "invoice")

    @property
    def regulator(self) -> Regulator:
        agent = self.lane.town.agents["regulator"]
        assert isinstance(agent, Regulator)
        return agent

    def order(self) -> None:
        _, call = self.regulator.order(self.record.record_id, "medical-fund-supervision", NUMBER)
        assert self.lane.town.post("regulator", call)[0].ok

    def orders(self) -> tuple[Order, ...]:
        return self.regulator.list_orders()

    def ask(self, holder: str | None = None) -> None:
        message = Ask(self.record.stay_id, (self.record.record_id,), holder)
        assert self.wang.post(Call("erasure", "ask", message)).ok
        self.lane.run()

    def item(self) -> ErasureItem:
        return list_asked(self.lane.town.view, self.record.stay_id, "regulator")[self.record.record_id]

    def secrets(self) -> dict[str, bytes]:
        found = list_secrets(self.regulator._vault, self.regulator._book._register)
        assert found, "there is something to look for"
        return found


def test_what_no_law_keeps_is_erased_with_its_keys_and_not_ordered_again(tmp_path: Path) -> None:
    case = Inspection(tmp_path, ())
    case.order()
    case.lane.run()
    wanted = case.secrets()
    folder = tmp_path / "regulator"
    assert search_folder(wanted, folder), "the search finds what is there"
    case.ask()
    assert case.item().status == "ERASED"
    assert search_folder(wanted, folder) == []
    (order,) = case.orders()
    assert case.regulator.read(order) is None
    assert case.regulator.find_number(order.order_id) == NUMBER, "the order itself is no record of hers"
    with pytest.raises(RegulatorError, match="was erased here"):
        case.order()
    case.lane.town.restart("regulator")
    case.lane.run()
    assert search_folder(wanted, folder) == []


def test_what_the_law_of_inspections_keeps_is_restricted_to_a_day_and_read_for_the_order_alone(
    tmp_path: Path,
) -> None:
    case = Inspection(tmp_path, INSPECTION)
    case.order()
    case.lane.run()
    case.ask("regulator")
    step = case.item().steps[-1]
    (order,) = case.orders()
    assert (step.status, step.basis) == ("RESTRICTED", "inspection-file")
    assert step.until_day == last_day(INSPECTION[0], civil_day(order.place.time_ms))
    assert case.regulator.read(order) is not None
    assert case.regulator.find_asked(order) == case.item()


def test_an_order_that_waits_is_carried_out_before_its_record_is_erased(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = Inspection(tmp_path, ())
    handover = case.lane.town.agents["hospital-a"]._handover  # type: ignore[attr-defined]
    with monkeypatch.context() as patch:
        patch.setattr(handover, "answer_order", lambda _peer, _question: Refusal("BUSY", "later"))
        case.order()
        case.lane.run_for(20_000)
        message = Ask(case.record.stay_id, (case.record.record_id,), "regulator")
        assert case.wang.post(Call("erasure", "ask", message)).ok
        case.lane.run_for(20_000)
        assert case.item().status == "ASKED"
        assert case.orders()[0].answer is None
    case.lane.run_for(400_000)
    answer = case.orders()[0].answer
    assert answer is not None
    assert answer.result == "DELIVERED"
    assert case.item().status == "ERASED"


def test_where_the_hospital_erased_it_first_the_regulator_says_so_and_waits_for_nothing(tmp_path: Path) -> None:
    case = Inspection(tmp_path, (), is_kept_at_hospital=False)
    case.ask()
    assert list_asked(case.lane.town.view, case.record.stay_id, "hospital-a")[case.record.record_id].status == "ERASED"
    case.order()
    case.lane.run_for(20_000)
    (order,) = case.orders()
    assert order.answer is None, "the order stands, and nothing has come"
    message = Ask(case.record.stay_id, (case.record.record_id,), "regulator")
    assert case.wang.post(Call("erasure", "ask", message)).ok
    case.lane.run()
    assert case.item().status == "ERASED"
    answer = case.orders()[0].answer
    assert answer is not None
    assert answer.result == "DISPUTED"


def test_a_handover_that_comes_after_the_erasure_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = Inspection(tmp_path, ())
    hospital = case.lane.town.agents["hospital-a"]
    answer: Callable[[str, FetchOrdered], Any] = hospital._handover.answer_order  # type: ignore[attr-defined]

    def erase_first(peer: str, question: FetchOrdered) -> Any:
        case.regulator._vault.erase(case.record.record_id)
        return answer(peer, question)

    monkeypatch.setattr(hospital._handover, "answer_order", erase_first)  # type: ignore[attr-defined]
    case.order()
    case.lane.run()
    assert case.record.record_id not in case.regulator._vault
    assert case.orders()[0].answer is not None


@pytest.mark.parametrize(("number", "after"), [(1, False), (1, True), (2, False), (2, True), (3, False), (3, True)])
def test_a_regulator_that_dies_at_any_act_of_an_erasure_finishes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, *, after: bool
) -> None:
    case = Inspection(tmp_path, ())
    case.order()
    case.lane.run()
    wanted = case.secrets()
    mortal = Mortal(SimpleNamespace(town=case.lane.town), number, after=after)  # type: ignore[arg-type]
    files: Any = vault_records
    monkeypatch.setattr(files, "write_private", mortal.wrap(files.write_private))
    monkeypatch.setattr(files, "erase_private", mortal.wrap(files.erase_private))
    case.ask("regulator")
    assert mortal.acts >= number, "nobody died"
    assert case.item().status == "ERASED"
    assert search_folder(wanted, tmp_path / "regulator") == []
