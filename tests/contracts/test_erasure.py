"""Erasure: only its subject asks, every holder answers for itself, holds end, and what is asked for stays asked for."""

import dataclasses

import pytest
from msgspec.structs import replace

from contracts.erasures import (
    ITEMS_MAX,
    STEPS_MAX,
    Ask,
    Certify,
    ErasureEvent,
    ErasureItem,
    ErasureRow,
    ErasureStep,
    ListOpen,
    Restrict,
    ShowErasures,
)
from contracts.grants import Grant
from contracts.holds import HOLDS, begin_ms, is_last_of_year, year_of
from contracts.identifiers import Place
from contracts.orders import AnswerOrder, PlaceOrder
from contracts.retention import LIST_ROWS_MAX
from contracts.settlements import Withdraw
from contracts.stays import Deliver, ListInbox, ShareView
from ledger.codec import encode
from ledger.limits import BLOCK_CLOCK_CALLS_MAX, EVENT_BYTES_MAX, STATE_VALUE_BYTES_MAX
from tests.contracts.consortium import BEGUN_MS, YEAR_MS, Call, Case, Consortium, Figure

PAYABLE = Figure.draw(206_000, "payable")
DAY_MS = 86_400_000
LAST_OF_2031 = 22_644
"""2031-12-31."""


@pytest.fixture
def case(chain: Consortium) -> Case:
    return chain.case(chain.consent(), chain.policy())


def settle(chain: Consortium, case: Case) -> None:
    chain.do(*chain.admit(case))
    chain.do(*chain.discharge(case))
    chain.do(*chain.deliver(case), chain.settle(case, chain.outcome(case, PAYABLE)))


def ids(case: Case) -> tuple[str, ...]:
    return tuple(record_id for _, record_id in case.records)


def ask(case: Case, *record_ids: str, holder: str | None = None, signer: str | None = None) -> Call:
    message = Ask(case.stay_id, tuple(sorted(record_ids or ids(case))), holder)
    return signer or case.customer, "erasure.ask", message


def certify(holder: str, scope: str, *items: str) -> Call:
    return holder, "erasure.certify", Certify(scope, tuple(sorted(items)))


def restrict(holder: str, scope: str, basis: str, until_day: int, *items: str) -> Call:
    return holder, "erasure.restrict", Restrict(scope, tuple(sorted(items)), basis, until_day)  # type: ignore[arg-type]


def rows(chain: Consortium, scope: str) -> dict[str, ErasureRow]:
    found = chain.ask("retention.show", ShowErasures(scope), tuple[ErasureRow, ...])
    return {row.holder: row for row in found}


def statuses(chain: Consortium, scope: str, holder: str) -> list[str]:
    return [item.status for item in rows(chain, scope)[holder].items]


def list_open(chain: Consortium, holder: str, after: str = "", number: int = 0) -> list[str]:
    message = ListOpen(holder, after, number)
    return [row.scope for row in chain.ask("retention.list_open", message, tuple[ErasureRow, ...])]


# ------------------------------------------------------------------------------------------------------ who may ask


@pytest.mark.parametrize("stranger", ["hospital-a", "hospital-b", "insurer-a", "insurer-b", "regulator", "rail"])
def test_nobody_but_its_subject_may_ask_and_the_refusal_is_a_receipt(
    chain: Consortium, case: Case, stranger: str
) -> None:
    settle(chain, case)
    assert chain.post(ask(case, signer=stranger)) == ["FORBIDDEN"]
    assert "expected the signature of its subject" in chain.reason()
    assert rows(chain, case.stay_id) == {}


def test_another_customer_may_not_ask(chain: Consortium, case: Case) -> None:
    settle(chain, case)
    other = chain.consent()
    assert chain.post(ask(case, signer=other.subject)) == ["FORBIDDEN"]
    assert rows(chain, case.stay_id) == {}


def test_what_does_not_exist_or_is_of_another_stay_is_refused(chain: Consortium, case: Case) -> None:
    settle(chain, case)
    assert chain.post(ask(case, "record-000000000000")) == ["UNKNOWN_RECORD"]
    foreign = Ask("stay-000000000000", ids(case), None)
    assert chain.post((case.customer, "erasure.ask", foreign)) == ["FOREIGN_STAY"]
    unsorted = Ask(case.stay_id, tuple(sorted(ids(case), reverse=True)), None)
    assert chain.post((case.customer, "erasure.ask", unsorted)) == ["UNSORTED"]
    assert chain.post(ask(case, holder="insurer-b")) == ["UNKNOWN_HOLDER"]
    assert "hospital-a or insurer-a" in chain.reason()


