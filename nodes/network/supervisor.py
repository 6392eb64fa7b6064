"""Starting, finding and stopping the node processes of one home folder.

Each organisation's node is a process of its own. A running node holds an exclusive lock on `node.lock` in its folder,
which names its process, and once it serves it writes the same id into `node.json` beside it; so whether it runs is a
question to the kernel and never to a stale file. Its output goes to `node.log`.

Nothing here knows what a node does: the command to start one is given.
"""

import fcntl
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from nodes.config import ConfigurationError, Home, write_file
from nodes.node_log import LOG_FILE, old_log

READY_SECONDS_MAX = 60.0
"""How long a node may take until it serves: a cold disk and a busy machine included."""
STOP_SECONDS_MAX = 10.0
"""How long a node may take to stop by itself before it is killed; nothing is lost by that."""
POLL_SECONDS = 0.01
PROBES_MAX = 50
"""How often a node tries to take its lock: somebody who asks whether it runs holds the lock for an instant."""
LOG_TAIL_BYTES = 2_000

_children: list[subprocess.Popen[bytes]] = []
"""Nodes that this program has started and may outlive; the system keeps their exit codes until they are asked for."""


class NodeStartError(ConfigurationError):
    """A node that ended before it served; carries what it said last."""


@dataclass(frozen=True, slots=True)
class NodeProcess:
    """What is known of one organisation's process."""

    organisation: str
    pid: int | None
    """None if it does not run."""
    serving: bool
    """Whether it has said that it is ready; it may be stopped or stuck since."""


class NodeLock:
    """The lock that a running node holds; taken by the node itself, probed by the supervisor."""

    def __init__(self, folder: Path) -> None:
        """Name the lock; it is not taken yet."""
        self._path = folder / "node.lock"
        self._file: IO[str] | None = None

    def acquire(self) -> None:
        """Take it until `release` or the end of the process, and write down who has it.

        Raises:
            ConfigurationError: If another process holds it, or the folder is not there.
        """
        folder = self._path.parent
        if not folder.is_dir():
            msg = f"{folder}: no such folder; {folder.name} has no node in this home folder"
            raise ConfigurationError(msg)
        file = self._path.open("a")
        for probe in range(1, PROBES_MAX + 1):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if probe < PROBES_MAX:
                    time.sleep(POLL_SECONDS)
            else:
                break
        else:
            file.close()
            msg = f"{folder.name}: its node is running already as process {self._recorded()}; see `xinpei status`"
            raise ConfigurationError(msg)
        self._file = file
        (folder / "node.json").unlink(missing_ok=True)
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()

    def release(self) -> None:
        """Let go of it; the end of the process does so too."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def holder(self) -> int | None:
        """Return the process that holds it; None if nobody does.

        Whoever has just taken it has yet to write its id over that of the dead one before: then this asks again.
        """
        for _ in range(PROBES_MAX):
            try:
                with self._path.open("a+") as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return None
            except FileNotFoundError:
                return None
            except BlockingIOError:
                pid = self._recorded()
                if pid is not None and _is_alive(pid):
                    return pid
            time.sleep(POLL_SECONDS)
        return None

    def _recorded(self) -> int | None:
        text = self._path.read_text().strip()
        return int(text) if text.isdecimal() else None


def announce_ready(folder: Path) -> None:
    """Write that this process serves; called by the node itself."""
    write_file(folder / "node.json", (json.dumps({"pid": os.getpid()}) + "\n").encode())


def find_process(home: Home, organisation: str) -> NodeProcess:
    """Return the state of one organisation's process."""
    folder = home.node_folder(organisation)
    pid = NodeLock(folder).holder()
    return NodeProcess(organisation, pid, serving=pid is not None and _announced_pid(folder) == pid)


def stop_reason(home: Home, organisation: str) -> str:
    """Return why a node that does not run stopped by itself; empty if it was told to, killed, or never ran."""
    last = _last_line(home.node_folder(organisation))
    return _why(last) if '"event": "stopped"' in last else ""


