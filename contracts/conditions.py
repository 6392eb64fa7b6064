"""The conditions that a grant must meet, in their order; the first that fails is the answer.

    condition     expects                                               code
    grant         a grant of this id                                    AUTH-013
    status        its latest version to be GRANTED                      AUTH-013
    expiry        block time before the grant's end                     AUTH-013
    purpose       HPAYMT                                                AUTH-013
    recipient     the grantee                                           AUTH-013
    source        one of the providing hospitals                        AUTH-013
    subject       the pseudonym it was given by                         AUTH-013
    record type   one of the scope's                                    AUTH-013
    encounter     one of the scope's stays, where it names any          AUTH-013
    case          the claim that a one-case grant belongs to, or a      AUTH-013
                  stay that it names and that no claim has yet
    execution     data-to-insurer, to hand a record over                AUTH-013
    mode          STORE, to hand a record over                          AUTH-013
    uses          fewer than the grant's maximum, to hand one over      AUTH-013
    frequency     fewer than the window's maximum, to hand one over     AUTH-013
    link          hospital and recipient both `matched` this identity   ELIG-001

Not among them: the dates of the records. Service dates are private, so the chain holds a commitment to the scope's
first and last day and nothing to compare it with; the hospital's node compares before it shares, the insurer's
before it adjudicates, and an auditor with the openings can do it again.

These are functions of what they are given: the contract reads the tables.
"""

from contracts.grants import Finding, GrantHead, GrantVersion, LinkHistory, Need, Status

DAY_MS = 86_400_000
CLAIM_PURPOSE = "HPAYMT"


def status_at(latest: GrantVersion, time_ms: int) -> Status:
    """Return a grant's status at a block time: EXPIRED is derived, never written."""
    if latest.status == "GRANTED" and time_ms >= latest.grant.permission.expires_at_ms:
        return "EXPIRED"
    return latest.status


def find_failing(
    need: Need,
    latest: GrantVersion,
    head: GrantHead,
    links: tuple[LinkHistory | None, LinkHistory | None],
    time_ms: int,
) -> Finding | None:
    """Return the first condition that does not hold for `need`, or None.

    Args:
        need: What is to be done.
        latest: The grant's latest version.
        head: Its uses.
        links: The judgements of the need's hospital and of its recipient.
        time_ms: Block time.
    """
    return (
        _find_in_grant(need, latest, time_ms)
        or _find_in_scope(need, latest, head)
        or _find_in_permission(need, latest, head, time_ms)
        or _find_in_links(need, latest, links)
    )


def find_link_failing(latest: GrantVersion, organisation: str, history: LinkHistory | None) -> Finding | None:
    """Return why `organisation`'s latest judgement does not cover the identity committed to it, or None."""
    expected = [entry.commitment for entry in latest.grant.identities if entry.organisation == organisation]
    if history is None or [history.entries[-1].identity] != expected:
        return Finding("ELIG-001", "link", f"{organisation} has not yet matched the customer's identity")
    if history.entries[-1].result != "matched":
        return Finding("ELIG-001", "link", f"{organisation} found a mismatch between the customer and its records")
    return None


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
    if grant.purpose != CLAIM_PURPOSE:
        return _refused("purpose", f"expected {CLAIM_PURPOSE}, got {grant.purpose}")
    if grant.grantee.organisation != need.recipient:
        return _refused("recipient", f"expected {grant.grantee.organisation}, got {need.recipient}")
    if need.hospital not in grant.sources:
        return _refused("source", f"{need.hospital} is not among the providing hospitals")
    if need.subject is not None and need.subject != grant.subject:
        return _refused("subject", f"the grant is not by {need.subject}")
    return None


def _find_in_scope(need: Need, latest: GrantVersion, head: GrantHead) -> Finding | None:
    scope = latest.grant.scope
    named = need.stay_id is not None and need.stay_id in scope.encounters
    if need.record_type is not None and need.record_type not in scope.record_types:
        return _refused("record type", f"{need.record_type} is not in the scope")
    if need.stay_id is not None and scope.encounters and not named:
        return _refused("encounter", f"{need.stay_id} is not in the scope")
    awaits_claim = named and need.claim_id is None
    if scope.case == "one-case" and head.claim_id not in (None, need.claim_id) and not awaits_claim:
        return _refused("case", f"the grant is for {head.claim_id} alone")
    return None


def _find_in_permission(need: Need, latest: GrantVersion, head: GrantHead, time_ms: int) -> Finding | None:
    grant = latest.grant
    permission = grant.permission
    if not need.releasing:
        return None
    if grant.execution != "data-to-insurer":
        return _refused("execution", f"expected data-to-insurer, got {grant.execution}")
    if permission.mode != "STORE":
        return _refused("mode", f"expected STORE, got {permission.mode}")
    if permission.uses_max is not None and head.uses >= permission.uses_max:
        return _refused("uses", f"all {permission.uses_max} are used")
    frequency = permission.frequency
    if frequency is not None and head.window == window_of(latest, head, time_ms) and head.window_uses >= frequency.uses:
        return _refused("frequency", f"all {frequency.uses} within {frequency.days} days are used")
    return None


def _find_in_links(
    need: Need, latest: GrantVersion, links: tuple[LinkHistory | None, LinkHistory | None]
) -> Finding | None:
    at_hospital, at_recipient = links
    return find_link_failing(latest, need.hospital, at_hospital) or find_link_failing(
        latest, need.recipient, at_recipient
    )


def _refused(condition: str, text: str) -> Finding:
    return Finding("AUTH-013", condition, text)
