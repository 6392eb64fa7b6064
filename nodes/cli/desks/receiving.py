"""`xinpei record received` and `open`: what hospitals handed over, to treat somebody or for public health."""

import json
from pathlib import Path
from typing import Any

import click

from nodes.cli.options import actor_option, home_option, json_option, read_id
from nodes.cli.output import Output
from nodes.config import Home
from nodes.schemas.civil_time import show_minute

RECIPIENTS = ("hospital", "regulator")


@click.command()
@actor_option("the hospital that treats, or a regulator")
@click.option("--patient", metavar="NUMBER", help="Only of this patient, by your hospital's number.")
@home_option
@json_option
def received(actor: str, patient: str | None, home: Path, *, as_json: bool) -> None:
    """List what other hospitals handed to yours, because a customer granted it or in an emergency.

    As a regulator: what was granted for public health, by the pseudonym that it is about.
    """
    from nodes.cli.session import open_operator

    output = Output(as_json=as_json)
    wanted = None if patient is None else {"patient": patient}
    with open_operator(Home(home), actor, role=RECIPIENTS) as client:
        rows = client.list_rows("/v1/received", "records", wanted)
    for row in rows:
        output.say(_describe(row))
    if rows:
        output.hint(f"xinpei record open {rows[0]['record']} --as {actor}")
    else:
        output.say("nothing was handed over")
    output.finish({"records": rows})


@click.command("open")
@click.argument("record_id", metavar="RECORD", callback=read_id("record", "a record"))
@actor_option("the hospital that treats, or a regulator")
@home_option
@json_option
def open_(record_id: str, actor: str, home: Path, *, as_json: bool) -> None:
    """Show what RECORD says, which a hospital handed to yours; your node's log has a line for it."""
    from nodes.cli.session import open_operator

    output = Output(as_json=as_json)
    with open_operator(Home(home), actor, role=RECIPIENTS) as client:
        found = client.get(f"/v1/received/{record_id}")
    output.say(_describe(found))
    if found["document"] is None:
        output.hint(f"xinpei record save {record_id} --as {actor} copy")
    else:
        output.say(json.dumps(found["document"], ensure_ascii=False, indent=2))
    output.finish(found)


def _describe(row: dict[str, Any]) -> str:
    from nodes.schemas.labels import PURPOSES, name_both

    when = show_minute(row["entered_ms"])
    unknown = row["subject"] if row["purpose"] == "PUBHLTH" else "(unknown here)"
    patient = row["patient"] or unknown
    kind = row["type"] if row["kind"] == "original" else f"{row['type']} ({row['kind']})"
    purpose = name_both(PURPOSES, row["purpose"])
    return f"{row['record']}  {kind:<18} {patient} · {row['hospital']} · {purpose} · {when}"
