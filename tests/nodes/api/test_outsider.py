"""What somebody learns who is no member and no customer: anybody can make a key, and a pseudonym is a key's hash."""

import asyncio

import pytest

from ledger.crypto.signatures import PrivateKey
from nodes.authentication import RequestSigner, pseudonym_name
from nodes.config import Home
from tests.nodes.network.solo import ENTROPY, Solo, found, run_solo

TOLD = {"/v1/health", "/v1/status", "/v1/checkpoint"}
"""That it runs, heights, peers and whom it waits for; a header, once there is one."""
REFUSED = {"/v1/blocks/1", "/v1/events", "/metrics"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return found(tmp_path_factory.mktemp("home") / "n")


def stranger(solo: Solo) -> RequestSigner:
    key = PrivateKey(ENTROPY.draw(32))
    return RequestSigner(key, solo.chain_id, pseudonym_name(key.public_key), carry_key=True)


def test_a_stranger_with_a_key_of_his_own_learns_that_the_network_lives_and_nothing_of_anybody(home: Home) -> None:
    async def run() -> None:
        async with run_solo(home) as solo:
            for target in sorted(TOLD):
                answer = await solo.send("GET", target, signer=stranger(solo))
                assert answer.status_code in {200, 409}, target
                assert "c-" not in answer.text
            for target in sorted(REFUSED):
                answer = await solo.send("GET", target, signer=stranger(solo))
                assert answer.status_code == 403, target
            asked = b'{"contract": "consent", "method": "show", "arguments": ""}'
            assert (await solo.send("POST", "/v1/query", asked, signer=stranger(solo))).status_code == 403

    asyncio.run(run())


def test_without_a_key_only_health_answers(home: Home) -> None:
    async def run() -> None:
        async with run_solo(home) as solo:
            for target in sorted(TOLD | REFUSED):
                answer = await solo.api.get(target)
                assert answer.status_code == (200 if target == "/v1/health" else 401), target

    asyncio.run(run())
