"""What the entries of a claim must satisfy among themselves, checked again by whoever reads them.

The validators' contracts enforced all of it when the entries were made; that a quorum certified the state says so. It
is checked here once more, because it is what a dossier is for, and because a verifier need not take two thirds of the
validators at their word where arithmetic does.

    parts        every part of every settled closing shared with the insurer before it settled; or, under a grant that
                 has rules visit the data, the settlement is what the hospital entered before as their result
    settlement   versions without a gap; figures that add up from balance to balance; what moves is what is paid
    rules        the code of the adjudicator that a settlement or visit names was in force where it stands
    payment      one for each settlement that moves something; the claim's status follows from them
    erasure      of this claim, its stays and this customer, by hospital, insurer or rail; steps in their order
"""

import itertools
from collections.abc import Iterator

from contracts.executions import ExecutionReceipt
from contracts.outcomes import check_arithmetic
from contracts.payments import derive_status
from contracts.policies import Balance
from contracts.precedence import is_before
from contracts.settlements import Claim, Payment, Settlement
from ledger.codec import encode
from ledger.crypto.commitments import IDENTITY, verify_difference
from ledger.errors import ContractError, VerificationError
from nodes.audit.evidence import Evidence, list_holdings, needs_balance
from nodes.audit.expectation import check_order, expect


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
    visited = _check_visits(evidence)
    handed_over = {
        (item.stay_id, item.version)
        for settlement in evidence.settlements
        if settlement.outcome.version not in visited
        for item in settlement.outcome.closings
    }
    shares = {share.record_id: share for share in evidence.shares}
    parts = {record_id: place[0] for place in handed_over for record_id in closings[place].parts}
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
            for record_id in () if settlement.outcome.version in visited else closing.parts:
                check_order(f"share of {record_id}", shares[record_id].place, what, settlement.place)


def _check_visits(evidence: Evidence) -> dict[int, ExecutionReceipt]:
    """Check that settlements whose rules visited the data are what the hospital entered; return those, by version."""
    claim = evidence.claim
    versions = {
        (shown.versions[-1].grant.grant_id, item.version): item.grant
        for shown in evidence.grants
        for item in shown.versions
    }
    wanted = [
        settlement
        for settlement in evidence.settlements
        if versions[settlement.outcome.grant_id, settlement.outcome.grant_version].execution == "rules-visit-data"
    ]
    expect(
        "visits",
        [settlement.outcome.version for settlement in wanted],
        [execution.outcome.version for execution in evidence.executions],
    )
    for settlement, execution in zip(wanted, evidence.executions, strict=True):
        outcome, what = settlement.outcome, f"visit {execution.sequence}"
        for field, expected, got in (
            ("claim", claim.claim_id, execution.claim_id),
            ("hospital", claim.hospital, execution.hospital),
            ("recipient", claim.insurer, execution.recipient),
            ("subject", claim.customer, execution.subject),
            ("grant", outcome.grant_id, execution.grant_id),
            ("grant of its outcome", execution.grant_version, execution.outcome.grant_version),
            ("outcome", encode(outcome).hex(), encode(execution.outcome).hex()),
            ("stays", list(claim.stay_ids), [stay.stay_id for stay in execution.stays]),
        ):
            expect(f"{what} {field}", expected, got)
        check_order(what, execution.place, f"settlement {outcome.version}", settlement.place)
    return {execution.outcome.version: execution for execution in evidence.executions}


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


def check_rules(evidence: Evidence) -> None:
    """Check that each settlement, and each visit, names the rules that were in force where it stands.

    Raises:
        VerificationError: Naming the settlement or visit.
    """
    named = [
        *((f"settlement {item.outcome.version}", item.outcome, item.place) for item in evidence.settlements),
        *((f"visit {item.sequence}", item.outcome, item.place) for item in evidence.executions),
    ]
    for what, outcome, place in named:
        versions = [item.code_hash for item in evidence.adjudicator.versions if item.from_height <= place.height]
        expect(f"{what} rules", [code_hash.hex() for code_hash in versions[-1:]], [outcome.rules.hex()])


def check_erasures(evidence: Evidence) -> None:
    """Check that what is said of erasures is about this claim.

    Args:
        evidence: Of the claim.

    Raises:
        VerificationError: Naming the row that is another's, or its steps that are out of order.
    """
    claim = evidence.claim
    rails = {actor.name for actor in evidence.actors if actor.role == "rail"}
    places = [(row.scope, row.holder, row.number) for row in evidence.erasures]
    expect("erasures", sorted(places), places)
    for place, rows in itertools.groupby(evidence.erasures, key=lambda row: (row.scope, row.holder)):
        numbers = [row.number for row in rows]
        expect(f"rows of {' at '.join(place)}", list(range(1, len(numbers) + 1)), numbers)
    known = {*list_holdings(claim), *((claim.claim_id, rail) for rail in rails)}
    for row in evidence.erasures:
        what = f"erasure of {row.scope} at {row.holder}"
        if (row.scope, row.holder) not in known:
            msg = f"{what}: expected a stay of the claim at its hospital or insurer, or the claim at insurer or rail"
            raise VerificationError(msg)
        expect(f"{what} subject", claim.customer, row.subject)
        for item in row.items:
            for former, step in itertools.pairwise(item.steps):
                if is_before(step.place, former.place):  # the rail's row begins with its answer, at one place
                    check_order(f"{item.item} {former.status}", former.place, f"{item.item} {step.status}", step.place)


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
