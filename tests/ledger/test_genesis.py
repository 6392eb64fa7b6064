"""The genesis: its hash covers all of it, and what is out of order is refused."""

from typing import Any

import pytest
from msgspec.structs import replace

from ledger.codec import decode, encode
from ledger.errors import DecodeError
from ledger.genesis import ContractPin, Genesis, Organisation
from ledger.membership import Validator, ValidatorSet


def organisation(name: str) -> Organisation:
    return Organisation(name, "hospital", name.encode() * 32, bytes(1216), bytes(32))


GENESIS = Genesis(
    1,
    "xinpei-test",
    1_000,
    ValidatorSet((Validator("a", b"a" * 32, 1),)),
    (organisation("a"), organisation("b")),
    (ContractPin("claims", bytes(32)), ContractPin("consent", bytes(32))),
)


def test_a_genesis_survives_the_wire_with_its_hash() -> None:
    decoded = decode(encode(GENESIS), Genesis)
    assert decoded == GENESIS
    assert decoded.hash == GENESIS.hash


@pytest.mark.parametrize(
    "change",
    [
        {"protocol_version": 2},
        {"chain_id": "xinpei-other"},
        {"time_ms": 1_001},
        {"validators": ValidatorSet((Validator("a", b"a" * 32, 2),))},
        {"organisations": (organisation("a"),)},
        {"contracts": (ContractPin("claims", b"\x01" * 32), ContractPin("consent", bytes(32)))},
    ],
    ids=lambda change: next(iter(change)),
)
def test_the_hash_covers_every_field(change: dict[str, Any]) -> None:
    assert replace(GENESIS, **change).hash != GENESIS.hash


@pytest.mark.parametrize("field", ["organisations", "contracts"])
def test_names_out_of_order_or_twice_are_refused(field: str) -> None:
    first, second = getattr(GENESIS, field)
    parts = [getattr(GENESIS, name) for name in Genesis.__struct_fields__]
    for rows in ((second, first), (first, first)):
        parts[Genesis.__struct_fields__.index(field)] = rows
        with pytest.raises(DecodeError, match=f"genesis {field}: names must be sorted"):
            decode(encode(tuple(parts)), Genesis)


def test_a_genesis_without_organisations_is_refused() -> None:
    with pytest.raises(DecodeError, match="Genesis"):
        decode(encode(replace(GENESIS, organisations=())), Genesis)


def test_a_seal_key_has_its_exact_size() -> None:
    short = replace(organisation("a"), seal_key=bytes(1215))
    with pytest.raises(DecodeError):
        decode(encode(replace(GENESIS, organisations=(short,))), Genesis)


def test_founding_members_are_found_by_name() -> None:
    assert GENESIS.organisation("b") == organisation("b")
    assert GENESIS.organisation("c") is None


def test_an_organisation_has_no_customers_name_and_no_customers_role() -> None:
    for name, role in (("c-hospital", "hospital"), ("hospital-a", "customer")):
        with pytest.raises(DecodeError, match=r"organisation: .* are customers'"):
            decode(encode((name, role, bytes(32), bytes(1216), bytes(32))), Organisation)
