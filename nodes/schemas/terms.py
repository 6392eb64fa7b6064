"""The terms of a grant as people choose them: days and words, where the chain has milliseconds and commitments.

A request by an organisation, an edit by the customer, a what-if and the grant itself are drawn up from the same terms,
and the notice is rendered from them. Days are civil days in China.
"""

from datetime import date
from typing import Annotated, Literal

from msgspec import Meta

from contracts.disclosures import CARE, DISCLOSED_TO, EMERGENCY, HEALTH
from contracts.grants import Effect, PartyRole, Purpose, RecordType
from ledger.codec import Day, Name, Struct
from ledger.errors import LedgerError
from nodes.schemas.civil_time import EPOCH, write_day

RECORD_TYPES: tuple[RecordType, ...] = ("admission", "discharge-summary", "interim-bill", "invoice", "item-list")
"""What a grant covers unless somebody says otherwise: what claims are made of. Attached documents are asked for."""
TREATMENT_TYPES: tuple[RecordType, ...] = ("admission", "discharge-summary", "document")
"""What another hospital is given to treat her, in an emergency or not: no bill."""
HEALTH_TYPES: tuple[RecordType, ...] = ("admission", "discharge-summary")
"""What a regulator is given for public health: no bill, and no file."""
TYPES_OF: dict[PartyRole, tuple[RecordType, ...]] = {
    "insurer": RECORD_TYPES,
    "hospital": TREATMENT_TYPES,
    "regulator": HEALTH_TYPES,
}
"""Role of the recipient -> what a grant to it covers unless somebody says otherwise."""
PURPOSE_OF: dict[PartyRole, Purpose] = {"insurer": "HPAYMT", "hospital": CARE, "regulator": HEALTH}
"""Role of the recipient -> what a grant to it is for unless somebody says otherwise."""
GRANT_DAYS = 365
"""How long a grant runs unless somebody says otherwise."""
BACK_DAYS = 366
"""How far back the records meant reach, so that a stay at hand is among them."""
RETENTION_DAYS = 5 * 365
"""How long after the grant's end the recipient may keep what it got."""


class TermsError(LedgerError):
    """Terms that contradict themselves; names the field."""


class GrantTerms(Struct):
    """One recipient, one purpose."""

    hospital: Name
    recipient: Name
    role: PartyRole
    effect: Effect
    purpose: Purpose
    case: Literal["one-case", "standing"]
    stays: Annotated[tuple[str, ...], Meta(max_length=16)]
    """Empty for any."""
    record_types: Annotated[tuple[RecordType, ...], Meta(min_length=1, max_length=8)]
    mode: Literal["VIEW", "STORE", "EXECUTE"]
    execution: Literal["data-to-insurer", "rules-visit-data"]
    uses_max: Annotated[int, Meta(ge=1, le=1_000_000)] | None
    frequency: Annotated[tuple[int, ...], Meta(max_length=2)]
    """(uses, days), or empty."""
    first_day: Day
    """Of the records meant."""
    last_day: Day
    expires_day: Day
    """From the beginning of this day on the grant has ended."""
    erase_day: Day


def default_terms(hospital: str, recipient: str, today: date) -> GrantTerms:
    """Return a standing permit for claims at an insurer, for a year from today."""
    now = (today - EPOCH).days
    return GrantTerms(
        hospital=hospital,
        recipient=recipient,
        role="insurer",
        effect="permit",
        purpose="HPAYMT",
        case="standing",
        stays=(),
        record_types=RECORD_TYPES,
        mode="STORE",
        execution="data-to-insurer",
        uses_max=None,
        frequency=(),
        first_day=now - BACK_DAYS,
        last_day=now + GRANT_DAYS,
        expires_day=now + GRANT_DAYS,
        erase_day=now + GRANT_DAYS + RETENTION_DAYS,
    )


def check_terms(terms: GrantTerms, today: date) -> None:
    """Refuse terms that no grant could be drawn up from.

    Raises:
        TermsError: Naming the field, what was expected and what came.
    """
    now = (today - EPOCH).days
    for field, value, least, why in (
        ("expires", terms.expires_day, now + 1, "after today"),
        ("erase_at", terms.erase_day, now + 1, "after today"),
        ("last day of the records", terms.last_day, terms.first_day, "not before their first"),
    ):
        if value < least:
            msg = f"{field}: expected a day {why}, got {write_day(value)}"
            raise TermsError(msg)
    if terms.record_types != tuple(sorted(set(terms.record_types))):
        msg = f"types: expected each once, sorted, got {', '.join(terms.record_types)}"
        raise TermsError(msg)
    if terms.effect == "permit" and (terms.mode == "EXECUTE") != (terms.execution == "rules-visit-data"):
        msg = f"mode: expected EXECUTE with rules-visit-data and with nothing else, got {terms.mode}, {terms.execution}"
        raise TermsError(msg)
    if terms.effect == "permit":
        _check_purpose(terms)
        if terms.role != "insurer":
            _check_disclosure(terms)
    if len(terms.frequency) == 1:
        msg = "frequency: expected uses and days"
        raise TermsError(msg)
    if terms.effect == "deny" and (terms.case, terms.uses_max, terms.frequency) != ("standing", None, ()):
        msg = "a denial is standing and is not used up: leave out --scope, --uses and --frequency"
        raise TermsError(msg)


def _check_purpose(terms: GrantTerms) -> None:
    """Refuse a purpose for which nobody in a network is handed anything, or not this recipient."""
    if terms.purpose == "DSRCH":
        msg = "purpose: no member of a network does research, so DSRCH can be denied and not granted"
        raise TermsError(msg)
    if terms.role == "hospital" and terms.purpose not in (CARE, EMERGENCY):
        msg = (
            f"purpose: a hospital is given records to treat ({CARE}) or in an emergency ({EMERGENCY}): {terms.purpose}"
        )
        raise TermsError(msg)
    if terms.role == "regulator" and terms.purpose != HEALTH:
        msg = f"purpose: a regulator is granted records for public health ({HEALTH}) alone: {terms.purpose}"
        raise TermsError(msg)
    if DISCLOSED_TO.get(terms.purpose, terms.role) != terms.role:
        msg = f"purpose: {terms.purpose} is for a {DISCLOSED_TO[terms.purpose]}, and {terms.recipient} is none"
        raise TermsError(msg)


def _check_disclosure(terms: GrantTerms) -> None:
    """Refuse a grant to a hospital or regulator under which nothing could ever be handed over."""
    if terms.case != "standing" or terms.stays:
        msg = (
            f"scope: a grant to a {terms.role} is standing and about every stay of its days: "
            "leave out --scope and --stay"
        )
        raise TermsError(msg)
    known = TYPES_OF[terms.role]
    if "admission" not in terms.record_types or not set(terms.record_types) <= set(known):
        types = ", ".join(terms.record_types)
        msg = f"types: to a {terms.role}, expected admission and more of {', '.join(known)}, no bills; got {types}"
        raise TermsError(msg)
    if terms.mode != "STORE":
        msg = f"mode: a {terms.role} keeps what it is handed: expected STORE, got {terms.mode}"
        raise TermsError(msg)
