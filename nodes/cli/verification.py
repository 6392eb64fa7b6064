"""`xinpei verify`: what anyone can check, without trusting a node."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nodes.cli.options import home_option, json_option
from nodes.cli.output import Output
from nodes.config import HOME_DEFAULT, ConfigurationError, Home, load_genesis

if TYPE_CHECKING:
    from nodes.audit.verify import VerifiedClaim
    from nodes.vault.sealing import SealKeyPair


@click.command()
@click.argument("dossier", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--genesis",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    default=HOME_DEFAULT / "genesis.json",
    show_default=True,
    help="What you trust: the network's genesis.",
)
@click.option("--checkpoint", metavar="HASH", help="A header hash from somebody you trust; then old keys matter less.")
@click.option("--reveal", metavar="WALLET", help="The customer's wallet: its name or its file. Opens the amounts.")
@click.option(
    "--openings",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="What the wallet opens; the dossier's name ending in .openings.json if left out.",
)
@click.option("--language", type=click.Choice(["en", "zh"]), default="en", show_default=True, help="Of the summary.")
@home_option
@json_option
def verify(
    dossier: Path,
    genesis: Path,
    checkpoint: str | None,
    reveal: str | None,
    openings: Path | None,
    language: Any,
    home: Path,
    *,
    as_json: bool,
) -> None:
    """Verify DOSSIER offline, from the genesis alone: exit 0 if it holds, 1 if it does not and why.

    Exit 2 says that nothing was found out: the genesis is none, or the wallet is not there or another customer's.
    """
    from ledger.errors import LedgerError
    from nodes.audit.reveal import verify_reveal
    from nodes.audit.summary import render_summary, summarise
    from nodes.audit.verify import check_contracts, verify_dossier
    from nodes.contract_sources import load_installed_contracts
    from nodes.roles.customer import CustomerError
    from nodes.schemas.trace import render_formula
    from nodes.wallet import WalletError

    output = Output(as_json=as_json)
    revealed = None
    try:
        verified = verify_dossier(dossier.read_bytes(), load_genesis(genesis), read_checkpoint(checkpoint))
        if reveal is not None:
            check_contracts(verified.genesis, load_installed_contracts())
            path = openings or dossier.with_suffix(".openings.json")
            seal_key = open_seal_key(Home(home), reveal, verified)
            revealed = verify_reveal(verified, path.read_bytes(), seal_key)
    except (ConfigurationError, CustomerError, WalletError, OSError) as error:
        raise click.UsageError(str(error)) from None
    except LedgerError as error:
        output.finish({"holds": False, "why": str(error)})
        if not as_json:
            click.echo(f"DOES NOT HOLD: {error}", err=True)
        raise click.exceptions.Exit(1) from None
    amount = "amount hidden (--reveal)"
    if revealed is not None and revealed.settlements:
        last = revealed.settlements[-1]
        amount = f"{render_formula(last.decision, language)}, adjudicated again: the same 分"
    output.say(f"HOLDS offline · {amount}")
    for line in render_summary(verified, revealed, language):
        output.say(line)
    output.finish({"holds": True, **summarise(verified, revealed)})


def open_seal_key(home: Home, wallet: str, verified: "VerifiedClaim") -> "SealKeyPair":
    """Return the seal key that a verified claim's openings are sealed to, from the customer's wallet.

    Args:
        home: Where wallets are found by name.
        wallet: A name, or the path of a wallet file.
        verified: Says which pseudonym it is about.

    Raises:
        CustomerError: If there is no such wallet, or it is another customer's.
        WalletError: If it does not open.
    """
    from nodes.cli.session import open_wallet, open_wallet_file
    from nodes.roles.customer import CustomerError

    path = Path(wallet)
    found = open_wallet_file(path) if path.suffix == ".wallet" else open_wallet(home, wallet)
    claim = verified.evidence.claim
    pseudonym = found.pseudonym(verified.genesis.chain_id, claim.hospital, claim.insurer)
    if pseudonym.name != claim.customer:
        msg = f"wallet: expected the one of {claim.customer}, got one whose pseudonym there is {pseudonym.name}"
        raise CustomerError(msg)
    return pseudonym.seal_key


def read_checkpoint(text: str | None) -> bytes | None:
    """Return the header hash that was given; raises a usage error if it is none."""
    if text is None:
        return None
    try:
        value = bytes.fromhex(text)
    except ValueError:
        value = b""
    if len(value) != 32:
        msg = f"--checkpoint: expected 64 hex digits, got {text[:80]!r}"
        raise click.UsageError(msg)
    return value
