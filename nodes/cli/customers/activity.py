"""`xinpei customer activity`: every look at a customer's records, allowed or refused, with her wallet."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nodes.cli.options import home_option, json_option
from nodes.cli.output import Output
from nodes.config import Home, write_file
from nodes.schemas.civil_time import show_second

if TYPE_CHECKING:
    from nodes.schemas.looks import Look

STATUSES = {
    "shared": "已授权交付 shared, not yet answered",
    "delivered": "已送达 delivered",
    "disputed": "有异议 disputed",
    "lapsed": "已失效 lapsed, nobody answered",
    "permitted": "允许 permitted",
    "refused": "拒绝 REFUSED",
    "ordered": "依法调取 ordered by law",
    "opened": "依法开示理算 calculation opened by law",
    "used": "紧急查看，待审查 emergency, not yet reviewed",
    "justified": "紧急查看，审查认为正当 emergency, found justified",
    "visited": "规则就地计算，病历未离开 its rules computed there, no record left",
    "unjustified": "紧急查看，审查认为不当 emergency, found UNJUSTIFIED",
}
KINDS = {
    "share": "",
    "ask": "请求 asked for ",
    "emergency": "",
    "order": "",
    "visit": "",
    "settlement": "理赔使用 to settle on ",
    "opening": "理算 calculation of ",
    "fetch": "向保管方节点索取 asked the custodian's node for ",
}
ATTEMPTED = {"visit": "规则就地计算 its rules would compute there "}
"""Said of what was refused, where nobody would have been given a record."""


@click.command()
@click.argument("name")
@click.option("--for", "other", metavar="NAME", help="About another customer, for whom NAME may act.")
@click.option("--refused", is_flag=True, help="Only what was refused.")
@click.option("--fields", is_flag=True, help="Name every field that was released.")
@click.option(
    "--fhir", "fhir", type=click.Path(path_type=Path), metavar="FILE", help="Write FHIR AuditEvents here too."
)
@home_option
@json_option
def activity(
    name: str, other: str | None, fhir: Path | None, home: Path, *, refused: bool, fields: bool, as_json: bool
) -> None:
    """Show NAME every look at her records: by whom, of what, under which grant, and which fields.

    What was refused is shown too, what a regulator ordered by law or had opened to it, and whose rules computed on
    records without having them. A member's attempts beyond a day's bound are one row with their number. What a
    recipient does with a record after it has opened it happens in its house and is not here.
    """
    from nodes.cli.session import open_customer
    from nodes.roles.customer.looking import read_activity, read_activity_of

    output = Output(as_json=as_json)
    place = Home(home)
    person = open_customer(place, name)
    closed: tuple[tuple[str, str], ...] = ()
    if other is None:
        looks = read_activity(person)
    else:
        looks, closed = read_activity_of(person, open_customer(place, other))
    looks = tuple(look for look in looks if look.status == "refused") if refused else looks
    for look in looks:
        for line in describe(look, with_fields=fields):
            output.say(line)
    if not looks:
        output.say("还没有人查看过 nobody has looked" if not refused else "没有被拒绝的 nothing was refused")
    for hospital, recipient in closed:
        output.say(f"not shown: {hospital} → {recipient}, where {name} holds no authority for {other}")
    if fhir is not None:
        from nodes.fhir.audit_events import render_bundle

        bundle = render_bundle(place.load_genesis().chain_id, looks)
        write_file(fhir, json.dumps(bundle, ensure_ascii=False, indent=1).encode(), 0o600)
        output.say(f"{len(looks)} AuditEvents written: {fhir}")
    elif looks:
        whose = "" if other is None else f" --for {other}"
        output.hint(f"xinpei customer activity {name}{whose} --fhir activity.json")
    shown = [asdict(look) for look in looks]
    output.finish({"customer": other or name, "looks": shown, "not_shown": [list(pair) for pair in closed]})


def describe(look: "Look", *, with_fields: bool) -> list[str]:
    """Return what people read of one look; with the names of the fields, or how many they are."""
    from nodes.schemas.labels import explain_condition, name_types

    when = show_second(look.time_ms)
    what = name_types(look.record_types) or look.claim or look.stay or ""
    kind = ATTEMPTED.get(look.kind, KINDS[look.kind]) if look.status == "refused" else KINDS[look.kind]
    lines = [f"{when}  {look.by:<11} {STATUSES[look.status]} · {kind}{what} · {look.hospital}"]
    rests = f"{look.grant} version {look.grant_version}" if look.grant else look.order or look.basis or "-"
    lines.append(f"{'':19}  {look.purpose} · {rests} · at {look.height}-{look.index}")
    if look.status == "refused":
        lines.append(f"{'':19}  {look.code} {explain_condition(look.condition)}")
    if look.kind == "fetch":
        lines.append(f"{'':19}  {look.signer} 所述 on the word of {look.signer}, whose node turned it away")
    if look.since_ms is not None:
        since = show_second(look.since_ms)[-8:]
        lines.append(
            f"{'':19}  {look.signer}: 当日超限，共 {look.count} 次 counted beyond the day's entries, since {since}"
        )
    if look.law_zh is not None:
        lines.append(f"{'':19}  {look.law_zh} · {look.law_en}")
    if look.names_person:
        lines.append(f"{'':19}  身份一并开示 with who you are: name, document, birth date")
    if look.fields:
        names = f": {', '.join(look.fields)}" if with_fields else ""
        lines.append(f"{'':19}  {look.field_set} · {len(look.fields)} 项 fields{names}")
    return lines
