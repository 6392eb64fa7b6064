"""Comparisons that say what was expected and what came."""

from contracts.identifiers import Place
from contracts.precedence import is_before
from ledger.codec import Struct
from ledger.errors import VerificationError


def check_order(first: str, before: Place, second: str, after: Place) -> None:
    """Check that one transaction was ordered before another; raises `VerificationError`."""
    if not is_before(before, after):
        msg = (
            f"order: expected {first} before {second}, got places {before.height}/{before.index} "
            f"and {after.height}/{after.index}"
        )
        raise VerificationError(msg)


def expect(what: str, expected: object, actual: object) -> None:
    """Compare; raises `VerificationError` with both."""
    if expected != actual:
        msg = f"{what}: expected {_show(expected)}, got {_show(actual)}"
        raise VerificationError(msg)


def _show(value: object) -> object:
    return value.hex() if isinstance(value, bytes) else "an entry" if isinstance(value, Struct) else value
