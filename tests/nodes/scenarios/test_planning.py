"""A planned network: what is measured, and the page and the command that tell it."""

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner

from nodes.cli.simulate import simulate
from nodes.scenarios import planning, plans
from nodes.scenarios.consortium import ConsortiumError, list_members
from nodes.scenarios.faults import Scenario
from nodes.scenarios.figures import Comparison, Figures, Workload
from nodes.scenarios.planning import compare, plan
from nodes.scenarios.report import render_report, summarise
from nodes.scenarios.revision import describe_revision
from nodes.simulator.checks import InvariantError
from tests.nodes.scenarios.conftest import load

VOID = ("meta", "input", "line", "rect", "circle", "polyline")
WORKLOAD = Workload(hospitals=3, insurers=2, customers=12, days=8, seed=7)


class Tags(HTMLParser):
    """Collects what a page refers to and whether its tags close."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.references: list[str] = []
        self.plots = 0
        self.rules = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.references += [value or "" for name, value in attrs if name in ("src", "href")]
        self.plots += tag == "svg" and ("role", "img") in attrs
        self.rules += tag in ("script", "link", "iframe")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


@pytest.fixture(scope="module")
def figures() -> Figures:
    """A small network in which everybody falls ill."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plans, "ADMISSIONS_PER_YEAR", 365 / WORKLOAD.days)
        patch.setattr(plans, "STAY_DAYS_MAX", 2)
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
    assert figures.percentile_ms(1.0) == figures.paid_after_ms[-1]
    assert figures.percentile_ms(0.5, day=99) is None


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
    for module in (plans, planning):
        monkeypatch.setattr(module, "DAY_MS", 1_800_000)
    monkeypatch.setattr(plans, "ENROLMENT_MS", 3 * 1_800_000)
    workload = Workload(hospitals=2, insurers=1, customers=6, days=4, seed=1, partition_day=2)
    split = plan(workload, load())
    assert split.days[1].blocks == 0
    assert split.days[2].blocks > 0
    whole = plan(workload.without_partition(), load())
    assert whole.days[1].blocks > 0
    both = Comparison(whole, split)
    assert any("day 2: 0 blocks" in line for line in summarise(both))
    page = render_report(both, "xinpei")
    assert f"<td>{whole.days[1].blocks}</td><td>0</td>" in page
    assert "--partition 2" in page
    assert page.count('role="img"') == 6


def test_a_comparison_is_the_same_run_in_one_piece_and_split_on_its_middle_day() -> None:
    workload = Workload(hospitals=2, insurers=1, customers=3, days=3, seed=1)
    both = compare(workload)
    assert both.split is not None
    assert both.partition_day == 2
    assert both.whole.trace_hash == plan(workload, load()).trace_hash
    assert both.split.trace_hash != both.whole.trace_hash
    assert both.split.days[0] == both.whole.days[0]
    assert compare(Workload(hospitals=2, insurers=1, customers=3, days=2, seed=1)).split is None


def test_days_pass_more_than_a_hundred_times_faster_than_real_time(figures: Figures) -> None:
    assert figures.speed > 100


def test_the_page_needs_nothing_else_and_its_tags_close(figures: Figures) -> None:
    both = Comparison(figures, None)
    page = render_report(both, "xinpei")
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert (tags.references, tags.rules) == ([], 0)
    assert "url(" not in page
    assert "@import" not in page
    assert tags.plots == 6
    assert "<!--" not in page
    assert "--customers 12" in page
    assert any("p99" in line for line in summarise(both))


def test_every_text_of_the_page_is_there_in_both_languages_and_every_plot_has_titled_axes(figures: Figures) -> None:
    page = render_report(Comparison(figures, None), "xinpei")
    assert page.count('class="en"') == page.count('class="zh"') > 40
    plots = page.split('<div class="plot">')[1:]
    assert all(plot.count('class="axis"') == 2 for plot in plots)
    assert "出院到赔付" in page


def test_the_page_of_a_network_without_claims_says_so(figures: Figures) -> None:
    nothing = Figures(WORKLOAD, figures.nodes, figures.days, lanes=dict.fromkeys(figures.lanes, 0))
    nothing.books_bytes = figures.books_bytes
    page = render_report(Comparison(nothing, None), "xinpei")
    assert "Nothing was paid." in page
    assert any("nothing was paid" in line for line in summarise(Comparison(nothing, None)))


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
    "words",
    [
        ["--seeds", "9..3"],
        ["--seeds", "a..b"],
        ["--seeds", "1..2", "--seed", "1"],
        ["--report", "page.html"],
        ["--seed", "1", "--jobs", "2"],
        ["--days", "2", "--partition", "3"],
    ],
)
def test_wrong_use_is_refused_in_words(words: list[str]) -> None:
    result = CliRunner().invoke(simulate, words)
    assert result.exit_code == 2
    assert "Error" in result.output
