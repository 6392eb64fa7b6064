"""A planner's answer: as lines of text, and as one HTML page with plots that needs nothing else.

The page is in English and Chinese, of which it shows one at a time; colours are those of the reader's system, light or
dark. No script runs in it and nothing is fetched.
"""

from collections.abc import Sequence
from html import escape
from importlib.resources import files

from ledger.codec import encode
from ledger.consensus.round import Step
from ledger.replica.messages import StatusMessage
from nodes.scenarios.figures import IDLE_TICK_MS, Comparison, Figures
from nodes.scenarios.plots import Axis, Words, bars, legend, linear_axis, lines, log_axis, shares
from nodes.simulator.simulation import TICK_MS

KIB = 1024
DAY_MS = 86_400_000
SPANS = (
    (100, "0.1 s"),
    (1_000, "1 s"),
    (10_000, "10 s"),
    (60_000, "1 min"),
    (600_000, "10 min"),
    (3_600_000, "1 h"),
    (6 * 3_600_000, "6 h"),
    (DAY_MS, "1 d"),
    (7 * DAY_MS, "7 d"),
    (30 * DAY_MS, "30 d"),
    (365 * DAY_MS, "365 d"),
)
LANES_ZH = {
    "paid": "已赔付",
    "pended to a person": "转人工处理",
    "settled, nothing to pay": "已结算，无需赔付",
    "waiting for consent": "等待客户授权",
    "in hospital": "住院中",
    "not settled yet": "尚未结算",
}
DAY = Words("day", "日")
WHOLE = Words("in one piece", "网络完好")


def summarise(comparison: Comparison) -> list[str]:
    """Return what was measured as lines of text."""
    figures, split = comparison.whole, comparison.split
    workload = figures.workload
    lanes = ", ".join(f"{count} {lane}" for lane, count in figures.lanes.items() if count) or "none"
    blocks, transactions = (sum(day.blocks for day in figures.days), sum(day.transactions for day in figures.days))
    members = f"{workload.hospitals} hospitals, {workload.insurers} insurers, {workload.customers} customers"
    busiest = f"{_size(max(figures.sent_bytes))} sent by the busiest node"
    stored, books = _size(max(figures.stored_bytes)), _size(sum(figures.books_bytes))
    told = [
        f"{members}, {workload.days} days, seed {workload.seed}; {len(figures.nodes)} nodes",
        f"claims        {sum(figures.lanes.values())}: {lanes}",
        f"paid after    {describe_delay(figures)}",
        f"traffic       {busiest}, {_size(max(_busiest(figures)))} on its busiest day",
        f"storage       {stored} of chain on a node, {books} in all members' own books",
        f"transactions  {transactions} in {blocks} blocks",
    ]
    if split is not None and comparison.partition_day is not None:
        cut = split.days[comparison.partition_day - 1]
        told.append(f"partition     day {comparison.partition_day}: {cut.blocks} blocks, {cut.paid} payments that day")
        told.append(f"              paid after {describe_delay(split)} with it")
    told.append(
        f"speed         {figures.virtual_ms / DAY_MS:.0f} days in {figures.cpu_seconds:.0f} s of one processor, "
        f"{figures.speed:.0f} times faster than real time; trace {figures.trace_hash}"
    )
    return told


def describe_delay(figures: Figures) -> str:
    """Return discharge to paid in words."""
    half, most = figures.percentile_ms(0.5), figures.percentile_ms(0.99)
    if half is None or most is None:
        return "nothing was paid"
    return f"p50 {_span(half)}, p99 {_span(most)} from discharge, {len(figures.payouts)} claims"


def render_report(comparison: Comparison, revision: str) -> str:
    """Return the page.

    Args:
        comparison: What was measured.
        revision: What was run.
    """
    workload = comparison.whole.workload
    title = Words(
        f"{workload.hospitals} hospitals, {workload.insurers} insurers, {workload.customers:,} customers, "
        f"{workload.days} days",
        f"{workload.hospitals} 家医院，{workload.insurers} 家保险公司，{workload.customers:,} 名客户，"
        f"{workload.days} 天",
    )
    sections = [
        _answers(comparison),
        _lanes(comparison),
        _delays(comparison),
        _partition(comparison),
        _work(comparison.whole),
        _traffic(comparison.whole),
        _storage(comparison.whole),
        _per_node(comparison.whole),
        _refusals(comparison.whole),
        _assumptions(comparison),
    ]
    run = comparison.split.workload if comparison.split is not None else workload
    page = files("nodes.scenarios").joinpath("report.html").read_text(encoding="utf-8")
    for name, value in (
        ("title", escape(title.en)),
        ("heading", title.html()),
        ("body", "\n".join(section for section in sections if section)),
        ("revision", escape(revision)),
        ("command", escape(run.command())),
    ):
        page = page.replace(f"<!--{name}-->", value)
    return page


