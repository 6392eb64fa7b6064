"""One network of real processes for all tests that leave it whole: starting four nodes is what costs most here."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.network import Network


@pytest.fixture(scope="session")
def shared_network() -> Iterator[Network]:
    """Return the network that tests share; its folder's path is short because sockets' names must be."""
    with tempfile.TemporaryDirectory(prefix="xp") as folder:
        network = Network(Path(folder) / "n")
        try:
            yield network
        finally:
            network.close()


@pytest.fixture
def network(shared_network: Network) -> Network:
    """Return the shared network with all four nodes serving."""
    shared_network.repair()
    return shared_network
