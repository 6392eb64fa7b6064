"""The routes about consent that are no grants: who may see what, who acts for whom, and break-glass uses.

An answer is about one pseudonym. She asks about herself, whoever may act for her asks about her, and an organisation
asks about what it would provide or receive; a regulator asks about anybody.

Which days of records a grant means is a commitment on the chain. Whoever asks may open it; a party of the grant has
its opening too, and its node uses that for the customer, for who acts for her, and for its own operator. For everybody
else it is `unknown`: a regulator who could ask a hospital's node about one day after the other would learn them.
"""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter
from msgspec.structs import replace
from pydantic import BaseModel, ConfigDict, Field

from contracts.emergencies import GlassUse, ListWaiting
from contracts.grants import Grant, ListGrants, Purpose, RecordType
from contracts.mandates import Authority, find_lapse
from contracts.needs import OPENINGS_MAX, Act, DatesOpening, Days, Decision, Question
from ledger.codec import decode
from ledger.errors import DecodeError
from nodes.api.callers import AnyCaller, Customer, Node
from nodes.api.errors import ForbiddenError
from nodes.authentication import Caller
from nodes.identity import RecordDates
from nodes.network.node import NetworkNode
from nodes.roles.lookup import decide, list_grants, list_held
from nodes.schemas import canonical_json

router = APIRouter(prefix="/v1", tags=["consent"])

Id = Annotated[str, Field(min_length=1, max_length=64)]
DatesFinder = Callable[[str], RecordDates | None]
"""Grant id -> its record dates, as this node's organisation was shown them; None for what it was not shown."""


class OpeningForm(BaseModel):
    """The record dates of a grant, opened by whoever asks."""

    model_config = ConfigDict(extra="forbid")

    grant: Id
    first_day: Annotated[int, Field(ge=0, le=100_000)]
    """Days since 1970 at UTC+8, as the next one."""
    last_day: Annotated[int, Field(ge=0, le=100_000)]
    salt: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class QuestionForm(BaseModel):
    """What somebody would do with a pseudonym's records."""

    model_config = ConfigDict(extra="forbid")

    subject: Id | None = None
    """The pseudonym; the caller's own if left out."""
    hospital: Id
    recipient: Id
    record_type: RecordType | None = None
    """Left out for a stay as a whole."""
    stay: Id | None = None
    claim: Id | None = None
    act: Act = "release"
    purpose: Purpose = "HPAYMT"
    what_if: Annotated[str, Field(max_length=16_384, pattern=r"^([0-9a-f]{2})+$")] | None = None
    """A grant or denial to suppose: its canonical encoding, hex. Nothing is written."""
    without: Id | None = None
    """A grant or denial to leave out, as if it were revoked."""
    first_day: Annotated[int, Field(ge=0, le=100_000)] | None = None
    """The first service day of the records, days since 1970 at UTC+8; left out, record dates are left out of it."""
    last_day: Annotated[int, Field(ge=0, le=100_000)] | None = None
    """The last one; the first if left out."""
    openings: Annotated[list[OpeningForm], Field(max_length=OPENINGS_MAX)] = []
    """Record dates that the caller can open, such as a wallet those of its own grants."""


def make_explanation_router(find_dates: DatesFinder) -> APIRouter:
    """Return the route that explains.

    Args:
        find_dates: The record dates that this node's organisation was shown.
    """
    own = APIRouter(prefix="/v1", tags=["consent"])

    @own.post("/explanations")
    async def explain(node: Node, caller: AnyCaller, form: QuestionForm) -> object:
        """Say whether this may be done, under which grant, and what every grant of hers says to it."""
        question = _question(form, caller)
        _check_concerned(node, caller, question)
        if question.days is not None and _may_know_dates(node, caller, question.subject):
            question = replace(question, openings=_open_dates(node, find_dates, question))
        decision: Decision = decide(node.view, question)
        return canonical_json.plain(decision)

    return own


