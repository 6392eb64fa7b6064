"""The transport over real sockets and TLS on this machine, against peers that lie, babble, stall and restart."""

import asyncio
import errno
import ssl
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Self

import pytest

from ledger.errors import LedgerError, VerificationError
from ledger.limits import FRAME_BYTES_MAX
from nodes.network.backlog import BACKLOG_BYTES_MAX
from nodes.network.frames import (
    Answer,
    FrameDecoder,
    Hello,
    PeerError,
    encode_frame,
    encode_greeting,
    make_hello,
    parse_answer,
)
from nodes.network.transport import Address, Transport
from nodes.pki import Tls, load_tls
from tests.nodes.certificates import MEMBERS, create_member, forge_node_certificate, trust

GENESIS = b"g" * 32
ANYWHERE = ("127.0.0.1", 0)
NOBODY_THERE = ("127.0.0.1", 1)
A, B, C = MEMBERS


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run a scenario; the limit only turns a hang into a failure."""

    async def bounded() -> None:
        async with asyncio.timeout(20):
            await work

    asyncio.run(bounded())


class Network:
    """The members' certificates, and what their transports received."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authorities = trust({name: create_member(folder / name, name) for name in MEMBERS})
        self.inbox: asyncio.Queue[tuple[str, str, bytes]] = asyncio.Queue()

    def tls(self, name: str) -> Tls:
        return load_tls(self.folder / name, self.authorities)

    def transport(self, name: str, peers: dict[str, Address], listen: Address = ANYWHERE) -> Transport:
        def on_frame(peer: str, frame: bytes) -> None:
            self.inbox.put_nowait((name, peer, frame))

        return Transport(make_hello("xinpei-test", GENESIS, name), listen, peers, self.tls(name), on_frame)

    async def expect(self, *frames: tuple[str, str, bytes]) -> None:
        assert sorted([await self.inbox.get() for _ in frames]) == sorted(frames)


@pytest.fixture
def network(tmp_path: Path) -> Network:
    return Network(tmp_path)


class RawPeer:
    """A peer that speaks TLS as a member and then does whatever the test wants."""

    def __init__(self, tls: Tls) -> None:
        self.tls = tls

    async def __aenter__(self) -> Self:
        """Dial later: the address may not be known yet."""
        return self

    async def dial(self, address: Address) -> None:
        self.reader, self.writer = await asyncio.open_connection(*address, ssl=self.tls.client)

    async def greet(self, hello: Hello) -> Answer:
        self.writer.write(encode_greeting(hello))
        return await self.read_answer()

    async def read_answer(self) -> Answer:
        decoder = FrameDecoder()
        while True:
            data = await self.reader.read(4096)
            assert data, "closed without an answer"
            if frames := list(decoder.feed(data)):
                return parse_answer(frames[0])

    async def read_end(self) -> None:
        """Wait until the other end drops the connection."""
        try:
            while await self.reader.read(4096):
                continue
        except OSError:
            return

    async def __aexit__(self, *_: object) -> None:
        """Leave without a word."""
        self.writer.transport.abort()
        try:
            await self.writer.wait_closed()
        except OSError:
            return


async def pair(network: Network) -> tuple[Transport, Transport]:
    """Start two members that dial each other."""
    first = network.transport(A, {B: NOBODY_THERE})
    second = network.transport(B, {A: NOBODY_THERE})
    await first.start()
    await second.start()
    first.set_peer(B, second.address)
    second.set_peer(A, first.address)
    return first, second


def test_members_exchange_frames_both_ways_in_order(network: Network) -> None:
    async def scenario() -> None:
        first, second = await pair(network)
        for number in range(200):
            first.send(B, b"%d" % number)
        second.broadcast(b"hello")
        second.send(A, bytes(FRAME_BYTES_MAX))
        received = [await network.inbox.get() for _ in range(202)]
        assert [frame for to, _, frame in received if to == B] == [b"%d" % number for number in range(200)]
        assert [frame for to, _, frame in received if to == A] == [b"hello", bytes(FRAME_BYTES_MAX)]
        assert first.connected() == {B}
        (state,) = first.peers()
        assert (state.sent_frames, state.received_frames, state.dropped_frames) == (200, 2, 0)
        assert state.outgoing
        assert state.incoming
        await first.stop()
        await second.stop()
        assert first.connected() == frozenset()

    run(scenario())


