"""The routes of an insurer's desk: products, policies, and what a person decides. For the operator of this node alone.

Days are ISO dates of civil days in China; amounts never pass here.
"""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from contracts.adjudication.case import Review, ReviewedRule
from contracts.adjudication.reasons import CODES, find_text
from contracts.orders import LegalBasis
from nodes.agent import AgentEffect
from nodes.api.callers import Node, Operator
from nodes.api.identity import IdentityForm
from nodes.api.readings import note_reading
from nodes.audit.collect import collect_openings
from nodes.identity import Identity
from nodes.network.node import NetworkNode, read_clock_ms
from nodes.roles.exchange.opening import ClaimOpening, VisitOpening
from nodes.roles.exchange.visits import PENDING, VisitReason
from nodes.roles.insurer.agent import Insurer
from nodes.roles.insurer.inquiries import InsurerClaim
from nodes.roles.insurer.portfolio import PolicyEntry
from nodes.roles.insurer.visiting import describe_visit
from nodes.schemas import canonical_json
from nodes.schemas.civil_time import civil_day, write_day
from nodes.schemas.decision import describe_decision
from nodes.schemas.notation import CivilDay, write_yuan
from nodes.schemas.product import read_product
from nodes.schemas.trace import render_formula

BACKDATED_DAYS = 180
"""A policy begins so long ago unless told otherwise, so that a development network is past its waiting periods."""
YEAR_DAYS = 365
WAIT_SECONDS = 15.0

PayeeText = Annotated[str, Field(min_length=1, max_length=64)]


class PolicyForm(BaseModel):
    """A policy to issue."""

    model_config = ConfigDict(extra="forbid")

    insured: Annotated[str, Field(min_length=1, max_length=64)]
    """The insurer's own number for the person."""
    identity: IdentityForm | None = None
    """Enters her, or corrects what is known; None if she is known."""
    product: Annotated[str, Field(min_length=1, max_length=64)]
    from_day: CivilDay | None = None
    """First day in force; BACKDATED_DAYS ago if left out."""
    until_day: CivilDay | None = None
    """Last day in force; a year's if left out."""
    payee_name: PayeeText | None = None
    """The insured person herself if left out."""
    payee_account: PayeeText


class PolicyInfo(BaseModel):
    """A policy, for the desk."""

    policy: str
    insured: str
    product: str
    product_version: int
    from_day: str
    until_day: str


class ReviewForm(BaseModel):
    """A person's decision on a pended finding."""

    model_config = ConfigDict(extra="forbid")

    rule: ReviewedRule
    line: Annotated[str, Field(max_length=32)] | None = None
    """The line's id; where rules visited the records, its number in the bill."""
    accepted: bool


class OpeningForm(BaseModel):
    """To whom a claim is opened, and on which law."""

    model_config = ConfigDict(extra="forbid")

    auditor: Annotated[str, Field(min_length=1, max_length=64)]
    basis: LegalBasis
    names_person: bool = False
    """Whether who the customer is is opened too."""


class OpeningInfo(BaseModel):
    """The entry that a claim is opened."""

    claim: str
    auditor: str
    basis: str
    names_person: bool
    height: int


class ConclusionForm(BaseModel):
    """What became of a claim's payment whose rail was removed before it reported it."""

    model_config = ConfigDict(extra="forbid")

    has_moved: bool
    """True: the money moved. False: it did not and will not, and another rail is to move it."""
    payment: str | None = None
    """Which of the claim's payments, where several wait for it."""


class ConclusionInfo(BaseModel):
    """The statement is on the chain."""

    claim: str
    has_moved: bool
    height: int


class PendedInfo(BaseModel):
    """A finding that a visit left to a person: all that she sees of it."""

    rule: str
    line: int | None
    """The number of the line in the bill; None for the whole claim."""
    code: str
    zh: str
    en: str


class VisitedInfo(BaseModel):
    """All that the insurer has of a settlement whose rules visited the data; case, bill and lines stayed there."""

    hospital: str
    """Who computed it, and signed for it on the chain."""
    currency: str
    payable: str
    """In yuan, as the next."""
    deductible: str
    """What the claim uses of the year's deductible; 0 where the product's deductible is not the year's."""
    reasons: str
    """Codes in one line, in both languages, without line, subject or amount; empty for none."""
    pended: list[PendedInfo]


class CaseInfo(BaseModel):
    """A claim with the insurer's own calculation."""

    claim: str
    status: str
    formula: str | None
    decision: dict[str, object] | None
    """None where it never had the case: see `visited`."""
    visited: VisitedInfo | None
    waits: str
    """Why it is not settled by itself now; empty if nothing holds it."""


