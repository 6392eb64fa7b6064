"""FHIR bundles go the whole way: read, admitted, reported, discharged, handed over, adjudicated, settled on the chain.

Each stay's outcome is stated with its reason. Two policies are held against each: one in yuan, under which every bill
in dollars pends, and one in dollars, under which what the record says decides. Nothing is filled in that a bundle does
not say; `worldwide-usd` assumes the network and does not ask for basic insurance, `inpatient-100` asks for both.
"""

import json
from pathlib import Path
from typing import NamedTuple

import pytest

from contracts.stays import ShowStay, StayView
from nodes.fhir import Stay, read_bundle
from nodes.roles.hospital.book import StayError
from nodes.roles.hospital.importing import ImportedStay, import_stay
from nodes.schemas.stay import read_admission, read_discharge
from tests.nodes.roles.desk import correction
from tests.nodes.roles.lane import POLICY_DAYS, Lane
from tests.nodes.roles.town import TODAY

YUAN, DOLLARS = "inpatient-100", "worldwide-usd"
NOT_SAID = ["R07 ELIG-007 missing", "R07 ELIG-007 missing", "R12 AUTH-012 missing"]
"""Grade of the hospital, ward, and basic insurance: no bundle has them, and a policy in China asks."""
FOREIGN = ["R07 ELIG-007 missing", "R07 ELIG-007 missing", "R10 PRCE-001 foreign-currency", "R12 AUTH-012 missing"]
UNMAPPED = ["R06 NCOV-001 missing"]
DENTAL = ["R06 NCOV-003 excluded-diagnosis"]
DEAD = ["R02 ELIG-001 deceased"]


class Expected(NamedTuple):
    """What becomes of one stay under a policy in dollars; under one in yuan its reasons come beside `FOREIGN`."""

    person: str
    """The beginning of the file's name, and of the encounter's id where the bundle has several stays."""
    invoices: int
    status: str
    disposition: str
    reasons: list[str]
    paid: int = 0
    screened: bool = True
    """Whether the reasons are of the facts, and so the same in yuan; a limit comes after what pends there."""


STAYS = [
    # (255.00 + 18,094.15 - 250.00 deductible) x 80 %: a sprained knee, mapped, on two invoices.
    Expected("Erin_Rempel", 2, "PAID", "PAY", [], 1_447_932),
    # The Condition is "history of appendectomy": no disease of this stay, not mapped, so a person looks.
    Expected("Filiberto_Ryan/6bd1936c", 1, "PENDED", "PENDED", UNMAPPED),
    # The second stay of the same life is an anaemia, mapped: (591.65 - 250.00) x 80 %.
    Expected("Filiberto_Ryan/e0108d16", 1, "PAID", "PAY", [], 27_332),
    # No diagnosis at all: nobody can say that it is not excluded.
    Expected("Liz_Conn", 1, "PENDED", "PENDED", UNMAPPED),
    Expected("Maida_Gerhold", 1, "PENDED", "PENDED", UNMAPPED),
    Expected("Michele_Wolf", 2, "PENDED", "PENDED", UNMAPPED),
    # (255.00 + 24,224.58 - 250.00) x 80 % = 19,383.66, of which one stay pays 15,000.00 at most.
    Expected("Raymon_Kris", 2, "PAID", "PAY", ["R14 BENX-002 limit-stay"], 1_500_000, screened=False),
    # Impacted molars: mapped, and teeth are excluded, so a person decides.
    Expected("Rudolf_Weber", 2, "PENDED", "PENDED", DENTAL),
    # He died at admission: an emphysema that would be covered, but the payee is no longer who the policy names.
    Expected("Tony_Beer", 1, "PENDED", "PENDED", DEAD),
]


@pytest.fixture
def lane(tmp_path: Path) -> Lane:
    return Lane(tmp_path)


