"""`xinpei key`: an organisation's keys, as the chain has them, and replacing one, or the secret of its register."""

from pathlib import Path
from typing import Any, cast

import click

from nodes.cli.options import actor_option, home_option, json_option
from nodes.cli.output import Output
from nodes.config import Home

MEMBER = "a member"


@click.group()
def key() -> None:
    """Look at an organisation's submission key, and replace it; replace the secret of its register."""


@key.command()
@actor_option(MEMBER)
@home_option
@json_option
def show(actor: str, home: Path, *, as_json: bool) -> None:
    """Show all versions of ACTOR's submission key that the chain has, and whether their files are here. No secrets."""
    from contracts.membership import FindActor
    from ledger.membership import Actor
    from nodes.cli.session import open_member
    from nodes.entropy import SystemEntropy
    from nodes.keystore import find_prepared_submission_key
    from nodes.roles.office.member_calls import MemberCalls

    output = Output(as_json=as_json)
    place = Home(home)
    folder = place.node_folder(actor) / "keys"
    with open_member(place, actor) as client:
        kind = cast("type[Actor | None]", Actor | None)
        found = MemberCalls(client, SystemEntropy()).ask("membership", "actor", FindActor(actor), kind)
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
    for row in rows:
        until = "in force" if row["until_height"] is None else f"until height {row['until_height']}"
        here = "" if row["is_here"] else " · its file is not here"
        output.say(f"{row['version']}  {row['public_key'][:16]} · from height {row['from_height']} · {until}{here}")
    output.hint(f"xinpei key rotate --as {actor}")
    output.finish({"organisation": actor, "submission_keys": rows})


@key.command()
@actor_option(MEMBER)
@home_option
@json_option
def rotate(actor: str, home: Path, *, as_json: bool) -> None:
    """Replace ACTOR's submission key, which signs its transactions, decisions and requests, while its node runs.

    Whoever stole the old key can sign nothing with it from the next block on. What it signed before still verifies.
    A key that was lost is not replaced so: `xinpei govern prepare submission-key`.
    """
    from nodes.cli.session import connector, open_member
    from nodes.entropy import SystemEntropy
    from nodes.roles.office.rotating import rotate_submission_key

    output = Output(as_json=as_json)
    place = Home(home)
    with open_member(place, actor) as client:
        former = client.signer.key_version
        folder = place.node_folder(actor) / "keys"
        version = rotate_submission_key(client, folder, SystemEntropy(), connector(place, actor))
    output.say(f"{actor} · submission key version {version} is in force; version {former} signs nothing more")
    output.hint(f"xinpei key show --as {actor}")
    output.finish({"organisation": actor, "former": former, "version": version})


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
