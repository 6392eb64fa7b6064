"""`xinpei stay`: a hospital's desk."""

import json
import time
from pathlib import Path
from typing import Any

import click

from nodes.cli.claims.watching import WAIT_SECONDS, await_settled, explain_wait, show_claim_id
from nodes.cli.desks.attaching import attach
from nodes.cli.options import actor_option, home_option, json_option, stay_argument
from nodes.cli.output import Output
from nodes.config import Home

HOSPITAL = "the hospital"


@click.group()
def stay() -> None:
    """Admit, bill, discharge and correct stays, and attach files to them, as a hospital."""


stay.add_command(attach)


@stay.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@actor_option(HOSPITAL)
@home_option
@json_option
def admit(file: Path, actor: str, home: Path, *, as_json: bool) -> None:
    """Admit a patient: FILE is an admission. Where a grant covers it, this reports the claim."""
    from nodes.cli.session import open_operator

    output = Output(as_json=as_json)
    with open_operator(Home(home), actor, role="hospital") as client:
        found = client.post_bytes("/v1/stays", file.read_bytes())
        found = await_reported(client, found, output)
    output.say(_describe_admission(found))
    output.hint(f"xinpei stay discharge {found['number']} --as {actor} docs/examples/polyp/discharge.json")
    output.finish(found)


@stay.command()
@stay_argument
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@actor_option(HOSPITAL)
@home_option
@json_option
def bill(number: str, file: Path, actor: str, home: Path, *, as_json: bool) -> None:
    """Add the interim bill in FILE to STAY; interim bills never settle."""
    from nodes.cli.session import open_operator

    output = Output(as_json=as_json)
    with open_operator(Home(home), actor, role="hospital") as client:
        found = client.post_bytes(f"/v1/stays/{number}/bill", file.read_bytes())
    bills = found["interim_bills"]
    output.say(f"{found['number']} · {bills} interim bill{'' if bills == 1 else 's'}")
    output.finish(found)


@stay.command()
@stay_argument
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@actor_option(HOSPITAL)
@home_option
@json_option
def discharge(number: str, file: Path, actor: str, home: Path, *, as_json: bool) -> None:
    """Discharge STAY with the summary, lines and bill in FILE, and watch the claim settle."""
    _end(number, file, actor, home, "discharge", Output(as_json=as_json))


@stay.command()
@stay_argument
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@actor_option(HOSPITAL)
@home_option
@json_option
def correct(number: str, file: Path, actor: str, home: Path, *, as_json: bool) -> None:
    """Correct STAY after its discharge: FILE is the whole discharge as it should have been."""
    _end(number, file, actor, home, "correct", Output(as_json=as_json))


