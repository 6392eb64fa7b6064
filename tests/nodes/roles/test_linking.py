"""Linking against strangers, wrong answers, wrong identities, repetition and restarts."""

from dataclasses import replace as renew
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from contracts.grants import GrantView
from ledger.errors import LedgerError, VerificationError
from nodes.agent import Call
from nodes.entropy import SeededEntropy
from nodes.identity import synthetic_identity
from nodes.roles.linking import CHALLENGE_MS, CHALLENGES_MAX, Linking, LinkingError
from nodes.roles.lookup import find_grant
from nodes.roles.people import PeopleError
from nodes.vault.sealing import SealKeyPair
from nodes.wallet import Challenge
from tests.nodes.roles.recipient import Recipient
from tests.nodes.roles.town import TODAY, Customer, Town

PARTIES = ("hospital-a", "insurer-a")


@pytest.fixture
def town(tmp_path: Path) -> Town:
    town = Town(tmp_path)
    for name in PARTIES:
        town.install(name, Recipient)
    return town


@pytest.fixture
def wang(town: Town) -> Customer:
    wang = Customer(town, "wang")
    wang.enrol()
    return wang


def know(town: Town, customer: Customer, *parties: str) -> None:
    for party in parties or PARTIES:
        recipient(town, party).linking.people.enter(customer.wallet.identity.name, customer.identity)


def recipient(town: Town, name: str) -> Recipient:
    agent = town.agents[name]
    assert isinstance(agent, Recipient)
    return agent


def shown(town: Town, grant_id: str) -> GrantView:
    grant = find_grant(town.view, grant_id)
    assert grant is not None
    return grant


def judgements(town: Town, grant_id: str) -> dict[str, list[str]]:
    return {name: [entry.result for entry in history.entries] for name, history in shown(town, grant_id).links}


def test_a_known_person_is_matched_by_both_parties(town: Town, wang: Customer) -> None:
    know(town, wang)
    grant_id = wang.consent()
    assert judgements(town, grant_id) == {"hospital-a": ["matched"], "insurer-a": ["matched"]}
    linking = recipient(town, "hospital-a").linking
    assert linking.person_of(wang.pseudonym.name) == "wang"
    assert linking.seal_key_of(wang.pseudonym.name) == wang.pseudonym.seal_key.public_key
    entry = linking.entry(grant_id)
    assert entry is not None
    assert linking.matched("wang") == (entry,)
    grant = shown(town, grant_id).versions[0].grant
    assert linking.covers(grant, TODAY - 30, TODAY + 365)
    assert not linking.covers(grant, TODAY - 31, TODAY)
    assert not linking.covers(grant, TODAY, TODAY + 366)
    assert not linking.covers(replace(grant, scope=replace(grant.scope, dates=bytes(32))), TODAY, TODAY)
    assert shown(town, grant_id).links[0][1].entries[0].evidence == entry.evidence


def test_the_insurer_alone_keeps_what_opens_whom_it_matched(town: Town, wang: Customer) -> None:
    know(town, wang)
    grant_id = wang.consent()
    kept = {name: recipient(town, name).linking.entry(grant_id) for name in ("hospital-a", "insurer-a")}
    hospital, insurer = kept["hospital-a"], kept["insurer-a"]
    assert hospital is not None
    assert hospital.identity is None
    assert insurer is not None
    assert insurer.identity is not None
    assert insurer.identity.identity == wang.identity
    assert insurer.identity.commitment == insurer.commitment == hospital.commitment
    stranger = Customer(town, "stranger")
    unknown = recipient(town, "insurer-a").linking.entry(stranger.consent())
    assert unknown is not None
    assert (unknown.result, unknown.identity) == ("mismatch", None)
    assert wang.identity.document_number not in repr(insurer)


def test_a_new_seal_key_replaces_the_readers_own_and_nobody_elses(town: Town, wang: Customer) -> None:
    know(town, wang)
    grant_id = wang.consent()
    linking = recipient(town, "insurer-a").linking
    new = SealKeyPair(b"n" * 32).public_key
    before = linking.entry(grant_id)
    assert before is not None
    assert linking.replace_seal_key("c-" + "a" * 32, new) == 0
    assert linking.entry(grant_id) == before
    with pytest.raises(LinkingError, match="seal key: expected 1216 bytes, got 1215"):
        linking.replace_seal_key(wang.pseudonym.name, new[1:])
    assert linking.replace_seal_key(wang.pseudonym.name, new) == 1
    assert linking.replace_seal_key(wang.pseudonym.name, new) == 1
    after = linking.entry(grant_id)
    assert after is not None
    assert (after.seal_key, after.evidence) == (new, before.evidence)
    town.run_until_quiet()
    assert judgements(town, grant_id)["insurer-a"] == ["matched"], "nothing is judged again for that"
    kit = recipient(town, "insurer-a").kit
    restarted = Linking(kit.name, kit.view, kit.register, kit.keystore.seal, kit.entropy)
    assert restarted.seal_key_of(wang.pseudonym.name) == new


