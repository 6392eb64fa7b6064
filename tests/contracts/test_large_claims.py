"""The largest claim that may be reported can be settled, followed, corrected and paid: bounds and meter agree.

The bounds themselves would take thousands of records to reach, so small claims are measured and what each further
stay, part, interim bill, settlement and replacement costs is added up as often as the bounds allow. Everything else is
at its bound: every denial that the customer may have, each about as many other stays as it may name, and an erasure
asked for in every stay, of a record that is no part any more.
"""

import dataclasses
import itertools
from typing import NamedTuple

import pytest

from contracts.bills import CLOSABLE
from contracts.erasures import Ask
from contracts.grants import ALL_DAYS, DENIALS_MAX
from contracts.settlements import (
    STAYS_MAX,
    STEPS_MAX,
    ClosingReference,
    Extend,
    Follow,
    Outcome,
    Release,
    SettledBefore,
)
from contracts.stays import BESIDE_PARTS_MAX, CLOSING_PARTS_MAX, PARTS_MAX, REPLACEMENTS_MAX, Append, Close, Deliver
from ledger.execution.contract import replace
from ledger.execution.guards import ITEMS_PER_UNIT
from ledger.execution.loader import ContractSet
from ledger.limits import METER_UNITS_MAX
from tests.contracts.consortium import ZERO, Call, Case, Consortium, Figure, digest

FEWEST = len(CLOSABLE)
PAYABLE = Figure.draw(206_000, "payable")
MORE = 6
"""By how much a measured claim is larger than the smallest one, in one dimension."""


class Size(NamedTuple):
    """How large a claim is."""

    stays: int = 1
    parts: int = FEWEST
    """Of each closing."""
    beside: int = 0
    """Live parts of each stay that no closing lists."""


class Cost(NamedTuple):
    """Charges of a claim of some size that pays what another one of its size has left."""

    settle: int
    follow: int
    """Of either customer's word."""


def deny(chain: Consortium, customer: str) -> None:
    """Let a customer deny all that she can, each time for as many other stays as one denial names."""
    for _ in range(DENIALS_MAX):
        other = chain.grant(customer, insurer="insurer-b")
        stays = tuple(sorted(chain.draw("stay") for _ in range(16)))
        scope = replace(other.scope, encounters=stays, dates=ALL_DAYS)
        chain.do((customer, "consent.grant", replace(other, effect="deny", identities=(), scope=scope)))


def fill(chain: Consortium, case: Case, size: Size, number: int) -> int:
    """Enter a stay, all but three of its parts invoices, close it, hand it over, confirm it, and have one erased.

    Returns:
        What it cost to close it.
    """
    stale, entered = chain.draw_summary(case)
    _, taken = chain.draw_summary(case, stale)
    ask = case.customer, "erasure.ask", Ask(case.stay_id, (stale,), case.insurer)
    chain.do(entered, chain.share(case, stale), taken, ask)
    chain.do(chain.append(case, "discharge-summary"), chain.append(case, "item-list"))
    signer, target, original = chain.append(case, "invoice")
    assert isinstance(original, Append)
    for place in range(size.beside):
        bill = replace(original, record_id=chain.draw("record"), record_type="interim-bill", invoice_tag=None)
        chain.do((signer, target, replace(bill, total=Figure.draw(1, f"interim {place}").point)))
    total = ZERO
    ids = [case.record("admission"), case.record("discharge-summary"), case.record("item-list")]
    tags: list[bytes] = []
    for place in range(size.parts - len(ids)):
        record_id, bill_of = chain.draw("record"), Figure.draw(100, f"{number} {place}")
        tag = digest(f"{size} {number} {place}")
        chain.do((signer, target, replace(original, record_id=record_id, total=bill_of.point, invoice_tag=tag)))
        total, ids, tags = total.plus(bill_of), [*ids, record_id], [*tags, tag]
    closing = Close(case.stay_id, 1, tuple(sorted(ids)), size.parts, total.point, tuple(sorted(tags)), case.grant_id)
    charges = charge(chain, (signer, "records.close", closing))
    for record_id in ids:
        chain.do(chain.share(case, record_id), (case.insurer, "records.deliver", Deliver(record_id)))
    return charges


