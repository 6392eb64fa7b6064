"""Receipts of access: one entry per attempt, allowed or refused, and statutory access that is never silent."""

import pytest
from msgspec.structs import replace

from contracts.access import Access
from contracts.attempts import Attempt, Attempts, AttemptView, ListAttempts
from contracts.emergencies import BreakGlass
from contracts.erasures import Ask as AskErasure
from contracts.field_sets import FIELD_SETS, find_field_set, list_fields
from contracts.grants import GrantView, Revoke, ShowGrant
from contracts.orders import AnswerOrder, Ask, ListOrders, Order, PlaceOrder, ShowOrder
from contracts.stays import Append, ListSeen, RecordView, ShareView, ShowRecord
from tests.contracts.consortium import Call, Case, Consortium, digest


@pytest.fixture
def case(chain: Consortium) -> Case:
    """Report a stay whose records are all entered."""
    case = chain.case(chain.consent(), chain.policy())
    chain.do(*chain.admit(case))
    chain.do(*chain.discharge(case)[:4])
    return case


def attempts(chain: Consortium, case: Case) -> list[Attempt]:
    found = chain.ask("attempts.of_subject", ListAttempts(case.customer, 0), tuple[AttemptView, ...])
    assert [view.sequence for view in found] == list(range(1, len(found) + 1))
    return [view.attempt for view in found]


def revoke(case: Case) -> Call:
    return case.customer, "consent.revoke", Revoke(case.grant_id)


def ask(case: Case, signer: str = "insurer-a", **changes: object) -> Call:
    message = Ask(case.stay_id, "invoice", None, case.grant_id, "HPAYMT")
    return signer, "access.ask", replace(message, **changes)


def order(chain: Consortium, case: Case, signer: str = "regulator") -> Call:
    message = PlaceOrder(chain.draw("order"), case.record("invoice"), "medical-fund-supervision", digest("number"))
    return signer, "access.order", message


def open_orders(chain: Consortium) -> tuple[Order, ...]:
    return chain.ask("access.list_open", ListOrders("regulator", ""), tuple[Order, ...])


# ---------------------------------------------------------------------------------------------------------- shares


def test_a_refused_share_is_an_entry_about_the_customer_and_shares_nothing(chain: Consortium, case: Case) -> None:
    share = chain.share(case, case.record("invoice"))
    assert chain.post(revoke(case), share) == ["OK", "AUTH-013"]
    assert chain.events() == ["consent-revoked", "access-refused"]
    (found,) = attempts(chain, case)
    assert (found.kind, found.decision, found.code, found.condition) == ("share", "deny", "AUTH-013", "status")
    assert (found.recipient, found.role, found.signer) == ("insurer-a", "insurer", "hospital-a")
    assert (found.record_id, found.record_type, found.field_set) == (case.record("invoice"), "invoice", None)
    assert (found.grant_id, found.grant_version, found.purpose) == (case.grant_id, 2, "HPAYMT")
    assert found.place.transaction_id == chain.receipts[-1].transaction_id
    assert chain.ask("records.seen", ListSeen(case.customer, ""), tuple[ShareView, ...]) == ()


def test_a_share_that_is_allowed_has_its_receipt_with_the_fields_that_were_released(
    chain: Consortium, case: Case
) -> None:
    chain.do(chain.share(case, case.record("invoice")))
    assert attempts(chain, case) == [], "its receipt is the share's own"
    (view,) = chain.ask("records.seen", ListSeen(case.customer, ""), tuple[ShareView, ...])
    assert view.share.field_set == "HPAYMT/invoice/1"
    assert view.fields == list_fields("HPAYMT/invoice/1")
    assert {"total", "settlement.hifp_pay"} <= set(view.fields)


