"""FHIR's `date` and `dateTime`, as milliseconds and as civil days in China.

Service dates are civil days (`nodes.schemas.civil_time`); their texts are read here. A `dateTime` with a time must have
a zone (FHIR R4, 2.24.0.1); one without a time is a civil day already and is taken as it stands. A day before 1970 or a
partial date (`2018-12`) is refused, except as the onset of a disease.
"""

import re
from datetime import UTC, date, datetime, timedelta

from nodes.fhir.errors import FhirError
from nodes.schemas.civil_time import EPOCH, begin_ms, civil_day

_START = datetime(1970, 1, 1, tzinfo=UTC)

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")
_PARTIAL = re.compile(r"[0-9]{4}(-(0[1-9]|1[0-2]))?\Z")
_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})\Z"
)


def parse_instant(element: str, text: str) -> int:
    """Return a `dateTime` as milliseconds since 1970-01-01T00:00Z; a civil day begins at midnight in China.

    Args:
        element: Where it stands, for the error, such as `Encounter.period.start`.
        text: The element's value.

    Raises:
        FhirError: If it is no full date or no date with time and zone, or lies before 1970.
    """
    instant_ms = _parse(element, text)
    if civil_day(instant_ms) < 0:
        msg = f"{element}: expected a day from 1970 on, got {text[:40]!r}"
        raise FhirError(msg)
    return instant_ms


def parse_onset(element: str, text: str) -> int | None:
    """Return the civil day of a disease's onset: None for a partial date, 0 for any day before 1970.

    Raises:
        FhirError: If it is no date at all.
    """
    if _PARTIAL.match(text):
        return None
    return max(0, civil_day(_parse(element, text)))


def parse_birth_date(text: str) -> str:
    """Return a full `birthDate` as it stands, `YYYY-MM-DD`: a part of one identifies nobody.

    Raises:
        FhirError: If year, month or day is missing, or there is no such day.
    """
    try:
        if _DATE.match(text):
            return date.fromisoformat(text).isoformat()
    except ValueError:
        pass
    msg = "Patient.birthDate: expected a full date YYYY-MM-DD"
    raise FhirError(msg)


def _parse(element: str, text: str) -> int:
    try:
        if _DATE.match(text):
            return begin_ms((date.fromisoformat(text) - EPOCH).days)
        if _INSTANT.match(text):
            return (datetime.fromisoformat(text) - _START) // timedelta(milliseconds=1)
    except (ValueError, OverflowError) as error:
        msg = f"{element}: {text[:40]!r} is no date ({error})"
        raise FhirError(msg) from None
    msg = f"{element}: expected a date or a date with time and zone, got {text[:40]!r}"
    raise FhirError(msg)
