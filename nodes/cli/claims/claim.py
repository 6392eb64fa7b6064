"""`xinpei claim`: list, show, watch, withdraw, coordinate, review, conclude, estimate, audit."""

from pathlib import Path
from typing import Any, Literal

import click

from nodes.cli.claims.watching import (
    await_settled,
    explain_wait,
    follow_claim,
    is_ended,
    show_claim_id,
    write_grant_command,
)
from nodes.cli.options import CUSTOMER, actor_option, home_option, json_option
from nodes.cli.output import Output
from nodes.cli.terms import AUDIT_BASES, BASES
from nodes.config import Home, write_file
from nodes.schemas.civil_time import show_minute, show_second

STATED = "保险公司的声明，支付渠道已被移除 · its insurer's word: the rail was removed and sent no receipt"
LANGUAGES: tuple[Literal["zh", "en"], ...] = ("zh", "en")
"""What customers read has both."""
STATUS_WIDTH = 25
STEP_WIDTH = 21
"""Columns of the widest status, and of the widest step."""
ACTOR = "a customer by the name of her wallet, or an organisation"


@click.group()
def claim() -> None:
    """Look at claims, estimate one, and take home the proof of one."""


@claim.command("list")
@actor_option(ACTOR)
@home_option
@json_option
def list_(actor: str, home: Path, *, as_json: bool) -> None:
    """List the claims that concern you."""
    from nodes.cli.claims.finding import list_claims
    from nodes.schemas.columns import pad
    from nodes.schemas.labels import CLAIM_STATUSES, name_both

    output = Output(as_json=as_json)
    rows = list_claims(Home(home), actor)
    for row in rows:
        status = pad(name_both(CLAIM_STATUSES, row["status"]), STATUS_WIDTH)
        when = show_minute(row["reported_ms"])
        short = show_claim_id(row["claim"])
        output.say(f"{short}  {status}  {row['hospital']} → {row['insurer']} · 报案 reported {when}")
    if not rows:
        output.say("没有理赔 no claims")
    output.finish({"claims": rows})


@claim.command()
@click.argument("claim_id", metavar="CLAIM")
@actor_option(CUSTOMER)
@click.option("--files-herself", is_flag=True, help="You hand in the papers yourself: the insurer expects them.")
@home_option
@json_option
def withdraw(claim_id: str, actor: str, home: Path, *, files_herself: bool, as_json: bool) -> None:
    """End CLAIM, which is not settled: nothing more is shared for it."""
    from nodes.cli.claims.finding import find_claim
    from nodes.cli.session import open_customer

    output = Output(as_json=as_json)
    place = Home(home)
    person = open_customer(place, actor)
    with find_claim(place, actor, claim_id) as found:
        assert found.pseudonym is not None, "a wallet asks"
        person.withdraw(found.pseudonym, found.claim_id, files_herself=files_herself)
        output.say(f"{show_claim_id(found.claim_id)} WITHDRAWN" + (" · filed by hand" if files_herself else ""))
        output.finish({"claim": found.claim_id, "status": "WITHDRAWN", "files_herself": files_herself})


@claim.command()
@click.argument("claim_id", metavar="CLAIM")
@actor_option(CUSTOMER)
@home_option
@json_option
def coordinate(claim_id: str, actor: str, home: Path, *, as_json: bool) -> None:
    """Have CLAIM pay what another insurer left of the same invoice, and tell its insurer that one amount."""
    from nodes.cli.claims.finding import find_claim
    from nodes.cli.claims.own_opening import open_latest
    from nodes.cli.session import open_customer
    from nodes.roles.customer.coordinating import coordinate
    from nodes.schemas.notation import write_yuan

    output = Output(as_json=as_json)
    place = Home(home)
    person = open_customer(place, actor)
    with find_claim(place, actor, claim_id) as found:
        assert found.pseudonym is not None, "a wallet asks"
        stated = coordinate(person, found.pseudonym, found.claim_id, open_latest)
        told = f"{show_claim_id(stated.claim_id)} follows {show_claim_id(stated.after)}"
        output.say(f"{told} · {stated.insurer} paid {write_yuan(stated.amount)}")
        output.say(
            f"  {found.pseudonym.insurer} knows this amount and nothing else of that claim; it pays what is left"
        )
        output.hint(f"xinpei claim watch {show_claim_id(stated.claim_id)} --as {actor}")
        output.finish(
            {
                "claim": stated.claim_id,
                "after": stated.after,
                "insurer": stated.insurer,
                "paid": write_yuan(stated.amount),
            }
        )


