"""FHIR's `Money`, as integer minor units.

A binary float never stands between the bill and the ledger: numbers arrive as decimals from the JSON parser, and what
is no whole number of minor units is refused, because a reader that rounds has changed the bill.
"""

from decimal import Decimal
from fractions import Fraction

from ledger.limits import AMOUNT_MINOR_UNITS_MAX
from nodes.fhir.errors import FhirError

MINOR_DIGITS = {
    "AUD": 2,
    "CAD": 2,
    "CHF": 2,
    "CNY": 2,
    "EUR": 2,
    "GBP": 2,
    "HKD": 2,
    "JPY": 0,
    "KRW": 0,
    "MOP": 2,
    "SGD": 2,
    "THB": 2,
    "TWD": 2,
    "USD": 2,
}
"""Digits after the point, by ISO 4217 code."""

EXPONENT_DIGITS_MAX = 32
"""More digits after the point than this are no amount, whatever they are."""


def count_minor_units(element: str, value: Decimal, currency: str) -> int:
    """Return an amount in minor units of its currency, 分 or cents.

    Args:
        element: Where it stands, for the error.
        value: The amount in major units, as written.
        currency: Its ISO 4217 code.

    Raises:
        FhirError: If the currency is unknown, or the amount is no number, negative, too large, or has a fraction of a
            minor unit.
    """
    digits = MINOR_DIGITS.get(currency)
    if digits is None:
        msg = f"{element}: expected a currency of {', '.join(MINOR_DIGITS)}, got {currency[:8]!r}"
        raise FhirError(msg)
    out_of_range = f"{element}: expected 0 to {AMOUNT_MINOR_UNITS_MAX} minor units, got {str(value)[:40]}"
    if not value.is_finite() or value < 0 or value > AMOUNT_MINOR_UNITS_MAX:
        raise FhirError(out_of_range)
    if value == 0:
        return 0
    exponent = value.as_tuple().exponent
    assert isinstance(exponent, int), "a finite decimal has an integer exponent"
    # Looked at before the exact fraction is made: an exponent of millions would otherwise be written out.
    amount = Fraction(value) * 10**digits if exponent >= -EXPONENT_DIGITS_MAX else None
    if amount is None or amount.denominator != 1:
        msg = f"{element}: expected at most {digits} digits after the point for {currency}, got {str(value)[:40]}"
        raise FhirError(msg)
    if amount > AMOUNT_MINOR_UNITS_MAX:
        raise FhirError(out_of_range)
    return int(amount)
