"""That a grant covered every use at its place, checked again from a dossier's entries.

For each use (a step of the claim, a share, a settlement, each part of one) the state before it is put together from
the places of the entries: which version of the grant was in force, what hospital and insurer had last judged, whether
the authority of a guardian, delegate or heir had ended, which denials stood. Then the contracts' own conditions are
run on that. What no entry tells is not checked: how often the grant had been used before, which claim a one-case grant
belonged to, and the dates of the records.
"""

from msgspec.structs import replace

from contracts.conditions import CLAIM_PURPOSE, Facts, find_grantor_failing, find_link_failing
from contracts.grants import Countersignature, GrantHead, GrantVersion, LinkHistory
from contracts.mandates import Authority, find_widening
from contracts.needs import Need
from contracts.precedence import find_denial, is_before, list_against
from contracts.settlements import Claim
from ledger.errors import VerificationError
from nodes.audit.evidence import (
    Evidence,
    GrantEvidence,
    Use,
    list_authorities,
    list_uses,
    needs_countersignature,
)
from nodes.audit.expectation import check_order, expect

EXECUTIONS = {"release": ("data-to-insurer", "STORE"), "visit": ("rules-visit-data", "EXECUTE")}
"""Act -> the execution and mode that the grant must say."""


def check_consent(evidence: Evidence) -> None:
    """Check that a grant covered every use at its place, and that no denial stood against it.

    Raises:
        VerificationError: Naming the grant or use that does not hold.
    """
    uses = list(
        list_uses(evidence.claim, evidence.settlements, evidence.shares, evidence.executions, evidence.closings)
    )
    grants = {shown.versions[-1].grant.grant_id: shown for shown in evidence.grants}
    expect("grants", sorted({use.grant_id for use in uses}), [_id(shown) for shown in evidence.grants])
    shown_authorities = [authority.authority_id for authority in evidence.authorities]
    expect("authorities", list_authorities(evidence.grants, evidence.denials), shown_authorities)
    for grant_id, shown in grants.items():
        _check_versions(shown, {use.version for use in uses if use.grant_id == grant_id})
        for version in shown.versions:
            _check_words(evidence.claim, version)
        _check_countersignatures(shown)
    _check_denials(evidence)
    for use in uses:
        _check_use(evidence, grants[use.grant_id], use)


def _id(shown: GrantEvidence) -> str:
    return shown.versions[-1].grant.grant_id


def _check_versions(shown: GrantEvidence, used: set[int]) -> None:
    numbers = [version.version for version in shown.versions]
    wanted = used | {min(number + 1, numbers[-1]) for number in used} | {numbers[-1]}
    expect(f"{_id(shown)} versions", sorted(wanted), numbers)
    for version in shown.versions:
        expect(f"{_id(shown)} version {version.version} id", _id(shown), version.grant.grant_id)
        if version.status != "REVOKED":
            expect(f"{_id(shown)} version of the words", version.version, version.grant.version)


def _check_words(claim: Claim, version: GrantVersion) -> None:
    grant = version.grant
    what = f"{grant.grant_id} version {version.version}"
    expect(f"{what} effect", "permit", grant.effect)
    expect(f"{what} subject", claim.customer, grant.subject)
    expect(f"{what} purpose", CLAIM_PURPOSE, grant.purpose)
    expect(f"{what} grantee", claim.insurer, grant.grantee.organisation)
    if claim.hospital not in grant.sources:
        msg = f"{what} sources: expected {claim.hospital} among them, got {', '.join(grant.sources)}"
        raise VerificationError(msg)


def _check_countersignatures(shown: GrantEvidence) -> None:
    numbers = [item.version for item in shown.countersignatures]
    expect(f"{_id(shown)} countersignatures", sorted(set(numbers)), numbers)
    for item in shown.countersignatures:
        version = next((version for version in shown.versions if version.version == item.version), None)
        if version is None or not needs_countersignature(version, shown.links):
            msg = f"{_id(shown)} countersignature of version {item.version}: nothing shown rests on it"
            raise VerificationError(msg)


def _check_denials(evidence: Evidence) -> None:
    for denied in evidence.denials:
        grant_id = denied.versions[-1].grant.grant_id
        numbers = [version.version for version in denied.versions]
        expect(f"{grant_id} versions", list(range(1, len(numbers) + 1)), numbers)
        for version in denied.versions:
            expect(f"{grant_id} version {version.version} id", grant_id, version.grant.grant_id)
            expect(f"{grant_id} version {version.version} effect", "deny", version.grant.effect)
            expect(f"{grant_id} version {version.version} subject", evidence.claim.customer, version.grant.subject)


