"""The routes by which an organisation asks for records, and a regulator orders them under a law.

For the operator of this node alone. What is asked or ordered is a transaction: the chain decides, and the customer
sees it either way. A refusal comes back with its code, such as AUTH-013, and is on the chain as well.
"""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from contracts.access import LIST_ROWS_MAX
from contracts.grants import Purpose, RecordType
from contracts.orders import Ask, LegalBasis, Order
from nodes.agent import Call
from nodes.api.callers import Node, Operator
from nodes.api.errors import NotFoundError
from nodes.api.readings import note_reading
from nodes.roles.activity import find_order
from nodes.roles.regulator import Regulator
from nodes.schemas import canonical_json
from nodes.schemas.civil_time import write_day

WAIT_SECONDS = 15.0

router = APIRouter(prefix="/v1/access", tags=["access"])


class AskForm(BaseModel):
    """What is asked for."""

    model_config = ConfigDict(extra="forbid")

    stay: Annotated[str, Field(pattern=r"^stay-[0-9a-f]{12,32}$")]
    record_type: RecordType
    record: Annotated[str, Field(pattern=r"^record-[0-9a-f]{12,32}$")] | None = None
    grant: Annotated[str, Field(pattern=r"^grant-[0-9a-f]{12,32}$")]
    purpose: Purpose = "HPAYMT"


class AskInfo(BaseModel):
    """It may be handed over: the hospital's share follows when it is due."""

    permitted: bool
    height: int


class OrderForm(BaseModel):
    """A record to be handed over under a law."""

    model_config = ConfigDict(extra="forbid")

    record: Annotated[str, Field(pattern=r"^record-[0-9a-f]{12,32}$")]
    basis: LegalBasis
    number: Annotated[str, Field(min_length=1, max_length=200)]
    """The order's, as on its paper; only a commitment of it leaves this node."""


class OrderInfo(BaseModel):
    """An order, for the regulator that gave it."""

    order: str
    record: str
    record_type: str
    hospital: str
    basis: str
    number: str | None
    status: str
    """`ordered`, `delivered` or `disputed`."""
    field_set: str
    height: int
    time_ms: int
    erasure: str | None
    """`asked`, `restricted` or `erased`: what came of a request to erase the record here; None while nobody asked."""
    kept_until: str | None
    """Of a restriction: the last day; until then the record is for this order alone."""


@router.post("/asks")
async def ask(node: Node, _caller: Operator, form: AskForm) -> AskInfo:
    """Ask for a record under a grant, as this organisation."""
    message = Ask(form.stay, form.record_type, form.record, form.grant, form.purpose)
    place = await node.call(node.organisation, Call("access", "ask", message), WAIT_SECONDS)
    return AskInfo(permitted=True, height=place.height)


def make_orders_router(regulator: Regulator) -> APIRouter:
    """Return a regulator's own routes.

    Args:
        regulator: Its agent.
    """
    own = APIRouter(prefix="/v1/access/orders", tags=["access"])

    @own.post("")
    async def order(node: Node, _caller: Operator, form: OrderForm) -> OrderInfo:
        """Order a record under a law; it comes once its custodian has handed it over."""
        order_id, call = regulator.order(form.record, form.basis, form.number)
        await node.call(node.organisation, call, WAIT_SECONDS)
        placed = find_order(node.view, order_id)
        assert placed is not None, "a committed order is on the chain"
        return _describe(regulator, placed)

    @own.get("")
    async def list_orders(_caller: Operator, after: Annotated[str, Query(max_length=64)] = "") -> dict[str, object]:
        """List this regulator's orders, in the order of their ids."""
        found = regulator.list_orders(after)
        more = len(found) == LIST_ROWS_MAX
        return {"orders": [_describe(regulator, item) for item in found], "next": found[-1].order_id if more else None}

    @own.get("/{order_id}")
    async def show_order(node: Node, caller: Operator, order_id: str) -> dict[str, object]:
        """Show an order with the record that it brought; each reading is a line of this node's log."""
        found = find_order(node.view, order_id)
        if found is None or found.regulator != caller.name:
            msg = f"order {order_id[:64]}: not found"
            raise NotFoundError(msg)
        document = regulator.read(found)
        if document is not None:
            note_reading(node, caller.name, "record", found.record_id)
        plain = None if document is None else canonical_json.plain(document)
        return {**_describe(regulator, found).model_dump(), "document": plain}

    return own


def _describe(regulator: Regulator, order: Order) -> OrderInfo:
    asked = regulator.find_asked(order)
    step = None if asked is None else asked.steps[-1]
    return OrderInfo(
        order=order.order_id,
        record=order.record_id,
        record_type=order.record_type,
        hospital=order.hospital,
        basis=order.basis,
        number=regulator.find_number(order.order_id),
        status="ordered" if order.answer is None else order.answer.result.lower(),
        field_set=order.field_set,
        height=order.place.height,
        time_ms=order.place.time_ms,
        erasure=None if step is None else step.status.lower(),
        kept_until=None if step is None or step.until_day is None else write_day(step.until_day),
    )
