"""Rules visit the data, on the whole lane: the hospital runs them, the insurer settles on what they said."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace as renew
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

from contracts.adjudication.engine import adjudicate
from contracts.executions import ExecutionReceipt, ListExecutions
from contracts.grants import GrantView, ShowGrant
from contracts.stays import ListSeen, RecordView
from ledger.codec import decode, encode
from ledger.crypto.signatures import sign_envelope, sign_instruction
from nodes.agent import AgentEffect, AgentInput, Answer, Call, PeerRequested
from nodes.api.insurer import describe_visited
from nodes.api.records import list_records, list_visits
from nodes.cli.claims.claim import explain_visited
from nodes.cli.customers.record import explain_visit
from nodes.roles.activity import SOURCES, list_looks
from nodes.roles.claims.adjudicator import hash_installed_rules
from nodes.roles.exchange.opening import ClaimOpening, VisitOpening
from nodes.roles.exchange.questions import Refusal, VisitAnswer, VisitRules, decode_question, decode_reply, encode_body
from nodes.roles.exchange.visits import (
    VisitPremises,
    VisitResult,
    list_executions,
    premises_context,
    result_context,
)
from nodes.roles.hospital import Hospital
from nodes.roles.hospital import premises as hospital_premises
from nodes.roles.insurer import visiting as insurer_visiting
from nodes.roles.insurer.inquiries import InsurerError
from nodes.roles.lookup import find_stay
from nodes.schemas.looks import Look, sort_looks
from nodes.vault.sealing import seal
from tests.nodes.roles.desk import discharge
from tests.nodes.roles.lane import Lane
from tests.nodes.roles.town import Customer, Killed, Kit

VISIT = "rules-visit-data"
Alter = Callable[[VisitResult], VisitResult]


@pytest.fixture
def lane(tmp_path: Path) -> Lane:
    return Lane(tmp_path)


def notes(lane: Lane, event: str) -> list[dict[str, Any]]:
    return [fields for _, what, fields in lane.town.notes if what == event]


def refusals(lane: Lane) -> list[str]:
    return [str(fields["code"]) for fields in notes(lane, "visit-refused")]


def test_a_stay_is_paid_although_no_record_left_the_hospital(lane: Lane) -> None:
    wang = lane.insure(execution=VISIT)
    number = lane.stay()
    lane.run()
    assert (lane.claim().status, lane.payable(), lane.bank.balance) == ("PAID", 206_000, 206_000)
    assert lane.town.codes("records.share") == []
    assert lane.town.codes("visits.execute", "hospital-a") == ["OK"]
    assert lane.town.codes("claims.settle", "insurer-a") == ["OK"]
    assert lane.desk.agent.show(number).lanes[0].state == "visited"
    seen = lane.town.query(
        "visits", "of_subject", ListExecutions(wang.pseudonym.name, ""), tuple[ExecutionReceipt, ...]
    )
    assert [(item.hospital, item.recipient) for item in seen] == [("hospital-a", "insurer-a")]


def looks(lane: Lane, wang: Customer) -> tuple[Look, ...]:
    subject = wang.pseudonym.name
    return sort_looks(look for source in SOURCES for look in list_looks(lane.town.view, subject, source, "").looks)


def test_every_visit_is_in_the_customers_activity_and_none_of_it_was_released(lane: Lane) -> None:
    wang = lane.insure(execution=VISIT)
    number = lane.stay()
    lane.run()
    lane.desk.correct(number)
    lane.run()
    first, second = looks(lane, wang)
    claim = lane.claim().claim
    assert [look.id for look in (first, second)] == [f"{claim.claim_id}.{n}.{claim.stay_ids[0]}" for n in (1, 2)]
    for look in (first, second):
        assert (look.kind, look.status, look.by, look.role) == ("visit", "visited", "insurer-a", "insurer")
        assert (look.signer, look.grant, look.grant_version) == ("hospital-a", claim.grant_id, 1)
        assert (look.record, look.field_set, look.fields) == (None, None, ())
        assert set(look.record_types) == {"admission", "item-list", "invoice", "discharge-summary"}
    assert first.height < second.height


def test_a_record_shows_the_visits_that_read_it_and_those_only(lane: Lane) -> None:
    wang = lane.insure(execution=VISIT)
    number = lane.stay()
    lane.run()
    lane.desk.correct(number)
    lane.run()
    views = lane.town.query("records", "of_subject", ListSeen(wang.pseudonym.name, ""), tuple[RecordView, ...])
    stay = find_stay(lane.town.view, lane.claim().claim.stay_ids[0])
    assert stay is not None
    visits = {view.record.record_id: list_visits(lane.town.view, stay, view.record.record_id) for view in views}
    read = {
        (view.record.record_type, view.record.kind): [visit.sequence for visit in visits[view.record.record_id]]
        for view in views
    }
    assert read["admission", "original"] == [1, 2]
    assert read["invoice", "original"] == [1], "it was replaced before the second visit"
    assert read["invoice", "replacement"] == [2]
    assert {(visit.by, visit.hospital) for found in visits.values() for visit in found} == {("insurer-a", "hospital-a")}
    node: Any = SimpleNamespace(view=lane.town.view, application=lane.town.application)
    caller: Any = SimpleNamespace(name=wang.pseudonym.name, role="customer")
    page = asyncio.run(list_records(node, caller))
    assert {info.record: info.visits for info in page.records} == visits
    line = explain_visit(next(found[0] for found in visits.values() if found).model_dump())
    assert "insurer-a 的规则在 hospital-a 就地计算 its rules computed there · grant-" in line


def test_the_insurer_is_told_that_the_hospital_computed_and_how_little_it_knows(lane: Lane) -> None:
    lane.insure(execution=VISIT)
    lane.stay()
    lane.run()
    visited = describe_visited(lane.shown())
    assert visited is not None
    assert (visited.hospital, visited.payable, visited.deductible) == ("hospital-a", "2060.00", "0.00")
    computed_zh, known_zh, computed_en, known_en = explain_visited(visited.model_dump())
    assert computed_zh.startswith("hospital-a 按本公司规则在院内计算")
    assert known_zh.startswith("本公司只知道应付金额和所用的年度免赔额")
    assert computed_en == "hospital-a computed this by your rules, on records that stayed there."
    assert known_en.startswith("You know payable and deductible (the year's) only")


def test_a_claim_whose_records_were_handed_over_is_said_to_be_computed_by_nobody_else(lane: Lane) -> None:
    lane.insure()
    lane.stay()
    lane.run()
    assert describe_visited(lane.shown()) is None
    assert explain_visited(None) == []


def test_the_customer_runs_the_rules_again_and_the_insurer_has_no_case(lane: Lane) -> None:
    wang = lane.insure(execution=VISIT)
    lane.stay()
    lane.run()
    opening = lane.opening(wang)
    assert adjudicate(opening.case) == opening.decision
    opening.payable.verify(lane.claim().settlements[0].outcome.payable)
    shown = lane.shown()
    assert shown.settled is not None
    assert isinstance(shown.settled.opening, VisitOpening)
    with pytest.raises(InsurerError, match="only the customer and its hospital can open it"):
        lane.insurer.draft_opening(lane.claim().claim.claim_id, "regulator", "insurance-supervision")


def test_nothing_of_the_case_is_in_what_the_insurer_can_read(tmp_path: Path) -> None:
    results: list[bytes] = []

    def listen(result: VisitResult) -> VisitResult:
        results.append(encode(result))
        return result

    lane = altered(tmp_path, listen)
    lane.insure(execution=VISIT)
    lane.stay()
    lane.run()
    assert lane.claim().status == "PAID"
    (result,) = results
    for secret in (b"N84", b"33060126", b"surgery", encode(648_000), b"general"):
        assert secret not in result, secret
    insurer = lane.town.folder / "insurer-a" / "vault"
    assert not [path for path in insurer.rglob("*") if path.is_file() and "record" in path.name]


def test_killed_anywhere_the_lane_ends_the_same(tmp_path: Path) -> None:
    for kill in range(1, 40, 4):
        lane = Lane(tmp_path / str(kill))
        lane.insure(execution=VISIT)
        number = lane.desk.admit().number
        lane.run()
        begun = lane.town.actions
        lane.town.kills = {begun + kill}
        with suppress(Killed):
            lane.desk.discharge(number)
        lane.run()
        assert lane.town.actions > begun + kill
        assert (lane.claim().status, lane.bank.balance) == ("PAID", 206_000), kill
        assert lane.town.codes("claims.settle", "insurer-a").count("OK") == 1


def test_a_correction_is_visited_again_and_only_the_difference_moves(lane: Lane) -> None:
    lane.insure(execution=VISIT)
    number = lane.stay()
    lane.run()
    lane.desk.correct(number)
    lane.run()
    claim = lane.claim()
    assert (claim.status, len(claim.settlements)) == ("PAID", 2)
    assert lane.bank.balance == lane.payable()
    assert [item.outcome.version for item in list_executions(lane.town.view, claim.claim.claim_id)] == [1, 2]


def test_rules_that_are_not_in_force_go_nowhere_and_are_no_entry_about_the_customer(
    lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    lane.insure(execution=VISIT)
    with monkeypatch.context() as patch:
        patch.setattr(insurer_visiting, "hash_installed_rules", lambda: bytes(32))
        lane.stay()
        lane.run_for(60_000)
        waits = lane.insurer.show_claim(lane.claim().claim.claim_id).waits
        assert waits is not None
        assert waits.code == "RULES"
    lane.run()
    assert lane.claim().status == "PAID"
    assert lane.town.codes("visits.refuse_visit") == []


def test_a_visit_that_an_upgrade_overtook_settles_nothing_and_the_rules_in_force_visit(
    lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    lane.insure(execution=VISIT)
    with monkeypatch.context() as patch:  # both still have the former rules
        for module in (hospital_premises, insurer_visiting):
            patch.setattr(module, "hash_installed_rules", lambda: bytes(32))
            patch.setattr(module, "hash_pinned_rules", lambda _view: bytes(32))
        lane.stay()
        lane.run_for(60_000)
        assert set(lane.town.codes("visits.execute")) == {"STALE_RULES"}
        patch.undo()
        lane.town.loses_submission = lambda item: any(tx.method == "settle" for tx in item.transactions)
        lane.run_for(60_000)
        entered = list_executions(lane.town.view, lane.claim().claim.claim_id)
        assert [item.outcome.rules for item in entered] == [hash_installed_rules()]
        patch.setattr(insurer_visiting, "hash_pinned_rules", lambda _view: bytes(32))
        lane.town.loses_submission = lambda _item: False
        lane.run_for(60_000)
        assert lane.town.codes("claims.settle") == [], "what other rules computed is not settled on"
    lane.run()
    assert lane.claim().status == "PAID"


def test_two_claims_at_once_start_from_one_balance_and_the_second_is_visited_again(lane: Lane) -> None:
    lane.insure(execution=VISIT)
    numbers = [lane.desk.admit().number for _ in range(2)]
    lane.run()
    invoices: list[dict[str, Any]] = [
        {"code": "33060126", "number": f"0000000{place}", "check_code": "c0ffee"} for place in range(2)
    ]
    for number, invoice in zip(numbers, invoices, strict=True):
        lane.desk.discharge(number, discharge(invoice=invoice))
    lane.run()
    assert [claim.status for claim in lane.claims()] == ["PAID", "PAID"]
    starts = [claim.settlements[0].outcome.accumulator_sequence for claim in lane.claims()]
    assert sorted(starts) == [0, 1]


def test_a_result_that_was_overtaken_waits_for_consent_if_no_use_is_left_for_another(lane: Lane) -> None:
    wang = lane.know()
    lane.issue()
    wang.consent(execution=VISIT, uses_max=2)
    numbers = [lane.desk.admit().number for _ in range(2)]
    lane.run()
    for place, number in enumerate(numbers):
        bill = {"code": "33060126", "number": f"0000000{place}", "check_code": "c0ffee"}
        lane.desk.discharge(number, discharge(invoice=bill))
    lane.run()
    assert sorted(claim.status for claim in lane.claims()) == ["AWAITING_CONSENT", "PAID"]
    (waiting,) = (claim.claim for claim in lane.claims() if claim.status == "AWAITING_CONSENT")
    assert waiting.steps[-1].reference == "AUTH-013 uses"
    assert lane.town.codes("claims.await_consent") == ["OK"], "said once, however often the insurer asks"
    wang.consent(execution=VISIT)
    lane.run()
    assert [claim.status for claim in lane.claims()] == ["PAID", "PAID"]


def test_a_revocation_before_the_result_is_told_keeps_it_here(lane: Lane) -> None:
    wang = lane.know()
    lane.issue()
    grant_id = wang.consent(execution=VISIT)
    number = lane.desk.admit().number
    lane.run()
    lane.town.loses_request = lambda _source, _peer, body: (
        b"visit-rules" in body and bool(lane.town.codes("visits.execute"))
    )
    lane.desk.discharge(number)
    lane.run_for(20_000)
    assert lane.town.codes("visits.execute") == ["OK"]
    wang.revoke(grant_id)
    lane.town.loses_request = lambda _source, _peer, _body: False
    lane.run()
    assert (lane.claim().status, lane.claim().settlements) == ("AWAITING_CONSENT", ())
    assert notes(lane, "visit-opened") == []


def test_after_a_revocation_a_new_grant_that_hands_over_goes_on_the_other_way(lane: Lane) -> None:
    wang = lane.know()
    lane.issue()
    grant_id = wang.consent(execution=VISIT)
    number = lane.desk.admit().number
    lane.run()
    wang.revoke(grant_id)
    lane.desk.discharge(number)
    lane.run()
    assert lane.claim().status == "AWAITING_CONSENT"
    wang.consent()
    assert (lane.claim().status, lane.town.codes("visits.execute")) == ("PAID", [])
    assert lane.town.codes("records.share").count("OK") == 4


# --------------------------------------------------------------------------------------------------- bad results


class Lying(Hospital):
    """A hospital that tells another result than it entered."""

    alter: Alter
    kit: Kit

    def step(self, event: AgentInput) -> list[AgentEffect]:
        effects = super().step(event)
        if not isinstance(event, PeerRequested):
            return effects
        return [renew(item, body=self._change(item.body)) if isinstance(item, Answer) else item for item in effects]

    def _change(self, body: bytes) -> bytes:
        reply = decode_reply(body)
        if not isinstance(reply, VisitAnswer):
            return body
        context = result_context(self.kit.genesis.chain_id, reply.claim_id, self.name, "insurer-a")
        insurer = Kits.keystore["insurer-a"]
        changed = self.alter(decode(insurer.seal.open(reply.result, context), VisitResult))
        sealed = seal(insurer.seal.public_key, context, encode(changed))
        signature = sign_envelope(self.kit.keystore.submission, encode((sealed, reply.opening)))
        return encode_body(replace(reply, result=sealed, signature=signature))


class Kits:
    """Keys of the town's members, for those who lie."""

    keystore: dict[str, Any] = {}  # noqa: RUF012 - filled by each test


