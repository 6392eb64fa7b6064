"""Every `xinpei` command that the documentation shows is one that the command line takes."""

import shlex
from pathlib import Path

import click
import pytest

from nodes.cli.main import xinpei
from tests.docs.markdown import PAGES, commands, name


def parse(command: str, *, whole: bool) -> None:
    """Parse a command as click would, without running or converting anything.

    Args:
        command: It begins with `xinpei`.
        whole: Whether everything that is required must be there; else it only names commands and options.

    Raises:
        click.UsageError: If click would refuse it.
    """
    words = shlex.split(command, comments=True)[1:]
    group: click.Command = xinpei
    context = click.Context(xinpei, info_name="xinpei")
    while isinstance(group, click.Group):
        if not words or words[0].startswith("-"):
            break
        below = group.get_command(context, words[0])
        if below is None:
            msg = f"{context.command_path} has no command {words[0]}"
            raise click.UsageError(msg)
        context = click.Context(below, parent=context, info_name=words.pop(0))
        group = below
    values, rest, _ = group.make_parser(context).parse_args(list(words))
    if whole:
        assert not isinstance(group, click.Group) or words, f"{command} names a group only"
        missing = [
            parameter.human_readable_name
            for parameter in group.get_params(context)
            if parameter.required and parameter.name is not None and _is_absent(values.get(parameter.name))
        ]
        assert not missing, f"{command}: lacks {', '.join(missing)}"
    assert not rest, f"{command}: {' '.join(rest)} is too much"


def _is_absent(value: object) -> bool:
    return value is None or value == () or repr(value).endswith("UNSET")


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_a_command_that_is_shown_exists(path: Path) -> None:
    for command, whole in commands(path.read_text(encoding="utf-8")):
        try:
            parse(command, whole=whole)
        except click.UsageError as error:
            pytest.fail(f"{command}: {error.format_message()}")


@pytest.mark.parametrize(
    ("command", "whole"),
    [
        ("xinpei nowhere", True),
        ("xinpei up --loud", True),
        ("xinpei up too much", True),
        ("xinpei consent grant", True),
        ("xinpei consent nothing", False),
    ],
)
def test_a_command_that_does_not_exist_is_found_out(command: str, whole: bool) -> None:
    with pytest.raises((click.UsageError, AssertionError)):
        parse(command, whole=whole)


def test_every_command_has_help_for_each_option() -> None:
    def check(command: click.Command, context: click.Context) -> None:
        assert command.help, f"{context.command_path} says nothing of itself"
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, f"{context.command_path} {parameter.opts[-1]} has no help"
        if isinstance(command, click.Group):
            for word in command.list_commands(context):
                below = command.get_command(context, word)
                assert below is not None
                check(below, click.Context(below, parent=context, info_name=word))

    check(xinpei, click.Context(xinpei, info_name="xinpei"))
