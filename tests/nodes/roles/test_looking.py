"""A guardian reads who looked at her ward's records wherever she may, and is told where she may not."""

from contextlib import nullcontext
from typing import Any, cast

import pytest

from nodes.client import ApiError
from nodes.entropy import SeededEntropy
from nodes.identity import synthetic_identity
from nodes.roles.customer.customer import Customer
from nodes.roles.customer.looking import read_activity_of
from nodes.wallet import Pseudonym, Wallet

CHAIN = "xinpei-test"
PAIRS = (("hospital-a", "insurer-a"), ("hospital-b", "insurer-a"), ("hospital-a", "hospital-b"))


class Person(nullcontext[Any]):
    """Somebody with a wallet, to whom the nodes answer as they are told."""

    def __init__(self, name: str, allowed: set[str], fault: str = "FORBIDDEN") -> None:
        super().__init__(self)
        self.wallet = Wallet.create(
            synthetic_identity(name, SeededEntropy(name.encode())), SeededEntropy(name.encode())
        )
        self.allowed, self.fault, self.asked = allowed, fault, 0

    def pairs(self) -> tuple[tuple[str, str], ...]:
        return PAIRS

    def pseudonym(self, hospital: str, insurer: str) -> Pseudonym:
        return self.wallet.pseudonym(CHAIN, hospital, insurer)

    def reach(self, pseudonym: Pseudonym) -> "Person":
        assert pseudonym.name in [self.pseudonym(*pair).name for pair in PAIRS], "she asks under her own name"
        return self

    def list_rows(self, path: str, rows: str, parameters: dict[str, str]) -> list[Any]:
        assert (path.startswith("/v1/activity/"), rows) == (True, "looks")
        if parameters["subject"] not in self.allowed:
            raise ApiError(self.fault, "expected who may act for her")
        self.asked += 1
        return []


WARD = Person("ward", set())
NAMES = [WARD.pseudonym(*pair).name for pair in PAIRS]


def read(guardian: Person) -> Any:
    return read_activity_of(cast("Customer", guardian), cast("Customer", WARD))


def test_a_pair_without_an_authority_is_named_and_the_others_are_read() -> None:
    guardian = Person("guardian", {NAMES[0]})
    assert read(guardian) == ((), PAIRS[1:])
    assert guardian.asked > 0


def test_who_may_act_for_her_nowhere_is_refused() -> None:
    with pytest.raises(ApiError, match="FORBIDDEN"):
        read(Person("stranger", set()))


def test_a_node_that_does_not_answer_is_not_taken_for_a_missing_authority() -> None:
    with pytest.raises(ApiError, match="UNREACHABLE"):
        read(Person("guardian", {NAMES[0]}, "UNREACHABLE"))
