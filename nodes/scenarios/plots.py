"""Plots as SVG, for a page that needs nothing else: bars, lines and steps over axes with titles and units.

Colours are classes (`s0` to `s6`, `rule`), so that the page's style sheet decides them for light and dark. Texts may be
`Words`: both languages are drawn, and the style sheet shows one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, log10

WIDTH, HEIGHT = 720, 260
LEFT, RIGHT, TOP, BOTTOM = 64, 12, 26, 46
SERIES_MAX = 7
LABELS_MAX = 16


@dataclass(frozen=True, slots=True)
class Words:
    """One text in both languages of the page."""

    en: str
    zh: str

    def html(self, tag: str = "span") -> str:
        """Return both as elements of which the page shows one."""
        english, chinese = escape(self.en), escape(self.zh)
        return f'<{tag} class="en" lang="en">{english}</{tag}><{tag} class="zh" lang="zh-Hans">{chinese}</{tag}>'


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis: from 0, or if it is logarithmic from `low`, to `high`."""

    title: Words
    """With the unit."""
    high: float
    low: float = 0.0
    is_log: bool = False
    ticks: tuple[tuple[float, str], ...] = ()
    """Values and what stands beside them."""

    def share(self, value: float) -> float:
        """Return where a value lies between the ends, 0 to 1; what is below a logarithmic axis lies on its end."""
        if self.is_log:
            return 0.0 if value <= self.low else log10(value / self.low) / log10(self.high / self.low)
        return value / self.high


def linear_axis(title: Words, values: Sequence[float]) -> Axis:
    """Return an axis from 0 to a round number above all values, with four steps."""
    high = _round_up(max(values, default=0))
    return Axis(title, high, ticks=tuple((high * part / 4, format_figure(high * part / 4)) for part in range(5)))


def log_axis(title: Words, values: Sequence[float]) -> Axis:
    """Return a logarithmic axis over whole decades, of all values above 0."""
    positive = [value for value in values if value > 0] or [1]
    first, last = _floor_log(min(positive)), ceil(log10(max(positive)))
    decades = range(first, max(last, first + 1) + 1)
    ticks = tuple((10.0**decade, format_figure(10.0**decade)) for decade in decades)
    return Axis(title, ticks[-1][0], ticks[0][0], is_log=True, ticks=ticks)


def bars(about: Words, labels: Sequence[str], x_title: Words, y: Axis, series: Sequence[Sequence[float]]) -> str:
    """Return a plot with one group of bars for each label.

    Args:
        about: What it shows, for those who do not see it.
        labels: Of the groups.
        x_title: With the unit.
        y: Of the values.
        series: The values of each series, in the order of the labels.
    """
    slot = _plot_width() / max(1, len(labels))
    width = slot * 0.8 / len(series)
    marks = []
    for number, values in enumerate(series):
        for place, value in enumerate(values):
            height = _plot_height() * y.share(value)
            if height > 0:
                x = LEFT + (place + 0.1) * slot + number * width
                told = f"<title>{escape(labels[place])}: {format_figure(value)}</title>"
                marks.append(_rectangle(x, HEIGHT - BOTTOM - height, width, height, number, told))
    return _frame(about, _label_places(labels), x_title, y, marks)


def lines(about: Words, labels: Sequence[str], x_title: Words, y: Axis, series: Sequence[Sequence[float]]) -> str:
    """Return a plot with one line for each series; as `bars`."""
    slot = _plot_width() / max(1, len(labels))
    marks = []
    for number, values in enumerate(series):
        points = [(LEFT + (place + 0.5) * slot, _y(y, value)) for place, value in enumerate(values)]
        marks.append(_polyline(points, number))
        marks += [f'<circle class="s{number % SERIES_MAX}" cx="{x:.1f}" cy="{top:.1f}" r="2.2"/>' for x, top in points]
    return _frame(about, _label_places(labels), x_title, y, marks)


