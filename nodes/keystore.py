"""An organisation's secret keys on disk: one small file for each, mode 0600, in the node's own folder.

    consensus-N.key    signs votes and proposals, from the height on at which the chain names it; beside each lies the
                       state of what it has signed (`nodes.storage.signer`)
    submission-N.key   signs submissions, requests, envelopes and decisions; N is the key version on the chain
    submission-N.next  the same, prepared: the chain does not have it yet; it becomes a .key when the chain asks for it
    seal-N.key         opens what is sealed to the organisation; N is the key version on the chain. The next one lies
                       here before the chain has it; a former one stays as long as something sealed to it may be under
                       way (`nodes.roles.office.seal_keys`)
    invoice-tag.key    a hospital's secret for the tags of its invoices: equal invoices are recognised, not guessed
    register.key       seals the organisation's own book (`nodes.vault.register`)
    register.next      its successor, while the book is sealed anew (`nodes.vault.resealing`)
    register.former    its predecessor, when all of the book was, until it is overwritten
    tls/               the organisation's CA and its node's certificate (`nodes.pki`)

A key file is one line: `xinpei-key/1`, what the key is for, 32 bytes in hex, and the start of a checksum, so that a
file that was cut, mixed up or edited is refused by name. It holds the seed; keys are derived when they are loaded and
leave this module only as objects that sign or open.

The files are as safe as the account that runs the node. There is no passphrase: a node must restart alone at night.
"""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ledger.crypto.signatures import PrivateKey
from ledger.errors import LedgerError
from ledger.membership import Actor
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
from nodes.vault.sealing import SealContext, Sealed, SealKeyPair, SealKeys, lost_key_error

KeyUse = Literal["consensus", "submission", "seal", "invoice-tag", "register"]
VersionedUse = Literal["consensus", "submission", "seal"]

_KEY_LINE = re.compile(r"xinpei-key/1 ([a-z-]+) ([0-9a-f]{64}) ([0-9a-f]{8})\n")
_KEY_FILE_BYTES_MAX = 256
_VERSIONED_NAME = re.compile(r"(consensus|submission|seal)-([1-9][0-9]{0,9})\.key")
_REGISTER, _REGISTER_NEXT, _REGISTER_FORMER = "register.key", "register.next", "register.former"
TLS_FOLDER = "tls"


class KeystoreError(LedgerError):
    """A key that is missing, readable by others, malformed, or there already; says which file."""


@dataclass(frozen=True, slots=True)
class Keystore:
    """All signing and sealing keys of one organisation."""

    consensus_keys: Mapping[int, PrivateKey]
    """Version -> key; each height is voted on with the one that its validator set names."""
    submissions: Mapping[int, PrivateKey]
    """Version -> key; the older ones are kept because what they sealed and signed must still be explained."""
    seal: SealKeys
    tag_secret: bytes = field(repr=False)
    """32 bytes, for `ledger.crypto.hashes.tag_keyed`."""
    register_secret: bytes = field(repr=False)
    """32 bytes, for `nodes.vault.register.Register`."""

    @property
    def consensus(self) -> PrivateKey:
        """The newest consensus key; it votes once the chain has it in force."""
        return self.consensus_keys[max(self.consensus_keys)]

    def submission_in_force(self, actor: Actor, height: int) -> PrivateKey:
        """Return the key that the chain expects of this organisation at `height`.

        Args:
            actor: The organisation, as the chain has it.
            height: Of the next block.

        Raises:
            VerificationError: If no key is in force: the organisation was removed.
            KeystoreError: If the key in force is not on this disk.
        """
        version = actor.key_in_force(height).version
        key = self.submissions.get(version)
        if key is None:
            msg = f"submission key: the chain expects version {version}, whose file is not here; restore it"
            raise KeystoreError(msg)
        return key

    @property
    def submission_version(self) -> int:
        """The newest version that the chain is known to have."""
        return max(self.submissions)

    @property
    def submission(self) -> PrivateKey:
        """The newest submission key."""
        return self.submissions[self.submission_version]


def create_keystore(folder: Path, entropy: Entropy) -> Keystore:
    """Make an organisation's keys.

    Args:
        folder: Its keys' folder, which must hold no keys yet.
        entropy: Where the seeds come from.

    Raises:
        KeystoreError: If there is a key already; none is ever replaced.
    """
    create_private_directory(folder)
    _write_key(folder / "consensus-1.key", "consensus", entropy)
    _write_key(folder / "submission-1.key", "submission", entropy)
    _write_key(folder / "seal-1.key", "seal", entropy)
    _write_key(folder / "invoice-tag.key", "invoice-tag", entropy)
    _write_key(folder / _REGISTER, "register", entropy)
    return load_keystore(folder)


