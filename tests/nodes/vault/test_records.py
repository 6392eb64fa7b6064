"""The vault against crashes, damaged files and the search for erased keys."""

from pathlib import Path

import pytest

from ledger.codec import encode
from ledger.crypto.hashes import commit_salted, hash_bytes
from ledger.errors import VerificationError
from nodes.entropy import SeededEntropy, SystemEntropy
from nodes.vault.payloads import encrypt_payload
from nodes.vault.records import RecordDigest, Vault, VaultError
from nodes.vault.sealing import AmountOpening, RecordKeys

CHAIN, RECORD, OTHER = "xinpei-test", "record-000000000001", "record-000000000002"
PLAINTEXT = b"discharge summary: appendectomy, five days"
OPENING = AmountOpening("total", 4_321, (99).to_bytes(32, "little"))


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return open_vault(tmp_path)


def open_vault(folder: Path) -> Vault:
    return Vault(folder / "vault", CHAIN, SystemEntropy())


def every_byte(folder: Path) -> bytes:
    return b"\n".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_an_own_record_is_sealed_kept_and_opened(vault: Vault, tmp_path: Path) -> None:
    digest = vault.add(RECORD, PLAINTEXT, (OPENING,))
    keys, ciphertext = vault.get(RECORD)
    assert digest.ciphertext_hash == hash_bytes(ciphertext)
    assert digest.commitment == commit_salted(keys.salt, PLAINTEXT)
    assert vault.open(RECORD) == PLAINTEXT
    assert open_vault(tmp_path).digest(RECORD) == digest
    assert vault.keys(RECORD).openings == (OPENING,)
    assert vault.list_records() == (RECORD,)
    assert RECORD in vault
    assert OTHER not in vault


def test_no_plaintext_is_in_any_file_and_every_file_is_private(vault: Vault, tmp_path: Path) -> None:
    vault.add(RECORD, PLAINTEXT)
    assert PLAINTEXT[:12] not in every_byte(tmp_path)
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "vault").rglob("*")}
    assert modes == {0o600, 0o700}


def test_keys_lie_in_one_file_apart_from_the_payload(vault: Vault, tmp_path: Path) -> None:
    vault.add(RECORD, PLAINTEXT, (OPENING,))
    keys = vault.keys(RECORD)
    for secret in (keys.data_key, keys.salt, OPENING.blinding):
        holders = [path for path in tmp_path.rglob("*") if path.is_file() and secret in path.read_bytes()]
        assert holders == [tmp_path / "vault" / "keys" / RECORD]


def test_a_handed_over_record_is_kept_only_if_it_is_the_one_on_the_chain(vault: Vault) -> None:
    data_key, ciphertext = encrypt_payload(SystemEntropy(), CHAIN, RECORD, PLAINTEXT)
    keys = RecordKeys(data_key, b"s" * 32)
    commitment = commit_salted(keys.salt, PLAINTEXT)
    for digest, given, sentence in (
        (RecordDigest(RECORD, bytes(32), commitment), keys, "whose hash is on the chain"),
        (RecordDigest(RECORD, hash_bytes(ciphertext), bytes(32)), keys, "committed to"),
        (RecordDigest(RECORD, hash_bytes(ciphertext), commitment), RecordKeys(data_key, b"t" * 32), "committed to"),
        (RecordDigest(RECORD, hash_bytes(ciphertext), commitment), RecordKeys(bytes(32), keys.salt), "does not open"),
        (RecordDigest(OTHER, hash_bytes(ciphertext), commitment), keys, "does not open"),
    ):
        with pytest.raises(VerificationError, match=sentence):
            vault.put(digest, given, ciphertext)
    assert vault.list_records() == ()
    assert vault.put(RecordDigest(RECORD, hash_bytes(ciphertext), commitment), keys, ciphertext) == PLAINTEXT
    assert vault.open(RECORD) == PLAINTEXT


def test_a_record_is_never_replaced(vault: Vault) -> None:
    vault.add(RECORD, PLAINTEXT)
    with pytest.raises(VaultError, match="holds it already"):
        vault.add(RECORD, b"something else")
    assert vault.open(RECORD) == PLAINTEXT


def test_one_seed_gives_one_digest(tmp_path: Path) -> None:
    digests = {Vault(tmp_path / name, CHAIN, SeededEntropy(b"s")).add(RECORD, PLAINTEXT) for name in ("a", "b")}
    assert len(digests) == 1


