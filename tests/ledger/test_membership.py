"""Validator sets and key versions: their order, their thresholds, their time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.codec import decode, encode
from ledger.errors import DecodeError, VerificationError
from ledger.limits import VALIDATORS_MAX, VOTING_POWER_TOTAL_MAX
from ledger.membership import Actor, KeyRecord, Validator, ValidatorSet


def set_of(*powers: int) -> ValidatorSet:
    return ValidatorSet(tuple(Validator(f"v{i:02}", bytes([i]) * 32, power) for i, power in enumerate(powers)))


@given(st.lists(st.integers(1, 1_000), min_size=1, max_size=VALIDATORS_MAX))
def test_a_set_survives_the_wire_with_its_hash(powers: list[int]) -> None:
    validators = set_of(*powers)
    decoded = decode(encode(validators), ValidatorSet)
    assert decoded == validators
    assert decoded.hash == validators.hash
    assert decoded.total_power == sum(powers)


def test_the_hash_covers_names_keys_and_powers() -> None:
    sets = [
        ValidatorSet((Validator("a", bytes(32), 1),)),
        ValidatorSet((Validator("b", bytes(32), 1),)),
        ValidatorSet((Validator("a", b"\x01" * 32, 1),)),
        ValidatorSet((Validator("a", bytes(32), 2),)),
    ]
    assert len({item.hash for item in sets}) == len(sets)


@pytest.mark.parametrize(
    ("desc", "rows"),
    [
        ("no validator", []),
        ("unsorted", [("b", b"\x01", 1), ("a", b"\x02", 1)]),
        ("a name twice", [("a", b"\x01", 1), ("a", b"\x02", 1)]),
        ("a key twice", [("a", b"\x01", 1), ("b", b"\x01", 1)]),
        ("no power", [("a", b"\x01", 0)]),
        ("negative power", [("a", b"\x01", -1)]),
        ("too much power", [("a", b"\x01", VOTING_POWER_TOTAL_MAX), ("b", b"\x02", 1)]),
        ("too many", [(f"v{i:02}", bytes([i]), 1) for i in range(VALIDATORS_MAX + 1)]),
    ],
)
def test_a_set_that_is_none_is_refused(desc: str, rows: list[tuple[str, bytes, int]]) -> None:
    encoded = encode((tuple((name, key * 32, power) for name, key, power in rows),))
    with pytest.raises(DecodeError, match="ValidatorSet"):
        decode(encoded, ValidatorSet)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=10), st.data())
def test_two_quorums_share_more_than_a_skip_leaves_out(powers: list[int], data: st.DataObject) -> None:
    validators = set_of(*powers)
    total = validators.total_power
    power = data.draw(st.integers(0, total))
    assert validators.is_quorum(power) == (power > total * 2 / 3)
    assert validators.is_skip(power) == (power > total / 3)
    if validators.is_quorum(power):
        assert validators.is_skip(2 * power - total), "two quorums meet in an honest validator"


@pytest.mark.parametrize(("count", "quorum", "skip"), [(1, 1, 1), (3, 3, 2), (4, 3, 2), (6, 5, 3), (7, 5, 3)])
def test_thresholds_of_equal_validators(count: int, quorum: int, skip: int) -> None:
    validators = set_of(*([1] * count))
    assert [validators.is_quorum(quorum), validators.is_quorum(quorum - 1)] == [True, False]
    assert [validators.is_skip(skip), validators.is_skip(skip - 1)] == [True, False]


def test_proposers_take_turns_by_height_and_round() -> None:
    validators = set_of(1, 1, 1, 1)
    assert [validators.proposer(4, round_).name for round_ in range(5)] == ["v00", "v01", "v02", "v03", "v00"]
    assert [validators.proposer(height, 0).name for height in range(1, 5)] == ["v01", "v02", "v03", "v00"]


def test_a_stranger_has_no_power() -> None:
    validators = set_of(3)
    assert validators.power("v00") == 3
    assert validators.power("stranger") == 0
    assert validators.get("stranger") is None


def test_a_key_is_in_force_from_its_height_until_before_its_end() -> None:
    record = KeyRecord(1, bytes(32), 5, 8)
    assert [height for height in range(12) if record.in_force(height)] == [5, 6, 7]
    assert KeyRecord(1, bytes(32), 5, None).in_force(2**53)


def test_what_an_old_key_signed_verifies_at_its_height_and_nothing_new_does() -> None:
    keys = (KeyRecord(1, b"\x01" * 32, 0, 8), KeyRecord(2, b"\x02" * 32, 8, None))
    actor = Actor("hospital-a", "hospital", keys, None)
    assert decode(encode(actor), Actor) == actor
    assert actor.public_key(1, 7) == b"\x01" * 32
    assert actor.public_key(2, 8) == b"\x02" * 32
    for version, height in ((1, 8), (2, 7)):
        with pytest.raises(VerificationError, match="not in force"):
            actor.public_key(version, height)
    with pytest.raises(VerificationError, match="no key version 3"):
        actor.public_key(3, 8)
