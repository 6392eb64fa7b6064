"""Which holds an organisation applies: the file `holds.json` in its own folder, or all that its role has.

    {"format": "xinpei-holds/1", "holds": ["insurance-claim-file"]}

The bases, whom and what they hold and for how long are the network's (`contracts.holds`), so that no organisation
gives itself a longer one; each may apply fewer, as its lawyers say. An empty list holds nothing back.
"""

import datetime as dt
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from contracts.holds import HOLDS, Hold, year_of
from ledger.errors import LedgerError
from nodes.schemas.civil_time import EPOCH


class HoldsError(LedgerError):
    """A table of holds that cannot be read; names the field."""


class HoldsFile(BaseModel):
    """The file."""

    model_config = ConfigDict(extra="forbid")

    format: Literal["xinpei-holds/1"]
    holds: list[str]


def load_holds(path: Path) -> tuple[Hold, ...]:
    """Return the holds that a file names; all of them if there is none.

    Raises:
        HoldsError: If the file is malformed or names a basis that the network does not have.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return HOLDS
    try:
        file = HoldsFile.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "file"
        msg = f"{path}: {field}: {first['msg']}"
        raise HoldsError(msg) from None
    unknown = sorted(set(file.holds) - {hold.basis for hold in HOLDS})
    if unknown:
        known = ", ".join(hold.basis for hold in HOLDS)
        msg = f"{path}: holds: expected some of {known}, got {unknown[0][:40]!r}"
        raise HoldsError(msg)
    return tuple(hold for hold in HOLDS if hold.basis in file.holds)


def last_day(hold: Hold, begins: int) -> int:
    """Return the last civil day of a hold that begins on a civil day: the end of a year."""
    return (dt.date(year_of(begins) + hold.years, 12, 31) - EPOCH).days
