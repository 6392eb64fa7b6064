"""`xinpei wallet`: what a customer's wallet holds, its passphrase, its keys, and its backup."""

from pathlib import Path
from typing import Any

import click

from nodes.cli.asking import STANDARD_INPUT, ask_passphrase, private_option, read_private_text
from nodes.cli.options import home_option, json_option
from nodes.cli.output import Output, name_home
from nodes.config import Home

NEW_FILE_OPTION = "--new-passphrase-file"
new_passphrase_option = private_option(
    NEW_FILE_OPTION, "new_passphrase_file", "Its first line is the new passphrase; asked for twice if left out"
)


@click.group()
def wallet() -> None:
    """Look at a customer's wallet, protect it, and back it up."""


@wallet.command()
@click.argument("name")
@home_option
@json_option
def show(name: str, home: Path, *, as_json: bool) -> None:
    """Show the pseudonyms of the wallet NAME: one for each hospital and insurer, or other hospital. No secrets.

    Who they are says the chain; where no node answers, this home's files.
    """
    from nodes.cli.session import open_wallet
    from nodes.entropy import SystemEntropy
    from nodes.roles.customer.organisations import Organisations, OrganisationsError

    output = Output(as_json=as_json)
    place = Home(home)
    found = open_wallet(place, name)
    genesis = place.load_genesis()
    organisations = Organisations(place, genesis, SystemEntropy())
    try:
        hospitals = organisations.list_role("hospital", with_former=True)
        others = [item for role in ("insurer", "regulator") for item in organisations.list_role(role, with_former=True)]
    except OrganisationsError:
        roles = place.roles()
        hospitals = tuple(item for item in roles if roles[item] == "hospital")
        others = [item for role in ("insurer", "regulator") for item in roles if roles[item] == role]
    rows: list[dict[str, Any]] = []
    for hospital in hospitals:
        for insurer in (*others, *(other for other in hospitals if other != hospital)):
            pseudonym = found.pseudonym(genesis.chain_id, hospital, insurer)
            rows.append(
                {
                    "hospital": hospital,
                    "insurer": insurer,
                    "pseudonym": pseudonym.name,
                    "key_version": pseudonym.key_version,
                }
            )
    guard = "encrypted" if found.protected else "not encrypted: development only"
    output.say(f"{place.wallet_path(name)} · {guard}")
    for row in rows:
        output.say(f"{row['hospital']} · {row['insurer']} · {row['pseudonym']} · key version {row['key_version']}")
    if not found.protected:
        output.hint(f"xinpei wallet passphrase {name}")
    output.finish(
        {"wallet": str(place.wallet_path(name)), "protected": found.protected, "pseudonyms": rows},
    )


@wallet.command()
@click.argument("name")
@new_passphrase_option
@home_option
@json_option
def passphrase(name: str, new_passphrase_file: Path | None, home: Path, *, as_json: bool) -> None:
    """Protect the wallet NAME with a passphrase, or change the one it has.

    The present one comes from the prompt, XINPEI_PASSPHRASE, or the file that XINPEI_PASSPHRASE_FILE names. The old
    file stays until the new one is on disk; whoever has a copy of the old file still opens it with the old passphrase.
    """
    from nodes.cli.session import open_wallet
    from nodes.entropy import SystemEntropy

    output = Output(as_json=as_json)
    place = Home(home)
    found = open_wallet(place, name)
    found.save(place.wallet_path(name), _read_new(new_passphrase_file, name), SystemEntropy())
    output.say(
        f"{place.wallet_path(name)} · encrypted; without this passphrase nobody opens it, and nobody can reset it"
    )
    output.finish({"wallet": str(place.wallet_path(name)), "protected": True})