def test_a_refusal_is_no_use_of_the_grant_and_binds_it_to_nothing(chain: Consortium) -> None:
    words = chain.consent()
    one = replace(words, version=2, previous_version=1, permission=replace(words.permission, uses_max=1))
    chain.do((one.subject, "consent.grant", one))
    case = chain.case(one, chain.policy())
    chain.do(*chain.admit(case))
    admission = case.record("admission")
    codes = chain.post(
        ("hospital-a", "records.share", replace(chain.share(case, admission)[2], recipient="insurer-b")),  # type: ignore[type-var]
        chain.share(case, admission),
    )
    assert codes == ["AUTH-013", "OK"]
    (found,) = attempts(chain, case)
    assert (found.recipient, found.condition) == ("insurer-b", "recipient")


def test_a_share_is_refused_on_record_for_every_reason_that_keeps_the_record_from_moving(
    chain: Consortium, case: Case
) -> None:
    """Not reported, foreign hands, reversed, asked for: under a grant that covers it and all the same."""
    invoice = case.record("invoice")
    share = chain.share(case, invoice)
    grant = chain.ask("consent.show", ShowGrant(case.grant_id), GrantView).versions[-1].grant
    fresh = chain.case(grant, case.policy_id)
    chain.do(chain.append(fresh, "admission"))
    record = chain.ask("records.record", ShowRecord(invoice), RecordView).record
    reversal = Append(
        chain.draw("record"),
        case.stay_id,
        "invoice",
        "reversal",
        invoice,
        digest("nothing"),
        digest("nothing"),
        case.bill.negative,
        record.invoice_tag,
        case.grant_id,
    )
    erasure = AskErasure(case.stay_id, (case.record("admission"),), None)
    codes = chain.post(
        chain.share(fresh, fresh.record("admission")),
        ("hospital-b", "records.share", share[2]),
        ("insurer-a", "records.share", share[2]),
        (case.hospital, "records.append", reversal),
        share,
        (case.customer, "erasure.ask", erasure),
        chain.share(case, case.record("admission")),
    )
    assert codes == ["NOT_REPORTED", "FORBIDDEN", "FORBIDDEN", "OK", "REVERSED", "OK", "ERASED"]
    found = attempts(chain, case)
    assert [(entry.code, entry.condition) for entry in found] == [
        ("NOT_REPORTED", "claim"),
        ("FORBIDDEN", "custodian"),
        ("FORBIDDEN", "custodian"),
        ("REVERSED", "reversal"),
        ("ERASED", "erasure"),
    ]
    assert [entry.signer for entry in found] == ["hospital-a", "hospital-b", "insurer-a", "hospital-a", "hospital-a"]
    assert [entry.claim_id for entry in found] == [None, *[case.claim_id] * 4]
    assert {(entry.kind, entry.decision, entry.field_set) for entry in found} == {("share", "deny", None)}
    assert chain.ask("records.seen", ListSeen(case.customer, ""), tuple[ShareView, ...]) == ()


def test_a_customer_key_and_a_record_that_is_not_there_leave_no_entry(chain: Consortium, case: Case) -> None:
    share = chain.share(case, case.record("invoice"))[2]
    codes = chain.post(
        (case.customer, "records.share", share),
        chain.share(case, "record-ffffffffffff"),
    )
    assert codes == ["FORBIDDEN", "UNKNOWN_RECORD"]
    assert attempts(chain, case) == []


def test_sharing_what_is_shared_already_is_no_entry_because_nothing_is_kept_from_anybody(
    chain: Consortium, case: Case
) -> None:
    share = chain.share(case, case.record("invoice"))
    assert chain.post(share, share) == ["OK", "ALREADY_SHARED"]
    assert attempts(chain, case) == []


# ------------------------------------------------------------------------------------------------------------ asks


def test_an_insurer_asks_and_the_chain_says_yes_with_the_fields(chain: Consortium, case: Case) -> None:
    chain.do(ask(case, record_id=case.record("invoice")))
    assert chain.events() == ["access-permitted"]
    (found,) = attempts(chain, case)
    assert (found.kind, found.decision, found.code, found.condition) == ("ask", "permit", "", "")
    assert (found.signer, found.field_set) == ("insurer-a", "HPAYMT/invoice/1")
    assert chain.ask("records.seen", ListSeen(case.customer, ""), tuple[ShareView, ...]) == (), "the share does that"


