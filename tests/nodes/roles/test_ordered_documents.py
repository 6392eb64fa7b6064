"""A regulator's order brings an attached document like any record: keys, then chunks, and the customer sees it."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from contracts.orders import Order
from nodes.agent import Answer, PeerRequested
from nodes.cli.customers.activity import describe
from nodes.roles.activity import list_looks
from nodes.roles.exchange.attachments import AttachmentLabel, read_head
from nodes.roles.exchange.questions import (
    ANSWER_CHUNKS_MAX,
    AttachmentChunks,
    AttachmentOffer,
    FetchOrdered,
    FetchOrderedChunks,
    Refusal,
    Reply,
    decode_question,
    decode_reply,
    encode_body,
)
from nodes.roles.regulator import Regulator
from nodes.vault.attachments import read_plaintext
from nodes.vault.payloads import CHUNK_BYTES
from nodes.vault.records import Vault
from tests.nodes.roles.lane import Lane
from tests.nodes.roles.test_attachments import FILE, WITH_DOCUMENTS, attach
from tests.nodes.roles.test_regulator import NUMBER, build


@pytest.fixture
def lane(tmp_path: Path) -> Lane:
    """Return a lane whose stay has an attached document on the chain, and whose customer withdrew her consent."""
    lane = Lane(tmp_path)
    lane.town.install("regulator", build)
    wang = lane.know()
    grant_id = wang.consent(record_types=WITH_DOCUMENTS)
    lane.desk.admit()
    lane.run()
    attach(lane)
    lane.run()
    wang.revoke(grant_id)
    return lane


def regulator(lane: Lane) -> Regulator:
    agent = lane.town.agents["regulator"]
    assert isinstance(agent, Regulator)
    return agent


def document(lane: Lane) -> str:
    """Return the document's record."""
    vault: Any = lane.town.agents["insurer-a"]
    (record_id,) = [item for item in vault._attachments._vault.list_records() if item.startswith("record-")][-1:]
    entered = [order.record_id for order in regulator(lane).list_orders()]
    return entered[0] if entered else str(record_id)


def place_order(lane: Lane) -> Order:
    order_id, call = regulator(lane).order(document(lane), "medical-fund-supervision", NUMBER)
    assert lane.town.post("regulator", call)[0].ok
    return find(lane, order_id)


def find(lane: Lane, order_id: str) -> Order:
    return next(order for order in regulator(lane).list_orders() if order.order_id == order_id)


def result(lane: Lane, order: Order) -> str | None:
    answer = find(lane, order.order_id).answer
    return None if answer is None else answer.result


def vault(lane: Lane) -> Vault:
    found: Vault = regulator(lane)._vault
    return found


def lose(lane: Lane, choose: Callable[[int], bool]) -> list[int]:
    """Lose the regulator's questions for chunks that a test chooses; return the first chunks that were asked for."""
    firsts: list[int] = []

    def loses(_source: str, _peer: str, body: bytes) -> bool:
        question = decode_question(body)
        if not isinstance(question, FetchOrderedChunks):
            return False
        firsts.append(question.first)
        return choose(question.first)

    lane.town.loses_request = loses
    return firsts


def ask(lane: Lane, question: FetchOrdered | FetchOrderedChunks, peer: str = "regulator") -> Reply:
    effects = lane.desk.agent.step(PeerRequested(1, peer, encode_body(question), lane.town.now_ms))
    (body,) = [effect.body for effect in effects if isinstance(effect, Answer)]
    return decode_reply(body)


def spoil(lane: Lane, change: Callable[[Reply], Reply]) -> None:
    """Have the hospital answer something else."""
    hospital: Any = lane.town.agents["hospital-a"]
    genuine = hospital.step

    def lie(event: Any) -> Any:
        return [
            Answer(effect.request_id, encode_body(change(decode_reply(effect.body))))
            if isinstance(effect, Answer)
            else effect
            for effect in genuine(event)
        ]

    hospital.step = lie


def test_an_order_brings_the_whole_document_and_the_customer_sees_the_field_set(lane: Lane) -> None:
    order = place_order(lane)
    lane.run()
    assert result(lane, order) == "DELIVERED"
    label = regulator(lane).read(order)
    assert label == AttachmentLabel("imaging", "application/dicom", len(FILE))
    plaintext = b"".join(read_plaintext(vault(lane), order.record_id))
    assert plaintext[read_head(plaintext)[1] :] == FILE
    looks = list_looks(lane.town.view, order.subject, "attempts", "").looks
    (look,) = [look for look in looks if look.kind == "order"]
    assert (look.by, look.status, look.record) == ("regulator", "delivered", order.record_id)
    assert look.field_set == "HLEGAL/document/1"
    assert "附件 attached document" in describe(look, with_fields=True)[0]


