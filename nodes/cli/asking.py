"""Private text: from a file, the standard input or the terminal, never from the command line.

What is typed as an argument stands in the list of processes, which other users of the machine can read, and in the
shell's history. So whatever is nobody else's business (who somebody is, a bank account, the words of a request, a
reason or an order) is an option that names a FILE: one that nobody but its owner can read, or `-` for the standard
input. What a command cannot do without is asked for at the terminal if the option is left out. A wallet's passphrase
comes from the environment or from a file that the environment names (`nodes.cli.session`), else from the terminal too.

Nothing is asked where nobody can answer: without a terminal the error says how else to give it.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])
STANDARD_INPUT = Path("-")


def private_option(name: str, target: str, words: str, *, required: bool = False) -> Callable[[F], F]:
    """Return an option whose value is read from a file of one's own, or from the standard input.

    Args:
        name: The option's: `--reason`.
        target: Name of the argument that takes the path.
        words: What the file says, for the help text.
        required: Whether it is asked for if left out.
    """
    asked = "; asked for if left out" if required else ""
    kind = click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True)
    return click.option(name, target, type=kind, metavar="FILE", help=f"{words}{asked}. - for standard input.")


def read_words(file: Path, option: str, characters_max: int) -> str:
    """Return the private words that a file says.

    Args:
        file: The option's value; `-` for the standard input.
        option: Its name, for errors; nothing of the words is in one.
        characters_max: Of the words without the white space around them; there must be one at least.

    Raises:
        FileError: If others can read the file.
        click.UsageError: If there are no words, or too many.
    """
    return _check_words(read_private_text(file, option, 4 * characters_max + 1_024), option, characters_max)


def read_or_ask(file: Path | None, option: str, what: str, characters_max: int, *, err: bool) -> str:
    """Return the private words that a file says, or that are typed at the terminal if there is none.

    Args:
        file: As of `read_words`; None to ask.
        option: As there.
        what: How the terminal asks for them.
        characters_max: As there.
        err: Whether to ask on the standard error, because the standard output is for programs.

    Raises:
        FileError: If others can read the file.
        click.UsageError: If there are no words, or too many, or nobody can be asked.
    """
    if file is not None:
        return read_words(file, option, characters_max)
    if not sys.stdin.isatty():
        msg = f"{option}: expected a file, or - for the standard input; there is no terminal to ask at"
        raise click.UsageError(msg)
    return _check_words(str(click.prompt(what, err=err)), option, characters_max)


def _check_words(text: str, option: str, characters_max: int) -> str:
    words = text.strip()
    if not 1 <= len(words) <= characters_max:
        msg = f"{option}: expected 1 to {characters_max} characters, got {len(words)}"
        raise click.UsageError(msg)
    return words


def read_private_text(file: Path, option: str, bytes_max: int) -> str:
    """Return what a file that nobody else can read says, or the standard input.

    Args:
        file: `-` for the standard input.
        option: Named in errors.
        bytes_max: Refused above this.

    Raises:
        FileError: If others can read the file, or it is too large.
        click.UsageError: If the standard input is too large, or it is no text.
    """
    from nodes.files import read_private

    if file == STANDARD_INPUT:
        data = sys.stdin.buffer.read(bytes_max + 1)
        if len(data) > bytes_max:
            msg = f"{option}: expected at most {bytes_max} bytes on the standard input"
            raise click.UsageError(msg)
    else:
        data = read_private(file, option, bytes_max)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        msg = f"{option}: expected UTF-8 text"
        raise click.UsageError(msg) from None


def ask_yes(question: str, refusal: str, *, err: bool) -> None:
    """Ask for a yes, at the terminal or from the standard input.

    Args:
        question: In both languages.
        refusal: What did not happen if the answer is no, or nobody answers.
        err: Whether to ask on the standard error, because the standard output is for programs.

    Raises:
        click.ClickException: If the answer is no, or the standard input ends without one.
    """
    try:
        if click.confirm(question, default=False, err=err):
            return
    except click.Abort:
        if sys.stdin.isatty():
            raise
        click.echo(err=err)
        refusal = f"{refusal}: nobody answered; --yes agrees without being asked"
    raise click.ClickException(refusal)


def ask_passphrase(whose: str, instead: str, *, is_new: bool = False) -> str:
    """Return a passphrase that is typed at the terminal without being shown; a new one is typed twice.

    Args:
        whose: `passphrase of wang`.
        instead: How else to give it, for who has no terminal: a variable or an option.
        is_new: Whether it is asked for again, to be sure.

    Raises:
        WalletError: If there is no terminal; the standard input is not read instead, because it could be anything.
    """
    from nodes.wallet import WalletError

    if not has_terminal():
        msg = f"{whose}: there is no terminal to ask at; give it with {instead}"
        raise WalletError(msg)
    return str(click.prompt(whose, hide_input=True, confirmation_prompt=is_new, err=True))


def has_terminal() -> bool:
    """Whether a passphrase can be typed unseen: at the terminal of this process, or else one at the standard input."""
    try:
        os.close(os.open(os.ctermid(), os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return sys.stdin.isatty()
    return True
