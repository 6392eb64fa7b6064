"""A case: everything the adjudicator may look at, and nothing else.

The decision is a function of this one value, so whoever holds it and the contracts' code re-computes the decision to
the 分. What a party does not know is None, never a guess: what None does is the product's choice. What a person
decided about a pended claim enters as a `Review`, so a re-run after the review is as reproducible as the first run.

The bill is the stay's **current total**: reversals and replacements have been applied before, and what earlier
versions of this claim were settled with stands in `already_settled`.

Bounds that no single field can hold are in `consistency`.
"""

from typing import Annotated, Literal

from contracts.adjudication.product import Category, Circumstance, Currency, Grade, Product, Ward
from contracts.adjudication.reasons import Text
from ledger.execution.contract import Amount, Day, Meta, Name, Struct

CASE_AMOUNT_MAX = 100_000_000_000
"""One bill stays within a billion yuan; exact fractions of such amounts stay within `INTEGER_BITS_MAX`."""
LINES_MAX = 4_096
"""A long stay in intensive care has two to three thousand lines."""
CONSENT_PURPOSE = "HPAYMT"
"""The only purpose under which a claim may be adjudicated."""

Fen = Annotated[int, Meta(ge=0, le=CASE_AMOUNT_MAX)]
"""An amount of one case, in minor units."""
Icd10 = Annotated[str, Meta(max_length=24, pattern=r"^[A-Z][0-9]{2}(\.[0-9A-Za-z+*]{1,16})?\Z")]
"""Such as `N84.0` or the national `N84.000x001`."""
ItemCode = Annotated[str, Meta(min_length=1, max_length=48, pattern=r"^[A-Za-z0-9][A-Za-z0-9.+*/_-]*\Z")]
LineId = Annotated[str, Meta(min_length=1, max_length=32, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\Z")]
RecordType = Annotated[str, Meta(min_length=1, max_length=32, pattern=r"^[a-z][a-z-]*\Z")]
"""Such as `item-list`, `invoice` or `discharge-summary`."""
Link = Literal["matched", "mismatch"]
BasicInsurance = Literal["used", "unused", "uninsured"]
ReviewedRule = Literal["R04", "R05", "R06", "R07", "R08", "R09"]
"""Whose findings a person may decide."""
Payer = Literal["basic", "major-illness", "aid", "employer", "insurer", "third-party", "hospital"]

PAYERS: tuple[Text, ...] = (
    Text("pool", "基金支付", "pool"),
    Text("basic", "基本医保", "basic insurance"),
    Text("major-illness", "大病保险", "major illness insurance"),
    Text("aid", "医疗救助", "medical aid"),
    Text("employer", "单位", "employer"),
    Text("insurer", "其他保险公司", "other insurer"),
    Text("third-party", "第三方", "third party"),
    Text("hospital", "医院负担", "hospital's share"),
)
"""Who else pays, in both languages; `pool` is a settlement list's `fund_pay_sumamt`."""


class Consent(Struct):
    """The grant this adjudication stands on, as the chain holds it at its place."""

    active: bool | None
    """Granted, not revoked, not expired, both links made, at the height of the settlement."""
    purpose: Annotated[str, Meta(min_length=1, max_length=16)]
    """`HPAYMT`, else the grant does not carry a claim."""
    hospital: Name
    insurer: Name
    record_types: Annotated[tuple[RecordType, ...], Meta(max_length=32)]
    from_day: Day
    """The first service day whose records it covers."""
    until_day: Day
    """The last one."""
    uses_left: Annotated[int, Meta(ge=0, le=1_000_000)] | None
    """None where the number of uses is not limited."""


class Links(Struct):
    """Whether hospital and insurer each found their own customer in the grant's identity."""

    hospital: Link | None
    insurer: Link | None


class Policy(Struct):
    """The contract between customer and insurer, as far as rules ask."""

    inception_day: Day
    """The first day of the continuous cover: renewals keep it. Waiting periods count from it."""
    from_day: Day
    """The first day in force of the policy year of admission."""
    until_day: Day
    """The last day in force."""
    renewal: bool
    """Whether this policy year renewed an earlier one without a gap."""
    payee_currency: Currency


class CircumstanceFact(Struct):
    """What is known about one circumstance of the event."""

    circumstance: Circumstance
    holds: bool


class Stay(Struct):
    """The encounter (FHIR Encounter), as the hospital signed it."""

    hospital_grade: Grade | None
    ward: Ward | None
    admission_day: Day
    discharge_day: Day | None
    ordered_discharge_day: Day | None
    """The day on which the doctor ordered the discharge; costs of later days are not covered."""
    hanging_bed: bool | None
    """挂床: registered as an inpatient without staying."""
    accident: bool | None
    deceased: bool
    """The hospital recorded that the patient died no later than at discharge; False where it recorded no death."""
    basic_insurance: BasicInsurance | None
    circumstances: Annotated[tuple[CircumstanceFact, ...], Meta(max_length=8)]
    """What is known; a circumstance that is not listed is unknown."""


class Diagnosis(Struct):
    """One diagnosis of the stay (FHIR Condition)."""

    id: LineId
    principal: bool
    """Exactly one is: what fails for it concerns the whole stay. Another diagnosis concerns the lines that name it."""
    icd10: Icd10 | None
    """None where the hospital's code has no reviewed mapping."""
    onset_day: Day | None
    diagnosed_day: Day | None


class Procedure(Struct):
    """One operation or procedure of the stay (FHIR Procedure)."""

    id: LineId
    code: ItemCode | None
    """ICD-9-CM-3; None where it has no reviewed mapping."""


class Split(Struct):
    """How the basic insurance's catalogue divides one line (2304 item fields of these names)."""

    fulamt_ownpay_amt: Fen
    overlmt_selfpay: Fen
    preselfpay_amt: Fen
    inscp_scp_amt: Fen


class Line(Struct):
    """One line of the bill (FHIR Claim.item)."""

    id: LineId
    item: ItemCode
    """The hospital's or the national code of the item."""
    category: Category
    amount: Fen
    split: Split | None
    """None where there is no basic insurance to divide it, as in a foreign bill."""
    day: Day | None
    diagnosis: LineId | None
    """Which diagnosis it treats; None stands for the principal one."""
    procedure: LineId | None
    reasonable: bool | None
    """Reasonable and necessary, as a check of medicine and price found; None where nobody has looked."""


class Settlement(Struct):
    """The basic insurance's settlement list (2304 `setlinfo`), by its own field names.

    As we read the fields, four equations hold; a list that breaks one is pended with the difference, not rejected:

        medfee_sumamt = fulamt_ownpay_amt + overlmt_selfpay + preselfpay_amt + inscp_scp_amt
        fund_pay_sumamt = hifp_pay + cvlserv_pay + hifes_pay + hifmi_pay + hifob_pay + maf_pay + oth_pay
        medfee_sumamt = fund_pay_sumamt + psn_part_amt + hosp_part_amt
        psn_part_amt = acct_pay + acct_mulaid_pay + psn_cash_pay
    """

    medfee_sumamt: Fen
    fulamt_ownpay_amt: Fen
    overlmt_selfpay: Fen
    preselfpay_amt: Fen
    inscp_scp_amt: Fen
    act_pay_dedc: Fen
    """起付线: what the pool left out first; a part of the person's share."""
    hifp_pay: Fen
    cvlserv_pay: Fen
    hifes_pay: Fen
    hifmi_pay: Fen
    hifob_pay: Fen
    maf_pay: Fen
    oth_pay: Fen
    fund_pay_sumamt: Fen
    psn_part_amt: Fen
    acct_pay: Fen
    """From the customer's own account: her money, not another payer's."""
    acct_mulaid_pay: Fen
    psn_cash_pay: Fen
    hosp_part_amt: Fen
    """What the hospital bears itself."""


class Bill(Struct):
    """The stay's current total."""

    currency: Currency
    total: Fen
    settlement: Settlement | None
    lines: Annotated[tuple[Line, ...], Meta(min_length=1, max_length=LINES_MAX)]


class OtherPayment(Struct):
    """What somebody else has paid for this stay, beyond the settlement list."""

    payer: Payer
    amount: Fen


class CategoryPaid(Struct):
    """What one category of lines was paid in the policy year."""

    category: Category
    amount: Amount


class Accumulator(Struct):
    """The balances of one policy year, under the sequence number that a settlement names."""

    sequence: Annotated[int, Meta(ge=0, le=1_000_000)]
    deductible_used: Amount
    deductible_previous_year: Amount
    """What the previous policy year consumed: the product says how much of it carries over."""
    paid_year: Amount
    paid_life: Amount
    paid_categories: Annotated[tuple[CategoryPaid, ...], Meta(max_length=14)]


class Duplicates(Struct):
    """What the chain and the insurer's own books say about earlier settlements, this claim's own left out."""

    invoice_settled: bool | None
    encounter_settled: bool | None
    lines_settled: Annotated[tuple[LineId, ...], Meta(max_length=LINES_MAX)]


class AlreadySettled(Struct):
    """What the last settlement of this claim decided: restored before this one, so that only the difference moves."""

    payable: Fen
    """Its `Decision.payable`."""
    deductible_used: Amount
    """Its `Decision.deductible_used`."""
    categories: Annotated[tuple[CategoryPaid, ...], Meta(max_length=14)]
    """Its `Decision.categories`."""


class Review(Struct):
    """What a person decided about a finding that was pended (R19)."""

    rule: ReviewedRule
    line: LineId | None
    """The line; None for a finding about the whole claim."""
    accepted: bool
    """True: covered after all. False: refused, with the finding's reasons."""


class Case(Struct):
    """The complete input of `engine.adjudicate`."""

    product: Product
    hospital: Name
    insurer: Name
    record_types: Annotated[tuple[RecordType, ...], Meta(min_length=1, max_length=32)]
    """The types of the records that this case was built from: the grant must cover each."""
    consent: Consent | None
    links: Links
    policy: Policy
    stay: Stay
    diagnoses: Annotated[tuple[Diagnosis, ...], Meta(min_length=1, max_length=64)]
    procedures: Annotated[tuple[Procedure, ...], Meta(max_length=64)]
    bill: Bill
    other_payments: Annotated[tuple[OtherPayment, ...], Meta(max_length=32)]
    accumulator: Accumulator
    """Before this settlement; with an earlier settlement of this claim still in it."""
    duplicates: Duplicates
    advances: Fen
    """Paid ahead for this claim and not yet deducted by an earlier settlement of it."""
    already_settled: AlreadySettled | None
    reviews: Annotated[tuple[Review, ...], Meta(max_length=256)]
