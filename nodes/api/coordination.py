"""The routes about two insurers of one invoice: which pays first, and what the second is told by the customer."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from ledger.codec import decode
from nodes.api.callers import AnyCaller, Customer, Node
from nodes.api.claims import find_own_claim
from nodes.network.node import read_clock_ms
from nodes.roles.insurer import Insurer
from nodes.roles.lookup import find_order
from nodes.schemas import canonical_json
from nodes.vault.sealing import Sealed

SEALED_HEX_MAX = 16_384
"""An amount with its blinding, sealed, is some 1.5 KB."""

router = APIRouter(prefix="/v1/claims", tags=["claims"])


class PaidBeforeForm(BaseModel):
    """What another insurer paid, sealed to this one."""

    model_config = ConfigDict(extra="forbid")

    sealed: Annotated[str, Field(pattern=r"^([0-9a-f]{2})+$", max_length=SEALED_HEX_MAX)]
    """Canonical encoding of the sealed `PaidBefore`."""


class PaidBeforeInfo(BaseModel):
    """That it was taken in; the amount stays sealed."""

    claim: str
    after: str
    version: int


@router.get("/{claim_id}/coordination")
async def show_order(node: Node, caller: AnyCaller, claim_id: str) -> object:
    """Show which claim of another insurer pays this one's invoices first; null where none does."""
    find_own_claim(node, caller, claim_id)
    return canonical_json.plain(find_order(node.view, claim_id))


def make_coordination_router(insurer: Insurer) -> APIRouter:
    """Return the insurer's route for what another one paid.

    Args:
        insurer: The insurer's agent.
    """
    own = APIRouter(prefix="/v1/claims", tags=["claims"])

    @own.post("/{claim_id}/paid-before")
    async def take(node: Node, caller: Customer, claim_id: str, form: PaidBeforeForm) -> PaidBeforeInfo:
        """Take in what another insurer paid of the claim's invoices; the same again changes nothing."""
        find_own_claim(node, caller, claim_id)
        now_ms = read_clock_ms()
        sealed = decode(bytes.fromhex(form.sealed), Sealed)
        paid, effects = insurer.take_paid_before(claim_id, caller.name, sealed, now_ms)
        node.host.perform(insurer.name, effects, now_ms)
        return PaidBeforeInfo(claim=claim_id, after=paid.after.claim_id, version=paid.after.version)

    return own
