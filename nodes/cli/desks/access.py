"""`xinpei access`: ask for a record under a grant, and order one under a law; the customer sees both."""

from pathlib import Path

import click

from nodes.cli.asking import private_option, read_or_ask
from nodes.cli.desks.emergencies import break_glass, review, reviews
from nodes.cli.options import actor_option, home_option, json_option, read_id
from nodes.cli.output import Output
from nodes.cli.terms import BASES, TYPES
from nodes.config import Home, write_file

NUMBER_MAX = 200
"""Characters of an order's number and authority."""
PURPOSES = ("HPAYMT", "CAREMGT", "BTG", "PUBHLTH", "DSRCH", "PATRQT", "HLEGAL")


@click.group()
def access() -> None:
    """Ask for a record under a grant, in an emergency, or under a law; the customer sees each."""


for command in (break_glass, reviews, review):
    access.add_command(command)


@access.command()
@actor_option("an organisation")
@click.argument("stay", metavar="STAY", callback=read_id("stay", "a stay"))
@click.option("--type", "record_type", type=click.Choice(TYPES), required=True, help="What is asked for.")
@click.option(
    "--record",
    metavar="RECORD",
    callback=read_id("record", "a record"),
    help="One record of that type; whatever there is if left out.",
)
@click.option(
    "--grant", metavar="GRANT", required=True, callback=read_id("grant", "a grant"), help="What it is to rest on."
)
@click.option("--purpose", type=click.Choice(PURPOSES), default="HPAYMT", show_default=True, help="What for.")
@home_option
@json_option
def ask(
    actor: str, stay: str, record_type: str, record: str | None, grant: str, purpose: str, home: Path, *, as_json: bool
) -> None:
    """Ask for records of STAY; the chain decides, and the customer sees the request either way.

    A permit hands nothing over: the hospital's share does, when it is due.
    """
    from nodes.cli.session import open_operator

    output = Output(as_json=as_json)
    form = {"stay": stay, "record_type": record_type, "record": record, "grant": grant, "purpose": purpose}
    with open_operator(Home(home), actor) as client:
        answer = client.post("/v1/access/asks", form)
    output.say(f"permitted at height {answer['height']} · the hospital's share follows when it is due")
    output.finish(answer)


@access.command()
@actor_option("a regulator")
@click.argument("record", metavar="RECORD", callback=read_id("record", "a record"))
@click.option("--basis", type=click.Choice(BASES), required=True, help="Under which law.")
@private_option("--number", "number", "The order's number and issuing authority, on its paper", required=True)
@home_option
@json_option
def order(actor: str, record: str, basis: str, number: Path | None, home: Path, *, as_json: bool) -> None:
    """Order RECORD under a law: no grant is needed, and the customer sees it at once.

    The number stays with the regulator; the chain has a commitment to it and the law's code.
    """
    from nodes.cli.session import open_operator

    output = Output(as_json=as_json)
    words = read_or_ask(number, "--number", "文号和签发机关 Number and issuing authority", NUMBER_MAX, err=as_json)
    with open_operator(Home(home), actor, role="regulator") as client:
        placed = client.post("/v1/access/orders", {"record": record, "basis": basis, "number": words})
    output.say(f"{placed['order']} · {placed['record']} of {placed['hospital']} · the customer sees it")
    output.hint(f"xinpei access show --as {actor} {placed['order']}")
    output.finish(placed)


@access.command()
@actor_option("a customer, by the name of her wallet")
@click.argument("place", metavar="PLACE")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Where to write the proof.")
@home_option
@json_option
def proof(actor: str, place: str, out: Path, home: Path, *, as_json: bool) -> None:
    """Write the proof of one attempt, refused or allowed; `xinpei verify` checks it offline.

    PLACE is where `xinpei customer activity` says it stands: height and number, such as 12-0.
    """
    from nodes.cli.session import open_customer
    from nodes.roles.customer.looking import read_proof

    output = Output(as_json=as_json)
    look, data = read_proof(open_customer(Home(home), actor), place)
    write_file(out, data)
    output.say(f"{look.status} · {look.by} · proof written: {out}")
    output.hint(f"xinpei verify {out}")
    output.finish({"place": place, "status": look.status, "proof": str(out)})


@access.command("list")
@actor_option("a regulator")
@home_option
@json_option
def list_(actor: str, home: Path, *, as_json: bool) -> None:
    """List the orders of this regulator."""
    from nodes.cli.session import open_operator

    output = Output(as_json=as_json)
    with open_operator(Home(home), actor, role="regulator") as client:
        orders = client.list_rows("/v1/access/orders", "orders")
    for item in orders:
        output.say(f"{item['order']}  {item['status']:<9}  {item['record_type']} {item['record']} · {item['basis']}")
    if not orders:
        output.say("no orders")
    output.finish({"orders": orders})


@access.command()
@actor_option("a regulator")
@click.argument("order_id", metavar="ORDER", callback=read_id("order", "an order"))
@home_option
@json_option
def show(actor: str, order_id: str, home: Path, *, as_json: bool) -> None:
    """Show ORDER with the record that it brought; the reading is a line in this node's log."""
    import json

    from nodes.cli.session import open_operator

    output = Output(as_json=as_json)
    with open_operator(Home(home), actor, role="regulator") as client:
        found = client.get(f"/v1/access/orders/{order_id}")
    output.say(
        f"{found['order']}  {found['status']} · {found['record_type']} of {found['hospital']} · {found['basis']}"
    )
    output.say(f"  number      {found['number'].replace(chr(10), chr(10) + ' ' * 14)}")
    output.say(f"  field set   {found['field_set']}")
    if found["erasure"] is not None:
        until = f" until {found['kept_until']}, for this order alone" if found["kept_until"] else ""
        output.say(f"  erasure     {found['erasure']}{until}")
    if found["document"] is not None:
        output.say(json.dumps(found["document"], ensure_ascii=False, indent=2))
        if found["record_type"] == "document":
            output.hint(f"xinpei record save {found['record']} --as {actor} FILE")
    output.finish(found)
