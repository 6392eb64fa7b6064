"""What is broken on purpose in phase one, and when: partitions, crashes, pauses, clocks, disks."""

from random import Random

from nodes.scenarios.options import Options
from nodes.scenarios.town import Town

PAUSE_MS_MAX = 15_000
"""Longer than the timeouts of a round."""
DOWN_MS_MAX = 20_000
DISK_OPERATIONS_MAX = 1_000


class Trouble:
    """Breaks something every few seconds until it is ended."""

    def __init__(self, town: Town, options: Options) -> None:
        """Begin with clocks that are wrong.

        Args:
            town: What is broken.
            options: How badly.
        """
        self._town = town
        self._options = options
        self._chance = Random(f"trouble {options.seed}")
        self._has_ended = False
        for node in town.simulation.nodes.values():
            node.clock_offset_ms = self._chance.randint(-options.clock_skew_ms, options.clock_skew_ms)
            town.simulation.happened["wrong clocks"] += node.clock_offset_ms != 0
        self._plan()

    def end(self) -> None:
        """Break nothing any more."""
        self._has_ended = True

    def _plan(self) -> None:
        self._town.simulation.at(self._chance.randint(500, 5_000), self._strike)

    def _strike(self) -> None:
        if self._has_ended:
            return
        simulation, chance = self._town.simulation, self._chance
        names = [node.name for node in simulation.nodes.values() if node.life > 0]
        name = chance.choice(names)
        node = simulation.nodes[name]
        match chance.randrange(8):
            case 0:
                chance.shuffle(names)
                place = chance.randint(1, len(names) - 1)
                simulation.split(names[:place], names[place:])
            case 1:
                simulation.cut([name], [other for other in names if other != name and chance.random() < 0.7])
            case 2 | 3:
                simulation.heal()
            case 4:
                if node.is_up:
                    simulation.crash(name)
                    simulation.at(chance.randint(100, DOWN_MS_MAX), lambda: self._restart(name))
            case 5:
                simulation.pause(name, chance.randint(500, PAUSE_MS_MAX))
            case 6:
                node.disk.arm(chance.randint(1, DISK_OPERATIONS_MAX))
            case _:
                skew_ms = self._options.clock_skew_ms
                node.clock_offset_ms = chance.randint(-skew_ms, skew_ms)
                simulation.happened["clocks set"] += skew_ms != 0
        self._plan()

    def _restart(self, name: str) -> None:
        if not self._has_ended and not self._town.simulation.nodes[name].is_up:
            self._town.simulation.start(name)