def assemble(chain: Consortium, insurer: str, size: Size) -> tuple[Case, Outcome]:
    """Return a claim of some size that can be settled, and the outcome of that."""
    case = chain.case(chain.consent(insurer=insurer), chain.policy(insurer))
    deny(chain, case.customer)
    chain.do(*chain.admit(case))
    fill(chain, case, size, 0)
    ids = [case.stay_id]
    for number in range(1, size.stays):
        records = tuple((kind, chain.draw("record")) for kind, _ in case.records)
        other = dataclasses.replace(case, stay_id=chain.draw("stay"), records=records)
        extend: Call = (case.hospital, "claims.extend", Extend(case.claim_id, other.stay_id))
        chain.do(chain.append(other, "admission"), extend)
        fill(chain, other, size, number)
        ids.append(other.stay_id)
    closings = tuple(ClosingReference(stay_id, 1) for stay_id in sorted(ids))
    return case, chain.outcome(case, PAYABLE, closings=closings)


def charge(chain: Consortium, call: Call) -> int:
    """Return what a call costs that is applied."""
    chain.do(call)
    return chain.receipts[0].charges


def measure(chain: Consortium, size: Size) -> Cost:
    """Return what it costs to say that a claim follows another one of its size, and to settle it after that."""
    first, outcome = assemble(chain, "insurer-a", size)
    chain.do(chain.settle(first, outcome))
    chain.do(chain.pay(chain.view(first).claim.payments[0], "paid"))
    second, left = assemble(chain, "insurer-b", size)
    before = SettledBefore(first.claim_id, 1)
    released = charge(chain, (first.customer, "coordination.release", Release(first.claim_id, 1, second.claim_id)))
    followed = charge(chain, (second.customer, "coordination.follow", Follow(second.claim_id, before)))
    settled = charge(chain, chain.settle(second, replace(left, after=before)))
    return Cost(settled, max(released, followed))


@pytest.fixture(scope="module")
def costs(contract_set: ContractSet) -> dict[Size, Cost]:
    """What the smallest claim costs, and one that is larger in each dimension."""
    chain = Consortium(contract_set)
    sizes = (Size(), Size(parts=FEWEST + MORE), Size(beside=MORE), Size(stays=2))
    return {size: measure(chain, size) for size in sizes}


