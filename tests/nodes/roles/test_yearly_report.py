"""The insurer's books add up to the chain's, through kills and erasure, and its report is what the rail paid."""

from pathlib import Path

import pytest

from contracts.listings import FindTotal
from contracts.reports import FindReport, YearReport
from contracts.settlements import Pay
from contracts.totals import YearTotal, disclosure_context, merge_months
from ledger.crypto.commitments import verify_difference
from ledger.crypto.totals import verify_total
from ledger.errors import VerificationError
from nodes.agent import Call
from nodes.roles.activity import list_looks
from nodes.roles.claims.casebook import CLAIM, DRAFT
from nodes.roles.exchange.opening import open_opening, opening_context
from nodes.roles.exchange.person import open_person
from nodes.roles.insurer.inquiries import InsurerError
from nodes.roles.insurer.yearbook import YEAR_SUM
from nodes.roles.lookup import find_grant
from tests.nodes.roles.desk import discharge
from tests.nodes.roles.lane import Lane
from tests.nodes.roles.test_insurer import plain_bill
from tests.nodes.roles.town import YEAR_MS

MONTH_MS = 30 * 86_400_000


@pytest.fixture
def lane(tmp_path: Path) -> Lane:
    return Lane(tmp_path)


def treat(lane: Lane, count: int, begun: int = 0) -> None:
    """Have so many stays of wang paid, of 1,000.00 and some more each."""
    begin(lane, count, begun)
    lane.run()


def begin(lane: Lane, count: int, begun: int = 0) -> None:
    """Have so many stays of wang discharged."""
    stays = [lane.desk.admit().number for _ in range(count)]
    lane.run()
    for number, stay in enumerate(stays, begun):
        lane.desk.discharge(stay, discharge(**plain_bill(f"{1_000 + number}.00", f"{number:04}")))


def year_of(lane: Lane, year: int = 2026) -> YearTotal:
    found: YearTotal = lane.town.query("registers", "total", FindTotal("insurer-a", year, "CNY"), YearTotal)
    return found


def report_of(lane: Lane, year: int = 2026) -> YearReport | None:
    found: YearReport | None = lane.town.query(
        "reports", "find", FindReport("insurer-a", year, "CNY"), YearReport | None
    )
    return found


def publish(lane: Lane, year: int = 2026) -> None:
    lane.town.operate("insurer-a", lambda insurer: insurer.publish_report(year, lane.town.now_ms))
    lane.run()


def check_books(lane: Lane, year: int = 2026) -> int:
    """Assert that the books open every month of a year on the chain; return the year's amount."""
    whole = 0
    for number, month in enumerate(year_of(lane, year).months, 1):
        amount, blinding = lane.insurer._yearbook.open_months("CNY", year, number, number)
        verify_difference(month.paid, amount, blinding)
        whole += amount
    return whole


def begin_next_year(lane: Lane) -> None:
    lane.town.now_ms += YEAR_MS
    lane.town.pass_time(1_000)


def test_a_year_of_twelve_claims_over_months_is_published_and_its_totals_are_what_the_rail_paid(lane: Lane) -> None:
    lane.insure()
    treat(lane, 7)
    lane.town.now_ms += MONTH_MS
    treat(lane, 5, begun=7)
    assert [month.claims for month in year_of(lane).months if month.claims] == [7, 5]
    assert check_books(lane) == lane.bank.balance
    begin_next_year(lane)
    publish(lane)
    report = report_of(lane)
    assert report is not None
    (found,) = report.groups
    assert (found.group.first_month, found.group.last_month, found.group.sums.claims) == (1, 12, 12)
    assert found.stated.total == lane.bank.balance
    context = disclosure_context(lane.town.genesis.chain_id, "insurer-a", 2026, "CNY", found.group)
    verify_total(merge_months(year_of(lane).months)[0].sums.paid, found.stated.total, context, found.stated.proof)
    with pytest.raises(InsurerError, match="published already"):
        publish(lane)
    assert lane.insurer._yearbook._register.list_ids(YEAR_SUM) == (), "pages live until their year is published"
    lane.town.restart("insurer-a")
    lane.run()
    assert lane.insurer._yearbook._register.list_ids(YEAR_SUM) == ()


def test_the_running_year_is_refused_with_the_day_from_which_it_is_not(lane: Lane) -> None:
    lane.insure()
    treat(lane, 1)
    with pytest.raises(InsurerError, match=r"2026 is not over.*1 January 2027 at UTC\+8"):
        publish(lane)
    with pytest.raises(InsurerError, match="nothing was paid in 2025"):
        publish(lane, 2025)
    assert lane.town.codes("reports.publish") == []


def test_what_was_added_up_survives_the_erasure_of_every_single_claim(lane: Lane) -> None:
    lane.insure()
    treat(lane, 2)
    register = lane.insurer._casebook._register
    for kind in (DRAFT, CLAIM):
        for entry_id in register.list_ids(kind):
            register.erase(kind, entry_id)
    lane.town.restart("insurer-a")
    lane.run()
    assert check_books(lane) == lane.bank.balance > 0


def test_lost_pages_are_written_again_from_the_claims(lane: Lane) -> None:
    lane.insure()
    treat(lane, 2)
    register = lane.insurer._yearbook._register
    for entry_id in register.list_ids(YEAR_SUM):
        register.erase(YEAR_SUM, entry_id)
    lane.town.restart("insurer-a")
    lane.run()
    assert check_books(lane) == lane.bank.balance


