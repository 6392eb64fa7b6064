"""Private files: whole or not at all, for their owner only, destroyed before they go."""

import fcntl
import os
from pathlib import Path

import pytest

from nodes import files
from nodes.files import FileError, erase_leftovers, erase_private, read_private, write_private


def test_a_written_file_is_its_owners_only(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    write_private(path, b"x")
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_private(path, "secret", 10) == b"x"
    assert [item.name for item in tmp_path.iterdir()] == ["secret"]


def test_a_file_others_can_read_is_refused_with_the_command_that_mends_it(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    write_private(path, b"x")
    path.chmod(0o640)
    with pytest.raises(FileError, match=r"expected mode 0600, got 0640.*chmod 600"):
        read_private(path, "secret", 10)


def test_missing_too_large_and_irregular_files_are_refused(tmp_path: Path) -> None:
    write_private(tmp_path / "large", b"12345")
    (tmp_path / "folder").mkdir(mode=0o700)
    for name, sentence in (("none", "found none"), ("large", "at most 4 bytes"), ("folder", "directory|regular")):
        with pytest.raises((FileError, OSError), match=sentence):
            read_private(tmp_path / name, "secret", 4)


def test_what_is_replaced_is_overwritten_and_what_a_link_leads_to_is_not(tmp_path: Path) -> None:
    path, target = tmp_path / "secret", tmp_path / "target"
    write_private(path, b"old key material")
    with path.open("rb") as former:
        write_private(path, b"new")
        assert former.read() == bytes(16)
    assert path.read_bytes() == b"new"
    target.write_bytes(b"keep")
    (tmp_path / "link").symlink_to(target)
    write_private(tmp_path / "link", b"new")
    assert (target.read_bytes(), (tmp_path / "link").is_symlink()) == (b"keep", False)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "secret"
    write_private(path, b"old")

    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        write_private(path, b"new")
    assert path.read_bytes() == b"old"


def test_what_a_crash_left_behind_is_overwritten_before_it_goes(tmp_path: Path) -> None:
    left = tmp_path / ".secret.partial"
    left.write_bytes(b"key material")
    with left.open("rb") as still_open:
        erase_leftovers(tmp_path)
        assert still_open.read() == bytes(12)
    assert list(tmp_path.iterdir()) == []


def test_erasing_overwrites_the_blocks_and_does_not_follow_links(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    write_private(path, b"key material")
    with path.open("rb") as still_open:
        erase_private(path)
        assert still_open.read() == bytes(12)
    erase_private(path)
    (tmp_path / "target").write_bytes(b"keep")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with pytest.raises(OSError, match="link"):
        erase_private(tmp_path / "link")
    assert (tmp_path / "target").read_bytes() == b"keep"


class PowerCut(Exception):  # noqa: N818 - an event of the test, not an error
    """The machine is off."""


@pytest.mark.parametrize("step", ["sync_directory", "overwrite", "after overwrite", "unlink"])
def test_an_erasure_that_was_cut_off_leaves_the_file_or_none_and_never_zeros_under_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "secret"
    write_private(path, b"key material")
    held = path.open("rb")
    overwrite = files.overwrite

    def fail(*arguments: int, **_: object) -> None:
        if step == "after overwrite":
            overwrite(*arguments)
        raise PowerCut

    with monkeypatch.context() as patch:
        patch.setattr(Path if step == "unlink" else files, step.removeprefix("after "), fail)
        with pytest.raises(PowerCut):
            erase_private(path)
    assert not path.exists()
    erase_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert held.read() == bytes(12), "the very blocks are zeros"
    held.close()


def test_what_an_earlier_erasure_left_is_overwritten_by_the_next(tmp_path: Path) -> None:
    left, path = tmp_path / ".secret.partial", tmp_path / "secret"
    left.write_bytes(b"key material")
    write_private(tmp_path / "other", b"x")
    path.write_bytes(b"newer")
    with left.open("rb") as older, path.open("rb") as newer:
        erase_private(path)
        assert (older.read(), newer.read()) == (bytes(12), bytes(5))
    assert [item.name for item in tmp_path.iterdir()] == ["other"]


@pytest.mark.parametrize("moment", ["while it is written", "opened before it got its name"])
def test_clearing_up_beside_somebody_who_writes_destroys_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    path = tmp_path / "secret"
    sync, flock = os.fsync, fcntl.flock
    late: list[str] = []

    def clear_up(descriptor: int) -> None:
        if not late:
            late.append("cleared")
            erase_leftovers(tmp_path)
        sync(descriptor)

    def lock_late(descriptor: int, how: int) -> None:
        if not late and how & fcntl.LOCK_NB:  # whoever clears up has opened the file, and sleeps until it has its name
            late.append("slept")
            (tmp_path / ".secret.partial").replace(path)
        flock(descriptor, how)

    if moment == "while it is written":
        monkeypatch.setattr(os, "fsync", clear_up)
        write_private(path, b"key material")
    else:
        (tmp_path / ".secret.partial").write_bytes(b"key material")
        monkeypatch.setattr(fcntl, "flock", lock_late)
        erase_leftovers(tmp_path)
    assert path.read_bytes() == b"key material"
    assert [item.name for item in tmp_path.iterdir()] == ["secret"]
    assert late
