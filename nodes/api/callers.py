"""Who calls, and what a caller may do: the dependency that every route but `/v1/health` has.

A route asks for a `Caller` and states who may use it: any authenticated caller, members only, the operator of this
node (the organisation itself, whose command line holds its key), or a customer about herself.

All of them are coroutines although none of them waits: FastAPI runs plain functions in threads, and a hop there and
back costs more than the rest of a small request.
"""

import asyncio
from typing import Annotated, cast

from fastapi import Depends, Request

from ledger.errors import LedgerError
from nodes.api.errors import ForbiddenError
from nodes.api.gate import FOUND
from nodes.authentication import Caller
from nodes.network.node import NetworkNode, read_clock_ms


async def get_node(request: Request) -> NetworkNode:
    """Return the node behind this API."""
    return cast("NetworkNode", request.app.state.node)


Node = Annotated[NetworkNode, Depends(get_node)]


async def authenticate(request: Request) -> Caller:
    """Return who sent a request; raises what the gate found: `AuthenticationError`, `TooLargeError`."""
    found = cast("Caller | LedgerError", request.scope[FOUND])
    if isinstance(found, LedgerError):
        raise found
    await asyncio.sleep(max(0, found.time_ms - read_clock_ms()) / 1000)  # see `nodes.authentication`
    return found


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
