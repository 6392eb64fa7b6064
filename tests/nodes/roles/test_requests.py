"""Requests for consent lie with whoever asks until the right wallet comes; notices are told once."""

from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from ledger.codec import decode
from ledger.errors import VerificationError
from nodes.agent import Call
from nodes.entropy import SeededEntropy
from nodes.identity import Disclosure
from nodes.roles.customer.offers import draw_up
from nodes.roles.people import PeopleError
from nodes.roles.requests import Inbox, RequestError, Requests
from nodes.schemas.civil_time import EPOCH
from nodes.schemas.terms import GrantTerms, default_terms
from nodes.vault.sealing import SealContext, Sealed
from tests.nodes.roles.recipient import Recipient
from tests.nodes.roles.town import TODAY, Customer, Town

DAY_MS = 86_400_000


@pytest.fixture
def town(tmp_path: Path) -> Town:
    town = Town(tmp_path)
    for name in ("hospital-a", "insurer-a"):
        town.install(name, Recipient)
    return town


@pytest.fixture
def wang(town: Town) -> Customer:
    wang = Customer(town, "wang")
    for name in ("hospital-a", "insurer-a"):
        recipient(town, name).linking.people.enter("wang", wang.identity)
    return wang


def recipient(town: Town, name: str) -> Recipient:
    agent = town.agents[name]
    assert isinstance(agent, Recipient)
    return agent


def requests(town: Town, name: str = "insurer-a") -> Requests:
    kit = recipient(town, name).kit
    return Requests(name, kit.view, recipient(town, name).linking, kit.register, kit.keystore.seal, kit.entropy)


def terms(**changes: object) -> GrantTerms:
    return replace(default_terms("hospital-a", "insurer-a", EPOCH + timedelta(days=TODAY)), **changes)


def seal_to(town: Town, customer: Customer, organisation: str = "insurer-a") -> Sealed:
    member = town.genesis.organisation(organisation)
    assert member is not None
    name = customer.pseudonym.name
    return customer.pseudonym.disclose(
        Disclosure(customer.identity, bytes(32)), organisation, member.seal_key, f"inbox.{name}"
    )


def inbox(town: Town, customer: Customer, *, is_telling: bool = True) -> Inbox:
    pseudonym = customer.pseudonym
    answer = requests(town).take_inbox(
        pseudonym.name, seal_to(town, customer), pseudonym.seal_key.public_key, town.now_ms, is_telling=is_telling
    )
    context = SealContext(town.genesis.chain_id, f"inbox.{pseudonym.name}", "insurer-a", pseudonym.name)
    return decode(pseudonym.seal_key.open(answer, context), Inbox)


def test_a_request_waits_off_the_chain_for_the_right_wallet(town: Town, wang: Customer) -> None:
    height = town.view.height
    asked = requests(town).ask("wang", terms(), "for your stay", TODAY + 30, town.now_ms)
    assert [item.request for item in inbox(town, wang).requests] == [asked.request]
    assert town.view.height == height
    other = Customer(town, "li")
    with pytest.raises(RequestError, match="does not know such a person"):
        inbox(town, other)
    recipient(town, "insurer-a").linking.people.enter("li", other.identity)
    assert inbox(town, other).requests == ()


def test_an_answer_opens_in_the_wallet_that_asked_and_in_no_other(town: Town, wang: Customer) -> None:
    li = Customer(town, "li")
    with pytest.raises(VerificationError):
        requests(town).take_inbox(
            li.pseudonym.name,
            seal_to(town, wang),
            li.pseudonym.seal_key.public_key,
            town.now_ms,
            is_telling=True,
        )


def test_a_denial_is_told_to_whoever_asked_and_to_nobody_else(town: Town, wang: Customer) -> None:
    asked = requests(town).ask("wang", terms(), "", TODAY + 30, town.now_ms)
    request_id = asked.request.request_id
    with pytest.raises(RequestError, match="lies here for the caller"):
        requests(town).deny(wang.pseudonym.name, request_id, town.now_ms)
    inbox(town, wang)
    assert requests(town).deny(wang.pseudonym.name, request_id, town.now_ms).status == "DENIED"
    assert requests(town).deny(wang.pseudonym.name, request_id, town.now_ms).status == "DENIED"
    with pytest.raises(RequestError, match="lies here for the caller"):
        requests(town).deny("c-somebody", request_id, town.now_ms)
    assert [item.status for item in requests(town).list_all(town.now_ms)] == ["DENIED"]


def test_a_request_that_nobody_answers_expires(town: Town, wang: Customer) -> None:
    requests(town).ask("wang", terms(), "", TODAY + 2, town.now_ms)
    assert [item.status for item in requests(town).list_all(town.now_ms + 2 * DAY_MS)] == ["REQUESTED"]
    assert [item.status for item in requests(town).list_all(town.now_ms + 3 * DAY_MS)] == ["EXPIRED"]
    inbox(town, wang)


@pytest.mark.parametrize(
    ("number", "changes", "until", "error"),
    [
        ("nobody", {}, TODAY, PeopleError),
        ("wang", {"hospital": "hospital-a", "recipient": "insurer-b"}, TODAY, RequestError),
        ("wang", {"effect": "deny"}, TODAY, RequestError),
        ("wang", {}, TODAY - 1, RequestError),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(
    town: Town, wang: Customer, number: str, changes: dict[str, object], until: int, error: type[Exception]
) -> None:
    assert wang.pseudonym.name
    with pytest.raises(error):
        requests(town).ask(number, terms(**changes), "", until, town.now_ms)
    assert requests(town).list_all(town.now_ms) == ()


def test_what_became_of_a_request_is_read_from_the_chain(town: Town, wang: Customer) -> None:
    wang.enrol()
    statuses = []
    for changes in ({}, {"record_types": ("admission",)}):
        asked = requests(town).ask("wang", terms(), "", TODAY + 30, town.now_ms).request
        granted = replace(asked.terms, **changes)
        offer = draw_up(
            wang.wallet,
            wang.pseudonym,
            granted,
            "en",
            dict.fromkeys(("hospital-a", "insurer-a"), "https://example.org"),
            SeededEntropy(asked.request_id.encode()),
            EPOCH + timedelta(days=TODAY),
        ).answering(asked.request_id)
        assert wang.post(Call("consent", "grant", offer.grant)).ok
        view = next(item for item in requests(town).list_all(town.now_ms) if item.request == asked)
        statuses.append(view.status)
        wang.revoke(asked.request_id)
        view = next(item for item in requests(town).list_all(town.now_ms) if item.request == asked)
        statuses.append(view.status)
    assert statuses == ["GRANTED", "REVOKED", "EDITED", "REVOKED"]