@router.get("/authorities")
async def list_authorities(node: Node, caller: Customer, after: str = "") -> dict[str, object]:
    """List who may act for the calling pseudonym, and for whom it may act."""
    asked = ListGrants(caller.name, after)
    own = node.view.query("authorities", "list_of_subject", asked, tuple[Authority, ...])
    held = node.view.query("authorities", "list_of_holder", asked, tuple[Authority, ...])
    return {
        "acted_for_by": [canonical_json.plain(item) for item in own],
        "acts_for": [canonical_json.plain(item) for item in held],
    }


@router.get("/emergencies")
async def list_emergencies(node: Node, caller: AnyCaller, after: str = "") -> dict[str, object]:
    """List the break-glass uses that concern the calling pseudonym; for a regulator, those that wait for review."""
    if caller.role == "regulator":
        found = node.view.query("emergencies", "list_waiting", ListWaiting(after), tuple[GlassUse, ...])
    elif caller.role == "customer":
        found = node.view.query("emergencies", "list_of_subject", ListGrants(caller.name, after), tuple[GlassUse, ...])
    else:
        raise ForbiddenError("caller", "a customer or a regulator", caller.name)
    return {"uses": [canonical_json.plain(item) for item in found]}


def may_act_for(node: NetworkNode, caller: Caller, subject: str) -> bool:
    """Whether a caller is a pseudonym itself or holds an authority for it, in force or not."""
    if caller.name == subject:
        return True
    return caller.role == "customer" and any(item.subject == subject for item in list_held(node.view, caller.name))


def _question(form: QuestionForm, caller: Caller) -> Question:
    supposed = None if form.what_if is None else decode(bytes.fromhex(form.what_if), Grant)
    subject = form.subject or caller.name
    if supposed is not None and supposed.subject != subject:
        msg = f"what_if: expected a grant about {subject}, got one about {supposed.subject}"
        raise DecodeError(msg)
    return Question(
        subject,
        form.hospital,
        form.recipient,
        form.record_type,
        form.stay,
        form.claim,
        form.act,
        form.purpose,
        supposed,
        form.without,
        _days(form),
        tuple(
            DatesOpening(item.grant, item.first_day, item.last_day, bytes.fromhex(item.salt)) for item in form.openings
        ),
    )


def _days(form: QuestionForm) -> Days | None:
    if form.first_day is None:
        if form.last_day is not None:
            msg = "first_day: expected one where there is a last_day"
            raise DecodeError(msg)
        return None
    last_day = form.first_day if form.last_day is None else form.last_day
    if last_day < form.first_day:
        msg = f"last_day: expected {form.first_day} or later, got {last_day}"
        raise DecodeError(msg)
    return Days(form.first_day, last_day)


def _may_know_dates(node: NetworkNode, caller: Caller, subject: str) -> bool:
    """Whether this node may use for a caller what the customer has shown to it alone."""
    if caller.name in (node.organisation, subject):
        return True
    held = list_held(node.view, caller.name) if caller.role == "customer" else []
    return any(item.subject == subject and find_lapse(item, node.view.time_ms) is None for item in held)


def _open_dates(node: NetworkNode, find_dates: DatesFinder, question: Question) -> tuple[DatesOpening, ...]:
    """Return what the caller opens, and then what this node's organisation can."""
    found = {opening.grant_id: opening for opening in question.openings}
    for view in list_grants(node.view, question.subject):
        dates = find_dates(view.grant_id)
        if dates is not None and dates.commitment == view.versions[-1].grant.scope.dates:
            found[view.grant_id] = DatesOpening(view.grant_id, dates.first_day, dates.last_day, dates.salt)
    return tuple(found.values())[:OPENINGS_MAX]


def _check_concerned(node: NetworkNode, caller: Caller, question: Question) -> None:
    """Refuse a question about somebody else's affairs."""
    if caller.role == "regulator" or caller.name in (question.hospital, question.recipient):
        return
    if not may_act_for(node, caller, question.subject):
        raise ForbiddenError("caller", "the customer, who acts for her, or a party of the question", caller.name)
