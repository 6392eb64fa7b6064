"""The routes by which a hospital or a regulator reads what hospitals disclosed to it; for its operator alone."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from nodes.api.callers import Node, Operator
from nodes.api.readings import note_reading
from nodes.roles.exchange.receiving import PAGE_MAX, Received
from nodes.roles.hospital import Hospital
from nodes.roles.regulator import Regulator
from nodes.schemas import canonical_json


class ReceivedInfo(BaseModel):
    """A record that a hospital handed over."""

    record: str
    type: str
    kind: str
    stay: str
    hospital: str
    """Whose record it is."""
    subject: str
    """The pseudonym that it is about."""
    patient: str | None
    """A hospital's own number for her; a regulator has none."""
    purpose: str
    """CAREMGT, or BTG for an emergency; at a regulator PUBHLTH."""
    entered_ms: int


def make_received_router(recipient: Hospital | Regulator) -> APIRouter:
    """Return the routes.

    Args:
        recipient: The agent that took it in.
    """
    router = APIRouter(prefix="/v1/received", tags=["hospital", "regulator"])

    @router.get("")
    async def list_received(
        _caller: Operator,
        patient: Annotated[str | None, Query(max_length=64)] = None,
        after: Annotated[str, Query(max_length=64)] = "",
    ) -> dict[str, object]:
        """List what hospitals handed over and is kept here, by record."""
        found = recipient.list_received(patient, after)
        rows = [_describe(item) for item in found]
        return {"records": rows, "next": rows[-1].record if len(rows) == PAGE_MAX else None}

    @router.get("/{record_id}")
    async def open_received(node: Node, caller: Operator, record_id: str) -> dict[str, object]:
        """Open one; each reading is a line of this node's log. A document is fetched from `/v1/documents`."""
        item, document = recipient.open_received(record_id)
        note_reading(node, caller.name, "record", record_id)
        plain = None if document is None else canonical_json.plain(document)
        return {**_describe(item).model_dump(), "document": plain}

    return router


def _describe(item: Received) -> ReceivedInfo:
    record = item.record
    return ReceivedInfo(
        record=record.record_id,
        type=record.record_type,
        kind=record.kind,
        stay=record.stay_id,
        hospital=record.hospital,
        subject=record.subject,
        patient=item.patient,
        purpose=item.purpose,
        entered_ms=record.place.time_ms,
    )
