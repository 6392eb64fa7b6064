"""A hospital when consent ends, is too narrow, comes back, or a peer asks for what is not hers."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from contracts.entries import SHARE_HEIGHTS
from contracts.keys import RotateKey, rotation_message
from contracts.settlements import Withdraw
from contracts.stays import Dispute, ShareView
from ledger.crypto.signatures import sign_enrolment
from nodes.agent import Answer, Call, PeerRequested
from nodes.entropy import SeededEntropy
from nodes.keystore import prepare_submission_key
from nodes.roles.exchange.questions import (
    AskPayment,
    FetchRecord,
    Question,
    RecordHandover,
    Refusal,
    Reply,
    decode_reply,
    encode_body,
)
from tests.nodes.roles.desk import Desk, know, make_town
from tests.nodes.roles.recipient import Recipient
from tests.nodes.roles.test_hospital import DELIVERED, claim_of, entry_of, file_of, insurer, record_of
from tests.nodes.roles.test_requests import inbox
from tests.nodes.roles.town import Customer, Town


@pytest.fixture
def town(tmp_path: Path) -> Town:
    return make_town(tmp_path)


@pytest.fixture
def desk(town: Town) -> Desk:
    return Desk(town)


@pytest.fixture
def wang(town: Town) -> Customer:
    wang = Customer(town, "wang")
    know(town, wang)
    return wang


def ask(town: Town, question: Question | bytes, peer: str = "insurer-a") -> Reply:
    """Ask hospital-a as a peer would, and return its answer."""
    body = question if isinstance(question, bytes) else encode_body(question)
    effects = town.agents["hospital-a"].step(PeerRequested(1, peer, body, town.now_ms))
    answers = [effect for effect in effects if isinstance(effect, Answer)]
    assert len(answers) == 1
    return decode_reply(answers[0].body)


def refused(town: Town, question: Question | bytes, peer: str = "insurer-a") -> str:
    reply = ask(town, question, peer)
    assert isinstance(reply, Refusal)
    return reply.code


def shared_but_not_fetched(town: Town, desk: Desk, wang: Customer) -> str:
    """Discharge a stay whose insurer does not fetch; return the grant."""
    grant_id = wang.consent()
    insurer(town).fetches = False
    desk.admit()
    desk.discharge("S-01")
    town.run_until_quiet()
    return grant_id


def invoice_share(town: Town) -> tuple[FetchRecord, ShareView]:
    entry = entry_of(file_of(town).lanes[0], "invoice")
    share = record_of(town, entry).shares[-1]
    return FetchRecord(entry.record_id, share.share.sequence), share


# --------------------------------------------------------------------------------------------- revoked and granted


def test_a_grant_revoked_before_the_discharge_leaves_one_refusal_and_a_wait_on_the_chain(
    town: Town, desk: Desk, wang: Customer
) -> None:
    grant_id = wang.consent()
    desk.admit()
    town.run_until_quiet()
    wang.revoke(grant_id)
    desk.discharge("S-01")
    town.run_until_quiet()
    assert town.codes("records.share") == ["AUTH-013"]
    assert town.codes("claims.await_consent") == ["OK"]
    assert town.codes("records.append") == ["OK"], "no entry about the discharge was even tried"
    claim = claim_of(town)
    assert (claim.status, claim.claim.steps[-1].reference) == ("AWAITING_CONSENT", "AUTH-013 status")
    lane = desk.agent.show("S-01").lanes[0]
    assert (lane.state, lane.waits_for) == ("awaiting-consent", "AUTH-013 status")
    assert lane.message == "waits for the customer's consent"


def test_a_new_grant_lets_a_waiting_claim_go_on(town: Town, desk: Desk, wang: Customer) -> None:
    former = wang.consent()
    desk.admit()
    town.run_until_quiet()
    wang.revoke(former)
    desk.discharge("S-01")
    town.run_until_quiet()
    again = wang.consent()
    assert claim_of(town).claim.grant_id == again
    assert desk.agent.show("S-01").message == DELIVERED
    assert town.codes("claims.resume") == ["OK"]
    assert record_of(town, entry_of(file_of(town).lanes[0], "invoice")).record.grant_id == again
    assert record_of(town, entry_of(file_of(town).lanes[0], "admission")).record.grant_id == former


def test_a_revocation_that_overtakes_the_batch_refuses_all_of_it_on_the_chain(
    town: Town, desk: Desk, wang: Customer
) -> None:
    grant_id = wang.consent()
    desk.admit()
    town.run_until_quiet()
    desk.discharge("S-01")
    wang.revoke(grant_id)
    town.run_until_quiet()
    assert town.codes("records.append") == ["OK", *["AUTH-013"] * 3]
    assert town.codes("records.close") == ["AUTH-013"]
    assert "AUTH-013" in town.codes("records.share")
    assert "OK" not in town.codes("records.share")
    assert town.codes("claims.await_consent") == ["OK"]
    wang.consent()
    assert desk.agent.show("S-01").message == DELIVERED


def test_a_share_that_was_not_handed_over_before_the_revocation_waits_for_the_next_grant(
    town: Town, desk: Desk, wang: Customer
) -> None:
    former = shared_but_not_fetched(town, desk, wang)
    wang.revoke(former)
    insurer(town).fetches = True
    town.run_until_quiet()
    assert insurer(town).refusals
    assert {refusal.code for refusal in insurer(town).refusals} == {"AUTH-013"}
    assert set(town.codes("access.turn_away")) == {"OK"}, "each is an entry about her too"
    assert claim_of(town).status == "AWAITING_CONSENT"
    assert insurer(town).kit.vault.list_records() == ()
    again = wang.consent()
    assert desk.agent.show("S-01").message == DELIVERED
    shares = record_of(town, entry_of(file_of(town).lanes[0], "invoice")).shares
    assert [(item.share.grant_id, item.status) for item in shares] == [(former, "SHARED"), (again, "DELIVERED")]


def test_a_claim_waits_for_a_type_that_its_grant_leaves_out(town: Town, desk: Desk, wang: Customer) -> None:
    wang.consent(record_types=("admission", "discharge-summary", "item-list"))
    desk.admit()
    desk.discharge("S-01")
    town.run_until_quiet()
    assert claim_of(town).claim.steps[-1].reference == "AUTH-013 record type"
    assert town.codes("records.share") == [], "what the grant does cover is of no use alone"
    wang.consent()
    assert desk.agent.show("S-01").message == DELIVERED


def test_a_claim_waits_when_the_uses_of_its_grant_are_used_up(town: Town, desk: Desk, wang: Customer) -> None:
    wang.consent(uses_max=2)
    desk.admit()
    desk.discharge("S-01")
    town.run_until_quiet()
    assert claim_of(town).claim.steps[-1].reference == "AUTH-013 uses"
    assert sorted(town.codes("records.share")) == ["AUTH-013"] * 3 + ["OK"] * 2
    assert town.codes("claims.await_consent") == ["OK"]
    wang.consent()
    assert desk.agent.show("S-01").message == DELIVERED


def test_a_one_case_grant_serves_its_own_claim_and_no_second_stay(town: Town, desk: Desk, wang: Customer) -> None:
    wang.consent(case="one-case")
    desk.admit()
    desk.discharge("S-01")
    town.run_until_quiet()
    assert desk.agent.show("S-01").message == DELIVERED
    desk.admit()
    town.run_until_quiet()
    assert desk.agent.show("S-02").message == "no usable grant: nothing was reported"
    desk.correct("S-01")
    town.run_until_quiet()
    assert desk.agent.show("S-01").message == DELIVERED


def test_a_correction_after_the_revocation_waits_too(town: Town, desk: Desk, wang: Customer) -> None:
    grant_id = wang.consent()
    desk.admit()
    desk.discharge("S-01")
    town.run_until_quiet()
    wang.revoke(grant_id)
    town.run_until_quiet()
    assert claim_of(town).status != "AWAITING_CONSENT", "what was handed over stands"
    desk.correct("S-01")
    town.run_until_quiet()
    assert claim_of(town).status == "AWAITING_CONSENT"
    assert len(town.codes("records.append")) == 4
    wang.consent()
    assert desk.agent.show("S-01").message == DELIVERED


def test_a_withdrawn_claim_is_handed_nothing_more(town: Town, desk: Desk, wang: Customer) -> None:
    shared_but_not_fetched(town, desk, wang)
    question, _ = invoice_share(town)
    assert wang.post(Call("claims", "withdraw", Withdraw(file_of(town).lanes[0].claim_id))).ok
    assert refused(town, question) == "WITHDRAWN"
    desk.correct("S-01")
    town.run_until_quiet()
    assert desk.agent.show("S-01").message == "insurer-a: the customer withdrew the claim"
    assert len(town.codes("records.append")) == 4


# ------------------------------------------------------------------------------------------------------ hand-over


def test_the_recipient_of_a_share_gets_the_record_and_nobody_else_does(town: Town, desk: Desk, wang: Customer) -> None:
    shared_but_not_fetched(town, desk, wang)
    question, share = invoice_share(town)
    assert share.status == "SHARED"
    assert isinstance(ask(town, question), RecordHandover)
    for peer in ("insurer-b", "hospital-b", "regulator", "rail", "nobody"):
        assert refused(town, question, peer) == "NOT_SHARED"
    assert refused(town, replace(question, sequence=2)) == "NOT_SHARED"
    assert refused(town, FetchRecord("record-000000000000", 1)) == "NOT_SHARED"


def test_a_stranger_cannot_tell_a_record_from_none(town: Town, desk: Desk, wang: Customer) -> None:
    shared_but_not_fetched(town, desk, wang)
    question, _ = invoice_share(town)
    absent = FetchRecord("record-000000000000", 1)
    told = [ask(town, item, "insurer-b") for item in (question, absent)]
    reasons = [reply.reason for reply in told if isinstance(reply, Refusal)]
    assert reasons[0].replace(question.record_id, "") == reasons[1].replace(absent.record_id, "")


def test_after_a_revocation_an_expiry_or_a_lapse_nothing_is_handed_over(town: Town, desk: Desk, wang: Customer) -> None:
    grant_id = shared_but_not_fetched(town, desk, wang)
    question, _ = invoice_share(town)
    town.agents.pop("hospital-b", None)
    hospital = town.agents.pop("hospital-a")
    for _ in range(SHARE_HEIGHTS + 1):
        town.add_block(())
    town.agents["hospital-a"] = hospital
    assert refused(town, question) == "LAPSED"
    town.run_until_quiet()
    assert record_of(town, entry_of(file_of(town).lanes[0], "invoice")).shares[-1].share.sequence == 2
    assert isinstance(ask(town, replace(question, sequence=2)), RecordHandover)
    assert refused(town, question) == "NOT_SHARED"
    wang.revoke(grant_id)
    assert refused(town, replace(question, sequence=2)) == "AUTH-013"


def test_an_expired_grant_hands_nothing_over(town: Town, desk: Desk, wang: Customer) -> None:
    wang.consent(for_ms=3_600_000)
    insurer(town).fetches = False
    desk.admit()
    desk.discharge("S-01")
    town.run_until_quiet()
    town.now_ms += 3_600_000
    town.add_block(())
    assert refused(town, invoice_share(town)[0]) == "AUTH-013"


def test_what_was_delivered_is_not_handed_over_twice(town: Town, desk: Desk, wang: Customer) -> None:
    wang.consent()
    desk.admit()
    desk.discharge("S-01")
    town.run_until_quiet()
    assert refused(town, invoice_share(town)[0]) == "DELIVERED"


def test_what_is_no_question_for_a_hospital_is_refused(town: Town) -> None:
    assert refused(town, b"\xff") == "MALFORMED"
    assert refused(town, AskPayment("payment-000000000000", bytes(32))) == "NOT_ASKED_HERE"


def test_a_disputed_record_is_shared_again_and_then_left_to_a_person(town: Town, desk: Desk, wang: Customer) -> None:
    shared_but_not_fetched(town, desk, wang)
    entry = entry_of(file_of(town).lanes[0], "invoice")
    for count in (1, 2, 3):
        assert len(record_of(town, entry).shares) == count
        call = Call("records", "dispute", Dispute(entry.record_id, bytes(32)))
        assert town.post("insurer-a", call)[0].ok
        town.run_until_quiet()
    assert len(record_of(town, entry).shares) == 3
    assert desk.agent.show("S-01").lanes[0].state == "disputed"


def test_an_erased_record_is_refused_and_the_stay_is_left_to_a_person(town: Town, desk: Desk, wang: Customer) -> None:
    shared_but_not_fetched(town, desk, wang)
    question, _ = invoice_share(town)
    desk.agent._handover._vault.erase(question.record_id)
    assert refused(town, question) == "UNAVAILABLE"
    insurer(town).fetches = True
    town.run_until_quiet()
    assert [refusal.code for refusal in insurer(town).refusals] != []


def test_envelopes_and_submissions_are_signed_by_the_key_in_force_while_it_is_replaced(
    town: Town, desk: Desk, wang: Customer, tmp_path: Path
) -> None:
    version, key = prepare_submission_key(tmp_path / "hospital-a" / "keys", SeededEntropy(b"rotation"))
    wang.consent()
    desk.admit()
    signed = rotation_message(town.view.chain_id, "hospital-a", key.public_key, version)
    rotate = RotateKey(key.public_key, sign_enrolment(key, signed))
    assert [receipt.code for receipt in town.post("hospital-a", Call("membership", "rotate_key", rotate))] == ["OK"]
    desk.discharge("S-01")
    town.run_until_quiet()
    assert desk.agent.show("S-01").message == DELIVERED
    assert isinstance(town.agents["insurer-a"], Recipient)


# ------------------------------------------------------------------------------------------------------- notices


def test_the_customer_is_told_once_for_each_wait_what_is_missing(town: Town, desk: Desk, wang: Customer) -> None:
    wang.consent(record_types=("admission", "discharge-summary", "item-list"))
    desk.admit()
    desk.discharge("S-01")
    town.run_until_quiet()
    (notice,) = inbox(town, wang).notices
    assert (notice.reason, notice.claim_id) == ("AUTH-013 record type", claim_of(town).claim.claim_id)
    assert inbox(town, wang).notices == ()
    grant_id = wang.consent()
    wang.revoke(grant_id)
    town.run_until_quiet()
    desk.correct("S-01")
    town.run_until_quiet()
    (again,) = inbox(town, wang).notices
    assert again.reason == "AUTH-013 status"


def test_a_wallet_that_only_looks_for_requests_uses_no_notice_up(town: Town, desk: Desk, wang: Customer) -> None:
    wang.consent(record_types=("admission",))
    desk.admit()
    desk.discharge("S-01")
    town.run_until_quiet()
    assert inbox(town, wang, is_telling=False).notices == ()
    assert len(inbox(town, wang).notices) == 1
