"""Who may call which route: members, the operator of this node, customers, and nobody else."""

import asyncio
from pathlib import Path

import pytest
from fastapi import APIRouter

from ledger.crypto.signatures import PrivateKey
from nodes.api.callers import AnyCaller, Customer, Member, Operator
from nodes.authentication import RequestSigner, pseudonym_name
from nodes.config import Home
from tests.nodes.network.solo import ENTROPY, NAME, OTHER, Solo, found, run_solo

router = APIRouter()


@router.get("/any")
async def take_any(caller: AnyCaller) -> str:
    return caller.name


@router.get("/member")
async def take_member(caller: Member) -> str:
    return caller.name


@router.get("/operator")
async def take_operator(caller: Operator) -> str:
    return caller.name


@router.get("/customer")
async def take_customer(caller: Customer) -> str:
    return caller.name


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return found(tmp_path_factory.mktemp("home") / "n")


def signer_of(solo: Solo, who: str) -> RequestSigner:
    """Return a member, or a customer who is not enrolled yet, as a caller."""
    if who != "customer":
        return solo.signer(who)
    key = PrivateKey(ENTROPY.draw(32))
    return RequestSigner(key, solo.chain_id, pseudonym_name(key.public_key), carry_key=True)


@pytest.mark.parametrize(
    ("who", "allowed"),
    [
        (NAME, {"/any", "/member", "/operator"}),
        (OTHER, {"/any", "/member"}),
        ("customer", {"/any", "/customer"}),
    ],
)
def test_each_kind_of_caller_has_its_routes(home: Home, who: str, allowed: set[str]) -> None:
    async def run() -> None:
        async with run_solo(home) as solo:
            solo.app.include_router(router)
            for path in ("/any", "/member", "/operator", "/customer"):
                signer = signer_of(solo, who)
                answer = await solo.send("GET", path, signer=signer)
                if path in allowed:
                    assert answer.json() == signer.actor
                else:
                    assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN")
                    assert answer.json()["message"].startswith("caller: expected ")

    asyncio.run(run())


def test_the_query_of_a_target_is_signed_too(home: Home) -> None:
    async def run() -> None:
        async with run_solo(home) as solo:
            solo.app.include_router(router)
            signed = await solo.send("GET", "/any?a=1&b=%C3%A9")
            assert signed.status_code == 200
            headers = {name: value for name, value in signed.request.headers.items() if name.startswith("xinpei")}
            answer = await solo.api.get("/any?a=2&b=%C3%A9", headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (401, "AUTHENTICATION")

    asyncio.run(run())


@pytest.mark.parametrize("name", ["nobody", "", "c-" + "a" * 32, "\x7f", "x" * 10_000, "é"])
def test_an_unknown_caller_is_refused_by_name(home: Home, name: str, tmp_path: Path) -> None:
    async def run() -> None:
        async with run_solo(home) as solo:
            solo.app.include_router(router)
            before = solo.signer()
            signed = before.headers(NAME, "GET", "/any", b"", time_ms=0, nonce=bytes(16))
            headers = [(key.encode(), value.encode()) for key, value in (signed | {"xinpei-actor": name}).items()]
            answer = await solo.api.get("/any", headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (401, "AUTHENTICATION")

    asyncio.run(run())
