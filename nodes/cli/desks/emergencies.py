"""`xinpei access break-glass`, `reviews` and `review`: emergencies, and the regulator's look at each of them."""

import time
from pathlib import Path
from typing import Any

import click

from nodes.cli.asking import private_option, read_or_ask
from nodes.cli.options import actor_option, home_option, json_option, read_id
from nodes.cli.output import Output
from nodes.config import Home
from nodes.schemas.civil_time import show_minute

TYPES = ("admission", "discharge-summary", "document")
WORDS_MAX = 500
WAIT_SECONDS = 20.0
"""How long `break-glass` watches for records; they come without it too."""
STILL_SECONDS = 3.0
"""Nothing more has come for so long: that is what there is."""


@click.command("break-glass")
@actor_option("the hospital that treats")
@click.argument("patient", metavar="PATIENT")
@click.option("--from", "hospital", metavar="HOSPITAL", required=True, help="Whose records are needed.")
@private_option("--reason", "reason", "Says who looks and why", required=True)
@click.option("--type", "types", type=click.Choice(TYPES), multiple=True, help="What; all but documents if left out.")
@home_option
@json_option
def break_glass(
    actor: str, patient: str, hospital: str, reason: Path | None, types: tuple[str, ...], home: Path, *, as_json: bool
) -> None:
    """Have HOSPITAL's records of PATIENT, your number for her, to treat her in an emergency.

    It rests on the grant for emergencies that she gave beforehand; no grant for treatment is needed, and a denial of
    treatment does not stop it. She is told, and a regulator reviews every use. It is never for an insurer.
    """
    from nodes.cli.session import open_operator

    output = Output(as_json=as_json)
    form: dict[str, object] = {"patient": patient, "hospital": hospital, "record_types": list(types or TYPES[:2])}
    form["reason"] = read_or_ask(reason, "--reason", "谁查看、为什么 Who looks, and why", WORDS_MAX, err=as_json)
    with open_operator(Home(home), actor, role="hospital") as client:
        before = {row["record"] for row in client.list_rows("/v1/received", "records", {"patient": patient})}
        used = client.post("/v1/emergencies", form)
        records = _await_records(client, patient, before, output)
    output.say(f"{used['use']} · at height {used['height']} · the customer is told, a regulator reviews it")
    for row in records:
        output.say(f"{row['record']}  {row['type']} · {row['hospital']}")
    if records:
        output.hint(f"xinpei record open {records[0]['record']} --as {actor}")
    else:
        output.say("no record has come yet, or there is none of these types that you do not have")
        output.hint(f"xinpei record received --as {actor} --patient {patient}")
    output.finish({**used, "records": records})


@click.command()
@actor_option("a regulator")
@home_option
@json_option
def reviews(actor: str, home: Path, *, as_json: bool) -> None:
    """List the emergencies that wait for your review, with the reason that was given for each."""
    from nodes.cli.session import open_operator

    output = Output(as_json=as_json)
    with open_operator(Home(home), actor, role="regulator") as client:
        rows = client.list_rows("/v1/reviews", "uses")
    for row in rows:
        use = row["use"]
        when = show_minute(use["place"]["time_ms"])
        output.say(f"{use['use_id']}  {when}  {use['recipient']} ← {use['hospital']}: {', '.join(use['record_types'])}")
        output.say(f"  {row['reason'] or '(the hospital has not told its reason yet)'}")
    if rows:
        output.hint(f"xinpei access review {rows[0]['use']['use_id']} --as {actor} --finding justified")
    else:
        output.say("nothing waits for review")
    output.finish({"uses": rows})


@click.command()
@actor_option("a regulator")
@click.argument("use_id", metavar="USE", callback=read_id("glass", "an emergency"))
@click.option("--finding", type=click.Choice(["justified", "unjustified"]), required=True, help="What you find.")
@private_option("--grounds", "grounds", "Says why", required=True)
@home_option
@json_option
def review(actor: str, use_id: str, finding: str, grounds: Path | None, home: Path, *, as_json: bool) -> None:
    """Conclude the review of USE, once and for ever; the customer sees the finding.

    Your grounds stay with you; the chain has a commitment to them.
    """
    from nodes.cli.session import open_operator

    output = Output(as_json=as_json)
    words = read_or_ask(grounds, "--grounds", "理由 Grounds", WORDS_MAX, err=as_json)
    with open_operator(Home(home), actor, role="regulator") as client:
        found = client.post(f"/v1/reviews/{use_id}", {"finding": finding, "grounds": words})
    output.say(f"{use_id} {finding} · on the chain at height {found['height']}")
    output.finish(found)


def _await_records(client: Any, patient: str, before: set[str], output: Output) -> list[dict[str, Any]]:
    """Return what has come since, once nothing more has come for STILL_SECONDS, or after WAIT_SECONDS."""
    begun = changed = time.monotonic()
    rows: list[dict[str, Any]] = []
    try:
        while time.monotonic() - begun < WAIT_SECONDS and not (rows and time.monotonic() - changed > STILL_SECONDS):
            found = [
                row
                for row in client.list_rows("/v1/received", "records", {"patient": patient})
                if row["record"] not in before
            ]
            changed = time.monotonic() if len(found) > len(rows) else changed
            rows = found
            output.progress(f"{len(rows)} records have come ...")
            time.sleep(0.2)
    finally:
        output.end_progress()
    return rows