def load_keystore(folder: Path) -> Keystore:
    """Read an organisation's keys.

    Raises:
        KeystoreError: If one is missing, readable by others, malformed, or for something else.
    """
    if not folder.is_dir():
        msg = f"keys: expected a folder at {folder}, found none"
        raise KeystoreError(msg)
    erase_leftovers(folder)
    return Keystore(
        consensus_keys=_read_versions(folder, "consensus"),
        submissions=SubmissionKeys(folder),
        seal=SealKeyFiles(folder),
        tag_secret=_read_key(folder / "invoice-tag.key", "invoice-tag"),
        register_secret=_read_key(folder / _REGISTER, "register"),
    )


class SubmissionKeys(Mapping[int, PrivateKey]):
    """Version -> submission key, read from the folder when it is first asked for.

    A node that runs finds a key that was prepared beside it as soon as the chain names its version, and makes it a
    lasting one then: whoever asks for a version has it from the chain.
    """

    def __init__(self, folder: Path) -> None:
        """Read the keys that are there.

        Raises:
            KeystoreError: If there is none, or one is malformed.
        """
        self._folder = folder
        self._keys = _read_versions(folder, "submission")

    def __getitem__(self, version: int) -> PrivateKey:
        """Return the key of a version; raises `KeyError` if neither it nor a prepared one is there."""
        if version not in self._keys:
            path, prepared = _submission_path(self._folder, version), _prepared_path(self._folder, version)
            if not path.exists() and not prepared.exists():
                raise KeyError(version)
            if not path.exists():
                _read_key(prepared, "submission")
                prepared.rename(path)
                sync_directory(self._folder)
            self._keys[version] = PrivateKey(_read_key(path, "submission"))
        return self._keys[version]

    def __iter__(self) -> Iterator[int]:
        """Return the versions that were read."""
        return iter(self._keys)

    def __len__(self) -> int:
        """Return how many were read."""
        return len(self._keys)


class SealKeyFiles:
    """An organisation's seal keys, newest first, as they lie in its folder.

    A node that runs finds a key that was put beside the others with the first bytes that are sealed to it, and opens
    nothing more with one whose file was destroyed.
    """

    def __init__(self, folder: Path) -> None:
        """Read the keys that are there.

        Raises:
            KeystoreError: If there is none, or one is malformed.
        """
        self._folder = folder
        self._pairs: dict[int, SealKeyPair] = {}
        self._read()

    @property
    def public_key(self) -> bytes:
        """The newest one's, whether the chain has it yet or not."""
        self._read()
        return self._pairs[max(self._pairs)].public_key

    def get(self, version: int) -> SealKeyPair | None:
        """Return the key of a version, or None; raises `KeystoreError` if it is malformed."""
        self._read()
        return self._pairs.get(version)

    @property
    def versions(self) -> tuple[int, ...]:
        """The versions that are there, the oldest first."""
        self._read()
        return tuple(sorted(self._pairs))

    def open(self, sealed: Sealed, context: SealContext) -> bytes:
        """Open with the key that it is sealed to.

        Raises:
            LostKeyError: If that key is not here.
            VerificationError: As `SealKeyPair.open`.
            KeystoreError: If a key's file is malformed.
        """
        pair = self._find(sealed.key_id)
        if pair is None:
            self._read()
            pair = self._find(sealed.key_id)
        if pair is None:
            raise lost_key_error(sealed, context, [item.key_id for item in self._pairs.values()])
        return pair.open(sealed, context)

    def destroy(self, version: int) -> None:
        """Overwrite and remove a former key: what was sealed to it opens for nobody any more."""
        assert version < max(self._pairs), "the newest key stays"
        self._pairs.pop(version, None)
        erase_private(_seal_path(self._folder, version))

    def _find(self, key_id: bytes) -> SealKeyPair | None:
        for version, pair in self._pairs.items():
            if pair.key_id == key_id:
                return pair if _seal_path(self._folder, version).exists() else None
        return None

    def _read(self) -> None:
        """Take in what was put into the folder, and drop what was taken from it."""
        found = _list_versions(self._folder, "seal")
        for version in found:
            if version not in self._pairs:
                self._pairs[version] = SealKeyPair(_read_key(_seal_path(self._folder, version), "seal"))
        for version in [item for item in self._pairs if item not in found]:
            del self._pairs[version]


def prepare_seal_key(folder: Path, version: int, entropy: Entropy) -> SealKeyPair:
    """Return the seal key of a version that the chain is to have next, made if it was not before.

    It is on the disk, synced, when this returns: whatever is sealed to it later opens.

    Raises:
        KeystoreError: If it was prepared before and is malformed.
    """
    path = _seal_path(folder, version)
    if not path.exists():
        _write_key(path, "seal", entropy)
    return SealKeyPair(_read_key(path, "seal"))


def prepare_submission_key(folder: Path, entropy: Entropy) -> tuple[int, PrivateKey]:
    """Return the next version of the submission key with its number, made if it was not prepared before.

    It signs nothing before the chain names it: what was prepared and never posted is posted by the next attempt.

    Raises:
        KeystoreError: If the folder holds no submission key yet, or the prepared one is malformed.
    """
    version = next_version(folder, "submission")
    path = _prepared_path(folder, version)
    if not path.exists():
        _write_key(path, "submission", entropy)
    return version, PrivateKey(_read_key(path, "submission"))


