"""How much somebody who has nothing but the chain can tell: measured on a town of simulated people.

The figures stand in docs/explanation/threat-model.md. Every person has two pseudonyms, from one wallet.
"""

from collections.abc import Iterator
from random import Random

import pytest

from nodes.entropy import SeededEntropy
from nodes.scenarios.consortium import found, list_members
from nodes.scenarios.customers import Customer
from nodes.scenarios.household import Estate
from nodes.scenarios.paperwork import draw_illness
from nodes.scenarios.plans import Plan
from nodes.scenarios.town import Town
from nodes.simulator.sealing import OpenSeal
from nodes.simulator.weather import Weather
from nodes.vault.sealing import use_stand_in
from tests.nodes.scenarios.conftest import load
from tests.nodes.scenarios.onlooker import Onlooker, Pair

SEED = 20
MINUTE_MS = 60_000
DAY_MS = 1_440 * MINUTE_MS
PEOPLE = 12
"""Of each habit; the insured of one policy are fewer, because they fall ill."""
ILL = 3
A, B = ("hospital-a", "insurer-a"), ("hospital-b", "insurer-b")


class People:
    """A town, and who is who in it: what the onlooker does not have."""

    def __init__(self) -> None:
        members = list_members(2, 2, 4)
        self.town = Town(Estate(found(members, load(), SEED), SEED), SEED, Weather())
        self.chance = Random(SEED)
        self.lives: list[Customer] = []

    def add(self, number: int, parties: tuple[tuple[str, str], tuple[str, str]], plans: tuple[Plan, Plan]) -> Pair:
        """Add one person who deals with two pairs of members; return her two pseudonyms."""
        pair = [Customer(self.town, number, *names, plan, SEED) for names, plan in zip(parties, plans, strict=True)]
        for place, customer in enumerate(pair):
            customer.entropy = SeededEntropy(f"{number} at {place}".encode())
            customer.illness = draw_illness(self.chance)
        assert pair[0].wallet.identity == pair[1].wallet.identity
        self.lives += pair
        return frozenset(customer.pseudonym.name for customer in pair)

    def live(self) -> Onlooker:
        """Let everybody live, and read what one node has."""
        simulation = self.town.simulation
        simulation.idle_tick_ms = 10 * MINUTE_MS
        simulation.start()
        for customer in self.lives:
            simulation.live(customer.live())
        assert simulation.run_until(lambda: all(customer.is_settled() for customer in self.lives), 2 * DAY_MS)
        return Onlooker.read(self.town.node("hospital-a").disk)


@pytest.fixture(autouse=True)
def seals() -> Iterator[None]:
    with use_stand_in(OpenSeal()):
        yield


def enter(people: People, *, in_one_sitting: bool) -> set[Pair]:
    """Have everybody enter her two pseudonyms within a day."""
    pairs: set[Pair] = set()
    for number in range(PEOPLE):
        first, second = (people.chance.randrange(DAY_MS) for _ in range(2))
        plans = Plan(first, None), Plan(first if in_one_sitting else second, None)
        pairs.add(people.add(number, (A, B), plans))
    return pairs


def test_pseudonyms_that_share_no_policy_are_told_together_by_chance_only() -> None:
    people = People()
    truth = enter(people, in_one_sitting=False)
    seen = people.live()
    assert not seen.link_by_policy()
    hits = len(truth & seen.guess_by_moment(A, B))
    assert hits <= PEOPLE // 4


def test_pseudonyms_that_are_entered_in_one_sitting_are_told_together_by_their_moment() -> None:
    people = People()
    truth = enter(people, in_one_sitting=True)
    hits = len(truth & people.live().guess_by_moment(A, B))
    assert hits >= PEOPLE * 3 // 4


def test_pseudonyms_under_one_policy_are_all_told_together_and_a_stays_parts_are_open() -> None:
    people = People()
    plans = (Plan(0, 5_000, 10_000), Plan(9 * MINUTE_MS, 5_000, 10_000, has_interim=True))
    truth = {people.add(number, (A, ("hospital-b", "insurer-a")), plans) for number in range(ILL)}
    seen = people.live()
    assert seen.link_by_policy() == truth
    with_interim = {name for name, types in seen.records.items() if "interim-bill" in types}
    assert len(with_interim) == ILL
    assert {len(types) for types in seen.records.values()} == {4, 5}
    assert len(seen.bytes_of["claims.settle"]) == 1, "a settlement's size tells nothing of its amounts"
