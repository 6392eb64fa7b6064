"""Followers of the chain: what members and customers are told, how they come again, and how they are let go."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from contracts.customers import Enrol, Enrolled, enrolment_message
from ledger.codec import decode, encode
from ledger.crypto.signatures import PrivateKey, sign_enrolment
from ledger.transactions import make_submission
from nodes.api import events
from nodes.authentication import RequestSigner, pseudonym_name
from nodes.config import Home
from nodes.network.node import read_clock_ms
from tests.nodes.network.solo import ENTROPY, NAME, OTHER, Solo, found, run_solo

Test = Callable[[Solo], Awaitable[None]]
TARGET = "/v1/events"
PATIENCE_SECONDS = 20


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return found(tmp_path_factory.mktemp("home") / "n")


def play(home: Home, test: Test) -> None:
    """Run a test against a running node."""

    async def run() -> None:
        async with run_solo(home) as solo, asyncio.timeout(PATIENCE_SECONDS):
            await test(solo)

    asyncio.run(run())


class Stream:
    """One follower's connection, as an ASGI server would hold it: httpx waits for the end of what has none."""

    def __init__(self, solo: Solo, signer: RequestSigner, after: int | None = None, room: int = 10**6) -> None:
        signed = signer.headers(NAME, "GET", TARGET, b"", time_ms=read_clock_ms(), nonce=ENTROPY.draw(16))
        headers = signed | ({} if after is None else {"last-event-id": str(after)})
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "https",
            "path": TARGET,
            "raw_path": TARGET.encode(),
            "query_string": b"",
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 2),
        }
        self.gone = asyncio.Event()
        self.messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._asked = False
        self._room = asyncio.Semaphore(room)
        self.task = asyncio.ensure_future(solo.app(scope, self._receive, self._send))

    async def _receive(self) -> dict[str, Any]:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        await self._room.acquire()
        self.messages.put_nowait(message)

    async def start(self) -> str:
        """Return the first lines, after the head of an answer that is a stream."""
        head = await self.messages.get()
        assert head["status"] == 200, await self.messages.get()
        assert (b"content-type", b"text/event-stream; charset=utf-8") in head["headers"]
        return await self.read()

    async def read(self) -> str:
        """Return the next message; empty at the stream's end."""
        message = await self.messages.get()
        assert message["more_body"] == bool(message["body"])
        return str(message["body"].decode())

    async def notice(self) -> dict[str, Any]:
        """Return the next block's notice."""
        head, kind, data = (await self.read()).strip().split("\n")
        assert kind == "event: block"
        notice: dict[str, Any] = json.loads(data.removeprefix("data: "))
        assert head == f"id: {notice['height']}"
        return notice


async def enrol(solo: Solo) -> RequestSigner:
    """Enrol a customer, and return her as a caller."""
    key = PrivateKey(ENTROPY.draw(32))
    name = pseudonym_name(key.public_key)
    proof = sign_enrolment(key, enrolment_message(solo.chain_id, name, key.public_key, NAME))
    transaction = solo.transaction(arguments=encode(Enrol(name, key.public_key, proof)))
    answer = await solo.submit(make_submission(solo.keys[NAME].submission, (transaction,)), wait=10)
    assert answer.json()["receipts"][0]["code"] == "OK"
    return RequestSigner(key, solo.chain_id, name, carry_key=True)


def names(notice: dict[str, Any]) -> list[str]:
    """Return whose enrolments a notice tells of."""
    return [decode(bytes.fromhex(event["data"]), Enrolled).name for event in notice["events"]]


async def refused(stream: Stream, status: int, *words: str) -> None:
    """Check that a stream was refused, and why."""
    assert (await stream.messages.get())["status"] == status
    message = json.loads((await stream.messages.get())["body"])["message"]
    assert all(word in message for word in words), message


def test_a_member_is_told_of_each_block_and_all_its_events(home: Home) -> None:
    async def test(solo: Solo) -> None:
        height = solo.node.view.height
        stream = Stream(solo, solo.signer(OTHER))
        assert await stream.start() == f": height {height}\nretry: 1000\n\n"
        receipts = (await solo.submit(solo.submission(2), wait=10)).json()["receipts"]
        notice = await stream.notice()
        assert (notice["height"], notice["transactions"]) == (height + 1, 2)
        block = (await solo.send("GET", f"/v1/blocks/{height + 1}")).json()
        assert (notice["hash"], notice["time_ms"]) == (block["hash"], block["header"]["time_ms"])
        assert [event["transaction"] for event in notice["events"]] == [item["transaction"] for item in receipts]
        assert [event["data"] for event in notice["events"]] == [item["events"][0]["data"] for item in receipts]

    play(home, test)


def test_a_customer_is_told_of_each_block_and_of_the_events_that_name_her(home: Home) -> None:
    async def test(solo: Solo) -> None:
        before = solo.node.view.height
        first, second = await enrol(solo), await enrol(solo)
        for customer, others in ((first, second), (second, first)):
            stream = Stream(solo, customer, after=before)
            await stream.start()
            told = [await stream.notice(), await stream.notice()]
            assert [notice["height"] for notice in told] == [before + 1, before + 2]
            assert [name for notice in told for name in names(notice)] == [customer.actor]
            assert others.actor not in json.dumps(told)
        member = Stream(solo, solo.signer(), after=before)
        await member.start()
        told = [await member.notice(), await member.notice()]
        assert [name for notice in told for name in names(notice)] == [first.actor, second.actor]

    play(home, test)


