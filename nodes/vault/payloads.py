"""Sealed payloads: AES-256-GCM in chunks, one random data key for each payload.

A payload is cut into chunks of 64 KiB. Every chunk is encrypted under its number as nonce, and its associated data
say which chain and record it belongs to, which number it has, and whether it is the last. So chunks that are
reordered, dropped, repeated, cut off or taken from another record do not open. This is the STREAM construction
(Hoang, Reyhanitabar, Rogaway, Vizár 2015) with a key that is used once.

The key is drawn here and nowhere else, so no caller can encrypt twice under one key, which would be fatal with
counted nonces. AES-GCM does not commit to its key: one ciphertext can be made that opens under two keys. What stops
that is the commitment to the plaintext, on the chain, which every recipient checks.
"""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledger.codec import encode
from ledger.errors import VerificationError
from ledger.limits import BLOCK_BYTES_MAX
from nodes.entropy import Entropy

DATA_KEY_BYTES = 32
CHUNK_BYTES = 64 * 1024
"""Plaintext of one chunk."""
_TAG_BYTES = 16
_SEALED_CHUNK_BYTES = CHUNK_BYTES + _TAG_BYTES

PAYLOAD_BYTES_MAX = BLOCK_BYTES_MAX
"""Plaintext of one payload: it must fit into one frame between peers, sealed and with its envelope."""

CIPHERTEXT_BYTES_MAX = PAYLOAD_BYTES_MAX + (PAYLOAD_BYTES_MAX // CHUNK_BYTES + 1) * _TAG_BYTES


def encrypt_payload(entropy: Entropy, chain_id: str, record_id: str, plaintext: bytes) -> tuple[bytes, bytes]:
    """Encrypt a payload under a data key of its own.

    Args:
        entropy: Where the data key comes from.
        chain_id: The chain the record is on.
        record_id: The record; the ciphertext opens for no other.
        plaintext: At most PAYLOAD_BYTES_MAX bytes; may be empty.

    Returns:
        The data key, 32 bytes, and the ciphertext, 16 bytes longer for each chunk.

    Raises:
        VerificationError: If the payload is too long.
    """
    if len(plaintext) > PAYLOAD_BYTES_MAX:
        msg = f"payload of {record_id}: expected at most {PAYLOAD_BYTES_MAX} bytes, got {len(plaintext)}"
        raise VerificationError(msg)
    data_key = entropy.draw(DATA_KEY_BYTES)
    cipher = AESGCM(data_key)
    last = max(0, (len(plaintext) - 1) // CHUNK_BYTES)
    view = memoryview(plaintext)
    chunks = [
        cipher.encrypt(
            _nonce(number),
            view[number * CHUNK_BYTES : (number + 1) * CHUNK_BYTES],
            _associated_data(chain_id, record_id, number, last=number == last),
        )
        for number in range(last + 1)
    ]
    return data_key, b"".join(chunks)


def decrypt_payload(data_key: bytes, chain_id: str, record_id: str, ciphertext: bytes) -> bytes:
    """Return a payload's plaintext, whole or not at all.

    Args:
        data_key: The payload's data key, 32 bytes.
        chain_id: The chain the record is on.
        record_id: The record it is expected to belong to.
        ciphertext: What `encrypt_payload` returned.

    Raises:
        VerificationError: If the key, the chain, the record or any byte of any chunk is not the one it was sealed
            with, or chunks are missing, repeated or moved.
    """
    if len(data_key) != DATA_KEY_BYTES:
        msg = f"data key of {record_id}: expected {DATA_KEY_BYTES} bytes, got {len(data_key)}"
        raise VerificationError(msg)
    if not _TAG_BYTES <= len(ciphertext) <= CIPHERTEXT_BYTES_MAX:
        msg = f"payload of {record_id}: expected {_TAG_BYTES} to {CIPHERTEXT_BYTES_MAX} bytes, got {len(ciphertext)}"
        raise VerificationError(msg)
    cipher = AESGCM(data_key)
    last = (len(ciphertext) - 1) // _SEALED_CHUNK_BYTES
    view = memoryview(ciphertext)
    chunks = []
    for number in range(last + 1):
        chunk = view[number * _SEALED_CHUNK_BYTES : (number + 1) * _SEALED_CHUNK_BYTES]
        try:
            chunks.append(
                cipher.decrypt(
                    _nonce(number), chunk, _associated_data(chain_id, record_id, number, last=number == last)
                )
            )
        except InvalidTag:
            msg = (
                f"payload of {record_id}: chunk {number} of {last + 1} does not open: wrong key, another record's "
                "payload, or bytes that were changed, moved or cut off"
            )
            raise VerificationError(msg) from None
    return b"".join(chunks)


def _nonce(number: int) -> bytes:
    return number.to_bytes(12, "big")


def _associated_data(chain_id: str, record_id: str, number: int, *, last: bool) -> bytes:
    return encode(("xinpei/payload/v1", chain_id, record_id, number, last))
