"""A claim's calculation is opened to a regulator under an entry that the customer sees, and to nobody else."""

import pytest

from contracts.attempts import ENTRIES_MAX, Attempt, AttemptView, ListAttempts
from contracts.erasures import Ask, Certify, Restrict
from contracts.openings import FindOpening, OpenClaim, Opening
from tests.contracts.consortium import Call, Case, Consortium, Figure

PAYABLE = Figure.draw(206_000, "payable")
LAST_OF_2031 = 22_644


@pytest.fixture
def case(chain: Consortium) -> Case:
    """Have a stay settled."""
    case = chain.case(chain.consent(), chain.policy())
    chain.do(*chain.admit(case))
    chain.do(*chain.discharge(case))
    chain.do(*chain.deliver(case), chain.settle(case, chain.outcome(case, PAYABLE)))
    return case


def open_to(case: Case, reader: str = "regulator", signer: str = "insurer-a") -> Call:
    return signer, "openings.open", OpenClaim(case.claim_id, reader, "insurance-supervision")


def find(chain: Consortium, case: Case, reader: str = "regulator", version: int = 1) -> Opening | None:
    message = FindOpening(case.claim_id, reader, version)
    return chain.ask("openings.find", message, Opening | None)  # type: ignore[arg-type]


def attempts(chain: Consortium, case: Case) -> list[Attempt]:
    found = chain.ask("attempts.of_subject", ListAttempts(case.customer, 0), tuple[AttemptView, ...])
    return [view.attempt for view in found]


def test_an_opening_is_an_entry_that_says_who_opens_which_claim_to_whom_under_which_law(
    chain: Consortium, case: Case
) -> None:
    assert find(chain, case) is None
    chain.do(open_to(case))
    assert chain.events() == ["access-permitted", "claim-opened"]
    opening = find(chain, case)
    assert opening is not None
    assert (opening.reader, opening.version, opening.basis) == ("regulator", 1, "insurance-supervision")
    (found,) = attempts(chain, case)
    assert (found.kind, found.decision, found.recipient, found.role) == ("opening", "permit", "regulator", "regulator")
    assert (found.signer, found.claim_id, found.basis) == ("insurer-a", case.claim_id, "insurance-supervision")
    assert (found.purpose, found.grant_id, found.field_set) == ("HLEGAL", None, None)
    assert found.place == opening.place


def test_each_opening_is_an_entry_and_the_first_one_for_a_settlement_stays(chain: Consortium, case: Case) -> None:
    chain.do(open_to(case))
    first = find(chain, case)
    chain.do(open_to(case))
    assert find(chain, case) == first
    assert len(attempts(chain, case)) == 2
    assert find(chain, case, version=2) is None, "a later settlement needs another opening"


@pytest.mark.parametrize(
    ("reader", "signer", "code", "condition"),
    [
        ("insurer-b", "insurer-a", "AUTH-013", "role"),
        ("hospital-a", "insurer-a", "AUTH-013", "role"),
        ("nobody", "insurer-a", "AUTH-013", "role"),
        ("regulator", "insurer-b", "FORBIDDEN", "insurer"),
        ("regulator", "hospital-a", "FORBIDDEN", "insurer"),
        ("regulator", "regulator", "FORBIDDEN", "insurer"),
    ],
)
def test_to_anybody_else_or_by_anybody_else_is_refused_as_an_entry(
    chain: Consortium, case: Case, reader: str, signer: str, code: str, condition: str
) -> None:
    assert chain.post(open_to(case, reader, signer)) == [code]
    (found,) = attempts(chain, case)
    assert (found.decision, found.condition, found.signer, found.recipient) == ("deny", condition, signer, reader)
    assert find(chain, case, reader) is None


def test_what_is_not_there_or_not_settled_is_rejected_and_is_no_entry(chain: Consortium, case: Case) -> None:
    fresh = chain.case(chain.consent(), chain.policy())
    chain.do(*chain.admit(fresh))
    unknown: Call = (
        "insurer-a",
        "openings.open",
        OpenClaim("claim-ffffffffffff", "regulator", "insurance-supervision"),
    )
    codes = chain.post(open_to(fresh), unknown, open_to(case, signer=case.customer))
    assert codes == ["WRONG_STATE", "UNKNOWN_CLAIM", "FORBIDDEN"]
    assert attempts(chain, fresh) == []
    assert attempts(chain, case) == []


def test_what_is_asked_for_or_erased_is_opened_to_nobody_and_what_a_law_keeps_is(chain: Consortium, case: Case) -> None:
    invoice = case.record("invoice")
    chain.do((case.customer, "erasure.ask", Ask(case.stay_id, (invoice,), None)))
    assert chain.post(open_to(case)) == ["ERASED"]
    restrict = Restrict(case.claim_id, (case.claim_id,), "insurance-claim-file", LAST_OF_2031)
    chain.do(("insurer-a", "erasure.restrict", restrict))
    chain.do(open_to(case))
    chain.do(("insurer-a", "erasure.certify", Certify(case.claim_id, (case.claim_id,))))
    assert chain.post(open_to(case)) == ["ERASED"]
    assert [entry.decision for entry in attempts(chain, case)] == ["deny", "permit", "deny"]


def test_an_insurer_that_opens_without_end_is_refused_for_the_day(chain: Consortium, case: Case) -> None:
    for _ in range(ENTRIES_MAX // 25):
        chain.do(*[open_to(case)] * 25)
    assert chain.post(open_to(case)) == ["TOO_MANY"]
