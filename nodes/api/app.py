"""The FastAPI application of one node."""

from collections.abc import Iterable

from fastapi import APIRouter, FastAPI

from nodes.api import chain, events, metrics, organisations
from nodes.api.errors import install_handlers
from nodes.api.gate import Gate
from nodes.authentication import RequestVerifier
from nodes.network.node import NetworkNode, read_clock_ms

DESCRIPTION = """
Every request but `GET /v1/health` is signed by its caller: the headers `Xinpei-Actor`, `Xinpei-Key`, `Xinpei-Time`,
`Xinpei-Nonce`, `Xinpei-Body` and `Xinpei-Signature` authenticate method, target, body and the node it is for, and are
verified before the body is read.
"""


def make_app(node: NetworkNode, routers: Iterable[APIRouter]) -> FastAPI:
    """Return the API of one node.

    Args:
        node: What it serves.
        routers: The routes of the organisation's role, beside those that every node has.
    """
    app = FastAPI(title="Xinpei", version="1", description=DESCRIPTION, docs_url=None, redoc_url=None)
    app.state.node = node
    app.state.followers = events.Followers(node)
    app.state.organisations = organisations.Shown()
    app.state.meter = metrics.Meter(node)
    for router in (chain.router, organisations.router, events.router, metrics.router):
        app.include_router(router)
    for router in routers:
        app.include_router(router)
    install_handlers(app)
    verifier = RequestVerifier(node.application.genesis.chain_id, node.organisation, read_clock_ms())
    app.add_middleware(Gate, node=node, verifier=verifier)
    return app
