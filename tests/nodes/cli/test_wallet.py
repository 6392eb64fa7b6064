"""`xinpei wallet`: what is shown holds no secret, and a passphrase comes from anywhere but the command line."""

import json
from pathlib import Path

import pytest

from nodes.config import Home
from nodes.entropy import SystemEntropy
from nodes.identity import synthetic_identity
from nodes.wallet import Wallet, is_protected
from tests.nodes.cli.commands import check_refused, run

OLD, NEW = "桂花 and rain", "another one"


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
    assert (ran.code, shown["protected"], len(shown["pseudonyms"])) == (0, True, 2)
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
    ran = run(capsys, "wallet", "passphrase", "wang", "--new-passphrase-file", str(new), "--home", str(home.folder))
    assert ran.code == 0
    assert NEW not in ran.out
    assert Wallet.load(wallet, NEW)._seeds == seed
    check_refused(run(capsys, "wallet", "show", "wang", "--home", str(home.folder)), "wrong passphrase")


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

    monkeypatch.setattr("nodes.cli.wallet.click.prompt", answer)
    assert run(capsys, "wallet", "passphrase", "li", "--home", str(home.folder)).code == 0
    assert asked == [("new passphrase of li", True, True)]
    assert is_protected(path)
