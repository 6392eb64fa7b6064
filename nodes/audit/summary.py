"""What a dossier proved, in words: the answers to what an auditor asks, derived from the verified entries alone.

Who and which claim, as of which height; which notice she read, when she consented, when that ended; what was shared
and confirmed; every settlement, who decided it, whether the deadlines of the Insurance Law were met; what the payment
rail says; what was corrected, and what was closed again and is not settled yet. Amounts appear only if the claim's
openings were opened.

Deadlines count civil days at UTC+8: 30 from the closing to the decision, 10 from the decision to the payment.
"""

import datetime as dt
from typing import Any, Literal

from contracts.calendar import DAY_MS, UTC_OFFSET_MS
from contracts.erasures import ErasureItem, ErasureRow
from contracts.holds import find_hold
from contracts.identifiers import Place
from contracts.settlements import Payment, Settlement
from nodes.audit.evidence import GrantEvidence
from nodes.audit.reveal import Revealed
from nodes.audit.trust import describe_trust
from nodes.audit.verify import LIMITS, VerifiedClaim
from nodes.fhir.instants import format_day
from nodes.schemas.notation import write_yuan
from nodes.schemas.trace import render_formula

Language = Literal["en", "zh"]
DECIDE_DAYS_MAX = 30
PAY_DAYS_MAX = 10
CHINA = dt.timezone(dt.timedelta(milliseconds=UTC_OFFSET_MS))

