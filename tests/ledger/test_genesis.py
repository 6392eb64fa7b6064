"""The genesis: its hash covers all of it, and what is out of order is refused."""

from typing import Any

import pytest
from msgspec.structs import replace

from ledger.blocks import PREVOTE, Vote, vote_sign_bytes
from ledger.codec import decode, encode
from ledger.crypto.signatures import PrivateKey, sign_vote
from ledger.errors import DecodeError, VerificationError
from ledger.genesis import ContractPin, Genesis, Organisation
from ledger.membership import Validator, ValidatorSet


def organisation(name: str) -> Organisation:
    return Organisation(name, "hospital", name.encode() * 32, bytes(1216), bytes(32))


GENESIS = Genesis.found(
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


CHANGES = [
    {"protocol_version": 2},
    {"time_ms": 1_001},
    {"validators": ValidatorSet((Validator("a", b"a" * 32, 2),))},
    {"organisations": (organisation("a"),)},
    {"contracts": (ContractPin("claims", b"\x01" * 32), ContractPin("consent", bytes(32)))},
    {"recovery_wait_ms_min": 1_000},
]


def fields(genesis: Genesis) -> dict[str, Any]:
    """Return what a genesis is founded from."""
    found = {name: getattr(genesis, name) for name in Genesis.__struct_fields__ if name != "chain_id"}
    return found | {"label": "xinpei-test"}


@pytest.mark.parametrize("change", [*CHANGES, {"label": "xinpei-other"}], ids=lambda change: next(iter(change)))
def test_chain_id_and_hash_cover_every_field(change: dict[str, Any]) -> None:
    other = Genesis.found(**(fields(GENESIS) | change))
    assert other.hash != GENESIS.hash
    assert other.chain_id[-32:] != GENESIS.chain_id[-32:]


def test_an_auditor_that_would_vote_is_refused() -> None:
    auditor = replace(organisation("a"), role="auditor")
    with pytest.raises(ValueError, match="a is an auditor, which decides nothing that it audits"):
        Genesis.found(**(fields(GENESIS) | {"organisations": (auditor, organisation("b"))}))
    bystander = replace(organisation("b"), role="auditor")
    Genesis.found(**(fields(GENESIS) | {"organisations": (organisation("a"), bystander)}))


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: next(iter(change)))
def test_a_genesis_with_the_chain_id_of_another_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="genesis chain_id: expected xinpei-test-"):
        replace(GENESIS, **change)
    parts = [change.get(name, getattr(GENESIS, name)) for name in Genesis.__struct_fields__]
    with pytest.raises(DecodeError, match="which its content makes it"):
        decode(encode(tuple(parts)), Genesis)


@pytest.mark.parametrize("chain_id", ["xinpei-test", "x", GENESIS.chain_id[:-1], "y" + GENESIS.chain_id[1:]])
def test_a_chain_id_that_nobody_derived_is_refused(chain_id: str) -> None:
    with pytest.raises(ValueError, match="genesis chain_id"):
        replace(GENESIS, chain_id=chain_id)


def test_a_vote_for_one_network_is_none_in_another_with_the_same_keys() -> None:
    key = PrivateKey(b"a" * 32)
    other = Genesis.found(**(fields(GENESIS) | {"time_ms": 1_001}))
    signature = sign_vote(key, vote_sign_bytes(GENESIS.chain_id, PREVOTE, 1, 0, bytes(32)))
    vote = Vote(PREVOTE, 1, 0, bytes(32), "a", signature)
    vote.verify(GENESIS.chain_id, key.public_key)
    with pytest.raises(VerificationError):
        vote.verify(other.chain_id, key.public_key)


@pytest.mark.parametrize("field", ["organisations", "contracts"])
def test_names_out_of_order_or_twice_are_refused(field: str) -> None:
    first, second = getattr(GENESIS, field)
    parts = [getattr(GENESIS, name) for name in Genesis.__struct_fields__]
    for rows in ((second, first), (first, first)):
        parts[Genesis.__struct_fields__.index(field)] = rows
        with pytest.raises(DecodeError, match=f"genesis {field}: names must be sorted"):
            decode(encode(tuple(parts)), Genesis)


def test_a_genesis_without_organisations_is_refused() -> None:
    empty = Genesis.found(**(fields(GENESIS) | {"organisations": ()}))
    with pytest.raises(DecodeError, match="Genesis"):
        decode(encode(empty), Genesis)


def test_a_seal_key_has_its_exact_size() -> None:
    short = replace(organisation("a"), seal_key=bytes(1215))
    with pytest.raises(DecodeError):
        decode(encode(Genesis.found(**(fields(GENESIS) | {"organisations": (short,)}))), Genesis)


def test_the_shortest_wait_for_a_veto_is_a_second_to_ninety_days() -> None:
    assert GENESIS.recovery_wait_ms_min == 3 * 86_400_000
    for wait_ms in (0, 999, 90 * 86_400_000 + 1):
        with pytest.raises(DecodeError):
            decode(encode(Genesis.found(**(fields(GENESIS) | {"recovery_wait_ms_min": wait_ms}))), Genesis)


def test_founding_members_are_found_by_name() -> None:
    assert GENESIS.organisation("b") == organisation("b")
    assert GENESIS.organisation("c") is None


def test_an_organisation_has_no_customers_name_and_no_customers_role() -> None:
    for name, role in (("c-hospital", "hospital"), ("hospital-a", "customer")):
        with pytest.raises(DecodeError, match=r"organisation: .* are customers'"):
            decode(encode((name, role, bytes(32), bytes(1216), bytes(32))), Organisation)
