"""`xinpei verify`: what anyone can check, without trusting a node."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from nodes.cli.options import home_option, json_option
from nodes.cli.output import Output
from nodes.config import ConfigurationError, Home, load_genesis

if TYPE_CHECKING:
    from nodes.audit.person import RevealedPerson
    from nodes.audit.reveal import Revealed
    from nodes.audit.trust import Checkpoint, Trust
    from nodes.audit.verify import VerifiedClaim
    from nodes.vault.sealing import SealKeys
    from nodes.wallet import Wallet

_HASH = re.compile(r"[0-9a-fA-F]{64}")
_CHECKPOINT = re.compile(rb'"format"\s*:\s*"xinpei-checkpoint/')
_OTHER_FILE = re.compile(rb'"format"\s*:\s*"xinpei-(report|sample|access)/')
_OTHER_FILES = {
    "report": "a yearly report",
    "sample": "a sample of claims",
    "access": "the proof of an attempt to see records",
}


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--genesis",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="What you trust: the network's genesis. The home folder's, if neither this nor a checkpoint is given.",
)
@click.option(
    "--checkpoint",
    metavar="FILE|HASH",
    help="What you trust: a checkpoint's file (xinpei chain checkpoint), or the hash of a header that is in FILE. "
    "With a genesis, both must hold.",
)
@click.option(
    "--reveal",
    metavar="WALLET",
    help="Opens amounts and who the customer is: her wallet, by name or file; or the organisation that they were "
    "sealed to.",
)
@click.option(
    "--whole", is_flag=True, help="With --reveal: show her whole identity, not the end of her document alone."
)
@click.option(
    "--openings",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="What the wallet opens; the dossier's name ending in .openings.json if left out.",
)
@click.option("--language", type=click.Choice(["en", "zh"]), default="en", show_default=True, help="Of the summary.")
@home_option
@json_option
def verify(
    file: Path,
    reveal: str | None,
    openings: Path | None,
    language: Any,
    home: Path,
    *,
    whole: bool,
    as_json: bool,
    **trusted: Any,
) -> None:
    """Verify FILE offline, from a genesis or a checkpoint alone: exit 0 if it holds, 1 if it does not and why.

    FILE is a claim's dossier, a yearly report, a sample, or the proof of an attempt to see records; its format says
    which.

    Exit 2 says that nothing was found out: genesis or checkpoint is none, the wallet is not there or another's, or the
    code that decided the claim is not at hand.
    """
    from ledger.errors import LedgerError
    from nodes.audit.adjudicators import MissingAdjudicatorError
    from nodes.audit.reveal import ReaderError
    from nodes.keystore import KeystoreError
    from nodes.roles.customer.customer import CustomerError
    from nodes.wallet import WalletError

    output = Output(as_json=as_json)
    if whole and reveal is None:
        msg = "--whole: expected --reveal with it, which says who opens the identity"
        raise click.UsageError(msg)
    try:
        data, trust = file.read_bytes(), read_trust(Home(home), **trusted)
        if _CHECKPOINT.search(data[:200]):
            msg = f"{file}: a checkpoint proves nothing, it is what one trusts: give it with --checkpoint"
            raise click.UsageError(msg)
        found = _OTHER_FILE.search(data[:200])
        if found is not None:
            if reveal is not None:
                msg = f"--reveal: expected a claim's dossier, got {_OTHER_FILES[found[1].decode()]}"
                raise click.UsageError(msg)
            verdict = _judge_other_file(found[1].decode(), data, trust, language)
        else:
            opening = None
            if reveal is not None:
                opening = _Opening(Home(home), reveal, openings or file.with_suffix(".openings.json"), whole=whole)
            verdict = _judge_dossier(data, trust, opening, language)
    except (
        ConfigurationError,
        CustomerError,
        KeystoreError,
        MissingAdjudicatorError,
        ReaderError,
        WalletError,
        OSError,
    ) as error:
        raise click.UsageError(str(error)) from None
    except LedgerError as error:
        output.finish({"holds": False, "why": str(error)})
        if not as_json:
            click.echo(f"DOES NOT HOLD: {error}", err=True)
        raise click.exceptions.Exit(1) from None
    output.say(f"HOLDS offline · {verdict.amount}")
    for line in verdict.lines:
        output.say(line)
    output.finish({"holds": True, **verdict.proven})


class _Verdict(NamedTuple):
    """What a file that holds proved."""

    amount: str
    """What of amounts was opened, for the first line."""
    lines: list[str]
    proven: dict[str, Any]


class _Opening(NamedTuple):
    """With what a claim is to be opened."""

    home: Home
    reader: str
    """A wallet's name or file, or an organisation whose keys are here."""
    path: Path
    """The openings file."""
    whole: bool


