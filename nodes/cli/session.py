"""Who acts, and the clients of the nodes.

`--as insurer-a` acts with the submission key in force, from that organisation's folder; `--as wang` acts with the
wallet of that name. In a home folder of one machine both are files of one user.
"""

import datetime as dt
import os
import re
from pathlib import Path

import click

from nodes.cli.asking import ask_passphrase
from nodes.cli.output import name_home
from nodes.client import TIMEOUT_SECONDS, Client
from nodes.config import ConfigurationError, Home
from nodes.entropy import SystemEntropy
from nodes.files import FileError, read_private
from nodes.identity import Identity, newborn_identity, synthetic_identity
from nodes.passphrase import PASSPHRASE_FILE_VARIABLE, PASSPHRASE_VARIABLE
from nodes.roles.customer.alerting import find_takeovers
from nodes.roles.customer.customer import Customer, CustomerError
from nodes.roles.office.rotating import Connect, connect_in_force
from nodes.schemas.civil_time import show_minute, today
from nodes.wallet import Wallet, WalletError, is_protected

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
"""Names of wallets: they become file names and patients' numbers."""
PASSPHRASE_VARIABLES = f"{PASSPHRASE_VARIABLE} or {PASSPHRASE_FILE_VARIABLE}"
PASSPHRASE_BYTES_MAX = 4096
"""Of a file that holds one: far above any that a person types or a program draws."""


def open_operator(
    home: Home,
    organisation: str,
    timeout_seconds: float = TIMEOUT_SECONDS,
    *,
    role: str | tuple[str, ...] | None = None,
) -> Client:
    """Return a client of an organisation's own node, acting as that organisation.

    Args:
        home: The network's home folder.
        organisation: Who acts.
        timeout_seconds: How long an answer may take.
        role: What it must be for this, or one of which: only an insurer issues policies.

    Raises:
        ConfigurationError: If the organisation runs no node here, or is something else.
        KeystoreError: If its key cannot be read.
    """
    network = home.load_network()
    if role is not None:
        allowed = (role,) if isinstance(role, str) else role
        fitting = sorted(name for name, known in home.roles().items() if known in allowed)
        if organisation not in fitting:
            wanted = f"{' or '.join(fitting)}, whose role is {' or '.join(allowed)}"
            msg = f"--as: expected {wanted}, got {organisation[:40]!r}"
            raise ConfigurationError(msg)
    network.address(organisation)
    return open_member(home, organisation, timeout_seconds)


def open_member(home: Home, organisation: str, timeout_seconds: float = TIMEOUT_SECONDS) -> Client:
    """Return a client that acts as a member at the node that runs it; as `open_operator`."""
    connect = connector(home, organisation, timeout_seconds)
    folder = home.node_folder(organisation) / "keys"
    return connect_in_force(folder, home.load_network().chain_id, organisation, connect)


def connector(home: Home, organisation: str, timeout_seconds: float = TIMEOUT_SECONDS) -> Connect:
    """Return what connects to the node that runs a member: its own, or the one that hosts it."""
    network = home.load_network()
    node = network.hosted.get(organisation, organisation)
    address, authority = network.address(node), home.authority_path(node)
    return lambda signer: Client(address, authority, signer, SystemEntropy(), timeout_seconds)


def make_identity(name: str, mother: Identity | None = None, born: dt.date | None = None) -> Identity:
    """Make up somebody for development.

    Args:
        name: Hers.
        mother: Of a newborn without a document.
        born: When; today for a newborn, a grown-up's birth date for others if left out.
    """
    if mother is None:
        return synthetic_identity(name, SystemEntropy(), born)
    return newborn_identity(mother, 1, name, born or today())


def create_wallet(home: Home, name: str, identity: Identity) -> Wallet:
    """Make and save a customer's wallet.

    Args:
        home: The network's.
        name: The wallet's.
        identity: Hers.

    Raises:
        CustomerError: If the name is no plain name or taken.
    """
    path = find_free_wallet_path(home, name)
    entropy = SystemEntropy()
    wallet = Wallet.create(identity, entropy)
    wallet.save(path, read_passphrase(), entropy)
    return wallet


def find_free_wallet_path(home: Home, name: str) -> Path:
    """Return where the wallet of a new name will lie; raises `CustomerError` if it is no plain name, or taken."""
    if not NAME.fullmatch(name):
        msg = f"name: expected 1 to 32 lower-case letters, digits and hyphens, got {name[:40]!r}"
        raise CustomerError(msg)
    path = home.wallet_path(name)
    if path.exists():
        msg = f"{path}: this customer exists; choose another name"
        raise CustomerError(msg)
    if name in home.roles():
        msg = f"name: {name} is an organisation of this network, and --as could not tell the two; choose another name"
        raise CustomerError(msg)
    return path


