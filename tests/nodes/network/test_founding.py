"""Founding: everything a network needs, made once; nothing that exists is ever overwritten."""

import datetime as dt
import fcntl
from pathlib import Path

import pytest

from ledger.genesis import Genesis
from nodes.config import ConfigurationError, Home
from nodes.entropy import SystemEntropy
from nodes.keystore import load_keystore
from nodes.network import founding
from nodes.network.founding import CONSENSUS_FOLDER, FOUNDING_FILE, found_network
from nodes.pki import Authorities, load_tls, read_authority
from nodes.storage.signer import SignerFile, signer_path

NOW = dt.datetime.now(dt.UTC)
ENTROPY = SystemEntropy()


def found(folder: Path) -> Genesis:
    """Found the default consortium, without contracts."""
    return found_network(Home(folder), (), ENTROPY, NOW)


def test_every_member_gets_keys_an_authority_and_a_signer_state_and_every_validator_an_address(tmp_path: Path) -> None:
    genesis, home = found(tmp_path / "n"), Home(tmp_path / "n")
    network = home.load_network()
    assert home.load_genesis() == genesis
    assert [node.organisation for node in network.nodes] == ["hospital-a", "hospital-b", "insurer-a", "regulator"]
    assert network.hosted == {"rail": "regulator"}
    ports = [port for node in network.nodes for port in (node.peer_port, node.api_port)]
    assert len(set(ports)) == 8
    hashes = {item.name: item.certificate_hash for item in genesis.organisations}
    authorities = Authorities({name: read_authority(home.authority_path(name)) for name in hashes}, hashes)
    for item in genesis.organisations:
        folder = home.node_folder(item.name)
        assert folder.stat().st_mode & 0o777 == 0o700
        assert load_keystore(folder / "keys").submission.public_key == item.public_key
        assert load_tls(folder / "keys" / "tls", authorities).organisation == item.name
        signer = SignerFile.open(signer_path(folder / CONSENSUS_FOLDER, 1))
        assert signer is not None
        signer.close()
    assert not (home.folder / FOUNDING_FILE).exists()


def test_a_network_is_never_founded_over(tmp_path: Path) -> None:
    genesis = found(tmp_path / "n")
    with pytest.raises(ConfigurationError, match="holds a network already"):
        found(tmp_path / "n")
    assert Home(tmp_path / "n").load_genesis() == genesis


def test_nodes_whose_genesis_was_lost_are_not_touched(tmp_path: Path) -> None:
    found(tmp_path / "n")
    home = Home(tmp_path / "n")
    home.genesis_path.unlink()
    key = home.node_folder("regulator") / "keys" / "consensus-1.key"
    before = key.read_bytes()
    with pytest.raises(ConfigurationError, match=r"genesis\.json: missing beside the nodes of a network.*restore it"):
        found(tmp_path / "n")
    assert key.read_bytes() == before


def test_a_folder_with_something_else_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(ConfigurationError, match=r"expected an empty folder, found letter\.txt"):
        found(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_an_interrupted_founding_is_begun_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        msg = "the power went"
        raise KeyboardInterrupt(msg)

    monkeypatch.setattr(Home, "save_genesis", fail)
    with pytest.raises(KeyboardInterrupt):
        found(tmp_path / "n")
    monkeypatch.undo()
    assert (tmp_path / "n" / FOUNDING_FILE).exists()
    assert found(tmp_path / "n") == Home(tmp_path / "n").load_genesis()


def test_two_do_not_found_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "n"
    folder.mkdir()
    with (folder / FOUNDING_FILE).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(ConfigurationError, match="another process is founding a network there"):
            found(folder)
    assert [path.name for path in folder.iterdir()] == [FOUNDING_FILE]


def test_a_machine_without_free_ports_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(founding, "PORTS", range(21_000, 21_003))
    with pytest.raises(ConfigurationError, match=r"ports: expected 8 free ones from 21000 to 21002, found [0-3]"):
        found(tmp_path / "n")
