"""The vault: sealed records on disk, and for each the one file whose destruction erases it.

    DIRECTORY/
      payloads/ID    the sealed payload; says nothing without its keys
      keys/ID        data key, salt and openings of one record, and a checksum
      erased/ID      the tombstone: this id was erased and is never stored again
      arriving/ID    the chunks so far of a large payload that another member hands over: kept over a restart
      drafts/ID      the chunks so far of a large payload of one's own: kept over a restart, until it is whole
      draft-keys/ID  as keys/ID, of a draft: overwritten when it is whole or given up

It holds an organisation's own records (`add`), those it received (`put`), and whatever else must be erasable, such as
the openings of a claim: those are the plaintext of a record of the vault's own, `claim.<id>`.

The key file is written after the payload, so a record exists exactly if its key file does; a crash in between leaves
a payload that nobody can open and that the next attempt replaces. Erasing writes the tombstone first, then overwrites,
syncs and unlinks the key file, then removes the payload; a crash in between is finished when the vault is opened next.

Keys, salts and openings are in no other file: no database, outbox or log. What was read lies in this process's memory
until Python reuses it, which no code here can prevent. What erasing promises on disk is said in `nodes.files`.
"""

import hashlib
import re
from pathlib import Path
from typing import Annotated, BinaryIO

from msgspec import Meta

from ledger.codec import Hash, Struct, decode, encode
from ledger.crypto.hashes import commit_salted, hash_bytes
from ledger.errors import DecodeError, LedgerError, VerificationError
from nodes.entropy import Entropy
from nodes.files import (
    FileError,
    create_private_directory,
    erase_leftovers,
    erase_private,
    read_private,
    sync_directory,
    write_private,
)
from nodes.vault.payloads import CIPHERTEXT_BYTES_MAX, decrypt_payload, encrypt_payload
from nodes.vault.sealing import AmountOpening, RecordId, RecordKeys

SALT_BYTES = 32
_KEY_FILE_BYTES_MAX = 64 * 1024
_HELD_MAX = 65_536
"""Ids that are known to be held without a look at the disk: about 10 MB, and more than are worked on at a time."""
_RECORD_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,127}")


class VaultError(LedgerError):
    """A record that is missing, already there, erased or damaged."""


class RecordDigest(Struct):
    """What the chain has of a record."""

    record_id: RecordId
    ciphertext_hash: Hash
    """SHA-256 of the sealed payload."""
    commitment: Hash
    """Salted commitment to the plaintext."""


class _KeyFile(Struct):
    format: Annotated[str, Meta(pattern=r"^xinpei-record-keys/1\Z")]
    record_id: RecordId
    keys: RecordKeys
    checksum: Hash
    """Over the other fields: a damaged file is told from a damaged payload."""


