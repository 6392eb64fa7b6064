"""The FastAPI application of one node."""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.responses import JSONResponse

from nodes.api import chain, events, metrics
from nodes.api.errors import BODY_BYTES_MAX, TooLargeError, install_handlers
from nodes.authentication import RequestVerifier
from nodes.network.node import NetworkNode, read_clock_ms

DESCRIPTION = """
Every request but `GET /v1/health` is signed by its caller: the headers `Xinpei-Actor`, `Xinpei-Key`, `Xinpei-Time`,
`Xinpei-Nonce` and `Xinpei-Signature` authenticate method, target, body and the node it is for.
"""

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


def make_app(node: NetworkNode, routers: Iterable[APIRouter]) -> FastAPI:
    """Return the API of one node.

    Args:
        node: What it serves.
        routers: The routes of the organisation's role, beside those that every node has.
    """
    app = FastAPI(title="Xinpei", version="1", description=DESCRIPTION, docs_url=None, redoc_url=None)
    app.state.node = node
    app.state.verifier = RequestVerifier(node.application.genesis.chain_id, node.organisation, read_clock_ms())
    app.state.followers = events.Followers(node)
    app.state.meter = metrics.Meter(node)
    for router in (chain.router, events.router, metrics.router):
        app.include_router(router)
    for router in routers:
        app.include_router(router)
    install_handlers(app)
    app.add_middleware(BodyLimit)
    return app


class BodyLimit:
    """Refuses a request whose body is larger than BODY_BYTES_MAX, announced or not."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
        """Stand in front of an ASGI application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count what is received; answer 413 once it is too much."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        lengths = [value for name, value in scope["headers"] if name == b"content-length"]
        if lengths and lengths[0].isdigit() and int(lengths[0]) > BODY_BYTES_MAX:
            await _refuse(scope, receive, send)
            return
        received = 0

        async def count() -> MutableMapping[str, Any]:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > BODY_BYTES_MAX:
                raise TooLargeError
            return message

        await self._app(scope, count, send)


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    await JSONResponse({"code": "TOO_LARGE", "message": str(TooLargeError())}, 413)(scope, receive, send)
