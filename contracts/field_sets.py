"""Field sets: what a record may hold when it is handed over for a purpose, and nothing beside it (least disclosure).

A receipt names one set, such as `HPAYMT/invoice/1`, and this table says which fields that is. The table is pinned by
hash with the contracts, so what a name means at a height cannot be changed afterwards; a change is a new version.

A hospital enters a record for one purpose with exactly the fields of its set: the record's plaintext is the set, so
its one commitment covers all that is released and there is nothing to cut out later. No set has a name, a document
number, an address, a telephone number or a physician. A purpose without a set releases nothing.

An attached document is one file, released whole: what stands in it no table can say, so a grant has to name the type.

`CAREMGT` and `BTG` are another hospital's, to treat her, in an emergency or not: they have no bill and no list of
items. `PUBHLTH` is a regulator's, to know of diseases: diagnoses with their days, when the stay began and ended, and a
death; neither ward, department nor procedure, no bill, and no file, in which a name could stand. `HLEGAL` is a
regulator's statutory access to a record as it was entered: the same fields under its own name, and of one that was
entered for public health the fields of that.
"""

from typing import Annotated

from contracts.grants import Purpose, RecordType
from ledger.execution.contract import Meta, Struct

FieldSetName = Annotated[str, Meta(pattern=r"^[A-Z]{3,7}/[a-z-]{3,24}/[1-9][0-9]{0,3}\Z")]
"""Purpose, record type and version."""


class FieldSet(Struct):
    """One line of the table."""

    name: FieldSetName
    purpose: Purpose
    record_type: RecordType
    fields: tuple[str, ...]
    """Sorted; a dot leads into a structure or the items of a list."""


ADMISSION = (
    "admission_day",
    "department",
    "hospital_grade",
    "reasons.diagnosed_day",
    "reasons.icd10",
    "reasons.id",
    "reasons.onset_day",
    "reasons.principal",
    "ward",
)
DOCUMENT = ("file", "file_bytes", "kind", "media_type")
DISCHARGE_SUMMARY = (
    "diagnoses.diagnosed_day",
    "diagnoses.icd10",
    "diagnoses.id",
    "diagnoses.onset_day",
    "diagnoses.principal",
    "procedures.code",
    "procedures.id",
    "stay.accident",
    "stay.admission_day",
    "stay.basic_insurance",
    "stay.circumstances.circumstance",
    "stay.circumstances.holds",
    "stay.deceased",
    "stay.discharge_day",
    "stay.hanging_bed",
    "stay.hospital_grade",
    "stay.ordered_discharge_day",
    "stay.ward",
)
HEALTH_ADMISSION = (
    "admission_day",
    "reasons.diagnosed_day",
    "reasons.icd10",
    "reasons.id",
    "reasons.onset_day",
    "reasons.principal",
)
HEALTH_SUMMARY = (
    "diagnoses.diagnosed_day",
    "diagnoses.icd10",
    "diagnoses.id",
    "diagnoses.onset_day",
    "diagnoses.principal",
    "stay.admission_day",
    "stay.deceased",
    "stay.discharge_day",
)
INVOICE = (
    "check_code",
    "code",
    "currency",
    "number",
    "other_payments.amount",
    "other_payments.payer",
    "settlement.acct_mulaid_pay",
    "settlement.acct_pay",
    "settlement.act_pay_dedc",
    "settlement.cvlserv_pay",
    "settlement.fulamt_ownpay_amt",
    "settlement.fund_pay_sumamt",
    "settlement.hifes_pay",
    "settlement.hifmi_pay",
    "settlement.hifob_pay",
    "settlement.hifp_pay",
    "settlement.hosp_part_amt",
    "settlement.inscp_scp_amt",
    "settlement.maf_pay",
    "settlement.medfee_sumamt",
    "settlement.oth_pay",
    "settlement.overlmt_selfpay",
    "settlement.preselfpay_amt",
    "settlement.psn_cash_pay",
    "settlement.psn_part_amt",
    "total",
)
ITEM_LIST = (
    "lines.amount",
    "lines.category",
    "lines.day",
    "lines.diagnosis",
    "lines.id",
    "lines.item",
    "lines.procedure",
    "lines.reasonable",
    "lines.split.fulamt_ownpay_amt",
    "lines.split.inscp_scp_amt",
    "lines.split.overlmt_selfpay",
    "lines.split.preselfpay_amt",
)

FIELD_SETS: tuple[FieldSet, ...] = (
    FieldSet("HPAYMT/admission/1", "HPAYMT", "admission", ADMISSION),
    FieldSet("HPAYMT/discharge-summary/1", "HPAYMT", "discharge-summary", DISCHARGE_SUMMARY),
    FieldSet("HPAYMT/document/1", "HPAYMT", "document", DOCUMENT),
    FieldSet("HPAYMT/interim-bill/1", "HPAYMT", "interim-bill", INVOICE),
    FieldSet("HPAYMT/invoice/1", "HPAYMT", "invoice", INVOICE),
    FieldSet("HPAYMT/item-list/1", "HPAYMT", "item-list", ITEM_LIST),
    FieldSet("CAREMGT/admission/1", "CAREMGT", "admission", ADMISSION),
    FieldSet("CAREMGT/discharge-summary/1", "CAREMGT", "discharge-summary", DISCHARGE_SUMMARY),
    FieldSet("CAREMGT/document/1", "CAREMGT", "document", DOCUMENT),
    FieldSet("BTG/admission/1", "BTG", "admission", ADMISSION),
    FieldSet("BTG/discharge-summary/1", "BTG", "discharge-summary", DISCHARGE_SUMMARY),
    FieldSet("BTG/document/1", "BTG", "document", DOCUMENT),
    FieldSet("PUBHLTH/admission/1", "PUBHLTH", "admission", HEALTH_ADMISSION),
    FieldSet("PUBHLTH/discharge-summary/1", "PUBHLTH", "discharge-summary", HEALTH_SUMMARY),
    FieldSet("HLEGAL/admission/1", "HLEGAL", "admission", ADMISSION),
    FieldSet("HLEGAL/discharge-summary/1", "HLEGAL", "discharge-summary", DISCHARGE_SUMMARY),
    FieldSet("HLEGAL/document/1", "HLEGAL", "document", DOCUMENT),
    FieldSet("HLEGAL/interim-bill/1", "HLEGAL", "interim-bill", INVOICE),
    FieldSet("HLEGAL/invoice/1", "HLEGAL", "invoice", INVOICE),
    FieldSet("HLEGAL/item-list/1", "HLEGAL", "item-list", ITEM_LIST),
)


def find_field_set(purpose: str, record_type: str) -> FieldSet | None:
    """Return the set in force for a purpose and record type, or None: nothing is released."""
    for known in FIELD_SETS:
        if (known.purpose, known.record_type) == (purpose, record_type):
            return known
    return None


def name_field_set(purpose: str, record_type: str) -> str:
    """Return the name of the set in force, of which there must be one."""
    known = find_field_set(purpose, record_type)
    assert known is not None, "claims and statutory access have a field set for every record type"
    return known.name


def name_ordered_set(purpose: str, record_type: str) -> str:
    """Return the name of the set that an order brings of a record which was entered for a purpose."""
    return name_field_set("PUBHLTH" if purpose == "PUBHLTH" else "HLEGAL", record_type)


def list_fields(name: str) -> tuple[str, ...]:
    """Return the fields of a set by its name; none of an unknown one."""
    for known in FIELD_SETS:
        if known.name == name:
            return known.fields
    return ()
