"""One invoice, two insurers: the second pays what the first has left, when the customer of both says so."""

import pytest

from contracts.coordination import OrderView, ShowOrder
from contracts.listings import Wait
from contracts.settlements import AwaitConsent, Follow, Outcome, Release, SettledBefore
from contracts.stays import Append, Close, Deliver, RecordView, ShowRecord
from ledger.execution.contract import replace
from tests.contracts.consortium import Call, Case, Consortium, Figure, digest
from tests.contracts.test_claims import PAYABLE, corrected, deliver, deliver_with_tag, revoke, second, wait

LEFT = Figure.draw(10_000, "left")
OWN, RENEWED = "record-0000000000ff", "record-0000000001ff"
"""A follower's own invoice, and what replaces it."""


@pytest.fixture
def case(chain: Consortium) -> Case:
    """The claim that is paid first."""
    return chain.case(chain.consent(), chain.policy())


@pytest.fixture
def later(chain: Consortium, case: Case) -> Case:
    """The other insurer's claim on the same invoice, handed over and confirmed; the first one is paid."""
    deliver(chain, case)
    chain.do(chain.settle(case, chain.outcome(case, PAYABLE)))
    chain.do(chain.pay(chain.view(case).claim.payments[0], "paid"))
    later = chain.case(chain.consent(insurer="insurer-b"), chain.policy("insurer-b"))
    deliver_with_tag(chain, later, case.tag)
    return later


def release(case: Case, later: Case, version: int = 1, signer: str | None = None) -> Call:
    return signer or case.customer, "coordination.release", Release(case.claim_id, version, later.claim_id)


def follow(case: Case, later: Case, version: int = 1, signer: str | None = None) -> Call:
    message = Follow(later.claim_id, SettledBefore(case.claim_id, version))
    return signer or later.customer, "coordination.follow", message


def after(chain: Consortium, case: Case, later: Case, version: int = 1) -> Outcome:
    return chain.outcome(later, LEFT, after=SettledBefore(case.claim_id, version))


def shown(chain: Consortium, later: Case) -> OrderView:
    view = chain.ask("coordination.show", ShowOrder(later.claim_id), OrderView)
    assert view is not None
    return view


def test_the_second_insurer_pays_what_is_left_once_both_customers_said_so(
    chain: Consortium, case: Case, later: Case
) -> None:
    assert wait(chain, later) == Wait("customer", "DUPL-002", 0, 0)
    assert (shown(chain, later).after, shown(chain, later).is_final) == (case.claim_id, True)
    chain.do(release(case, later), follow(case, later))
    assert chain.events() == ["claim-coordinated", "claim-coordinated"]
    assert shown(chain, later).is_current
    assert wait(chain, later) == Wait("insurer", "", 4, 4)
    chain.do(chain.settle(later, after(chain, case, later)))
    chain.do(chain.pay(chain.view(later).claim.payments[0], "paid"))
    assert chain.view(later).status == "PAID"


@pytest.mark.parametrize("act", [release, follow])
def test_one_word_of_the_two_is_not_enough(chain: Consortium, case: Case, later: Case, act: object) -> None:
    assert callable(act)
    chain.do(act(case, later))
    assert not shown(chain, later).is_current
    assert wait(chain, later) == Wait("customer", "DUPL-002", 0, 0)
    assert chain.post(chain.settle(later, after(chain, case, later))) == ["UNORDERED"]
    assert chain.post(chain.settle(later, chain.outcome(later, LEFT))) == ["DUPL-002"]


def test_nobody_but_the_customer_of_each_claim_says_so(chain: Consortium, case: Case, later: Case) -> None:
    for signer in (later.customer, "insurer-a", "insurer-b", "hospital-a"):
        assert chain.post(release(case, later, signer=signer)) == ["FORBIDDEN"]
    for signer in (case.customer, "insurer-a", "insurer-b", "hospital-a"):
        assert chain.post(follow(case, later, signer=signer)) == ["FORBIDDEN"]
    assert shown(chain, later).order is None


def test_an_order_that_is_stated_is_followed(chain: Consortium, case: Case, later: Case) -> None:
    chain.do(release(case, later), follow(case, later))
    assert chain.post(chain.settle(later, chain.outcome(later, LEFT))) == ["UNORDERED"]
    stale = replace(after(chain, case, later), after=SettledBefore(case.claim_id, 2))
    assert chain.post(chain.settle(later, stale)) == ["UNORDERED"]


