"""What a passphrase protects: stretched by Argon2id (RFC 9106), then AES-256-GCM.

It is what wallets and their backups are locked with; it knows nothing of what is inside. The cost of stretching stands
in each box, bounded, because a file from somebody else must not take this machine's memory or its afternoon.

A passphrase comes from a prompt, the environment (XINPEI_PASSPHRASE) or a file that the environment names
(XINPEI_PASSPHRASE_FILE), never from the command line, where every process could read it. It is normalised to NFC, so
that the same characters typed on another machine open the same box.
"""

import unicodedata
from typing import Annotated

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from msgspec import Meta

from ledger.codec import Struct
from ledger.errors import LedgerError
from nodes.entropy import Entropy

PASSPHRASE_VARIABLE = "XINPEI_PASSPHRASE"  # noqa: S105 - the name of the variable, not what is in it
PASSPHRASE_FILE_VARIABLE = "XINPEI_PASSPHRASE_FILE"  # noqa: S105 - the name of the variable that names the file
LOCKED_BYTES_MAX = 64 * 1024
_MEMORY_KIB = 64 * 1024
_ITERATIONS = 3
_LANES = 4
"""RFC 9106's second recommended set: 64 MiB, 3 passes, 4 lanes."""


class PassphraseError(LedgerError):
    """A passphrase that is empty or no text, or does not open what it was given for."""


class Locked(Struct):
    """A box under a passphrase."""

    salt: Annotated[bytes, Meta(min_length=16, max_length=16)]
    memory_kib: Annotated[int, Meta(ge=8 * 1024, le=4 * _MEMORY_KIB)]
    """Bounded, like the next two."""
    iterations: Annotated[int, Meta(ge=1, le=2 * _ITERATIONS)]
    lanes: Annotated[int, Meta(ge=1, le=2 * _LANES)]
    nonce: Annotated[bytes, Meta(min_length=12, max_length=12)]
    ciphertext: Annotated[bytes, Meta(max_length=LOCKED_BYTES_MAX)]


def lock(plaintext: bytes, passphrase: str, associated: bytes, entropy: Entropy) -> Locked:
    """Return a box with `plaintext` that opens with this passphrase and beside these bytes only.

    Args:
        plaintext: What is inside.
        passphrase: At least one character.
        associated: What the box must be found with, such as the head of its file.
        entropy: Where salt and nonce come from.

    Raises:
        PassphraseError: If the passphrase is empty, or no text.
    """
    if not passphrase:
        msg = "passphrase: expected at least one character"
        raise PassphraseError(msg)
    salt, nonce = entropy.draw(16), entropy.draw(12)
    empty = Locked(salt, _MEMORY_KIB, _ITERATIONS, _LANES, nonce, b"")
    ciphertext = AESGCM(_stretch(passphrase, empty)).encrypt(nonce, plaintext, associated)
    return Locked(salt, _MEMORY_KIB, _ITERATIONS, _LANES, nonce, ciphertext)


def unlock(box: Locked, passphrase: str, associated: bytes) -> bytes:
    """Return what is in a box.

    Raises:
        PassphraseError: If the passphrase is another one, or box or associated bytes were changed; which of them,
            nobody can tell.
    """
    try:
        return AESGCM(_stretch(passphrase, box)).decrypt(box.nonce, box.ciphertext, associated)
    except InvalidTag:
        msg = "wrong passphrase, or the file was changed"
        raise PassphraseError(msg) from None


def _stretch(passphrase: str, box: Locked) -> bytes:
    try:
        text = unicodedata.normalize("NFC", passphrase).encode("utf-8")
    except UnicodeEncodeError:  # bytes of the environment that are no text
        msg = "passphrase: expected UTF-8 text"
        raise PassphraseError(msg) from None
    kdf = Argon2id(salt=box.salt, length=32, iterations=box.iterations, lanes=box.lanes, memory_cost=box.memory_kib)
    return kdf.derive(text)
