"""What a hospital's node turns away point to point is an entry about the customer: one a day, whatever happens."""

from pathlib import Path

import pytest

from contracts.orders import PlaceOrder
from contracts.refusals import REFUSALS_MAX
from nodes.agent import Answer, Call, PeerRequested
from nodes.cli.customers.activity import describe
from nodes.fhir.audit_events import render_event
from nodes.roles.activity import SOURCES, list_looks
from nodes.roles.exchange.questions import (
    FetchChunks,
    FetchOrdered,
    FetchReason,
    FetchRecord,
    Question,
    Refusal,
    decode_reply,
    encode_body,
)
from nodes.roles.exchange.refusals import BATCH, KIND
from nodes.schemas.looks import Look, sort_looks
from tests.nodes.roles.desk import Desk, know, make_town
from tests.nodes.roles.test_hospital import file_of
from tests.nodes.roles.town import Asked, Customer, Town

DAY_MS = 86_400_000
TURNED = "access.turn_away"


@pytest.fixture
def town(tmp_path: Path) -> Town:
    """Have a stay handed over whole to insurer-a."""
    town = make_town(tmp_path)
    wang, desk = Customer(town, "wang"), Desk(town)
    know(town, wang)
    wang.consent()
    desk.admit()
    desk.discharge("S-01")
    town.run_until_quiet()
    return town


def records_of(town: Town) -> list[str]:
    return [entry.record_id for entry in file_of(town).lanes[0].entries]


def ask(town: Town, question: Question, peer: str = "insurer-b") -> Refusal:
    """Ask hospital-a's node as somebody over mutual TLS; return its answer, which is no."""
    body = encode_body(question)
    town._question = Asked(peer, 0, 1, "hospital-a", body)
    town.step("hospital-a", PeerRequested(1, peer, body, town.now_ms))
    answered = town.answered.pop()
    assert answered.body is not None
    reply = decode_reply(answered.body)
    assert isinstance(reply, Refusal)
    return reply


def fetches(town: Town) -> list[Look]:
    subject = file_of(town).lanes[0].subject
    found = [look for source in SOURCES for look in list_looks(town.view, subject, source, "").looks]
    return [look for look in sort_looks(found) if look.kind == "fetch"]


def waiting(town: Town) -> int:
    """Return how many entries the hospital still has to make."""
    return len(list((town.folder / "hospital-a" / "register" / KIND).glob("[0-9a-f]*")))


def test_a_question_without_a_share_is_shown_to_the_customer_as_refused(town: Town) -> None:
    record_id = records_of(town)[0]
    assert ask(town, FetchRecord(record_id, 1)).code == "NOT_SHARED"
    town.run_until_quiet()
    (look,) = fetches(town)
    assert (look.by, look.signer, look.status, look.record) == ("insurer-b", "hospital-a", "refused", record_id)
    assert (look.code, look.condition, look.grant) == ("NOT_SHARED", "no share", None)
    text = "\n".join(describe(look, with_fields=False))
    assert "NOT_SHARED 从未交付给询问方 · no share: nothing was shared with who asked" in text
    assert "on the word of hospital-a" in text
    assert "None" not in text
    event = render_event("town", look)
    assert (event["outcome"], event["outcomeDesc"]) == ("8", "NOT_SHARED no share")
    assert event["subtype"][0]["code"] == "AuthZ-Role"
    assert waiting(town) == 0


def test_who_asks_again_and_again_makes_one_entry_and_the_answer_is_the_same(town: Town) -> None:
    record_id = records_of(town)[0]
    answers = {ask(town, FetchRecord(record_id, sequence)) for sequence in range(1, 200)}
    assert len(answers) == 1
    town.run_until_quiet()
    ask(town, FetchChunks(record_id, 1, 0))
    town.restart("hospital-a")
    ask(town, FetchRecord(record_id, 7))
    town.run_until_quiet()
    assert town.codes(TURNED) == ["OK"]
    town.now_ms += DAY_MS
    ask(town, FetchRecord(record_id, 1))
    town.run_until_quiet()
    assert town.codes(TURNED) == ["OK", "OK"], "the chain was idle, and the day is another all the same"
    assert len(fetches(town)) == 2


def test_the_answer_comes_before_the_entry_is_offered(town: Town) -> None:
    agent = town.agents["hospital-a"]
    body = encode_body(FetchRecord(records_of(town)[0], 1))
    effects = agent.step(PeerRequested(1, "insurer-b", body, town.now_ms))
    kinds = [type(effect).__name__ for effect in effects]
    assert kinds == ["Note", "Answer", "Submit"]
    assert isinstance(effects[1], Answer)


