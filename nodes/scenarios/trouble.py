"""What is broken on purpose in phase one, and when: partitions, crashes, pauses, clocks, disks, lost stores.

All of it is drawn before anything runs, as a list of strikes; so what a seed drew can be written down and played again
when seeds draw something else (`nodes.scenarios.recording`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Literal

from nodes.scenarios.town import Town

PAUSE_MS_MAX = 15_000
"""Longer than the timeouts of a round."""
DOWN_MS_MAX = 20_000
DISK_OPERATIONS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Strike:
    """One thing that is done to the network."""

    at_ms: int
    """After the start."""
    kind: Literal["split", "cut", "heal", "crash", "pause", "disk", "clock", "wipe"]
    """`wipe` is a crash after which store, blocks and log are gone; the signer state beside the key stays."""
    names: tuple[str, ...] = ()
    """Whom it strikes: one node, one side of a partition, or the senders of cut links."""
    others: tuple[str, ...] = ()
    """The other side, or the receivers."""
    amount: int = 0
    """Milliseconds down, paused or off; or operations until the disk fails."""


def draw_strikes(chance: Random, names: list[str], lasts_ms: int, skew_ms: int) -> Iterator[Strike]:
    """Yield something every few seconds.

    Args:
        chance: Draws it.
        names: All nodes.
        lasts_ms: How long it goes on.
        skew_ms: By how much clocks are set wrong, at most.
    """
    at_ms = chance.randint(500, 5_000)
    while at_ms < lasts_ms:
        yield _draw_strike(chance, at_ms, names, skew_ms)
        at_ms += chance.randint(500, 5_000)


def _draw_strike(chance: Random, at_ms: int, names: list[str], skew_ms: int) -> Strike:
    name = chance.choice(names)
    match chance.randrange(8):
        case 0:
            shuffled = chance.sample(names, len(names))
            place = chance.randint(1, len(names) - 1)
            return Strike(at_ms, "split", tuple(shuffled[:place]), tuple(shuffled[place:]))
        case 1:
            receivers = tuple(other for other in names if other != name and chance.random() < 0.7)
            return Strike(at_ms, "cut", (name,), receivers)
        case 2 | 3:
            return Strike(at_ms, "heal")
        case 4:
            return Strike(at_ms, "crash", (name,), amount=chance.randint(100, DOWN_MS_MAX))
        case 5:
            return Strike(at_ms, "pause", (name,), amount=chance.randint(500, PAUSE_MS_MAX))
        case 6:
            return Strike(at_ms, "disk", (name,), amount=chance.randint(1, DISK_OPERATIONS_MAX))
        case _:
            return Strike(at_ms, "clock", (name,), amount=chance.randint(-skew_ms, skew_ms))


class Trouble:
    """Does what is listed until it is ended."""

    def __init__(self, town: Town, strikes: tuple[Strike, ...], clocks: tuple[tuple[str, int], ...]) -> None:
        """Begin with clocks that are wrong.

        Args:
            town: What is broken.
            strikes: How, and when.
            clocks: Node and by how many milliseconds its clock is off at the start.
        """
        self._town = town
        self._has_ended = False
        for name, offset_ms in clocks:
            town.simulation.nodes[name].clock_offset_ms = offset_ms
            town.simulation.happened["wrong clocks"] += offset_ms != 0
        town.simulation.live(self._live(strikes))

    def end(self) -> None:
        """Break nothing any more."""
        self._has_ended = True

    def _live(self, strikes: tuple[Strike, ...]) -> Iterator[int]:
        passed_ms = 0
        for strike in strikes:
            yield strike.at_ms - passed_ms
            passed_ms = strike.at_ms
            if self._has_ended:
                return
            self._perform(strike)

    def _perform(self, strike: Strike) -> None:
        simulation = self._town.simulation
        match strike.kind:
            case "split":
                simulation.split(strike.names, strike.others)
            case "cut":
                simulation.cut(strike.names, strike.others)
            case "heal":
                simulation.heal()
            case _:
                for name in strike.names:
                    if simulation.nodes[name].life > 0:
                        self._strike_node(strike, name)

    def _strike_node(self, strike: Strike, name: str) -> None:
        simulation = self._town.simulation
        node = simulation.nodes[name]
        match strike.kind:
            case "crash" | "wipe":
                if node.is_up:
                    simulation.crash(name)
                    simulation.at(strike.amount, lambda: self._restart(name))
                if strike.kind == "wipe":
                    node.disk.wipe(with_signer=False)
                    simulation.happened["wiped stores"] += 1
            case "pause":
                simulation.pause(name, strike.amount)
            case "disk":
                node.disk.arm(strike.amount)
            case _:
                node.clock_offset_ms = strike.amount
                simulation.happened["clocks set"] += strike.amount != 0

    def _restart(self, name: str) -> None:
        if not self._has_ended and not self._town.simulation.nodes[name].is_up:
            self._town.simulation.start(name)
