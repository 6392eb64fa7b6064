"""The route about recovery: who keeps a pseudonym's key for the worst case, and which keys were put forward for it.

Whoever lost her key calls under a key that the chain does not know. She is told what her new key has to sign, and how
her own attempt stands; who the keepers are is told to members, to the keepers, and to the pseudonym itself.
"""

import re

from fastapi import APIRouter
from msgspec.structs import replace
from pydantic import BaseModel

from contracts.recovery import (
    ATTEMPT_ROWS_MAX,
    RecoveryView,
    ShowRecovery,
    find_due_ms,
    is_stale,
)
from nodes.agent import ChainView
from nodes.api.callers import AnyCaller, Node
from nodes.api.errors import NotFoundError
from nodes.authentication import Caller

PSEUDONYM = re.compile(r"c-[a-z2-7]{32}")

router = APIRouter(prefix="/v1/recoveries", tags=["customers"])


class AttemptInfo(BaseModel):
    """A key that was put forward."""

    public_key: str
    status: str
    is_stale: bool
    """Whether it was ended by naming keepers anew or by replacing the key."""
    approvals: list[str]
    """By whom; also those that count no more because the keeper's key was replaced."""
    due_ms: int | None
    """The block time from which on it can take effect, if all of these count; null while they are too few."""


class RecoveryInfo(BaseModel):
    """A pseudonym's recovery."""

    pseudonym: str
    key_version: int
    """The pseudonym's newest."""
    plan: int
    """How often keepers were named; 0 if never."""
    keepers: list[str]
    """Empty for strangers."""
    threshold: int
    wait_ms: int
    attempts: list[AttemptInfo]
    """Of a stranger only that of her own key."""


@router.get("/{pseudonym}")
async def show_recovery(node: Node, caller: AnyCaller, pseudonym: str) -> RecoveryInfo:
    """Show a pseudonym's keepers and what was put forward for it; 404 if it is not enrolled."""
    actor = node.view.actor(pseudonym) if PSEUDONYM.fullmatch(pseudonym) else None
    if actor is None:
        msg = f"pseudonym {pseudonym[:40]}: not found"
        raise NotFoundError(msg)
    return _describe(pseudonym, read_recovery(node.view, pseudonym), caller)


def read_recovery(view: ChainView, pseudonym: str) -> RecoveryView:
    """Return a pseudonym's keepers and all that was put forward: no keeper hides one attempt behind a hundred."""
    found = page = view.query("recovery", "show", ShowRecovery(pseudonym, b""), RecoveryView)
    while len(page.attempts) == ATTEMPT_ROWS_MAX:
        after = page.attempts[-1].public_key
        page = view.query("recovery", "show", ShowRecovery(pseudonym, after), RecoveryView)
        found = replace(found, attempts=(*found.attempts, *page.attempts))
    return found


def _describe(pseudonym: str, view: RecoveryView, caller: Caller) -> RecoveryInfo:
    plan = view.plan
    keepers = () if plan is None else plan.keepers
    is_known = caller.role != "customer" or caller.name in (pseudonym, *keepers)
    number = 0 if plan is None else plan.number
    return RecoveryInfo(
        pseudonym=pseudonym,
        key_version=view.key_version,
        plan=number,
        keepers=list(keepers) if is_known else [],
        threshold=0 if plan is None else plan.threshold,
        wait_ms=0 if plan is None else plan.wait_ms,
        attempts=[
            AttemptInfo(
                public_key=item.public_key.hex(),
                status=item.status,
                is_stale=item.status == "open" and (plan is None or is_stale(item, plan, view.key_version)),
                approvals=[approval.keeper for approval in item.approvals],
                due_ms=None if plan is None else find_due_ms(plan, [one.place.time_ms for one in item.approvals]),
            )
            for item in view.attempts
            if is_known or item.public_key == caller.public_key
        ],
    )
