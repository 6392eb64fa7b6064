"""What a monitoring system asks for: a few numbers in Prometheus' text format.

Members only, with a signed request like every other route: heights, peers and missing votes say how the consortium
runs, which is nobody else's business. Prometheus itself signs no requests, so `xinpei metrics --as ORG` asks, and the
textfile collector of its node exporter, or any scheduler, takes what that prints.

Labels are organisations and steps. There is none for a customer, a claim or a contract: this says how the ledger runs
and nothing of what is in it.
"""

from collections.abc import Iterator
from typing import cast

from fastapi import APIRouter, Request, Response

from ledger.consensus.round import Step
from nodes.api.callers import Member, Node
from nodes.api.events import Followers
from nodes.network.node import NetworkNode

TEXT_FORMAT = "text/plain; version=0.0.4; charset=utf-8"

router = APIRouter(tags=["chain"])


class MetricsText(Response):
    """Prometheus' text format."""

    media_type = TEXT_FORMAT


class Meter:
    """Counts what a node commits while it runs; a counter begins at 0 with every start, as Prometheus expects."""

    def __init__(self, node: NetworkNode) -> None:
        """Count from now on."""
        self._node = node
        self.transactions = 0
        self.interval_ms: int | None = None
        """Between the two latest blocks; None before this node has seen two."""
        self._latest_ms = node.view.time_ms if node.view.height else None
        self._height = node.view.height
        node.follow(self._take)

    def _take(self, height: int) -> None:
        """Count a committed block; when the node leaves it is told the last height again."""
        header = self._node.application.header
        if height <= self._height or header is None:
            return
        self._height = height
        if header.height != height:
            block = self._node.files.blocks.block(height)
            assert block is not None, "a committed block is stored"
            header = block.header
        self.transactions += header.transaction_count
        self.interval_ms = None if self._latest_ms is None else header.time_ms - self._latest_ms
        self._latest_ms = header.time_ms


@router.get("/metrics", response_class=MetricsText)
async def metrics(request: Request, node: Node, _caller: Member) -> Response:
    """Return this node's metrics in Prometheus' text format; members only.

    Prometheus signs no requests: `xinpei metrics` asks, and prints what the textfile collector reads.
    """
    meter = cast("Meter", request.app.state.meter)
    followers = cast("Followers", request.app.state.followers)
    return MetricsText("".join(f"{line}\n" for line in _render(node, meter, len(followers))))


def _render(node: NetworkNode, meter: Meter, streams: int) -> Iterator[str]:
    status = node.status()
    peers = node.peers()
    steps = [step.name.lower() for step in Step]
    info = {"organisation": node.organisation, "chain": node.view.chain_id, "store": node.store_engine}
    yield from _metric("info", "gauge", "Whose node this is.", (info, 1))
    yield from _metric("height", "gauge", "The last committed height.", ({}, node.view.height))
    yield from _metric("block_time_seconds", "gauge", "Time of the last block.", ({}, node.view.time_ms / 1000))
    if meter.interval_ms is not None:
        words = "Between the two latest blocks; an idle chain makes none."
        yield from _metric("block_interval_seconds", "gauge", words, ({}, meter.interval_ms / 1000))
    words = "Transactions committed since this node started."
    yield from _metric("transactions_total", "counter", words, ({}, meter.transactions))
    yield from _metric("deciding_height", "gauge", "The height that is being decided.", ({}, status.height))
    yield from _metric("round", "gauge", "The round of that height.", ({}, status.round))
    step = [({"step": name}, int(name == status.step)) for name in steps]
    yield from _metric("step", "gauge", "1 for the step of that round; unstarted is idle.", *step)
    words = "What the votes of this step lack to a quorum; 0 if idle."
    yield from _metric("power_lacking", "gauge", words, ({}, status.power_lacking))
    yield from _metric("signing", "gauge", "1 if this node votes.", ({}, int(status.signing == "yes")))
    words = "Submissions that wait for a block."
    yield from _metric("waiting_submissions", "gauge", words, ({}, status.waiting_submissions))
    words = "Double signing that waits for a block."
    yield from _metric("pending_evidence", "gauge", words, ({}, status.pending_evidence))
    yield from _metric("peers", "gauge", "Other nodes that this one dials.", ({}, len(peers)))
    if peers:
        connected = [({"peer": peer.name}, int(peer.outgoing)) for peer in peers]
        yield from _metric("peer_connected", "gauge", "1 if the peer can be sent to.", *connected)
    yield from _metric("event_streams", "gauge", "Followers of /v1/events.", ({}, streams))


def _metric(name: str, kind: str, words: str, *samples: tuple[dict[str, str], float]) -> Iterator[str]:
    yield f"# HELP xinpei_{name} {words}"
    yield f"# TYPE xinpei_{name} {kind}"
    for labels, value in samples:
        shown = ",".join(f'{label}="{_escape(text)}"' for label, text in labels.items())
        yield f"xinpei_{name}{{{shown}}} {value}" if shown else f"xinpei_{name} {value}"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
