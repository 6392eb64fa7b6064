"""The routes of a hospital's desk: patients and stays. For the operator of this node alone.

Admission, interim bill, discharge and correction are read as `nodes.schemas.stay` describes them; `today` in such a
file is this node's civil day at UTC+8.
"""

from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from nodes.agent import AgentEffect
from nodes.api.callers import Node, Operator
from nodes.api.identity import IdentityForm
from nodes.identity import Identity
from nodes.network.node import NetworkNode, read_clock_ms
from nodes.roles.hospital import Hospital
from nodes.roles.hospital.summaries import StaySummary
from nodes.roles.lookup import find_record, find_stay
from nodes.schemas.civil_time import civil_day, write_day
from nodes.schemas.stay import read_admission, read_discharge, read_interim


class PatientForm(BaseModel):
    """A person as the hospital knows her."""

    number: Annotated[str, Field(min_length=1, max_length=64)]
    identity: IdentityForm


class PatientInfo(BaseModel):
    """That the person is entered."""

    number: str


class LaneInfo(BaseModel):
    """A stay towards one insurer, or another hospital that treats her."""

    insurer: str
    stay: str
    claim: str | None
    """None where she is treated: nothing is claimed there."""
    state: str
    parts: int
    """Parts of the latest closing; 0 before it."""
    delivered: int
    """How many of them the insurer has opened and confirmed."""
    claim_status: str | None
    waits_for: str


class StayInfo(BaseModel):
    """A stay, for the desk."""

    number: str
    patient: str
    admitted: str | None
    """None once it was erased, as the next one."""
    discharged: str | None
    interim_bills: int
    corrections: int
    lanes: list[LaneInfo]
    message: str


def make_hospital_router(hospital: Hospital) -> APIRouter:
    """Return the desk's routes.

    Args:
        hospital: The hospital's agent.
    """
    router = APIRouter(prefix="/v1", tags=["hospital"])

    @router.post("/patients")
    async def register_patient(node: Node, _caller: Operator, form: PatientForm) -> PatientInfo:
        """Enter a patient in the index, or correct what is known about her."""
        person, effects = hospital.register_person(form.number, Identity(**form.identity.model_dump()))
        _perform(node, effects, read_clock_ms())
        return PatientInfo(number=person.number)

    @router.post("/patients/match")
    async def match_patient(_node: Node, _caller: Operator, form: IdentityForm) -> PatientInfo:
        """Find the patient with exactly this document, name and birth date."""
        return PatientInfo(number=hospital.match_person(Identity(**form.model_dump())).number)

    @router.post("/stays")
    async def admit(node: Node, _caller: Operator, request: Request) -> StayInfo:
        """Begin a stay; it is reported under every usable grant that names this hospital."""
        now_ms = read_clock_ms()
        stay, effects = hospital.admit(read_admission(await request.body(), civil_day(now_ms)), now_ms)
        _perform(node, effects, now_ms)
        return _describe(node, hospital.show(stay.number))

    @router.post("/stays/{number}/bill")
    async def bill(node: Node, _caller: Operator, number: str, request: Request) -> StayInfo:
        """Add an interim bill."""
        now_ms = read_clock_ms()
        stay, effects = hospital.bill(number, read_interim(await request.body(), civil_day(now_ms)), now_ms)
        _perform(node, effects, now_ms)
        return _describe(node, hospital.show(stay.number))

    @router.post("/stays/{number}/discharge")
    async def discharge(node: Node, _caller: Operator, number: str, request: Request) -> StayInfo:
        """End a stay: its records are entered, closed, and shared where a grant covers it."""
        now_ms = read_clock_ms()
        stay, effects = hospital.discharge(number, read_discharge(await request.body(), civil_day(now_ms)), now_ms)
        _perform(node, effects, now_ms)
        return _describe(node, hospital.show(stay.number))

    @router.post("/stays/{number}/correct")
    async def correct(node: Node, _caller: Operator, number: str, request: Request) -> StayInfo:
        """Correct a stay that has ended: what differs is reversed and replaced."""
        now_ms = read_clock_ms()
        stay, effects = hospital.correct(number, read_discharge(await request.body(), civil_day(now_ms)), now_ms)
        _perform(node, effects, now_ms)
        return _describe(node, hospital.show(stay.number))

    @router.get("/stays")
    async def list_stays(node: Node, _caller: Operator) -> list[StayInfo]:
        """List all stays of this hospital."""
        return [_describe(node, stay) for stay in hospital.list_stays()]

    @router.get("/stays/{number}")
    async def show_stay(node: Node, _caller: Operator, number: str) -> StayInfo:
        """Show one stay."""
        return _describe(node, hospital.show(number))

    return router


def _perform(node: NetworkNode, effects: list[AgentEffect], now_ms: int) -> None:
    node.host.perform(node.organisation, effects, now_ms)


def _describe(node: NetworkNode, stay: StaySummary) -> StayInfo:
    return StayInfo(
        number=stay.number,
        patient=stay.patient,
        admitted=None if stay.admitted_day is None else write_day(stay.admitted_day),
        discharged=None if stay.discharged_day is None else write_day(stay.discharged_day),
        interim_bills=stay.interim_bills,
        corrections=stay.corrections,
        lanes=[
            LaneInfo(
                insurer=lane.insurer,
                stay=lane.stay_id,
                claim=lane.claim_id,
                state=lane.state,
                **_count_parts(node, lane.stay_id, lane.insurer),
                claim_status=lane.claim_status,
                waits_for=lane.waits_for,
            )
            for lane in stay.lanes
        ],
        message=stay.message,
    )


def _count_parts(node: NetworkNode, stay_id: str, insurer: str) -> dict[str, int]:
    view = find_stay(node.view, stay_id)
    parts = view.closings[-1].parts if view is not None and view.closings else ()
    records = [find_record(node.view, part) for part in parts]
    delivered = [
        record
        for record in records
        if record is not None
        and any(share.share.recipient == insurer and share.status == "DELIVERED" for share in record.shares)
    ]
    return {"parts": len(parts), "delivered": len(delivered)}
