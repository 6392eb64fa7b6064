"""The payment rail: what it moves, what it refuses to move, and what it does when the bank is in doubt."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from contracts.settlements import Payment
from ledger.codec import encode
from ledger.crypto.signatures import PrivateKey, sign_decision, sign_instruction
from nodes.agent import Answer, PeerRequested
from nodes.roles.exchange.questions import (
    AskPayment,
    FetchRecord,
    InstructPayment,
    PaymentAcknowledged,
    PaymentOrder,
    Refusal,
    Reply,
    decode_question,
    decode_reply,
    encode_body,
)
from nodes.roles.insurer.payments import ATTEMPTS_MAX
from nodes.roles.rail.agent import RefusalError
from nodes.roles.rail.bank import BankState, PromptBank
from nodes.vault.sealing import AmountOpening, SealContext, Sealed, seal
from tests.nodes.roles.desk import discharge
from tests.nodes.roles.lane import Lane


@pytest.fixture
def lane(tmp_path: Path) -> Lane:
    lane = Lane(tmp_path)
    lane.insure()
    return lane


@pytest.fixture
def due(lane: Lane) -> Lane:
    """Return a lane whose payment is due, and whose insurer cannot reach the rail."""
    lane.town.loses_request = lambda _source, peer, _body: peer == "rail"
    lane.stay()
    while not lane.claims()[0].payments:
        lane.run_for(1_000)
    return lane


def payment_of(lane: Lane) -> Payment:
    (payment,) = lane.claim().payments
    return payment


def statuses(lane: Lane) -> list[str]:
    return [step.status for step in payment_of(lane).steps]


def order_of(lane: Lane) -> PaymentOrder:
    """Return the order that the insurer would send now."""
    payment = payment_of(lane)
    key = lane.insurer._payments.attempt_key(payment.payment_id, 1)
    order = lane.insurer._payments._make_order(lane.claim(), payment, key)
    assert order is not None
    return order


def ask_rail(lane: Lane, body: bytes, peer: str = "insurer-a") -> Reply:
    effects = lane.rail.step(PeerRequested(1, peer, body, lane.town.now_ms))
    answer = next(effect for effect in effects if isinstance(effect, Answer))
    lane.town._perform("rail", [effect for effect in effects if effect is not answer])
    return decode_reply(answer.body)


def instruct(
    lane: Lane, order: PaymentOrder, sender: str = "insurer-a", key: PrivateKey | None = None
) -> InstructPayment:
    member = lane.town.genesis.organisation("rail")
    assert member is not None
    context = SealContext(lane.town.genesis.chain_id, order.payment_id, sender, "rail")
    sealed = seal(member.seal_key, context, encode(order))
    return InstructPayment(sealed, sign_instruction(key or key_of(lane, sender), encode(sealed)))


def key_of(lane: Lane, member: str) -> PrivateKey:
    return lane.town._keystores[member].submission


def refused(reply: Reply) -> str:
    assert isinstance(reply, Refusal)
    return reply.code


# -------------------------------------------------------------------------------------------- what the bank may say


def test_a_payment_is_accepted_and_paid_and_moves_once(lane: Lane) -> None:
    lane.stay()
    lane.run()
    assert statuses(lane) == ["due", "accepted", "paid"]
    assert (len(lane.bank.moves), lane.bank.balance) == (1, 206_000)
    assert lane.rail._attempts.list_open() == []


def test_a_payment_in_doubt_is_asked_about_and_never_sent_again(lane: Lane) -> None:
    lane.bank.answers = ["unknown"]
    lane.bank.later = [None, None, "accepted", None, "paid"]
    lane.stay()
    lane.run()
    assert statuses(lane) == ["due", "accepted", "unknown", "accepted", "paid"]
    assert (len(lane.bank.moves), lane.bank.balance) == (1, 206_000)
    assert lane.claim().status == "PAID"


def test_a_payment_that_came_back_is_sent_to_the_payee_of_the_day(lane: Lane) -> None:
    lane.bank.answers = ["returned"]
    lane.stay()
    lane.run()
    assert statuses(lane) == ["due", "accepted", "paid", "returned", "due", "accepted", "paid"]
    assert [order.payee_account for order in lane.bank.moves] == ["6222 0001"] * 2
    assert len({order.idempotency_key for order in lane.bank.moves}) == 2
    assert lane.bank.balance == 206_000


def test_a_rejected_payment_is_sent_again_under_another_key(lane: Lane) -> None:
    lane.bank.answers = ["rejected"]
    lane.stay()
    lane.run()
    assert statuses(lane) == ["due", "rejected", "due", "accepted", "paid"]
    assert (lane.claim().status, lane.bank.balance) == ("PAID", 206_000)


def test_an_account_that_never_takes_the_money_is_left_to_a_person(lane: Lane) -> None:
    lane.bank.answers = ["returned"] * ATTEMPTS_MAX
    lane.stay()
    lane.run()
    assert (len(lane.bank.moves), lane.claim().status, lane.bank.balance) == (ATTEMPTS_MAX, "SETTLED", 0)
    policy = lane.insurer.list_policies()[0]
    lane.town.operate(
        "insurer-a",
        lambda insurer: insurer.name_payee(policy.policy_id, ("wang", "6222 0002"), lane.town.now_ms),
    )
    lane.run()
    assert [order.payee_account for order in lane.bank.moves][ATTEMPTS_MAX:] == ["6222 0002"]
    assert (lane.claim().status, lane.bank.balance) == ("PAID", 206_000)


def test_money_that_comes_back_later_reopens_the_claim(lane: Lane) -> None:
    lane.stay()
    lane.run()
    key = lane.bank.moves[0].idempotency_key
    lane.bank.book[key] = "returned"
    lane.town.operate("rail", lambda rail: rail.report_return(key, lane.town.now_ms))
    lane.run()
    assert statuses(lane)[-4:] == ["returned", "due", "accepted", "paid"]
    assert (lane.claim().status, lane.bank.balance) == ("PAID", 206_000)
    with pytest.raises(RefusalError, match="no attempt has this key"):
        lane.rail.report_return(bytes(32), lane.town.now_ms)


@pytest.mark.parametrize("state", ["accepted", "unknown"])
def test_an_attempt_under_way_survives_the_rail(lane: Lane, state: BankState) -> None:
    lane.bank.answers = [state]
    lane.stay()
    lane.run_for(60_000)
    assert statuses(lane)[-1] == state
    lane.town.restart("rail")
    lane.bank.later = ["paid"]
    lane.run()
    assert (statuses(lane)[-1], len(lane.bank.moves), lane.bank.balance) == ("paid", 1, 206_000)


def test_a_recovery_asks_for_the_money_back(lane: Lane) -> None:
    number = lane.stay()
    lane.run()
    lane.desk.correct(number)
    lane.run()
    lane.bank.answers = ["unknown"]
    lane.desk.correct(number, discharge())
    lane.run_for(60_000)
    assert lane.claim().status == "RECOVERING"
    lane.bank.later = ["paid"]
    lane.run()
    assert (lane.claim().status, lane.bank.balance) == ("PAID", 206_000)
    assert [order.direction for order in lane.bank.moves] == ["payout", "payout", "recovery"]


def test_the_shipped_bank_enters_a_movement_once(due: Lane) -> None:
    bank = PromptBank(due.rail._attempts._register)
    order = order_of(due)
    assert bank.ask(order.idempotency_key) is None
    assert [bank.move(order), bank.move(order), bank.ask(order.idempotency_key)] == ["paid"] * 3
    assert bank.moved() == (206_000,)


# ------------------------------------------------------------------------------------------------ what it refuses


def test_the_same_instruction_twice_moves_once(due: Lane) -> None:
    body = encode_body(instruct(due, order_of(due)))
    replies = [ask_rail(due, body) for _ in range(3)]
    assert [reply.status for reply in replies if isinstance(reply, PaymentAcknowledged)] == ["paid"] * 3
    assert len(due.bank.moves) == 1


def test_another_key_for_a_payment_under_way_is_refused(due: Lane) -> None:
    order = order_of(due)
    ask_rail(due, encode_body(instruct(due, order)))
    second = replace(order, idempotency_key=bytes(32))
    assert refused(ask_rail(due, encode_body(instruct(due, second)))) == "UNDER_WAY"
    due.town._make_block()
    assert refused(ask_rail(due, encode_body(instruct(due, second)))) == "NOT_DUE"
    assert len(due.bank.moves) == 1


def test_a_key_belongs_to_one_order(due: Lane) -> None:
    order = order_of(due)
    ask_rail(due, encode_body(instruct(due, order)))
    changed = replace(order, payee_account="6222 9999")
    assert refused(ask_rail(due, encode_body(instruct(due, changed)))) == "IDEMPOTENCY_KEY"


def test_an_amount_that_does_not_open_the_payment_is_refused(due: Lane) -> None:
    order = order_of(due)
    more = replace(order, opening=replace(order.opening, amount=order.opening.amount + 1))
    other = replace(order, opening=AmountOpening("moves", order.opening.amount, bytes(31) + b"\x01"))
    for changed in (more, other):
        assert refused(ask_rail(due, encode_body(instruct(due, changed)))) == "INVALID_PROOF"
    assert due.bank.moves == []


def test_an_order_for_something_else_than_the_payment_is_refused(due: Lane) -> None:
    order = order_of(due)
    for changed in (
        replace(order, claim_id="claim-000000000000"),
        replace(order, direction="recovery"),
        replace(order, currency="USD"),
    ):
        assert refused(ask_rail(due, encode_body(instruct(due, changed)))) == "FOREIGN_ORDER"
    unknown = replace(order, payment_id="payment-000000000000")
    assert refused(ask_rail(due, encode_body(instruct(due, unknown)))) == "UNKNOWN_PAYMENT"
    assert due.bank.moves == []


def test_nobody_instructs_for_another_insurer(due: Lane) -> None:
    order = order_of(due)
    assert refused(ask_rail(due, encode_body(instruct(due, order, "insurer-b")), "insurer-b")) == "FOREIGN_ORDER"
    own = replace(order, insurer="insurer-b")
    assert refused(ask_rail(due, encode_body(instruct(due, own, "insurer-b")), "insurer-b")) == "UNKNOWN_PAYMENT"
    stolen = instruct(due, order, key=key_of(due, "insurer-b"))
    assert refused(ask_rail(due, encode_body(stolen))) == "INVALID_PROOF"
    assert refused(ask_rail(due, encode_body(instruct(due, order)), "insurer-b")) == "INVALID_PROOF"
    assert refused(ask_rail(due, encode_body(instruct(due, order)), "nobody")) == "INVALID_PROOF"
    assert due.bank.moves == []


def test_a_signature_for_another_purpose_is_no_instruction(due: Lane) -> None:
    good = instruct(due, order_of(due))
    wrong = InstructPayment(good.order, sign_decision(key_of(due, "insurer-a"), encode(good.order)))
    assert refused(ask_rail(due, encode_body(wrong))) == "INVALID_PROOF"


def test_questions_that_are_no_business_of_a_rail_are_refused(due: Lane) -> None:
    fetch = FetchRecord("record-000000000000", 1)
    assert refused(ask_rail(due, encode_body(fetch))) == "NOT_ASKED_HERE"
    assert refused(ask_rail(due, b"\xc1")) == "UNDECODABLE"
    order = order_of(due)
    ask = encode_body(AskPayment(order.payment_id, order.idempotency_key))
    assert refused(ask_rail(due, ask)) == "UNKNOWN_ATTEMPT"
    ask_rail(due, encode_body(instruct(due, order)))
    assert refused(ask_rail(due, ask, "insurer-b")) == "UNKNOWN_ATTEMPT"
    reply = ask_rail(due, ask)
    assert isinstance(reply, PaymentAcknowledged)
    assert reply.status == "paid"


def test_garbage_inside_a_sealed_order_is_refused(due: Lane) -> None:
    member = due.town.genesis.organisation("rail")
    assert member is not None
    payment = payment_of(due)
    context = SealContext(due.town.genesis.chain_id, payment.payment_id, "insurer-a", "rail")
    sealed: Sealed = seal(member.seal_key, context, b"\xc1")
    body = encode_body(InstructPayment(sealed, sign_instruction(key_of(due, "insurer-a"), encode(sealed))))
    assert refused(ask_rail(due, body)) == "UNDECODABLE"
    assert isinstance(decode_question(body), InstructPayment)


def test_a_refusal_is_noted_without_the_amount_and_the_insurer_goes_on_asking(due: Lane) -> None:
    order = order_of(due)
    ask_rail(due, encode_body(instruct(due, replace(order, currency="USD"))))
    notes = [fields for name, event, fields in due.town.notes if (name, event) == ("rail", "instruction-refused")]
    assert notes == [{"peer": "insurer-a", "code": "FOREIGN_ORDER"}]
    due.town.loses_request = lambda _source, _peer, _body: False
    due.run()
    assert (due.claim().status, due.bank.balance) == ("PAID", 206_000)
