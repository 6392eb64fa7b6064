"""A product as JSON, in a case file or by itself: `contracts.adjudication.product`, whose docstrings say what it means.

A product that does not fit is refused with one sentence per field: what was expected there, and what came.
"""

from typing import Annotated, Literal

from msgspec.structs import replace
from pydantic import Discriminator, Field, Tag, ValidationError

from contracts.adjudication import product as products
from contracts.adjudication.consistency import check_product
from contracts.adjudication.exclusions import STANDARD_EXCLUSIONS
from ledger.codec import decode, encode
from ledger.errors import ContractError, DecodeError, LedgerError
from nodes.schemas.notation import (
    Currency,
    Days,
    Grade,
    Label,
    Mirror,
    Name,
    Percent,
    Prefix,
    Yuan,
    describe_errors,
)

PRODUCT_FILE_BYTES_MAX = 256 * 1024
"""Far above the 16 KB that a product may have on the chain."""


class ProductError(LedgerError):
    """A product that does not fit, or that is not known."""


class Deductible(Mirror):
    """JSON of `contracts.adjudication.product.Deductible`."""

    struct = products.Deductible
    amount: Yuan
    per: Literal["year", "stay"]
    other_payments_consume: bool = False
    carry_over_max: Yuan = 0


class ScopeRatios(Mirror):
    """JSON of `contracts.adjudication.product.ScopeRatios`."""

    struct = products.ScopeRatios
    in_scope: Percent
    out_of_scope: Percent


class Ratios(Mirror):
    """JSON of `contracts.adjudication.product.Ratios`."""

    struct = products.Ratios
    basic_used: ScopeRatios
    basic_unused: ScopeRatios
    uninsured: ScopeRatios


class AmountTier(Mirror):
    """JSON of `contracts.adjudication.product.AmountTier`."""

    struct = products.AmountTier
    above: Yuan
    ratio: Percent


class GradeTier(Mirror):
    """JSON of `contracts.adjudication.product.GradeTier`."""

    struct = products.GradeTier
    grade: Grade
    ratio: Percent


class CategoryLimit(Mirror):
    """JSON of `contracts.adjudication.product.CategoryLimit`."""

    struct = products.CategoryLimit
    category: products.Category
    amount: Yuan
    per: Literal["stay", "year"]


class Limits(Mirror):
    """JSON of `contracts.adjudication.product.Limits`."""

    struct = products.Limits
    stay: Yuan | None = None
    categories: tuple[CategoryLimit, ...] = ()
    year: Yuan | None = None
    life: Yuan | None = None


class Waiting(Mirror):
    """JSON of `contracts.adjudication.product.Waiting`."""

    struct = products.Waiting
    days: Days
    critical_days: Days
    critical_prefixes: tuple[Prefix, ...] = ()
    basis: Literal["arose", "diagnosed"] = "arose"


class Exclusion(Mirror):
    """JSON of `contracts.adjudication.product.Exclusion`."""

    struct = products.Exclusion
    id: Name
    name_zh: Label
    name_en: Label
    code: Literal["NCOV-001", "NCOV-003", "CLAI-007"]
    diagnosis_prefixes: tuple[Prefix, ...] = ()
    procedure_prefixes: tuple[Prefix, ...] = ()
    circumstance: products.Circumstance | None = None
    unknown: products.UnknownAction = "pend"


def tell_exclusions(value: object) -> str:
    """Return which form the exclusions of a product have, so that an error speaks of that form only."""
    return "word" if isinstance(value, str) else "list"


Exclusions = Annotated[
    Annotated[Literal["standard"], Tag("word")] | Annotated[tuple[Exclusion, ...], Tag("list")],
    Discriminator(tell_exclusions),
]
"""A list, or the text `standard` for the shared one."""


class Network(Mirror):
    """JSON of `contracts.adjudication.product.Network`."""

    struct = products.Network
    grade_min: Grade
    approved: tuple[Name, ...] = ()
    wards_excluded: tuple[products.Ward, ...] = ()


class UnknownPolicy(Mirror):
    """JSON of `contracts.adjudication.product.UnknownPolicy`."""

    struct = products.UnknownPolicy
    rule: products.ProductRule
    action: products.UnknownAction


class Product(Mirror):
    """JSON of `contracts.adjudication.product.Product`."""

    struct = products.Product
    id: Name
    version: Annotated[int, Field(ge=1, le=1_000_000)]
    name_zh: Label
    name_en: Label
    currency: Currency
    deductible: Deductible
    ratios: Ratios
    amount_tiers: tuple[AmountTier, ...] = ()
    grade_tiers: tuple[GradeTier, ...] = ()
    limits: Limits = Limits()
    waiting: Waiting
    covers_preexisting: bool = False
    exclusions: Exclusions
    excluded_items: tuple[Prefix, ...] = ()
    network: Network
    continuation_days: Days = 30
    unknowns: tuple[UnknownPolicy, ...] = ()

    def build(self) -> products.Product:
        """Return the product, with the shared exclusions where it names them."""
        if self.exclusions == "standard":
            stated: products.Product = self.model_copy(update={"exclusions": ()}).build()
            return replace(stated, exclusions=STANDARD_EXCLUSIONS)
        product: products.Product = super().build()
        return product


def read_product(data: bytes) -> products.Product:
    """Return a product from its JSON, checked against every bound of the contracts.

    Raises:
        ProductError: If it is too large, no JSON, does not fit, or contradicts itself.
    """
    if len(data) > PRODUCT_FILE_BYTES_MAX:
        msg = f"product: expected at most {PRODUCT_FILE_BYTES_MAX} bytes, got {len(data)}"
        raise ProductError(msg)
    try:
        product: products.Product = Product.model_validate_json(data).build()
        check_product(decode(encode(product), products.Product))
    except ValidationError as error:
        raise ProductError(describe_errors(error, "product")) from None
    except (ContractError, DecodeError) as error:
        raise ProductError(str(error)) from None
    return product
