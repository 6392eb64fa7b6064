"""Sealed payloads: AES-256-GCM in chunks, one random data key for each payload.

A payload is cut into chunks of 64 KiB. Every chunk is encrypted under its number as nonce, and its associated data
say which chain and record it belongs to, which number it has, and whether it is the last. So chunks that are
reordered, dropped, repeated, cut off or taken from another record do not open. This is the STREAM construction
(Hoang, Reyhanitabar, Rogaway, Vizár 2015) with a key that is used once.

A small payload is sealed and opened whole. A large one, such as an attached file, goes through `PayloadSealer` and
`PayloadOpener` chunk by chunk, so that nobody has to hold it; the bytes are the same.

A key is used for one payload, or counted nonces would be fatal: `encrypt_payload` draws its own, and a draft that is
sealed over a restart has one from its begin to its end (`nodes.vault.drafts`). AES-GCM does not commit to its key: one
ciphertext can be made that opens under two keys. What stops that is the commitment to the plaintext, on the chain,
which every recipient checks.
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
SEALED_CHUNK_BYTES = CHUNK_BYTES + _TAG_BYTES

PAYLOAD_BYTES_MAX = BLOCK_BYTES_MAX
"""Plaintext of one payload: it must fit into one frame between peers, sealed and with its envelope."""

ATTACHMENT_BYTES_MAX = 64 * 1024 * 1024
"""Plaintext of one payload that is handed over chunk by chunk."""
ATTACHMENT_CHUNKS_MAX = ATTACHMENT_BYTES_MAX // CHUNK_BYTES

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
    sealer = PayloadSealer(data_key, chain_id, record_id)
    last = max(0, (len(plaintext) - 1) // CHUNK_BYTES)
    view = memoryview(plaintext)
    chunks = [
        sealer.seal(view[number * CHUNK_BYTES : (number + 1) * CHUNK_BYTES], last=number == last)
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
    opener = PayloadOpener(data_key, chain_id, record_id, count_chunks(len(ciphertext)))
    view = memoryview(ciphertext)
    return b"".join(
        opener.open(number, view[number * SEALED_CHUNK_BYTES : (number + 1) * SEALED_CHUNK_BYTES])
        for number in range(opener.count)
    )


def count_chunks(ciphertext_bytes: int) -> int:
    """Return how many chunks a sealed payload of so many bytes has; at least 1."""
    return max(1, -(-ciphertext_bytes // SEALED_CHUNK_BYTES))


class PayloadSealer:
    """Encrypts one payload, chunk after chunk, under a key of its own and a number that it counts itself."""

    def __init__(self, data_key: bytes, chain_id: str, record_id: str) -> None:
        """Hold the key.

        Args:
            data_key: The payload's, 32 bytes; it seals nothing else.
            chain_id: The chain the record is on.
            record_id: The record; the chunks open for no other.
        """
        self.number = 0
        """Of the next chunk."""
        self._cipher = AESGCM(data_key)
        self._chain_id = chain_id
        self._record_id = record_id
        self._ended = False

    def skip(self) -> None:
        """Leave the next chunk as it was sealed before."""
        self.number += 1

    def seal(self, chunk: bytes | memoryview, *, last: bool) -> bytes:
        """Return the next chunk, sealed: CHUNK_BYTES of plaintext, or as many as are left if it is the last."""
        assert not self._ended, "nothing follows the last chunk"
        assert len(chunk) == CHUNK_BYTES or (last and len(chunk) < CHUNK_BYTES), "only the last chunk is short"
        number, self.number, self._ended = self.number, self.number + 1, last
        return self._cipher.encrypt(
            _nonce(number), chunk, _associated_data(self._chain_id, self._record_id, number, last=last)
        )


class PayloadOpener:
    """Decrypts the chunks of one payload, in any order."""

    def __init__(self, data_key: bytes, chain_id: str, record_id: str, count: int) -> None:
        """Hold the key.

        Args:
            data_key: The payload's, 32 bytes.
            chain_id: The chain the record is on.
            record_id: The record it is expected to belong to.
            count: How many chunks it is expected to have.
        """
        self.count = count
        self._cipher = AESGCM(data_key)
        self._chain_id = chain_id
        self._record_id = record_id

    def open(self, number: int, chunk: bytes | memoryview) -> bytes:
        """Return the plaintext of chunk `number`, 0 <= number < count; raises `VerificationError`."""
        associated = _associated_data(self._chain_id, self._record_id, number, last=number == self.count - 1)
        try:
            return self._cipher.decrypt(_nonce(number), chunk, associated)
        except (InvalidTag, ValueError):
            msg = (
                f"payload of {self._record_id}: chunk {number} of {self.count} does not open: wrong key, another "
                "record's payload, or bytes that were changed, moved or cut off"
            )
            raise VerificationError(msg) from None


def _nonce(number: int) -> bytes:
    return number.to_bytes(12, "big")


def _associated_data(chain_id: str, record_id: str, number: int, *, last: bool) -> bytes:
    return encode(("xinpei/payload/v1", chain_id, record_id, number, last))
