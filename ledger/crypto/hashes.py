"""Tagged SHA-256: one hash function per purpose.

The tag goes in front, with its length, so that no byte string is a valid input for two purposes. Trees have
prefixes of their own (`ledger.merkle`, `ledger.state_tree`).
"""

import hashlib
import hmac


def hash_tagged(tag: str, data: bytes) -> bytes:
    """Return SHA-256(len(tag) || tag || data), 32 bytes.

    Args:
        tag: What the hash is for, such as `xinpei/transaction/v1`; at most 255 ASCII characters.
        data: The canonical encoding of what is hashed.
    """
    label = tag.encode("ascii")
    return hashlib.sha256(bytes([len(label)]) + label + data).digest()


def hash_bytes(data: bytes) -> bytes:
    """Return plain SHA-256 of a ciphertext or a file, 32 bytes."""
    return hashlib.sha256(data).digest()


def commit_salted(salt: bytes, data: bytes) -> bytes:
    """Return a hiding and binding commitment to `data`, 32 bytes.

    Args:
        salt: 32 random bytes, kept with the opening and destroyed to erase: without it the commitment says
            nothing, with it anyone can check.
        data: The canonical encoding of the committed value.
    """
    assert len(salt) == 32, "a salt has 32 bytes"
    return hash_tagged("xinpei/commitment/v1", salt + data)


def tag_keyed(secret: bytes, data: bytes) -> bytes:
    """Return HMAC-SHA-256 of `data` under a hospital's secret: equal inputs can be recognised, not guessed."""
    return hmac.new(secret, data, hashlib.sha256).digest()
