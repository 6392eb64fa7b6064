"""Yearly reports: what an insurer paid in a year, opened in one fixed partition and in no other.

Rules:

    1. Only an insurer publishes, for itself, and only a calendar year (UTC+8) that is over by block time.
    2. The groups follow from the counts (`contracts.totals`): the insurer states one total for each, in order, with a
       proof that the group's commitment opens to it. A total that leaves a payment out, or has a 分 more, is
       INVALID_PROOF.
    3. A year and currency is published once. Its totals do not change any more: what comes back later counts against
       the month in which it comes back.
    4. A year of fewer than ten claims is published without a total: its counts stand, nothing is opened.

    table      key                          value
    reports    insurer, year, currency      YearReport
"""

from typing import Annotated

from contracts.calendar import MONTHS, Year, civil_year
from contracts.identifiers import Currency, Place, locate
from contracts.listings import CountClaims
from contracts.membership import Membership
from contracts.registers import Registers
from contracts.settlements import Sequence
from contracts.totals import Group, disclosure_context, merge_months
from ledger.execution.contract import (
    AMOUNT_MINOR_UNITS_MAX,
    Contract,
    Meta,
    Name,
    Struct,
    Table,
    query,
    reject,
    transaction,
    verify_total,
)


class StatedTotal(Struct):
    """What a group's payments add up to, and that its insurer knows what opens them."""

    total: Annotated[int, Meta(ge=-AMOUNT_MINOR_UNITS_MAX, le=AMOUNT_MINOR_UNITS_MAX)]
    """Minor units; negative if more came back than went out."""
    proof: Annotated[bytes, Meta(min_length=64, max_length=64)]
    """`ledger.crypto.totals`; it does not tell the blinding."""


class Publish(Struct):
    """Transaction `publish`."""

    year: Year
    currency: Currency
    totals: Annotated[tuple[StatedTotal, ...], Meta(max_length=MONTHS)]
    """One for each group of the year, in order."""


class FindReport(Struct):
    """Query `find`."""

    insurer: Name
    year: Year
    currency: Currency


class ListReports(Struct):
    """Query `list_reports`: one insurer's."""

    insurer: Name


class GroupTotal(Struct):
    """A group with its total."""

    group: Group
    stated: StatedTotal


class YearReport(Struct):
    """Table `reports`."""

    insurer: Name
    year: Year
    currency: Currency
    groups: Annotated[tuple[GroupTotal, ...], Meta(max_length=MONTHS)]
    """Empty if the year has fewer than ten claims."""
    registered: Sequence
    """Claims in the insurer's register when this was published, of whatever year: those that a sample is drawn from."""
    place: Place


class ReportEvent(Struct):
    """Event `report-published`."""

    insurer: Name
    year: Year
    currency: Currency


class Reports(Contract):
    """The register of published reports."""

    name = "reports"
    reports = Table("reports", YearReport)

    @transaction
    def publish(self, message: Publish) -> None:
        """Publish what the signer paid in a year that is over."""
        insurer = self.call(Membership).require(("insurer",)).name
        year, currency = message.year, message.currency
        running = civil_year(self.context.time_ms)
        if year >= running:
            reject("YEAR_RUNNING", f"year: expected one that is over, before {running}, got {year}")
        key = (insurer, year, currency)
        if self.reports.get(key) is not None:
            reject("ALREADY_PUBLISHED", f"{insurer}: the report of {year} in {currency} is published")
        groups = merge_months(self.call(Registers).close_year(insurer, year, currency).months)
        if len(groups) != len(message.totals):
            reject("PARTITION", f"totals: expected one for each of {len(groups)} groups, got {len(message.totals)}")
        published: list[GroupTotal] = []
        for group, stated in zip(groups, message.totals, strict=True):
            context = disclosure_context(self.context.chain_id, insurer, year, currency, group)
            verify_total(group.sums.paid, stated.total, context, stated.proof)
            published.append(GroupTotal(group, stated))
        registered = self.call(Registers).count(CountClaims(insurer)).count
        self.reports.put(key, YearReport(insurer, year, currency, tuple(published), registered, locate(self.context)))
        self.emit("report-published", ReportEvent(insurer, year, currency))

    @query
    def find(self, message: FindReport) -> YearReport | None:
        """Return a published report, or None."""
        return self.reports.get((message.insurer, message.year, message.currency))

    @query
    def list_reports(self, message: ListReports) -> tuple[YearReport, ...]:
        """Return an insurer's reports, by year and currency."""
        return tuple(report for _, report in self.reports.scan(message.insurer))