def test_a_request_for_a_record_type_outside_the_grant_is_refused_with_a_receipt(chain: Consortium) -> None:
    words = chain.consent()
    narrow = replace(words, version=2, previous_version=1, scope=replace(words.scope, record_types=("admission",)))
    chain.do((narrow.subject, "consent.grant", narrow))
    case = chain.case(narrow, chain.policy())
    chain.do(*chain.admit(case))
    assert chain.post(ask(case)) == ["AUTH-013"]
    assert chain.reason() == "record type: invoice is not in the scope"
    (found,) = attempts(chain, case)
    assert (found.decision, found.condition, found.record_type) == ("deny", "record type", "invoice")


@pytest.mark.parametrize(
    ("signer", "changes", "condition"),
    [
        ("insurer-b", {}, "recipient"),
        ("hospital-b", {}, "recipient"),
        ("rail", {}, "recipient"),
        ("regulator", {}, "recipient"),
        ("insurer-a", {"purpose": "CAREMGT"}, "field set"),
        ("insurer-a", {"purpose": "HLEGAL"}, "purpose"),
        ("insurer-a", {"grant_id": "grant-ffffffffffff"}, "grant"),
    ],
)
def test_whoever_may_not_see_it_leaves_an_entry_that_says_so(
    chain: Consortium, case: Case, signer: str, changes: dict[str, object], condition: str
) -> None:
    assert chain.post(ask(case, signer, **changes)) == ["AUTH-013"]
    (found,) = attempts(chain, case)
    assert (found.signer, found.recipient, found.condition) == (signer, signer, condition)
    assert found.field_set is None


def test_what_is_withheld_from_everybody_is_no_answer_to_a_question_either(chain: Consortium, case: Case) -> None:
    admission = case.record("admission")
    chain.do((case.customer, "erasure.ask", AskErasure(case.stay_id, (admission,), None)))
    codes = chain.post(
        ask(case, record_id=admission, record_type="admission"), ask(case, record_id=case.record("invoice"))
    )
    assert codes == ["ERASED", "OK"]
    assert [(entry.decision, entry.condition) for entry in attempts(chain, case)] == [
        ("deny", "erasure"),
        ("permit", ""),
    ]


def test_a_question_about_nothing_real_is_rejected_and_leaves_no_entry(chain: Consortium, case: Case) -> None:
    codes = chain.post(
        ask(case, stay_id="stay-ffffffffffff"),
        ask(case, record_id="record-ffffffffffff"),
        ask(case, record_id=case.record("admission")),
        ask(case, case.customer),
    )
    assert codes == ["UNKNOWN_STAY", "UNKNOWN_RECORD", "FOREIGN_RECORD", "FORBIDDEN"]
    assert attempts(chain, case) == []


# ---------------------------------------------------------------------------------------------------------- orders


def test_a_regulator_orders_a_record_without_a_grant_and_never_silently(chain: Consortium, case: Case) -> None:
    chain.do(revoke(case))
    chain.do(order(chain, case))
    assert chain.events() == ["access-permitted", "access-ordered"]
    (entry,) = open_orders(chain)
    assert (entry.regulator, entry.record_id, entry.subject) == ("regulator", case.record("invoice"), case.customer)
    assert (entry.basis, entry.number, entry.field_set) == (
        "medical-fund-supervision",
        digest("number"),
        "HLEGAL/invoice/1",
    )
    (found,) = attempts(chain, case)
    assert (found.kind, found.decision, found.purpose, found.grant_id) == ("order", "permit", "HLEGAL", None)
    assert found.order_id == entry.order_id


