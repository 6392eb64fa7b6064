"""Who acts: named always, of the right role, and never confused; and what the hints name for the next command."""

import sys
from pathlib import Path

import pytest

from nodes.config import Home
from tests.nodes.cli.commands import check_refused, run


@pytest.mark.parametrize(
    "command",
    [
        ("policy", "list"),
        ("policy", "issue", "--insured", "wang", "--product", "inpatient-100"),
        ("consent", "list"),
        ("consent", "show", "grant-1"),
        ("consent", "revoke", "grant-1"),
        ("consent", "grant", "--from", "hospital-a", "--to", "insurer-a"),
        ("stay", "list"),
        ("claim", "list"),
        ("claim", "show", "C-1"),
        ("claim", "watch", "C-1"),
        ("claim", "audit", "C-1"),
        ("chain", "verify"),
    ],
    ids=" ".join,
)
def test_a_command_without_its_actor_is_wrong_use(
    capsys: pytest.CaptureFixture[str], home: Home, command: tuple[str, ...]
) -> None:
    ran = run(capsys, *command, "--home", str(home.folder))
    assert (ran.code, ran.out) == (2, "")
    assert "Missing option '--as'" in ran.err


def test_who_the_customer_is_is_opened_to_somebody_named(capsys: pytest.CaptureFixture[str], home: Home) -> None:
    ran = run(capsys, "claim", "audit", "C-1", "--as", "insurer-a", "--person", "--home", str(home.folder))
    assert (ran.code, ran.out) == (2, "")
    assert "--person: expected --for with it" in ran.err


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("policy", "list", "--as", "hospital-a"), "expected insurer-a, whose role is insurer, got 'hospital-a'"),
        (("policy", "list", "--as", "wang"), "expected insurer-a, whose role is insurer, got 'wang'"),
        (("stay", "list", "--as", "insurer-a"), "expected hospital-a or hospital-b, whose role is hospital"),
    ],
)
def test_an_actor_of_another_role_is_told_who_it_would_be(
    capsys: pytest.CaptureFixture[str], home: Home, command: tuple[str, ...], said: str
) -> None:
    check_refused(run(capsys, *command, "--home", str(home.folder)), said)


@pytest.mark.parametrize(
    ("name", "said"),
    [("insurer-a", "is an organisation of this network"), ("rail", "is an organisation"), ("../x", "1 to 32")],
)
def test_a_customer_has_a_name_that_nobody_else_can_have(
    capsys: pytest.CaptureFixture[str], home: Home, name: str, said: str
) -> None:
    check_refused(run(capsys, "customer", "create", name, "--home", str(home.folder)), said)
    assert not home.wallets_folder.exists() or not list(home.wallets_folder.iterdir())


def test_a_child_of_a_guardian_whom_nobody_knows_is_not_half_created(
    capsys: pytest.CaptureFixture[str], home: Home
) -> None:
    ran = run(capsys, "customer", "create", "kid", "--guardian", "mum", "--home", str(home.folder))
    check_refused(ran, "mum: no wallet of that name")
    assert not home.wallet_path("kid").exists()


@pytest.mark.parametrize("command", [("customer", "create", "wang"), ("claim", "list", "--as", "wang"), ("status",)])
def test_before_up_a_command_says_that_there_is_no_network(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, command: tuple[str, ...]
) -> None:
    check_refused(run(capsys, *command, "--home", str(tmp_path)), "no network here; start one with `xinpei up`")
    assert list(tmp_path.iterdir()) == []


def test_a_hint_names_the_home_folder_unless_it_is_the_usual_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, home: Home
) -> None:
    elsewhere = home.folder.parent / "a b"
    elsewhere.symlink_to(home.folder)
    assert f"next: xinpei up --home '{elsewhere}'\n" in run(capsys, "status", "--home", str(elsewhere)).out
    (home.folder.parent / ".xinpei").symlink_to(home.folder)
    monkeypatch.chdir(home.folder.parent)
    assert "next: xinpei up\n" in run(capsys, "status").out


def test_ctrl_c_at_any_moment_is_one_word(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["nodes.cli.main"], "_run", interrupt)
    assert run(capsys, "status")[:3] == (1, "", "Stopped.\n")