def make_insurer_router(insurer: Insurer) -> APIRouter:
    """Return the desk's routes.

    Args:
        insurer: The insurer's agent.
    """
    router = APIRouter(prefix="/v1", tags=["insurer"])

    @router.post("/products")
    async def register_product(node: Node, _caller: Operator, request: Request) -> dict[str, object]:
        """Register a version of a product, as `docs/examples` shows one."""
        now_ms = read_clock_ms()
        product, effects = insurer.register_product(read_product(await request.body()), now_ms)
        _perform(node, effects, now_ms)
        return {"product": product.id, "version": product.version}

    @router.post("/policies")
    async def issue_policy(node: Node, _caller: Operator, form: PolicyForm) -> PolicyInfo:
        """Issue a policy; the product is a registered or a shipped one."""
        now_ms = read_clock_ms()
        if form.identity is not None:
            _, effects = insurer.register_person(form.insured, Identity(**form.identity.model_dump()))
            _perform(node, effects, now_ms)
        first = civil_day(now_ms) - BACKDATED_DAYS if form.from_day is None else form.from_day
        last = first + YEAR_DAYS - 1 if form.until_day is None else form.until_day
        payee = (form.payee_name or form.insured, form.payee_account)
        entry, effects = insurer.issue_policy(form.insured, form.product, (first, last), payee, now_ms)
        _perform(node, effects, now_ms)
        return _describe(entry)

    @router.get("/policies")
    async def list_policies(_caller: Operator) -> list[PolicyInfo]:
        """List all policies."""
        return [_describe(entry) for entry in insurer.list_policies()]

    @router.get("/cases/{claim_id}")
    async def show_case(node: Node, caller: Operator, claim_id: str) -> CaseInfo:
        """Show a claim with the calculation of its latest settlement, and what it waits for; a reading is logged."""
        found = insurer.show_claim(claim_id)
        note_reading(node, caller.name, "case", found.shown.claim.claim_id)
        return _describe_case(found)

    @router.post("/cases/{claim_id}/openings")
    async def enter_opening(node: Node, _caller: Operator, claim_id: str, form: OpeningForm) -> OpeningInfo:
        """Enter on the chain that a claim is opened to a regulator or auditor; the customer sees it from then on."""
        call = insurer.draft_opening(claim_id, form.auditor, form.basis, names_person=form.names_person)
        place = await node.call(node.organisation, call, WAIT_SECONDS)
        return OpeningInfo(claim=claim_id, height=place.height, **form.model_dump())

    @router.get("/cases/{claim_id}/openings/{auditor}")
    async def open_to_auditor(
        node: Node, caller: Operator, claim_id: str, auditor: str, *, person: Annotated[bool, Query()] = False
    ) -> Response:
        """Return the file that opens every settlement of a dossier for one named regulator or auditor.

        It is made under a committed entry that says so (`POST /v1/cases/{claim_id}/openings`) and not before. With
        `person` it opens who the customer is too, if the entry says so.
        """
        sealed = insurer.auditor_openings(claim_id, auditor)
        identity = insurer.auditor_person(claim_id, auditor) if person else None
        what = "opening and person" if person else "opening"
        note_reading(node, caller.name, f"{what} for {auditor}", claim_id)
        found = collect_openings(node.application, node.files.blocks, claim_id, sealed, identity)
        return Response(canonical_json.render(found), media_type="application/json")

    @router.post("/cases/{claim_id}/reviews")
    async def review(node: Node, _caller: Operator, claim_id: str, form: ReviewForm) -> CaseInfo:
        """Take in a person's decision on a finding that is pended."""
        now_ms = read_clock_ms()
        found, effects = insurer.review(claim_id, Review(form.rule, form.line, form.accepted), now_ms)
        _perform(node, effects, now_ms)
        return _describe_case(found)

    _add_conclusions(router, insurer)
    return router


def _add_conclusions(router: APIRouter, insurer: Insurer) -> None:
    @router.post("/cases/{claim_id}/conclusions")
    async def conclude(node: Node, _caller: Operator, claim_id: str, form: ConclusionForm) -> ConclusionInfo:
        """State how an attempt at a payment ended of which a payment rail that was removed reports nothing any more."""
        call = insurer.conclude_payment(claim_id, has_moved=form.has_moved, payment_id=form.payment)
        height = (await node.call(node.organisation, call, WAIT_SECONDS)).height
        return ConclusionInfo(claim=claim_id, has_moved=form.has_moved, height=height)


def _perform(node: NetworkNode, effects: list[AgentEffect], now_ms: int) -> None:
    node.host.perform(node.organisation, effects, now_ms)


def _describe(entry: PolicyEntry) -> PolicyInfo:
    return PolicyInfo(
        policy=entry.policy_id,
        insured=entry.person,
        product=entry.product_id,
        product_version=entry.product_version,
        from_day=write_day(entry.from_day),
        until_day=write_day(entry.until_day),
    )


def _describe_case(found: InsurerClaim) -> CaseInfo:
    opening = None if found.settled is None else found.settled.opening
    decision = opening.decision if isinstance(opening, ClaimOpening) else None
    return CaseInfo(
        claim=found.shown.claim.claim_id,
        status=found.shown.status,
        formula=None if decision is None else render_formula(decision),
        decision=None if decision is None else describe_decision(decision),
        visited=describe_visited(found),
        waits="" if found.waits is None else str(found.waits),
    )


def describe_visited(found: InsurerClaim) -> VisitedInfo | None:
    """Return what the insurer knows of a settlement that the hospital computed; None for any other."""
    opening = None if found.settled is None else found.settled.opening
    if not isinstance(opening, VisitOpening):
        return None
    return VisitedInfo(
        hospital=found.shown.claim.hospital,
        currency=found.shown.settlements[-1].outcome.currency,
        payable=write_yuan(opening.payable.amount),
        deductible=write_yuan(opening.deductible.amount),
        reasons=describe_visit(opening),
        pended=[_describe_pended(reason) for reason in opening.reasons if reason.action in PENDING],
    )


def _describe_pended(reason: VisitReason) -> PendedInfo:
    text = find_text(CODES, reason.code)
    return PendedInfo(rule=reason.rule, line=reason.line, code=reason.code, zh=text.zh, en=text.en)
