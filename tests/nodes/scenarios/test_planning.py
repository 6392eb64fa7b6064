"""A planned network: what is measured, and the page and the command that tell it."""

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner

from nodes.cli.simulate import simulate
from nodes.scenarios import planning
from nodes.scenarios.consortium import ConsortiumError, list_members
from nodes.scenarios.faults import Scenario
from nodes.scenarios.planning import Figures, Workload, plan
from nodes.scenarios.report import render_report, summarise
from nodes.scenarios.revision import describe_revision
from nodes.simulator.checks import InvariantError
from tests.nodes.scenarios.conftest import load

WORKLOAD = Workload(hospitals=3, insurers=2, customers=12, days=8, seed=7)


class Tags(HTMLParser):
    """Collects what a page refers to and whether its tags close."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.references: list[str] = []
        self.plots = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.references += [value or "" for name, value in attrs if name in ("src", "href")]
        self.plots += tag == "svg"
        if tag not in ("meta", "line", "rect", "polyline"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("line", "rect", "polyline"):
            assert self.open.pop() == tag


@pytest.fixture(scope="module")
def figures() -> Figures:
    """A small network in which everybody falls ill."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planning, "ADMISSIONS_PER_YEAR", 365 / WORKLOAD.days)
        patch.setattr(planning, "STAY_DAYS_MAX", 2)
        return plan(WORKLOAD, load())


def test_every_claim_is_in_a_lane_and_most_are_paid(figures: Figures) -> None:
    assert sum(figures.lanes.values()) == sum(day.reported for day in figures.days)
    assert figures.lanes["paid"] == len(figures.paid_after_ms) > 0
    assert figures.lanes["not settled yet"] == 0
    assert figures.moved > 0


def test_a_claim_is_paid_within_a_minute_of_discharge_in_good_weather(figures: Figures) -> None:
    half = figures.percentile_ms(0.5)
    assert half is not None
    assert 0 < half < 60_000


def test_traffic_and_storage_are_counted_for_every_node_and_day(figures: Figures) -> None:
    assert len(figures.nodes) == 4
    assert len(figures.days) == WORKLOAD.days
    for day in figures.days:
        assert all(count > 0 for count in day.sent_bytes)
    stored = [day.stored_bytes[0] for day in figures.days]
    assert stored == sorted(stored)


def test_a_network_that_is_split_for_a_day_makes_no_block_and_goes_on_after_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(planning, "DAY_MS", 1_800_000)
    monkeypatch.setattr(planning, "ENROLMENT_MS", 3 * 1_800_000)
    split = plan(Workload(hospitals=2, insurers=1, customers=6, days=4, seed=1, partition_day=2), load())
    assert split.days[1].blocks == 0
    assert split.days[2].blocks > 0
    assert any("day 2: 0 blocks" in line for line in summarise(split))


def test_days_pass_more_than_a_hundred_times_faster_than_real_time(figures: Figures) -> None:
    assert figures.speed > 100


def test_the_page_needs_nothing_else_and_its_tags_close(figures: Figures) -> None:
    page = render_report(figures, "xinpei")
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert tags.references == []
    assert tags.plots == 5
    assert "--customers 12" in page
    assert any("p99" in line for line in summarise(figures))


def test_the_page_of_a_network_without_claims_says_so(figures: Figures) -> None:
    nothing = Figures(WORKLOAD, figures.nodes, figures.days, lanes=dict.fromkeys(figures.lanes, 0))
    assert "nothing was paid" in render_report(nothing, "xinpei")


@pytest.mark.parametrize(("hospitals", "insurers"), [(0, 3), (3, 0), (1, 1), (150, 60)])
def test_numbers_that_make_no_consortium_are_refused(hospitals: int, insurers: int) -> None:
    with pytest.raises(ConsortiumError, match="members: expected"):
        list_members(hospitals, insurers, 4)


@pytest.mark.parametrize(("hospitals", "insurers", "nodes"), [(2, 1, 4), (20, 3, 4), (6, 3, 10), (1, 9, 4), (40, 1, 7)])
def test_members_without_a_node_live_with_one_of_their_role(hospitals: int, insurers: int, nodes: int) -> None:
    members = {member.name: member for member in list_members(hospitals, insurers, nodes)}
    assert len([member for member in members.values() if member.host == member.name]) == nodes
    for member in members.values():
        assert members[member.host].role == ("regulator" if member.role == "rail" else member.role)
        assert members[member.host].host == member.host


def test_the_command_plays_seeds_and_prints_one_object() -> None:
    result = CliRunner().invoke(simulate, ["--seeds", "3..4", "--json"])
    assert result.exit_code == 0, result.output
    told = json.loads(result.output)
    assert told["passed"] is True
    assert [item["seed"] for item in told["seeds"]] == [3, 4]


def test_the_command_plans_and_writes_page_and_trace(tmp_path: Path) -> None:
    page, trace = tmp_path / "page.html", tmp_path / "trace.txt"
    words = ["--customers", "3", "--days", "2", "--report", str(page), "--trace", str(trace)]
    result = CliRunner().invoke(simulate, words)
    assert result.exit_code == 0, result.output
    assert "<svg" in page.read_text(encoding="utf-8")
    assert " commit " in trace.read_text(encoding="utf-8")


def test_a_failure_prints_seed_revision_and_the_command_that_replays_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_self: Scenario) -> None:
        raise InvariantError("agreement", "two blocks at height 7")

    monkeypatch.setattr(Scenario, "run", fail)
    result = CliRunner().invoke(simulate, ["--seed", "5"])
    assert result.exit_code == 1
    assert "seed 5: FAILED InvariantError: agreement: two blocks at height 7" in result.output
    assert f"revision: {describe_revision()}" in result.output
    assert "xinpei simulate --seed 5" in result.output


@pytest.mark.parametrize(
    "words", [["--seeds", "9..3"], ["--seeds", "a..b"], ["--seeds", "1..2", "--seed", "1"], ["--report", "page.html"]]
)
def test_wrong_use_is_refused_in_words(words: list[str]) -> None:
    result = CliRunner().invoke(simulate, words)
    assert result.exit_code == 2
    assert "Error" in result.output
