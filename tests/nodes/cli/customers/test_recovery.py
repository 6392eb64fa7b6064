"""`xinpei recovery`: files that are not what they should be are refused before any node is asked."""

import json
from pathlib import Path
from typing import Any

import pytest

from nodes.cli.customers.recovery import find_due
from nodes.config import Home
from nodes.roles.customer.recovering import LostName, RecoveryRequest
from tests.nodes.cli.commands import Ran, check_refused, run

NAMES = {"pseudonyms": [{"hospital": "hospital-a", "insurer": "insurer-a", "pseudonym": "c-" + "a" * 32}]}
IDENTITY = {"document_type": "passport", "document_number": "E12345678", "name": "林小雨", "birth_date": "1990-01-01"}


def write(path: Path, content: object, mode: int = 0o600) -> str:
    path.write_text(json.dumps(content), encoding="utf-8")
    path.chmod(mode)
    return str(path)


def ask(capsys: pytest.CaptureFixture[str], home: Home, names: str, identity: str) -> Ran:
    out = str(home.folder / "recovery.json")
    where = ("--out", out, "--home", str(home.folder))
    return run(capsys, "recovery", "ask", "--as", "new", "--pseudonyms", names, "--identity", identity, *where)


def test_a_wait_that_is_shorter_than_the_genesis_demands_is_refused(
    capsys: pytest.CaptureFixture[str], home: Home
) -> None:
    keepers = ("--keeper", "hospital-b", "--keeper", "insurer-a", "--threshold", "2", "--home", str(home.folder))
    ran = run(capsys, "recovery", "keepers", "--as", "wang", *keepers, "--wait-hours", "71.9")
    check_refused(ran, "--wait-hours: expected 72 or more, as the genesis demands, got 71.9")


@pytest.mark.parametrize("names", [[], {}, {"pseudonyms": [{}]}, {"pseudonyms": 1}])
def test_a_list_of_names_that_is_none_is_refused_and_no_wallet_is_made(
    capsys: pytest.CaptureFixture[str], home: Home, tmp_path: Path, names: object
) -> None:
    ran = ask(capsys, home, write(tmp_path / "names", names), write(tmp_path / "identity", IDENTITY))
    check_refused(ran, "expected what `xinpei wallet show --json`")
    assert not home.wallet_path("new").exists()


@pytest.mark.parametrize(
    ("identity", "mode", "words"),
    [
        (IDENTITY, 0o644, "expected mode 0600, got 0644"),
        ({**IDENTITY, "birth_date": "yesterday"}, 0o600, "expected a JSON object with document_type"),
        ([], 0o600, "expected a JSON object with document_type"),
    ],
)
def test_an_identity_that_is_open_to_others_or_malformed_is_refused_and_not_repeated(
    capsys: pytest.CaptureFixture[str], home: Home, tmp_path: Path, identity: object, mode: int, words: str
) -> None:
    ran = ask(capsys, home, write(tmp_path / "names", NAMES), write(tmp_path / "identity", identity, mode))
    check_refused(ran, words)
    assert "E12345678" not in ran.err
    assert not home.wallet_path("new").exists()


def test_a_file_that_is_no_recovery_file_is_refused(
    capsys: pytest.CaptureFixture[str], home: Home, tmp_path: Path
) -> None:
    path = write(tmp_path / "recovery.json", NAMES)
    for command in ("approve", "complete"):
        ran = run(capsys, "recovery", command, path, "--as", "insurer-a", "--home", str(home.folder))
        check_refused(ran, "expected a recovery file")


class Attempts:
    """A node that knows these attempts."""

    def __init__(self, *attempts: dict[str, Any]) -> None:
        self.attempts = attempts

    def get(self, path: str) -> dict[str, Any]:
        assert path == "/v1/recoveries/c-lost"
        return {"attempts": list(self.attempts)}


def test_a_keeper_reads_from_which_day_on_a_key_can_be_completed() -> None:
    key = bytes(range(32))
    request = RecoveryRequest(LostName("hospital-a", "insurer-a", "c-lost"), key, 1, 1, bytes(64))
    other = {"public_key": "00" * 32, "is_stale": False, "due_ms": 1}
    due = {"public_key": key.hex(), "is_stale": False, "due_ms": 1_795_964_053_295}
    node: Any = Attempts
    assert find_due(node(other, due), request) == "2026-11-29 22:54"
    assert find_due(node(other, due | {"due_ms": None}), request) == "", "approvals lack"
    assert find_due(node(other, due | {"is_stale": True}), request) == ""
