"""A home folder for commands that must not need a running node."""

import datetime as dt

import pytest

from nodes.config import Home
from nodes.contract_sources import load_installed_contracts
from nodes.entropy import SystemEntropy
from nodes.network.founding import found_network


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A network that was founded and never started: whoever asks a node gets no answer."""
    place = Home(tmp_path_factory.mktemp("home") / "n")
    found_network(place, load_installed_contracts().pins(), SystemEntropy(), dt.datetime.now(dt.UTC))
    return place
