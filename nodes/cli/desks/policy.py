"""`xinpei policy`: an insurer's desk."""

from pathlib import Path

import click

from nodes.cli.asking import private_option, read_words
from nodes.cli.options import actor_option, home_option, json_option
from nodes.cli.output import Output
from nodes.config import Home

INSURER = "the insurer"
SYNTHETIC_ACCOUNT = "synthetic account"
"""Where a made-up customer's policy pays to: nobody's."""
ACCOUNT_MAX = 64
"""Characters of an account."""


@click.group()
def policy() -> None:
    """Issue and list policies, as an insurer."""


@policy.command()
@actor_option(INSURER)
@click.option("--insured", required=True, metavar="NAME", help="The customer, by the name of her wallet.")
@click.option(
    "--product", required=True, metavar="PRODUCT", help="A shipped or registered product, such as inpatient-100."
)
@click.option("--from", "from_day", metavar="DATE", help="First day in force; half a year ago if left out.")
@click.option("--until", "until_day", metavar="DATE", help="Last day in force; a year in all if left out.")
@private_option("--account", "account", "Says where the policy pays to; a synthetic account if left out")
@home_option
@json_option
def issue(
    actor: str,
    insured: str,
    product: str,
    from_day: str | None,
    until_day: str | None,
    account: Path | None,
    home: Path,
    *,
    as_json: bool,
) -> None:
    """Issue a policy to a customer of this machine; her identity goes into the insurer's own sealed book."""
    from nodes.cli.session import identity_fields, open_operator, open_wallet

    output = Output(as_json=as_json)
    place = Home(home)
    payee = SYNTHETIC_ACCOUNT if account is None else read_words(account, "--account", ACCOUNT_MAX)
    wallet = open_wallet(place, insured)
    form = {
        "insured": insured,
        "identity": identity_fields(wallet.identity),
        "product": product,
        "from_day": from_day,
        "until_day": until_day,
        "payee_name": wallet.identity.name,
        "payee_account": payee,
    }
    with open_operator(place, actor, role="insurer") as client:
        found = client.post("/v1/policies", {key: value for key, value in form.items() if value is not None})
    output.say(f"{found['policy']} · {found['product']} · in force {found['from_day']} to {found['until_day']}")
    output.hint(f"xinpei consent grant --as {insured} --from hospital-a --to {actor}")
    output.finish(found)


@policy.command("list")
@actor_option(INSURER)
@home_option
@json_option
def list_(actor: str, home: Path, *, as_json: bool) -> None:
    """List the insurer's policies."""
    from nodes.cli.session import open_operator

    output = Output(as_json=as_json)
    with open_operator(Home(home), actor, role="insurer") as client:
        found = client.get("/v1/policies")
    for item in found:
        output.say(f"{item['policy']}  {item['insured']}  {item['product']}  {item['from_day']} to {item['until_day']}")
    if not found:
        output.say("no policies")
    output.finish({"policies": found})
