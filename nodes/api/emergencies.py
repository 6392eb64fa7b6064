"""The routes by which a hospital breaks the glass, and a regulator reviews what was broken; each for its operator."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from contracts.emergencies import LIST_ROWS_MAX
from contracts.grants import RecordType
from nodes.api.callers import Node, Operator
from nodes.roles.exchange.emergencies import REASON_CHARACTERS_MAX
from nodes.roles.hospital import Hospital
from nodes.roles.regulator import Regulator
from nodes.schemas import canonical_json

WAIT_SECONDS = 15.0
UsePath = Annotated[str, Field(pattern=r"^glass-[0-9a-f]{12,32}$")]


class GlassForm(BaseModel):
    """Whom this hospital treats, and what it needs of another one."""

    model_config = ConfigDict(extra="forbid")

    patient: Annotated[str, Field(min_length=1, max_length=64)]
    """This hospital's own number for her."""
    hospital: Annotated[str, Field(min_length=1, max_length=64)]
    """Whose records."""
    record_types: Annotated[list[RecordType], Field(min_length=1, max_length=8)]
    reason: Annotated[str, Field(min_length=1, max_length=REASON_CHARACTERS_MAX)]
    """Who looks and why; only a commitment of it leaves this node, until a regulator asks."""


class GlassInfo(BaseModel):
    """The use is on the chain, the customer can see it, and what it names is being handed over."""

    use: str
    grant: str
    record_types: list[str]
    height: int


class ReviewForm(BaseModel):
    """What a regulator finds about a use."""

    model_config = ConfigDict(extra="forbid")

    finding: Literal["justified", "unjustified"]
    grounds: Annotated[str, Field(min_length=1, max_length=REASON_CHARACTERS_MAX)]
    """Its reasons; only a commitment of them leaves this node."""


class ReviewInfo(BaseModel):
    """The review is on the chain."""

    use: str
    finding: str
    height: int


def make_glass_router(hospital: Hospital) -> APIRouter:
    """Return the route by which a hospital breaks the glass.

    Args:
        hospital: Its agent.
    """
    own = APIRouter(prefix="/v1/emergencies", tags=["access"])

    @own.post("")
    async def break_glass(node: Node, _caller: Operator, form: GlassForm) -> GlassInfo:
        """Have another hospital's records for treatment in an emergency; the customer is told, a regulator reviews."""
        types = tuple(form.record_types)
        use_id, call = hospital.break_glass(form.patient, form.hospital, types, form.reason)
        place = await node.call(node.organisation, call, WAIT_SECONDS)
        use = hospital.find_use(use_id)
        assert use is not None, "a committed use is on the chain"
        return GlassInfo(use=use_id, grant=use.grant_id, record_types=list(use.record_types), height=place.height)

    return own


def make_review_router(regulator: Regulator) -> APIRouter:
    """Return the routes by which a regulator reviews.

    Args:
        regulator: Its agent.
    """
    own = APIRouter(prefix="/v1/reviews", tags=["access"])

    @own.get("")
    async def list_reviews(_caller: Operator, after: Annotated[str, Query(max_length=64)] = "") -> dict[str, object]:
        """List the emergencies that wait for review, each with its reason once the hospital has told it."""
        found = regulator.list_waiting(after)
        rows = [{"use": canonical_json.plain(item.use), "reason": item.reason} for item in found]
        return {"uses": rows, "next": found[-1].use.use_id if len(found) == LIST_ROWS_MAX else None}

    @own.post("/{use_id}")
    async def review(node: Node, _caller: Operator, use_id: UsePath, form: ReviewForm) -> ReviewInfo:
        """Review one: once, and for ever on the chain, where the customer sees it."""
        call = regulator.review(use_id, form.finding, form.grounds)
        place = await node.call(node.organisation, call, WAIT_SECONDS)
        return ReviewInfo(use=use_id, finding=form.finding, height=place.height)

    return own
