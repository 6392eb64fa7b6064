"""A hospital that dies, and a network that loses things: the end is the same."""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from nodes.roles.hospital.book import StayError
from nodes.roles.hospital.stays import LocalStay
from nodes.roles.hospital.summaries import StaySummary
from nodes.roles.lookup import find_record, find_stay
from tests.nodes.roles.desk import Desk, know, make_town
from tests.nodes.roles.mortal import Mortal
from tests.nodes.roles.test_hospital import DELIVERED, file_of
from tests.nodes.roles.town import Customer, Killed, Town

WRITES = 11
"""What a desk's requests for one stay write: the admission, the lane, the discharge, and two files for each record."""


def live_through(folder: Path, seed: int, disturb: Callable[[Town], None]) -> Town:
    """Run a whole stay with an interim bill and a correction, disturbed from the admission on."""
    town = make_town(folder, seed)
    wang = Customer(town, "wang")
    know(town, wang)
    wang.consent()
    desk = Desk(town)
    disturb(town)
    requests: tuple[Callable[[], object], ...] = (
        desk.admit,
        lambda: desk.bill("S-01"),
        lambda: desk.discharge("S-01"),
        lambda: desk.correct("S-01"),
    )
    for request in requests:
        with suppress(Killed):
            request()
        town.run_until_quiet()
    heal(town)
    return town


def heal(town: Town) -> None:
    """End all disturbances and let the rest happen."""
    town.kills = set()
    town.loses_request = lambda _source, _peer, _body: False
    town.loses_submission = lambda _submission: False
    town.run_until_quiet()


def check_end(town: Town) -> None:
    """Whatever happened: one stay, each record entered once, all of it delivered once."""
    stay: LocalStay = file_of(town)
    lane = stay.lanes[0]
    assert len(stay.lanes) == 1
    assert Desk(town).agent.show("S-01").message == DELIVERED
    view = find_stay(town.view, lane.stay_id)
    assert view is not None
    assert view.is_closed
    assert Counter(entry.record_type for entry in lane.live()) == Counter(
        ["admission", "interim-bill", "item-list", "invoice", "discharge-summary"]
    )
    for entry in lane.entries:
        found = find_record(town.view, entry.record_id)
        if found is None:
            assert entry.record_type == "interim-bill", "only an interim bill is of no use after the discharge"
        elif entry in lane.live():
            assert [share.status for share in found.shares] == ["DELIVERED"]
        else:
            assert [share.status for share in found.shares] in ([], ["DELIVERED"])
    codes = set(town.codes("records.append", "hospital-a"))
    assert codes <= {"OK", "RECORD_TAKEN"}
    assert not town.faults


def test_the_undisturbed_run_takes_no_call_twice(tmp_path: Path) -> None:
    town = live_through(tmp_path, 0, lambda _town: None)
    check_end(town)
    view = find_stay(town.view, file_of(town).lanes[0].stay_id)
    assert view is not None
    assert view.stay.closing_version == 2
    assert {receipt.code for _, receipt in town.receipts} == {"OK"}


@pytest.mark.parametrize("seed", range(1, 13))
def test_killing_members_at_any_action_ends_the_same(tmp_path: Path, seed: int) -> None:
    def kill(town: Town) -> None:
        first = town.actions
        town.kills = {first + step for step in town.random.sample(range(1, 150), 12)}

    check_end(live_through(tmp_path, seed, kill))


@pytest.mark.parametrize("seed", range(20, 26))
def test_losing_questions_and_submissions_ends_the_same(tmp_path: Path, seed: int) -> None:
    def lose(town: Town) -> None:
        town.loses_request = lambda _source, _peer, _body: town.random.random() < 0.4
        town.loses_submission = lambda _submission: town.random.random() < 0.4

    check_end(live_through(tmp_path, seed, lose))


@pytest.mark.parametrize("kill", range(1, 16))
def test_a_discharge_that_is_killed_on_its_way_is_taken_up_again(tmp_path: Path, kill: int) -> None:
    town = make_town(tmp_path, 99)
    wang = Customer(town, "wang")
    know(town, wang)
    wang.consent()
    desk = Desk(town)
    desk.admit()
    town.run_until_quiet()
    town.kills = {town.actions + kill}
    try:
        desk.discharge("S-01")
    except Killed:
        assert kill == 1, "the discharge was in the book before anything was sent"
    town.run_until_quiet()
    assert desk.agent.show("S-01").message == DELIVERED
    assert set(town.codes("records.append")) <= {"OK", "RECORD_TAKEN"}


def insist(desk: Desk, request: Callable[[], StaySummary]) -> StaySummary:
    """Ask as a clerk whose screen froze: again, until the desk answers; what was done already is looked at."""
    try:
        return request()
    except Killed:
        try:
            return request()
        except StayError:
            return desk.agent.show("S-01")


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", range(1, WRITES + 1))
def test_a_stay_whose_desk_dies_at_any_write_and_is_asked_again_at_once_is_reported_and_handed_over_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, *, after: bool
) -> None:
    town = make_town(tmp_path, number)
    wang = Customer(town, "wang")
    know(town, wang)
    wang.consent()
    desk = Desk(town)
    mortal = Mortal(town, monkeypatch, number, after=after)

    insist(desk, lambda: desk.admit(admitted="today-3"))
    shown = insist(desk, lambda: desk.discharge("S-01"))

    assert mortal.written >= number, "nobody died"
    assert len(shown.lanes) == 1, "no block was made and no time has passed: the desk alone opened the lane"
    town.run_until_quiet()
    assert desk.agent.show("S-01").message == DELIVERED
    assert Counter(town.codes("claims.report"))["OK"] == 1
    assert set(town.codes("records.append")) <= {"OK", "RECORD_TAKEN"}


@pytest.mark.parametrize("number", range(1, WRITES - 3))
def test_a_desk_that_dies_at_any_write_of_a_discharge_shows_the_stay_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    town = make_town(tmp_path, number)
    wang = Customer(town, "wang")
    know(town, wang)
    wang.consent()
    desk = Desk(town)
    desk.admit()
    town.run_until_quiet()
    mortal = Mortal(town, monkeypatch, number, after=True)

    shown = insist(desk, lambda: desk.discharge("S-01"))

    assert mortal.written >= number, "nobody died"
    assert shown.message == "insurer-a: records are being handed over"
    town.run_until_quiet()
    assert desk.agent.show("S-01").message == DELIVERED
