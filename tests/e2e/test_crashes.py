"""Nodes that are killed, suspended and stopped at any moment: the chain goes on and nothing acknowledged is lost."""

import random
import shutil
import signal
import time

import pytest

from nodes.network.founding import CONSENSUS_FOLDER
from nodes.process import LOG_FILE
from tests.e2e.network import ALL, PATIENCE_SECONDS, Network, eventually


@pytest.mark.parametrize("victim", ALL)
def test_n4f1_a_node_killed_under_load_replays_its_log_and_catches_up(network: Network, victim: str) -> None:
    others = tuple(name for name in ALL if name != victim)
    with network.load(*others) as load:
        load.await_more(1)
        time.sleep(random.Random(victim).uniform(0, 0.2))  # anywhere in a height
        network.kill(victim)
        load.await_more(2)
        network.start(victim)
        load.await_more(2)
    network.check_agreement(load.acknowledged)
    assert network.status(victim)["signing"] == "yes"


def test_n4f4_all_nodes_killed_at_once_lose_nothing_that_was_acknowledged(network: Network) -> None:
    with network.load() as load:
        load.await_more(5)
        network.kill(*ALL)
    before = len(load.acknowledged)
    network.start()
    network.check_agreement(load.acknowledged)
    assert before >= 5
    network.enrol("regulator")


def test_a_node_that_lost_its_chain_fetches_all_of_it_and_votes_again(network: Network) -> None:
    missed = network.enrol("hospital-a", max(1, 36 - network.height("hospital-a")))  # more than two requests bring
    network.kill("regulator")
    shutil.rmtree(network.folder("regulator") / "store")
    (network.folder("regulator") / CONSENSUS_FOLDER / LOG_FILE).unlink()
    network.start("regulator")
    network.await_height(network.height("hospital-a"), "regulator")
    assert network.status("regulator")["signing"] == "yes"
    network.kill("hospital-b")
    missed += network.enrol("regulator")  # nothing is committed without its vote now
    network.start("hospital-b")
    network.check_agreement(missed)


def test_a_node_suspended_longer_than_all_timeouts_goes_on(network: Network) -> None:
    others = ALL[:3]
    network.signal("regulator", signal.SIGSTOP)
    begun = time.monotonic()
    with network.load(*others) as load:
        eventually("longer than a round's timeouts", lambda: time.monotonic() - begun > 4)
        load.await_more(2)
        network.signal("regulator", signal.SIGCONT)
        load.await_more(3)
    network.check_agreement(load.acknowledged)


def test_a_chain_without_a_quorum_waits_and_goes_on_with_it(network: Network) -> None:
    network.kill("hospital-a", "hospital-b")
    with network.client("insurer-a") as client:
        sent = client.submit((network.enrolment(),), 2)
        assert sent["receipts"] == [None]
        assert client.get("/v1/status")["power_lacking"] >= 1
    network.start("hospital-a")
    with network.client("insurer-a") as client:
        assert client.get(f"/v1/transactions/{sent['transactions'][0]}", {"wait": 30})["code"] == "OK"
    network.start("hospital-b")
    network.check_agreement(sent["transactions"])


def test_a_node_told_to_stop_under_load_ends_cleanly_and_soon(network: Network) -> None:
    with network.load() as load:
        load.await_more(3)
        begun = time.monotonic()
        codes = network.stop(*ALL)
        seconds = time.monotonic() - begun
    assert codes == dict.fromkeys(ALL, 0)
    assert seconds < PATIENCE_SECONDS / 10
    network.start()
    network.check_agreement(load.acknowledged)


def test_a_client_that_idles_on_its_connection_does_not_hold_a_node_up(network: Network) -> None:
    with network.client("hospital-b") as client:
        client.get("/v1/status")
        begun = time.monotonic()
        assert network.stop("hospital-b") == {"hospital-b": 0}
        assert time.monotonic() - begun < PATIENCE_SECONDS / 10


def test_nothing_of_all_this_was_signed_twice(network: Network) -> None:
    network.enrol()
    network.check_agreement()
