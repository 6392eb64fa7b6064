"""`xinpei consent request`, `requests`, `edit` and `deny`: what is asked of customers, and their answers."""

from pathlib import Path
from typing import Any

import click

from nodes.cli.asking import private_option, read_words
from nodes.cli.claims.watching import show_claim_id, write_grant_command
from nodes.cli.options import CUSTOMER, actor_option, home_option, json_option
from nodes.cli.output import Output, name_home
from nodes.cli.terms import name_role, read_terms, terms_options
from nodes.config import Home

DAYS = 30
"""How long a request may be answered."""
REASON_MAX = 300
"""Characters of a request's reason."""


@click.command()
@actor_option("a hospital or insurer")
@terms_options
@click.option(
    "--customer", "person", required=True, metavar="NUMBER", help="The person, by this organisation's number."
)
@private_option("--reason", "reason", "Why, in words for her; none if left out")
@home_option
@json_option
def request(actor: str, person: str, reason: Path | None, home: Path, *, as_json: bool, **given: Any) -> None:
    """Ask a customer for a grant; her wallet finds it when it next looks, and nothing goes to the chain."""
    from ledger.codec import encode
    from nodes.cli.session import open_operator
    from nodes.schemas.civil_time import EPOCH, today

    output = Output(as_json=as_json)
    name_role(given, Home(home).roles())
    terms = read_terms(given)
    until = (today() - EPOCH).days + DAYS
    words = "" if reason is None else read_words(reason, "--reason", REASON_MAX)
    form = {"person": person, "terms": encode(terms).hex(), "reason": words, "until_day": until}
    with open_operator(Home(home), actor) as client:
        found = client.post("/v1/consent-requests", form)
    output.say(f"{found['request']['request_id']} REQUESTED of {person}; she answers within {DAYS} days or not at all")
    output.hint(f"xinpei consent requests --as {person}")
    output.finish(found)


@click.command()
@actor_option("a customer, or the organisation that asked")
@home_option
@json_option
def requests(actor: str, home: Path, *, as_json: bool) -> None:
    """List what is asked of you, and claims of yours that wait for your consent; of an organisation, what it asked."""
    from nodes.cli.session import open_customer, open_operator
    from nodes.roles.customer.inbox import take_inboxes

    output = Output(as_json=as_json)
    place = Home(home)
    notices: list[dict[str, Any]] = []
    if actor in place.roles():
        with open_operator(place, actor) as client:
            found = client.get("/v1/consent-requests")["requests"]
    else:
        found, notices = take_inboxes(open_customer(place, actor))
    for item in found:
        for line in _describe(item):
            output.say(line)
    for notice in notices:
        for line in _tell_emergency(notice, actor) if "use_id" in notice else _tell(notice, actor):
            output.say(line)
    if not found and not notices:
        output.say("没有待答复的请求 nothing is asked")
    output.finish({"requests": found, "notices": notices})


@click.command()
@actor_option(CUSTOMER)
@click.argument("request_id", metavar="REQUEST")
@terms_options
@click.option("--language", type=click.Choice(["zh", "en"]), default="zh", show_default=True, help="Of the notice.")
@click.option("--yes", is_flag=True, help="Agree without being asked; the notice is printed all the same.")
@home_option
@json_option
def edit(actor: str, request_id: str, language: Any, home: Path, *, yes: bool, as_json: bool, **given: Any) -> None:
    """Grant REQUEST, with whatever the options say otherwise than was asked; without options, as it was asked."""
    from nodes.cli.customers.consent import sign_offer
    from nodes.cli.session import open_customer
    from nodes.roles.customer.inbox import find_request

    output = Output(as_json=as_json)
    place = Home(home)
    person = open_customer(place, actor)
    asked = find_request(person, request_id)
    terms = read_terms(given, base=asked.terms)
    offer = person.draw_up(terms, language, grant_id=asked.request_id)
    sign_offer(place, output, person, offer, actor, yes=yes)


