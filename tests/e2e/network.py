"""A network of real processes for tests: found it, start it, hurt it, load it, compare what its nodes say.

Everything polls with deadlines that a busy machine meets; nothing here waits for a fixed time to pass.
"""

import datetime as dt
import functools
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from contracts.customers import Enrol, enrolment_message
from ledger.codec import encode
from ledger.crypto.signatures import PrivateKey, sign_enrolment
from ledger.genesis import ContractPin
from ledger.transactions import Submission, Transaction, make_submission
from nodes.authentication import RequestSigner, pseudonym_name
from nodes.client import ApiError, Client
from nodes.config import Home
from nodes.contract_sources import load_installed_contracts
from nodes.entropy import SystemEntropy
from nodes.keystore import load_keystore
from nodes.network.founding import found_network
from nodes.network.supervisor import NodeProcess, find_process

T = TypeVar("T")

REPOSITORY = Path(__file__).parents[2]
ENTROPY = SystemEntropy()
RECOVERY_WAIT_MS = 1_000
"""What the genesis demands here; others demand days, and no test has them."""
ALL = ("hospital-a", "hospital-b", "insurer-a", "regulator")
PATIENCE_SECONDS = 100.0
"""How long anything may take on a machine that does much else."""
POLL_SECONDS = 0.05


@functools.cache
def installed_pins() -> tuple[ContractPin, ...]:
    """Return the pins of the installed contracts, loaded once per test process."""
    return load_installed_contracts().pins()


def eventually(what: str, condition: Callable[[], T | None], seconds: float = PATIENCE_SECONDS) -> T:
    """Return the condition's value once it is true; fails with `what` if that takes too long."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(POLL_SECONDS)


class Network:
    """Four node processes and their home folder."""

    def __init__(self, folder: Path) -> None:
        """Found a network; nothing runs yet."""
        self.home = Home(folder)
        self.environment: dict[str, str] = {}
        """What nodes find in their environment beside this process's."""
        found_network(
            self.home, installed_pins(), ENTROPY, dt.datetime.now(dt.UTC), recovery_wait_ms_min=RECOVERY_WAIT_MS
        )
        self.network = self.home.load_network()
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.module = "nodes.process"
        """What nodes run."""
        self.expiry_height = EXPIRY_HEIGHT
        """Of the transactions of tests."""
        self._nonces = itertools.count()

    # ------------------------------------------------------------------------------------------------ processes

    def folder(self, organisation: str) -> Path:
        """Return an organisation's folder."""
        return self.home.node_folder(organisation)

    def launch(self, organisation: str, home: Home | None = None) -> subprocess.Popen[bytes]:
        """Start a node's process without waiting until it serves."""
        place = home or self.home
        command = [sys.executable, "-m", self.module, "--home", str(place.folder), "--organisation", organisation]
        environment = {**os.environ, **self.environment}
        with (place.node_folder(organisation) / "node.log").open("ab") as log:
            process = subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdin=subprocess.DEVNULL, stderr=log)
        self.processes[organisation] = process
        return process

    def start(self, *organisations: str, home: Home | None = None) -> None:
        """Start nodes and wait until they serve."""
        for organisation in organisations or ALL:
            self.launch(organisation, home)
        for organisation in organisations or ALL:
            process = self.processes[organisation]
            eventually(
                f"{organisation} serves; its last words: {self.last_line(organisation, home)}",
                lambda name=organisation, own=process: (  # type: ignore[misc]
                    find_process(home or self.home, name) == NodeProcess(name, own.pid, serving=True)
                    or own.poll() is not None
                ),
            )
            assert process.poll() is None, f"{organisation} ended: {self.last_line(organisation, home)}"

    def fail_to_start(self, organisation: str, home: Home | None = None) -> str:
        """Start a node that must end by itself with exit code 1; return the reason it gives, which is no traceback."""
        log = (home or self.home).node_folder(organisation) / "node.log"
        before = log.stat().st_size if log.exists() else 0
        code = self.launch(organisation, home).wait(PATIENCE_SECONDS)
        text = log.read_bytes()[before:].decode()
        del self.processes[organisation]
        assert code == 1, text
        assert "Traceback" not in text, text
        last = json.loads(text.splitlines()[-1])
        assert last["event"] == "stopped", text
        return str(last["why"])

    def signal(self, organisation: str, number: signal.Signals) -> None:
        """Send a signal to a node's process."""
        self.processes[organisation].send_signal(number)

    def kill(self, *organisations: str) -> None:
        """Kill nodes at once, as a power cut would."""
        for organisation in organisations:
            self.signal(organisation, signal.SIGKILL)
        for organisation in organisations:
            self.processes.pop(organisation).wait(PATIENCE_SECONDS)

    def stop(self, *organisations: str) -> dict[str, int]:
        """Tell nodes to stop; return their exit codes."""
        names = organisations or tuple(self.processes)
        for name in names:
            self.signal(name, signal.SIGTERM)
            self.signal(name, signal.SIGCONT)
        return {name: self.processes.pop(name).wait(PATIENCE_SECONDS) for name in names}

    def repair(self) -> None:
        """Start whatever does not run."""
        gone = [name for name in ALL if name not in self.processes or self.processes[name].poll() is not None]
        for name in gone:
            self.processes.pop(name, None)
        if gone:
            self.start(*gone)

    def close(self) -> None:
        """Kill what is left."""
        for name in tuple(self.processes):
            self.signal(name, signal.SIGCONT)
            self.kill(name)

    # ------------------------------------------------------------------------------------------------------ API

    def client(self, at: str, caller: str = "insurer-a", home: Home | None = None) -> Client:
        """Return a client of a node, calling as a member."""
        place = home or self.home
        keys = load_keystore(self.folder(caller) / "keys")
        signer = RequestSigner(keys.submission, place.load_network().chain_id, caller, keys.submission_version)
        return Client(place.load_network().address(at), place.authority_path(at), signer, ENTROPY)

    def status(self, organisation: str) -> dict[str, Any]:
        """Return what a node says of itself."""
        with self.client(organisation) as client:
            answer: dict[str, Any] = client.get("/v1/status")
        return answer

    def height(self, organisation: str) -> int:
        """Return a node's last committed height."""
        return int(self.status(organisation)["height"])

    def await_height(self, height: int, *organisations: str) -> None:
        """Wait until nodes have committed a height."""
        for name in organisations or ALL:
            eventually(f"{name} at height {height}", lambda own=name: self.height(own) >= height)  # type: ignore[misc]

    def enrolment(self) -> Submission:
        """Return the enrolment of a new customer by the insurer."""
        sponsor, chain_id = "insurer-a", self.network.chain_id
        key = PrivateKey(ENTROPY.draw(32))
        name = pseudonym_name(key.public_key)
        proof = sign_enrolment(key, enrolment_message(chain_id, name, key.public_key, sponsor))
        message = encode(Enrol(name, key.public_key, proof))
        expires_ms = time.time_ns() // 1_000_000 + 600_000
        keys = load_keystore(self.folder(sponsor) / "keys")
        nonce, version = ENTROPY.draw(16), keys.submission_version
        transaction = Transaction(
            chain_id, sponsor, version, "customers", "enrol", message, nonce, self.expiry_height, expires_ms
        )
        return make_submission(keys.submission, (transaction,))

    def enrol(self, at: str = "insurer-a", count: int = 1) -> list[str]:
        """Enrol customers one after the other; return the transactions, all committed."""
        done: list[str] = []
        with self.client(at) as client:
            for _ in range(count):
                answer = client.submit((self.enrolment(),), 30)
                assert answer["receipts"][0]["code"] == "OK", answer
                done += answer["transactions"]
        return done

    # ------------------------------------------------------------------------------------------------- outcomes

    def last_line(self, organisation: str, home: Home | None = None) -> str:
        """Return the last line of a node's log."""
        lines = ((home or self.home).node_folder(organisation) / "node.log").read_text().splitlines()
        return lines[-1] if lines else ""

    def events(self, organisation: str, kind: str) -> list[dict[str, Any]]:
        """Return the lines of one kind in a node's log."""
        lines = (self.folder(organisation) / "node.log").read_text().splitlines()
        return [line for line in map(json.loads, lines) if line["event"] == kind]

    def check_agreement(self, transactions: Iterable[str] = ()) -> None:
        """Check that all nodes tell one story, nobody signed twice, and no acknowledged transaction is missing."""
        height = max(self.height(name) for name in ALL)
        self.await_height(height)
        chains = {name: self._chain(name, height) for name in ALL}
        assert len(set(chains.values())) == 1, chains
        wanted = set(transactions)
        for name in ALL:
            with self.client(name) as client:
                for transaction in wanted:
                    assert client.get(f"/v1/transactions/{transaction}")["code"] == "OK"
            log = (self.folder(name) / "node.log").read_text()
            assert "Traceback" not in log
            for kind in ("evidence", "halt", "signing-refused", "block-refused"):
                assert self.events(name, kind) == []

    def _chain(self, organisation: str, height: int) -> tuple[str, ...]:
        """Return the last blocks' hashes; the last one stands for all before it."""
        with self.client(organisation) as client:
            return tuple(client.get(f"/v1/blocks/{at}")["hash"] for at in range(max(1, height - 2), height + 1))

    @contextmanager
    def load(self, *at: str) -> Iterator["Load"]:
        """Enrol customers at the given nodes, in turn, until the block ends."""
        load = Load(self, at or ALL)
        try:
            yield load
        finally:
            load.end()


