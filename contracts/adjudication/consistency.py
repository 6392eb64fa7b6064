"""What no honest party can have built: a case out of bounds, or at odds with itself.

A case whose facts are merely unwelcome, missing or unbalanced passes here; what follows from those is for the rules
to say and for a person to decide. This only keeps the rules' own assumptions true.
"""

from contracts.adjudication.case import Case
from contracts.adjudication.product import Product
from ledger.execution.contract import AMOUNT_MINOR_UNITS_MAX, decode, encode, reject

MALFORMED = "CASE-MALFORMED"


def check_case(case: Case) -> None:
    """Refuse a case that no honest party can have built: out of bounds, or at odds with itself.

    A case whose facts are merely unwelcome or missing passes; the rules say what follows.

    Raises:
        DecodeError: If a field is out of its bounds (a negative or overflowing amount, a malformed code).
        ContractError: `CASE-MALFORMED`, if fields contradict each other.
    """
    decode(encode(case), Case)
    _check_names(case)
    _check_days(case)
    check_product(case.product)
    _check_balances(case)


def _check_names(case: Case) -> None:
    _check_once("bill.lines.id", [line.id for line in case.bill.lines])
    _check_once("diagnoses.id", [diagnosis.id for diagnosis in case.diagnoses])
    _check_once("procedures.id", [procedure.id for procedure in case.procedures])
    _check_once("stay.circumstances", [fact.circumstance for fact in case.stay.circumstances])
    _check_once("reviews", [f"{review.rule} {review.line}" for review in case.reviews])
    _check_once("accumulator.paid_categories", [paid.category for paid in case.accumulator.paid_categories])
    principal = sum(1 for diagnosis in case.diagnoses if diagnosis.principal)
    if principal != 1:
        reject(MALFORMED, f"diagnoses: expected exactly one principal diagnosis, got {principal}")
    diagnoses = [diagnosis.id for diagnosis in case.diagnoses]
    procedures = [procedure.id for procedure in case.procedures]
    for line in case.bill.lines:
        if line.diagnosis is not None and line.diagnosis not in diagnoses:
            reject(MALFORMED, f"line {line.id}: expected a diagnosis of this case, got {line.diagnosis}")
        if line.procedure is not None and line.procedure not in procedures:
            reject(MALFORMED, f"line {line.id}: expected a procedure of this case, got {line.procedure}")


def _check_days(case: Case) -> None:
    if case.policy.until_day < case.policy.from_day:
        reject(MALFORMED, "policy.until_day: expected no day before policy.from_day")
    if case.policy.from_day < case.policy.inception_day:
        reject(MALFORMED, "policy.from_day: expected no day before policy.inception_day")
    if case.stay.discharge_day is not None and case.stay.discharge_day < case.stay.admission_day:
        reject(MALFORMED, "stay.discharge_day: expected no day before stay.admission_day")


def check_product(product: Product) -> None:
    """Refuse a product whose parts contradict each other; raises `ContractError` as `check_case` does."""
    _check_once("product.unknowns", [policy.rule for policy in product.unknowns])
    _check_once("product.limits.categories", [limit.category for limit in product.limits.categories])
    _check_once("product.grade_tiers", [str(tier.grade) for tier in product.grade_tiers])
    _check_once("product.exclusions.id", [exclusion.id for exclusion in product.exclusions])
    above, ratio = -1, 0
    for index, tier in enumerate(product.amount_tiers):
        if (index == 0 and tier.above != 0) or tier.above <= above or tier.ratio < ratio:
            reject(MALFORMED, "product.amount_tiers: expected tiers from 0 upwards with ratios that never fall")
        above, ratio = tier.above, tier.ratio


def _check_balances(case: Case) -> None:
    accumulator, earlier = case.accumulator, case.already_settled
    if accumulator.paid_year + case.bill.total > AMOUNT_MINOR_UNITS_MAX:
        reject(MALFORMED, f"accumulator.paid_year: expected room for the bill below {AMOUNT_MINOR_UNITS_MAX}")
    if accumulator.paid_life + case.bill.total > AMOUNT_MINOR_UNITS_MAX:
        reject(MALFORMED, f"accumulator.paid_life: expected room for the bill below {AMOUNT_MINOR_UNITS_MAX}")
    if accumulator.deductible_used + case.bill.total > AMOUNT_MINOR_UNITS_MAX:
        reject(MALFORMED, f"accumulator.deductible_used: expected room below {AMOUNT_MINOR_UNITS_MAX}")
    if earlier is None:
        return
    if earlier.payable > min(accumulator.paid_year, accumulator.paid_life):
        reject(MALFORMED, "accumulator: expected what already_settled.payable put into it")
    if case.product.deductible.per == "year" and earlier.deductible_used > accumulator.deductible_used:
        reject(MALFORMED, "accumulator: expected what already_settled.deductible_used put into it")
    paid = {item.category: item.amount for item in accumulator.paid_categories}
    for item in earlier.categories:
        if item.amount > paid.get(item.category, 0):
            reject(MALFORMED, f"accumulator: expected what already_settled put into category {item.category}")


def _check_once(field: str, values: list[str]) -> None:
    ordered = sorted(values)
    for index in range(1, len(ordered)):
        if ordered[index] == ordered[index - 1]:
            reject(MALFORMED, f"{field}: expected each once, got {ordered[index]} twice")
