"""The installed contracts, loaded once, and scenarios without bad weather to plant bugs in."""

from collections.abc import Callable, Iterator
from functools import cache

import pytest

from ledger.execution.loader import ContractSet, load_contracts
from nodes.contract_sources import read_sources
from nodes.scenarios.faults import Scenario
from nodes.scenarios.options import Changes, Options
from nodes.scenarios.plans import Plan
from nodes.simulator.sealing import OpenSeal
from nodes.simulator.snapshots import SnapshotPolicy
from nodes.simulator.weather import Weather
from nodes.vault.sealing import use_stand_in

Found = Callable[..., Scenario]
HOSPITAL, INSURER = "hospital-a", "insurer-a"


@cache
def load(module: str = "", before: str = "", after: str = "") -> ContractSet:
    """Return the installed contracts, with one place of one module altered if it is named."""
    sources = read_sources()
    if module:
        assert sources[module].count(before) == 1, f"{before!r} stands once in {module}"
        sources[module] = sources[module].replace(before, after)
    return load_contracts(sources)


@pytest.fixture
def found() -> Iterator[Found]:
    """Return what founds a calm scenario: four validators, these lives, these liars."""

    def make(
        *lives: Plan,
        contracts: ContractSet | None = None,
        hospitals: int = 2,
        insurers: int = 1,
        liars: tuple[tuple[str, str], ...] = (),
        rotates_ms: int | None = None,
        changes: Changes | None = None,
        snapshots: SnapshotPolicy | None = None,
    ) -> Scenario:
        options = Options(
            seed=1,
            hospitals=hospitals,
            insurers=insurers,
            weather=Weather(),
            liars=liars,
            left_out=(),
            clock_skew_ms=0,
            trouble_ms=0,
            lives=tuple((HOSPITAL, INSURER, plan) for plan in lives),
            rotates_ms=rotates_ms,
            changes=changes or Changes(),
            snapshots=snapshots,
        )
        return Scenario(options, contracts or load())

    with use_stand_in(OpenSeal()):
        yield make