def _check_use(evidence: Evidence, shown: GrantEvidence, use: Use) -> None:
    what = f"{use.what}: {use.grant_id} version {use.version}"
    version = next(item for item in shown.versions if item.version == use.version)
    following = next((item for item in shown.versions if item.version == use.version + 1), None)
    expect(f"{what} status", "GRANTED", version.status)
    check_order(f"{what} was given", version.place, use.what, use.place)
    if following is not None:
        later = f"version {following.version} of {use.grant_id}, {following.status},"
        check_order(use.what, use.place, later, following.place)
    permission = version.grant.permission
    if use.place.time_ms >= permission.expires_at_ms:
        msg = f"{what}: expected before its end at {permission.expires_at_ms} ms, got {use.place.time_ms} ms"
        raise VerificationError(msg)
    if use.act in EXECUTIONS:
        expect(f"{what} execution", EXECUTIONS[use.act], (version.grant.execution, permission.mode))
    scope = version.grant.scope
    if use.record_type is not None and use.record_type not in scope.record_types:
        msg = f"{what} record types: expected {use.record_type} among {', '.join(scope.record_types)}"
        raise VerificationError(msg)
    if scope.encounters and not set(use.stay_ids) <= set(scope.encounters):
        msg = f"{what} encounters: expected {', '.join(use.stay_ids)} among {', '.join(scope.encounters)}"
        raise VerificationError(msg)
    facts = _facts(evidence, shown, version, use)
    for organisation, history in (
        (evidence.claim.hospital, facts.at_hospital),
        (evidence.claim.insurer, facts.at_recipient),
    ):
        finding = find_link_failing(version, organisation, history)
        if finding is not None:
            msg = f"{what} link: {finding.text}"
            raise VerificationError(msg)
    _check_grantor(what, facts, use)
    for stay_id in use.stay_ids:
        finding = find_denial(_need(evidence.claim, use, stay_id), version, facts.against)
        if finding is not None:
            msg = f"{what} denial: {finding.text}"
            raise VerificationError(msg)


def _need(claim: Claim, use: Use, stay_id: str | None) -> Need:
    return Need(
        use.grant_id,
        claim.hospital,
        claim.insurer,
        claim.customer,
        use.record_type,
        stay_id,
        claim.claim_id,
        use.act,
    )


def _check_grantor(what: str, facts: Facts, use: Use) -> None:
    """Check whoever gave the grant: her capacity, her authority, and the guardian's countersignature."""
    authority = facts.authority
    rests = facts.latest.grant.grantor.kind != "customer" or facts.countersignature is not None
    if rests and authority is None:
        msg = f"{what} authority: what its grantor rests on is not shown"
        raise VerificationError(msg)
    finding = find_grantor_failing(facts, use.place.time_ms)
    if finding is not None:
        msg = f"{what} {finding.condition}: {finding.text}"
        raise VerificationError(msg)
    if authority is None:
        return
    grant = facts.latest.grant
    holder = grant.grantor.name if facts.countersignature is None else facts.countersignature.holder
    expect(f"{what} authority holder", holder, authority.holder)
    expect(f"{what} authority subject", grant.subject, authority.subject)
    expected = "guardian" if facts.countersignature is not None else grant.grantor.kind
    expect(f"{what} authority kind", expected, authority.kind)
    widening = find_widening(authority, grant)
    if widening is not None:
        msg = f"{what} authority: {widening}"
        raise VerificationError(msg)


def _facts(evidence: Evidence, shown: GrantEvidence, version: GrantVersion, use: Use) -> Facts:
    """Return what the chain had of a grant when it was used, as far as the dossier tells."""
    signed = [item.signature for item in shown.countersignatures if item.version == version.version]
    before = [signature for signature in signed if is_before(signature.place, use.place)]
    countersignature: Countersignature | None = before[0] if before else None
    authority_id = version.grant.grantor.authority
    if authority_id is None and countersignature is not None:
        authority_id = countersignature.authority
    denials = tuple(
        past[-1]
        for denied in evidence.denials
        if (past := [item for item in denied.versions if is_before(item.place, use.place)])
    )
    at_hospital, at_recipient = (_history(history, use) for history in shown.links)
    return Facts(
        version,
        GrantHead(version.version, version.place.time_ms, 0, 0, 0, None),
        at_hospital,
        at_recipient,
        _authority(evidence, authority_id, use),
        countersignature,
        list_against(_need(evidence.claim, use, None), version, denials, use.place.time_ms),
    )


def _history(history: LinkHistory, use: Use) -> LinkHistory | None:
    before = tuple(entry for entry in history.entries if is_before(entry.place, use.place))
    return LinkHistory(before) if before else None


def _authority(evidence: Evidence, authority_id: str | None, use: Use) -> Authority | None:
    """Return an authority as it was at a use; None if it was not there yet, or is not shown."""
    found = next((item for item in evidence.authorities if item.authority_id == authority_id), None)
    if found is None or not is_before(found.place, use.place):
        return None
    is_ended = found.ended is not None and is_before(found.ended, use.place)
    return found if is_ended else replace(found, ended=None)