# -------------------------------------------------------------------------------------------------- asking


def test_every_holder_is_asked_and_what_was_made_of_the_claim_too(chain: Consortium, case: Case) -> None:
    settle(chain, case)
    chain.do(ask(case))
    assert sorted(rows(chain, case.stay_id)) == ["hospital-a", "insurer-a"]
    assert statuses(chain, case.stay_id, "hospital-a") == ["ASKED"] * 4
    assert [item.kind for item in rows(chain, case.claim_id)["insurer-a"].items] == ["claim"]
    assert list_open(chain, "hospital-a") == [case.stay_id]
    assert list_open(chain, "insurer-a") == [case.claim_id, case.stay_id]
    assert chain.events() == ["erasure-asked"] * 3


def test_one_holder_can_be_asked_alone(chain: Consortium, case: Case) -> None:
    settle(chain, case)
    chain.do(ask(case, holder="insurer-a"))
    assert sorted(rows(chain, case.stay_id)) == ["insurer-a"]
    chain.do(ask(case, case.record("invoice")))
    assert statuses(chain, case.stay_id, "hospital-a") == ["ASKED"]


def test_before_anything_is_shared_only_the_hospital_has_it(chain: Consortium, case: Case) -> None:
    chain.do(*chain.admit(case))
    chain.do(ask(case, case.record("admission")))
    assert sorted(rows(chain, case.stay_id)) == ["hospital-a"]
    assert rows(chain, case.claim_id) == {}


def test_asking_again_is_refused_and_changes_nothing(chain: Consortium, case: Case) -> None:
    settle(chain, case)
    chain.do(ask(case))
    before = rows(chain, case.stay_id)
    assert chain.post(ask(case)) == ["ALREADY_ASKED"]
    assert rows(chain, case.stay_id) == before


# ------------------------------------------------------------------------------------------------- what it stops


def test_a_record_that_is_asked_for_is_never_shared_again(chain: Consortium, case: Case) -> None:
    chain.do(*chain.admit(case))
    chain.do(*chain.discharge(case)[:4])
    chain.do(ask(case, case.record("admission")))
    assert chain.post(chain.share(case, case.record("admission"))) == ["ERASED"]
    chain.do(certify("hospital-a", case.stay_id, case.record("admission")))
    assert chain.post(chain.share(case, case.record("admission"))) == ["ERASED"]
    chain.do(chain.share(case, case.record("invoice")))


def test_a_share_under_way_is_withheld_and_not_confirmed_any_more(chain: Consortium, case: Case) -> None:
    chain.do(*chain.admit(case))
    chain.do(*chain.discharge(case))
    record_id = case.record("invoice")
    chain.do(ask(case, record_id))
    inbox = chain.ask("records.inbox", ListInbox("insurer-a"), tuple[ShareView, ...])
    assert record_id not in [view.share.record_id for view in inbox]
    assert chain.post(("insurer-a", "records.deliver", Deliver(record_id))) == ["ERASED"]


def test_nothing_is_settled_on_what_was_asked_for_in_the_same_block_too(chain: Consortium, case: Case) -> None:
    chain.do(*chain.admit(case))
    chain.do(*chain.discharge(case))
    chain.do(*chain.deliver(case))
    settlement = chain.settle(case, chain.outcome(case, PAYABLE))
    assert chain.post(ask(case, case.record("invoice")), settlement) == ["OK", "ERASED"]
    assert chain.view(case).settlements == ()


def test_what_was_settled_before_stands_and_is_paid(chain: Consortium, case: Case) -> None:
    settle(chain, case)
    chain.do(ask(case))
    payment = chain.view(case).claim.payments[0]
    chain.do(chain.pay(payment, "accepted"), chain.pay(payment, "paid"))
    assert chain.view(case).status == "PAID"


# ------------------------------------------------------------------------------------------------------- answers


