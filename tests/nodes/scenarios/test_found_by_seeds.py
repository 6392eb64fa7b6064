"""What seeds have found, pinned as data and played again; each pin is shown to find its bug when that is put back.

A seed draws something else whenever the draws change. A recording in `pinned/` names every option and fault itself
(`nodes.scenarios.recording`), and in a line what it has found. There is none that has found nothing.
"""

import re
from pathlib import Path

import pytest

from contracts.stays import ShareReceipt
from ledger.replica import Replica
from ledger.transactions import Receipt
from nodes.roles.hospital.coverage import Coverage
from nodes.roles.insurer import Insurer
from nodes.scenarios import faults
from nodes.scenarios.faults import Outcome, play_options
from nodes.scenarios.recording import Recording, read_recording
from nodes.scenarios.town import Town
from nodes.simulator.disk import DiskFaultError
from tests.nodes.scenarios.conftest import INSURER, load

PINNED = sorted((Path(__file__).parent / "pinned").glob("*.json"))


def read(name: str) -> Recording:
    return read_recording((Path(__file__).parent / "pinned" / f"{name}.json").read_bytes())


def play(name: str) -> Outcome:
    return play_options(read(name).options, load())


@pytest.mark.parametrize("path", PINNED, ids=lambda path: path.stem)
def test_what_was_found_once_is_mended(path: Path) -> None:
    recording = read_recording(path.read_bytes())
    assert re.search(r"^[a-z ]+: .+\(seed [0-9]+.*\)$", recording.found), "a line says what it has found, and the seed"
    outcome = play_options(recording.options, load())
    assert not outcome.failure, f"{path.name}: {outcome.failure}"
    assert outcome.settlements > 0


def test_every_pin_has_a_bug_to_find() -> None:
    assert [path.stem for path in PINNED] == [
        "hospital-behind",
        "interim-bill",
        "reading-check",
        "receipt-before-snapshot",
    ]


def test_a_hospital_that_reports_only_what_it_knew_at_the_discharge_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Coverage, "find_owed", lambda *_: [])
    monkeypatch.setattr(faults, "SETTLED_WITHIN_MS", 60_000)
    failure = play("hospital-behind").failure
    assert failure.startswith("InvariantError: liveness: not settled")
    assert failure.endswith("no claim")


def test_an_insurer_that_waits_for_every_interim_bill_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    kept_by_stay = Insurer._kept_by_stay

    def wait_for_all(self: Insurer, shares: tuple[ShareReceipt, ...]) -> dict[str, list[ShareReceipt]]:
        ready = kept_by_stay(self, shares)
        return ready if all(map(self._intake.is_kept, shares)) else {}

    monkeypatch.setattr(Insurer, "_kept_by_stay", wait_for_all)
    monkeypatch.setattr(faults, "SETTLED_WITHIN_MS", 60_000)
    assert play("interim-bill").failure.startswith("InvariantError: liveness: not settled")


def test_a_customer_who_asks_nobody_but_her_hospital_for_a_receipt_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    find = Town.find

    def find_elsewhere(town: Town, name: str, transaction_id: bytes) -> Receipt | None:
        return None if name == INSURER else find(town, name, transaction_id)

    monkeypatch.setattr(Town, "find", find_elsewhere)
    monkeypatch.setattr(faults, "SETTLED_WITHIN_MS", 60_000)
    assert play("receipt-before-snapshot").failure.startswith("InvariantError: liveness: not settled")


def test_a_check_that_reads_the_disk_of_a_node_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Replica, "round", property(lambda replica: replica.status().round))
    with pytest.raises(DiskFaultError):
        play("reading-check")
