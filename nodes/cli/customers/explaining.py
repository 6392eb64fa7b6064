"""`xinpei consent explain`: who may see what, under which grant, and for a refusal, which condition failed."""

from pathlib import Path
from typing import Any

import click

from nodes.cli.options import CUSTOMER, actor_option, home_option, json_option
from nodes.cli.output import Output
from nodes.cli.terms import TYPES, check_parties, name_role, read_days, read_terms, terms_options
from nodes.config import Home

DATES = {
    None: "",
    "within": " · 含该日 it means that day",
    "unknown": " · 所指日期此处不知 which days it means is not known here",
}
EMERGENCY = " · 仅限紧急查看，会通知您并受审查 only once it breaks the glass: you are told, and a regulator reviews it"
TYPE_WIDTH = 26
"""Columns of the widest name of a record type."""
ACTS = ("release", "view", "visit", "enter")


@click.command()
@actor_option(CUSTOMER)
@terms_options
@click.option("--type", "record_type", type=click.Choice(TYPES), help="One record type; all of them if left out.")
@click.option("--act", type=click.Choice(ACTS), default="release", show_default=True, help="What would be done.")
@click.option("--claim", metavar="CLAIM", help="For which claim.")
@click.option("--what-if", "supposed", type=click.Choice(["grant", "deny"]), help="Suppose one with these terms.")
@click.option("--day", "day", metavar="DAY", help="Of the service, such as 2026-05-03; or FROM..TO, of a stay.")
@click.option("--without", metavar="GRANT", help="Suppose that this one were revoked.")
@click.option("--for", "other", metavar="NAME", help="About another customer, for whom you may act.")
@home_option
@json_option
def explain(
    actor: str,
    record_type: str | None,
    supposed: str | None,
    day: str | None,
    without: str | None,
    other: str | None,
    home: Path,
    *,
    as_json: bool,
    **given: Any,
) -> None:
    """Say who may see what of yours, under which grant; and for a refusal, which condition failed.

    Without --from and --to, for every hospital, and every insurer, other hospital and regulator. With --what-if, as if
    you had given a grant or denial with the terms of the other options, and as if both parties knew you: nothing is
    signed and nothing is written.

    With --day, whether the grants mean records of that day. Your wallet knows this of the grants that were signed with
    it, and hospital and insurer of those that were shown to them; of others the answer says that it is not known here.
    """
    from nodes.cli.session import open_customer
    from nodes.client import ApiError
    from nodes.roles.customer.openings import describe_opening, read_openings
    from nodes.schemas.terms import TYPES_OF

    output = Output(as_json=as_json)
    place = Home(home)
    person = open_customer(place, actor)
    check_parties(person.organisations, given)
    subject = person if other is None else open_customer(place, other)
    pairs = _list_pairs(given, person, place.roles(), supposed)
    days = {} if day is None else read_days(day)
    openings = [] if day is None else read_openings(place, (actor, other))
    stays, act, claim = given["stays"], given.pop("act"), given.pop("claim")
    rows: list[dict[str, Any]] = []
    closed: list[tuple[str, str]] = []
    for hospital, recipient in pairs:
        asked = dict(given) | {"hospital": hospital, "recipient": recipient}
        name_role(asked, place.roles())
        terms = read_terms(asked, effect="deny" if supposed == "deny" else "permit")
        theirs = subject.pseudonym_for(terms)
        what_if = None
        if supposed is not None:
            from ledger.codec import encode

            offer = subject.draw_up(terms, "zh")
            what_if = encode(offer.grant).hex()
            if offer.dates is not None and day is not None:
                openings = [*openings, describe_opening(offer.grant.grant_id, offer.dates)]
        common = {
            "subject": theirs.name,
            "stay": stays[0] if stays else None,
            "claim": claim,
            "act": act,
            "what_if": what_if,
            "without": without,
            "openings": openings,
        }
        for kind in (record_type,) if record_type else TYPES if terms.role == "insurer" else TYPES_OF[terms.role]:
            named = {"hospital": hospital, "recipient": recipient, "record_type": kind, "purpose": terms.purpose}
            question = common | named | days
            try:
                answer = person.explain(question, hospital, person.pseudonym_for(terms))
            except ApiError as error:
                if other is None or error.code != "FORBIDDEN" or len(closed) == len(pairs) - 1:
                    raise
                closed.append((hospital, recipient))
                break
            rows.append(named | answer)
    for line in (*_describe_all(rows), *(_describe_closed(pair, actor, other) for pair in closed)):
        output.say(line)
    if supposed is not None:
        output.say("仅为假设，未签署也未上链 supposed only: nothing was signed, and nothing is on the chain")
    output.finish({"supposed": supposed, "answers": rows, "not_told": closed})


def _list_pairs(given: dict[str, Any], person: Any, roles: Any, supposed: str | None) -> list[tuple[str, str]]:
    """Return the (hospital, recipient) that are meant: the named ones, or all that fit what is named of them."""
    wanted = (given["hospital"], given["recipient"])
    if None not in wanted:
        return [wanted]
    if supposed is not None:
        msg = "--what-if: expected --from HOSPITAL and --to ORGANISATION"
        raise click.UsageError(msg)
    return [
        pair
        for pair in person.pairs()
        if all(want in (None, got) for want, got in zip(wanted, pair, strict=True))
        and given["role"] in (None, roles.get(pair[1]))
    ]


def _describe_all(rows: list[dict[str, Any]]) -> list[str]:
    """Return one line for each answer, with the parties' names in one column."""
    width = max((len(_name_pair(row)) for row in rows), default=0)
    return [_describe(row, width) for row in rows]


def _describe_closed(pair: tuple[str, str], actor: str, other: str | None) -> str:
    return f"{' → '.join(pair)}  不予告知 not told: {actor} holds no authority for {other} there"


def _name_pair(row: dict[str, Any]) -> str:
    return f"{row['hospital']} → {row['recipient']}"


def _describe(row: dict[str, Any], width: int) -> str:
    """Return one line: who, what, whether, under which grant or which condition failed; in both languages."""
    from nodes.schemas.columns import pad
    from nodes.schemas.labels import RECORD_TYPES, explain_condition, name_both

    what = f"{_name_pair(row):<{width}}  {pad(name_both(RECORD_TYPES, row['record_type']), TYPE_WIDTH)}"
    if row["permitted"]:
        glass = EMERGENCY if row["purpose"] == "BTG" else ""
        return f"{what}  可 yes  依据 under {row['grant_id']} version {row['version']}{DATES[row['dates']]}{glass}"
    finding = row["finding"]
    permits = [item for item in row["considered"] if item["effect"] == "permit"]
    failing = [item["grant_id"] for item in permits if item["finding"] == finding]
    whose = f" ({failing[-1]})" if failing and failing[-1] not in finding["text"] else ""
    return f"{what}  否 no   {finding['code']} {explain_condition(finding['condition'], finding['text'])}{whose}"
