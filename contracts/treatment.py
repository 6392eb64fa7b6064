"""Treatment: stays that a hospital enters for another hospital, to treat her there, and not for a claim.

    purpose   rests on                                   handed over
    CAREMGT   a grant for treatment                      while the grant covers it
    BTG       a grant for emergencies, and a use of it   while that use is open (contract `emergencies`): the use is
              that the recipient has entered, with why   what the grant's uses count, not each record of it

What a stay was entered for it stays for: a record for treatment goes to no insurer, belongs to no claim and is never
settled on, and a record for a claim goes to no other hospital. Only what has a field set for its purpose is entered:
no bill is, nobody needs one to treat.

These are functions of what they are given; `contracts.records` keeps the tables.
"""

from contracts.field_sets import find_field_set
from contracts.grants import Grant, Purpose, RecordType
from contracts.identifiers import Place
from contracts.stays import Append, Stay
from ledger.execution.contract import reject

CARE: Purpose = "CAREMGT"
EMERGENCY: Purpose = "BTG"


def begin_stay(message: Append, grant: Grant, place: Place, hospital: str) -> Stay:
    """Return the stay that an admission begins: for what its grant says if that is treatment by a hospital.

    Whatever else a grant is for is entered for a claim, which it then does not cover.
    """
    is_treatment = grant.purpose in (CARE, EMERGENCY) and grant.grantee.role == "hospital"
    purpose: Purpose = grant.purpose if is_treatment else "HPAYMT"
    return Stay(message.stay_id, hospital, grant.subject, grant.grantee.organisation, None, 0, place, purpose)


def check_type(stay: Stay, record_type: RecordType) -> None:
    """Refuse to enter what is not released for a stay's purpose."""
    if find_field_set(stay.purpose, record_type) is None:
        reject("AUTH-013", f"field set: there is none for {stay.purpose} and {record_type}: nothing is released")
