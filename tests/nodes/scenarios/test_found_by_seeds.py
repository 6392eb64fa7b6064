"""What seeds have found, pinned as data and played again; each pin is shown to find its bug when that is put back.

A seed draws something else whenever the draws change. A recording in `pinned/` names every option and fault itself
(`nodes.scenarios.recording`), and in a line what it has found.
"""

from pathlib import Path

import pytest

from contracts.stays import ShareReceipt
from ledger import restoration, state_sync
from ledger.replica import Replica
from nodes.roles.insurer import Insurer
from nodes.scenarios import faults
from nodes.scenarios.faults import Outcome, play_options
from nodes.scenarios.recording import Recording, read_recording
from nodes.simulator.disk import DiskFaultError
from tests.nodes.scenarios.conftest import load
from tests.nodes.simulator.test_syncing import AnyRoots, believe

PINNED = sorted((Path(__file__).parent / "pinned").glob("*.json"))


def read(name: str) -> Recording:
    return read_recording((Path(__file__).parent / "pinned" / f"{name}.json").read_bytes())


def play(name: str) -> Outcome:
    return play_options(read(name).options, load())


@pytest.mark.parametrize("path", PINNED, ids=lambda path: path.stem)
def test_what_was_found_once_is_mended(path: Path) -> None:
    recording = read_recording(path.read_bytes())
    assert recording.found.count(" ") > 5, "a line says what it has found"
    outcome = play_options(recording.options, load())
    assert not outcome.failure, f"{path.name}: {outcome.failure}"
    assert outcome.settlements > 0


def test_an_insurer_that_waits_for_every_interim_bill_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    kept_by_stay = Insurer._kept_by_stay

    def wait_for_all(self: Insurer, shares: tuple[ShareReceipt, ...]) -> dict[str, list[ShareReceipt]]:
        ready = kept_by_stay(self, shares)
        return ready if all(map(self._intake.is_kept, shares)) else {}

    monkeypatch.setattr(Insurer, "_kept_by_stay", wait_for_all)
    monkeypatch.setattr(faults, "SETTLED_WITHIN_MS", 60_000)
    assert play("interim-bill").failure.startswith("InvariantError: liveness: not settled")


def test_a_joining_node_that_accepts_a_wrong_chunk_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_sync, "verify_chunk", believe)
    monkeypatch.setattr(restoration, "verify_chunk", believe)
    monkeypatch.setattr(restoration, "verify_manifest", lambda _manifest: AnyRoots())
    assert play("wrong-chunk").failure.startswith("InvariantError: snapshots: ")


def test_a_check_that_reads_the_disk_of_a_node_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Replica, "round", property(lambda replica: replica.status().round))
    with pytest.raises(DiskFaultError):
        play("reading-check")