@click.command()
@actor_option(CUSTOMER)
@click.argument("request_id", metavar="REQUEST")
@click.option("--record", is_flag=True, help="Put a denial of all that was asked on the chain, too.")
@home_option
@json_option
def deny(actor: str, request_id: str, home: Path, *, record: bool, as_json: bool) -> None:
    """Decline REQUEST: whoever asked is told, and nothing goes to the chain unless you want a denial there."""
    from msgspec.structs import replace

    from nodes.cli.customers.consent import sign_offer
    from nodes.cli.session import open_customer
    from nodes.roles.customer.inbox import deny_request, find_request

    output = Output(as_json=as_json)
    place = Home(home)
    person = open_customer(place, actor)
    asked = find_request(person, request_id)
    deny_request(person, asked)
    output.say(f"{asked.request_id} 已谢绝 DENIED · 已告知 {asked.asked_by} was told")
    if not record:
        output.finish({"request": asked.request_id, "status": "DENIED"})
        return
    terms = replace(asked.terms, effect="deny", case="standing", uses_max=None, frequency=())
    sign_offer(place, output, person, person.draw_up(terms, "zh"), actor, yes=True)


def _describe(item: dict[str, Any]) -> list[str]:
    from nodes.cli.customers.granted import STATUS_WIDTH
    from nodes.schemas.columns import pad
    from nodes.schemas.labels import CASES, STATUSES, name_both, name_purpose, name_types

    asked = item["request"]
    terms = asked["terms"]
    what = f"{terms['hospital']} → {terms['recipient']} {name_purpose(terms['purpose'])}"
    status, case = pad(name_both(STATUSES, item["status"]), STATUS_WIDTH), name_both(CASES, terms["case"])
    return [
        f"{asked['request_id']}  {status}  {what} · {case}: {name_types(terms['record_types'])}",
        *([f"  理由 reason  {asked['reason']}"] if asked["reason"] else []),
    ]


def _tell_emergency(notice: dict[str, Any], actor: str) -> list[str]:
    """Return what a customer is told of a look in an emergency, or of its review, in both languages."""
    from nodes.schemas.labels import name_types

    who = f"{notice['hospital']} → {notice['recipient']}: {name_types(notice['record_types'])} · {notice['use_id']}"
    if notice["finding"]:
        found = {"justified": "正当 justified", "unjustified": "不正当 UNJUSTIFIED"}[notice["finding"]]
        return [f"监管机构已审查该次紧急查看:{found} · the regulator reviewed the emergency", f"  {who}"]
    return [
        "有医院为抢救您查看了您的病历,监管机构将审查 a hospital looked at your records in an emergency; it is reviewed",
        f"  {who}",
        f"  查看 see it with   xinpei customer activity {actor}{name_home()}",
    ]


def _tell(notice: dict[str, Any], actor: str) -> list[str]:
    """Return what a customer is told of a claim that waits, in both languages."""
    from contracts.adjudication.reasons import find_text
    from nodes.schemas.labels import CONDITIONS

    claim = show_claim_id(notice["claim_id"])
    code, _, condition = notice["reason"].partition(" ")
    known = find_text(CONDITIONS, condition)
    parties = f"{notice['hospital']} → {notice['insurer']}"
    home = name_home()
    grant = write_grant_command(actor, notice["hospital"], notice["insurer"], notice["execution"]) + home
    return [
        f"{claim} 等待您的同意({code} {known.zh}),理赔时限已暂停。您可以:授权、自行申请,或撤回理赔。",
        f"{claim} waits for your consent ({code} {condition}: {known.en}), {parties}; its clocks stand still. You can:",
        f"  授权 grant                 {grant}",
        f"  自行申请 file it yourself  xinpei claim withdraw {claim} --as {actor} --files-herself{home}",
        f"  撤回 withdraw it           xinpei claim withdraw {claim} --as {actor}{home}",
    ]
