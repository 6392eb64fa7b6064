"""A product: what an insurer sold, as data that the rules read.

Nothing here computes. A product names its deductible, ratios, tiers, limits, waiting periods, exclusions and
network, and, because hospitals seldom know everything a clause asks, what the absence of a fact does. Two products
differ in their data only: there is no code per product.

    money     integer minor units (分) of the product's currency
    ratio     parts of ten thousand: 10_000 is 100 %, 8_500 is 85 %
    day       a civil day in China; a number of days counts civil days
    prefix    of an ICD-10 code (`C`, `N84`) or of a procedure's code, compared from the first character

It is not a policy: inception, validity and payee are facts of the case.
"""

from typing import Annotated, Literal

from contracts.adjudication.reasons import RuleId
from ledger.execution.contract import Amount, Meta, Name, Struct

Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z")]
"""ISO 4217, such as `CNY`."""
Ratio = Annotated[int, Meta(ge=0, le=10_000)]
"""Parts of ten thousand."""
Label = Annotated[str, Meta(min_length=1, max_length=120)]
"""A name for people, in Chinese or English."""
Prefix = Annotated[str, Meta(min_length=1, max_length=24, pattern=r"^[A-Za-z0-9][A-Za-z0-9.+*/_-]*\Z")]
Grade = Annotated[int, Meta(ge=0, le=3)]
"""A hospital's grade: 3 is 三级, 2 is 二级, 1 is 一级, 0 has none."""
Days = Annotated[int, Meta(ge=0, le=3_660)]

Ward = Literal["general", "international", "vip", "special-need"]
"""The kind of ward a stay or a bed charge belongs to."""
Category = Literal[
    "bed",
    "consultation",
    "examination",
    "laboratory",
    "treatment",
    "surgery",
    "nursing",
    "material",
    "western-medicine",
    "herbal-medicine",
    "patent-medicine",
    "general-treatment",
    "registration",
    "other",
]
"""The fourteen fee categories of the 2304 settlement list (`med_chrgitm_type`), in its order."""
Circumstance = Literal[
    "self-harm",
    "crime",
    "alcohol-or-drugs",
    "experimental",
    "work-injury",
    "third-party-liable",
    "outside-mainland",
]
"""What a code of a disease or procedure cannot say, but an exclusion asks."""
UnknownAction = Literal["ask", "assume", "pend"]
"""What the absence of a fact does: `ask` whoever may know it (the claim or line waits), `assume` that the rule
passes (and print it), or `pend` to a person."""
ProductRule = Literal["R04", "R05", "R06", "R07", "R08", "R09", "R12", "R13"]
"""The rules whose unknowns a product may decide. Consent, identity, duplicates and money are never assumed."""


class Deductible(Struct):
    """What the insured bears first."""

    amount: Amount
    per: Literal["year", "stay"]
    """`year`: the balance that the policy year's earlier claims left; `stay`: the whole amount each time."""
    other_payments_consume: bool
    """Whether what basic insurance and other payers paid counts against it."""
    carry_over_max: Amount
    """How much of the previous policy year's consumed deductible counts in this one; 0 where nothing carries over."""


class ScopeRatios(Struct):
    """The ratio of a line's part inside the basic insurance's scope, and of its part outside."""

    in_scope: Ratio
    out_of_scope: Ratio


class Ratios(Struct):
    """The ratio after the deductible, by what the basic insurance did."""

    basic_used: ScopeRatios
    """The stay was settled with the basic insurance."""
    basic_unused: ScopeRatios
    """Insured there, but the stay was not settled with it."""
    uninsured: ScopeRatios
    """People without basic cover."""


class AmountTier(Struct):
    """What applies to the part of the amount above a threshold, up to the next tier's."""

    above: Amount
    ratio: Ratio


class GradeTier(Struct):
    """What applies in a hospital of this grade."""

    grade: Grade
    ratio: Ratio


class CategoryLimit(Struct):
    """The most that one category of lines pays."""

    category: Category
    amount: Amount
    per: Literal["stay", "year"]


class Limits(Struct):
    """The most that is paid; None where there is no limit."""

    stay: Amount | None
    categories: Annotated[tuple[CategoryLimit, ...], Meta(max_length=14)]
    """At most one for each category."""
    year: Amount | None
    life: Amount | None


class Waiting(Struct):
    """How long after inception a disease stays out of cover, both days counted."""

    days: Days
    """30 in most products: inception on the 1st leaves the 30th out and the 31st in. 0 where there is none."""
    critical_days: Days
    """For cancer and critical illness, 90 in most products."""
    critical_prefixes: Annotated[tuple[Prefix, ...], Meta(max_length=64)]
    """Which ICD-10 codes are cancer or critical illness."""
    basis: Literal["arose", "diagnosed"]
    """Whether the day that counts is the one on which it arose, or the one on which it was diagnosed."""


class Exclusion(Struct):
    """One set of causes that the product does not cover."""

    id: Name
    name_zh: Label
    name_en: Label
    code: Literal["NCOV-001", "NCOV-003", "CLAI-007"]
    diagnosis_prefixes: Annotated[tuple[Prefix, ...], Meta(max_length=64)]
    procedure_prefixes: Annotated[tuple[Prefix, ...], Meta(max_length=64)]
    circumstance: Circumstance | None
    unknown: UnknownAction
    """What it does that the circumstance is not known."""


class Network(Struct):
    """Where a stay is covered."""

    grade_min: Grade
    """A hospital of this grade or above is in the network."""
    approved: Annotated[tuple[Name, ...], Meta(max_length=1_024)]
    """Hospitals in the network whatever their grade."""
    wards_excluded: Annotated[tuple[Ward, ...], Meta(max_length=4)]


class UnknownPolicy(Struct):
    """What the absence of a fact that this rule needs does."""

    rule: ProductRule
    action: UnknownAction


class Product(Struct):
    """One version of a product."""

    id: Name
    version: Annotated[int, Meta(ge=1, le=1_000_000)]
    name_zh: Label
    name_en: Label
    currency: Currency
    deductible: Deductible
    ratios: Ratios
    amount_tiers: Annotated[tuple[AmountTier, ...], Meta(max_length=16)]
    """From 0 upwards, ratios never falling; none where the ratio does not depend on the amount."""
    grade_tiers: Annotated[tuple[GradeTier, ...], Meta(max_length=4)]
    """At most one per grade; a grade that is not listed has 100 %."""
    limits: Limits
    waiting: Waiting
    covers_preexisting: bool
    exclusions: Annotated[tuple[Exclusion, ...], Meta(max_length=64)]
    excluded_items: Annotated[tuple[Prefix, ...], Meta(max_length=256)]
    """Prefixes of line items that are never covered, such as `bed-vip`."""
    network: Network
    continuation_days: Days
    """How long a stay that began in force goes on after expiry, 30 in most products."""
    unknowns: Annotated[tuple[UnknownPolicy, ...], Meta(max_length=8)]
    """At most one per rule; a rule that is not listed pends."""


def unknown_action(product: Product, rule: RuleId) -> UnknownAction:
    """Return what the absence of a fact for `rule` does under this product; `pend` where it does not say."""
    for policy in product.unknowns:
        if policy.rule == rule:
            return policy.action
    return "pend"


def has_prefix(code: str, prefixes: tuple[str, ...]) -> bool:
    """Whether a code begins with one of the prefixes."""
    return any(code.startswith(prefix) for prefix in prefixes)
