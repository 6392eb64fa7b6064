"""`xinpei key`: an organisation's keys, as the chain has them, and replacing them, or the secret of its register."""

from pathlib import Path
from typing import Any, cast

import click

from nodes.cli.options import actor_option, home_option, json_option
from nodes.cli.output import Output
from nodes.config import Home

MEMBER = "a member"


@click.group()
def key() -> None:
    """Look at an organisation's submission key and seal key, and replace them; replace the secret of its register."""


@key.command()
@actor_option(MEMBER)
@home_option
@json_option
def show(actor: str, home: Path, *, as_json: bool) -> None:
    """Show all versions of ACTOR's keys that the chain has, and whether their files are here. No secrets."""
    from contracts.membership import FindActor
    from ledger.membership import Actor
    from nodes.cli.session import open_member
    from nodes.entropy import SystemEntropy
    from nodes.keystore import SealKeyFiles, find_prepared_submission_key
    from nodes.roles.office.member_calls import MemberCalls
    from nodes.roles.office.seal_keys import list_seal_keys
    from nodes.vault.sealing import identify_seal_key

    output = Output(as_json=as_json)
    place = Home(home)
    folder = place.node_folder(actor) / "keys"
    with open_member(place, actor) as client:
        kind = cast("type[Actor | None]", Actor | None)
        calls = MemberCalls(client, SystemEntropy())
        found = calls.ask("membership", "actor", FindActor(actor), kind)
        sealed_to = list_seal_keys(calls, actor)
    assert found is not None, "whoever may ask is a member"
    rows: list[dict[str, Any]] = [
        {
            "version": record.version,
            "public_key": record.public_key.hex(),
            "from_height": record.from_height,
            "until_height": record.until_height,
            "is_here": find_prepared_submission_key(folder, record.version) is not None,
        }
        for record in found.keys
    ]
    files = SealKeyFiles(folder)
    seal_rows: list[dict[str, Any]] = [
        {
            "version": record.version,
            "key_id": identify_seal_key(record.seal_key).hex(),
            "from_height": record.from_height,
            "until_height": record.until_height,
            "is_here": (pair := files.get(record.version)) is not None and pair.public_key == record.seal_key,
        }
        for record in sealed_to
    ]
    for title, name, listed in (("submission key", "public_key", rows), ("seal key", "key_id", seal_rows)):
        output.say(title)
        for row in listed:
            until = "in force" if row["until_height"] is None else f"until height {row['until_height']}"
            here = "" if row["is_here"] else " · its file is not here"
            output.say(f"{row['version']}  {row[name][:16]} · from height {row['from_height']} · {until}{here}")
    output.hint(f"xinpei key rotate --as {actor}")
    output.finish({"organisation": actor, "submission_keys": rows, "seal_keys": seal_rows})


@key.command()
@actor_option(MEMBER)
@click.option(
    "--kind",
    type=click.Choice(["submission", "seal"]),
    default="submission",
    show_default=True,
    help="What it signs with, or what others seal to.",
)
@home_option
@json_option
def rotate(actor: str, kind: str, home: Path, *, as_json: bool) -> None:
    """Replace one of ACTOR's keys while its node runs.

    The submission key signs its transactions, decisions and requests. Whoever stole the old one can sign nothing with
    it from the next block on. What it signed before still verifies. A key that was lost is not replaced so:
    `xinpei govern prepare submission-key`.

    The seal key opens what others seal to ACTOR. They take the new one once they see it on the chain; what is under way
    to the old one still opens. The node destroys the old one a week later, a regulator's stays. Whoever stole it reads
    what was sealed to it before, and nothing new.
    """
    from nodes.cli.session import connector, open_member
    from nodes.entropy import SystemEntropy
    from nodes.roles.office.member_calls import MemberCalls
    from nodes.roles.office.rotating import rotate_submission_key
    from nodes.roles.office.seal_keys import rotate_seal_key

    output = Output(as_json=as_json)
    place = Home(home)
    folder, entropy = place.node_folder(actor) / "keys", SystemEntropy()
    with open_member(place, actor) as client:
        if kind == "seal":
            version = rotate_seal_key(MemberCalls(client, entropy), folder, entropy)
            former, end = version - 1, "is sealed to no more"
        else:
            former, end = client.signer.key_version, "signs nothing more"
            version = rotate_submission_key(client, folder, entropy, connector(place, actor))
    output.say(f"{actor} · {kind} key version {version} is in force; version {former} {end}")
    output.hint(f"xinpei key show --as {actor}")
    output.finish({"organisation": actor, "kind": kind, "former": former, "version": version})


@key.command()
@actor_option(MEMBER)
@home_option
@json_option
def reseal(actor: str, home: Path, *, as_json: bool) -> None:
    """Replace the secret of ACTOR's register, its own book, and seal every entry of it anew; its node must be stopped.

    The old secret is overwritten when no entry lies under it any more. Interrupted anywhere, the node goes on with it
    when it starts, or the command when it is typed again. A backup of the book from before opens with a backup of the
    old secret only.
    """
    from nodes.config import ConfigurationError
    from nodes.entropy import SystemEntropy
    from nodes.network.supervisor import NodeLock
    from nodes.vault.resealing import replace_secret

    output = Output(as_json=as_json)
    place = Home(home)
    network = place.load_network()
    if actor not in place.roles():
        msg = f"--as: expected {MEMBER}: {', '.join(sorted(place.roles()))}, got {actor[:40]!r}"
        raise ConfigurationError(msg)
    lock = NodeLock(place.node_folder(network.hosted.get(actor, actor)))
    lock.acquire()
    try:
        count = replace_secret(place.node_folder(actor), SystemEntropy())
    finally:
        lock.release()
    output.say(f"{actor} · {count} entries of its register sealed anew; the old secret is destroyed")
    output.hint("xinpei up")
    output.finish({"organisation": actor, "entries": count})