@pytest.mark.parametrize("signer", ["insurer-a", "hospital-b", "hospital-a", "rail"])
def test_nobody_else_gets_statutory_access_and_the_attempt_is_on_record(
    chain: Consortium, case: Case, signer: str
) -> None:
    assert chain.post(order(chain, case, signer)) == ["AUTH-013"]
    assert open_orders(chain) == ()
    assert chain.ask("access.list_open", ListOrders(signer, ""), tuple[Order, ...]) == ()
    (found,) = attempts(chain, case)
    assert (found.kind, found.decision, found.condition, found.signer) == ("order", "deny", "role", signer)


def test_an_order_is_answered_once_by_the_one_who_gave_it(chain: Consortium, case: Case) -> None:
    placed = order(chain, case)
    chain.do(placed)
    assert isinstance(placed[2], PlaceOrder)
    answer = AnswerOrder(placed[2].order_id, None)
    codes = chain.post(
        ("insurer-a", "access.answer", answer),
        ("regulator", "access.answer", replace(answer, order_id="order-ffffffffffff")),
        ("regulator", "access.answer", answer),
        ("regulator", "access.answer", replace(answer, reason=digest("wrong"))),
        placed,
    )
    assert codes == ["FORBIDDEN", "UNKNOWN_ORDER", "OK", "WRONG_STATE", "ORDER_TAKEN"]
    assert open_orders(chain) == ()
    kept = chain.ask("access.show", ShowOrder(answer.order_id), Order)
    assert kept.answer is not None
    assert kept.answer.result == "DELIVERED"
    (listed,) = chain.ask("access.list_of_regulator", ListOrders("regulator", ""), tuple[Order, ...])
    assert listed == kept


def test_an_emergency_that_no_grant_covers_is_an_entry_too(chain: Consortium, case: Case) -> None:
    look = BreakGlass(chain.draw("glass"), case.grant_id, "hospital-a", ("discharge-summary",), digest("why"))
    assert chain.post(("hospital-b", "emergencies.break_glass", look)) == ["AUTH-013"]
    (found,) = attempts(chain, case)
    assert (found.kind, found.condition, found.recipient) == ("emergency", "purpose", "hospital-b")


# ------------------------------------------------------------------------------------------------ lists and tables


def test_an_entry_is_never_overwritten_by_the_next_one(chain: Consortium, case: Case) -> None:
    chain.post(ask(case, "insurer-b"))
    before = attempts(chain, case)
    chain.post(ask(case, "rail"), ask(case))
    assert attempts(chain, case)[:1] == before
    assert [entry.signer for entry in attempts(chain, case)] == ["insurer-b", "rail", "insurer-a"]


def test_no_transaction_writes_the_register_of_attempts(chain: Consortium) -> None:
    assert {"of_subject", "counted_of_subject"} == {
        name for name in vars(Attempts) if hasattr(vars(Attempts)[name], "__contract_method__")
    }
    assert Access.name == "access"


def test_every_record_type_has_a_field_set_for_claims_and_orders_and_treatment_has_none_for_bills() -> None:
    types = {"admission", "item-list", "invoice", "interim-bill", "discharge-summary", "document"}
    for purpose in ("HPAYMT", "HLEGAL"):
        assert {known.record_type for known in FIELD_SETS if known.purpose == purpose} == types
    for purpose in ("CAREMGT", "BTG"):
        treated = {known.record_type for known in FIELD_SETS if known.purpose == purpose}
        assert treated == {"admission", "discharge-summary", "document"}
    health = {known.record_type for known in FIELD_SETS if known.purpose == "PUBHLTH"}
    assert health == {"admission", "discharge-summary"}, "a file may say anything, a name too"
    assert {known.purpose for known in FIELD_SETS} == {"HPAYMT", "HLEGAL", "CAREMGT", "BTG", "PUBHLTH"}
    assert find_field_set("DSRCH", "invoice") is None
    for known in FIELD_SETS:
        assert known.fields == tuple(sorted(set(known.fields)))
        assert not {"name", "address", "phone", "document_number", "physician", "attending"} & {
            part for field in known.fields for part in field.split(".")
        }
