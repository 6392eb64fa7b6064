"""Claims to billing records: one Claim, one bill, whose items add up.

Real claims do not add up by themselves: the first item is the stay and has no price, and the total is more than the
priced items. That remainder is the first item's. An item without a price elsewhere (a diagnosis that is listed as an
item) costs nothing. A remainder below zero, or one with a priced first item, is refused with the difference:
a bill that contradicts itself is the hospital's to correct.
"""

from decimal import Decimal

from nodes.fhir.bundles import Bundle
from nodes.fhir.errors import FhirError
from nodes.fhir.instants import parse_instant
from nodes.fhir.money import count_minor_units
from nodes.fhir.resources import ClaimItem, ClaimResource, EncounterResource, Money
from nodes.fhir.stays import Bill, BillItem
from nodes.schemas.civil_time import civil_day


def list_bills(
    bundle: Bundle, encounter: EncounterResource, claims: list[ClaimResource], days: tuple[int, int]
) -> tuple[Bill, ...]:
    """Return the bills of one encounter, in the bundle's order.

    Args:
        bundle: Resolves references.
        encounter: The stay.
        claims: Every Claim of the bundle; only active ones with `use` claim are bills.
        days: First and last day of the stay, for a claim that names no period.

    Raises:
        FhirError: If a claim of this stay names another encounter or patient too, or does not add up.
    """
    stay = ("Encounter", encounter.id)
    bills = []
    for claim in claims:
        named = {bundle.resolve(reference) for item in claim.item for reference in item.encounter}
        if stay not in named or claim.status != "active" or claim.use != "claim":
            continue
        if named != {stay}:
            msg = f"Claim {claim.id}: expected items of one encounter, got {len(named)}"
            raise FhirError(msg)
        if bundle.resolve(claim.patient) != bundle.resolve(encounter.subject):
            msg = f"Claim {claim.id}: patient is not the one of Encounter {encounter.id}"
            raise FhirError(msg)
        bills.append(_read_bill(claim, days))
    return tuple(bills)


def _read_bill(claim: ClaimResource, days: tuple[int, int]) -> Bill:
    where = f"Claim {claim.id}"
    if claim.total is None:
        msg = f"{where}: expected a total"
        raise FhirError(msg)
    currency = claim.total.currency
    total = _count(f"{where}: total", claim.total, currency)
    items = sorted(claim.item, key=lambda item: item.sequence)
    if len({item.sequence for item in items}) != len(items):
        msg = f"{where}: expected every item.sequence once"
        raise FhirError(msg)
    amounts = [_count(f"{where}: item {item.sequence}", item.net, currency) if item.net else 0 for item in items]
    remainder = total - sum(amounts)
    if remainder < 0 or (remainder and items[0].net):
        msg = f"{where}: its items come to {sum(amounts)} minor units of {currency}, its total to {total}"
        raise FhirError(msg)
    amounts[0] += remainder
    first_day, last_day = _read_days(claim, days)
    return Bill(
        id=claim.id,
        kind=next((coding.code for coding in claim.type.coding if coding.code), claim.type.text or "unknown"),
        currency=currency,
        total=total,
        items=tuple(_read_item(item, amount) for item, amount in zip(items, amounts, strict=True)),
        first_day=first_day,
        last_day=last_day,
    )


def _read_days(claim: ClaimResource, days: tuple[int, int]) -> tuple[int, int]:
    period = claim.billable_period
    first, last = days
    if period is not None and period.start is not None:
        first = civil_day(parse_instant(f"Claim {claim.id}: billablePeriod.start", period.start))
    if period is not None and period.end is not None:
        last = civil_day(parse_instant(f"Claim {claim.id}: billablePeriod.end", period.end))
    if last < first:
        msg = f"Claim {claim.id}: billablePeriod ends before it starts"
        raise FhirError(msg)
    return first, last


def _read_item(item: ClaimItem, amount: int) -> BillItem:
    concept = item.product_or_service
    coding = concept.coding[0] if concept.coding else None
    return BillItem(
        sequence=item.sequence,
        system=coding.system if coding else None,
        code=coding.code if coding else None,
        description=concept.text or (coding.display if coding else None) or "",
        amount=amount,
    )


def _count(element: str, money: Money, currency: str) -> int:
    if money.currency != currency:
        msg = f"{element}: expected {currency} like the total, got {money.currency[:8]!r}"
        raise FhirError(msg)
    return count_minor_units(element, Decimal(money.value), currency)