@pytest.mark.parametrize("act", ["settle", "follow"])
def test_the_largest_claim_can_be_settled_on_what_as_large_a_one_has_left(costs: dict[Size, Cost], act: str) -> None:
    least, longer, fuller, wider = (getattr(cost, act) for cost in costs.values())
    part, beside = -(-(longer - least) // MORE), -(-(fuller - least) // MORE)
    stay = wider - least - FEWEST * part
    assert min(part, beside, stay) > 0
    parts = STAYS_MAX * CLOSING_PARTS_MAX - FEWEST
    besides = STAYS_MAX * (PARTS_MAX - CLOSING_PARTS_MAX)
    searched = (STAYS_MAX * CLOSING_PARTS_MAX) ** 2 // ITEMS_PER_UNIT
    total = least + (STAYS_MAX - 1) * stay + parts * part + besides * beside + searched
    assert total < METER_UNITS_MAX


def replaced(chain: Consortium, case: Case, times: int) -> tuple[Call, ...]:
    """Replace the invoice so many times in a row; return what closes the stay on the last one."""
    signer, target, original = chain.append(case, "invoice")
    assert isinstance(original, Append)
    latest = original
    for place in range(times):
        reversal = replace(
            latest, record_id=chain.draw("record"), kind="reversal", replaces=latest.record_id, total=case.bill.negative
        )
        new = chain.draw("record")
        tag = digest(f"replaced {place}")
        latest = replace(original, record_id=new, kind="replacement", replaces=latest.record_id, invoice_tag=tag)
        chain.do((signer, target, reversal), (signer, target, latest))
    assert latest.invoice_tag is not None
    others = [record_id for kind, record_id in case.records if kind != "invoice"]
    parts = tuple(sorted((*others, latest.record_id)))
    closing = Close(case.stay_id, 2, parts, FEWEST, case.bill.point, (latest.invoice_tag,), case.grant_id)
    again = replace(latest, record_id=chain.draw("record"), kind="reversal", replaces=latest.record_id)
    over = replace(latest, record_id=chain.draw("record"), replaces=latest.record_id, invoice_tag=digest("over"))
    return (
        (signer, "records.close", closing),
        (signer, target, replace(again, total=case.bill.negative)),
        (signer, target, over),
    )


def test_the_longest_closing_can_be_corrected_as_often_as_anything_is_replaced(chain: Consortium) -> None:
    closed, corrected = [], []
    for parts in (FEWEST, FEWEST + MORE):
        case = chain.case(chain.consent(), chain.policy())
        deny(chain, case.customer)
        chain.do(*chain.admit(case))
        closed.append(fill(chain, case, Size(parts=parts, beside=PARTS_MAX - CLOSING_PARTS_MAX), 0))
    for times in (1, REPLACEMENTS_MAX):
        case = chain.case(chain.consent(), chain.policy())
        chain.do(*chain.admit(case), *chain.discharge(case), *chain.deliver(case))
        chain.do(chain.settle(case, chain.outcome(case, PAYABLE)))
        close, taken, over = replaced(chain, case, times)
        corrected.append(charge(chain, close))
    assert chain.post(taken, over) == ["OK", "TOO_MANY"], "no more than that"
    part, replacement = -(-(closed[1] - closed[0]) // MORE), -(-(corrected[1] - corrected[0]) // (REPLACEMENTS_MAX - 1))
    invoice = part + REPLACEMENTS_MAX * replacement
    assert closed[0] + CLOSING_PARTS_MAX * invoice < METER_UNITS_MAX


def test_a_claim_that_was_settled_as_often_as_it_can_be_is_settled_and_paid_once_more(chain: Consortium) -> None:
    case = chain.case(chain.consent(), chain.policy())
    chain.do(*chain.admit(case), *chain.discharge(case), *chain.deliver(case))
    payable, settled, paid = PAYABLE, [], []
    for version in range(1, 7):
        reviewed = chain.outcome(
            case, payable, version=version, is_pended=True, is_review=version > 1, accumulator_sequence=version - 1
        )
        settled.append(charge(chain, chain.settle(case, reviewed)))
        latest = chain.view(case).claim.payments[-1]
        for status in ("accepted", "unknown"):
            chain.do(chain.pay(latest, status))
        paid.append(charge(chain, chain.pay(latest, "paid")))
        payable = payable.plus(Figure.draw(1, f"more {version}"))
    for charges in (settled, paid):
        growth = max(later - former for former, later in itertools.pairwise(charges[1:]))
        assert charges[1] + STEPS_MAX * growth < METER_UNITS_MAX


def test_a_stay_has_no_more_parts_than_its_closing_may_list(chain: Consortium) -> None:
    case = chain.case(chain.consent(), chain.policy())
    chain.do(*chain.admit(case), *(chain.draw_summary(case)[1] for _ in range(CLOSING_PARTS_MAX - 1)))
    assert chain.post(chain.draw_summary(case)[1]) == ["TOO_MANY"]
    signer, target, invoice = chain.append(case, "invoice")
    interim = replace(invoice, record_type="interim-bill", invoice_tag=None)  # type: ignore[type-var]
    chain.do((signer, target, interim))


def test_a_stay_with_all_the_interim_bills_that_it_may_have_can_be_closed(chain: Consortium) -> None:
    case = chain.case(chain.consent(), chain.policy())
    chain.do(*chain.admit(case))
    signer, target, invoice = chain.append(case, "invoice")
    interim = replace(invoice, record_type="interim-bill", invoice_tag=None)  # type: ignore[type-var]
    bills = [
        (signer, target, replace(interim, record_id=f"record-be51de{place:06x}"))  # type: ignore[type-var]
        for place in range(BESIDE_PARTS_MAX + 1)
    ]
    assert chain.post(*bills) == ["OK"] * BESIDE_PARTS_MAX + ["TOO_MANY"]
    chain.do(*chain.discharge(case))
