"""Whom a claim waits for, as everybody may know it.

Rules:

    1. A wait follows from what the chain has. Nobody posts it, so nobody can leave it out, be late with it, or lie.
    2. Consent and duplicate codes are open. What else keeps an insurer from settling is between it and the customer:
       here it is the insurer's turn, without a reason.
    3. An invoice that another claim consumed stays consumed. Within one insurer the claim that counts it waits for its
       hospital, which alone can correct the bill. Between two it waits for the customer: once the other insurer has
       paid, she tells this one what is left (contract `coordination`).

    status                 whom       code                   until
    REPORTED               hospital                          the stay ends
    ASSEMBLING             hospital                          every stay is closed and every part shared; closed is
                                                             enough where rules visit the data
    ASSEMBLING             hospital   DUPL-001               the invoice is reversed: no settlement is accepted before
    ASSEMBLING             customer   DUPL-002               she states the order of the two insurers
    ASSEMBLING             insurer                           it confirmed every part and settles, or a person decides
    AWAITING_CONSENT       customer   the failing condition  she grants, files herself, or withdraws
    SETTLED, RECOVERING    rail                              its receipt
    SETTLED, RECOVERING    insurer                           it redirects a returned or rejected payment, or states what
                                                             became of one whose rail was removed
    PENDED                 insurer                           a person decides
    PAID, WITHDRAWN        (nobody)
    SETTLED to nothing     (nobody)
"""

from contracts.consent import Consent
from contracts.invoices import Invoices
from contracts.listings import Wait
from contracts.membership import Membership
from contracts.records import Records
from contracts.settlements import Claim, ClaimStatus, Payment, SettledBefore
from contracts.stays import ShareStatus


def find_wait(
    consent: Consent,
    records: Records,
    invoices: Invoices,
    membership: Membership,
    claim: Claim,
    status: ClaimStatus,
    payments: list[Payment],
    followed: SettledBefore | None,
) -> Wait | None:
    """Return whom a claim waits for; None once it has ended.

    Args:
        consent: The register of grants, in this transaction.
        records: The register of records, in this transaction.
        invoices: The register of consumed invoices.
        membership: The register of organisations.
        claim: The claim.
        status: Its status, with ASSEMBLING derived.
        payments: Its payments.
        followed: What it pays after, by an order that is in force.
    """
    if status in ("PAID", "WITHDRAWN") or (status == "SETTLED" and not payments):
        return None
    if status == "AWAITING_CONSENT":
        reasons = [step.reference for step in claim.steps if step.name == "awaiting"]
        return Wait("customer", reasons[-1], 0, 0)
    if status in ("SETTLED", "RECOVERING", "PENDED"):
        unpaid = [payment for payment in payments if payment.status != "paid"]
        stuck = [
            payment
            for payment in unpaid
            if payment.status in ("returned", "rejected") or not membership.is_member(payment.rail)
        ]
        return Wait("insurer" if status == "PENDED" or len(stuck) > 0 else "rail", "", 0, 0)
    is_visited = consent.terms(claim.grant_id).execution == "rules-visit-data"
    return _find_assembling(records, invoices, claim, followed, is_visited=is_visited)


def _find_assembling(
    records: Records, invoices: Invoices, claim: Claim, followed: SettledBefore | None, *, is_visited: bool
) -> Wait:
    after = None if followed is None else followed.claim_id
    closings = [records.current_closing(stay_id) for stay_id in claim.stay_ids]
    tags: tuple[bytes, ...] = ()
    answers: list[ShareStatus | None] = []
    for closing in closings:
        if closing is None:
            continue
        lock = invoices.consumer(closing, claim.hospital, claim.claim_id, after)
        if lock is not None:
            is_own = lock.insurer == claim.insurer
            return Wait("hospital" if is_own else "customer", "DUPL-001" if is_own else "DUPL-002", 0, 0)
        if len([tag for tag in closing.invoice_tags if tag in tags]) > 0:
            return Wait("hospital", "DUPL-001", 0, 0)
        tags = (*tags, *closing.invoice_tags)
        answers.extend(records.answers(closing, claim.insurer))
    if is_visited:
        return Wait("hospital" if None in closings else "insurer", "", 0, 0)
    given = [answer for answer in answers if answer in ("SHARED", "DELIVERED")]
    delivered = [answer for answer in answers if answer == "DELIVERED"]
    is_handed_over = None not in closings and len(given) == len(answers)
    return Wait("insurer" if is_handed_over else "hospital", "", len(answers), len(delivered))
