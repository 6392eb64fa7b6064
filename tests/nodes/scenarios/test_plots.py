"""Plots: axes that hold what is drawn on them, with round ends; nothing outside the frame."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.scenarios.plots import HEIGHT, WIDTH, Words, bars, format_figure, linear_axis, lines, log_axis, shares

ABOUT = Words("payments & more", "赔付")
VALUES = st.lists(st.integers(0, 10**9), min_size=1, max_size=40)


@given(VALUES)
def test_an_axis_holds_every_value_and_ends_at_a_round_one(values: list[int]) -> None:
    axis = linear_axis(ABOUT, values)
    assert all(0 <= axis.share(value) <= 1 for value in values)
    assert axis.high in {digit * 10**power for digit in (4, 8, 20) for power in range(12)}
    assert [value for value, _ in axis.ticks] == [axis.high * part / 4 for part in range(5)]


@given(VALUES)
def test_a_logarithmic_axis_holds_every_value_above_0_and_puts_0_on_its_end(values: list[int]) -> None:
    axis = log_axis(ABOUT, values)
    for value in values:
        assert 0 <= axis.share(value) <= 1
    assert axis.share(0) == 0
    assert axis.low < axis.high
    assert len(axis.ticks) >= 2


@given(VALUES, st.booleans())
def test_nothing_is_drawn_outside_the_frame(values: list[int], is_log: bool) -> None:
    axis = (log_axis if is_log else linear_axis)(ABOUT, values)
    labels = [str(place) for place in range(len(values))]
    drawn = bars(ABOUT, labels, ABOUT, axis, [values, values]) + lines(ABOUT, labels, ABOUT, axis, [values])
    drawn += shares(ABOUT, axis, ABOUT, [sorted(values), []])
    for points in re.findall(r'points="([^"]*)"', drawn):
        for point in points.split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= WIDTH
            assert 0 <= y <= HEIGHT
    for x, y, width, height in re.findall(r'x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"', drawn):
        assert float(x) + float(width) <= WIDTH
        assert float(y) + float(height) <= HEIGHT


def test_words_are_escaped_in_both_languages() -> None:
    assert "payments &amp; more" in bars(ABOUT, [], ABOUT, linear_axis(ABOUT, []), [[]])
    assert Words("<b>", "<赔>").html().count("&lt;") == 2


@pytest.mark.parametrize(("value", "told"), [(0, "0"), (2.5, "2.5"), (25, "25"), (12_000, "12,000"), (0.1, "0.1")])
def test_figures_are_written_as_people_write_them(value: float, told: str) -> None:
    assert format_figure(value) == told
