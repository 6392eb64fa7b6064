"""Yearly reports: the one partition, what its proofs are bound to, once, and a published year that stays true."""

import itertools
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from contracts.calendar import MONTHS, Month
from contracts.listings import FindYear
from contracts.reports import ListReports, Publish, YearReport
from contracts.totals import (
    EMPTY_MONTH,
    GROUP_CLAIMS_MIN,
    MonthTotal,
    YearHead,
    close_groups,
    disclosure_context,
    merge_months,
    sum_year,
)
from ledger.crypto.commitments import IDENTITY, commit_amount, verify_difference
from ledger.crypto.totals import verify_total
from ledger.errors import VerificationError
from ledger.execution.loader import ContractSet
from ledger.limits import METER_UNITS_MAX
from tests.contracts.books import INSURER, Books
from tests.contracts.consortium import Consortium, Figure


@pytest.fixture
def books(chain: Consortium) -> Books:
    return Books(chain)


@pytest.fixture
def year(books: Books) -> Books:
    """2026 with 25 claims: 6 in January, 5 in March, 11 in July, 3 in December. And 2027 has begun."""
    for month, count in ((1, 6), (3, 5), (7, 11), (12, 3)):
        books.pay(2026, month, count)
    books.go_to(2027, 1)
    return books


def months(*claims: int) -> tuple[MonthTotal, ...]:
    """Return months of so many claims, with distinct commitments."""
    return tuple(
        MonthTotal(count, count, 0, commit_amount(number, number + 1) if count else IDENTITY)
        for number, count in enumerate(claims)
    )


# ------------------------------------------------------------------------------------------------- the partition


@given(st.lists(st.integers(0, 25), min_size=MONTHS, max_size=MONTHS))
def test_groups_cover_the_year_in_order_and_none_is_below_ten_claims(claims: list[int]) -> None:
    groups = merge_months(months(*claims))
    assert bool(groups) == (sum(claims) >= GROUP_CLAIMS_MIN)
    covered = [month for group in groups for month in range(group.first_month, group.last_month + 1)]
    assert covered in ([], list(range(1, MONTHS + 1)))
    for group in groups:
        assert group.sums.claims == sum(claims[group.first_month - 1 : group.last_month]) >= GROUP_CLAIMS_MIN


def test_a_month_is_merged_only_until_ten_are_together() -> None:
    groups = merge_months(months(10, 9, 1, 0, 0, 25, 0, 0, 0, 0, 0, 9))
    assert [(group.first_month, group.last_month) for group in groups] == [(1, 1), (2, 3), (4, 12)]


def test_a_recovery_in_a_month_without_claims_is_merged_too() -> None:
    recovery = MonthTotal(0, 1, 0, commit_amount(5, 7))
    groups = merge_months((*months(10, *[0] * 10), recovery))
    assert [(group.last_month, group.sums.payments) for group in groups] == [(12, 11)]


@given(st.lists(st.tuples(st.integers(0, 25), st.integers(0, 12)), min_size=MONTHS, max_size=MONTHS))
def test_months_that_are_over_are_never_parted_whatever_comes_after_them(counts: list[tuple[int, int]]) -> None:
    year = tuple(MonthTotal(claims, claims + returns, returns, IDENTITY) for claims, returns in counts)
    groups = merge_months(year)
    ends = {group.last_month for group in groups}
    for over in range(MONTHS + 1):
        closed, left = close_groups(year[:over])
        stretches = [*closed, *([] if left is None else [left])]
        covered = [month for group in stretches for month in range(group.first_month, group.last_month + 1)]
        assert covered == list(range(1, over + 1))
        inside = {month for group in stretches for month in range(group.first_month, group.last_month)}
        assert inside.isdisjoint(ends)
    for group in groups:
        live = [claims - returns for claims, returns in counts[group.first_month - 1 : group.last_month]]
        assert sum(live) >= GROUP_CLAIMS_MIN


