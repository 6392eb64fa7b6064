"""What one seed draws: the size of the network, the weather, who lies and how, and the lives of the customers."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from nodes.scenarios.consortium import list_members
from nodes.scenarios.customers import Plan
from nodes.simulator import lies
from nodes.simulator.amnesia import Amnesiac
from nodes.simulator.node import Lie
from nodes.simulator.weather import Weather

SIZES = (4, 4, 4, 4, 5, 6, 7, 7, 8, 9, 10)
AMNESIA = "forgets its locks"
LIES: dict[str, Callable[[], Lie]] = {
    "votes twice": lambda: lies.vote_twice,
    "proposes twice": lambda: lies.propose_twice,
    "makes up state roots": lambda: lies.propose_nonsense,
    "proposes badly": lambda: lies.propose_badly,
    "says nothing": lambda: lies.say_nothing,
    "forgets its votes": lambda: lies.forget_votes,
    AMNESIA: Amnesiac,
    "sends to some only": lambda: lies.send_selectively,
    "replays submissions": lambda: lies.replay_submissions,
    "forges": lambda: lies.tell_the_truth,
}
"""What a Byzantine validator does, made anew for each; one that forges leaves consensus alone, its agents do it."""


@dataclass(frozen=True, slots=True)
class Options:
    """One seed's draw."""

    seed: int
    hospitals: int
    insurers: int
    weather: Weather
    liars: tuple[tuple[str, str], ...]
    """(member, which of LIES); at most f."""
    left_out: tuple[str, ...]
    """Who is healed only after the others have settled everything; with the liars at most f."""
    clock_skew_ms: int
    """Honest clocks are off by up to this much, either way."""
    trouble_ms: int
    """How long phase one lasts."""
    lives: tuple[tuple[str, str, Plan], ...]
    """Hospital, insurer and plan of each customer."""
    rotates_ms: int | None = None
    """When the first hospital replaces its submission key; None if it does not."""

    def describe(self) -> str:
        """Return one line for people."""
        weather = self.weather
        told = ", ".join(f"{name} {lie}" for name, lie in self.liars) or "nobody lies"
        return (
            f"{self.hospitals + self.insurers + 1} validators, {len(self.lives)} customers, "
            f"delay {weather.delay_max_ms} ms, loss {weather.loss:.0%}, of proposals {weather.proposal_loss:.0%}, "
            f"of votes {weather.vote_loss:.0%}, repeats {weather.repeats:.0%}, "
            f"crashes {weather.crashes:.2%}, skew {self.clock_skew_ms} ms, {told}"
        )


def draw_options(seed: int) -> Options:
    """Return what a seed draws."""
    chance = Random(f"options {seed}")
    size = chance.choice(SIZES)
    insurers = 1 if size == SIZES[0] else chance.randint(1, 3 if size > 6 else 2)
    hospitals = size - 1 - insurers
    members = list_members(hospitals, insurers, size)
    names = {role: [item.name for item in members if item.role == role] for role in ("hospital", "insurer")}
    faulty = (size - 1) // 3
    candidates = [*names["hospital"][1:], *names["insurer"][1:]]
    chosen = chance.sample(
        candidates, min(len(candidates), chance.choice([0, faulty, faulty, chance.randint(0, faulty)]))
    )
    lying = max(chance.randint(0, len(chosen)), chance.randint(0, len(chosen)))
    liars = tuple((name, chance.choice(list(LIES))) for name in chosen[:lying])
    return Options(
        seed=seed,
        hospitals=hospitals,
        insurers=insurers,
        weather=_draw_weather(chance, tuple(name for name, lie in liars if lie == AMNESIA)),
        liars=liars,
        left_out=tuple(chosen[lying:]),
        clock_skew_ms=chance.choice([0, 500, 3_000]),
        trouble_ms=chance.randint(30_000, 120_000),
        lives=tuple(
            (chance.choice(names["hospital"]), chance.choice(names["insurer"]), _draw_plan(chance))
            for _ in range(chance.randint(2, 8))
        ),
        rotates_ms=chance.randint(1_000, 60_000) if chance.random() < 0.3 else None,
    )


def _draw_weather(chance: Random, amnesiacs: tuple[str, ...]) -> Weather:
    """Return how messages and steps fare; where somebody forgets locks, there must be later rounds with locks."""
    return Weather(
        delay_max_ms=chance.choice([20, 200, 1_000]),
        loss=chance.choice([0.0, 0.05, 0.15, 0.3]),
        repeats=chance.choice([0.0, 0.1, 0.2]),
        crashes=chance.choice([0.0, 0.002, 0.01]),
        proposal_loss=chance.choice([0.0, 0.4] if amnesiacs else [0.0, 0.0, 0.0, 0.4]),
        vote_loss=chance.choice([0.4, 0.6, 0.8] if amnesiacs else [0.0, 0.0, 0.0, 0.4]),
        sharp_ears=amnesiacs,
    )


def _draw_plan(chance: Random) -> Plan:
    revokes = chance.random() < 0.3
    return Plan(
        begins_ms=chance.randint(0, 60_000),
        admitted_ms=chance.randint(0, 5_000),
        stays_ms=chance.randint(500, 15_000),
        has_interim=chance.random() < 0.3,
        revokes_ms=chance.randint(0, 6_000) if revokes else None,
        grants_again=chance.random() < 0.5,
        corrected_ms=chance.randint(0, 5_000) if chance.random() < 0.3 else None,
        appeals=chance.random() < 0.2,
    )
