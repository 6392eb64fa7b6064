"""A visit that the hospital lets in nowhere is an entry about the customer, with the condition that failed."""

from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from contracts.adjudication.case import Case, Review
from contracts.adjudication.decision import Decision
from contracts.adjudication.engine import adjudicate
from contracts.grants import GrantView, ShowGrant
from contracts.settlements import Withdraw
from ledger.errors import VerificationError
from nodes.agent import Call
from nodes.cli.customers.activity import describe
from nodes.fhir.audit_events import render_event
from nodes.roles.activity import list_looks
from nodes.roles.exchange.questions import VisitAnswer, VisitRules, decode_question, decode_reply
from nodes.roles.exchange.visits import VisitPremises
from nodes.roles.hospital import premises as hospital_premises
from nodes.roles.hospital import visiting
from nodes.roles.insurer import visiting as insurer_visiting
from nodes.schemas.looks import Look
from tests.nodes.roles.lane import Lane
from tests.nodes.roles.test_erasure import ask as ask_erasure
from tests.nodes.roles.test_visiting import (
    VISIT,
    Heard,
    accumulated,
    amend_to_hand_over,
    answer,
    ask,
    asked,
    first,
    waiting,
)
from tests.nodes.roles.town import Customer


@pytest.fixture
def lane(tmp_path: Path) -> Lane:
    return Lane(tmp_path)


def refused(lane: Lane) -> list[Look]:
    """Return the refused visits about the one claim's customer, once all is entered that is on its way."""
    lane.run_for(5_000)
    subject = lane.claim().claim.customer
    looks = list_looks(lane.town.view, subject, "attempts", "").looks
    return [look for look in looks if look.kind == "visit"]


def as_it_is(premises: VisitPremises) -> VisitPremises:
    return premises


def question(lane: Lane) -> VisitRules:
    found = decode_question(asked(lane)[0][2])
    assert isinstance(found, VisitRules)
    return found


@pytest.mark.parametrize(
    ("alter", "condition"),
    [
        (lambda premises: first(premises, payee_version=2), "premises"),
        (lambda premises: accumulated(premises, paid_year=1), "premises"),
        (lambda premises: replace(premises, rules=bytes(32)), "rules"),
    ],
)
def test_premises_that_do_not_match_and_other_rules_leave_an_entry(
    lane: Lane, alter: Callable[[VisitPremises], VisitPremises], condition: str
) -> None:
    waiting(lane)
    ask(lane, alter)
    (look,) = refused(lane)
    claim = lane.claim().claim
    assert (look.status, look.code, look.condition) == ("refused", "AUTH-013", condition)
    assert (look.by, look.role, look.signer, look.hospital) == ("insurer-a", "insurer", "hospital-a", "hospital-a")
    assert (look.stay, look.grant, look.grant_version) == (claim.stay_ids[0], claim.grant_id, 1)
    assert (look.field_set, look.fields) == (None, ()), "nothing was released"
    lines = describe(look, with_fields=True)
    assert "拒绝 REFUSED · 规则就地计算 its rules would compute there" in lines[0]
    assert f" · {condition}: " in lines[2]
    assert render_event(lane.town.genesis.chain_id, look)["outcome"] == "8"
    assert lane.town.codes("visits.execute") == []


def test_the_other_adjudicator_is_named_to_the_insurer_and_none_runs(lane: Lane) -> None:
    waiting(lane)
    said = ask(lane, lambda premises: replace(premises, rules=bytes(32)))
    assert said.startswith("RULES rules: expected ")
    assert said.endswith(", which the members pinned, got 0000000000000000")


def test_asked_again_for_the_same_it_is_one_entry_and_another_reason_another(lane: Lane) -> None:
    waiting(lane)
    for _ in range(3):
        ask(lane, lambda premises: first(premises, payee_version=2))
        lane.run_for(5_000)
    answer(lane, replace(question(lane), signature=bytes(64)))
    assert [look.condition for look in refused(lane)] == ["premises", "signature"]


def test_under_a_grant_that_hands_over_the_chain_names_the_condition(lane: Lane) -> None:
    waiting(lane)
    amend_to_hand_over(lane)
    ask(lane, lambda premises: premises)
    (look,) = refused(lane)
    assert (look.code, look.condition, look.grant_version) == ("AUTH-013", "execution", 2)


