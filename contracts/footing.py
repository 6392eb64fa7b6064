"""Footing: what a settlement stands on, beside its figures.

Settling is a use of the customer's data, whether the insurer was given the records or had its rules visit them. So
what consent or an erasure keeps from it is refused on the record, like a look at a record: the entry names the stay,
the type of record and the condition. Everything else that is wrong with a settlement, such as a closing that is not
the latest, keeps no data from anybody, and the transaction fails in the ordinary way.

These are functions of the registers that they are given, in the transaction that settles.
"""

from contracts.attempts import Asked
from contracts.bills import check_distinct
from contracts.consent import Consent
from contracts.grants import GrantVersion, RecordType
from contracts.invoices import Invoices
from contracts.membership import Membership
from contracts.needs import Finding, Need
from contracts.records import Records
from contracts.retention import Retention
from contracts.settlements import Claim, Outcome, SettledBefore, Settlement
from contracts.stays import Closing
from contracts.steps import need_of
from ledger.execution.contract import reject

RULES = "adjudication"
"""The contract that decides cases."""
Closings = tuple[tuple[Closing, tuple[RecordType, ...]], ...]
"""The closings that a settlement is on, each with the types of its parts."""


def find_uncovered(consent: Consent, records: Records, claim: Claim) -> tuple[Asked, Finding] | None:
    """Return the first stay of a claim that its grant does not let be settled on, with the reason, or None."""
    found = consent.find_uncovered([need_of(claim, stay_id, None, "enter") for stay_id in claim.stay_ids])
    return None if found is None else (_ask(records, claim, found[0], None), found[1])


def find_refused(
    consent: Consent, records: Records, retention: Retention, claim: Claim, closings: Closings
) -> tuple[Asked, Finding] | None:
    """Return the first part that a settlement may not use, with the reason; None if it may use all.

    Args:
        consent: The register of grants.
        records: The register of records.
        retention: What holders were asked to erase.
        claim: The claim.
        closings: The latest ones of its stays, each with the types of its parts.
    """
    needs = [need_of(claim, closing.stay_id, kind, "enter") for closing, types in closings for kind in types]
    found = consent.find_uncovered(needs) if needs else None
    if found is not None:
        return _ask(records, claim, found[0], None), found[1]
    for closing, _ in closings:
        record_id = retention.find_asked(closing.stay_id, closing.parts, claim.insurer)
        finding = None if record_id is None else retention.find_erasure(closing.stay_id, record_id, claim.insurer)
        if record_id is not None and finding is not None:
            need = need_of(claim, closing.stay_id, records.find(record_id).record_type, "enter")
            return _ask(records, claim, need, record_id), finding
    return None


def check_parts(
    records: Records, invoices: Invoices, claim: Claim, closings: Closings, covered: GrantVersion, outcome: Outcome
) -> None:
    """Refuse parts that the insurer has not confirmed, or that another claim was settled on; consume their invoices.

    Args:
        records: The register of records.
        invoices: The register of consumed invoices.
        claim: The claim.
        closings: As `find_refused` was asked about.
        covered: The grant's version in force; where it has rules visit the data, nothing is confirmed.
        outcome: What its insurer decided.
    """
    parts: tuple[str, ...] = ()
    tags: tuple[bytes, ...] = ()
    after = None if outcome.after is None else outcome.after.claim_id
    for closing, _ in closings:
        if covered.grant.execution != "rules-visit-data":
            records.require_delivered(closing, claim.insurer)
        invoices.consume(closing, claim.hospital, claim.claim_id, claim.insurer, after)
        parts = (*parts, *closing.parts)
        tags = (*tags, *closing.invoice_tags)
    check_distinct(claim.claim_id, list(tags))
    if outcome.disposition == "payout" and not parts:
        reject("CLOSINGS", f"{claim.claim_id}: expected a part to pay for, every one is reversed")


def check_after(claim: Claim, former: Settlement | None, outcome: Outcome, stated: SettledBefore | None) -> None:
    """Refuse a settlement after another insurer's that the customer has not stated, or before it though she has.

    Args:
        claim: The claim.
        former: Its settlement before this one.
        outcome: What its insurer decided.
        stated: What the claim follows by an order that is in force, or None.
    """
    follows = former is not None and former.outcome.after is not None
    if outcome.after is None and (follows or stated is not None):
        reject("UNORDERED", f"{claim.claim_id}: expected to follow what another insurer paid, as its customer stated")
    if outcome.after is not None and outcome.after != stated:
        reject("UNORDERED", f"{claim.claim_id}: expected what its customer stated, and a settlement that is final")


def check_rules(membership: Membership, outcome: Outcome) -> None:
    """Refuse what other rules decided than those in force: an upgrade came between the decision and its place.

    Args:
        membership: The register of pinned code.
        outcome: What was decided, and by which rules.
    """
    in_force = membership.code_in_force(RULES)
    if outcome.rules != in_force:
        reject(
            "STALE_RULES",
            f"rules: expected {in_force.hex()[:16]}, in force here, got {outcome.rules.hex()[:16]}; decide anew",
        )


def _ask(records: Records, claim: Claim, need: Need, record_id: str | None) -> Asked:
    assert need.stay_id is not None, "a claim's need is about one of its stays"
    stay = records.find_stay(need.stay_id)
    return Asked("settlement", claim.insurer, stay, need.record_type, record_id, claim.grant_id, "HPAYMT")
