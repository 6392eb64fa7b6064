"""What one seed draws: the size of the network, the weather, who lies and how, and the lives of the customers."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from nodes.scenarios.consortium import list_members
from nodes.scenarios.plans import Plan, draw_hasty_plan
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

DRAWN_LIES = (*LIES, AMNESIA, AMNESIA)
"""What a seed draws from: the lie that needs most luck to come true is drawn more often."""


@dataclass(frozen=True, slots=True)
class Changes:
    """How the members change who votes, in this order; nothing by default."""

    begins_ms: int = 10_000
    """The pause before each change."""
    joins: str | None = None
    """A member whose node starts later, follows, and then becomes a validator."""
    rekeys: str | None = None
    """A validator that gets another consensus key."""
    loses_signer: bool = False
    """Whether it needs one, because the state beside its key is lost: until then it does not vote."""
    removes: str | None = None
    """A validator that votes no more, and goes on as a member."""

    def describe(self) -> str:
        """Return a few words for people."""
        told = [
            f"{self.joins} joins" if self.joins else "",
            f"{self.rekeys} {'loses its signer state' if self.loses_signer else 'replaces its key'}"
            if self.rekeys
            else "",
            f"{self.removes} is removed" if self.removes else "",
        ]
        return ", ".join(item for item in told if item)


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
    changes: Changes = Changes()
    """How the members change who votes."""

    def describe(self) -> str:
        """Return one line for people."""
        weather = self.weather
        told = ", ".join(f"{name} {lie}" for name, lie in self.liars) or "nobody lies"
        changes = self.changes.describe()
        return (
            f"{self.hospitals + self.insurers + 1} validators, {len(self.lives)} customers, "
            f"delay {weather.delay_max_ms} ms, loss {weather.loss:.0%}, of proposals {weather.proposal_loss:.0%}, "
            f"of votes {weather.vote_loss:.0%}, repeats {weather.repeats:.0%}, "
            f"crashes {weather.crashes:.2%}, skew {self.clock_skew_ms} ms, {told}{', ' if changes else ''}{changes}"
        )


def draw_options(seed: int) -> Options:
    """Return what a seed draws."""
    chance = Random(f"options {seed}")
    size = chance.choice(SIZES)
    insurers = 1 if size == SIZES[0] else chance.randint(1, 3 if size > 6 else 2)
    hospitals = size - 1 - insurers
    members = list_members(hospitals, insurers, size)
    names = {role: [item.name for item in members if item.role == role] for role in ("hospital", "insurer")}
    candidates = [*names["hospital"][1:], *names["insurer"][1:]]
    joins = candidates.pop(chance.randrange(len(candidates))) if size >= 5 and chance.random() < 0.4 else None
    is_removing = size - (joins is not None) >= 5 and chance.random() < 0.4
    voting_min = size - (joins is not None) - is_removing
    faulty = (voting_min - 1) // 3
    chosen = chance.sample(
        candidates, min(len(candidates), chance.choice([0, faulty, faulty, chance.randint(0, faulty)]))
    )
    lying = max(chance.randint(0, len(chosen)), chance.randint(0, len(chosen)))
    loses_signer = chosen.pop() if chosen and chance.random() < 0.25 else None
    liars = tuple((name, chance.choice(DRAWN_LIES)) for name in chosen[:lying])
    honest = [name for name in candidates if name not in chosen and name != loses_signer]
    changes = _draw_changes(chance, joins, loses_signer, [name for name, _ in liars], honest)
    if not is_removing:
        changes = replace(changes, removes=None)
    return Options(
        seed=seed,
        hospitals=hospitals,
        insurers=insurers,
        weather=_draw_weather(chance, tuple(name for name, lie in liars if lie == AMNESIA)),
        liars=liars,
        left_out=tuple(chosen[lying:]),
        clock_skew_ms=chance.choice([0, 500, 3_000]),
        trouble_ms=chance.randint(30_000, 120_000),
        lives=(
            (names["hospital"][0], names["insurer"][0], draw_hasty_plan(chance)),  # whose parties never lie
            *(
                (chance.choice(names["hospital"]), chance.choice(names["insurer"]), draw_hasty_plan(chance))
                for _ in range(chance.randint(1, 7))
            ),
        ),
        rotates_ms=chance.randint(1_000, 60_000) if chance.random() < 0.3 else None,
        changes=changes,
    )


def _draw_changes(
    chance: Random, joins: str | None, loses_signer: str | None, liars: list[str], honest: list[str]
) -> Changes:
    """Return what the members decide; a liar is removed before anybody else."""
    planned = chance.choice(honest) if honest and chance.random() < 0.3 else None
    rekeys = planned if loses_signer is None else loses_signer
    removable = [*liars, *(name for name in honest if name != rekeys)]
    return Changes(
        begins_ms=chance.randint(1_000, 12_000),
        joins=joins,
        rekeys=rekeys,
        loses_signer=loses_signer is not None,
        removes=removable[0] if removable else None,
    )


def _draw_weather(chance: Random, amnesiacs: tuple[str, ...]) -> Weather:
    """Return how messages and steps fare; where somebody forgets locks, there must be later rounds with locks."""
    return Weather(
        delay_max_ms=chance.choice([20, 200, 1_000]),
        loss=chance.choice([0.0, 0.05, 0.15, 0.3]),
        repeats=chance.choice([0.0, 0.1, 0.2]),
        crashes=chance.choice([0.0, 0.002, 0.01]),
        proposal_loss=chance.choice([0.0, 0.4] if amnesiacs else [0.0, 0.0, 0.0, 0.4]),
        vote_loss=chance.choice([0.5, 0.6, 0.7, 0.8] if amnesiacs else [0.0, 0.0, 0.0, 0.4]),
        sharp_ears=amnesiacs,
    )
