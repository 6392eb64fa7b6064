"""The routes of reports and samples: what they answer is verified by whoever gets it."""

import asyncio
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from nodes.api import reports
from nodes.api.callers import authenticate, get_node
from nodes.api.errors import install_handlers
from nodes.audit.sample import verify_sample
from nodes.audit.yearly_report import verify_report
from nodes.network.hosting import NodeView
from tests.contracts.books import INSURER, Books
from tests.contracts.consortium import load
from tests.nodes.audit.chain import AuditedChain


class Api:
    """A node's routes over a chain in memory, called by whom a test says."""

    def __init__(self) -> None:
        self.chain = AuditedChain(load())
        self.books = Books(self.chain)
        self.caller = SimpleNamespace(name="regulator", role="regulator")
        application = self.chain.application
        node = SimpleNamespace(
            organisation="regulator",
            application=application,
            view=NodeView(application, application.read),
            files=SimpleNamespace(blocks=self.chain.blocks),
        )
        app = FastAPI()
        app.include_router(reports.router)
        install_handlers(app)
        app.dependency_overrides[get_node] = lambda: node
        app.dependency_overrides[authenticate] = lambda: self.caller
        self._transport = httpx.ASGITransport(app)

    def get(self, path: str, **parameters: Any) -> tuple[int, httpx.Response]:
        answer = asyncio.run(self._get(path, parameters))
        return answer.status_code, answer

    async def _get(self, path: str, parameters: dict[str, Any]) -> httpx.Response:
        async with httpx.AsyncClient(transport=self._transport, base_url="https://node") as client:
            return await client.get(path, params=parameters)


@pytest.fixture(scope="module")
def published() -> Api:
    api = Api()
    api.books.pay(2026, 4, 10)
    api.books.go_to(2027, 1)
    api.chain.do(api.books.publish(2026))
    return api


@pytest.fixture
def api(published: Api) -> Iterator[Api]:
    yield published
    published.caller = SimpleNamespace(name="regulator", role="regulator")


def test_anyone_of_the_network_lists_and_reads_published_reports(api: Api) -> None:
    api.caller = SimpleNamespace(name=api.books.cases[0].customer, role="customer")
    status, answer = api.get(f"/v1/reports/{INSURER}")
    assert status == 200
    (row,) = answer.json()
    assert (row["year"], row["currency"], row["groups"]) == (2026, "CNY", 1)
    status, answer = api.get(f"/v1/reports/{INSURER}/2026")
    assert status == 200
    assert verify_report(answer.content, api.chain.genesis).report.year == 2026


@pytest.mark.parametrize("path", [f"/v1/reports/{INSURER}/2027", "/v1/reports/insurer-b/2026", "/v1/reports/nobody/1"])
def test_what_is_not_published_is_refused(api: Api, path: str) -> None:
    status, answer = api.get(path)
    assert status == 409
    assert "nothing was paid" in answer.json()["message"]


def test_members_draw_samples_and_customers_do_not(api: Api) -> None:
    status, answer = api.get(f"/v1/samples/{INSURER}", seed="dice", count=4)
    assert status == 200
    assert len(verify_sample(answer.content, api.chain.genesis).numbers) == 4
    api.caller = SimpleNamespace(name="c-somebody", role="customer")
    assert api.get(f"/v1/samples/{INSURER}", seed="dice", count=4)[0] == 403


@pytest.mark.parametrize(
    "asked", [{}, {"seed": "", "count": 1}, {"seed": "s", "count": 0}, {"seed": "s", "count": 1001}]
)
def test_a_sample_has_a_seed_and_a_bounded_count(api: Api, asked: dict[str, Any]) -> None:
    assert api.get(f"/v1/samples/{INSURER}", **asked)[0] == 422