def test_what_opened_a_payment_lost_before_it_was_added_up_is_said(lane: Lane) -> None:
    lane.insure()
    treat(lane, 10)
    register = lane.insurer._yearbook._register
    for kind in (YEAR_SUM, DRAFT):
        for entry_id in register.list_ids(kind):
            register.erase(kind, entry_id)
    lane.town.restart("insurer-a")
    begin_next_year(lane)
    with pytest.raises(InsurerError, match="do not open CNY 2026-01 to 2026-12"):
        publish(lane)
    assert report_of(lane) is None


def test_a_return_leaves_the_books_as_it_leaves_the_chain(lane: Lane) -> None:
    lane.insure()
    treat(lane, 2)
    returned = [payment for view in lane.claims() for payment in view.payments]
    send_back(lane, returned[0].payment_id)
    assert check_books(lane) == lane.bank.balance
    lane.run()
    assert check_books(lane) == lane.bank.balance


def test_a_return_after_publication_is_an_adjustment_in_chain_and_books(lane: Lane) -> None:
    lane.insure()
    treat(lane, 10)
    amount = lane.bank.balance
    begin_next_year(lane)
    publish(lane)
    payment = lane.claims()[0].payments[0]
    send_back(lane, payment.payment_id)
    shown = lane.claims()[0].payments[0]
    assert len(shown.adjusted) == 1
    assert shown.adjusted[0].year == 2027
    report = report_of(lane)
    assert report is not None
    assert report.groups[0].stated.total == amount
    check_books(lane, 2027)
    lane.run()
    assert [month.year for month in lane.claims()[0].payments[0].counted] == [2026, 2027]
    assert check_books(lane, 2027) == 0


def test_a_claim_is_opened_to_a_regulator_by_name_and_to_nobody_else(lane: Lane) -> None:
    lane.insure()
    treat(lane, 1)
    claim_id = lane.claim().claim.claim_id
    with pytest.raises(InsurerError, match="nothing is sealed before the customer can see it"):
        lane.insurer.auditor_openings(claim_id, "regulator")
    lane.town.post("insurer-a", lane.insurer.draft_opening(claim_id, "regulator", "insurance-supervision"))
    (look,) = list_looks(lane.town.view, lane.claim().claim.customer, "attempts", "").looks
    assert (look.kind, look.status, look.by, look.signer) == ("opening", "opened", "regulator", "insurer-a")
    assert (look.claim, look.basis) == (claim_id, "insurance-supervision")
    assert look.law_en is not None
    sealed = lane.insurer.auditor_openings(claim_id, "regulator")
    context = opening_context(lane.town.genesis.chain_id, claim_id, 1, "insurer-a", "regulator")
    opening = open_opening(lane.town._keystores["regulator"].seal, sealed[1], context)
    assert opening.payable.amount == lane.bank.balance
    with pytest.raises(VerificationError, match="do not open"):
        open_opening(lane.town._keystores["insurer-b"].seal, sealed[1], context)
    for stranger in ("insurer-b", "hospital-a", "nobody", lane.claim().claim.customer):
        with pytest.raises(InsurerError, match="expected a regulator"):
            lane.insurer.draft_opening(claim_id, stranger, "insurance-supervision")
        with pytest.raises(InsurerError, match="expected a regulator"):
            lane.insurer.auditor_openings(claim_id, stranger)
    assert len(list_looks(lane.town.view, lane.claim().claim.customer, "attempts", "").looks) == 1


def test_who_the_customer_is_is_sealed_only_under_an_entry_that_says_so(lane: Lane) -> None:
    customer = lane.insure()
    treat(lane, 1)
    claim_id = lane.claim().claim.claim_id
    lane.town.post("insurer-a", lane.insurer.draft_opening(claim_id, "regulator", "insurance-supervision"))
    with pytest.raises(InsurerError, match="no entry of the chain opens to regulator who its customer is"):
        lane.insurer.auditor_person(claim_id, "regulator")
    named = lane.insurer.draft_opening(claim_id, "regulator", "insurance-supervision", names_person=True)
    lane.town.post("insurer-a", named)
    lane.town.restart("insurer-a")
    first, second = list_looks(lane.town.view, lane.claim().claim.customer, "attempts", "").looks
    assert (first.names_person, second.names_person) == (False, True)
    sealed = lane.insurer.auditor_person(claim_id, "regulator")
    regulator = lane.town._keystores["regulator"].seal
    names = (lane.town.genesis.chain_id, claim_id, "insurer-a", "regulator")
    (link,) = open_person(regulator, sealed, *names).links
    assert link.opening.identity == customer.identity
    grant = find_grant(lane.town.view, link.grant_id)
    assert grant is not None
    assert {item.commitment for item in grant.versions[-1].grant.identities} == {link.opening.commitment}
    with pytest.raises(VerificationError, match="do not open"):
        open_person(lane.town._keystores["hospital-a"].seal, sealed, *names)


@pytest.mark.parametrize("seed", [1, 2])
def test_an_insurer_that_is_killed_again_and_again_adds_every_payment_once(tmp_path: Path, seed: int) -> None:
    lane = Lane(tmp_path, seed)
    lane.insure()
    begin(lane, 3)
    lane.town.kills = {lane.town.actions + 7 * number for number in range(1, 60)}
    lane.run()
    assert check_books(lane) == lane.bank.balance
    assert sum(month.payments for month in year_of(lane).months) == 3


def send_back(lane: Lane, payment_id: str) -> None:
    """Let the rail say that a paid payment came back."""
    payment = next(item for view in lane.claims() for item in view.payments if item.payment_id == payment_id)
    key = payment.idempotency_key
    assert key is not None, "what was paid was tried under a key"
    lane.bank.book[key] = "returned"
    (receipt,) = lane.town.post("rail", Call("claims", "pay", Pay(payment_id, key, "returned")))
    assert receipt.ok, receipt