def test_a_last_group_that_returns_bring_below_ten_joins_the_one_before() -> None:
    returns = MonthTotal(0, 3, 3, commit_amount(5, 7))
    groups = merge_months((*months(12, 11, *[0] * 9), returns))
    assert [(group.first_month, group.last_month, group.sums.claims) for group in groups] == [(1, 12, 23)]
    assert merge_months((*months(12, *[0] * 10), returns)) == ()


# ------------------------------------------------------------------------------------------------- publishing


def test_a_year_is_published_in_groups_that_open_to_what_was_paid(year: Books) -> None:
    year.chain.do(year.publish(2026))
    report = year.published(2026)
    assert report is not None
    shown = [(item.group.first_month, item.group.last_month, item.group.sums.claims) for item in report.groups]
    assert shown == [(1, 3, 11), (4, 12, 14)]
    assert sum(item.stated.total for item in report.groups) == sum(figure.amount for figure in year.sums.values())
    assert year.chain.events() == ["report-published"]
    assert year.chain.ask("reports.list_reports", ListReports(INSURER), tuple[YearReport, ...]) == (report,)
    assert year.chain.ask("registers.year", FindYear(INSURER, 2026), YearHead) == YearHead(("CNY",))


def test_the_chain_learns_no_blinding(year: Books) -> None:
    message = year.report(2026)
    for group, stated in zip(year.groups(2026), message.totals, strict=True):
        blinding = year.sum_of(2026, group).blinding.to_bytes(32, "little")
        assert blinding not in stated.proof
        verify_difference(group.sums.paid, stated.total, year.sum_of(2026, group).blinding)


@pytest.mark.parametrize("added", [1, -1, 100, -206_000])
def test_a_report_that_adds_a_minor_unit_is_refused(year: Books, added: int) -> None:
    message = year.report(2026)
    for place, stated in enumerate(message.totals):
        totals = list(message.totals)
        totals[place] = replace(stated, total=stated.total + added)
        assert year.chain.post((INSURER, "reports.publish", replace(message, totals=tuple(totals)))) == [
            "INVALID_PROOF"
        ]
    assert year.published(2026) is None
    assert not year.total(2026).is_published


def test_a_report_that_leaves_a_claim_out_is_refused(year: Books) -> None:
    honest = year.report(2026)
    left_out = year.figures[year.payment(0)]
    year.subtract((2026, 1), left_out)
    group = year.groups(2026)[0]
    with pytest.raises(VerificationError, match="opening"):
        year.state(2026, group)
    # Its own proof over the smaller sum holds for the smaller commitment, and for nothing that the chain has.
    smaller = replace(group, sums=replace(group.sums, claims=10, payments=10, paid=year.sum_of(2026, group).point))
    forged = year.state(2026, smaller)
    context = disclosure_context(year.chain.chain_id, INSURER, 2026, "CNY", smaller)
    verify_total(smaller.sums.paid, forged.total, context, forged.proof)
    message = replace(honest, totals=(forged, *honest.totals[1:]))
    assert year.chain.post((INSURER, "reports.publish", message)) == ["INVALID_PROOF"]


def test_groups_cannot_be_joined_split_or_swapped(year: Books) -> None:
    honest = year.report(2026)
    first, second = honest.totals
    assert year.chain.post((INSURER, "reports.publish", replace(honest, totals=(first,)))) == ["PARTITION"]
    assert year.chain.post((INSURER, "reports.publish", replace(honest, totals=(first, second, second)))) == [
        "PARTITION"
    ]
    assert year.chain.post((INSURER, "reports.publish", replace(honest, totals=(second, first)))) == ["INVALID_PROOF"]
    assert year.chain.post((INSURER, "reports.publish", replace(honest, totals=()))) == ["PARTITION"]
    mixed = (replace(first, proof=second.proof), second)
    assert year.chain.post((INSURER, "reports.publish", replace(honest, totals=mixed))) == ["INVALID_PROOF"]


