"""The meter a contract call runs on.

    unit      roughly one loop turn or call, about 0.1 us
    charge    adds units to the current meter; past its limit the call ends
    depth     contract functions inside one another; bounded, so that no node meets its own Python's stack first

Exhaustion is a `BaseException`: nothing that a contract may catch catches it. Outside a metered call nothing is
counted: contract code imported for its message types runs unmetered. The current meter is a context variable, so a
query in another thread does not charge the block in this one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from ledger.limits import CALL_DEPTH_MAX

CALL_UNITS: Final = 2


class MeterExhaustedError(BaseException):
    """The call used more than its charges or its depth. No `Exception`, so contract code cannot catch it."""


class Meter:
    """How much one call has used, and how much it may."""

    __slots__ = ("depth", "limit", "used")

    def __init__(self, limit: int) -> None:
        """Start at zero.

        Args:
            limit: Units the call may use.
        """
        self.limit = limit
        self.used = 0
        self.depth = 0


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
        meter.used += units
        if meter.used > meter.limit:
            raise MeterExhaustedError


def charge_turn() -> bool:
    """Charge one turn of a loop or comprehension; always true, to stand in a comprehension's condition."""
    meter = _current.get()
    if meter is not None:
        meter.used += 1
        if meter.used > meter.limit:
            raise MeterExhaustedError
    return True


def enter_call() -> None:
    """Charge one call and go one level deeper; raises `MeterExhaustedError` past either limit."""
    meter = _current.get()
    if meter is not None:
        meter.used += CALL_UNITS
        meter.depth += 1
        if meter.used > meter.limit or meter.depth > CALL_DEPTH_MAX:
            raise MeterExhaustedError


def leave_call() -> None:
    """Come back up one level."""
    meter = _current.get()
    if meter is not None:
        meter.depth -= 1
