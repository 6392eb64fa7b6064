"""From findings to standing: which lines are eligible, and what waits for whom (R19).

Nothing is refused by a machine. A finding that fails pends to a person with its reasons, and so does an unknown
unless the product lets the rule pass; a `Review` in the case is that person's answer. Meanwhile whatever is not
disputed goes on to be paid. What only arithmetic can lessen is not here but in `benefit`.
"""

from typing import Literal

from contracts.adjudication.billing import check_bill, check_ratio_facts, check_tier_facts
from contracts.adjudication.case import Case
from contracts.adjudication.causes import check_exclusions, check_preexisting, check_waiting
from contracts.adjudication.decision import Action, Reason, Trace
from contracts.adjudication.entitlement import check_consent, check_duplicate, check_policy
from contracts.adjudication.findings import Finding, Findings
from contracts.adjudication.product import unknown_action
from contracts.adjudication.reasons import Code
from contracts.adjudication.treatment import check_lines, check_network, check_stay
from ledger.execution.contract import Struct

Standing = Literal["eligible", "pended", "refused"]


class Screening(Struct):
    """What R01 to R09 and the facts of R10 to R13 leave."""

    claim: Standing
    """Of the claim as a whole."""
    lines: tuple[Standing, ...]
    """Of each line, in the bill's order; a claim that is not eligible makes every line what it is."""
    reasons: tuple[Reason, ...]
    trace: tuple[Trace, ...]
    reviewed: bool
    """Whether a person's decision had a part in it."""


def screen(case: Case) -> Screening:
    """Apply every rule that can put the claim or a line in doubt.

    Without consent the other rules do not run: nobody may look.
    """
    findings = check_consent(case)
    if findings[0].outcome == "pass":
        findings = _check_all(case, findings)
    claim: Standing = "eligible"
    lines: dict[str, Standing] = {line.id: "eligible" for line in case.bill.lines}
    amounts = {line.id: line.amount for line in case.bill.lines}
    running = case.bill.total
    trace: list[Trace] = []
    reasons: list[Reason] = []
    reviewed = False
    for finding in findings:
        action = _conclude(case, finding)
        code = _code(finding, action)
        before = running
        if action in ("ask", "review", "refused"):
            standing: Standing = "refused" if action == "refused" else "pended"
            if finding.line is None:
                claim = _worse(claim, standing)
            else:
                if lines[finding.line] == "eligible":
                    running -= amounts[finding.line]
                lines[finding.line] = _worse(lines[finding.line], standing)
        if code is not None:
            reasons.append(Reason(finding.rule, code, action, finding.detail, finding.line, finding.subject))
        reviewed = reviewed or action in ("accepted", "refused")
        trace.append(
            Trace(
                finding.rule,
                finding.outcome,
                action,
                finding.detail,
                str(before),
                str(running),
                code,
                finding.line,
                finding.subject,
                finding.amount,
            )
        )
    standings = [_worse(claim, lines[line.id]) if claim != "refused" else claim for line in case.bill.lines]
    return Screening(claim, tuple(standings), tuple(reasons), tuple(trace), reviewed)


def _check_all(case: Case, consent: Findings) -> Findings:
    return (
        consent
        + check_policy(case)
        + check_duplicate(case)
        + check_waiting(case)
        + check_preexisting(case)
        + check_exclusions(case)
        + check_network(case)
        + check_stay(case)
        + check_lines(case)
        + check_bill(case)
        + check_ratio_facts(case)
        + check_tier_facts(case)
    )


def _conclude(case: Case, finding: Finding) -> Action:
    if finding.outcome == "pass":
        return "go-on"
    for review in case.reviews:
        if review.rule == finding.rule and review.line == finding.line:
            return "accepted" if review.accepted else "refused"
    if finding.outcome == "fail":
        return "review"
    unknown = finding.unknown
    if unknown is None:
        unknown = unknown_action(case.product, finding.rule)
    if unknown == "pend":
        return "review"
    return unknown


def _code(finding: Finding, action: Action) -> Code | None:
    if action in ("go-on", "assume", "accepted"):
        return None
    if action == "ask":
        return "AUTH-012"
    return finding.code


def _worse(left: Standing, right: Standing) -> Standing:
    if "refused" in (left, right):
        return "refused"
    if "pended" in (left, right):
        return "pended"
    return "eligible"
