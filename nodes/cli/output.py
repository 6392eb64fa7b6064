"""What a command prints: sentences for people, or one JSON object for programs.

With `--json` nothing but that object goes to the standard output; progress goes to the standard error, and only when
a person is watching it.
"""

import json
import shlex
import sys
from collections.abc import Mapping

import click

from nodes.config import HOME_DEFAULT


class Output:
    """One command's output."""

    def __init__(self, *, as_json: bool) -> None:
        """Print for programs or for people."""
        self.as_json = as_json

    def say(self, text: str) -> None:
        """Print a line for people."""
        if not self.as_json:
            click.echo(text)

    def hint(self, text: str) -> None:
        """Print what would be useful next."""
        if not self.as_json:
            click.echo(click.style(f"  next: {text}{name_home()}", dim=True))

    def progress(self, text: str) -> None:
        """Show a passing line while something takes longer than a second; for a watching person only."""
        if sys.stderr.isatty():
            click.echo(f"\r\x1b[2K{text}", nl=False, err=True)

    def end_progress(self) -> None:
        """Remove the passing line."""
        if sys.stderr.isatty():
            click.echo("\r\x1b[2K", nl=False, err=True)

    def finish(self, data: Mapping[str, object]) -> None:
        """Print the one JSON object, if programs are to read."""
        if self.as_json:
            click.echo(json.dumps(data, ensure_ascii=False))


def name_home() -> str:
    """Return ` --home FOLDER` if this command was given another one than the default, as the next one needs it too."""
    context = click.get_current_context(silent=True)
    home = None if context is None else context.params.get("home")
    return "" if home is None or home == HOME_DEFAULT else f" --home {shlex.quote(str(home))}"
