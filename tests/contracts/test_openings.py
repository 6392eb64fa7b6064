"""A claim's calculation is opened to a regulator under an entry that the customer sees, and to nobody else."""

import pytest
from msgspec.structs import replace

from contracts.attempts import ENTRIES_MAX, Attempt, AttemptView, ListAttempts
from contracts.emergencies import BreakGlass, ReviewUse
from contracts.erasures import Ask, Certify, Restrict
from contracts.openings import FindOpening, OpenClaim, Opening
from contracts.orders import Ask as AskAccess
from contracts.orders import PlaceOrder
from contracts.proposals import CastVote, RemoveOrganisation
from contracts.recovery import NameKeepers
from contracts.settlements import Report
from contracts.stays import Deliver, Share
from ledger.crypto.signatures import PrivateKey
from tests.contracts.consortium import Call, Case, Consortium, Figure, digest
from tests.contracts.test_governance import clinic, pass_, propose, put, seat

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


@pytest.fixture
def firm(chain: Consortium) -> str:
    """Have the members admit an auditor."""
    name = "audit-firm"
    chain.keys[name] = PrivateKey(digest(name))
    pass_(chain, clinic(name, role="auditor"))
    return name


def test_an_auditor_that_the_members_admitted_is_opened_to_on_the_law_of_an_audit_alone(
    chain: Consortium, case: Case, firm: str
) -> None:
    audit = OpenClaim(case.claim_id, firm, "financial-audit")
    chain.do(("insurer-a", "openings.open", audit))
    opening = find(chain, case, firm)
    assert opening is not None
    assert (opening.basis, opening.names_person) == ("financial-audit", False)
    inspection = replace(audit, basis="insurance-supervision")
    swapped = replace(audit, reader="regulator")
    for message in (inspection, swapped):
        assert chain.post(("insurer-a", "openings.open", message)) == ["AUTH-013"]
    found = attempts(chain, case)
    assert [(item.decision, item.condition, item.role) for item in found] == [
        ("permit", "", "auditor"),
        ("deny", "basis", "auditor"),
        ("deny", "basis", "regulator"),
    ]
    assert find(chain, case) is None


def test_an_auditor_that_was_removed_is_opened_nothing_more(chain: Consortium, case: Case, firm: str) -> None:
    pass_(chain, RemoveOrganisation(firm))
    assert chain.post(("insurer-a", "openings.open", OpenClaim(case.claim_id, firm, "financial-audit"))) == ["AUTH-013"]
    assert chain.reason().startswith("role: a claim is opened to a regulator or an auditor of this network")


def test_who_the_customer_is_is_opened_by_an_entry_of_its_own(chain: Consortium, case: Case, firm: str) -> None:
    bare = OpenClaim(case.claim_id, firm, "financial-audit")
    chain.do(("insurer-a", "openings.open", bare))
    named = FindOpening(case.claim_id, firm, 1, names_person=True)
    assert chain.ask("openings.find", named, Opening | None) is None  # type: ignore[arg-type]
    chain.do(("insurer-a", "openings.open", replace(bare, names_person=True)))
    found = chain.ask("openings.find", named, Opening | None)  # type: ignore[arg-type]
    assert found is not None
    assert found.names_person
    assert [item.names_person for item in attempts(chain, case)] == [False, True]
    first = find(chain, case, firm)
    assert first is not None
    assert not first.names_person, "the first entry stays"


def test_an_auditor_is_refused_everything_but_to_be_opened_to(chain: Consortium, case: Case, firm: str) -> None:
    record, stay = case.record("invoice"), case.stay_id
    share = Share(record, firm, case.grant_id)
    order = PlaceOrder(chain.draw("order"), record, "financial-audit", digest("number"))
    ask = AskAccess(stay, "invoice", record, case.grant_id, "HPAYMT")
    glass = BreakGlass(chain.draw("glass"), case.grant_id, case.hospital, ("invoice",), digest("reason"))
    review = ReviewUse(chain.draw("glass"), "justified", digest("finding"))
    keepers = NameKeepers((firm, "insurer-a"), 2, 86_400_000)
    refused: list[tuple[Call, str]] = [
        ((case.hospital, "records.share", share), "AUTH-013"),
        ((firm, "access.order", order), "AUTH-013"),
        ((firm, "access.ask", ask), "AUTH-013"),
        ((firm, "openings.open", OpenClaim(case.claim_id, firm, "financial-audit")), "FORBIDDEN"),
        ((firm, "records.share", replace(share, recipient="insurer-a")), "FORBIDDEN"),
        ((firm, "records.deliver", Deliver(record)), "NOT_SHARED"),
        ((firm, "claims.report", Report(chain.draw("claim"), (stay,), case.grant_id)), "FORBIDDEN"),
        ((firm, "customers.enrol", chain.enrol(firm)[1][2]), "FORBIDDEN"),
        ((firm, "emergencies.break_glass", glass), "FORBIDDEN"),
        ((firm, "emergencies.review", review), "FORBIDDEN"),
        ((case.customer, "recovery.name_keepers", keepers), "KEEPERS"),
        ((firm, "governance.propose", propose(chain, RemoveOrganisation("insurer-b"), by=firm)[2]), "FORBIDDEN"),
        ((firm, "governance.propose", propose(chain, seat(firm, PrivateKey(digest("vote"))), by=firm)[2]), "FORBIDDEN"),
    ]
    for call, code in refused:
        assert chain.post(call) == [code], (call[1], chain.reason())
    number = put(chain, RemoveOrganisation("insurer-b"))
    assert chain.post((firm, "governance.vote", CastVote(number, approve=True))) == ["FORBIDDEN"]


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
