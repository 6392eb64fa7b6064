"""The record dates of a customer's grants, kept beside the notices that she signed.

A grant has a commitment to the days whose records it means. What opens it is sealed to each party; the customer keeps
it too, so that she can say for herself which grant means which day. The file says no more than the notice beside it,
which names the days in words, and is readable by her alone.
"""

from collections.abc import Iterable
from pathlib import Path

from contracts.needs import OPENINGS_MAX
from ledger.codec import decode, encode
from ledger.errors import DecodeError
from nodes.config import Home, write_file
from nodes.files import FileError, read_private
from nodes.identity import RecordDates

SUFFIX = ".dates"
_BYTES_MAX = 256


def notices_folder(home: Home, name: str) -> Path:
    """Return where a wallet's notices lie."""
    return home.wallets_folder / f"{name}.notices"


def keep_opening(home: Home, name: str, grant_id: str, dates: RecordDates) -> None:
    """Keep what opens the record dates of a grant that was signed with a wallet."""
    write_file(notices_folder(home, name) / f"{grant_id}{SUFFIX}", encode(dates), 0o600)


def read_openings(home: Home, names: Iterable[str | None]) -> list[dict[str, object]]:
    """Return the openings that lie beside wallets, as the API takes them: the newest first, none that is damaged."""
    found: list[tuple[float, str, RecordDates]] = []
    for name in names:
        for path in () if name is None else notices_folder(home, name).glob(f"grant-*{SUFFIX}"):
            try:
                data = read_private(path, "record dates", _BYTES_MAX)
                found.append((path.stat().st_mtime, path.stem, decode(data, RecordDates)))
            except (FileError, DecodeError, OSError):
                continue
    newest = sorted(found, key=lambda item: item[:2], reverse=True)[: OPENINGS_MAX - 1]
    return [describe_opening(grant_id, dates) for _, grant_id, dates in newest]


def describe_opening(grant_id: str, dates: RecordDates) -> dict[str, object]:
    """Return one opening as the API takes it."""
    return {
        "grant": grant_id,
        "first_day": dates.first_day,
        "last_day": dates.last_day,
        "salt": dates.salt.hex(),
    }
