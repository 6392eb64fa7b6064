"""What an insurer calls a policy's year on the chain: one name under one secret, and another under another."""

from types import SimpleNamespace
from typing import Any, cast

from nodes.roles.insurer.portfolio import PolicyEntry
from nodes.roles.insurer.premises import Premises

NOTHING = cast("Any", None)


def name_of(secret: bytes, policy_id: str = "policy-000000000001", from_day: int = 20_000) -> str:
    entry = cast("PolicyEntry", SimpleNamespace(policy_id=policy_id, from_day=from_day))
    return Premises(NOTHING, NOTHING, NOTHING, secret).year_tag(entry)


def test_a_year_has_one_name_and_the_name_tells_neither_policy_nor_day() -> None:
    assert name_of(bytes(32)) == name_of(bytes(32))
    names = {name_of(bytes(32)), name_of(bytes(32), from_day=20_365), name_of(bytes(32), "policy-000000000002")}
    assert len(names) == 3
    assert not [name for name in names if "20000" in name or "policy" in name]


def test_under_another_secret_the_same_year_would_begin_with_fresh_balances() -> None:
    """Why the secret is not replaced: the chain would take the new name for a year in which nothing was paid."""
    assert name_of(bytes(32)) != name_of(bytes([1]) * 32)
