"""The insurer on the whole lane: what is paid, what is not, and why."""

from dataclasses import replace as renew
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from contracts.adjudication.case import Case, Review
from contracts.adjudication.decision import Decision
from contracts.adjudication.engine import adjudicate
from contracts.listings import FindTotal
from contracts.settlements import Outcome, Withdraw
from contracts.stays import ShowStay, StayView
from contracts.totals import YearTotal, sum_year
from ledger.codec import encode
from ledger.crypto.commitments import add_commitments
from ledger.crypto.hashes import commit_salted
from ledger.errors import LedgerError, VerificationError
from ledger.transactions import Submission
from nodes.agent import AgentEffect, AgentInput, Answer, Call, PeerRequested
from nodes.entropy import SeededEntropy
from nodes.identity import synthetic_identity
from nodes.roles.claims.adjudicator import hash_installed_rules
from nodes.roles.exchange.intake import DISPUTE
from nodes.roles.exchange.opening import hash_opening
from nodes.roles.exchange.questions import RecordHandover, Refusal, decode_reply, encode_body
from nodes.roles.insurer import desk
from nodes.roles.insurer.inquiries import InsurerError
from nodes.roles.insurer.portfolio import PortfolioError
from nodes.roles.lookup import find_record
from nodes.roles.people import PeopleError
from nodes.schemas.product import ProductError
from nodes.schemas.products import find_product
from tests.nodes.roles.desk import build_hospital, discharge, example
from tests.nodes.roles.lane import Lane
from tests.nodes.roles.town import TODAY, Customer, Kit


@pytest.fixture
def lane(tmp_path: Path) -> Lane:
    return Lane(tmp_path)


def plain_bill(amount: str, number: str, **changes: Any) -> dict[str, Any]:
    """Return the changes that make a discharge one line and a bill without basic insurance."""
    line = {"id": "l1", "item": "surgery-all", "category": "surgery", "amount": amount, "reasonable": True}
    return {
        "bill": {"currency": "CNY", "medfee_sumamt": amount},
        "lines": [{**line, **changes}],
        "procedures": [],
        "invoice": {"code": "33060126", "number": number, "check_code": "c0ffee"},
        "basic_insurance": "unused",
    }


def codes(lane: Lane, method: str) -> list[str]:
    return lane.town.codes(method, "insurer-a")


def settled_outcome(lane: Lane) -> Outcome:
    return lane.claim().settlements[-1].outcome


def claim_parts(lane: Lane) -> tuple[str, ...]:
    """Return the records that the one claim's stay was closed with."""
    stay = lane.town.query("records", "stay", ShowStay(lane.claim().claim.stay_ids[0]), StayView)
    parts: tuple[str, ...] = stay.closings[-1].parts
    return parts


# ------------------------------------------------------------------------------------------------ the main lane


def test_a_covered_stay_pays_2060_without_anybodys_application(lane: Lane) -> None:
    lane.insure()
    lane.stay()
    lane.run()
    assert (lane.claim().status, lane.payable(), lane.bank.balance) == ("PAID", 206_000, 206_000)
    assert (codes(lane, "records.deliver"), codes(lane, "claims.settle")) == (["OK"] * 4, ["OK"])
    assert len(lane.bank.moves) == 1
    assert (lane.bank.moves[0].payee_name, lane.bank.moves[0].payee_account) == ("account of wang", "6222 0001")


def test_confirmations_and_settlement_are_in_one_block_in_this_order(lane: Lane) -> None:
    lane.insure()
    lane.stay()
    lane.run()
    calls = [f"{tx.contract}.{tx.method}" for tx, _ in lane.town.receipts]
    assert calls[-7:] == ["records.deliver"] * 4 + ["claims.settle"] + ["claims.pay"] * 2
    claim = lane.claim()
    height = claim.settlements[0].place.height
    for record_id in claim_parts(lane):
        record = find_record(lane.town.view, record_id)
        assert record is not None
        handover = record.shares[-1].handover
        assert handover is not None
        assert handover.place.height == height


