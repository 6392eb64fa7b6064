"""`xinpei record`: who has a customer's records, and having them erased; as that customer, with her wallet."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nodes.cli.asking import ask_yes
from nodes.cli.desks.attaching import save
from nodes.cli.desks.receiving import open_, received
from nodes.cli.options import actor_option, home_option, json_option
from nodes.cli.output import Output
from nodes.config import Home
from nodes.schemas.civil_time import show_second

if TYPE_CHECKING:
    from nodes.roles.customer.customer import Customer
    from nodes.wallet import Pseudonym

ID_WIDTH = 23
"""Columns of a record's id."""
WAIT_SECONDS = 20.0
"""How long `erase` watches for the holders' answers; they come without it too."""
STANDING_IN = ("guardian", "heir")
ACTOR = "a customer, by the name of her wallet"
LIMITS = """\
不能收回的：对方已经看过、抄录或打印的内容；区块链上的承诺、时间和化名（不含任何病历或金额）。
What cannot be recalled: what somebody has read, copied or printed before; and the commitments, times and pseudonyms
on the chain, which hold no medical fact and no amount."""


@click.group()
def record() -> None:
    """See who has your records, and have them erased; read what your organisation was handed."""


for command in (save, received, open_):
    record.add_command(command)


@record.command("list")
@actor_option(ACTOR)
@home_option
@json_option
def list_(actor: str, home: Path, *, as_json: bool) -> None:
    """List your records, who has each, under which hold, and whose rules computed on it where it lies."""
    from nodes.cli.session import open_customer
    from nodes.schemas.columns import measure_width, pad

    output = Output(as_json=as_json)
    records = [found for _, found in open_customer(Home(home), actor).records()]
    width = max((measure_width(_name(found)) for found in records), default=0)
    for stay in dict.fromkeys(found["stay"] for found in records):
        of_stay = [found for found in records if found["stay"] == stay]
        output.say(f"{stay}" + (f" · C-{of_stay[0]['claim'][6:10]}" if of_stay[0]["claim"] else ""))
        for found in of_stay:
            output.say(f"  {found['record']}  {pad(_name(found), width)}  {_say_holders(found['holders'])}")
            for visit in found["visits"]:
                output.say(f"  {'':<24}  {explain_visit(visit)}")
        if of_stay[0]["made_of_it"]:
            output.say(f"  {pad('由此形成 made of it', ID_WIDTH)}  {_say_holders(of_stay[0]['made_of_it'])}")
    kept = [found["stay"] for found in records if any(item["status"] == "kept" for item in found["holders"])]
    if kept:
        output.hint(f"xinpei record erase --as {actor} --stay {kept[0]}")
    elif not records:
        output.say("没有记录 no records")
    output.finish({"records": records})


@record.command()
@actor_option(ACTOR)
@click.argument("record_id", metavar="RECORD")
@home_option
@json_option
def show(actor: str, record_id: str, home: Path, *, as_json: bool) -> None:
    """Show RECORD: who has it since when, and what they answered."""
    from nodes.cli.session import open_customer

    output = Output(as_json=as_json)
    ((_, found),) = _choose(open_customer(Home(home), actor), (record_id,), None, all_=False)
    output.say(f"{found['record']}  {_name(found)} of {found['stay']}")
    for visit in found["visits"]:
        output.say(f"  {explain_visit(visit)}")
    for title, holders in (("", found["holders"]), ("由此形成 made of it", found["made_of_it"])):
        if title and holders:
            output.say(f"  {title}")
        for holder in holders:
            for line in _explain(holder):
                output.say(f"  {line}")
    output.finish(found)


