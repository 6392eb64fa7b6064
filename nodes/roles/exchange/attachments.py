"""What an attached document is: a label, and then the bytes of a file as they are.

Both are the payload, so both are sealed: the chain and the register know of a document and not what it is about.

    2 bytes    length of the label, big-endian
    label      `AttachmentLabel`
    the rest   the file
"""

from typing import Annotated, Literal

from msgspec import Meta

from ledger.codec import Struct, decode, encode
from ledger.errors import VerificationError

AttachmentKind = Literal["discharge-summary", "imaging", "laboratory", "operation", "pathology", "other"]
KINDS: tuple[AttachmentKind, ...] = ("discharge-summary", "imaging", "laboratory", "operation", "pathology", "other")
LABEL_BYTES_MAX = 256
_LENGTH_BYTES = 2
HEAD_BYTES_MAX = LABEL_BYTES_MAX + _LENGTH_BYTES
FILE_BYTES_MAX = 64 * 1024 * 1024 - HEAD_BYTES_MAX
"""Of an attached file: with its label it makes one payload."""


class AttachmentLabel(Struct):
    """What a file is."""

    kind: AttachmentKind
    media_type: Annotated[str, Meta(max_length=64, pattern=r"^[a-z]+/[a-z0-9.+-]+\Z")]
    """Such as `application/pdf` or `application/dicom`."""
    file_bytes: Annotated[int, Meta(ge=1, le=FILE_BYTES_MAX)]


def write_head(label: AttachmentLabel) -> bytes:
    """Return what stands before the file."""
    data = encode(label)
    return len(data).to_bytes(_LENGTH_BYTES, "big") + data


def read_head(plaintext: bytes) -> tuple[AttachmentLabel, int]:
    """Return the label of a document, and where its file begins.

    Args:
        plaintext: Its first chunk.

    Raises:
        VerificationError: If there is no label.
        DecodeError: If what stands there is none.
    """
    length = int.from_bytes(plaintext[:_LENGTH_BYTES], "big")
    begin = _LENGTH_BYTES + length
    if not 0 < length <= LABEL_BYTES_MAX or len(plaintext) < begin:
        msg = f"attachment: expected a label of 1 to {LABEL_BYTES_MAX} bytes before the file, got {length}"
        raise VerificationError(msg)
    return decode(plaintext[_LENGTH_BYTES:begin], AttachmentLabel), begin
