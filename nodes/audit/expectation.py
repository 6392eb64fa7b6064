"""What a verifier expects of a file, and the sentence it says when that is not so: what was expected, and what came."""

from collections.abc import Iterator
from contextlib import contextmanager

from contracts.identifiers import Place
from contracts.precedence import is_before
from ledger.codec import Struct
from ledger.errors import DecodeError, VerificationError


@contextmanager
def expect_canonical(what: str = "") -> Iterator[None]:
    """Turn bytes that are not the one form of what they should be into the verifier's refusal.

    Every file of an audit is read within it, so that each is refused by the same words.

    Args:
        what: Which file, where more than one is at hand.

    Raises:
        VerificationError: For a `DecodeError` of what is read within.
    """
    try:
        yield
    except DecodeError as error:
        msg = f"{what}: canonical form: {error}" if what else f"canonical form: {error}"
        raise VerificationError(msg) from None


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
