"""R07 to R09: where the stay was, how long it went on, and what was charged for."""

from contracts.adjudication.case import Case, Line
from contracts.adjudication.findings import Finding, Findings, failed, missing, on_line, or_passed
from contracts.adjudication.product import has_prefix
from contracts.adjudication.reasons import Code


def check_network(case: Case) -> Findings:
    """R07: a hospital of the grade or approved, and a ward the product covers.

    This is about the stay's own ward; a single bed charge of another ward is a line of R09.
    """
    network, stay = case.product.network, case.stay
    findings: list[Finding] = []
    if case.hospital not in network.approved:
        if stay.hospital_grade is None:
            findings.append(missing("R07", "stay.hospital_grade", "ELIG-007"))
        elif stay.hospital_grade < network.grade_min:
            findings.append(failed("R07", "hospital-outside", "ELIG-007", case.hospital))
    if stay.ward is None:
        if len(network.wards_excluded) > 0:
            findings.append(missing("R07", "stay.ward", "ELIG-007"))
    elif stay.ward in network.wards_excluded:
        findings.append(failed("R07", "ward-outside", "ELIG-007", stay.ward))
    return or_passed("R07", findings)


def check_stay(case: Case) -> Findings:
    """R08: no hanging bed, nothing after the ordered discharge, and at most the continuation after expiry.

    The ordered day itself is covered; so is the last day of the continuation, which is `until_day` plus its days.
    """
    stay = case.stay
    findings: list[Finding] = []
    if stay.hanging_bed is None:
        findings.append(missing("R08", "stay.hanging_bed", "NCOV-003"))
    elif stay.hanging_bed:
        findings.append(failed("R08", "hanging-bed", "NCOV-003"))
    if stay.discharge_day is None:
        findings.append(missing("R08", "stay.discharge_day", "NCOV-003"))
    if stay.ordered_discharge_day is None:
        findings.append(missing("R08", "stay.ordered_discharge_day", "NCOV-003"))
    else:
        findings.extend(_find_after(case, stay.ordered_discharge_day, "after-ordered-discharge", "NCOV-003"))
    last_day = case.policy.until_day + case.product.continuation_days
    findings.extend(_find_after(case, last_day, "after-continuation", "ELIG-005"))
    return or_passed("R08", findings)


def _find_after(case: Case, last_day: int, detail: str, code: Code) -> list[Finding]:
    """Return a finding for each line after `last_day`; undated lines are open only if the stay went beyond it."""
    findings: list[Finding] = []
    discharged = case.stay.discharge_day
    for line in case.bill.lines:
        if line.day is not None:
            if line.day > last_day:
                findings.append(on_line(failed("R08", detail, code), line.id))
        elif discharged is not None and discharged > last_day:
            findings.append(on_line(missing("R08", "line.day", code), line.id))
    return findings


def check_lines(case: Case) -> Findings:
    """R09: each line is reasonable and necessary, and no item that the product excludes."""
    findings: list[Finding] = []
    for line in case.bill.lines:
        finding = _find_line(case, line)
        if finding is not None:
            findings.append(on_line(finding, line.id))
    return or_passed("R09", findings)


def _find_line(case: Case, line: Line) -> Finding | None:
    if has_prefix(line.item, case.product.excluded_items):
        return failed("R09", "excluded-item", "NCOV-003", line.item)
    if line.reasonable is None:
        return missing("R09", "line.reasonable", "NCOV-003")
    if not line.reasonable:
        return failed("R09", "unreasonable", "NCOV-003", line.item)
    return None
