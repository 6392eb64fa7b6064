"""The routes about yearly reports and samples: anyone of the network reads reports, members draw samples."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from contracts.listings import FindTotal, FindYear
from contracts.reports import ListReports, YearReport
from contracts.totals import YearHead, YearTotal
from ledger.limits import NAME_CHARACTERS_MAX
from nodes.api.callers import AnyCaller, Member, Node, Operator
from nodes.audit.sample import SAMPLE_CLAIMS_MAX
from nodes.audit.year_collection import collect_report, collect_sample, list_hashes
from nodes.network.node import NetworkNode, read_clock_ms
from nodes.roles.insurer.agent import Insurer
from nodes.schemas import canonical_json

PUBLISH_SECONDS_MAX = 20.0
"""How long a publication is waited for: a block, and what was before it."""

InsurerName = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=NAME_CHARACTERS_MAX)]
CalendarYear = Annotated[int, Path(ge=1970, le=9999)]

router = APIRouter(prefix="/v1", tags=["reports"])


class ReportRow(BaseModel):
    """A published report, in a listing."""

    insurer: str
    year: int
    currency: str
    groups: int
    """Totals that it opens; 0 for a year of fewer than ten claims."""
    published_ms: int
    height: int


class YearForm(BaseModel):
    """A year to publish."""

    model_config = ConfigDict(extra="forbid")

    year: Annotated[int, Field(ge=1970, le=9999)]


class Published(BaseModel):
    """What became of a publication."""

    insurer: str
    year: int
    published: bool
    """Whether all of it is on the chain by now."""


@router.get("/reports/{insurer}")
async def list_reports(node: Node, _caller: AnyCaller, insurer: InsurerName) -> list[ReportRow]:
    """List an insurer's published reports, by year and currency."""
    found = node.view.query("reports", "list_reports", ListReports(insurer), tuple[YearReport, ...])
    return [
        ReportRow(
            insurer=report.insurer,
            year=report.year,
            currency=report.currency,
            groups=len(report.groups),
            published_ms=report.place.time_ms,
            height=report.place.height,
        )
        for report in found
    ]


@router.get("/reports/{insurer}/{year}")
async def show_report(node: Node, _caller: AnyCaller, insurer: InsurerName, year: CalendarYear) -> Response:
    """Return the file that proves a published report offline, as of this node's latest block."""
    found = collect_report(node.application, node.files.blocks, insurer, year)
    return Response(canonical_json.render(found), media_type="application/json")


@router.get("/samples/{insurer}/{year}")
async def draw_sample(
    node: Node,
    _caller: Member,
    insurer: InsurerName,
    year: CalendarYear,
    count: Annotated[int, Query(ge=1, le=SAMPLE_CLAIMS_MAX)],
) -> Response:
    """Return the file that shows which of an insurer's claims are drawn after its report, as of the latest block."""
    hashes = await asyncio.to_thread(list_hashes, node.application, node.files.blocks)
    found = collect_sample(node.application, node.files.blocks, insurer, year, count, hashes)
    return Response(canonical_json.render(found), media_type="application/json")


def make_publishing_router(insurer: Insurer) -> APIRouter:
    """Return the insurer's route for publishing its own report.

    Args:
        insurer: The insurer's agent.
    """
    own = APIRouter(prefix="/v1", tags=["reports"])

    @own.post("/reports")
    async def publish_report(node: Node, _caller: Operator, form: YearForm) -> Published:
        """Publish the totals of a year that is over, and wait for the chain to take them."""
        now_ms = read_clock_ms()
        year, effects = insurer.publish_report(form.year, now_ms)
        node.host.perform(node.organisation, effects, now_ms)
        return Published(insurer=insurer.name, year=year, published=await _await_published(node, insurer.name, year))

    return own


async def _await_published(node: NetworkNode, insurer: str, year: int) -> bool:
    changed = asyncio.Event()
    unfollow = node.follow(lambda _: changed.set())
    try:
        async with asyncio.timeout(PUBLISH_SECONDS_MAX):
            while not _is_published(node, insurer, year) and not node.is_leaving:
                await changed.wait()
                changed.clear()
    except TimeoutError:
        return False
    finally:
        unfollow()
    return _is_published(node, insurer, year)


def _is_published(node: NetworkNode, insurer: str, year: int) -> bool:
    head = node.view.query("registers", "year", FindYear(insurer, year), YearHead)
    messages = [FindTotal(insurer, year, currency) for currency in head.currencies]
    return all(node.view.query("registers", "total", message, YearTotal).is_published for message in messages)
