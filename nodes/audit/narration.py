"""A verified dossier's summary in lines of text: what `nodes.audit.summary` found, said to a reader.

Labels are in the reader's language, facts as they stand on the chain. Nothing is found out here, so nothing can be said
that the summary's JSON values do not have; amounts alone are read from the openings, and only where these were opened.
"""

from fractions import Fraction
from typing import Any

from nodes.audit.reveal import Revealed
from nodes.audit.summary import find_erased_openings, summarise
from nodes.audit.trust import Language, describe_trust
from nodes.audit.verify import LIMITS, VerifiedClaim
from nodes.schemas.columns import measure_width, pad
from nodes.schemas.trace import render_formula, show_amount

_CHINESE = {
    "claim": "案件",
    "hospital": "医院",
    "insurer": "保险公司",
    "customer": "客户（化名）",
    "person": "客户身份",
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


def render_summary(
    verified: VerifiedClaim,
    revealed: Revealed | None = None,
    language: Language = "en",
    people: list[dict[str, Any]] | None = None,
) -> list[str]:
    """Return the summary as lines of text; labels in the language, facts as they stand on the chain.

    Args:
        verified: From `verify_dossier`.
        revealed: The amounts, if they were opened.
        language: Of the labels.
        people: Whom the grants are about, from `nodes.audit.person.describe_person`; None if nobody was to be named.
    """
    facts = summarise(verified, revealed)
    rows = [
        ("claim", f"{facts['claim']} (number {facts['number']} in the register of {facts['insurer']})"),
        ("hospital", facts["hospital"]),
        ("insurer", facts["insurer"]),
        ("customer", facts["customer"]),
        *(("person", line) for line in _say_people(people)),
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
        ("signatures", f"{facts['signatures']} checked: all whose acts are shown, each under its own key"),
        *(("trust", line) for line in (*describe_trust(verified.ground, language), LIMITS)),
    ]
    labels = [_CHINESE[label] if language == "zh" else label for label, _ in rows]
    width = max(map(measure_width, labels))
    return [f"{pad(label, width)}  {text}" for label, (_, text) in zip(labels, rows, strict=True)]


_ASKED_BY = {
    "request": "the customer",
    "guardian": "her guardian",
    "heir": "an heir of hers",
    "retention": "the grant's retention",
}


def _say_erasures(items: list[dict[str, Any]], language: Language) -> list[str]:
    lines = []
    for item in items:
        what = "what was made of the claim" if item["kind"] == "claim" else f"{item['kind']} {item['item']}"
        asked = f"asked for by {_ASKED_BY[item['cause']]}"
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


def _say_people(people: list[dict[str, Any]] | None) -> list[str]:
    if people is None:
        return ["not opened: her wallet opens who she is, or an auditor to whom her insurer sealed it (--reveal)"]
    return [_say_person(item) for item in people] or ["nobody: no grant was used"]


def _say_person(item: dict[str, Any]) -> str:
    """Say whom a grant is about, who matched her, and what was opened; or that it was not opened."""
    identity = item["identity"]
    if identity is None:
        return f"{item['grant']}: not opened: what was given holds nothing that opens its commitment to who she is"
    shown = f"{identity['name']}, {identity['document_type']} {identity['document_number']}"
    if "birth_date" in identity:
        shown += f", born {identity['birth_date']}" + (f", {identity['phone']}" if identity["phone"] else "")
    matched = "; ".join(f"matched by {link['by']} {_say_at(link)}" for link in item["matched"]) or "matched by nobody"
    versions = ", ".join(map(str, item["versions"]))
    return f"{shown}; {matched}: opens the commitment of the links in {item['grant']} version {versions}"


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
    if item["computed_by"] != item["decided_by"]:
        ran = f"which {item['computed_by']} ran,"
        how = f"{how}, with the adjudicator {ran}" if item["by_person"] else f"{how}, {ran}"
    text = f"{item['version']}: {item['moves']}, decided {how} of {item['decided_by']}, {_say_at(item)}"
    text += f", on {item['policy']} version {item['policy_version']}, payee version {item['payee_version']}"
    text += f", rules {item['rules'][:16]}"
    return f"{text}; a part waits for a person" if item["pended"] else text


def _say_deadline(item: dict[str, Any]) -> str:
    ended = item["until"] or "not yet"
    days = f"{item['days']} of {item['days_max']} days"
    return f"{item['what']}: {item['from']} to {ended}, {days}, {item['result']}"


def _say_payment(item: dict[str, Any]) -> str:
    said = [f"{step['status']}{', the insurer states,' if step['stated'] else ''}" for step in item["steps"]]
    steps = ", ".join(f"{status} {_say_at(step)}" for status, step in zip(said, item["steps"], strict=True))
    latest = item["steps"][-1]
    by = (
        f"as the insurer states, {latest['rail']} being a member no more"
        if latest["stated"]
        else "by the rail's receipt"
    )
    return f"{item['payment']}: {item['direction']}, {item['status']} {by} ({steps})"


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
    if not verified.evidence.settlements:
        return ["none: nothing is settled"]
    if revealed is None:
        return ["hidden: the commitments add up; what they commit to opens with --reveal"]
    return [
        f"settlement {item.version}: {render_formula(item.decision, language)}; in all "
        f"{show_amount(Fraction(item.payable))} {item.decision.currency}, moved {show_amount(Fraction(item.moved))}"
        + ("; sealed again since: the settlement names the hash of other bytes" if item.is_sealed_again else "")
        for item in revealed.settlements
    ]
