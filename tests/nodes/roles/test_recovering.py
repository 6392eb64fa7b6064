"""What a new wallet asks its keepers for: of a whole wallet's pseudonyms those that can be recovered, and no others."""

from contextlib import nullcontext
from typing import Any, cast

import pytest

from nodes.client import ApiError
from nodes.entropy import SeededEntropy
from nodes.identity import synthetic_identity
from nodes.roles.customer.customer import Customer, CustomerError
from nodes.roles.customer.recovering import LostName, ask
from nodes.wallet import Pseudonym, Wallet

CHAIN = "xinpei-test"
OLD, NEW = (Wallet.create(synthetic_identity("wang", SeededEntropy(b)), SeededEntropy(b)) for b in (b"old", b"new"))
PAIRS = (("hospital-a", "insurer-a"), ("hospital-b", "insurer-a"), ("hospital-a", "hospital-b"))
LOST = [LostName(*pair, OLD.pseudonym(CHAIN, *pair).name) for pair in PAIRS]
KEPT, UNKEPT, NEVER_SEEN = (name.pseudonym for name in LOST)


class NewWallet(nullcontext[Any]):
    """A customer with a new wallet, and nodes that know the plans they are told."""

    chain_id, wallet = CHAIN, NEW

    def __init__(self, plans: dict[str, int], fault: ApiError | None = None) -> None:
        super().__init__(self)
        self.plans, self.fault = plans, fault

    def pseudonym(self, hospital: str, insurer: str) -> Pseudonym:
        return NEW.pseudonym(CHAIN, hospital, insurer)

    def reach(self, pseudonym: Pseudonym) -> "NewWallet":
        assert pseudonym.name not in [name.pseudonym for name in LOST], "she speaks with the key that she has"
        return self

    def get(self, path: str) -> dict[str, int]:
        """Answer for a pseudonym that is on the chain."""
        name = path.removeprefix("/v1/recoveries/")
        if self.fault is not None:
            raise self.fault
        if name not in self.plans:
            raise ApiError("NOT_FOUND", f"pseudonym {name}: not found", 404)
        return {"plan": self.plans[name], "key_version": 1}


def ask_with(plans: dict[str, int]) -> Any:
    return ask(cast("Customer", NewWallet(plans)), LOST)


def test_what_the_chain_never_saw_or_nobody_keeps_holds_nothing_else_up() -> None:
    file, unkept = ask_with({KEPT: 1, UNKEPT: 0})
    assert [item.lost.pseudonym for item in file.requests] == [KEPT]
    assert [item.pseudonym for item in unkept] == [UNKEPT]


def test_where_nothing_can_be_recovered_nothing_is_written() -> None:
    with pytest.raises(CustomerError, match=f"{UNKEPT}: no keepers were named"):
        ask_with({UNKEPT: 0})
    with pytest.raises(CustomerError, match="expected one that is on the chain"):
        ask_with({})


def test_another_refusal_is_not_taken_for_an_unknown_pseudonym() -> None:
    silent = NewWallet({KEPT: 1}, ApiError("UNREACHABLE", "no answer"))
    with pytest.raises(ApiError, match="no answer"):
        ask(cast("Customer", silent), LOST)