@record.command()
@actor_option(ACTOR)
@click.argument("record_ids", metavar="[RECORD]...", nargs=-1)
@click.option("--stay", metavar="STAY", help="All records of one stay.")
@click.option("--all", "all_", is_flag=True, help="All your records.")
@click.option("--at", "holder", metavar="ORGANISATION", help="Ask this holder alone, instead of everybody.")
@click.option("--for", "other", metavar="NAME", help="Another customer's records, by the name of her wallet.")
@click.option(
    "--acting-as", type=click.Choice(STANDING_IN), default="guardian", show_default=True, help="As what, with --for."
)
@click.option("--yes", is_flag=True, help="Ask without being asked.")
@home_option
@json_option
def erase(
    actor: str,
    record_ids: tuple[str, ...],
    stay: str | None,
    holder: str | None,
    home: Path,
    *,
    all_: bool,
    yes: bool,
    as_json: bool,
    **standing_in: Any,
) -> None:
    """Have records erased by everybody who has them; what a law keeps is restricted, with its basis and last day.

    What was made of a stay's claim goes with its records. A claim that is not settled yet is not settled any more.

    A guardian asks --for her ward, an heir for who has died, once the claim is paid or withdrawn: each holder compares
    both with its own records first. Nobody asks for somebody of 14 to 17, and a delegate asks for nobody.
    """
    from nodes.cli.session import open_customer

    output = Output(as_json=as_json)
    asker = open_customer(Home(home), actor)
    other, acting_as = standing_in["other"], standing_in["acting_as"]
    person = asker if other is None else open_customer(Home(home), other)
    chosen = _choose(person, record_ids, stay, all_=all_)
    if holder is not None:
        chosen = _keep_held(chosen, holder)
    click.echo(LIMITS, err=as_json)
    if not yes:
        question = f"删除 {len(chosen)} 份记录? Erase {len(chosen)} records?"
        ask_yes(question, "not confirmed; nothing was asked for", err=as_json)
    asked = _ask(_draw_up(asker, person, acting_as, chosen, holder))
    if not asked:
        output.say("此前均已要求 every holder was asked for these records before")
    found = _watch(person, chosen, output)
    for info in found:
        output.say(f"{info['record']}  {_name(info)}")
        for answer in info["holders"]:
            output.say(f"  {' '.join(_explain(answer))}")
    for claim, answers in {info["claim"]: info["made_of_it"] for info in found}.items():
        for answer in answers:
            output.say(f"由此形成 what was made of C-{claim[6:10]}: {' '.join(_explain(answer))}")
    output.hint(f"xinpei record list --as {other or actor}")
    output.finish({"asked": asked, "records": found})


def _choose(
    person: "Customer", record_ids: tuple[str, ...], stay: str | None, *, all_: bool
) -> list[tuple["Pseudonym", dict[str, Any]]]:
    """Return the records that were meant, with what reversed them: a reversal tells the amount too."""
    if sum((bool(record_ids), stay is not None, all_)) != 1:
        msg = "expected records, or --stay STAY, or --all"
        raise click.UsageError(msg)
    records = person.records()
    for wanted in record_ids:
        fitting = [found for _, found in records if found["record"].startswith(wanted)]
        if len(fitting) != 1:
            msg = f"record: expected one of your records, got {wanted[:64]!r}, which fits {len(fitting)} of them"
            raise click.UsageError(msg)
    meant = {
        found["record"]
        for _, found in records
        if all_ or found["stay"] == stay or any(found["record"].startswith(wanted) for wanted in record_ids)
    }
    meant |= {found["reversed_by"] for _, found in records if found["record"] in meant and found["reversed_by"]}
    if not meant:
        msg = f"--stay: expected one of your stays, got {stay[:64]!r}" if stay else "you have no records"
        raise click.UsageError(msg)
    return [item for item in records if item[1]["record"] in meant]


def _keep_held(
    chosen: list[tuple["Pseudonym", dict[str, Any]]], holder: str
) -> list[tuple["Pseudonym", dict[str, Any]]]:
    """Return those records that one holder has or had: of the others there is nothing to ask it."""
    held = [item for item in chosen if holder in {having["holder"] for having in item[1]["holders"]}]
    if not held:
        holders = sorted({having["holder"] for _, found in chosen for having in found["holders"]})
        msg = f"--at: expected {' or '.join(holders)}, got {holder[:64]}, which has none of these records"
        raise click.ClickException(msg)
    return held


