"""What a visit leaves to a person: she decides by rule and line number, and the hospital runs the rules again."""

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from contracts.adjudication.case import Case, Review
from contracts.adjudication.decision import Decision
from contracts.adjudication.engine import adjudicate
from ledger.errors import VerificationError
from ledger.transactions import Submission
from nodes.api.insurer import describe_visited
from nodes.cli.claims.claim import explain_visited
from nodes.roles.exchange.opening import VisitOpening
from nodes.roles.exchange.visits import (
    REASONS_MAX,
    VisitPremises,
    VisitReview,
    list_executions,
    list_reasons,
    place_reviews,
)
from nodes.roles.insurer.inquiries import InsurerError
from tests.contracts.adjudication.plain_case import PLAIN
from tests.nodes.roles.desk import correction, example
from tests.nodes.roles.lane import Lane
from tests.nodes.roles.test_visiting import VISIT, Alter, Heard, altered, ask, notes
from tests.nodes.roles.town import Killed

LINES = example("discharge")["lines"]
DOUBTED = [*LINES[:5], LINES[5] | {"reasonable": False}, LINES[6]]
"""The bill, with a sixth line that a check found neither reasonable nor necessary."""


@pytest.fixture
def lane(tmp_path: Path) -> Lane:
    return Lane(tmp_path)


def doubt(lane: Lane) -> int:
    """Bring a lane to a settlement of which the sixth line is pended; return what it pays."""
    lane.insure(execution=VISIT)
    lane.stay(lines=DOUBTED)
    lane.run()
    assert (lane.claim().status, lane.bank.balance) == ("PENDED", lane.payable())
    assert lane.claim().settlements[0].outcome.is_pended
    return lane.payable()


def review(lane: Lane, rule: Any, line: str | None, *, accepted: bool = True) -> None:
    claim_id = lane.claim().claim.claim_id
    lane.town.operate("insurer-a", lambda agent: agent.review(claim_id, Review(rule, line, accepted), lane.town.now_ms))


def test_the_reviewer_sees_rule_code_and_number_and_nothing_else_of_the_line(lane: Lane) -> None:
    doubt(lane)
    visited = describe_visited(lane.shown())
    assert visited is not None
    (pended,) = visited.pended
    assert (pended.rule, pended.line) == ("R09", 6)
    said = json.dumps(visited.model_dump(), ensure_ascii=False)
    for secret in ("drug", "medicine", "l6", "980.00", "98000"):
        assert secret not in said, secret
    line = explain_visited(visited.model_dump())[-1]
    assert line.startswith("待人工复核 for a person: R09 第 6 行 line 6 · ")
    assert line.endswith("(--rule R09 --line 6 --accept|--refuse)")


def test_an_accepted_line_is_paid_after_another_visit_and_no_record_was_handed_over(lane: Lane) -> None:
    wang = lane.insure(execution=VISIT)
    lane.stay(lines=DOUBTED)
    lane.run()
    undisputed = lane.payable()
    review(lane, "R09", "6")
    lane.run()
    claim = lane.claim()
    assert (claim.status, len(claim.settlements)) == ("PAID", 2)
    assert (claim.settlements[1].outcome.is_review, claim.settlements[1].outcome.is_pended) == (True, False)
    assert undisputed < lane.payable() == lane.bank.balance == 206_000
    assert lane.town.codes("records.share") == []
    assert len(list_executions(lane.town.view, claim.claim.claim_id)) == 2, "she sees both visits"
    opening = lane.opening(wang)
    assert opening.case.reviews == (Review("R09", "l6", accepted=True),), "and what the person decided, with the line"
    assert adjudicate(opening.case) == opening.decision


def test_a_refused_line_stays_unpaid_with_its_reason_and_nothing_moves(lane: Lane) -> None:
    undisputed = doubt(lane)
    review(lane, "R09", "6", accepted=False)
    lane.run()
    claim = lane.claim()
    assert (len(claim.settlements), claim.settlements[1].outcome.disposition) == (2, "none")
    assert lane.payable() == undisputed == lane.bank.balance
    settled = lane.shown().settled
    assert settled is not None
    assert isinstance(settled.opening, VisitOpening)
    assert [(reason.rule, reason.action, reason.line) for reason in settled.opening.reasons] == [("R09", "refused", 6)]


def test_a_claim_that_is_pended_whole_is_paid_once_a_person_accepts(lane: Lane) -> None:
    lane.insure(execution=VISIT)
    lane.stay(hanging_bed=True)
    lane.run()
    assert (lane.claim().status, lane.bank.balance) == ("PENDED", 0)
    review(lane, "R08", None)
    lane.run()
    assert (lane.claim().status, lane.bank.balance) == ("PAID", 206_000)


