"""The secret of a register is replaced; whoever dies at any write of it leaves a book that opens, and no old secret."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from nodes.entropy import SystemEntropy
from nodes.keystore import KeystoreError, create_keystore, load_keystore
from nodes.vault import resealing
from nodes.vault.register import Register, RegisterError

ENTROPY = SystemEntropy()
BOOK = (
    ("patient", "li", b"Li Lei"),
    ("patient", "wang", b"Wang Xiaoming, 110101"),
    ("stay", "S-01", b"endometrial polyp" * 99),
)
STEPS = ("open", "write", "fsync", "link", "unlink", "rename", "replace")


@pytest.fixture(autouse=True)
def _quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sync nothing: a killed process leaves what it wrote to the system, synced or not; what is counted stays."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


class KilledError(BaseException):
    """The process is gone: nothing catches this, and nothing is cleaned up but what the system closes."""


class Mortality:
    """Counts what the process asks the disk to change, and kills it before, within or after one of those."""

    def __init__(self, number: int, moment: str) -> None:
        self.number = number
        self.moment = moment
        self.count = 0
        self.steps: list[str] = []

    @contextmanager
    def reign(self, patch: pytest.MonkeyPatch) -> Iterator[None]:
        with patch.context() as context:
            for name in STEPS:
                context.setattr(os, name, self.wrap(name, getattr(os, name)))
            yield

    def wrap(self, name: str, do: Callable[..., Any]) -> Callable[..., Any]:
        def step(*arguments: Any, **options: Any) -> Any:
            if name == "open" and not arguments[1] & (os.O_WRONLY | os.O_CREAT):
                return do(*arguments, **options)
            self.count += 1
            self.steps.append(name)
            if self.count == self.number:
                if self.moment == "within" and name == "write":
                    do(arguments[0], arguments[1][: len(arguments[1]) // 2])
                if self.moment == "after":
                    do(*arguments, **options)
                raise KilledError
            return do(*arguments, **options)

        return step


def make(folder: Path) -> tuple[bytes, Path]:
    secret = create_keystore(folder / "keys", ENTROPY).register_secret
    register = Register(folder / "register", secret, ENTROPY)
    for entry in BOOK:
        register.put(*entry)
    return secret, folder


def read_book(folder: Path) -> tuple[tuple[str, str, bytes], ...]:
    register = Register(folder / "register", load_keystore(folder / "keys").register_secret, ENTROPY)
    kinds = ("patient", "stay")
    return tuple((kind, *entry) for kind in kinds for entry in register.list_entries(kind))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "register").rglob("*") if path.is_file())


def holds(folder: Path, secret: bytes) -> bool:
    """Whether any file has the secret in it."""
    return any(secret.hex().encode() in path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_every_entry_is_sealed_anew_and_the_old_secret_is_nowhere(tmp_path: Path) -> None:
    secret, folder = make(tmp_path / "hospital-a")
    before, old_names = (folder / "keys" / "register.key").open("rb"), names(folder)
    old_files = [path.open("rb") for path in (folder / "register").rglob("*") if path.is_file()]
    assert resealing.replace_secret(folder, ENTROPY) == len(BOOK)
    assert read_book(folder) == BOOK
    assert load_keystore(folder / "keys").register_secret != secret
    assert not holds(folder, secret)
    assert not set(names(folder)) & set(old_names), "names are keyed by the secret as well"
    assert len(names(folder)) == len(BOOK)
    assert sorted(path.name for path in (folder / "keys").glob("register.*")) == ["register.key"]
    for file in (before, *old_files):
        with file:
            assert set(file.read()) == {0}, "the very blocks are zeros"
    assert resealing.finish(folder, ENTROPY) is None
    with pytest.raises(RegisterError):
        Register(folder / "register", secret, ENTROPY).check()


def count_steps(folder: Path, patch: pytest.MonkeyPatch) -> list[str]:
    make(folder)
    mortality = Mortality(-1, "never")
    with mortality.reign(patch):
        resealing.replace_secret(folder, ENTROPY)
    return mortality.steps


@pytest.mark.parametrize("moment", ["before", "within"])
@pytest.mark.parametrize("again", ["command", "node"])
def test_whoever_is_killed_at_any_write_goes_on_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str, again: str
) -> None:
    steps = count_steps(tmp_path / "0", monkeypatch)
    assert set(steps) == set(STEPS)
    for number in range(1, len(steps) + 1):
        if moment == "within" and steps[number - 1] != "write":
            continue
        secret, folder = make(tmp_path / f"{number}")
        mortality = Mortality(number, moment)
        with pytest.raises(KilledError), mortality.reign(monkeypatch):
            resealing.replace_secret(folder, ENTROPY)
        key = re.compile(rb"xinpei-key/1 register ([0-9a-f]{64}) ")
        in_force = key.search((folder / "keys" / "register.key").read_bytes())
        assert in_force is not None, f"step {number}: the register has a secret at any moment"
        if in_force.group(1) != secret.hex().encode():
            Register(folder / "register", bytes.fromhex(in_force.group(1).decode()), ENTROPY).check()
        if again == "node":
            resealing.finish(folder, ENTROPY)
        else:
            resealing.replace_secret(folder, ENTROPY)
        assert read_book(folder) == BOOK, f"step {number}"
        assert len(names(folder)) == len(BOOK), f"step {number}"
        if load_keystore(folder / "keys").register_secret != secret:
            assert not holds(folder, secret), f"step {number}"
        else:
            assert (again, number < 6) == ("node", True), f"step {number}: only before the new secret is there"
        assert not list((folder / "keys").glob("register.[nf]*")), f"step {number}"


def test_killed_twice_at_different_places_it_still_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = len(count_steps(tmp_path / "0", monkeypatch))
    for first in range(4, steps, 7):
        secret, folder = make(tmp_path / f"{first}")
        for number in (first, 5, 11):
            try:
                with Mortality(number, "before").reign(monkeypatch):
                    resealing.replace_secret(folder, ENTROPY)
            except KilledError:
                continue
        resealing.replace_secret(folder, ENTROPY)
        assert read_book(folder) == BOOK
        assert not holds(folder, secret)


def test_all_is_synced_before_the_new_secret_takes_the_place_of_the_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, folder = make(tmp_path / "hospital-a")
    synced: set[int] = set()
    lacking: list[list[str]] = []
    replace = os.replace

    def take(source: Path, target: Path) -> None:
        if target.name == "register.key":
            book = [folder / "keys", source, *(folder / "register").glob("*"), *(folder / "register").glob("*/*")]
            lacking.append([path.name for path in book if path.stat().st_ino not in synced])
        replace(source, target)

    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.add(os.fstat(descriptor).st_ino))
    monkeypatch.setattr(os, "replace", take)
    resealing.replace_secret(folder, ENTROPY)
    assert lacking == [[]]


def test_an_entry_that_does_not_open_stops_it_before_anything_is_changed(tmp_path: Path) -> None:
    secret, folder = make(tmp_path / "hospital-a")
    damaged = folder / "register" / "stay" / next((folder / "register" / "stay").iterdir()).name
    good = damaged.read_bytes()
    damaged.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(RegisterError, match=f"register entry {damaged}: does not open"):
        resealing.replace_secret(folder, ENTROPY)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    damaged.write_bytes(good)
    resealing.replace_secret(folder, ENTROPY)
    assert (read_book(folder), holds(folder, secret)) == (BOOK, False)


def test_an_entry_damaged_in_between_is_named_and_the_old_secret_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret, folder = make(tmp_path / "hospital-a")
    with pytest.raises(KilledError), Mortality(14, "after").reign(monkeypatch):
        resealing.replace_secret(folder, ENTROPY)
    (path,) = (folder / "register" / "stay").iterdir()
    good = path.read_bytes()
    path.write_bytes(good[:-1])
    with pytest.raises(RegisterError, match=f"register entry {path}: does not open"):
        resealing.finish(folder, ENTROPY)
    assert holds(folder, secret), "what opens the backup of this file"
    path.write_bytes(good)
    resealing.finish(folder, ENTROPY)
    assert (read_book(folder), holds(folder, secret)) == (BOOK, False)


def test_an_entry_moved_to_another_kind_does_not_open(tmp_path: Path) -> None:
    _, folder = make(tmp_path / "hospital-a")
    (path,) = (folder / "register" / "stay").iterdir()
    path.rename(folder / "register" / "patient" / path.name)
    with pytest.raises(RegisterError, match="was changed, cut off or moved"):
        resealing.replace_secret(folder, ENTROPY)


def test_a_prepared_secret_that_was_cut_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, folder = make(tmp_path / "hospital-a")
    with pytest.raises(KilledError), Mortality(14, "after").reign(monkeypatch):
        resealing.replace_secret(folder, ENTROPY)
    path = folder / "keys" / "register.next"
    whole = path.read_bytes()
    path.write_bytes(whole[:40])
    with pytest.raises(KeystoreError, match=r"register key: .*register.next is malformed"):
        resealing.finish(folder, ENTROPY)
    path.write_bytes(whole)
    resealing.finish(folder, ENTROPY)
    assert read_book(folder) == BOOK
