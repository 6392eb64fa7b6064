"""The file of a yearly report: what an insurer paid in a year, checked against the chain without a node.

    part            what it is                                       what binds it
    chain           chain id and genesis hash                        the headers; an entry of the proven state
    certificates    as in a dossier                                  signatures of more than two thirds, set after set
    head            the currencies of the year                       the proof
    sections        per currency, the year's months as the chain     the proof; and the totals' own proofs, each of them
                    counts them, and the report as published         bound to the group's commitment and counts
    proof           multi-proof of these entries                     the latest header's state root

The verifier merges the months by the one rule, compares the groups, and checks every total's proof again. So a file
that leaves out a claim, a month or a currency, or has a 分 more, does not hold.

What it shows is that the totals are the sums of what the rail receipted. Not that a settlement was right, nor that
everything that should have been claimed was; and a group's total is about ten claims or more, but one of these may be
most of it, and whoever knows nine of ten knows the tenth.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from contracts.calendar import Year
from contracts.reports import YearReport
from contracts.totals import Group, YearHead, YearTotal, disclosure_context, merge_months, sum_year
from ledger.codec import ChainId, Hash, Name, Struct, encode
from ledger.crypto.totals import verify_total
from ledger.errors import VerificationError
from ledger.execution.state import encode_key
from ledger.state_multiproof import StateMultiProof, verify_many
from nodes.audit.dossier import CERTIFICATES_MAX, Certificate
from nodes.audit.evidence import founding_entry
from nodes.audit.expectation import expect, expect_canonical
from nodes.audit.trust import Ground, Trust, check_ground
from nodes.schemas.canonical_json import parse

REPORT_FORMAT: Literal["xinpei-report/1"] = "xinpei-report/1"
CURRENCIES_MAX = 256


class CurrencySection(Struct):
    """What was paid in one currency."""

    total: YearTotal
    """The months, as counted when the report was published and for ever after."""
    report: YearReport
    """Its groups with their totals; none of a year of fewer than ten claims."""


class YearlyReport(Struct):
    """One insurer's year."""

    format: Literal["xinpei-report/1"]
    chain_id: ChainId
    genesis_hash: Hash
    insurer: Name
    year: Year
    certificates: Annotated[tuple[Certificate, ...], Meta(min_length=1, max_length=CERTIFICATES_MAX)]
    head: YearHead
    sections: Annotated[tuple[CurrencySection, ...], Meta(min_length=1, max_length=CURRENCIES_MAX)]
    """One for each of the head's currencies, in their order."""
    proof: StateMultiProof


@dataclass(frozen=True)
class VerifiedReport:
    """What a report's file proved; made by `verify_report` only."""

    report: YearlyReport
    ground: Ground
    """As of which height and time, and what that rests on."""


def list_report_entries(
    insurer: str, year: int, head: YearHead, sections: tuple[CurrencySection, ...]
) -> dict[bytes, bytes | None]:
    """Return the state entries that a report's file states."""
    entries: dict[bytes, bytes | None] = {encode_key("registers", "years", (insurer, year)): encode(head)}
    for currency, section in zip(head.currencies, sections, strict=True):
        key = (insurer, year, currency)
        entries[encode_key("registers", "totals", key)] = encode(section.total)
        entries[encode_key("reports", "reports", key)] = encode(section.report)
    return entries


def verify_report(data: bytes, trust: Trust) -> VerifiedReport:
    """Check everything about a report's file.

    Args:
        data: The file.
        trust: What the verifier begins with.

    Raises:
        VerificationError: Naming the first thing that does not hold.
    """
    with expect_canonical():
        report = parse(data, YearlyReport)
    ground = check_ground(trust, report.chain_id, report.genesis_hash, report.certificates)
    expect("sections", len(report.head.currencies), len(report.sections))
    entries = list_report_entries(report.insurer, report.year, report.head, report.sections)
    verify_many(ground.header.state_root, entries | founding_entry(report.genesis_hash), report.proof)
    for currency, section in zip(report.head.currencies, report.sections, strict=True):
        _check_section(report, currency, section)
    return VerifiedReport(report, ground)


def _check_section(report: YearlyReport, currency: str, section: CurrencySection) -> None:
    what = f"{currency} {report.year}"
    shown = (section.report.insurer, section.report.year, section.report.currency)
    expect(f"{what} report", (report.insurer, report.year, currency), shown)
    expect(f"{what} published", expected=True, actual=section.total.is_published)
    groups = merge_months(section.total.months)
    shown_groups = tuple(item.group for item in section.report.groups)
    if shown_groups != groups:
        msg = f"{what} groups: expected {_name(groups)} as its counts give them, got {_name(shown_groups)}"
        raise VerificationError(msg)
    for item in section.report.groups:
        group = item.group
        context = disclosure_context(report.chain_id, report.insurer, report.year, currency, group)
        try:
            verify_total(group.sums.paid, item.stated.total, context, item.stated.proof)
        except VerificationError as error:
            msg = f"{what} months {group.first_month} to {group.last_month}: {error}"
            raise VerificationError(msg) from None


def _name(groups: tuple[Group, ...]) -> str:
    return ", ".join(f"{group.first_month}-{group.last_month} ({group.sums.claims})" for group in groups) or "none"


def count_year(section: CurrencySection) -> tuple[int, int, int]:
    """Return a verified section's claims, payments, and returns of what earlier months count."""
    whole = sum_year(section.total)
    return whole.claims, whole.payments, whole.adjustments
