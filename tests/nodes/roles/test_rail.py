"""The payment rail: what it moves, what it refuses to move, and what it does when the bank is in doubt."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from contracts.proposals import AddOrganisation, CastVote, Propose, RemoveOrganisation, organisation_message
from contracts.settlements import Payment
from ledger.codec import encode
from ledger.crypto.signatures import PrivateKey, sign_decision, sign_enrolment, sign_instruction
from nodes.agent import Answer, Call, PeerRequested
from nodes.entropy import SeededEntropy
from nodes.keystore import create_keystore
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
from nodes.roles.insurer.payments import ATTEMPTS_MAX, PaymentError
from nodes.roles.lookup import find_seal_key
from nodes.roles.rail.agent import Rail, RefusalError
from nodes.roles.rail.bank import BankState, PromptBank
from nodes.vault.sealing import AmountOpening, SealContext, Sealed, seal
from tests.nodes.roles.desk import discharge
from tests.nodes.roles.lane import Lane, TestBank

NEXT_RAIL = "rail-b"


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


# ------------------------------------------------------------------------------------------- a rail that is removed


def decide(lane: Lane, action: AddOrganisation | RemoveOrganisation, number: int) -> None:
    """Have the members decide something by the votes of all validators."""
    town = lane.town
    message = Propose(action, bytes(32))
    basis = town.query("governance", "basis", message, bytes)
    assert town.post("regulator", Call("governance", "propose", replace(message, against=basis)))[0].ok
    for validator in town.genesis.validators.validators:
        receipt = town.post(validator.name, Call("governance", "vote", CastVote(number, approve=True)))[0]
        assert receipt.code in ("OK", "PROPOSAL_CLOSED")


def succeed_rail(lane: Lane) -> TestBank:
    """Admit another rail, with a bank of its own, and remove the one that was there; return that bank."""
    town, bank = lane.town, TestBank()
    keys = create_keystore(town.folder / NEXT_RAIL / "keys", SeededEntropy(b"next rail"))
    town._keystores[NEXT_RAIL] = keys
    public, seal_key = keys.submission.public_key, keys.seal.public_key
    signed = organisation_message(town.genesis.chain_id, NEXT_RAIL, "rail", public, seal_key, bytes(32))
    proof = sign_enrolment(keys.submission, signed)
    decide(lane, AddOrganisation(NEXT_RAIL, "rail", public, seal_key, bytes(32), proof), 1)
    decide(lane, RemoveOrganisation("rail"), 2)
    town.install(NEXT_RAIL, lambda kit: Rail(kit.name, kit.view, kit.keystore, kit.register, bank))
    return bank


def state(lane: Lane, *, has_moved: bool) -> None:
    """Have the insurer's operator state what became of the payment."""
    claim_id = lane.claim().claim.claim_id
    call = lane.insurer.conclude_payment(claim_id, has_moved=has_moved)
    assert lane.town.post("insurer-a", call)[0].ok


@pytest.mark.parametrize(("reports", "has_moved"), [((), False), (("accepted",), True)])
def test_what_a_removed_rail_was_told_is_not_told_the_next_one_before_somebody_states_what_became_of_it(
    lane: Lane, reports: tuple[str, ...], has_moved: bool
) -> None:
    lane.bank.answers = ["accepted"]
    lane.town.loses_submission = lambda item: (
        not reports and any(tx.contract == "claims" and tx.method == "pay" for tx in item.transactions)
    )
    lane.stay()
    lane.run_for(15_000)
    assert (len(lane.bank.moves), statuses(lane)) == (1, ["due", *reports])
    other = succeed_rail(lane)
    lane.town.loses_submission = lambda _item: False
    lane.run_for(30_000)
    assert (other.moves, statuses(lane)) == ([], ["due", *reports]), "nothing is sent again by itself"
    waits = lane.insurer.show_claim(lane.claim().claim.claim_id).waits
    assert waits is not None
    assert waits.code == "RAIL-REMOVED"
    state(lane, has_moved=has_moved)
    lane.run()
    ended = ["paid"] if has_moved else ["rejected", "due", "accepted", "paid"]
    assert statuses(lane) == ["due", *reports, *ended]
    assert (len(other.moves), lane.claim().status) == (0 if has_moved else 1, "PAID")
    with pytest.raises(PaymentError, match="expected an attempt that a removed payment rail has not reported"):
        lane.insurer.conclude_payment(lane.claim().claim.claim_id, has_moved=True)


def test_of_two_payments_that_a_removed_rail_left_each_is_stated_by_itself(lane: Lane) -> None:
    lane.bank.answers = ["accepted", "accepted"]
    number = lane.stay()
    lane.run_for(15_000)
    lane.desk.correct(number)
    lane.run_for(15_000)
    first, second = (payment.payment_id for payment in lane.claim().payments)
    other = succeed_rail(lane)
    claim_id = lane.claim().claim.claim_id
    with pytest.raises(PaymentError, match=f"each is stated by itself, name one of {first}, {second}"):
        lane.insurer.conclude_payment(claim_id, has_moved=True)
    for payment_id, has_moved in ((first, True), (second, False)):
        call = lane.insurer.conclude_payment(claim_id, has_moved=has_moved, payment_id=payment_id)
        assert lane.town.post("insurer-a", call)[0].ok
    lane.run()
    assert ([order.payment_id for order in other.moves], lane.claim().status) == ([second], "PAID")


def test_a_rail_that_was_removed_tells_its_bank_nothing_new(due: Lane) -> None:
    order = order_of(due)
    succeed_rail(due)
    due.rail._attempts.begin(order)
    due.town.restart("rail")
    due.town.loses_request = lambda _source, _peer, _body: False
    due.run_for(15_000)
    assert due.bank.moves == [], "what it has kept and not begun it never moves"


def test_an_order_for_another_rail_is_refused(due: Lane) -> None:
    other = succeed_rail(due)
    rail = due.town.agents[NEXT_RAIL]
    payment = payment_of(due)
    order = order_of(due)
    context = SealContext(due.town.genesis.chain_id, order.payment_id, "insurer-a", NEXT_RAIL)
    sealed = seal(find_seal_key(due.town.view, NEXT_RAIL), context, encode(order))
    body = encode_body(InstructPayment(sealed, sign_instruction(key_of(due, "insurer-a"), encode(sealed))))
    effects = rail.step(PeerRequested(7, "insurer-a", body, due.town.now_ms))
    (answer,) = [effect for effect in effects if isinstance(effect, Answer)]
    assert refused(decode_reply(answer.body)) == "OTHER_RAIL"
    assert (payment.rail, other.moves) == ("rail", [])