def _judge_dossier(data: bytes, trust: "Trust", opening: _Opening | None, language: Any) -> _Verdict:
    from nodes.audit.narration import render_summary
    from nodes.audit.person import describe_person
    from nodes.audit.summary import find_erased_openings, summarise
    from nodes.audit.verify import verify_dossier
    from nodes.schemas.trace import render_formula

    verified = verify_dossier(data, trust)
    revealed, person = (None, None) if opening is None else _open(verified, opening)
    amount = "amount hidden (--reveal)" if find_erased_openings(verified) is None else "amount erased"
    if not verified.evidence.settlements:
        amount = "nothing is settled"
    if revealed is not None and revealed.settlements:
        last = revealed.settlements[-1]
        amount = f"{render_formula(last.decision, language)}, adjudicated again: the same 分"
    people = describe_person(person, whole=opening is not None and opening.whole)
    lines = render_summary(verified, revealed, language, people)
    return _Verdict(amount, lines, summarise(verified, revealed) | {"person": people})


def _open(verified: "VerifiedClaim", opening: _Opening) -> "tuple[Revealed | None, RevealedPerson | None]":
    """Return a claim's amounts and its person, as far as the reader can open them; raises as `verify_reveal`."""
    from nodes.audit.adjudicators import Adjudicators
    from nodes.audit.person import reveal_own_person, reveal_person
    from nodes.audit.reveal import verify_reveal
    from nodes.audit.summary import find_erased_openings
    from nodes.cli.session import NAME
    from nodes.contract_sources import ContractArchive
    from nodes.keystore import load_keystore

    keys = opening.home.node_folder(opening.reader) / "keys"
    auditor = opening.reader if NAME.fullmatch(opening.reader) and keys.is_dir() else None
    person: RevealedPerson | None = None
    seal_key: SealKeys
    if auditor is None:
        wallet, seal_key = open_own_wallet(opening.home, opening.reader, verified)
        person = reveal_own_person(verified, wallet)
    else:
        seal_key = load_keystore(keys).seal
    if not verified.evidence.settlements or not (opening.path.exists() or find_erased_openings(verified) is None):
        return None, person
    if not opening.path.exists():
        msg = f"--openings: expected the file that came with the dossier, there is no {opening.path}"
        raise click.UsageError(msg)
    data = opening.path.read_bytes()
    adjudicators = Adjudicators(ContractArchive(opening.home.contracts_folder))
    revealed = verify_reveal(verified, data, seal_key, auditor, adjudicators)
    return revealed, person if auditor is None else reveal_person(verified, data, seal_key, auditor)


def _judge_other_file(kind: str, data: bytes, trust: "Trust", language: Any) -> _Verdict:
    from nodes.audit.access_proof import render_access, summarise_access, verify_access
    from nodes.audit.sample import verify_sample
    from nodes.audit.year_summary import render_report, render_sample, summarise_report, summarise_sample
    from nodes.audit.yearly_report import verify_report

    if kind == "access":
        access = verify_access(data, trust)
        return _Verdict("an attempt to see records", render_access(access, language), summarise_access(access))
    if kind == "sample":
        sample = verify_sample(data, trust)
        return _Verdict("a sample of claims, no amounts", render_sample(sample, language), summarise_sample(sample))
    report = verify_report(data, trust)
    return _Verdict("totals alone, no claim opened", render_report(report, language), summarise_report(report))


def open_own_wallet(home: Home, wallet: str, verified: "VerifiedClaim") -> "tuple[Wallet, SealKeys]":
    """Return the customer's wallet, and the seal key of hers that a verified claim's openings are sealed to.

    Args:
        home: Where wallets are found by name.
        wallet: A name, or the path of a wallet file.
        verified: Says which pseudonym it is about.

    Raises:
        CustomerError: If there is no such wallet, or it is another customer's.
        WalletError: If it does not open.
    """
    from nodes.cli.session import open_wallet, open_wallet_file
    from nodes.roles.customer.customer import CustomerError

    path = Path(wallet)
    found = open_wallet_file(path) if path.suffix == ".wallet" else open_wallet(home, wallet)
    claim = verified.evidence.claim
    pseudonym = found.pseudonym(verified.chain_id, claim.hospital, claim.insurer)
    if pseudonym.name != claim.customer:
        msg = f"wallet: expected the one of {claim.customer}, got one whose pseudonym there is {pseudonym.name}"
        raise CustomerError(msg)
    return found, pseudonym.seal_key


def read_trust(home: Home, genesis: Path | None, checkpoint: str | None) -> "Trust":
    """Return what the options say is trusted: the home folder's genesis if they say nothing.

    Raises:
        ConfigurationError: If the genesis is none.
        click.UsageError: If the checkpoint is none.
    """
    from nodes.audit.trust import Trust

    if genesis is None and checkpoint is None:
        return Trust(home.load_genesis())
    return Trust(
        None if genesis is None else load_genesis(genesis),
        None if checkpoint is None else _read_checkpoint(checkpoint),
    )


def _read_checkpoint(text: str) -> "Checkpoint | bytes":
    from ledger.errors import VerificationError
    from nodes.audit.trust import read_checkpoint

    if _HASH.fullmatch(text):
        return bytes.fromhex(text)
    path = Path(text)
    if not text or not path.is_file():
        msg = f"--checkpoint: expected a file or 64 hex digits, got {text[:80]!r}"
        raise click.UsageError(msg)
    try:
        return read_checkpoint(path.read_bytes())
    except VerificationError as error:
        msg = f"{path}: {error}"
        raise click.UsageError(msg) from None
