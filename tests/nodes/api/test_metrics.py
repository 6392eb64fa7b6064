"""Metrics in Prometheus' text format: the numbers of a running node, for members, and nothing about customers."""

import asyncio
import re
from collections.abc import Awaitable, Callable

import pytest

from ledger.crypto.signatures import PrivateKey
from nodes.authentication import RequestSigner, pseudonym_name
from nodes.config import Home
from tests.nodes.network.solo import ENTROPY, NAME, OTHER, Solo, found, run_solo

LINE = re.compile(r'(xinpei_[a-z_]+)(\{[a-z]+="[^"]*"(?:,[a-z]+="[^"]*")*\})? (-?[0-9.]+)')


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return found(tmp_path_factory.mktemp("home") / "n")


def play(home: Home, test: Callable[[Solo], Awaitable[None]]) -> None:
    """Run a test against a running node."""

    async def run() -> None:
        async with run_solo(home) as solo:
            await test(solo)

    asyncio.run(run())


async def read(solo: Solo, caller: str = NAME) -> dict[str, float]:
    """Return all samples, by name and labels; each line is one, or says what the next ones are."""
    answer = await solo.send("GET", "/metrics", signer=solo.signer(caller))
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.text.endswith("\n")
    found: dict[str, float] = {}
    described: dict[str, str] = {}
    for line in answer.text.splitlines():
        if line.startswith("# "):
            _, what, name, words = line.split(" ", 3)
            described[name] = described.get(name, "") + what
            assert words
            continue
        match = LINE.fullmatch(line)
        assert match is not None, line
        assert described[match[1]] == "HELPTYPE", f"{line}: described before its first sample"
        key = match[1] + (match[2] or "")
        assert key not in found
        found[key] = float(match[3])
    return found


def test_the_numbers_follow_the_chain(home: Home) -> None:
    async def test(solo: Solo) -> None:
        before = await read(solo)
        assert (before["xinpei_transactions_total"], before["xinpei_signing"]) == (0, 1)
        assert (before['xinpei_step{step="unstarted"}'], before["xinpei_power_lacking"]) == (1, 0)
        await solo.submit(solo.submission(2), wait=20)
        first_ms = solo.node.view.time_ms
        await solo.submit(solo.submission(), wait=20)
        after = await read(solo, OTHER)
        assert after["xinpei_height"] == before["xinpei_height"] + 2 == solo.node.view.height
        assert after["xinpei_transactions_total"] == 3
        assert after["xinpei_block_interval_seconds"] == (solo.node.view.time_ms - first_ms) / 1000
        assert after["xinpei_block_time_seconds"] == solo.node.view.time_ms / 1000
        assert after["xinpei_deciding_height"] == after["xinpei_height"] + 1
        assert after["xinpei_waiting_submissions"] == 0
        assert sum(value for name, value in after.items() if name.startswith("xinpei_step{")) == 1
        (info,) = [name for name in after if name.startswith("xinpei_info")]
        assert f'organisation="{NAME}"' in info
        assert solo.node.store_engine in info

    play(home, test)


def test_a_node_that_leaves_counts_nothing_twice(home: Home) -> None:
    async def test(solo: Solo) -> None:
        await solo.submit(solo.submission(), wait=20)
        before = solo.app.state.meter.transactions
        solo.node.dismiss()
        assert solo.app.state.meter.transactions == before == 1

    play(home, test)


def test_no_customer_and_no_key_is_in_them(home: Home) -> None:
    async def test(solo: Solo) -> None:
        await solo.submit(solo.submission(3), wait=20)
        text = (await solo.send("GET", "/metrics")).text.replace(solo.node.application.genesis.chain_id, "")
        assert "c-" not in text
        assert re.search(r"[0-9a-f]{32}", text) is None

    play(home, test)


def test_they_are_for_members_only(home: Home) -> None:
    async def test(solo: Solo) -> None:
        key = PrivateKey(ENTROPY.draw(32))
        customer = RequestSigner(key, solo.chain_id, pseudonym_name(key.public_key), carry_key=True)
        assert (await solo.send("GET", "/metrics", signer=customer)).status_code == 403
        assert (await solo.api.get("/metrics")).status_code == 401

    play(home, test)
