"""What a stay was for: ICD-10 where the hospital coded it, else SNOMED CT through a small reviewed table.

The rules of adjudication speak ICD-10. The table (`snomed_icd10.json`) holds only concepts whose code needs no further
fact; everything else keeps `icd10 = None`, which pends the claim to a person. A wrong code would decide by
itself; a missing one does not.

Conditions recorded in the encounter come first. Only where there is none do the encounter's reasons stand in: they say
why the patient came, which is less than what was found.
"""

import json
import re
from functools import cache
from importlib import resources
from typing import Literal

from nodes.fhir.bundles import Bundle
from nodes.fhir.instants import parse_onset
from nodes.fhir.resources import Concept, ConditionResource, EncounterResource
from nodes.fhir.stays import Diagnosis

SNOMED_CT = "http://snomed.info/sct"
ICD_10 = "http://hl7.org/fhir/sid/icd-10"
_ICD_10_CODE = re.compile(r"[A-Z][0-9]{2}(\.[0-9A-Za-z]{1,8})?\Z")
_WITHDRAWN = {"refuted", "entered-in-error"}


def list_diagnoses(
    bundle: Bundle, encounter: EncounterResource, conditions: list[ConditionResource]
) -> tuple[Diagnosis, ...]:
    """Return the diagnoses of one encounter, in the bundle's order; empty where the bundle has none.

    Args:
        bundle: Resolves references.
        encounter: The stay.
        conditions: Every Condition of the bundle.
    """
    stay = ("Encounter", encounter.id)
    found = tuple(
        _read(condition.code, "condition", condition.onset_date_time)
        for condition in conditions
        if condition.code is not None and bundle.resolve(condition.encounter) == stay and not _is_withdrawn(condition)
    )
    return found or tuple(_read(reason, "reason", None) for reason in encounter.reason_code)


@cache
def load_table() -> dict[str, str]:
    """Return the reviewed table: SNOMED CT concept -> ICD-10 code."""
    text = resources.files("nodes.fhir").joinpath("snomed_icd10.json").read_text(encoding="utf-8")
    return {line["snomed"]: line["icd10"] for line in json.loads(text)["lines"]}


def _is_withdrawn(condition: ConditionResource) -> bool:
    status = condition.verification_status
    return status is not None and any(coding.code in _WITHDRAWN for coding in status.coding)


def _read(concept: Concept, source: Literal["condition", "reason"], onset: str | None) -> Diagnosis:
    icd10 = snomed = None
    for coding in concept.coding:
        if coding.system == ICD_10 and coding.code and _ICD_10_CODE.match(coding.code):
            icd10 = icd10 or coding.code
        if coding.system == SNOMED_CT:
            snomed = snomed or coding.code
    display = concept.text or next((coding.display for coding in concept.coding if coding.display), None)
    return Diagnosis(
        icd10=icd10 or (load_table().get(snomed) if snomed else None),
        snomed=snomed,
        display=display or "",
        source=source,
        onset_day=parse_onset("Condition.onsetDateTime", onset) if onset else None,
    )