def test_a_holder_certifies_once_and_for_itself_alone(chain: Consortium, case: Case) -> None:
    settle(chain, case)
    chain.do(ask(case))
    for stranger in ("hospital-b", "insurer-b", "regulator", case.customer):
        assert chain.post(certify(stranger, case.stay_id, *ids(case))) == ["NOT_ASKED"]
    chain.do(certify("hospital-a", case.stay_id, *ids(case)))
    assert statuses(chain, case.stay_id, "hospital-a") == ["ERASED"] * 4
    assert statuses(chain, case.stay_id, "insurer-a") == ["ASKED"] * 4
    assert list_open(chain, "hospital-a") == []
    assert chain.post(certify("hospital-a", case.stay_id, *ids(case))) == ["ALREADY_ERASED"]


def test_nobody_certifies_what_was_not_asked_for(chain: Consortium, case: Case) -> None:
    settle(chain, case)
    assert chain.post(certify("hospital-a", case.stay_id, *ids(case))) == ["NOT_ASKED"]
    chain.do(ask(case, case.record("invoice")))
    assert chain.post(certify("hospital-a", case.stay_id, case.record("admission"))) == ["NOT_ASKED"]


def test_a_restriction_names_its_basis_and_day(chain: Consortium, case: Case) -> None:
    settle(chain, case)
    chain.do(ask(case))
    chain.do(restrict("insurer-a", case.stay_id, "insurance-claim-file", LAST_OF_2031, *ids(case)))
    item = rows(chain, case.stay_id)["insurer-a"].items[0]
    assert (item.status, item.steps[-1].basis, item.steps[-1].until_day) == (
        "RESTRICTED",
        "insurance-claim-file",
        LAST_OF_2031,
    )
    assert list_open(chain, "insurer-a") == [case.claim_id]
    assert chain.post(chain.share(case, case.record("invoice"))) == ["ERASED"]


@pytest.mark.parametrize(
    ("holder", "basis", "until_day", "code"),
    [
        ("hospital-a", "insurance-claim-file", LAST_OF_2031, "NO_HOLD"),
        ("hospital-a", "medical-records", LAST_OF_2031, "NO_HOLD"),  # not for invoices
        ("insurer-a", "insurance-claim-file", LAST_OF_2031 - 1, "HOLD_ENDS"),
        ("insurer-a", "insurance-claim-file", 20_453, "HOLD_ENDS"),  # 2025-12-31, before the chain began
        ("insurer-a", "insurance-claim-file", 25_202, "HOLD_ENDS"),  # 2038-12-31: too long
    ],
)
def test_a_hold_that_the_table_does_not_give_is_refused(
    chain: Consortium, case: Case, holder: str, basis: str, until_day: int, code: str
) -> None:
    settle(chain, case)
    chain.do(ask(case))
    invoice = case.record("invoice")
    assert chain.post(restrict(holder, case.stay_id, basis, until_day, invoice)) == [code]
    assert statuses(chain, case.stay_id, holder) == ["ASKED"] * 4


def test_a_hold_ends_by_itself_on_an_idle_chain_and_the_holder_is_asked_again(chain: Consortium, case: Case) -> None:
    settle(chain, case)
    chain.do(ask(case))
    chain.do(restrict("insurer-a", case.claim_id, "insurance-claim-file", LAST_OF_2031, case.claim_id))
    due = chain.application.next_due_ms()
    assert due is not None
    span = begin_ms(LAST_OF_2031 + 1) - chain.application.time_ms
    chain.do(after_ms=span - 1)
    assert statuses(chain, case.claim_id, "insurer-a") == ["RESTRICTED"]
    chain.do(after_ms=1)
    assert statuses(chain, case.claim_id, "insurer-a") == ["ASKED"]
    assert case.claim_id in list_open(chain, "insurer-a")
    chain.do(certify("insurer-a", case.claim_id, case.claim_id))
    steps = rows(chain, case.claim_id)["insurer-a"].items[0].steps
    assert [step.status for step in steps] == ["ASKED", "RESTRICTED", "ASKED", "ERASED"]