_CHINESE = {
    "claim": "案件",
    "hospital": "医院",
    "insurer": "保险公司",
    "customer": "客户（化名）",
    "status": "状态",
    "as of": "截至",
    "consent": "授权",
    "shared": "共享",
    "visited": "规则到访",
    "closing": "结案资料",
    "settlement": "理赔决定",
    "deadline": "时限",
    "payment": "付款",
    "corrections": "更正",
    "erasure": "删除",
    "amount": "金额",
    "signatures": "签名",
    "trust": "信任前提",
}


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
        "as_of": {
            "chain": header.chain_id,
            "height": header.height,
            "time": show_time(header.time_ms),
            "header": header.hash.hex(),
            "validators": len(verified.ground.validators.validators),
            "set_changes": verified.ground.set_changes,
        },
        "consent": [_describe_grant(shown, header.time_ms) for shown in evidence.grants],
        "authorities": [
            {"authority": item.authority_id, "kind": item.kind, "holder": item.holder, "given_by": item.given_by}
            for item in evidence.authorities
        ],
        "denials": [
            {
                "denial": shown.versions[-1].grant.grant_id,
                "status": shown.versions[-1].status,
                "record_types": list(shown.versions[-1].grant.scope.record_types),
                **_at(shown.versions[0].place),
            }
            for shown in evidence.denials
        ],
        "shares": [
            {
                "record": share.record_id,
                "type": share.record_type,
                "grant": share.grant_id,
                "grant_version": share.grant_version,
                "confirmed": True,
                **_at(share.place),
            }
            for share in evidence.shares
        ],
        "visits": [
            {
                "visit": execution.sequence,
                "settlement": execution.outcome.version,
                "hospital": execution.hospital,
                "record_types": sorted({name for stay in execution.stays for name in stay.record_types}),
                "grant": execution.grant_id,
                "grant_version": execution.grant_version,
                **_at(execution.place),
            }
            for execution in evidence.executions
        ],
        "closings": [
            {"stay": closing.stay_id, "version": closing.version, "parts": len(closing.parts), **_at(closing.place)}
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


def render_summary(verified: VerifiedClaim, revealed: Revealed | None = None, language: Language = "en") -> list[str]:
    """Return the summary as lines of text; labels in the language, facts as they stand on the chain."""
    facts = summarise(verified, revealed)
    rows = [
        ("claim", f"{facts['claim']} (number {facts['number']} in the register of {facts['insurer']})"),
        ("hospital", facts["hospital"]),
        ("insurer", facts["insurer"]),
        ("customer", facts["customer"]),
        ("status", facts["status"]),
        ("as of", _say_as_of(facts["as_of"])),
        *(("consent", line) for grant in facts["consent"] for line in _say_grant(grant)),
        *(("consent", _say_authority(item)) for item in facts["authorities"]),
        *(("consent", line) for line in _say_denials(facts["denials"])),
        *(("shared", _say_share(share)) for share in facts["shares"]),
        *(("visited", _say_visit(visit)) for visit in facts["visits"]),
        *(
            ("closing", f"{item['version']} of {item['stay']}, {item['parts']} parts, {_say_at(item)}")
            for item in facts["closings"]
        ),
        *(("settlement", _say_settlement(item)) for item in facts["settlements"]),
        *(("deadline", _say_deadline(item)) for item in facts["deadlines"]),
        *(("payment", _say_payment(item)) for item in facts["payments"]),
        ("corrections", _say_corrections(facts)),
        *(("erasure", line) for line in _say_erasures(facts["erasures"], language)),
        *(("amount", line) for line in _say_amounts(verified, revealed, language)),
        ("signatures", f"{facts['signatures']} checked: customer, hospital, insurer and rail, each under its own key"),
        *(("trust", line) for line in (*describe_trust(verified.ground, language), LIMITS)),
    ]
    labels = [_CHINESE[label] if language == "zh" else label for label, _ in rows]
    width = max(len(label) for label in labels)
    return [f"{label.ljust(width)}  {text}" for label, (_, text) in zip(labels, rows, strict=True)]


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


def show_time(time_ms: int) -> str:
    """Return a block time as ISO 8601 at UTC+8, to the second."""
    return dt.datetime.fromtimestamp(time_ms // 1000, CHINA).isoformat(sep=" ")


def _measure(what: str, begun: int, ended: int | None, days_max: int, verified: VerifiedClaim) -> dict[str, Any]:
    until = verified.header.time_ms if ended is None else ended
    days = (until + UTC_OFFSET_MS) // DAY_MS - (begun + UTC_OFFSET_MS) // DAY_MS
    met = days <= days_max
    return {
        "what": what,
        "from": show_time(begun),
        "until": None if ended is None else show_time(ended),
        "days": days,
        "days_max": days_max,
        "result": ("met" if met else "missed") if ended is not None else ("open" if met else "overdue"),
    }


def _at(place: Place) -> dict[str, Any]:
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
        "versions": [{"version": item.version, "status": item.status, **_at(item.place)} for item in shown.versions],
        "links": [{"result": history.entries[-1].result, **_at(history.entries[-1].place)} for history in shown.links],
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
        "decision": outcome.decision.hex(),
        **_at(settlement.place),
    }
    if opened is not None:
        facts |= {"payable": write_yuan(opened.payable), "moved": _signed(opened.moved)}
    return facts


def _describe_payment(payment: Payment) -> dict[str, Any]:
    return {
        "payment": payment.payment_id,
        "direction": payment.direction,
        "settlement": payment.settlement_version,
        "status": payment.status,
        "steps": [{"status": step.status, "payee": step.payee_version, **_at(step.place)} for step in payment.steps],
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
        "until": None if latest.until_day is None else format_day(latest.until_day),
        "asked": _at(item.steps[0].place),
        **_at(latest.place),
    }


def find_erased_openings(verified: VerifiedClaim) -> dict[str, Any] | None:
    """Return when the insurer certified that it has erased what opens the claim's amounts, or None."""
    claim = verified.evidence.claim
    for row in verified.evidence.erasures:
        if (row.scope, row.holder) == (claim.claim_id, claim.insurer) and row.items[0].status == "ERASED":
            return _describe_erasure(row, row.items[0])
    return None


def _say_erasures(items: list[dict[str, Any]], language: Language) -> list[str]:
    lines = []
    for item in items:
        what = "what was made of the claim" if item["kind"] == "claim" else f"{item['kind']} {item['item']}"
        asked = "asked for by the customer" if item["cause"] == "request" else "asked for by the grant's retention"
        said = {"ERASED": "erased", "RESTRICTED": "restricted", "ASKED": "asked for, not answered"}[item["status"]]
        line = f"{what} at {item['holder']}: {said}, {_say_at(item)}, {asked} {_say_at(item['asked'])}"
        if item["law"] is not None:
            line += f"; kept until {item['until']}: {item['law'][language]}"
        lines.append(line)
    return lines


def _say_at(facts: dict[str, Any]) -> str:
    return f"at height {facts['height']}, {facts['time']}"


def _say_as_of(facts: dict[str, Any]) -> str:
    text = f"height {facts['height']} of {facts['chain']}, {facts['time']}, header {facts['header']}"
    return f"{text}, {facts['validators']} validators, {facts['set_changes']} changes of their set since the genesis"


def _say_grant(grant: dict[str, Any]) -> list[str]:
    notice = grant["notice"]
    parties = f"{grant['purpose']} from {', '.join(grant['sources'])} to {grant['grantee']}"
    lines = [
        f"{grant['grant']}: {grant['status']}, {parties}, until {grant['expires']}",
        f"{grant['grant']}: notice in {notice['language']}, SHA-256 {notice['hash']}",
    ]
    if grant["given_by"]["kind"] != "customer":
        lines.append(f"{grant['grant']}: given by her {grant['given_by']['kind']} {grant['given_by']['name']}")
    lines += [f"{grant['grant']}: countersigned by her guardian {name}" for name in grant["countersigned_by"]]
    for version in grant["versions"]:
        word = "given" if version["status"] == "GRANTED" else "revoked"
        lines.append(f"{grant['grant']}: version {version['version']} {word} {_say_at(version)}")
    if grant["status"] != "REVOKED":
        lines.append(f"{grant['grant']}: no later version exists, so it was not revoked up to here")
    for party, link in zip(("hospital", "insurer"), grant["links"], strict=True):
        lines.append(f"{grant['grant']}: identity {link['result']} by the {party} {_say_at(link)}")
    return lines


def _say_authority(item: dict[str, Any]) -> str:
    return f"{item['authority']}: {item['holder']} acts as {item['kind']}, as {item['given_by']} attested"


def _say_denials(denials: list[dict[str, Any]]) -> list[str]:
    if not denials:
        return ["no denial by this customer exists"]
    return [
        f"{item['denial']}: denies {', '.join(item['record_types'])}, {item['status']}, first {_say_at(item)}; "
        "stood against nothing here"
        for item in denials
    ]


def _find_computer(verified: VerifiedClaim, version: int) -> str:
    """Return who ran the rules for a settlement: the insurer, or the hospital whose records they visited."""
    claim, executions = verified.evidence.claim, verified.evidence.executions
    visited = any(execution.outcome.version == version for execution in executions)
    return claim.hospital if visited else claim.insurer


def _say_share(share: dict[str, Any]) -> str:
    return (
        f"{share['type']} {share['record']} under {share['grant']} version {share['grant_version']}, "
        f"{_say_at(share)}, confirmed by the recipient's signature"
    )


def _say_visit(visit: dict[str, Any]) -> str:
    return (
        f"{', '.join(visit['record_types'])} at {visit['hospital']} under {visit['grant']} version "
        f"{visit['grant_version']}, {_say_at(visit)}: computed and signed by {visit['hospital']}, nothing handed over"
    )


def _say_settlement(item: dict[str, Any]) -> str:
    how = "by a person on review" if item["by_person"] else "by the adjudicator"
    how = how if item["computed_by"] == item["decided_by"] else f"{how}, which {item['computed_by']} ran,"
    text = f"{item['version']}: {item['moves']}, decided {how} of {item['decided_by']}, {_say_at(item)}"
    text += f", on {item['policy']} version {item['policy_version']}, payee version {item['payee_version']}"
    return f"{text}; a part waits for a person" if item["pended"] else text


def _say_deadline(item: dict[str, Any]) -> str:
    ended = item["until"] or "not yet"
    days = f"{item['days']} of {item['days_max']} days"
    return f"{item['what']}: {item['from']} to {ended}, {days}, {item['result']}"


def _say_payment(item: dict[str, Any]) -> str:
    steps = ", ".join(f"{step['status']} {_say_at(step)}" for step in item["steps"])
    return f"{item['payment']}: {item['direction']}, {item['status']} by the rail's receipt ({steps})"


def _say_corrections(facts: dict[str, Any]) -> str:
    again = [f"{item['stay']} was closed again ({item['latest']}) and is not settled" for item in facts["closed_again"]]
    count = facts["corrections"]
    text = f"{count} after the first settlement" if count else "none"
    text += f", {facts['reviews']} decided by a person on review" if facts["reviews"] else ""
    return "; ".join([text, *again])


def _say_amounts(verified: VerifiedClaim, revealed: Revealed | None, language: Language) -> list[str]:
    erased = find_erased_openings(verified)
    if revealed is None and erased is not None:
        what = f"erased: {erased['holder']} has certified {_say_at(erased)} that it holds nothing any more that opens"
        return [f"{what} case, decision or amounts; an openings file that was taken before still opens them"]
    if revealed is None:
        return ["hidden: the commitments add up; what they commit to opens with --reveal"]
    return [
        f"settlement {item.version}: {render_formula(item.decision, language)}; in all "
        f"{write_yuan(item.payable)} {item.decision.currency}, moved {_signed(item.moved)}"
        + ("; sealed again since: the settlement names the hash of other bytes" if item.is_sealed_again else "")
        for item in revealed.settlements
    ]


def _signed(amount: int) -> str:
    return f"-{write_yuan(-amount)}" if amount < 0 else write_yuan(amount)
