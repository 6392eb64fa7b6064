"""Tagged SHA-256: one hash function per purpose.

The tag goes in front, with its length, so that no byte string is a valid input for two purposes. Trees have
prefixes of their own (`ledger.merkle`, `ledger.state_tree`).
"""

import hashlib
import hmac

_COMMITMENT = "xinpei/commitment/v1"


def hash_tagged(tag: str, data: bytes) -> bytes:
    """Return SHA-256(len(tag) || tag || data), 32 bytes.

    Args:
        tag: What the hash is for, such as `xinpei/transaction/v1`; at most 255 ASCII characters.
        data: The canonical encoding of what is hashed.
    """
    return hashlib.sha256(_label(tag) + data).digest()


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
    return hash_tagged(_COMMITMENT, salt + data)


class RunningCommitment:
    """`commit_salted` to data that is too large to hold: fed piece by piece, in order."""

    def __init__(self, salt: bytes) -> None:
        """Begin with the salt; see `commit_salted`."""
        assert len(salt) == 32, "a salt has 32 bytes"
        self._running = hashlib.sha256(_label(_COMMITMENT) + salt)

    def update(self, data: bytes) -> None:
        """Take in the next piece."""
        self._running.update(data)

    def commitment(self) -> bytes:
        """Return the commitment to everything so far."""
        return self._running.digest()


def tag_keyed(secret: bytes, data: bytes) -> bytes:
    """Return HMAC-SHA-256 of `data` under a hospital's secret: equal inputs can be recognised, not guessed."""
    return hmac.new(secret, data, hashlib.sha256).digest()


def _label(tag: str) -> bytes:
    label = tag.encode("ascii")
    return bytes([len(label)]) + label
