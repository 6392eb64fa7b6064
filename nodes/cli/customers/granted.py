"""A customer's grants and denials as she reads them, in both languages side by side."""

from typing import Any

from nodes.schemas.civil_time import show_minute
from nodes.schemas.columns import pad
from nodes.schemas.labels import (
    CAPACITIES,
    CASES,
    DENIAL_STATUSES,
    EFFECTS,
    EXECUTIONS,
    GRANTORS,
    LINKS,
    MODES,
    STATUSES,
    name_both,
    name_purpose,
    name_types,
)

STATUS_WIDTH = 18
LABEL_WIDTH = 20


def describe_line(hospital: str, recipient: str, view: dict[str, Any]) -> str:
    """Return one line: the grant, where it stands, for whom and what, and what whoever was shown her identity found."""
    words = view["versions"][-1]["grant"]
    denies = words["effect"] == "deny"
    status = name_both(DENIAL_STATUSES if denies else STATUSES, view["status"])
    head = f"{view['grant_id']}  {pad(status, STATUS_WIDTH)}"
    purpose = name_purpose(words["purpose"])
    if denies:
        types = name_types(words["scope"]["record_types"])
        return f"{head}  拒绝 DENIES {hospital} → {words['grantee']['organisation']} {purpose}: {types}"
    links = {party: history["entries"][-1]["result"] for party, history in view["links"]}
    shown = [item["organisation"] for item in words["identities"]]
    found = ", ".join(f"{party} {name_both(LINKS, links.get(party, 'not linked'))}" for party in shown)
    return f"{head}  {hospital} → {recipient} {purpose} · {found}"


def describe_grant(hospital: str, recipient: str, view: dict[str, Any]) -> list[str]:
    """Return all of a grant: its terms, its versions, and what both parties found and when."""
    words = view["versions"][-1]["grant"]
    grantor, notice = words["grantor"], words["notice"]
    statuses = DENIAL_STATUSES if words["effect"] == "deny" else STATUSES
    rows = [
        *_list_terms(words),
        ("授权人 given by", f"{name_both(GRANTORS, grantor['kind'])} {grantor['name']}"),
        ("告知书 notice", f"{notice['language']} {notice['hash'][:16]}"),
    ]
    for version in view["versions"]:
        status = name_both(statuses, version["status"])
        rows += [(f"版本 version {version['version']}", f"{status} · {_place(version)}")]
    for party, history in view["links"]:
        entry = history["entries"][-1]
        found = f"{name_both(LINKS, entry['result'])}, {name_both(CAPACITIES, entry['capacity'])}"
        rows += [(party, f"{found} · {_place(entry)}")]
    for version, signed in view["countersignatures"]:
        rows += [(f"版本 version {version}", f"监护人已同意 countersigned by {signed['holder']} · {_place(signed)}")]
    lines = [f"  {pad(label, LABEL_WIDTH)}{text}" for label, text in rows]
    return [describe_line(hospital, recipient, view), *lines]


def _list_terms(words: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what a grant says; of a denial, what it is about and until when: it hands nothing over."""
    scope, permission = words["scope"], words["permission"]
    terms = f"{name_both(EFFECTS, words['effect'])} · {name_both(CASES, scope['case'])}"
    rows = [
        ("目的 purpose", name_purpose(words["purpose"])),
        ("记录 records", name_types(scope["record_types"])),
        *([("住院 stays", ", ".join(scope["encounters"]))] if scope["encounters"] else []),
        ("终止 ends", show_minute(permission["expires_at_ms"])),
    ]
    if words["effect"] == "deny":
        return [("内容 terms", terms), *rows]
    uses, often = permission["uses_max"], permission["frequency"]
    terms += f" · {name_both(MODES, permission['mode'])}"
    terms += "" if uses is None else f" · 最多 {uses} 次 at most {uses} uses"
    terms += (
        "" if often is None else f" · {often['days']} 天内 {often['uses']} 次 {often['uses']} in {often['days']} days"
    )
    execution = ("方式 execution", name_both(EXECUTIONS, words["execution"]))
    return [("内容 terms", terms), execution, *rows, ("删除期限 erase by", show_minute(permission["erase_at_ms"]))]


def _place(entry: dict[str, Any]) -> str:
    return f"高度 height {entry['place']['height']}, {show_minute(entry['place']['time_ms'])}"
