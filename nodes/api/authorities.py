"""The routes by which somebody is entered as acting for a customer: at the desk, and on the chain."""

from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from ledger.codec import decode
from nodes.api.callers import Customer, Node, Operator
from nodes.api.customers import WAIT_SECONDS, Base64, read_base64
from nodes.api.identity import IdentityForm
from nodes.identity import Identity
from nodes.network.node import read_clock_ms
from nodes.roles.authorising import Authorising
from nodes.roles.reception import Reception
from nodes.vault.sealing import Sealed

Number = Annotated[str, Field(min_length=1, max_length=64)]


class RelationForm(BaseModel):
    """What the desk has seen documents for."""

    model_config = ConfigDict(extra="forbid")

    acts_through: Annotated[list[Number], Field(max_length=16)] = []
    """Numbers of guardians; of heirs once she has died. Replaces what was entered before."""
    identities: Annotated[dict[Number, IdentityForm], Field(max_length=16)] = {}
    """Of those among them who are to be entered here too: an insurer knows nobody to whom it issued no policy."""
    is_ward: bool = False
    """Grown up and under guardianship."""
    is_deceased: bool = False


class RelationInfo(BaseModel):
    """What is entered."""

    number: str
    acts_through: list[str]
    is_ward: bool
    is_deceased: bool


class PseudonymRow(BaseModel):
    """One name of a person."""

    hospital: str
    insurer: str
    pseudonym: str


class PseudonymRows(BaseModel):
    """The names of a person."""

    pseudonyms: list[PseudonymRow]


class AuthorityForm(BaseModel):
    """What somebody asks to be attested."""

    model_config = ConfigDict(extra="forbid")

    act: Literal["grant", "erase"]
    """To give consent for her, which a hospital attests; or to have her records erased here, which each one attests."""
    kind: Literal["guardian", "heir"]
    subject: Annotated[str, Field(min_length=1, max_length=64)]
    hospital: Annotated[str, Field(min_length=1, max_length=64)]
    grantee: Annotated[str, Field(min_length=1, max_length=64)]
    sealed: Base64
    """Who the subject is and who the caller is, sealed to this organisation."""


class AuthorityInfo(BaseModel):
    """An authority on the chain."""

    authority: str


def make_relation_router(desk: Reception) -> APIRouter:
    """Return the desk's route about who acts for whom."""
    router = APIRouter(prefix="/v1", tags=["people"])

    @router.post("/people/{number}/relations")
    async def relate(node: Node, _caller: Operator, number: str, form: RelationForm) -> RelationInfo:
        """Enter who acts for a person, that she is a ward, or that she has died; links are judged again at once."""
        now_ms = read_clock_ms()
        person, effects = desk.relate(
            number,
            tuple(form.acts_through),
            now_ms,
            is_ward=form.is_ward,
            is_deceased=form.is_deceased,
            identities={other: Identity(**item.model_dump()) for other, item in form.identities.items()},
        )
        node.host.perform(node.organisation, effects, now_ms)
        return RelationInfo(
            number=person.number,
            acts_through=list(person.acts_through),
            is_ward=person.is_ward,
            is_deceased=person.is_deceased,
        )

    @router.get("/people/{number}/pseudonyms")
    async def list_pseudonyms(_caller: Operator, number: str) -> PseudonymRows:
        """List under which names a person has granted consent: for her, at the desk, when she lost her wallet."""
        rows = desk.pseudonyms_of(number)
        return PseudonymRows(
            pseudonyms=[
                PseudonymRow(hospital=hospital, insurer=insurer, pseudonym=name) for hospital, insurer, name in rows
            ]
        )

    return router


def make_authority_router(authorising: Authorising) -> APIRouter:
    """Return the route by which a guardian or heir has a hospital or an insurer attest her authority."""
    router = APIRouter(prefix="/v1", tags=["customers"])

    @router.post("/authorities")
    async def attest(node: Node, caller: Customer, form: AuthorityForm) -> AuthorityInfo:
        """Attest that the calling pseudonym may act for another, if this organisation's records say so."""
        sealed = decode(read_base64("sealed", form.sealed), Sealed)
        names, parties = (form.subject, caller.name), (form.hospital, form.grantee)
        authority, call = authorising.attest(form.act, form.kind, names, parties, sealed, read_clock_ms())
        if call is not None:
            await node.call(node.organisation, call, WAIT_SECONDS)
        return AuthorityInfo(authority=authority)

    return router