def shares(about: Words, x: Axis, y_title: Words, series: Sequence[Sequence[float]]) -> str:
    """Return the distributions of several samples: which share of each lies at or below a value, in percent.

    Args:
        about: What it shows, for those who do not see it.
        x: Of the values.
        y_title: Of the shares.
        series: The values of each sample, sorted.
    """
    y = Axis(y_title, 100, ticks=tuple((part * 25.0, str(part * 25)) for part in range(5)))
    marks = []
    for number, values in enumerate(series):
        points = [(_x(x, x.low), _y(y, 0))]
        for place, value in enumerate(values, 1):
            points += [(_x(x, value), points[-1][1]), (_x(x, value), _y(y, 100 * place / len(values)))]
        points.append((_x(x, x.high), points[-1][1]))
        marks.append(_polyline(points, number))
    places = [(_x(x, value), label) for value, label in x.ticks]
    return _frame(about, places, x.title, y, marks)


def legend(names: Sequence[Words]) -> str:
    """Return what the colours mean, as a line of HTML that wraps."""
    items = [
        f'<li><svg class="key" viewBox="0 0 10 10" aria-hidden="true"><rect class="s{number % SERIES_MAX}" width="10" '
        f'height="10"/></svg>{name.html()}</li>'
        for number, name in enumerate(names)
    ]
    return f'<ul class="legend">{"".join(items)}</ul>'


def format_figure(value: float) -> str:
    """Return a number as people write it on an axis."""
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:g}"


def _frame(about: Words, places: Sequence[tuple[float, str]], x_title: Words, y: Axis, marks: Sequence[str]) -> str:
    """Return a plot: its marks between an axis of values and one of places."""
    parts = [f"<title>{escape(about.en)} · {escape(about.zh)}</title>"]
    for value, label in y.ticks:
        top = _y(y, value)
        parts.append(f'<line class="rule" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{top:.1f}" y2="{top:.1f}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{top + 4:.1f}" text-anchor="end">{escape(label)}</text>')
    for x, label in places:
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{escape(label)}</text>')
    middle = LEFT + _plot_width() / 2
    parts.append(f'<text class="axis" x="4" y="13">{y.title.html("tspan")}</text>')
    foot = x_title.html("tspan")
    parts.append(f'<text class="axis" x="{middle:.0f}" y="{HEIGHT - 8}" text-anchor="middle">{foot}</text>')
    drawn = "".join([*parts, *marks])
    return f'<div class="plot"><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{drawn}</svg></div>'


def _label_places(labels: Sequence[str]) -> list[tuple[float, str]]:
    """Return where labels stand, as many as fit."""
    every = ceil(len(labels) / LABELS_MAX) if labels else 1
    slot = _plot_width() / max(1, len(labels))
    return [(LEFT + (place + 0.5) * slot, labels[place]) for place in range(0, len(labels), every)]


def _rectangle(x: float, y: float, width: float, height: float, number: int, inside: str) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
    return f'<rect class="s{number % SERIES_MAX}" {place}>{inside}</rect>'


def _polyline(points: Sequence[tuple[float, float]], number: int) -> str:
    told = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline class="line s{number % SERIES_MAX}" points="{told}"/>'


def _plot_width() -> float:
    return WIDTH - LEFT - RIGHT


def _plot_height() -> float:
    return HEIGHT - TOP - BOTTOM


def _x(axis: Axis, value: float) -> float:
    return LEFT + _plot_width() * min(1.0, axis.share(value))


def _y(axis: Axis, value: float) -> float:
    return HEIGHT - BOTTOM - _plot_height() * axis.share(value)


def _floor_log(value: float) -> int:
    return -ceil(-log10(value))


def _round_up(value: float) -> float:
    """Return the first of 4, 8, 20, 40, 80, 200, ... that is not below `value`."""
    power = 1
    while True:
        for step in (4 * power, 8 * power, 20 * power):
            if step >= value:
                return step
        power *= 10