def test_a_killed_regulator_goes_on_where_it_stopped(lane: Lane) -> None:
    lose(lane, lambda first: first >= 2 * ANSWER_CHUNKS_MAX)
    order = place_order(lane)
    lane.run_for(40_000)
    assert vault(lane).list_arriving() == (order.record_id,)
    lane.town.restart("regulator")
    firsts = lose(lane, lambda _first: False)
    lane.run()
    assert firsts[0] == 2 * ANSWER_CHUNKS_MAX
    assert result(lane, order) == "DELIVERED"
    assert vault(lane).list_arriving() == ()


def test_chunks_are_for_the_regulator_of_the_order_alone_and_until_it_is_answered(lane: Lane) -> None:
    lose(lane, lambda _first: True)
    order = place_order(lane)
    lane.run_for(5_000)
    for peer in ("insurer-a", "hospital-b", "rail"):
        reply = ask(lane, FetchOrderedChunks(order.order_id, 0), peer)
        assert isinstance(reply, Refusal)
        assert reply.code == "NOT_ORDERED"
    beyond = ask(lane, FetchOrderedChunks(order.order_id, 1000))
    assert isinstance(beyond, Refusal)
    assert beyond.code == "NO_CHUNK"
    assert isinstance(ask(lane, FetchOrderedChunks(order.order_id, 0)), AttachmentChunks)
    lose(lane, lambda _first: False)
    lane.run()
    answered = ask(lane, FetchOrderedChunks(order.order_id, 0))
    assert isinstance(answered, Refusal)
    assert answered.code == "DELIVERED"


def test_a_chunk_that_does_not_open_is_disputed_and_nothing_is_kept(lane: Lane) -> None:
    def change(reply: Reply) -> Reply:
        if not isinstance(reply, AttachmentChunks):
            return reply
        return replace(reply, chunks=(reply.chunks[0][:-1] + b"x", *reply.chunks[1:]))

    spoil(lane, change)
    order = place_order(lane)
    lane.run()
    assert result(lane, order) == "DISPUTED"
    assert vault(lane).list_arriving() == ()
    assert regulator(lane).read(order) is None


def test_a_custodian_that_offers_for_ever_is_not_asked_at_once_again(lane: Lane) -> None:
    offers: list[Reply] = []

    def change(reply: Reply) -> Reply:
        if isinstance(reply, AttachmentOffer):
            offers.append(reply)
        return offers[0] if offers and isinstance(reply, AttachmentChunks) else reply

    spoil(lane, change)
    order = place_order(lane)
    lane.run_for(60_000)
    assert result(lane, order) is None
    refused = [fields["code"] for _, what, fields in lane.town.notes if what == "order-refused"]
    assert 0 < len(refused) <= 3
    assert set(refused) == {"UNEXPECTED"}


def test_two_orders_of_one_document_are_both_answered(lane: Lane) -> None:
    orders = [place_order(lane), place_order(lane)]
    lane.run()
    assert [result(lane, order) for order in orders] == ["DELIVERED", "DELIVERED"]


def test_a_full_disk_keeps_what_arrived(lane: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    genuine, free = os.pwrite, [6]

    def write(descriptor: int, data: bytes, offset: int) -> int:
        if not free[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        free[0] -= 1
        return genuine(descriptor, data, offset)

    order = place_order(lane)
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", write)
        lane.run_for(20_000)
    assert [fields for _, what, fields in lane.town.notes if what == "document-waits"]
    path = lane.town.folder / "regulator" / "vault" / "arriving" / order.record_id
    assert path.stat().st_size == 6 * (CHUNK_BYTES + 16)
    lane.run()
    assert result(lane, order) == "DELIVERED"


def test_what_arrived_for_an_order_that_is_answered_elsewhere_is_removed(lane: Lane) -> None:
    lose(lane, lambda first: first >= ANSWER_CHUNKS_MAX)
    order = place_order(lane)
    lane.run_for(20_000)
    assert vault(lane).list_arriving() == (order.record_id,)
    regulator(lane)._book.dispute(order.order_id, "answered by hand")
    lane.run()
    assert result(lane, order) == "DISPUTED"
    assert vault(lane).list_arriving() == ()
