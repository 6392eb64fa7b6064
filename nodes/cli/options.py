"""What every command takes."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from nodes.config import HOME_DEFAULT

F = TypeVar("F", bound=Callable[..., Any])
CUSTOMER = "a customer, by the name of her wallet"
"""Whom `--as` expects where customers act."""

home_option = click.option(
    "--home",
    type=click.Path(path_type=Path, file_okay=False),
    default=HOME_DEFAULT,
    show_default=True,
    help="The network's home folder.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for programs.")


def actor_option(who: str, default: str | None = None) -> Callable[[F], F]:
    """Return the option `--as ACTOR`.

    Args:
        who: Whom it expects, for the help text: `the insurer`.
        default: Who acts if it is not given; None makes it required.
    """
    words = f"Who acts: {who}."
    if default is None:  # named only if there is one: click takes `default=None` for a default, and asks for nothing
        return click.option("--as", "actor", metavar="ACTOR", required=True, help=words)
    return click.option("--as", "actor", metavar="ACTOR", default=default, show_default=True, help=words)


def read_id(prefix: str, what: str) -> Callable[[click.Context, click.Parameter, str | None], str | None]:
    """Return what reads an id of the chain, `record-0123456789ab`, for a parameter's `callback`.

    Args:
        prefix: What stands before its digits: `record`.
        what: What it names, for the error: `a record`.
    """

    def read(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(prefix + r"-[0-9a-f]{12,32}", value):
            msg = f"expected the id of {what}, such as {prefix}-0123456789ab, got {value[:64]!r}"
            raise click.BadParameter(msg)
        return value

    return read


def _read_stay_number(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    if not re.fullmatch(r"S-[0-9]{1,9}", value):
        msg = f"expected the number of a stay in this hospital, such as S-01, got {value[:64]!r}"
        raise click.BadParameter(msg)
    return value


stay_argument = click.argument("number", metavar="STAY", callback=_read_stay_number)
"""A stay by its number in its hospital; it becomes a part of a path at the node, so nothing else is let through."""
