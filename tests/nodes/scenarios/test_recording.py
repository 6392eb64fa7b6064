"""What a seed drew is written down, read again as it was, and played to the same end; a wrong field is named."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ledger.errors import LedgerError
from nodes.cli.simulate import simulate
from nodes.scenarios import options as options_module
from nodes.scenarios.options import draw_options
from nodes.scenarios.recording import read_recording, render_recording

SEED = 3


@pytest.mark.parametrize("seed", range(0, 300, 7))
def test_what_was_drawn_is_read_as_it_was_written(seed: int) -> None:
    options = draw_options(seed)
    recording = read_recording(render_recording(options, "liveness: not settled"))
    assert (recording.options, recording.found) == (options, "liveness: not settled")


def test_a_field_that_is_left_out_has_its_default_so_an_older_recording_is_still_read() -> None:
    options = draw_options(SEED)
    told = json.loads(render_recording(options, ""))
    del told["options"]["givings"]
    assert read_recording(json.dumps(told).encode()).options == options


def changed(path: str, value: Any) -> bytes:
    """Return a recording with one field changed."""
    told = json.loads(render_recording(draw_options(SEED), ""))
    *way, last = path.split(".")
    place = told
    for step in way:
        place = place[int(step)] if isinstance(place, list) else place[step]
    place[int(last) if isinstance(place, list) else last] = value
    return json.dumps(told).encode()


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"", "scenario: "),
        (b"{}", "missing required field `format`"),
        (b"[" * 100_000, "scenario: "),
        (b" " * 2**21, "expected at most 1048576 bytes"),
        (changed("format", "xinpei-scenario/2"), "format"),
        (changed("options.seed", "three"), "Expected `int`"),
        (changed("options.weather.hail", 0.5), r"options\.weather\.hail: there is no such field"),
        (changed("options.strikes.0.kind", "flood"), r"strikes\[0\]\.kind|strikes\[...\]\.kind"),
        (changed("options.strikes.0.depth", 1), r"options\.strikes\[0\]\.depth: there is no such field"),
        (changed("options.hospitals", 0), "at least one hospital"),
        (changed("options.liars", [["hospital-z", "votes twice"]]), "nodes: expected some of .* got 'hospital-z'"),
        (changed("options.liars", [["hospital-b", "yawns"]]), "liars: expected some of .* got 'yawns'"),
        (changed("options.givings", [["hospital-b", "yawns"]]), "givings: expected some of .* got 'yawns'"),
        (changed("options.lives.0.1", "rail"), "lives: expected some of .* got 'rail'"),
        (changed("options.weather.delay_min_ms", 5_000), "delays from 0 on"),
        (changed("options.snapshots.given_heights", 0), "given_heights of at least"),
    ],
)
def test_what_is_wrong_with_a_recording_is_named_before_anything_is_played(data: bytes, match: str) -> None:
    with pytest.raises(LedgerError, match=match):
        read_recording(data)


def test_what_a_seed_drew_is_played_again_to_the_same_trace_and_nothing_is_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "scenario.json"
    words = ["--seed", str(SEED), "--save-scenario", str(path), "--json"]
    written = CliRunner().invoke(simulate, words, catch_exceptions=False)
    assert read_recording(path.read_bytes()).options == draw_options(SEED)
    monkeypatch.setattr(options_module, "Random", lambda *_: pytest.fail("something is drawn"))
    played = CliRunner().invoke(simulate, ["--scenario", str(path), "--json"], catch_exceptions=False)
    assert (written.exit_code, played.exit_code) == (0, 0)
    traces = [json.loads(ran.stdout)["seeds"][0]["trace_hash"] for ran in (written, played)]
    assert traces[0] == traces[1]


@pytest.mark.parametrize(
    "words", [("--seeds", "0..3"), ("--customers", "5"), ("--seed", "1")], ids=["seeds", "plan", "seed"]
)
def test_a_scenario_takes_the_place_of_seeds_and_sizes(tmp_path: Path, words: tuple[str, str]) -> None:
    path = tmp_path / "scenario.json"
    path.write_bytes(render_recording(draw_options(SEED), ""))
    ran = CliRunner().invoke(simulate, ["--scenario", str(path), *words])
    assert ran.exit_code == 2
    assert "--scenario takes the place of one" in ran.output
