"""A plain case that pays in full, and ways to change one thing in it.

Three lines (bed 2,000.00, surgery 5,000.00, drugs 3,000.00) on a bill of 10,000.00, no deductible, 100 %, every fact
known. Inception is day 10,000, the stay is from day 20,100 to 20,105. Each test changes what it is about.
"""

from typing import Any, TypeVar

from msgspec.structs import replace

from contracts.adjudication.case import (
    Accumulator,
    Bill,
    Case,
    Consent,
    Diagnosis,
    Duplicates,
    Line,
    Links,
    Policy,
    Stay,
)
from contracts.adjudication.decision import Decision, Trace
from contracts.adjudication.engine import adjudicate
from contracts.adjudication.product import (
    Deductible,
    Limits,
    Network,
    Product,
    ProductRule,
    Ratios,
    ScopeRatios,
    UnknownAction,
    UnknownPolicy,
    Waiting,
)
from ledger.codec import Struct

INCEPTION, ADMITTED, DISCHARGED = 10_000, 20_100, 20_105
UNTIL = 20_300
FULL = ScopeRatios(10_000, 10_000)
RECORD_TYPES = ("invoice", "item-list")

PRODUCT = Product(
    id="plain",
    version=1,
    name_zh="普通",
    name_en="Plain",
    currency="CNY",
    deductible=Deductible(0, "year", other_payments_consume=False, carry_over_max=0),
    ratios=Ratios(FULL, FULL, FULL),
    amount_tiers=(),
    grade_tiers=(),
    limits=Limits(None, (), None, None),
    waiting=Waiting(30, 90, ("C",), "arose"),
    covers_preexisting=False,
    exclusions=(),
    excluded_items=("bed-vip",),
    network=Network(2, ("clinic-near",), ("vip", "international", "special-need")),
    continuation_days=30,
    unknowns=(),
)
LINES = (
    Line("bed", "bed-general", "bed", 200_000, None, 20_101, None, None, reasonable=True),
    Line("surgery", "68.2900", "surgery", 500_000, None, 20_102, None, None, reasonable=True),
    Line("drugs", "drug-list", "western-medicine", 300_000, None, 20_103, None, None, reasonable=True),
)
PLAIN = Case(
    product=PRODUCT,
    hospital="hospital-a",
    insurer="insurer-a",
    record_types=RECORD_TYPES,
    consent=Consent(
        active=True,
        purpose="HPAYMT",
        hospital="hospital-a",
        insurer="insurer-a",
        record_types=RECORD_TYPES,
        from_day=20_000,
        until_day=20_400,
        uses_left=None,
    ),
    links=Links("matched", "matched"),
    policy=Policy(INCEPTION, 20_000, UNTIL, renewal=False, payee_currency="CNY"),
    stay=Stay(
        hospital_grade=3,
        ward="general",
        admission_day=ADMITTED,
        discharge_day=DISCHARGED,
        ordered_discharge_day=DISCHARGED,
        hanging_bed=False,
        accident=False,
        deceased=False,
        basic_insurance="used",
        circumstances=(),
    ),
    diagnoses=(Diagnosis("d1", principal=True, icd10="N84.0", onset_day=20_099, diagnosed_day=20_100),),
    procedures=(),
    bill=Bill("CNY", 1_000_000, None, LINES),
    other_payments=(),
    accumulator=Accumulator(7, 0, 0, 0, 0, ()),
    duplicates=Duplicates(invoice_settled=False, encounter_settled=False, lines_settled=()),
    advances=0,
    already_settled=None,
    reviews=(),
)


S = TypeVar("S", bound=Struct)


def change(case: S, path: str, **fields: Any) -> S:
    """Return the case with fields of the struct at `path` replaced; an empty path is the case itself."""
    if not path:
        return replace(case, **fields)
    name, _, rest = path.partition(".")
    return replace(case, **{name: change(getattr(case, name), rest, **fields)})


def with_lines(case: Case, *lines: Line) -> Case:
    """Return the case with these lines, and their sum as the bill's total."""
    return change(case, "bill", lines=lines, total=sum(line.amount for line in lines))


def with_unknown(case: Case, rule: ProductRule, action: UnknownAction) -> Case:
    """Return the case under a product that says what an unknown of this rule does."""
    return change(case, "product", unknowns=(UnknownPolicy(rule, action),))


def steps(decision: Decision, rule: str) -> list[Trace]:
    """Return what the trace says about one rule."""
    return [step for step in decision.trace if step.rule == rule]


def outcome(case: Case, rule: str) -> tuple[str, str, str]:
    """Return the disposition, and outcome and action of the rule's first step."""
    decision = adjudicate(case)
    step = steps(decision, rule)[0]
    return decision.disposition, step.outcome, step.action


def codes(decision: Decision) -> list[str]:
    """Return the reason codes, in their order."""
    return [reason.code for reason in decision.reasons]
