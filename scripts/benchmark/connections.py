"""A client that costs little: one kept connection to one node, signed requests, no library in between.

The load and the nodes share the machine, so what the client costs is missing at the nodes. It speaks just as much
HTTP/1.1 as the nodes answer with.
"""

import asyncio
import json
import ssl
import time
from typing import Any

from nodes.authentication import RequestSigner
from nodes.config import Home, NodeAddress
from nodes.entropy import SystemEntropy

HEAD_BYTES_MAX = 64 * 1024


class RefusedError(Exception):
    """A node's refusal."""

    def __init__(self, status: int, code: str, message: str) -> None:
        """Keep what the node said."""
        super().__init__(f"{status} {code}: {message}")
        self.code = code


class Connection:
    """One caller's connection to one node; one request at a time."""

    def __init__(self, home: Home, address: NodeAddress, signer: RequestSigner) -> None:
        """Set up; connects with the first request.

        Args:
            home: Has the authority of the node's organisation.
            address: Where the node is.
            signer: Who calls.
        """
        self._address = address
        self._signer = signer
        self._entropy = SystemEntropy()
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.load_verify_locations(home.authority_path(address.organisation))
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def get(self, target: str) -> Any:
        """Return the JSON answer to a GET; raises `RefusedError`."""
        return await self._ask("GET", target, b"", "application/json")

    async def post(self, target: str, body: bytes, content_type: str = "application/json") -> Any:
        """Return the JSON answer to a POST; raises `RefusedError`."""
        return await self._ask("POST", target, body, content_type)

    async def close(self) -> None:
        """Close the connection."""
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None

    async def _ask(self, method: str, target: str, body: bytes, content_type: str) -> Any:
        if self._streams is not None and self._streams[0].at_eof():
            await self.close()  # a node closes what was idle for some seconds
        if self._streams is None:
            self._streams = await asyncio.open_connection(
                self._address.host, self._address.api_port, ssl=self._context, limit=HEAD_BYTES_MAX
            )
        reader, writer = self._streams
        headers = self._signer.headers(
            self._address.organisation,
            method,
            target,
            body,
            time_ms=time.time_ns() // 1_000_000,
            nonce=self._entropy.draw(16),
        )
        lines = [
            f"{method} {target} HTTP/1.1",
            f"host: {self._address.host}",
            f"content-type: {content_type}",
            f"content-length: {len(body)}",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode() + body)
        status, length = parse_head(await reader.readuntil(b"\r\n\r\n"))
        answer = json.loads(await reader.readexactly(length))
        if status != 200:
            raise RefusedError(status, str(answer.get("code", "")), str(answer.get("message", answer)))
        return answer


def parse_head(head: bytes) -> tuple[int, int]:
    """Return the status and the length of the body out of an answer's head.

    Raises:
        ValueError: If it says no length.
    """
    status, *lines = head.decode("latin-1").split("\r\n")
    for line in lines:
        name, _, value = line.partition(":")
        if name.lower() == "content-length":
            return int(status.split(" ")[1]), int(value)
    msg = f"answer: expected a content-length, got {status}"
    raise ValueError(msg)
