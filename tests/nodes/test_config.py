"""Home folders: what is missing, malformed or of another network is named, with what to do about it."""

import json
from pathlib import Path
from typing import Any

import pytest

from ledger.genesis import Genesis
from nodes.config import ConfigurationError, Home, NetworkConfig, load_genesis, write_file
from tests.nodes.network.solo import found


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return found(tmp_path_factory.mktemp("home") / "n")


@pytest.fixture
def home(founded: Home, tmp_path: Path) -> Home:
    """Return the two public files, to be damaged."""
    home = Home(tmp_path)
    write_file(home.genesis_path, founded.genesis_path.read_bytes())
    write_file(home.network_path, founded.network_path.read_bytes())
    return home


def test_a_home_is_read_as_it_was_written(home: Home, founded: Home) -> None:
    assert home.load_genesis() == founded.load_genesis()
    assert home.load_network() == founded.load_network()
    assert home.exists()


def test_an_empty_home_says_how_to_begin(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no network here; start one with `xinpei up`"):
        Home(tmp_path).load_network()
    with pytest.raises(ConfigurationError, match="no network here"):
        Home(tmp_path).load_genesis()


def test_a_genesis_without_addresses_says_what_is_missing(home: Home) -> None:
    home.network_path.unlink()
    with pytest.raises(ConfigurationError, match=r"network\.json: missing beside genesis\.json"):
        home.load_network()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"nodes": "none"}, "nodes"),
        ({"genesis_hash": "12"}, "genesis_hash"),
        ({"surprise": 1}, "surprise"),
        ({"chain_id": "xinpei-other"}, "belongs to the network xinpei-other"),
        ({"genesis_hash": "00" * 32}, "belongs to the network"),
        ({"nodes": [{"organisation": "a", "host": "h", "peer_port": 0, "api_port": 1}]}, "nodes.0.peer_port"),
    ],
)
def test_a_wrong_address_file_names_the_field(home: Home, change: dict[str, Any], words: str) -> None:
    fields = json.loads(home.network_path.read_bytes())
    home.network_path.write_text(json.dumps(fields | change))
    with pytest.raises(ConfigurationError) as refused:
        home.load_network()
    assert str(home.network_path) in str(refused.value)
    assert words in str(refused.value)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff", b"null"])
def test_a_file_that_is_no_json_of_its_kind_is_named(home: Home, data: bytes) -> None:
    home.network_path.write_bytes(data)
    with pytest.raises(ConfigurationError, match=r"network\.json"):
        home.load_network()
    home.genesis_path.write_bytes(data)
    with pytest.raises(ConfigurationError, match=r"genesis\.json"):
        home.load_genesis()


def test_a_file_that_cannot_be_read_is_named(home: Home) -> None:
    for path in (home.network_path, home.genesis_path):
        path.unlink()
        path.mkdir()
    with pytest.raises(ConfigurationError, match=r"network\.json: Is a directory"):
        home.load_network()
    with pytest.raises(ConfigurationError, match=r"genesis\.json: Is a directory"):
        load_genesis(home.genesis_path)


def test_a_genesis_in_another_spelling_is_refused(home: Home) -> None:
    home.genesis_path.write_bytes(home.genesis_path.read_bytes() + b"\n")
    with pytest.raises(ConfigurationError, match="not the canonical JSON"):
        home.load_genesis()


def found_later(genesis: Genesis) -> Genesis:
    """Return the genesis of the same founders a millisecond later."""
    return Genesis.found(
        genesis.protocol_version,
        "xinpei",
        genesis.time_ms + 1,
        genesis.validators,
        genesis.organisations,
        genesis.contracts,
    )


def test_a_genesis_is_never_replaced(home: Home) -> None:
    genesis = home.load_genesis()
    with pytest.raises(ConfigurationError, match="exists already"):
        home.save_genesis(found_later(genesis))
    assert home.load_genesis() == genesis


def test_an_unknown_organisation_is_told_the_known_ones(home: Home) -> None:
    network: NetworkConfig = home.load_network()
    with pytest.raises(ConfigurationError, match="expected one of insurer-a, got rail"):
        network.address("rail")


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "deep" / "file"
    write_file(path, b"one", 0o600)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"one", 0o600)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("nodes.config.os.fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        write_file(path, b"two")
    assert [item.read_bytes() for item in path.parent.iterdir()] == [b"one"]