@claim.command()
@click.argument("claim_id", metavar="CLAIM")
@actor_option(ACTOR)
@home_option
@json_option
def show(claim_id: str, actor: str, home: Path, *, as_json: bool) -> None:
    """Show CLAIM: its calculation if you hold the openings, and its steps."""
    from nodes.cli.claims.finding import find_claim

    output = Output(as_json=as_json)
    with find_claim(Home(home), actor, claim_id) as found:
        view, opening, waits = found.view(), found.opening(), found.waits()
        visited = found.visited() if opening is None else None
        output.say(_describe_status(view, opening, visited))
        for step in view["claim"]["steps"]:
            output.say(_describe_step(step, view))
        for line in (*_explain(opening), *explain_visited(visited)):
            output.say(f"  {line}")
        for reason in filter(None, (explain_wait(view), waits)):
            output.say(f"  等待 waits: {reason}")
        is_hers = found.is_customer and view["status"] == "AWAITING_CONSENT"
        execution = found.execution(view["claim"]["grant_id"]) if is_hers else None
        output.hint(_find_next(view, actor, execution))
        shown = {"calculation": opening, "visited": visited, "waits": waits}
        output.finish(view | {name: item for name, item in shown.items() if item})


@claim.command()
@click.argument("claim_id", metavar="CLAIM")
@actor_option(ACTOR)
@home_option
@json_option
def watch(claim_id: str, actor: str, home: Path, *, as_json: bool) -> None:
    """Follow CLAIM as it happens, until it is paid or withdrawn, or waits for what somebody has to do."""
    from nodes.cli.claims.finding import find_claim

    output = Output(as_json=as_json)
    seen, said = 0, ""
    with find_claim(Home(home), actor, claim_id) as found:
        for view in follow_claim(found.view, is_ended, None):
            for step in view["claim"]["steps"][seen:]:
                output.say(_describe_step(step, view))
            seen = len(view["claim"]["steps"])
            wait = explain_wait(view)
            if wait and wait != said:
                output.say(f"  等待 waits: {wait}")
            said = wait
        waits = found.waits()
    if waits:
        output.say(f"  等待 waits: {waits}")
    output.finish(view | ({"waits": waits} if waits else {}))


@claim.command()
@click.argument("claim_id", metavar="CLAIM")
@actor_option("the insurer")
@click.option("--rule", required=True, type=click.Choice(["R04", "R05", "R06", "R07", "R08", "R09"]), help="Which.")
@click.option(
    "--line",
    metavar="LINE",
    help="The bill's line it is about (its number, where rules visited); left out for the claim.",
)
@click.option("--accept/--refuse", "accepted", required=True, help="Covered after all, or refused with its reasons.")
@home_option
@json_option
def review(
    claim_id: str, actor: str, rule: str, line: str | None, home: Path, *, accepted: bool, as_json: bool
) -> None:
    """Decide, as a person, a finding of CLAIM that no program may decide against the customer."""
    from nodes.cli.claims.finding import find_claim

    output = Output(as_json=as_json)
    with find_claim(Home(home), actor, claim_id) as found:
        version = found.view()["claim"]["settlement_version"]
        form = {"rule": rule, "line": line, "accepted": accepted}
        found.client.post(f"/v1/cases/{found.claim_id}/reviews", form)
        view = await_settled(found.client, found.claim_id, version + 1, output)
        opening = found.opening()
        output.say(_describe_status(view, opening, found.visited() if opening is None else None))
    output.finish(view)


