"""The meter a contract call runs on, and the charges that reach it.

    unit      roughly one loop turn or call, about 0.1 us
    charge    adds units to the current meter; past its limit the call ends

Exhaustion is a `BaseException`, so that nothing a contract may catch catches it. Outside a metered call, `charge`
counts nothing: contract code imported for its message types runs unmetered.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class MeterExhaustedError(BaseException):
    """The call used more than its charges. Not an `Exception`: contract code cannot catch it."""


class Meter:
    """How much one call has used, and how much it may."""

    __slots__ = ("limit", "used")

    def __init__(self, limit: int) -> None:
        """Start at zero.

        Args:
            limit: Units the call may use.
        """
        self.limit = limit
        self.used = 0

    def charge(self, units: int) -> None:
        """Add `units`; raises `MeterExhaustedError` past the limit."""
        self.used += units
        if self.used > self.limit:
            raise MeterExhaustedError


_current: ContextVar[Meter | None] = ContextVar("meter", default=None)


@contextmanager
def metered(meter: Meter) -> Iterator[None]:
    """Run the body of a `with` on this meter."""
    token = _current.set(meter)
    try:
        yield
    finally:
        _current.reset(token)


def charge(units: int) -> None:
    """Add units to the current meter, if there is one; raises `MeterExhaustedError` past its limit."""
    meter = _current.get()
    if meter is not None:
        meter.charge(units)
