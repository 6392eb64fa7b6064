"""A look at a customer's records: one shape for every receipt that the chain has about one.

Whoever was given a record, asked for one, broke the glass or ordered one under a law, would have settled on one or had
a claim's calculation opened to it, allowed or refused; whoever had rules run on records where they lie; and whoever
asked a custodian's node for what it was not given.
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look at a customer's records, or the attempt at one; or many attempts that the chain counts as one entry.

    What most receipts have no word on is left out by them, and has its empty value.
    """

    id: str
    """Unique about one pseudonym: `attempt-7`, `counted-1`, `record-0a1b....1` for a share, `glass-...`,
    `claim-7f3a....1.stay-...` for a visit."""
    subject: str
    kind: str
    status: str
    by: str
    """Who would see it; of a visit, whose rules ran."""
    role: str
    signer: str
    """Who posted it."""
    hospital: str
    stay: str | None = None
    claim: str | None = None
    record: str | None = None
    record_types: tuple[str, ...] = ()
    purpose: str
    grant: str | None = None
    grant_version: int = 0
    """0 where there is no such grant."""
    order: str | None = None
    basis: str | None = None
    """Of an order or opening: the code of the law, then its words in Chinese and English."""
    law_zh: str | None = None
    law_en: str | None = None
    code: str = ""
    """Of a refusal; empty otherwise."""
    condition: str = ""
    field_set: str | None = None
    fields: tuple[str, ...] = ()
    """Released, or that would be."""
    names_person: bool = False
    """Of an opening: whether who the customer is was opened too."""
    height: int
    index: int
    time_ms: int
    transaction: str
    answered_ms: int | None = None
    """When the recipient said what it got."""
    count: int = 1
    """More than one where the chain counts: this look is the latest of so many of its signer on that day."""
    since_ms: int | None = None
    """Where the chain counts: when the first of them was."""


def sort_looks(looks: Iterable[Look]) -> tuple[Look, ...]:
    """Return looks in the order of the chain."""
    return tuple(sorted(looks, key=lambda look: (look.height, look.index, look.id)))
