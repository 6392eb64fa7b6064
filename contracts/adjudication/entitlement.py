"""R01 to R03: may this be adjudicated at all, for this person, for the first time?

What fails or is unknown here concerns the whole claim (R03 also single lines) and is never assumed by a product:
consent and identity come from the chain, duplicates from the chain and the insurer's books.
"""

from contracts.adjudication.case import CONSENT_PURPOSE, Case, Consent
from contracts.adjudication.findings import Finding, Findings, failed, missing, on_line, or_passed


def check_consent(case: Case) -> Findings:
    """R01: an active grant for this hospital, insurer, purpose, these record types and service dates, uses left."""
    grant = case.consent
    if grant is None:
        return (failed("R01", "no-grant", "AUTH-013"),)
    findings: list[Finding] = []
    if grant.active is None:
        findings.append(missing("R01", "consent.active", "AUTH-013"))
    elif not grant.active:
        findings.append(failed("R01", "grant-inactive", "AUTH-013"))
    if grant.purpose != CONSENT_PURPOSE:
        findings.append(failed("R01", "grant-purpose", "AUTH-013"))
    if grant.hospital != case.hospital or grant.insurer != case.insurer:
        findings.append(failed("R01", "grant-party", "AUTH-013"))
    findings.extend(
        failed("R01", "grant-types", "AUTH-013", record_type)
        for record_type in case.record_types
        if record_type not in grant.record_types
    )
    if not _covers_stay(grant, case):
        findings.append(failed("R01", "grant-dates", "AUTH-013"))
    if grant.uses_left == 0:
        findings.append(failed("R01", "grant-uses", "AUTH-013"))
    return or_passed("R01", findings)


def _covers_stay(grant: Consent, case: Case) -> bool:
    last = case.stay.discharge_day
    if last is None:
        last = case.stay.admission_day
    return grant.from_day <= case.stay.admission_day and last <= grant.until_day


def check_policy(case: Case) -> Findings:
    """R02: hospital and insurer both found the insured person, she lives, and the policy was in force at admission.

    With her death her grant ends and the payee becomes her heirs. Who they are, no record of the stay says and no
    `Review` can, so nothing moves to the payee whom she had named.
    """
    findings: list[Finding] = []
    for side, link in (("hospital", case.links.hospital), ("insurer", case.links.insurer)):
        if link is None:
            findings.append(missing("R02", f"links.{side}", "ELIG-001"))
        elif link == "mismatch":
            findings.append(failed("R02", "link-mismatch", "ELIG-001", side))
    if case.stay.deceased:
        findings.append(failed("R02", "deceased", "ELIG-001"))
    if case.stay.admission_day < case.policy.from_day:
        findings.append(failed("R02", "before-cover", "ELIG-006"))
    if case.stay.admission_day > case.policy.until_day:
        findings.append(failed("R02", "after-cover", "ELIG-005"))
    if case.policy.payee_currency != case.product.currency:
        findings.append(failed("R02", "payee-currency", "PRCE-001", case.policy.payee_currency))
    return or_passed("R02", findings)


def check_duplicate(case: Case) -> Findings:
    """R03: neither invoice nor encounter nor a line was settled before, here or by another insurer."""
    facts = case.duplicates
    findings: list[Finding] = []
    if facts.invoice_settled is None:
        findings.append(missing("R03", "duplicates.invoice_settled", "DUPL-001"))
    elif facts.invoice_settled:
        findings.append(failed("R03", "invoice-settled", "DUPL-001"))
    if facts.encounter_settled is None:
        findings.append(missing("R03", "duplicates.encounter_settled", "DUPL-001"))
    elif facts.encounter_settled:
        findings.append(failed("R03", "encounter-settled", "DUPL-001"))
    settled = dict.fromkeys(facts.lines_settled, True)
    repeated = failed("R03", "line-settled", "DUPL-002")
    findings.extend(on_line(repeated, line.id) for line in case.bill.lines if line.id in settled)
    return or_passed("R03", findings)
