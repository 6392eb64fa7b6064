"""Products as files: the shipped ones decide the published cases, and what does not fit is refused by field."""

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from contracts.adjudication.engine import adjudicate
from ledger.codec import encode
from ledger.limits import ARGUMENTS_BYTES_MAX
from nodes.schemas import products
from nodes.schemas.case import read_case
from nodes.schemas.product import PRODUCT_FILE_BYTES_MAX, ProductError, read_product
from nodes.schemas.products import find_product, list_products

CASES = Path(__file__).parents[3] / "docs" / "examples" / "cases"
SHIPPED = Path(products.__file__).parent


@pytest.mark.parametrize(
    ("product_id", "case", "payable"),
    [
        ("inpatient-100", "demo-polyp", 206_000),
        ("inpatient-100", "published-1", 11_155),
        ("million-medical", "published-2", 2_400_000),
        ("million-medical", "published-3", 3_200_000),
    ],
)
def test_a_shipped_product_pays_what_was_published(product_id: str, case: str, payable: int) -> None:
    read = read_case((CASES / f"{case}.json").read_bytes())
    assert adjudicate(replace(read, product=find_product(product_id))).payable == payable


@pytest.mark.parametrize("product_id", list_products())
def test_a_shipped_product_is_named_as_its_file_and_fits_into_a_transaction(product_id: str) -> None:
    product = find_product(product_id)
    assert product.id == product_id
    assert len(encode(product)) < ARGUMENTS_BYTES_MAX // 2


def test_an_unknown_product_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(ProductError, match="expected one of inpatient-100, million-medical"):
        find_product("../inpatient-100")


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("deductible", None, "deductible: expected a value, got nothing"),
        ("limit", "x", "limit: expected no field of this name, got one"),
        ("currency", "yuan", "currency: expected otherwise"),
        ("waiting", {"days": -1, "critical_days": 90}, "waiting.days: expected otherwise"),
        ("amount_tiers", [{"above": "1.00", "ratio": "50%"}], "expected tiers from 0 upwards"),
    ],
)
def test_a_product_that_does_not_fit_is_refused_by_field(field: str, value: object, sentence: str) -> None:
    plain = json.loads((SHIPPED / "inpatient-100.json").read_bytes())
    plain.pop(field, None)
    if value is not None:
        plain[field] = value
    with pytest.raises(ProductError, match=sentence):
        read_product(json.dumps(plain).encode())


def test_what_is_no_product_at_all_is_refused() -> None:
    with pytest.raises(ProductError, match="product: expected JSON, got something else"):
        read_product(b"{")
    with pytest.raises(ProductError, match="expected at most"):
        read_product(b" " * (PRODUCT_FILE_BYTES_MAX + 1))
