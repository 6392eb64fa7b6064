"""Starting, finding and stopping the node processes of one home folder.

Each organisation's node is a process of its own. A running node holds an exclusive lock on `node.lock` in its folder
and, once it serves, writes `node.json` beside it with its process id; so whether it runs is a question to the kernel
and never to a stale file. Its output goes to `node.log`.

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

READY_SECONDS_MAX = 30.0
"""How long a node may take until it serves: a cold disk and a long log replay included."""
STOP_SECONDS_MAX = 10.0
"""How long a node may take to stop by itself before it is killed; nothing is lost by that."""
POLL_SECONDS = 0.01
LOG_TAIL_BYTES = 2_000


class NodeStartError(ConfigurationError):
    """A node that ended before it served; carries what it said last."""


@dataclass(frozen=True, slots=True)
class NodeProcess:
    """What is known of one organisation's process."""

    organisation: str
    pid: int | None
    """None if it does not run."""


class NodeLock:
    """The lock that a running node holds; taken by the node itself, probed by the supervisor."""

    def __init__(self, folder: Path) -> None:
        """Name the lock; it is not taken yet."""
        self._path = folder / "node.lock"
        self._file: IO[str] | None = None

    def acquire(self) -> None:
        """Take it until `release` or the end of the process.

        Raises:
            ConfigurationError: If another process holds it.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = self._path.open("a")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            msg = f"{self._path.parent.name}: its node is running already; see `xinpei status`"
            raise ConfigurationError(msg) from None
        self._file = file

    def release(self) -> None:
        """Let go of it; the end of the process does so too."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def held(self) -> bool:
        """Whether some process holds it."""
        try:
            with self._path.open("a") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False


def announce_ready(folder: Path) -> None:
    """Write that this process serves; called by the node itself."""
    write_file(folder / "node.json", (json.dumps({"pid": os.getpid()}) + "\n").encode())


def find_process(home: Home, organisation: str) -> NodeProcess:
    """Return the state of one organisation's process."""
    folder = home.node_folder(organisation)
    if not NodeLock(folder).held():
        return NodeProcess(organisation, None)
    return NodeProcess(organisation, _announced_pid(folder))


def start_nodes(
    home: Home,
    organisations: Sequence[str],
    command: Callable[[str], list[str]],
    on_ready: Callable[[str], None] = lambda _: None,
) -> None:
    """Start the nodes that do not run yet and wait until each of them serves.

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
            if NodeLock(folder).held():
                on_ready(organisation)
                continue
            (folder / "node.json").unlink(missing_ok=True)
            with (folder / "node.log").open("ab") as log:
                started[organisation] = subprocess.Popen(
                    command(organisation), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
                )
        _await_ready(home, dict(started), on_ready)
    except (ConfigurationError, OSError, KeyboardInterrupt):
        for process in started.values():
            process.terminate()
        for process in started.values():
            process.wait(STOP_SECONDS_MAX)
        raise


def stop_nodes(home: Home, organisations: Sequence[str]) -> list[str]:
    """Stop the running nodes; return the organisations whose nodes were running."""
    running = {name: process.pid for name in organisations if (process := find_process(home, name)).pid is not None}
    for pid in running.values():
        _signal(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS_MAX
    while any(NodeLock(home.node_folder(name)).held() for name in running):
        if time.monotonic() > deadline:
            for name, pid in running.items():
                if NodeLock(home.node_folder(name)).held():
                    _signal(pid, signal.SIGKILL)
            deadline = float("inf")
        time.sleep(POLL_SECONDS)
    return list(running)


def _await_ready(home: Home, waiting: dict[str, subprocess.Popen[bytes]], on_ready: Callable[[str], None]) -> None:
    deadline = time.monotonic() + READY_SECONDS_MAX
    while waiting:
        for organisation, process in list(waiting.items()):
            folder = home.node_folder(organisation)
            if process.poll() is not None:
                msg = f"{organisation}: its node ended at once: {_last_words(folder)}"
                raise NodeStartError(msg)
            if _announced_pid(folder) == process.pid:
                del waiting[organisation]
                on_ready(organisation)
        if waiting and time.monotonic() > deadline:
            names = ", ".join(waiting)
            msg = f"{names}: not serving after {READY_SECONDS_MAX:.0f} s; see {home.folder}/nodes/*/node.log"
            raise NodeStartError(msg)
        time.sleep(POLL_SECONDS)


def _announced_pid(folder: Path) -> int | None:
    try:
        pid = json.loads((folder / "node.json").read_bytes())["pid"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return pid if isinstance(pid, int) else None


def _last_words(folder: Path) -> str:
    try:
        text = (folder / "node.log").read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace")
    except OSError:
        return "it left no log"
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"


def _signal(pid: int | None, number: signal.Signals) -> None:
    if pid is None:
        return
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
