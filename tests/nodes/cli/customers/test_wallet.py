"""`xinpei wallet`: what is shown holds no secret, and a passphrase comes from anywhere but the command line."""

import io
import json
from pathlib import Path

import pytest

from nodes import passphrase as passphrase_module
from nodes.config import Home
from nodes.entropy import SystemEntropy
from nodes.identity import synthetic_identity
from nodes.wallet import Wallet, is_protected
from nodes.wallet_backup import write_backup
from tests.nodes.cli.commands import check_refused, run

OLD, NEW = "桂花 and rain", "another one"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stretch with the least memory that a box may name; what is tested is not how long guessing takes."""
    monkeypatch.setattr(passphrase_module, "_MEMORY_KIB", 8 * 1024)
    monkeypatch.setattr(passphrase_module, "_ITERATIONS", 1)


@pytest.fixture
def wallet(home: Home) -> Path:
    path = home.wallet_path("wang")
    Wallet.create(synthetic_identity("林小雨", SystemEntropy()), SystemEntropy()).save(path, OLD, SystemEntropy())
    return path


def secret_file(folder: Path, text: str) -> Path:
    path = folder / "secret"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return path


def test_show_names_the_pseudonyms_and_nothing_that_is_secret(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, home: Home, wallet: Path
) -> None:
    monkeypatch.setenv("XINPEI_PASSPHRASE", OLD)
    ran = run(capsys, "wallet", "show", "wang", "--json", "--home", str(home.folder))
    shown = json.loads(ran.out)
    assert (ran.code, shown["protected"], len(shown["pseudonyms"])) == (0, True, 6)
    pairs = [(row["hospital"], row["insurer"]) for row in shown["pseudonyms"]]
    assert ("hospital-a", "hospital-b") in pairs, "whom another hospital treats is found by a recovery too"
    assert ("hospital-a", "regulator") in pairs
    opened = Wallet.load(wallet, OLD)
    assert (
        shown["pseudonyms"][0]["pseudonym"]
        == opened.pseudonym(home.load_genesis().chain_id, "hospital-a", "insurer-a").name
    )
    for secret in (opened._seeds[0].hex(), opened.identity.document_number, opened.identity.name, OLD):
        assert secret not in ran.out + ran.err


def test_a_passphrase_changes_and_the_old_one_opens_nothing_more(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, home: Home, wallet: Path, tmp_path: Path
) -> None:
    seed = Wallet.load(wallet, OLD)._seeds
    monkeypatch.setenv("XINPEI_PASSPHRASE_FILE", str(secret_file(tmp_path, f"{OLD}\nnot this line")))
    (tmp_path / "new").mkdir()
    new = secret_file(tmp_path / "new", NEW)
    former = wallet.open("rb")
    ran = run(capsys, "wallet", "passphrase", "wang", "--new-passphrase-file", str(new), "--home", str(home.folder))
    assert ran.code == 0
    assert NEW not in ran.out
    assert set(former.read()) == {0}, "on this disk the old file is overwritten"
    former.close()
    assert Wallet.load(wallet, NEW)._seeds == seed
    check_refused(run(capsys, "wallet", "show", "wang", "--home", str(home.folder)), "wrong passphrase")


def test_a_new_passphrase_comes_from_the_standard_input_only_where_that_is_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, home: Home, wallet: Path
) -> None:
    change = ("wallet", "passphrase", "wang", "--new-passphrase-file", "-", "--home", str(home.folder))
    monkeypatch.setenv("XINPEI_PASSPHRASE", OLD)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\n")))
    check_refused(run(capsys, *change), "expected it in the first line of the standard input, found an empty line")
    Wallet.load(wallet, OLD)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(f"{NEW}\nnot this line\n".encode())))
    assert run(capsys, *change).code == 0
    Wallet.load(wallet, NEW)


def test_a_wrong_passphrase_changes_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, home: Home, wallet: Path, tmp_path: Path
) -> None:
    before = wallet.read_bytes()
    monkeypatch.setenv("XINPEI_PASSPHRASE", "wrong")
    new = str(secret_file(tmp_path, NEW))
    ran = run(capsys, "wallet", "passphrase", "wang", "--new-passphrase-file", new, "--home", str(home.folder))
    check_refused(ran, "wrong passphrase, or the file was changed")
    assert wallet.read_bytes() == before


def test_a_passphrase_given_twice_or_open_to_others_or_empty_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, home: Home, wallet: Path, tmp_path: Path
) -> None:
    show = ("wallet", "show", "wang", "--home", str(home.folder))
    file = secret_file(tmp_path, OLD)
    monkeypatch.setenv("XINPEI_PASSPHRASE_FILE", str(file))
    assert run(capsys, *show).code == 0
    file.chmod(0o644)
    check_refused(run(capsys, *show), "expected mode 0600, got 0644")
    secret_file(tmp_path, "\n")
    check_refused(run(capsys, *show), "expected it in the first line")
    monkeypatch.setenv("XINPEI_PASSPHRASE", OLD)
    check_refused(run(capsys, *show), "both are set")


def test_a_development_wallet_gets_its_first_passphrase_at_the_prompt(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, home: Home
) -> None:
    path = home.wallet_path("li")
    Wallet.create(synthetic_identity("li", SystemEntropy()), SystemEntropy()).save(path, None, SystemEntropy())
    asked: list[tuple[str, bool, bool]] = []

    def answer(text: str, *, hide_input: bool, confirmation_prompt: bool, err: bool) -> str:
        asked.append((text, hide_input, confirmation_prompt))
        return NEW

    monkeypatch.setattr("nodes.cli.asking.has_terminal", lambda: True)
    monkeypatch.setattr("nodes.cli.asking.click.prompt", answer)
    assert run(capsys, "wallet", "passphrase", "li", "--home", str(home.folder)).code == 0
    assert asked == [("new passphrase of li", True, True)]
    assert is_protected(path)


def test_a_wallet_goes_out_to_a_backup_and_comes_back_under_another_name(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, home: Home, wallet: Path, tmp_path: Path
) -> None:
    secrets = Wallet.load(wallet, OLD).encode_secrets()
    backup, folder = tmp_path / "wang.backup", str(home.folder)
    monkeypatch.setenv("XINPEI_PASSPHRASE", OLD)
    new = str(secret_file(tmp_path, NEW))
    export = ("wallet", "export", "wang", "--out", str(backup), "--new-passphrase-file", new, "--home", folder)
    ran = run(capsys, *export, "--json")
    assert (ran.code, json.loads(ran.out)["backup"]) == (0, str(backup))
    assert NEW not in ran.out + ran.err
    check_refused(run(capsys, *export), "exists already and is not replaced")

    bring = ("wallet", "import", "wang-again", str(backup), "--home", folder)
    check_refused(run(capsys, *bring), "wrong passphrase, or the file was changed")
    assert not home.wallet_path("wang-again").exists()
    monkeypatch.setenv("XINPEI_PASSPHRASE", NEW)
    assert run(capsys, *bring).code == 0
    assert Wallet.load(home.wallet_path("wang-again"), NEW).encode_secrets() == secrets
    check_refused(run(capsys, *bring), "this customer exists; choose another name")
    before = wallet.read_bytes()
    check_refused(run(capsys, "wallet", "import", "wang", str(backup), "--home", folder), "this customer exists")
    assert wallet.read_bytes() == before


def test_a_backup_that_does_not_do_writes_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, home: Home, wallet: Path, tmp_path: Path
) -> None:
    monkeypatch.setenv("XINPEI_PASSPHRASE", NEW)
    whole, path = tmp_path / "wang.backup", tmp_path / "changed"
    chain_id = home.load_genesis().chain_id
    found = Wallet.load(wallet, OLD)
    write_backup(whole, found, chain_id, NEW, SystemEntropy())
    write_backup(tmp_path / "other", found, "xinpei-of-others", NEW, SystemEntropy())
    good = whole.read_bytes()
    before = sorted(home.wallets_folder.iterdir())
    for content, said in (
        (good[:-1], "was changed or cut off"),
        (good[:-9] + bytes([good[-9] ^ 1]) + good[-8:], "wrong passphrase, or the file was changed"),
        ((tmp_path / "other").read_bytes(), f"expected {chain_id}, got xinpei-of-others"),
        (wallet.read_bytes(), "begins with xinpei-wallet-backup/1"),
    ):
        path.write_bytes(content)
        check_refused(run(capsys, "wallet", "import", "restored", str(path), "--home", str(home.folder)), said)
    for name in ("insurer-a", "../x"):
        ran = run(capsys, "wallet", "import", name, str(whole), "--home", str(home.folder))
        check_refused(ran, "name: ")
    assert sorted(home.wallets_folder.iterdir()) == before


def test_a_backup_asks_for_its_passphrases_at_the_prompt_and_has_one_even_of_an_open_wallet(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, home: Home, tmp_path: Path
) -> None:
    path, backup = home.wallet_path("open"), tmp_path / "open.backup"
    Wallet.create(synthetic_identity("open", SystemEntropy()), SystemEntropy()).save(path, None, SystemEntropy())
    asked: list[tuple[str, bool]] = []

    def answer(text: str, *, hide_input: bool, err: bool, confirmation_prompt: bool = False) -> str:
        assert (hide_input, err) == (True, True)
        asked.append((text, confirmation_prompt))
        return NEW

    monkeypatch.setattr("nodes.cli.asking.has_terminal", lambda: True)
    monkeypatch.setattr("nodes.cli.asking.click.prompt", answer)
    assert run(capsys, "wallet", "export", "open", "--out", str(backup), "--home", str(home.folder)).code == 0
    assert run(capsys, "wallet", "import", "open-again", str(backup), "--home", str(home.folder)).code == 0
    assert asked == [("new passphrase of the backup of open", True), ("passphrase of open.backup", False)]
    assert is_protected(home.wallet_path("open-again"))
