"""Server-sent events: whoever follows the chain is told of each block, with the events in it that concern it.

    : height 41                 at once: where this node stands
    id: 42                      one message for each block; its id is the height
    event: block
    data: {"height": 42, "time_ms": ..., "hash": ..., "transactions": 3, "events": [...]}
    :                           after HEARTBEAT_SECONDS without a block

A follower that comes again with `Last-Event-ID: 42` goes on with block 43, from the store. So nothing is queued for
anyone: a follower is a height to go on from, and one that does not take a message within SEND_SECONDS is dropped.
A stream ends when the node stops, and after STREAM_SECONDS, so that its caller must show a key in force again.

Members are told of all events, customers of those whose data name their pseudonym; both see that there was a block.
It is no second source of truth: what it tells stands in receipts, and the chain alone says what holds now.
"""

import asyncio
import contextlib
import json
import logging
import time
from collections import Counter, OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, cast

import msgspec
from fastapi import APIRouter, Header, Request, Response
from pydantic import BaseModel
from starlette.types import Message, Receive, Scope, Send

from nodes.api.callers import AnyCaller, Node
from nodes.api.errors import ForbiddenError, NotFoundError, TooManyError
from nodes.authentication import Caller
from nodes.network.node import NetworkNode

HEARTBEAT_SECONDS = 15.0
"""What lies between is cut by proxies after half a minute or more without a byte."""
SEND_SECONDS = 10.0
"""How long a follower may take to make room for the next message."""
STREAM_SECONDS = 3_600.0
RETRY_MS = 1_000
"""When a follower that lost its stream comes again."""
STREAMS_PER_CALLER_MAX = 4
CUSTOMER_STREAMS_MAX = 256
"""Streams of all customers together; members are few and have none but the bound above."""
BLOCKS_KEPT = 16
"""Latest blocks that are kept ready for several followers."""

router = APIRouter(prefix="/v1", tags=["chain"])
_log = logging.getLogger(__name__)


class EventInfo(BaseModel):
    """One event of a contract."""

    index: int
    """Place of its receipt in the block."""
    transaction: str
    contract: str
    name: str
    data: str
    """The canonical encoding of the event's struct, in hex."""


class BlockNotice(BaseModel):
    """What a follower is told of one block."""

    height: int
    time_ms: int
    hash: str
    transactions: int
    events: list[EventInfo]
    """Those that the caller may see, in the order of the block."""


