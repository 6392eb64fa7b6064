"""uvicorn on the node's own event loop, with the node's certificate."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from nodes.config import ConfigurationError

STOP_SECONDS = 1
"""How long open requests may take to end when the node stops."""
FLUSH_SECONDS = 0.1
"""How long an answer may take to leave this machine before its connection is cut."""


class ApiServer:
    """Serves one application until it is stopped."""

    def __init__(self, app: FastAPI, host: str, port: int, tls_folder: Path) -> None:
        """Set up; nothing is opened before `start`.

        Args:
            app: What to serve.
            host: Where to listen.
            port: Where to listen.
            tls_folder: Holds `node.pem` and `node.key`.
        """
        self._listen = (host, port)
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            proxy_headers=False,
            ws="none",
            timeout_graceful_shutdown=STOP_SECONDS,
            ssl_certfile=tls_folder / "node.pem",
            ssl_keyfile=tls_folder / "node.key",
            ssl_version=ssl.PROTOCOL_TLS_SERVER,
        )
        config.load()
        assert config.ssl is not None, "certificate and key were given"
        config.ssl.minimum_version = ssl.TLSVersion.TLSv1_3
        self._context = config.ssl
        self._server = _Server(config)
        self._task: asyncio.Task[None] | None = None

    def reload(self, tls_folder: Path) -> None:
        """Show the certificate that is in the folder now to whoever connects from now on."""
        assert self._context is not None, "certificate and key were given"
        self._context.load_cert_chain(tls_folder / "node.pem", tls_folder / "node.key")

    async def start(self) -> None:
        """Listen; returns once requests are taken.

        Raises:
            ConfigurationError: If the address is taken.
        """
        # The protocol is named because asyncio sends small writes at once (TCP_NODELAY) only where it sees TCP:
        # without it every answer waits some 40 ms for the client's acknowledgement of its head.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(self._listen)
        except OSError as error:
            listener.close()
            msg = (
                f"API address {self._listen[0]}:{self._listen[1]}: cannot listen there ({error.strerror}); stop what "
                "uses that port, or give this node another api_port in network.json"
            )
            raise ConfigurationError(msg) from None
        self._task = asyncio.get_running_loop().create_task(self._server.serve([listener]))
        await self._server.ready.wait()

    async def stop(self) -> None:
        """End open requests and close."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task


class _Server(uvicorn.Server):
    """A server that leaves signals to the process and says when it is ready."""

    def __init__(self, config: uvicorn.Config) -> None:
        """Set up from a loaded configuration."""
        super().__init__(config)
        self.ready = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none: the process decides when to stop."""
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End open requests, then cut what is left: a client that idles does not answer TLS's goodbye."""
        closing = asyncio.get_running_loop().create_task(super().shutdown(sockets))
        if self.server_state.tasks:
            await asyncio.wait(tuple(self.server_state.tasks), timeout=STOP_SECONDS)
        await asyncio.sleep(FLUSH_SECONDS)
        for connection in tuple(self.server_state.connections):
            if connection.transport is not None:
                connection.transport.abort()
        await closing

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the sockets, and say so."""
        await super().startup(sockets)
        self.ready.set()
