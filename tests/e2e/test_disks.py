"""What a disk can do to a node: tear, rot, fill up, lose a file. The node says what is wrong, and the others go on."""

import resource
import shutil
from pathlib import Path

from nodes.network.founding import CONSENSUS_FOLDER
from nodes.process import LOG_FILE
from tests.e2e.network import Network, eventually

OTHERS = ("hospital-a", "hospital-b", "insurer-a")
VICTIM = "regulator"
FIRST_PAYLOAD_OFFSET = 92
"""Of the consensus log: behind the header of the file and that of its first frame."""


def consensus_file(network: Network, name: str) -> Path:
    """Return one of the victim's consensus files."""
    return network.folder(VICTIM) / CONSENSUS_FOLDER / name


def test_a_consensus_log_broken_in_its_middle_stops_the_node_and_a_torn_tail_is_cut(network: Network) -> None:
    log = consensus_file(network, LOG_FILE)
    network.kill("hospital-a", "hospital-b")
    with network.client("insurer-a") as client:
        sent = client.submit((network.enrolment(),))["transactions"]
    eventually("two votes in the log", lambda: len(network.status(VICTIM)["prevoted"]) == 2)
    network.kill(VICTIM)
    whole = log.read_bytes()
    broken = bytearray(whole)
    broken[FIRST_PAYLOAD_OFFSET] ^= 1
    log.write_bytes(broken)
    why = network.fail_to_start(VICTIM)
    assert str(log) in why
    assert "remove the file and let the node catch up" in why
    log.write_bytes(whole[:-7])
    network.start("hospital-a", "hospital-b", VICTIM)
    assert any("cut a torn tail" in line["text"] for line in network.events(VICTIM, "log"))
    with network.client(VICTIM) as client:
        assert client.get(f"/v1/transactions/{sent[0]}", {"wait": 30})["code"] == "OK"
    network.check_agreement(sent)


def test_a_key_without_its_signer_state_never_votes_and_the_status_says_why(network: Network) -> None:
    network.kill(VICTIM)
    signer = consensus_file(network, "signer-state-1")
    aside = signer.with_name("aside")
    signer.rename(aside)
    network.start(VICTIM)
    done = network.enrol(VICTIM, 4)
    status = network.status(VICTIM)
    assert "a key without its signer state" in status["signing"]
    assert VICTIM not in status["prevoted"]
    assert not signer.exists()
    network.stop(VICTIM)
    aside.rename(signer)  # nothing was signed in between
    network.start(VICTIM)
    network.check_agreement(done)


def test_a_corrupt_store_stops_the_node_with_the_way_out(network: Network) -> None:
    network.enrol()
    network.stop(VICTIM)
    store = network.folder(VICTIM) / "store"
    for path in (store / "leveldb").glob("MANIFEST-*"):
        path.write_bytes(bytes(byte ^ 0x55 for byte in path.read_bytes()))
    why = network.fail_to_start(VICTIM)
    assert str(store) in why
    assert "let the node fetch the chain again from its peers" in why
    shutil.move(store, store.with_name("broken"))
    network.start(VICTIM)
    network.enrol(VICTIM)
    network.check_agreement()
    shutil.rmtree(store.with_name("broken"))


def test_a_full_disk_stops_the_node_and_space_brings_it_back(network: Network) -> None:
    process = network.processes[VICTIM]
    longest = max(path.stat().st_size for path in network.folder(VICTIM).rglob("*") if path.is_file())
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (longest + 4096, resource.RLIM_INFINITY))
    with network.load(*OTHERS) as load:
        eventually("the node stops", lambda: process.poll() is not None)
        load.await_more(2)
    assert process.returncode == 1
    why = network.events(VICTIM, "stopped")[-1]["why"]
    assert str(network.folder(VICTIM)) in why
    assert "free space on this disk" in why
    network.repair()
    network.check_agreement(load.acknowledged)
