"""Every listing pages in what a page costs, however long the list before it is.

The rows before a page are put into the store directly and point to nothing: a listing that read them would pay for
each, and one that looked up what they point to would fail.
"""

from collections.abc import Callable

import pytest

from contracts.grants import GrantVersion, GrantView, ListGrants
from contracts.listings import ClaimSummary, ListClaims
from contracts.needs import FindUsable
from contracts.policies import ListPolicies, PolicyView
from contracts.stays import ListInbox, ListSeen, ShareView
from ledger.codec import encode
from ledger.execution.state import Key, encode_key
from ledger.limits import QUERY_METER_UNITS_MAX
from tests.contracts.consortium import Case, Consortium

LONG = 110_000
ROWS_OF_A_PAGE = 40
"""What a page of one entry may read, its own rows included."""


def precede(chain: Consortium, contract: str, table: str, key: Callable[[str], Key], prefix: str) -> str:
    """Put LONG rows before the only one of a listing; return the last of their ids."""
    found = [name for name in chain.store.entries if name.startswith(b"s/" + encode_key(contract, table, key("")))]
    value = chain.store.entries[found[0]]
    ids = [f"{prefix}{number:012x}" for number in range(LONG)]
    chain.store.write({b"s/" + encode_key(contract, table, key(item)): value for item in ids})
    return ids[-1]


def ask(chain: Consortium, target: str, message: object, kind: type) -> tuple[object, ...]:
    """Return a page that reads no more rows than its own."""
    chain.store.rows_read = 0
    answer: tuple[object, ...] = chain.ask(target, message, kind)
    assert chain.store.rows_read <= ROWS_OF_A_PAGE
    return answer


@pytest.fixture
def admitted(chain: Consortium) -> Case:
    """A case with ids above those that `precede` makes, discharged and shared."""
    chain._drawn = 2**44
    case = chain.case(chain.consent(), chain.policy())
    chain.do(*chain.admit(case))
    chain.do(*chain.discharge(case))
    return case


@pytest.mark.parametrize("by", ["customer", "hospital", "insurer", "status"])
def test_the_last_page_of_a_long_list_of_claims_costs_one_page(chain: Consortium, admitted: Case, by: str) -> None:
    value = {"customer": admitted.customer, "insurer": "insurer-a", "hospital": "hospital-a", "status": "REPORTED"}[by]
    if by == "insurer":
        row = chain.store.entries.pop(b"s/" + encode_key("registers", "register", (value, 0)))
        chain.store.write({b"s/" + encode_key("registers", "register", (value, n)): row for n in range(LONG)})
        after = f"{LONG - 2:016x}"
    else:
        after = precede(chain, "registers", f"by_{by}", lambda item: (value, item), "claim-")
    query = ListClaims(by, value, after)  # type: ignore[arg-type]
    found = ask(chain, "claims.list_claims", query, tuple[ClaimSummary, ...])
    assert [row.claim_id for row in found] == [admitted.claim_id]  # type: ignore[attr-defined]


def test_the_last_page_of_a_long_list_of_grants_costs_one_page(chain: Consortium, admitted: Case) -> None:
    for table, name, target in (
        ("by_subject", admitted.customer, "consent.list_of_subject"),
        ("by_party", "insurer-a", "consent.list_of_party"),
    ):
        after = precede(chain, "consent", table, lambda item, name=name: (name, item), "grant-")  # type: ignore[misc]
        found = ask(chain, target, ListGrants(name, after), tuple[GrantView, ...])
        assert [view.grant_id for view in found] == [admitted.grant_id]  # type: ignore[attr-defined]
    wanted = FindUsable(admitted.customer, "hospital-a", "insurer-a", "invoice", None, after)
    assert len(ask(chain, "consent.usable", wanted, tuple[GrantVersion, ...])) == 1


def test_the_last_page_of_a_long_list_of_policies_costs_one_page(chain: Consortium, admitted: Case) -> None:
    after = precede(chain, "coverage", "by_insurer", lambda item: ("insurer-a", item), "policy-")
    found = ask(chain, "coverage.policies_of", ListPolicies("insurer-a", after), tuple[PolicyView, ...])
    assert [view.versions[0].policy_id for view in found] == [admitted.policy_id]  # type: ignore[attr-defined]


def test_the_last_page_of_what_a_customer_sees_costs_one_page(chain: Consortium, admitted: Case) -> None:
    after = precede(chain, "records", "by_subject", lambda item: (admitted.customer, item), "record-")
    assert len(ask(chain, "records.seen", ListSeen(admitted.customer, after), tuple[ShareView, ...])) == 4


def test_an_inbox_costs_nothing_for_what_has_lapsed_in_it(chain: Consortium, admitted: Case) -> None:
    row = encode((admitted.stay_id,))
    for _ in range(2):
        chain.post()
    lapsed = {b"s/" + encode_key("records", "inbox", ("insurer-a", 1, f"record-{n:012x}")): row for n in range(LONG)}
    chain.store.write(lapsed)
    assert len(ask(chain, "records.inbox", ListInbox("insurer-a"), tuple[ShareView, ...])) == 4


def test_a_record_without_a_share_is_nothing_that_anybody_saw(chain: Consortium, admitted: Case) -> None:
    fresh = chain.case(chain.consent(), chain.policy())
    chain.do(*chain.admit(fresh))
    assert chain.ask("records.seen", ListSeen(fresh.customer, ""), tuple[ShareView, ...]) == ()


def test_the_rows_left_out_would_have_ended_the_meter_of_a_query() -> None:
    assert LONG * 50 > QUERY_METER_UNITS_MAX
