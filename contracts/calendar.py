"""The civil calendar at UTC+8: in which day, month and year a block time lies."""

from typing import Annotated

from ledger.execution.contract import Meta, Struct

UTC_OFFSET_MS = 8 * 60 * 60 * 1000
DAY_MS = 24 * 60 * 60 * 1000
MONTHS = 12

Year = Annotated[int, Meta(ge=1970, le=9999)]
MonthNumber = Annotated[int, Meta(ge=1, le=MONTHS)]


class Month(Struct):
    """A calendar month."""

    year: Year
    month: MonthNumber


def civil_month(time_ms: int) -> Month:
    """Return the calendar month of a block time (days to civil, after Howard Hinnant's algorithm)."""
    shifted = (time_ms + UTC_OFFSET_MS) // DAY_MS + 719_468
    era = shifted // 146_097
    day_of_era = shifted - era * 146_097
    year_of_era = (day_of_era - day_of_era // 1_460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    since_march = (5 * day_of_year + 2) // 153
    begins_in_march = year_of_era + era * 400
    if since_march < 10:
        return Month(begins_in_march, since_march + 3)
    return Month(begins_in_march + 1, since_march - 9)


def civil_year(time_ms: int) -> int:
    """Return the calendar year of a block time."""
    return civil_month(time_ms).year
