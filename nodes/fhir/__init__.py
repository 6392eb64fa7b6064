"""FHIR R4 at the edge: Bundles in, plain inpatient stays out, and FHIR goes no further.

    bundles      bytes -> entries, references resolved
    resources    the elements that are read, of the five resource types that a stay takes
    instants     FHIR's dates -> milliseconds and civil days at UTC+8
    money        decimals -> integer minor units
    diagnoses    SNOMED CT -> ICD-10 through a small reviewed table
    bills        Claim -> one billing record whose items add up
    stays        what the field calls them: patient, stay, diagnoses, bills
    reading      one bundle -> its stays

This is no validator of FHIR: it checks what it uses and ignores the rest (see docs/adr/0002-fhir-at-the-edge.md).
"""

from nodes.fhir.errors import FhirError
from nodes.fhir.reading import read_bundle
from nodes.fhir.stays import Bill, BillItem, BundleStays, Diagnosis, Document, Patient, Provider, Stay

__all__ = [
    "Bill",
    "BillItem",
    "BundleStays",
    "Diagnosis",
    "Document",
    "FhirError",
    "Patient",
    "Provider",
    "Stay",
    "read_bundle",
]
