"""`xinpei recovery`: keepers, named while she has her key, give a customer another one when it is lost.

keepers     the customer names them
pseudonyms  hospital or insurer tells her old names, at the desk
ask         her new wallet asks for its keys to be put forward
approve     a keeper has seen that it is she
complete    a keeper, when the wait is over
finish      her new wallet takes over
veto        the old key refuses what was put forward
"""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nodes.cli.asking import private_option
from nodes.cli.identifying import FIELDS, read_identity
from nodes.cli.options import CUSTOMER, actor_option, home_option, json_option
from nodes.cli.output import Output
from nodes.config import ConfigurationError, Home
from nodes.schemas.civil_time import show_minute

if TYPE_CHECKING:
    from nodes.client import Client
    from nodes.roles.customer.recovering import Call, LostName, RecoveryRequest

HOUR_MS = 3_600_000
KEEPER = "a keeper: an organisation, or a customer by the name of her wallet"
file_argument = click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))


@click.group()
def recovery() -> None:
    """Name keepers, and have a lost wallet's pseudonyms given to a new one."""


@recovery.command()
@actor_option(CUSTOMER)
@click.option("--keeper", "keepers", multiple=True, required=True, metavar="NAME", help="An organisation or a wallet.")
@click.option("--threshold", type=click.IntRange(min=1), required=True, help="How many of them it takes.")
@click.option(
    "--wait-hours",
    type=click.FloatRange(min=0.001, max=2160),
    default=168,
    show_default=True,
    help="How long your old key can veto; three days at least, unless the genesis says otherwise.",
)
@home_option
@json_option
def keepers(
    actor: str, keepers: tuple[str, ...], threshold: int, wait_hours: float, home: Path, *, as_json: bool
) -> None:
    """Name who gives your pseudonyms another key if you lose yours; replaces whom you named before.

    Where organisations are among them it takes two at least. They see who you are when you come to them; choose some
    who know you and do not act together.
    """
    from nodes.cli.session import open_customer
    from nodes.roles.customer.recovering import name_keepers

    output = Output(as_json=as_json)
    place = Home(home)
    shortest_hours = place.load_genesis().recovery_wait_ms_min / HOUR_MS
    if wait_hours < shortest_hours:
        msg = f"--wait-hours: expected {shortest_hours:g} or more, as the genesis demands, got {wait_hours:g}"
        raise ConfigurationError(msg)
    organisations = [name for name in keepers if name in place.roles()]
    friends = [open_customer(place, name) for name in keepers if name not in organisations]
    wait_ms = int(wait_hours * HOUR_MS)
    named = name_keepers(open_customer(place, actor), organisations, friends, threshold, wait_ms)
    for pseudonym in named:
        output.say(f"{pseudonym.name} · {threshold} of {', '.join(keepers)} · after {wait_hours:g} hours")
    output.hint(f"xinpei wallet show {actor} --json > my-pseudonyms.json")
    output.finish({"pseudonyms": [item.name for item in named], "threshold": threshold, "wait_ms": wait_ms})


@recovery.command()
@click.argument("number")
@actor_option("a hospital or insurer")
@home_option
@json_option
def pseudonyms(number: str, actor: str, home: Path, *, as_json: bool) -> None:
    """List, at a desk, the pseudonyms of the person NUMBER who has lost her wallet; see first that it is she."""
    from nodes.cli.session import open_operator

    output = Output(as_json=as_json)
    with open_operator(Home(home), actor) as client:
        found = client.get(f"/v1/people/{number}/pseudonyms")
    for row in found["pseudonyms"]:
        output.say(f"{row['hospital']} · {row['insurer']} · {row['pseudonym']}")
    if not found["pseudonyms"]:
        output.say(f"{number}: no grant of hers matched here")
    output.finish(found)


