"""What a dossier proved, as JSON values: what an auditor asks, answered from the verified entries alone.

Who and which claim, as of which height; which notice she read, when she consented, when that ended; what was shared
and confirmed; every settlement, who decided it, whether the deadlines of the Insurance Law were met; what the payment
rail says; what was corrected, and what was closed again and is not settled yet. Amounts appear only if the claim's
openings were opened.

Deadlines count civil days at UTC+8: 30 from the closing to the decision, 10 from the decision to the payment.
"""

from typing import Any

from contracts.erasures import ErasureItem, ErasureRow
from contracts.executions import ExecutionReceipt
from contracts.holds import find_hold
from contracts.identifiers import Place
from contracts.settlements import Payment, Settlement
from contracts.stays import ShareReceipt
from nodes.audit.evidence import DenialEvidence, GrantEvidence
from nodes.audit.reveal import Revealed
from nodes.audit.trust import describe_trust
from nodes.audit.verify import LIMITS, VerifiedClaim
from nodes.schemas.civil_time import civil_day, show_time, write_day
from nodes.schemas.notation import write_yuan

DECIDE_DAYS_MAX = 30
PAY_DAYS_MAX = 10


def summarise(verified: VerifiedClaim, revealed: Revealed | None = None) -> dict[str, Any]:
    """Return what was proven as JSON values.

    Args:
        verified: From `verify_dossier`.
        revealed: From `verify_reveal`, if the claim was opened.
    """
    evidence, header = verified.evidence, verified.header
    claim = evidence.claim
    return {
        "claim": claim.claim_id,
        "number": claim.number,
        "hospital": claim.hospital,
        "insurer": claim.insurer,
        "customer": claim.customer,
        "status": claim.status,
        "as_of": _describe_ground(verified),
        "consent": [_describe_grant(shown, header.time_ms) for shown in evidence.grants],
        "authorities": [
            {"authority": item.authority_id, "kind": item.kind, "holder": item.holder, "given_by": item.given_by}
            for item in evidence.authorities
        ],
        "denials": [_describe_denial(shown) for shown in evidence.denials],
        "shares": [_describe_share(share) for share in evidence.shares],
        "visits": [_describe_visit(execution) for execution in evidence.executions],
        "closings": [
            {
                "stay": closing.stay_id,
                "version": closing.version,
                "parts": len(closing.parts),
                **locate_deed(closing.place),
            }
            for closing in evidence.closings
        ],
        "settlements": [_describe_settlement(verified, item, revealed) for item in evidence.settlements],
        "payments": [_describe_payment(payment) for payment in evidence.payments],
        "deadlines": list_deadlines(verified),
        "corrections": max(0, sum(not item.outcome.is_review for item in evidence.settlements) - 1),
        "reviews": sum(item.outcome.is_review for item in evidence.settlements),
        "closed_again": _closed_again(verified),
        "erasures": [_describe_erasure(row, item) for row in evidence.erasures for item in row.items],
        "signatures": verified.signatures,
        "trust": [*describe_trust(verified.ground), LIMITS],
    }


def list_deadlines(verified: VerifiedClaim) -> list[dict[str, Any]]:
    """Return for each settlement how long the decision and the payment took, and whether that was in time."""
    evidence = verified.evidence
    closings = {(closing.stay_id, closing.version): closing.place for closing in evidence.closings}
    payments = {payment.payment_id: payment for payment in evidence.payments}
    rows = []
    for settlement in evidence.settlements:
        version = settlement.outcome.version
        closed = max(closings[item.stay_id, item.version].time_ms for item in settlement.outcome.closings)
        decided = settlement.place.time_ms
        rows.append(_measure(f"decide settlement {version}", closed, decided, DECIDE_DAYS_MAX, verified))
        payment = payments.get(settlement.payment_id or "")
        if payment is not None:
            paid = next((step.place.time_ms for step in payment.steps if step.status == "paid"), None)
            rows.append(_measure(f"pay {payment.payment_id}", decided, paid, PAY_DAYS_MAX, verified))
    return rows


def _measure(what: str, begun: int, ended: int | None, days_max: int, verified: VerifiedClaim) -> dict[str, Any]:
    until = verified.header.time_ms if ended is None else ended
    days = civil_day(until) - civil_day(begun)
    met = days <= days_max
    return {
        "what": what,
        "from": show_time(begun),
        "until": None if ended is None else show_time(ended),
        "days": days,
        "days_max": days_max,
        "result": ("met" if met else "missed") if ended is not None else ("open" if met else "overdue"),
    }


def locate_deed(place: Place) -> dict[str, Any]:
    """Return where something stands on the chain, and when that was."""
    return {"height": place.height, "index": place.index, "time": show_time(place.time_ms)}