def altered(folder: Path, alter: Alter) -> Lane:
    """Return a lane whose hospital tells `alter(result)`."""
    lane = Lane(folder)
    Kits.keystore = lane.town._keystores

    def build(kit: Kit) -> Hospital:
        hospital = Lying(kit.name, kit.view, kit.keystore, kit.vault, kit.register, kit.entropy)
        hospital.alter, hospital.kit = alter, kit
        return hospital

    lane.town.install("hospital-a", build)
    return lane


@pytest.mark.parametrize(
    ("alter", "why"),
    [
        (lambda result: replace(result, payable=replace(result.payable, amount=result.payable.amount + 1)), "opening"),
        (lambda result: replace(result, payable=replace(result.payable, blinding=bytes(32))), ""),
        (lambda result: replace(result, standing=replace(result.standing, payable=1)), "standing payable"),
        (lambda result: replace(result, disposition="PENDED"), "pended"),
    ],
)
def test_a_result_that_is_not_the_one_entered_is_disputed_and_settles_nothing(
    tmp_path: Path, alter: Alter, why: str
) -> None:
    lane = altered(tmp_path, alter)
    lane.insure(execution=VISIT)
    lane.stay()
    lane.run_for(90_000)
    assert notes(lane, "visit-disputed")
    assert (lane.claim().settlements, lane.bank.moves) == ((), [])
    waits = lane.shown().waits
    assert waits is not None
    assert waits.code == "VISIT-DISPUTED"


