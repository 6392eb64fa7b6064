"""What both ends of a connection between peers do with its streams: greet, pump, tune, and end it."""

import asyncio
import socket
import ssl
from collections.abc import Coroutine
from typing import Any

from ledger.errors import LedgerError
from nodes.network.frames import Answer, FrameDecoder, PeerError, encode_greeting

GREETING_S = 5.0
"""TLS and greeting together: enough for a slow line, too short to hold many half-open connections."""
SHUTDOWN_S = 1.0
READ_BYTES = 256 * 1024
WRITE_BYTES = 256 * 1024
"""Frames of one write, and bytes that a connection may hold before its sender waits."""
KEEPALIVE_S = 10
"""The kernel probes a silent connection after this time, and gives it up after three more."""


async def expect_silence(reader: asyncio.StreamReader) -> None:
    """Read from a connection on which the peer has nothing more to say; returns only by raising."""
    if await reader.read(1):
        msg = "the peer sent something on a connection that only this node sends on"
        raise PeerError(msg)
    msg = "closed by the peer"
    raise PeerError(msg)


async def read_greeting(reader: asyncio.StreamReader, decoder: FrameDecoder) -> bytes:
    """Return the first frame; a peer that sends a second one before it was answered breaks the protocol."""
    frames: list[bytes] = []
    while not frames:
        data = await reader.read(READ_BYTES)
        if not data:
            decoder.finish()
            msg = "closed by the peer before it greeted; it may not trust this node's certificate"
            raise PeerError(msg)
        frames = list(decoder.feed(data))
    if len(frames) > 1:
        msg = f"greeting: expected one frame, got {len(frames)}"
        raise PeerError(msg)
    return frames[0]


async def run_first(*works: Coroutine[Any, Any, None]) -> None:
    """Run until the first ends, cancel the others, and raise what it raised."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


async def refuse(writer: asyncio.StreamWriter, answer: Answer) -> None:
    """Tell a peer why it is refused, if it listens."""
    try:
        async with asyncio.timeout(SHUTDOWN_S):
            writer.write(encode_greeting(answer))
            await writer.drain()
            writer.close()
            await writer.wait_closed()
    except OSError:
        return


async def abort(writer: asyncio.StreamWriter) -> None:
    """Close without waiting for the peer, and wait until it is closed here."""
    writer.transport.abort()
    try:
        await writer.wait_closed()
    except OSError:
        return


def tune(writer: asyncio.StreamWriter) -> None:
    """Send small frames at once, notice peers that vanished, and wait early for slow ones."""
    writer.transport.set_write_buffer_limits(high=WRITE_BYTES)
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", KEEPALIVE_S), ("TCP_KEEPINTVL", KEEPALIVE_S), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, option):  # not on every system
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


def describe(error: LedgerError | OSError) -> str:
    """Return why a connection ended, for the log and for the peer."""
    if isinstance(error, TimeoutError):
        return f"no answer within {GREETING_S:g} s"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason or error}"
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
