"""Frames between members over mutual TLS 1.3.

Each node dials every peer and sends on the connection it dialled; what it receives comes on the connections that
others dialled. So there are two connections for each pair, each with one sender, and never a question of which of
two to keep.

    dialling                                    accepting
    connect, TLS 1.3, both certificates
    is this certificate the peer's I dialled?   whose certificate is this?
    Hello                                   ->  same version, chain, genesis, name?
    same version, chain, genesis, name?     <-  Answer, perhaps with a refusal
    frames                                  ->  on_frame(peer, bytes)

Who is admitted may change while the transport runs (`change_peers`): open connections of those who are not any more
are cut at once, and a new one is held against the present authorities.

A connection that breaks the protocol ends with a reason, kept in `peers()` and written to the log once; the dialling
side tries again, after a pause that doubles up to a cap. What waits for a peer is bounded (`nodes.network.backlog`),
what is read from it too: a callback that takes long makes the peer wait, not this node's memory grow.

What is sent may be lost: a frame that was written when the connection broke is not sent again from here.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

from ledger.errors import LedgerError
from nodes.network.backlog import Backlog
from nodes.network.frames import (
    REFUSAL_CHARACTERS_MAX,
    Answer,
    FrameDecoder,
    Hello,
    PeerError,
    check_hello,
    encode_frame,
    encode_greeting,
    parse_answer,
    parse_hello,
)
from nodes.network.streams import (
    GREETING_S,
    READ_BYTES,
    SHUTDOWN_S,
    WRITE_BYTES,
    abort,
    describe,
    expect_silence,
    read_greeting,
    refuse,
    run_first,
    tune,
)
from nodes.pki import Tls

Address = tuple[str, int]
"""Host and port."""

RECONNECT_FIRST_S = 0.05
RECONNECT_MAX_S = 5.0
STABLE_S = 10.0
"""A connection that lived this long starts the pauses from the first again."""
GREETINGS_MAX = 64
"""Accepted connections that have not greeted yet; more are closed unheard."""
REFUSALS_KEPT = 32

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PeerState:
    """How it stands with one peer."""

    name: str
    address: Address
    outgoing: bool
    """Frames can be sent to it."""
    incoming: bool
    """It has a connection to this node."""
    waiting_frames: int
    waiting_bytes: int
    sent_frames: int
    dropped_frames: int
    """Forgotten because the backlog was full."""
    received_frames: int
    reason: str
    """Why the last connection in either direction ended or failed; empty before the first."""


@dataclass(slots=True)
class _Link:
    name: str
    address: Address
    backlog: Backlog = field(default_factory=Backlog)
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None
    outgoing: bool = False
    writer: asyncio.StreamWriter | None = None
    """The connection that frames go out on, while there is one."""
    sent: int = 0


class Transport:
    """One organisation's connections to the other members."""

    def __init__(
        self,
        hello: Hello,
        listen: Address,
        peers: Mapping[str, Address],
        tls: Tls,
        on_frame: Callable[[str, bytes], None],
    ) -> None:
        """Set up; nothing is opened before `start`.

        Args:
            hello: This node's greeting (`nodes.network.frames.make_hello`).
            listen: Where to accept connections; port 0 lets the system choose.
            peers: Organisation -> where its node listens; without this organisation itself.
            tls: Certificate, contexts and authorities (`nodes.pki.load_tls`).
            on_frame: Called with the sending organisation and each frame, in order. A `LedgerError` from it ends
                that peer's connection; anything else is this program's fault and ends the transport (`wait`).

        Raises:
            PeerError: If the certificate speaks for somebody else, or a peer is no member.
        """
        if tls.organisation != hello.organisation:
            msg = f"node certificate: expected one of {hello.organisation}, got one of {tls.organisation}"
            raise PeerError(msg)
        self._hello = hello
        self._listen = listen
        self._tls = tls
        self._on_frame = on_frame
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._links: dict[str, _Link] = {}
        self._incoming: dict[str, asyncio.StreamWriter] = {}
        self._received: dict[str, int] = {}
        self._reasons: dict[str, str] = {}
        self._refusals: deque[tuple[str, str]] = deque(maxlen=REFUSALS_KEPT)
        self._greetings = 0
        self._ended: asyncio.Future[None] | None = None
        for name, address in peers.items():
            self._add_link(name, address)

    @property
    def address(self) -> Address:
        """Where it listens, with the port that the system chose."""
        assert self._server is not None, "start the transport first"
        host, port = self._server.sockets[0].getsockname()[:2]
        return str(host), int(port)

    async def start(self) -> None:
        """Listen, and begin to dial all peers; returns without waiting for them.

        Raises:
            OSError: If the address cannot be listened on.
        """
        assert self._server is None, "a transport is started once"
        self._ended = asyncio.get_running_loop().create_future()
        self._server = await asyncio.start_server(
            self._accept,
            *self._listen,
            ssl=self._tls.server,
            ssl_handshake_timeout=GREETING_S,
            ssl_shutdown_timeout=SHUTDOWN_S,
            limit=READ_BYTES,
        )
        for link in self._links.values():
            link.task = self._spawn(self._dial(link))

    async def stop(self) -> None:
        """Close everything at once; what waits is forgotten."""
        if self._server is None:
            return
        self._server.close()
        tasks = [*self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._server.wait_closed()
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)

    async def wait(self) -> None:
        """Wait until the transport was stopped; raises what `on_frame` raised that was no `LedgerError`."""
        assert self._ended is not None, "start the transport first"
        await asyncio.shield(self._ended)

    def set_peer(self, name: str, address: Address) -> None:
        """Dial a peer that is new, or has moved; what waits for it is kept.

        Raises:
            PeerError: If it is no member, or this organisation itself.
        """
        link = self._links.get(name)
        if link is None:
            link = self._add_link(name, address)
        link.address = address
        if link.task is not None:
            link.task.cancel()
        if self._server is not None:
            link.task = self._spawn(self._dial(link))

    def change_peers(self, addresses: Mapping[str, Address]) -> None:
        """Dial these peers and no others, and cut every connection whose certificate is not admitted any more.

        Args:
            addresses: Organisation -> where its node listens; all admitted by `Tls.authorities`.
        """
        for name in [name for name in self._links if name not in addresses]:
            link = self._links.pop(name)
            if link.task is not None:
                link.task.cancel()
        for link in self._links.values():
            self._cut(link.name, link.writer)
        for name, writer in list(self._incoming.items()):
            self._cut(name, writer)
        for name, address in addresses.items():
            known = self._links.get(name)
            if known is None or known.address != address:
                self.set_peer(name, address)

    def _cut(self, name: str, writer: asyncio.StreamWriter | None) -> None:
        if writer is None:
            return
        try:
            self._identify(writer)
        except LedgerError as error:
            self._note(name, f"cut off: {error}")
            writer.transport.abort()

    def send(self, peer: str, payload: bytes, *, is_bulky: bool = False) -> None:
        """Queue a frame for a peer, connected or not; never waits.

        Args:
            peer: One of the peers.
            payload: 1 to FRAME_BYTES_MAX bytes.
            is_bulky: Whether it goes behind everything that is not, see `nodes.network.backlog`.

        Raises:
            PeerError: If there is no such peer, or the payload is empty or too long.
        """
        link = self._links.get(peer)
        if link is None:
            msg = f"peer: expected one of {', '.join(sorted(self._links)) or 'none'}, got {peer}"
            raise PeerError(msg)
        _queue(link, encode_frame(payload), is_bulky=is_bulky)

    def broadcast(self, payload: bytes) -> None:
        """Queue a frame for every peer; raises `PeerError` if it is empty or too long."""
        frame = encode_frame(payload)
        for link in self._links.values():
            _queue(link, frame)

    def waiting_bytes(self, peer: str) -> int:
        """Return how much waits to be sent to a peer; 0 if there is no such peer."""
        link = self._links.get(peer)
        return 0 if link is None else link.backlog.size

    def connected(self) -> frozenset[str]:
        """Return the peers that frames can be sent to now."""
        return frozenset(link.name for link in self._links.values() if link.outgoing)

    def peers(self) -> tuple[PeerState, ...]:
        """Return how it stands with each peer, sorted by name."""
        return tuple(
            PeerState(
                name=name,
                address=link.address,
                outgoing=link.outgoing,
                incoming=name in self._incoming,
                waiting_frames=len(link.backlog),
                waiting_bytes=link.backlog.size,
                sent_frames=link.sent,
                dropped_frames=link.backlog.dropped,
                received_frames=self._received.get(name, 0),
                reason=self._reasons.get(name, ""),
            )
            for name, link in sorted(self._links.items())
        )

    def refusals(self) -> tuple[tuple[str, str], ...]:
        """Return the latest connections that were refused before or in their greeting: remote address, reason."""
        return tuple(self._refusals)

    def _add_link(self, name: str, address: Address) -> _Link:
        if name == self._hello.organisation or name not in self._tls.authorities.names:
            msg = f"peer {name}: expected another member, one of {', '.join(sorted(self._tls.authorities.names))}"
            raise PeerError(msg)
        link = self._links[name] = _Link(name, address)
        return link

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        fault = task.exception()
        if fault is not None:
            self._end(fault)

    def _end(self, fault: BaseException) -> None:
        if self._ended is not None and not self._ended.done():
            self._ended.set_exception(fault)

    def _note(self, peer: str, reason: str) -> None:
        if self._reasons.get(peer) != reason:
            self._reasons[peer] = reason
            _log.info("peer %s: %s", peer, reason)

    # ------------------------------------------------------------------------------------------------ dialling

    async def _dial(self, link: _Link) -> None:
        """Keep a connection to one peer, for ever."""
        clock = asyncio.get_running_loop().time
        pause = RECONNECT_FIRST_S
        while True:
            begun = clock()
            try:
                await self._connect(link)
            except (LedgerError, OSError) as error:
                self._note(link.name, f"outgoing: {describe(error)}")
            finally:
                link.outgoing = False
            if clock() - begun >= STABLE_S:
                pause = RECONNECT_FIRST_S
            await asyncio.sleep(pause)
            pause = min(2 * pause, RECONNECT_MAX_S)

    async def _connect(self, link: _Link) -> None:
        """Connect, greet, and send what waits until the connection ends; always raises why it ended."""
        writer = None
        try:
            async with asyncio.timeout(GREETING_S):
                reader, writer = await asyncio.open_connection(
                    *link.address, ssl=self._tls.client, ssl_shutdown_timeout=SHUTDOWN_S, limit=READ_BYTES
                )
                await self._greet(link, reader, writer)
            self._identify(writer)  # again: who is admitted may have changed while the peer was greeted
            link.outgoing, link.writer = True, writer
            await run_first(_pump(link, writer), expect_silence(reader))
        finally:
            link.writer = None
            if writer is not None:
                await abort(writer)

    async def _greet(self, link: _Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        organisation = self._identify(writer)
        if organisation != link.name:
            msg = f"expected {link.name} at {link.address[0]}:{link.address[1]}, found {organisation}"
            raise PeerError(msg)
        tune(writer)
        writer.write(encode_greeting(self._hello))
        await writer.drain()
        answer = parse_answer(await read_greeting(reader, FrameDecoder()))
        if answer.refusal:
            msg = f"{link.name} refused this node: {answer.refusal!r}"
            raise PeerError(msg)
        check_hello(self._hello, answer.hello, link.name)

    # ----------------------------------------------------------------------------------------------- accepting

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._spawn(self._serve(reader, writer))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Receive one peer's frames until its connection ends."""
        peer = None
        try:
            decoder = FrameDecoder()
            peer = await self._admit(reader, writer, decoder)
            if peer is None:
                return
            self._identify(writer)  # again: who is admitted may have changed while the peer greeted
            older = self._incoming.get(peer)
            self._incoming[peer] = writer
            if older is not None:  # half-open since the peer restarted; only this member's certificate gets here
                older.transport.abort()
            await self._receive(peer, reader, decoder)
            self._note(peer, "incoming: closed by the peer")
        except (LedgerError, OSError) as error:
            if peer is not None:
                self._note(peer, f"incoming: {describe(error)}")
        finally:
            if peer is not None and self._incoming.get(peer) is writer:
                del self._incoming[peer]
            await abort(writer)

    async def _admit(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, decoder: FrameDecoder
    ) -> str | None:
        """Return who the peer is after its greeting, or None if it was refused."""
        self._greetings += 1
        try:
            if self._greetings > GREETINGS_MAX:
                msg = f"more than {GREETINGS_MAX} connections that have not greeted"
                raise PeerError(msg)
            async with asyncio.timeout(GREETING_S):
                organisation = self._identify(writer)
                tune(writer)
                if organisation == self._hello.organisation:
                    msg = f"certificate of {organisation}: that is this node's own organisation"
                    raise PeerError(msg)
                check_hello(self._hello, parse_hello(await read_greeting(reader, decoder)), organisation)
                writer.write(encode_greeting(Answer(self._hello, "")))
                await writer.drain()
        except (LedgerError, OSError) as error:
            reason = describe(error)
            remote = writer.get_extra_info("peername")
            self._refusals.append((f"{remote[0]}:{remote[1]}" if remote else "unknown", reason))
            await refuse(writer, Answer(self._hello, reason[:REFUSAL_CHARACTERS_MAX]))
            return None
        finally:
            self._greetings -= 1
        decoder.accept_frames()
        return organisation

    async def _receive(self, peer: str, reader: asyncio.StreamReader, decoder: FrameDecoder) -> None:
        while data := await reader.read(READ_BYTES):
            for frame in decoder.feed(data):
                self._received[peer] = self._received.get(peer, 0) + 1
                self._deliver(peer, frame)
        decoder.finish()

    def _deliver(self, peer: str, frame: bytes) -> None:
        try:
            self._on_frame(peer, frame)
        except OSError as error:  # of this machine, not of the connection
            self._end(error)
            raise

    def _identify(self, writer: asyncio.StreamWriter) -> str:
        connection = writer.get_extra_info("ssl_object")
        assert connection is not None, "connections are TLS only"
        return self._tls.authorities.identify(connection.getpeercert(binary_form=True))


def _queue(link: _Link, frame: bytes, *, is_bulky: bool = False) -> None:
    link.backlog.put(frame, is_bulky=is_bulky)
    link.ready.set()


async def _pump(link: _Link, writer: asyncio.StreamWriter) -> None:
    """Write what waits, several frames at once; waits while the peer is slow."""
    while True:
        await link.ready.wait()
        while batch := link.backlog.take(WRITE_BYTES):
            writer.write(b"".join(batch))
            link.sent += len(batch)
            await writer.drain()
        link.ready.clear()
