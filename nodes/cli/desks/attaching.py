"""Files that are attached to stays: sent by a hospital's desk, saved by whoever was handed them.

Neither command holds more than a piece of the file at a time.
"""

import hashlib
import os
import time
from pathlib import Path
from typing import Any

import click

from nodes.cli.options import actor_option, home_option, json_option, stay_argument
from nodes.cli.output import Output
from nodes.config import Home

KINDS = ("discharge-summary", "imaging", "laboratory", "operation", "pathology", "other")
WAIT_SECONDS = 20.0
"""How long `attach` watches for the insurers' confirmation; it comes without it too."""
READ_BYTES = 1024 * 1024
MEDIA_TYPES = (
    (0, b"%PDF-", "application/pdf"),
    (128, b"DICM", "application/dicom"),
    (0, b"\x89PNG\r\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
)
"""(offset, bytes that stand there, what the file is)."""


@click.command()
@stay_argument
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@actor_option("the hospital")
@click.option("--type", "kind", type=click.Choice(KINDS), default="other", help="What it is; sealed with it.")
@home_option
@json_option
def attach(number: str, file: Path, actor: str, kind: str, home: Path, *, as_json: bool) -> None:
    """Attach FILE (a PDF, an image ..., up to 64 MB) to STAY, for the insurers it was reported to.

    It is handed over once a grant of hers covers documents. It settles nothing, and nothing waits for it. After an
    interruption the same command goes on where the file stopped, for a day.
    """
    from nodes.cli.session import open_operator

    output = Output(as_json=as_json)
    begun = time.monotonic()
    with open_operator(Home(home), actor, role="hospital") as client, file.open("rb") as source:
        size = os.fstat(source.fileno()).st_size
        form = {"kind": kind, "media_type": _find_media_type(source), "file_bytes": size, "sha256": _hash(source)}
        draft = client.post(f"/v1/stays/{number}/attachments", form)
        sent, records = draft["taken"], []
        if sent:
            output.say(f"goes on at {sent // 1024} of {size // 1024} KB")
        source.seek(sent)
        while piece := source.read(draft["piece_bytes_max"]):
            records = client.post_bytes(f"/v1/attachments/{draft['draft']}/{sent}", piece)["records"]
            sent += len(piece)
            output.progress(f"sealed {sent // 1024} of {size // 1024} KB ...")
        output.end_progress()
        found = [_await_delivered(client, record_id, output) for record_id in records]
    for item in found:
        output.say(f"{item['record']}  {kind} of {number} · {_say(item)}")
    if command := _say_next(found, file.suffix):
        output.hint(command)
    output.finish({"stay": number, "bytes": size, "records": found, "seconds": round(time.monotonic() - begun, 3)})


@click.command()
@click.argument("record_id", metavar="RECORD")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@actor_option("the insurer, hospital or regulator that holds it")
@home_option
@json_option
def save(record_id: str, file: Path, actor: str, home: Path, *, as_json: bool) -> None:
    """Save the attached document RECORD, which your organisation holds, as FILE; readable by you alone."""
    from nodes.cli.session import open_operator

    output = Output(as_json=as_json)
    if file.exists():
        msg = f"{file}: exists already; choose another name"
        raise click.ClickException(msg)
    partial = file.with_name(f".{file.name}.partial")
    with open_operator(Home(home), actor) as client:
        found = client.get(f"/v1/documents/{record_id}")
        written = 0
        try:
            partial.unlink(missing_ok=True)  # of a run that was killed, or of somebody else who would read along
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as target:
                for first in range(0, found["chunks"], found["read_chunks"]):
                    written += target.write(client.get_bytes(f"/v1/documents/{record_id}/chunks/{first}"))
            partial.rename(file)
        except OSError as error:
            msg = f"{file}: could not be written ({error.strerror})"
            raise click.ClickException(msg) from None
        finally:
            partial.unlink(missing_ok=True)
    output.say(f"{file} · {found['kind']}, {found['media_type']}, {written} bytes")
    output.finish({**found, "file": str(file)})


def _find_media_type(source: Any) -> str:
    head = source.read(READ_BYTES)
    source.seek(0)
    for offset, magic, media_type in MEDIA_TYPES:
        if head[offset : offset + len(magic)] == magic:
            return media_type
    return "application/octet-stream"


def _hash(source: Any) -> str:
    digest = hashlib.sha256()
    while piece := source.read(READ_BYTES):
        digest.update(piece)
    source.seek(0)
    return digest.hexdigest()


def _await_delivered(client: Any, record_id: str, output: Output) -> dict[str, Any]:
    """Return who has a record once its recipient answered, or after WAIT_SECONDS."""
    from nodes.client import ApiError

    deadline = time.monotonic() + WAIT_SECONDS
    holders: list[dict[str, Any]] = []
    while time.monotonic() < deadline:
        try:
            holders = client.get(f"/v1/records/{record_id}")["holders"]
        except ApiError as error:  # it is not on the chain yet, or no grant covers it
            if error.code != "NOT_FOUND":
                raise
        if any(item["has"] in ("delivered", "disputed") for item in holders):
            break
        output.progress("waiting for the insurer ...")
        time.sleep(0.05)
    output.end_progress()
    return {"record": record_id, "holders": holders}


def _say_next(found: list[dict[str, Any]], suffix: str) -> str | None:
    """Return the command by which the first one who has the document now saves it, or None while nobody has."""
    for item in found:
        for holder in item["holders"]:
            if holder["has"] == "delivered":
                return f"xinpei record save {item['record']} --as {holder['holder']} copy{suffix}"
    return None


def _say(item: dict[str, Any]) -> str:
    others = [f"{holder['holder']} {holder['has']}" for holder in item["holders"] if holder["has"] != "custodian"]
    return " · ".join(others) or "sealed; not handed over: no grant covers documents, or not yet"
