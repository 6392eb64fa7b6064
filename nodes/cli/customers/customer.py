"""`xinpei customer`: a customer's wallet on this machine."""

from pathlib import Path
from typing import Any

import click

from nodes.cli.asking import private_option
from nodes.cli.customers.activity import activity
from nodes.cli.options import actor_option, home_option, json_option
from nodes.cli.output import Output
from nodes.config import Home


@click.group()
def customer() -> None:
    """Create customers with a wallet of their own, and show them who looked at their records."""


customer.add_command(activity)


@customer.command()
@click.argument("name")
@click.option("--newborn-of", "mother", metavar="NAME", help="A child without a document, linked through her mother.")
@private_option(
    "--identity",
    "identity",
    "Who she is: a JSON object with document_type, document_number, name and birth_date; or birth_date alone, and the "
    "rest is made up. All of it is made up if left out: a newborn of today, or a grown-up",
)
@click.option(
    "--bundle",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Who she is: the Patient of a FHIR R4 Bundle, whose stays a hospital can then import.",
)
@click.option("--guardian", "guardians", multiple=True, metavar="NAME", help="Who acts for her; again for more.")
@home_option
@json_option
def create(
    name: str,
    mother: str | None,
    identity: Path | None,
    bundle: Path | None,
    guardians: tuple[str, ...],
    home: Path,
    *,
    as_json: bool,
) -> None:
    """Create a synthetic customer NAME and save her wallet.

    Her identity is made up and nobody's, that of a private file, or that of a synthetic bundle's patient. So that
    hospitals can recognise her, she is also entered as a patient, under NAME, at every hospital of this network, with
    her guardians; an insurer learns of her when it issues a policy. The wallet is encrypted if XINPEI_PASSPHRASE is
    set; without it the file is readable to you alone, which is enough for development only. A child's wallet is her
    guardian's to keep.
    """
    from nodes.cli.identifying import read_synthetic
    from nodes.cli.session import create_wallet, find_wallet, identity_fields, make_identity, open_operator, open_wallet
    from nodes.entropy import SystemEntropy
    from nodes.fhir import read_bundle
    from nodes.identity import Identity
    from nodes.roles.customer.organisations import Organisations
    from nodes.roles.hospital.importing import identify

    output = Output(as_json=as_json)
    place = Home(home)
    if bundle is not None and (mother is not None or identity is not None):
        msg = "--bundle: says who she is; leave out --newborn-of and --identity"
        raise click.UsageError(msg)
    for guardian in guardians:
        find_wallet(place, guardian)
    given = None if identity is None else read_synthetic(identity)
    if mother is not None and isinstance(given, Identity):
        msg = "--identity: expected birth_date alone, of a child that --newborn-of links through her mother"
        raise click.UsageError(msg)
    parent = None if mother is None else open_wallet(place, mother).identity
    known = given if isinstance(given, Identity) else None
    if bundle is not None:
        known = identify(read_bundle(bundle).patient)
    born = None if isinstance(given, Identity) else given
    wallet = create_wallet(place, name, known or make_identity(name, parent, born))
    organisations = Organisations(place, place.load_genesis(), SystemEntropy())
    hospitals = [name for name in organisations.list_role("hospital") if organisations.is_reachable(name)]
    for hospital in hospitals:
        with open_operator(place, hospital) as client:
            client.post("/v1/patients", {"number": name, "identity": identity_fields(wallet.identity)})
            if guardians:
                client.post(f"/v1/people/{name}/relations", {"acts_through": list(guardians)})
    guard = "encrypted" if wallet.protected else "not encrypted: development only"
    source = "the bundle's patient" if bundle is not None else "the file's identity" if known else "synthetic identity"
    output.say(f"{source} · wallet saved ({guard}) · a patient of {' and '.join(hospitals)}")
    output.hint(f"xinpei policy issue --as insurer-a --insured {name} --product inpatient-100")
    output.finish(
        {
            "customer": name,
            "wallet": str(place.wallet_path(name)),
            "protected": wallet.protected,
            "patient_of": hospitals,
            "acts_through": sorted({*guardians, *([] if mother is None else [mother])}),
        }
    )


@customer.command()
@actor_option("a hospital or insurer")
@click.argument("name")
@click.option("--guardian", "guardians", multiple=True, metavar="NAME", help="Who acts for her; again for more.")
@click.option("--heir", "heirs", multiple=True, metavar="NAME", help="Who acts for her after her death; also again.")
@click.option("--ward", is_flag=True, help="She is grown up and under guardianship.")
@click.option("--deceased", is_flag=True, help="She has died: her grants end, her heirs may act.")
@home_option
@json_option
def relate(
    actor: str,
    name: str,
    guardians: tuple[str, ...],
    heirs: tuple[str, ...],
    home: Path,
    *,
    ward: bool,
    deceased: bool,
    as_json: bool,
) -> None:
    """Enter at an organisation's desk who acts for NAME, or that she has died, once the documents were seen.

    Replaces what was entered about her before. The organisation judges again at once the grants of hers that it once
    matched; what never matched is granted again. An insurer enters those who act for her too, by their wallets on
    this machine: it knows nobody to whom it issued no policy.
    """
    from nodes.cli.session import identity_fields, open_operator, open_wallet

    output = Output(as_json=as_json)
    place, others = Home(home), [*guardians, *heirs]
    form: dict[str, Any] = {"acts_through": others, "is_ward": ward, "is_deceased": deceased}
    if place.roles().get(actor) == "insurer":
        known = [other for other in others if place.wallet_path(other).exists()]
        form["identities"] = {other: identity_fields(open_wallet(place, other).identity) for other in known}
    with open_operator(place, actor) as client:
        found = client.post(f"/v1/people/{name}/relations", form)
    acting = ", ".join(found["acts_through"]) or "nobody"
    state = "has died" if found["is_deceased"] else "is a ward" if found["is_ward"] else "acts by her age"
    output.say(f"{name} {state} · {acting} may act for her")
    output.finish(found)
