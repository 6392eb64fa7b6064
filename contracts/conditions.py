"""The conditions that a grant must meet, in their order; the first that fails is the answer.

    condition         expects                                               code
    grant             a grant of this id                                    AUTH-013
    status            its latest version to be GRANTED                      AUTH-013
    expiry            block time before the grant's end                     AUTH-013
    effect            a permit: a denial covers nothing                     AUTH-013
    purpose           the need's; HPAYMT for a claim                        AUTH-013
    recipient         the grantee                                           AUTH-013
    source            one of the providing hospitals                        AUTH-013
    subject           the pseudonym it is about                             AUTH-013
    record type       one of the scope's                                    AUTH-013
    encounter         one of the scope's stays, where it names any          AUTH-013
    case              the claim that a one-case grant belongs to, or a      AUTH-013
                      stay that it names and that no claim has yet
    execution         data-to-insurer to hand over or show a record,        AUTH-013
                      rules-visit-data for a visit
    mode              STORE to hand over, STORE or VIEW to show, EXECUTE    AUTH-013
                      for a visit
    uses              fewer than the grant's maximum, for any use           AUTH-013
    frequency         fewer than the window's maximum, for any use          AUTH-013
    link              hospital and recipient both `matched` this identity   ELIG-001
                      (a regulator is shown none: the hospital alone)
    deceased          the subject to be alive, or an heir's grant           ELIG-001
    capacity          hospital and recipient to know the same of her age    ELIG-001
    grantor           who may act for a subject of this capacity            AUTH-013
    authority         what a guardian, delegate or heir rests on, in force  AUTH-013
    countersignature  the guardian's agreement, for a subject of 14 to 17   AUTH-013
    denial            no denial that stands against it                      AUTH-013

Not among them: the dates of the records. Service dates are private, so the chain holds a commitment to the scope's
first and last day and nothing to compare it with; the hospital's node compares before it shares, the insurer's
before it adjudicates, and an auditor with the openings can do it again. Who asks `contracts.explanations` about days
and can open the commitment gets the condition `record dates` after all of these.

These are functions of what they are given: the contract reads the tables.
"""

from contracts.grants import Countersignature, GrantHead, GrantVersion, LinkHistory, Purpose, Status
from contracts.mandates import Authority, find_lapse, find_unfit
from contracts.needs import Finding, Need
from contracts.precedence import find_denial
from ledger.execution.contract import Struct

DAY_MS = 86_400_000
CLAIM_PURPOSE: Purpose = "HPAYMT"
GRANTORS: dict[str, tuple[str, ...]] = {
    "adult": ("customer", "delegate"),
    "youth": ("customer",),
    "child": ("guardian",),
    "ward": ("guardian",),
    "deceased": ("heir",),
}
"""Capacity of the subject -> who may act."""
ORDER = (
    "status",
    "expiry",
    "effect",
    "purpose",
    "recipient",
    "source",
    "subject",
    "record type",
    "encounter",
    "case",
    "execution",
    "mode",
    "uses",
    "frequency",
    "link",
    "deceased",
    "capacity",
    "grantor",
    "authority",
    "countersignature",
    "denial",
    "record dates",
)
"""The conditions as they are looked at: what fails a later one came nearer to being covered."""
MODES: dict[str, tuple[str, ...]] = {"release": ("STORE",), "view": ("VIEW", "STORE"), "visit": ("EXECUTE",)}
"""Act -> the modes that allow it."""


class Facts(Struct):
    """What the chain has of a grant, as far as a need is concerned."""

    latest: GrantVersion
    head: GrantHead
    at_hospital: LinkHistory | None
    """The judgements of the need's hospital."""
    at_recipient: LinkHistory | None
    authority: Authority | None
    """Of the grantor, or else of the guardian who countersigned the latest version."""
    countersignature: Countersignature | None
    against: tuple[GrantVersion, ...]
    """The subject's denials that may stand against it (`precedence.list_against`)."""


def status_at(latest: GrantVersion, time_ms: int) -> Status:
    """Return a grant's status at a block time: EXPIRED is derived, never written."""
    if latest.status == "GRANTED" and time_ms >= latest.grant.permission.expires_at_ms:
        return "EXPIRED"
    return latest.status


def find_failing(need: Need, facts: Facts, time_ms: int) -> Finding | None:
    """Return the first condition that does not hold for `need` at a block time, or None."""
    latest = facts.latest
    return (
        _find_in_grant(need, latest, time_ms)
        or _find_in_scope(need, latest, facts.head)
        or _find_in_permission(need, latest, facts.head, time_ms)
        or find_link_failing(latest, need.hospital, facts.at_hospital)
        or _find_recipient_failing(need, latest, facts.at_recipient)
        or find_grantor_failing(facts, time_ms)
        or find_denial(need, latest, facts.against)
    )


def find_link_failing(latest: GrantVersion, organisation: str, history: LinkHistory | None) -> Finding | None:
    """Return why `organisation`'s latest judgement does not cover the identity committed to it, or None."""
    expected = [entry.commitment for entry in latest.grant.identities if entry.organisation == organisation]
    if history is None or [history.entries[-1].identity] != expected:
        return Finding("ELIG-001", "link", f"{organisation} has not yet matched the customer's identity")
    if history.entries[-1].result != "matched":
        return Finding("ELIG-001", "link", f"{organisation} found a mismatch between the customer and its records")
    return None