def test_an_unknown_person_is_a_mismatch_and_is_not_kept(town: Town, wang: Customer) -> None:
    know(town, wang, "insurer-a")
    grant_id = wang.consent()
    assert judgements(town, grant_id) == {"hospital-a": ["mismatch"], "insurer-a": ["matched"]}
    linking = recipient(town, "hospital-a").linking
    assert linking.person_of(wang.pseudonym.name) is None
    assert linking.seal_key_of(wang.pseudonym.name) is None
    assert "wang" not in str(linking.entry(grant_id))


@pytest.mark.parametrize("field", ["name", "birth_date"])
def test_the_same_document_with_another_name_or_birth_date_is_a_mismatch(
    town: Town, wang: Customer, field: str
) -> None:
    know(town, wang, "insurer-a")
    people = recipient(town, "hospital-a").linking.people
    passport = replace(wang.identity, document_type="passport", document_number="E12345678")
    wang.wallet.identity = passport
    people.enter("wang", replace(passport, **{field: {"name": "wang2", "birth_date": "1950-01-01"}[field]}))
    grant_id = wang.grant()
    assert wang.disclose(grant_id, "hospital-a").result == "mismatch"


def test_a_corrected_patient_is_matched_when_the_customer_discloses_again(town: Town, wang: Customer) -> None:
    know(town, wang, "insurer-a")
    grant_id = wang.consent()
    know(town, wang)
    assert wang.disclose(grant_id, "hospital-a").result == "matched"
    town.run_until_quiet()
    assert judgements(town, grant_id)["hospital-a"] == ["mismatch", "matched"]


def test_the_same_disclosure_again_gives_the_same_judgement_and_one_link(town: Town, wang: Customer) -> None:
    know(town, wang)
    grant_id = wang.grant()
    hospital = recipient(town, "hospital-a").linking
    now_ms = town.now_ms
    challenge = hospital.challenge(grant_id, now_ms)
    assert hospital.challenge(grant_id, now_ms) == challenge
    sealed, answer = wang.seal(grant_id, "hospital-a"), wang.pseudonym.answer(challenge)
    key = wang.pseudonym.seal_key.public_key
    first = hospital.disclose(grant_id, sealed, answer, key, now_ms)
    assert hospital.disclose(grant_id, sealed, answer, key, now_ms + CHALLENGE_MS) == first
    town.run_until_quiet()
    assert judgements(town, grant_id) == {"hospital-a": ["matched"]}
    assert hospital.challenge(grant_id, now_ms) != challenge


@pytest.mark.parametrize("kill", range(1, 12))
def test_a_party_that_dies_at_any_moment_still_posts_its_judgement_once(town: Town, wang: Customer, kill: int) -> None:
    know(town, wang)
    grant_id = wang.grant()
    wang.disclose(grant_id, "hospital-a")
    town.kills = {town.actions + kill}
    town.run_until_quiet()
    assert judgements(town, grant_id) == {"hospital-a": ["matched"]}


def test_an_answer_by_another_key_or_to_an_old_challenge_is_worth_nothing(town: Town, wang: Customer) -> None:
    know(town, wang)
    grant_id = wang.grant()
    hospital = recipient(town, "hospital-a").linking
    challenge = hospital.challenge(grant_id, town.now_ms)
    sealed, key = wang.seal(grant_id, "hospital-a"), wang.pseudonym.seal_key.public_key
    li = Customer(town, "li")
    foreign = renew(li.pseudonym, name=wang.pseudonym.name).answer(challenge)
    old = wang.pseudonym.answer(Challenge(challenge.chain_id, "hospital-a", challenge.pseudonym, bytes(32)))
    for answer in (foreign, old, b""):
        with pytest.raises(VerificationError, match="challenge signature does not verify"):
            hospital.disclose(grant_id, sealed, answer, key, town.now_ms)
    assert hospital.disclose(grant_id, sealed, wang.pseudonym.answer(challenge), key, town.now_ms).result == "matched"


def test_without_a_challenge_or_after_it_ended_nothing_is_taken(town: Town, wang: Customer) -> None:
    know(town, wang)
    grant_id = wang.grant()
    hospital = recipient(town, "hospital-a").linking
    sealed, key = wang.seal(grant_id, "hospital-a"), wang.pseudonym.seal_key.public_key
    with pytest.raises(LinkingError, match="no challenge is open"):
        hospital.disclose(grant_id, sealed, bytes(64), key, town.now_ms)
    answer = wang.pseudonym.answer(hospital.challenge(grant_id, town.now_ms))
    with pytest.raises(LinkingError, match="no challenge is open"):
        hospital.disclose(grant_id, sealed, answer, key, town.now_ms + CHALLENGE_MS)


