"""The routes about claims: a customer sees hers, an organisation its own, a regulator and an auditor all.

What they see is what the chain has: no amount and no name.
"""

import asyncio
import re
from collections.abc import Mapping
from typing import Annotated, Literal, Protocol, cast

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from contracts.listings import ClaimSummary, ClaimView, ListClaims
from contracts.openings import READERS
from contracts.registers import LIST_ROWS_MAX
from nodes.api.callers import AnyCaller, Customer, Node
from nodes.api.errors import NotFoundError
from nodes.audit.collect import collect_dossier, collect_openings
from nodes.audit.dossier import render_dossier
from nodes.authentication import Caller
from nodes.network.node import NetworkNode
from nodes.roles.lookup import find_claim
from nodes.schemas import canonical_json
from nodes.vault.sealing import Sealed

WATCH_SECONDS_MAX = 30.0
CLAIM_ID = re.compile(r"claim-[0-9a-f]{12}")

router = APIRouter(prefix="/v1/claims", tags=["claims"])


class Openings(Protocol):
    """Where a customer's openings are: the insurer's own books."""

    def customer_opening(self, claim_id: str, pseudonym: str) -> tuple[bytes, int]:
        """Return the latest settlement's opening, sealed to the customer, and its version; raises `LedgerError`."""
        ...

    def customer_openings(self, claim_id: str, pseudonym: str, *, again: bool) -> Mapping[int, Sealed]:
        """Return the sealed opening of every settlement, perhaps sealed again, by version; raises `LedgerError`."""
        ...


class Row(BaseModel):
    """One claim of a listing."""

    claim: str
    number: int
    hospital: str
    insurer: str
    customer: str
    status: str
    settlement_version: int
    reported_ms: int
    latest_ms: int


class Rows(BaseModel):
    """A page of claims."""

    claims: list[Row]
    next: str | None
    """Where the next page begins; None on the last one."""


@router.get("")
async def list_claims(
    node: Node,
    caller: AnyCaller,
    after: Annotated[str, Query(max_length=64)] = "",
    status: Annotated[str, Query(max_length=32)] = "",
) -> Rows:
    """List the caller's claims; a regulator or auditor lists those of one written status."""
    by: Literal["customer", "insurer", "hospital", "status"]
    value = caller.name
    if caller.role in ("customer", "insurer", "hospital"):
        by = cast("Literal['customer', 'insurer', 'hospital']", caller.role)
    else:
        by, value = "status", status or "PAID"
    found = node.view.query("claims", "list_claims", ListClaims(by, value, after), tuple[ClaimSummary, ...])
    more = len(found) == LIST_ROWS_MAX
    last = (f"{found[-1].number:016x}" if by == "insurer" else found[-1].claim_id) if more else None
    return Rows(claims=[_describe_row(item) for item in found], next=last)


@router.get("/{claim_id}")
async def show_claim(
    node: Node,
    caller: AnyCaller,
    claim_id: str,
    wait: Annotated[float, Query(ge=0, le=WATCH_SECONDS_MAX)] = 0.0,
    steps: Annotated[int, Query(ge=0)] = 0,
) -> object:
    """Show one claim; with `wait`, wait that many seconds for more than `steps` steps or another wait of the claim."""
    view = find_own_claim(node, caller, claim_id)
    if wait and len(view.claim.steps) <= steps:
        await _await_change(node, view, wait)
        view = find_own_claim(node, caller, claim_id)
    return canonical_json.plain(view)


@router.get("/{claim_id}/dossier")
async def dossier(node: Node, caller: AnyCaller, claim_id: str) -> Response:
    """Return the file that proves the claim offline, as of this node's latest block."""
    find_own_claim(node, caller, claim_id)
    found = collect_dossier(node.application, node.files.blocks, claim_id)
    return Response(render_dossier(found), media_type="application/json")


def make_openings_router(openings: Openings) -> APIRouter:
    """Return the insurer's route for what a customer's settlement was computed from."""
    own = APIRouter(prefix="/v1/claims", tags=["claims"])

    @own.get("/{claim_id}/opening")
    async def opening(node: Node, caller: Customer, claim_id: str) -> dict[str, object]:
        """Return the opening of the latest settlement, sealed to the calling pseudonym."""
        find_own_claim(node, caller, claim_id)
        sealed, version = openings.customer_opening(claim_id, caller.name)
        return {"version": version, "sealed": sealed.hex()}

    @own.get("/{claim_id}/openings")
    async def all_openings(
        node: Node, caller: Customer, claim_id: str, *, again: Annotated[bool, Query()] = False
    ) -> Response:
        """Return the file that opens every settlement for the customer's wallet; `again` seals to the key of now."""
        find_own_claim(node, caller, claim_id)
        sealed = openings.customer_openings(claim_id, caller.name, again=again)
        found = collect_openings(node.application, node.files.blocks, claim_id, sealed)
        return Response(canonical_json.render(found), media_type="application/json")

    return own


def find_own_claim(node: NetworkNode, caller: Caller, claim_id: str) -> ClaimView:
    """Return a claim that the caller may see; raises `NotFoundError` otherwise."""
    view = find_claim(node.view, claim_id) if CLAIM_ID.fullmatch(claim_id) else None
    if view is not None:
        claim = view.claim
        if caller.name in (claim.customer, claim.hospital, claim.insurer) or caller.role in READERS:
            return view
    msg = f"claim {claim_id[:64]}: not found"
    raise NotFoundError(msg)


async def _await_change(node: NetworkNode, former: ClaimView, seconds: float) -> None:
    changed = asyncio.Event()
    unfollow = node.follow(lambda _: changed.set())
    try:
        async with asyncio.timeout(seconds):
            while True:
                await changed.wait()
                changed.clear()
                if node.is_leaving:
                    return
                view = find_claim(node.view, former.claim.claim_id)
                assert view is not None, "a claim that was reported stays"
                if len(view.claim.steps) > len(former.claim.steps) or view.wait != former.wait:
                    return
    except TimeoutError:
        return
    finally:
        unfollow()


def _describe_row(item: ClaimSummary) -> Row:
    return Row(
        claim=item.claim_id,
        number=item.number,
        hospital=item.hospital,
        insurer=item.insurer,
        customer=item.customer,
        status=item.status,
        settlement_version=item.settlement_version,
        reported_ms=item.reported.time_ms,
        latest_ms=item.latest.time_ms,
    )
