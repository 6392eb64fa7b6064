"""A customer reads who looked at her records, at every pair of hospital and recipient, and has it in one list.

Members know her under another pseudonym for each pair; only her wallet can put these together.
"""

from msgspec import convert

from nodes.client import ApiError
from nodes.roles.activity import SOURCES
from nodes.roles.customer.customer import Customer, CustomerError
from nodes.schemas.looks import Look, sort_looks

PROVABLE = {"attempt": "attempts", "counted": "counted"}
"""How the id of an entry begins that can be proven alone, and its source; its sequence follows."""


def read_activity(person: Customer) -> tuple[Look, ...]:
    """Return every look at a customer's own records, in the order of the chain.

    Raises:
        ApiError: If a node does not answer.
    """
    found: list[Look] = []
    for hospital, insurer in person.pairs():
        found += _read(person, hospital, insurer, "")
    return sort_looks(found)


def read_activity_of(person: Customer, other: Customer) -> tuple[tuple[Look, ...], tuple[tuple[str, str], ...]]:
    """Return the looks at another customer's records, and the pairs at which whoever asks holds no authority for her.

    An authority is for one hospital and one recipient, so a guardian has it at some pairs and at others not.

    Args:
        person: Whose wallet asks.
        other: Somebody for whom she may act.

    Raises:
        ApiError: If a node does not answer, or she may act for the other nowhere.
    """
    found: list[Look] = []
    closed: list[tuple[str, str]] = []
    pairs = person.pairs()
    for hospital, insurer in pairs:
        try:
            found += _read(person, hospital, insurer, other.pseudonym(hospital, insurer).name)
        except ApiError as error:
            if error.code != "FORBIDDEN" or len(closed) == len(pairs) - 1:
                raise
            closed.append((hospital, insurer))
    return sort_looks(found), tuple(closed)


def _read(person: Customer, hospital: str, insurer: str, subject: str) -> list[Look]:
    with person.reach(person.pseudonym(hospital, insurer)) as client:
        return [
            convert(look, Look)
            for source in SOURCES
            for look in client.list_rows(f"/v1/activity/{source}", "looks", {"subject": subject})
        ]


def read_proof(person: Customer, place: str) -> tuple[Look, bytes]:
    """Return an attempt about a customer and the file that proves it offline.

    Args:
        person: Whose wallet asks.
        place: Height and number in its block: `12-0`.

    Raises:
        CustomerError: If nothing about her stands there, or it is no attempt but a share or an emergency.
    """
    found = [look for look in read_activity(person) if f"{look.height}-{look.index}" == place]
    kind, _, sequence = found[0].id.partition("-") if found else ("", "", "")
    if kind not in PROVABLE:
        known = f"{place[:40]!r}, which is {found[0].kind}" if found else repr(place[:40])
        msg = (
            f"place: expected something asked, ordered, opened or refused, got {known}; see `xinpei customer activity`"
        )
        raise CustomerError(msg)
    look = found[0]
    pseudonyms = [person.pseudonym(hospital, insurer) for hospital, insurer in person.pairs()]
    own = next(item for item in pseudonyms if item.name == look.subject)
    with person.reach(own) as client:
        return look, client.get_bytes(f"/v1/activity/{PROVABLE[kind]}/{look.subject}/{sequence}/proof")
