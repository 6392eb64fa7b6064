"""`xinpei up`, `status` and `down` as they are typed: twice, with nodes missing, and on a port that is taken."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nodes.config import Home
from nodes.network.supervisor import find_process
from tests.e2e.network import ALL, REPOSITORY, eventually

PROGRAM = "from nodes.cli import main; main()"


def xinpei(home: Home, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    command = [sys.executable, "-c", PROGRAM, *arguments, "--home", str(home.folder)]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=120)


def say(home: Home, *arguments: str) -> dict[str, Any]:
    """Return what a command that succeeds prints for programs."""
    ended = xinpei(home, *arguments, "--json")
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""
    answer: dict[str, Any] = json.loads(ended.stdout)
    return answer


@pytest.fixture
def home() -> Iterator[Home]:
    with tempfile.TemporaryDirectory(prefix="xp") as folder:
        home = Home(Path(folder) / "n")
        yield home
        if home.exists():
            xinpei(home, "down")


def kill(home: Home, organisation: str) -> None:
    """Kill a node that this process did not start."""
    pid = find_process(home, organisation).pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    eventually(f"{organisation} is gone", lambda: find_process(home, organisation).pid is None)


def test_a_network_goes_up_and_down_and_says_what_it_lacks(home: Home) -> None:
    begun = say(home, "up")
    assert (begun["nodes"], begun["founded"]) == (list(ALL), True)
    again = say(home, "up")
    assert (again["nodes"], again["founded"]) == (list(ALL), False)

    kill(home, "hospital-a")
    found = say(home, "status")
    assert [row["running"] for row in found["nodes"]] == [False, True, True, True]
    assert found["power_lacking"] == 0
    kill(home, "insurer-a")
    assert say(home, "status")["power_lacking"] == 1
    words = xinpei(home, "status").stdout
    assert "hospital-a   down" in words
    assert "a quorum lacks power 1 of hospital-a, insurer-a" in words
    assert "cannot reach hospital-a" in words

    with socket.socket() as taken:
        address = home.load_network().address("hospital-a")
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((address.host, address.api_port))
        taken.listen()
        refused = xinpei(home, "up")
    assert refused.returncode == 1
    assert refused.stderr.startswith("Error: hospital-a: its node ended at once: API address")
    assert f"{address.host}:{address.api_port}" in refused.stderr
    assert refused.stderr.count("\n") == 1
    running = [name for name in ALL if find_process(home, name).pid is not None]
    assert running == ["hospital-b", "regulator"]  # what was started with it is stopped again, the others stay
    assert "hospital-a   down · stopped by itself: API address" in xinpei(home, "status").stdout

    assert say(home, "up")["nodes"] == list(ALL)
    assert all(row["status"]["signing"] == "yes" for row in say(home, "status")["nodes"])
    assert say(home, "down")["stopped"] == list(ALL)
    assert say(home, "down")["stopped"] == []
    assert "no node answers" in xinpei(home, "status").stdout


def test_commands_without_a_network_say_how_to_begin(home: Home) -> None:
    for command in ("status", "down"):
        ended = xinpei(home, command)
        assert (ended.returncode, ended.stdout) == (1, "")
        assert "start one with `xinpei up`" in ended.stderr