@recovery.command()
@actor_option("a customer, by the name of her new wallet; it is made if there is none")
@click.option(
    "--pseudonyms",
    "listed",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    required=True,
    help="What `wallet show --json` or `recovery pseudonyms --json` printed.",
)
@private_option("--identity", "identity", f"Of a wallet that is to be made: {FIELDS}")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The file for your keepers."
)
@home_option
@json_option
def ask(actor: str, listed: Path, identity: Path | None, out: Path, home: Path, *, as_json: bool) -> None:
    """Ask your keepers to give your lost pseudonyms the keys of your new wallet; the file holds no secret."""
    from nodes.cli.session import open_customer
    from nodes.roles.customer.recovering import ask as ask_keepers
    from nodes.roles.customer.recovering import write_recovery

    output = Output(as_json=as_json)
    place = Home(home)
    lost = _read_lost(listed)
    if not place.wallet_path(actor).exists():
        _make_wallet(place, actor, identity)
    file, unkept = ask_keepers(open_customer(place, actor), lost)
    write_recovery(out, file)
    for item in unkept:
        output.say(f"{item.pseudonym} · no keepers were named while its key was there; it cannot be recovered")
    count = "1 key" if len(file.requests) == 1 else f"{len(file.requests)} keys"
    output.say(f"{out} · {count} asked for; bring it to your keepers, who want to see that it is you")
    output.hint(f"xinpei recovery approve {out} --as KEEPER")
    names = [item.lost.pseudonym for item in file.requests]
    output.finish({"file": str(out), "pseudonyms": names, "unkept": [item.pseudonym for item in unkept]})


@recovery.command()
@file_argument
@actor_option(KEEPER)
@home_option
@json_option
def approve(file: Path, actor: str, home: Path, *, as_json: bool) -> None:
    """Approve, as a keeper, the keys in FILE; see first, yourself, that whoever brings it is the customer."""
    from nodes.roles.customer.recovering import support

    output = Output(as_json=as_json)
    done, due = [], ""
    with ExitStack() as stack:
        for request, keeper, client, call in _keepers_part(stack, Home(home), file, actor):
            word = "approved" if support(request, keeper, client, call) else "was approved before"
            due = find_due(client, request)
            then = f"can be completed from {due} on" if due else "others have to approve too"
            output.say(f"{request.lost.pseudonym} · {word} by {keeper} · {then}")
            done.append(request.lost.pseudonym)
    output.hint(
        f"xinpei recovery complete {file} --as {actor}" if due else f"xinpei recovery approve {file} --as KEEPER"
    )
    output.finish({"approved": done})


@recovery.command()
@file_argument
@actor_option(KEEPER)
@home_option
@json_option
def complete(file: Path, actor: str, home: Path, *, as_json: bool) -> None:
    """Give the pseudonyms in FILE their new keys, as a keeper: enough have approved, and the wait is over."""
    from nodes.client import ApiError
    from nodes.roles.customer.recovering import complete as complete_recovery

    output = Output(as_json=as_json)
    done = []
    with ExitStack() as stack:
        for request, _, client, call in _keepers_part(stack, Home(home), file, actor):
            try:
                word = "has its new key" if complete_recovery(request, client, call) else "had its new key before"
            except ApiError as error:
                if error.code != "WAITING":
                    raise
                msg = f"{request.lost.pseudonym}: its wait is not over; complete it from {find_due(client, request)} on"
                raise ApiError(error.code, msg, error.status) from None
            output.say(f"{request.lost.pseudonym} · {word}")
            done.append(request.lost.pseudonym)
    output.hint(f"xinpei recovery finish {file} --as CUSTOMER")
    output.finish({"completed": done})


@recovery.command()
@file_argument
@actor_option("the customer, by the name of her new wallet")
@home_option
@json_option
def finish(file: Path, actor: str, home: Path, *, as_json: bool) -> None:
    """Take over, with the new wallet, the pseudonyms in FILE; hospital and insurer seal to it from now on."""
    from nodes.cli.session import find_wallet, unlock_wallet_file
    from nodes.entropy import SystemEntropy
    from nodes.roles.customer.customer import Customer
    from nodes.roles.customer.recovering import read_recovery, take_over

    output = Output(as_json=as_json)
    place, entropy = Home(home), SystemEntropy()
    path = find_wallet(place, actor)
    wallet, passphrase = unlock_wallet_file(path)
    customer = Customer(place, place.load_genesis(), wallet, entropy)
    asked = read_recovery(file, customer.chain_id)
    taken = take_over(customer, asked, lambda: wallet.save(path, passphrase, entropy))
    for item in taken:
        output.say(f"{item.name} · {item.hospital} and {item.insurer} · key version {item.key_version}")
    output.hint(f"xinpei recovery keepers --as {actor} --keeper NAME --keeper NAME --threshold 2")
    output.finish({"pseudonyms": [item.name for item in taken]})


