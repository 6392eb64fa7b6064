"""The largest claim that may be reported can be settled: eight stays with as many parts as a stay can have."""

import dataclasses

from contracts.bills import CLOSABLE
from contracts.settlements import STAYS_MAX, ClosingReference, Extend
from contracts.stays import PARTS_MAX, Close, Deliver
from ledger.execution.contract import replace
from ledger.limits import METER_UNITS_MAX
from tests.contracts.consortium import ZERO, Case, Consortium, Figure, digest

FEWEST = len(CLOSABLE)
PAYABLE = Figure.draw(206_000, "payable")


def fill(chain: Consortium, case: Case, parts: int) -> None:
    """Enter a stay of so many parts, all but three of them invoices, close it, hand it over and confirm it."""
    kinds = ("discharge-summary", "item-list")
    chain.do(*(chain.append(case, kind) for kind in kinds))  # type: ignore[arg-type]
    signer, target, original = chain.append(case, "invoice")
    ids = [case.record("admission"), *(case.record(kind) for kind in kinds)]  # type: ignore[arg-type]
    total = ZERO
    tags: list[bytes] = []
    for _ in range(parts - len(ids)):
        record_id = chain.draw("record")
        bill, tag = Figure.draw(100, record_id), digest(record_id)
        invoice = replace(original, record_id=record_id, total=bill.point, invoice_tag=tag)  # type: ignore[type-var]
        chain.do((signer, target, invoice))
        total, ids, tags = total.plus(bill), [*ids, record_id], [*tags, tag]
    closing = Close(case.stay_id, 1, tuple(sorted(ids)), parts, total.point, tuple(sorted(tags)), case.grant_id)
    chain.do((signer, "records.close", closing))
    for record_id in ids:
        chain.do(chain.share(case, record_id), (case.insurer, "records.deliver", Deliver(record_id)))


def measure(chain: Consortium, stays: int, parts: int) -> int:
    """Return what it costs to settle a claim of so many stays with so many parts each."""
    case = chain.case(chain.consent(), chain.policy())
    chain.do(*chain.admit(case))
    fill(chain, case, parts)
    ids = [case.stay_id]
    for _ in range(stays - 1):
        records = tuple((kind, chain.draw("record")) for kind, _ in case.records)
        other = dataclasses.replace(case, stay_id=chain.draw("stay"), records=records)
        extend = Extend(case.claim_id, other.stay_id)
        chain.do(chain.append(other, "admission"), (case.hospital, "claims.extend", extend))
        fill(chain, other, parts)
        ids.append(other.stay_id)
    closings = tuple(ClosingReference(stay_id, 1) for stay_id in sorted(ids))
    chain.do(chain.settle(case, chain.outcome(case, PAYABLE, closings=closings)))
    return chain.receipts[0].charges


def test_the_largest_claim_can_be_settled(chain: Consortium) -> None:
    least, longer, wider = measure(chain, 1, FEWEST), measure(chain, 1, FEWEST + 8), measure(chain, 2, FEWEST)
    part = -(-(longer - least) // 8)
    stay = wider - least - FEWEST * part
    assert least + (STAYS_MAX - 1) * stay + (STAYS_MAX * PARTS_MAX - FEWEST) * part < METER_UNITS_MAX