def test_two_decisions_in_turn_are_both_taken_in(lane: Lane) -> None:
    wang = lane.insure(execution=VISIT)
    lane.stay(hanging_bed=True, lines=DOUBTED)
    lane.run()
    review(lane, "R08", None)
    lane.run()
    assert lane.claim().settlements[-1].outcome.is_pended, "the line still waits"
    review(lane, "R09", "6", accepted=False)
    lane.run()
    opening = lane.opening(wang)
    assert opening.case.reviews == (Review("R08", None, accepted=True), Review("R09", "l6", accepted=False))
    assert lane.bank.balance == lane.payable() == opening.decision.payable


def test_a_correction_keeps_what_a_person_decided_of_the_line(lane: Lane) -> None:
    wang = lane.insure(execution=VISIT)
    number = lane.stay(lines=DOUBTED)
    lane.run()
    review(lane, "R09", "6")
    lane.run()
    lines = example("correction")["lines"]
    moved = [lines[5] | {"reasonable": False}, *lines[:5], *lines[6:]]
    lane.desk.correct(number, correction(lines=moved))
    lane.run()
    opening = lane.opening(wang)
    assert (lane.claim().status, len(lane.claim().settlements)) == ("PAID", 3)
    assert opening.case.reviews == (Review("R09", "l6", accepted=True),), "its id, though its number is another now"
    assert not lane.claim().settlements[-1].outcome.is_pended


NOT_PENDED: tuple[tuple[Any, str | None, str], ...] = (
    ("R09", "7", r"expected a pended finding of claim-\w+ \(R09 6\), got R09"),
    ("R09", None, r"expected a pended finding of claim-\w+ \(R09 6\), got R09"),
    ("R05", "6", r"expected a pended finding of claim-\w+ \(R09 6\), got R05"),
    ("R09", "l6", "line: expected the number of a line, 1 to 4096, got 'l6'"),
    ("R09", "0", "line: expected the number of a line, 1 to 4096, got '0'"),
    ("R09", "99999999999999999999", "line: expected the number of a line"),
)


def test_a_decision_on_what_no_visit_pended_is_refused(lane: Lane) -> None:
    doubt(lane)
    for rule, line, why in NOT_PENDED:
        with pytest.raises(InsurerError, match=why):
            review(lane, rule, line)
    lane.run()
    assert len(lane.claim().settlements) == 1


def test_a_decision_is_made_once(lane: Lane) -> None:
    doubt(lane)
    lane.town.loses_request = lambda _source, _peer, body: b"visit-rules" in body
    review(lane, "R09", "6")
    with pytest.raises(InsurerError, match=r"R09 of claim-.* is decided already"):
        review(lane, "R09", "6", accepted=False)


def test_killed_anywhere_a_review_ends_the_same(tmp_path: Path) -> None:
    for kill in range(1, 22, 7):
        lane = Lane(tmp_path / str(kill))
        doubt(lane)
        begun = lane.town.actions
        lane.town.kills = {begun + kill}
        with suppress(Killed):
            review(lane, "R09", "6")
        lane.run()
        assert (lane.claim().status, lane.bank.balance) == ("PAID", 206_000), kill
        assert len(lane.claim().settlements) == 2


def test_a_hospital_that_says_a_refused_line_is_not_refused_is_disputed(tmp_path: Path) -> None:
    def forget(result: Any) -> Any:
        return replace(result, reasons=()) if result.reviews else result

    lane = altered(tmp_path, forget)
    doubt(lane)
    review(lane, "R09", "6", accepted=False)
    lane.run_for(60_000)
    assert notes(lane, "visit-disputed")
    assert len(lane.claim().settlements) == 1


def test_a_hospital_that_leaves_a_decision_out_settles_nothing(tmp_path: Path) -> None:
    leave_out: Alter = lambda result: replace(result, reviews=())  # noqa: E731
    lane = altered(tmp_path, leave_out)
    doubt(lane)
    review(lane, "R09", "6")
    lane.run_for(60_000)
    assert len(lane.claim().settlements) == 1


def reviewing(lane: Lane) -> Lane:
    """Bring a lane to where the insurer asks with a decision, and let no question through."""
    doubt(lane)
    heard: list[tuple[str, str, bytes]] = []
    Heard.questions[id(lane)] = heard

    def lose(source: str, peer: str, body: bytes) -> bool:
        if b"visit-rules" in body:
            heard.append((source, peer, body))
        return b"visit-rules" in body

    lane.town.loses_request = lose
    review(lane, "R09", "6")
    lane.run_for(20_000)
    return lane


INVENTED = (
    (VisitReview("R05", 6, accepted=True),),
    (VisitReview("R09", 5, accepted=True),),
    (VisitReview("R09", 4096, accepted=True),),
    (VisitReview("R09", None, accepted=True),),
    (VisitReview("R09", 6, accepted=True), VisitReview("R09", 6, accepted=False)),
)


def test_the_hospital_takes_no_decision_on_what_it_did_not_pend(lane: Lane) -> None:
    reviewing(lane)
    for reviews in INVENTED:
        change: Callable[[VisitPremises], VisitPremises] = lambda premises: replace(premises, reviews=reviews)  # noqa: B023, E731
        assert ask(lane, change).startswith("PREMISES review: expected a finding that is pended")


