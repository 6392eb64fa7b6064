"""R04 to R06: does the product answer for what brought the customer to hospital?

Whether a disease is new cannot be read off a bill. A day that is not known is bounded by days that are (a disease
arose no later than it was diagnosed, and was diagnosed no later than the discharge that names it), and only what the
bounds leave open is unknown.
"""

from contracts.adjudication.case import Case, Diagnosis
from contracts.adjudication.findings import (
    Finding,
    Findings,
    failed,
    missing,
    on_diagnosis,
    on_procedure,
    or_passed,
    passed,
)
from contracts.adjudication.product import Exclusion, has_prefix


def check_waiting(case: Case) -> Findings:
    """R04: the disease did not arise (or was not diagnosed) in the waiting period, both days counted.

    With inception on day D and n days, D to D + n - 1 are out, and D + n is in. What is older than the policy is not
    a matter of this rule but of R05. There is none on renewal and none for accidents.
    """
    waiting = case.product.waiting
    if waiting.days == 0 and waiting.critical_days == 0:
        return passed("R04", "no-waiting")
    if case.policy.renewal:
        return passed("R04", "renewal")
    if case.stay.accident is True:
        return passed("R04", "accident")
    findings: list[Finding] = []
    for diagnosis in case.diagnoses:
        finding = _find_waiting(case, diagnosis)
        if finding is None:
            continue
        if finding.outcome == "fail" and case.stay.accident is None:
            # An accident would lift it, so the one fact that decides is asked for, never assumed.
            finding = missing("R04", "stay.accident", "AUTH-011", "ask")
        findings.extend(on_diagnosis(case, diagnosis, finding))
    return or_passed("R04", findings)


def _find_waiting(case: Case, diagnosis: Diagnosis) -> Finding | None:
    waiting = case.product.waiting
    days_min, days_max = waiting.days, waiting.days
    if diagnosis.icd10 is None:
        days_min = min(waiting.days, waiting.critical_days)
        days_max = max(waiting.days, waiting.critical_days)
    elif has_prefix(diagnosis.icd10, waiting.critical_prefixes):
        days_min, days_max = waiting.critical_days, waiting.critical_days
    fact = f"diagnosis.{diagnosis.id}.onset_day"
    earliest, latest = diagnosis.onset_day, diagnosis.onset_day
    if waiting.basis == "diagnosed":
        fact = f"diagnosis.{diagnosis.id}.diagnosed_day"
        latest = diagnosis.diagnosed_day
        if diagnosis.diagnosed_day is not None:
            earliest = diagnosis.diagnosed_day
    if latest is None:
        latest = diagnosis.diagnosed_day
    if latest is None:
        latest = case.stay.discharge_day
    inception = case.policy.inception_day
    if latest is not None and latest < inception:
        return None
    if earliest is not None and earliest >= inception + days_max:
        return None
    if latest is not None and latest < inception + days_min:
        return failed("R04", "within-waiting", "AUTH-011", diagnosis.id)
    if earliest is not None and earliest == latest:
        # The day is known: what is open is whether the longer period applies.
        return missing("R04", f"diagnosis.{diagnosis.id}.icd10", "AUTH-011")
    return missing("R04", fact, "AUTH-011")


def check_preexisting(case: Case) -> Findings:
    """R05: the condition is not older than the policy's inception, unless the product covers such conditions."""
    if case.product.covers_preexisting:
        return passed("R05", "preexisting-covered")
    inception = case.policy.inception_day
    findings: list[Finding] = []
    for diagnosis in case.diagnoses:
        onset, diagnosed = diagnosis.onset_day, diagnosis.diagnosed_day
        if (onset is not None and onset < inception) or (diagnosed is not None and diagnosed < inception):
            finding = failed("R05", "before-inception", "NCOV-002", diagnosis.id)
        elif onset is None:
            finding = missing("R05", f"diagnosis.{diagnosis.id}.onset_day", "NCOV-002")
        else:
            continue
        findings.extend(on_diagnosis(case, diagnosis, finding))
    return or_passed("R05", findings)


def check_exclusions(case: Case) -> Findings:
    """R06: no diagnosis, procedure or circumstance of the stay belongs to an exclusion of the product."""
    findings: list[Finding] = []
    for exclusion in case.product.exclusions:
        findings.extend(_find_diagnoses(case, exclusion))
        findings.extend(_find_procedures(case, exclusion))
        findings.extend(_find_circumstance(case, exclusion))
    if any(len(exclusion.diagnosis_prefixes) > 0 for exclusion in case.product.exclusions):
        for diagnosis in case.diagnoses:
            if diagnosis.icd10 is None:
                unmapped = missing("R06", f"diagnosis.{diagnosis.id}.icd10", "NCOV-001")
                findings.extend(on_diagnosis(case, diagnosis, unmapped))
    if any(len(exclusion.procedure_prefixes) > 0 for exclusion in case.product.exclusions):
        for procedure in case.procedures:
            if procedure.code is None:
                unmapped = missing("R06", f"procedure.{procedure.id}.code", "NCOV-003")
                findings.extend(on_procedure(case, procedure.id, unmapped))
    return or_passed("R06", findings)


def _find_diagnoses(case: Case, exclusion: Exclusion) -> list[Finding]:
    findings: list[Finding] = []
    for diagnosis in case.diagnoses:
        if diagnosis.icd10 is not None and has_prefix(diagnosis.icd10, exclusion.diagnosis_prefixes):
            finding = failed("R06", "excluded-diagnosis", exclusion.code, exclusion.id)
            findings.extend(on_diagnosis(case, diagnosis, finding))
    return findings


def _find_procedures(case: Case, exclusion: Exclusion) -> list[Finding]:
    findings: list[Finding] = []
    for procedure in case.procedures:
        if procedure.code is not None and has_prefix(procedure.code, exclusion.procedure_prefixes):
            finding = failed("R06", "excluded-procedure", exclusion.code, exclusion.id)
            findings.extend(on_procedure(case, procedure.id, finding))
    return findings


def _find_circumstance(case: Case, exclusion: Exclusion) -> list[Finding]:
    if exclusion.circumstance is None:
        return []
    for fact in case.stay.circumstances:
        if fact.circumstance == exclusion.circumstance:
            if fact.holds:
                return [failed("R06", "excluded-circumstance", exclusion.code, exclusion.id)]
            return []
    return [missing("R06", f"stay.circumstances.{exclusion.circumstance}", exclusion.code, exclusion.unknown)]
