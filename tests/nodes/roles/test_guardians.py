"""Linking those who are acted for: newborns, wards, youths, the dead; and having an authority attested."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from contracts.grants import GrantView
from contracts.mandates import MandateKind
from nodes.agent import Call
from nodes.entropy import SeededEntropy
from nodes.identity import Disclosure, Identity, birthday, capacity_on, newborn_identity, synthetic_identity
from nodes.roles.authorising import Act, Authorising, AuthorisingError
from nodes.roles.customer.offers import Behalf, draw_up
from nodes.roles.linking import Linking
from nodes.roles.lookup import find_grant, list_held
from nodes.roles.people import PeopleError
from nodes.schemas.civil_time import civil_date
from nodes.schemas.terms import default_terms
from nodes.vault.sealing import Sealed
from nodes.wallet import Wallet
from tests.nodes.roles.recipient import Recipient
from tests.nodes.roles.town import Customer, Town

PARTIES = ("hospital-a", "insurer-a")
CONTACTS = dict.fromkeys(PARTIES, "https://example.org")


@pytest.fixture
def town(tmp_path: Path) -> Town:
    town = Town(tmp_path)
    for name in PARTIES:
        town.install(name, Recipient)
    return town


def linking(town: Town, name: str) -> Linking:
    agent = town.agents[name]
    assert isinstance(agent, Recipient)
    return agent.linking


def authorising(town: Town, giver: str = "hospital-a") -> Authorising:
    agent = town.agents[giver]
    assert isinstance(agent, Recipient)
    kit = agent.kit
    return Authorising(giver, kit.view, agent.linking.people, kit.register, kit.keystore.seal, kit.entropy)


def born(town: Town, years: int) -> date:
    """Return the birth date of somebody who is that old now, give or take a month."""
    return civil_date(town.now_ms) - timedelta(days=round(years * 365.25) + 30)


def make_customer(town: Town, name: str, identity: Identity) -> Customer:
    customer = Customer(town, name, wallet=Wallet.create(identity, SeededEntropy(name.encode())))
    customer.enrol()
    for party in PARTIES:
        linking(town, party).people.enter(name, identity)
    return customer


def sealed_for(town: Town, child: Customer, holder: Customer, giver: str = "hospital-a") -> Sealed:
    member = town.genesis.organisation(giver)
    assert member is not None
    disclosure = Disclosure(child.identity, bytes(32), None, holder.identity)
    return holder.pseudonym.disclose(disclosure, giver, member.seal_key, f"authority.{child.pseudonym.name}")


def attested(
    town: Town,
    kind: MandateKind,
    child: Customer,
    holder: Customer,
    act: Act = "grant",
    giver: str = "hospital-a",
    parties: tuple[str, str] = PARTIES,
) -> str:
    """Have hospital-a, or another, attest on the chain that `holder` may act for `child`."""
    names, sealed = (child.pseudonym.name, holder.pseudonym.name), sealed_for(town, child, holder, giver)
    authority, call = authorising(town, giver).attest(act, kind, names, parties, sealed, town.now_ms)
    assert call is not None
    assert town.post(giver, call)[0].ok
    return authority


def give(town: Town, holder: Customer, child: Customer | None, kind: MandateKind, authority: str) -> str:
    """Grant, for a child or for oneself, and disclose to both parties; return the grant's id."""
    behalf = None if child is None else Behalf(kind, child.wallet, child.pseudonym, authority)
    day = civil_date(town.now_ms)
    terms = default_terms(*PARTIES, day)
    offer = draw_up(holder.wallet, holder.pseudonym, terms, "zh", CONTACTS, holder.entropy, day, behalf=behalf)
    assert holder.post(Call("consent", "grant", offer.grant)).ok
    key = holder.pseudonym.seal_key.public_key
    for party in PARTIES:
        agent = town.agents[party]
        assert isinstance(agent, Recipient)
        member = town.genesis.organisation(party)
        assert member is not None
        answer = holder.pseudonym.answer(agent.challenge(offer.grant.grant_id, town.now_ms))
        sealed = holder.pseudonym.disclose(
            offer.disclosures[party], party, member.seal_key, f"identity.{offer.grant.grant_id}"
        )
        town.operate(party, _disclosing(offer.grant.grant_id, sealed, answer, key, town.now_ms))
    town.run_until_quiet()
    return offer.grant.grant_id


def _disclosing(grant_id: str, sealed: Sealed, answer: bytes, key: bytes, now_ms: int) -> Callable[[Any], Any]:
    return lambda agent: agent.disclose(grant_id, sealed, answer, key, now_ms)


def judged(town: Town, grant_id: str) -> dict[str, tuple[str, str]]:
    view = find_grant(town.view, grant_id)
    assert isinstance(view, GrantView)
    return {name: (history.entries[-1].result, history.entries[-1].capacity) for name, history in view.links}