@recovery.command()
@actor_option(CUSTOMER)
@home_option
@json_option
def show(actor: str, home: Path, *, as_json: bool) -> None:
    """Show your keepers and which keys were put forward; whatever you did not ask for, veto."""
    from nodes.cli.session import open_customer

    output = Output(as_json=as_json)
    customer = open_customer(Home(home), actor)
    rows: list[dict[str, Any]] = []
    for hospital, insurer in customer.pairs():
        pseudonym = customer.pseudonym(hospital, insurer)
        with customer.reach(pseudonym) as client:
            if client.get("/v1/pseudonym")["enrolled"]:
                rows.append(client.get(f"/v1/recoveries/{pseudonym.name}"))
    for row in rows:
        kept = f"{row['threshold']} of {', '.join(row['keepers'])}" if row["plan"] else "no keepers"
        output.say(f"{row['pseudonym']} · {kept}")
        for item in row["attempts"]:
            status = "void" if item["is_stale"] else item["status"]
            output.say(f"  key {item['public_key'][:16]} · {status} · approved by {', '.join(item['approvals'])}")
            if status == "open":
                output.hint(f"xinpei recovery veto --as {actor}")
    output.finish({"recoveries": rows})


@recovery.command()
@actor_option(CUSTOMER)
@home_option
@json_option
def veto(actor: str, home: Path, *, as_json: bool) -> None:
    """Refuse, with your key, every key that is put forward for your pseudonyms; they never come again."""
    from contracts.recovery import AttemptReference
    from nodes.cli.session import open_customer

    output = Output(as_json=as_json)
    customer = open_customer(Home(home), actor)
    vetoed = []
    for hospital, insurer in customer.pairs():
        pseudonym = customer.pseudonym(hospital, insurer)
        with customer.reach(pseudonym) as client:
            if not client.get("/v1/pseudonym")["enrolled"]:
                continue
            for item in client.get(f"/v1/recoveries/{pseudonym.name}")["attempts"]:
                if item["status"] == "open":
                    message = AttemptReference(pseudonym.name, bytes.fromhex(item["public_key"]))
                    customer.transact(client, pseudonym, "recovery", "veto", message)
                    vetoed.append(item["public_key"])
                    output.say(f"{pseudonym.name} · key {item['public_key'][:16]} vetoed")
    if not vetoed:
        output.say("nothing is put forward")
    output.finish({"vetoed": vetoed})


def _read_lost(path: Path) -> "list[LostName]":
    import json

    from nodes.roles.customer.recovering import LostName

    try:
        rows = json.loads(path.read_bytes())["pseudonyms"]
        return [LostName(row["hospital"], row["insurer"], row["pseudonym"]) for row in rows]
    except (ValueError, KeyError, TypeError):
        msg = f"{path}: expected what `xinpei wallet show --json` or `xinpei recovery pseudonyms --json` prints"
        raise ConfigurationError(msg) from None


def _make_wallet(home: Home, name: str, identity: Path | None) -> None:
    from nodes.cli.session import read_passphrase
    from nodes.entropy import SystemEntropy
    from nodes.wallet import Wallet

    if identity is None:
        msg = f"{home.wallet_path(name)}: no such wallet; make it with --identity FILE"
        raise ConfigurationError(msg)
    entropy = SystemEntropy()
    Wallet.create(read_identity(identity), entropy).save(home.wallet_path(name), read_passphrase(), entropy)


def find_due(client: "Client", request: "RecoveryRequest") -> str:
    """Return from when on a request's key can be completed, in Beijing's time; nothing while approvals lack."""
    attempts = client.get(f"/v1/recoveries/{request.lost.pseudonym}")["attempts"]
    key = request.public_key.hex()
    due_ms = next((item["due_ms"] for item in attempts if item["public_key"] == key and not item["is_stale"]), None)
    if due_ms is None:
        return ""
    return show_minute(due_ms)


def _keepers_part(
    stack: ExitStack, home: Home, path: Path, actor: str
) -> "list[tuple[RecoveryRequest, str, Client, Call]]":
    """Return, for each request in a file, under which name a keeper acts, through which node, and how."""
    from nodes.cli.session import open_customer, open_member
    from nodes.entropy import SystemEntropy
    from nodes.roles.customer.recovering import read_recovery
    from nodes.roles.office.member_calls import MemberCalls

    file = read_recovery(path, home.load_network().chain_id)
    if actor in home.roles():
        client = stack.enter_context(open_member(home, actor))
        call = MemberCalls(client, SystemEntropy()).call
        return [(request, actor, client, call) for request in file.requests]
    customer = open_customer(home, actor)
    parts: list[tuple[RecoveryRequest, str, Client, Call]] = []
    for request in file.requests:
        own = customer.pseudonym(request.lost.hospital, request.lost.insurer)
        theirs = stack.enter_context(customer.reach(own))
        parts.append((request, own.name, theirs, customer.caller(theirs, own)))
    return parts
