"""Payments: only the rail says what moved, doubt is never sent again, and the year's total follows."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.calendar import Month, civil_month
from contracts.identifiers import Place
from contracts.listings import FindTotal
from contracts.payments import NEXT_STATUSES, OPEN_STATUSES, derive_status, move_payment
from contracts.policies import NamePayee
from contracts.settlements import Pay, Payment, Redirect
from contracts.totals import EMPTY_MONTH, MonthTotal, YearTotal, sum_year
from ledger.crypto.commitments import IDENTITY, verify_difference
from ledger.errors import ContractError
from tests.contracts.consortium import BEGUN_MS, YEAR_MS, Case, Consortium, Figure, digest

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
    redirect = ("insurer-a", "claims.redirect", Redirect(paying, 2))
    chain.do(("insurer-a", "coverage.name_payee", NamePayee(case.policy_id, 2, digest("other account"))))
    assert chain.post(redirect) == ["WRONG_STATE"]
    chain.do(chain.pay(paying, "rejected"))
    assert chain.post(("insurer-a", "claims.redirect", Redirect(paying, 1))) == ["STALE_PAYEE"]
    assert chain.post(("insurer-b", "claims.redirect", Redirect(paying, 2))) == ["FORBIDDEN"]
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
