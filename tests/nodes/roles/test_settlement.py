"""Cases out of documents, and commitments out of decisions, without a chain in between."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from contracts.adjudication.case import Accumulator, Case, CategoryPaid, OtherPayment, Review, Split
from contracts.adjudication.case import Settlement as SettlementList
from contracts.adjudication.engine import adjudicate
from contracts.outcomes import check_arithmetic, check_movement
from contracts.policies import Balance
from contracts.settlements import ClosingReference, Settle, Settlement
from ledger.crypto.commitments import IDENTITY, subtract_commitments
from nodes.entropy import SeededEntropy
from nodes.roles.claims.assembly import AssemblyError, StayDocuments, assemble, sort_documents
from nodes.roles.claims.casebook import Casebook, Draft
from nodes.roles.claims.facts import Facts
from nodes.roles.claims.settlement import EMPTY_BALANCE, BalanceOpening, Ground, Reader, draft_settlement
from nodes.roles.exchange.documents import Admission, DischargeSummary, Document, Invoice, ItemList
from nodes.vault.register import Register
from nodes.vault.sealing import AmountOpening, SealKeyPair
from tests.contracts.adjudication.plain_case import ADMITTED, DISCHARGED, LINES, PLAIN, change, with_lines

CLAIM_ID = "claim-0123456789ab"
SEAL_KEY = SealKeyPair(bytes(32))
YEARLY = change(PLAIN, "product.deductible", amount=100_000)
PLACE = None

# ------------------------------------------------------------------------------------------------------- assembly


def invoice(total: int, number: str = "1", settlement: SettlementList | None = None, currency: str = "CNY") -> Invoice:
    return Invoice("code", number, "check", currency, total, settlement, ())


def summary(**stay: object) -> DischargeSummary:
    return DischargeSummary(replace(PLAIN.stay, **stay), PLAIN.diagnoses, ())


ADMISSION = Admission(ADMITTED, "gynaecology", "general", 3, ())


def documents(*parts: Document) -> StayDocuments:
    names = {Admission: "admission", Invoice: "invoice", ItemList: "item-list", DischargeSummary: "discharge-summary"}
    return sort_documents([(names[type(part)], part) for part in parts])


def facts(former: Case | None = None) -> Facts:
    assert PLAIN.consent is not None
    return Facts(
        "hospital-a", "insurer-a", PLAIN.product, PLAIN.consent, PLAIN.policy, PLAIN.accumulator, None, former, ()
    )


def whole_stay() -> StayDocuments:
    return documents(ADMISSION, summary(), invoice(1_000_000), ItemList(LINES))


def settlement_list(amount: int, fund: int) -> SettlementList:
    zeros = dict.fromkeys(SettlementList.__struct_fields__, 0)
    return SettlementList(
        **{
            **zeros,
            "medfee_sumamt": amount,
            "inscp_scp_amt": amount,
            "hifp_pay": fund,
            "fund_pay_sumamt": fund,
            "psn_part_amt": amount - fund,
            "psn_cash_pay": amount - fund,
        }
    )


def test_one_stay_is_the_case_that_its_documents_say() -> None:
    case = assemble(facts(), (whole_stay(),))
    assert case.record_types == ("admission", "discharge-summary", "invoice", "item-list")
    assert replace(case, record_types=PLAIN.record_types) == PLAIN


def test_several_invoices_are_one_bill_and_their_lines_stay_apart() -> None:
    first, second = settlement_list(600_000, 300_000), settlement_list(400_000, 100_000)
    case = assemble(
        facts(),
        (
            documents(
                summary(),
                invoice(600_000, "1", first),
                invoice(400_000, "2", second),
                ItemList(LINES[:2]),
                ItemList(LINES[:1]),
            ),
        ),
    )
    assert (case.bill.total, [line.id for line in case.bill.lines]) == (1_000_000, ["b1-bed", "b1-surgery", "b2-bed"])
    assert case.bill.settlement is not None
    assert (case.bill.settlement.fund_pay_sumamt, case.bill.settlement.medfee_sumamt) == (400_000, 1_000_000)


def test_a_settlement_list_for_one_of_two_invoices_pends_instead_of_paying_too_much() -> None:
    stay = documents(
        summary(), invoice(600_000, "1", settlement_list(600_000, 300_000)), invoice(400_000, "2"), ItemList(LINES)
    )
    decision = adjudicate(replace(assemble(facts(), (stay,)), record_types=PLAIN.record_types))
    assert decision.disposition == "PENDED"
    assert "PRCE-001" in [reason.code for reason in decision.reasons]


def test_what_others_paid_on_each_invoice_counts() -> None:
    paid = replace(invoice(1_000_000), other_payments=(OtherPayment("aid", 100_000),))
    case = assemble(facts(), (documents(summary(), paid, ItemList(LINES)),))
    assert adjudicate(replace(case, record_types=PLAIN.record_types)).payable == 900_000


def test_a_foreign_invoice_among_others_pends() -> None:
    stay = documents(summary(), invoice(600_000), invoice(400_000, "2", currency="USD"), ItemList(LINES))
    case = assemble(facts(), (stay,))
    assert case.bill.currency == "USD"
    assert adjudicate(replace(case, record_types=PLAIN.record_types)).disposition == "PENDED"


def test_a_transfer_is_one_case_from_first_admission_to_last_discharge() -> None:
    later = documents(
        summary(admission_day=DISCHARGED, discharge_day=DISCHARGED + 4, hospital_grade=2, accident=None),
        invoice(1_000_000, "2"),
        ItemList(LINES),
    )
    case = assemble(facts(), (whole_stay(), later))
    assert (case.stay.admission_day, case.stay.discharge_day) == (ADMITTED, DISCHARGED + 4)
    assert (case.stay.hospital_grade, case.stay.ward, case.stay.accident) == (2, "general", None)
    assert [item.id for item in case.diagnoses if item.principal] == ["1-d1"]
    assert [line.id for line in case.bill.lines][::3] == ["1-bed", "2-bed"]
    assert case.bill.total == 2_000_000
    assert adjudicate(replace(case, record_types=PLAIN.record_types)).payable == 2_000_000


@pytest.mark.parametrize(
    ("fact", "values", "merged"),
    [
        ("ward", ("general", "vip"), "vip"),
        ("ward", ("general", None), None),
        ("hanging_bed", (None, True), True),
        ("hanging_bed", (None, False), None),
        ("deceased", (False, True), True),
        ("basic_insurance", ("used", "unused"), None),
        ("ordered_discharge_day", (DISCHARGED, None), None),
        ("hospital_grade", (3, None), None),
    ],
)
def test_what_two_stays_disagree_on_is_the_worse_or_unknown(
    fact: str, values: tuple[object, object], merged: object
) -> None:
    stays = tuple(
        documents(summary(**{fact: value}), invoice(1_000_000, str(place)), ItemList(LINES))
        for place, value in enumerate(values)
    )
    for order in (stays, stays[::-1]):
        assert getattr(assemble(facts(), order).stay, fact) == merged


def test_after_everything_was_reversed_the_bill_is_0_on_the_stay_as_it_was() -> None:
    with pytest.raises(AssemblyError, match="expected an invoice and an item list, got none"):
        assemble(facts(), (documents(),))
    case = assemble(facts(PLAIN), (documents(),))
    assert (case.stay, case.bill.total, adjudicate(case).payable) == (PLAIN.stay, 0, 0)


@pytest.mark.parametrize(
    ("parts", "missing"),
    [
        ((invoice(1), ItemList(LINES)), "one discharge summary"),
        ((invoice(1), summary()), "an item list"),
        ((summary(), ItemList(LINES)), "expected an invoice"),
    ],
)
def test_half_a_stay_makes_no_case(parts: tuple[Document, ...], missing: str) -> None:
    with pytest.raises(AssemblyError, match=missing):
        assemble(facts(), (documents(*parts),))


# ----------------------------------------------------------------------------------------------------- settlements


def ground(version: int, sequence: int) -> Ground:
    return Ground(
        CLAIM_ID,
        version,
        (ClosingReference("stay-0123456789ab", version),),
        "grant-0123456789ab",
        1,
        "policy-0123456789ab",
        1,
        "year-0123456789ab",
        "CNY",
        sequence,
        is_review=False,
        rules=bytes(32),
    )


def draft(case: Case, version: int, former: Draft | None, before: BalanceOpening, entropy: SeededEntropy) -> Draft:
    reader = Reader("chain", "insurer-a", "c-somebody", SEAL_KEY.public_key)
    total = AmountOpening("total", case.bill.total, bytes(32))
    return draft_settlement(
        ground(version, version - 1), case, adjudicate(case), former, before, (total,), reader, entropy
    )


def settled(item: Draft) -> Settlement:
    """Return a draft as the chain would have it, as far as the next one is checked against it."""
    return Settlement(item.outcome, bytes(64), 1, 1, item.outcome.version, IDENTITY, None, PLACE)  # type: ignore[arg-type]


def bill_of(base: Case, amount: int, *, pended: bool) -> Case:
    item = "bed-vip" if pended else "surgery"
    return with_lines(base, replace(LINES[1], amount=amount, item=item, split=Split(0, 0, 0, amount)))


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 5_000_000), st.booleans()), min_size=1, max_size=5),
    st.sampled_from([PLAIN, YEARLY]),
)
def test_whatever_is_corrected_the_chain_finds_that_the_commitments_add_up(
    bills: list[tuple[int, bool]], base: Case
) -> None:
    entropy = SeededEntropy(b"settlements")
    former: Draft | None = None
    before = EMPTY_BALANCE
    balance = Balance(0, IDENTITY, IDENTITY, None, 0, None)
    moved = 0
    categories: tuple[CategoryPaid, ...] = ()
    for version, (amount, pended) in enumerate(bills, start=1):
        case = replace(
            bill_of(base, amount, pended=pended),
            accumulator=Accumulator(
                version - 1, before.deductible_used.amount, 0, before.paid.amount, before.paid.amount, categories
            ),
            already_settled=None if former is None else former.standing,
        )
        item = draft(case, version, former, before, entropy)
        moves = check_arithmetic(balance, None if former is None else settled(former), item.outcome)
        rail = None if item.payment_id is None else "rail"
        check_movement(Settle(item.outcome, bytes(64), item.payment_id, item.zero_blinding, rail), moves)
        item.moves.verify(moves)
        moved += item.moves.amount
        assert moved == item.opening.payable.amount == item.opening.paid_after.amount
        former = item
        before = BalanceOpening(item.opening.paid_after, item.opening.deductible_used_after)
        categories = item.opening.paid_categories
        balance = Balance(version, item.outcome.deductible_used_after, item.outcome.paid_after, CLAIM_ID, version, None)


def test_a_draft_never_uses_a_blinding_twice() -> None:
    entropy = SeededEntropy(b"blindings")
    first = draft(PLAIN_FROM_0, 1, None, EMPTY_BALANCE, entropy)
    second = draft(PLAIN_FROM_0, 1, None, EMPTY_BALANCE, entropy)
    assert first.opening.payable.amount == second.opening.payable.amount
    blindings = {item.blinding for one in (first, second) for item in (one.opening.payable, one.opening.deductible)}
    assert len(blindings) == 4
    assert subtract_commitments(first.outcome.payable, second.outcome.payable) != IDENTITY


PLAIN_FROM_0 = replace(PLAIN, accumulator=Accumulator(0, 0, 0, 0, 0, ()))


def test_a_casebook_finds_the_draft_that_was_settled_and_erases_the_others(tmp_path: Path) -> None:
    entropy = SeededEntropy(b"casebook")
    casebook = Casebook(Register(tmp_path, bytes(32), entropy))
    drafts = [draft(PLAIN_FROM_0, 1, None, EMPTY_BALANCE, entropy) for _ in range(3)]
    for item in drafts:
        casebook.add_draft(item)
    casebook.add_review(CLAIM_ID, Review("R09", "surgery", accepted=True))
    assert casebook.latest_draft(CLAIM_ID, 1) == drafts[2]
    assert casebook.latest_draft(CLAIM_ID, 2) is None
    again = Casebook(Register(tmp_path, bytes(32), entropy))
    assert again.settled_draft(drafts[1].outcome) == drafts[1]
    again.drop_unsettled(drafts[1].outcome)
    assert again.settled_draft(drafts[0].outcome) is None
    assert again.latest_draft(CLAIM_ID, 1) == drafts[1]
    assert len(again.file(CLAIM_ID).reviews) == 1
    foreign = draft(PLAIN_FROM_0, 1, None, EMPTY_BALANCE, entropy)
    again.drop_unsettled(foreign.outcome)
    assert again.settled_draft(drafts[1].outcome) == drafts[1], "what is not ours to know erases nothing"
    assert "amount" not in repr(drafts[1])
