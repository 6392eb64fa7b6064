"""One bundle to its inpatient stays.

A stay is a finished Encounter of class IMP (or its kinds ACUTE and NONAC) with a beginning and an end. Outpatient
encounters, stays that go on, and everything else in the bundle are none of a claim's business and are not read.
"""

from pathlib import Path

from nodes.fhir.bills import list_bills
from nodes.fhir.bundles import Bundle, read_bytes
from nodes.fhir.diagnoses import list_diagnoses
from nodes.fhir.errors import FhirError
from nodes.fhir.instants import parse_birth_date, parse_instant
from nodes.fhir.resources import (
    ClaimResource,
    ConditionResource,
    EncounterResource,
    HumanName,
    OrganizationResource,
    PatientResource,
)
from nodes.fhir.stays import BundleStays, Document, Patient, Provider, Stay
from nodes.schemas.civil_time import civil_day

INPATIENT_CLASSES = {"IMP", "ACUTE", "NONAC"}
"""HL7 v3 ActCode: inpatient, and its two kinds."""

RECORD_NUMBER = "MR"


def read_bundle(source: bytes | Path) -> BundleStays:
    """Return the patient and the inpatient stays of an R4 Bundle.

    Args:
        source: The bundle's bytes, or the file that holds them.

    Raises:
        FhirError: If it is too large, no JSON, no Bundle, has not exactly one patient, has no finished inpatient stay,
            or a stay cannot be read; nothing is returned in part.
    """
    bundle = Bundle(read_bytes(source) if isinstance(source, Path) else source)
    resources = list(bundle.resources("Patient", PatientResource))
    if len(resources) != 1:
        msg = f"Bundle: expected one Patient, got {len(resources)}"
        raise FhirError(msg)
    patient = _read_patient(resources[0])
    inpatient = [
        encounter
        for encounter in bundle.resources("Encounter", EncounterResource)
        if encounter.class_.code in INPATIENT_CLASSES
    ]
    finished = [encounter for encounter in inpatient if encounter.status == "finished"]
    if not finished:
        msg = (
            "Bundle: expected an inpatient stay (an Encounter of class IMP with status finished), got none"
            f" ({len(inpatient)} not finished)"
        )
        raise FhirError(msg)
    conditions = list(bundle.resources("Condition", ConditionResource))
    claims = list(bundle.resources("Claim", ClaimResource))
    names = {found.id: found.name for found in bundle.resources("Organization", OrganizationResource)}
    stays = [_read_stay(bundle, patient, encounter, conditions, claims, names) for encounter in finished]
    return BundleStays(patient, tuple(sorted(stays, key=lambda stay: (stay.admission_ms, stay.encounter_id))))


def _read_stay(
    bundle: Bundle,
    patient: Patient,
    encounter: EncounterResource,
    conditions: list[ConditionResource],
    claims: list[ClaimResource],
    names: dict[str, str | None],
) -> Stay:
    where = f"Encounter {encounter.id}"
    if bundle.resolve(encounter.subject) != ("Patient", patient.id):
        msg = f"{where}: subject is not the bundle's Patient"
        raise FhirError(msg)
    period = encounter.period
    if period is None or period.start is None or period.end is None:
        msg = f"{where}: expected a period with start and end"
        raise FhirError(msg)
    admission_ms = parse_instant(f"{where}: period.start", period.start)
    discharge_ms = parse_instant(f"{where}: period.end", period.end)
    if discharge_ms < admission_ms:
        msg = f"{where}: period ends before it starts"
        raise FhirError(msg)
    return Stay(
        encounter_id=encounter.id,
        patient=patient,
        provider=_read_provider(bundle, encounter, names),
        admission_ms=admission_ms,
        discharge_ms=discharge_ms,
        diagnoses=list_diagnoses(bundle, encounter, conditions),
        bills=list_bills(bundle, encounter, claims, (civil_day(admission_ms), civil_day(discharge_ms))),
        deceased=patient.deceased and (patient.deceased_ms is None or patient.deceased_ms <= discharge_ms),
    )


def _read_provider(bundle: Bundle, encounter: EncounterResource, names: dict[str, str | None]) -> Provider | None:
    reference = encounter.service_provider
    if reference is None:
        return None
    target = bundle.resolve(reference)
    if target is None or target[0] != "Organization":
        return Provider(None, reference.display) if reference.display else None
    return Provider(target[1], names.get(target[1]) or reference.display or "")


def _read_patient(resource: PatientResource) -> Patient:
    if resource.birth_date is None:
        msg = f"Patient {resource.id}: expected a birthDate"
        raise FhirError(msg)
    deceased_ms = resource.deceased_date_time
    return Patient(
        id=resource.id,
        name=_read_name(resource),
        gender=resource.gender,
        birth_date=parse_birth_date(resource.birth_date),
        documents=tuple(
            Document(coding.code, identifier.value)
            for identifier in resource.identifier
            if identifier.value and identifier.type
            for coding in identifier.type.coding
            if coding.code and coding.code != RECORD_NUMBER
        ),
        deceased=deceased_ms is not None or resource.deceased_boolean is True,
        deceased_ms=None if deceased_ms is None else parse_instant("Patient.deceasedDateTime", deceased_ms),
    )


def _read_name(resource: PatientResource) -> str:
    """Return the official name, else the first: its text, or given and family names."""
    ordered: list[HumanName] = sorted(resource.name, key=lambda name: name.use != "official")
    for name in ordered:
        written = name.text or " ".join([*name.given, *([name.family] if name.family else [])])
        if written:
            return written
    msg = f"Patient {resource.id}: expected a name"
    raise FhirError(msg)