def test_erasing_leaves_no_key_byte_in_any_file(vault: Vault, tmp_path: Path) -> None:
    vault.add(RECORD, PLAINTEXT, (OPENING,))
    vault.add(OTHER, b"stays")
    keys, ciphertext = vault.get(RECORD)
    path = tmp_path / "vault" / "keys" / RECORD
    with path.open("rb") as still_open:
        vault.erase(RECORD)
        assert set(still_open.read()) == {0}
    left = every_byte(tmp_path)
    for secret in (keys.data_key, keys.salt, OPENING.blinding, encode(OPENING), ciphertext):
        assert secret not in left
        assert secret.hex().encode() not in left
    assert vault.open(OTHER) == b"stays"
    assert vault.list_records() == (OTHER,)


def test_an_erased_id_stays_erased(vault: Vault, tmp_path: Path) -> None:
    digest = vault.add(RECORD, PLAINTEXT)
    keys, ciphertext = vault.get(RECORD)
    vault.erase(RECORD)
    vault.erase(RECORD)
    for again in (vault, open_vault(tmp_path)):
        assert again.is_erased(RECORD)
        with pytest.raises(VaultError, match="was erased"):
            again.open(RECORD)
        with pytest.raises(VaultError, match="use a new id"):
            again.add(RECORD, PLAINTEXT)
        with pytest.raises(VaultError, match="use a new id"):
            again.put(digest, keys, ciphertext)


def test_an_id_can_be_retired_before_it_arrives(vault: Vault) -> None:
    vault.erase(RECORD)
    with pytest.raises(VaultError, match="use a new id"):
        vault.add(RECORD, PLAINTEXT)


def test_an_erasure_that_a_crash_interrupted_is_finished_at_the_next_start(vault: Vault, tmp_path: Path) -> None:
    vault.add(RECORD, PLAINTEXT)
    keys = vault.keys(RECORD)
    tombstone = tmp_path / "vault" / "erased" / RECORD
    tombstone.write_bytes(b"xinpei-erased/1\n")
    (tmp_path / "vault" / "keys" / ".half.partial").write_bytes(keys.data_key)
    open_vault(tmp_path)
    assert keys.data_key not in every_byte(tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tombstone]


def test_a_crash_before_the_keys_were_written_leaves_no_record(vault: Vault, tmp_path: Path) -> None:
    (tmp_path / "vault" / "payloads" / RECORD).write_bytes(b"sealed under a key that was never written")
    assert RECORD not in vault
    assert vault.list_records() == ()
    vault.add(RECORD, PLAINTEXT)
    assert vault.open(RECORD) == PLAINTEXT


@pytest.mark.parametrize("folder", ["keys", "payloads"])
def test_a_flipped_bit_is_told(vault: Vault, tmp_path: Path, folder: str) -> None:
    vault.add(RECORD, PLAINTEXT, (OPENING,))
    path = tmp_path / "vault" / folder / RECORD
    good = path.read_bytes()
    for position in range(0, len(good), 7):
        changed = bytearray(good)
        changed[position] ^= 0x10
        path.write_bytes(changed)
        with pytest.raises(VaultError, match=f"of {RECORD}: damaged on disk") as caught:
            vault.open(RECORD)
        assert "appendectomy" not in str(caught.value)
    path.write_bytes(good)
    assert vault.open(RECORD) == PLAINTEXT


@pytest.mark.parametrize("folder", ["keys", "payloads"])
def test_swapped_truncated_missing_and_readable_files_are_told(vault: Vault, tmp_path: Path, folder: str) -> None:
    vault.add(RECORD, PLAINTEXT)
    vault.add(OTHER, PLAINTEXT)
    path, other = tmp_path / "vault" / folder / RECORD, tmp_path / "vault" / folder / OTHER
    good = path.read_bytes()
    path.write_bytes(other.read_bytes())
    with pytest.raises(VaultError, match="damaged on disk"):
        vault.open(RECORD)
    path.write_bytes(good[:-1])
    with pytest.raises(VaultError, match="damaged on disk"):
        vault.open(RECORD)
    path.write_bytes(good)
    path.chmod(0o644)
    with pytest.raises(VaultError, match="expected mode 0600"):
        vault.open(RECORD)
    path.unlink()
    with pytest.raises(VaultError, match=r"found none|does not hold it"):
        vault.open(RECORD)


@pytest.mark.parametrize("record_id", ["", "../escape", "a/b", ".hidden", "UPPER", "x" * 129, "a\n"])
def test_no_id_leaves_the_vault(vault: Vault, tmp_path: Path, record_id: str) -> None:
    for action in (vault.open, vault.erase, vault.is_erased, vault.keys, lambda name: vault.add(name, b"")):
        with pytest.raises(VaultError, match="record id: expected"):
            action(record_id)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
