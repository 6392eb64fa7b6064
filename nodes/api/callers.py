"""Who calls, and what a caller may do: the dependency that every route but `/v1/health` has.

A route asks for a `Caller` and states who may use it: any authenticated caller, members only, the operator of this
node (the organisation itself, whose command line holds its key), or a customer about herself.

All of them are coroutines although none of them waits: FastAPI runs plain functions in threads, and a hop there and
back costs more than the rest of a small request.
"""

import asyncio
from typing import Annotated, cast

from fastapi import Depends, Request

from nodes.api.errors import ForbiddenError
from nodes.authentication import Caller, RequestVerifier
from nodes.network.node import NetworkNode, read_clock_ms


async def get_node(request: Request) -> NetworkNode:
    """Return the node behind this API."""
    return cast("NetworkNode", request.app.state.node)


Node = Annotated[NetworkNode, Depends(get_node)]


async def authenticate(request: Request, node: Node) -> Caller:
    """Return who sent a request; raises `AuthenticationError`."""
    verifier = cast("RequestVerifier", request.app.state.verifier)
    path, query = request.scope["raw_path"].decode("latin-1"), request.scope["query_string"].decode("latin-1")
    now_ms = read_clock_ms()
    caller = verifier.verify(
        request.headers,
        method=request.method,
        target=f"{path}?{query}" if query else path,
        body=await request.body(),
        now_ms=now_ms,
        height=node.view.height + 1,
        find_actor=node.view.actor,
    )
    await asyncio.sleep(max(0, caller.time_ms - now_ms) / 1000)  # see `nodes.authentication`
    return caller


AnyCaller = Annotated[Caller, Depends(authenticate)]


async def require_member(caller: AnyCaller) -> Caller:
    """Return the caller if it is a member organisation."""
    if caller.role == "customer":
        raise ForbiddenError("caller", "a member organisation", "a customer")
    return caller


async def require_operator(caller: AnyCaller, node: Node) -> Caller:
    """Return the caller if it is the organisation that runs this node."""
    if caller.name != node.organisation:
        raise ForbiddenError("caller", f"the operator of {node.organisation}", caller.name)
    return caller


async def require_customer(caller: AnyCaller) -> Caller:
    """Return the caller if it is a customer's pseudonym."""
    if caller.role != "customer":
        raise ForbiddenError("caller", "a customer's pseudonym", caller.name)
    return caller


Member = Annotated[Caller, Depends(require_member)]
Operator = Annotated[Caller, Depends(require_operator)]
Customer = Annotated[Caller, Depends(require_customer)]