def test_a_follower_that_comes_again_misses_nothing_and_hears_nothing_twice(home: Home) -> None:
    async def test(solo: Solo) -> None:
        await enrol(solo)
        first = Stream(solo, solo.signer())
        await first.start()
        await solo.submit(solo.submission(), wait=10)
        seen = (await first.notice())["height"]
        first.gone.set()
        await first.task
        for _ in range(events.BLOCKS_KEPT + 4):
            await solo.submit(solo.submission(), wait=10)
        again = Stream(solo, solo.signer(), after=seen)
        await again.start()
        last = solo.node.view.height
        assert [(await again.notice())["height"] for _ in range(last - seen)] == list(range(seen + 1, last + 1))
        ahead = Stream(solo, solo.signer(), after=last + 1)
        await ahead.start()
        for _ in range(2):
            await solo.submit(solo.submission(), wait=10)
        assert (await ahead.notice())["height"] == last + 2

    play(home, test)


def test_a_stream_without_blocks_has_a_heartbeat(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "HEARTBEAT_SECONDS", 0.01)

    async def test(solo: Solo) -> None:
        stream = Stream(solo, solo.signer())
        await stream.start()
        assert [await stream.read() for _ in range(3)] == [":\n\n"] * 3

    play(home, test)


def test_a_follower_that_takes_nothing_is_dropped_and_its_place_is_free(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "SEND_SECONDS", 0.05)

    async def test(solo: Solo) -> None:
        await solo.submit(solo.submission(), wait=10)
        slow = Stream(solo, solo.signer(), after=0, room=3)
        quick = Stream(solo, solo.signer(), after=0)
        await quick.start()
        await slow.task
        assert slow.messages.qsize() == 3
        assert len(solo.app.state.followers) == 1
        await solo.submit(solo.submission(), wait=10)
        heights = [(await quick.notice())["height"] for _ in range(solo.node.view.height)]
        assert heights == list(range(1, solo.node.view.height + 1))

    async def settle(solo: Solo) -> None:
        await solo.submit(solo.submission(), wait=10)
        await test(solo)

    play(home, settle)


def test_a_follower_that_goes_leaves_nothing_behind(home: Home) -> None:
    async def test(solo: Solo) -> None:
        before = len(solo.node.waiting)
        stream = Stream(solo, solo.signer())
        await stream.start()
        assert (len(solo.app.state.followers), len(solo.node.waiting)) == (1, before + 1)
        stream.gone.set()
        await stream.task
        assert (len(solo.app.state.followers), len(solo.node.waiting)) == (0, before)
        assert stream.messages.empty()

    play(home, test)


def test_a_stream_ends_when_the_node_stops(home: Home) -> None:
    async def test(solo: Solo) -> None:
        streams = [Stream(solo, solo.signer()), Stream(solo, solo.signer(OTHER))]
        for stream in streams:
            await stream.start()
        solo.node.dismiss()
        for stream in streams:
            assert await stream.read() == ""
            await stream.task

    play(home, test)


def test_a_stream_ends_in_time_for_its_caller_to_show_a_key_again(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "STREAM_SECONDS", 0.0)

    async def test(solo: Solo) -> None:
        stream = Stream(solo, solo.signer())
        await stream.start()
        assert await stream.read() == ""

    play(home, test)


def test_a_caller_has_so_many_streams_and_no_more(home: Home) -> None:
    async def test(solo: Solo) -> None:
        streams = [Stream(solo, solo.signer()) for _ in range(events.STREAMS_PER_CALLER_MAX)]
        for stream in streams:
            await stream.start()
        await refused(Stream(solo, solo.signer()), 429, "streams", str(events.STREAMS_PER_CALLER_MAX))
        await Stream(solo, solo.signer(OTHER)).start()
        streams[0].gone.set()
        await streams[0].task
        await Stream(solo, solo.signer()).start()

    play(home, test)


def test_customers_do_not_take_the_places_of_members(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "CUSTOMER_STREAMS_MAX", 1)

    async def test(solo: Solo) -> None:
        first, second = await enrol(solo), await enrol(solo)
        await Stream(solo, first).start()
        await refused(Stream(solo, second), 429, "customer-streams")
        await Stream(solo, solo.signer()).start()

    play(home, test)


def test_a_pseudonym_that_nobody_enrolled_is_refused(home: Home) -> None:
    async def test(solo: Solo) -> None:
        key = PrivateKey(ENTROPY.draw(32))
        stranger = RequestSigner(key, solo.chain_id, pseudonym_name(key.public_key), carry_key=True)
        await refused(Stream(solo, stranger), 403, "enrolled", stranger.actor)

    play(home, test)


@pytest.mark.parametrize("after", ["", "-1", "x", "1e3", "9" * 40])
def test_a_last_event_that_is_no_height_is_refused(home: Home, after: str) -> None:
    async def test(solo: Solo) -> None:
        answer: httpx.Response = await solo.send("GET", TARGET, headers={"last-event-id": after})
        assert (answer.status_code, answer.json()["code"]) == (422, "MALFORMED")
        assert "last-event-id" in answer.json()["message"]

    play(home, test)
