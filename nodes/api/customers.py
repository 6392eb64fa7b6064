"""The routes for customers: enrolment, grants, and telling a party who they are.

A customer calls under the pseudonym that she has towards one hospital and one insurer, at the nodes of these two. She
sees what is about that pseudonym and nothing else.
"""

import base64
import binascii
import re
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from contracts.consent import LIST_ROWS_MAX
from contracts.customers import Enrol
from contracts.grants import GrantView, ListGrants
from ledger.codec import decode, encode
from ledger.errors import DecodeError
from nodes.agent import Call
from nodes.api.callers import AnyCaller, Customer, Node
from nodes.api.errors import ForbiddenError, NotFoundError
from nodes.api.explanations import may_act_for
from nodes.authentication import Caller
from nodes.network.node import NetworkNode, read_clock_ms
from nodes.roles.lookup import find_grant
from nodes.roles.reception import Reception
from nodes.schemas import canonical_json
from nodes.vault.sealing import Sealed

WAIT_SECONDS = 15.0
GRANT_ID = re.compile(r"grant-[0-9a-f]{12,32}")

router = APIRouter(prefix="/v1", tags=["customers"])


Base64 = Annotated[str, Field(max_length=128 * 1024)]


class Enrolment(BaseModel):
    """Proof of possession of the key that the caller's pseudonym is derived from."""

    proof: Annotated[str, Field(pattern=r"^[0-9a-f]{128}$")]


class Enrolled(BaseModel):
    """The pseudonym is on the chain."""

    pseudonym: str
    sponsor: str


class PseudonymInfo(BaseModel):
    """What the chain knows of the calling pseudonym."""

    pseudonym: str
    enrolled: bool
    key_version: int
    """In force in the next block; 0 if it is not enrolled."""


class NewSealKey(BaseModel):
    """The caller's new seal key."""

    seal_key: Base64


class SealKeyReplaced(BaseModel):
    """What is sealed to the new key from now on."""

    grants: int


class ChallengeAnswer(BaseModel):
    """A challenge to answer with the pseudonym's key."""

    challenge: str
    """Canonical encoding, hex."""


class IdentityDisclosure(BaseModel):
    """Who the customer is, sealed to this organisation."""

    sealed: Base64
    """Canonical encoding of the sealed disclosure."""
    answer: Annotated[str, Field(pattern=r"^[0-9a-f]{128}$")]
    seal_key: Base64
    """The pseudonym's own seal key: what decisions and openings for her are sealed to."""


class LinkAnswer(BaseModel):
    """What this organisation's master data say."""

    grant: str
    organisation: str
    result: str


@router.get("/grants")
async def list_grants(node: Node, caller: AnyCaller, after: str = "", subject: str = "") -> dict[str, object]:
    """List the grants about the calling customer or `subject`, for whom she may act; of an organisation, all of it."""
    method = "list_of_subject" if caller.role == "customer" else "list_of_party"
    if subject and not may_act_for(node, caller, subject):
        raise ForbiddenError("subject", "the caller, or somebody for whom it may act", subject[:64])
    found = node.view.query("consent", method, ListGrants(subject or caller.name, after), tuple[GrantView, ...])
    return {"grants": [canonical_json.plain(grant) for grant in found], "more": len(found) == LIST_ROWS_MAX}


@router.get("/grants/{grant_id}")
async def show_grant(node: Node, caller: AnyCaller, grant_id: str) -> object:
    """Show one grant to its subject or to a party of it."""
    return canonical_json.plain(find_own_grant(node, caller, grant_id))


@router.get("/pseudonym")
async def show_pseudonym(node: Node, caller: Customer) -> PseudonymInfo:
    """Say what the chain knows of the caller; a key that is not in force was refused before."""
    actor = node.view.actor(caller.name)
    version = 0 if actor is None else actor.key_in_force(node.view.height + 1).version
    return PseudonymInfo(pseudonym=caller.name, enrolled=actor is not None, key_version=version)


def make_party_router(party: Reception) -> APIRouter:
    """Return the routes by which a customer tells an organisation who she is.

    Args:
        party: The organisation's agent.
    """
    own = APIRouter(prefix="/v1", tags=["customers"])

    @own.post("/enrolments")
    async def enrol(node: Node, caller: Customer, enrolment: Enrolment) -> Enrolled:
        """Enrol the calling pseudonym, with this organisation as its sponsor; again does nothing."""
        if not caller.enrolled:
            message = Enrol(caller.name, caller.public_key, bytes.fromhex(enrolment.proof))
            await node.call(node.organisation, Call("customers", "enrol", message), WAIT_SECONDS)
        actor = node.view.actor(caller.name)
        assert actor is not None, "an enrolled pseudonym is an actor"
        return Enrolled(pseudonym=caller.name, sponsor=actor.sponsor or "")

    @own.post("/seal-keys")
    async def replace_seal_key(caller: Customer, form: NewSealKey) -> SealKeyReplaced:
        """Seal decisions and openings for the caller to another key from now on; what was sealed before stays."""
        return SealKeyReplaced(grants=party.replace_seal_key(caller.name, read_base64("seal_key", form.seal_key)))

    @own.post("/grants/{grant_id}/challenge")
    async def challenge(node: Node, caller: Customer, grant_id: str) -> ChallengeAnswer:
        """Return the challenge that the grant's subject answers with her key."""
        find_own_grant(node, caller, grant_id)
        return ChallengeAnswer(challenge=encode(party.challenge(grant_id, read_clock_ms())).hex())

    @own.post("/grants/{grant_id}/identity")
    async def disclose(node: Node, caller: Customer, grant_id: str, disclosure: IdentityDisclosure) -> LinkAnswer:
        """Take in who the customer is, compare with this organisation's master data, and post the link."""
        find_own_grant(node, caller, grant_id)
        sealed = decode(read_base64("sealed", disclosure.sealed), Sealed)
        answer, seal_key = bytes.fromhex(disclosure.answer), read_base64("seal_key", disclosure.seal_key)
        now_ms = read_clock_ms()
        linked, effects = party.disclose(grant_id, sealed, answer, seal_key, now_ms)
        node.host.perform(node.organisation, effects, now_ms)
        return LinkAnswer(grant=linked.grant_id, organisation=linked.organisation, result=linked.result)

    return own


def find_own_grant(node: NetworkNode, caller: Caller, grant_id: str) -> GrantView:
    """Return a grant if the caller is its subject or a party of it; raises `NotFoundError` otherwise."""
    grant = find_grant(node.view, grant_id) if GRANT_ID.fullmatch(grant_id) else None
    if grant is not None:
        words = grant.versions[-1].grant
        if caller.name in {words.grantee.organisation, *words.sources} or caller.role == "regulator":
            return grant
        if may_act_for(node, caller, words.subject):
            return grant
    msg = f"grant {grant_id[:64]}: not found"
    raise NotFoundError(msg)


def read_base64(field: str, text: str) -> bytes:
    """Return the bytes of a base64 field; raises `DecodeError`."""
    try:
        return base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        msg = f"{field}: expected base64"
        raise DecodeError(msg) from None
