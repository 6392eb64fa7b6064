"""Eight whole lives made by Synthea: what the reader makes of each, and why."""

from pathlib import Path
from typing import NamedTuple

import pytest

from nodes.fhir import FhirError, read_bundle


class Expected(NamedTuple):
    """What one stay must come out as."""

    person: str
    days: int
    """Civil days in China from admission to discharge."""
    diagnoses: tuple[tuple[str | None, str], ...]
    totals: tuple[int, ...]
    first_items: tuple[int, ...]


STAYS = [
    # A reason stands in for the missing Condition; a pharmacy's bill beside the hospital's.
    Expected("Erin_Rempel", 1, (("S83.4", "reason"),), (25500, 1809415), (25500, 7500)),
    # The Condition is a history, not what was treated: it stays unmapped and pends, although the reason has a code.
    Expected("Filiberto_Ryan/6bd1936c", 3, ((None, "condition"),), (1540286,), (7500,)),
    # The second stay of the same life.
    Expected("Filiberto_Ryan/e0108d16", 1, (("D64.9", "reason"),), (59165,), (7500,)),
    # No diagnosis at all, three times.
    Expected("Liz_Conn", 1, (), (1123834,), (7500,)),
    # From 23:26 of one day to 01:26 of the day after the next, in China: 26 hours, two civil days.
    Expected("Maida_Gerhold", 2, (), (764981,), (7500,)),
    Expected("Michele_Wolf", 1, (), (25500, 1292677), (25500, 7500)),
    Expected("Raymon_Kris", 1, (("S83.4", "reason"),), (25500, 2422458), (25500, 7500)),
    # The one Condition that is the disease of the stay.
    Expected("Rudolf_Weber", 1, (("K01.1", "condition"),), (25500, 1852602), (25500, 7500)),
    # A stay of 1989.
    Expected("Tony_Beer", 1, (("J43.9", "reason"),), (17255829,), (7500,)),
]


def find(synthea: Path, person: str) -> Path:
    """Return the one bundle of a person."""
    (path,) = synthea.glob(f"{person}_*.json")
    return path


@pytest.mark.parametrize("expected", STAYS, ids=lambda expected: expected.person)
def test_each_stay_comes_out_with_its_days_diagnoses_and_bills(synthea: Path, expected: Expected) -> None:
    person, _, encounter = expected.person.partition("/")
    stays = read_bundle(find(synthea, person)).stays
    (stay,) = (stay for stay in stays if stay.encounter_id.startswith(encounter))
    assert stay.discharge_day - stay.admission_day == expected.days
    assert tuple((diagnosis.icd10, diagnosis.source) for diagnosis in stay.diagnoses) == expected.diagnoses
    assert tuple(bill.total for bill in stay.bills) == expected.totals
    assert tuple(bill.items[0].amount for bill in stay.bills) == expected.first_items
    assert {bill.currency for bill in stay.bills} == {"USD"}
    assert stay.provider
    assert stay.provider.name


def test_all_eight_lives_have_nine_stays_whose_items_add_up(synthea: Path) -> None:
    bundles = [read_bundle(path) for path in sorted(synthea.glob("*.json"))]
    stays = [stay for bundle in bundles for stay in bundle.stays]
    assert (len(bundles), len(stays)) == (8, 9)
    assert sum(not stay.diagnoses for stay in stays) == 3
    assert sum(all(diagnosis.source == "reason" for diagnosis in stay.diagnoses) for stay in stays) == 7
    for bill in (bill for stay in stays for bill in stay.bills):
        assert sum(item.amount for item in bill.items) == bill.total


def test_two_stays_of_one_life_must_be_told_apart(synthea: Path) -> None:
    stays = read_bundle(find(synthea, "Filiberto_Ryan"))
    with pytest.raises(FhirError, match=r"2 inpatient stays.*6bd1936c.*2017-12-28 to 2017-12-31.*e0108d16"):
        stays.select()
    assert stays.select("e0108d16-bc36-4f1e-a823-778199cf68c7").diagnoses[0].icd10 == "D64.9"


def test_only_who_dies_by_discharge_is_deceased_in_the_stay(synthea: Path) -> None:
    dies_at_admission = read_bundle(find(synthea, "Tony_Beer"))
    assert dies_at_admission.patient.deceased_ms == dies_at_admission.select().admission_ms
    assert dies_at_admission.select().deceased
    dies_the_day_after_discharge = read_bundle(find(synthea, "Michele_Wolf"))
    assert dies_the_day_after_discharge.patient.deceased
    assert not dies_the_day_after_discharge.select().deceased
    assert not read_bundle(find(synthea, "Erin_Rempel")).patient.deceased


def test_official_documents_are_read_and_the_record_number_is_not_one(synthea: Path) -> None:
    patient = read_bundle(find(synthea, "Liz_Conn")).patient
    assert (patient.name, patient.birth_date) == ("Liz Conn", "1986-11-28")
    assert [document.kind for document in patient.documents] == ["SS", "DL", "PPN"]
