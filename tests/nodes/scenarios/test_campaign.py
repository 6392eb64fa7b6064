"""Many seeds together: the same in several processes, and a sum that says what really happened."""

from dataclasses import replace
from pathlib import Path

import pytest

from nodes.scenarios import campaign, revision
from nodes.scenarios.campaign import play_all, summarise
from nodes.scenarios.faults import Outcome, play
from nodes.scenarios.revision import describe_revision, hash_sources
from tests.nodes.scenarios.conftest import load

SEEDS = (11, 15)


@pytest.fixture(scope="module")
def outcomes() -> list[Outcome]:
    return [play(seed, load()) for seed in SEEDS]


def test_seeds_played_in_several_processes_are_the_same_and_come_in_their_order(outcomes: list[Outcome]) -> None:
    played = list(play_all(SEEDS, 2))
    assert [item.seed for item in played] == list(SEEDS)
    assert [item.trace_hash for item in played] == [item.trace_hash for item in outcomes]
    assert [item.happened for item in played] == [item.happened for item in outcomes]


def test_the_summary_counts_what_happened_and_names_the_slowest_and_the_failed(outcomes: list[Outcome]) -> None:
    slow = replace(outcomes[0], seed=77, cpu_seconds=1e6, failure="InvariantError: agreement: two blocks at height 7")
    summary = summarise([*outcomes, slow])
    assert (summary.seeds, summary.failed, summary.slowest.seed) == (3, (77,), 77)
    assert summary.happened["crashes"] == 2 * outcomes[0].happened["crashes"] + outcomes[1].happened["crashes"] > 0
    assert summary.seeds_with["crashes"] == 3
    assert all(count > 0 for count in summary.happened.values()), "what never happened is not listed"
    lines = summary.describe()
    assert lines[0] == "3 seeds, failed: 77"
    assert any("seed 77, 0 times" in line for line in lines)
    assert any(line.split()[:2] == ["crashes", str(summary.happened["crashes"])] for line in lines)


def test_the_revision_changes_with_every_source_and_with_its_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert revision.PACKAGES == ("contracts", "ledger", "nodes")
    assert describe_revision().startswith(f"xinpei 0.1.0, sources {hash_sources()[:16]}")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(revision, "PACKAGES", ("made_up",))
    source = tmp_path / "made_up" / "inner" / "stays.py"
    source.parent.mkdir(parents=True)
    (tmp_path / "made_up" / "__init__.py").touch()
    hashes = [hash_sources()]
    for content in (b"", b"a = 1\n", b"a = 2\n"):
        source.write_bytes(content)
        hashes.append(hash_sources())
    source.rename(tmp_path / "made_up" / "stays.py")
    hashes.append(hash_sources())
    (tmp_path / "made_up" / "notes.txt").write_text("no source", encoding="utf-8")
    assert len(set(hashes)) == 5
    assert hash_sources() == hashes[-1]


def test_one_job_plays_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    played: list[int] = []
    monkeypatch.setattr(campaign, "_play", played.append)
    assert len(list(play_all((4, 2), 1))) == 2
    assert played == [4, 2]
