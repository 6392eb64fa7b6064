"""Sealing inside a simulation: the same sizes and refusals as HPKE's, one result for one input, and no secrecy at all.

HPKE draws its ephemeral keys where no seed reaches. Here the key follows from the public key, so everybody could open
what is sealed; within one simulated process nobody tries.
"""

import hashlib

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

ENCAPSULATED_BYTES = 1120
"""As HPKE's encapsulated key of ML-KEM-768 + X25519."""
_NONCE_BYTES = 12


class OpenSeal:
    """A `nodes.vault.sealing.StandIn` that everybody can open."""

    def encrypt(self, plaintext: bytes, public_key: bytes, info: bytes) -> bytes:
        """Return the plaintext under a key that follows from what is public."""
        encapsulated = hashlib.shake_256(b"seal" + info + public_key + plaintext).digest(ENCAPSULATED_BYTES)
        cipher = AESGCM(_derive(public_key, info))
        return encapsulated + cipher.encrypt(encapsulated[:_NONCE_BYTES], plaintext, encapsulated)

    def decrypt(self, ciphertext: bytes, public_key: bytes, info: bytes) -> bytes:
        """Return the plaintext; raises `InvalidTag` if it is sealed to another key or in another context."""
        encapsulated, rest = ciphertext[:ENCAPSULATED_BYTES], ciphertext[ENCAPSULATED_BYTES:]
        if len(encapsulated) < ENCAPSULATED_BYTES:
            raise InvalidTag
        return AESGCM(_derive(public_key, info)).decrypt(encapsulated[:_NONCE_BYTES], rest, encapsulated)


def _derive(public_key: bytes, info: bytes) -> bytes:
    return hashlib.sha256(b"key" + info + public_key).digest()
