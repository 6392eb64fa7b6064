"""A customer learns that one of her pseudonyms is about to get another key: one was put forward and waits.

Nobody calls her; she learns it when she uses her wallet, so whatever she does asks first. Each pseudonym's two parties
are asked, at their own nodes, and what either of them tells counts: a keeper who acts against her may be one of them,
and will not tell. Of a pseudonym for a regulator the hospital alone is asked (`Customer.parties`). No other node is
asked about it, because that would tell other members whose pseudonym it is.

What both parties hide together she does not learn here.
"""

from dataclasses import dataclass

from nodes.client import ApiError
from nodes.roles.customer.customer import Customer
from nodes.roles.customer.organisations import OrganisationsError


@dataclass(frozen=True, slots=True)
class Takeover:
    """A key that waits to become that of one of her pseudonyms."""

    pseudonym: str
    hospital: str
    insurer: str
    public_key: str
    """Hex."""
    approvals: tuple[str, ...]
    threshold: int
    """How many approvals it takes."""
    due_ms: int | None
    """The block time from which on it can take effect; None while its approvals are too few."""


def find_takeovers(customer: Customer) -> tuple[list[Takeover], list[str]]:
    """Return what waits for a customer's pseudonyms, and of which of them neither party told anything, with the reason.

    A pseudonym that is not on the chain has nothing to be taken over. If nobody is reached at all, nothing is said:
    whatever she does next says it.
    """
    found: dict[tuple[str, str], Takeover] = {}
    untold: list[str] = []
    silent: set[str] = set()
    try:
        pairs = customer.pairs()
    except OrganisationsError:
        return [], []
    for hospital, insurer in pairs:
        answers = 0
        reason = f"{hospital} and {insurer} do not answer"
        for party in customer.parties(customer.pseudonym(hospital, insurer)):
            if party in silent:
                continue
            try:
                for item in _ask(customer, hospital, insurer, party):
                    key = (item.pseudonym, item.public_key)
                    found[key] = min(item, found.get(key, item), key=_is_sooner)
                answers += 1
            except ApiError as error:
                if error.status:
                    reason = error.message
                else:
                    silent.add(party)
        if not answers:
            untold.append(f"{customer.pseudonym(hospital, insurer).name}: {reason}")
    everybody = {party for pair in pairs for party in customer.parties(customer.pseudonym(*pair))}
    return list(found.values()), [] if silent == everybody else untold


def _is_sooner(item: Takeover) -> tuple[bool, int]:
    """Order what the parties tell of one key: the earlier one is the one to be warned of."""
    return item.due_ms is None, item.due_ms or 0


def _ask(customer: Customer, hospital: str, insurer: str, party: str) -> list[Takeover]:
    """Return what one party tells about a pseudonym; raises `ApiError`."""
    own = customer.pseudonym(hospital, insurer)
    try:
        with customer.client(own, party) as client:
            shown = client.get(f"/v1/recoveries/{own.name}")
    except ApiError as error:
        if error.code == "NOT_FOUND":
            return []
        raise
    return [
        Takeover(
            own.name,
            hospital,
            insurer,
            item["public_key"],
            tuple(item["approvals"]),
            int(shown["threshold"]),
            item["due_ms"],
        )
        for item in shown["attempts"]
        if item["status"] == "open" and not item["is_stale"]
    ]
