"""The routes about a customer's records: which there are, who has them, and what became of what she had erased.

A request for erasure is a transaction of hers (`erasure.ask`), offered like every other; there is no route that erases.
Everything here is read from the chain, so any node of the network answers alike.
"""

import re
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel

from contracts.erasures import ErasureItem, ErasureRow
from contracts.holds import find_hold
from contracts.orders import ListHolders, Order
from contracts.records import LIST_ROWS_MAX
from contracts.stays import ListSeen, Record, RecordView, StayView
from nodes.agent import ChainView
from nodes.api.callers import AnyCaller, Customer, Node
from nodes.api.errors import NotFoundError
from nodes.network.node import NetworkNode
from nodes.roles.erasing import list_erasures
from nodes.roles.exchange.visits import list_executions
from nodes.roles.lookup import find_claim, find_record, find_stay
from nodes.schemas.civil_time import write_day

RECORD_ID = re.compile(r"record-[0-9a-f]{12,32}")

router = APIRouter(prefix="/v1/records", tags=["records"])


class HolderInfo(BaseModel):
    """One organisation that has a record or what was made of a claim."""

    holder: str
    role: str
    has: str
    """`custodian`, the status of the latest share with it, of a regulator `ordered` or `delivered`, or `claim`."""
    status: Literal["kept", "asked", "restricted", "erased"]
    cause: str | None
    """`request` or `retention`; None while nobody asked."""
    basis: str | None
    """Of a restriction: the code of the law, then its words in Chinese and English, and the last day."""
    law_zh: str | None
    law_en: str | None
    until: str | None
    height: int | None
    """Of the latest step."""
    time_ms: int | None


class VisitInfo(BaseModel):
    """One time that an insurer's rules ran on a record where it lies; the record itself went nowhere."""

    by: str
    """Whose rules."""
    hospital: str
    """Where they ran."""
    grant: str
    grant_version: int
    sequence: int
    """Of the claim's visits, from 1."""
    height: int
    time_ms: int


class RecordInfo(BaseModel):
    """A record, as its subject sees it: what it is and where, never what it says."""

    record: str
    type: str
    kind: str
    stay: str
    claim: str | None
    entered_ms: int
    reversed_by: str | None
    holders: list[HolderInfo]
    visits: list[VisitInfo]
    """Who computed on it without having it, the first one first."""
    made_of_it: list[HolderInfo]
    """What the insurer and the rail made of the stay's claim, once that was asked for."""


class Records(BaseModel):
    """A page of records."""

    records: list[RecordInfo]
    next: str | None
    """Where the next page begins; None on the last one."""


@router.get("")
async def list_records(node: Node, caller: Customer, after: Annotated[str, Query(max_length=64)] = "") -> Records:
    """List the calling pseudonym's records, with everybody who has them and what they answered."""
    views = node.view.query("records", "of_subject", ListSeen(caller.name, after), tuple[RecordView, ...])
    more = len(views) == LIST_ROWS_MAX
    return Records(records=[_describe(node, view) for view in views], next=views[-1].record.record_id if more else None)


@router.get("/{record_id}")
async def show_record(node: Node, caller: AnyCaller, record_id: str) -> RecordInfo:
    """Show one record to its subject, its hospital, whoever it was shared with, or a regulator."""
    view = find_record(node.view, record_id) if RECORD_ID.fullmatch(record_id) else None
    if view is not None:
        parties = {view.record.subject, view.record.hospital, *(item.share.recipient for item in view.shares)}
        if caller.name in parties or caller.role == "regulator":
            return _describe(node, view)
    msg = f"record {record_id[:64]}: not found"
    raise NotFoundError(msg)


def _describe(node: NetworkNode, view: RecordView) -> RecordInfo:
    record = view.record
    stay = find_stay(node.view, record.stay_id)
    claim_id = None if stay is None else stay.stay.claim_id
    rows = list_erasures(node.view, record.stay_id)
    has = {record.hospital: "custodian"} | {item.share.recipient: item.status.lower() for item in view.shares}
    has |= {order.regulator: "ordered" if order.answer is None else "delivered" for order in list_held(node, record)}
    return RecordInfo(
        record=record.record_id,
        type=record.record_type,
        kind=record.kind,
        stay=record.stay_id,
        claim=claim_id,
        entered_ms=record.place.time_ms,
        reversed_by=view.reversed_by,
        holders=[
            _describe_holder(node, holder, what, _find(rows, holder, record.record_id)) for holder, what in has.items()
        ],
        visits=[] if stay is None else list_visits(node.view, stay, record.record_id),
        made_of_it=[] if claim_id is None else _describe_claim(node, claim_id),
    )


def list_held(node: NetworkNode, record: Record) -> tuple[Order, ...]:
    """Return the orders by which regulators have a record, or wait for it."""
    return node.view.query("access", "held", ListHolders(record.record_id), tuple[Order, ...])


def list_visits(view: ChainView, stay: StayView, record_id: str) -> list[VisitInfo]:
    """Return the visits whose rules read this record: it is a part of the closing that they ran on."""
    claim_id = stay.stay.claim_id
    closings = {(closing.stay_id, closing.version) for closing in stay.closings if record_id in closing.parts}
    return [
        VisitInfo(
            by=visit.recipient,
            hospital=visit.hospital,
            grant=visit.grant_id,
            grant_version=visit.grant_version,
            sequence=visit.sequence,
            height=visit.place.height,
            time_ms=visit.place.time_ms,
        )
        for visit in (() if claim_id is None else list_executions(view, claim_id))
        if any((closing.stay_id, closing.version) in closings for closing in visit.outcome.closings)
    ]


def _describe_claim(node: NetworkNode, claim_id: str) -> list[HolderInfo]:
    """Return who answered for what was made of a claim; a rail is awaited though its row begins with its answer."""
    rows = list_erasures(node.view, claim_id)
    found = [_describe_holder(node, row.holder, "claim", row.items[0]) for row in rows]
    claim = find_claim(node.view, claim_id)
    answered = {row.holder for row in rows}
    rails = sorted({payment.rail for payment in claim.payments} - answered) if rows and claim is not None else []
    for rail in rails:
        asked = ErasureItem(claim_id, "claim", rows[0].items[0].cause, rows[0].items[0].steps[:1])
        found.append(_describe_holder(node, rail, "claim", asked))
    return found


def _find(rows: tuple[ErasureRow, ...], holder: str, record_id: str) -> ErasureItem | None:
    items = (item for row in rows if row.holder == holder for item in row.items)
    return next((item for item in items if item.item == record_id), None)


def _describe_holder(node: NetworkNode, holder: str, has: str, item: ErasureItem | None) -> HolderInfo:
    actor = node.view.actor(holder)
    step = None if item is None else item.steps[-1]
    hold = None if step is None or step.basis is None else find_hold(step.basis)
    statuses: dict[str, Literal["asked", "restricted", "erased"]] = {
        "ASKED": "asked",
        "RESTRICTED": "restricted",
        "ERASED": "erased",
    }
    return HolderInfo(
        holder=holder,
        role="" if actor is None else actor.role,
        has=has,
        status="kept" if step is None else statuses[step.status],
        cause=None if item is None else item.cause,
        basis=None if step is None else step.basis,
        law_zh=None if hold is None else hold.law_zh,
        law_en=None if hold is None else hold.law_en,
        until=None if step is None or step.until_day is None else write_day(step.until_day),
        height=None if step is None else step.place.height,
        time_ms=None if step is None else step.place.time_ms,
    )
