"""What an organisation prepares for the members' vote: keys in its own folder, and a proposal file for the others.

Everything secret is made here and stays here; what goes to the others is one public file with the action, which a
member proposes (`nodes.roles.office.council`). Nothing prepared has any effect before the vote: a new key signs nothing
until the chain names it, and the older one goes on until then.
"""

import datetime as dt
from pathlib import Path
from typing import Literal

from msgspec import ValidationError, convert

from contracts.keys import rotation_message
from contracts.proposals import (
    AddOrganisation,
    AddValidator,
    Propose,
    RekeyOrganisation,
    RekeyValidator,
    ReplaceCredentials,
    organisation_message,
    validator_message,
)
from ledger.codec import ChainId, Name, Struct
from ledger.crypto.signatures import sign_enrolment
from ledger.errors import DecodeError
from ledger.membership import Role
from nodes import keystore
from nodes.config import ConfigurationError, Home, NodeAddress, write_file
from nodes.entropy import Entropy
from nodes.keystore import Keystore, add_consensus_key, load_keystore, next_version
from nodes.network.founding import CONSENSUS_FOLDER, LOCAL_HOST, equip_member, free_ports
from nodes.pki import certificate_hash, create_authority, issue_node_certificate, render_pem
from nodes.schemas import canonical_json
from nodes.storage.signer import SignerFile, signer_path


class ProposalFile(Struct):
    """An action that is to be proposed: public, and the same for whoever proposes it."""

    format: Literal["xinpei-proposal/1"]
    chain_id: ChainId
    proposal: Propose
    """Its `against` is zeros: what it is made against is looked up when it is proposed."""


def write_proposal(path: Path, chain_id: str, action: Struct) -> None:
    """Write a proposal file."""
    proposal = Propose(action, bytes(32))  # type: ignore[arg-type]
    write_file(path, canonical_json.render(ProposalFile("xinpei-proposal/1", chain_id, proposal)))


def read_proposal(path: Path, chain_id: str) -> Propose:
    """Return the action in a proposal file.

    Raises:
        ConfigurationError: If it is none, or another chain's.
    """
    try:
        file = canonical_json.parse(path.read_bytes(), ProposalFile)
    except DecodeError as error:
        msg = f"{path}: expected a proposal file: {error}"
        raise ConfigurationError(msg) from None
    if file.chain_id != chain_id:
        msg = f"{path}: chain_id: expected {chain_id}, got {file.chain_id}"
        raise ConfigurationError(msg)
    return file.proposal


def check_name(name: str) -> None:
    """Refuse what no organisation can be called: its name is the name of a folder here, and the chain takes no other.

    Raises:
        ConfigurationError: If it is none.
    """
    try:
        convert(name, Name)
    except ValidationError:
        msg = (
            "name: expected lower-case letters, digits, hyphens, dots and underscores, a letter or digit first, "
            f"got {name[:64]!r}"
        )
        raise ConfigurationError(msg) from None


def prepare_organisation(home: Home, name: str, role: Role, entropy: Entropy, now: dt.datetime) -> AddOrganisation:
    """Make a new member's folder: keys, authority, node certificate, and an address on this machine.

    Raises:
        ConfigurationError: If there is a member of that name already, or nobody can have it.
    """
    check_name(name)
    network = home.load_network()
    if name in home.roles() or home.node_folder(name).exists():
        msg = f"name: expected one that is new in this home folder, got {name}; {home.node_folder(name)}"
        raise ConfigurationError(msg)
    keys, authority = equip_member(home, name, entropy, now)
    peer_port, api_port = free_ports(2, entropy)
    address = NodeAddress(organisation=name, host=LOCAL_HOST, peer_port=peer_port, api_port=api_port)
    nodes, joined = (*network.nodes, address), {**network.joined, name: role}
    home.save_network(network.model_copy(update={"nodes": nodes, "joined": joined}))
    certificate, seal_key, public_key = certificate_hash(authority), keys.seal.public_key, keys.submission.public_key
    signed = organisation_message(network.chain_id, name, role, public_key, seal_key, certificate)
    return AddOrganisation(name, role, public_key, seal_key, certificate, sign_enrolment(keys.submission, signed))


def prepare_validator(home: Home, name: str) -> AddValidator:
    """Have an organisation's newest consensus key ask for a vote."""
    keys = _keys(home, name)
    return AddValidator(name, keys.consensus.public_key, _prove_consensus_key(home, name, keys))


def prepare_consensus_key(home: Home, name: str, entropy: Entropy) -> RekeyValidator:
    """Make the next consensus key of a validator, after the file of its state."""
    folder = _own_folder(home, name)
    version = next_version(folder / "keys", "consensus")
    SignerFile.create(signer_path(folder / CONSENSUS_FOLDER, version)).close()
    add_consensus_key(folder / "keys", entropy)
    keys = _keys(home, name)
    return RekeyValidator(name, keys.consensus.public_key, _prove_consensus_key(home, name, keys))


def prepare_submission_key(home: Home, name: str, entropy: Entropy) -> RekeyOrganisation:
    """Make the next submission key of an organisation."""
    version, key = keystore.prepare_submission_key(_own_folder(home, name) / "keys", entropy)
    signed = rotation_message(home.load_network().chain_id, name, key.public_key, version)
    return RekeyOrganisation(name, key.public_key, sign_enrolment(key, signed))


def prepare_certificate(home: Home, name: str, entropy: Entropy, now: dt.datetime) -> ReplaceCredentials:
    """Make the next authority and node certificate of an organisation, beside the ones in use."""
    folder = _own_folder(home, name) / "keys"
    keys = _keys(home, name)
    fresh = folder / f"tls-{1 + len(list(folder.glob('tls*')))}"
    authority = create_authority(fresh, name, entropy, now)
    issue_node_certificate(fresh, entropy, now)
    path = home.authority_path(name)
    write_file(path, path.read_bytes() + render_pem(authority))
    return ReplaceCredentials(name, keys.seal.public_key, certificate_hash(authority))


def _keys(home: Home, name: str) -> Keystore:
    return load_keystore(_own_folder(home, name) / "keys")


def _own_folder(home: Home, name: str) -> Path:
    check_name(name)
    folder = home.node_folder(name)
    if not (folder / "keys").is_dir():
        msg = f"name: expected an organisation whose keys are in this home folder, got {name}: no {folder / 'keys'}"
        raise ConfigurationError(msg)
    return folder


def _prove_consensus_key(home: Home, name: str, keys: Keystore) -> bytes:
    signed = validator_message(home.load_network().chain_id, name, keys.consensus.public_key)
    return sign_enrolment(keys.consensus, signed)