# ------------------------------------------------------------------------------------------------- bad premises


def ask(lane: Lane, alter: Callable[[VisitPremises], VisitPremises], peer: str = "insurer-a") -> str:
    """Ask the hospital with altered premises of a claim that waits; return the code of the answer."""
    question = next(body for source, _, body in asked(lane) if source == "insurer-a")
    decoded = decode_question(question)
    assert isinstance(decoded, VisitRules)
    keys = lane.town._keystores
    context = premises_context(lane.town.genesis.chain_id, decoded.claim_id, "insurer-a", "hospital-a")
    premises = alter(decode(keys["hospital-a"].seal.open(decoded.premises, context), VisitPremises))
    sealed = seal(keys["hospital-a"].seal.public_key, context, encode(premises))
    signed = VisitRules(decoded.claim_id, sealed, sign_instruction(keys["insurer-a"].submission, encode(sealed)))
    return answer(lane, signed, peer)


def answer(lane: Lane, question: VisitRules, peer: str = "insurer-a") -> str:
    effects = lane.desk.agent.step(PeerRequested(7, peer, encode_body(question), lane.town.now_ms))
    lane.town._perform("hospital-a", [item for item in effects if not isinstance(item, Answer)])
    reply = decode_reply(next(item.body for item in effects if isinstance(item, Answer)))
    assert isinstance(reply, Refusal)
    return f"{reply.code} {reply.reason}"


