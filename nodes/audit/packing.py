"""The compact form of a struct: its encoding, in which a text or hash that comes again is a reference to the first.

Entries of one claim name the same pseudonym, grant and transactions over and over. The packed form is MessagePack as
in `ledger.codec`, with extension type 1 for "the n-th thing worth referring to": texts and bytes of at least four
bytes and integers that need nine. Packing is a function of the value, and unpacking packs again and compares, so a
value has one packed form.

It is not a compression of bytes: those have many forms of one content.
"""

from typing import TypeVar

import msgspec

from ledger.codec import Struct, decode, encode
from ledger.errors import DecodeError

S = TypeVar("S", bound=Struct)

UNPACKED_BYTES_MAX = 1024 * 1024
"""A dossier of a claim with 200 steps and 512 parts stays below 300 KB."""
_REFERENCE = 1
_WORTH_BYTES = 4
_WORTH_INTEGER = 2**32

_decode_plain = msgspec.msgpack.Decoder().decode
_Key = tuple[type, object]


def pack(value: Struct) -> bytes:
    """Return the packed form of a struct."""
    seen: dict[_Key, int] = {}
    return msgspec.msgpack.encode(_replace(_decode_plain(encode(value)), seen))


def unpack(data: bytes, kind: type[S]) -> S:
    """Return the struct that `data` is the packed form of.

    Raises:
        DecodeError: If it is not the packed form of any, or would unpack to more than UNPACKED_BYTES_MAX.
    """
    try:
        plain = _Unpacker().restore(_decode_plain(data))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        msg = f"{kind.__name__}: {error}"
        raise DecodeError(msg) from None
    value = decode(encode(plain), kind, UNPACKED_BYTES_MAX)
    if pack(value) != data:
        msg = f"{kind.__name__}: not the packed form of its value"
        raise DecodeError(msg)
    return value


def _replace(plain: object, seen: dict[_Key, int]) -> object:
    if isinstance(plain, list):
        return [_replace(item, seen) for item in plain]
    if not _is_worth(plain):
        return plain
    key = (type(plain), plain)
    if key in seen:
        return msgspec.msgpack.Ext(_REFERENCE, _number(seen[key]))
    seen[key] = len(seen)
    return plain


def _is_worth(plain: object) -> bool:
    if isinstance(plain, str | bytes):
        return len(plain) >= _WORTH_BYTES
    return type(plain) is int and plain >= _WORTH_INTEGER


def _number(index: int) -> bytes:
    return index.to_bytes(1 if index < 256 else 2)


class _Unpacker:
    """Puts back what references stand for."""

    def __init__(self) -> None:
        self._seen: list[object] = []
        self._size = 0

    def restore(self, plain: object) -> object:
        """Return a plain value without references; raises `DecodeError`."""
        if isinstance(plain, list):
            return [self.restore(item) for item in plain]
        if isinstance(plain, msgspec.msgpack.Ext):
            plain = self._find(plain)
        elif _is_worth(plain):
            self._seen.append(plain)
        self._size += len(plain) if isinstance(plain, str | bytes) else 1
        if self._size > UNPACKED_BYTES_MAX:
            msg = f"packed value: expected at most {UNPACKED_BYTES_MAX} bytes unpacked"
            raise DecodeError(msg)
        return plain

    def _find(self, reference: msgspec.msgpack.Ext) -> object:
        index = int.from_bytes(reference.data)
        if reference.code != _REFERENCE or index >= len(self._seen):
            msg = f"packed value: reference {index} to one of {len(self._seen)} things seen"
            raise DecodeError(msg)
        return self._seen[index]
