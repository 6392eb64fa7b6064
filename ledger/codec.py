"""One encoding per value: array-like MessagePack with a strict decoder.

Every object on the wire, on disk or under a signature is a frozen `Struct`: integers, bytes, text, booleans,
None, tuples and other structs. There are no floats, no maps and no sets, so a value has exactly one order of its
parts; and the decoder encodes what it read and compares, so a longer form of an integer, a missing default or a
trailing byte is refused rather than tolerated. A hash over the encoding is therefore a hash over the value.

This is not a schema language: the Python annotations are the schema, and `docs/reference/wire-format.md` is
generated from them.
"""

from typing import Annotated, Any, TypeVar, dataclass_transform

import msgspec

from ledger.errors import DecodeError
from ledger.limits import AMOUNT_MINOR_UNITS_MAX, CHAIN_ID_CHARACTERS_MAX, FRAME_BYTES_MAX, NAME_CHARACTERS_MAX

T = TypeVar("T")

Hash = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
"""A SHA-256 digest."""
PublicKey = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
"""An Ed25519 public key."""
Signature = Annotated[bytes, msgspec.Meta(min_length=64, max_length=64)]
"""An Ed25519 signature."""
Point = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
"""A Pedersen commitment: a point of the Ed25519 group; `ledger.crypto.commitments` checks the subgroup."""
Nonce = Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=NAME_CHARACTERS_MAX, pattern=r"^[a-z0-9][a-z0-9._-]*\Z")]
"""A name on the chain: lower case, digits, dot, underscore, hyphen."""
ChainId = Annotated[
    str, msgspec.Meta(min_length=1, max_length=CHAIN_ID_CHARACTERS_MAX, pattern=r"^[a-z0-9][a-z0-9.-]*\Z")
]
Height = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
"""Milliseconds since 1970-01-01T00:00Z."""
Day = Annotated[int, msgspec.Meta(ge=0, le=200_000)]
"""A civil day in China: days since 1970-01-01 at fixed UTC+8."""
Amount = Annotated[int, msgspec.Meta(ge=0, le=AMOUNT_MINOR_UNITS_MAX)]
"""Integer minor units (分)."""


@dataclass_transform(frozen_default=True, field_specifiers=(msgspec.field,))
class Struct(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The base of every encoded object: immutable, positional, closed."""


_encoder = msgspec.msgpack.Encoder()
_decoders: dict[Any, msgspec.msgpack.Decoder[Any]] = {}


def encode(value: object) -> bytes:
    """Return the one encoding of a value built from structs, tuples, integers, bytes and text."""
    return _encoder.encode(value)


def decode(data: bytes, kind: type[T], bytes_max: int = FRAME_BYTES_MAX) -> T:
    """Return the value that `data` is the canonical encoding of.

    Args:
        data: The whole encoding, nothing before or after it.
        kind: The expected type.
        bytes_max: Refused unread above this size.

    Raises:
        DecodeError: If the bytes are too many, malformed, of another type, or a second encoding of a value.
    """
    if len(data) > bytes_max:
        msg = f"{_kind_name(kind)}: expected at most {bytes_max} bytes, got {len(data)}"
        raise DecodeError(msg)
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.msgpack.Decoder(kind)
    try:
        value: T = decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        msg = f"{_kind_name(kind)}: {error}"
        raise DecodeError(msg) from None
    if _encoder.encode(value) != data:
        msg = f"{_kind_name(kind)}: not the canonical encoding of its value"
        raise DecodeError(msg)
    return value


def _kind_name(kind: object) -> str:
    return getattr(kind, "__name__", str(kind))
