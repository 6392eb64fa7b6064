"""docs/reference/limits.md from `ledger/limits.py`."""

import ast

from scripts.reference.source import cell, code, load, page, table
from scripts.reference.structs import describe_number

INTRODUCTION = """
Every bound of the protocol, with the reason for its value. What a peer, a client or a contract can make grow is held
by one of these. Changing one changes which blocks are valid, so they are part of the protocol version.

Units stand last in a name: `_MS` is milliseconds, `_BYTES` bytes, `_MAX` the largest value that is allowed.
"""


def render() -> str:
    """Return the page."""
    source = load("ledger.limits")
    rows = []
    for name, expression, text in source.constants():
        value = getattr(source.module, name)
        shown = describe_number(value)
        if not isinstance(expression, ast.Constant) and shown.startswith("2^"):
            shown = f"{shown} ({value:,})" if value < 2**40 else shown
        rows.append((code(name), shown, cell(text)))
    return page("Limits", INTRODUCTION, table("name", "value", "why", rows=rows))
