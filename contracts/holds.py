"""Holds: which law makes which holder keep what, and for how long; the table that an erasure is held against.

A holder that may not erase restricts instead, and names one of these bases. What the table does not have is no basis.
Years count from the end of the civil year at UTC+8 in which the hold begins, so that the day that is shown on the
chain tells a year and never a service date.

    basis                     holder     kept                                  begins with          years
    medical-records           hospital   admission, discharge-summary,         the discharge        30
                                         document
    accounting-vouchers       hospital   invoice, item-list, interim-bill      the discharge        30
    insurance-claim-file      insurer    what a settled claim was decided on   the contract's end   5
    payment-record            rail       the order and the account             the payment          10
    inspection-file           regulator  what it ordered under a law           its latest order     10

Nobody's lawyers have read this. It is what the cited texts were understood to say, and a network that serves real
people has its own lawyers fill it before it is founded; each organisation may apply fewer of them.
"""

from typing import Annotated, Literal

from contracts.calendar import DAY_MS, UTC_OFFSET_MS, civil_year
from ledger.execution.contract import Day, Meta, Struct

Basis = Literal["medical-records", "accounting-vouchers", "insurance-claim-file", "payment-record", "inspection-file"]
Kind = Literal["admission", "item-list", "invoice", "interim-bill", "discharge-summary", "document", "claim"]
"""What is kept: a record, or all that was made of a claim: drafts, openings, orders."""
HolderRole = Literal["hospital", "insurer", "regulator", "rail"]
Years = Annotated[int, Meta(ge=1, le=100)]


class Hold(Struct):
    """One line of the table."""

    basis: Basis
    role: HolderRole
    kinds: tuple[Kind, ...]
    years: Years
    """How long the law has it kept."""
    years_max: Years
    """From the day of the answer: more than this the basis never gives; a contract may still run for a year."""
    law_zh: str
    law_en: str


HOLDS: tuple[Hold, ...] = (
    Hold(
        "medical-records",
        "hospital",
        ("admission", "discharge-summary", "document"),
        30,
        30,
        "《医疗机构管理条例实施细则》第五十三条：住院病历保存期不得少于三十年",
        "Rules for the Administration of Medical Institutions, art. 53: inpatient records, 30 years at least",
    ),
    Hold(
        "accounting-vouchers",
        "hospital",
        ("interim-bill", "invoice", "item-list"),
        30,
        30,
        "《会计档案管理办法》附表：原始凭证保管三十年",
        "Measures for the Administration of Accounting Archives, annex: source vouchers, 30 years",
    ),
    Hold(
        "insurance-claim-file",
        "insurer",
        ("admission", "claim", "discharge-summary", "invoice", "item-list"),
        5,
        11,
        "《保险法》第八十七条：自保险合同终止之日起，保险期间一年以下的不得少于五年，超过一年的不得少于十年",
        "Insurance Law, art. 87: from the contract's end 5 years, 10 if it ran for more than a year",
    ),
    Hold(
        "payment-record",
        "rail",
        ("claim",),
        10,
        10,
        "《反洗钱法》（2024年修订）：客户交易信息在交易结束后至少保存十年",
        "Anti-Money Laundering Law (as revised in 2024): records of a transaction, 10 years after it at least",
    ),
    Hold(
        "inspection-file",
        "regulator",
        ("admission", "discharge-summary", "document", "interim-bill", "invoice", "item-list"),
        10,
        10,
        "《机关文件材料归档范围和文书档案保管期限规定》：文书档案定期保管，一般分为三十年、十年",
        "Provisions on the Filing and Retention of Documents of State Organs: fixed terms are 30 or 10 years as a rule",
    ),
)


def find_hold(basis: str) -> Hold | None:
    """Return the line of a basis, or None."""
    for hold in HOLDS:
        if hold.basis == basis:
            return hold
    return None


def is_last_of_year(day: Day) -> bool:
    """Whether a civil day is a 31 December."""
    return year_of(day + 1) == year_of(day) + 1


def year_of(day: Day) -> int:
    """Return the civil year of a civil day."""
    return civil_year(begin_ms(day))


def begin_ms(day: Day) -> int:
    """Return the instant at which a civil day begins at UTC+8."""
    return day * DAY_MS - UTC_OFFSET_MS
