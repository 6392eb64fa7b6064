"""What a unit of the meter takes at most: a block of the dearest kind must be executed well within a proposal's time.

The bodies are those that measured dearest among all attacks of `test_adversary` and all that the contract API offers.
Processor time is counted, so a busy machine does not matter; the bound is twice what was measured.
"""

import time

import pytest

from ledger import limits
from tests.ledger.execution.chain import Chain
from tests.ledger.execution.test_adversary import EXHAUSTIONS, load_attacker

DEAR = {
    name: EXHAUSTIONS[name]
    for name in (
        "a meter turned back by lengths below nothing",
        "sums of long ranges",
        "merging without end",
        "a comprehension that is too long",
    )
} | {
    "small hashes": "while n != 0:\n    hash_tagged('t', b'')",
    "small encodings": "while n != 0:\n    encode(n)",
    "small decodings that fail": "while n != 0:\n    try:\n        decode(b'\\x91\\xc0', Row)\n"
    "    except DecodeError:\n        n = n",
    "structs": "while n != 0:\n    Row(n)",
}
UNIT_NS_MAX = limits.TIMEOUT_PROPOSE_MS / 4 * 1_000_000 / limits.BLOCK_METER_UNITS_MAX


@pytest.mark.parametrize("name", DEAR)
def test_a_unit_of_the_dearest_kind_is_cheap_enough_for_a_block_of_them(name: str) -> None:
    chain = Chain(load_attacker(DEAR[name]))
    inputs = chain.inputs(chain.submit("attacker.run", (1, "text")))
    taken = []
    for _ in range(3):
        begun = time.process_time_ns()
        (receipt,) = chain.application.execute(inputs).receipts
        taken.append(time.process_time_ns() - begun)
    assert receipt.code == "METER_EXHAUSTED"
    assert min(taken) / receipt.charges < UNIT_NS_MAX
