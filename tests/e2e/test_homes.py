"""What can be wrong with a home folder or a machine before a node even runs: each is one clear sentence."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.genesis import Genesis
from nodes.config import Home
from tests.e2e.network import REPOSITORY, Network, eventually, found_for_a_while
from tests.nodes.certificates import create_member

VICTIM = "regulator"


def copy_home(network: Network, folder: Path) -> Home:
    """Return a home folder with the public files and what the victim's process reads, as on a machine of its own."""
    home = Home(folder)
    for name in (VICTIM, *(member for member, host in network.network.hosted.items() if host == VICTIM)):
        shutil.copytree(network.folder(name), home.node_folder(name))
    shutil.copytree(network.home.authorities_folder, home.authorities_folder)
    for path in (network.home.genesis_path, network.home.network_path):
        shutil.copy(path, folder / path.name)
    return home


def change_genesis(home: Home) -> None:
    """Give a home the genesis of a network that was founded a millisecond later."""
    genesis, network = home.load_genesis(), home.load_network()
    other = Genesis.found(
        genesis.protocol_version,
        "xinpei",
        genesis.time_ms + 1,
        genesis.validators,
        genesis.organisations,
        genesis.contracts,
    )
    home.genesis_path.unlink()
    home.save_genesis(other)
    home.save_network(network.model_copy(update={"chain_id": other.chain_id, "genesis_hash": other.hash.hex()}))


@pytest.fixture(scope="module")
def founded() -> Iterator[Network]:
    """Return a network of which only single nodes are ever started."""
    with found_for_a_while() as network:
        yield network


@pytest.fixture
def lone_home(founded: Network, tmp_path: Path) -> Home:
    """Return a copy of the victim's home in that network."""
    return copy_home(founded, tmp_path / "h")


def test_the_store_of_another_network_is_refused(founded: Network, lone_home: Home) -> None:
    founded.start(VICTIM, home=lone_home)
    founded.stop(VICTIM)
    change_genesis(lone_home)
    why = founded.fail_to_start(VICTIM, lone_home)
    assert "home folder of another network" in why
    assert founded.network.chain_id in why


def test_a_node_of_another_genesis_is_refused_by_its_peers_and_both_sides_say_why(
    network: Network, tmp_path: Path
) -> None:
    network.stop(VICTIM)
    other_home = copy_home(network, tmp_path / "h")
    change_genesis(other_home)
    shutil.rmtree(other_home.node_folder(VICTIM) / "store")
    network.start(VICTIM, home=other_home)

    def reasons(name: str, home: Home) -> list[str]:
        with network.client(name, caller=VICTIM, home=home) as client:
            status = client.get("/v1/status")
        return [*(peer["reason"] for peer in status["peers"]), *status["refused"]]

    def told(name: str, home: Home) -> bool:
        return any("chain" in reason for reason in reasons(name, home))

    eventually("the odd node knows why it is alone", lambda: told(VICTIM, other_home))
    eventually("the others know why they refuse it", lambda: told("hospital-a", network.home))
    assert network.enrol()
    network.stop(VICTIM)


def test_a_stranger_s_certificate_is_refused(founded: Network, lone_home: Home) -> None:
    keys = lone_home.node_folder(VICTIM) / "keys"
    shutil.rmtree(keys / "tls")
    create_member(keys / "tls", VICTIM)
    assert VICTIM in founded.fail_to_start(VICTIM, lone_home)


@pytest.mark.parametrize("name", ["consensus-1.key", "submission-1.key", "tls/node.key", "tls/node.pem"])
def test_a_missing_key_is_named(founded: Network, lone_home: Home, name: str) -> None:
    path = lone_home.node_folder(VICTIM) / "keys" / name
    path.unlink()
    assert str(path) in founded.fail_to_start(VICTIM, lone_home)


def test_the_nodes_own_missing_authority_is_named(founded: Network, lone_home: Home) -> None:
    lone_home.authority_path(VICTIM).unlink()
    assert str(lone_home.authority_path(VICTIM)) in founded.fail_to_start(VICTIM, lone_home)


@pytest.mark.parametrize("port", ["peer_port", "api_port"])
def test_a_port_in_use_is_named(founded: Network, lone_home: Home, port: str) -> None:
    address = founded.network.address(VICTIM)
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((address.host, getattr(address, port)))
        taken.listen()
        why = founded.fail_to_start(VICTIM, lone_home)
    assert f"{address.host}:{getattr(address, port)}" in why
    assert port in why


def test_a_node_that_runs_is_not_started_twice(network: Network) -> None:
    pid = network.processes[VICTIM].pid
    running = network.processes.pop(VICTIM)
    why = network.fail_to_start(VICTIM)
    network.processes[VICTIM] = running
    assert f"running already as process {pid}" in why
    assert network.status(VICTIM)["organisation"] == VICTIM


def test_an_organisation_without_a_node_is_refused(founded: Network) -> None:
    command = [sys.executable, "-m", "nodes.process", "--home", str(founded.home.folder), "--organisation", "rail"]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "organisation: expected one of hospital-a, hospital-b, insurer-a, regulator, got rail" in ended.stderr


def test_a_node_without_plyvel_is_one_of_the_network(network: Network, tmp_path: Path) -> None:
    (tmp_path / "plyvel.py").write_text('"""Absent."""\nraise ImportError("no wheel for this Python")\n')
    store = network.folder(VICTIM) / "store"
    done = network.enrol()
    network.stop(VICTIM)
    shutil.rmtree(store)
    network.environment = {"PYTHONPATH": os.pathsep.join((str(tmp_path), os.environ.get("PYTHONPATH", "")))}
    network.start(VICTIM)
    done += network.enrol(VICTIM, 2)
    network.kill(VICTIM)
    network.start(VICTIM)
    network.environment = {}
    assert network.status(VICTIM)["store"] == "sqlite"
    network.check_agreement([*done, *network.enrol(VICTIM)])
    network.stop(VICTIM)
    if network.status("hospital-a")["store"] != "sqlite":
        assert "holds a store of the engine sqlite" in network.fail_to_start(VICTIM)
    shutil.rmtree(store)