def test_a_hold_that_has_ended_does_not_begin_anew(chain: Consortium, case: Case) -> None:
    settle(chain, case)
    chain.do(ask(case))
    chain.do(restrict("insurer-a", case.claim_id, "insurance-claim-file", LAST_OF_2031, case.claim_id))
    chain.do(after_ms=begin_ms(LAST_OF_2031 + 1) - chain.application.time_ms)
    last = next(day for day in range(LAST_OF_2031 + 1, 30_000) if is_last_of_year(day) and year_of(day) == 2037)
    too_long = next(day for day in range(last + 1, 30_000) if is_last_of_year(day))
    again = restrict("insurer-a", case.claim_id, "insurance-claim-file", too_long, case.claim_id)
    assert chain.post(again) == ["HOLD_ENDS"]
    chain.do(restrict("insurer-a", case.claim_id, "insurance-claim-file", last, case.claim_id))
    chain.do(after_ms=begin_ms(last + 1) - chain.application.time_ms)
    assert statuses(chain, case.claim_id, "insurer-a") == ["ASKED"]
    assert chain.post(again) == ["HOLD_ENDS"]
    chain.do(certify("insurer-a", case.claim_id, case.claim_id))


def test_a_holder_that_restricts_year_by_year_is_left_with_room_to_be_asked_and_to_answer(
    chain: Consortium, case: Case
) -> None:
    settle(chain, case)
    chain.do(ask(case))
    ends = [day for day in range(20_454, 30_000) if is_last_of_year(day)]
    codes = []
    for day in ends[:8]:
        codes += chain.post(restrict("insurer-a", case.claim_id, "insurance-claim-file", day, case.claim_id))
        chain.post(after_ms=max(begin_ms(day + 1) - chain.application.time_ms, 1))
    assert (codes[0], codes[-1]) == ("OK", "TOO_MANY")
    assert statuses(chain, case.claim_id, "insurer-a") == ["ASKED"]
    chain.do(certify("insurer-a", case.claim_id, case.claim_id))


def test_a_record_is_named_once_in_a_request_so_that_nobody_fills_a_holders_row(chain: Consortium, case: Case) -> None:
    settle(chain, case)
    invoice = case.record("invoice")
    assert chain.post(ask(case, *[invoice] * 32)) == ["UNSORTED"]
    chain.do(ask(case))
    assert len(rows(chain, case.stay_id)["hospital-a"].items) == 4


def test_the_rail_answers_with_the_claim_and_only_then(chain: Consortium, case: Case) -> None:
    settle(chain, case)
    answer = certify("rail", case.claim_id, case.claim_id)
    assert chain.post(answer) == ["NOT_ASKED"]
    chain.do(ask(case))
    chain.do(answer)
    assert statuses(chain, case.claim_id, "rail") == ["ERASED"]
    assert rows(chain, case.claim_id)["rail"].subject == case.customer
    first = rows(chain, case.stay_id)["hospital-a"].items[0].item
    assert chain.post(certify("rail", case.stay_id, first)) == ["NOT_ASKED"], "it never had a record"
    assert "rail" not in rows(chain, case.stay_id)


# ------------------------------------------------------------------------------------------------------ retention


def retained(chain: Consortium, days: int, *, is_settled: bool = True) -> tuple[Grant, Case]:
    """Return a case whose grant has its recipient erase after so many days."""
    customer, enrolment = chain.enrol("insurer-a")
    chain.do(enrolment)
    grant = chain.grant(customer)
    permission = replace(grant.permission, erase_at_ms=BEGUN_MS + days * DAY_MS)
    grant = replace(grant, permission=permission)
    chain.do((customer, "consent.grant", grant), chain.link(grant, "hospital-a"), chain.link(grant, "insurer-a"))
    case = chain.case(grant, chain.policy())
    if is_settled:
        settle(chain, case)
    return grant, case


def test_the_day_of_the_grant_asks_its_recipient_by_itself(chain: Consortium) -> None:
    _, case = retained(chain, 30)
    assert chain.application.next_due_ms() == BEGUN_MS + 30 * DAY_MS
    chain.do(after_ms=31 * DAY_MS)
    assert statuses(chain, case.stay_id, "insurer-a") == ["ASKED"] * 4
    assert "hospital-a" not in rows(chain, case.stay_id)
    assert {item.cause for item in rows(chain, case.stay_id)["insurer-a"].items} == {"retention"}
    assert statuses(chain, case.claim_id, "insurer-a") == ["ASKED"]


