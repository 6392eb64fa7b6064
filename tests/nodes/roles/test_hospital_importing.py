"""A stay read from FHIR goes the same way as one from the desk."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from ledger.errors import LedgerError
from nodes.fhir import read_bundle
from nodes.fhir.stays import Document, Stay
from nodes.roles.hospital.importing import identify, import_stay
from nodes.roles.hospital.paperwork import PaperworkError, write_admission, write_discharge
from nodes.roles.people import PeopleError
from nodes.schemas.stay import read_admission, read_discharge
from tests.nodes.roles.desk import EXAMPLES, Desk, discharge, know, make_town
from tests.nodes.roles.town import TODAY, Customer

BUNDLE = EXAMPLES.parent / "bundle.json"


@pytest.fixture
def stay() -> Stay:
    return read_bundle(BUNDLE).stays[0]


def test_an_imported_stay_makes_the_documents_of_a_stay(stay: Stay) -> None:
    imported = import_stay(stay, "wang")
    today = stay.discharge_day
    admission = write_admission(read_admission(json.dumps(imported.admission).encode(), today), today)
    ended = write_discharge(read_discharge(json.dumps(imported.discharge).encode(), today), admission, today)
    assert (admission.admission_day, admission.ward, admission.hospital_grade) == (stay.admission_day, None, None)
    assert ended.summary is not None
    assert ended.summary.stay.discharge_day == stay.discharge_day
    assert [item.icd10 for item in ended.summary.diagnoses] == [item.icd10 for item in stay.diagnoses]
    assert len(ended.bills) == len(stay.bills)
    for billing, bill in zip(ended.bills, stay.bills, strict=True):
        assert billing.invoice is not None
        assert billing.item_list is not None
        assert (billing.invoice.total, billing.invoice.currency) == (bill.total, bill.currency)
        assert billing.invoice.settlement is None
        assert sum(line.amount for line in billing.item_list.lines) == bill.total


@pytest.mark.parametrize("deceased", [True, False])
def test_a_death_in_the_stay_is_in_the_discharge_summary(stay: Stay, *, deceased: bool) -> None:
    imported = import_stay(replace(stay, deceased=deceased), "wang")
    today = stay.discharge_day
    admission = write_admission(read_admission(json.dumps(imported.admission).encode(), today), today)
    ended = write_discharge(read_discharge(json.dumps(imported.discharge).encode(), today), admission, today)
    assert ended.summary is not None
    assert ended.summary.stay.deceased is deceased


def test_a_patient_is_who_her_best_document_says(stay: Stay) -> None:
    identity = identify(stay.patient)
    assert (identity.document_type, identity.document_number) == ("resident-id", "000000199003070006")
    abroad = (Document("DL", "S99969081"), Document("SS", "999-21-5422"), Document("PPN", "X57290540X"))
    identity = identify(replace(stay.patient, documents=abroad))
    assert (identity.document_type, identity.document_number) == ("passport", "X57290540X")
    assert (identity.name, identity.birth_date) == (stay.patient.name, stay.patient.birth_date)


@pytest.mark.parametrize(
    ("documents", "sentence"),
    [
        ((), "expected an identifier of type NNCHN, PPN, PRC, SS, BCT, got none"),
        ((Document("DL", "S99969081"),), "got DL"),
        ((Document("PPN", "X" * 33),), "a number of at most 32, got 5 and 33"),
        ((Document("NNCHN", "000000199003070000"),), "the check digit of this resident id is wrong"),
    ],
)
def test_a_patient_without_a_document_that_identifies_is_refused_without_naming_her(
    stay: Stay, documents: tuple[Document, ...], sentence: str
) -> None:
    patient = replace(stay.patient, name="x" * 5, documents=documents)
    with pytest.raises(LedgerError) as caught:
        identify(patient)
    assert sentence in str(caught.value)
    assert not any(document.number in str(caught.value) for document in documents)


def test_a_patient_is_found_by_document_name_and_birth_date_together(tmp_path: Path, stay: Stay) -> None:
    hospital = Desk(make_town(tmp_path)).agent
    identity = identify(stay.patient)
    hospital.register_person("p-17", identity)
    assert hospital.match_person(identity).number == "p-17"
    for other in ({"name": "other"}, {"birth_date": "1990-03-08"}, {"document_number": "000000199003070014"}):
        with pytest.raises(PeopleError, match="nobody is entered here"):
            hospital.match_person(structs.replace(identity, **other))


def test_the_same_claim_is_the_same_invoice_and_another_is_not(stay: Stay) -> None:
    first, again = import_stay(stay, "wang"), import_stay(stay, "li")
    assert first.discharge["invoice"] == again.discharge["invoice"]
    renamed = replace(stay, bills=tuple(replace(bill, id=f"{bill.id}x") for bill in stay.bills))
    assert import_stay(renamed, "wang").discharge["invoice"] != first.discharge["invoice"]


def test_what_is_missing_is_told_and_not_filled_in(stay: Stay) -> None:
    unmapped = tuple(replace(item, icd10=None) for item in stay.diagnoses)
    notes = import_stay(replace(stay, diagnoses=unmapped, deceased=True).shift(3), "wang").notes
    assert any("no ICD-10 code" in note for note in notes)
    assert any("shifted by 3 days" in note for note in notes)
    assert any("died" in note and "pends" in note for note in notes)
    bare = import_stay(replace(stay, diagnoses=()), "wang")
    assert bare.discharge["diagnoses"] == [{"id": "d1", "text": "not recorded"}]
    assert any("records no diagnosis" in note for note in bare.notes)


@pytest.mark.parametrize("count", [0, 16])
def test_a_stay_without_bills_or_with_too_many_is_refused(stay: Stay, count: int) -> None:
    with pytest.raises(PaperworkError, match=f"bills: expected 1 to 15 claims for Encounter .*, got {count}"):
        import_stay(replace(stay, bills=stay.bills[:1] * count), "wang")


def test_bills_in_two_currencies_are_refused(stay: Stay) -> None:
    mixed = replace(stay, bills=(stay.bills[0], replace(stay.bills[0], id="other", currency="EUR")))
    form = import_stay(mixed, "wang").discharge
    admission = write_admission(read_admission(json.dumps(import_stay(stay, "wang").admission).encode(), TODAY), TODAY)
    with pytest.raises(PaperworkError, match=r"bill\.currency: expected one for the whole stay"):
        write_discharge(read_discharge(json.dumps(form).encode(), TODAY), admission, TODAY)


def test_an_imported_stay_is_reported_and_handed_over(stay: Stay, tmp_path: Path) -> None:
    town = make_town(tmp_path)
    wang = Customer(town, "wang")
    know(town, wang)
    wang.consent()
    desk = Desk(town)
    imported = import_stay(stay.shift(TODAY - stay.discharge_day), "wang")
    desk.admit(**imported.admission, ward_type=None, hospital_grade=None)
    form = read_discharge(json.dumps(imported.discharge).encode(), TODAY)
    assert form != discharge()
    desk.discharge("S-01", form)
    town.run_until_quiet()
    assert desk.agent.show("S-01").message == "insurer-a: everything was handed over"
