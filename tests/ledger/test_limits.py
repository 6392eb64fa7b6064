"""Bounds that only hold together."""

from ledger import limits

DEAREST_UNIT_NS = 260
"""Measured on two cores: what the dearest construct takes per unit that it is charged; see test_prices.py."""


def test_the_dearest_block_is_executed_in_a_quarter_of_the_propose_timeout() -> None:
    execution_ms = limits.BLOCK_METER_UNITS_MAX * DEAREST_UNIT_NS / 1_000_000
    assert execution_ms * 1.9 <= limits.TIMEOUT_PROPOSE_MS / 4


def test_clocks_leave_room_for_transactions() -> None:
    assert 2 * limits.BLOCK_CLOCK_METER_UNITS_MAX <= limits.BLOCK_METER_UNITS_MAX
    assert limits.METER_UNITS_MAX <= limits.BLOCK_CLOCK_METER_UNITS_MAX