def test_the_day_of_the_grant_reaches_the_claim_that_a_stay_was_reported_for_anew(chain: Consortium) -> None:
    _, case = retained(chain, 30, is_settled=False)
    chain.do(*chain.admit(case), *chain.discharge(case), *chain.deliver(case))
    anew = dataclasses.replace(case, claim_id="claim-0000000000aa")
    chain.do((case.customer, "claims.withdraw", Withdraw(case.claim_id)), chain.report(anew))
    chain.do(chain.settle(anew, chain.outcome(anew, PAYABLE)))
    chain.do(after_ms=31 * DAY_MS)
    assert statuses(chain, anew.claim_id, "insurer-a") == ["ASKED"]


def test_an_amendment_that_keeps_longer_moves_the_day_and_a_revocation_does_not(chain: Consortium) -> None:
    grant, case = retained(chain, 30)
    longer = replace(
        grant,
        version=2,
        previous_version=1,
        permission=replace(grant.permission, erase_at_ms=BEGUN_MS + 60 * DAY_MS),
    )
    chain.do((case.customer, "consent.grant", longer))
    chain.do(after_ms=31 * DAY_MS)
    assert rows(chain, case.stay_id) == {}
    assert chain.application.next_due_ms() == BEGUN_MS + 60 * DAY_MS
    chain.do(after_ms=30 * DAY_MS)
    assert statuses(chain, case.stay_id, "insurer-a") == ["ASKED"] * 4


def test_what_the_customer_asked_for_before_is_not_asked_for_twice(chain: Consortium) -> None:
    _, case = retained(chain, 30)
    chain.do(ask(case))
    chain.do(certify("insurer-a", case.stay_id, *ids(case)))
    chain.do(after_ms=31 * DAY_MS)
    assert statuses(chain, case.stay_id, "insurer-a") == ["ERASED"] * 4
    assert chain.faults == ()


# ----------------------------------------------------------------------------------------------- a very long stay

LONG = 170
"""Summaries that one stay had shared; far above ITEMS_MAX, each reversed to stay below PARTS_MAX."""


