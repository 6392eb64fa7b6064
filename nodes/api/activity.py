"""The route by which a customer sees every look at her records, allowed or refused, and whoever acts for her too.

It is read from the chain, so any node of the network answers alike; nobody else's pseudonym can be asked about.
"""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from nodes.api.callers import AnyCaller, Node
from nodes.api.errors import ForbiddenError
from nodes.api.explanations import may_act_for
from nodes.roles.activity import Source, list_looks
from nodes.schemas.looks import Look

router = APIRouter(prefix="/v1/activity", tags=["records"])


class Looks(BaseModel):
    """A page of looks of one source."""

    looks: list[Look]
    next: str | None
    """Where the next page begins; None on the last one."""


@router.get("/{source}")
async def list_activity(
    node: Node,
    caller: AnyCaller,
    source: Source,
    after: Annotated[str, Query(max_length=64)] = "",
    subject: Annotated[str, Query(max_length=64)] = "",
) -> Looks:
    """List who looked at the calling customer's records, or at those of `subject`, for whom she may act."""
    if caller.role != "customer" or (subject and not may_act_for(node, caller, subject)):
        raise ForbiddenError("caller", "the customer herself, or who may act for her", caller.name)
    page = list_looks(node.view, subject or caller.name, source, after)
    return Looks(looks=list(page.looks), next=page.next)