def test_a_revoked_grant_leaves_an_entry(lane: Lane) -> None:
    waiting(lane)
    Customer(lane.town, "wang").revoke(lane.claim().claim.grant_id)
    assert ask(lane, lambda premises: premises).startswith("AUTH-013")
    (look,) = refused(lane)
    assert (look.code, look.condition) == ("AUTH-013", "status")


def test_a_grant_that_ended_leaves_an_entry(lane: Lane) -> None:
    waiting(lane, for_ms=86_400_000)
    lane.town.now_ms += 86_400_000
    lane.town.add_block(())
    assert ask(lane, lambda premises: premises).startswith("AUTH-013")
    (look,) = refused(lane)
    assert (look.code, look.condition) == ("AUTH-013", "expiry")


def test_a_grant_without_a_use_left_leaves_an_entry(lane: Lane) -> None:
    lane.insure(execution=VISIT, uses_max=1)
    lane.stay(hanging_bed=True)
    lane.run()
    claim_id = lane.claim().claim.claim_id
    decision = Review("R08", None, accepted=True)
    lane.town.operate("insurer-a", lambda agent: agent.review(claim_id, decision, lane.town.now_ms))
    lane.run_for(30_000)
    (look,) = refused(lane)
    assert (look.code, look.condition) == ("AUTH-013", "uses")
    assert len(lane.claim().settlements) == 1
    waits = lane.shown().waits
    assert waits is not None
    assert waits.reason == "the claim waits for the customer's consent", "and the reviewer is told"
    assert lane.claim().claim.steps[-1].reference == "AUTH-013 uses"


def test_an_insurer_that_brings_another_balance_stops_no_clock(lane: Lane) -> None:
    heard = Heard.questions[id(lane)] = []

    def listen(source: str, peer: str, body: bytes) -> bool:
        if b"visit-rules" in body:
            heard.append((source, peer, body))
        return False

    lane.town.loses_request = listen
    lane.town.loses_submission = lambda item: any(tx.method == "settle" for tx in item.transactions)
    lane.insure(execution=VISIT, uses_max=1)
    lane.stay()
    lane.run_for(60_000)
    assert lane.town.codes("visits.execute") == ["OK"]
    other_year = "year-" + 16 * "0"
    assert ask(lane, lambda premises: first(premises, year_tag=other_year)).startswith("AUTH-013")
    assert [look.condition for look in refused(lane)] == ["uses"]
    assert (lane.town.codes("claims.await_consent"), lane.claim().status) == ([], "ASSEMBLING")


def test_what_is_entered_is_told_and_not_overtaken_by_what_an_insurer_asked_for_besides(lane: Lane) -> None:
    waiting(lane, uses_max=1)
    other_year = "year-" + 16 * "0"
    for alter in (as_it_is, lambda premises: first(premises, year_tag=other_year), as_it_is):
        assert ask(lane, alter).startswith("EXECUTING")
    lane.town.add_block(tuple(lane.town.submissions))
    lane.town.submissions = []
    assert lane.town.codes("visits.execute").count("OK") == 1
    lane.run_for(5_000)
    assert (lane.town.codes("claims.await_consent"), lane.claim().status) == ([], "ASSEMBLING")
    lane.town.loses_request = lambda *_request: False
    lane.run()
    assert lane.claim().status == "PAID"


def test_another_payee_before_the_settlement_needs_another_visit_and_she_is_asked(lane: Lane) -> None:
    lane.town.loses_submission = lambda item: any(tx.method == "settle" for tx in item.transactions)
    wang = lane.know()
    policy = lane.issue()
    wang.consent(execution=VISIT, uses_max=1)
    lane.stay()
    lane.run_for(30_000)
    assert (lane.town.codes("visits.execute"), lane.claim().status) == (["OK"], "ASSEMBLING")
    lane.town.operate(
        "insurer-a", lambda agent: agent.name_payee(policy.policy_id, ("wang", "6222 0009"), lane.town.now_ms)
    )
    lane.run_for(60_000)
    assert (lane.town.codes("claims.await_consent"), lane.claim().status) == (["OK"], "AWAITING_CONSENT")
    lane.town.loses_submission = lambda _item: False
    wang.consent(execution=VISIT)
    lane.run()
    assert lane.claim().status == "PAID"


