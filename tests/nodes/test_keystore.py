"""Keys on disk: made once, read back, refused by name when something is wrong with them."""

from pathlib import Path

import pytest

from ledger.errors import VerificationError
from ledger.membership import Actor, KeyRecord
from nodes.entropy import SeededEntropy
from nodes.keystore import (
    KeystoreError,
    add_consensus_key,
    create_keystore,
    load_keystore,
    next_version,
    prepare_submission_key,
)

NAMES = ("consensus-1.key", "submission-1.key", "seal-1.key", "invoice-tag.key", "register.key")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    create_keystore(tmp_path / "keys", SeededEntropy(b"organisation"))
    return tmp_path / "keys"


def test_keys_come_back_as_they_were_made(tmp_path: Path) -> None:
    made = create_keystore(tmp_path / "keys", SeededEntropy(b"organisation"))
    read = load_keystore(tmp_path / "keys")
    assert read.consensus.public_key == made.consensus.public_key
    assert read.submission.public_key == made.submission.public_key
    assert read.seal.public_key == made.seal.public_key
    assert read.tag_secret == made.tag_secret
    assert len({read.consensus.public_key, read.submission.public_key, read.tag_secret}) == 3


def test_every_file_is_private(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == sorted(NAMES)
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_existing_keys_are_never_replaced(folder: Path) -> None:
    before = {name: (folder / name).read_bytes() for name in NAMES}
    with pytest.raises(KeystoreError, match="exists already and is not replaced"):
        create_keystore(folder, SeededEntropy(b"another"))
    assert {name: (folder / name).read_bytes() for name in NAMES} == before


def test_a_prepared_submission_key_signs_once_the_chain_names_it(folder: Path) -> None:
    running = load_keystore(folder)
    old = running.submission.public_key
    version, key = prepare_submission_key(folder, SeededEntropy(b"rotation"))
    again = prepare_submission_key(folder, SeededEntropy(b"another attempt"))
    assert (version, again[0], again[1].public_key) == (2, 2, key.public_key)
    assert load_keystore(folder).submission.public_key == old
    actor = Actor("hospital-a", "hospital", (KeyRecord(1, old, 0, 7), KeyRecord(2, key.public_key, 7, None)), None)
    assert running.submission_in_force(actor, 6).public_key == old
    assert (folder / "submission-2.next").exists()
    assert running.submission_in_force(actor, 7).public_key == key.public_key
    assert not (folder / "submission-2.next").exists()
    assert load_keystore(folder).submission.public_key == key.public_key
    assert load_keystore(folder).submissions[1].public_key == old


def test_a_key_in_force_that_is_not_here_and_a_member_without_one_are_told(folder: Path) -> None:
    keystore = load_keystore(folder)
    public_key = keystore.submission.public_key
    lost = Actor("hospital-a", "hospital", (KeyRecord(1, public_key, 0, 7), KeyRecord(2, bytes(32), 7, None)), None)
    with pytest.raises(KeystoreError, match="the chain expects version 2, whose file is not here"):
        keystore.submission_in_force(lost, 7)
    removed = Actor("hospital-a", "hospital", (KeyRecord(1, public_key, 0, 7),), None)
    with pytest.raises(VerificationError, match="has no key in force at height 7"):
        keystore.submission_in_force(removed, 7)


def test_a_prepared_key_that_was_cut_is_named_and_kept(folder: Path) -> None:
    keystore = load_keystore(folder)
    _, key = prepare_submission_key(folder, SeededEntropy(b"rotation"))
    path = folder / "submission-2.next"
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(KeystoreError, match=r"submission-2.next is malformed"):
        keystore.submissions[2]
    with pytest.raises(KeystoreError, match=r"submission-2.next is malformed"):
        prepare_submission_key(folder, SeededEntropy(b"rotation"))
    assert path.exists()
    assert key.public_key not in {item.public_key for item in keystore.submissions.values()}


@pytest.mark.parametrize("name", NAMES)
def test_a_key_that_is_missing_readable_or_malformed_is_named(folder: Path, name: str) -> None:
    path = folder / name
    good = path.read_bytes()
    use = name.removesuffix(".key").removesuffix("-1")
    path.chmod(0o644)
    with pytest.raises(KeystoreError, match=f"{use} key: expected mode 0600, got 0644"):
        load_keystore(folder)
    path.chmod(0o600)
    for changed in (
        b"",
        good[:-1],
        good[:40],
        good + b"x",
        b"\xff" * 100,
        good.replace(b"xinpei-key/1", b"xinpei-key/2"),
    ):
        path.write_bytes(changed)
        with pytest.raises(KeystoreError, match=f"{use} key: .* is malformed"):
            load_keystore(folder)
    path.unlink()
    with pytest.raises(KeystoreError, match=f"{use} key: expected a file at .*{name}, found none"):
        load_keystore(folder)


def test_a_changed_digit_is_told_and_the_key_is_not(folder: Path) -> None:
    path = folder / "seal-1.key"
    line = path.read_bytes()
    digit = b"0" if line[30:31] != b"0" else b"1"
    path.write_bytes(line[:30] + digit + line[31:])
    with pytest.raises(KeystoreError, match=r"checksum in .* differs") as caught:
        load_keystore(folder)
    assert line.split()[2].decode() not in str(caught.value)


def test_a_key_for_something_else_is_told(folder: Path) -> None:
    (folder / "consensus-1.key").write_bytes((folder / "submission-1.key").read_bytes())
    with pytest.raises(KeystoreError, match="holds a submission key"):
        load_keystore(folder)


def test_a_folder_without_keys_is_told(tmp_path: Path) -> None:
    with pytest.raises(KeystoreError, match="expected a folder"):
        load_keystore(tmp_path / "none")
    with pytest.raises(KeystoreError, match="consensus key: expected a file"):
        load_keystore(tmp_path)
    with pytest.raises(KeystoreError, match="submission key: expected a file"):
        prepare_submission_key(tmp_path, SeededEntropy(b"x"))


def test_a_new_consensus_key_lies_beside_the_older_ones(folder: Path) -> None:
    before = load_keystore(folder)
    assert next_version(folder, "consensus") == 2
    assert add_consensus_key(folder, SeededEntropy(b"second")) == 2
    after = load_keystore(folder)
    assert after.consensus_keys[1].public_key == before.consensus.public_key
    assert after.consensus.public_key == after.consensus_keys[2].public_key != before.consensus.public_key
    assert after.submission.public_key == before.submission.public_key


def test_a_keystore_does_not_print_its_secrets(folder: Path) -> None:
    keystore = load_keystore(folder)
    assert keystore.tag_secret.hex() not in repr(keystore)
    assert repr(keystore.tag_secret) not in repr(keystore)
