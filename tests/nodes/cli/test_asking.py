"""Private text is never on a command line: it comes from a file of one's own, the standard input or the terminal."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from nodes.cli.asking import ask_yes, read_words
from nodes.cli.identifying import read_synthetic
from nodes.cli.main import xinpei
from nodes.config import Home
from nodes.entropy import SystemEntropy
from nodes.identity import Identity, synthetic_identity
from nodes.wallet import Wallet
from tests.nodes.cli.commands import check_refused, run

ACCOUNT = "6222 0000 1234 5678"
PRIVATE = {
    "xinpei access break-glass": {"--reason"},
    "xinpei access order": {"--number"},
    "xinpei access review": {"--grounds"},
    "xinpei consent request": {"--reason"},
    "xinpei customer create": {"--identity"},
    "xinpei policy issue": {"--account"},
    "xinpei recovery ask": {"--identity"},
    "xinpei wallet export": {"--new-passphrase-file"},
    "xinpei wallet passphrase": {"--new-passphrase-file"},
}
"""Command -> the options whose text is private, each of which takes a file."""
WORDS = {
    "A", "ACTOR", "AUDITOR", "B", "CLAIM", "DATE", "DAY", "FILE|HASH", "FROM..TO", "GRANT", "HOSPITAL", "ID", "INSURER",
    "LINE", "LIST", "NAME", "NUMBER", "ORDER", "ORGANISATION", "PATIENT", "PAYMENT", "PLACE", "PRODUCT", "RECORD",
    "REQUEST", "SET", "STAY", "USE", "USES/DAYS", "WALLET",
}  # fmt: skip
"""What words of a command line may be: ids, names of wallets and organisations, numbers by which an organisation names
somebody in its own books, days and kinds. An option that takes another kind of text belongs to those above."""


def commands(group: click.Command, context: click.Context) -> Iterator[tuple[str, click.Command]]:
    yield context.command_path, group
    if isinstance(group, click.Group):
        for word in group.list_commands(context):
            below = group.get_command(context, word)
            assert below is not None
            yield from commands(below, click.Context(below, parent=context, info_name=word))


def private_file(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "private.txt"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def type_in(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))


def test_every_option_for_private_text_takes_a_file_and_no_other_takes_free_text() -> None:
    files: dict[str, set[str]] = {}
    for path, command in commands(xinpei, click.Context(xinpei, info_name="xinpei")):
        context = click.Context(command)
        for option in command.params:
            if isinstance(option.type, click.Path) and option.type.allow_dash:
                files.setdefault(path, set()).add(option.opts[0])
            if option.type is click.STRING:
                word = option.make_metavar(context).strip("[].")
                assert word in WORDS, f"{path} {option.opts[0]}: is {word} somebody's private text?"
    assert files == PRIVATE


def test_words_come_from_a_file_or_the_standard_input_without_the_space_around_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert read_words(private_file(tmp_path, f"{ACCOUNT}\n"), "--account", 64) == ACCOUNT
    type_in(monkeypatch, f"  {ACCOUNT}\n")
    assert read_words(Path("-"), "--account", 64) == ACCOUNT


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        (ACCOUNT, 0o644, "expected mode 0600, got 0644"),
        (ACCOUNT * 4, 0o600, "--account: expected 1 to 64 characters, got 76"),
        (" \n", 0o600, "--account: expected 1 to 64 characters, got 0"),
        (ACCOUNT * 99, 0o600, "expected at most 1280 bytes"),
    ],
)
def test_a_file_that_others_can_read_or_that_is_too_long_is_refused_and_not_repeated(
    capsys: pytest.CaptureFixture[str], home: Home, tmp_path: Path, text: str, mode: int, said: str
) -> None:
    file = private_file(tmp_path, text, mode)
    issue = ("policy", "issue", "--as", "insurer-a", "--insured", "nobody", "--product", "inpatient-100")
    ran = run(capsys, *issue, "--account", str(file), "--home", str(home.folder))
    assert ran.code in (1, 2)
    assert said in ran.err
    assert ACCOUNT not in ran.out + ran.err


def test_an_endless_standard_input_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    type_in(monkeypatch, ACCOUNT * 99)
    with pytest.raises(click.UsageError, match="at most 1280 bytes on the standard input"):
        read_words(Path("-"), "--account", 64)


@pytest.mark.parametrize(
    "command",
    [
        ("access", "order", "record-0a1b2c3d4e5f", "--as", "regulator", "--basis", "evidence-collection"),
        ("access", "break-glass", "B-77", "--as", "hospital-b", "--from", "hospital-a"),
        ("access", "review", "glass-07aa12cd34ef", "--as", "regulator", "--finding", "justified"),
    ],
)
def test_where_nobody_can_be_asked_a_command_says_how_to_give_it_and_reads_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, home: Home, command: tuple[str, ...]
) -> None:
    type_in(monkeypatch, "not meant for this")
    ran = run(capsys, *command, "--home", str(home.folder))
    assert (ran.code, ran.out) == (2, "")
    assert "expected a file, or - for the standard input; there is no terminal to ask at" in ran.err


def test_without_a_terminal_a_passphrase_is_refused_in_one_sentence_and_without_a_warning(home: Home) -> None:
    wallet = Wallet.create(synthetic_identity("zhao", SystemEntropy()), SystemEntropy())
    wallet.save(home.wallet_path("zhao"), "四 words of hers", SystemEntropy())
    bare = {name: value for name, value in os.environ.items() if not name.startswith("XINPEI_PASSPHRASE")}
    show = [sys.executable, "-c", "from nodes.cli import main; main()", "wallet", "show", "zhao"]
    show += ["--home", str(home.folder)]
    ran = subprocess.run(
        show, check=False, input="four words\n", capture_output=True, text=True, env=bare, start_new_session=True
    )
    expected = "Error: passphrase of zhao: there is no terminal to ask at; give it with XINPEI_PASSPHRASE or "
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == f"{expected}XINPEI_PASSPHRASE_FILE\n"


def test_a_synthetic_person_is_a_whole_identity_or_a_birth_date_alone(tmp_path: Path) -> None:
    fields = {"document_type": "passport", "document_number": "E1", "name": "林小雨", "birth_date": "1990-01-01"}
    found = read_synthetic(private_file(tmp_path, json.dumps(fields)))
    assert isinstance(found, Identity)
    assert (found.name, found.document_number) == ("林小雨", "E1")
    born = read_synthetic(private_file(tmp_path, '{"birth_date": "2015-05-01"}'))
    assert str(born) == "2015-05-01"


@pytest.mark.parametrize("text", ["林小雨", '["林小雨"]', '{"name": "林小雨"}', '{"birth_date": "林小雨"}'])
def test_a_person_that_is_none_is_refused_and_not_repeated(
    capsys: pytest.CaptureFixture[str], home: Home, tmp_path: Path, text: str
) -> None:
    create = ("customer", "create", "lin", "--identity", str(private_file(tmp_path, text)))
    ran = run(capsys, *create, "--home", str(home.folder))
    check_refused(ran, "birth_date")
    assert "林小雨" not in ran.err
    assert not home.wallet_path("lin").exists()


@pytest.mark.parametrize(
    ("typed", "said"),
    [("y\n", None), ("n\n", "nothing was signed"), ("", "nothing was signed: nobody answered; --yes agrees without")],
)
def test_what_nobody_agrees_to_is_not_done_and_without_a_terminal_the_error_says_how_else(
    monkeypatch: pytest.MonkeyPatch, typed: str, said: str | None
) -> None:
    type_in(monkeypatch, typed)
    if said is None:
        ask_yes("Agree?", "nothing was signed", err=True)
        return
    with pytest.raises(click.ClickException, match=said) as refused:
        ask_yes("Agree?", "nothing was signed", err=True)
    assert refused.value.exit_code == 1


def test_wrong_use_is_one_json_object_for_programs_too(capsys: pytest.CaptureFixture[str], home: Home) -> None:
    for arguments in (("claim", "show", "C-0"), ("verify", "no-file"), ("nothing",)):
        ran = run(capsys, *arguments, "--json")
        assert (ran.code, json.loads(ran.out)["error"]["code"]) == (2, "WRONG_USE"), arguments
        assert json.loads(ran.out)["error"]["message"] in ran.err


def test_an_organisation_is_no_customer(capsys: pytest.CaptureFixture[str], home: Home) -> None:
    listed = run(capsys, "record", "list", "--as", "insurer-a", "--home", str(home.folder))
    check_refused(listed, "--as: expected a customer, by the name of her wallet; insurer-a is an organisation")
