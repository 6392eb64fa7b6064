"""A network of four real processes in a temporary folder, and what its processes and files cost."""

import datetime as dt
import os
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from ledger.genesis import Genesis
from nodes.cli.operators.network import node_command
from nodes.config import Home, NetworkConfig
from nodes.contract_sources import load_installed_contracts
from nodes.entropy import SystemEntropy
from nodes.network.founding import found_network
from nodes.network.supervisor import find_process, start_nodes, stop_nodes

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class BenchmarkNetwork:
    """Founded and started on entering, stopped and removed on leaving."""

    def __init__(self) -> None:
        """Make the folder, on the disk that TMPDIR names."""
        self.folder = Path(tempfile.mkdtemp(prefix="xinpei-bench-"))
        self.home = Home(self.folder / "home")
        self.network: NetworkConfig
        self.genesis: Genesis
        self.names: list[str] = []
        self._pids: dict[str, int] = {}

    def __enter__(self) -> Self:
        """Found it and start its nodes."""
        try:
            pins = load_installed_contracts().pins()
            self.genesis = found_network(self.home, pins, SystemEntropy(), dt.datetime.now(dt.UTC))
            self.network = self.home.load_network()
            self.names = [node.organisation for node in self.network.nodes]
            start_nodes(self.home, self.names, lambda name: node_command(self.home, name))
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        self._pids = {name: find_process(self.home, name).pid or 0 for name in self.names}
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        """Stop the nodes and remove everything."""
        stop_nodes(self.home, self.names)
        shutil.rmtree(self.folder, ignore_errors=True)

    def cpu_seconds(self) -> dict[str, float]:
        """Return the user and system time of each node's process so far."""
        return {name: read_cpu_seconds(Path(f"/proc/{pid}/stat").read_text()) for name, pid in self._pids.items()}

    def disk_bytes(self) -> int:
        """Return the bytes that the nodes' files occupy."""
        return sum(_occupied(path) for path in (self.home.folder / "nodes").rglob("*"))


def read_cpu_seconds(stat: str) -> float:
    """Return user and system time out of a process's line in /proc; the name in it may hold spaces and brackets."""
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def _occupied(path: Path) -> int:
    """Return a file's blocks in bytes; 0 for one that was replaced meanwhile."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return 0
    return found.st_blocks * 512
