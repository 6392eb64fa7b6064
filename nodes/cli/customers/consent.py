"""`xinpei consent`: grant, revoke, list, show; as a customer, with her wallet."""

from pathlib import Path
from typing import Any

import click

from nodes.cli.asking import ask_yes
from nodes.cli.customers.explaining import explain
from nodes.cli.customers.granted import describe_grant, describe_line
from nodes.cli.customers.requests import deny, edit, request, requests
from nodes.cli.options import CUSTOMER, actor_option, home_option, json_option
from nodes.cli.output import Output
from nodes.cli.terms import check_parties, name_role, read_terms, terms_options
from nodes.config import Home, write_file

ACTING = ("guardian", "delegate", "heir")


@click.group()
def consent() -> None:
    """Grant and revoke consent, and look at what was granted."""


for command in (request, requests, edit, deny, explain):
    consent.add_command(command)


@consent.command()
@actor_option(CUSTOMER)
@terms_options
@click.option("--deny", is_flag=True, help="Deny instead: over every grant but a narrower one that you give later.")
@click.option("--for", "other", metavar="NAME", help="Act for another customer, by the name of her wallet.")
@click.option(
    "--acting-as", type=click.Choice(ACTING), default="guardian", show_default=True, help="As what, with --for."
)
@click.option("--language", type=click.Choice(["zh", "en"]), default="zh", show_default=True, help="Of the notice.")
@click.option("--yes", is_flag=True, help="Agree without being asked; the notice is printed all the same.")
@home_option
@json_option
def grant(
    actor: str,
    other: str | None,
    acting_as: Any,
    language: Any,
    home: Path,
    *,
    deny: bool,
    yes: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Read the notice, sign the grant, and show both parties who you are."""
    from nodes.cli.session import open_customer
    from nodes.roles.customer.acting import act_for

    output = Output(as_json=as_json)
    place = Home(home)
    person = open_customer(place, actor)
    check_parties(person.organisations, given)
    name_role(given, place.roles())
    terms = read_terms(given, effect="deny" if deny else "permit")
    behalf = None if other is None else act_for(person, open_customer(place, other), acting_as, terms)
    offer = person.draw_up(terms, language, behalf=behalf)
    sign_offer(place, output, person, offer, actor, yes=yes, other=other)


def sign_offer(
    place: Home, output: Output, person: Any, offer: Any, actor: str, *, yes: bool, other: str | None = None
) -> None:
    """Show the notice, ask, keep the notice, sign, and say what came of it.

    Args:
        place: The home folder.
        output: Where to say it.
        person: Who signs.
        offer: What is granted or denied.
        actor: The name of her wallet.
        yes: Whether she agrees without being asked.
        other: The name of the wallet of whom she acts for, if she acts for somebody.
    """
    from nodes.roles.customer.openings import keep_opening, notices_folder
    from nodes.schemas.labels import LINKS, explain_condition, name_both

    language = offer.grant.notice.language
    text = offer.notices[language]
    click.echo(text, err=output.as_json)
    if not yes:
        ask_yes("同意吗? Agree?", "not agreed; nothing was signed", err=output.as_json)
    notice_path = notices_folder(place, actor) / f"{offer.grant.notice.hash.hex()}.txt"
    write_file(notice_path, text.encode(), 0o600)
    if offer.dates is not None:
        keep_opening(place, actor, offer.grant.grant_id, offer.dates)
    try:
        granted = person.sign(offer, lambda step: output.progress(f"{step} ..."))
    finally:
        output.end_progress()
    links = " · ".join(f"{party} {name_both(LINKS, result)}" for party, result in granted.links.items())
    matched = all(result == "matched" for result in granted.links.values())
    grant = offer.grant
    question = {
        "subject": grant.subject,
        "hospital": grant.sources[0],
        "recipient": grant.grantee.organisation,
        "record_type": grant.scope.record_types[0],
        "stay": grant.scope.encounters[0] if grant.scope.encounters else None,
        "act": {"STORE": "release", "VIEW": "view", "EXECUTE": "visit"}[grant.permission.mode],
        "purpose": grant.purpose,
    }
    decision = person.explain(question, grant.sources[0], offer.pseudonym)
    usable = grant.effect == "permit" and decision["permitted"]
    if grant.effect == "deny":
        against = "今后不再据此交付 nothing is handed over against it from now on"
        output.say(f"{granted.grant_id} 已拒绝 denied · {against}")
    elif usable:
        who = "双方核对一致 both links matched" if len(granted.links) > 1 else "核对一致 link matched"
        output.say(f"{granted.grant_id} 已授权 granted · {who}")
    else:
        finding = decision["finding"]
        why = explain_condition(finding["condition"], finding["text"]) if matched else links
        output.say(f"{granted.grant_id} 已授权 granted · 不可用 NOT usable: {why}")
    if usable:
        output.hint(_say_next(grant))
    elif other is not None and grant.grantor.kind == "guardian" and not matched:
        unsure = [party for party, result in granted.links.items() if result != "matched"]
        output.say(
            f"{'、'.join(unsure)} 须先登记监护关系，再重新授权 the desk has to enter who acts for her, then grant again"
        )
        output.hint(f"xinpei customer relate --as {unsure[0]} {other} --guardian {actor}")
    output.finish(
        {
            "grant": granted.grant_id,
            "pseudonym": granted.pseudonym,
            "effect": grant.effect,
            "links": dict(granted.links),
            "usable": usable,
            "finding": decision["finding"],
            "notice": str(notice_path),
        }
    )


@consent.command()
@actor_option(CUSTOMER)
@terms_options
@click.option("--delegate", "to", required=True, metavar="NAME", help="Who may grant for you: her wallet's name.")
@click.option("--until", metavar="DATE", help="When that ends; a year from today if left out.")
@home_option
@json_option
def delegate(actor: str, to: str, until: str | None, home: Path, *, as_json: bool, **given: Any) -> None:
    """Let another customer grant for you, within these terms and until a day."""
    from nodes.cli.session import open_customer
    from nodes.schemas.civil_time import begin_ms, write_day

    output = Output(as_json=as_json)
    place = Home(home)
    person = open_customer(place, actor)
    check_parties(person.organisations, given)
    name_role(given, place.roles())
    terms = read_terms(given | {"expires": until} if until else given)
    ends = terms.expires_day
    until_ms = begin_ms(ends)
    authority = person.delegate(open_customer(place, to), terms, until_ms)
    output.say(f"{authority} · {to} may grant for you, {terms.hospital} → {terms.recipient}, until {write_day(ends)}")
    parties = f"--from {terms.hospital} --to {terms.recipient}"
    output.hint(f"xinpei consent grant --as {to} --for {actor} --acting-as delegate {parties}")
    output.finish({"authority": authority, "holder": to, "until_ms": until_ms})


@consent.command()
@actor_option("the guardian, by the name of her wallet")
@click.option("--for", "other", required=True, metavar="NAME", help="Who is 14 to 17, by the name of her wallet.")
@click.argument("grant_id", metavar="GRANT")
@home_option
@json_option
def countersign(actor: str, other: str, grant_id: str, home: Path, *, as_json: bool) -> None:
    """Agree, as a guardian, to the latest version of GRANT: at 14 to 17 both sign."""
    from msgspec.structs import replace

    from nodes.cli.session import open_customer
    from nodes.roles.customer import acting
    from nodes.schemas.civil_time import today
    from nodes.schemas.terms import default_terms

    output = Output(as_json=as_json)
    place = Home(home)
    young = open_customer(place, other)
    _, found = young.find_grant(grant_id)
    words: Any = found["versions"][-1]["grant"]  # type: ignore[index]
    terms = default_terms(words["sources"][0], words["grantee"]["organisation"], today())
    terms = replace(terms, role=words["grantee"]["role"])
    acting.countersign(open_customer(place, actor), str(found["grant_id"]), young, terms)
    output.say(f"{found['grant_id']} countersigned")
    output.finish({"grant": found["grant_id"], "countersigned_by": actor})


@consent.command()
@actor_option(CUSTOMER)
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
    output.say(f"{found['grant_id']} 已撤回 revoked · 未交付的不再交付 what was not handed over is not any more")
    output.finish({"grant": found["grant_id"], "status": "REVOKED"})


@consent.command("list")
@actor_option(CUSTOMER)
@home_option
@json_option
def list_(actor: str, home: Path, *, as_json: bool) -> None:
    """List your grants."""
    from nodes.cli.session import open_customer

    output = Output(as_json=as_json)
    grants = [(pseudonym, view) for pseudonym, view in open_customer(Home(home), actor).grants()]
    for pseudonym, view in grants:
        output.say(describe_line(pseudonym.hospital, pseudonym.insurer, view))
    if not grants:
        output.say("没有授权 no grants")
        output.hint(f"xinpei consent grant --as {actor} --from hospital-a --to insurer-a")
    output.finish({"grants": [view for _, view in grants]})


@consent.command()
@actor_option(CUSTOMER)
@click.argument("grant_id", metavar="GRANT")
@home_option
@json_option
def show(actor: str, grant_id: str, home: Path, *, as_json: bool) -> None:
    """Show GRANT: its terms, its versions, and what both parties found."""
    from nodes.cli.session import open_customer

    output = Output(as_json=as_json)
    pseudonym, view = open_customer(Home(home), actor).find_grant(grant_id)
    for line in describe_grant(pseudonym.hospital, pseudonym.insurer, view):
        output.say(line)
    output.finish(view)


def _say_next(grant: Any) -> str:
    """Return the command by which somebody now does what a grant covers."""
    source, recipient = grant.sources[0], grant.grantee.organisation
    if grant.purpose == "BTG":
        return f"xinpei access break-glass NUMBER --as {recipient} --from {source}"
    if grant.grantee.role in ("hospital", "regulator"):
        return f"xinpei record received --as {recipient}"
    return f"xinpei stay admit --as {source} docs/examples/polyp/admission.json"
