"""Standing: where a claim is, as it follows from its entry and its stays, and what consent lacks for it to go on.

A claim's entry has the status that its last step wrote. ASSEMBLING is never written: parts come and go without a step
of the claim, so whoever looks derives it from the stays, and nobody can be late with it.

    settled before    every stay is closed as it was settled    status
    no                                                          ASSEMBLING once anything but an admission is entered
    yes               yes                                       as written
    yes               no                                        ASSEMBLING
"""

from contracts.consent import Consent
from contracts.grants import RecordType
from contracts.listings import ClaimSummary
from contracts.needs import ACTS, Finding, Need
from contracts.records import Records
from contracts.settlements import Claim, ClaimStatus, Settlement
from contracts.steps import need_of


def derive_standing(records: Records, claim: Claim, former: Settlement | None) -> ClaimStatus:
    """Return a claim's status, with ASSEMBLING derived.

    Args:
        records: The register of records, in this transaction.
        claim: The claim.
        former: Its latest settlement; None before the first.
    """
    if claim.status in ("WITHDRAWN", "AWAITING_CONSENT"):
        return claim.status
    if former is None:
        is_begun = len([stay_id for stay_id in claim.stay_ids if records.has_parts(stay_id)]) > 0
        return "ASSEMBLING" if is_begun else claim.status
    settled = [(reference.stay_id, reference.version) for reference in former.outcome.closings]
    is_current = settled == [(stay_id, records.closing_version(stay_id)) for stay_id in claim.stay_ids]
    is_closed = len([stay_id for stay_id in claim.stay_ids if not records.is_closed(stay_id)]) == 0
    return claim.status if is_current and is_closed else "ASSEMBLING"


def find_lacking(
    consent: Consent, records: Records, claim: Claim, signer: str, record_type: RecordType
) -> Finding | None:
    """Return why a party cannot go on: a hospital to hand a type over, an insurer to settle on what is there.

    Args:
        consent: The register of grants, in this transaction.
        records: The register of records, in this transaction.
        claim: The claim.
        signer: Its hospital or its insurer.
        record_type: What it says that it lacks a grant for.
    """
    is_insurer = signer == claim.insurer
    act = "enter" if is_insurer else ACTS[consent.terms(claim.grant_id).execution]
    needs: list[Need] = []
    for stay_id in claim.stay_ids:
        kind = record_type if not is_insurer or record_type in _closed_types(records, stay_id) else None
        needs.append(need_of(claim, stay_id, kind, act))
    found = consent.find_uncovered(needs)
    return None if found is None else found[1]


def summarise_claim(claim: Claim, status: ClaimStatus) -> ClaimSummary:
    """Return a claim's row in a listing.

    Args:
        claim: The claim.
        status: As `derive_standing` returns it.
    """
    return ClaimSummary(
        claim.claim_id,
        claim.number,
        claim.hospital,
        claim.insurer,
        claim.customer,
        status,
        claim.settlement_version,
        claim.steps[0].place,
        claim.steps[-1].place,
    )


def _closed_types(records: Records, stay_id: str) -> list[RecordType]:
    closing = records.current_closing(stay_id)
    return [] if closing is None else [records.find(record_id).record_type for record_id in closing.parts]
