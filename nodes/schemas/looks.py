"""A look at a customer's records: one shape for every receipt that the chain has about one.

Whoever was given a record, asked for one, broke the glass or ordered one under a law, allowed or refused; and whoever
had rules run on records where they lie.
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a customer's records, or the attempt at one."""

    id: str
    """Unique about one pseudonym: `attempt-7`, `record-0a1b....1` for a share, `glass-...`, `claim-7f3a....1.stay-...`
    for a visit."""
    subject: str
    kind: str
    status: str
    by: str
    """Who would see it; of a visit, whose rules ran."""
    role: str
    signer: str
    """Who posted it."""
    hospital: str
    stay: str | None
    record: str | None
    record_types: tuple[str, ...]
    purpose: str
    grant: str | None
    grant_version: int
    """0 where there is no such grant."""
    order: str | None
    basis: str | None
    """Of an order: the code of the law, then its words in Chinese and English."""
    law_zh: str | None
    law_en: str | None
    code: str
    """Of a refusal; empty otherwise."""
    condition: str
    field_set: str | None
    fields: tuple[str, ...]
    """Released, or that would be."""
    height: int
    index: int
    time_ms: int
    transaction: str
    answered_ms: int | None
    """When the recipient said what it got."""


def sort_looks(looks: Iterable[Look]) -> tuple[Look, ...]:
    """Return looks in the order of the chain."""
    return tuple(sorted(looks, key=lambda look: (look.height, look.index, look.id)))