def test_a_proof_is_of_one_chain_insurer_year_currency_and_count(year: Books) -> None:
    group = year.groups(2026)[0]
    stated = year.report(2026).totals[0]
    one_more = replace(group, sums=replace(group.sums, claims=group.sums.claims + 1))
    longer = replace(group, last_month=group.last_month + 1)
    for elsewhere in (
        ("other-chain", INSURER, 2026, "CNY", group),
        (year.chain.chain_id, "insurer-b", 2026, "CNY", group),
        (year.chain.chain_id, INSURER, 2025, "CNY", group),
        (year.chain.chain_id, INSURER, 2026, "USD", group),
        (year.chain.chain_id, INSURER, 2026, "CNY", one_more),
        (year.chain.chain_id, INSURER, 2026, "CNY", longer),
    ):
        with pytest.raises(VerificationError):
            verify_total(group.sums.paid, stated.total, disclosure_context(*elsewhere), stated.proof)


def test_only_an_insurer_publishes_and_only_its_own_totals(year: Books) -> None:
    message = year.report(2026)
    for stranger in ("hospital-a", "regulator", "rail"):
        assert year.chain.post((stranger, "reports.publish", message)) == ["FORBIDDEN"]
    assert year.chain.post(("insurer-b", "reports.publish", message)) == ["NOTHING_PAID"]
    year.chain.do((INSURER, "reports.publish", message))


def test_a_running_year_is_not_published(books: Books) -> None:
    books.pay(2026, 1, 12)
    books.go_to(2026, 12)
    assert books.chain.post(books.publish(2026)) == ["YEAR_RUNNING"]
    assert books.chain.post((INSURER, "reports.publish", Publish(2027, "CNY", ()))) == ["YEAR_RUNNING"]
    new_year_ms = 1_798_732_800_000
    assert new_year_ms == 1_767_196_800_000 + 365 * 86_400_000, "midnight at UTC+8 of 2027"
    wait_ms = new_year_ms - books.chain.application.time_ms
    assert books.chain.post(books.publish(2026), after_ms=wait_ms - 1) == ["YEAR_RUNNING"]
    assert books.chain.post(books.publish(2026), after_ms=1) == ["OK"]


def test_a_year_is_published_once(year: Books) -> None:
    message = year.report(2026)
    year.chain.do((INSURER, "reports.publish", message))
    assert year.chain.post((INSURER, "reports.publish", message)) == ["ALREADY_PUBLISHED"]
    assert year.chain.post((INSURER, "reports.publish", replace(message, totals=()))) == ["ALREADY_PUBLISHED"]


def test_a_year_in_which_nothing_was_paid_has_no_report(books: Books) -> None:
    books.go_to(2027, 1)
    assert books.chain.post((INSURER, "reports.publish", Publish(2026, "CNY", ()))) == ["NOTHING_PAID"]


def test_of_fewer_than_ten_claims_nothing_is_opened(books: Books) -> None:
    books.pay(2026, 2, GROUP_CLAIMS_MIN - 1)
    books.go_to(2027, 1)
    assert books.groups(2026) == ()
    whole = sum_year(books.total(2026))
    assert (whole.claims, whole.payments) == (9, 9)
    books.chain.do(books.publish(2026))
    report = books.published(2026)
    assert report is not None
    assert report.groups == ()


def test_the_dearest_report_stays_within_the_meter(books: Books) -> None:
    """A report of twelve groups costs eleven groups more than one of one; what a group costs shows in two years."""
    for year, groups in ((2026, 1), (2027, 2)):
        for month in range(1, groups + 1):
            books.pay(year, month, GROUP_CLAIMS_MIN)
    books.go_to(2028, 1)
    charges = []
    for year in (2026, 2027):
        books.chain.do(books.publish(year))
        charges.append(books.chain.receipts[0].charges)
    one, two = charges
    assert 0 < one + (MONTHS - 1) * (two - one) < METER_UNITS_MAX * 3 // 4


# ------------------------------------------------------------------------------------------------- what comes back


