"""What is prepared for a vote: keys in one's own folder, one public file, and nothing that acts before the vote."""

import datetime as dt
from pathlib import Path

import pytest

from contracts.keys import rotation_message
from contracts.proposals import AddOrganisation, AddValidator, Propose, RemoveValidator, validator_message
from ledger.crypto.signatures import verify
from nodes.config import ConfigurationError, Home
from nodes.entropy import SeededEntropy
from nodes.keystore import load_keystore
from nodes.network.founding import CONSENSUS_FOLDER, found_network
from nodes.pki import certificate_hash, read_authorities
from nodes.roles.office.preparing import (
    prepare_certificate,
    prepare_consensus_key,
    prepare_organisation,
    prepare_submission_key,
    prepare_validator,
    read_proposal,
    write_proposal,
)
from nodes.storage.signer import open_signers

AT = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
ENTROPY = SeededEntropy(b"preparing")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "n")
    found_network(home, (), ENTROPY, AT)
    return home


def test_a_new_member_has_its_folder_and_its_key_has_signed_all_that_is_proposed(home: Home) -> None:
    action = prepare_organisation(home, "hospital-c", "hospital", ENTROPY, AT)
    keys = load_keystore(home.node_folder("hospital-c") / "keys")
    assert (action.public_key, action.seal_key) == (keys.submission.public_key, keys.seal.public_key)
    assert [certificate_hash(der) for der in read_authorities(home.authority_path("hospital-c"))] == [
        action.certificate_hash
    ]
    assert home.roles()["hospital-c"] == "hospital"
    address = home.load_network().address("hospital-c")
    assert address.peer_port != address.api_port
    with pytest.raises(ConfigurationError, match="name: expected one that is new"):
        prepare_organisation(home, "hospital-c", "hospital", ENTROPY, AT)
    with pytest.raises(ConfigurationError, match="name: expected one that is new"):
        prepare_organisation(home, "rail", "rail", ENTROPY, AT)


@pytest.mark.parametrize("name", ["../../evil", "Hospital_C", "", ".hidden", "a/b", "x" * 100])
def test_a_name_that_nobody_can_have_makes_no_folder(home: Home, name: str) -> None:
    before = (home.load_network(), sorted(home.folder.parent.rglob("*")))
    with pytest.raises(ConfigurationError, match=r"name: expected lower-case letters"):
        prepare_organisation(home, name, "hospital", ENTROPY, AT)
    assert (home.load_network(), sorted(home.folder.parent.rglob("*"))) == before


def test_keys_are_prepared_for_who_is_here_alone(home: Home) -> None:
    for prepare in (prepare_consensus_key, prepare_submission_key):
        for name, words in (("nobody", "expected an organisation whose keys are in"), ("../nodes", "lower-case")):
            with pytest.raises(ConfigurationError, match=words):
                prepare(home, name, ENTROPY)
    assert not home.node_folder("nobody").exists()


def test_a_consensus_key_is_made_with_the_file_of_its_state_and_proves_itself(home: Home) -> None:
    chain_id = home.load_network().chain_id
    first = prepare_validator(home, "regulator")
    second = prepare_consensus_key(home, "regulator", ENTROPY)
    assert isinstance(first, AddValidator)
    assert first.public_key != second.public_key
    for action in (first, second):
        signed = validator_message(chain_id, "regulator", action.public_key)
        verify("enrolment", action.public_key, signed, action.proof)
    folder = home.node_folder("regulator")
    signers = open_signers(folder / CONSENSUS_FOLDER, load_keystore(folder / "keys").consensus_keys)
    assert set(signers) == {first.public_key, second.public_key}
    for signer in signers.values():
        assert signer.state.height == 0
        signer.close()


def test_a_submission_key_signs_nothing_before_the_vote(home: Home) -> None:
    before = load_keystore(home.node_folder("rail") / "keys")
    action = prepare_submission_key(home, "rail", ENTROPY)
    signed = rotation_message(home.load_network().chain_id, "rail", action.public_key, 2)
    verify("enrolment", action.public_key, signed, action.proof)
    after = load_keystore(home.node_folder("rail") / "keys")
    assert after.submissions.keys() == before.submissions.keys()


def test_a_new_authority_stands_behind_the_old_one_until_the_members_agree(home: Home) -> None:
    (old,) = read_authorities(home.authority_path("insurer-a"))
    action = prepare_certificate(home, "insurer-a", ENTROPY, AT)
    assert [certificate_hash(der) for der in read_authorities(home.authority_path("insurer-a"))] == [
        certificate_hash(old),
        action.certificate_hash,
    ]
    assert action.seal_key == load_keystore(home.node_folder("insurer-a") / "keys").seal.public_key


def test_a_proposal_file_is_public_and_belongs_to_one_chain(home: Home, tmp_path: Path) -> None:
    action = prepare_organisation(home, "hospital-c", "hospital", ENTROPY, AT)
    path = tmp_path / "proposal.json"
    write_proposal(path, "chain-1", action)
    assert read_proposal(path, "chain-1") == Propose(action, bytes(32))
    assert isinstance(read_proposal(path, "chain-1").action, AddOrganisation)
    text = path.read_text()
    for secret in home.node_folder("hospital-c").rglob("*.key"):
        assert secret.read_text().split()[2] not in text
    with pytest.raises(ConfigurationError, match="chain_id: expected chain-2, got chain-1"):
        read_proposal(path, "chain-2")
    path.write_text(text.replace("proposal/1", "proposal/2", 1))
    with pytest.raises(ConfigurationError, match="expected a proposal file"):
        read_proposal(path, "chain-1")


def test_every_action_survives_its_file(tmp_path: Path) -> None:
    path = tmp_path / "removal.json"
    write_proposal(path, "chain-1", RemoveValidator("rail"))
    assert read_proposal(path, "chain-1").action == RemoveValidator("rail")
