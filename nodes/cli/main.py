"""The command group: commands are imported when they are used, so that `xinpei --help` answers at once."""

import importlib
import json
import sys
from typing import NoReturn

import click

from ledger.errors import LedgerError

WRONG_USE = click.UsageError.exit_code
COMMANDS: dict[str, tuple[str, str]] = {
    "up": ("operators.network:up", "Start a network of four organisations on this machine."),
    "customer": ("customers.customer:customer", "Create customers with a wallet of their own."),
    "wallet": ("customers.wallet:wallet", "Look at a customer's wallet, and protect it."),
    "recovery": ("customers.recovery:recovery", "Name keepers, and get lost pseudonyms back through them."),
    "policy": ("desks.policy:policy", "Issue and list policies, as an insurer."),
    "consent": ("customers.consent:consent", "Grant and revoke consent, and look at what was granted."),
    "stay": ("desks.stay:stay", "Admit, bill, discharge and correct stays, as a hospital."),
    "claim": ("claims.claim:claim", "Look at claims, estimate one, and take home the proof of one."),
    "report": ("desks.report:report", "Publish an insurer's yearly report, and draw samples of its claims."),
    "access": ("desks.access:access", "Ask for a record under a grant, in an emergency, or under a law."),
    "record": ("customers.record:record", "See who has your records, have them erased, read what you were handed."),
    "verify": ("claims.verification:verify", "Verify a dossier, report or sample offline, from the genesis alone."),
    "chain": ("operators.chain:chain", "Check a node's chain by executing it again, or compare two."),
    "key": ("operators.key:key", "Look at an organisation's keys, and replace them."),
    "govern": ("operators.govern:govern", "Change the members, the validators and the contracts, by votes."),
    "contract": ("operators.contract:contract", "Add changed contracts to this home folder, and list them."),
    "simulate": ("simulate:simulate", "Break a simulated network on purpose, or plan one."),
    "demo": ("demo:demo", "Watch a consented stay settle, and verify the proof offline."),
    "status": ("operators.network:status", "Say where every node stands and what the chain waits for."),
    "metrics": ("operators.network:metrics", "Print a node's metrics for Prometheus."),
    "down": ("operators.network:down", "Stop the network; nothing is lost."),
}
"""Name -> where the command is below `nodes.cli`, and the line `--help` shows without importing it."""


class LazyGroup(click.Group):
    """A group that knows its commands' names and imports one only to run it."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names in the order of the table: the order of a first session."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import and return a command."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module, name = entry[0].split(":")
        command: click.Command = getattr(importlib.import_module(f"nodes.cli.{module}"), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        """List the commands from the table."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry[1]) for name, entry in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="xinpei", message="%(prog)s %(version)s")
def xinpei() -> None:
    """Xinpei 信赔: a ledger on which a claim settles by itself, and only under the customer's consent."""


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line; every expected error is one sentence and exit code 1, and so is Ctrl-C at any moment."""
    try:
        code = _run(arguments)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Stopped.", err=True)
        code = 1
    sys.exit(code)


def _run(arguments: list[str] | None) -> int:
    from nodes.storage.errors import StorageError

    given = sys.argv[1:] if arguments is None else arguments
    try:
        code = xinpei.main(args=arguments, prog_name="xinpei", standalone_mode=False)
    except click.ClickException as error:
        _tell_programs("WRONG_USE" if error.exit_code == WRONG_USE else "ERROR", error.format_message(), given)
        error.show()
        return error.exit_code
    except (LedgerError, StorageError, OSError) as error:
        _tell_programs(getattr(error, "code", "ERROR"), getattr(error, "message", str(error)), given)
        click.echo(f"Error: {error}", err=True)
        return 1
    return code if isinstance(code, int) else 0  # a command that ended early gives its code, the others nothing


def _tell_programs(code: str, message: str, given: list[str]) -> None:
    """Say what was refused as one JSON object on the standard output, if a program is to read it."""
    if "--json" in given:
        click.echo(json.dumps({"error": {"code": code, "message": message}}, ensure_ascii=False))
