"""Orders: on which law a regulator looks at a record without the customer's grant, and what the chain keeps of it.

The table of laws serves openings of claims too (contract `openings`). Each law is for one role: a regulator inspects,
an auditor that the insurer has to engage audits, and neither on the other's law.
"""

from typing import Annotated, Literal

from contracts.field_sets import FieldSetName
from contracts.grants import Purpose, RecordType
from contracts.identifiers import GrantId, OrderId, Place, RecordId, StayId
from contracts.needs import Finding
from ledger.execution.contract import Hash, Meta, Name, Struct

LegalBasis = Literal[
    "insurance-supervision", "medical-fund-supervision", "evidence-collection", "financial-audit", "compliance-audit"
]
"""Open on the chain: under which law is no medical fact, and the customer is to know it."""


class Basis(Struct):
    """One line of the table of laws."""

    code: LegalBasis
    role: Literal["regulator", "auditor"]
    """Whom it entitles."""
    law_zh: str
    law_en: str


BASES: tuple[Basis, ...] = (
    Basis(
        "insurance-supervision",
        "regulator",
        "《保险法》第一百五十四条:保险监督管理机构检查、查阅、复制有关资料",
        "Insurance Law, art. 154: the insurance regulator inspects and copies material",
    ),
    Basis(
        "medical-fund-supervision",
        "regulator",
        "《医疗保障基金使用监督管理条例》第二十七条:监督检查可以要求提供有关资料",
        "Regulations on the Supervision of Medical Security Funds, art. 27: material asked for in an inspection",
    ),
    Basis(
        "evidence-collection",
        "regulator",
        "《刑事诉讼法》第五十四条:有权机关向有关单位收集、调取证据",
        "Criminal Procedure Law, art. 54: evidence collected from organisations by who is entitled to it",
    ),
    Basis(
        "financial-audit",
        "auditor",
        "《公司法》第二百零八条:财务会计报告依法经会计师事务所审计",
        "Company Law, art. 208: financial reports are audited by an accounting firm as the law demands",
    ),
    Basis(
        "compliance-audit",
        "auditor",
        "《个人信息保护法》第五十四条:定期对处理个人信息的情况进行合规审计",
        "Personal Information Protection Law, art. 54: regular audits of how personal information is handled",
    ),
)


class Ask(Struct):
    """Transaction `access.ask`: somebody asks a hospital for a record type of a stay under a grant."""

    stay_id: StayId
    record_type: RecordType
    record_id: RecordId | None
    """One record of that type; None for whatever there is."""
    grant_id: GrantId
    purpose: Purpose


class PlaceOrder(Struct):
    """Transaction `access.order`: a regulator orders a record under a law."""

    order_id: OrderId
    record_id: RecordId
    basis: LegalBasis
    number: Hash
    """Salted commitment to the order's number and issuing authority, as on its paper."""


class AnswerOrder(Struct):
    """Transaction `access.answer`: what the regulator got."""

    order_id: OrderId
    reason: Hash | None
    """Salted commitment to what is wrong with it; None if it was opened and is what was committed to."""


class OrderAnswer(Struct):
    """What a regulator got."""

    result: Literal["DELIVERED", "DISPUTED"]
    reason: Hash | None
    place: Place


class Order(Struct):
    """Table `orders`: one order; its answer is all that is ever added."""

    order_id: OrderId
    record_id: RecordId
    stay_id: StayId
    record_type: RecordType
    hospital: Name
    subject: Name
    regulator: Name
    basis: LegalBasis
    number: Hash
    field_set: FieldSetName
    place: Place
    answer: OrderAnswer | None


class OrderIndex(Struct):
    """Tables `open_orders` and `by_regulator`: an order to look up."""

    place: Place


class LatestOrder(Struct):
    """Table `by_record`: the latest order of a record by one regulator."""

    order_id: OrderId
    is_delivered: bool
    """Whether any order of the record by this regulator brought it."""


class FindOrder(Struct):
    """Query `latest`: a regulator's latest order of a record."""

    record_id: RecordId
    regulator: Name


class ListHolders(Struct):
    """Query `held`: the orders by which regulators have a record, or wait for it."""

    record_id: RecordId


class ShowOrder(Struct):
    """Query `show`."""

    order_id: OrderId


class ListOrders(Struct):
    """Queries `list_open` and `list_of_regulator`: at most LIST_ROWS_MAX orders, in the order of their ids."""

    regulator: Name
    after: Annotated[str, Meta(max_length=64)]
    """The last id already seen; empty for the first page."""


class OrderEvent(Struct):
    """Events `access-ordered` and `access-answered`."""

    order_id: OrderId
    record_id: RecordId
    stay_id: StayId
    hospital: Name
    regulator: Name
    subject: Name


def find_mismatch(basis: str, role: str | None) -> Finding | None:
    """Return that a law entitles nobody of a role, or None if it does."""
    found = find_basis(basis)
    if found is not None and found.role == role:
        return None
    expected = "nobody" if found is None else f"the role {found.role}"
    return Finding("AUTH-013", "basis", f"{basis} entitles {expected}, got {role}")


def find_basis(code: str) -> Basis | None:
    """Return the line of a basis, or None."""
    for basis in BASES:
        if basis.code == code:
            return basis
    return None
