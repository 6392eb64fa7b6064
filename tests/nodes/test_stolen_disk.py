"""What whoever carries a disk away can read: of an organisation with its keys, without them, and of a customer."""

import shutil
from pathlib import Path

import pytest

from nodes.config import Home
from nodes.entropy import SystemEntropy
from nodes.identity import RecordDates, synthetic_identity
from nodes.keystore import create_keystore, load_keystore
from nodes.roles.customer.openings import keep_opening, read_openings
from nodes.vault.records import Vault
from nodes.vault.register import Register, RegisterError
from nodes.vault.sealing import SealContext, seal
from nodes.wallet import Wallet, WalletError

CHAIN, RECORD = "xinpei-test", "record-000000000001"
ENTROPY = SystemEntropy()
CONTEXT = SealContext(CHAIN, RECORD, "insurer-a", "hospital-a")
TOLD, SUMMARY, NAME = b"sealed to this organisation", b"discharge summary: appendectomy", b"Wang Xiaoming, 110101..."


@pytest.fixture
def stolen(tmp_path: Path) -> Path:
    """A copy of an organisation's folder: its keys, its register and its vault."""
    mine = tmp_path / "hospital-a"
    keys = create_keystore(mine / "keys", ENTROPY)
    Register(mine / "register", keys.register_secret, ENTROPY).put("patient", "wang", NAME)
    Vault(mine / "vault", CHAIN, ENTROPY).add(RECORD, SUMMARY)
    shutil.copytree(mine, tmp_path / "stolen")
    return tmp_path / "stolen"


def test_a_stolen_disk_with_its_keys_is_the_organisation(stolen: Path) -> None:
    keys = load_keystore(stolen / "keys")
    assert Register(stolen / "register", keys.register_secret, ENTROPY).get("patient", "wang") == NAME
    assert Vault(stolen / "vault", CHAIN, ENTROPY).open(RECORD) == SUMMARY
    assert keys.seal.open(seal(keys.seal.public_key, CONTEXT, TOLD), CONTEXT) == TOLD


def test_without_the_keys_folder_the_register_stays_closed_and_the_vault_does_not(stolen: Path) -> None:
    shutil.rmtree(stolen / "keys")
    with pytest.raises(RegisterError):
        Register(stolen / "register", bytes(32), ENTROPY).list_entries("patient")
    assert Vault(stolen / "vault", CHAIN, ENTROPY).open(RECORD) == SUMMARY


def test_payloads_without_their_key_files_stay_closed(stolen: Path) -> None:
    shutil.rmtree(stolen / "vault" / "keys")
    left = b"".join(path.read_bytes() for path in stolen.rglob("*") if path.is_file())
    assert SUMMARY not in left
    assert SUMMARY[:9] not in left
    assert RECORD not in Vault(stolen / "vault", CHAIN, ENTROPY)


def test_a_stolen_wallet_opens_with_its_passphrase_or_if_it_has_none(tmp_path: Path) -> None:
    wallet = Wallet.create(synthetic_identity("wang", ENTROPY), ENTROPY)
    wallet.save(tmp_path / "protected", "correct horse", ENTROPY)
    wallet.save(tmp_path / "open", None, ENTROPY)
    number = wallet.identity.document_number.encode()
    assert number not in (tmp_path / "protected").read_bytes()
    with pytest.raises(WalletError):
        Wallet.load(tmp_path / "protected", "wrong horse")
    assert Wallet.load(tmp_path / "open", None).identity == wallet.identity


def test_the_notices_beside_a_wallet_tell_the_ids_of_her_grants_whatever_its_passphrase(tmp_path: Path) -> None:
    home = Home(tmp_path)
    wallet = Wallet.create(synthetic_identity("wang", ENTROPY), ENTROPY)
    wallet.save(home.wallet_path("wang"), "correct horse", ENTROPY)
    keep_opening(home, "wang", "grant-0123456789abcdef", RecordDates(20_000, 20_365, ENTROPY.draw(32)))
    shutil.copytree(home.folder, tmp_path / "stolen")
    (told,) = read_openings(Home(tmp_path / "stolen"), ["wang"])
    assert (told["grant"], told["first_day"]) == ("grant-0123456789abcdef", 20_000)
