"""A wallet's backup: it restores the wallet whole, opens with its passphrase on its own chain only, or says why not."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nodes import passphrase as passphrase_module
from nodes.entropy import SystemEntropy
from nodes.identity import synthetic_identity
from nodes.passphrase import PassphraseError
from nodes.wallet import Wallet, WalletError
from nodes.wallet_backup import open_backup, read_backup, write_backup

CHAIN, OTHER = "xinpei-0123456789abcdef", "xinpei-fedcba9876543210"
PAIR = (CHAIN, "hospital-a", "insurer-a")
PASSPHRASE = "桂花 and rain"
ENTROPY = SystemEntropy()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stretch with the least memory that a box may name; what is tested is not how long guessing takes."""
    monkeypatch.setattr(passphrase_module, "_MEMORY_KIB", 8 * 1024)
    monkeypatch.setattr(passphrase_module, "_ITERATIONS", 1)


@pytest.fixture
def wallet() -> Wallet:
    """A wallet whose first pseudonym has another key than the one that it is named after."""
    made = Wallet.create(synthetic_identity("林小雨", ENTROPY), ENTROPY)
    name = made.pseudonym(*PAIR).name
    made.renew(ENTROPY)
    made.hold(*PAIR, name, 2)
    return made


def restore(path: Path, passphrase: str = PASSPHRASE, chain_id: str = CHAIN) -> Wallet:
    return open_backup(path, read_backup(path, chain_id), chain_id, passphrase)


def test_a_backup_restores_seeds_names_and_a_renewal_that_is_under_way(wallet: Wallet, tmp_path: Path) -> None:
    path = tmp_path / "lin.backup"
    write_backup(path, wallet, CHAIN, PASSPHRASE, ENTROPY)
    again = restore(path)
    before, after = wallet.pseudonym(*PAIR), again.pseudonym(*PAIR)
    assert (after.name, after.key_version, after.key.public_key) == (before.name, 2, before.key.public_key)
    assert again.encode_secrets() == wallet.encode_secrets()
    assert (again.is_renewing, again.identity, again.protected) == (True, wallet.identity, False)


def test_the_file_is_private_and_tells_the_chain_and_nothing_else(wallet: Wallet, tmp_path: Path) -> None:
    path = tmp_path / "lin.backup"
    write_backup(path, wallet, CHAIN, PASSPHRASE, ENTROPY)
    data = path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600
    assert CHAIN.encode() in data
    secrets = [*wallet._seeds, wallet.pseudonym(*PAIR).name.encode(), wallet.identity.document_number.encode()]
    assert not [secret for secret in (*secrets, wallet.identity.name.encode(), b"hospital-a") if secret in data]


