"""The register: an organisation's own book, sealed, one file for each entry.

What a hospital's or insurer's own systems would hold (patients, stays with their plaintext, insured persons, policies,
payees) has to be at hand, and erasable one by one. So it is in no database: an entry is a file

    DIRECTORY/KIND/NAME    nonce, and AES-256-GCM of (kind, id, data) under the register's key

NAME is keyed by the register's key over kind and id, so a listing of the folder tells how many entries there are and
nothing about whom; it is also the associated data, so files that are swapped do not open. The key is derived from a
secret of the keystore: whoever has both files and keystore reads the book, as the organisation does.

Replacing an entry and erasing one overwrite the former bytes before they are given back to the file system; what that
promises is said in `nodes.files`. A crash during a replacement leaves the old entry or the new one, and possibly the
old bytes, sealed, in a block that no file names. `redact` replaces without that gap: the former file keeps a second
name until it is overwritten, and what a crash left under it is overwritten when the register is opened next.

Every entry has a fresh random nonce, which allows far more writes under one key (2^32) than an organisation makes.

The secret is replaced by sealing every entry anew (`reseal`); `nodes.vault.resealing` has the order of it.
"""

import hmac
import os
import re
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ledger.codec import Struct, decode, encode
from ledger.errors import DecodeError, LedgerError
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

REGISTER_FOLDER = "register"
"""Where the book lies in an organisation's own folder."""
ENTRY_BYTES_MAX = 8 * 1024 * 1024
"""A stay with thousands of lines, its corrections included."""
ENTRY_ID_CHARACTERS_MAX = 200
_NONCE_BYTES = 12
_FORMER_SUFFIX = ".former"
_KIND = re.compile(r"[a-z][a-z0-9-]{0,31}")


class RegisterError(LedgerError):
    """An entry that is damaged, too large, or asked for under no possible name."""


class _Entry(Struct):
    kind: str
    entry_id: str
    data: bytes


