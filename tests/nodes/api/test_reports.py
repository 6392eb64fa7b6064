"""The routes of reports and samples: what they answer is verified by whoever gets it."""

import asyncio
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
from fastapi import FastAPI

from nodes.api import reports
from nodes.api.callers import authenticate, get_node
from nodes.api.errors import install_handlers
from nodes.audit.sample import verify_sample
from nodes.audit.trust import Trust
from nodes.audit.yearly_report import verify_report
from nodes.network.hosting import NodeView
from nodes.roles.insurer.agent import Insurer
from tests.contracts.books import INSURER, Books
from tests.contracts.consortium import load
from tests.nodes.audit.chain import AuditedChain


class Api:
    """A node's routes over a chain in memory, called by whom a test says."""

    def __init__(self, organisation: str = "regulator") -> None:
        self.chain = AuditedChain(load())
        self.books = Books(self.chain)
        self.caller = SimpleNamespace(name="regulator", role="regulator")
        application = self.chain.application
        node = SimpleNamespace(
            organisation=organisation,
            application=application,
            view=NodeView(application, application.read),
            files=SimpleNamespace(blocks=self.chain.blocks),
            host=SimpleNamespace(perform=lambda _organisation, effects, _now_ms: self.chain.do(*effects)),
            follow=lambda _listener: lambda: None,
            is_leaving=False,
        )
        insurer = SimpleNamespace(name=INSURER, publish_report=lambda year, _: (year, [self.books.publish(year)]))
        app = FastAPI()
        app.include_router(reports.router)
        app.include_router(reports.make_publishing_router(cast("Insurer", insurer)))
        install_handlers(app)
        app.dependency_overrides[get_node] = lambda: node
        app.dependency_overrides[authenticate] = lambda: self.caller
        self._transport = httpx.ASGITransport(app)

    def get(self, path: str, **parameters: Any) -> tuple[int, httpx.Response]:
        return self._ask("GET", path, params=parameters)

    def post(self, path: str, body: object) -> tuple[int, httpx.Response]:
        return self._ask("POST", path, json=body)

    def _ask(self, method: str, path: str, **content: Any) -> tuple[int, httpx.Response]:
        async def ask() -> httpx.Response:
            async with httpx.AsyncClient(transport=self._transport, base_url="https://node") as client:
                return await client.request(method, path, **content)

        answer = asyncio.run(ask())
        return answer.status_code, answer


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
    assert verify_report(answer.content, Trust(api.chain.genesis)).report.year == 2026


def test_an_insurer_publishes_at_its_own_node_and_nobody_else_does() -> None:
    api = Api(INSURER)
    api.books.pay(2026, 4, 10)
    api.books.go_to(2027, 1)
    assert api.post("/v1/reports", {"year": 2026})[0] == 403
    api.caller = SimpleNamespace(name=INSURER, role="insurer")
    assert api.post("/v1/reports", {"year": "soon"})[0] == 422
    status, answer = api.post("/v1/reports", {"year": 2026})
    assert (status, answer.json()) == (200, {"insurer": INSURER, "year": 2026, "published": True})
    assert api.get(f"/v1/reports/{INSURER}/2026")[0] == 200


@pytest.mark.parametrize(
    "path", [f"/v1/reports/{INSURER}/2027", "/v1/reports/insurer-b/2026", "/v1/reports/nobody/2026"]
)
def test_what_is_not_published_is_refused(api: Api, path: str) -> None:
    status, answer = api.get(path)
    assert status == 409
    assert "nothing was paid" in answer.json()["message"]


def test_members_draw_samples_and_customers_do_not(api: Api) -> None:
    status, answer = api.get(f"/v1/samples/{INSURER}/2026", count=4)
    assert (status, "there is none yet" in answer.json()["message"]) == (409, True)
    api.chain.post()
    status, answer = api.get(f"/v1/samples/{INSURER}/2026", count=4)
    assert status == 200
    assert len(verify_sample(answer.content, Trust(api.chain.genesis)).numbers) == 4
    api.caller = SimpleNamespace(name="c-somebody", role="customer")
    assert api.get(f"/v1/samples/{INSURER}/2026", count=4)[0] == 403


@pytest.mark.parametrize("asked", [{}, {"count": 0}, {"count": 1001}])
def test_a_sample_has_a_bounded_count_and_a_published_year(api: Api, asked: dict[str, Any]) -> None:
    assert api.get(f"/v1/samples/{INSURER}/2026", **asked)[0] == 422
    assert api.get(f"/v1/samples/{INSURER}/2025", count=1)[0] == 409
