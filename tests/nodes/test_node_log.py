"""The log against a full file, a kill at any moment, and a standard error that is no file."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nodes import node_log
from nodes.node_log import NodeLog, old_log

WRITER = """
import os, sys
from pathlib import Path
from nodes import node_log
node_log.LOG_BYTES_MAX = 2000
path = Path(sys.argv[1])
log = node_log.NodeLog()
log.attach(path, 2)
for number in range(10**9):
    log.write(b'%09d\\n' % number, 2)
    os.write(1, b'%09d\\n' % number)
"""


def read_numbers(path: Path) -> list[int]:
    """Return the numbers in both files, the older first."""
    files = [file for file in (old_log(path), path) if file.exists()]
    return [int(line) for file in files for line in file.read_text().splitlines()]


def test_a_full_log_becomes_the_one_old_file_and_no_line_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_log, "LOG_BYTES_MAX", 100)
    path = tmp_path / "node.log"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
    log = NodeLog()
    log.attach(path, descriptor)
    for number in range(57):
        log.write(b"%09d\n" % number, descriptor)
        assert read_numbers(path)[-1] == number
        assert path.stat().st_size <= 100
    assert read_numbers(path) == list(range(40, 57))
    assert sorted(item.name for item in tmp_path.iterdir()) == ["node.log", "node.log.1"]
    assert path.stat().st_mode & 0o777 == 0o640
    os.close(descriptor)


def test_a_log_that_cannot_be_opened_anew_goes_on_in_the_old_file_and_recovers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_log, "LOG_BYTES_MAX", 30)
    path = tmp_path / "node.log"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    log = NodeLog()
    log.attach(path, descriptor)
    with monkeypatch.context() as broken:

        def refuse(*_: object) -> int:
            raise OSError(28, "No space left on device")

        broken.setattr(os, "open", refuse)
        for number in range(8):
            log.write(b"%09d\n" % number, descriptor)
    log.write(b"%09d\n" % 8, descriptor)
    log.write(b"%09d\n" % 9, descriptor)
    assert read_numbers(path) == list(range(10))
    assert path.read_bytes() == b"%09d\n" % 9
    os.close(descriptor)


def test_a_standard_error_that_is_another_file_is_not_rotated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_log, "LOG_BYTES_MAX", 30)
    path, journal = tmp_path / "node.log", tmp_path / "journal"
    path.write_bytes(b"of an earlier life\n")
    descriptor = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    log = NodeLog()
    log.attach(path, descriptor)
    for number in range(9):
        log.write(b"%09d\n" % number, descriptor)
    assert len(journal.read_bytes()) == 90
    assert path.read_bytes() == b"of an earlier life\n"
    os.close(descriptor)


def test_a_kill_at_any_moment_loses_no_line(tmp_path: Path) -> None:
    path = tmp_path / "node.log"
    for wait_for in (50, 333, 1000):
        path.unlink(missing_ok=True)
        old_log(path).unlink(missing_ok=True)
        with path.open("ab") as log:
            child = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, stderr=log)
        assert child.stdout is not None
        said = [child.stdout.readline() for _ in range(wait_for)]
        child.kill()
        said += child.stdout.readlines()
        child.wait()
        child.stdout.close()
        found = read_numbers(path)
        assert found == list(range(found[0], found[0] + len(found)))
        assert found[-1] >= int(said[-1]) if said[-1].endswith(b"\n") else found[-1] >= int(said[-2])
