"""One network of real processes for all tests that leave it whole: starting four nodes is what costs most here."""

from collections.abc import Iterator

import pytest

from tests.e2e.network import Network, found_for_a_while


@pytest.fixture(scope="session")
def shared_network() -> Iterator[Network]:
    """Return the network that tests share; its folder's path is short because sockets' names must be."""
    with found_for_a_while() as network:
        yield network


@pytest.fixture
def network(shared_network: Network) -> Network:
    """Return the shared network with all four nodes serving."""
    shared_network.repair()
    return shared_network
