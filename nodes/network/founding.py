"""Founding a network on one machine: keys and an authority for every member, one genesis, one address each.

What is made here once is never made again: a home folder that holds a network is left as it is. The members are
written down before their keys are drawn, and the genesis last, so a founding that was interrupted has no genesis and
is begun again in an empty folder.

The default consortium has four validators, so that one of them may fail in any way: two hospitals, an insurer and a
regulator. The payment rail is a member that signs its receipts and does not vote; the regulator's process hosts it.
"""

import datetime as dt
import shutil
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from ledger.genesis import ContractPin, Genesis, Organisation
from ledger.limits import PROTOCOL_VERSION
from ledger.membership import Role, Validator, ValidatorSet
from nodes.config import ConfigurationError, Home, NetworkConfig, NodeAddress, write_file
from nodes.entropy import Entropy
from nodes.keystore import Keystore, create_keystore
from nodes.pki import certificate_hash, create_authority, issue_node_certificate, render_pem
from nodes.storage.signer import SignerFile

LOCAL_HOST = "127.0.0.1"
PORTS = range(21_000, 32_000)
CONSENSUS_FOLDER = "consensus"
SIGNER_FILE = "signer-state"


@dataclass(frozen=True, slots=True)
class Member:
    """One founding member."""

    name: str
    role: Role
    host: str | None = None
    """The organisation whose process hosts it; None for a member that runs a node and votes."""


CONSORTIUM = (
    Member("hospital-a", "hospital"),
    Member("hospital-b", "hospital"),
    Member("insurer-a", "insurer"),
    Member("rail", "rail", host="regulator"),
    Member("regulator", "regulator"),
)


def found_network(
    home: Home,
    contracts: Sequence[ContractPin],
    entropy: Entropy,
    now: dt.datetime,
    members: Sequence[Member] = CONSORTIUM,
) -> Genesis:
    """Make everything a network needs before its first block.

    Args:
        home: A folder without a network.
        contracts: The pins of the contracts that all members run.
        entropy: Where the keys come from.
        now: The genesis time, with time zone.
        members: Who founds it.

    Raises:
        ConfigurationError: If there is a network already, or the folder holds something else.
    """
    if home.genesis_path.exists():
        msg = f"{home.folder}: holds a network already; stop it with `xinpei down` and choose another --home"
        raise ConfigurationError(msg)
    _clear_unfinished(home)
    home.folder.mkdir(parents=True, exist_ok=True)
    home.folder.chmod(0o700)
    ordered = sorted(members, key=lambda member: member.name)
    organisations: list[Organisation] = []
    validators: list[Validator] = []
    for member in ordered:
        keys, authority = _equip(home, member.name, entropy, now)
        organisations.append(
            Organisation(
                member.name, member.role, keys.submission.public_key, keys.seal.public_key, certificate_hash(authority)
            )
        )
        if member.host is None:
            validators.append(Validator(member.name, keys.consensus.public_key, 1))
    genesis = Genesis(
        protocol_version=PROTOCOL_VERSION,
        chain_id=f"xinpei-{entropy.draw(4).hex()}",
        time_ms=int(now.timestamp() * 1000),
        validators=ValidatorSet(tuple(validators)),
        organisations=tuple(organisations),
        contracts=tuple(sorted(contracts, key=lambda pin: pin.name)),
    )
    names = [validator.name for validator in validators]
    ports = _free_ports(2 * len(names), entropy)
    nodes = tuple(
        NodeAddress(organisation=name, host=LOCAL_HOST, peer_port=ports[2 * place], api_port=ports[2 * place + 1])
        for place, name in enumerate(names)
    )
    hosted = {member.name: member.host for member in ordered if member.host is not None}
    home.save_network(
        NetworkConfig(chain_id=genesis.chain_id, genesis_hash=genesis.hash.hex(), nodes=nodes, hosted=hosted)
    )
    home.save_genesis(genesis)
    return genesis


def _equip(home: Home, organisation: str, entropy: Entropy, now: dt.datetime) -> tuple[Keystore, bytes]:
    folder = home.node_folder(organisation)
    folder.mkdir(parents=True, mode=0o700)
    keys = create_keystore(folder / "keys", entropy)
    authority = create_authority(folder / "keys" / "tls", organisation, entropy, now)
    issue_node_certificate(folder / "keys" / "tls", entropy, now)
    write_file(home.authority_path(organisation), render_pem(authority))
    (folder / CONSENSUS_FOLDER).mkdir(mode=0o700)
    SignerFile.create(folder / CONSENSUS_FOLDER / SIGNER_FILE).close()
    return keys, authority


def _clear_unfinished(home: Home) -> None:
    """Remove what an interrupted founding left; refuse a folder that something else lies in."""
    if not home.folder.exists():
        return
    ours = {"authorities", "nodes", "network.json", "wallets"}
    foreign = sorted(path.name for path in home.folder.iterdir() if path.name not in ours)
    if foreign:
        msg = f"{home.folder}: expected an empty folder, found {foreign[0]}; choose another --home"
        raise ConfigurationError(msg)
    for name in ("authorities", "nodes"):
        shutil.rmtree(home.folder / name, ignore_errors=True)
    home.network_path.unlink(missing_ok=True)


def _free_ports(count: int, entropy: Entropy) -> list[int]:
    """Return ports that nobody listens on now; a node whose port was taken meanwhile says so when it starts.

    They lie below the range from which systems take the ports of outgoing connections, so that a stopped node finds
    its port free again.
    """
    span = PORTS.stop - PORTS.start
    first = int.from_bytes(entropy.draw(4), "big") % span
    free: list[int] = []
    for offset in range(span):
        port = PORTS.start + (first + offset) % span
        with socket.socket() as probe:
            try:
                probe.bind((LOCAL_HOST, port))
            except OSError:
                continue
        free.append(port)
        if len(free) == count:
            return free
    msg = f"ports: expected {count} free ones from {PORTS.start} to {PORTS.stop - 1}, found {len(free)}"
    raise ConfigurationError(msg)