# ------------------------------------------------------------------------------------------------------ sections


def _answers(comparison: Comparison) -> str:
    figures = comparison.whole
    half, most = figures.percentile_ms(0.5), figures.percentile_ms(0.99)
    cards = [
        (Words("claims reported", "报案数"), f"{sum(figures.lanes.values()):,}"),
        (Words("paid", "已赔付"), f"{figures.lanes['paid']:,}"),
        (Words("discharge to paid, half within", "出院到赔付：一半不超过"), "–" if half is None else _span(half)),
        (Words("99 of 100 within", "99% 不超过"), "–" if most is None else _span(most)),
        (Words("sent by the busiest node", "最忙节点的发送量"), _size(max(figures.sent_bytes))),
        (Words("chain stored on a node", "单个节点的链上存储"), _size(max(figures.stored_bytes))),
    ]
    drawn = [f'<div class="card"><b>{escape(value)}</b>{name.html()}</div>' for name, value in cards]
    return f'<div class="cards">{"".join(drawn)}</div>'


def _lanes(comparison: Comparison) -> str:
    figures = comparison.whole
    axis = linear_axis(Words("claims", "理赔件数"), list(figures.lanes.values()))
    about = Words("Claims per lane", "各类理赔件数")
    letters = [chr(ord("A") + place) for place in range(len(figures.lanes))]
    plot = bars(about, letters, Words("lane, as in the table", "类别，见下表"), axis, [list(figures.lanes.values())])
    rows = [
        (Words(f"{letter}  {lane}", f"{letter}  {LANES_ZH[lane]}").html(), *_counts(comparison, lane))
        for letter, lane in zip(letters, figures.lanes, strict=True)
    ]
    head = (Words("lane", "类别"), *_run_names(comparison))
    return _section(about, plot + _table(head, rows))


def _counts(comparison: Comparison, lane: str) -> tuple[str, ...]:
    runs = (comparison.whole,) if comparison.split is None else (comparison.whole, comparison.split)
    return tuple(f"{run.lanes[lane]:,}" for run in runs)


def _delays(comparison: Comparison) -> str:
    runs = [run for run in (comparison.whole, comparison.split) if run is not None]
    about = Words("From discharge to paid", "从出院到赔付")
    delays = [run.paid_after_ms for run in runs]
    if not any(delays):
        return _section(about, f"<p>{Words('Nothing was paid.', '没有赔付。').html()}</p>")
    ends = [values[0] for values in delays if values], [values[-1] for values in delays if values]
    low = max([span for span, _ in SPANS if span <= min(ends[0])], default=SPANS[0][0])
    high = min([span for span, _ in SPANS if span >= max(ends[1])], default=SPANS[-1][0])
    high = high if high > low else next(span for span, _ in SPANS if span > low)
    ticks = tuple((float(span), name) for span, name in SPANS if low <= span <= high)
    title = Words("time from discharge to paid, logarithmic", "从出院到赔付的时间（对数）")
    axis = Axis(title, high, low, is_log=True, ticks=ticks)
    plot = shares(about, axis, Words("share of the paid claims, %", "已赔付理赔的比例，%"), delays)
    text = Words(
        "The curve: which share of the paid claims took at most so long. It counts to the payment rail's receipt in a "
        "block; the simulated bank pays at once.",
        "曲线表示在该时间内完成赔付的理赔比例。计到支付通道的回执上链为止；模拟的银行即时付款。",
    )
    rows = [
        (Words(label, zh).html(), *(_span_or_none(run.percentile_ms(share)) for run in runs))
        for label, zh, share in (
            ("half (p50)", "一半 (p50)", 0.5),
            ("nine of ten (p90)", "九成 (p90)", 0.9),
            ("99 of 100 (p99)", "百分之九十九 (p99)", 0.99),
            ("all", "全部", 1.0),
        )
    ]
    head = (Words("paid within", "赔付时限"), *_run_names(comparison))
    return _section(about, f"<p>{text.html()}</p>" + legend(_run_names(comparison)) + plot + _table(head, rows))


