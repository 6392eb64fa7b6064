"""Least disclosure: what a hospital knows beside a field set does not leave it, whatever the source says."""

import json
from pathlib import Path
from typing import Any

import pytest

from nodes.fhir import read_bundle
from nodes.roles.hospital.importing import import_stay
from nodes.schemas.stay import read_admission, read_discharge
from tests.nodes.roles.desk import EXAMPLES, Desk, know, make_town
from tests.nodes.roles.test_hospital import file_of
from tests.nodes.roles.town import TODAY, Customer

SECRETS = {
    "address": "绍兴路七号",
    "phone": "13800001234",
    "attending physician": "罗医生",
    "unrelated diagnosis": "B20",
    "unrelated note": "心理门诊",
}


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """Write the example's bundle with more in it than any claim needs."""
    found: dict[str, Any] = json.loads((EXAMPLES.parent / "bundle.json").read_text(encoding="utf-8"))
    resources = [entry["resource"] for entry in found["entry"]]
    patient = next(item for item in resources if item["resourceType"] == "Patient")
    patient["address"] = [{"text": SECRETS["address"]}]
    patient["telecom"] = [{"system": "phone", "value": SECRETS["phone"]}]
    stay = next(item for item in resources if item["id"] == "stay-1")
    stay["participant"] = [{"individual": {"display": SECRETS["attending physician"]}}]
    other = {
        "resourceType": "Condition",
        "id": "condition-9",
        "code": {
            "coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": SECRETS["unrelated diagnosis"]}],
            "text": SECRETS["unrelated note"],
        },
        "subject": {"reference": "Patient/patient-1"},
        "encounter": {"reference": "Encounter/outpatient-1"},
    }
    found["entry"].append({"fullUrl": "urn:uuid:5b6f0b1e-5f0e-4a55-9b56-0f8f5f2f1a99", "resource": other})
    path = tmp_path / "bundle.json"
    path.write_text(json.dumps(found, ensure_ascii=False), encoding="utf-8")
    return path


def test_address_phone_physician_and_unrelated_diagnoses_never_leave_the_hospital(tmp_path: Path, bundle: Path) -> None:
    assert all(secret in bundle.read_text(encoding="utf-8") for secret in SECRETS.values())
    town = make_town(tmp_path / "town")
    wang, desk = Customer(town, "wang"), Desk(town)
    know(town, wang)
    wang.consent()
    stay = read_bundle(bundle).stays[0]
    imported = import_stay(stay.shift(TODAY - 1 - stay.discharge_day), "wang")
    admission = read_admission(json.dumps(imported.admission).encode(), TODAY)
    town.operate("hospital-a", lambda hospital: hospital.admit(admission, town.now_ms))
    ended = read_discharge(json.dumps(imported.discharge).encode(), TODAY)
    town.operate("hospital-a", lambda hospital: hospital.discharge("S-01", ended, town.now_ms))
    town.run_until_quiet()
    vault = desk.agent._handover._vault
    records = [entry.record_id for entry in file_of(town).lanes[0].entries]
    plaintexts = [vault.open(record_id).decode("utf-8", "replace") for record_id in records]
    assert len(plaintexts) >= 4
    assert any("N84.0" in text for text in plaintexts), "the stay's own diagnosis is among what is shared"
    identity = wang.identity
    hidden = {**SECRETS, "name": identity.name, "document number": identity.document_number}
    for what, secret in hidden.items():
        assert not any(secret in text for text in plaintexts), what