def test_a_kill_between_answer_and_block_loses_no_entry_and_makes_none_twice(town: Town) -> None:
    first, second = records_of(town)[:2]
    town.loses_submission = lambda _submission: True
    ask(town, FetchRecord(first, 1))
    ask(town, FetchRecord(second, 1))
    assert waiting(town) == 2
    town.restart("hospital-a")
    town.loses_submission = lambda _submission: False
    town.run_until_quiet()
    assert sorted(look.record or "" for look in fetches(town)) == sorted([first, second])
    assert (town.codes(TURNED), waiting(town)) == (["OK", "OK"], 0)


@pytest.mark.parametrize("kill", range(1, 5))
def test_wherever_the_node_dies_there_is_one_entry(town: Town, kill: int) -> None:
    record_id = records_of(town)[0]
    town.kills = {town.actions + kill}
    body = encode_body(FetchRecord(record_id, 1))
    town._question = Asked("insurer-b", 0, 1, "hospital-a", body)
    town.step("hospital-a", PeerRequested(1, "insurer-b", body, town.now_ms))
    town.answered.clear()
    if not waiting(town):  # it died before it had heard the question
        ask(town, FetchRecord(record_id, 1))
    town.run_until_quiet()
    assert [look.record for look in fetches(town)] == [record_id]


def test_what_the_chain_does_not_know_or_what_was_handed_over_is_no_entry(town: Town) -> None:
    record_id = records_of(town)[0]
    assert ask(town, FetchRecord("record-000000000000", 1)).code == "NOT_SHARED"
    assert ask(town, FetchOrdered("order-000000000000"), "regulator").code == "NOT_ORDERED"
    assert ask(town, FetchReason("glass-000000000000"), "regulator").code == "UNKNOWN_USE"
    assert ask(town, FetchRecord(record_id, 1), "insurer-a").code == "DELIVERED"
    assert waiting(town) == 0
    town.run_until_quiet()
    assert (fetches(town), town.codes(TURNED)) == ([], [])
    asked = [fields["peer"] for name, what, fields in town.notes if (name, what) == ("hospital-a", "record-asked")]
    assert asked[-2:] == ["insurer-b", "insurer-a"], "each is a line of the node's log"


def test_an_order_is_nobodys_but_its_regulators(town: Town) -> None:
    record_id = records_of(town)[0]
    order = PlaceOrder("order-0123456789ab", record_id, "evidence-collection", bytes(32))
    town.post("regulator", Call("access", "order", order))
    assert ask(town, FetchOrdered(order.order_id)).code == "NOT_ORDERED"
    town.run_until_quiet()
    (look,) = fetches(town)
    assert (look.by, look.code, look.order, look.purpose) == ("insurer-b", "NOT_ORDERED", order.order_id, "HLEGAL")


def test_who_asked_too_early_and_was_then_given_it_leaves_nothing_to_enter(town: Town) -> None:
    desk = Desk(town)
    desk.admit(admitted="today-1")
    town.run_until_quiet()
    admission = desk.agent._book.get("S-02").lanes[0].entries[0].record_id
    town.loses_submission = lambda submission: any(tx.method == "turn_away" for tx in submission.transactions)
    assert ask(town, FetchRecord(admission, 1), "insurer-a").code == "NOT_SHARED"
    assert waiting(town) == 1
    desk.discharge("S-02")
    town.run_until_quiet()
    assert (waiting(town), fetches(town), town.codes(TURNED)) == (0, [], [])


def test_who_asks_for_ever_more_is_entered_in_small_batches_up_to_a_bound(town: Town) -> None:
    """The node's own bound; the contract's is in `tests/contracts/test_refusals.py`."""
    refusals = town.agents["hospital-a"]._refusals  # type: ignore[attr-defined]
    stands = refusals._find("insurer-b", records_of(town)[0])
    refusals._find = lambda _asker, _about: stands
    notes = [refusals.note("insurer-b", f"record-{number:012x}", town.now_ms) for number in range(REFUSALS_MAX + 1)]
    assert [note for found in notes[:-1] for note in found] == []
    assert [note.event for note in notes[-1]] == ["refusal-not-entered"]
    assert refusals.note("insurer-a", "record-000000000000", town.now_ms) == []
    assert len(refusals.derive(town.now_ms)) == BATCH