def share_long(chain: Consortium, case: Case) -> list[str]:
    """Have LONG records of a stay shared; return their ids, sorted."""
    chain.do(*chain.admit(case))
    shared: list[str] = []
    for _ in range(LONG // 10):
        entered = [chain.draw_summary(case) for _ in range(10)]
        taken = [chain.draw_summary(case, record_id)[1] for record_id, _ in entered]
        shares = [chain.share(case, record_id) for record_id, _ in entered]
        chain.do(*(call for _, call in entered), *shares, *taken)
        shared += [record_id for record_id, _ in entered]
    return sorted(shared)


def slices(chain: Consortium, case: Case) -> list[ErasureRow]:
    found = chain.ask("retention.show", ShowErasures(case.stay_id), tuple[ErasureRow, ...])
    return [row for row in found if row.holder == "insurer-a"]


def test_the_clock_asks_for_every_record_of_a_stay_however_many_were_shared_and_each_is_answered(
    chain: Consortium,
) -> None:
    _, case = retained(chain, 30, is_settled=False)
    shared = share_long(chain, case)
    chain.post(after_ms=31 * DAY_MS)
    blocks = 1
    while (chain.application.next_due_ms() or chain.application.time_ms + 1) <= chain.application.time_ms:
        chain.post()
        blocks += 1
    assert 1 < blocks <= -(-LONG // BLOCK_CLOCK_CALLS_MAX) + 1, "the chain bounds the clock calls of one block"
    found = slices(chain, case)
    assert sorted(item.item for row in found for item in row.items) == shared
    assert {item.status for row in found for item in row.items} == {"ASKED"}
    assert [row.number for row in found] == list(range(1, len(found) + 1))
    assert [len(row.items) for row in found[:-1]] == [ITEMS_MAX] * (len(found) - 1)
    assert chain.post(chain.share(case, shared[-1])) != ["OK"]
    mixed = certify("insurer-a", case.stay_id, found[0].items[0].item, found[1].items[0].item)
    assert chain.post(mixed) == ["NOT_ASKED"]
    assert "in another row" in chain.reason()
    for row in chain.ask("retention.list_open", ListOpen("insurer-a"), tuple[ErasureRow, ...]):
        items = tuple(item.item for item in row.items)
        chain.do(restrict("insurer-a", row.scope, "insurance-claim-file", LAST_OF_2031, *items))
    assert list_open(chain, "insurer-a") == []
    chain.post(after_ms=begin_ms(LAST_OF_2031 + 1) - chain.application.time_ms)
    asked_again = [case.claim_id, *[case.stay_id] * len(found)]
    assert list_open(chain, "insurer-a") == asked_again, "each row's hold ended by itself"
    assert list_open(chain, "insurer-a", case.stay_id, 1) == [case.stay_id] * (len(found) - 1)
    for row in found:
        chain.do(certify("insurer-a", case.stay_id, *(item.item for item in row.items)))
    assert {item.status for row in slices(chain, case) for item in row.items} == {"ERASED"}
    assert list_open(chain, "insurer-a") == [case.claim_id]


def test_a_row_with_every_step_of_every_item_stays_below_what_a_state_entry_and_an_event_may_be() -> None:
    ids = [f"record-{number:032x}" for number in range(ITEMS_MAX)]
    place = Place(2**40, 2**16, BEGUN_MS + 20 * YEAR_MS, bytes(32))
    longest = max((hold.basis for hold in HOLDS), key=len)
    step = ErasureStep("RESTRICTED", longest, 30_000, place)
    items = tuple(ErasureItem(item, "discharge-summary", "retention", (step,) * STEPS_MAX) for item in ids)
    name = "n" * 64
    row = ErasureRow("stay-" + "f" * 32, name, "regulator", name, items, 2**31)
    assert len(encode(row)) <= STATE_VALUE_BYTES_MAX
    assert len(encode(ErasureEvent(row.scope, name, name, tuple(ids)))) <= EVENT_BYTES_MAX


def test_what_cannot_be_answered_yet_hides_nothing_that_can(chain: Consortium) -> None:
    grant = chain.consent()
    scopes: list[str] = []
    for _ in range(LIST_ROWS_MAX + 1):
        case = chain.case(grant, chain.policy())
        chain.do(*chain.admit(case)[:1])
        chain.do(ask(case, case.record("admission")))
        scopes.append(case.stay_id)
    first = list_open(chain, "hospital-a")
    assert first == sorted(scopes)[:LIST_ROWS_MAX]
    assert list_open(chain, "hospital-a", first[-1], 1) == sorted(scopes)[LIST_ROWS_MAX:]
    assert list_open(chain, "hospital-a", max(scopes), 1) == []


# ------------------------------------------------------------------------------------------------------ the table


def test_the_table_says_every_basis_once_in_two_languages() -> None:
    assert len({hold.basis for hold in HOLDS}) == len(HOLDS)
    for hold in HOLDS:
        assert hold.law_zh.startswith("《")
        assert hold.law_en.isascii()
        assert 1 <= hold.years <= hold.years_max


def test_civil_years_end_where_they_do() -> None:
    assert is_last_of_year(LAST_OF_2031)
    assert not is_last_of_year(LAST_OF_2031 + 1)
    assert (year_of(LAST_OF_2031), year_of(LAST_OF_2031 + 1)) == (2031, 2032)
    assert begin_ms(0) == -8 * 3_600_000


# ------------------------------------------------------------------------------------------- a regulator's copies


def order(chain: Consortium, case: Case, record_type: str = "invoice") -> Call:
    message = PlaceOrder(chain.draw("order"), case.record(record_type), "medical-fund-supervision", bytes(32))  # type: ignore[arg-type]
    return "regulator", "access.order", message


def test_who_ordered_a_record_under_a_law_is_asked_like_every_holder(chain: Consortium, case: Case) -> None:
    settle(chain, case)
    chain.do(order(chain, case), order(chain, case, "admission"))
    chain.do(ask(case, case.record("invoice"), case.record("item-list")))
    assert sorted(rows(chain, case.stay_id)) == ["hospital-a", "insurer-a", "regulator"]
    (item,) = rows(chain, case.stay_id)["regulator"].items
    assert (item.item, item.status, item.cause) == (case.record("invoice"), "ASKED", "request")
    assert list_open(chain, "regulator") == [case.stay_id]
    chain.do(certify("regulator", case.stay_id, case.record("invoice")))
    assert list_open(chain, "regulator") == []
    assert chain.post(order(chain, case)) == ["ERASED"], "what it has erased it does not get again"
    chain.do(order(chain, case, "admission"))


def test_a_regulator_that_orders_after_a_request_can_be_asked_alone(chain: Consortium, case: Case) -> None:
    settle(chain, case)
    invoice = case.record("invoice")
    assert chain.post(ask(case, invoice, holder="regulator")) == ["UNKNOWN_HOLDER"]
    chain.do(ask(case, invoice))
    chain.do(order(chain, case))
    assert "regulator" not in rows(chain, case.stay_id)
    chain.do(ask(case, invoice))
    assert statuses(chain, case.stay_id, "regulator") == ["ASKED"]
    assert chain.post(ask(case, invoice)) == ["ALREADY_ASKED"]


def test_who_got_nothing_by_its_order_is_no_holder_and_a_later_dispute_makes_nobody_one_less(
    chain: Consortium, case: Case
) -> None:
    settle(chain, case)
    invoice = case.record("invoice")
    first, second = order(chain, case), order(chain, case)
    assert isinstance(first[2], PlaceOrder)
    assert isinstance(second[2], PlaceOrder)
    chain.do(first, ("regulator", "access.answer", AnswerOrder(first[2].order_id, bytes(32))))
    assert chain.post(ask(case, invoice, holder="regulator")) == ["UNKNOWN_HOLDER"]
    delivered = order(chain, case)
    assert isinstance(delivered[2], PlaceOrder)
    chain.do(delivered, ("regulator", "access.answer", AnswerOrder(delivered[2].order_id, None)))
    chain.do(second, ("regulator", "access.answer", AnswerOrder(second[2].order_id, bytes(32))))
    chain.do(ask(case, invoice, holder="regulator"))


def test_a_regulator_restricts_on_its_own_basis_alone_and_the_clock_asks_again(chain: Consortium, case: Case) -> None:
    settle(chain, case)
    invoice = case.record("invoice")
    chain.do(order(chain, case))
    chain.do(ask(case, invoice))
    year = year_of((BEGUN_MS + 8 * 3_600_000) // DAY_MS)
    last = next(day for day in range(20_454, 30_000) if is_last_of_year(day) and year_of(day) == year + 10)
    codes = chain.post(
        restrict("regulator", case.stay_id, "medical-records", last, invoice),
        restrict("regulator", case.stay_id, "insurance-claim-file", last, invoice),
        restrict("insurer-b", case.stay_id, "inspection-file", last, invoice),
        restrict("regulator", case.stay_id, "inspection-file", last, invoice),
    )
    assert codes == ["NO_HOLD", "NO_HOLD", "NOT_ASKED", "OK"]
    assert statuses(chain, case.stay_id, "regulator") == ["RESTRICTED"]
    chain.do(order(chain, case))
    assert statuses(chain, case.stay_id, "regulator") == ["RESTRICTED"], "what is kept may be ordered again"
    chain.post(after_ms=begin_ms(last + 1) - chain.application.time_ms)
    assert statuses(chain, case.stay_id, "regulator") == ["ASKED"]
    ended = next(day for day in range(last + 1, 40_000) if is_last_of_year(day))
    assert chain.post(restrict("regulator", case.stay_id, "inspection-file", ended, invoice)) == ["HOLD_ENDS"]
    chain.do(order(chain, case), restrict("regulator", case.stay_id, "inspection-file", ended, invoice))


def test_the_clock_of_the_grant_asks_the_regulator_with_the_recipient(chain: Consortium, case: Case) -> None:
    settle(chain, case)
    chain.do(order(chain, case), order(chain, case))
    erase_at_ms = chain.grant(case.customer).permission.erase_at_ms
    chain.post(after_ms=erase_at_ms - chain.application.time_ms - 1)
    assert rows(chain, case.stay_id) == {}
    chain.post(after_ms=1)
    assert {(row.holder, item.cause) for row in rows(chain, case.stay_id).values() for item in row.items} == {
        ("insurer-a", "retention"),
        ("regulator", "retention"),
    }
    assert len(rows(chain, case.stay_id)["regulator"].items) == 1
    assert "regulator" not in rows(chain, case.claim_id), "nothing was made of the claim there"