def test_the_customer_computes_her_settlement_again_from_what_is_sealed_to_her(lane: Lane) -> None:
    wang = lane.insure()
    lane.stay()
    lane.run()
    opening, outcome = lane.opening(wang), settled_outcome(lane)
    assert adjudicate(opening.case) == opening.decision
    assert opening.decision.transfer == 206_000
    assert outcome.case == commit_salted(opening.case_salt, encode(opening.case))
    assert outcome.decision == commit_salted(opening.decision_salt, encode(opening.decision))
    for amount, commitment in (
        (opening.payable, outcome.payable),
        (opening.deductible, outcome.deductible),
        (opening.paid_after, outcome.paid_after),
        (opening.deductible_used_after, outcome.deductible_used_after),
    ):
        amount.verify(commitment)
    assert opening.totals[0].amount == 648_000


def test_nobody_else_gets_an_opening(lane: Lane) -> None:
    wang = lane.insure()
    lane.insure("li")
    number = lane.desk.admit().number
    lane.run()
    claim_id = lane.claim().claim.claim_id
    with pytest.raises(InsurerError, match="there is no settlement to open yet"):
        lane.insurer.customer_opening(claim_id, wang.pseudonym.name)
    lane.desk.discharge(number)
    lane.run()
    li = Customer(lane.town, "li")
    with pytest.raises(InsurerError, match=f"expected one of {li.pseudonym.name}"):
        lane.insurer.customer_opening(claim_id, li.pseudonym.name)
    with pytest.raises(InsurerError, match="expected one of insurer-a"):
        lane.insurer.show_claim("claim-000000000000")
    other = Customer(lane.town, "wang", wallet=li.wallet)
    other.pseudonym = renew(wang.pseudonym, seal_key=li.pseudonym.seal_key)
    with pytest.raises(VerificationError, match="do not open"):
        lane.opening(other)


def test_a_settled_claim_is_settled_once_whatever_restarts(lane: Lane) -> None:
    lane.insure()
    lane.stay()
    lane.run()
    for name in ("insurer-a", "rail", "hospital-a"):
        lane.town.restart(name)
        lane.run()
    assert (codes(lane, "claims.settle"), len(lane.bank.moves), lane.bank.balance) == (["OK"], 1, 206_000)


def test_no_amount_no_name_and_no_account_is_in_a_log_line_or_on_the_chain(lane: Lane) -> None:
    lane.insure()
    lane.stay()
    lane.run()
    for secret in ("206000", "2060.00", "6222", "N84.0", "account of wang"):
        assert secret not in str(lane.town.notes)
        assert all(secret.encode() not in tx.arguments for tx, _ in lane.town.receipts)


# ------------------------------------------------------------------------------------------- balances and corrections