def test_two_backups_of_one_wallet_share_nothing_but_their_heads(wallet: Wallet, tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_backup(tmp_path / name, wallet, CHAIN, PASSPHRASE, ENTROPY)
    assert (tmp_path / "a").read_bytes()[-64:] != (tmp_path / "b").read_bytes()[-64:]


def test_what_is_there_is_not_replaced(wallet: Wallet, tmp_path: Path) -> None:
    path = tmp_path / "lin.backup"
    path.write_bytes(b"an older backup")
    with pytest.raises(WalletError, match="exists already and is not replaced"):
        write_backup(path, wallet, CHAIN, PASSPHRASE, ENTROPY)
    assert path.read_bytes() == b"an older backup"
    with pytest.raises(WalletError, match="expected a folder"):
        write_backup(tmp_path / "none" / "lin.backup", wallet, CHAIN, PASSPHRASE, ENTROPY)
    assert [item.name for item in tmp_path.iterdir()] == ["lin.backup"]


def test_a_backup_without_passphrase_is_none(wallet: Wallet, tmp_path: Path) -> None:
    with pytest.raises(PassphraseError, match="at least one character"):
        write_backup(tmp_path / "lin.backup", wallet, CHAIN, "", ENTROPY)
    assert list(tmp_path.iterdir()) == []


def test_a_passphrase_that_is_no_text_is_refused_and_not_repeated(wallet: Wallet, tmp_path: Path) -> None:
    """The environment holds bytes: Python hands over those that are no UTF-8 as surrogates."""
    path = tmp_path / "lin.backup"
    with pytest.raises(PassphraseError, match=r"^passphrase: expected UTF-8 text$"):
        write_backup(path, wallet, CHAIN, "geheim\udcff", ENTROPY)
    assert not path.exists()
    write_backup(path, wallet, CHAIN, PASSPHRASE, ENTROPY)
    with pytest.raises(WalletError, match="does not open"):
        restore(path, "geheim\udcff")


def test_another_passphrase_opens_nothing_and_is_not_repeated(wallet: Wallet, tmp_path: Path) -> None:
    path = tmp_path / "lin.backup"
    write_backup(path, wallet, CHAIN, PASSPHRASE, ENTROPY)
    for wrong in ("", PASSPHRASE + " ", "xinpei"):
        with pytest.raises(WalletError, match="wrong passphrase, or the file was changed") as caught:
            restore(path, wrong)
        assert not wrong or wrong not in str(caught.value)


def test_another_networks_backup_is_told_before_it_is_opened(wallet: Wallet, tmp_path: Path) -> None:
    path = tmp_path / "lin.backup"
    write_backup(path, wallet, OTHER, PASSPHRASE, ENTROPY)
    with pytest.raises(WalletError, match=f"chain_id: expected {CHAIN}, got {OTHER}; it is a wallet of another"):
        read_backup(path, CHAIN)


def test_the_chain_that_a_backup_names_cannot_be_exchanged(wallet: Wallet, tmp_path: Path) -> None:
    path = tmp_path / "lin.backup"
    write_backup(path, wallet, OTHER, PASSPHRASE, ENTROPY)
    path.write_bytes(path.read_bytes().replace(OTHER.encode(), CHAIN.encode()))
    with pytest.raises(WalletError, match="wrong passphrase, or the file was changed"):
        restore(path)


def test_a_wallet_file_is_no_backup_and_a_backup_no_wallet_file(wallet: Wallet, tmp_path: Path) -> None:
    wallet.save(tmp_path / "lin.wallet", PASSPHRASE, ENTROPY)
    with pytest.raises(WalletError, match="begins with xinpei-wallet-backup/1"):
        read_backup(tmp_path / "lin.wallet", CHAIN)
    write_backup(tmp_path / "lin.backup", wallet, CHAIN, PASSPHRASE, ENTROPY)
    with pytest.raises(WalletError, match="begins with xinpei-wallet/1"):
        Wallet.load(tmp_path / "lin.backup", PASSPHRASE)


def test_a_file_that_is_missing_or_too_large_or_asks_for_too_much_is_refused(wallet: Wallet, tmp_path: Path) -> None:
    path = tmp_path / "lin.backup"
    with pytest.raises(WalletError, match="No such file"):
        read_backup(path, CHAIN)
    write_backup(path, wallet, CHAIN, PASSPHRASE, ENTROPY)
    header, body = path.read_bytes().split(b"\n", 1)
    for place, hostile in ((1, 16 * 1024 * 1024), (2, 1_000), (3, 10_000)):
        fields = msgspec.msgpack.decode(body)
        fields[1][place] = hostile
        path.write_bytes(header + b"\n" + msgspec.msgpack.encode(fields))
        with pytest.raises(WalletError, match="was changed or cut off"):
            read_backup(path, CHAIN)
    path.write_bytes(header + b"\n" + bytes(1_000_000))
    with pytest.raises(WalletError, match="expected at most"):
        read_backup(path, CHAIN)


@given(st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_changed_bit_and_no_cut_opens(wallet: Wallet, tmp_path: Path, data: st.DataObject) -> None:
    path, changed = tmp_path / "lin.backup", tmp_path / "changed"
    if not path.exists():
        write_backup(path, wallet, CHAIN, PASSPHRASE, ENTROPY)
    whole = path.read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    if data.draw(st.booleans()):
        changed.write_bytes(whole[:place])
    else:
        bit = 1 << data.draw(st.integers(0, 7))
        changed.write_bytes(whole[:place] + bytes([whole[place] ^ bit]) + whole[place + 1 :])
    with pytest.raises(WalletError, match=f"backup {changed}: "):
        restore(changed)