class Vault:
    """One organisation's records on one chain. One process at a time; synchronous and durable."""

    def __init__(self, directory: Path, chain_id: str, entropy: Entropy) -> None:
        """Open the vault, making its folders if they are missing and finishing what a crash interrupted.

        Args:
            directory: Its folder, of this organisation only.
            chain_id: The chain that its records are on.
            entropy: Where data keys and salts come from.
        """
        self._chain_id = chain_id
        self._entropy = entropy
        self._payloads = directory / "payloads"
        self._keys = directory / "keys"
        self._erased = directory / "erased"
        self._arriving = directory / "arriving"
        self._drafts = directory / "drafts"
        self._draft_keys = directory / "draft-keys"
        self._held: set[str] = set()
        private = (self._payloads, self._keys, self._erased, self._draft_keys)
        for folder in (directory, *private, self._arriving, self._drafts):
            create_private_directory(folder)
        for folder in private:
            erase_leftovers(folder)
        for draft in self._drafts.iterdir():
            if not (self._draft_keys / draft.name).exists():
                draft.unlink()
        for tombstone in self._erased.iterdir():
            self._destroy(tombstone.name)

    def add(self, record_id: str, plaintext: bytes, openings: tuple[AmountOpening, ...] = ()) -> RecordDigest:
        """Seal and keep a record of one's own, under a fresh data key and salt.

        Args:
            record_id: Its id; new to this vault.
            plaintext: The canonical encoding of the record.
            openings: What opens the commitments to its amounts.

        Returns:
            What goes onto the chain.

        Raises:
            VaultError: If the vault has this id already, or erased it.
            VerificationError: If the plaintext is too long.
        """
        self._check_free(record_id)
        salt = self._entropy.draw(SALT_BYTES)
        data_key, ciphertext = encrypt_payload(self._entropy, self._chain_id, record_id, plaintext)
        self._store(record_id, RecordKeys(data_key, salt, openings), ciphertext)
        return RecordDigest(record_id, hash_bytes(ciphertext), commit_salted(salt, plaintext))

    def put(self, digest: RecordDigest, keys: RecordKeys, ciphertext: bytes) -> bytes:
        """Keep a record that another organisation handed over, after checking it against the chain.

        Args:
            digest: What the chain has of it.
            keys: Out of its envelope.
            ciphertext: The sealed payload.

        Returns:
            The plaintext.

        Raises:
            VaultError: If the vault has this id already, or erased it.
            VerificationError: If payload or plaintext are not those the chain committed to.
        """
        self._check_free(digest.record_id)
        plaintext = self._verify(digest, keys, ciphertext)
        self._store(digest.record_id, keys, ciphertext)
        return plaintext

    @property
    def chain_id(self) -> str:
        """The chain that its records are on."""
        return self._chain_id

    @property
    def entropy(self) -> Entropy:
        """Where data keys and salts come from."""
        return self._entropy

    def begin_draft(self, record_id: str, keys: RecordKeys) -> Path:
        """Return where the chunks of a large payload of one's own are to be written; nothing is there.

        Args:
            record_id: New to this vault.
            keys: What opens it; kept from now on, for a restart.

        Raises:
            VaultError: If the vault has this id already, or erased it.
        """
        self._check_free(record_id)
        path = self._drafts / record_id
        path.unlink(missing_ok=True)
        self._write(self._draft_keys / record_id, _encode_keys(record_id, keys))
        return path

    def open_draft(self, record_id: str) -> tuple[RecordKeys, Path]:
        """Return the keys of a draft, and where its chunks are.

        Raises:
            VaultError: If there is none, or its keys are damaged.
        """
        _check_id(record_id)
        if not (self._draft_keys / record_id).exists():
            msg = f"draft of {record_id}: this vault has none"
            raise VaultError(msg)
        return self._read_keys(self._draft_keys, record_id), self._drafts / record_id

    def list_drafts(self) -> tuple[str, ...]:
        """Return the ids of all drafts, sorted."""
        return tuple(sorted(path.name for path in self._draft_keys.iterdir()))

    def keep_draft(self, record_id: str) -> None:
        """Keep a draft that is whole and synced as a record; what a crash left undone of it is done.

        Raises:
            VaultError: If there is neither draft nor record, or the draft is damaged.
        """
        if record_id not in self:
            keys, path = self.open_draft(record_id)
            if path.exists():
                path.replace(self._payloads / record_id)
                sync_directory(self._payloads)
            elif not (self._payloads / record_id).exists():
                raise _damaged("draft", record_id, "its chunks are missing")
            self._keep_keys(record_id, keys)
        self.stop_draft(record_id)

    def stop_draft(self, record_id: str) -> None:
        """Destroy a draft: its keys are overwritten, its chunks removed; none is fine."""
        _check_id(record_id)
        erase_private(self._draft_keys / record_id)
        (self._drafts / record_id).unlink(missing_ok=True)

    def begin_arrival(self, record_id: str) -> Path:
        """Return where the chunks of a large payload that is handed over are, and are to be written.

        Raises:
            VaultError: If the vault has this id already, or erased it.
        """
        self._check_free(record_id)
        path = self._arriving / record_id
        if (self._payloads / record_id).exists():  # whole, and its keys were not kept any more
            (self._payloads / record_id).replace(path)
        return path

    def keep(self, record_id: str, keys: RecordKeys, path: Path) -> None:
        """Keep a large payload that arrived, is whole, synced and checked.

        Args:
            record_id: Its id.
            keys: What opens it.
            path: From `begin_arrival`; it moves.

        Raises:
            VaultError: If the vault has this id already, or erased it.
        """
        self._check_free(record_id)
        path.replace(self._payloads / record_id)
        sync_directory(self._payloads)
        self._keep_keys(record_id, keys)

    def list_arriving(self) -> tuple[str, ...]:
        """Return the ids of what has begun to arrive, sorted."""
        return tuple(sorted(path.name for path in self._arriving.iterdir()))

    def stop_arrival(self, record_id: str) -> None:
        """Remove what has arrived of a record; nothing is fine. Nobody has its keys, so it is only unlinked."""
        _check_id(record_id)
        (self._arriving / record_id).unlink(missing_ok=True)

    def open_payload(self, record_id: str) -> BinaryIO:
        """Return the file of a sealed payload, to be read in parts and closed.

        Raises:
            VaultError: If it is missing or erased.
        """
        if record_id not in self:
            msg = f"record {record_id}: this vault does not hold it"
            raise VaultError(msg)
        try:
            return (self._payloads / record_id).open("rb")
        except FileNotFoundError:
            raise _damaged("payload", record_id, "it is missing") from None

    def get(self, record_id: str) -> tuple[RecordKeys, bytes]:
        """Return a record's keys and its sealed payload: what a hand-over needs.

        Raises:
            VaultError: If it is missing, erased or damaged.
        """
        self._check_held(record_id)
        return self.keys(record_id), self._read(self._payloads, record_id, "payload", CIPHERTEXT_BYTES_MAX)

    def keys(self, record_id: str) -> RecordKeys:
        """Return a record's keys.

        Raises:
            VaultError: If it is missing, erased or damaged.
        """
        self._check_held(record_id)
        return self._read_keys(self._keys, record_id)

    def _read_keys(self, folder: Path, record_id: str) -> RecordKeys:
        data = self._read(folder, record_id, "keys", _KEY_FILE_BYTES_MAX)
        try:
            file = decode(data, _KeyFile)
        except DecodeError:
            raise _damaged("keys", record_id, "they are not a key file") from None
        if file.checksum != _checksum(file.record_id, file.keys):
            raise _damaged("keys", record_id, "their checksum differs")
        if file.record_id != record_id:
            raise _damaged("keys", record_id, f"they belong to {file.record_id}")
        return file.keys

    def open(self, record_id: str) -> bytes:
        """Return a record's plaintext.

        Raises:
            VaultError: If it is missing, erased or damaged.
        """
        return self._open(record_id)[0]

    def digest(self, record_id: str) -> RecordDigest:
        """Return what the chain should have of a record, computed again from what is stored.

        Raises:
            VaultError: If it is missing, erased or damaged.
        """
        plaintext, keys, ciphertext = self._open(record_id)
        return RecordDigest(record_id, hash_bytes(ciphertext), commit_salted(keys.salt, plaintext))

    def erase(self, record_id: str) -> None:
        """Destroy a record for good: its keys are overwritten, its payload is removed, its id is retired.

        Erasing twice, or an id that was never stored, is no error: afterwards the id is retired either way.

        Raises:
            VaultError: If the id is malformed.
        """
        _check_id(record_id)
        self._held.discard(record_id)
        if not self.is_erased(record_id):
            write_private(self._erased / record_id, b"xinpei-erased/1\n")
        self._destroy(record_id)

    def is_erased(self, record_id: str) -> bool:
        """Whether this id was erased here."""
        _check_id(record_id)
        return record_id not in self._held and (self._erased / record_id).exists()

    def __contains__(self, record_id: str) -> bool:
        """Whether the vault holds this record."""
        _check_id(record_id)
        if record_id in self._held:
            return True
        is_held = (self._keys / record_id).exists() and not self.is_erased(record_id)
        if is_held:
            if len(self._held) >= _HELD_MAX:
                self._held.clear()
            self._held.add(record_id)
        return is_held

    def list_records(self) -> tuple[str, ...]:
        """Return the ids of all records held, sorted."""
        return tuple(sorted(path.name for path in self._keys.iterdir() if _RECORD_ID.fullmatch(path.name)))

    def _open(self, record_id: str) -> tuple[bytes, RecordKeys, bytes]:
        keys, ciphertext = self.get(record_id)
        try:
            return decrypt_payload(keys.data_key, self._chain_id, record_id, ciphertext), keys, ciphertext
        except VerificationError as error:
            raise _damaged("payload", record_id, str(error)) from None

    def _verify(self, digest: RecordDigest, keys: RecordKeys, ciphertext: bytes) -> bytes:
        if hash_bytes(ciphertext) != digest.ciphertext_hash:
            msg = f"payload of {digest.record_id}: not the one whose hash is on the chain"
            raise VerificationError(msg)
        plaintext = decrypt_payload(keys.data_key, self._chain_id, digest.record_id, ciphertext)
        if commit_salted(keys.salt, plaintext) != digest.commitment:
            msg = f"record {digest.record_id}: its plaintext is not the one that was committed to on the chain"
            raise VerificationError(msg)
        return plaintext

    def _check_free(self, record_id: str) -> None:
        if self.is_erased(record_id):
            msg = f"record {record_id}: was erased here and is not stored again; use a new id"
            raise VaultError(msg)
        if record_id in self:
            msg = f"record {record_id}: this vault holds it already; a correction is a record of its own"
            raise VaultError(msg)

    def _store(self, record_id: str, keys: RecordKeys, ciphertext: bytes) -> None:
        self._write(self._payloads / record_id, ciphertext)
        self._keep_keys(record_id, keys)

    def _keep_keys(self, record_id: str, keys: RecordKeys) -> None:
        self._write(self._keys / record_id, _encode_keys(record_id, keys))

    def _write(self, path: Path, data: bytes) -> None:
        """Put a file down; what a simulated disk does otherwise."""
        write_private(path, data)

    def _check_held(self, record_id: str) -> None:
        if self.is_erased(record_id):
            msg = f"record {record_id}: was erased"
            raise VaultError(msg)
        if record_id not in self:
            msg = f"record {record_id}: this vault does not hold it"
            raise VaultError(msg)

    def _read(self, folder: Path, record_id: str, what: str, bytes_max: int) -> bytes:
        try:
            return read_private(folder / record_id, f"{what} of {record_id}", bytes_max)
        except FileError as error:
            raise VaultError(str(error)) from None

    def _destroy(self, record_id: str) -> None:
        erase_private(self._keys / record_id)
        erase_private(self._payloads / record_id)
        (self._arriving / record_id).unlink(missing_ok=True)
        self.stop_draft(record_id)


def _encode_keys(record_id: str, keys: RecordKeys) -> bytes:
    return encode(_KeyFile("xinpei-record-keys/1", record_id, keys, _checksum(record_id, keys)))


def _checksum(record_id: str, keys: RecordKeys) -> bytes:
    return hashlib.sha256(encode((record_id, keys))).digest()


def _check_id(record_id: str) -> None:
    if not _RECORD_ID.fullmatch(record_id):
        msg = f"record id: expected 1 to 128 of a-z, 0-9, dot, underscore, hyphen, got {record_id[:140]!r}"
        raise VaultError(msg)


def _damaged(what: str, record_id: str, how: str) -> VaultError:
    return VaultError(f"{what} of {record_id}: damaged on disk: {how}; ask its custodian for another copy")