def test_two_stays_that_race_for_one_deductible_consume_it_once(lane: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    lane.insure(product="million-medical")
    numbers = [lane.desk.admit().number for _ in range(2)]
    lane.run()
    make_block = lane.town._make_block

    def make_block_once_both_are_settling() -> None:
        settling = [item for item in lane.town.submissions if item.transactions[-1].method == "settle"]
        if len(settling) == 1 and "OK" not in codes(lane, "claims.settle"):
            lane.town.submissions.remove(settling[0])
            if lane.town.submissions:
                make_block()
            lane.town.submissions.append(settling[0])
            return
        make_block()

    monkeypatch.setattr(lane.town, "_make_block", make_block_once_both_are_settling)
    for number in numbers:
        lane.desk.discharge(number, discharge(**plain_bill("15000.00", number.replace("-", ""))))
    lane.run()
    assert sorted(view.status for view in lane.claims()) == ["PAID", "PAID"]
    assert sorted(order.opening.amount for order in lane.bank.moves) == [300_000, 900_000]
    assert sorted(codes(lane, "claims.settle")) == ["OK", "OK", "STALE_ACCUMULATOR"]
    assert len(lane.insurer._desk.casebook._register.list_ids("draft")) == 2, "what was not settled is erased"


def test_the_year_of_the_insurer_adds_up_to_what_was_paid(lane: Lane) -> None:
    lane.insure()
    lane.stay()
    lane.run()
    number = lane.desk.admit().number
    lane.run()
    lane.desk.discharge(number, discharge(**plain_bill("1100.00", "0099")))
    lane.run()
    total = sum_year(lane.town.query("registers", "total", FindTotal("insurer-a", 2026, "CNY"), YearTotal))
    sum_of = lane.bank.moves[0].opening, lane.bank.moves[1].opening
    assert (total.claims, total.payments) == (2, 2)
    assert total.paid == add_commitments(*(lane.claims()[index].payments[0].amount for index in range(2)))
    assert sum(item.amount for item in sum_of) == 206_000 + 60_000


def test_a_correction_tops_up_and_the_next_one_is_recovered(lane: Lane) -> None:
    wang = lane.insure()
    number = lane.stay()
    lane.run()
    lane.desk.correct(number)
    lane.run()
    assert (lane.payable(), lane.bank.balance) == (224_000, 224_000)
    assert [order.opening.amount for order in lane.bank.moves] == [206_000, 18_000]
    lane.desk.correct(number, discharge())
    lane.run()
    claim = lane.claim()
    assert (claim.status, lane.payable(), lane.bank.balance) == ("PAID", 206_000, 206_000)
    assert [(order.direction, order.opening.amount) for order in lane.bank.moves[2:]] == [("recovery", -18_000)]
    assert [settlement.outcome.version for settlement in claim.settlements] == [1, 2, 3]
    assert claim.settlements[2].outcome.payable != claim.settlements[0].outcome.payable, "no blinding is used twice"
    assert adjudicate(lane.opening(wang).case).recovery == 18_000
    openings = lane.insurer.customer_openings(claim.claim.claim_id, wang.pseudonym.name)
    assert [hash_opening(openings[version]) for version in (1, 2, 3)] == [
        settlement.outcome.opening_hash for settlement in claim.settlements
    ]


def test_a_correction_that_changes_no_amount_moves_nothing_and_proves_it(lane: Lane) -> None:
    lane.insure()
    number = lane.stay()
    lane.run()
    lane.desk.correct(number, discharge(diagnoses=[{"icd10": "N84.1", "diagnosed": "today-3"}]))
    lane.run()
    claim = lane.claim()
    assert [item.outcome.disposition for item in claim.settlements] == ["payout", "none"]
    assert (claim.status, len(lane.bank.moves)) == ("PAID", 1)


def test_the_kept_opening_is_that_of_the_balance_on_the_chain(lane: Lane) -> None:
    lane.insure()
    lane.stay()
    lane.run()
    lane.town.restart("insurer-a")
    balances = lane.insurer._desk.premises.open_balance(lane.insurer.list_policies()[0])
    assert (balances.sequence, balances.opening.paid.amount) == (1, 206_000)
    balances.opening.paid.verify(settled_outcome(lane).paid_after)


# ------------------------------------------------------------------------------------------------------- consent


def test_a_grant_that_is_revoked_before_the_settlement_stops_it(lane: Lane) -> None:
    wang = lane.know()
    lane.issue()
    grant_id = wang.consent()
    number = lane.desk.admit().number
    lane.run()
    lane.town.loses_request = lambda source, _peer, _body: source == "insurer-a"
    lane.desk.discharge(number)
    while "records.share" not in [f"{tx.contract}.{tx.method}" for tx, _ in lane.town.receipts]:
        lane.town._deliver_something()
    wang.revoke(grant_id)
    lane.town.loses_request = lambda _source, _peer, _body: False
    lane.run()
    assert (lane.claim().status, lane.bank.moves) == ("AWAITING_CONSENT", [])
    wang.consent()
    lane.run()
    assert (lane.claim().status, lane.bank.balance) == ("PAID", 206_000)


def test_a_grant_that_is_revoked_after_the_hand_over_stops_the_settlement_too(lane: Lane) -> None:
    wang = lane.know()
    grant_id = wang.consent()
    lane.stay()
    lane.run()
    shown = lane.shown()
    assert shown.waits is not None
    assert (shown.waits.code, shown.shown.claim.settlement_version) == ("ELIG-005", 0)
    wang.revoke(grant_id)
    lane.issue()
    lane.run()
    assert (lane.claim().status, lane.bank.moves) == ("AWAITING_CONSENT", [])
    wang.consent()
    lane.run()
    assert (lane.claim().status, lane.bank.balance) == ("PAID", 206_000)


def test_the_last_uses_of_a_grant_are_enough_for_the_claim_they_handed_over(lane: Lane) -> None:
    wang = lane.know()
    lane.issue()
    wang.consent(uses_max=4)
    lane.stay()
    lane.run()
    consent = lane.opening(wang).case.consent
    assert consent is not None
    assert consent.uses_left == 4
    assert lane.bank.balance == 206_000


def test_a_claim_on_a_consumed_invoice_waits_and_is_not_offered_again_and_again(lane: Lane) -> None:
    lane.insure()
    lane.stay()
    lane.run()
    lane.stay()
    lane.run()
    assert lane.town.codes("claims.settle") == ["OK", "DUPL-001"]
    lane.issue()
    for _ in range(10):
        lane.town.pass_time(3_600_000)
        lane.run()
    assert lane.town.codes("claims.settle") == ["OK", "DUPL-001"]
    assert lane.bank.balance == 206_000


def test_a_claim_on_a_consumed_invoice_settles_once_the_hospital_corrects_it(lane: Lane) -> None:
    lane.insure()
    lane.stay()
    lane.run()
    number = lane.stay()
    lane.run()
    lane.desk.correct(number, discharge(invoice={"code": "33060126", "number": "7", "check_code": "c0ffee"}))
    lane.run()
    assert lane.town.codes("claims.settle") == ["OK", "DUPL-001", "OK"]
    assert [view.status for view in lane.claims()] == ["PAID", "PAID"]


def test_a_withdrawn_claim_on_a_consumed_invoice_leaves_no_draft_behind(lane: Lane) -> None:
    customer = lane.insure()
    lane.stay()
    lane.run()
    lane.stay()
    lane.run()
    waiting = next(view.claim.claim_id for view in lane.claims() if not view.settlements)
    assert lane.insurer._casebook.file(waiting).drafts
    assert customer.post(Call("claims", "withdraw", Withdraw(waiting))).ok
    lane.run()
    assert not lane.insurer._casebook.holds(waiting)
    assert lane.insurer.show_claim(waiting).waits is None


# -------------------------------------------------------------------------------------------------------- policy


def test_without_a_policy_a_claim_waits_and_settles_by_itself_once_there_is_one(lane: Lane) -> None:
    wang = lane.know()
    wang.consent()
    lane.stay()
    lane.run()
    assert codes(lane, "claims.settle") == []
    assert codes(lane, "records.deliver") == ["OK"] * 4
    lane.issue()
    lane.run()
    assert (lane.claim().status, lane.bank.balance) == ("PAID", 206_000)


@pytest.mark.parametrize(
    ("days", "code"),
    [((TODAY - 400, TODAY - 50), "ELIG-005"), ((TODAY - 2, TODAY + 300), "ELIG-006")],
    ids=["ended", "not-begun"],
)
def test_a_policy_that_is_out_of_force_pays_nothing_and_says_why(lane: Lane, days: tuple[int, int], code: str) -> None:
    wang = lane.insure(days=days)
    lane.stay()
    lane.run()
    assert (lane.claim().status, lane.bank.moves) == ("PENDED", [])
    assert code in [reason.code for reason in lane.opening(wang).decision.reasons]


def test_of_two_policies_in_force_the_one_that_was_issued_first_pays(lane: Lane) -> None:
    lane.know()
    lane.issue(days=(TODAY - 400, TODAY - 50))
    first = lane.issue(product="million-medical")
    lane.issue()
    Customer(lane.town, "wang").consent()
    lane.stay()
    lane.run()
    assert settled_outcome(lane).policy_id == first.policy_id


def test_a_renewal_has_no_waiting_period(lane: Lane) -> None:
    wang = lane.know()
    lane.issue(days=(TODAY - 300, TODAY - 10))
    lane.issue(days=(TODAY - 9, TODAY + 300))
    wang.consent()
    lane.stay(diagnoses=[{"icd10": "N84.0", "onset": "today-4", "diagnosed": "today-3"}])
    lane.run()
    case = lane.opening(wang).case
    assert (case.policy.renewal, case.policy.inception_day) == (True, TODAY - 300)
    assert lane.bank.balance == 206_000


def test_a_disease_within_the_waiting_period_pends(lane: Lane) -> None:
    wang = lane.insure(days=(TODAY - 9, TODAY + 300))
    lane.stay(diagnoses=[{"icd10": "N84.0", "onset": "today-4", "diagnosed": "today-3"}])
    lane.run()
    assert (lane.claim().status, lane.bank.moves) == ("PENDED", [])
    assert "AUTH-011" in [reason.code for reason in lane.opening(wang).decision.reasons]


# -------------------------------------------------------------------------------------------------------- review


def surcharge() -> dict[str, Any]:
    """Return the polyp with its nursing line booked as a surcharge for the bed, which is excluded."""
    lines = example("discharge")["lines"]
    return {"lines": [*lines[:-1], {**lines[-1], "item": "bed-surcharge"}]}


@pytest.mark.parametrize(("accepted", "paid"), [(True, 206_000), (False, 182_000)])
def test_a_pended_line_waits_for_a_person_while_the_rest_is_paid(lane: Lane, *, accepted: bool, paid: int) -> None:
    lane.insure()
    lane.stay(**surcharge())
    lane.run()
    assert (lane.claim().status, lane.bank.balance) == ("PENDED", 182_000)
    claim_id = lane.claim().claim.claim_id
    review = Review("R09", "l7", accepted=accepted)
    lane.town.operate("insurer-a", lambda insurer: insurer.review(claim_id, review, lane.town.now_ms))
    lane.run()
    claim = lane.claim()
    assert (claim.status, lane.bank.balance) == ("PAID", paid)
    assert [item.outcome.is_review for item in claim.settlements] == [False, True]
    with pytest.raises(InsurerError, match="expected a pended finding"):
        lane.insurer.review(claim_id, review, lane.town.now_ms)


def test_only_what_is_pended_can_be_reviewed(lane: Lane) -> None:
    lane.insure()
    lane.stay(**surcharge())
    lane.run()
    claim_id = lane.claim().claim.claim_id
    for review in (Review("R09", "l1", accepted=True), Review("R05", None, accepted=True)):
        with pytest.raises(InsurerError, match=r"expected a pended finding of .* \(R09 l7\)"):
            lane.insurer.review(claim_id, review, lane.town.now_ms)
    assert codes(lane, "claims.settle") == ["OK"]


# ---------------------------------------------------------------------------------------------------- hand-overs


class Falsifier:
    """A hospital whose answers are changed on their way, some of them."""

    def __init__(self, kit: Kit, change: Any, times: int) -> None:
        self.hospital = build_hospital(kit)
        self.name = kit.name
        self.change = change
        self.left = times

    def step(self, event: AgentInput) -> list[AgentEffect]:
        effects = self.hospital.step(event)
        if not isinstance(event, PeerRequested) or self.left == 0:
            return effects
        self.left -= 1
        return [self._falsify(effect) if isinstance(effect, Answer) else effect for effect in effects]

    def _falsify(self, answer: Answer) -> Answer:
        reply = decode_reply(answer.body)
        assert isinstance(reply, RecordHandover)
        changed = self.change(reply)
        return Answer(answer.request_id, changed if isinstance(changed, bytes) else encode_body(changed))

    def __getattr__(self, name: str) -> Any:
        """Ask the hospital behind."""
        return getattr(self.hospital, name)


def flip(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


@pytest.mark.parametrize(
    "change",
    [
        lambda reply: replace(reply, ciphertext=flip(reply.ciphertext)),
        lambda reply: replace(reply, envelope=replace(reply.envelope, signature=flip(reply.envelope.signature))),
        lambda reply: replace(reply, envelope=replace(reply.envelope, ciphertext_hash=bytes(32))),
        lambda _reply: b"\xff",
    ],
    ids=["payload", "signature", "hash", "garbage"],
)
def test_a_falsified_hand_over_is_disputed_and_the_next_one_settles(lane: Lane, change: Any) -> None:
    lane.town.install("hospital-a", lambda kit: Falsifier(kit, change, times=1))
    wang = lane.know_with(lane.town.agents["hospital-a"])
    lane.issue()
    wang.consent()
    number = lane.admit_with(lane.town.agents["hospital-a"])
    lane.run()
    lane.town.operate("hospital-a", lambda agent: agent.discharge(number, discharge(), lane.town.now_ms))
    lane.run()
    assert codes(lane, "records.dispute") == ["OK"]
    assert len(lane.insurer._intake._register.list_ids(DISPUTE)) == 1
    assert (lane.claim().status, lane.bank.balance) == ("PAID", 206_000)


def test_a_custodian_that_refuses_is_asked_again(lane: Lane) -> None:
    refusal = encode_body(Refusal("BUSY", "later"))
    lane.town.install("hospital-a", lambda kit: Falsifier(kit, lambda _reply: refusal, times=5))
    wang = lane.know_with(lane.town.agents["hospital-a"])
    lane.issue()
    wang.consent()
    number = lane.admit_with(lane.town.agents["hospital-a"])
    lane.run()
    lane.town.operate("hospital-a", lambda agent: agent.discharge(number, discharge(), lane.town.now_ms))
    lane.run()
    assert codes(lane, "records.dispute") == []
    assert lane.bank.balance == 206_000


def test_an_insurer_hands_nothing_over(lane: Lane) -> None:
    effects = lane.insurer.step(PeerRequested(1, "hospital-a", b"anything", lane.town.now_ms))
    (answer,) = effects
    assert isinstance(answer, Answer)
    reply = decode_reply(answer.body)
    assert isinstance(reply, Refusal)
    assert reply.code == "NOT_ASKED_HERE"


# ----------------------------------------------------------------------------------------------------- portfolio


def test_policies_that_make_no_sense_are_refused(lane: Lane) -> None:
    lane.know()
    insurer, now_ms = lane.insurer, lane.town.now_ms
    payee = ("wang", "6222")
    for days in ((TODAY, TODAY - 1), (TODAY, TODAY + 366)):
        with pytest.raises(PortfolioError, match="days: expected a first and a last day of one policy year"):
            insurer.issue_policy("wang", "inpatient-100", days, payee, now_ms)
    with pytest.raises(PortfolioError, match="payee: expected a name and an account"):
        insurer.issue_policy("wang", "inpatient-100", (TODAY, TODAY), ("wang", ""), now_ms)
    with pytest.raises(PeopleError, match="expected the number of a person"):
        insurer.issue_policy("li", "inpatient-100", (TODAY, TODAY), payee, now_ms)
    with pytest.raises(ProductError, match="expected one of inpatient-100, million-medical"):
        insurer.issue_policy("wang", "inpatient-1000", (TODAY, TODAY), payee, now_ms)
    with pytest.raises(PortfolioError, match="policy: expected one of insurer-a"):
        insurer.name_payee("policy-000000000000", payee, now_ms)
    assert insurer.list_policies() == ()


def test_a_product_is_fixed_once_it_is_registered(lane: Lane) -> None:
    product = find_product("inpatient-100")
    lane.town.operate("insurer-a", lambda insurer: insurer.register_product(product, lane.town.now_ms))
    lane.run()
    lane.town.operate("insurer-a", lambda insurer: insurer.register_product(product, lane.town.now_ms))
    with pytest.raises(PortfolioError, match="version 1 is fixed and differs"):
        lane.insurer.register_product(replace(product, continuation_days=31), lane.town.now_ms)
    lane.run()
    assert codes(lane, "coverage.register_product") == ["OK"]
    newer = replace(product, version=2, continuation_days=31)
    lane.town.operate("insurer-a", lambda insurer: insurer.register_product(newer, lane.town.now_ms))
    lane.know()
    assert lane.issue().product_version == 2


def test_the_commitments_of_a_policy_open_from_the_register_alone(lane: Lane) -> None:
    lane.insure()
    lane.town.restart("insurer-a")
    (entry,) = lane.insurer.list_policies()
    shown = lane.insurer._portfolio.shown(entry.policy_id)
    assert shown is not None
    assert (shown.versions[0].holder, shown.versions[0].period) == (entry.holder, entry.period)
    assert [payee.commitment for payee in shown.payees] == [payee.commitment for payee in entry.payees]
    assert entry.identity.name == "wang"
    assert "6222" not in repr(entry)


def test_a_person_is_entered_once(lane: Lane) -> None:
    lane.know()
    with pytest.raises(LedgerError, match="this one is entered for wang"):
        lane.insurer.register_person("wang2", Customer(lane.town, "wang").identity)
    lane.insurer.register_person("zhao", synthetic_identity("zhao", SeededEntropy(b"zhao")))


def test_a_lost_submission_is_made_again(lane: Lane) -> None:
    lane.insure()
    lost: list[int] = []

    def lose(submission: Submission) -> bool:
        if submission.signer == "hospital-a" or len(lost) >= 2:
            return False
        lost.append(1)
        return True

    lane.town.loses_submission = lose
    lane.stay()
    lane.run()
    assert (len(lost), lane.claim().status, lane.bank.balance) == (2, "PAID", 206_000)


def test_nothing_is_settled_before_the_last_document_is_here(lane: Lane) -> None:
    lane.insure()
    number = lane.desk.admit().number
    lane.run()
    lane.town.loses_request = lambda source, _peer, _body: source == "insurer-a"
    lane.desk.discharge(number)
    lane.run_for(60_000)
    assert (codes(lane, "records.deliver"), codes(lane, "claims.settle")) == ([], [])
    assert lane.claim().status == "ASSEMBLING"


def test_rules_that_are_not_in_force_settle_nothing_and_the_claim_says_so(
    lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    lane.insure()
    with monkeypatch.context() as patch:
        patch.setattr(desk, "hash_installed_rules", lambda: bytes(32))
        lane.stay()
        lane.run_for(60_000)
        assert codes(lane, "claims.settle") == []
        assert set(codes(lane, "records.deliver")) == {"OK"}, "what was handed over is confirmed all the same"
        waits = lane.insurer.show_claim(lane.claim().claim.claim_id).waits
        assert waits is not None
        assert (waits.code, f"installed is {bytes(8).hex()}" in waits.reason) == ("RULES", True)
    lane.run()
    assert (lane.claim().status, lane.bank.balance) == ("PAID", 206_000)


def test_what_an_upgrade_overtook_is_refused_and_decided_anew(lane: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    lane.insure()

    def decide_as_before(case: Case) -> Decision:
        former = replace(case.product.deductible, amount=0)
        return adjudicate(replace(case, product=replace(case.product, deductible=former)))

    with monkeypatch.context() as patch:
        patch.setattr(desk, "hash_installed_rules", lambda: bytes(32))
        patch.setattr(desk, "hash_pinned_rules", lambda _view: bytes(32))
        patch.setattr(desk, "adjudicate", decide_as_before)
        lane.stay()
        lane.run_for(60_000)
        kept = lane.insurer._casebook.latest_draft(lane.claim().claim.claim_id, 1)
        assert kept is not None
        assert kept.opening.payable.amount > 206_000, "the former rules kept a draft"
        assert set(codes(lane, "claims.settle")) == {"STALE_RULES"}
    lane.town.restart("insurer-a")
    lane.run()
    assert (lane.claim().status, lane.bank.balance) == ("PAID", 206_000)
    assert settled_outcome(lane).rules == hash_installed_rules()


def test_a_claim_that_is_withdrawn_while_its_records_wait_to_be_confirmed_stops_nothing(lane: Lane) -> None:
    customer = lane.insure()
    lane.town.loses_submission = lambda submission: submission.signer == "insurer-a"
    lane.stay()
    lane.run()
    (view,) = lane.claims()
    assert codes(lane, "records.deliver") == []
    assert customer.post(Call("claims", "withdraw", Withdraw(view.claim.claim_id))).ok
    lane.town.loses_submission = lambda _submission: False
    lane.run()
    assert [shown.status for shown in lane.claims()] == ["WITHDRAWN"]
    assert codes(lane, "records.deliver") == ["OK"] * 4, "what was opened is said to be"
