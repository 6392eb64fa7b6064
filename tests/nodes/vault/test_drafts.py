"""Drafts: however a payload comes in, and wherever its sealing is interrupted, the same record comes of it."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.crypto.hashes import commit_salted, hash_bytes
from ledger.errors import VerificationError
from nodes.entropy import SeededEntropy
from nodes.vault.attachments import read_plaintext
from nodes.vault.drafts import DraftWriter, begin_draft
from nodes.vault.payloads import CHUNK_BYTES, SEALED_CHUNK_BYTES
from nodes.vault.records import Vault, VaultError

RECORD = "record-0123456789ab"
CHAIN = "test-0011223344556677"


def open_vault(folder: Path) -> Vault:
    return Vault(folder, CHAIN, SeededEntropy(b"drafts"))


def resume(vault: Vault, plaintext: bytes) -> DraftWriter:
    writer = DraftWriter(vault, RECORD, len(plaintext))
    while (chunk := writer.peek()) is not None:
        writer.accept(chunk)
    return writer


@settings(max_examples=25, deadline=None)
@given(
    size=st.integers(1, 4 * CHUNK_BYTES + 2),
    stops=st.lists(st.tuples(st.integers(0, 4 * CHUNK_BYTES), st.integers(0, 2 * SEALED_CHUNK_BYTES)), max_size=3),
)
def test_whatever_is_torn_off_at_whatever_restart_the_record_is_the_same(
    size: int, stops: list[tuple[int, int]]
) -> None:
    plaintext = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        vault = open_vault(folder)
        begin_draft(vault, RECORD)
        for count, torn in stops:
            writer = resume(vault, plaintext)
            writer.write(plaintext[writer.taken : writer.taken + count])
            if writer.taken == size and torn % 2:
                writer.finish()
            writer.close()
            chunks = folder / "drafts" / RECORD
            with chunks.open("r+b") as file:
                file.truncate(max(0, chunks.stat().st_size - torn))
            vault = open_vault(folder)
        writer = resume(vault, plaintext)
        assert writer.taken % CHUNK_BYTES == 0
        assert writer.taken < size, "the last chunk is always sealed again"
        writer.write(plaintext[writer.taken :])
        digest = writer.finish()
        vault.keep_draft(RECORD)
        keys, ciphertext = vault.get(RECORD)
        assert b"".join(read_plaintext(vault, RECORD)) == plaintext
        assert digest.ciphertext_hash == hash_bytes(ciphertext)
        assert digest.commitment == commit_salted(keys.salt, plaintext)
        assert list((folder / "draft-keys").iterdir()) == list((folder / "drafts").iterdir()) == []


def test_one_key_does_not_seal_two_texts(tmp_path: Path) -> None:
    vault = open_vault(tmp_path)
    begin_draft(vault, RECORD)
    writer = DraftWriter(vault, RECORD, 3 * CHUNK_BYTES)
    writer.write(bytes(2 * CHUNK_BYTES + 1))
    writer.close()
    again = DraftWriter(vault, RECORD, 3 * CHUNK_BYTES)
    before = (tmp_path / "drafts" / RECORD).read_bytes()
    with pytest.raises(VerificationError, match="expected the bytes that were taken in here before a restart"):
        again.write(b"x" * (2 * CHUNK_BYTES))
    assert (tmp_path / "drafts" / RECORD).read_bytes() == before


def test_more_than_was_announced_is_refused(tmp_path: Path) -> None:
    vault = open_vault(tmp_path)
    begin_draft(vault, RECORD)
    with pytest.raises(VerificationError, match="expected at most 10 bytes, got 11"):
        DraftWriter(vault, RECORD, 10).write(bytes(11))


def test_a_crash_while_it_is_kept_is_made_up_for(tmp_path: Path) -> None:
    vault = open_vault(tmp_path)
    begin_draft(vault, RECORD)
    writer = DraftWriter(vault, RECORD, 10)
    writer.write(b"0123456789")
    writer.finish()
    (tmp_path / "drafts" / RECORD).rename(tmp_path / "payloads" / RECORD)  # and then the power failed
    vault = open_vault(tmp_path)
    assert RECORD not in vault
    vault.keep_draft(RECORD)
    assert b"".join(read_plaintext(vault, RECORD)) == b"0123456789"


def test_chunks_without_keys_are_gone_after_a_restart_and_an_erased_id_is_not_begun(tmp_path: Path) -> None:
    vault = open_vault(tmp_path)
    begin_draft(vault, RECORD)
    DraftWriter(vault, RECORD, 10).close()
    (tmp_path / "draft-keys" / RECORD).unlink()
    vault = open_vault(tmp_path)
    assert list((tmp_path / "drafts").iterdir()) == []
    with pytest.raises(VaultError, match="this vault has none"):
        DraftWriter(vault, RECORD, 10)
    vault.erase(RECORD)
    with pytest.raises(VaultError, match="was erased here"):
        begin_draft(vault, RECORD)


def test_erasing_a_record_destroys_a_draft_of_it(tmp_path: Path) -> None:
    vault = open_vault(tmp_path)
    begin_draft(vault, RECORD)
    DraftWriter(vault, RECORD, 10).close()
    vault.erase(RECORD)
    assert list((tmp_path / "draft-keys").iterdir()) == list((tmp_path / "drafts").iterdir()) == []