def test_a_return_within_the_month_takes_its_payment_out_and_a_later_one_counts_when_it_comes_back(
    year: Books,
) -> None:
    returned, figure = year.payment(0), year.figures[year.payment(0)]
    before = year.total(2026)
    year.chain.do(year.chain.pay(returned, "returned"))
    year.subtract((2027, 1), figure)
    assert year.total(2026) == before, "a year that is over does not change, published or not"
    year.chain.do(year.publish(2026))
    (january, *_) = year.total(2027).months
    assert (january.claims, january.payments, january.adjustments) == (0, 0, 1)
    year.chain.do(year.chain.pay(returned, "paid", key="second"))
    year.chain.do(year.chain.pay(returned, "returned", key="second"))
    assert year.total(2027).months[0] == january
    payment_id = year.settle()
    year.chain.do(year.chain.pay(payment_id, "paid"))
    year.chain.do(year.chain.pay(payment_id, "returned"))
    assert year.total(2027).months[0] == january
    assert year.chain.view(year.cases[-1]).claim.counted is None
    year.go_to(2027, 2)
    year.chain.do(year.chain.pay(payment_id, "paid", key="second"))
    assert year.chain.view(year.cases[-1]).claim.counted == Month(2027, 2)


def test_a_return_after_the_publication_leaves_the_published_year_and_counts_when_it_comes_back(year: Books) -> None:
    year.chain.do(year.publish(2026))
    published, total = year.published(2026), year.total(2026)
    returned = year.payment(0)
    year.go_to(2027, 5)
    year.chain.do(year.chain.pay(returned, "returned"))
    year.subtract((2027, 5), year.figures[returned])
    assert (year.published(2026), year.total(2026)) == (published, total)
    payment = year.chain.view(year.cases[0]).payments[0]
    assert (payment.counted, payment.adjusted) == ((Month(2026, 1),), (Month(2027, 5),))
    assert year.chain.view(year.cases[0]).claim.counted == Month(2026, 1)
    may = year.total(2027).months[4]
    assert (may.claims, may.payments, may.adjustments) == (0, 0, 1)
    verify_difference(may.paid, year.sums[2027, 5].amount, year.sums[2027, 5].blinding)


def test_a_payment_that_was_adjusted_counts_when_it_is_paid_again_and_its_claim_does_not(year: Books) -> None:
    year.chain.do(year.publish(2026))
    returned = year.payment(0)
    figure = year.figures[returned]
    year.go_to(2027, 5)
    year.chain.do(year.chain.pay(returned, "returned"))
    year.subtract((2027, 5), figure)
    year.go_to(2027, 6)
    year.chain.do(year.chain.pay(returned, "paid", key="second"))
    year.add((2027, 6), figure)
    year.pay(2027, 8, 10)
    assert year.groups(2027) == (), "the return may have taken the eleventh away"
    year.pay(2027, 9, 1)
    year.go_to(2028, 1)
    (group,) = year.groups(2027)
    assert (group.sums.claims, group.sums.payments, group.sums.adjustments) == (11, 12, 1)
    year.chain.do(year.publish(2027))


def test_a_total_below_zero_is_published_as_such(books: Books) -> None:
    books.pay(2026, 3, 10)
    books.pay(2026, 4, 1, payable=10_000_000)
    books.pay(2027, 2, 11)
    books.chain.do(books.publish(2026), books.chain.pay(books.payment(10), "returned"))
    books.subtract((2027, 2), books.figures[books.payment(10)])
    books.go_to(2028, 1)
    books.chain.do(books.publish(2027))
    report = books.published(2027)
    assert report is not None
    (found,) = report.groups
    assert found.stated.total == books.sums[2027, 2].amount < 0


