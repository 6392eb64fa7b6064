"""The routes about consent that are no grants: who may see what, who acts for whom, and break-glass uses.

An answer is about one pseudonym. She asks about herself, whoever may act for her asks about her, and an organisation
asks about what it would provide or receive; a regulator asks about anybody.
"""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from contracts.emergencies import GlassUse, ListWaiting
from contracts.grants import Grant, ListGrants, Purpose, RecordType
from contracts.mandates import Authority
from contracts.needs import Act, Decision, Question
from ledger.codec import decode
from ledger.errors import DecodeError
from nodes.api.callers import AnyCaller, Customer, Node
from nodes.api.errors import ForbiddenError
from nodes.authentication import Caller
from nodes.network.node import NetworkNode
from nodes.roles.lookup import decide, list_held
from nodes.schemas import canonical_json

router = APIRouter(prefix="/v1", tags=["consent"])

Id = Annotated[str, Field(min_length=1, max_length=64)]


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


@router.post("/explanations")
async def explain(node: Node, caller: AnyCaller, form: QuestionForm) -> object:
    """Say whether this may be done, under which grant, and what every grant of hers says to it."""
    question = _question(form, caller)
    _check_concerned(node, caller, question)
    decision: Decision = decide(node.view, question)
    return canonical_json.plain(decision)


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
    )


def _check_concerned(node: NetworkNode, caller: Caller, question: Question) -> None:
    """Refuse a question about somebody else's affairs."""
    if caller.role == "regulator" or caller.name in (question.hospital, question.recipient):
        return
    if not may_act_for(node, caller, question.subject):
        raise ForbiddenError("caller", "the customer, who acts for her, or a party of the question", caller.name)