def asked(lane: Lane) -> list[tuple[str, str, bytes]]:
    return Heard.questions[id(lane)]


class Heard:
    """What insurers asked hospitals, by lane."""

    questions: dict[int, list[tuple[str, str, bytes]]] = {}  # noqa: RUF012 - filled by each test


def waiting(lane: Lane, **terms: Any) -> Lane:
    """Bring a lane to where the insurer asks, and let no question through."""
    heard: list[tuple[str, str, bytes]] = []
    Heard.questions[id(lane)] = heard

    def lose(source: str, peer: str, body: bytes) -> bool:
        if b"visit-rules" not in body:
            return False
        heard.append((source, peer, body))
        return True

    lane.town.loses_request = lose
    lane.insure(execution=VISIT, **terms)
    lane.stay()
    lane.run_for(20_000)
    assert heard
    return lane


def first(premises: VisitPremises, **changes: Any) -> VisitPremises:
    return replace(premises, policies=(replace(premises.policies[0], **changes), *premises.policies[1:]))


def accumulated(premises: VisitPremises, **changes: Any) -> VisitPremises:
    return first(premises, accumulator=replace(premises.policies[0].accumulator, **changes))


@pytest.mark.parametrize(
    ("alter", "expected"),
    [
        (lambda premises: first(premises, payee_version=2), "PREMISES payee version"),
        (lambda premises: first(premises, policy_id="policy-000000000000"), "PREMISES policy"),
        (lambda premises: first(premises, period_salt=bytes(32)), "PREMISES days in force"),
        (
            lambda premises: first(premises, policy=replace(premises.policies[0].policy, until_day=30_000)),
            "PREMISES days in force",
        ),
        (lambda premises: accumulated(premises, paid_year=1), "PREMISES paid this year"),
        (lambda premises: accumulated(premises, sequence=1), "STALE_ACCUMULATOR"),
        (lambda premises: replace(premises, version=2), "STALE_VERSION"),
    ],
)
def test_premises_that_the_chain_contradicts_are_refused_and_nothing_is_entered(
    lane: Lane, alter: Callable[[VisitPremises], VisitPremises], expected: str
) -> None:
    waiting(lane)
    assert ask(lane, alter).startswith(expected)
    assert lane.town.codes("visits.execute") == []


