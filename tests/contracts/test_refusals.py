"""Questions point to point that a custodian turned away: one entry a day, and nothing that the chain knows better."""

import pytest

from contracts.attempts import ENTRIES_MAX, Attempt, AttemptView, CountedView, ListAttempts
from contracts.entries import SHARE_HEIGHTS
from contracts.erasures import Ask as AskErasure
from contracts.grants import Revoke
from contracts.orders import Ask, PlaceOrder
from contracts.refusals import REFUSALS_MAX, FindRefused, RefusedView, TurnAway
from contracts.settlements import Withdraw
from contracts.stays import Deliver
from ledger.errors import ContractError
from tests.contracts.consortium import Call, Case, Consortium, digest

DAY_MS = 86_400_000


@pytest.fixture
def case(chain: Consortium) -> Case:
    """Report a stay whose records are all entered."""
    case = chain.case(chain.consent(), chain.policy())
    chain.do(*chain.admit(case))
    chain.do(*chain.discharge(case)[:4])
    return case


def turn_away(about: str, asker: str = "insurer-a", custodian: str = "hospital-a") -> Call:
    return custodian, "access.turn_away", TurnAway(about, asker)


def attempts(chain: Consortium, subject: str) -> list[Attempt]:
    found = chain.ask("attempts.of_subject", ListAttempts(subject, 0), tuple[AttemptView, ...])
    return [view.attempt for view in found]


def conditions(chain: Consortium, case: Case) -> list[tuple[str, str]]:
    return [(found.code, found.condition) for found in attempts(chain, case.customer)]


def stands(chain: Consortium, about: str, asker: str = "insurer-a") -> RefusedView:
    return chain.ask("access.find_refused", FindRefused(about, asker, "hospital-a"), RefusedView)


def test_a_question_without_a_share_is_an_entry_about_the_customer_in_the_custodians_name(
    chain: Consortium, case: Case
) -> None:
    invoice = case.record("invoice")
    chain.do(turn_away(invoice), turn_away(invoice, "insurer-b"), turn_away(invoice, "regulator"))
    assert chain.events() == ["access-refused"] * 3
    found = attempts(chain, case.customer)
    assert {(item.kind, item.decision, item.code, item.condition) for item in found} == {
        ("fetch", "deny", "NOT_SHARED", "no share")
    }
    assert [(item.recipient, item.role) for item in found] == [
        ("insurer-a", "insurer"),
        ("insurer-b", "insurer"),
        ("regulator", "regulator"),
    ]
    assert {(item.signer, item.hospital, item.record_id, item.claim_id) for item in found} == {
        ("hospital-a", "hospital-a", invoice, case.claim_id)
    }
    assert {(item.grant_id, item.grant_version, item.field_set) for item in found} == {(None, 0, None)}


def test_of_one_asker_and_thing_there_is_one_entry_a_day(chain: Consortium, case: Case) -> None:
    invoice, summary = case.record("invoice"), case.record("discharge-summary")
    assert (stands(chain, invoice).latest, stands(chain, invoice).today.entries) == (None, 0)
    assert chain.post(*[turn_away(invoice)] * 3) == ["OK", "ALREADY_REFUSED", "ALREADY_REFUSED"]
    latest, today = stands(chain, invoice).latest, stands(chain, invoice).today
    assert latest is not None
    assert (latest.day, latest.place.height, today.entries) == (today.day, chain.application.height, 1)
    assert chain.post(turn_away(invoice, "insurer-b"), turn_away(summary)) == ["OK", "OK"]
    assert len(attempts(chain, case.customer)) == 3
    chain.post(after_ms=DAY_MS)
    assert (stands(chain, invoice).today.day, stands(chain, invoice).today.entries) == (today.day + 1, 0)
    assert chain.post(turn_away(invoice)) == ["OK"]
    assert len(attempts(chain, case.customer)) == 4


def test_a_custodian_enters_nothing_where_a_share_stands_or_was_answered(chain: Consortium, case: Case) -> None:
    invoice, admission = case.record("invoice"), case.record("admission")
    chain.do(chain.share(case, invoice), chain.share(case, admission))
    chain.do((case.insurer, "records.deliver", Deliver(admission)))
    assert chain.post(turn_away(invoice), turn_away(admission)) == ["COVERED", "COVERED"]
    assert "may have it, or has had it" in chain.reason()
    assert chain.post(turn_away(invoice, "insurer-b")) == ["OK"], "the share is not this asker's"


