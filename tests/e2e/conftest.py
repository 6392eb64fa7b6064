"""Networks of real processes: one shared by the tests of a module, and fresh ones for those that break theirs."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.network import Network


@pytest.fixture(scope="module")
def shared_network() -> Iterator[Network]:
    """Return the network of this module's tests; its folder's path is short because sockets' names must be."""
    with tempfile.TemporaryDirectory(prefix="xp") as folder:
        network = Network(Path(folder) / "n")
        try:
            yield network
        finally:
            network.close()


@pytest.fixture
def network(shared_network: Network) -> Network:
    """Return the module's network with all four nodes serving."""
    shared_network.repair()
    return shared_network


@pytest.fixture
def own_network() -> Iterator[Network]:
    """Return a network that is founded and not started, for one test alone."""
    with tempfile.TemporaryDirectory(prefix="xp") as folder:
        network = Network(Path(folder) / "n")
        try:
            yield network
        finally:
            network.close()
