"""A regulator orders a record under a law: the custodian hands over after the entry, and to nobody else."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from contracts.access import LIST_ROWS_MAX
from contracts.orders import AnswerOrder, ListOrders, Order, PlaceOrder
from ledger.crypto.hashes import commit_salted
from nodes.agent import Answer, Call, PeerRequested
from nodes.roles.activity import list_looks
from nodes.roles.exchange.documents import Invoice
from nodes.roles.exchange.questions import FetchOrdered, RecordHandover, Refusal, Reply, decode_reply, encode_body
from nodes.roles.regulator import Regulator, RegulatorError
from tests.nodes.roles.desk import Desk, know, make_town
from tests.nodes.roles.test_hospital import entry_of, file_of
from tests.nodes.roles.town import Customer, Kit, Town

NUMBER = "医保函〔2026〕17号"


def build(kit: Kit) -> Regulator:
    return Regulator(kit.name, kit.view, kit.keystore, kit.vault, kit.register, kit.entropy)


@pytest.fixture
def town(tmp_path: Path) -> Town:
    """Discharge and settle one stay, then withdraw the consent."""
    town = make_town(tmp_path)
    town.install("regulator", build)
    wang, desk = Customer(town, "wang"), Desk(town)
    know(town, wang)
    grant_id = wang.consent()
    desk.admit()
    desk.discharge("S-01")
    town.run_until_quiet()
    wang.revoke(grant_id)
    return town


def regulator(town: Town) -> Regulator:
    agent = town.agents["regulator"]
    assert isinstance(agent, Regulator)
    return agent


def invoice(town: Town) -> str:
    return entry_of(file_of(town).lanes[0], "invoice").record_id


def place_order(town: Town) -> Order:
    order_id, call = regulator(town).order(invoice(town), "medical-fund-supervision", NUMBER)
    assert town.post("regulator", call)[0].ok
    return next(order for order in regulator(town).list_orders() if order.order_id == order_id)


def fetch(town: Town, order_id: str, peer: str) -> Reply:
    body = encode_body(FetchOrdered(order_id))
    effects = town.agents["hospital-a"].step(PeerRequested(1, peer, body, town.now_ms))
    (answer,) = [effect for effect in effects if isinstance(effect, Answer)]
    return decode_reply(answer.body)


def test_an_order_brings_the_record_without_a_grant_and_the_customer_sees_it(town: Town) -> None:
    order = place_order(town)
    town.run_until_quiet()
    (found,) = regulator(town).list_orders()
    assert found.answer is not None
    assert found.answer.result == "DELIVERED"
    document = regulator(town).read(found)
    assert isinstance(document, Invoice)
    looks = list_looks(town.view, found.subject, "attempts", "").looks
    assert [(look.by, look.status, look.purpose, look.order) for look in looks] == [
        ("regulator", "delivered", "HLEGAL", order.order_id)
    ]
    assert looks[0].answered_ms is not None


def test_the_orders_number_is_opened_by_the_regulators_register_and_stands_nowhere_on_the_chain(town: Town) -> None:
    order = place_order(town)
    assert regulator(town).find_number(order.order_id) == NUMBER
    assert order.number != commit_salted(bytes(32), NUMBER.encode())
    assert not any(NUMBER.encode() in value for value in town.store.entries.values())


def test_nothing_is_handed_over_before_the_order_is_committed_nor_to_anybody_else(town: Town) -> None:
    order_id, call = regulator(town).order(invoice(town), "evidence-collection", NUMBER)
    for peer in ("regulator", "insurer-a"):
        reply = fetch(town, order_id, peer)
        assert isinstance(reply, Refusal)
        assert reply.code == "NOT_ORDERED"
    town.post("regulator", call)
    for peer in ("insurer-a", "hospital-b", "rail"):
        reply = fetch(town, order_id, peer)
        assert isinstance(reply, Refusal)
        assert reply.code == "NOT_ORDERED"
    assert isinstance(fetch(town, order_id, "regulator"), RecordHandover)


def test_an_insurers_order_is_refused_and_opens_nothing(town: Town) -> None:
    message = PlaceOrder("order-0123456789ab", invoice(town), "evidence-collection", bytes(32))
    assert town.post("insurer-a", Call("access", "order", message))[0].code == "AUTH-013"
    reply = fetch(town, message.order_id, "insurer-a")
    assert isinstance(reply, Refusal)
    assert reply.code == "NOT_ORDERED"


def test_an_order_is_fulfilled_once(town: Town) -> None:
    order = place_order(town)
    town.post("regulator", Call("access", "answer", AnswerOrder(order.order_id, None)))
    reply = fetch(town, order.order_id, "regulator")
    assert isinstance(reply, Refusal)
    assert reply.code == "DELIVERED"


def test_a_record_that_does_not_hold_is_disputed(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    hospital = town.agents["hospital-a"]
    honest = hospital._handover.answer_order  # type: ignore[attr-defined]

    def forge(peer: str, question: FetchOrdered) -> RecordHandover | Refusal:
        reply = honest(peer, question)
        assert isinstance(reply, RecordHandover)
        return replace(reply, ciphertext=reply.ciphertext[:-1] + bytes([reply.ciphertext[-1] ^ 1]))

    monkeypatch.setattr(hospital._handover, "answer_order", forge)  # type: ignore[attr-defined]
    order = place_order(town)
    town.run_until_quiet()
    (found,) = regulator(town).list_orders()
    assert found.answer is not None
    assert found.answer.result == "DISPUTED"
    assert regulator(town).read(order) is None


def test_an_order_survives_the_regulators_restart(town: Town) -> None:
    place_order(town)
    town.restart("regulator")
    town.run_until_quiet()
    assert town.view.query("access", "list_open", ListOrders("regulator", ""), tuple[Order, ...]) == ()


@pytest.mark.parametrize("number", ["", "x" * 201])
def test_an_order_without_a_proper_number_is_not_given(town: Town, number: str) -> None:
    with pytest.raises(RegulatorError, match="number: expected 1 to 200 characters"):
        regulator(town).order(invoice(town), "evidence-collection", number)


def test_an_order_of_a_record_that_is_not_there_is_not_given(town: Town) -> None:
    with pytest.raises(RegulatorError, match="record: expected one on the chain"):
        regulator(town).order("record-ffffffffffff", "evidence-collection", NUMBER)


def test_an_order_of_a_reversal_which_holds_nothing_is_not_given_and_accuses_nobody(tmp_path: Path) -> None:
    town = make_town(tmp_path)
    town.install("regulator", build)
    wang, desk = Customer(town, "wang"), Desk(town)
    know(town, wang)
    wang.consent()
    desk.admit()
    desk.discharge("S-01")
    town.run_until_quiet()
    before = invoice(town)
    desk.correct("S-01")
    town.run_until_quiet()
    reversal = entry_of(file_of(town).lanes[0], "invoice", "reversal").record_id
    with pytest.raises(RegulatorError, match=f"got a reversal of {before}"):
        regulator(town).order(reversal, "evidence-collection", NUMBER)
    assert regulator(town).list_orders() == ()


def test_orders_that_nobody_answers_keep_no_later_one_waiting(town: Town) -> None:
    silent = [
        Call("access", "order", PlaceOrder(f"order-{number:012x}", invoice(town), "evidence-collection", bytes(32)))
        for number in range(LIST_ROWS_MAX)
    ]
    assert {receipt.code for receipt in town.post("regulator", *silent)} == {"OK"}
    town.now_ms += 86_400_000
    order_id, call = regulator(town).order(invoice(town), "medical-fund-supervision", NUMBER)
    assert town.post("regulator", call)[0].ok
    town.run_until_quiet()
    (found,) = regulator(town).list_orders(f"order-{LIST_ROWS_MAX - 1:012x}")
    assert (found.order_id, found.answer is not None) == (order_id, True)