def _partition(comparison: Comparison) -> str:
    split, day = comparison.split, comparison.partition_day
    if split is None or day is None:
        return ""
    whole = comparison.whole
    about = Words(f"A partition of a day: day {day}", f"网络分裂一天：第 {day} 天")
    text = Words(
        "The same people, stays and seed, but on that day half of the nodes see nothing of the other half. Neither "
        "half has more than two thirds of the votes, so no block is made and nobody is paid; nothing is lost, and what "
        "waited is made up for when the links are back.",
        "相同的客户、住院和种子，但当天一半节点与另一半互不可见。两边都没有超过三分之二的投票权，"
        "因此不出块、不赔付；没有任何数据丢失，链路恢复后自动补上。",
    )
    labels = _labels(whole)
    axis = linear_axis(Words("payments", "赔付笔数"), [item.paid for run in (whole, split) for item in run.days])
    series = [[item.paid for item in run.days] for run in (whole, split)]
    plot = bars(Words("Payments by day", "每日赔付笔数"), labels, DAY, axis, series)
    rows = [
        (Words(f"blocks on day {day}", f"第 {day} 天的区块数").html(), *_both(comparison, "blocks", day)),
        (Words(f"payments on day {day}", f"第 {day} 天的赔付笔数").html(), *_both(comparison, "paid", day)),
        (Words(f"payments on day {day + 1}", f"第 {day + 1} 天的赔付笔数").html(), *_both(comparison, "paid", day + 1)),
        (
            Words(f"discharged on day {day}: half paid within", f"第 {day} 天出院：一半的赔付时限").html(),
            *(_span_or_none(run.percentile_ms(0.5, day)) for run in (whole, split)),
        ),
        (
            Words(f"discharged on day {day}: all paid within", f"第 {day} 天出院：全部的赔付时限").html(),
            *(_span_or_none(run.percentile_ms(1.0, day)) for run in (whole, split)),
        ),
        *(
            (
                Words(f"traffic on day {number}, busiest node", f"第 {number} 天最忙节点的流量").html(),
                *(
                    _size(max(run.days[number - 1].sent_bytes)) if number <= len(run.days) else "–"
                    for run in (whole, split)
                ),
            )
            for number in (day, day + 1)
        ),
        (
            Words("claims paid in the end", "最终已赔付的理赔").html(),
            *(f"{run.lanes['paid']:,}" for run in (whole, split)),
        ),
    ]
    head = (Words("", ""), *_run_names(comparison))
    return _section(about, f"<p>{text.html()}</p>" + legend(_run_names(comparison)) + plot + _table(head, rows))


def _both(comparison: Comparison, field: str, day: int) -> tuple[str, ...]:
    runs = [run for run in (comparison.whole, comparison.split) if run is not None]
    return tuple(f"{getattr(run.days[day - 1], field):,}" if day <= len(run.days) else "–" for run in runs)


def _work(figures: Figures) -> str:
    about = Words("Claims and transactions by day", "每日理赔与交易")
    reported, paid = [day.reported for day in figures.days], [day.paid for day in figures.days]
    claims = linear_axis(Words("claims", "理赔件数"), [*reported, *paid])
    names = (Words("reported", "报案"), Words("paid", "赔付"))
    transactions = [day.transactions for day in figures.days]
    axis = log_axis(Words("transactions, logarithmic", "交易数（对数）"), transactions)
    text = Words(
        "Everybody enrols in the first hour of the first day: consent, identity, policy. That is why day 1 is the "
        "busiest by far.",
        "所有客户在第一天的第一小时内完成登记（授权、身份、保单），因此第一天最繁忙。",
    )
    return _section(
        about,
        legend(names)
        + bars(Words("Claims by day", "每日理赔"), _labels(figures), DAY, claims, [reported, paid])
        + f"<p>{text.html()}</p>"
        + bars(Words("Transactions by day", "每日交易"), _labels(figures), DAY, axis, [transactions]),
    )


def _traffic(figures: Figures) -> str:
    about = Words("Traffic by day and node", "各节点每日流量")
    series = [[day.sent_bytes[place] / KIB for day in figures.days] for place in range(len(figures.nodes))]
    axis = log_axis(Words("KiB sent, logarithmic", "发送量，KiB（对数）"), [value for line in series for value in line])
    names = [Words(name, name) for name in figures.nodes]
    return _section(about, legend(names) + lines(about, _labels(figures), DAY, axis, series))


def _storage(figures: Figures) -> str:
    about = Words("Chain stored on each node", "各节点的链上存储")
    series = [[day.stored_bytes[place] / KIB / KIB for day in figures.days] for place in range(len(figures.nodes))]
    axis = linear_axis(
        Words("MiB at the end of the day", "日终存储量，MiB"), [value for line in series for value in line]
    )
    names = [Words(name, name) for name in figures.nodes]
    return _section(about, legend(names) + lines(about, _labels(figures), DAY, axis, series))


