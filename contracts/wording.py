"""Wording: what no grant may say, whoever gives it.

These need nothing but the words and the block's time. Who may give a grant, and whether its parties are members, the
contract `consent` asks its neighbours.
"""

from contracts.grants import ALL_DAYS, Grant
from ledger.execution.contract import reject


def check_wording(message: Grant, time_ms: int) -> None:
    """Reject a grant that contradicts itself or has ended before it begins."""
    scope = message.scope
    if message.purpose == "HLEGAL":
        reject("PURPOSE", "purpose: HLEGAL rests on an order and needs no grant")
    if message.purpose == "BTG" and message.grantee.role != "hospital":
        reject("PURPOSE", "purpose: break-glass is for treatment, never for an insurer or regulator")
    if message.purpose == "PUBHLTH" and message.grantee.role != "regulator":
        reject("PURPOSE", f"purpose: public health is a regulator's, got a grantee of role {message.grantee.role}")
    for field, names in (
        ("sources", message.sources),
        ("record types", scope.record_types),
        ("encounters", scope.encounters),
    ):
        if names != tuple(sorted(names)):
            reject("UNSORTED", f"{field}: expected sorted names")
        for place in range(1, len(names)):
            if names[place] == names[place - 1]:
                reject("REPEATED", f"{field}: {names[place]} stands twice")
    _check_clocks(message, time_ms)
    if message.effect == "deny":
        _check_denial(message)
        return
    if message.grantee.organisation in message.sources:
        reject("REPEATED", f"sources and grantee: {message.grantee.organisation} stands twice")
    if tuple(identity.organisation for identity in message.identities) != message.parties:
        expected = ", ".join(message.parties)
        reject("IDENTITIES", f"identities: expected one commitment each for {expected}, sorted")
    for identity in message.identities:
        if identity.commitment != message.identities[0].commitment:
            reject("IDENTITIES", "identities: expected the same commitment for all parties, who judge one person")


def _check_clocks(message: Grant, time_ms: int) -> None:
    permission = message.permission
    for field, ends_ms in (("expires_at_ms", permission.expires_at_ms), ("erase_at_ms", permission.erase_at_ms)):
        if ends_ms <= time_ms:
            reject("EXPIRED_GRANT", f"{field}: expected after block time {time_ms}, got {ends_ms}")


def _check_denial(message: Grant) -> None:
    scope = message.scope
    permission = message.permission
    if message.identities:
        reject("IDENTITIES", "identities: a denial needs no match and commits to nobody")
    if scope.case != "standing":
        reject("DENIAL", f"case: expected a standing denial, got {scope.case}; name the stays instead")
    if scope.dates != ALL_DAYS:
        reject("DENIAL", "dates: expected all days, the chain could not compare others")
    if permission.uses_max is not None or permission.frequency is not None:
        reject("DENIAL", "uses and frequency: a denial is not used up")
