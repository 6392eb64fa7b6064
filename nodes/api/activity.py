"""The route by which a customer sees every look at her records, allowed or refused, and whoever acts for her too.

It is read from the chain, so any node of the network answers alike; nobody else's pseudonym can be asked about.
"""

import re
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel

from contracts.attempts import Attempt, AttemptView, CountedView, ListAttempts
from nodes.api.callers import AnyCaller, Node
from nodes.api.errors import ForbiddenError, NotFoundError
from nodes.api.explanations import may_act_for
from nodes.audit.access_proof import collect_access
from nodes.network.node import NetworkNode
from nodes.roles.activity import Source, list_looks
from nodes.schemas import canonical_json
from nodes.schemas.looks import Look

PSEUDONYM = re.compile(r"c-[0-9a-z]{1,64}")

router = APIRouter(prefix="/v1/activity", tags=["records"])


class Looks(BaseModel):
    """A page of looks of one source."""

    looks: list[Look]
    next: str | None
    """Where the next page begins; None on the last one."""


@router.get("/{source}/{subject}/{sequence}/proof")
async def prove_attempt(
    node: Node,
    caller: AnyCaller,
    source: Literal["attempts", "counted"],
    subject: str,
    sequence: Annotated[int, Path(ge=1, le=2**31)],
) -> Response:
    """Return the file that proves one attempt offline, or one running entry of many.

    It is for its subject, for a party of it, and for a regulator.
    """
    attempt = _find(node, source, subject, sequence) if PSEUDONYM.fullmatch(subject) else None
    is_party = attempt is not None and caller.name in (attempt.recipient, attempt.signer, attempt.hospital)
    if attempt is None or not (is_party or caller.role == "regulator" or may_act_for(node, caller, subject)):
        msg = f"attempt {sequence} about {subject[:64]}: not found"
        raise NotFoundError(msg)
    proof = collect_access(node.application, node.files.blocks, subject, sequence, is_counted=source == "counted")
    return Response(canonical_json.render(proof), media_type="application/json")


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


def _find(node: NetworkNode, source: str, subject: str, sequence: int) -> Attempt | None:
    """Return an attempt, or the latest one that a running entry counts."""
    asked = ListAttempts(subject, sequence - 1)
    if source == "counted":
        counted = node.view.query("attempts", "counted_of_subject", asked, tuple[CountedView, ...])
        return counted[0].counted.latest if counted else None
    attempts = node.view.query("attempts", "of_subject", asked, tuple[AttemptView, ...])
    return attempts[0].attempt if attempts else None
