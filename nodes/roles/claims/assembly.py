"""From the documents of closed stays to the adjudicator's case.

The case is the stays' current total: a closing lists live parts only, so what was reversed is not among them and what
replaces it is. Facts are taken as they were signed; where two stays of one claim (a transfer, a readmission) disagree
on a fact, the case says that it is not known, and the product says what follows.

    several stays      first admission to last discharge, lowest grade, the ward that is not general if there is one,
                       one principal diagnosis: the first stay's; ids get the stay's number in front
    several invoices   one bill: totals, settlement lists and what others paid are added up. If one of them has a
                       settlement list and another has not, the sum no longer fits the total, and that pends
    nothing left       after everything was reversed the bill is 0, on the stay as it was settled before

Duplicates are not looked for here: the chain locks every invoice's tag to one claim, whoever the insurer, and every
stay to one claim, and refuses a settlement (DUPL-001, DUPL-002) that is not on its own.
"""

from dataclasses import dataclass

from msgspec.structs import replace

from contracts.adjudication.case import (
    Bill,
    Case,
    CircumstanceFact,
    Diagnosis,
    Duplicates,
    Line,
    Links,
    OtherPayment,
    Procedure,
    Settlement,
    Split,
    Stay,
)
from ledger.errors import LedgerError
from nodes.roles.claims.facts import Facts
from nodes.roles.exchange.documents import DischargeSummary, Document, Invoice, ItemList

NO_DUPLICATES = Duplicates(invoice_settled=False, encounter_settled=False, lines_settled=())
NOTHING_BILLED = Line("reversed", "reversed", "other", 0, Split(0, 0, 0, 0), None, None, None, reasonable=True)


class AssemblyError(LedgerError):
    """Documents that make no case; says what is missing."""


@dataclass(frozen=True, slots=True)
class StayDocuments:
    """What one closing lists, read."""

    record_types: tuple[str, ...]
    invoices: tuple[Invoice, ...]
    item_lists: tuple[ItemList, ...]
    summaries: tuple[DischargeSummary, ...]


def sort_documents(documents: list[tuple[str, Document]]) -> StayDocuments:
    """Return the documents of one closing by what they are; (record type, document), in the closing's order."""
    found = [document for _, document in documents]
    return StayDocuments(
        tuple(record_type for record_type, _ in documents),
        tuple(document for document in found if isinstance(document, Invoice)),
        tuple(document for document in found if isinstance(document, ItemList)),
        tuple(document for document in found if isinstance(document, DischargeSummary)),
    )


def assemble(facts: Facts, stays: tuple[StayDocuments, ...]) -> Case:
    """Return the case of a claim.

    Args:
        facts: What is not in documents.
        stays: The claim's stays, in their order.

    Raises:
        AssemblyError: If there is no bill or no discharge summary, and none was settled before.
    """
    record_types = tuple(sorted({record_type for stay in stays for record_type in stay.record_types}))
    if not any(stay.invoices or stay.item_lists for stay in stays):
        return _reversed(facts, record_types)
    several = len(stays) > 1
    parts = [(f"{number}-" if several else "", stay) for number, stay in enumerate(stays, start=1) if stay.invoices]
    for _, stay in parts:
        if len(stay.summaries) != 1 or not stay.item_lists:
            msg = f"documents: expected an item list and one discharge summary, got {', '.join(stay.record_types)}"
            raise AssemblyError(msg)
    if not parts:
        msg = "documents: expected an invoice, got none"
        raise AssemblyError(msg)
    invoices = [invoice for _, stay in parts for invoice in stay.invoices]
    return Case(
        product=facts.product,
        hospital=facts.hospital,
        insurer=facts.insurer,
        record_types=record_types,
        consent=facts.consent,
        links=Links("matched", "matched"),
        policy=facts.policy,
        stay=_merge_stays([stay.summaries[0].stay for _, stay in parts]),
        diagnoses=_list_diagnoses([(prefix, stay.summaries[0]) for prefix, stay in parts]),
        procedures=tuple(
            Procedure(prefix + item.id, item.code) for prefix, stay in parts for item in stay.summaries[0].procedures
        ),
        bill=Bill(
            _find_currency(invoices, facts.product.currency),
            sum(invoice.total for invoice in invoices),
            _add_settlements([invoice.settlement for invoice in invoices if invoice.settlement is not None]),
            tuple(line for prefix, stay in parts for line in _list_lines(prefix, stay)),
        ),
        other_payments=(*_list_payments(invoices), *facts.other_payments),
        accumulator=facts.accumulator,
        duplicates=NO_DUPLICATES,
        advances=0,
        already_settled=facts.already_settled,
        reviews=facts.reviews,
    )