def start_nodes(
    home: Home,
    organisations: Sequence[str],
    command: Callable[[str], list[str]],
    on_ready: Callable[[str], None] = lambda _: None,
) -> list[str]:
    """Start the nodes that do not run yet and wait until all of them serve; return whose nodes were started.

    Args:
        home: The network's home folder.
        organisations: Whose nodes to start.
        command: Gives the argument list for one organisation.
        on_ready: Told of each node once it serves.

    Raises:
        NodeStartError: If one ends or takes too long; the others that were started here are stopped again.
    """
    started: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for organisation in organisations:
            folder = home.node_folder(organisation)
            if not folder.is_dir():
                msg = f"{folder}: no such folder; network.json names {organisation}, so its keys belong there"
                raise NodeStartError(msg)
            if find_process(home, organisation).pid is not None:
                continue
            with (folder / LOG_FILE).open("ab") as log:
                started[organisation] = subprocess.Popen(
                    command(organisation), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
                )
        _await_ready(home, organisations, started, on_ready)
        _children.extend(started.values())
        return list(started)
    except (ConfigurationError, OSError, KeyboardInterrupt):
        _stop_started(list(started.values()))
        raise


def stop_nodes(home: Home, organisations: Sequence[str]) -> list[str]:
    """Stop the running nodes; return the organisations whose nodes were running."""
    running = {name: process.pid for name in organisations if (process := find_process(home, name)).pid is not None}
    for pid in running.values():
        _signal(pid, signal.SIGTERM)
        _signal(pid, signal.SIGCONT)  # one that was suspended must wake up to end by itself
    deadline = time.monotonic() + STOP_SECONDS_MAX
    while remaining := [name for name, pid in running.items() if find_process(home, name).pid == pid]:
        if time.monotonic() > deadline:
            for name in remaining:
                _signal(running[name], signal.SIGKILL)
            deadline = float("inf")
        time.sleep(POLL_SECONDS)
    _children[:] = [child for child in _children if child.poll() is None]
    return list(running)


def _stop_started(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_ready(
    home: Home,
    organisations: Sequence[str],
    started: dict[str, subprocess.Popen[bytes]],
    on_ready: Callable[[str], None],
) -> None:
    deadline = time.monotonic() + READY_SECONDS_MAX
    waiting = list(organisations)
    while waiting:
        for organisation in list(waiting):
            process = started.get(organisation)
            has_ended = process is None or process.poll() is not None
            state = find_process(home, organisation)
            if state.serving and (process is None or has_ended or state.pid == process.pid):
                waiting.remove(organisation)
                on_ready(organisation)
            elif has_ended and state.pid is None:
                msg = f"{organisation}: its node ended at once: {_why(_last_line(home.node_folder(organisation)))}"
                raise NodeStartError(msg)
        if waiting and time.monotonic() > deadline:
            names = ", ".join(waiting)
            msg = f"{names}: not serving after {READY_SECONDS_MAX:.0f} s; see {home.folder}/nodes/*/node.log"
            raise NodeStartError(msg)
        time.sleep(POLL_SECONDS)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _announced_pid(folder: Path) -> int | None:
    try:
        pid = json.loads((folder / "node.json").read_bytes())["pid"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return pid if isinstance(pid, int) else None


def _last_line(folder: Path) -> str:
    """Return the log's last line; right after a rotation that is in the old file."""
    said = "it left no log"
    for path in (folder / LOG_FILE, old_log(folder / LOG_FILE)):
        try:
            with path.open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - LOG_TAIL_BYTES))
                lines = file.read().decode(errors="replace").splitlines()
        except OSError:
            continue
        said = next((line for line in reversed(lines) if line.strip()), "")
        if said:
            return said
    return said or "it said nothing"


def _why(line: str) -> str:
    """Return the reason that a log line gives, else the line."""
    try:
        return str(json.loads(line)["why"])
    except (ValueError, KeyError, TypeError):
        return line


def _signal(pid: int | None, number: signal.Signals) -> None:
    if pid is None:
        return
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