class EventStream(Response):
    """One follower's stream, from its first message to its end."""

    media_type = "text/event-stream"

    def __init__(self, followers: "Followers", caller: Caller, after: int) -> None:
        """Prepare a stream.

        Args:
            followers: Those of this node.
            caller: Who follows.
            after: The last height it knows.
        """
        super().__init__(headers={"cache-control": "no-store"})
        del self.headers["content-length"]
        self._followers = followers
        self._caller = caller
        self._after = after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        """Tell of each block until the follower goes, is too slow, or the node stops."""
        node = self._followers.node
        news = asyncio.Event()
        gone = asyncio.ensure_future(_await_disconnect(receive))
        gone.add_done_callback(lambda _: news.set())
        unfollow = node.follow(lambda _: news.set())
        try:
            with self._followers.count(self._caller):
                await self._run(send, news, gone)
        except _SlowFollowerError:
            _log.info("a follower of the chain took no message for %s s and was dropped", SEND_SECONDS)
        finally:
            unfollow()
            gone.cancel()

    async def _run(self, send: Send, news: asyncio.Event, gone: asyncio.Future[None]) -> None:
        node = self._followers.node
        ends = time.monotonic() + STREAM_SECONDS
        height = self._after
        await _pass(send, {"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        await _write(send, b": height %d\nretry: %d\n\n" % (node.files.blocks.height(), RETRY_MS))
        while not (node.is_leaving or gone.done() or time.monotonic() >= ends or self._is_expelled()):
            if height < node.files.blocks.height():
                height += 1
                await _write(send, self._followers.render(height, self._caller))
                await asyncio.sleep(0)  # a long way to catch up must not hold up the node
                continue
            news.clear()
            try:
                async with asyncio.timeout(HEARTBEAT_SECONDS):
                    await news.wait()
            except TimeoutError:
                await _write(send, b":\n\n")
        if not gone.done():
            await _pass(send, {"type": "http.response.body", "body": b"", "more_body": False})

    def _is_expelled(self) -> bool:
        """Whether the follower's key is in force no more."""
        node = self._followers.node
        actor = node.view.actor(self._caller.name)
        newest = None if actor is None else actor.keys[-1].until_height
        return newest is not None and newest <= node.view.height + 1


@router.get("/events", status_code=200, response_class=EventStream, responses={200: {"model": BlockNotice}})
async def follow(
    request: Request,
    node: Node,
    caller: AnyCaller,
    last_event_id: Annotated[int | None, Header(ge=0, le=2**53)] = None,
) -> Response:
    """Follow the chain: one server-sent event for each block from now on, or for each after `Last-Event-ID`.

    Its id is the height, its data a BlockNotice: members see all events, customers those that name their pseudonym. A
    comment comes at least every 15 s. The stream ends after an hour, with the node, and if nothing is taken for 10 s.
    """
    followers = cast("Followers", request.app.state.followers)
    followers.check(caller)
    if last_event_id is not None and last_event_id + 1 < node.files.blocks.first_height:
        msg = f"events of block {last_event_id + 1}: {node.files.blocks.describe_absence(max(1, last_event_id + 1))}"
        raise NotFoundError(msg)
    return EventStream(followers, caller, node.files.blocks.height() if last_event_id is None else last_event_id)


@dataclass(frozen=True, slots=True)
class _Told:
    """A block as followers are told of it."""

    notice: BlockNotice
    """With all events."""
    names: tuple[frozenset[str], ...]
    """The texts in each event's data."""
    message: bytes
    """For members, who are told everything."""


class Followers:
    """Who follows this node's chain, and the latest blocks as they are told."""

    def __init__(self, node: NetworkNode) -> None:
        """Begin with nobody."""
        self.node = node
        self._streams: Counter[str] = Counter()
        self._customer_streams = 0
        self._told: OrderedDict[int, _Told] = OrderedDict()

    def __len__(self) -> int:
        """How many streams there are."""
        return self._streams.total()

    def check(self, caller: Caller) -> None:
        """Refuse a stream too many.

        Raises:
            ForbiddenError: If the caller is a pseudonym that the chain does not know: anybody can make those.
            TooManyError: If it has too many streams, or customers together have.
        """
        if not caller.enrolled:
            raise ForbiddenError("caller", "a pseudonym that is enrolled", caller.name)
        if self._streams[caller.name] >= STREAMS_PER_CALLER_MAX:
            raise TooManyError("streams", STREAMS_PER_CALLER_MAX)
        if caller.role == "customer" and self._customer_streams >= CUSTOMER_STREAMS_MAX:
            raise TooManyError("customer-streams", CUSTOMER_STREAMS_MAX)

    @contextlib.contextmanager
    def count(self, caller: Caller) -> Iterator[None]:
        """Count a stream while it lasts."""
        is_customer = caller.role == "customer"
        self._streams[caller.name] += 1
        self._customer_streams += is_customer
        try:
            yield
        finally:
            self._customer_streams -= is_customer
            self._streams[caller.name] -= 1
            if not self._streams[caller.name]:
                del self._streams[caller.name]

    def render(self, height: int, caller: Caller) -> bytes:
        """Return the message that tells a caller of a stored block."""
        told = self._told.get(height)
        if told is None:
            told = self._told[height] = _read(self.node, height)
            if len(self._told) > BLOCKS_KEPT:
                self._told.popitem(last=False)
        if caller.role != "customer":
            return told.message
        own = [event for event, names in zip(told.notice.events, told.names, strict=True) if caller.name in names]
        return _render(told.notice.model_copy(update={"events": own}))


class _SlowFollowerError(Exception):
    """A follower that makes no room."""


def _read(node: NetworkNode, height: int) -> _Told:
    block, receipts = node.files.blocks.block(height), node.files.blocks.receipts(height)
    assert block is not None, "a height of the store has its block"
    assert receipts is not None, "a stored block has its receipts"
    events: list[EventInfo] = []
    names: list[frozenset[str]] = []
    for index, receipt in enumerate(receipts):
        for event in receipt.events:
            names.append(frozenset(_texts(msgspec.msgpack.decode(event.data))))
            identifier = receipt.transaction_id.hex()
            events.append(
                EventInfo(
                    index=index,
                    transaction=identifier,
                    contract=event.contract,
                    name=event.name,
                    data=event.data.hex(),
                )
            )
    header = block.header
    notice = BlockNotice(
        height=height,
        time_ms=header.time_ms,
        hash=header.hash.hex(),
        transactions=header.transaction_count,
        events=events,
    )
    return _Told(notice, tuple(names), _render(notice))


def _texts(value: object) -> Iterator[str]:
    """Yield every text in a decoded value: structs are arrays, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _render(notice: BlockNotice) -> bytes:
    data = json.dumps(notice.model_dump(), separators=(",", ":"))
    return f"id: {notice.height}\nevent: block\ndata: {data}\n\n".encode()


async def _write(send: Send, data: bytes) -> None:
    await _pass(send, {"type": "http.response.body", "body": data, "more_body": True})


async def _pass(send: Send, message: Message) -> None:
    """Hand over a message once there is room for it; raises `_SlowFollowerError` if there is none in time."""
    try:
        async with asyncio.timeout(SEND_SECONDS):
            await send(message)
    except TimeoutError:
        raise _SlowFollowerError from None


async def _await_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
