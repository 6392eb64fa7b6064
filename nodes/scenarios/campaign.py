"""Many seeds, one after the other or in several processes, and what happened in all of them together.

A seed's run depends on nothing but the seed, so it is the same in whatever process and order it is played.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context

from ledger.execution.loader import ContractSet
from nodes.contract_sources import load_installed_contracts
from nodes.scenarios.faults import Outcome, play

HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Summary:
    """What happened in many seeds."""

    seeds: int
    failed: tuple[int, ...]
    virtual_ms: int
    cpu_seconds: float
    slowest: Outcome
    blocks: int
    transactions: int
    settlements: int
    moved: int
    """Minor units."""
    happened: dict[str, int]
    """How often which fault really occurred."""
    seeds_with: dict[str, int]
    """In how many seeds it occurred at all."""

    @property
    def speed(self) -> float:
        """Virtual seconds for each second of one processor."""
        return self.virtual_ms / 1000 / max(self.cpu_seconds, 1e-9)

    def describe(self) -> list[str]:
        """Return lines for people."""
        told = f"failed: {', '.join(map(str, self.failed))}" if self.failed else "every promise held"
        slowest = f"the slowest, seed {self.slowest.seed}, {self.slowest.speed:.0f} times"
        hours = f"{self.virtual_ms / HOUR_MS:.1f} h in {self.cpu_seconds:.0f} s of one processor"
        lines = [
            f"{self.seeds} seeds, {told}",
            f"virtual time  {hours}, {self.speed:.0f} times faster than real time; {slowest}",
            f"work          {self.blocks} blocks, {self.transactions} transactions, {self.settlements} settlements",
            "what really happened, and in how many seeds:",
        ]
        width = max((len(name) for name in self.happened), default=0)
        for name, count in sorted(self.happened.items()):
            lines.append(f"  {name:<{width}}  {count:>9}  in {self.seeds_with[name]}")
        return lines


def play_all(seeds: Sequence[int], jobs: int) -> Iterator[Outcome]:
    """Play seeds and yield what became of each, in their order.

    Args:
        seeds: Which.
        jobs: How many processes; 1 plays them in this one.
    """
    if jobs == 1:
        for seed in seeds:
            yield _play(seed)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        yield from pool.map(_play, seeds)


def summarise(outcomes: Sequence[Outcome]) -> Summary:
    """Return what happened in at least one seed."""
    happened: Counter[str] = Counter()
    seeds_with: Counter[str] = Counter()
    for outcome in outcomes:
        happened.update(outcome.happened)
        seeds_with.update(name for name, count in outcome.happened.items() if count)
    return Summary(
        seeds=len(outcomes),
        failed=tuple(outcome.seed for outcome in outcomes if outcome.failure),
        virtual_ms=_sum(outcomes, lambda item: item.virtual_ms),
        cpu_seconds=sum(outcome.cpu_seconds for outcome in outcomes),
        slowest=min(outcomes, key=lambda outcome: outcome.speed),
        blocks=_sum(outcomes, lambda item: item.height),
        transactions=_sum(outcomes, lambda item: item.transactions),
        settlements=_sum(outcomes, lambda item: item.settlements),
        moved=_sum(outcomes, lambda item: item.moved),
        happened={name: count for name, count in happened.items() if count},
        seeds_with=dict(seeds_with),
    )


def _sum(outcomes: Sequence[Outcome], field: Callable[[Outcome], int]) -> int:
    return sum(field(outcome) for outcome in outcomes)


def _play(seed: int) -> Outcome:
    return play(seed, _contracts())


@cache
def _contracts() -> ContractSet:
    return load_installed_contracts()