def test_days_that_the_grant_does_not_mean_leave_an_entry(lane: Lane) -> None:
    waiting(lane)
    grant = lane.town.query("consent", "show", ShowGrant(lane.claim().claim.grant_id), GrantView).versions[-1].grant
    elsewhen = replace(grant, version=2, previous_version=1, scope=replace(grant.scope, dates=bytes(32)))
    assert Customer(lane.town, "wang").post(Call("consent", "grant", elsewhen)).ok
    assert ask(lane, lambda premises: premises).startswith("AUTH-013")
    (look,) = refused(lane)
    assert (look.code, look.condition) == ("AUTH-013", "record dates")


def test_a_record_that_is_to_be_erased_is_not_visited_and_that_is_an_entry(lane: Lane) -> None:
    waiting(lane)
    assert ask_erasure(lane, Customer(lane.town, "wang"), "invoice") == "OK"
    assert ask(lane, lambda premises: premises).startswith("ERASED")
    (look,) = refused(lane)
    assert (look.code, look.condition) == ("AUTH-013", "erasure")


def test_a_stranger_is_told_nothing_and_the_customer_who_it_was(lane: Lane) -> None:
    waiting(lane)
    heard = question(lane)
    unknown = answer(lane, replace(heard, claim_id="claim-000000000000"), "insurer-b")
    assert answer(lane, heard, "insurer-b") == unknown.replace("claim-000000000000", heard.claim_id)
    (look,) = refused(lane)
    assert (look.by, look.code, look.condition) == ("insurer-b", "AUTH-013", "recipient")


def test_books_of_the_hospitals_own_that_do_not_hold_stop_no_node_and_accuse_nobody(
    lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        msg = "seal key: expected a point"
        raise VerificationError(msg)

    waiting(lane)
    monkeypatch.setattr(visiting, "draft_settlement", refuse)
    assert ask(lane, lambda premises: premises).startswith("UNAVAILABLE")
    assert refused(lane) == []


def test_what_comes_too_early_or_too_late_is_no_entry(lane: Lane) -> None:
    waiting(lane)
    assert ask(lane, lambda premises: accumulated(premises, sequence=1)).startswith("STALE_ACCUMULATOR")
    assert ask(lane, lambda premises: replace(premises, version=2)).startswith("STALE_VERSION")
    assert refused(lane) == []


def test_a_hospital_killed_after_its_refusal_enters_it_when_asked_again(lane: Lane) -> None:
    waiting(lane)
    lane.town.loses_submission = lambda _submission: True
    ask(lane, lambda premises: first(premises, payee_version=2))
    lane.town.restart("hospital-a")
    lane.town.loses_submission = lambda _submission: False
    assert refused(lane) == []
    ask(lane, lambda premises: first(premises, payee_version=2))
    assert [look.condition for look in refused(lane)] == ["premises"]


def test_a_result_of_rules_that_are_in_force_no_more_is_never_entered(
    lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    lane.insure(execution=VISIT)

    def decide_as_before(case: Case) -> Decision:
        former = replace(case.product.deductible, amount=0)
        return adjudicate(replace(case, product=replace(case.product, deductible=former)))

    with monkeypatch.context() as patch:
        patch.setattr(visiting, "adjudicate", decide_as_before)
        for module in (hospital_premises, insurer_visiting):
            patch.setattr(module, "hash_installed_rules", lambda: bytes(32))
            patch.setattr(module, "hash_pinned_rules", lambda _view: bytes(32))
        lane.town.loses_submission = lambda submission: any(tx.method == "execute" for tx in submission.transactions)
        lane.stay()
        lane.run_for(60_000)
        kept = lane.desk.agent._visiting.casebook.latest_draft(lane.claim().claim.claim_id, 1)
        assert kept is not None
        assert kept.opening.payable.amount > 206_000, "the former rules kept a result"
    lane.town.loses_submission = lambda _submission: False
    lane.town.restart("hospital-a")
    lane.run()
    assert (lane.claim().status, lane.bank.balance) == ("PAID", 206_000)


def test_a_result_that_comes_after_she_withdrew_the_claim_is_not_kept(lane: Lane) -> None:
    wang = lane.insure(execution=VISIT)
    lane.stay()
    while not any(isinstance(decode_reply(item.body), VisitAnswer) for item in lane.town.answered if item.body):
        if not lane.town._deliver_something():
            lane.town.pass_time(1_000)
    claim_id = lane.claim().claim.claim_id
    assert wang.post(Call("claims", "withdraw", Withdraw(claim_id))).ok
    lane.run()
    assert lane.claim().status == "WITHDRAWN"
    assert not lane.insurer._casebook.holds(claim_id)
