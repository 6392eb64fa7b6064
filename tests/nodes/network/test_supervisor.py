"""Starting, finding and stopping processes that behave like nodes, or do not."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodes.config import ConfigurationError, Home
from nodes.network import supervisor
from nodes.network.supervisor import (
    NodeLock,
    NodeStartError,
    announce_ready,
    find_process,
    start_nodes,
    stop_nodes,
    stop_reason,
)

NAMES = ("hospital-a", "insurer-a")
NODE = """
import signal, sys
from pathlib import Path
from nodes.network.supervisor import NodeLock, announce_ready
folder = Path(sys.argv[1])
lock = NodeLock(folder)
lock.acquire()
signal.signal(signal.SIGTERM, {on_term})
announce_ready(folder)
while True:
    signal.pause()
"""
OBEDIENT = NODE.format(on_term="lambda *_: sys.exit(0)")
STUBBORN = NODE.format(on_term="signal.SIG_IGN")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path)
    for name in NAMES:
        home.node_folder(name).mkdir(parents=True)
    yield home
    for name in NAMES:
        pid = find_process(home, name).pid
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
    for child in supervisor._children:
        child.wait()
    supervisor._children.clear()


def run(home: Home, script: str) -> list[str]:
    """Start both nodes with a script; return who was told to be ready."""
    ready: list[str] = []
    start_nodes(
        home, NAMES, lambda name: [sys.executable, "-c", script, str(home.node_folder(name))], on_ready=ready.append
    )
    return ready


def test_nodes_are_started_found_and_stopped(home: Home) -> None:
    assert sorted(run(home, OBEDIENT)) == sorted(NAMES)
    found = [find_process(home, name) for name in NAMES]
    assert all(process.pid is not None and process.serving for process in found)
    assert stop_nodes(home, NAMES) == list(NAMES)
    assert [find_process(home, name).pid for name in NAMES] == [None, None]
    for child in supervisor._children:
        assert child.wait(20) == 0
    stop_nodes(home, NAMES)
    assert supervisor._children == []


def test_what_runs_is_not_started_again_and_what_is_stopped_not_stopped_again(home: Home) -> None:
    run(home, OBEDIENT)
    before = [find_process(home, name) for name in NAMES]
    assert sorted(run(home, "raise SystemExit('never run')")) == sorted(NAMES)
    assert [find_process(home, name) for name in NAMES] == before
    stop_nodes(home, NAMES)
    assert stop_nodes(home, NAMES) == []


def test_a_suspended_node_is_woken_up_to_stop(home: Home) -> None:
    run(home, OBEDIENT)
    pid = find_process(home, NAMES[0]).pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    assert stop_nodes(home, NAMES) == list(NAMES)


def test_a_node_that_does_not_stop_is_killed(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "STOP_SECONDS_MAX", 0.2)
    run(home, STUBBORN)
    assert stop_nodes(home, NAMES) == list(NAMES)
    assert find_process(home, NAMES[0]).pid is None


def test_a_node_that_ends_at_once_takes_the_others_with_it_and_its_last_words_are_told(home: Home) -> None:
    last = '{"event": "stopped", "why": "the moon is full"}'
    script = f"import sys\nif 'insurer' in sys.argv[1]: sys.exit({last!r})\n{OBEDIENT}"
    with pytest.raises(NodeStartError, match=r"insurer-a: its node ended at once: the moon is full$"):
        run(home, script)
    assert find_process(home, NAMES[0]).pid is None
    assert stop_reason(home, "insurer-a") == "the moon is full"
    assert stop_reason(home, "hospital-a") == ""


def test_a_node_that_never_serves_is_given_up(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "READY_SECONDS_MAX", 0.3)
    with pytest.raises(NodeStartError, match="hospital-a, insurer-a: not serving after"):
        run(home, "import signal\nsignal.pause()")


def test_a_node_without_a_folder_is_named_before_any_process_starts(home: Home) -> None:
    home.node_folder(NAMES[0]).rmdir()
    with pytest.raises(NodeStartError, match=r"nodes/hospital-a: no such folder; network\.json names hospital-a"):
        run(home, OBEDIENT)
    assert not home.node_folder(NAMES[0]).exists()


def test_a_lock_names_its_holder_and_lets_nobody_else_in(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "PROBES_MAX", 2)
    folder = home.node_folder(NAMES[0])
    lock = NodeLock(folder)
    assert lock.holder() is None
    lock.acquire()
    assert NodeLock(folder).holder() == os.getpid()
    with pytest.raises(ConfigurationError, match=f"hospital-a: its node is running already as process {os.getpid()}"):
        NodeLock(folder).acquire()
    lock.release()
    assert NodeLock(folder).holder() is None
    with pytest.raises(ConfigurationError, match="no such folder; nobody has no node"):
        NodeLock(home.node_folder("nobody")).acquire()


def test_a_node_that_was_killed_leaves_nothing_that_looks_like_a_node(home: Home) -> None:
    folder = home.node_folder(NAMES[0])
    script = OBEDIENT.replace("while True:", "sys.stdout.write('on')\nsys.stdout.flush()\nwhile True:")
    with subprocess.Popen([sys.executable, "-c", script, str(folder)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.read(2) == b"on"
        assert find_process(home, NAMES[0]).pid == process.pid
        process.kill()
    assert find_process(home, NAMES[0]).pid is None
    lock = NodeLock(folder)
    lock.acquire()
    assert not find_process(home, NAMES[0]).serving  # the announcement of the dead is gone
    announce_ready(folder)
    assert find_process(home, NAMES[0]).serving
    lock.release()


def test_a_lock_that_still_names_the_dead_is_asked_again(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = home.node_folder(NAMES[0])
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    lock = NodeLock(folder)
    lock.acquire()
    (folder / "node.lock").write_bytes(dead.stdout)
    (folder / "node.json").write_text(f'{{"pid": {int(dead.stdout)}}}')

    def write_own(_: float) -> None:
        (folder / "node.lock").write_text(str(os.getpid()))

    monkeypatch.setattr("nodes.network.supervisor.time.sleep", write_own)
    process = find_process(home, NAMES[0])
    assert (process.pid, process.serving) == (os.getpid(), False)
    lock.release()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": "x"}', '{"pid": null}'])
def test_an_announcement_that_makes_no_sense_is_none(home: Home, text: str) -> None:
    folder = home.node_folder(NAMES[0])
    lock = NodeLock(folder)
    lock.acquire()
    (folder / "node.json").write_text(text)
    assert not find_process(home, NAMES[0]).serving
    lock.release()
