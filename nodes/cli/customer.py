"""`xinpei customer`: a customer's wallet on this machine."""

from pathlib import Path

import click

from nodes.cli.options import home_option, json_option
from nodes.cli.output import Output
from nodes.config import Home


@click.group()
def customer() -> None:
    """Create customers with a wallet of their own."""


@customer.command()
@click.argument("name")
@home_option
@json_option
def create(name: str, home: Path, *, as_json: bool) -> None:
    """Create a synthetic customer NAME and save her wallet.

    Her identity is made up and nobody's. So that hospitals can recognise her, she is also entered as a patient, under
    NAME, at every hospital of this network; an insurer learns of her when it issues a policy. The wallet is encrypted
    if XINPEI_PASSPHRASE is set; without it the file is readable to you alone, which is enough for development only.
    """
    from nodes.cli.session import create_wallet, identity_fields, open_operator

    output = Output(as_json=as_json)
    place = Home(home)
    wallet = create_wallet(place, name)
    genesis = place.load_genesis()
    hospitals = [member.name for member in genesis.organisations if member.role == "hospital"]
    for hospital in hospitals:
        with open_operator(place, hospital) as client:
            client.post("/v1/patients", {"number": name, "identity": identity_fields(wallet.identity)})
    guard = "encrypted" if wallet.protected else "not encrypted: development only"
    output.say(f"synthetic identity · wallet saved ({guard}) · a patient of {' and '.join(hospitals)}")
    output.hint(f"xinpei policy issue --as insurer-a --insured {name} --product inpatient-100")
    output.finish(
        {
            "customer": name,
            "wallet": str(place.wallet_path(name)),
            "protected": wallet.protected,
            "patient_of": hospitals,
        }
    )