def test_what_is_not_paid_yet_is_not_followed(chain: Consortium, case: Case) -> None:
    deliver(chain, case)
    chain.do(chain.settle(case, chain.outcome(case, PAYABLE)))
    later = chain.case(chain.consent(insurer="insurer-b"), chain.policy("insurer-b"))
    deliver_with_tag(chain, later, case.tag)
    assert not shown(chain, later).is_final
    assert chain.post(follow(case, later), release(case, later)) == ["NOT_FINAL", "NOT_FINAL"]
    chain.do(chain.pay(chain.view(case).claim.payments[0], "paid"))
    assert chain.post(follow(case, later, 2)) == ["NOT_FINAL"]
    chain.do(follow(case, later), release(case, later))


def test_claims_that_share_no_invoice_or_no_hospital_are_not_coordinated(
    chain: Consortium, case: Case, later: Case
) -> None:
    other = chain.case(chain.consent(insurer="insurer-b"), chain.policy("insurer-b"))
    deliver(chain, other)
    assert chain.post(follow(case, other)) == ["OTHER_INVOICES"]
    abroad = chain.case(chain.consent("hospital-b", "insurer-b"), chain.policy("insurer-b"))
    deliver_with_tag(chain, abroad, case.tag)
    assert chain.post(follow(case, abroad)) == ["OTHER_CLAIM"]
    same = chain.case(chain.consent(), chain.policy())
    deliver_with_tag(chain, same, case.tag)
    assert chain.post(follow(case, same)) == ["OTHER_CLAIM"]
    chain.do(release(case, later), follow(case, later))
    assert chain.post(follow(later, case)) == ["NOT_FINAL"]


def test_of_two_settlements_in_one_block_the_first_in_it_is_first(chain: Consortium, case: Case) -> None:
    other = chain.case(chain.consent(insurer="insurer-b"), chain.policy("insurer-b"))
    deliver(chain, case)
    deliver_with_tag(chain, other, case.tag)
    calls = (chain.settle(other, chain.outcome(other, PAYABLE)), chain.settle(case, chain.outcome(case, PAYABLE)))
    assert chain.post(*calls) == ["OK", "DUPL-002"]
    assert wait(chain, case) == Wait("customer", "DUPL-002", 0, 0)


def test_after_a_correction_the_first_stays_first_and_the_order_is_stated_again(
    chain: Consortium, case: Case, later: Case
) -> None:
    chain.do(release(case, later), follow(case, later))
    chain.do(chain.settle(later, after(chain, case, later)))
    chain.do(chain.pay(chain.view(later).claim.payments[0], "paid"))
    bill = Figure.draw(700_000, "bill")
    corrected(chain, later, bill, case.tag)
    corrected(chain, case, bill)
    again = Figure.draw(12_000, "left again")
    changed = second(chain, later, again, disposition="payout")
    assert chain.post(chain.settle(later, changed)) == ["UNORDERED"]
    assert not shown(chain, later).is_current
    chain.do(chain.settle(case, second(chain, case, Figure.draw(250_000, "corrected"))))
    assert chain.post(follow(case, later, 2)) == ["NOT_FINAL"]
    chain.do(chain.pay(chain.view(case).claim.payments[1], "paid"))
    chain.do(follow(case, later, 2), release(case, later, 2))
    assert shown(chain, later).is_current
    chain.do(chain.settle(later, replace(changed, after=SettledBefore(case.claim_id, 2))))


def test_a_settled_claim_consumes_the_invoices_of_its_correction_before_it_is_settled_again(
    chain: Consortium, case: Case, later: Case
) -> None:
    bill = Figure.draw(700_000, "bill")
    corrected(chain, case, bill)
    corrected(chain, later, bill, case.tag)
    closing_two = replace(chain.outcome(later, PAYABLE), closings=second(chain, later, PAYABLE).closings)
    assert chain.post(chain.settle(later, closing_two)) == ["DUPL-002"]
    chain.do(chain.settle(case, second(chain, case, Figure.draw(250_000, "corrected"))))


def test_what_the_first_has_left_is_paid_once(chain: Consortium, case: Case, later: Case) -> None:
    third = chain.case(chain.consent(insurer="insurer-b"), chain.policy("insurer-b"))
    deliver_with_tag(chain, third, case.tag)
    chain.do(release(case, third), follow(case, third))
    chain.do(release(case, later), follow(case, later))
    chain.do(chain.settle(later, after(chain, case, later)))
    assert chain.post(chain.settle(third, after(chain, case, third))) == ["DUPL-001"]
    assert wait(chain, third) == Wait("hospital", "DUPL-001", 0, 0)
    fourth = chain.case(chain.consent(insurer="insurer-b"), chain.policy("insurer-b"))
    deliver_with_tag(chain, fourth, case.tag)
    assert chain.post(release(case, fourth), follow(case, fourth)) == ["OTHER_CLAIM", "OTHER_CLAIM"]


