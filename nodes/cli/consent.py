"""`xinpei consent`: grant, revoke, list, show; as a customer, with her wallet."""

import datetime as dt
from pathlib import Path
from typing import Any

import click

from nodes.cli.options import actor_option, home_option, json_option
from nodes.cli.output import Output
from nodes.config import Home, write_file

BEIJING = dt.timezone(dt.timedelta(hours=8))


@click.group()
def consent() -> None:
    """Grant and revoke consent, and look at what was granted."""


@consent.command()
@actor_option("a customer, by the name of her wallet")
@click.option("--from", "hospital", required=True, metavar="HOSPITAL", help="Who provides the records.")
@click.option("--to", "insurer", required=True, metavar="INSURER", help="Who receives them.")
@click.option("--one-case", is_flag=True, help="For the next claim only, instead of a standing grant.")
@click.option("--language", type=click.Choice(["zh", "en"]), default="zh", show_default=True, help="Of the notice.")
@click.option("--yes", is_flag=True, help="Agree without being asked; the notice is printed all the same.")
@home_option
@json_option
def grant(
    actor: str, hospital: str, insurer: str, language: Any, home: Path, *, one_case: bool, yes: bool, as_json: bool
) -> None:
    """Read the notice, sign the grant, and show both parties who you are."""
    from nodes.cli.session import open_customer

    output = Output(as_json=as_json)
    place = Home(home)
    person = open_customer(place, actor)
    offer = person.draw_up(hospital, insurer, language, one_case=one_case)
    text = offer.notices[language]
    click.echo(text, err=as_json)
    if not yes and not click.confirm("同意吗? Agree?", default=False, err=as_json):
        msg = "not agreed; nothing was signed"
        raise click.ClickException(msg)
    notice_path = place.wallets_folder / f"{actor}.notices" / f"{offer.grant.notice.hash.hex()}.txt"
    write_file(notice_path, text.encode(), 0o600)
    try:
        granted = person.sign(offer, lambda step: output.progress(f"{step} ..."))
    finally:
        output.end_progress()
    links = " · ".join(f"{party} {result}" for party, result in granted.links.items())
    matched = all(result == "matched" for result in granted.links.values())
    output.say(f"{granted.grant_id} granted · " + ("both links matched" if matched else f"NOT usable: {links}"))
    output.hint(f"xinpei stay admit --as {hospital} docs/examples/polyp/admission.json")
    output.finish(
        {
            "grant": granted.grant_id,
            "pseudonym": granted.pseudonym,
            "links": dict(granted.links),
            "usable": matched,
            "notice": str(notice_path),
        }
    )


@consent.command()
@actor_option("a customer, by the name of her wallet")
@click.argument("grant_id", metavar="GRANT")
@home_option
@json_option
def revoke(actor: str, grant_id: str, home: Path, *, as_json: bool) -> None:
    """End GRANT at once: what was not yet handed over is not handed over any more."""
    from nodes.cli.session import open_customer

    output = Output(as_json=as_json)
    person = open_customer(Home(home), actor)
    _, found = person.find_grant(grant_id)
    person.revoke(str(found["grant_id"]))
    output.say(f"{found['grant_id']} revoked")
    output.finish({"grant": found["grant_id"], "status": "REVOKED"})


@consent.command("list")
@actor_option("a customer, by the name of her wallet")
@home_option
@json_option
def list_(actor: str, home: Path, *, as_json: bool) -> None:
    """List your grants."""
    from nodes.cli.session import open_customer

    output = Output(as_json=as_json)
    grants = [(pseudonym, view) for pseudonym, view in open_customer(Home(home), actor).grants()]
    for pseudonym, view in grants:
        output.say(_describe_line(pseudonym.hospital, pseudonym.insurer, view))
    if not grants:
        output.say("no grants")
        output.hint(f"xinpei consent grant --as {actor} --from hospital-a --to insurer-a")
    output.finish({"grants": [view for _, view in grants]})


@consent.command()
@actor_option("a customer, by the name of her wallet")
@click.argument("grant_id", metavar="GRANT")
@home_option
@json_option
def show(actor: str, grant_id: str, home: Path, *, as_json: bool) -> None:
    """Show GRANT: its terms, its versions, and what both parties found."""
    from nodes.cli.session import open_customer

    output = Output(as_json=as_json)
    pseudonym, view = open_customer(Home(home), actor).find_grant(grant_id)
    words: Any = view["versions"][-1]["grant"]  # type: ignore[index]
    output.say(_describe_line(pseudonym.hospital, pseudonym.insurer, view))
    output.say(f"  purpose     {words['purpose']} · {words['scope']['case']} · {words['permission']['mode']}")
    output.say(f"  records     {', '.join(words['scope']['record_types'])}")
    output.say(f"  ends        {_time(words['permission']['expires_at_ms'])}")
    output.say(f"  erase by    {_time(words['permission']['erase_at_ms'])}")
    output.say(f"  notice      {words['notice']['language']} {words['notice']['hash'][:16]}")
    for version in _rows(view["versions"]):
        height, when = version["place"]["height"], _time(version["place"]["time_ms"])
        output.say(f"  version {version['version']}   {version['status']} at height {height}, {when}")
    for party, history in _rows(view["links"]):
        entry = history["entries"][-1]
        output.say(f"  {party:<11} {entry['result']} at height {entry['place']['height']}")
    output.finish(view)


def _describe_line(hospital: str, insurer: str, view: dict[str, Any]) -> str:
    links = {party: history["entries"][-1]["result"] for party, history in view["links"]}
    matched = ", ".join(f"{party} {links.get(party, 'not linked')}" for party in (hospital, insurer))
    return f"{view['grant_id']}  {view['status']:<8} {hospital} → {insurer} · {matched}"


def _rows(value: Any) -> list[Any]:
    return list(value)


def _time(milliseconds: int) -> str:
    return dt.datetime.fromtimestamp(milliseconds / 1000, BEIJING).strftime("%Y-%m-%d %H:%M")
