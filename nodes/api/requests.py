"""The routes for requests of consent: asked at an organisation's desk, taken and answered by a wallet."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from ledger.codec import decode, encode
from nodes.api.callers import Customer, Node, Operator
from nodes.api.customers import Base64, read_base64
from nodes.network.node import read_clock_ms
from nodes.roles.reception import Reception
from nodes.schemas import canonical_json
from nodes.schemas.terms import GrantTerms
from nodes.vault.sealing import Sealed


class RequestForm(BaseModel):
    """What to ask for."""

    model_config = ConfigDict(extra="forbid")

    person: Annotated[str, Field(min_length=1, max_length=64)]
    """The organisation's own number for her."""
    terms: Annotated[str, Field(max_length=16_384, pattern=r"^([0-9a-f]{2})+$")]
    """Canonical encoding of the terms, hex."""
    reason: Annotated[str, Field(max_length=300)] = ""
    until_day: Annotated[int, Field(ge=0, le=100_000)]
    """The last civil day on which it may be answered, days since 1970."""


class InboxForm(BaseModel):
    """Who asks for what lies here."""

    model_config = ConfigDict(extra="forbid")

    sealed: Base64
    """Canonical encoding of her disclosure, sealed to this organisation."""
    seal_key: Base64
    """Her pseudonym's seal key."""
    is_telling: bool = True
    """Whether notices are to be told, each once; else only requests are returned."""


def make_request_router(asker: Reception) -> APIRouter:
    """Return the routes.

    Args:
        asker: The organisation's agent.
    """
    router = APIRouter(prefix="/v1/consent-requests", tags=["consent"])

    @router.post("")
    async def ask(_node: Node, _caller: Operator, form: RequestForm) -> object:
        """Ask a person for a grant; her wallet finds it when it next comes, and nothing goes to the chain."""
        terms = decode(bytes.fromhex(form.terms), GrantTerms)
        return canonical_json.plain(asker.ask(form.person, terms, form.reason, form.until_day, read_clock_ms()))

    @router.get("")
    async def list_requests(_node: Node, _caller: Operator) -> dict[str, object]:
        """List this organisation's requests and what became of them."""
        return {"requests": [canonical_json.plain(item) for item in asker.list_requests(read_clock_ms())]}

    @router.post("/inbox")
    async def take_inbox(_node: Node, caller: Customer, form: InboxForm) -> dict[str, str]:
        """Return what lies here for the calling person, sealed to her wallet; notices are told once."""
        sealed = decode(read_base64("sealed", form.sealed), Sealed)
        key = read_base64("seal_key", form.seal_key)
        answer = asker.take_inbox(caller.name, sealed, key, read_clock_ms(), is_telling=form.is_telling)
        return {"sealed": encode(answer).hex()}

    @router.post("/{request_id}/denial")
    async def deny(_node: Node, caller: Customer, request_id: str) -> object:
        """Tell this organisation that the caller does not agree; nothing goes to the chain."""
        return canonical_json.plain(asker.deny(caller.name, request_id, read_clock_ms()))

    return router
