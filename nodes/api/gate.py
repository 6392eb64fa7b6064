"""The gate in front of the API: who calls is known from the headers, before a byte of a body is read.

    1. The signature in the headers covers the body's length and hash, so it is verified first.
    2. How large a body may be depends on who calls what (`body_bytes_max`); a larger one is not read.
    3. The body is read up to its signed length, within BODY_SECONDS, and must have the signed hash.

What does not pass is left to the routes: the first thing that each of them does is to ask who calls, and then it
raises what was found here. So a path that does not exist is told to anybody, and nothing else is.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.datastructures import Headers

from nodes.api.errors import BODY_BYTES_MAX, TooLargeError
from nodes.authentication import AuthenticationError, BodyClaim, Caller, RequestVerifier
from nodes.network.node import NetworkNode, read_clock_ms

SUBMISSIONS = "/v1/submissions"
OPERATOR_BYTES_MAX = 16 * 1024 * 1024
"""From a node's own organisation: a stay with thousands of lines."""
CALLER_BYTES_MAX = 1024 * 1024
"""From everybody else, beside members' submissions: a submission of the largest size, and its framing."""
STRANGER_BYTES_MAX = 16 * 1024
"""From a pseudonym that the chain does not know: it can do nothing but enrol."""
BODY_SECONDS = 30.0
"""How long a body may take to arrive."""
FOUND = "xinpei.caller"
"""Where in a request's scope it stands who calls, or why that is not established."""

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Gate:
    """Authenticates every request, and reads its body if its caller may send one of that size."""

    def __init__(
        self, app: Callable[[Scope, Receive, Send], Awaitable[None]], node: NetworkNode, verifier: RequestVerifier
    ) -> None:
        """Stand in front of an ASGI application.

        Args:
            app: What to pass requests on to.
            node: Whose actors may call.
            verifier: Made when the node started; the framework makes this object with the first request.
        """
        self._app = app
        self._node = node
        self._verifier = verifier

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with its caller and its body, or with what does not hold and without a body."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = b""
        try:
            caller, claim = self._verify(scope)
            bytes_max = body_bytes_max(caller, self._node.organisation, scope["path"])
            if claim.length > bytes_max:
                raise TooLargeError(bytes_max)  # noqa: TRY301 - one place keeps what does not hold
            body = await _read_body(receive, claim)
            scope[FOUND] = caller
        except (AuthenticationError, TooLargeError) as error:
            scope[FOUND] = error
        await self._app(scope, _replay(body, receive), send)

    def _verify(self, scope: Scope) -> tuple[Caller, BodyClaim]:
        path, query = scope["raw_path"].decode("latin-1"), scope["query_string"].decode("latin-1")
        return self._verifier.verify(
            Headers(scope=scope),
            method=scope["method"],
            target=f"{path}?{query}" if query else path,
            now_ms=read_clock_ms(),
            height=self._node.view.height + 1,
            find_actor=self._node.view.actor,
        )


def body_bytes_max(caller: Caller, organisation: str, path: str) -> int:
    """Return how large a body of this caller may be.

    Args:
        caller: Who calls, as the headers prove.
        organisation: Whose node this is.
        path: What is called.
    """
    if not caller.enrolled:
        return STRANGER_BYTES_MAX
    if path == SUBMISSIONS and caller.role != "customer":
        return BODY_BYTES_MAX
    return OPERATOR_BYTES_MAX if caller.name == organisation else CALLER_BYTES_MAX


async def _read_body(receive: Receive, claim: BodyClaim) -> bytes:
    parts: list[bytes] = []
    received = 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            more = True
            while more:
                message = await receive()
                if message["type"] != "http.request":
                    break
                parts.append(message.get("body", b""))
                received += len(parts[-1])
                more = bool(message.get("more_body")) and received <= claim.length
    except TimeoutError:
        msg = f"body: expected {claim.length} bytes within {BODY_SECONDS:g} s, got {received}"
        raise AuthenticationError(msg) from None
    body = b"".join(parts)
    claim.check(body)
    return body


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives the body first, and then whatever else happens to the connection."""
    given = False

    async def replay() -> MutableMapping[str, Any]:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