class Load:
    """Enrolments that keep coming from a thread; what was acknowledged is kept."""

    def __init__(self, network: Network, at: tuple[str, ...]) -> None:
        """Begin at once."""
        self.acknowledged: list[str] = []
        self._network = network
        self._at = at
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def await_more(self, count: int) -> None:
        """Wait until that many more were acknowledged."""
        wanted = len(self.acknowledged) + count
        eventually(f"{count} more acknowledged", lambda: len(self.acknowledged) >= wanted)

    def end(self) -> None:
        """Stop and wait for the thread."""
        self._ending.set()
        self._thread.join(PATIENCE_SECONDS)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        clients = {name: self._network.client(name) for name in self._at}
        try:
            for name in itertools.cycle(self._at):
                if self._ending.is_set():
                    return
                self._enrol(clients, name)
        finally:
            for client in clients.values():
                client.close()

    def _enrol(self, clients: Mapping[str, Client], name: str) -> None:
        try:
            answer = clients[name].submit((self._network.enrolment(),), 5)
        except ApiError:  # that node is down: the next one is not
            time.sleep(POLL_SECONDS)
            return
        if answer["receipts"][0] is not None and answer["receipts"][0]["code"] == "OK":
            self.acknowledged += answer["transactions"]


EXPIRY_HEIGHT = 900
"""Tests' chains stay below; within the limit of what a transaction may ask for."""


@contextmanager
def found_for_a_while() -> Iterator[Network]:
    """Found a network in a folder of its own, and end it with all its processes; the test starts the nodes.

    The folder's path is short because sockets' names must be.
    """
    with tempfile.TemporaryDirectory(prefix="xp") as folder:
        network = Network(Path(folder) / "n")
        try:
            yield network
        finally:
            network.close()
