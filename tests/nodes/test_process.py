"""The process of a node: exit codes, and a log that tells places and never what is secret."""

import asyncio
import datetime as dt
import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from nodes import process
from nodes.config import Home
from nodes.contract_sources import load_installed_contracts
from nodes.entropy import SystemEntropy
from nodes.network.founding import found_network
from tests.nodes.certificates import create_member

REPOSITORY = Path(__file__).parents[2]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the program to its end."""
    command = [sys.executable, "-m", "nodes.process", *arguments]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)


def test_wrong_use_is_exit_code_2() -> None:
    ended = run("--home", "somewhere")
    assert ended.returncode == 2
    assert "--organisation" in ended.stderr


def test_a_home_without_a_network_is_exit_code_1_and_one_line(tmp_path: Path) -> None:
    ended = run("--home", str(tmp_path), "--organisation", "hospital-a")
    assert ended.returncode == 1
    line = json.loads(ended.stderr)
    assert line["event"] == "stopped"
    assert str(tmp_path) in line["why"]


def test_a_node_that_serves_collects_its_garbage(tmp_path: Path) -> None:
    look = """if True:
        import gc, sys
        from nodes import process
        async def look(*_):
            print("collects" if gc.isenabled() else "never collects")
        process._run_until_stopped = look
        sys.exit(process.main())
    """
    pins = load_installed_contracts().pins()
    found_network(Home(tmp_path / "n"), pins, SystemEntropy(), dt.datetime.now(dt.UTC))
    command = [sys.executable, "-c", look, "--home", str(tmp_path / "n"), "--organisation", "hospital-a"]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, "collects\n"), ended.stderr


def test_a_line_is_one_json_object_whatever_is_in_it(capfd: pytest.CaptureFixture[str]) -> None:
    process.write_line("noted", {"text": "two\nlines", "half": "\ud800", "name": "王"})
    out = capfd.readouterr().err
    assert out.count("\n") == 1
    assert json.loads(out)["name"] == "王"


def test_a_log_that_cannot_be_written_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("nodes.node_log.os.write", fail)
    process.write_line("noted", {})


def test_a_fault_is_logged_by_kind_and_place_without_its_text(capfd: pytest.CaptureFixture[str]) -> None:
    try:
        int("diagnosis K63.5")
    except ValueError as error:
        record = logging.LogRecord("api", logging.ERROR, __file__, 1, "it failed\n", (), (ValueError, error, None))
    process._LineHandler().emit(record)
    out = capfd.readouterr().err
    line = json.loads(out)
    assert (line["text"], line["fault"]) == ("it failed", "ValueError")
    assert line["at"][0].startswith(__file__ + ":")
    assert "K63.5" not in out


def test_a_certificate_that_is_due_is_renewed_at_start_and_one_that_cannot_be_is_said(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    now = dt.datetime.now(dt.UTC)
    create_member(tmp_path, "hospital-a", now - dt.timedelta(days=300))
    key = (tmp_path / "authority.key").read_bytes()
    (tmp_path / "authority.key").unlink()
    assert process.renew_certificate(tmp_path) is False
    line = json.loads(capfd.readouterr().err)
    assert line["event"] == "certificate-not-renewed"
    assert "authority.key" in line["why"]
    (tmp_path / "authority.key").touch(0o600)
    (tmp_path / "authority.key").write_bytes(key)
    assert process.renew_certificate(tmp_path) is True
    assert json.loads(capfd.readouterr().err)["event"] == "certificate-renewed"
    assert process.renew_certificate(tmp_path) is False
    assert capfd.readouterr().err == ""


def test_a_running_node_shows_a_renewed_certificate_without_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "KEYS_SECONDS", 0.0)
    create_member(tmp_path, "hospital-a", dt.datetime.now(dt.UTC) - dt.timedelta(days=300))

    async def run() -> list[Path]:
        reloaded: list[Path] = []
        done = asyncio.Event()

        class User:
            def reload(self, folder: Path) -> None:
                reloaded.append(folder)
                done.set()

        keeping = asyncio.create_task(process._keep_certificate(tmp_path, [User()]))  # type: ignore[list-item]
        await asyncio.wait_for(done.wait(), 10)
        keeping.cancel()
        return reloaded

    assert asyncio.run(run()) == [tmp_path]