def open_customer(home: Home, name: str) -> Customer:
    """Return the customer whose wallet has this name, having told her if one of her pseudonyms is being taken over.

    Raises:
        CustomerError: If there is no such wallet.
        WalletError: If it does not open.
    """
    customer = Customer(home, home.load_genesis(), open_wallet(home, name), SystemEntropy())
    warn_of_takeovers(customer, name)
    return customer


def warn_of_takeovers(customer: Customer, name: str) -> None:
    """Say on the standard error which keys wait to become a customer's, and how she vetoes.

    Args:
        customer: She, with her wallet open.
        name: Of the wallet.
    """
    found, untold = find_takeovers(customer)
    for item in found:
        click.secho("警告 WARNING: 有人要求接管您的化名 somebody asks to take over your pseudonym", err=True, fg="red")
        click.echo(f"  {item.pseudonym} · {item.hospital} · {item.insurer} · key {item.public_key[:16]}", err=True)
        given = f"{len(item.approvals)}/{item.threshold}"
        click.echo(f"  已同意 approved by {given}: {', '.join(item.approvals)}", err=True)
        if item.due_ms is not None:
            click.echo(f"  最早生效 takes effect from {show_minute(item.due_ms)} on", err=True)
    if found:
        veto = f"xinpei recovery veto --as {name}{name_home()}"
        click.echo(f"  非本人要求请立即否决 if it was not you who asked, veto it: {veto}", err=True)
    for reason in untold:
        click.echo(f"未能查询 whether somebody asks to take it over is not known: {reason}", err=True)


def open_wallet(home: Home, name: str) -> Wallet:
    """Return the wallet of this name, asking for its passphrase if it has one.

    Raises:
        CustomerError: If there is none.
        WalletError: If it does not open.
    """
    return open_wallet_file(find_wallet(home, name))


def find_wallet(home: Home, name: str) -> Path:
    """Return the file of the wallet of this name; raises `CustomerError` if there is none."""
    path = home.wallet_path(name)
    if not path.exists() and name in home.roles():
        msg = f"--as: expected a customer, by the name of her wallet; {name} is an organisation"
        raise CustomerError(msg)
    if not NAME.fullmatch(name) or not path.exists():
        msg = f"{name[:40]}: no wallet of that name in {home.wallets_folder}; make one with `xinpei customer create`"
        raise CustomerError(msg)
    return path


def open_wallet_file(path: Path) -> Wallet:
    """Return the wallet in a file, asking for its passphrase if it has one; raises `WalletError`."""
    return unlock_wallet_file(path)[0]


def unlock_wallet_file(path: Path) -> tuple[Wallet, str | None]:
    """Return the wallet in a file with its passphrase, for whoever will save it again; raises `WalletError`."""
    if not is_protected(path):
        return Wallet.load(path, None), None
    passphrase = read_passphrase()
    if passphrase is None:
        passphrase = ask_passphrase(f"passphrase of {path.stem}", PASSPHRASE_VARIABLES)
    return Wallet.load(path, passphrase), passphrase


def read_passphrase() -> str | None:
    """Return the passphrase from the environment, or from the file that the environment names; None if there is none.

    Never from the command line, where every process could read it.

    Raises:
        WalletError: If the file is missing, open to others, or empty.
    """
    passphrase = os.environ.get(PASSPHRASE_VARIABLE)
    file = os.environ.get(PASSPHRASE_FILE_VARIABLE)
    if passphrase is not None and file is not None:
        msg = f"passphrase: expected {PASSPHRASE_VARIABLE} or {PASSPHRASE_FILE_VARIABLE}, both are set"
        raise WalletError(msg)
    return passphrase if file is None else read_passphrase_file(Path(file))


def read_passphrase_file(path: Path) -> str:
    """Return the first line of a file that nobody else can read; raises `WalletError`."""
    try:
        text = read_private(path, "passphrase", PASSPHRASE_BYTES_MAX).decode("utf-8")
    except (FileError, UnicodeDecodeError) as error:
        msg = str(error) if isinstance(error, FileError) else f"passphrase: expected UTF-8 text in {path}"
        raise WalletError(msg) from None
    return take_first_line(text, str(path))


def take_first_line(text: str, where: str) -> str:
    """Return the passphrase in the first line of a text; raises `WalletError` if it is empty."""
    line = text.split("\n", maxsplit=1)[0].rstrip("\r")
    if not line:
        msg = f"passphrase: expected it in the first line of {where}, found an empty line"
        raise WalletError(msg)
    return line


def identity_fields(identity: Identity) -> dict[str, str]:
    """Return an identity as the API takes it."""
    return {
        "document_type": identity.document_type,
        "document_number": identity.document_number,
        "name": identity.name,
        "birth_date": identity.birth_date,
    }