def find_prepared_submission_key(folder: Path, version: int) -> PrivateKey | None:
    """Return the submission key of a version, prepared or lasting, or None; nothing is made lasting by looking.

    Raises:
        KeystoreError: If it is there and malformed.
    """
    for path in (_prepared_path(folder, version), _submission_path(folder, version)):  # a node renames it at any moment
        if path.exists():
            try:
                return PrivateKey(_read_key(path, "submission"))
            except KeystoreError:
                if path.exists():
                    raise
    return None


def add_consensus_key(folder: Path, entropy: Entropy) -> int:
    """Make the next version of the consensus key, beside the older ones, once the file of its state is made.

    Returns:
        Its version; the members' vote must name its public key before it signs anything.

    Raises:
        KeystoreError: If the folder holds no consensus key yet.
    """
    return _add_key(folder, "consensus", entropy)


def prepare_register_secret(folder: Path, entropy: Entropy) -> None:
    """Make the secret that is to replace the register's; raises `KeystoreError` if one was prepared already."""
    _write_key(folder / _REGISTER_NEXT, "register", entropy)


def read_register_secrets(folder: Path) -> tuple[bytes, bytes | None]:
    """Return the register's secret, and the one that is to replace it if that was prepared.

    Raises:
        KeystoreError: If one of them is malformed, or the first is missing.
    """
    prepared = folder / _REGISTER_NEXT
    in_force = _read_key(folder / _REGISTER, "register")
    return in_force, _read_key(prepared, "register") if prepared.exists() else None


def install_register_secret(folder: Path) -> None:
    """Put the prepared secret in the place of the former one, which keeps a second name until it is destroyed."""
    os.link(folder / _REGISTER, folder / _REGISTER_FORMER)
    sync_directory(folder)
    (folder / _REGISTER_NEXT).replace(folder / _REGISTER)
    sync_directory(folder)


def destroy_former_register_secret(folder: Path) -> None:
    """Overwrite and remove the former secret; while it is in force still, only its second name goes."""
    former, in_force = folder / _REGISTER_FORMER, folder / _REGISTER
    if not former.exists():
        return
    if in_force.exists() and former.samefile(in_force):
        former.unlink()
        sync_directory(folder)
    else:
        erase_private(former)


def next_version(folder: Path, use: VersionedUse) -> int:
    """Return the version that the next key of this use will have; raises `KeystoreError` if there is none yet."""
    return _list_versions(folder, use)[-1] + 1


def _add_key(folder: Path, use: VersionedUse, entropy: Entropy) -> int:
    version = next_version(folder, use)
    _write_key(folder / f"{use}-{version}.key", use, entropy)
    return version


def _submission_path(folder: Path, version: int) -> Path:
    return folder / f"submission-{version}.key"


def _seal_path(folder: Path, version: int) -> Path:
    return folder / f"seal-{version}.key"


def _prepared_path(folder: Path, version: int) -> Path:
    return folder / f"submission-{version}.next"


def _read_versions(folder: Path, use: VersionedUse) -> dict[int, PrivateKey]:
    return {
        version: PrivateKey(_read_key(folder / f"{use}-{version}.key", use)) for version in _list_versions(folder, use)
    }


def _list_versions(folder: Path, use: VersionedUse) -> list[int]:
    matches = (_VERSIONED_NAME.fullmatch(path.name) for path in folder.iterdir())
    versions = sorted(int(match.group(2)) for match in matches if match and match.group(1) == use)
    if not versions:
        msg = f"{use} key: expected a file at {folder / f'{use}-1.key'}, found none"
        raise KeystoreError(msg)
    return versions


def _write_key(path: Path, use: KeyUse, entropy: Entropy) -> None:
    if path.exists():
        msg = f"{use} key: {path} exists already and is not replaced; keys that are lost cannot be made again"
        raise KeystoreError(msg)
    seed = entropy.draw(32)
    write_private(path, f"xinpei-key/1 {use} {seed.hex()} {_checksum(use, seed)}\n".encode("ascii"))


def _read_key(path: Path, use: KeyUse) -> bytes:
    try:
        data = read_private(path, f"{use} key", _KEY_FILE_BYTES_MAX)
    except FileError as error:
        raise KeystoreError(str(error)) from None
    match = _KEY_LINE.fullmatch(data.decode("ascii", "replace"))
    if match is None:
        msg = f"{use} key: {path} is malformed; expected one line: xinpei-key/1, use, 64 hex digits, checksum"
        raise KeystoreError(msg)
    if match.group(1) != use:
        msg = f"{use} key: {path} holds a {match.group(1)} key"
        raise KeystoreError(msg)
    seed = bytes.fromhex(match.group(2))
    if match.group(3) != _checksum(use, seed):
        msg = f"{use} key: the checksum in {path} differs; the file was changed"
        raise KeystoreError(msg)
    return seed


def _checksum(use: str, seed: bytes) -> str:
    return hashlib.sha256(b"xinpei/key-file/v1" + use.encode("ascii") + seed).hexdigest()[:8]
