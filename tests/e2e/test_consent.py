"""Consent through real nodes: a request edited and declined, a newborn, a youth, a delegate, a death."""

import secrets

import pytest
from msgspec.structs import replace

from ledger.codec import encode
from nodes.cli.session import create_wallet, identity_fields, make_identity
from nodes.client import ApiError
from nodes.entropy import SystemEntropy
from nodes.roles.customer.acting import act_for, countersign
from nodes.roles.customer.customer import Customer
from nodes.roles.customer.inbox import deny_request, find_request, take_inboxes
from nodes.schemas.civil_time import EPOCH, today
from nodes.schemas.terms import GrantTerms, default_terms
from nodes.wallet import Wallet
from tests.e2e.network import Network, eventually

HOSPITAL, INSURER = "hospital-a", "insurer-a"


class People:
    """Customers of one network, known to the hospital and the insurer."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._suffix = secrets.token_hex(3)

    def create(self, name: str, mother: Customer | None = None, years: int = 40) -> tuple[str, Customer]:
        """Return the number and the customer."""
        number = f"{name}-{self._suffix}"
        born = today().replace(year=today().year - years, day=1) if years else None
        identity = make_identity(number, None if mother is None else mother.wallet.identity, born)
        wallet: Wallet = create_wallet(self._network.home, number, identity)
        person = {"number": number, "identity": identity_fields(wallet.identity)}
        with self._network.client(HOSPITAL, HOSPITAL) as client:
            client.post("/v1/patients", person)
        with self._network.client(INSURER, INSURER) as client:
            form = {"insured": number, "identity": person["identity"], "product": "inpatient-100"}
            client.post("/v1/policies", form | {"payee_account": "synthetic account"})
        home = self._network.home
        return number, Customer(home, home.load_genesis(), wallet, SystemEntropy())

    def relate(self, number: str, *others: str, is_deceased: bool = False) -> None:
        """Enter at both desks who acts for somebody."""
        for party in (HOSPITAL, INSURER):
            with self._network.client(party, party) as client:
                form = {"acts_through": list(others), "is_deceased": is_deceased}
                client.post(f"/v1/people/{number}/relations", form)


@pytest.fixture
def people(network: Network) -> People:
    return People(network)


def terms() -> GrantTerms:
    return default_terms(HOSPITAL, INSURER, today())


def find_refusal(person: Customer, subject: Customer) -> str | None:
    """Return the condition that keeps an invoice from being handed over, or None."""
    question = {
        "subject": subject.pseudonym(HOSPITAL, INSURER).name,
        "hospital": HOSPITAL,
        "recipient": INSURER,
        "record_type": "invoice",
    }
    answer = person.explain(question, HOSPITAL, person.pseudonym(HOSPITAL, INSURER))
    return None if answer["permitted"] else str(answer["finding"]["condition"])


def test_a_request_is_edited_or_declined_by_the_wallet_it_is_for(network: Network, people: People) -> None:
    number, wang = people.create("wang")
    _, li = people.create("li")
    until = (today() - EPOCH).days + 30
    form = {"person": number, "terms": encode(terms()).hex(), "until_day": until}
    with network.client(INSURER, INSURER) as client:
        first, second = (client.post("/v1/consent-requests", form)["request"]["request_id"] for _ in range(2))
        assert take_inboxes(li) == ([], [])
        requests, notices = take_inboxes(wang)
        assert {item["request"]["request_id"] for item in requests} == {first, second}
        assert notices == []
        asked = find_request(wang, first)
        edited = replace(asked.terms, record_types=("admission", "invoice"))
        wang.sign(wang.draw_up(edited, "en", grant_id=first))
        deny_request(wang, find_request(wang, second))
        found = client.get("/v1/consent-requests")["requests"]
    statuses = {item["request"]["request_id"]: item["status"] for item in found}
    assert (statuses[first], statuses[second]) == ("EDITED", "DENIED")
    assert find_refusal(wang, wang) is None
    check_days(network, wang, edited)


def check_days(network: Network, wang: Customer, granted: GrantTerms) -> None:
    """Ask about days within and outside the record dates: the parties' nodes know, the regulator does not."""
    pseudonym = wang.pseudonym(HOSPITAL, INSURER)
    asked = {"subject": pseudonym.name, "hospital": HOSPITAL, "recipient": INSURER, "record_type": "invoice"}
    within, outside = (asked | {"first_day": day} for day in (granted.last_day, granted.last_day + 1))
    for party in (HOSPITAL, INSURER):
        assert wang.explain(within, party, pseudonym)["dates"] == "within"
        assert wang.explain(outside, party, pseudonym)["finding"]["condition"] == "record dates"
        with network.client(party, party) as client:
            assert client.post("/v1/explanations", outside)["permitted"] is False
        with network.client(party, "regulator") as client:
            assert client.post("/v1/explanations", outside)["dates"] == "unknown"
    with network.client("regulator", INSURER) as client:
        assert client.post("/v1/explanations", outside)["dates"] == "unknown"


def test_a_newborn_a_youth_and_the_dead_are_acted_for(people: People) -> None:
    mother_number, mother = people.create("wang")
    baby_number, baby = people.create("baby", mother, years=0)
    with pytest.raises(ApiError, match="do not name the caller"):
        act_for(baby, mother, "guardian", terms())
    behalf = act_for(mother, baby, "guardian", terms())
    granted = mother.sign(mother.draw_up(terms(), "zh", behalf=behalf))
    assert set(granted.links.values()) == {"matched"}
    assert find_refusal(mother, baby) is None

    young_number, young = people.create("young", years=16)
    people.relate(young_number, mother_number)
    own = young.sign(young.draw_up(terms(), "zh"))
    assert find_refusal(young, young) == "countersignature"
    countersign(mother, own.grant_id, young, terms())
    assert find_refusal(mother, young) is None

    people.relate(baby_number, mother_number, is_deceased=True)
    eventually("the death is judged", lambda: find_refusal(mother, baby) == "deceased")
    heir = act_for(mother, baby, "heir", terms())
    mother.sign(mother.draw_up(terms(), "zh", behalf=heir))
    assert find_refusal(mother, baby) is None
