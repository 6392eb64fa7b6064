"""A customer reads who looked at her records, at every pair of hospital and insurer, and has it in one list.

Members know her under another pseudonym for each pair; only her wallet can put these together.
"""

from msgspec import convert

from nodes.roles.activity import SOURCES
from nodes.roles.customer import Customer
from nodes.schemas.looks import Look, sort_looks


def read_activity(person: Customer, other: Customer | None = None) -> tuple[Look, ...]:
    """Return every look at a customer's records, in the order of the chain.

    Args:
        person: Whose wallet asks.
        other: Whose records, if not her own: somebody for whom she may act.

    Raises:
        ApiError: If a node does not answer, or she may not act for the other.
    """
    found: list[Look] = []
    for hospital, insurer in person.pairs():
        subject = "" if other is None else other.pseudonym(hospital, insurer).name
        with person.client(person.pseudonym(hospital, insurer), hospital) as client:
            for source in SOURCES:
                after: str | None = ""
                while after is not None:
                    page = client.get(f"/v1/activity/{source}", {"after": after, "subject": subject})
                    found += [convert(look, Look) for look in page["looks"]]
                    after = page["next"]
    return sort_looks(found)
