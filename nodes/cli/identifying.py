"""Who somebody is, as a private file says it: never in an argument, and not repeated in an error."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

from nodes.cli.asking import read_private_text
from nodes.config import ConfigurationError
from nodes.identity import Identity, check_identity

IDENTITY_BYTES_MAX = 4096
FIELDS = "a JSON object with document_type, document_number, name and birth_date"


def read_identity(file: Path) -> Identity:
    """Return the identity in a private file, or in the standard input.

    Raises:
        ConfigurationError: If it is none.
        FileError: If others can read the file.
        VerificationError: If the document contradicts itself.
    """
    return _convert(file, _read_fields(file, FIELDS), FIELDS)


def read_synthetic(file: Path) -> Identity | dt.date:
    """Return whom a synthetic customer is to be: an identity, or a birth date alone and the rest is made up.

    Raises:
        ConfigurationError: If it is neither.
        FileError: If others can read the file.
        VerificationError: If the document contradicts itself.
    """
    expected = f"{FIELDS}, or birth_date alone"
    fields = _read_fields(file, expected)
    if set(fields) != {"birth_date"}:
        return _convert(file, fields, expected)
    try:
        return dt.date.fromisoformat(fields["birth_date"])
    except (TypeError, ValueError):
        msg = f"{file}: birth_date: expected a date such as 2015-05-01"
        raise ConfigurationError(msg) from None


def _read_fields(file: Path, expected: str) -> dict[str, Any]:
    try:
        fields = json.loads(read_private_text(file, "--identity", IDENTITY_BYTES_MAX))
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        msg = f"{file}: expected {expected}"
        raise ConfigurationError(msg)
    return fields


def _convert(file: Path, fields: dict[str, Any], expected: str) -> Identity:
    import msgspec

    try:
        found = msgspec.convert([fields.get(item) for item in Identity.__struct_fields__], Identity)
    except msgspec.ValidationError:
        msg = f"{file}: expected {expected}"
        raise ConfigurationError(msg) from None
    check_identity(found)
    return found