def find_grantor_failing(facts: Facts, time_ms: int) -> Finding | None:
    """Return why whoever gave a grant may not act for its subject, as both parties know her, or None.

    Both parties have matched. That she has died one of them may say alone to stop her grants; for an heir's grant to
    cover anything both must say it, or whoever wants the records could declare her dead. Where the recipient is a
    regulator, which does not know who she is, the hospital says it.
    """
    grantor = facts.latest.grant.grantor
    assert facts.at_hospital is not None, "the hospital matched"
    capacity = facts.at_hospital.entries[-1].capacity
    other = capacity
    if facts.latest.grant.grantee.organisation in facts.latest.grant.parties:
        assert facts.at_recipient is not None, "the recipient matched"
        other = facts.at_recipient.entries[-1].capacity
    if "deceased" in (capacity, other) and grantor.kind != "heir":
        return Finding("ELIG-001", "deceased", "the customer has died; her heirs can act, with proof of it")
    if capacity != other:
        return Finding("ELIG-001", "capacity", f"the hospital knows her as {capacity}, the recipient as {other}")
    if grantor.kind not in GRANTORS[capacity]:
        expected = " or ".join(GRANTORS[capacity])
        return _refused("grantor", f"for a subject who is {capacity}, expected {expected}, got {grantor.kind}")
    if capacity == "youth" and facts.countersignature is None:
        return _refused("countersignature", "at 14 to 17 both sign: the guardian has not countersigned this version")
    recipient = facts.latest.grant.grantee.organisation
    if capacity == "youth" and facts.authority is not None and facts.authority.given_by == recipient:
        return _refused("authority", f"{recipient} attested the guardian who countersigned for itself")
    if grantor.kind == "customer" and capacity != "youth":
        return None
    assert facts.authority is not None, "a grant for another names its authority"
    lapse = find_lapse(facts.authority, time_ms) or find_unfit(facts.authority, capacity)
    return None if lapse is None else _refused("authority", lapse)


def window_of(latest: GrantVersion, head: GrantHead, time_ms: int) -> int:
    """Return the frequency window that a block time falls into; 0 without a frequency."""
    frequency = latest.grant.permission.frequency
    return 0 if frequency is None else (time_ms - head.begun_ms) // (frequency.days * DAY_MS)


def _find_in_grant(need: Need, latest: GrantVersion, time_ms: int) -> Finding | None:
    grant = latest.grant
    status = status_at(latest, time_ms)
    if status == "EXPIRED":
        return _refused("expiry", f"the grant ended at block time {grant.permission.expires_at_ms}")
    if status != "GRANTED":
        return _refused("status", f"expected GRANTED, got {status} at height {latest.place.height}")
    if grant.effect != "permit":
        return _refused("effect", f"{grant.grant_id} denies and permits nothing")
    if grant.purpose != need.purpose:
        return _refused("purpose", f"expected {need.purpose}, got {grant.purpose}")
    if grant.grantee.organisation != need.recipient:
        return _refused("recipient", f"expected {grant.grantee.organisation}, got {need.recipient}")
    if need.hospital not in grant.sources:
        return _refused("source", f"{need.hospital} is not among the providing hospitals")
    if need.subject is not None and need.subject != grant.subject:
        return _refused("subject", f"the grant is not about {need.subject}")
    return None


def _find_in_scope(need: Need, latest: GrantVersion, head: GrantHead) -> Finding | None:
    scope = latest.grant.scope
    named = need.stay_id is not None and need.stay_id in scope.encounters
    if need.record_type is not None and need.record_type not in scope.record_types:
        return _refused("record type", f"{need.record_type} is not in the scope")
    if need.stay_id is not None and scope.encounters and not named:
        return _refused("encounter", f"{need.stay_id} is not in the scope")
    if scope.encounters and need.stay_id is None and need.purpose == "BTG":
        return _refused("encounter", "break-glass is no look at single stays, and the scope names some")
    awaits_claim = named and need.claim_id is None
    if scope.case == "one-case" and head.claim_id not in (None, need.claim_id) and not awaits_claim:
        return _refused("case", f"the grant is for {head.claim_id} alone")
    return None


def _find_in_permission(need: Need, latest: GrantVersion, head: GrantHead, time_ms: int) -> Finding | None:
    grant = latest.grant
    permission = grant.permission
    if need.act == "enter":
        return None
    execution = "rules-visit-data" if need.act == "visit" else "data-to-insurer"
    if grant.execution != execution:
        return _refused("execution", f"expected {execution}, got {grant.execution}")
    if permission.mode not in MODES[need.act]:
        return _refused("mode", f"expected {' or '.join(MODES[need.act])}, got {permission.mode}")
    if permission.uses_max is not None and head.uses >= permission.uses_max:
        return _refused("uses", f"all {permission.uses_max} are used")
    frequency = permission.frequency
    if frequency is not None and head.window == window_of(latest, head, time_ms) and head.window_uses >= frequency.uses:
        return _refused("frequency", f"all {frequency.uses} within {frequency.days} days are used")
    return None


def _find_recipient_failing(need: Need, latest: GrantVersion, history: LinkHistory | None) -> Finding | None:
    """Return why the recipient's judgement does not cover its identity; None too for one that is shown none."""
    if need.recipient not in latest.grant.parties:
        return None
    return find_link_failing(latest, need.recipient, history)


def _refused(condition: str, text: str) -> Finding:
    return Finding("AUTH-013", condition, text)
