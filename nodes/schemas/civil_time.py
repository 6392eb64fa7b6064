"""Civil days and clock times in China, as nodes compute them and people read them.

A civil day is a count of days since 1970-01-01 at UTC+8, all year round: China has had no daylight saving time since
1992, and the ledger none at all. The offset and `begin_ms` are the contracts' own. Times of blocks and books are
milliseconds since 1970-01-01T00:00Z.
"""

import datetime as dt

from contracts import calendar, holds

DAY_MS = calendar.DAY_MS
begin_ms = holds.begin_ms
"""The instant at which a civil day in China begins."""
CHINA = dt.timezone(dt.timedelta(milliseconds=calendar.UTC_OFFSET_MS))
EPOCH = dt.date(1970, 1, 1)


def today() -> dt.date:
    """Return the civil day in China, by this machine's clock."""
    return dt.datetime.now(CHINA).date()


def civil_day(time_ms: int) -> int:
    """Return the civil day in China that an instant falls on."""
    return (time_ms + calendar.UTC_OFFSET_MS) // DAY_MS


def civil_date(time_ms: int) -> dt.date:
    """Return the civil day in China that an instant falls on, as a date."""
    return EPOCH + dt.timedelta(days=civil_day(time_ms))


def write_day(day: int) -> str:
    """Return a civil day as an ISO date."""
    return (EPOCH + dt.timedelta(days=day)).isoformat()


def show_minute(time_ms: int) -> str:
    """Return an instant as people in China read it, to the minute: `2026-11-05 09:30`."""
    return f"{_at(time_ms):%Y-%m-%d %H:%M}"


def show_second(time_ms: int) -> str:
    """Return an instant as people in China read it, to the second: `2026-11-05 09:30:07`."""
    return f"{_at(time_ms):%Y-%m-%d %H:%M:%S}"


def show_time(time_ms: int) -> str:
    """Return an instant as ISO 8601 with its offset, to the second: `2026-11-05 09:30:07+08:00`."""
    return _at(time_ms).isoformat(sep=" ")


def _at(time_ms: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(time_ms // 1_000, CHINA)
