"""The gate: who calls is settled by the headers, and nobody's body is read who may not send it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from ledger.crypto.signatures import PrivateKey
from nodes.api import gate
from nodes.api.errors import BODY_BYTES_MAX
from nodes.api.gate import (
    CALLER_BYTES_MAX,
    OPERATOR_BYTES_MAX,
    STRANGER_BYTES_MAX,
    SUBMISSIONS,
    body_bytes_max,
)
from nodes.authentication import Caller, RequestSigner
from nodes.config import Home
from nodes.network.node import read_clock_ms
from tests.nodes.network.solo import ENTROPY, NAME, Solo, found, run_solo


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return found(tmp_path_factory.mktemp("home") / "n")


class Ask:
    """One request as the server hands it over, and how much of its body was asked for."""

    def __init__(self, *parts: bytes, endless: bool = False) -> None:
        self.parts = list(parts)
        self.endless = endless
        self.read = 0
        self.answers: list[Any] = []

    async def receive(self) -> dict[str, Any]:
        if not self.parts and self.endless:
            await asyncio.sleep(3600)
        part = self.parts.pop(0) if self.parts else b""
        self.read += len(part)
        return {"type": "http.request", "body": part, "more_body": bool(self.parts) or self.endless}

    async def send(self, message: Any) -> None:
        self.answers.append(message)

    @property
    def status(self) -> int:
        return int(self.answers[0]["status"])

    @property
    def text(self) -> str:
        return str(self.answers[1]["body"].decode())


async def ask(
    solo: Solo,
    parts: tuple[bytes, ...],
    signed: bytes,
    *,
    endless: bool = False,
    announced: int | None = None,
    signer: RequestSigner | None = None,
    path: str = "/v1/query",
) -> Ask:
    """Have the application serve one request whose headers sign a body, whatever then comes."""
    made = (signer or solo.signer()).headers(
        NAME, "POST", path, signed, time_ms=read_clock_ms(), nonce=ENTROPY.draw(16)
    )
    made |= {"content-type": "application/json", "content-length": str(len(signed) if announced is None else announced)}
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "https",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in made.items()],
    }
    asked = Ask(*parts, endless=endless)
    await solo.app(scope, asked.receive, asked.send)
    return asked


def play(home: Home, test: Callable[[Solo], Awaitable[None]]) -> None:
    async def run() -> None:
        async with run_solo(home) as solo:
            await test(solo)

    asyncio.run(run())


def test_a_body_of_a_caller_who_is_none_is_not_read(home: Home) -> None:
    async def test(solo: Solo) -> None:
        stranger = RequestSigner(PrivateKey(bytes(range(32))), solo.node.application.genesis.chain_id, NAME)
        asked = await ask(solo, (b"x" * 1000,) * 50, b"x" * 50_000, signer=stranger)
        assert (asked.status, asked.read) == (401, 0)
        asked = await ask(solo, (b"x" * 1000,) * 50, b"x" * 50_000, announced=49_999)
        assert (asked.status, asked.read) == (401, 0), "the length is signed"

    play(home, test)


def test_a_body_larger_than_its_caller_may_send_there_is_not_read(home: Home) -> None:
    async def test(solo: Solo) -> None:
        for path, most in (("/v1/query", OPERATOR_BYTES_MAX), (SUBMISSIONS, BODY_BYTES_MAX)):
            asked = await ask(solo, (b"x",), bytes(most + 1), path=path)
            assert (asked.status, asked.read) == (413, 0)
            assert f"at most {most} bytes" in asked.text

    play(home, test)


@pytest.mark.parametrize("parts", [(b"{} ",), (b"{", b"}", b" " * 500), (b"{",), (), (b"[]",)])
def test_another_body_than_the_signed_one_is_refused(home: Home, parts: tuple[bytes, ...]) -> None:
    async def test(solo: Solo) -> None:
        asked = await ask(solo, parts, b"{}")
        assert asked.status == 401
        assert "the body is not the 2 bytes that were signed" in asked.text

    play(home, test)


def test_what_comes_beyond_the_signed_length_is_not_read_to_its_end(home: Home) -> None:
    async def test(solo: Solo) -> None:
        asked = await ask(solo, (b"x" * 1000,) * 1000, b"x" * 1500)
        assert (asked.status, asked.read) == (401, 2000)

    play(home, test)


def test_a_body_that_does_not_come_is_not_waited_for_without_end(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "BODY_SECONDS", 0.01)

    async def test(solo: Solo) -> None:
        asked = await ask(solo, (b"{",), b"{}", endless=True)
        assert asked.status == 401
        assert "expected 2 bytes within" in asked.text

    play(home, test)


def test_a_path_that_does_not_exist_is_told_to_anybody_unread(home: Home) -> None:
    async def test(solo: Solo) -> None:
        asked = await ask(solo, (b"x" * 1000,), b"y" * 1000, announced=1, path="/v1/nothing")
        assert (asked.status, asked.read) == (404, 0)

    play(home, test)


def test_a_body_in_parts_arrives_whole(home: Home) -> None:
    async def test(solo: Solo) -> None:
        body = b'{"contract": "membership", "method": "none", "arguments": ""}'
        asked = await ask(solo, (body[:10], body[10:11], b"", body[11:]), body)
        assert (asked.status, asked.read) == (409, len(body))
        assert "UNKNOWN_METHOD" in asked.text

    play(home, test)


@pytest.mark.parametrize(
    ("name", "role", "enrolled", "path", "most"),
    [
        ("insurer-a", "insurer", True, "/v1/submissions", BODY_BYTES_MAX),
        ("hospital-a", "hospital", True, "/v1/submissions", BODY_BYTES_MAX),
        ("hospital-a", "hospital", True, "/v1/stays", OPERATOR_BYTES_MAX),
        ("insurer-a", "insurer", True, "/v1/stays", CALLER_BYTES_MAX),
        ("c-aaaa", "customer", True, "/v1/submissions", CALLER_BYTES_MAX),
        ("c-aaaa", "customer", False, "/v1/enrolments", STRANGER_BYTES_MAX),
        ("c-aaaa", "customer", False, "/v1/submissions", STRANGER_BYTES_MAX),
    ],
)
def test_the_bound_is_the_callers_and_the_routes(name: str, role: str, enrolled: bool, path: str, most: int) -> None:
    caller = Caller(name, role, bytes(32), 0, enrolled=enrolled)
    assert body_bytes_max(caller, "hospital-a", path) == most