@claim.command()
@click.argument("claim_id", metavar="CLAIM")
@actor_option("the insurer")
@click.option("--moved/--not-moved", "has_moved", required=True, help="The money moved; or it did not, and will not.")
@click.option("--payment", metavar="PAYMENT", help="Which, where several payments of the claim wait for it.")
@home_option
@json_option
def conclude(claim_id: str, actor: str, payment: str | None, home: Path, *, has_moved: bool, as_json: bool) -> None:
    """State what became of CLAIM's payment, whose rail was removed before it reported.

    Find out first, at the bank: it is your word instead of the rail's receipt, and says so for ever. After --not-moved
    the payment is sent again, by the rail that insurers instruct now.
    """
    from nodes.cli.claims.finding import find_claim

    output = Output(as_json=as_json)
    with find_claim(Home(home), actor, claim_id) as found:
        form = {"has_moved": has_moved, "payment": payment}
        stated = found.client.post(f"/v1/cases/{found.claim_id}/conclusions", form)
        word = "moved" if has_moved else "not moved, and is sent again"
        output.say(f"{show_claim_id(found.claim_id)}  {word} · stated at height {stated['height']}")
    output.finish(stated)


@claim.command()
@click.argument("case", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--language", type=click.Choice(["en", "zh"]), default="en", show_default=True, help="Of the trace.")
@json_option
def estimate(case: Path, language: Any, *, as_json: bool) -> None:
    """Adjudicate the plain CASE file here and now, with every step; no network is asked."""
    from contracts.adjudication.engine import adjudicate
    from nodes.schemas.case import read_case
    from nodes.schemas.decision import describe_decision
    from nodes.schemas.trace import render_trace

    output = Output(as_json=as_json)
    decision = adjudicate(read_case(case.read_bytes()))
    for line in render_trace(decision, language):
        output.say(line)
    output.finish(describe_decision(decision))


@claim.command()
@click.argument("claim_id", metavar="CLAIM")
@actor_option(ACTOR)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("dossier.json"),
    show_default=True,
    help="Where to write the dossier.",
)
@click.option(
    "--for", "auditor", metavar="AUDITOR", help="As the insurer: the regulator or auditor to seal the amounts to."
)
@click.option(
    "--basis",
    type=click.Choice((*BASES, *AUDIT_BASES)),
    help="With --for: under which law; the customer sees it. The audits are an auditor's, the others a regulator's.",
)
@click.option("--person", "names_person", is_flag=True, help="With --for: open who the customer is too.")
@home_option
@json_option
def audit(
    claim_id: str,
    actor: str,
    out: Path,
    auditor: str | None,
    basis: str | None,
    home: Path,
    *,
    names_person: bool,
    as_json: bool,
) -> None:
    """Write the file that proves CLAIM to anyone who has the genesis, without the network.

    With --for the insurer opens the amounts to a regulator or an auditor, and with --person who the customer is. That
    is an entry of the chain which the customer sees in her activity, and nothing is sealed before it is committed.
    """
    from nodes.cli.claims.finding import find_claim

    if (auditor is None) != (basis is None):
        msg = "expected both --for and --basis, or neither: a claim is opened to a regulator or auditor under a law"
        raise click.UsageError(msg)
    if names_person and auditor is None:
        msg = "--person: expected --for with it; your own wallet knows who you are (xinpei verify --reveal)"
        raise click.UsageError(msg)
    output = Output(as_json=as_json)
    place = Home(home)
    with find_claim(place, actor, claim_id) as found:
        data = found.dossier()
        settled = found.is_settled()
        if auditor is None or basis is None:
            openings = found.openings()
        else:
            openings = found.auditor_openings(auditor, basis, names_person=names_person)
    write_file(out, data)
    output.say(f"{out} · {len(data):,} bytes")
    if openings is not None:
        write_file(out.with_suffix(".openings.json"), openings, 0o600)
        reader = "your wallet" if auditor is None else auditor
        output.say(f"{out.with_suffix('.openings.json')} · sealed: opens the amounts for {reader} alone (--reveal)")
    elif not settled:
        output.say("no openings: nothing is settled, so there is no amount to open")
    elif found.is_customer:
        output.say("no openings: the insurer has erased what opens the amounts; a file you took before still does")
    output.hint(f"xinpei verify {out} --genesis {place.genesis_path}")
    paths = {"dossier": str(out), "genesis": str(place.genesis_path)}
    output.finish(paths | {"bytes": len(data), "openings": openings and str(out.with_suffix(".openings.json"))})