def test_premises_of_another_insurer_or_unsigned_are_refused(lane: Lane) -> None:
    waiting(lane)
    question = decode_question(asked(lane)[0][2])
    assert isinstance(question, VisitRules)
    assert answer(lane, question, "insurer-b").startswith("UNKNOWN_CLAIM")
    assert answer(lane, replace(question, signature=bytes(64))).startswith("PREMISES")
    assert answer(lane, replace(question, claim_id="claim-000000000000")).startswith("UNKNOWN_CLAIM")


def test_under_a_grant_that_was_amended_to_hand_over_no_rules_are_let_in(lane: Lane) -> None:
    waiting(lane)
    amend_to_hand_over(lane)
    assert ask(lane, lambda premises: premises).startswith("AUTH-013")
    assert lane.town.codes("visits.execute") == []


def amend_to_hand_over(lane: Lane) -> None:
    """Have wang amend her grant so that records are handed over."""
    grant = lane.town.query("consent", "show", ShowGrant(lane.claim().claim.grant_id), GrantView).versions[-1].grant
    permission = replace(grant.permission, mode="STORE")
    amended = replace(grant, version=2, previous_version=1, permission=permission, execution="data-to-insurer")
    assert Customer(lane.town, "wang").post(Call("consent", "grant", amended)).ok


def test_what_the_rules_left_undecided_a_person_reviews_after_a_hand_over(lane: Lane) -> None:
    lane.insure(execution=VISIT)
    lane.stay(accident=None, hanging_bed=True)
    lane.run()
    claim = lane.claim()
    assert (claim.status, len(claim.settlements)) == ("PENDED", 1)
    amend_to_hand_over(lane)
    lane.run()
    claim = lane.claim()
    assert (claim.status, len(claim.settlements), claim.settlements[-1].outcome.is_review) == ("PENDED", 2, True)
    shown = lane.shown()
    assert shown.settled is not None
    assert isinstance(shown.settled.opening, ClaimOpening)
    assert [reason.action for reason in shown.settled.opening.decision.reasons]
