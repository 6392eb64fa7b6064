"""What this node turned away, and what of it still has to be an entry of the chain.

A member asks point to point for a record, and no share, order or right stands behind the question. The answer is no, at
once; beside it the custodian enters on the chain that it was asked (`access.turn_away`), about the customer. What is
left to enter lies in the register until the chain has it, so a kill loses none and a restart enters none twice.

    asked again the same day        nothing: the chain has it, or it is on its way
    about what the chain knows not  nothing: there is nobody whom it would be about
    a share came meanwhile          nothing: nothing is kept from anybody
    too many of one asker           a line of the log alone, until the day is over

So who asks ten thousand times makes one entry for each record in a day, and BATCH of them at a time.
"""

from typing import Annotated

from msgspec import Meta

from contracts.refusals import REFUSALS_MAX, FindRefused, RefusedView, TurnAway
from ledger.codec import Height, Name, Struct, decode, encode
from ledger.errors import ContractError
from nodes.agent import Call, ChainView, Note
from nodes.schemas.civil_time import civil_day
from nodes.vault.register import Register

KIND = "refusal"
BATCH = 16
"""Entries that are offered at one time: the custodian's own work is not crowded out of a block."""


class _Pending(Struct):
    """Register `refusal`: a question that was turned away and is not entered yet."""

    asker: Name
    about: Annotated[str, Meta(max_length=64)]
    height: Height
    """Of the chain when it was asked."""


class Refusals:
    """Enters what one custodian turns away."""

    def __init__(self, custodian: str, view: ChainView, register: Register) -> None:
        """Go on with what was left.

        Args:
            custodian: Whose node it is.
            view: The latest committed state.
            register: Keeps what is not entered yet.
        """
        self._custodian = custodian
        self._view = view
        self._register = register
        self._pending = {entry_id: decode(data, _Pending) for entry_id, data in register.list_entries(KIND)}

    def note(self, asker: str, about: str, now_ms: int) -> list[Note]:
        """Keep in mind that somebody was turned away; return a line for the log where no more is entered today.

        Args:
            asker: Who asked, as mutual TLS established.
            about: The record, order or use that the question named.
            now_ms: Now: an idle chain's time stands still.
        """
        entry_id = f"{asker} {about}"
        if entry_id in self._pending:
            return []
        stands = self._find(asker, about)
        today = civil_day(now_ms)
        if stands is None or (stands.latest is not None and stands.latest.day >= today):
            return []
        waiting = sum(item.asker == asker for item in self._pending.values())
        if waiting >= _count_left(stands, today):
            return [Note("refusal-not-entered", {"about": about, "peer": asker, "why": "too many today"})]
        pending = _Pending(asker, about, self._view.height)
        self._register.put(KIND, entry_id, encode(pending))
        self._pending[entry_id] = pending
        return []

    def derive(self, now_ms: int) -> list[Call]:
        """Return the next entries that the chain lacks, and forget those that it has."""
        calls: list[Call] = []
        for entry_id, item in list(self._pending.items()):
            if len(calls) == BATCH:
                break
            stands = self._find(item.asker, item.about)
            if stands is None or _is_after(stands, item):
                self._register.erase(KIND, entry_id)
                del self._pending[entry_id]
            elif _count_left(stands, civil_day(now_ms)) > 0:
                calls.append(Call("access", "turn_away", TurnAway(item.about, item.asker)))
        return calls

    def _find(self, asker: str, about: str) -> RefusedView | None:
        """Return how a question stands; None where the chain has no refusal to enter."""
        asked = FindRefused(about, asker, self._custodian)
        try:
            return self._view.query("access", "find_refused", asked, RefusedView)
        except ContractError:
            return None


def _count_left(stands: RefusedView, today: int) -> int:
    """Return how many more of an asker may be entered today."""
    return REFUSALS_MAX - (stands.today.entries if stands.today.day >= today else 0)


def _is_after(stands: RefusedView, item: _Pending) -> bool:
    """Whether the latest entry came after the question: the day of that entry may be over by now."""
    return stands.latest is not None and stands.latest.place.height > item.height
