"""What a report's or a sample's file proved, in words, derived from the verified entries alone."""

from typing import Any

from contracts.totals import GROUP_CLAIMS_MIN
from ledger.blocks import BlockHeader
from nodes.audit.sample import VerifiedSample
from nodes.audit.trust import Language, describe_trust
from nodes.audit.yearly_report import CurrencySection, VerifiedReport, count_year
from nodes.schemas.civil_time import show_time
from nodes.schemas.notation import write_yuan

REPORT_LIMITS = {
    "en": "not proven: that each settlement was right, that the rail moved what it said, that every stay was claimed",
    "zh": "未证明：每笔理赔决定正确、支付通道确实划付了它所回执的款项、每次住院都已报案",
}
SAMPLE_LIMITS = {
    "en": "not proven: that whoever proposed the drawing block did not try contents to get this sample",
    "zh": "未证明：抽样区块的提议者没有为得到这份样本而反复试换区块内容",
}


def summarise_report(verified: VerifiedReport) -> dict[str, Any]:
    """Return what a report proved as JSON values."""
    report = verified.report
    sections = zip(report.head.currencies, report.sections, strict=True)
    return {
        "insurer": report.insurer,
        "year": report.year,
        "as_of": _as_of(verified.ground.header),
        "currencies": [_describe_section(currency, section) for currency, section in sections],
        "trust": [*describe_trust(verified.ground), REPORT_LIMITS["en"]],
    }


def summarise_sample(verified: VerifiedSample) -> dict[str, Any]:
    """Return what a sample proved as JSON values."""
    sample, drawing = verified.sample, verified.sample.headers[-1]
    return {
        "insurer": sample.insurer,
        "year": sample.year,
        "claims_in_register": verified.count,
        "drawn_by": {"height": drawing.height, "header": drawing.hash.hex(), "proposer": drawing.proposer},
        "as_of": _as_of(verified.ground.header),
        "drawn": [
            {"number": number, "claim": row.claim_id} for number, row in zip(verified.numbers, sample.rows, strict=True)
        ],
        "trust": [*describe_trust(verified.ground), SAMPLE_LIMITS["en"]],
    }


def render_report(verified: VerifiedReport, language: Language = "en") -> list[str]:
    """Return what a report proved as lines for people."""
    is_chinese = language == "zh"
    report, header = verified.report, verified.ground.header
    lines = [
        f"{report.insurer} {report.year}年度 · 截至高度 {header.height}，{show_time(header.time_ms)}"
        if is_chinese
        else f"{report.insurer}, {report.year} · as of height {header.height}, {show_time(header.time_ms)}"
    ]
    for currency, section in zip(report.head.currencies, report.sections, strict=True):
        claims, payments, adjustments = count_year(section)
        lines.append(
            f"{currency}：{claims} 件赔付案件，{payments} 笔收付，{adjustments} 笔以往月份退回"
            if is_chinese
            else f"{currency} · claims paid: {claims} · payments: {payments} · returns of earlier months: {adjustments}"
        )
        lines += [f"  {line}" for line in _render_groups(currency, section, is_chinese=is_chinese)]
    return [*lines, *describe_trust(verified.ground, language), REPORT_LIMITS[language]]


def render_sample(verified: VerifiedSample, language: Language = "en") -> list[str]:
    """Return what a sample proved as lines for people."""
    is_chinese = language == "zh"
    sample, header, drawing = verified.sample, verified.ground.header, verified.sample.headers[-1]
    drawn = zip(verified.numbers, sample.rows, strict=True)
    if is_chinese:
        head = f"{sample.insurer} {sample.year}年度 · 登记 {verified.count} 件案件，抽取 {len(sample.rows)} 件"
        by = f"由高度 {drawing.height} 的区块 {drawing.hash.hex()} 抽取，提议者 {drawing.proposer}"
        when = f"截至高度 {header.height}，{show_time(header.time_ms)}"
    else:
        count, rows = verified.count, len(sample.rows)
        head = f"{sample.insurer}, report of {sample.year} · claims in its register: {count} · drawn: {rows}"
        by = f"drawn by block {drawing.height}, {drawing.hash.hex()}, which {drawing.proposer} proposed"
        when = f"as of height {header.height}, {show_time(header.time_ms)}"
    lines = [head, by, when, *(f"  {number:>8}  C-{row.claim_id.removeprefix('claim-')}" for number, row in drawn)]
    return [*lines, *describe_trust(verified.ground, language), SAMPLE_LIMITS[language]]


def _render_groups(currency: str, section: CurrencySection, *, is_chinese: bool) -> list[str]:
    if not section.report.groups:
        return [
            f"不足 {GROUP_CLAIMS_MIN} 件：不公开任何金额"
            if is_chinese
            else f"fewer than {GROUP_CLAIMS_MIN} claims: no amount is opened"
        ]
    lines = []
    for item in section.report.groups:
        group, total = item.group, write_yuan(item.stated.total)
        lines.append(
            f"{group.first_month} 月至 {group.last_month} 月：{group.sums.claims} 件，合计 {total} {currency}"
            if is_chinese
            else f"months {group.first_month} to {group.last_month}: {group.sums.claims} claims, {total} {currency}"
        )
    whole = write_yuan(sum(item.stated.total for item in section.report.groups))
    return [*lines, f"全年合计 {whole} {currency}" if is_chinese else f"the year: {whole} {currency}"]


def _describe_section(currency: str, section: CurrencySection) -> dict[str, Any]:
    claims, payments, adjustments = count_year(section)
    groups = [
        {
            "first_month": item.group.first_month,
            "last_month": item.group.last_month,
            "claims": item.group.sums.claims,
            "payments": item.group.sums.payments,
            "adjustments": item.group.sums.adjustments,
            "total": write_yuan(item.stated.total),
        }
        for item in section.report.groups
    ]
    whole = write_yuan(sum(item.stated.total for item in section.report.groups)) if groups else None
    return {
        "currency": currency,
        "claims": claims,
        "payments": payments,
        "adjustments": adjustments,
        "groups": groups,
        "total": whole,
    }


def _as_of(header: BlockHeader) -> dict[str, Any]:
    return {
        "chain": header.chain_id,
        "height": header.height,
        "time": show_time(header.time_ms),
        "header": header.hash.hex(),
    }