@stay.command("import")
@click.argument("bundle", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@actor_option(HOSPITAL)
@click.option("--patient", metavar="NAME", help="Whose stay it becomes, if not that of the bundle's own patient.")
@click.option("--encounter", metavar="ID", help="Which stay, where the bundle has several.")
@click.option("--shift", is_flag=True, help="Move all dates so that the discharge is today; said in the output.")
@home_option
@json_option
def import_(
    bundle: Path, actor: str, patient: str | None, encounter: str | None, home: Path, *, shift: bool, as_json: bool
) -> None:
    """Import the inpatient stay in BUNDLE, a FHIR R4 Bundle: admission and discharge with its bills.

    The patient is found in the hospital's index by her document, name and birth date, as the bundle has them.
    """
    from nodes.cli.session import open_operator
    from nodes.fhir import read_bundle
    from nodes.roles.hospital.importing import identify, import_stay
    from nodes.schemas.civil_time import civil_day

    output = Output(as_json=as_json)
    found = read_bundle(bundle).select(encounter)
    if shift:
        found = found.shift(civil_day(time.time_ns() // 1_000_000) - found.discharge_day)
    identity = identify(found.patient) if patient is None else None
    imported = import_stay(found, patient or found.patient.name)
    for note in imported.notes:
        output.say(f"  note: {note}")
    with open_operator(Home(home), actor, role="hospital") as client:
        number = patient if identity is None else _find_patient(client, identity, actor, bundle)
        admitted = await_reported(client, client.post("/v1/stays", imported.admission | {"patient": number}), output)
        output.say(_describe_admission(admitted))
        ended = _watch_end(client, admitted["number"], "discharge", json.dumps(imported.discharge).encode(), output)
    output.finish(ended | {"notes": list(imported.notes), "encounter": found.encounter_id})


def _find_patient(client: Any, identity: Any, hospital: str, bundle: Path) -> str:
    """Return the number of a bundle's patient in a hospital's index; raises `click.ClickException`."""
    from nodes.cli.session import identity_fields
    from nodes.client import ApiError

    try:
        return str(client.post("/v1/patients/match", identity_fields(identity))["number"])
    except ApiError as error:
        if error.code != "REFUSED":
            raise
        msg = (
            f"Patient: {hospital} knows nobody with her document, name and birth date; make her a customer with "
            f"`xinpei customer create NAME --bundle {bundle}`, or say --patient NAME"
        )
        raise click.ClickException(msg) from None


@stay.command("list")
@actor_option(HOSPITAL)
@home_option
@json_option
def list_(actor: str, home: Path, *, as_json: bool) -> None:
    """List the hospital's stays."""
    from nodes.cli.session import open_operator

    output = Output(as_json=as_json)
    with open_operator(Home(home), actor, role="hospital") as client:
        stays = client.get("/v1/stays")
    for item in stays:
        output.say(f"{item['number']}  {item['admitted'] or '…'} – {item['discharged'] or '…':<10}  {item['message']}")
    if not stays:
        output.say("no stays")
    output.finish({"stays": stays})


def await_reported(client: Any, found: dict[str, Any], output: Output) -> dict[str, Any]:
    """Watch an admission until its claims are on the chain; return the stay as it stands."""
    deadline = time.monotonic() + WAIT_SECONDS
    while any(lane["claim_status"] is None for lane in _claimed(found)) and time.monotonic() < deadline:
        output.progress(f"{found['number']} admitted · its claim is reported ...")
        time.sleep(0.02)
        found = client.get(f"/v1/stays/{found['number']}")
    output.end_progress()
    return found


def _claimed(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the lanes of a stay on which something is claimed: towards a hospital that treats her nothing is."""
    return [lane for lane in found["lanes"] if lane["claim"] is not None]


def _describe_admission(found: dict[str, Any]) -> str:
    claims = [show_claim_id(lane["claim"]) for lane in _claimed(found)]
    what = f"claim {', '.join(claims)} reported; nobody filed it" if claims else found["message"]
    return f"{found['number']} admitted {found['admitted']} · {what}"


def _end(number: str, file: Path, actor: str, home: Path, action: str, output: Output) -> None:
    from nodes.cli.session import open_operator

    with open_operator(Home(home), actor, role="hospital") as client:
        output.finish(_watch_end(client, number, action, file.read_bytes(), output))


def _watch_end(client: Any, number: str, action: str, form: bytes, output: Output) -> dict[str, Any]:
    """Discharge or correct a stay and watch its claims; return the stay with what became of them."""
    versions = {}
    for lane in _claimed(client.get(f"/v1/stays/{number}")):
        if lane["claim_status"] is not None:
            versions[lane["claim"]] = client.get(f"/v1/claims/{lane['claim']}")["claim"]["settlement_version"]
    begun = time.monotonic()
    found: dict[str, Any] = client.post_bytes(f"/v1/stays/{number}/{action}", form)
    claims = []
    for lane in _claimed(found):
        version = versions.get(lane["claim"], 0) + 1
        view = await_settled(client, lane["claim"], version, output)
        seconds = round(time.monotonic() - begun, 3)
        claims.append({"claim": lane["claim"], "status": view["status"], "seconds": seconds})
        found = client.get(f"/v1/stays/{number}")
        fresh = next(item for item in found["lanes"] if item["claim"] == lane["claim"])
        output.say(_describe_end(fresh, view, version, seconds))
    if not claims:
        output.say(f"{number} · {found['message']}")
    else:
        output.hint(f"xinpei claim show {show_claim_id(claims[0]['claim'])} --as {found['patient']}")
    return found | {"claims": claims}


def _describe_end(lane: dict[str, Any], view: dict[str, Any], version: int, seconds: float) -> str:
    claim = show_claim_id(lane["claim"])
    if view["status"] == "AWAITING_CONSENT":
        return f"{claim} awaits consent: {explain_wait(view)} · nothing shared"
    latest = view["settlements"][-1] if view["settlements"] else None
    if latest is None or latest["outcome"]["version"] < version:
        return f"{claim} {view['status']} · {explain_wait(view)} · follow it with `xinpei claim watch`"
    parts = f"closed {lane['delivered']}/{lane['parts']} parts · shared"
    if lane.get("state") in ("visited", "awaiting-rules"):
        parts = f"closed {lane['parts']} parts · the rules came here, nothing handed over"
    payments = {item["payment_id"]: item for item in view["payments"]}
    pended = " · a part waits for a person" if latest["outcome"]["is_pended"] else ""
    if latest["payment_id"] is None:
        return f"{claim} {parts} · settled, nothing to move · {view['status']}{pended}"
    payment = payments[latest["payment_id"]]
    word = "paid" if payment["direction"] == "payout" else "recovered"
    if payment["status"] != "paid":
        return f"{claim} {parts} · settled · payment {payment['status']} · {explain_wait(view)}"
    return f"{claim} {parts} · {word} in {seconds:.1f} s (simulated rail){pended}"
