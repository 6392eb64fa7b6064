"""The elements that are read, of the five FHIR R4 resource types that a stay takes.

Names and cardinalities are R4's; elements that are not listed are ignored. Lists are bounded by the bundle's size.
"""

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

Text = Annotated[str, Field(min_length=1, max_length=4096)]
Identifier64 = Annotated[str, Field(pattern=r"^[A-Za-z0-9.-]{1,64}$")]
"""FHIR's `id`."""


class Element(BaseModel):
    """Any part of a resource: immutable, read by FHIR's own names, open to elements we do not use."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, extra="ignore", strict=True)


class Coding(Element):
    """A code of a code system."""

    system: Text | None = None
    code: Text | None = None
    display: Text | None = None


class Concept(Element):
    """A `CodeableConcept`: the same meaning in one or more code systems."""

    coding: list[Coding] = []
    text: Text | None = None


class Reference(Element):
    """A pointer to another resource."""

    reference: Text | None = None
    display: Text | None = None


class Period(Element):
    """From `start` to `end`, both `dateTime`."""

    start: Text | None = None
    end: Text | None = None


class Money(Element):
    """An amount in major units and its ISO 4217 code."""

    value: Decimal | int
    currency: Text


class HumanName(Element):
    """A name; `text` is how it is written where family and given names do not say it."""

    use: Text | None = None
    text: Text | None = None
    family: Text | None = None
    given: list[Text] = []


class Identifier(Element):
    """A number that identifies the patient, such as a passport's."""

    type: Concept | None = None
    system: Text | None = None
    value: Text | None = None


class PatientResource(Element):
    """Patient."""

    id: Identifier64
    identifier: list[Identifier] = []
    name: list[HumanName] = []
    gender: Text | None = None
    birth_date: Text | None = None
    deceased_boolean: bool | None = None
    deceased_date_time: Text | None = None


class OrganizationResource(Element):
    """Organization."""

    id: Identifier64
    name: Text | None = None


class EncounterResource(Element):
    """Encounter; `class` is its ActCode, IMP for an inpatient stay."""

    id: Identifier64
    status: Text
    class_: Annotated[Coding, Field(alias="class")]
    subject: Reference | None = None
    reason_code: list[Concept] = []
    period: Period | None = None
    service_provider: Reference | None = None


class ConditionResource(Element):
    """Condition."""

    id: Identifier64
    verification_status: Concept | None = None
    code: Concept | None = None
    encounter: Reference | None = None
    onset_date_time: Text | None = None


class ClaimItem(Element):
    """One line of a claim; the encounter stands on the line, not on the claim."""

    sequence: Annotated[int, Field(ge=1)]
    product_or_service: Concept
    net: Money | None = None
    encounter: list[Reference] = []


class ClaimResource(Element):
    """Claim."""

    id: Identifier64
    status: Text
    type: Concept
    use: Text
    patient: Reference
    billable_period: Period | None = None
    item: list[ClaimItem] = []
    total: Money | None = None