def test_a_peer_that_restarts_is_reached_again(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        first, second = await pair(network)
        first.send(B, b"before")
        await network.expect((B, A, b"before"))
        address = second.address
        noticed = asyncio.Event()
        monkeypatch.setattr(first, "_note", lambda *_: noticed.set())
        await second.stop()
        await noticed.wait()
        first.send(B, b"while it was away")
        third = network.transport(B, {A: first.address}, address)
        await third.start()
        first.send(B, b"after")
        third.send(A, b"back")
        await network.expect((B, A, b"while it was away"), (B, A, b"after"), (A, B, b"back"))
        await first.stop()
        await third.stop()

    run(scenario())


def test_a_stranger_gets_no_frame_through(network: Network, tmp_path: Path) -> None:
    own = create_member(tmp_path / "stranger", "stranger")
    everybody = {name: (tmp_path / name / "authority.pem") for name in MEMBERS}
    known = {name: ssl.PEM_cert_to_DER_cert(path.read_text()) for name, path in everybody.items()}

    async def scenario() -> None:
        server = network.transport(A, {})
        await server.start()
        async with RawPeer(load_tls(tmp_path / "stranger", trust({**known, "stranger": own}))) as stranger:
            await stranger.dial(server.address)
            stranger.writer.write(encode_greeting(make_hello("xinpei-test", GENESIS, B)) + encode_frame(b"x"))
            await stranger.read_end()
        assert network.inbox.empty()
        await server.stop()

    run(scenario())


def test_another_members_name_is_refused(network: Network, tmp_path: Path) -> None:
    forger = network.tls(B)
    forge_node_certificate(tmp_path / B, A, issuer=B)
    forger.client.load_cert_chain(tmp_path / B / "node.pem", tmp_path / B / "node.key")
    forger.server.load_cert_chain(tmp_path / B / "node.pem", tmp_path / B / "node.key")

    async def scenario() -> None:
        server = network.transport(C, {A: NOBODY_THERE})
        await server.start()
        async with RawPeer(forger) as peer:
            await peer.dial(server.address)
            peer.writer.write(encode_greeting(make_hello("xinpei-test", GENESIS, A)))
            await peer.read_end()
        ((_, reason),) = server.refusals()
        assert reason == "peer certificate: says hospital-a, but the authority of hospital-a did not sign it"
        assert not server.peers()[0].incoming

        imposter = await asyncio.start_server(lambda _reader, writer: writer.close(), *ANYWHERE, ssl=forger.server)
        server.set_peer(A, imposter.sockets[0].getsockname()[:2])
        with pytest.raises(VerificationError, match="the authority of hospital-a did not sign it"):
            await server._connect(server._links[A])
        await server.stop()
        imposter.close()

    run(scenario())


def test_a_member_found_at_anothers_address_gets_nothing(network: Network) -> None:
    async def scenario() -> None:
        second = network.transport(B, {})
        await second.start()
        first = network.transport(A, {C: second.address})
        await first.start()
        with pytest.raises(PeerError, match=r"expected insurer-a at 127.0.0.1:\d+, found hospital-b"):
            await first._connect(first._links[C])
        await first.stop()
        await second.stop()

    run(scenario())


@pytest.mark.parametrize(
    ("hello", "sentence"),
    [
        (make_hello("another-chain", GENESIS, B), "greeting chain: expected xinpei-test, got another-chain"),
        (make_hello("xinpei-test", b"h" * 32, B), "greeting genesis: expected 6767"),
        (Hello(99, "xinpei-test", GENESIS, B), "greeting protocol version: expected 1, got 99"),
        (make_hello("xinpei-test", GENESIS, A), "greeting organisation: expected hospital-b, got hospital-a"),
        (make_hello("xinpei-test", GENESIS, C), "greeting organisation: expected hospital-b, got insurer-a"),
    ],
)
def test_a_peer_of_another_network_hears_why(network: Network, hello: Hello, sentence: str) -> None:
    async def scenario() -> None:
        server = network.transport(A, {B: NOBODY_THERE})
        await server.start()
        async with RawPeer(network.tls(B)) as peer:
            await peer.dial(server.address)
            answer = await peer.greet(hello)
            assert sentence in answer.refusal
            peer.writer.write(encode_frame(b"anyway"))
            await peer.read_end()
        assert sentence in server.refusals()[0][1]
        assert network.inbox.empty()
        await server.stop()

    run(scenario())


def test_the_dialling_side_hears_why_and_keeps_it_for_people(network: Network) -> None:
    async def scenario() -> None:
        second = network.transport(B, {})
        await second.start()
        first = Transport(
            make_hello("another-chain", GENESIS, A), ANYWHERE, {B: second.address}, network.tls(A), lambda *_: None
        )
        with pytest.raises(PeerError, match="refused this node: 'greeting chain: expected xinpei-test"):
            await first._connect(first._links[B])
        await second.stop()

    run(scenario())


def test_an_accepting_side_of_another_network_is_left(network: Network) -> None:
    async def lie(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(encode_greeting(Answer(make_hello("another-chain", GENESIS, B), "")))
        await reader.read()
        writer.close()

    async def scenario() -> None:
        server = await asyncio.start_server(lie, *ANYWHERE, ssl=network.tls(B).server)
        first = network.transport(A, {B: server.sockets[0].getsockname()[:2]})
        with pytest.raises(PeerError, match="greeting chain: expected xinpei-test, got another-chain"):
            await first._connect(first._links[B])
        server.close()

    run(scenario())


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ((FRAME_BYTES_MAX + 1).to_bytes(4, "big"), f"frame length: expected 1 to {FRAME_BYTES_MAX}"),
        (bytes(4), "got 0"),
        (b"GET / HTTP/1.1\r\n\r\n", "frame length: expected 1 to"),
        (encode_frame(b"payload")[:-1], "the connection ended after 10 bytes of an unfinished frame"),
    ],
)
def test_a_babbling_peer_is_dropped_with_a_reason_and_may_come_back(
    network: Network, data: bytes, sentence: str
) -> None:
    async def scenario() -> None:
        server = network.transport(A, {B: NOBODY_THERE})
        await server.start()
        async with RawPeer(network.tls(B)) as peer:
            await peer.dial(server.address)
            assert (await peer.greet(make_hello("xinpei-test", GENESIS, B))).refusal == ""
            peer.writer.write(encode_frame(b"good") + data)
            await network.expect((A, B, b"good"))
            if "unfinished" in sentence:
                peer.writer.close()
                await asyncio.gather(*(task for task in server._tasks if task is not server._links[B].task))
            await peer.read_end()
        state = server.peers()[0]
        assert sentence in state.reason
        assert not state.incoming
        async with RawPeer(network.tls(B)) as peer:
            await peer.dial(server.address)
            assert (await peer.greet(make_hello("xinpei-test", GENESIS, B))).refusal == ""
        await server.stop()

    run(scenario())


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n\r\n", encode_frame(b"garbage"), b"\x00\x00\x00\x00"])
def test_garbage_instead_of_a_greeting_is_refused(network: Network, data: bytes) -> None:
    async def scenario() -> None:
        server = network.transport(A, {B: NOBODY_THERE})
        await server.start()
        async with RawPeer(network.tls(B)) as peer:
            await peer.dial(server.address)
            peer.writer.write(data)
            answer = await peer.read_answer()
            assert "Hello" in answer.refusal or "frame length" in answer.refusal
            await peer.read_end()
        await server.stop()

    run(scenario())


