"""What the entries of a claim must satisfy among themselves, checked again by whoever reads them.

The validators' contracts enforced all of it when the entries were made; that a quorum certified the state says so. It
is checked here once more, because it is what a dossier is for, and because a verifier need not take two thirds of the
validators at their word where arithmetic does.

    consent      one purpose, this customer, insurer and hospital; every share, step and settlement placed after the
                 version it names and before the next one, within its time and scope, both parties' latest judgement
                 before it `matched` for the identity that this version commits to
    parts        every part of every settled closing shared with the insurer before it settled
    settlement   versions without a gap; figures that add up from balance to balance; what moves is what is paid
    payment      one for each settlement that moves something; the claim's status follows from them
"""

from collections.abc import Iterator

from contracts.conditions import CLAIM_PURPOSE, find_link_failing
from contracts.grants import GrantVersion, LinkHistory
from contracts.identifiers import Place
from contracts.outcomes import check_arithmetic
from contracts.payments import derive_status
from contracts.policies import Balance
from contracts.settlements import Claim, Payment, Settlement
from ledger.codec import Struct
from ledger.crypto.commitments import IDENTITY, verify_difference
from ledger.errors import ContractError, VerificationError
from nodes.audit.evidence import Evidence, GrantEvidence, Use, list_uses, needs_balance


def check_consent(evidence: Evidence) -> None:
    """Check that a grant covered every use at its place.

    Raises:
        VerificationError: Naming the grant or use that does not hold.
    """
    uses = list(list_uses(evidence.claim, evidence.settlements, evidence.shares))
    grants = {shown.versions[-1].grant.grant_id: shown for shown in evidence.grants}
    expect("grants", sorted({use.grant_id for use in uses}), [_id(shown) for shown in evidence.grants])
    for grant_id, shown in grants.items():
        _check_versions(shown, {use.version for use in uses if use.grant_id == grant_id})
        for version in shown.versions:
            _check_words(evidence.claim, version)
    for use in uses:
        _check_use(evidence.claim, grants[use.grant_id], use)


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
    expect(f"{what} subject", claim.customer, grant.subject)
    expect(f"{what} purpose", CLAIM_PURPOSE, grant.purpose)
    expect(f"{what} grantee", claim.insurer, grant.grantee.organisation)
    if claim.hospital not in grant.sources:
        msg = f"{what} sources: expected {claim.hospital} among them, got {', '.join(grant.sources)}"
        raise VerificationError(msg)


def _check_use(claim: Claim, shown: GrantEvidence, use: Use) -> None:
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
    scope = version.grant.scope
    if use.record_type is not None and use.record_type not in scope.record_types:
        msg = f"{what} record types: expected {use.record_type} among {', '.join(scope.record_types)}"
        raise VerificationError(msg)
    if scope.encounters and not set(claim.stay_ids) <= set(scope.encounters):
        msg = f"{what} encounters: expected {', '.join(claim.stay_ids)} among {', '.join(scope.encounters)}"
        raise VerificationError(msg)
    for organisation, history in zip((claim.hospital, claim.insurer), shown.links, strict=True):
        before = tuple(entry for entry in history.entries if is_before(entry.place, use.place))
        finding = find_link_failing(version, organisation, LinkHistory(before) if before else None)
        if finding is not None:
            msg = f"{what} link: {finding.text}"
            raise VerificationError(msg)


def check_parts(evidence: Evidence) -> None:
    """Check that what was settled is what was closed and shared.

    Raises:
        VerificationError: Naming the stay, closing or record.
    """
    claim = evidence.claim
    expect("stays", list(claim.stay_ids), [stay.stay_id for stay in evidence.stays])
    for stay in evidence.stays:
        expect(f"{stay.stay_id} hospital", claim.hospital, stay.hospital)
        expect(f"{stay.stay_id} subject", claim.customer, stay.subject)
        if claim.status != "WITHDRAWN":  # which frees its stays for another claim
            expect(f"{stay.stay_id} claim", claim.claim_id, stay.claim_id)
    references = {
        (item.stay_id, item.version) for settlement in evidence.settlements for item in settlement.outcome.closings
    }
    closings = {(closing.stay_id, closing.version): closing for closing in evidence.closings}
    expect("closings", sorted(references), list(closings))
    shares = {share.record_id: share for share in evidence.shares}
    parts = {record_id: closing.stay_id for closing in evidence.closings for record_id in closing.parts}
    expect("shares", sorted(parts), [share.record_id for share in evidence.shares])
    for share in evidence.shares:
        expect(f"share of {share.record_id} stay", parts[share.record_id], share.stay_id)
        expect(f"share of {share.record_id} recipient", claim.insurer, share.recipient)
        expect(f"share of {share.record_id} hospital", claim.hospital, share.hospital)
        expect(f"share of {share.record_id} subject", claim.customer, share.subject)
    for settlement in evidence.settlements:
        what = f"settlement {settlement.outcome.version}"
        for item in settlement.outcome.closings:
            closing = closings[item.stay_id, item.version]
            check_order(f"closing {item.version} of {item.stay_id}", closing.place, what, settlement.place)
            for record_id in closing.parts:
                check_order(f"share of {record_id}", shares[record_id].place, what, settlement.place)