def _describe_grant(shown: GrantEvidence, now_ms: int) -> dict[str, Any]:
    latest = shown.versions[-1]
    permission = latest.grant.permission
    status = latest.status
    if status == "GRANTED" and now_ms >= permission.expires_at_ms:
        status = "EXPIRED"
    return {
        "grant": latest.grant.grant_id,
        "status": status,
        "given_by": {"kind": latest.grant.grantor.kind, "name": latest.grant.grantor.name},
        "countersigned_by": sorted({item.signature.holder for item in shown.countersignatures}),
        "purpose": latest.grant.purpose,
        "grantee": latest.grant.grantee.organisation,
        "sources": list(latest.grant.sources),
        "notice": {"language": latest.grant.notice.language, "hash": latest.grant.notice.hash.hex()},
        "expires": show_time(permission.expires_at_ms),
        "versions": [
            {"version": item.version, "status": item.status, **locate_deed(item.place)} for item in shown.versions
        ],
        "links": [
            {"result": history.entries[-1].result, **locate_deed(history.entries[-1].place)} for history in shown.links
        ],
    }


def _describe_ground(verified: VerifiedClaim) -> dict[str, Any]:
    header = verified.header
    return {
        "chain": header.chain_id,
        "height": header.height,
        "time": show_time(header.time_ms),
        "header": header.hash.hex(),
        "validators": len(verified.ground.validators.validators),
        "set_changes": verified.ground.set_changes,
    }


def _describe_denial(shown: DenialEvidence) -> dict[str, Any]:
    latest = shown.versions[-1]
    return {
        "denial": latest.grant.grant_id,
        "status": latest.status,
        "record_types": list(latest.grant.scope.record_types),
        **locate_deed(shown.versions[0].place),
    }


def _describe_share(share: ShareReceipt) -> dict[str, Any]:
    return {
        "record": share.record_id,
        "type": share.record_type,
        "grant": share.grant_id,
        "grant_version": share.grant_version,
        "confirmed": True,
        **locate_deed(share.place),
    }


def _describe_visit(execution: ExecutionReceipt) -> dict[str, Any]:
    return {
        "visit": execution.sequence,
        "settlement": execution.outcome.version,
        "hospital": execution.hospital,
        "record_types": sorted({name for stay in execution.stays for name in stay.record_types}),
        "grant": execution.grant_id,
        "grant_version": execution.grant_version,
        **locate_deed(execution.place),
    }


def _describe_settlement(verified: VerifiedClaim, settlement: Settlement, revealed: Revealed | None) -> dict[str, Any]:
    outcome = settlement.outcome
    opened = (
        next((item for item in revealed.settlements if item.version == outcome.version), None) if revealed else None
    )
    facts: dict[str, Any] = {
        "version": outcome.version,
        "moves": outcome.disposition,
        "decided_by": verified.evidence.claim.insurer,
        "computed_by": _find_computer(verified, outcome.version),
        "key_version": settlement.signer_key_version,
        "by_person": outcome.is_review,
        "pended": outcome.is_pended,
        "policy": outcome.policy_id,
        "policy_version": settlement.policy_version,
        "payee_version": outcome.payee_version,
        "currency": outcome.currency,
        "rules": outcome.rules.hex(),
        "decision": outcome.decision.hex(),
        **locate_deed(settlement.place),
    }
    if opened is not None:
        facts |= {"payable": write_yuan(opened.payable), "moved": write_yuan(opened.moved)}
    return facts


def _describe_payment(payment: Payment) -> dict[str, Any]:
    return {
        "payment": payment.payment_id,
        "direction": payment.direction,
        "settlement": payment.settlement_version,
        "status": payment.status,
        "steps": [
            {
                "status": step.status,
                "payee": step.payee_version,
                "rail": step.rail,
                "stated": step.is_stated,
                **locate_deed(step.place),
            }
            for step in payment.steps
        ],
    }


def _closed_again(verified: VerifiedClaim) -> list[dict[str, Any]]:
    """Return the stays that were closed again after the latest settlement."""
    evidence = verified.evidence
    if not evidence.settlements:
        return []
    settled = {item.stay_id: item.version for item in evidence.settlements[-1].outcome.closings}
    return [
        {"stay": stay.stay_id, "settled": settled[stay.stay_id], "latest": stay.closing_version}
        for stay in evidence.stays
        if stay.closing_version != settled[stay.stay_id]
    ]


def _describe_erasure(row: ErasureRow, item: ErasureItem) -> dict[str, Any]:
    latest = item.steps[-1]
    hold = None if latest.basis is None else find_hold(latest.basis)
    return {
        "item": item.item,
        "kind": item.kind,
        "holder": row.holder,
        "cause": item.cause,
        "status": latest.status,
        "basis": latest.basis,
        "law": None if hold is None else {"zh": hold.law_zh, "en": hold.law_en},
        "until": None if latest.until_day is None else write_day(latest.until_day),
        "asked": locate_deed(item.steps[0].place),
        **locate_deed(latest.place),
    }


def find_erased_openings(verified: VerifiedClaim) -> dict[str, Any] | None:
    """Return when the insurer certified that it has erased what opens the claim's amounts, or None."""
    claim = verified.evidence.claim
    for row in verified.evidence.erasures:
        if (row.scope, row.holder) == (claim.claim_id, claim.insurer) and row.items[0].status == "ERASED":
            return _describe_erasure(row, row.items[0])
    return None


def _find_computer(verified: VerifiedClaim, version: int) -> str:
    """Return who ran the rules for a settlement: the insurer, or the hospital whose records they visited."""
    claim, executions = verified.evidence.claim, verified.evidence.executions
    visited = any(execution.outcome.version == version for execution in executions)
    return claim.hospital if visited else claim.insurer