@pytest.mark.parametrize(
    ("years", "days", "capacity"),
    [(14, -1, "child"), (14, 0, "youth"), (18, -1, "youth"), (18, 0, "adult"), (0, 0, "child")],
)
def test_a_capacity_changes_on_the_birthday(years: int, days: int, capacity: str) -> None:
    birthday = date(2010 + years, 3, 1)
    assert capacity_on("2010-03-01", birthday + timedelta(days=days)) == capacity


def test_a_newborn_without_a_document_is_linked_through_her_mother(town: Town) -> None:
    mother = make_customer(town, "wang", synthetic_identity("wang", SeededEntropy(b"wang")))
    baby = make_customer(town, "baby", newborn_identity(mother.identity, 1, "baby", born(town, 0)))
    assert linking(town, "insurer-a").people.get("baby").acts_through == ("wang",)
    authority = attested(town, "guardian", baby, mother)
    grant_id = give(town, mother, baby, "guardian", authority)
    assert judged(town, grant_id) == dict.fromkeys(PARTIES, ("matched", "child"))
    assert linking(town, "hospital-a").person_of(baby.pseudonym.name) == "baby"


def test_somebody_whom_the_records_do_not_name_gets_no_authority_and_no_match(town: Town) -> None:
    mother = make_customer(town, "wang", synthetic_identity("wang", SeededEntropy(b"wang")))
    stranger = make_customer(town, "li", synthetic_identity("li", SeededEntropy(b"li")))
    baby = make_customer(town, "baby", newborn_identity(mother.identity, 1, "baby", born(town, 0)))
    with pytest.raises(AuthorisingError, match="do not name the caller"):
        attested(town, "guardian", baby, stranger)
    authority = attested(town, "guardian", baby, mother)
    linking(town, "insurer-a").people.relate("baby", (), is_ward=False, is_deceased=False)
    grant_id = give(town, mother, baby, "guardian", authority)
    assert judged(town, grant_id) == {"hospital-a": ("matched", "child"), "insurer-a": ("mismatch", "adult")}


def test_an_authority_is_attested_once_and_ends_when_the_child_comes_of_age(town: Town) -> None:
    mother = make_customer(town, "wang", synthetic_identity("wang", SeededEntropy(b"wang")))
    child = make_customer(town, "kid", synthetic_identity("kid", SeededEntropy(b"kid"), born(town, 16)))
    linking(town, "hospital-a").people.relate("kid", ("wang",), is_ward=False, is_deceased=False)
    authority = attested(town, "guardian", child, mother)
    names = (child.pseudonym.name, mother.pseudonym.name)
    sealed = sealed_for(town, child, mother)
    again = authorising(town).attest("grant", "guardian", names, PARTIES, sealed, town.now_ms)
    assert again == (authority, None)
    (held,) = list_held(town.view, mother.pseudonym.name)
    assert capacity_on(child.identity.birth_date, civil_date(held.until_ms)) == "adult"
    assert capacity_on(child.identity.birth_date, civil_date(held.until_ms - 1)) == "youth"
    with pytest.raises(AuthorisingError, match="heir"):
        attested(town, "heir", child, mother)


def test_a_guardian_may_grant_a_regulator_public_health_and_nothing_else(town: Town) -> None:
    mother = make_customer(town, "wang", synthetic_identity("wang", SeededEntropy(b"wang")))
    baby = make_customer(town, "baby", newborn_identity(mother.identity, 1, "baby", born(town, 0)))
    attested(town, "guardian", baby, mother, parties=("hospital-a", "regulator"))
    (held,) = list_held(town.view, mother.pseudonym.name)
    assert (held.scope.purposes, held.scope.grantees) == (("PUBHLTH",), ("regulator",))
    assert held.scope.record_types == ("admission", "discharge-summary")


@pytest.mark.parametrize("giver", PARTIES)
def test_each_holder_attests_who_may_have_it_erase_for_a_day_and_for_nothing_else(town: Town, giver: str) -> None:
    mother = make_customer(town, "wang", synthetic_identity("wang", SeededEntropy(b"wang")))
    baby = make_customer(town, "baby", newborn_identity(mother.identity, 1, "baby", born(town, 0)))
    authority = attested(town, "guardian", baby, mother, "erase", giver)
    (held,) = list_held(town.view, mother.pseudonym.name)
    assert (held.authority_id, held.given_by, held.scope.purposes) == (authority, giver, ("PATRQT",))
    assert (held.scope.sources, held.scope.grantees) == (("hospital-a",), ("insurer-a",))
    assert "document" in held.scope.record_types, "attached files are erased too"
    assert held.until_ms == town.now_ms + 86_400_000
    names, sealed = (baby.pseudonym.name, mother.pseudonym.name), sealed_for(town, baby, mother, giver)
    book = authorising(town, giver)
    assert book.attest("erase", "guardian", names, PARTIES, sealed, town.now_ms) == (authority, None)
    elsewhere = ("hospital-b", "insurer-b")
    with pytest.raises(AuthorisingError, match="attests nobody who would erase for hospital-b and insurer-b"):
        book.attest("erase", "guardian", names, elsewhere, sealed, town.now_ms)
    assert (giver == "hospital-a") == (attested_to_grant(book, names, sealed, town.now_ms) is not None)


