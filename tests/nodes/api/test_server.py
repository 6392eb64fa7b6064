"""The server: TLS 1.3 with the node's certificate, answers at once, and an end that nobody can hold up."""

import asyncio
import socket
import ssl
from pathlib import Path

import pytest
from fastapi import FastAPI

from nodes.api.server import ApiServer
from nodes.config import ConfigurationError
from tests.nodes.certificates import create_member

HOST = "127.0.0.1"


@pytest.fixture
def tls_folder(tmp_path: Path) -> Path:
    create_member(tmp_path / "tls", "hospital-a")
    return tmp_path / "tls"


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


async def connect(port: int, folder: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Return a connection to the server, its certificate verified."""
    context = ssl.create_default_context(cafile=str(folder / "authority.pem"))
    return await asyncio.open_connection(HOST, port, ssl=context)


def test_it_serves_over_tls_and_sends_small_answers_at_once(tls_folder: Path) -> None:
    async def run() -> None:
        app, port = FastAPI(), free_port()
        served: list[int] = []

        @app.get("/")
        async def answer() -> str:
            for connection in server._server.server_state.connections:
                accepted = connection.transport.get_extra_info("socket")
                served.append(accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            return "here"

        server = ApiServer(app, HOST, port, tls_folder)
        await server.start()
        reader, writer = await connect(port, tls_folder)
        assert writer.get_extra_info("ssl_object").version() == "TLSv1.3"
        writer.write(b"GET / HTTP/1.1\r\nhost: node\r\nconnection: close\r\n\r\n")
        assert (await reader.read()).endswith(b'"here"')
        writer.close()
        await server.stop()
        assert served == [1]

    asyncio.run(run())


def test_a_taken_port_is_named(tls_folder: Path) -> None:
    async def run() -> None:
        with socket.socket() as taken:
            taken.bind((HOST, 0))
            taken.listen()
            port = taken.getsockname()[1]
            server = ApiServer(FastAPI(), HOST, port, tls_folder)
            with pytest.raises(ConfigurationError, match=f"API address {HOST}:{port}: cannot listen there .*api_port"):
                await server.start()
            await server.stop()

    asyncio.run(run())


def test_clients_that_idle_or_wait_for_ever_do_not_hold_it_up(tls_folder: Path) -> None:
    async def run() -> None:
        app, port = FastAPI(), free_port()
        begun = asyncio.Event()

        @app.get("/")
        async def answer() -> None:
            begun.set()
            await asyncio.Event().wait()

        server = ApiServer(app, HOST, port, tls_folder)
        await server.start()
        _, idle = await connect(port, tls_folder)
        _, waiting = await connect(port, tls_folder)
        waiting.write(b"GET / HTTP/1.1\r\nhost: node\r\n\r\n")
        await begun.wait()
        async with asyncio.timeout(8):
            await server.stop()
        for writer in (idle, waiting):
            writer.transport.abort()

    asyncio.run(run())


def test_an_answer_under_way_is_finished_before_the_end(tls_folder: Path) -> None:
    async def run() -> None:
        app, port = FastAPI(), free_port()
        begun, may_answer = asyncio.Event(), asyncio.Event()

        @app.get("/")
        async def answer() -> str:
            begun.set()
            await may_answer.wait()
            return "whole" * 10_000

        server = ApiServer(app, HOST, port, tls_folder)
        await server.start()
        reader, writer = await connect(port, tls_folder)
        writer.write(b"GET / HTTP/1.1\r\nhost: node\r\n\r\n")
        await begun.wait()
        stopping = asyncio.ensure_future(server.stop())
        may_answer.set()
        assert (await reader.read()).count(b"whole") == 10_000
        await stopping
        writer.transport.abort()

    asyncio.run(run())