def _per_node(figures: Figures) -> str:
    about = Words("Per node", "各节点")
    head = (
        Words("node", "节点"),
        Words("sent, all days", "总发送量"),
        Words("sent a day, after the first", "第一天之后的日均发送量"),
        Words("chain stored", "链上存储"),
        Words("own books, off the chain", "链下账册与保险库"),
    )
    rows = []
    for place, name in enumerate(figures.nodes):
        later = [day.sent_bytes[place] for day in figures.days[1:]]
        daily = _size(sum(later) // len(later)) if later else "–"
        sizes = (_size(figures.sent_bytes[place]), daily, _size(figures.stored_bytes[place]))
        rows.append((escape(name), *sizes, _size(figures.books_bytes[place])))
    return _section(about, _table(head, rows))


def _refusals(figures: Figures) -> str:
    about = Words("Refused transactions", "被拒绝的交易")
    if not figures.refusals:
        return _section(about, f"<p>{Words('None.', '没有。').html()}</p>")
    rows = [(f"<code>{escape(code)}</code>", f"{count:,}") for code, count in figures.refusals.items()]
    return _section(about, _table((Words("code", "代码"), Words("count", "次数")), rows))


def _assumptions(comparison: Comparison) -> str:
    figures = comparison.whole
    status = StatusMessage(figures.days[-1].blocks + 1, 0, Step.UNSTARTED, has_proposal=False)
    heartbeat = _size(len(encode(status)) * (len(figures.nodes) - 1) * (DAY_MS // TICK_MS))
    items = [
        Words(
            "The contracts, role agents and replicas are those of a real node; "
            f"{len(figures.nodes)} members run nodes, each of the others is hosted by one of its role.",
            f"合约、角色代理和副本与真实节点相同；{len(figures.nodes)} 个成员运行节点，其余成员由同类成员托管。",
        ),
        Words(
            "People fall ill at the national rate of 2022, 0.175 stays a year; a stay lasts half a day to 16 days.",
            "住院率取 2022 年全国水平：每人每年 0.175 次；住院半天至 16 天。",
        ),
        Words(
            "Links take 5 to 60 ms and lose one message in a thousand. Human work is not modelled: a claim that is "
            "pended to a person stays pended.",
            "链路延迟 5 至 60 毫秒，千分之一的消息丢失。不模拟人工处理：转人工的理赔保持待处理。",
        ),
        Words(
            "Traffic is what nodes send each other before encryption; storage is what they keep, without the overhead "
            f"of a database. An idle node says where it stands every {IDLE_TICK_MS // 60_000} minutes here, and every "
            f"{TICK_MS / 1000:g} s in a real network: count {heartbeat} a day and node for that.",
            "流量指节点之间加密前的发送量；存储不含数据库自身的开销。此处空闲节点每 "
            f"{IDLE_TICK_MS // 60_000} 分钟报告一次状态，真实网络中每 {TICK_MS / 1000:g} 秒一次："
            f"每个节点每天另计 {heartbeat}。",
        ),
    ]
    listed = "".join(f"<li>{item.html()}</li>" for item in items)
    return _section(Words("What was assumed", "假设"), f"<ul>{listed}</ul>")


# --------------------------------------------------------------------------------------------------------- parts


def _section(title: Words, body: str) -> str:
    return f"<section><h2>{title.html()}</h2>\n{body}</section>"


def _table(head: Sequence[Words], rows: Sequence[tuple[str, ...]]) -> str:
    """Return a table; the cells of its rows are HTML."""
    cells = ["<tr>" + "".join(f"<th>{cell.html()}</th>" for cell in head) + "</tr>"]
    cells += ["<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows]
    return f'<div class="table"><table>{"".join(cells)}</table></div>'


def _run_names(comparison: Comparison) -> tuple[Words, ...]:
    day = comparison.partition_day
    return (WHOLE,) if day is None else (WHOLE, Words(f"split on day {day}", f"第 {day} 天分裂"))


def _labels(figures: Figures) -> list[str]:
    return [str(number) for number in range(1, len(figures.days) + 1)]


def _busiest(figures: Figures) -> list[int]:
    return [max(day.sent_bytes) for day in figures.days]


def _size(count: int) -> str:
    return f"{count / KIB / KIB:,.1f} MiB" if count >= KIB * KIB else f"{count / KIB:.1f} KiB"


def _span_or_none(duration_ms: int | None) -> str:
    return "–" if duration_ms is None else _span(duration_ms)


def _span(duration_ms: int) -> str:
    if duration_ms < 120_000:
        return f"{duration_ms / 1000:.1f} s"
    return f"{duration_ms / 60_000:.1f} min" if duration_ms < 7_200_000 else f"{duration_ms / 3_600_000:.1f} h"
