"""Civil days and clock times in China: a day begins at midnight there, and is read back as it was written."""

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from nodes.schemas.civil_time import begin_ms, civil_date, civil_day, show_minute, show_second, show_time, write_day
from nodes.schemas.notation import read_day

days = st.integers(0, (dt.date(2500, 12, 31) - dt.date(1970, 1, 1)).days)


@given(days)
def test_a_day_begins_at_its_first_millisecond_and_the_one_before_is_another(day: int) -> None:
    assert civil_day(begin_ms(day)) == day
    assert civil_day(begin_ms(day) - 1) == day - 1


@given(days)
def test_a_day_is_read_as_it_was_written(day: int) -> None:
    assert read_day(write_day(day)) == day


def test_an_evening_in_greenwich_is_the_next_day_in_china() -> None:
    time_ms = 1_793_808_007_999  # 2026-11-04T16:00:07.999Z
    assert civil_date(time_ms) == dt.date(2026, 11, 5)
    assert show_minute(time_ms) == "2026-11-05 00:00"
    assert show_second(time_ms) == "2026-11-05 00:00:07"
    assert show_time(time_ms) == "2026-11-05 00:00:07+08:00"
