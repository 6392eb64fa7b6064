"""The register against damaged files, swapped files, crashes, and readers of the disk."""

import os
from pathlib import Path

import pytest

from nodes import files as files_module
from nodes.entropy import SystemEntropy
from nodes.vault import register as register_module
from nodes.vault.register import ENTRY_BYTES_MAX, Register, RegisterError

SECRET = bytes(range(32))


def open_register(folder: Path, secret: bytes = SECRET) -> Register:
    return Register(folder / "register", secret, SystemEntropy())


@pytest.fixture
def register(tmp_path: Path) -> Register:
    return open_register(tmp_path)


def files(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / "register").rglob("*") if path.is_file())


def test_an_entry_comes_back_after_a_restart(register: Register, tmp_path: Path) -> None:
    register.put("patient", "wang", b"Wang")
    register.put("patient", "王小明", b"")
    assert open_register(tmp_path).get("patient", "wang") == b"Wang"
    assert open_register(tmp_path).list_entries("patient") == (("wang", b"Wang"), ("王小明", b""))
    assert open_register(tmp_path).list_ids("patient") == ("wang", "王小明")


def test_what_was_never_entered_is_none(register: Register) -> None:
    register.put("patient", "wang", b"Wang")
    assert register.get("patient", "li") is None
    assert register.get("stay", "wang") is None
    assert register.list_entries("stay") == ()


def test_an_entry_is_replaced_and_erased(register: Register, tmp_path: Path) -> None:
    register.put("patient", "wang", b"before")
    register.put("patient", "wang", b"after")
    assert register.list_entries("patient") == (("wang", b"after"),)
    register.erase("patient", "wang")
    register.erase("patient", "wang")
    assert register.get("patient", "wang") is None
    assert files(tmp_path) == []


def test_the_bytes_of_a_replaced_entry_are_overwritten(register: Register, tmp_path: Path) -> None:
    register.put("patient", "wang", b"before")
    path = files(tmp_path)[0]
    with path.open("rb") as former:
        register.put("patient", "wang", b"after")
        assert set(former.read()) == {0}
    assert path.read_bytes()[:12] != bytes(12)


def test_the_disk_tells_neither_who_nor_what(register: Register, tmp_path: Path) -> None:
    register.put("patient", "wang-1988", b"endometrial polyp")
    path = files(tmp_path)[0]
    assert path.stat().st_mode & 0o777 == 0o600
    assert "wang" not in str(path.relative_to(tmp_path))
    assert b"wang" not in path.read_bytes()
    assert b"polyp" not in path.read_bytes()


def test_another_keystore_opens_nothing_and_finds_nothing(register: Register, tmp_path: Path) -> None:
    register.put("patient", "wang", b"Wang")
    stranger = open_register(tmp_path, bytes(32))
    assert stranger.get("patient", "wang") is None
    with pytest.raises(RegisterError, match="belongs to another keystore"):
        stranger.list_ids("patient")


@pytest.mark.parametrize("change", ["flip", "cut", "empty"])
def test_a_damaged_entry_is_named_and_not_guessed(register: Register, tmp_path: Path, change: str) -> None:
    register.put("patient", "wang", b"Wang")
    path = files(tmp_path)[0]
    data = path.read_bytes()
    path.write_bytes({"flip": bytes([data[0] ^ 1]) + data[1:], "cut": data[:-1], "empty": b""}[change])
    for read in (lambda: register.get("patient", "wang"), lambda: register.list_ids("patient")):
        with pytest.raises(RegisterError, match=f"register entry {path}: does not open"):
            read()


def test_files_that_are_swapped_do_not_open(register: Register, tmp_path: Path) -> None:
    register.put("patient", "wang", b"Wang")
    register.put("patient", "li", b"Li")
    first, second = files(tmp_path)
    first.write_bytes(second.read_bytes())
    with pytest.raises(RegisterError, match="does not open"):
        register.list_ids("patient")


def test_what_a_crash_left_half_written_is_cleared(register: Register, tmp_path: Path) -> None:
    register.put("patient", "wang", b"Wang")
    left = files(tmp_path)[0].with_name(".abc.partial")
    left.write_bytes(b"half an entry")
    assert open_register(tmp_path).list_ids("patient") == ("wang",)
    assert not left.exists()


def test_an_entry_that_others_could_read_is_refused(register: Register, tmp_path: Path) -> None:
    register.put("patient", "wang", b"Wang")
    files(tmp_path)[0].chmod(0o644)
    with pytest.raises(RegisterError, match="expected mode 0600"):
        register.get("patient", "wang")


@pytest.mark.parametrize(
    ("kind", "entry_id"), [("../x", "a"), ("", "a"), ("Stay", "a"), ("stay", ""), ("stay", "a" * 201)]
)
def test_names_that_cannot_be_are_refused(register: Register, kind: str, entry_id: str) -> None:
    with pytest.raises(RegisterError, match="expected"):
        register.put(kind, entry_id, b"")


def test_an_entry_has_a_bound(register: Register) -> None:
    with pytest.raises(RegisterError, match=f"expected at most {ENTRY_BYTES_MAX}"):
        register.put("stay", "S-01", bytes(ENTRY_BYTES_MAX + 1))
    assert register.get("stay", "S-01") is None


class PowerCut(Exception):  # noqa: N818 - an event of the test, not an error
    """The machine is off."""


@pytest.mark.parametrize("step", ["link", "write_private", "overwrite", "erase_private"])
def test_a_redaction_leaves_no_former_bytes_wherever_the_power_fails(
    register: Register, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    register.put("stay", "S-01", b"everything that was said")
    (path,) = files(tmp_path)
    before = path.read_bytes()
    held = path.open("rb")

    def fail(*_: object) -> None:
        raise PowerCut

    with monkeypatch.context() as patch:
        patch.setattr({"link": os, "overwrite": files_module}.get(step, register_module), step, fail)
        with pytest.raises(PowerCut):
            register.redact("stay", "S-01", b"less")
    again = open_register(tmp_path)
    expected = b"everything that was said" if step in ("link", "write_private") else b"less"
    assert again.get("stay", "S-01") == expected
    again.redact("stay", "S-01", b"less")
    assert again.get("stay", "S-01") == b"less"
    assert [file.name for file in files(tmp_path)] == [path.name]
    assert held.read() == bytes(len(before)), "the very blocks of the former file are zeros"
    held.close()


def test_redacting_what_is_not_there_enters_it(register: Register) -> None:
    register.redact("stay", "S-02", b"less")
    assert register.get("stay", "S-02") == b"less"
