"""What records must be to each other: totals, tags, reversals, replacements and closings.

    type               total                      invoice tag    in a closing
    invoice            a bill's                   its own        yes, and its total counts
    interim-bill       a bill's                   none           no: it never settles
    document           IDENTITY                   none           no: no rule reads it
    everything else    IDENTITY                   none           yes

    kind               replaces                                  total
    original           nothing                                   its own
    reversal           a live record of the same stay and type   the negative: the two add up to IDENTITY
    replacement        a reversed one, once                      its own

These are functions of what they are given; the contract `records` reads the tables.
"""

from contracts.grants import BESIDE, RecordType
from contracts.stays import BESIDE_PARTS_MAX, CLOSING_PARTS_MAX, Append, Close, Part, Record
from ledger.execution.contract import IDENTITY, add_commitments, check_commitment, reject

BILLS = ("invoice", "interim-bill")
CLOSABLE: tuple[RecordType, ...] = ("admission", "discharge-summary", "invoice", "item-list")
"""What a closing lists."""


def check_bill(message: Append) -> None:
    """Refuse a total or a tag where the record's type has none, and the lack of one where it has."""
    if message.record_type in BILLS:
        check_commitment(message.total)
        if message.total == IDENTITY:
            reject("TOTAL", f"{message.record_id}: expected the commitment to a bill's total, got the identity")
    elif message.total != IDENTITY:
        reject("TOTAL", f"{message.record_id}: expected the identity, a {message.record_type} has no total")
    if (message.record_type == "invoice") != (message.invoice_tag is not None):
        reject("INVOICE_TAG", f"{message.record_id}: expected a tag for an invoice and for nothing else")


def check_order(message: Append, live: list[str]) -> None:
    """Refuse a record that comes before the stay's admission, and a second admission.

    Args:
        message: The record.
        live: The types of the stay's live parts.
    """
    if message.kind != "original":
        return
    if message.record_type == "admission" and "admission" in live:
        reject("OUT_OF_ORDER", f"{message.stay_id}: has an admission already")
    if message.record_type != "admission" and "admission" not in live:
        reject("OUT_OF_ORDER", f"{message.stay_id}: expected an admission before a {message.record_type}")


def check_room(stay_id: str, record_type: RecordType, live: list[tuple[str, Part]]) -> None:
    """Refuse a part for which the stay's next closing, or the stay beside it, has no room.

    Args:
        stay_id: The stay.
        record_type: Of the part that would come.
        live: The stay's live parts.
    """
    listed = len(list_closable(live))
    if record_type not in BESIDE and listed >= CLOSING_PARTS_MAX:
        reject("TOO_MANY", f"{stay_id}: expected at most {CLOSING_PARTS_MAX} live parts that a closing lists")
    if record_type in BESIDE and len(live) - listed >= BESIDE_PARTS_MAX:
        reject("TOO_MANY", f"{stay_id}: expected at most {BESIDE_PARTS_MAX} live interim bills and documents")


def check_former(message: Append, former: Record) -> None:
    """Refuse a reversal or replacement of another stay's or type's record, or of a reversal."""
    if (former.stay_id, former.record_type) != (message.stay_id, message.record_type):
        reject("SUCCESSION", f"{former.record_id}: expected the same stay and type")
    if former.kind == "reversal":
        reject("SUCCESSION", f"{former.record_id}: is a reversal itself")
    if message.kind == "reversal":
        if add_commitments(former.total, message.total) != IDENTITY:
            reject("TOTAL", f"{message.record_id}: expected the negative of what it reverses")
        if former.invoice_tag != message.invoice_tag:
            reject("INVOICE_TAG", f"{message.record_id}: expected the tag of what it reverses")


def list_closable(parts: list[tuple[str, Part]]) -> tuple[str, ...]:
    """Return the ids that a closing must list, out of a stay's live parts in the order of their ids."""
    return tuple(record_id for record_id, part in parts if part.record_type not in BESIDE)


def check_closing(message: Close, parts: list[tuple[str, Part]]) -> None:
    """Refuse a closing that is not exactly the live parts, their invoices' total and tags.

    Args:
        message: The closing.
        parts: The stay's live parts by id, in the order of their ids.
    """
    expected = list_closable(parts)
    types = [part.record_type for _, part in parts]
    if message.parts != expected or message.count != len(expected):
        reject("PARTS", f"{message.stay_id}: expected its {len(expected)} live parts, sorted, got {message.count}")
    if expected and ("admission" not in types or "discharge-summary" not in types):
        reject("PARTS", f"{message.stay_id}: expected an admission and a discharge summary among the parts")
    total = IDENTITY
    tags: list[bytes] = []
    for _, part in parts:
        if part.record_type == "invoice" and part.invoice_tag is not None:
            total = add_commitments(total, part.total)
            tags.append(part.invoice_tag)
    if message.total != total:
        reject("TOTAL", f"{message.stay_id}: expected the sum of the invoices' totals")
    check_distinct(message.stay_id, tags)
    if message.invoice_tags != tuple(sorted(tags)):
        reject("INVOICE_TAG", f"{message.stay_id}: expected the tags of its {len(tags)} invoices, sorted")


def check_distinct(where: str, tags: list[bytes]) -> None:
    """Refuse invoice tags of which one stands twice: one invoice counts once, in one stay."""
    ordered = sorted(tags)
    for place in range(1, len(ordered)):
        if ordered[place] == ordered[place - 1]:
            reject("DUPL-001", f"{where}: one invoice stands in it twice")