def _reversed(facts: Facts, record_types: tuple[str, ...]) -> Case:
    former = facts.former_case
    if former is None:
        msg = "documents: expected an invoice and an item list, got none"
        raise AssemblyError(msg)
    return replace(
        former,
        record_types=record_types or former.record_types,
        consent=facts.consent,
        procedures=(),
        bill=Bill(facts.product.currency, 0, None, (NOTHING_BILLED,)),
        other_payments=(),
        accumulator=facts.accumulator,
        already_settled=facts.already_settled,
        reviews=facts.reviews,
    )


def _merge_stays(stays: list[Stay]) -> Stay:
    if len(stays) == 1:
        return stays[0]
    discharges = [stay.discharge_day for stay in stays]
    ordered = [stay.ordered_discharge_day for stay in stays]
    grades = [stay.hospital_grade for stay in stays]
    wards = [stay.ward for stay in stays]
    hanging = [stay.hanging_bed for stay in stays]
    accidents = {stay.accident for stay in stays}
    basics = {stay.basic_insurance for stay in stays}
    special = [ward for ward in wards if ward not in (None, "general")]
    facts: dict[str, CircumstanceFact] = {}
    for fact in (fact for stay in stays for fact in stay.circumstances):
        if fact.holds or fact.circumstance not in facts:
            facts[fact.circumstance] = fact
    return Stay(
        hospital_grade=None if None in grades else min(grade for grade in grades if grade is not None),
        ward=special[0] if special else None if None in wards else "general",
        admission_day=min(stay.admission_day for stay in stays),
        discharge_day=None if None in discharges else max(day for day in discharges if day is not None),
        ordered_discharge_day=None if None in ordered else max(day for day in ordered if day is not None),
        hanging_bed=True if True in hanging else None if None in hanging else False,
        accident=accidents.pop() if len(accidents) == 1 else None,
        deceased=any(stay.deceased for stay in stays),
        basic_insurance=basics.pop() if len(basics) == 1 else None,
        circumstances=tuple(facts.values()),
    )


def _list_diagnoses(summaries: list[tuple[str, DischargeSummary]]) -> tuple[Diagnosis, ...]:
    return tuple(
        replace(diagnosis, id=prefix + diagnosis.id, principal=diagnosis.principal and place == 0)
        for place, (prefix, summary) in enumerate(summaries)
        for diagnosis in summary.diagnoses
    )


def _list_lines(prefix: str, stay: StayDocuments) -> list[Line]:
    several = len(stay.item_lists) > 1
    return [
        replace(
            line,
            id=f"{prefix}{f'b{number}-' if several else ''}{line.id}",
            diagnosis=None if line.diagnosis is None else prefix + line.diagnosis,
            procedure=None if line.procedure is None else prefix + line.procedure,
        )
        for number, item_list in enumerate(stay.item_lists, start=1)
        for line in item_list.lines
    ]


def _add_settlements(settlements: list[Settlement]) -> Settlement | None:
    if not settlements:
        return None
    return Settlement(
        **{name: sum(getattr(item, name) for item in settlements) for name in Settlement.__struct_fields__}
    )


def _list_payments(invoices: list[Invoice]) -> tuple[OtherPayment, ...]:
    return tuple(payment for invoice in invoices for payment in invoice.other_payments)


def _find_currency(invoices: list[Invoice], expected: str) -> str:
    """Return the bill's currency: one that is foreign to the product if there is any, which pends."""
    return next((invoice.currency for invoice in invoices if invoice.currency != expected), expected)