def _draw_up(
    asker: "Customer",
    person: "Customer",
    acting_as: Any,
    chosen: list[tuple["Pseudonym", dict[str, Any]]],
    holder: str | None,
) -> dict[str, list[Callable[[], None]]]:
    """Return what is to be asked, by stay; whoever stands in for another is attested by every holder first."""
    from nodes.roles.customer.acting import stand_in

    stays: dict[str, tuple[Pseudonym, list[dict[str, Any]]]] = {}
    for pseudonym, found in chosen:
        stays.setdefault(found["stay"], (pseudonym, []))[1].append(found)
    drawn: dict[str, list[Callable[[], None]]] = {}
    for stay, (theirs, records) in stays.items():
        ids = [found["record"] for found in records]
        if asker is person:
            drawn[stay] = [partial(person.ask_erasure, theirs, stay, ids, holder)]
            continue
        own = asker.pseudonym(theirs.hospital, theirs.insurer)
        having = [item for found in records for item in found["holders"]]
        holders = sorted({item["holder"] for item in having if item["role"] != "regulator"})
        drawn[stay] = [
            partial(asker.ask_erasure, own, stay, ids, name, stand_in(asker, person, acting_as, theirs, name))
            for name in ([holder] if holder is not None else holders)
        ]
    return drawn


def _ask(drawn: dict[str, list[Callable[[], None]]]) -> int:
    """Ask, stay by stay, and return for how many stays somebody was asked who had not been."""
    from nodes.client import ApiError

    asked = set()
    for stay, requests in drawn.items():
        for request in requests:
            try:
                request()
            except ApiError as error:
                if error.code != "ALREADY_ASKED":
                    raise
            else:
                asked.add(stay)
    return len(asked)


def _watch(
    person: "Customer", chosen: list[tuple["Pseudonym", dict[str, Any]]], output: Output
) -> list[dict[str, Any]]:
    """Return the records once every holder that was asked has answered, or after WAIT_SECONDS."""
    deadline = time.monotonic() + WAIT_SECONDS
    try:
        while True:
            found = [person.show_record(pseudonym, item["record"]) for pseudonym, item in chosen]
            waiting = sorted({answer["holder"] for answer in _answers(found) if answer["status"] == "asked"})
            if not waiting or time.monotonic() > deadline:
                return found
            output.progress(f"waiting for {', '.join(waiting)} ...")
            time.sleep(0.2)
    finally:
        output.end_progress()


def _answers(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [answer for info in found for answer in (*info["holders"], *info["made_of_it"])]


def explain_visit(visit: dict[str, Any]) -> str:
    """Return who computed on a record where it lies, when and under which grant, in both languages."""
    when = show_second(visit["time_ms"])
    grant = f"{visit['grant']} version {visit['grant_version']} · at height {visit['height']}"
    return f"{when}  {visit['by']} 的规则在 {visit['hospital']} 就地计算 its rules computed there · {grant}"


def _name(found: dict[str, Any]) -> str:
    from nodes.schemas.labels import RECORD_KINDS, RECORD_TYPES, name_both

    name = name_both(RECORD_TYPES, found["type"])
    return name if found["kind"] == "original" else f"{name} ({name_both(RECORD_KINDS, found['kind'])})"


def _say_holders(holders: list[dict[str, Any]]) -> str:
    return " · ".join(f"{item['holder']} {_say_status(item)}" for item in holders)


def _say_status(item: dict[str, Any]) -> str:
    """Return what an organisation has, or what it did when it was asked to erase it, in both languages."""
    from nodes.schemas.labels import HOLDINGS, name_both

    said = {
        "asked": "已要求删除，尚未答复 asked, not answered yet",
        "restricted": f"依法保留至 restricted until {item['until']}",
        "erased": "已删除 erased",
    }
    return said.get(item["status"]) or name_both(HOLDINGS, item["has"])


def _explain(item: dict[str, Any]) -> list[str]:
    """Return what a holder answered, with the law, in both languages."""
    said = f"{item['holder']}: {_say_status(item)}"
    if item["status"] == "restricted":
        return [f"{said}, 届时自动删除 then erased by itself:", item["law_zh"], f"({item['law_en']})"]
    if item["status"] == "erased":
        return [f"{said}, 证明在高度 certified at height {item['height']}"]
    if item["status"] == "asked":
        return [f"{said}; 待住院结束且款项结清 it answers when its stay has ended and its money moved"]
    return [said]
