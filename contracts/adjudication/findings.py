"""A finding: what one rule says about the claim or one of its lines, before anything follows from it.

A rule is a function from a `Case` to findings. It says pass, fail or unknown and why; it does not know what a product
makes of an unknown, whether a person has already decided, or how much money is at stake. `screening` draws those
conclusions in one place.
"""

from contracts.adjudication.case import Case, Diagnosis
from contracts.adjudication.decision import Outcome
from contracts.adjudication.product import UnknownAction
from contracts.adjudication.reasons import Code, RuleId
from ledger.execution.contract import Struct


class Finding(Struct):
    """What a rule says."""

    rule: RuleId
    outcome: Outcome
    detail: str
    """A key of `reasons.DETAILS`."""
    code: Code | None = None
    line: str | None = None
    """The line it concerns; None for the whole claim."""
    subject: str = ""
    unknown: UnknownAction | None = None
    """What this unknown does, where not the product's answer for the whole rule decides."""
    amount: int | None = None
    """The difference of amounts that should be equal."""


Findings = tuple[Finding, ...]


def passed(rule: RuleId, detail: str = "holds", subject: str = "") -> Findings:
    """Say that a rule holds."""
    return (Finding(rule, "pass", detail, subject=subject),)


def failed(rule: RuleId, detail: str, code: Code, subject: str = "", amount: int | None = None) -> Finding:
    """Say that a rule fails for the whole claim."""
    return Finding(rule, "fail", detail, code, subject=subject, amount=amount)


def missing(rule: RuleId, fact: str, code: Code, action: UnknownAction | None = None) -> Finding:
    """Say that a rule lacks a fact about the whole claim, and which.

    Args:
        rule: The rule.
        fact: The path of the fact in the case.
        code: The code it has if the rule turns out to fail.
        action: What the absence does, where the product does not decide.
    """
    return Finding(rule, "unknown", "missing", code, subject=fact, unknown=action)


def on_line(finding: Finding, line: str) -> Finding:
    """Return the same finding about one line."""
    return Finding(
        finding.rule,
        finding.outcome,
        finding.detail,
        finding.code,
        line,
        finding.subject,
        finding.unknown,
        finding.amount,
    )


def on_diagnosis(case: Case, diagnosis: Diagnosis, finding: Finding) -> Findings:
    """Return the finding about what a diagnosis concerns.

    The principal diagnosis concerns the whole stay. Another one concerns the lines that name it: that it is listed
    does not yet say that anything was spent on it, so without such lines nothing follows.
    """
    if diagnosis.principal:
        return (finding,)
    return tuple(on_line(finding, line.id) for line in case.bill.lines if line.diagnosis == diagnosis.id)


def on_procedure(case: Case, procedure: str, finding: Finding) -> Findings:
    """Return the finding about what a procedure concerns: the lines that name it, or the claim if none does.

    Unlike a secondary diagnosis, a procedure was carried out and billed somewhere.
    """
    lines = tuple(on_line(finding, line.id) for line in case.bill.lines if line.procedure == procedure)
    if len(lines) == 0:
        return (finding,)
    return lines


def or_passed(rule: RuleId, findings: list[Finding], detail: str = "holds") -> Findings:
    """Return the findings, or that the rule holds where there are none."""
    if len(findings) == 0:
        return passed(rule, detail)
    return tuple(findings)