@wallet.command()
@click.argument("name")
@home_option
@json_option
def rotate(name: str, home: Path, *, as_json: bool) -> None:
    """Replace the keys of all pseudonyms of the wallet NAME; they keep their names, grants and claims.

    Whoever has a copy of the old wallet signs nothing for her from then on. It still opens what was sealed to the old
    keys. Interrupted anywhere, the command goes on when it is typed again.
    """
    from nodes.cli.session import find_wallet, unlock_wallet_file, warn_of_takeovers
    from nodes.entropy import SystemEntropy
    from nodes.roles.customer.customer import Customer
    from nodes.roles.customer.renewing import KeyRenewal

    output = Output(as_json=as_json)
    place, entropy = Home(home), SystemEntropy()
    path = find_wallet(place, name)
    found, passphrase = unlock_wallet_file(path)
    customer = Customer(place, place.load_genesis(), found, entropy)
    if not found.is_renewing:  # else a key of hers may be on the chain that the wallet does not hold yet
        warn_of_takeovers(customer, name)
    try:
        done = KeyRenewal(customer, lambda: found.save(path, passphrase, entropy), entropy).run(output.progress)
    finally:
        output.end_progress()
    rows: list[dict[str, Any]] = []
    for item in done:
        own = item.pseudonym
        output.say(f"{own.name} · {own.hospital} and {own.insurer} · key version {own.key_version}")
        row = {"pseudonym": own.name, "hospital": own.hospital, "insurer": own.insurer}
        rows.append({**row, "key_version": own.key_version, "grants": item.grants})
    if not done:
        output.say(f"{name}: no pseudonym is on the chain yet; new ones come from the new seed")
    output.say("a backup from before signs nothing for these any more; make a new one")
    output.hint(f"xinpei wallet export {name} --out {name}.backup")
    output.finish({"wallet": str(path), "pseudonyms": rows})


@wallet.command("export")
@click.argument("name")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The backup, a new file.")
@new_passphrase_option
@home_option
@json_option
def export(name: str, out: Path, new_passphrase_file: Path | None, home: Path, *, as_json: bool) -> None:
    """Back up the wallet NAME to one file, always under a passphrase of the backup's own.

    The wallet's present passphrase comes from the prompt, XINPEI_PASSPHRASE, or the file that XINPEI_PASSPHRASE_FILE
    names. Keep the file off this machine. Whoever has it and its passphrase is the customer; replacing the keys
    (`wallet rotate`) makes it worthless for signing, and then it is time for a new one.
    """
    from nodes.cli.session import open_wallet
    from nodes.entropy import SystemEntropy
    from nodes.wallet_backup import check_new_backup, write_backup

    output = Output(as_json=as_json)
    place = Home(home)
    chain_id = place.load_network().chain_id
    check_new_backup(out)
    found = open_wallet(place, name)
    write_backup(out, found, chain_id, _read_new(new_passphrase_file, f"the backup of {name}"), SystemEntropy())
    output.say(f"{out} · encrypted, and opened once to see that it does; without its passphrase nobody can")
    output.say(f"  restore it, where no wallet is called {name}: xinpei wallet import {name} {out}{name_home()}")
    output.finish({"wallet": str(place.wallet_path(name)), "backup": str(out), "chain": chain_id})


@wallet.command("import")
@click.argument("name")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@home_option
@json_option
def import_(name: str, file: Path, home: Path, *, as_json: bool) -> None:
    """Restore the wallet in the backup FILE under the name NAME, which no wallet here has yet.

    The backup's passphrase comes from the prompt, XINPEI_PASSPHRASE, or the file that XINPEI_PASSPHRASE_FILE names. It
    is the restored wallet's passphrase from then on; `wallet passphrase` changes it.
    """
    from nodes.cli.session import PASSPHRASE_VARIABLES, find_free_wallet_path, read_passphrase
    from nodes.entropy import SystemEntropy
    from nodes.wallet_backup import open_backup, read_backup

    output = Output(as_json=as_json)
    place = Home(home)
    path = find_free_wallet_path(place, name)
    chain_id = place.load_network().chain_id
    box = read_backup(file, chain_id)
    passphrase = read_passphrase()
    if passphrase is None:
        passphrase = ask_passphrase(f"passphrase of {file.name}", PASSPHRASE_VARIABLES)
    open_backup(file, box, chain_id, passphrase).save(path, passphrase, SystemEntropy())
    output.say(f"{path} · restored, encrypted with the passphrase of the backup")
    output.hint(f"xinpei wallet show {name}")
    output.finish({"wallet": str(path), "protected": True})


def _read_new(file: Path | None, whose: str) -> str:
    """Return a new passphrase: the first line of a private file or the standard input, or typed twice."""
    from nodes.cli.session import PASSPHRASE_BYTES_MAX, read_passphrase_file, take_first_line

    if file == STANDARD_INPUT:
        return take_first_line(read_private_text(file, NEW_FILE_OPTION, PASSPHRASE_BYTES_MAX), "the standard input")
    if file is not None:
        return read_passphrase_file(file)
    return ask_passphrase(f"new passphrase of {whose}", NEW_FILE_OPTION, is_new=True)
