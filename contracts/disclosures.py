"""Disclosures: stays that a hospital enters for somebody who makes no claim of them.

    purpose   recipient          rests on                                   handed over
    CAREMGT   another hospital   a grant for treatment                      while the grant covers it
    BTG       another hospital   a grant for emergencies, and a use of it   while that use is open (`emergencies`): the
                                 that the recipient has entered, with why   use is what the grant's uses count, not each
                                                                            record of it
    PUBHLTH   a regulator        a grant for public health                  while the grant covers it

What a stay was entered for it stays for: a record for treatment goes to no insurer, belongs to no claim and is never
settled on, a record for a claim goes to no other hospital, and one for public health to nobody but its regulator. Only
what has a field set for its purpose is entered: no bill is, nobody needs one to treat or to know of a disease.

Purposes that are in nobody's line here, such as research, begin no stay of their own: nothing is handed over for them.

These are functions of what they are given; `contracts.records` keeps the tables.
"""

from contracts.field_sets import find_field_set
from contracts.grants import Grant, PartyRole, Purpose, RecordType
from contracts.identifiers import Place
from contracts.stays import Append, Stay
from ledger.execution.contract import reject

CARE: Purpose = "CAREMGT"
EMERGENCY: Purpose = "BTG"
HEALTH: Purpose = "PUBHLTH"
DISCLOSED_TO: dict[Purpose, PartyRole] = {CARE: "hospital", EMERGENCY: "hospital", HEALTH: "regulator"}
"""Purpose -> the role of whoever is handed records for it."""


def is_disclosure(grant: Grant) -> bool:
    """Whether a grant is for handing records to somebody who may have them for its purpose, beside any claim."""
    return DISCLOSED_TO.get(grant.purpose) == grant.grantee.role


def begin_stay(message: Append, grant: Grant, place: Place, hospital: str) -> Stay:
    """Return the stay that an admission begins: for what its grant says if that is a disclosure.

    Whatever else a grant is for is entered for a claim, which it then does not cover.
    """
    purpose: Purpose = grant.purpose if is_disclosure(grant) else "HPAYMT"
    return Stay(message.stay_id, hospital, grant.subject, grant.grantee.organisation, None, 0, place, purpose)


def check_type(stay: Stay, record_type: RecordType) -> None:
    """Refuse to enter what is not released for a stay's purpose."""
    if find_field_set(stay.purpose, record_type) is None:
        reject("AUTH-013", f"field set: there is none for {stay.purpose} and {record_type}: nothing is released")