def test_another_identity_than_the_committed_one_is_refused(town: Town, wang: Customer) -> None:
    know(town, wang)
    grant_id, other = wang.grant(), wang.grant()
    hospital = recipient(town, "hospital-a").linking
    answer = wang.pseudonym.answer(hospital.challenge(grant_id, town.now_ms))
    key = wang.pseudonym.seal_key.public_key
    member = town.genesis.organisation("hospital-a")
    assert member is not None
    exchanged = wang.pseudonym.disclose(
        wang._drawn[other][1]["hospital-a"], "hospital-a", member.seal_key, f"identity.{grant_id}"
    )
    with pytest.raises(VerificationError, match="not the one that"):
        hospital.disclose(grant_id, exchanged, answer, key, town.now_ms)
    with pytest.raises(VerificationError, match="sealed record_id"):
        hospital.disclose(grant_id, wang.seal(other, "hospital-a"), answer, key, town.now_ms)
    with pytest.raises(VerificationError, match="sealed recipient"):
        hospital.disclose(grant_id, wang.seal(grant_id, "insurer-a"), answer, key, town.now_ms)
    with pytest.raises(LinkingError, match="seal key: expected 1216 bytes, got 3"):
        hospital.disclose(grant_id, wang.seal(grant_id, "hospital-a"), answer, b"key", town.now_ms)
    assert hospital.entry(grant_id) is None


def test_a_disclosure_has_to_open_the_record_dates(town: Town, wang: Customer) -> None:
    know(town, wang)
    grant_id = wang.grant()
    drawn = wang._drawn[grant_id][1]
    drawn["hospital-a"] = msgspec.structs.replace(drawn["hospital-a"], dates=None)
    with pytest.raises(LinkingError, match="dates: expected the opening"):
        wang.disclose(grant_id, "hospital-a")


def test_grants_that_are_unknown_ended_or_somebody_elses_are_not_challenged(town: Town, wang: Customer) -> None:
    hospital = recipient(town, "hospital-a").linking
    with pytest.raises(LinkingError, match="grant: expected one on the chain"):
        hospital.challenge("grant-000000000000", town.now_ms)
    grant_id = wang.grant()
    wang.revoke(grant_id)
    with pytest.raises(LinkingError, match="expected GRANTED, got REVOKED"):
        hospital.challenge(grant_id, town.now_ms)
    elsewhere = Customer(town, "wang", hospital="hospital-b")
    elsewhere.enrol()
    foreign = elsewhere.grant()
    with pytest.raises(LinkingError, match="hospital-a is no party of it"):
        hospital.challenge(foreign, town.now_ms)


def test_a_malformed_grant_id_is_a_clear_refusal(town: Town) -> None:
    with pytest.raises(LedgerError):
        recipient(town, "hospital-a").linking.challenge("../x", town.now_ms)


def test_outstanding_challenges_are_bounded(town: Town, wang: Customer) -> None:
    hospital = recipient(town, "hospital-a").linking
    challenge = hospital.challenge(wang.grant(), town.now_ms)
    hospital._challenges = {str(number): (challenge, town.now_ms + 1) for number in range(CHALLENGES_MAX)}
    late = wang.grant()
    with pytest.raises(LinkingError, match="4096 are unanswered"):
        hospital.challenge(late, town.now_ms)
    assert hospital.challenge(late, town.now_ms + 1).pseudonym == wang.pseudonym.name


def test_a_revoked_grant_is_judged_no_more(town: Town, wang: Customer) -> None:
    know(town, wang)
    grant_id = wang.grant()
    town.loses_submission = lambda _submission: True
    wang.disclose(grant_id, "hospital-a")
    wang.revoke(grant_id)
    town.loses_submission = lambda _submission: False
    town.run_until_quiet()
    assert judgements(town, grant_id) == {}
    assert town.codes("consent.link") == []


def test_a_document_belongs_to_one_person(town: Town, wang: Customer) -> None:
    people = recipient(town, "hospital-a").linking.people
    people.enter("1", wang.identity)
    assert people.enter("1", wang.identity).number == "1"
    with pytest.raises(PeopleError, match="this one is entered for 1"):
        people.enter("2", wang.identity)
    with pytest.raises(PeopleError, match="number: expected 1 to 64"):
        people.enter("", synthetic_identity("li", SeededEntropy(b"li")))
    with pytest.raises(VerificationError, match="check digit"):
        people.enter("3", replace(wang.identity, document_number="990000199001010000"))
    with pytest.raises(PeopleError, match="expected the number of a person entered here, got '2'"):
        people.get("2")


def test_the_chain_refuses_what_a_stranger_posts_for_a_party(town: Town, wang: Customer) -> None:
    know(town, wang)
    grant_id = wang.grant()
    wang.disclose(grant_id, "hospital-a")
    call = recipient(town, "hospital-a").linking.derive()[0]
    receipt = town.post("hospital-b", Call("consent", "link", call.message))[0]
    assert receipt.code == "FORBIDDEN"