def check_figures(evidence: Evidence) -> None:
    """Check the settlements' commitments, from the balance that each started from to what it moves.

    Raises:
        VerificationError: Naming the settlement or payment.
    """
    claim = evidence.claim
    expect("settlements", list(range(1, claim.settlement_version + 1)), _versions(evidence.settlements))
    expect("payments", list(claim.payments), [payment.payment_id for payment in evidence.payments])
    payments = {payment.payment_id: payment for payment in evidence.payments}
    balances, blindings = iter(evidence.balances), iter(evidence.zero_blindings)
    former: Settlement | None = None
    for settlement in evidence.settlements:
        what = f"settlement {settlement.outcome.version}"
        expect(f"{what} claim", claim.claim_id, settlement.outcome.claim_id)
        expect(f"{what} stays", list(claim.stay_ids), [item.stay_id for item in settlement.outcome.closings])
        moves = _check_arithmetic(what, settlement, former, _start(settlement, former, balances))
        expect(f"{what} difference", moves.hex(), settlement.difference.hex())
        if settlement.outcome.disposition == "none":
            expect(f"{what} payment", None, settlement.payment_id)
            verify_difference(moves, 0, int.from_bytes(next(blindings, b""), "little"))
        else:
            _check_payment(claim, settlement, payments.pop(settlement.payment_id or "", None))
        former = settlement
    expect("payments without a settlement", [], sorted(payments))
    _check_status(evidence, former)


def _versions(settlements: tuple[Settlement, ...]) -> list[int]:
    return [settlement.outcome.version for settlement in settlements]


def _start(settlement: Settlement, former: Settlement | None, balances: Iterator[Balance]) -> Balance:
    """Return the balance that a settlement started from."""
    outcome = settlement.outcome
    if needs_balance(settlement, former):
        return next(balances)
    if outcome.accumulator_sequence == 0 or former is None:
        return Balance(0, IDENTITY, IDENTITY, None, 0, None)
    before = former.outcome
    return Balance(former.balance_sequence, before.deductible_used_after, before.paid_after, None, 0, None)


def _check_arithmetic(what: str, settlement: Settlement, former: Settlement | None, start: Balance) -> bytes:
    try:
        moves = check_arithmetic(start, former, settlement.outcome)
    except ContractError as error:
        msg = f"{what} figures: {error.reason}"
        raise VerificationError(msg) from None
    expect(f"{what} balance sequence", start.sequence + 1, settlement.balance_sequence)
    return moves


def _check_payment(claim: Claim, settlement: Settlement, payment: Payment | None) -> None:
    outcome = settlement.outcome
    if payment is None:
        msg = f"settlement {outcome.version} payment: expected one for its {outcome.disposition}, got none"
        raise VerificationError(msg)
    for field, expected, actual in (
        ("claim", claim.claim_id, payment.claim_id),
        ("settlement", outcome.version, payment.settlement_version),
        ("insurer", claim.insurer, payment.insurer),
        ("policy", outcome.policy_id, payment.policy_id),
        ("direction", outcome.disposition, payment.direction),
        ("amount", settlement.difference.hex(), payment.amount.hex()),
        ("first step", ("due", settlement.place), (payment.steps[0].status, payment.steps[0].place)),
        ("status", payment.steps[-1].status, payment.status),
    ):
        expect(f"{payment.payment_id} {field}", expected, actual)


def _check_status(evidence: Evidence, latest: Settlement | None) -> None:
    claim = evidence.claim
    status = claim.resumes_as if claim.status == "AWAITING_CONSENT" else claim.status
    expect("claim's last step", claim.status, claim.steps[-1].status)
    if latest is not None and status != "WITHDRAWN":
        derived = derive_status(list(evidence.payments), is_pended=latest.outcome.is_pended)
        expect("claim status", derived, status)


def is_before(first: Place, second: Place) -> bool:
    """Whether one transaction was ordered before another."""
    return (first.height, first.index) < (second.height, second.index)


def check_order(first: str, before: Place, second: str, after: Place) -> None:
    """Check that one transaction was ordered before another; raises `VerificationError`."""
    if not is_before(before, after):
        msg = (
            f"order: expected {first} before {second}, got places {before.height}/{before.index} "
            f"and {after.height}/{after.index}"
        )
        raise VerificationError(msg)


def expect(what: str, expected: object, actual: object) -> None:
    """Compare; raises `VerificationError` with both."""
    if expected != actual:
        msg = f"{what}: expected {_show(expected)}, got {_show(actual)}"
        raise VerificationError(msg)


def _show(value: object) -> object:
    return value.hex() if isinstance(value, bytes) else "an entry" if isinstance(value, Struct) else value