def test_a_first_insurer_that_pays_nothing_leaves_all_of_it(chain: Consortium, case: Case) -> None:
    deliver(chain, case)
    zero = Figure.draw(0, "nothing")
    chain.do(chain.settle(case, chain.outcome(case, zero, disposition="none"), zero.blinding))
    assert chain.view(case).wait is None
    later = chain.case(chain.consent(insurer="insurer-b"), chain.policy("insurer-b"))
    deliver_with_tag(chain, later, case.tag)
    assert shown(chain, later).is_final
    chain.do(release(case, later), follow(case, later))
    chain.do(chain.settle(later, after(chain, case, later)))


def test_a_first_insurer_that_waits_for_consent_after_it_has_paid_has_paid_all_the_same(
    chain: Consortium, case: Case, later: Case
) -> None:
    chain.do(revoke(case), ("insurer-a", "claims.await_consent", AwaitConsent(case.claim_id, "invoice")))
    assert shown(chain, later).is_final
    chain.do(release(case, later), follow(case, later))
    chain.do(chain.settle(later, after(chain, case, later)))


@pytest.mark.parametrize("is_following", [False, True])
def test_a_corrected_invoice_is_the_first_ones_whichever_stay_is_closed_first(
    chain: Consortium, case: Case, later: Case, is_following: bool
) -> None:
    if is_following:
        chain.do(release(case, later), follow(case, later))
        chain.do(chain.settle(later, after(chain, case, later)))
    bill = Figure.draw(700_000, "bill")
    corrected(chain, later, bill, case.tag)
    if not is_following:
        closing_two = replace(chain.outcome(later, PAYABLE), closings=second(chain, later, PAYABLE).closings)
        assert chain.post(chain.settle(later, closing_two)) == ["DUPL-002"]
    corrected(chain, case, bill)
    chain.do(chain.settle(case, second(chain, case, Figure.draw(250_000, "corrected"))))


# -------------------------------------------------------------------------- what a follower replaces stays its own


@pytest.fixture
def wider(chain: Consortium, case: Case, later: Case) -> Case:
    """A claim of the other insurer that followed, on the first one's invoice and on one of its own; paid."""
    assert later.insurer == "insurer-b"
    wider = chain.case(chain.consent(insurer="insurer-b"), chain.policy("insurer-b"))
    chain.do(*chain.admit(wider), *chain.discharge(wider)[:1], chain.append(wider, "discharge-summary"))
    signer, target, invoice = chain.append(wider, "invoice")
    assert isinstance(invoice, Append)
    own = replace(invoice, record_id=OWN, invoice_tag=digest("own"))
    chain.do((signer, target, replace(invoice, invoice_tag=case.tag)), (signer, target, own))
    close(chain, wider, 1, (OWN,), (case.tag, digest("own")), wider.bill.plus(wider.bill))
    chain.do(release(case, wider), follow(case, wider))
    chain.do(chain.settle(wider, after(chain, case, wider)))
    return wider


def close(
    chain: Consortium, case: Case, version: int, others: tuple[str, ...], tags: tuple[bytes, ...], total: Figure
) -> None:
    """Close a stay of the case's records and others, hand over what is new and confirm it."""
    ids = [record_id for _, record_id in case.records]
    parts = tuple(sorted((*ids, *others)))
    closing = Close(case.stay_id, version, parts, len(parts), total.point, tuple(sorted(tags)), case.grant_id)
    chain.do((case.hospital, "records.close", closing))
    for record_id in (*ids, *others) if version == 1 else others[-1:]:
        chain.do(chain.share(case, record_id), (case.insurer, "records.deliver", Deliver(record_id)))


def replace_own(chain: Consortium, case: Case, tag: bytes) -> None:
    """Reverse the claim's own invoice, enter another number for it, close again, hand over, confirm."""
    signer, target, invoice = chain.append(case, "invoice")
    assert isinstance(invoice, Append)
    reversal = replace(
        invoice,
        record_id="record-000000000aaa",
        kind="reversal",
        replaces=OWN,
        total=case.bill.negative,
        invoice_tag=digest("own"),
    )
    new = replace(invoice, record_id=RENEWED, kind="replacement", replaces=OWN, invoice_tag=tag)
    chain.do((signer, target, reversal), (signer, target, new))
    close(chain, case, 2, (RENEWED,), (case_tag(chain, case), tag), case.bill.plus(case.bill))


