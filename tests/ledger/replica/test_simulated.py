"""Four replicas under a virtual clock and one seed: safety all the time, liveness once the weather is good again.

Safety is checked inside the simulation (`nodes.simulator.checks`): one block per height, certificates that verify, no
honest double signature. A failure names the seed; the same seed gives the same trace.
"""

import pytest

from nodes.simulator.simulation import Weather
from tests.ledger.replica.consortium import NAMES, included, simulate, submission

ROUGH = Weather(delay_max_ms=400, loss=0.15, repeats=0.1)


def test_n4f0_a_submission_is_committed_by_all_within_a_second() -> None:
    simulation = simulate(1)
    simulation.start()
    item = submission(1)
    simulation.submit("b", item)
    assert simulation.run_until(lambda: simulation.heights() == [1] * 4, 1_000)
    assert all(included(simulation, name, item) for name in NAMES)


def test_n4f0_an_idle_chain_makes_no_blocks() -> None:
    simulation = simulate(2)
    simulation.start()
    simulation.run_for(120_000)
    assert simulation.heights() == [0] * 4
    assert all(not node.disk.read_log() for node in simulation.nodes.values())


def test_n4f0_one_seed_gives_one_trace_and_another_seed_another() -> None:
    def run(seed: int) -> str:
        simulation = simulate(seed, ROUGH)
        simulation.start()
        for number in range(3):
            simulation.submit(NAMES[number], submission(number, NAMES[number]))
        simulation.run_for(20_000)
        return simulation.trace_hash

    assert run(3) == run(3)
    assert run(3) != run(4)


@pytest.mark.parametrize("seed", range(4))
def test_n4f0_lossy_links_keep_agreement_and_everything_is_committed(seed: int) -> None:
    simulation = simulate(seed, Weather(delay_max_ms=400, loss=0.25, repeats=0.1))
    simulation.start()
    items = [submission(number, NAMES[number % 4]) for number in range(6)]
    for number, item in enumerate(items):
        simulation.submit(NAMES[number % 4], item)
        simulation.run_for(700)

    def done() -> bool:
        return all(included(simulation, name, item) for name in NAMES for item in items)

    assert simulation.run_until(done, 240_000)
