"""What a customer is shown of those who looked, or would have looked, at her records."""

from pathlib import Path

import pytest

from contracts.attempts import ENTRIES_MAX
from contracts.orders import Ask, PlaceOrder
from ledger.errors import DecodeError
from nodes.agent import Call
from nodes.roles.activity import SOURCES, list_looks
from nodes.schemas.looks import Look, sort_looks
from tests.nodes.roles.desk import Desk, know, make_town
from tests.nodes.roles.test_hospital import file_of
from tests.nodes.roles.town import Customer, Town


@pytest.fixture
def town(tmp_path: Path) -> Town:
    return make_town(tmp_path)


def looks_of(town: Town, subject: str) -> tuple[Look, ...]:
    found = [look for source in SOURCES for look in list_looks(town.view, subject, source, "").looks]
    return sort_looks(found)


def test_every_share_refusal_question_and_order_is_shown_in_the_order_of_the_chain(town: Town) -> None:
    wang, desk = Customer(town, "wang"), Desk(town)
    know(town, wang)
    grant_id = wang.consent()
    desk.admit()
    desk.discharge("S-01")
    town.run_until_quiet()
    lane = file_of(town).lanes[0]
    record = lane.entries[0].record_id
    town.post("insurer-b", Call("access", "ask", Ask(lane.stay_id, "invoice", None, grant_id, "HPAYMT")))
    town.post(
        "regulator", Call("access", "order", PlaceOrder("order-0123456789ab", record, "evidence-collection", bytes(32)))
    )
    looks = looks_of(town, lane.subject)
    assert [look.status for look in looks] == ["delivered"] * 4 + ["refused", "ordered"]
    assert all(look.grant == grant_id and look.grant_version == 1 for look in looks[:5])
    assert all(look.fields and look.field_set for look in looks[:4])
    assert (looks[4].by, looks[4].code, looks[4].condition, looks[4].fields) == (
        "insurer-b",
        "AUTH-013",
        "recipient",
        (),
    )
    assert looks[5].law_en is not None
    assert (looks[5].by, looks[5].purpose, looks[5].grant) == ("regulator", "HLEGAL", None)
    assert looks_of(town, "customer-ffff") == ()


def test_what_a_member_attempts_beyond_a_days_entries_is_one_look_that_says_how_often(town: Town) -> None:
    wang, desk = Customer(town, "wang"), Desk(town)
    know(town, wang)
    grant_id = wang.consent()
    desk.admit()
    town.run_until_quiet()
    lane = file_of(town).lanes[0]
    call = Call("access", "ask", Ask(lane.stay_id, "invoice", None, grant_id, "HPAYMT"))
    first_ms = 0
    for count in (ENTRIES_MAX, 3):
        town.post("insurer-b", *[call] * count)
        first_ms = town.application.time_ms
    town.post("insurer-b", call)
    looks = [look for look in looks_of(town, lane.subject) if look.by == "insurer-b"]
    assert [look.count for look in looks] == [1] * ENTRIES_MAX + [4]
    assert (looks[-1].id, looks[-1].status, looks[-1].condition) == ("counted-1", "refused", "recipient")
    assert looks[-1].since_ms == first_ms
    assert looks[-1].time_ms > first_ms


def test_a_place_that_is_none_in_its_source_is_refused(town: Town) -> None:
    with pytest.raises(DecodeError, match="after: expected the number of an attempt"):
        list_looks(town.view, "customer-ffff", "attempts", "one")
