"""Run a command as the shell does: through `main`, so that errors are what a user sees, and its exit code with it."""

import json
from typing import NamedTuple

import pytest

from nodes.cli import main


class Ran(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str
    as_json: bool


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> Ran:
    """Return exit code and output of `xinpei ARGUMENTS`."""
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    assert isinstance(ended.value.code, int)
    return Ran(ended.value.code, *capsys.readouterr(), as_json="--json" in arguments)


def check_refused(ran: Ran, *parts: str) -> None:
    """Assert that a command refused with exit code 1, one error that says all this, and nothing else."""
    assert ran.code == 1
    assert f"Error: {json.loads(ran.out)['error']['message']}" in ran.err if ran.as_json else ran.out == ""
    assert ran.err.startswith("Error: ")
    assert "Traceback" not in ran.err
    for part in parts:
        assert part in ran.err