def find_stay(synthea: Path, person: str) -> Stay:
    """Return one real stay; a stay is chosen by its id only where it must be."""
    name, _, encounter = person.partition("/")
    (path,) = synthea.glob(f"{name}_*.json")
    found = read_bundle(path)
    ids = [stay.encounter_id for stay in found.stays if encounter and stay.encounter_id.startswith(encounter)]
    return found.select(ids[0] if ids else None)


def shift_to_today(stay: Stay) -> Stay:
    """Do what `--shift` does."""
    return stay.shift(TODAY - stay.discharge_day)


def bring(lane: Lane, stay: Stay, patient: str = "wang") -> ImportedStay:
    """Import a stay as `xinpei stay import` does: the admission first, and when it is reported the discharge."""
    imported = import_stay(stay, patient)
    admission = read_admission(json.dumps(imported.admission).encode(), TODAY)
    discharge = read_discharge(json.dumps(imported.discharge).encode(), TODAY)
    admitted = lane.town.operate("hospital-a", lambda hospital: hospital.admit(admission, lane.town.now_ms))
    lane.run()
    lane.town.operate("hospital-a", lambda hospital: hospital.discharge(admitted.number, discharge, lane.town.now_ms))
    lane.run()
    return imported


def reasons(lane: Lane) -> list[str]:
    """Return why not everything was paid, as rule, code and detail."""
    settled = lane.shown().settled
    assert settled is not None
    return [f"{reason.rule} {reason.code} {reason.detail}" for reason in settled.whole.decision.reasons]


def check_settled(lane: Lane, status: str, disposition: str, paid: int) -> None:
    """Compare the one claim's status on the chain, the decision behind it, and what the bank moved."""
    view, settled = lane.claim(), lane.shown().settled
    assert settled is not None
    assert (view.status, settled.whole.decision.disposition) == (status, disposition)
    assert (lane.payable(), lane.bank.balance, len(view.payments)) == (paid, paid, 1 if paid else 0)
    assert view.settlements[-1].outcome.is_pended == (disposition == "PENDED")


def check_handed_over(lane: Lane, invoices: int) -> None:
    """Compare what was entered and closed: a summary, and an item list and an invoice for each claim of the bundle."""
    (stay_id,) = lane.claim().claim.stay_ids
    shown = lane.town.query("records", "stay", ShowStay(stay_id), StayView)
    assert len(shown.closings) == 1
    assert len(shown.closings[0].parts) == 2 + 2 * invoices
    assert len(shown.closings[0].invoice_tags) == invoices
    assert lane.desk.agent.show("S-01").message == "insurer-a: everything was handed over"


# ------------------------------------------------------------------------------------------------ eight whole lives


@pytest.mark.parametrize("expected", STAYS, ids=lambda expected: expected.person)
def test_a_policy_in_dollars_pays_what_is_coded_and_covered(lane: Lane, synthea: Path, expected: Expected) -> None:
    lane.insure(product=DOLLARS)
    bring(lane, shift_to_today(find_stay(synthea, expected.person)))
    check_handed_over(lane, expected.invoices)
    assert reasons(lane) == expected.reasons
    check_settled(lane, expected.status, expected.disposition, expected.paid)


@pytest.mark.parametrize("expected", STAYS, ids=lambda expected: expected.person)
def test_a_policy_in_yuan_pends_every_bill_in_dollars(lane: Lane, synthea: Path, expected: Expected) -> None:
    lane.insure(product=YUAN)
    bring(lane, shift_to_today(find_stay(synthea, expected.person)))
    check_handed_over(lane, expected.invoices)
    assert reasons(lane) == [*(expected.reasons if expected.screened else []), *FOREIGN]
    check_settled(lane, "PENDED", "PENDED", 0)


def test_a_stay_of_2018_is_before_a_policy_of_today_unless_it_is_shifted(lane: Lane, synthea: Path) -> None:
    stay = find_stay(synthea, "Erin_Rempel")
    customer = lane.know()
    lane.issue(product=DOLLARS)
    customer.consent(days=(stay.admission_day, TODAY))
    bring(lane, stay)
    assert reasons(lane) == ["R02 ELIG-006 before-cover"]
    check_settled(lane, "PENDED", "PENDED", 0)


