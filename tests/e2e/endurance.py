"""Load and kills for the endurance test: clerks who admit and discharge, and somebody who pulls plugs.

A clerk does what a clerk does when a screen freezes: asks again until the desk answers. What was asked before may have
been done; the desk then says so, and names the stay. Before each kill new patients come to the desks, so the load goes
by kills and not by how fast the machine is. Mostly the next kill waits until all nodes serve again, so that there is
something to interrupt; every few times it does not, and hits nodes that are starting or behind.
"""

import itertools
import json
import queue
import random
import re
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nodes.cli.demo import read_example
from nodes.cli.session import identity_fields
from nodes.client import ApiError
from nodes.entropy import SystemEntropy
from nodes.identity import synthetic_identity
from nodes.network.supervisor import find_process
from nodes.roles.customer.customer import Customer
from nodes.schemas.civil_time import today
from nodes.schemas.terms import default_terms
from nodes.wallet import Wallet
from tests.e2e.network import ALL, PATIENCE_SECONDS, POLL_SECONDS, Network, eventually

HOSPITALS = ("hospital-a", "hospital-b")
INSURER = "insurer-a"
STAYS_OF_A_PATIENT = 20
"""One a day, all within the days that her grant means."""
CLERKS = 3
COMING = 2
"""Stays that begin before each kill."""
TREATMENT_SECONDS_MAX = 1.0
"""Between admission and discharge, at random."""
GAP_SECONDS_MAX = 2.0
"""Between their coming and the kill, at random: it may hit the admission, the payment and everything in between."""
HASTE = 0.2
"""How often a kill does not wait for the nodes killed before it."""
AWAY_SECONDS_MAX = 0.4


@dataclass(frozen=True)
class Finished:
    """A stay that its desk has ended."""

    hospital: str
    patient: str
    day: int
    number: str
    claim_id: str


def prepare(network: Network, count: int) -> list[tuple[str, str]]:
    """Enrol and insure customers who consent, in turn at both hospitals; return (hospital, patient) of each."""
    return [prepare_one(network, HOSPITALS[number % 2], f"patient-{number}") for number in range(count)]


def prepare_one(network: Network, hospital: str, name: str) -> tuple[str, str]:
    wallet = Wallet.create(synthetic_identity(name, SystemEntropy()), SystemEntropy())
    customer = Customer(network.home, network.home.load_genesis(), wallet, SystemEntropy())
    fields = identity_fields(wallet.identity)
    with network.client(hospital, hospital) as client:
        client.post("/v1/patients", {"number": name, "identity": fields})
    with network.client(INSURER, INSURER) as client:
        form = {"insured": name, "identity": fields, "product": "inpatient-100", "payee_account": "synthetic"}
        client.post("/v1/policies", form)
    customer.sign(customer.draw_up(default_terms(hospital, INSURER, today()), "zh"))
    return hospital, name


class Clerks:
    """People at the hospitals' desks, one stay after the other, as patients come, until they are told to go home."""

    def __init__(self, network: Network, patients: list[tuple[str, str]]) -> None:
        """Wait for patients to come."""
        self.finished: list[Finished] = []
        self._network = network
        self._work = iter([(*patient, day) for day in range(3, 3 + STAYS_OF_A_PATIENT) for patient in patients])
        self._desk: queue.SimpleQueue[tuple[str, str, int] | None] = queue.SimpleQueue()
        self._failures: list[BaseException] = []
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(CLERKS)]
        for thread in self._threads:
            thread.start()

    def receive(self, count: int) -> None:
        """Have so many patients come."""
        for _ in range(count):
            self._desk.put(next(self._work))

    def end(self) -> None:
        """Have everybody finish with all who came, and wait for them."""
        for _ in self._threads:
            self._desk.put(None)
        for thread in self._threads:
            thread.join(2 * PATIENCE_SECONDS)
            assert not thread.is_alive()
        assert not self._failures, self._failures

    def _run(self, number: int) -> None:
        chance = random.Random(number)
        try:
            while (task := self._desk.get()) is not None:
                self._treat(*task, chance)
        except BaseException as error:
            self._failures.append(error)
            raise

    def _treat(self, hospital: str, patient: str, day: int, chance: random.Random) -> None:
        form = json.loads(read_example("polyp/admission.json")) | {"patient": patient, "admitted": f"today-{day}"}
        stay = self._insist(hospital, lambda client: client.post("/v1/stays", form), r"already, as (S-\d+)")
        time.sleep(chance.uniform(0, TREATMENT_SECONDS_MAX))
        form = json.loads(read_example("polyp/discharge.json"))
        form["invoice"]["number"] = f"{patient}-{day}"
        path = f"/v1/stays/{stay['number']}/discharge"
        (lane,) = self._insist(hospital, lambda client: client.post(path, form), r"(S-\d+): was discharged")["lanes"]
        self.finished.append(Finished(hospital, patient, day, stay["number"], lane["claim"]))

    def _insist(self, hospital: str, ask: Callable[[Any], Any], done: str) -> Any:
        """Ask until the desk answers; a refusal that says it was done already names the stay, which is then shown."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                with self._network.client(hospital, hospital) as client:
                    try:
                        return ask(client)
                    except ApiError as error:
                        if (found := re.search(done, error.message)) is not None:
                            return client.get(f"/v1/stays/{found[1]}")
                        raise
            except ApiError as error:
                if error.code != "UNREACHABLE" or time.monotonic() > deadline:
                    raise
            time.sleep(POLL_SECONDS)


def await_all(network: Network) -> None:
    """Wait until all nodes serve."""
    eventually("all nodes serve", lambda: all(find_process(network.home, name).serving for name in ALL))


def kill_at_random(
    network: Network, clerks: Clerks, kills: int, seed: int, tell: Callable[[str], None]
) -> tuple[int, int]:
    """Kill so many processes, mostly one at a time, sometimes two, sometimes all; start each again soon afterwards.

    Returns:
        How many were killed, and how many patients came meanwhile; all nodes serve again.
    """
    chance = random.Random(seed)
    killed = 0
    for round_ in itertools.count(1):
        if killed >= kills:
            await_all(network)
            return killed, COMING * (round_ - 1)
        if chance.random() >= HASTE:
            await_all(network)
        clerks.receive(COMING)
        time.sleep(chance.uniform(0, GAP_SECONDS_MAX))
        victims = chance.sample(ALL, chance.choices((1, 2, 4), (16, 3, 1))[0])
        for name in victims:
            network.signal(name, signal.SIGKILL)
        for name in victims:
            assert network.processes.pop(name).wait(PATIENCE_SECONDS) == -signal.SIGKILL, network.last_line(name)
        killed += len(victims)
        tell(f"round {round_}: {', '.join(victims)}; {killed} kills")
        time.sleep(chance.uniform(0, AWAY_SECONDS_MAX))
        for name in victims:
            network.launch(name)
    raise AssertionError
