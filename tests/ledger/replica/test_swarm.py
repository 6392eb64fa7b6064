"""One seed draws the weather and the faults: first safety under all of them, then heal, and demand liveness.

At most one of the four lies; any may crash and come back, links are cut at random, clocks are off by seconds. What must
never happen is checked by the simulation itself.
"""

from random import Random

import pytest

from nodes.simulator import lies
from nodes.simulator.simulation import Simulation, Weather
from tests.ledger.replica.consortium import NAMES, included, simulate, submission

SEEDS = (*range(8), 59, 66, 67, 74, 248, 370, 409)
"""59 to 74 showed that an equivocator can split a polka, so that a proposal waits for it for ever; 248 to 409 that a
single honest validator, gone one round ahead, must still give the others the votes of the round that they are in."""

LIES = (None, None, lies.vote_twice, lies.propose_twice, lies.propose_nonsense, lies.say_nothing)


def trouble(simulation: Simulation, chance: Random, liar: str | None) -> None:
    """Do one random thing to the network or to a node."""
    event = chance.randrange(5)
    honest = [name for name in NAMES if name != liar]
    if event == 0:
        names = list(NAMES)
        chance.shuffle(names)
        place = chance.randint(1, 3)
        simulation.split(names[:place], names[place:])
    elif event == 1:
        simulation.cut([chance.choice(NAMES)], [chance.choice(NAMES)])
    elif event == 2:
        simulation.heal()
    elif event == 3:
        victim = chance.choice(honest)
        if simulation.nodes[victim].replica is not None:
            simulation.crash(victim)
    else:
        for name in NAMES:
            if simulation.nodes[name].replica is None:
                simulation.start(name)


@pytest.mark.parametrize("seed", SEEDS)
def test_n4f1_swarm_agrees_under_all_faults_and_decides_once_they_end(seed: int) -> None:
    chance = Random(seed)
    weather = Weather(
        delay_max_ms=chance.choice([20, 200, 1_000]),
        loss=chance.choice([0.0, 0.1, 0.3]),
        repeats=chance.choice([0.0, 0.2]),
        crashes=chance.choice([0.0, 0.005, 0.02]),
    )
    simulation = simulate(seed, weather)
    liar = chance.choice(NAMES)
    lie = chance.choice(LIES)
    simulation.nodes[liar].lie = lie
    for node in simulation.nodes.values():
        node.clock_offset_ms = chance.randint(-3_000, 3_000)
    simulation.start()
    for number in range(12):
        up = [name for name in NAMES if simulation.nodes[name].replica is not None]
        if up:
            simulation.submit(chance.choice(up), submission(number, NAMES[number % 4]))
        trouble(simulation, chance, liar)
        simulation.run_for(chance.randint(50, 4_000))
    simulation.weather = Weather()
    simulation.heal()
    simulation.run_for(weather.down_max_ms)
    for name in NAMES:
        if simulation.nodes[name].replica is None:
            simulation.start(name)
    last = submission(1_000)
    simulation.submit(next(name for name in NAMES if name != liar), last)
    honest = [name for name in NAMES if name != liar or lie is None]
    assert simulation.run_until(lambda: all(included(simulation, name, last) for name in honest), 120_000)
