"""A planner's page: what was measured, in words, tables and plots, in one HTML file that needs nothing else.

Plots are drawn as SVG by this module. Colours are those of the reader's system, light or dark.
"""

from collections.abc import Sequence
from html import escape

from nodes.scenarios.planning import Figures

WIDTH, HEIGHT, MARGIN = 720, 220, 56
COLOURS = ("#2f6f9f", "#c46a2b", "#4b8b4b", "#8a5a9e", "#a33b3b", "#5f7f8f", "#9a8a2a")
KIB = 1024

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
:root {{ color-scheme: light dark; --ink: #1d2329; --faint: #8a949e; --paper: #ffffff; --rule: #dfe3e8; }}
@media (prefers-color-scheme: dark) {{ :root {{ --ink: #e4e8ec; --paper: #14181c; --rule: #333a41; }} }}
body {{ font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }}
table {{ border-collapse: collapse; margin: .5rem 0 1.5rem; }}
td, th {{ text-align: right; padding: .15rem .8rem .15rem 0; border-bottom: 1px solid var(--rule);
  font-variant-numeric: tabular-nums; }}
td:first-child, th:first-child {{ text-align: left; }}
svg {{ width: 100%; height: auto; }} svg text {{ fill: var(--ink); font-size: 11px; }}
.rule {{ stroke: var(--rule); }} .faint, footer {{ color: var(--faint); }}
</style></head><body><h1>{title}</h1>
{body}
<footer><p>{foot}</p></footer></body></html>
"""


def summarise(figures: Figures) -> list[str]:
    """Return what was measured as lines of text."""
    workload = figures.workload
    claims = sum(figures.lanes.values())
    lanes = ", ".join(f"{count} {lane}" for lane, count in figures.lanes.items() if count) or "none"
    busiest, busiest_day = _size(max(_sent(figures))), _size(max(_busiest(figures)))
    stored, books = _size(max(figures.days[-1].stored_bytes)), _size(figures.books_bytes)
    blocks, transactions = (sum(day.blocks for day in figures.days), sum(day.transactions for day in figures.days))
    members = f"{workload.hospitals} hospitals, {workload.insurers} insurers, {workload.customers} customers"
    lines = [
        f"{members}, {workload.days} days, seed {workload.seed}; {len(figures.nodes)} nodes",
        f"claims        {claims}: {lanes}",
        f"paid after    {describe_delay(figures)}",
        f"traffic       {busiest} sent by the busiest node, {busiest_day} on its busiest day",
        f"storage       {stored} of chain on a node, {books} in all members' own books",
        f"transactions  {transactions} in {blocks} blocks",
    ]
    if workload.partition_day is not None and workload.partition_day <= workload.days:
        cut = figures.days[workload.partition_day - 1]
        lines.append(f"partition     day {workload.partition_day}: {cut.blocks} blocks, {cut.paid} payments that day")
    lines.append(
        f"speed         {figures.virtual_ms / 86_400_000:.0f} days in {figures.real_seconds:.0f} s, "
        f"{figures.speed:.0f} times faster than real time; trace {figures.trace_hash}"
    )
    return lines


def describe_delay(figures: Figures) -> str:
    """Return discharge to paid in words."""
    half, most = figures.percentile_ms(0.5), figures.percentile_ms(0.99)
    if half is None or most is None:
        return "nothing was paid"
    return f"p50 {_span(half)}, p99 {_span(most)} from discharge, {len(figures.paid_after_ms)} claims"


def render_report(figures: Figures, revision: str) -> str:
    """Return the page.

    Args:
        figures: What was measured.
        revision: What was run.
    """
    days = [str(number) for number in range(1, len(figures.days) + 1)]
    body = [
        "<pre>" + escape("\n".join(summarise(figures))) + "</pre>",
        "<h2>Claims per lane</h2>",
        _table(("lane", "claims"), [(lane, str(count)) for lane, count in figures.lanes.items()]),
        "<h2>From discharge to paid</h2>",
        f"<p>{escape(describe_delay(figures))}. The curve: which share of the paid claims took at most so long.</p>",
        _curve(figures.paid_after_ms),
        "<h2>Claims reported and payments, by day</h2>",
        _bars(days, {"reported": [day.reported for day in figures.days], "paid": [day.paid for day in figures.days]}),
        "<h2>Transactions by day</h2>",
        _bars(days, {"transactions": [day.transactions for day in figures.days]}),
        "<h2>Traffic by day, sent by each node, KiB</h2>",
        _lines(days, figures.nodes, [[item // KIB for item in day.sent_bytes] for day in figures.days]),
        "<h2>Chain stored by each node, KiB</h2>",
        _lines(days, figures.nodes, [[item // KIB for item in day.stored_bytes] for day in figures.days]),
        "<h2>Per node</h2>",
        _table(
            ("node", "sent", "stored"),
            [
                (name, _size(sent), _size(stored))
                for name, sent, stored in zip(figures.nodes, _sent(figures), figures.days[-1].stored_bytes, strict=True)
            ],
        ),
        "<h2>Refused transactions</h2>",
        _table(("code", "count"), [(code, str(count)) for code, count in figures.refusals.items()]),
    ]
    workload = figures.workload
    title = f"{workload.hospitals} hospitals, {workload.insurers} insurers, {workload.days} days"
    again = (
        f"xinpei simulate --hospitals {workload.hospitals} --insurers {workload.insurers} "
        f"--customers {workload.customers} --days {workload.days} --seed {workload.seed}"
    )
    if workload.partition_day is not None:
        again += f" --partition {workload.partition_day}"
    foot = f"{revision}. The same again: {again}"
    return PAGE.format(title=escape(title), body="\n".join(body), foot=escape(foot))


def _sent(figures: Figures) -> list[int]:
    return [sum(day.sent_bytes[place] for day in figures.days) for place in range(len(figures.nodes))]


def _busiest(figures: Figures) -> list[int]:
    return [max(day.sent_bytes) for day in figures.days]


def _size(count: int) -> str:
    return f"{count / KIB / KIB:.1f} MiB" if count >= KIB * KIB else f"{count / KIB:.1f} KiB"


def _span(duration_ms: int) -> str:
    if duration_ms < 120_000:
        return f"{duration_ms / 1000:.1f} s"
    return f"{duration_ms / 60_000:.1f} min" if duration_ms < 7_200_000 else f"{duration_ms / 3_600_000:.1f} h"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    cells = ["<tr>" + "".join(f"<th>{escape(cell)}</th>" for cell in head) + "</tr>"]
    cells += ["<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows]
    return "<table>" + "".join(cells) + "</table>"


def _frame(top: int, labels: Sequence[str], marks: list[str]) -> str:
    """Return a plot: its marks between an axis of values up to `top` and an axis of labels."""
    lines = []
    for part in range(5):
        y = HEIGHT - MARGIN / 2 - part * (HEIGHT - MARGIN) / 4
        lines.append(f'<line class="rule" x1="{MARGIN}" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>')
        lines.append(f'<text x="{MARGIN - 6}" y="{y + 4:.1f}" text-anchor="end">{_figure(top * part / 4)}</text>')
    every = max(1, len(labels) // 12)
    for place in range(0, len(labels), every):
        x = MARGIN + (place + 0.5) * (WIDTH - MARGIN) / len(labels)
        lines.append(f'<text x="{x:.1f}" y="{HEIGHT - 8}" text-anchor="middle">{escape(labels[place])}</text>')
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{"".join(lines)}{"".join(marks)}</svg>'


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:g}"


def _round_up(value: int) -> int:
    """Return the first of 4, 10, 20, 40, 100, 200, ... that is not below `value`."""
    power = 1
    while True:
        for step in (4 * power, 10 * power, 20 * power):
            if step >= value:
                return step
        power *= 10


def _bars(labels: list[str], series: dict[str, list[int]]) -> str:
    top = _round_up(max(max(values, default=0) for values in series.values()))
    slot = (WIDTH - MARGIN) / len(labels)
    marks = []
    for number, (name, values) in enumerate(series.items()):
        colour = COLOURS[number]
        marks.append(_legend(number, name, colour))
        for place, value in enumerate(values):
            height = (HEIGHT - MARGIN) * value / top
            width = slot * 0.8 / len(series)
            x = MARGIN + place * slot + slot * 0.1 + number * width
            marks.append(
                f'<rect x="{x:.1f}" y="{HEIGHT - MARGIN / 2 - height:.1f}" width="{width:.1f}" '
                f'height="{height:.1f}" fill="{colour}"><title>{escape(labels[place])}: {value}</title></rect>'
            )
    return _frame(top, labels, marks)


def _lines(labels: list[str], names: Sequence[str], days: list[list[int]]) -> str:
    top = _round_up(max(max(values) for values in days))
    slot = (WIDTH - MARGIN) / len(labels)
    marks = []
    for number, name in enumerate(names):
        colour = COLOURS[number % len(COLOURS)]
        points = " ".join(
            f"{MARGIN + (place + 0.5) * slot:.1f},{HEIGHT - MARGIN / 2 - (HEIGHT - MARGIN) * values[number] / top:.1f}"
            for place, values in enumerate(days)
        )
        marks.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        marks.append(_legend(number, name, colour))
    return _frame(top, labels, marks)


def _curve(delays_ms: list[int]) -> str:
    """Return the distribution of delays, as a share in percent over a hundred steps of the longest one."""
    if not delays_ms:
        return '<p class="faint">Nothing was paid.</p>'
    longest = delays_ms[-1]
    steps = [longest * step // 100 for step in range(101)]
    shares = [100 * sum(delay <= step for delay in delays_ms) / len(delays_ms) for step in steps]
    points = " ".join(
        f"{MARGIN + (WIDTH - MARGIN) * place / 100:.1f},{HEIGHT - MARGIN / 2 - (HEIGHT - MARGIN) * share / 100:.1f}"
        for place, share in enumerate(shares)
    )
    labels = [_span(longest * part // 8) for part in range(8)]
    mark = f'<polyline points="{points}" fill="none" stroke="{COLOURS[0]}" stroke-width="2"/>'
    return _frame(100, labels, [mark])


def _legend(number: int, name: str, colour: str) -> str:
    x = MARGIN + number * 95
    return (
        f'<rect x="{x}" y="4" width="10" height="10" fill="{colour}"/><text x="{x + 14}" y="13">{escape(name)}</text>'
    )
