"""What an insurer sold, to nobody's name: products, policies, payees and balances, as messages and as entries.

A product is open, because decisions are checked against it. Of a policy the chain knows a random id, the insurer,
the product and a status; the holder, the days in force and the payee are salted commitments, and a balance is a
pair of commitments to amounts. What still shows is that two claims draw on one policy.
"""

from typing import Annotated, Literal

from contracts.adjudication.product import Product
from contracts.identifiers import ClaimId, Currency, Place, PolicyId, Version, YearTag
from ledger.execution.contract import Hash, Meta, Name, Point, Struct, encode, hash_tagged

PolicyStatus = Literal["in-force", "lapsed", "terminated"]
Sequence = Annotated[int, Meta(ge=0, le=2**31)]


class RegisterProduct(Struct):
    """Transaction `register_product`: an insurer fixes a version of a product."""

    product: Product


class IssuePolicy(Struct):
    """Transaction `issue_policy`."""

    policy_id: PolicyId
    product_id: Name
    product_version: Version
    holder: Hash
    """Salted commitment to what identifies the insured person."""
    period: Hash
    """Salted commitment to the first and last civil day in force."""
    payee: Hash
    """Salted commitment to the payee's name and account: version 1."""


class ChangePolicy(Struct):
    """Transaction `change_policy`: the next version of a policy."""

    policy_id: PolicyId
    version: Version
    period: Hash
    status: PolicyStatus


class NamePayee(Struct):
    """Transaction `name_payee`: the next version of a policy's payee."""

    policy_id: PolicyId
    version: Version
    commitment: Hash


class FindProduct(Struct):
    """Query `product`."""

    insurer: Name
    product_id: Name
    version: Version


class ShowPolicy(Struct):
    """Query `policy`."""

    policy_id: PolicyId


class ListPolicies(Struct):
    """Query `policies_of`: at most LIST_ROWS_MAX policies, in the order of their ids."""

    insurer: Name
    after: str
    """The last id already seen; empty for the first page."""


class FindBalance(Struct):
    """Query `balance`."""

    policy_id: PolicyId
    year_tag: YearTag
    currency: Currency


class ProductEntry(Struct):
    """Table `products`: one version, fixed."""

    insurer: Name
    product: Product
    content_hash: Hash
    """`hash_product(product)`: what decisions name."""
    place: Place


class PolicyVersion(Struct):
    """Table `policies`: one version, never overwritten."""

    policy_id: PolicyId
    version: Version
    insurer: Name
    product_id: Name
    product_version: Version
    currency: Currency
    """The product's: a policy pays in one currency."""
    holder: Hash
    period: Hash
    status: PolicyStatus
    place: Place


class PayeeVersion(Struct):
    """Table `payees`: one version, never overwritten."""

    version: Version
    commitment: Hash
    place: Place


class PolicyHead(Struct):
    """Table `heads`: the latest versions."""

    version: Version
    payee_version: Version


class Balance(Struct):
    """Table `balances`: one state of an accumulator, never overwritten."""

    sequence: Sequence
    deductible_used: Point
    paid: Point
    claim_id: ClaimId | None
    """The claim whose settlement led to it; None at sequence 0."""
    settlement_version: Annotated[int, Meta(ge=0)]
    place: Place | None


class BalanceHead(Struct):
    """Table `sequences`: the latest sequence."""

    sequence: Sequence


class PolicyView(Struct):
    """A policy as it stands."""

    versions: tuple[PolicyVersion, ...]
    payees: tuple[PayeeVersion, ...]


class ProductEvent(Struct):
    """Event `product-registered`."""

    insurer: Name
    product_id: Name
    version: Version
    content_hash: Hash


class PolicyEvent(Struct):
    """Events `policy-issued`, `policy-changed` and `payee-named`."""

    policy_id: PolicyId
    insurer: Name
    version: Version
    """Of the policy, or of the payee."""
    status: PolicyStatus


def hash_product(product: Product) -> bytes:
    """Return a product's content hash."""
    return hash_tagged("xinpei/product/v1", encode(product))