def test_no_sum_or_difference_of_published_totals_is_about_fewer_than_ten_claims(books: Books) -> None:
    """Two years, with everything that could cancel: claims come back and are paid again, later and in the same year."""
    counted: dict[tuple[int, int], Counter[str]] = {}

    def note(month: tuple[int, int], payment_id: str, sign: int) -> None:
        counted.setdefault(month, Counter())[payment_id] += sign

    def pay(month: tuple[int, int], count: int) -> None:
        begun = len(books.cases)
        books.pay(*month, count)
        for number in range(begun, begun + count):
            note(month, books.payment(number), 1)

    def send_back(month: tuple[int, int], payment_ids: list[str]) -> None:
        books.go_to(*month)
        books.chain.do(*(books.chain.pay(payment_id, "returned") for payment_id in payment_ids))
        for payment_id in payment_ids:
            books.subtract(month, books.figures[payment_id])
            note(month, payment_id, -1)

    pay((2026, 2), 11)
    pay((2026, 9), 12)
    books.go_to(2027, 1)
    books.chain.do(books.publish(2026))
    returned = [books.payment(number) for number in range(12)]
    send_back((2027, 1), returned)
    pay((2027, 1), 22)
    books.go_to(2027, 6)
    again = returned[:10]
    books.chain.do(*(books.chain.pay(payment_id, "paid", key="second") for payment_id in again))
    for payment_id in again:
        books.add((2027, 6), books.figures[payment_id])
        note((2027, 6), payment_id, 1)
    assert len(books.groups(2027)) == 1, (
        "ten claims that are paid again make no group: a group before has their amounts"
    )
    pay((2027, 7), 10)
    pay((2027, 8), 12)
    send_back((2027, 9), [books.payment(number) for number in (30, 31)])
    books.go_to(2028, 1)
    books.chain.do(books.publish(2027))

    totals = []
    for year in (2026, 2027):
        for group in books.groups(year):
            months = range(group.first_month, group.last_month + 1)
            totals.append([counted[year, month] for month in months if (year, month) in counted])
    assert len(totals) == 5
    for weights in itertools.product((-1, 0, 1), repeat=len(totals)):
        left: Counter[str] = Counter()
        for weight, months_of_group in zip(weights, totals, strict=True):
            for month in months_of_group:
                for payment_id, sign in month.items():
                    left[payment_id] += weight * sign
        about = [payment_id for payment_id, times in left.items() if times]
        assert len(about) >= GROUP_CLAIMS_MIN or not any(weights)


STEPS = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from(["pay", "return", "new", "later", "next-year"])),
    min_size=1,
    max_size=16,
)


@settings(max_examples=30)
@given(STEPS)
def test_in_any_order_claims_are_counted_where_they_were_first_paid_and_months_that_are_over_stay(
    contract_set: ContractSet, steps: list[tuple[int, str]]
) -> None:
    books = Books(Consortium(contract_set))
    now = (2026, 1)
    paid: dict[str, tuple[int, int]] = {}
    first: dict[str, tuple[int, int]] = {}
    keys: dict[str, str] = {}
    over: dict[int, tuple[MonthTotal, ...]] = {}
    for attempt, (number, act) in enumerate(steps):
        books.go_to(*now)
        if act == "new":
            books.settle()
        elif act == "later":
            over[now[0]] = books.total(now[0]).months[: now[1]]
            now = (now[0], now[1] + 1) if now[1] < MONTHS else (now[0] + 1, 1)
        elif act == "next-year" and now[0] == 2026:
            over[2026] = books.total(2026).months
            now = (2027, 1)
            books.go_to(*now)
            if sum_year(books.total(2026)) != EMPTY_MONTH:
                books.chain.do(books.publish(2026))
        elif number < len(books.cases):
            payment_id = books.payment(number)
            figure = books.figures[payment_id]
            if act == "pay" and payment_id not in paid:
                keys[payment_id] = f"attempt {attempt}"
                books.chain.do(books.chain.pay(payment_id, "paid", key=keys[payment_id]))
                paid[payment_id] = now
                first.setdefault(payment_id, now)
                books.add(now, figure)
            elif act == "return" and payment_id in paid:
                books.chain.do(books.chain.pay(payment_id, "returned", key=keys[payment_id]))
                if paid.pop(payment_id) == now == first[payment_id]:
                    del first[payment_id]
                books.subtract(now, figure)
        for year, months_over in over.items():
            assert books.total(year).months[: len(months_over)] == months_over
    counts = [books.chain.view(case).claim.counted for case in books.cases]
    assert counts == [
        Month(*first[books.payment(number)]) if books.payment(number) in first else None
        for number in range(len(books.cases))
    ]
    for year in (2026, 2027):
        for place, found in enumerate(books.total(year).months, 1):
            figure = books.sums.get((year, place), Figure(0, 0))
            verify_difference(found.paid, figure.amount, figure.blinding)
            assert found.claims == counts.count(Month(year, place))