def test_nobody_else_connects_in_this_nodes_own_name(network: Network) -> None:
    async def scenario() -> None:
        server = network.transport(A, {})
        await server.start()
        async with RawPeer(network.tls(A)) as peer:
            await peer.dial(server.address)
            answer = await peer.greet(make_hello("xinpei-test", GENESIS, A))
            assert "that is this node's own organisation" in answer.refusal
        await server.stop()

    run(scenario())


def test_connections_that_do_not_greet_are_bounded(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nodes.network.transport.GREETINGS_MAX", 1)

    async def scenario() -> None:
        server = network.transport(A, {})
        await server.start()
        async with RawPeer(network.tls(C)) as silent, RawPeer(network.tls(B)) as second:
            await silent.dial(server.address)
            await second.dial(server.address)
            assert "more than 1 connections that have not greeted" in (await second.read_answer()).refusal
            assert (await silent.greet(make_hello("xinpei-test", GENESIS, C))).refusal == ""
        async with RawPeer(network.tls(B)) as third:
            await third.dial(server.address)
            assert (await third.greet(make_hello("xinpei-test", GENESIS, B))).refusal == ""
        await server.stop()

    run(scenario())


def test_garbage_instead_of_tls_harms_nobody(network: Network) -> None:
    async def scenario() -> None:
        first, second = await pair(network)
        reader, writer = await asyncio.open_connection(*second.address)
        writer.write(b"\x16\x03\x01" + bytes(200))
        await reader.read()
        writer.close()
        first.send(B, b"still here")
        await network.expect((B, A, b"still here"))
        await first.stop()
        await second.stop()

    run(scenario())


def test_a_slow_reader_costs_bounded_memory_and_holds_nobody_up(network: Network) -> None:
    async def scenario() -> None:
        reading = asyncio.Event()
        done = asyncio.Event()

        async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(4096)
            writer.write(encode_greeting(Answer(make_hello("xinpei-test", GENESIS, B), "")))
            await reader.read(1)
            reading.set()
            await done.wait()
            writer.transport.abort()

        slow = await asyncio.start_server(stall, *ANYWHERE, ssl=network.tls(B).server, limit=1024)
        other = network.transport(C, {})
        await other.start()
        first = network.transport(A, {B: slow.sockets[0].getsockname()[:2], C: other.address})
        await first.start()
        first.send(B, b"first")
        await reading.wait()
        for number in range(60):
            first.send(B, bytes(1024 * 1024))
            first.send(C, b"%d" % number)
            await network.expect((C, A, b"%d" % number))
            assert first.peers()[0].waiting_bytes <= BACKLOG_BYTES_MAX
        state = first.peers()[0]
        assert state.dropped_frames > 0
        assert state.waiting_frames >= BACKLOG_BYTES_MAX // (1024 * 1024) - 1
        assert state.sent_frames + state.waiting_frames + state.dropped_frames == 61
        done.set()
        await first.stop()
        await other.stop()
        slow.close()

    run(scenario())


def test_a_second_connection_of_a_member_replaces_the_first(network: Network) -> None:
    async def scenario() -> None:
        server = network.transport(A, {B: NOBODY_THERE})
        await server.start()
        hello = make_hello("xinpei-test", GENESIS, B)
        async with RawPeer(network.tls(B)) as older, RawPeer(network.tls(B)) as newer:
            await older.dial(server.address)
            await older.greet(hello)
            await newer.dial(server.address)
            await newer.greet(hello)
            newer.writer.write(encode_frame(b"new"))
            await network.expect((A, B, b"new"))
            await older.read_end()
            assert server.peers()[0].incoming
        await server.stop()

    run(scenario())


def test_a_peer_that_the_driver_refuses_is_dropped(network: Network) -> None:
    async def scenario() -> None:
        def refuse(peer: str, frame: bytes) -> None:
            msg = f"{peer}: a vote for another height"
            raise LedgerError(msg)

        server = Transport(make_hello("xinpei-test", GENESIS, A), ANYWHERE, {B: NOBODY_THERE}, network.tls(A), refuse)
        await server.start()
        async with RawPeer(network.tls(B)) as peer:
            await peer.dial(server.address)
            await peer.greet(make_hello("xinpei-test", GENESIS, B))
            peer.writer.write(encode_frame(b"x"))
            await peer.read_end()
        assert server.peers()[0].reason == "incoming: hospital-b: a vote for another height"
        await server.stop()

    run(scenario())


def test_a_fault_of_this_program_ends_the_transport(network: Network) -> None:
    async def scenario() -> None:
        def fail(peer: str, frame: bytes) -> None:
            raise AssertionError

        server = Transport(make_hello("xinpei-test", GENESIS, A), ANYWHERE, {}, network.tls(A), fail)
        await server.start()
        async with RawPeer(network.tls(B)) as peer:
            await peer.dial(server.address)
            await peer.greet(make_hello("xinpei-test", GENESIS, B))
            peer.writer.write(encode_frame(b"x"))
            with pytest.raises(AssertionError):
                await server.wait()
        await server.stop()

    run(scenario())


def test_a_fault_of_this_machine_is_not_taken_for_the_peers(network: Network) -> None:
    """A disk that is full while a frame is worked on ends this node, not the connection of whoever sent the frame."""

    async def scenario() -> None:
        def fail(_peer: str, _frame: bytes) -> None:
            raise OSError(errno.ENOSPC, "no space left on device")

        server = Transport(make_hello("xinpei-test", GENESIS, A), ANYWHERE, {}, network.tls(A), fail)
        await server.start()
        async with RawPeer(network.tls(B)) as peer:
            await peer.dial(server.address)
            await peer.greet(make_hello("xinpei-test", GENESIS, B))
            peer.writer.write(encode_frame(b"x"))
            with pytest.raises(OSError, match="no space left"):
                await asyncio.wait_for(server.wait(), 5)
        await server.stop()

    run(scenario())


def test_wait_returns_when_the_transport_was_stopped(network: Network) -> None:
    async def scenario() -> None:
        server = network.transport(A, {B: NOBODY_THERE})
        await server.stop()
        await server.start()
        await server.stop()
        await server.wait()

    run(scenario())


def test_what_cannot_be_sent_or_dialled_is_refused_at_once(network: Network) -> None:
    transport = network.transport(A, {B: NOBODY_THERE})
    with pytest.raises(PeerError, match="peer: expected one of hospital-b, got insurer-a"):
        transport.send(C, b"x")
    for payload in (b"", bytes(FRAME_BYTES_MAX + 1)):
        with pytest.raises(PeerError, match="frame: expected 1 to"):
            transport.broadcast(payload)
    for name in (A, "stranger"):
        with pytest.raises(PeerError, match=f"peer {name}: expected another member"):
            transport.set_peer(name, NOBODY_THERE)
    with pytest.raises(PeerError, match="expected one of insurer-a, got one of hospital-a"):
        Transport(make_hello("xinpei-test", GENESIS, C), ANYWHERE, {}, network.tls(A), lambda *_: None)
