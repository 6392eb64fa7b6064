"""The reader on a bundle of our own, whole and then broken in one place at a time."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.fhir import Diagnosis, Document, FhirError, Provider, read_bundle
from nodes.fhir.bundles import BUNDLE_BYTES_MAX
from nodes.schemas.civil_time import write_day

Resources = dict[str, dict[str, Any]]
Edited = Callable[[Callable[[Resources], object]], bytes]


def test_the_stay_of_the_documentation_is_read_whole(example: Path) -> None:
    stay = read_bundle(example).select()
    assert (stay.encounter_id, stay.provider) == ("stay-1", Provider("hospital-1", "示例医院 (Example Hospital)"))
    assert (write_day(stay.admission_day), write_day(stay.discharge_day)) == ("2025-12-03", "2025-12-06")
    assert stay.diagnoses == (Diagnosis("N84.0", None, "子宫内膜息肉", "condition", onset_day=None),)
    assert (stay.unmapped, stay.deceased, stay.shifted_days) == ((), False, 0)
    (bill,) = stay.bills
    assert (bill.id, bill.kind, bill.currency, bill.total) == ("claim-1", "institutional", "CNY", 648_000)
    assert [item.amount for item in bill.items] == [44_000, 386_050, 119_950, 98_000]
    assert (bill.first_day, bill.last_day) == (stay.admission_day, stay.discharge_day)


def test_the_patient_has_her_official_name_and_document(example: Path) -> None:
    patient = read_bundle(example.read_bytes()).patient
    assert (patient.name, patient.gender, patient.birth_date) == ("示例雨", "female", "1990-03-07")
    assert patient.documents == (Document("NNCHN", "000000199003070006"),)
    assert (patient.deceased, patient.deceased_ms) == (False, None)


def test_a_shift_moves_the_stay_and_its_bills_and_says_so(example: Path) -> None:
    stays = read_bundle(example)
    before = stays.select()
    after = stays.shift(-365).select()
    assert after.admission_ms == before.admission_ms - 365 * 86_400_000
    assert after.discharge_day == before.discharge_day - 365
    assert after.bills[0].first_day == before.bills[0].first_day - 365
    assert after.shifted_days == -365
    assert after.shift(365).shifted_days == 0
    assert after.shift(365) == before


@pytest.mark.parametrize("days", [-30_000, 200_000, 10**12])
def test_a_shift_out_of_the_ledgers_days_is_refused(example: Path, days: int) -> None:
    with pytest.raises(FhirError, match=f"stay-1: {days} days from 2025-12-03 is out of range"):
        read_bundle(example).shift(days)


def test_an_unknown_encounter_is_answered_with_those_that_are_there(example: Path) -> None:
    with pytest.raises(FhirError, match=r"--encounter stay-2: no such.*stay-1 \(2025-12-03 to 2025-12-06\)"):
        read_bundle(example).select("stay-2")


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "expected JSON in UTF-8"),
        (b"not json", "expected JSON in UTF-8"),
        (b"\xff\xfe", "expected JSON in UTF-8"),
        (b"[" * 200_000, "expected JSON in UTF-8"),
        (b'{"resourceType": "Bundle", "entry": NaN}', "NaN is no JSON"),
        (b'{"resourceType": "Bundle", "n": 1e999999999999999999999}', "expected JSON in UTF-8"),
        (b'{"resourceType": "Bundle", "n": ' + b"9" * 5_000 + b"}", "expected JSON in UTF-8"),
        (b'{"resourceType": "Bundle", "resourceType": "Patient"}', "'resourceType' stands twice"),
        (b"[]", "resourceType: expected Bundle, got None"),
        (b'{"resourceType": "Patient"}', "resourceType: expected Bundle, got Patient"),
        (b'{"resourceType": "Bundle", "entry": {}}', "Bundle.entry: expected a list"),
        (b'{"resourceType": "Bundle", "entry": [{}]}', r"Bundle.entry\[0\]: expected a resource"),
        (
            b'{"resourceType": "Bundle", "entry": [{"fullUrl": [], "resource": {"resourceType": "List", "id": "a"}}]}',
            "expected one Patient, got 0",
        ),
        (b'{"resourceType": "Bundle"}', "expected one Patient, got 0"),
        (b" " * (BUNDLE_BYTES_MAX + 1), f"expected at most {BUNDLE_BYTES_MAX} bytes"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_bundle_is_refused_in_words(data: bytes, sentence: str) -> None:
    with pytest.raises(FhirError, match=sentence):
        read_bundle(data)


def test_a_file_that_cannot_be_read_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(FhirError, match=r"absent\.json: cannot be read \(No such file"):
        read_bundle(tmp_path / "absent.json")
    large = tmp_path / "large.json"
    large.write_bytes(b" " * (BUNDLE_BYTES_MAX + 2))
    with pytest.raises(FhirError, match="expected at most"):
        read_bundle(large)


BROKEN: list[tuple[str, Callable[[Resources], object], str]] = [
    ("outpatient only", lambda r: r["stay-1"]["class"].update(code="AMB"), r"expected an inpatient stay.*\(0 not"),
    ("still in hospital", lambda r: r["stay-1"].update(status="in-progress"), r"got none \(1 not finished\)"),
    ("no end", lambda r: r["stay-1"]["period"].pop("end"), "stay-1: expected a period with start and end"),
    ("ends before it starts", lambda r: r["stay-1"]["period"].update(end="2025-12-01"), "ends before it starts"),
    ("no zone", lambda r: r["stay-1"]["period"].update(end="2025-12-06T10:00:00"), "with time and zone"),
    ("no such day", lambda r: r["stay-1"]["period"].update(end="2025-13-06"), "is no date"),
    ("before 1970", lambda r: r["stay-1"]["period"].update(start="1969-12-31"), "from 1970 on"),
    ("another's stay", lambda r: r["stay-1"].update(subject={"reference": "Patient/patient-2"}), "subject is not"),
    ("two patients", lambda r: r["hospital-1"].update(resourceType="Patient", name=[]), "expected one Patient, got 2"),
    ("one id twice", lambda r: r["claim-2"].update(id="claim-1"), "Claim/claim-1 stands for two resources"),
    ("no name", lambda r: r["patient-1"].update(name=[]), "patient-1: expected a name"),
    ("no birth date", lambda r: r["patient-1"].pop("birthDate"), "expected a birthDate"),
    ("a year of birth", lambda r: r["patient-1"].update(birthDate="1990"), "expected a full date"),
    ("a number for text", lambda r: r["stay-1"].update(status=7), "Encounter stay-1: status"),
    ("another's bill", lambda r: r["claim-1"].update(patient={"reference": "Patient/x"}), "claim-1: patient is not"),
    ("no total", lambda r: r["claim-1"].pop("total"), "claim-1: expected a total"),
    ("items above total", lambda r: r["claim-1"]["total"].update(value=6000), "come to 604000 .* total to 600000"),
    ("a float's dust", lambda r: r["claim-1"]["total"].update(value=6480.001), "at most 2 digits"),
    ("negative", lambda r: r["claim-1"]["item"][1]["net"].update(value=-1), "item 2: expected 0 to"),
    ("text for a number", lambda r: r["claim-1"]["total"].update(value="6480"), "claim-1: total.value"),
    ("two currencies", lambda r: r["claim-1"]["item"][1]["net"].update(currency="USD"), "expected CNY like the total"),
    ("no currency of ours", lambda r: r["claim-1"]["total"].update(currency="XTS"), "expected a currency of"),
    ("one sequence twice", lambda r: r["claim-1"]["item"][1].update(sequence=1), "every item.sequence once"),
    (
        "a priced first item and a remainder",
        lambda r: r["claim-1"]["item"][0].update(net={"value": 1, "currency": "CNY"}),
        "come to 604100",
    ),
    (
        "a bill of two encounters",
        lambda r: r["claim-1"]["item"][1].update(encounter=[{"reference": "Encounter/outpatient-1"}]),
        "expected items of one encounter, got 2",
    ),
]


@pytest.mark.parametrize(("case", "edit", "sentence"), BROKEN, ids=[case for case, _, _ in BROKEN])
def test_a_broken_bundle_is_refused_whole_and_in_words(
    edited: Edited, case: str, edit: Callable[[Resources], object], sentence: str
) -> None:
    with pytest.raises(FhirError, match=sentence) as caught:
        read_bundle(edited(edit))
    assert "示例" not in str(caught.value), "errors name resources, not people"
    assert "000000199003070006" not in str(caught.value)


def test_a_concept_outside_the_table_is_told_as_unmapped(edited: Edited) -> None:
    coding = {"system": "http://snomed.info/sct", "code": "444814009", "display": "Viral sinusitis (disorder)"}
    stay = read_bundle(edited(lambda r: r["condition-1"].update(code={"coding": [coding]}))).select()
    assert stay.unmapped == stay.diagnoses
    assert stay.diagnoses == (Diagnosis(None, "444814009", coding["display"], "condition", onset_day=None),)


def test_a_malformed_icd_code_is_no_code(edited: Edited) -> None:
    coding = {"system": "http://hl7.org/fhir/sid/icd-10", "code": "polyp"}
    stay = read_bundle(edited(lambda r: r["condition-1"].update(code={"coding": [coding]}))).select()
    assert stay.diagnoses[0].icd10 is None


def test_without_a_condition_the_reason_stands_in(edited: Edited) -> None:
    stay = read_bundle(edited(lambda r: r["condition-1"].pop("encounter"))).select()
    assert [(found.source, found.display, found.icd10) for found in stay.diagnoses] == [
        ("reason", "阴道不规则流血", None)
    ]


@pytest.mark.parametrize(("onset", "day"), [("1970-01-02", 1), ("1969-12-31", 0), ("1969", None), ("2025-11", None)])
def test_an_onset_is_a_day_or_unknown(edited: Edited, onset: str, day: int | None) -> None:
    stay = read_bundle(edited(lambda r: r["condition-1"].update(onsetDateTime=onset))).select()
    assert stay.diagnoses[0].onset_day == day


def test_a_death_on_an_unknown_day_may_have_been_in_the_stay(edited: Edited) -> None:
    stays = read_bundle(edited(lambda r: r["patient-1"].update(deceasedBoolean=True)))
    assert (stays.patient.deceased, stays.patient.deceased_ms, stays.select().deceased) == (True, None, True)


@given(st.integers(0, 10**12), st.lists(st.integers(0, 10**9), max_size=8))
def test_items_always_add_up_to_the_total(rest: int, amounts: list[int]) -> None:
    example = Path(__file__).parents[3] / "docs" / "examples" / "bundle.json"
    bundle = json.loads(example.read_bytes())
    (claim,) = (entry["resource"] for entry in bundle["entry"] if entry["resource"]["id"] == "claim-1")
    template = claim["item"][2]
    claim["item"] = claim["item"][:1] + [
        template | {"sequence": place, "net": {"value": f"<{amount}>", "currency": "CNY"}}
        for place, amount in enumerate(amounts, start=2)
    ]
    claim["total"]["value"] = f"<{rest + sum(amounts)}>"
    text = json.dumps(bundle)
    for amount in {*amounts, rest + sum(amounts)}:
        text = text.replace(f'"<{amount}>"', f"{amount // 100}.{amount % 100:02}")
    (bill,) = read_bundle(text.encode()).select().bills
    assert [item.amount for item in bill.items] == [rest, *amounts]
    assert bill.total == rest + sum(amounts)