def case_tag(chain: Consortium, case: Case) -> bytes:
    """Return the tag of the case's first invoice as it was entered."""
    view = chain.ask("records.record", ShowRecord(case.record("invoice")), RecordView)
    assert view.record.invoice_tag is not None
    return view.record.invoice_tag


def test_an_invoice_that_a_follower_replaces_is_its_own_before_it_settles_again(
    chain: Consortium, case: Case, wider: Case
) -> None:
    replace_own(chain, wider, digest("own again"))
    thief = chain.case(chain.consent(insurer="insurer-b"), chain.policy("insurer-b"))
    deliver_with_tag(chain, thief, digest("own again"))
    assert wait(chain, thief) == Wait("hospital", "DUPL-001", 0, 0)
    assert chain.post(chain.settle(thief, chain.outcome(thief, PAYABLE))) == ["DUPL-001"]
    again = second(chain, wider, Figure.draw(12_000, "again"), disposition="payout")
    chain.do(chain.settle(wider, replace(again, after=SettledBefore(case.claim_id, 1))))


def test_what_is_left_of_an_invoice_that_both_replaced_is_still_the_followers_alone(
    chain: Consortium, case: Case, later: Case
) -> None:
    chain.do(release(case, later), follow(case, later))
    chain.do(chain.settle(later, after(chain, case, later)))
    bill = Figure.draw(700_000, "bill")
    corrected(chain, later, bill, case.tag)
    corrected(chain, case, bill)
    chain.do(chain.settle(case, second(chain, case, Figure.draw(250_000, "corrected"))))
    chain.do(chain.pay(chain.view(case).claim.payments[1], "paid"))
    third = chain.case(chain.consent(insurer="insurer-b"), chain.policy("insurer-b"))
    deliver_with_tag(chain, third, digest("new tag"))
    assert chain.post(release(case, third, 2), follow(case, third, 2)) == ["OTHER_CLAIM", "OTHER_CLAIM"]
    chain.do(follow(case, later, 2), release(case, later, 2))
    again = second(chain, later, Figure.draw(12_000, "left again"), disposition="payout")
    chain.do(chain.settle(later, replace(again, after=SettledBefore(case.claim_id, 2))))


def test_a_follower_replaces_nothing_out_of_another_claim_and_what_it_adds_is_the_first_ones_to_take(
    chain: Consortium, case: Case, wider: Case
) -> None:
    other = chain.case(chain.consent(), chain.policy())
    deliver_with_tag(chain, other, digest("taken"))
    chain.do(chain.settle(other, chain.outcome(other, PAYABLE)))
    replace_own(chain, wider, digest("taken"))
    again = second(chain, wider, Figure.draw(12_000, "again"), disposition="payout")
    changed = replace(again, after=SettledBefore(case.claim_id, 1))
    assert chain.post(chain.settle(wider, changed)) == ["DUPL-002"], "a lock that is there stays as it is"
    signer, target, invoice = chain.append(wider, "invoice")
    assert isinstance(invoice, Append)
    added = replace(invoice, record_id="record-000000000bbb", invoice_tag=digest("added"))
    chain.do((signer, target, added))
    tags = (case.tag, digest("taken"), digest("added"))
    total = wider.bill.plus(wider.bill).plus(wider.bill)
    close(chain, wider, 3, (RENEWED, added.record_id), tags, total)
    first = chain.case(chain.consent(), chain.policy())
    deliver_with_tag(chain, first, digest("added"))
    chain.do(chain.settle(first, chain.outcome(first, PAYABLE)))


def test_a_number_that_was_typed_wrongly_is_free_within_one_insurer(chain: Consortium, case: Case) -> None:
    deliver(chain, case)
    chain.do(chain.settle(case, chain.outcome(case, PAYABLE)))
    typed = chain.case(chain.consent(), chain.policy())
    deliver_with_tag(chain, typed, case.tag)
    assert chain.post(chain.settle(typed, chain.outcome(typed, PAYABLE))) == ["DUPL-001"]
    bill = Figure.draw(700_000, "bill")
    corrected(chain, typed, bill, case.tag)
    closing_two = second(chain, typed, PAYABLE).closings
    chain.do(chain.settle(typed, replace(chain.outcome(typed, PAYABLE), closings=closing_two)))
