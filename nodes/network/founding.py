"""Founding a network on one machine: keys and an authority for every member, one genesis, one address each.

What is made here once is never made again: a home folder that holds a network is left as it is. The genesis is written
last, and a file `founding` lies in the folder until then, so a founding that was interrupted can be told from a network
whose genesis was lost: the first is begun again, the second is never touched.

The default consortium has four validators, so that one of them may fail in any way: two hospitals, an insurer and a
regulator. The payment rail is a member that signs its receipts and does not vote; the regulator's process hosts it.
"""

import contextlib
import datetime as dt
import fcntl
import shutil
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ledger.genesis import ContractPin, Genesis, Organisation
from ledger.limits import PROTOCOL_VERSION, RECOVERY_WAIT_MS_MIN
from ledger.membership import Role, Validator, ValidatorSet
from nodes.config import ConfigurationError, Home, NetworkConfig, NodeAddress, write_file
from nodes.entropy import Entropy
from nodes.keystore import Keystore, create_keystore
from nodes.pki import certificate_hash, create_authority, issue_node_certificate, render_pem
from nodes.storage.signer import SignerFile, signer_path

LOCAL_HOST = "127.0.0.1"
PORTS = range(21_000, 32_000)
CONSENSUS_FOLDER = "consensus"
LABEL = "xinpei"
"""What chain ids of networks made here begin with."""
FOUNDING_FILE = "founding"
"""Held and locked while a network is founded; what it leaves behind is an interrupted founding."""


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
    recovery_wait_ms_min: int = RECOVERY_WAIT_MS_MIN,
) -> Genesis:
    """Make everything a network needs before its first block.

    Args:
        home: A folder without a network.
        contracts: The pins of the contracts that all members run.
        entropy: Where the keys come from.
        now: The genesis time, with time zone.
        members: Who founds it.
        recovery_wait_ms_min: How long a customer has at least to veto another key for her pseudonym.

    Raises:
        ConfigurationError: If there is a network already, or the folder holds something else.
    """
    with _founding(home):
        return _found(home, contracts, entropy, now, members, recovery_wait_ms_min)


def _found(
    home: Home,
    contracts: Sequence[ContractPin],
    entropy: Entropy,
    now: dt.datetime,
    members: Sequence[Member],
    recovery_wait_ms_min: int,
) -> Genesis:
    ordered = sorted(members, key=lambda member: member.name)
    organisations: list[Organisation] = []
    validators: list[Validator] = []
    for member in ordered:
        keys, authority = equip_member(home, member.name, entropy, now)
        organisations.append(
            Organisation(
                member.name, member.role, keys.submission.public_key, keys.seal.public_key, certificate_hash(authority)
            )
        )
        if member.host is None:
            validators.append(Validator(member.name, keys.consensus.public_key, 1))
    genesis = Genesis.found(
        protocol_version=PROTOCOL_VERSION,
        label=LABEL,
        time_ms=int(now.timestamp() * 1000),
        validators=ValidatorSet(tuple(validators)),
        organisations=tuple(organisations),
        contracts=tuple(sorted(contracts, key=lambda pin: pin.name)),
        recovery_wait_ms_min=recovery_wait_ms_min,
    )
    names = [validator.name for validator in validators]
    ports = free_ports(2 * len(names), entropy)
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


def equip_member(home: Home, organisation: str, entropy: Entropy, now: dt.datetime) -> tuple[Keystore, bytes]:
    """Make a member's folder with keys, authority and node certificate; return the keys and the authority's DER."""
    folder = home.node_folder(organisation)
    folder.mkdir(parents=True, mode=0o700)
    keys = create_keystore(folder / "keys", entropy)
    authority = create_authority(folder / "keys" / "tls", organisation, entropy, now)
    issue_node_certificate(folder / "keys" / "tls", entropy, now)
    write_file(home.authority_path(organisation), render_pem(authority))
    (folder / CONSENSUS_FOLDER).mkdir(mode=0o700)
    SignerFile.create(signer_path(folder / CONSENSUS_FOLDER, 1)).close()
    return keys, authority


@contextlib.contextmanager
def _founding(home: Home) -> Iterator[None]:
    """Have the folder for this founding alone, empty but for what an interrupted one left and this one removes."""
    folder, path = home.folder, home.folder / FOUNDING_FILE
    if home.genesis_path.exists():
        msg = f"{folder}: holds a network already; stop it with `xinpei down` and choose another --home"
        raise ConfigurationError(msg)
    found = sorted(item.name for item in folder.iterdir()) if folder.exists() else []
    if found and FOUNDING_FILE not in found:
        if "nodes" in found:
            msg = (
                f"{home.genesis_path}: missing beside the nodes of a network; it is the same for every member, so "
                "restore it from one of them, or choose another --home"
            )
            raise ConfigurationError(msg)
        msg = f"{folder}: expected an empty folder, found {found[0]}; choose another --home"
        raise ConfigurationError(msg)
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            msg = f"{folder}: another process is founding a network there; wait for it"
            raise ConfigurationError(msg) from None
        if home.genesis_path.exists():
            msg = f"{folder}: another process has founded a network there; run the command again"
            raise ConfigurationError(msg)
        for name in ("authorities", "nodes"):
            shutil.rmtree(folder / name, ignore_errors=True)
        home.network_path.unlink(missing_ok=True)
        yield
        path.unlink()


def free_ports(count: int, entropy: Entropy) -> list[int]:
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
