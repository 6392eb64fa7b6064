"""Payments: only the rail says what moved, doubt is never sent again, and the year's total follows."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.calendar import Month, civil_month
from contracts.identifiers import Place
from contracts.listings import FindTotal, Wait
from contracts.payments import (
    NEXT_STATUSES,
    OPEN_STATUSES,
    STEPS_RESERVED,
    advance_status,
    derive_status,
    move_payment,
)
from contracts.policies import NamePayee
from contracts.proposals import AddOrganisation, RemoveOrganisation, organisation_message
from contracts.settlements import PAYMENT_STEPS_MAX, Conclude, Pay, Payment, Redirect, Settle
from contracts.totals import EMPTY_MONTH, MonthTotal, YearTotal, sum_year
from ledger.crypto.commitments import IDENTITY, verify_difference
from ledger.crypto.signatures import PrivateKey, sign_enrolment
from ledger.errors import ContractError
from ledger.execution.contract import replace
from tests.contracts.consortium import BEGUN_MS, CHAIN_ID, YEAR_MS, Call, Case, Consortium, Figure, digest
from tests.contracts.test_governance import pass_

PAYABLE = Figure.draw(206_000, "payable")
PLACE = Place(1, 0, BEGUN_MS, digest("transaction"))
STATUSES = ("accepted", "unknown", "paid", "returned", "rejected")


@pytest.fixture
def case(chain: Consortium) -> Case:
    return settled(chain)


def settled(chain: Consortium, payable: Figure = PAYABLE) -> Case:
    case = chain.case(chain.consent(), chain.policy())
    chain.do(*chain.admit(case), *chain.discharge(case), *chain.deliver(case))
    chain.do(chain.settle(case, chain.outcome(case, payable)))
    return case


def payment_id(chain: Consortium, case: Case) -> str:
    return chain.view(case).claim.payments[-1]


def total(chain: Consortium, year: int = 2026) -> MonthTotal:
    return sum_year(chain.ask("registers.total", FindTotal("insurer-a", year, "CNY"), YearTotal))


def due() -> Payment:
    return Payment(
        "payment-aaaaaaaaaaaa",
        "claim-aaaaaaaaaaaa",
        1,
        "insurer-a",
        "policy-aaaaaaaaaaaa",
        1,
        "payout",
        IDENTITY,
        "due",
        None,
        "rail",
        (),
        (),
        (),
    )


# ------------------------------------------------------------------------------------------- who says it is paid


def test_only_the_rail_says_what_moved(chain: Consortium, case: Case) -> None:
    _, target, message = chain.pay(payment_id(chain, case), "paid")
    for stranger in ("insurer-a", "hospital-a", "regulator", case.customer):
        assert chain.post((stranger, target, message)) == ["FORBIDDEN"]
    assert chain.view(case).status == "SETTLED"
    chain.do(("rail", target, message))
    assert chain.view(case).status == "PAID"


def test_the_rail_settles_and_reports_nothing(chain: Consortium, case: Case) -> None:
    _, target, message = chain.report(case)
    assert chain.post(("rail", target, message)) == ["FORBIDDEN"]
    assert chain.post(chain.pay("payment-ffffffffffff", "paid")) == ["UNKNOWN_PAYMENT"]


def test_a_payment_in_doubt_is_queried_under_its_key_and_never_sent_again(chain: Consortium, case: Case) -> None:
    paying = payment_id(chain, case)
    chain.do(chain.pay(paying, "unknown"))
    assert chain.post(chain.pay(paying, "paid", key="second")) == ["IDEMPOTENCY_KEY"]
    assert chain.view(case).status == "SETTLED"
    chain.do(chain.pay(paying, "paid"))
    assert chain.view(case).status == "PAID"
    assert chain.post(chain.pay(paying, "paid")) == ["WRONG_STATE"]


def test_a_return_reopens_the_payment_under_a_fresh_key(chain: Consortium, case: Case) -> None:
    paying = payment_id(chain, case)
    chain.do(chain.pay(paying, "paid"))
    chain.do(chain.pay(paying, "returned"))
    assert chain.view(case).status == "SETTLED"
    assert chain.post(chain.pay(paying, "paid")) == ["IDEMPOTENCY_KEY"]
    chain.do(chain.pay(paying, "paid", key="second"))
    assert chain.view(case).status == "PAID"
    steps = chain.view(case).payments[0].steps
    assert [step.status for step in steps] == ["due", "paid", "returned", "paid"]


def test_one_key_serves_one_payment(chain: Consortium, case: Case) -> None:
    other = settled(chain)
    key = digest("one key")
    first, second = payment_id(chain, case), payment_id(chain, other)
    calls = [("rail", "claims.pay", Pay(paying, key, "paid")) for paying in (first, second)]
    assert chain.post(*calls) == ["OK", "IDEMPOTENCY_KEY"]


def test_an_insurer_redirects_a_returned_payment_to_the_current_payee(chain: Consortium, case: Case) -> None:
    paying = payment_id(chain, case)
    redirect = ("insurer-a", "claims.redirect", Redirect(paying, 2, "rail"))
    chain.do(("insurer-a", "coverage.name_payee", NamePayee(case.policy_id, 2, digest("other account"))))
    assert chain.post(redirect) == ["WRONG_STATE"]
    chain.do(chain.pay(paying, "rejected"))
    assert chain.post(("insurer-a", "claims.redirect", Redirect(paying, 1, "rail"))) == ["STALE_PAYEE"]
    assert chain.post(("insurer-b", "claims.redirect", Redirect(paying, 2, "rail"))) == ["FORBIDDEN"]
    chain.do(redirect)
    chain.do(chain.pay(paying, "paid", key="second"))
    assert [step.payee_version for step in chain.view(case).payments[0].steps] == [1, 1, 2, 2]


def test_a_pended_part_shows_once_the_rest_is_paid(chain: Consortium) -> None:
    case = chain.case(chain.consent(), chain.policy())
    chain.do(*chain.admit(case), *chain.discharge(case), *chain.deliver(case))
    chain.do(chain.settle(case, chain.outcome(case, PAYABLE, is_pended=True)))
    assert chain.view(case).status == "SETTLED"
    chain.do(chain.pay(payment_id(chain, case), "paid"))
    assert chain.view(case).status == "PENDED"


# ------------------------------------------------------------------------------------------- a year's total


def test_a_years_total_is_the_sum_of_what_was_paid(chain: Consortium) -> None:
    amounts = [Figure.draw(amount, f"{amount}") for amount in (111_55, 206_000, 998_000)]
    for payable in amounts:
        case = settled(chain, payable)
        chain.do(chain.pay(payment_id(chain, case), "paid"))
    whole = amounts[0].plus(amounts[1]).plus(amounts[2])
    found = total(chain)
    assert (found.claims, found.payments) == (3, 3)
    verify_difference(found.paid, 111_55 + 206_000 + 998_000, whole.blinding)


def test_what_is_settled_and_not_paid_does_not_count(chain: Consortium, case: Case) -> None:
    assert total(chain) == EMPTY_MONTH
    assert chain.view(case).status == "SETTLED"


def test_a_return_within_its_month_leaves_nothing_and_a_later_one_counts_against_its_own_month(
    chain: Consortium, case: Case
) -> None:
    paying = payment_id(chain, case)
    chain.do(chain.pay(paying, "paid"))
    chain.do(chain.pay(paying, "returned"))
    assert total(chain) == EMPTY_MONTH
    chain.do(chain.pay(paying, "paid", key="second"))
    before = total(chain)
    assert (before.claims, before.payments) == (1, 1)
    chain.do(chain.pay(paying, "returned", key="second"), after_ms=YEAR_MS)
    chain.do(chain.pay(paying, "paid", key="third"))
    assert total(chain) == before
    again = total(chain, 2027)
    assert (again.claims, again.payments, again.adjustments, again.paid) == (0, 1, 1, IDENTITY)


@given(st.integers(min_value=0, max_value=2**42))
def test_a_calendar_month_is_that_at_utc_plus_8(time_ms: int) -> None:
    moment = dt.datetime.fromtimestamp(time_ms // 1_000, dt.timezone(dt.timedelta(hours=8)))
    assert civil_month(time_ms) == Month(moment.year, moment.month)


# ------------------------------------------------------------------------------------------- every order of receipts


@given(st.lists(st.tuples(st.sampled_from(STATUSES), st.sampled_from(["first", "second", "third"])), max_size=12))
def test_no_order_of_receipts_sends_a_payment_twice(receipts: list[tuple[str, str]]) -> None:
    payment = due()
    used: list[bytes] = []
    for status, name in receipts:
        key = digest(name)
        before = payment
        try:
            payment = move_payment(before, Pay(due().payment_id, key, status), PLACE, is_key_fresh=key not in used)  # type: ignore[arg-type]
        except ContractError:
            assert payment == before
            continue
        assert status in dict(NEXT_STATUSES)[before.status]
        if before.status in OPEN_STATUSES:
            assert key not in used
        else:
            assert key == before.idempotency_key
        used.append(key)
        assert len(payment.steps) == len(before.steps) + 1
    assert (derive_status([payment], is_pended=False) == "PAID") == (payment.status == "paid")


# ------------------------------------------------------------------------------------------- a rail that is removed

NEXT_RAIL = "rail-b"
VOTERS = ("hospital-a", "hospital-b", "insurer-a", "insurer-b", "regulator")


def admit_rail(chain: Consortium) -> None:
    key = PrivateKey(digest(NEXT_RAIL))
    chain.keys[NEXT_RAIL] = key
    signed = organisation_message(CHAIN_ID, NEXT_RAIL, "rail", key.public_key, bytes(1216), digest("ca"))
    proof = sign_enrolment(key, signed)
    pass_(chain, AddOrganisation(NEXT_RAIL, "rail", key.public_key, bytes(1216), digest("ca"), proof), VOTERS)


def succeed_rail(chain: Consortium) -> None:
    """Admit another rail and remove the one that was there."""
    admit_rail(chain)
    pass_(chain, RemoveOrganisation("rail"), VOTERS)


def receipt(chain: Consortium, case: Case, status: str, key: str = "first") -> Call:
    _, target, message = chain.pay(payment_id(chain, case), status, key)
    return NEXT_RAIL, target, message


def conclude(chain: Consortium, case: Case, *, has_moved: bool, signer: str = "insurer-a") -> Call:
    return signer, "claims.conclude", Conclude(payment_id(chain, case), has_moved)


@pytest.mark.parametrize("reported", [(), ("accepted",), ("accepted", "unknown")])
def test_an_attempt_of_a_rail_that_was_removed_is_nobody_elses(
    chain: Consortium, case: Case, reported: tuple[str, ...]
) -> None:
    chain.do(*(chain.pay(payment_id(chain, case), status) for status in reported))
    succeed_rail(chain)
    for status in ("accepted", "unknown", "paid", "rejected"):
        for key in ("first", "fresh"):
            assert chain.post(receipt(chain, case, status, key)) == ["FORBIDDEN"]
    redirect = ("insurer-a", "claims.redirect", Redirect(payment_id(chain, case), 1, NEXT_RAIL))
    assert chain.post(redirect) == ["WRONG_STATE"], "nothing is sent again before somebody states what became of it"
    assert chain.view(case).wait == Wait("insurer", "", 0, 0)


def test_a_second_rail_does_not_report_what_the_first_one_was_given(chain: Consortium, case: Case) -> None:
    admit_rail(chain)
    assert chain.post(receipt(chain, case, "paid")) == ["FORBIDDEN"]
    chain.do(chain.pay(payment_id(chain, case), "rejected"))
    chain.do(("insurer-a", "claims.redirect", Redirect(payment_id(chain, case), 1, NEXT_RAIL)))
    assert chain.post(chain.pay(payment_id(chain, case), "paid", "second")) == ["FORBIDDEN"]
    chain.do(receipt(chain, case, "paid", "second"))
    assert [step.rail for step in chain.view(case).payments[0].steps] == ["rail", "rail", NEXT_RAIL, NEXT_RAIL]


def test_what_moved_is_stated_by_the_insurer_and_counts_as_paid(chain: Consortium, case: Case) -> None:
    chain.do(chain.pay(payment_id(chain, case), "accepted"))
    assert chain.post(conclude(chain, case, has_moved=True)) == ["RAIL_IN_FORCE"]
    succeed_rail(chain)
    for stranger in ("insurer-b", "hospital-a", NEXT_RAIL, "regulator", case.customer):
        assert chain.post(conclude(chain, case, has_moved=True, signer=stranger)) == ["FORBIDDEN"]
    chain.do(conclude(chain, case, has_moved=True))
    assert (chain.view(case).status, total(chain).paid) == ("PAID", chain.view(case).payments[0].amount)
    last = chain.view(case).payments[0].steps[-1]
    assert (last.status, last.rail, last.is_stated) == ("paid", "rail", True)
    assert chain.post(conclude(chain, case, has_moved=False)) == ["WRONG_STATE"]


def test_what_did_not_move_is_sent_by_the_next_rail_under_a_fresh_key(chain: Consortium, case: Case) -> None:
    chain.do(chain.pay(payment_id(chain, case), "unknown"))
    succeed_rail(chain)
    chain.do(conclude(chain, case, has_moved=False))
    assert chain.view(case).status == "SETTLED"
    removed = ("insurer-a", "claims.redirect", Redirect(payment_id(chain, case), 1, "rail"))
    assert chain.post(removed, receipt(chain, case, "paid", "second")) == ["UNKNOWN_MEMBER", "FORBIDDEN"]
    chain.do(("insurer-a", "claims.redirect", Redirect(payment_id(chain, case), 1, NEXT_RAIL)))
    assert chain.post(receipt(chain, case, "paid")) == ["IDEMPOTENCY_KEY"], "the former attempt's key is spent"
    chain.do(receipt(chain, case, "paid", "second"))
    assert chain.view(case).status == "PAID"


def test_a_settlement_names_a_rail_that_is_a_member_if_anything_moves(chain: Consortium) -> None:
    case = chain.case(chain.consent(), chain.policy())
    chain.do(*chain.admit(case), *chain.discharge(case), *chain.deliver(case))
    signer, target, message = chain.settle(case, chain.outcome(case, Figure.draw(206_000, "payable")))
    assert isinstance(message, Settle)
    for rail, code in ((None, "PAYMENT"), ("insurer-a", "UNKNOWN_MEMBER"), ("nobody", "UNKNOWN_MEMBER")):
        assert chain.post((signer, target, replace(message, rail=rail))) == [code]
    succeed_rail(chain)
    assert chain.post((signer, target, message)) == ["UNKNOWN_MEMBER"]
    chain.do((signer, target, replace(message, rail=NEXT_RAIL)))


# --------------------------------------------------------------------------------------------------- what is bounded


def test_a_rail_that_cannot_make_up_its_mind_leaves_room_for_how_it_ends(chain: Consortium, case: Case) -> None:
    paying = payment_id(chain, case)
    codes: list[str] = []
    while not codes or codes[-1] == "OK":
        codes += chain.post(chain.pay(paying, ("accepted", "unknown")[len(codes) % 2]))
    assert (len(codes), codes[-1]) == (PAYMENT_STEPS_MAX - STEPS_RESERVED, "TOO_MANY")
    chain.do(chain.pay(paying, "paid"))
    assert chain.view(case).status == "PAID"


@pytest.mark.parametrize("is_pended", [True, False])
@pytest.mark.parametrize("was_pended", [True, False])
@pytest.mark.parametrize("disposition", ["payout", "recovery", "none"])
def test_the_status_after_a_settlement_follows_from_the_one_before(
    chain: Consortium, case: Case, disposition: str, was_pended: bool, is_pended: bool
) -> None:
    claim, outcome = chain.view(case).claim, chain.view(case).settlements[0].outcome
    kinds = [
        replace(due(), direction=direction, status=status)
        for direction in ("payout", "recovery")
        for status in ("due", "paid", "returned")
    ]
    moved = [] if disposition == "none" else [replace(due(), direction=disposition)]
    for payments in ([], *([first] for first in kinds), *([first, other] for first in kinds for other in kinds)):
        ids = tuple(f"payment-{place:012x}" for place in range(len(payments)))
        before = replace(claim, status=derive_status(payments, is_pended=was_pended), payments=ids)
        settled_now = replace(outcome, disposition=disposition, is_pended=is_pended)
        assert advance_status(before, settled_now) == derive_status([*payments, *moved], is_pended=is_pended)
