"""The JSON form of core structs: one text per value, so that people can read what programs verify.

Genesis files and dossiers are written in this form. Fields carry their names, in the order of the struct; bytes up
to 32 are lower-case hex, so that a hash looks like a hash, longer ones `base64:` and base64, so that neither is taken
for the other; a member of a tagged union carries its tag as `type`. Reading renders the value again and compares, so a
file with another order, spacing, escape or a repeated key is refused: any changed byte changes the value or is no
longer canonical.
"""

import base64
import binascii
import json
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from ledger import codec
from ledger.errors import DecodeError

LONG_PREFIX = "base64:"
HEX_BYTES_MAX = 32
"""Up to this length bytes are written in hex: digests and public keys, which people compare by eye."""

JSON_BYTES_MAX = 16 * 1024 * 1024
"""The openings of five settlements of a bill with 4,096 lines; a genesis of 64 organisations is about 200 KB."""

S = TypeVar("S", bound=msgspec.Struct)


def render(value: msgspec.Struct) -> bytes:
    """Return the canonical JSON of a struct, UTF-8 with a final newline."""
    return (json.dumps(plain(value), ensure_ascii=False, indent=1) + "\n").encode()


def parse(data: bytes, kind: type[S]) -> S:
    """Return the struct that `data` is the canonical JSON of.

    Raises:
        DecodeError: If it is no JSON, of another shape, out of a field's bounds, or not canonical.
    """
    value = read(data, kind)
    if render(value) != data:
        msg = f"{kind.__name__}: not the canonical JSON of its value (spacing, order or spelling was changed)"
        raise DecodeError(msg)
    return value


def read(data: bytes, kind: type[S]) -> S:
    """Return the struct in a JSON text, whatever its spacing: for what is signed elsewhere, such as a submission.

    Raises:
        DecodeError: If it is no JSON, of another shape, or out of a field's bounds.
    """
    if len(data) > JSON_BYTES_MAX:
        msg = f"{kind.__name__}: expected at most {JSON_BYTES_MAX} bytes, got {len(data)}"
        raise DecodeError(msg)
    try:
        value: S = _typed(json.loads(data), kind, kind.__name__)
    except (ValueError, RecursionError) as error:
        msg = f"{kind.__name__}: not JSON: {error}"
        raise DecodeError(msg) from None
    try:
        encoded = codec.encode(value)
    except (UnicodeEncodeError, OverflowError) as error:  # half a surrogate pair, or an integer of more than 64 bits
        msg = f"{kind.__name__}: {error}"
        raise DecodeError(msg) from None
    # The codec holds the bounds of the fields; the round trip applies them.
    return codec.decode(encoded, kind)


def plain(value: object) -> object:
    """Return the lists, dicts and texts that a value is rendered from."""
    if isinstance(value, msgspec.Struct):
        tag = type(value).__struct_config__.tag
        head: dict[str, object] = {} if tag is None else {"type": tag}
        return head | {name: plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, bytes):
        return value.hex() if len(value) <= HEX_BYTES_MAX else LONG_PREFIX + base64.b64encode(value).decode()
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    return value


def _typed(plain: object, kind: Any, path: str) -> Any:
    origin = get_origin(kind)
    if origin is Annotated:
        return _typed(plain, get_args(kind)[0], path)
    if origin in (Union, UnionType):
        return _typed_union(plain, get_args(kind), path)
    if origin is tuple:
        return _typed_tuple(plain, get_args(kind), path)
    if origin is Literal:
        if plain not in get_args(kind):
            raise _mismatch(path, f"one of {', '.join(map(str, get_args(kind)))}", plain)
        return plain
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return _typed_struct(plain, kind, path)
    if kind is bytes:
        return _typed_bytes(plain, path)
    if kind is NoneType:
        if plain is not None:
            raise _mismatch(path, "null", plain)
        return None
    if type(plain) is not kind:
        raise _mismatch(path, kind.__name__, plain)
    return plain


def _typed_struct(plain: object, kind: type[msgspec.Struct], path: str) -> msgspec.Struct:
    tag = kind.__struct_config__.tag
    expected = ([] if tag is None else ["type"]) + list(kind.__struct_fields__)
    if not isinstance(plain, dict) or list(plain) != expected or (tag is not None and plain["type"] != tag):
        raise _mismatch(path, f"an object with the fields {', '.join(expected)} in this order", plain)
    hints = get_type_hints(kind, include_extras=True)
    fields = {name: _typed(plain[name], hints[name], f"{path}.{name}") for name in kind.__struct_fields__}
    try:
        return kind(**fields)
    except ValueError as error:
        msg = f"{path}: {error}"
        raise DecodeError(msg) from None


def _typed_union(plain: object, kinds: tuple[Any, ...], path: str) -> object:
    if plain is None and NoneType in kinds:
        return None
    rest = [kind for kind in kinds if kind is not NoneType]
    if len(rest) == 1:
        return _typed(plain, rest[0], path)
    tag = plain.get("type") if isinstance(plain, dict) else None
    for kind in rest:
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind.__struct_config__.tag == tag:
            return _typed(plain, kind, path)
    raise _mismatch(path, "an object with a known type", plain)


def _typed_tuple(plain: object, kinds: tuple[Any, ...], path: str) -> tuple[object, ...]:
    if not isinstance(plain, list):
        raise _mismatch(path, "a list", plain)
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        return tuple(_typed(item, kinds[0], f"{path}[{place}]") for place, item in enumerate(plain))
    if len(plain) != len(kinds):
        raise _mismatch(path, f"a list of {len(kinds)}", plain)
    return tuple(
        _typed(item, kind, f"{path}[{place}]") for place, (item, kind) in enumerate(zip(plain, kinds, strict=True))
    )


def _typed_bytes(plain: object, path: str) -> bytes:
    if not isinstance(plain, str):
        raise _mismatch(path, "hex, or base64 after `base64:`", plain)
    try:
        if plain.startswith(LONG_PREFIX):
            return base64.b64decode(plain.removeprefix(LONG_PREFIX), validate=True)
        return bytes.fromhex(plain)
    except (ValueError, binascii.Error):
        raise _mismatch(path, "hex, or base64 after `base64:`", plain) from None


def _mismatch(path: str, expected: str, plain: object) -> DecodeError:
    shown = json.dumps(plain, ensure_ascii=False)
    return DecodeError(f"{path}: expected {expected}, got {shown if len(shown) <= 60 else shown[:57] + '...'}")
