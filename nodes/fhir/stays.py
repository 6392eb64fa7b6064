"""Inpatient stays as the field speaks of them: what leaves the FHIR reader.

Days are civil days at UTC+8, amounts integer minor units. Nothing here is a FHIR type, and nothing here decides: a
diagnosis without ICD-10 and a patient who has died are told, not judged.
"""

from dataclasses import dataclass, replace
from typing import Literal

from nodes.fhir.errors import FhirError
from nodes.schemas.civil_time import DAY_MS, civil_day, write_day

DAY_MAX = 200_000
"""As `ledger.codec.Day`: in the year 2517."""


@dataclass(frozen=True, slots=True)
class Document:
    """An official number of the patient."""

    kind: str
    """HL7's identifier type (v2-0203): NNCHN resident identity card, PPN passport, SS, DL, ..."""
    number: str


@dataclass(frozen=True, slots=True)
class Patient:
    """Who the bundle is about."""

    id: str
    name: str
    gender: str | None
    birth_date: str
    """`YYYY-MM-DD`."""
    documents: tuple[Document, ...]
    """Without the medical record number, which identifies her in one hospital only."""
    deceased: bool
    deceased_ms: int | None
    """When, if the bundle says; never shifted."""


@dataclass(frozen=True, slots=True)
class Provider:
    """The hospital of a stay, as the bundle names it."""

    id: str | None
    name: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One diagnosis, in ICD-10 if it is known."""

    icd10: str | None
    """None: not coded in ICD-10 and not in the reviewed table; the claim pends to a person."""
    snomed: str | None
    display: str
    source: Literal["condition", "reason"]
    """Recorded as a Condition, or only the reason of the encounter."""
    onset_day: int | None
    """None: not known, which is common; 0 stands for any day before 1970 too."""


@dataclass(frozen=True, slots=True)
class BillItem:
    """One line of a bill."""

    sequence: int
    system: str | None
    code: str | None
    description: str
    amount: int


@dataclass(frozen=True, slots=True)
class Bill:
    """One billing record: one Claim, whose items add up to its total."""

    id: str
    kind: str
    """FHIR's claim type: institutional, pharmacy, ..."""
    currency: str
    total: int
    items: tuple[BillItem, ...]
    first_day: int
    last_day: int


@dataclass(frozen=True, slots=True)
class Stay:
    """One finished inpatient encounter with its bills."""

    encounter_id: str
    patient: Patient
    provider: Provider | None
    admission_ms: int
    discharge_ms: int
    diagnoses: tuple[Diagnosis, ...]
    bills: tuple[Bill, ...]
    deceased: bool
    """The patient died no later than at discharge, or on a day that the bundle does not say: the heirs are paid."""
    shifted_days: int = 0
    """How far `shift` has moved the stay from what the bundle says; outputs say so."""

    @property
    def admission_day(self) -> int:
        """The civil day of admission."""
        return civil_day(self.admission_ms)

    @property
    def discharge_day(self) -> int:
        """The civil day of discharge."""
        return civil_day(self.discharge_ms)

    @property
    def unmapped(self) -> tuple[Diagnosis, ...]:
        """The diagnoses that have no ICD-10 code."""
        return tuple(diagnosis for diagnosis in self.diagnoses if diagnosis.icd10 is None)

    def shift(self, days: int) -> "Stay":
        """Return the stay moved by whole days, its bills and the onset of its diagnoses with it.

        Raises:
            FhirError: If that would put a part of it before 1970 or beyond what a `Day` of the ledger holds.
        """
        shifted = replace(
            self,
            admission_ms=self.admission_ms + days * DAY_MS,
            discharge_ms=self.discharge_ms + days * DAY_MS,
            diagnoses=tuple(
                replace(
                    diagnosis, onset_day=None if diagnosis.onset_day is None else max(0, diagnosis.onset_day + days)
                )
                for diagnosis in self.diagnoses
            ),
            bills=tuple(
                replace(bill, first_day=bill.first_day + days, last_day=bill.last_day + days) for bill in self.bills
            ),
            shifted_days=self.shifted_days + days,
        )
        first = min(shifted.admission_day, *(bill.first_day for bill in shifted.bills), shifted.discharge_day)
        last = max(shifted.discharge_day, *(bill.last_day for bill in shifted.bills), shifted.admission_day)
        if first < 0 or last > DAY_MAX:
            msg = f"Encounter {self.encounter_id}: {days} days from {write_day(self.admission_day)} is out of range"
            raise FhirError(msg)
        return shifted


@dataclass(frozen=True, slots=True)
class BundleStays:
    """What one bundle holds: a patient and at least one stay, in the order of admission."""

    patient: Patient
    stays: tuple[Stay, ...]

    def select(self, encounter_id: str | None = None) -> Stay:
        """Return one stay: the named one, or the only one.

        Args:
            encounter_id: The Encounter's id; None where there is but one.

        Raises:
            FhirError: If there is no such stay, or several and none is named.
        """
        known = ", ".join(
            f"{stay.encounter_id} ({write_day(stay.admission_day)} to {write_day(stay.discharge_day)})"
            for stay in self.stays
        )
        if encounter_id is None:
            if len(self.stays) == 1:
                return self.stays[0]
            msg = f"the bundle has {len(self.stays)} inpatient stays; name one with --encounter: {known}"
            raise FhirError(msg)
        for stay in self.stays:
            if stay.encounter_id == encounter_id:
                return stay
        msg = f"--encounter {encounter_id[:64]}: no such inpatient stay; the bundle has {known}"
        raise FhirError(msg)

    def shift(self, days: int) -> "BundleStays":
        """Return the bundle with every stay moved by whole days."""
        return replace(self, stays=tuple(stay.shift(days) for stay in self.stays))
