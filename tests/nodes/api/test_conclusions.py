"""The route and the command by which an insurer's operator states what a removed rail will not report."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
from fastapi import FastAPI

from contracts.settlements import Conclude
from nodes.agent import Call
from nodes.api.callers import authenticate, get_node
from nodes.api.errors import install_handlers
from nodes.api.insurer import make_insurer_router
from nodes.roles.insurer.agent import Insurer
from nodes.roles.insurer.payments import PaymentError
from tests.nodes.cli.commands import run

PATH = "/v1/cases/claim-7f3a00/conclusions"
PAYMENT = "payment-7f3a00"


class Desk:
    """An insurer's route over a claim with one stranded payment."""

    def __init__(self) -> None:
        self.is_stranded = True
        self.called: list[Call] = []
        self.caller = "insurer-a"

    def conclude_payment(self, claim_id: str, *, has_moved: bool, payment_id: str | None) -> Call:
        if not self.is_stranded:
            raise PaymentError(claim_id, [])
        return Call("claims", "conclude", Conclude(payment_id or PAYMENT, has_moved))

    async def call(self, member: str, call: Call, _timeout_seconds: float) -> SimpleNamespace:
        assert member == "insurer-a"
        self.called.append(call)
        return SimpleNamespace(height=41)

    def post(self, body: object) -> httpx.Response:
        app = FastAPI()
        app.include_router(make_insurer_router(cast("Insurer", self)))
        install_handlers(app)
        app.dependency_overrides[get_node] = lambda: SimpleNamespace(organisation="insurer-a", call=self.call)
        app.dependency_overrides[authenticate] = lambda: SimpleNamespace(name=self.caller, role="insurer")

        async def ask() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://node") as client:
                return await client.post(PATH, json=body)

        return asyncio.run(ask())


@pytest.mark.parametrize("has_moved", [True, False])
def test_the_operator_states_it_and_is_told_at_which_height(has_moved: bool) -> None:
    desk = Desk()
    answer = desk.post({"has_moved": has_moved})
    assert answer.json() == {"claim": "claim-7f3a00", "has_moved": has_moved, "height": 41}
    assert desk.called == [Call("claims", "conclude", Conclude(PAYMENT, has_moved))]
    desk.post({"has_moved": has_moved, "payment": "payment-7f3a01"})
    assert desk.called[1:] == [Call("claims", "conclude", Conclude("payment-7f3a01", has_moved))]


def test_nobody_else_states_it_and_nothing_is_stated_where_nothing_is_stranded() -> None:
    desk = Desk()
    desk.caller = "hospital-a"
    assert desk.post({"has_moved": True}).status_code == 403
    desk.caller, desk.is_stranded = "insurer-a", False
    answer = desk.post({"has_moved": True})
    assert (answer.status_code // 100, "has not reported to its end" in answer.text) == (4, True)
    assert desk.post({}).status_code == 422
    assert desk.called == []


def test_the_command_says_what_was_stated_and_demands_one_of_the_two(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    posted: list[tuple[str, Any]] = []

    def post(path: str, body: Any) -> dict[str, Any]:
        posted.append((path, body))
        return {"claim": "claim-7f3a00", **body, "height": 41}

    @contextmanager
    def find_claim(*_words: object) -> Iterator[SimpleNamespace]:
        yield SimpleNamespace(claim_id="claim-7f3a00", client=SimpleNamespace(post=post))

    monkeypatch.setattr("nodes.cli.claims.finding.find_claim", find_claim)
    words = ("claim", "conclude", "C-7f3a", "--as", "insurer-a", "--home", str(tmp_path))
    assert run(capsys, *words).code == 2
    ran = run(capsys, *words, "--not-moved")
    assert (ran.code, "not moved, and is sent again · stated at height 41" in ran.out) == (0, True)
    ran = run(capsys, *words, "--moved", "--json")
    assert json.loads(ran.out)["has_moved"]
    assert run(capsys, *words, "--moved", "--payment", PAYMENT).code == 0
    assert posted == [
        (PATH, {"has_moved": False, "payment": None}),
        (PATH, {"has_moved": True, "payment": None}),
        (PATH, {"has_moved": True, "payment": PAYMENT}),
    ]