def attested_to_grant(book: Authorising, names: tuple[str, str], sealed: Sealed, now_ms: int) -> Call | None:
    """Return the call by which an organisation attests a guardian who would grant; None if that is not its to say."""
    try:
        return book.attest("grant", "guardian", names, PARTIES, sealed, now_ms)[1]
    except AuthorisingError:
        return None


def test_nobody_has_the_records_of_a_youth_or_of_the_living_erased(town: Town) -> None:
    mother = make_customer(town, "wang", synthetic_identity("wang", SeededEntropy(b"wang")))
    young = make_customer(town, "kid", synthetic_identity("kid", SeededEntropy(b"kid"), born(town, 16)))
    stranger = make_customer(town, "li", synthetic_identity("li", SeededEntropy(b"li")))
    people = linking(town, "hospital-a").people
    people.relate("kid", ("wang",), is_ward=False, is_deceased=False)
    with pytest.raises(AuthorisingError, match="at 14 to 17 she asks for erasure herself"):
        attested(town, "guardian", young, mother, "erase")
    with pytest.raises(AuthorisingError, match="nobody acts for her as heir"):
        attested(town, "heir", young, mother, "erase")
    with pytest.raises(AuthorisingError, match="do not name the caller"):
        attested(town, "guardian", young, stranger, "erase")
    people.relate("kid", ("wang",), is_ward=False, is_deceased=True)
    attested(town, "heir", young, mother, "erase")


@pytest.mark.parametrize(
    ("years", "is_ward", "minority", "turns"),
    [(12, False, "child", 14), (16, False, "youth", 18), (13, True, "ward", None), (17, True, "ward", None)],
)
def test_a_birthday_ends_the_authority_for_a_child_or_youth_and_none_for_a_ward(
    town: Town, years: int, is_ward: bool, minority: str, turns: int | None
) -> None:
    mother = make_customer(town, "wang", synthetic_identity("wang", SeededEntropy(b"wang")))
    child = make_customer(town, "kid", synthetic_identity("kid", SeededEntropy(b"kid"), born(town, years)))
    linking(town, "hospital-a").people.relate("kid", ("wang",), is_ward=is_ward, is_deceased=False)
    attested(town, "guardian", child, mother)
    (held,) = list_held(town.view, mother.pseudonym.name)
    assert held.minority == minority
    ends = civil_date(held.until_ms)
    if turns is None:
        assert ends - civil_date(town.now_ms) == timedelta(days=5 * 365)
    else:
        assert ends == birthday(child.identity.birth_date, turns)


def test_of_a_birthday_that_a_year_lacks_the_next_day_counts() -> None:
    assert birthday("2012-02-29", 14) == date(2026, 3, 1)
    assert capacity_on("2012-02-29", date(2026, 2, 28)) == "child"
    assert capacity_on("2012-02-29", date(2026, 3, 1)) == "youth"


def test_a_death_is_judged_at_once_and_birthdays_the_next_day(town: Town) -> None:
    wang = make_customer(town, "wang", synthetic_identity("wang", SeededEntropy(b"wang")))
    grant_id = give(town, wang, None, "guardian", "")
    assert judged(town, grant_id)["hospital-a"] == ("matched", "adult")
    hospital = linking(town, "hospital-a")
    hospital.people.relate("wang", (), is_ward=False, is_deceased=True)
    hospital.judge_again(town.now_ms, "wang")
    town.run_until_quiet()
    assert judged(town, grant_id) == {"hospital-a": ("matched", "deceased"), "insurer-a": ("matched", "adult")}
    hospital.judge_again(town.now_ms)
    assert hospital.derive() == []


def test_a_youth_who_comes_of_age_is_judged_again(town: Town) -> None:
    young = make_customer(town, "kid", synthetic_identity("kid", SeededEntropy(b"kid"), born(town, 17)))
    grant_id = give(town, young, None, "guardian", "")
    assert judged(town, grant_id)["insurer-a"] == ("matched", "youth")
    insurer = linking(town, "insurer-a")
    insurer.judge_again(town.now_ms)
    assert insurer.derive() == []
    insurer.judge_again(town.now_ms + 366 * 86_400_000)
    (call,) = insurer.derive()
    assert getattr(call.message, "capacity", None) == "adult"


def test_nobody_is_entered_as_acting_for_herself_or_through_strangers(town: Town) -> None:
    people = linking(town, "hospital-a").people
    make_customer(town, "wang", synthetic_identity("wang", SeededEntropy(b"wang")))
    with pytest.raises(PeopleError, match="others than wang"):
        people.relate("wang", ("wang",), is_ward=True, is_deceased=False)
    with pytest.raises(PeopleError, match="number of a person"):
        people.relate("wang", ("nobody",), is_ward=True, is_deceased=False)
    related = people.relate("wang", (), is_ward=True, is_deceased=False)
    assert related.capacity(date(2026, 1, 1)) == "ward"
    assert people.enter("wang", replace(related.identity, phone="12345")).is_ward
