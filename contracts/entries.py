"""Entries: what is derived of a record and of its hand-over, without a table.

A record is what a hospital enters; `contracts.records` keeps it and lets nothing else be entered. Here is what follows
from the message, the stay and the grant alone: the row that is kept, the need that the stay has of its grant, what a
record may stand against, and the words that followers are told. A hand-over is a share and at most one answer; how it
stands is derived from both and the height, so nothing has to be written when a share lapses.
"""

from contracts.bills import check_former
from contracts.field_sets import name_field_set
from contracts.grants import Purpose, RecordType
from contracts.identifiers import Place
from contracts.needs import Need
from contracts.stays import (
    Append,
    Handover,
    Record,
    RecordEvent,
    Share,
    ShareEvent,
    ShareReceipt,
    ShareStatus,
    Stay,
)
from ledger.execution.contract import reject

SHARE_HEIGHTS = 600
"""How long a share may wait for its answer: ten minutes on a busy chain, longer on an idle one."""


def need_to_enter(stay: Stay, grant_id: str, record_type: RecordType | None) -> Need:
    """Return what a stay needs of a grant to have a record of a type entered; of none, to be closed."""
    return Need(
        grant_id,
        stay.hospital,
        stay.recipient,
        stay.subject,
        record_type,
        stay.stay_id,
        stay.claim_id,
        "enter",
        stay.purpose,
    )


def make_record(message: Append, stay: Stay, grant_version: int, place: Place) -> Record:
    """Return the row of a record that is entered at a place under a version of its grant."""
    return Record(
        message.record_id,
        message.stay_id,
        stay.hospital,
        stay.subject,
        message.record_type,
        message.kind,
        message.replaces,
        message.ciphertext_hash,
        message.commitment,
        message.total,
        message.invoice_tag,
        message.grant_id,
        grant_version,
        place,
    )


def record_event(record: Record, stay: Stay) -> RecordEvent:
    """Return what followers are told of a record."""
    return RecordEvent(
        record.record_id,
        record.stay_id,
        record.hospital,
        stay.recipient,
        record.record_type,
        record.kind,
        stay.claim_id,
    )


def check_original(message: Append) -> None:
    """Refuse an original that stands against another record."""
    if message.replaces is not None:
        reject("SUCCESSION", f"{message.record_id}: an original replaces nothing")


def check_succession(message: Append, former: Record, *, is_reversed: bool, is_replaced: bool) -> None:
    """Refuse a second reversal, a replacement of what stands, and a second replacement.

    Args:
        message: The reversal or replacement.
        former: What it names.
        is_reversed: Whether that has a reversal.
        is_replaced: Whether that has a replacement.
    """
    check_former(message, former)
    if message.kind == "reversal":
        if is_reversed:
            reject("SUCCESSION", f"{former.record_id}: is reversed already")
        return
    if not is_reversed:
        reject("SUCCESSION", f"{former.record_id}: reverse it before it is replaced")
    if is_replaced:
        reject("SUCCESSION", f"{former.record_id}: is replaced already")


def make_share(
    record: Record, purpose: Purpose, message: Share, sequence: int, grant_version: int, place: Place
) -> ShareReceipt:
    """Return the receipt of a record's next share with a recipient, which may be answered for SHARE_HEIGHTS."""
    return ShareReceipt(
        record.stay_id,
        record.record_id,
        message.recipient,
        sequence,
        record.hospital,
        record.subject,
        record.record_type,
        message.grant_id,
        grant_version,
        name_field_set(purpose, record.record_type),
        place.height + SHARE_HEIGHTS,
        place,
    )


def status_of(share: ShareReceipt, answer: Handover | None, height: int) -> ShareStatus:
    """Return how a share stands: as it was answered, else whether it still may be at a height."""
    if answer is not None:
        return answer.result
    return "SHARED" if height <= share.expires_height else "LAPSED"


def share_event(share: ShareReceipt, stay: Stay) -> ShareEvent:
    """Return what followers are told of a share or of its answer."""
    return ShareEvent(
        share.record_id,
        stay.stay_id,
        share.hospital,
        share.recipient,
        share.sequence,
        share.grant_id,
        share.expires_height,
        stay.claim_id,
    )
