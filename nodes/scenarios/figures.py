"""What a planned network is asked for, and what was measured on it."""

from dataclasses import dataclass, field, replace

LANES = (
    "paid",
    "pended to a person",
    "settled, nothing to pay",
    "waiting for consent",
    "in hospital",
    "not settled yet",
)
IDLE_TICK_MS = 600_000
"""How often a node of a planned network ticks at which nothing happens."""
SPLIT_DAYS_MIN = 3
"""A partition is compared with a run without it from so many days on: one before, one after."""


@dataclass(frozen=True, slots=True)
class Workload:
    """What a planner wants to see."""

    hospitals: int
    insurers: int
    customers: int
    days: int
    seed: int
    partition_day: int | None = None
    """The day, from 1, on which the network is split; None for none."""

    def without_partition(self) -> "Workload":
        """Return the same network in one piece."""
        return replace(self, partition_day=None)

    def command(self) -> str:
        """Return what a planner types to see this again."""
        words = (
            f"xinpei simulate --hospitals {self.hospitals} --insurers {self.insurers} "
            f"--customers {self.customers} --days {self.days} --seed {self.seed}"
        )
        return words if self.partition_day is None else f"{words} --partition {self.partition_day}"


@dataclass(frozen=True, slots=True)
class DayFigures:
    """One day of the network."""

    transactions: int
    blocks: int
    reported: int
    paid: int
    sent_bytes: tuple[int, ...]
    """Of each node, on this day."""
    stored_bytes: tuple[int, ...]
    """Of each node, at the end of this day."""


@dataclass
class Figures:
    """What was measured in one run."""

    workload: Workload
    nodes: tuple[str, ...]
    days: list[DayFigures] = field(default_factory=list)
    lanes: dict[str, int] = field(default_factory=dict)
    payouts: list[tuple[int, int]] = field(default_factory=list)
    """Of every claim that was paid: the day of its discharge, from 1, and the milliseconds from discharge to paid."""
    books_bytes: tuple[int, ...] = ()
    """What the members of each node keep off the chain: registers and vaults."""
    refusals: dict[str, int] = field(default_factory=dict)
    moved: int = 0
    """Minor units."""
    trace_hash: str = ""
    virtual_ms: int = 0
    cpu_seconds: float = 0.0

    @property
    def paid_after_ms(self) -> list[int]:
        """Discharge to paid, of every claim that was paid; sorted."""
        return sorted(delay_ms for _, delay_ms in self.payouts)

    def percentile_ms(self, share: float, day: int | None = None) -> int | None:
        """Return how long discharge to paid took for this share of the claims at most, or None without any.

        Args:
            share: 0 to 1.
            day: Only claims that were discharged on this day.
        """
        delays_ms = sorted(delay_ms for discharged, delay_ms in self.payouts if day in (None, discharged))
        return delays_ms[min(len(delays_ms) - 1, int(len(delays_ms) * share))] if delays_ms else None

    @property
    def sent_bytes(self) -> list[int]:
        """What each node has sent in all."""
        return [sum(day.sent_bytes[place] for day in self.days) for place in range(len(self.nodes))]

    @property
    def stored_bytes(self) -> tuple[int, ...]:
        """What each node keeps of the chain at the end."""
        return self.days[-1].stored_bytes

    @property
    def speed(self) -> float:
        """Virtual seconds for each second of one processor."""
        return self.virtual_ms / 1000 / max(self.cpu_seconds, 1e-9)


@dataclass(frozen=True, slots=True)
class Comparison:
    """The same network, people and stays twice: in one piece, and split for a day."""

    whole: Figures
    split: Figures | None
    """None if the time is too short for it."""

    @property
    def partition_day(self) -> int | None:
        """The day of the partition, from 1."""
        return None if self.split is None else self.split.workload.partition_day
