"""A node more than a thousand blocks behind, by blocks and by a snapshot, and a slow one: the others go on."""

import shutil
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from nodes.client import ApiError
from nodes.network.founding import CONSENSUS_FOLDER
from nodes.process import LOG_FILE
from tests.e2e.long_chain import make_history
from tests.e2e.network import ALL, Network, eventually, found_for_a_while
from tests.e2e.test_commands import xinpei

BLOCKS = 1_010
EARLY, LATE = ALL[:3], ALL[3]


@pytest.fixture(scope="module")
def network() -> Iterator[Network]:
    """Return a network of which three nodes have a long chain; nothing runs yet."""
    with found_for_a_while() as made:
        make_history(made, BLOCKS, *EARLY)
        made.expiry_height = BLOCKS + 400
        yield made


def test_a_node_a_thousand_blocks_behind_catches_up_by_blocks_under_load(network: Network) -> None:
    network.start(*EARLY)
    with network.load(*EARLY) as load:
        load.await_more(1)
        network.start(LATE)
        network.await_height(BLOCKS, LATE)
        load.await_more(3)
    network.check_agreement(load.acknowledged)
    status = network.status(LATE)
    assert (status["first_height"], status["signing"], status["syncing"]) == (1, "yes", "")
    assert network.events(LATE, "state-sync") == []


@contextmanager
def slowed(network: Network, organisation: str) -> Iterator[None]:
    """Let a node run a fifth of the time."""
    ending = threading.Event()

    def halt_and_go() -> None:
        while not ending.is_set():
            network.signal(organisation, signal.SIGSTOP)
            ending.wait(0.4)
            network.signal(organisation, signal.SIGCONT)
            ending.wait(0.1)

    thread = threading.Thread(target=halt_and_go)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()


def test_a_slow_peer_does_not_slow_the_others(network: Network) -> None:
    begun = network.height(EARLY[0])
    with slowed(network, LATE), network.load(*EARLY) as load:
        load.await_more(20)
    network.check_agreement(load.acknowledged)
    for name in EARLY:
        rounds = {line["height"]: line["round"] for line in network.events(name, "committed") if line["height"] > begun}
        assert len(rounds) >= 10
        others = [at for at in rounds if ALL[at % len(ALL)] != LATE]
        assert [at for at in others if rounds[at] > 0] == [], "only its own turn to propose may cost a round"


def test_a_node_killed_while_it_takes_a_snapshot_ends_with_the_whole_state(network: Network) -> None:
    assert set(network.stop(*ALL).values()) == {0}
    network.module = "tests.e2e.small_snapshots"
    shutil.rmtree(network.folder(LATE) / "store")
    (network.folder(LATE) / CONSENSUS_FOLDER / LOG_FILE).unlink()
    network.start(*EARLY)
    with network.load(*EARLY) as load:
        for name in EARLY:
            eventually(f"{name} has a snapshot", lambda own=name: network.events(own, "snapshot-made"))  # type: ignore[misc]
        for _ in range(2):
            before = count_sync_lines(network)
            network.start(LATE)
            eventually("a sync is under way", lambda least=before: count_sync_lines(network) > least)  # type: ignore[misc]
            network.kill(LATE)
        network.start(LATE)
        eventually("the state is adopted", lambda: network.events(LATE, "state-adopted"))
        eventually("it serves again", lambda: is_serving(network))
        load.await_more(2)
    height = max(network.height(name) for name in ALL)
    network.await_height(height)
    status = network.status(LATE)
    assert status["first_height"] > BLOCKS
    assert status["signing"] == "yes"
    with network.client(LATE) as client, pytest.raises(ApiError, match="begin at height"):
        client.get("/v1/blocks/1")
    network.check_agreement()
    network.stop(LATE)
    told = xinpei(network.home, "chain", "verify", "--as", LATE).stdout
    assert "HOLDS" in told
    assert f"from the snapshot of height {status['first_height'] - 1} on" in told


def count_sync_lines(network: Network) -> int:
    """Return how often the late node has said how far it is; being faster than the kill ends the counting too."""
    return len(network.events(LATE, "state-sync-progress")) + len(network.events(LATE, "state-adopted"))


def is_serving(network: Network) -> bool:
    """Whether the late node answers with the blocks of its new store."""
    try:
        return bool(network.status(LATE)["first_height"] > 1)
    except (ApiError, OSError):
        time.sleep(0)
        return False