def _describe_status(
    view: dict[str, Any], opening: dict[str, Any] | None, visited: dict[str, Any] | None = None
) -> str:
    from nodes.schemas.labels import CLAIM_STATUSES, name_both

    if opening is not None:
        return f"{opening['formula']} {view['status']}"
    if visited is not None:
        used = f"年度免赔额 of the year's deductible {visited['deductible']} {visited['currency']}"
        amounts = f"应付 payable {visited['payable']} · {used}"
    elif view["claim"]["settlement_version"]:
        amounts = "金额仅当事方可知 amounts are known to the parties alone"
    else:
        amounts = "尚未理算 nothing is settled"
    return f"{show_claim_id(view['claim']['claim_id'])} {name_both(CLAIM_STATUSES, view['status'])} · {amounts}"


def _find_next(view: dict[str, Any], actor: str, execution: str | None) -> str:
    """Return the next useful command: consent where it is missing, the proof everywhere else.

    Args:
        view: The claim.
        actor: Who asks.
        execution: What the grant says of a claim that awaits consent, if its customer asks; else None.
    """
    claim = view["claim"]
    if execution is not None:
        return write_grant_command(actor, claim["hospital"], claim["insurer"], execution)
    return f"xinpei claim audit {show_claim_id(claim['claim_id'])} --as {actor} --out dossier.json"


def _explain(opening: dict[str, Any] | None) -> list[str]:
    """Return what a person is to decide or has decided, and the way to one who looks again, in both languages."""
    from contracts.adjudication.decision import Trace
    from nodes.schemas.trace import REVIEW, render_step

    if opening is None or not opening["reasons"]:
        return []
    steps = [Trace(**step) for step in opening["trace"] if step["action"] not in ("go-on", "assume")]
    said = [render_step(step, language) for step in steps for language in LANGUAGES]
    return [*said, *(REVIEW.speak(language) for language in LANGUAGES)]


def explain_visited(visited: dict[str, Any] | None) -> list[str]:
    """Return who computed a claim that rules visited, and how little its insurer knows of it, in both languages."""
    if visited is None:
        return []
    reasons = [f"reasons: {visited['reasons']}"] if visited["reasons"] else []
    pended = [_explain_pended(item) for item in visited["pended"]]
    hospital = visited["hospital"]
    return [
        f"{hospital} 按本公司规则在院内计算，病历未离开医院。",
        "本公司只知道应付金额和所用的年度免赔额，另有原因代码及有年度限额的类别累计；没有病例、账单或明细。",
        f"{hospital} computed this by your rules, on records that stayed there.",
        "You know payable and deductible (the year's) only, reasons as codes, and year's sums of limited categories.",
        *reasons,
        *pended,
    ]


def _explain_pended(item: dict[str, Any]) -> str:
    """Return what a person may decide about records that she has not seen, and how."""
    where = "整案 the claim" if item["line"] is None else f"第 {item['line']} 行 line {item['line']}"
    option = "" if item["line"] is None else f" --line {item['line']}"
    texts = f"{item['code']} {item['zh']} · {item['en']}"
    return (
        f"待人工复核 for a person: {item['rule']} {where} · {texts} (--rule {item['rule']}{option} --accept|--refuse)"
    )


def _describe_step(step: dict[str, Any], view: dict[str, Any]) -> str:
    time_ms = step["place"]["time_ms"]
    when = f"{show_second(time_ms)[5:]}.{time_ms % 1_000:03}"
    reference = f" · {step['reference']}" if step["reference"] else ""
    from nodes.schemas.columns import pad
    from nodes.schemas.labels import CLAIM_STATUSES, CLAIM_STEPS, name_both

    name = pad(name_both(CLAIM_STEPS, step["name"]), STEP_WIDTH)
    status = name_both(CLAIM_STATUSES, step["status"])
    said = f"  {when}  height {step['place']['height']:<5} {name}  {status}{reference}"
    moved = [item for payment in view["payments"] for item in payment["steps"] if item["place"] == step["place"]]
    return f"{said} · {STATED}" if any(item["is_stated"] for item in moved) else said
