"""Precedence: when a denial stands against a permit.

    rule                     consequence
    absence is refusal       without a permit nothing is covered, denial or not
    deny over permit         a denial that applies refuses what any permit covers,
    specific over general    unless the permit is strictly narrower in what it means
    later over earlier       and was given, or amended, after the denial

So a customer may deny an insurer everything and then make one exception for one stay; an exception that she made
before she denied everything is gone. Two that are equally narrow, or that cannot be compared (one names fewer record
types, the other fewer stays), are decided for the denial. Among the versions of one artefact only the latest counts.

Permits add up: a narrow permit takes nothing away from a wide one beside it.

Narrower means: no more sources, record types and stays, no longer a kind of case, and one of these less. The record
dates are not compared: they are private, so a denial is about all days.
"""

from contracts.grants import Grant, GrantVersion, RecordType
from contracts.identifiers import Place
from contracts.needs import Finding, Need


def is_before(first: Place, second: Place) -> bool:
    """Whether one entry was ordered before another."""
    return (first.height, first.index) < (second.height, second.index)


def is_narrower(grant: Grant, other: Grant) -> bool:
    """Whether `grant` means strictly less than `other`, of the same grantee and purpose."""
    mine, theirs = grant.scope, other.scope
    if not (_is_within(grant.sources, other.sources) and _is_within(mine.record_types, theirs.record_types)):
        return False
    if theirs.encounters and not (mine.encounters and _is_within(mine.encounters, theirs.encounters)):
        return False
    if (mine.case, theirs.case) == ("standing", "one-case"):
        return False
    return (grant.sources, mine.record_types, mine.encounters, mine.case) != (
        other.sources,
        theirs.record_types,
        theirs.encounters,
        theirs.case,
    )


def find_inapplicable(
    need: Need, denial: GrantVersion, permitted: tuple[RecordType, ...] | None, time_ms: int
) -> Finding | None:
    """Return why a denial does not speak of a need, or None if it does.

    Args:
        need: What is to be done.
        denial: The denial's latest version.
        permitted: For a need about a stay as a whole, the record types that the permit means: a denial of some of
            them leaves the stay itself alone. None where there is no permit.
        time_ms: Block time.
    """
    return _find_elsewhere(need, denial, time_ms) or _find_beside(need, denial, permitted)


def list_against(
    need: Need, permit: GrantVersion, denials: tuple[GrantVersion, ...], time_ms: int
) -> tuple[GrantVersion, ...]:
    """Return the denials that may stand against a permit's use, whichever stay and type of record it is about.

    Args:
        need: What is to be done; of its stay and its type of record nothing is read.
        permit: The version that would cover it.
        denials: The latest versions of the subject's denials.
        time_ms: Block time.
    """
    return tuple(
        denial
        for denial in denials
        if _find_elsewhere(need, denial, time_ms) is None
        and not (is_before(denial.place, permit.place) and is_narrower(permit.grant, denial.grant))
    )


def find_denial(need: Need, permit: GrantVersion, against: tuple[GrantVersion, ...]) -> Finding | None:
    """Return the first denial that stands against a permit's use, or None.

    Args:
        need: What is to be done.
        permit: The version that would cover it.
        against: What `list_against` returned.
    """
    for denial in against:
        if _find_beside(need, denial, permit.grant.scope.record_types) is None:
            text = f"{denial.grant.grant_id} of height {denial.place.height} denies it"
            return Finding("AUTH-013", "denial", text)
    return None


def _find_elsewhere(need: Need, denial: GrantVersion, time_ms: int) -> Finding | None:
    """Return why a denial speaks of no need like this one, whichever stay and type of record, or None."""
    grant = denial.grant
    if denial.status != "GRANTED":
        return _inapplicable("status", f"the denial is {denial.status} since height {denial.place.height}")
    if time_ms >= grant.permission.expires_at_ms:
        return _inapplicable("expiry", f"the denial ended at block time {grant.permission.expires_at_ms}")
    if grant.purpose != need.purpose:
        return _inapplicable("purpose", f"the denial is about {grant.purpose}")
    if grant.grantee.organisation != need.recipient:
        return _inapplicable("recipient", f"the denial is about {grant.grantee.organisation}")
    if need.hospital not in grant.sources:
        return _inapplicable("source", f"the denial is not about {need.hospital}")
    return None


def _find_beside(need: Need, denial: GrantVersion, permitted: tuple[RecordType, ...] | None) -> Finding | None:
    """Return why a denial between these parties is not about this stay or type of record, or None."""
    scope = denial.grant.scope
    if need.record_type is not None and need.record_type not in scope.record_types:
        return _inapplicable("record type", f"the denial is not about {need.record_type}")
    if need.record_type is None and permitted is not None and not _is_within(permitted, scope.record_types):
        return _inapplicable("record type", "the denial leaves other record types of the stay")
    is_everything = need.stay_id is None and need.purpose == "BTG"
    if scope.encounters and need.stay_id not in scope.encounters and not is_everything:
        return _inapplicable("encounter", "the denial is about other stays")
    return None


def _is_within(items: tuple[str, ...], others: tuple[str, ...]) -> bool:
    return all(item in others for item in items)


def _inapplicable(condition: str, text: str) -> Finding:
    return Finding("AUTH-013", condition, text)