def test_nothing_is_reported_of_days_that_the_grant_does_not_mean(lane: Lane, synthea: Path) -> None:
    lane.insure(product=DOLLARS)
    bring(lane, find_stay(synthea, "Erin_Rempel"))
    assert lane.claims() == []
    assert lane.desk.agent.show("S-01").message == "no usable grant: nothing was reported"


def test_both_stays_of_one_life_settle_as_two_claims_of_one_customer(lane: Lane, synthea: Path) -> None:
    lane.insure(product=DOLLARS)
    for person in ("Filiberto_Ryan/6bd1936c", "Filiberto_Ryan/e0108d16"):
        bring(lane, shift_to_today(find_stay(synthea, person)))
    assert sorted(view.status for view in lane.claims()) == ["PAID", "PENDED"]
    assert lane.bank.balance == 27_332


def test_the_same_bundle_twice_is_one_stay_and_pays_once(lane: Lane, synthea: Path) -> None:
    lane.insure(product=DOLLARS)
    stay = shift_to_today(find_stay(synthea, "Erin_Rempel"))
    bring(lane, stay)
    with pytest.raises(StayError, match="already, as S-01"):
        bring(lane, stay)
    assert lane.bank.balance == 1_447_932
    assert [view.status for view in lane.claims()] == ["PAID"]


# --------------------------------------------------------------------------------------------- our own, at any time


@pytest.fixture
def ours(example: Path) -> Stay:
    return shift_to_today(read_bundle(example).select())


def test_our_bundle_pends_where_the_policy_asks_what_a_bundle_does_not_say(lane: Lane, ours: Stay) -> None:
    lane.insure(product=YUAN)
    imported = bring(lane, ours)
    check_handed_over(lane, 1)
    assert reasons(lane) == NOT_SAID
    check_settled(lane, "PENDED", "PENDED", 0)
    assert imported.notes[1] == f"dates are shifted by {ours.shifted_days} days from what the bundle says"


def test_our_bundle_in_yuan_is_foreign_to_a_policy_in_dollars(lane: Lane, ours: Stay) -> None:
    lane.insure(product=DOLLARS)
    bring(lane, ours)
    assert reasons(lane) == ["R10 PRCE-001 foreign-currency"]
    check_settled(lane, "PENDED", "PENDED", 0)


def test_our_bundle_unshifted_is_in_the_waiting_period_of_a_younger_policy(lane: Lane, example: Path) -> None:
    stay = read_bundle(example).select()
    customer = lane.know()
    lane.issue(product=DOLLARS, days=(stay.admission_day - 10, stay.admission_day + 300))
    customer.consent(days=(stay.admission_day, TODAY))
    bring(lane, stay)
    assert reasons(lane)[0] == "R04 AUTH-012 missing", "whether it was an accident is asked, for that would lift it"
    check_settled(lane, "PENDED", "PENDED", 0)


def test_the_expectations_name_every_stay_and_the_policy_is_in_force_today() -> None:
    assert len({expected.person for expected in STAYS}) == 9
    assert POLICY_DAYS[0] + 90 < TODAY <= POLICY_DAYS[1]


def test_a_death_pends_a_claim_that_would_have_been_paid(lane: Lane) -> None:
    lane.insure()
    lane.stay(deceased=True)
    lane.run()
    assert reasons(lane) == DEAD
    check_settled(lane, "PENDED", "PENDED", 0)


def test_a_death_that_a_correction_reports_takes_nothing_back(lane: Lane) -> None:
    lane.insure()
    number = lane.stay()
    lane.run()
    assert lane.bank.balance == 206_000
    lane.desk.correct(number, correction(deceased=True))
    lane.run()
    view = lane.claim()
    assert (len(view.settlements), reasons(lane), lane.bank.balance) == (2, DEAD, 206_000)