class Register:
    """One organisation's book. One process at a time; synchronous and durable."""

    def __init__(self, directory: Path, secret: bytes, entropy: Entropy) -> None:
        """Open the book, making its folder if it is missing and clearing up after a crash.

        Args:
            directory: Its folder, of this organisation only.
            secret: 32 bytes, `Keystore.register_secret`.
            entropy: Where the nonces come from.
        """
        self._directory = directory
        self._entropy = entropy
        self._cipher = AESGCM(_derive(secret, b"xinpei/register/entries/v1"))
        self._name_key = _derive(secret, b"xinpei/register/names/v1")
        create_private_directory(directory)
        for folder in directory.iterdir():
            erase_leftovers(folder)
            for former in folder.glob(f".*{_FORMER_SUFFIX}"):
                _finish(former)

    def put(self, kind: str, entry_id: str, data: bytes) -> None:
        """Write an entry, replacing an earlier one of this id; durable when this returns.

        Args:
            kind: What it is, such as `patient`; lower-case letters, digits, hyphens.
            entry_id: Whose, among its kind: any text of 1 to 200 characters.
            data: At most ENTRY_BYTES_MAX bytes.

        Raises:
            RegisterError: If kind or id are malformed, or the data too long.
        """
        path = self._path(kind, entry_id)
        if len(data) > ENTRY_BYTES_MAX:
            msg = f"{kind}: expected at most {ENTRY_BYTES_MAX} bytes, got {len(data)}"
            raise RegisterError(msg)
        nonce = self._entropy.draw(_NONCE_BYTES)
        plaintext = encode(_Entry(kind, entry_id, data))
        sealed = nonce + self._cipher.encrypt(nonce, plaintext, path.name.encode("ascii"))
        create_private_directory(path.parent)
        write_private(path, sealed)

    def redact(self, kind: str, entry_id: str, data: bytes) -> None:
        """Replace an entry by one that says less; the former bytes are overwritten, whatever crashes in between.

        Args, raises: As `put`.
        """
        path = self._path(kind, entry_id)
        former = path.with_name(f".{path.name}{_FORMER_SUFFIX}")
        if former.exists():
            _finish(former)
        if path.exists():
            os.link(path, former)
            sync_directory(path.parent)
        self.put(kind, entry_id, data)
        if former.exists():
            _finish(former)

    def get(self, kind: str, entry_id: str) -> bytes | None:
        """Return an entry's data, or None if there is none.

        Raises:
            RegisterError: If it is damaged, or kind or id are malformed.
        """
        path = self._path(kind, entry_id)
        return self._read(kind, path).data if path.exists() else None

    def list_ids(self, kind: str) -> tuple[str, ...]:
        """Return the ids of all entries of a kind, sorted; opens every one of them.

        Raises:
            RegisterError: If one is damaged.
        """
        return tuple(entry_id for entry_id, _ in self.list_entries(kind))

    def list_entries(self, kind: str) -> tuple[tuple[str, bytes], ...]:
        """Return (id, data) of all entries of a kind, sorted by id.

        Raises:
            RegisterError: If one is damaged.
        """
        folder = self._folder(kind)
        if not folder.is_dir():
            return ()
        entries = (self._read(kind, path) for path in folder.iterdir() if not path.name.startswith("."))
        return tuple(sorted((entry.entry_id, entry.data) for entry in entries))

    def erase(self, kind: str, entry_id: str) -> None:
        """Overwrite and remove an entry; one that is not there is fine.

        Raises:
            RegisterError: If kind or id are malformed.
        """
        path = self._path(kind, entry_id)
        erase_private(path)

    def check(self) -> None:
        """Open every entry once.

        Raises:
            RegisterError: If one is damaged.
        """
        for kind, path in self._list_files():
            self._read(kind, path)

    def reseal(self, former: bytes) -> int:
        """Seal anew what is still sealed under a former secret; return how many entries that were.

        Every entry is opened once before the first is changed. Then each gets its new file, durable, before the old
        one is overwritten and removed; so whatever stops in between, doing it again goes on from there.

        Args:
            former: The secret that this one replaces.

        Raises:
            RegisterError: If an entry opens under neither; nothing was changed.
        """
        earlier = Register(self._directory, former, self._entropy)
        left: list[tuple[str, Path]] = []
        for kind, path in self._list_files():
            try:
                self._read(kind, path)
            except RegisterError:
                earlier._read(kind, path)
                left.append((kind, path))
        for kind, path in left:
            entry = earlier._read(kind, path)
            self.put(kind, entry.entry_id, entry.data)
            erase_private(path)
        return len(left)

    def _list_files(self) -> list[tuple[str, Path]]:
        folders = sorted(self._directory.iterdir())
        return [(folder.name, path) for folder in folders for path in sorted(folder.iterdir())]

    def _folder(self, kind: str) -> Path:
        if not _KIND.fullmatch(kind):
            msg = f"kind: expected 1 to 32 of a-z, 0-9 and hyphen, got {kind[:40]!r}"
            raise RegisterError(msg)
        return self._directory / kind

    def _path(self, kind: str, entry_id: str) -> Path:
        folder = self._folder(kind)
        if not 1 <= len(entry_id) <= ENTRY_ID_CHARACTERS_MAX:
            msg = f"{kind}: expected an id of 1 to {ENTRY_ID_CHARACTERS_MAX} characters, got {len(entry_id)}"
            raise RegisterError(msg)
        return folder / hmac.digest(self._name_key, encode((kind, entry_id)), "sha256").hex()

    def _read(self, kind: str, path: Path) -> _Entry:
        try:
            sealed = read_private(path, f"register entry of kind {kind}", ENTRY_BYTES_MAX + 1024)
        except FileError as error:
            raise RegisterError(str(error)) from None
        nonce, ciphertext = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        entry: _Entry | None
        try:
            entry = decode(
                self._cipher.decrypt(nonce, ciphertext, path.name.encode("ascii")), _Entry, ENTRY_BYTES_MAX * 2
            )
        except (InvalidTag, ValueError, DecodeError):
            entry = None
        if entry is None or entry.kind != kind:
            msg = (
                f"register entry {path}: does not open: it was changed, cut off or moved, or belongs to another "
                "keystore; restore this file from a backup"
            )
            raise RegisterError(msg)
        return entry


def _finish(former: Path) -> None:
    """Destroy what a redaction replaced; while the entry still has the same file, only the second name goes."""
    if former.stat().st_nlink > 1:
        former.unlink()
        sync_directory(former.parent)
    else:
        erase_private(former)


def _derive(secret: bytes, info: bytes) -> bytes:
    assert len(secret) == 32, f"a register's secret has 32 bytes, not {len(secret)}"
    return HKDF(SHA256(), length=32, salt=None, info=info).derive(secret)
