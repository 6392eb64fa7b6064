"""What one seed draws: the size of the network, the weather, who lies and how, and the lives of the customers."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from nodes.scenarios.consortium import list_members
from nodes.scenarios.plans import Plan, draw_hasty_plan
from nodes.scenarios.trouble import DOWN_MS_MAX, Strike, draw_strikes
from nodes.simulator import givers, lies
from nodes.simulator.amnesia import Amnesiac
from nodes.simulator.node import Giving, Lie
from nodes.simulator.snapshots import SnapshotPolicy
from nodes.simulator.weather import Weather

SIZES = (4, 4, 4, 4, 5, 6, 7, 7, 8, 9, 10)
AMNESIA = "forgets its locks"
SNAPSHOTS_SHARE = 0.4
"""Of the seeds in which nodes make and take snapshots."""
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

GIVINGS: dict[str, Giving] = {
    "gives other values": givers.give_other_values,
    "gives holes": givers.give_holes,
    "offers what nobody signed": givers.offer_made_up,
    "gives nothing": givers.give_nothing,
}
"""What a Byzantine node does to those that take a snapshot."""

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
    loses_store: bool = False
    """Whether store, blocks and log are lost with it: it begins again with nothing."""
    removes: str | None = None
    """A validator that votes no more, and goes on as a member."""

    def describe(self) -> str:
        """Return a few words for people."""
        told = [
            f"{self.joins} joins" if self.joins else "",
            f"{self.rekeys} {self._describe_rekeying()}" if self.rekeys else "",
            f"{self.removes} is removed" if self.removes else "",
        ]
        return ", ".join(item for item in told if item)

    def _describe_rekeying(self) -> str:
        if self.loses_store:
            return "loses its disk"
        return "loses its signer state" if self.loses_signer else "replaces its key"


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
    clocks: tuple[tuple[str, int], ...] = ()
    """Node and by how many milliseconds its clock is off at the start."""
    strikes: tuple[Strike, ...] = ()
    """What is broken in phase one."""
    snapshots: SnapshotPolicy | None = None
    """When nodes make and take snapshots; None if they never do."""
    givings: tuple[tuple[str, str], ...] = ()
    """(liar, which of GIVINGS): what it does to those that take one."""

    def describe(self) -> str:
        """Return one line for people."""
        weather = self.weather
        told = ", ".join(f"{name} {lie}" for name, lie in self.liars) or "nobody lies"
        changes = self.changes.describe()
        snapshots = "" if self.snapshots is None else f", snapshots every {self.snapshots.every_heights} heights"
        return (
            f"{self.hospitals + self.insurers + 1} validators, {len(self.lives)} customers, "
            f"delay {weather.delay_max_ms} ms, loss {weather.loss:.0%}, of proposals {weather.proposal_loss:.0%}, "
            f"of votes {weather.vote_loss:.0%}, repeats {weather.repeats:.0%}, "
            f"crashes {weather.crashes:.2%}, skew {self.clock_skew_ms} ms, {told}{', ' if changes else ''}{changes}"
            f"{snapshots}"
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
    trouble_ms, skew_ms = chance.randint(30_000, 120_000), chance.choice([0, 500, 3_000])
    options = Options(
        seed=seed,
        hospitals=hospitals,
        insurers=insurers,
        weather=_draw_weather(chance, tuple(name for name, lie in liars if lie == AMNESIA)),
        liars=liars,
        left_out=tuple(chosen[lying:]),
        clock_skew_ms=skew_ms,
        trouble_ms=trouble_ms,
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
    options = _draw_trouble(options, sorted(item.name for item in members if item.host == item.name))
    busy = {changes.joins, changes.rekeys, changes.removes, *chosen}
    room = faulty - len(chosen) - (loses_signer is not None)
    return _draw_snapshots(options, [name for name in candidates if name not in busy] if room > 0 else [])


def _draw_trouble(options: Options, nodes: list[str]) -> Options:
    """Return the options with what is broken, and when."""
    chance, skew_ms = Random(f"trouble {options.seed}"), options.clock_skew_ms
    clocks = tuple((name, chance.randint(-skew_ms, skew_ms)) for name in nodes)
    return replace(options, clocks=clocks, strikes=tuple(draw_strikes(chance, nodes, options.trouble_ms, skew_ms)))


def _draw_snapshots(options: Options, spare: list[str]) -> Options:
    """Return the options with snapshots, or without.

    With them, who lies lies about them too; somebody is left out if that makes no more than f, and may lose a disk.

    Args:
        options: What was drawn before.
        spare: Who may be left out beside those who are.
    """
    chance = Random(f"snapshots {options.seed}")
    if chance.random() >= SNAPSHOTS_SHARE:
        return options
    every = chance.randint(3, 6)
    policy = SnapshotPolicy(
        every_heights=every,
        behind_heights=2 * every,
        given_heights=every + chance.randint(0, 2),
        taker_crashes=chance.choice([0.0, 0.05, 0.3]),
        giver_crashes=chance.choice([0.0, 0.05, 0.3]),
        crashes_left=chance.randint(0, 4),
    )
    left_out = (*options.left_out, chance.choice(spare)) if spare else options.left_out
    strikes = list(options.strikes)
    for name in left_out:  # one that loses its log abstains where it has signed, so it is one of f
        if chance.random() < 0.5:
            at_ms, down_ms = chance.randint(10_000, options.trouble_ms), chance.randint(100, DOWN_MS_MAX)
            strikes.append(Strike(at_ms, "wipe", (name,), amount=down_ms))
    return replace(
        options,
        left_out=left_out,
        snapshots=policy,
        givings=tuple((name, chance.choice(sorted(GIVINGS))) for name, _ in options.liars),
        strikes=tuple(sorted(strikes, key=lambda strike: strike.at_ms)),
        changes=replace(options.changes, loses_store=options.changes.loses_signer and chance.random() < 0.7),
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