def test_a_decision_that_was_brought_is_not_exchanged_to_try_out_another_line(lane: Lane) -> None:
    lane.insure(execution=VISIT)
    lane.stay(lines=[*DOUBTED[:4], DOUBTED[4] | {"reasonable": False}, *DOUBTED[5:]])
    lane.run()
    heard: list[tuple[str, str, bytes]] = []
    Heard.questions[id(lane)] = heard

    def note(source: str, peer: str, body: bytes) -> bool:
        if b"visit-rules" in body:
            heard.append((source, peer, body))
        return False

    lane.town.loses_request = note
    review(lane, "R09", "6")
    lane.run_for(1_000)
    lane.town.loses_request = lambda _source, _peer, body: b"visit-rules" in body
    for reviews in ((), (VisitReview("R09", 5, accepted=True),), (VisitReview("R09", 6, accepted=False),)):
        change: Callable[[VisitPremises], VisitPremises] = lambda premises: replace(premises, reviews=reviews)  # noqa: B023, E731
        assert ask(lane, change).startswith(("PREMISES reviews: expected those that were brought before", "ALREADY"))
    both = (VisitReview("R09", 6, accepted=True), VisitReview("R09", 5, accepted=True))
    assert ask(lane, lambda premises: replace(premises, reviews=both)).startswith("EXECUTING")


def test_rules_do_not_visit_settled_closings_again_without_a_decision(lane: Lane) -> None:
    reviewing(lane)
    assert ask(lane, lambda premises: replace(premises, reviews=())).startswith("ALREADY_SETTLED")
    assert len(list_executions(lane.town.view, lane.claim().claim.claim_id)) == 1


def test_a_grant_without_a_use_left_lets_no_review_in_and_the_claim_says_so(lane: Lane) -> None:
    wang = lane.insure(execution=VISIT, uses_max=1)
    lane.stay(lines=DOUBTED)
    lane.run()
    review(lane, "R09", "6")
    lane.run_for(60_000)
    assert len(lane.claim().settlements) == 1
    assert "AUTH-013" in [str(fields["code"]) for fields in notes(lane, "visit-refused")]
    assert (lane.claim().status, lane.claim().claim.steps[-1].reference) == ("AWAITING_CONSENT", "AUTH-013 uses")
    wang.consent(execution=VISIT)
    lane.run()
    assert (lane.claim().status, len(lane.claim().settlements)) == ("PAID", 2)


def test_a_decision_that_comes_while_a_settlement_is_under_way_does_not_make_the_claim_wait(lane: Lane) -> None:
    lane.insure(execution=VISIT, uses_max=2)
    lane.stay(lines=[*LINES[:4], *(line | {"reasonable": False} for line in LINES[4:6]), LINES[6]])
    lane.run()
    held: list[Submission] = []

    def hold(item: Submission) -> bool:
        if any(tx.method == "settle" for tx in item.transactions):
            held.append(item)
            return True
        return False

    lane.town.loses_submission = hold
    review(lane, "R09", "5")
    lane.run_for(10_000)
    assert held
    review(lane, "R09", "6")
    lane.run_for(10_000)
    assert lane.town.codes("claims.await_consent") == []
    lane.town.loses_submission = lambda _item: False
    assert [receipt.code for receipt in lane.town.add_block((held[0],))] == ["OK"]


def doubted(lines: int) -> tuple[Case, Decision]:
    """Return a case of which every line is in doubt, with its decision."""
    (line, *_) = PLAIN.bill.lines
    share = PLAIN.bill.total // lines
    doubtful = tuple(
        replace(line, id=f"x{number}", amount=share, split=None, reasonable=False) for number in range(lines)
    )
    bill = replace(PLAIN.bill, total=share * lines, settlement=None, lines=doubtful)
    case = replace(PLAIN, bill=bill)
    return case, adjudicate(case)


def test_findings_on_too_many_lines_come_without_their_lines() -> None:
    few, many = doubted(3), doubted(REASONS_MAX + 1)
    assert [reason.line for reason in list_reasons(*few) if reason.rule == "R09"] == [1, 2, 3]
    assert {reason.line for reason in list_reasons(*many)} == {None}
    assert len(list_reasons(*many)) < 10


@given(st.sets(st.integers(1, 12), min_size=1), st.booleans())
def test_a_number_finds_the_line_that_was_meant_and_no_other(numbers: set[int], accepted: bool) -> None:
    case, decision = doubted(8)
    reviews = tuple(VisitReview("R09", number, accepted) for number in sorted(numbers))
    if max(numbers) > 8:
        with pytest.raises(VerificationError, match="expected a finding that is pended"):
            place_reviews(case, decision, reviews)
        return
    placed = place_reviews(case, decision, reviews)
    assert [item.line for item in placed] == [case.bill.lines[number - 1].id for number in sorted(numbers)]
    again = adjudicate(replace(case, reviews=placed))
    waiting = {line.line for line in again.lines if line.status == "pended"}
    assert waiting.isdisjoint({item.line for item in placed})
