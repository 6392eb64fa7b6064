"""docs/reference/cli.md from the click commands, group by group."""

import inspect
from collections.abc import Iterator

import click

from nodes.cli.main import xinpei
from scripts.reference.source import cell, code, page, render_docstring, table

INTRODUCTION = """
Every command prints sentences for people, or with `--json` one JSON object for programs. A passphrase, a
yes, and what is nobody else's business are asked for at the terminal; where there is none, an option says them instead,
and the error names it. `-h` and `--help` work everywhere.

Exit codes: 0 done, or it holds; 1 refused, or it does not hold; 2 wrong use.
"""


def render() -> str:
    """Return the page."""
    return page("Command line", INTRODUCTION, *_render_all())


def walk(group: click.Group, context: click.Context) -> Iterator[tuple[click.Context, click.Command]]:
    """Yield every command below a group with its context, groups before what is in them."""
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None, f"{context.command_path} lists {name} but does not have it"
        below = click.Context(command, parent=context, info_name=name)
        yield below, command
        if isinstance(command, click.Group):
            yield from walk(command, below)


def root_context() -> click.Context:
    """Return the context of the `xinpei` group."""
    return click.Context(xinpei, info_name="xinpei")


def _render_all() -> Iterator[str]:
    for context, command in walk(xinpei, root_context()):
        if isinstance(command, click.Group):
            yield f"## {context.command_path}\n\n{_help(command)}"
        else:
            level = "###" if context.parent is not None and context.parent.parent is not None else "##"
            yield _render_command(context, command, level)


def _render_command(context: click.Context, command: click.Command, level: str) -> str:
    pieces = " ".join(command.collect_usage_pieces(context))
    rows: list[tuple[str, ...]] = []
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and "--help" not in parameter.opts:
            rows.append((code(record[0]), cell(record[1])))
    options = table("option", "meaning", rows=rows)
    usage = f"```text\n{context.command_path} {pieces}\n```"
    return "\n\n".join(filter(None, [f"{level} {context.command_path}", _help(command), usage, options]))


def _help(command: click.Command) -> str:
    return render_docstring(inspect.cleandoc(command.help or "").replace("\b\n", ""))
