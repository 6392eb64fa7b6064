"""Seeds of the whole: real contracts and agents under everything at once; and that a seed is a replay.

A failure prints the seed, the revision, and `xinpei simulate --seed N`, which plays it again. The seeds have a time
box: a machine that is too slow for all of them says how many it has played, and fails if these are too few.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nodes.scenarios.faults import play
from nodes.scenarios.options import GIVINGS, LIES, draw_options
from nodes.scenarios.revision import describe_revision
from tests.nodes.scenarios.conftest import load

ROOT = Path(__file__).parents[3]
SEEDS = range(30)
REPLAYED = 29
BOX_SECONDS = 300.0
"""Of the wall's clock, for what one process plays; all of them take a fifth of it on a core that does nothing else."""
PLAYED_MIN = 10
"""By a process that has used up its time: fewer show nothing, and then the machine is what must be looked at."""


class TimeBox:
    """How long one process plays seeds; one that has begun is played to its end."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._spent = 0.0
        self._played = 0

    @contextmanager
    def playing(self) -> Iterator[None]:
        """Count one seed; skip it, or fail, if the time is used up."""
        if self._spent >= BOX_SECONDS:
            said = f"{self._played} of {len(SEEDS)} seeds were played in the {BOX_SECONDS:g} s that this process has"
            assert self._played >= PLAYED_MIN, f"{said}; expected {PLAYED_MIN} at least"
            pytest.skip(said)
        begun = self._clock()
        yield
        self._spent += self._clock() - begun
        self._played += 1


BOX = TimeBox()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_seed_keeps_every_promise(seed: int) -> None:
    with BOX.playing():
        outcome = play(seed, load())
    assert not outcome.failure, f"xinpei simulate --seed {seed}: {outcome.failure}; {describe_revision()}"


@pytest.mark.parametrize(("seconds", "played", "ending"), [(25, 12, pytest.skip.Exception), (50, 6, AssertionError)])
def test_a_slow_machine_says_how_many_seeds_it_has_played_and_fails_if_they_are_few(
    seconds: int, played: int, ending: type[BaseException]
) -> None:
    passed = iter(range(0, 10_000, seconds))
    box = TimeBox(lambda: float(next(passed)))
    for _ in range(played):
        with box.playing():
            pass
    said = f"{played} of 30 seeds were played in the 300 s that this process has"
    with pytest.raises(ending, match=said), box.playing():
        pass


def test_seeds_draw_every_size_lie_and_change_and_never_more_faults_than_f() -> None:
    drawn = [draw_options(seed) for seed in range(1_000)]
    assert {item.hospitals + item.insurers + 1 for item in drawn} == set(range(4, 11))
    assert {lie for item in drawn for _, lie in item.liars} == set(LIES)
    changes = [item.changes for item in drawn]
    assert any(change.joins and change.rekeys and change.removes for change in changes)
    assert {change.loses_signer for change in changes if change.rekeys} == {True, False}
    for item in drawn:
        change = item.changes
        nodes = item.hospitals + item.insurers + 1
        fewest = nodes - (change.joins is not None) - (change.removes is not None)
        faulty = (
            {name for name, _ in item.liars} | set(item.left_out) | ({change.rekeys} if change.loses_signer else set())
        )
        assert len(faulty) == len(item.liars) + len(item.left_out) + change.loses_signer <= (fewest - 1) // 3
        assert change.joins not in faulty
        assert item.lives[0][:2] == ("hospital-a", "insurer-a")
    assert {item.weather.loss for item in drawn} >= {0.0, 0.3}


def test_seeds_draw_snapshots_with_lies_about_them_and_lost_disks_among_those_who_count_as_faulty() -> None:
    drawn = [draw_options(seed) for seed in range(1_000)]
    with_snapshots = [item for item in drawn if item.snapshots is not None]
    assert 300 < len(with_snapshots) < 500
    assert {giving for item in drawn for _, giving in item.givings} == set(GIVINGS)
    wiped = 0
    for item in drawn:
        lost = {name for strike in item.strikes if strike.kind == "wipe" for name in strike.names}
        assert lost <= set(item.left_out)
        assert not item.changes.loses_store or item.changes.loses_signer
        wiped += len(lost) + item.changes.loses_store
        if item.snapshots is None:
            assert not lost
            assert not item.givings
            assert not item.changes.loses_store
        else:
            assert 1 < item.snapshots.every_heights <= item.snapshots.given_heights
            assert [name for name, _ in item.givings] == [name for name, _ in item.liars]
    assert wiped > 100


def test_one_seed_gives_one_trace_in_two_processes_under_two_hash_seeds() -> None:
    program = (
        "from nodes.contract_sources import load_installed_contracts\n"
        "from nodes.scenarios.faults import play\n"
        f"print(play({REPLAYED}, load_installed_contracts()).trace_hash)\n"
    )
    traces = {
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env={"PYTHONHASHSEED": hash_seed, "PYTHONPATH": "."},
            capture_output=True,
            check=True,
            text=True,
        ).stdout.strip()
        for hash_seed in ("1", "2")
    }
    lines: list[str] = []
    traces.add(play(REPLAYED, load(), lines.append).trace_hash)
    assert len(traces) == 1
    kinds = {line[23:].split()[0] for line in lines}
    assert kinds >= {
        "snapshot",
        "start",
        "deliver",
        "tick",
        "elapse",
        "commit",
        "report",
        "split",
        "cut",
        "heal",
        "crash",
        "pause",
    }
