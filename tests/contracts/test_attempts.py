"""The bound on attempts: nobody fills a customer's log, and nothing of what is attempted is silent."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.attempts import (
    ENTRIES_MAX,
    LIST_ROWS_MAX,
    AttemptView,
    Counted,
    CountedView,
    ListAttempts,
)
from contracts.orders import Ask, PlaceOrder
from tests.contracts.consortium import Call, Case, Consortium, digest, load

DAY_MS = 86_400_000
FLOODERS = ("insurer-b", "rail", "hospital-b")


def reported(chain: Consortium) -> Case:
    case = chain.case(chain.consent(), chain.policy())
    chain.do(*chain.admit(case))
    chain.do(*chain.discharge(case)[:4])
    return case


@pytest.fixture
def case(chain: Consortium) -> Case:
    """Report a stay whose records are all entered."""
    return reported(chain)


def ask(case: Case, signer: str) -> Call:
    return signer, "access.ask", Ask(case.stay_id, "invoice", None, case.grant_id, "HPAYMT")


def order(chain: Consortium, case: Case, signer: str = "regulator") -> Call:
    message = PlaceOrder(chain.draw("order"), case.record("invoice"), "medical-fund-supervision", digest("number"))
    return signer, "access.order", message


def flood(chain: Consortium, case: Case, signer: str, count: int) -> list[str]:
    """Post so many refused questions in blocks that a signer's quota allows, and return their codes."""
    codes: list[str] = []
    while len(codes) < count:
        codes += chain.post(*[ask(case, signer)] * min(25, count - len(codes)))
    return codes


def entries(chain: Consortium, case: Case) -> list[AttemptView]:
    found: list[AttemptView] = []
    while True:
        asked = ListAttempts(case.customer, len(found))
        page = chain.ask("attempts.of_subject", asked, tuple[AttemptView, ...])
        found += page
        if len(page) < LIST_ROWS_MAX:
            return found


def counted(chain: Consortium, case: Case) -> list[Counted]:
    found = chain.ask("attempts.counted_of_subject", ListAttempts(case.customer, 0), tuple[CountedView, ...])
    assert [view.sequence for view in found] == list(range(1, len(found) + 1))
    return [view.counted for view in found]


def test_after_a_days_entries_a_members_attempts_are_counted_in_one_running_entry(
    chain: Consortium, case: Case
) -> None:
    assert set(flood(chain, case, "insurer-b", ENTRIES_MAX)) == {"AUTH-013"}
    assert counted(chain, case) == []
    assert chain.post(*[ask(case, "insurer-b")] * 7) == ["AUTH-013"] * 7
    assert chain.events() == ["access-counted"] * 7
    assert len(entries(chain, case)) == ENTRIES_MAX
    (running,) = counted(chain, case)
    assert (running.signer, running.count, running.latest.condition) == ("insurer-b", 7, "recipient")
    assert running.first.transaction_id == chain.receipts[0].transaction_id
    assert running.latest.place.transaction_id == chain.receipts[-1].transaction_id


def test_one_who_floods_takes_no_room_from_the_others_and_a_new_day_begins_anew(chain: Consortium, case: Case) -> None:
    flood(chain, case, "insurer-b", ENTRIES_MAX + 1)
    assert chain.post(ask(case, "insurer-a"), order(chain, case)) == ["OK", "OK"]
    assert len(entries(chain, case)) == ENTRIES_MAX + 2
    chain.post(ask(case, "insurer-b"), after_ms=DAY_MS)
    assert len(entries(chain, case)) == ENTRIES_MAX + 3
    flood(chain, case, "insurer-b", ENTRIES_MAX)
    assert [running.count for running in counted(chain, case)] == [1, 1]
    assert [running.day for running in counted(chain, case)] == [
        counted(chain, case)[0].day,
        counted(chain, case)[0].day + 1,
    ]


def test_beyond_the_bound_nothing_is_permitted_so_no_door_opens_without_an_entry_of_its_own(
    chain: Consortium, case: Case
) -> None:
    placed = [order(chain, case) for _ in range(ENTRIES_MAX)]
    for first in range(0, ENTRIES_MAX, 25):
        chain.do(*placed[first : first + 25])
    assert chain.post(order(chain, case), ask(case, "insurer-a")) == ["TOO_MANY", "OK"]
    (running,) = counted(chain, case)
    assert (running.latest.kind, running.latest.code, running.latest.condition) == ("order", "TOO_MANY", "quota")
    assert [view.attempt.decision for view in entries(chain, case)] == ["permit"] * (ENTRIES_MAX + 1)
    chain.do(order(chain, case), after_ms=DAY_MS)


def test_a_listing_is_paged_and_knows_where_it_stopped(chain: Consortium, case: Case) -> None:
    for signer in FLOODERS:
        flood(chain, case, signer, ENTRIES_MAX)
    first = chain.ask("attempts.of_subject", ListAttempts(case.customer, 0), tuple[AttemptView, ...])
    assert len(first) == LIST_ROWS_MAX
    rest = chain.ask("attempts.of_subject", ListAttempts(case.customer, first[-1].sequence), tuple[AttemptView, ...])
    assert [view.sequence for view in rest] == list(range(LIST_ROWS_MAX + 1, len(FLOODERS) * ENTRIES_MAX + 1))


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.tuples(st.sampled_from(FLOODERS), st.integers(1, 130), st.sampled_from((1_000, DAY_MS // 2, DAY_MS))),
        min_size=1,
        max_size=5,
    )
)
def test_whatever_is_attempted_is_an_entry_or_counted_and_the_rows_stay_bounded(
    floods: list[tuple[str, int, int]],
) -> None:
    chain = Consortium(load())
    case = reported(chain)
    for signer, count, after_ms in floods:
        chain.post(after_ms=after_ms)
        flood(chain, case, signer, count)
    rows = [view.attempt for view in entries(chain, case)]
    running = counted(chain, case)
    assert len(rows) + sum(item.count for item in running) == sum(count for _, count, _ in floods)
    days = {(row.signer, (row.place.time_ms + 8 * 3_600_000) // DAY_MS) for row in rows}
    for signer, day in days:
        of_day = [row for row in rows if (row.signer, (row.place.time_ms + 8 * 3_600_000) // DAY_MS) == (signer, day)]
        counts = [item.count for item in running if (item.signer, item.day) == (signer, day)]
        assert len(of_day) <= ENTRIES_MAX
        assert len(counts) <= 1
        assert not counts or len(of_day) == ENTRIES_MAX, "only what is beyond the bound is counted"
    assert {(item.signer, item.day) for item in running} <= days
