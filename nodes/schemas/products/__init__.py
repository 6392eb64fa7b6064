"""The products that are shipped: one JSON file for each, `ID.json`, in the form of `nodes.schemas.product`.

They are data, like every product: an insurer registers one as it is, or writes its own beside it.

    inpatient-100      deductible 100 for each stay, 100 % with basic insurance, else 60 %
    million-medical    deductible 10,000 for the year, 100 % with basic insurance, else 60 %
    worldwide-usd      in US dollars, deductible 250 for each stay, 80 %, at most 15,000 a stay; for hospitals abroad,
                       which have no Chinese grade: it assumes the network and asks for no basic insurance
"""

from importlib import resources

from contracts.adjudication.product import Product
from nodes.schemas.product import ProductError, read_product


def list_products() -> tuple[str, ...]:
    """Return the ids of the shipped products, sorted."""
    names = (item.name for item in resources.files(__name__).iterdir())
    return tuple(sorted(name.removesuffix(".json") for name in names if name.endswith(".json")))


def find_product(product_id: str) -> Product:
    """Return a shipped product.

    Raises:
        ProductError: If none has this id.
    """
    known = list_products()
    if product_id not in known:
        msg = f"product: expected one of {', '.join(known)}, or a product file, got {product_id[:64]!r}"
        raise ProductError(msg)
    return read_product((resources.files(__name__) / f"{product_id}.json").read_bytes())