def test_nobody_but_its_custodian_enters_it_and_nobody_invents_who_asked_or_for_what(
    chain: Consortium, case: Case
) -> None:
    invoice = case.record("invoice")
    stranger = chain.consent().subject
    codes = chain.post(
        turn_away(invoice, "insurer-a", "hospital-b"),
        turn_away(invoice, "hospital-a", "insurer-a"),
        (case.customer, "access.turn_away", TurnAway(invoice, "insurer-a")),
        turn_away(invoice, "hospital-a"),
        turn_away(invoice, stranger),
        turn_away(invoice, "nobody"),
        turn_away("record-000000000000"),
        turn_away("order-000000000000"),
        turn_away("glass-000000000000"),
    )
    assert codes == [
        *["FORBIDDEN"] * 3,
        *["UNKNOWN_ASKER"] * 3,
        "UNKNOWN_RECORD",
        "UNKNOWN_ORDER",
        "UNKNOWN_USE",
    ]
    assert attempts(chain, case.customer) == []
    with pytest.raises(ContractError):
        stands(chain, "record-000000000000")


def test_what_no_share_gives_any_more_says_why_and_under_which_grant(chain: Consortium, case: Case) -> None:
    admission, invoice, summary = (case.record(kind) for kind in ("admission", "invoice", "discharge-summary"))
    chain.do(chain.share(case, admission), chain.share(case, invoice), chain.share(case, summary))
    chain.do((case.customer, "erasure.ask", AskErasure(case.stay_id, (admission,), None)))
    chain.do(turn_away(admission))
    chain.do((case.customer, "consent.revoke", Revoke(case.grant_id)), turn_away(invoice))
    for _ in range(SHARE_HEIGHTS):
        chain.post()
    chain.do(turn_away(summary))
    assert conditions(chain, case) == [
        ("ERASED", "erasure"),
        ("AUTH-013", "status"),
        ("NOT_SHARED", "share lapsed"),
    ]
    assert {(item.grant_id, item.grant_version) for item in attempts(chain, case.customer)} == {
        (case.grant_id, 1),
        (case.grant_id, 2),
    }


def test_a_claim_that_was_withdrawn_gives_its_records_to_nobody(chain: Consortium, case: Case) -> None:
    invoice = case.record("invoice")
    chain.do(chain.share(case, invoice), (case.customer, "claims.withdraw", Withdraw(case.claim_id)))
    chain.do(turn_away(invoice))
    assert conditions(chain, case) == [("NOT_REPORTED", "claim")]


def test_an_order_opens_nothing_to_anybody_but_its_regulator(chain: Consortium, case: Case) -> None:
    order = PlaceOrder(chain.draw("order"), case.record("invoice"), "medical-fund-supervision", digest("number"))
    chain.do(("regulator", "access.order", order))
    assert chain.post(turn_away(order.order_id, "regulator"), turn_away(order.order_id, "insurer-b")) == [
        "COVERED",
        "OK",
    ]
    found = attempts(chain, case.customer)[-1]
    assert (found.kind, found.code, found.condition, found.purpose) == ("fetch", "NOT_ORDERED", "order", "HLEGAL")
    assert (found.order_id, found.record_id, found.basis) == (order.order_id, order.record_id, order.basis)


def test_a_custodian_enters_so_many_of_one_asker_a_day_and_the_rows_about_one_customer_stay_bounded(
    chain: Consortium, case: Case
) -> None:
    known = [record_id for _, record_id in case.records]
    while len(known) <= REFUSALS_MAX:
        record_id, entry = chain.draw_summary(case)
        reversal_id, reversal = chain.draw_summary(case, record_id)
        chain.do(entry, reversal)
        known += [record_id, reversal_id]
    codes: list[str] = []
    for first in range(0, REFUSALS_MAX + 1, 25):
        codes += chain.post(*(turn_away(record_id) for record_id in known[first : first + 25]))
    assert codes[:REFUSALS_MAX] == ["OK"] * REFUSALS_MAX
    assert set(codes[REFUSALS_MAX:]) == {"TOO_MANY"}
    (running,) = chain.ask("attempts.counted_of_subject", ListAttempts(case.customer, 0), tuple[CountedView, ...])
    assert len(attempts(chain, case.customer)) == ENTRIES_MAX
    assert (running.counted.signer, running.counted.count) == ("hospital-a", REFUSALS_MAX - ENTRIES_MAX)
    assert chain.post(turn_away(known[0], "insurer-b")) == ["OK"], "another asker has room of its own"
    ask = Ask(case.stay_id, "invoice", None, case.grant_id, "HPAYMT")
    assert chain.post(("insurer-a", "access.ask", ask)) == ["OK"], "what a custodian says takes no room from the asker"
