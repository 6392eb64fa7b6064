"""What will happen to one customer, drawn from a seed: much in minutes for faults, the usual in days for planning."""

from dataclasses import dataclass
from random import Random

DAY_MS = 86_400_000
ADMISSIONS_PER_YEAR = 0.175
"""Hospital stays per person and year in China, 2022."""
STAY_DAYS_MAX = 16
"""Stays last half a day to 16 days, 8 on average, near what is published for 2022."""
ENROLMENT_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Plan:
    """What will happen to one customer; times in milliseconds."""

    begins_ms: int
    admitted_ms: int | None
    """After her consent is in place; None for one who stays healthy."""
    stays_ms: int = 0
    has_interim: bool = False
    revokes_ms: int | None = None
    """After discharge; None if she does not."""
    grants_again: bool = False
    corrected_ms: int | None = None
    """After settlement."""
    appeals: bool = False


def draw_hasty_plan(chance: Random) -> Plan:
    """Return a life of minutes in which much happens: what a fault seed plays."""
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


def draw_usual_plan(chance: Random, days: int) -> Plan:
    """Return what happens to one person within so many days: what a planned network plays."""
    is_admitted = chance.random() < ADMISSIONS_PER_YEAR * days / 365
    revokes = chance.random() < 0.01
    return Plan(
        begins_ms=chance.randint(0, ENROLMENT_MS),
        admitted_ms=chance.randint(0, days * DAY_MS) if is_admitted else None,
        stays_ms=chance.randint(DAY_MS // 2, STAY_DAYS_MAX * DAY_MS),
        has_interim=chance.random() < 0.2,
        revokes_ms=chance.randint(0, 600_000) if revokes else None,
        corrected_ms=chance.randint(DAY_MS // 4, 2 * DAY_MS) if chance.random() < 0.03 else None,
        appeals=chance.random() < 0.01,
    )
