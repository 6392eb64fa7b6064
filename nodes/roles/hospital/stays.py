"""What a hospital knows of a stay, and which records follow from it.

A `LocalStay` is the hospital's own file: what its desk said, in order, nothing overwritten. A `Lane` is that stay
towards one recipient under one pseudonym: it has a stay id, a claim id and record ids of its own, so two insurers who
compare what they see cannot tell that they see one stay.

Records are planned before anything is sealed or sent: their ids are drawn and written to the register first, and all
that follows is derived from them, so that a crash at any point repeats a step and never invents a second record.

    said by the desk      planned for each lane
    admission             original admission
    interim bill          original interim bill
    discharge             originals: item list and invoice of each bill, discharge summary
    correction            for each document that changed: a reversal, and a replacement unless it is gone
    attached file         an original document, sealed for each lane while it came in; a lane that is opened later has
                          none of it

A stay counts its discharges from 1: version 1 is the discharge, each correction is the next.

When a record was erased towards every insurer, the document behind it is taken out of the file too (`redact`); a
stay of which nothing is left keeps its number and the ids of its lanes, and not whose it was.
"""

from collections.abc import Callable, Mapping
from typing import Annotated

from msgspec import Meta
from msgspec.structs import replace

from contracts.conditions import CLAIM_PURPOSE
from contracts.field_sets import find_field_set
from contracts.grants import Purpose, RecordType
from contracts.identifiers import ClaimId, RecordId, StayId
from contracts.stays import RecordKind
from ledger.codec import Hash, Milliseconds, Name, Struct
from nodes.roles.exchange.documents import Admission, DischargeSummary, Document, Invoice, ItemList, Reversal, release

Slot = tuple[RecordType, int]
"""A document of a discharge: its type, and which of the bills it belongs to."""


class Billing(Struct):
    """One billing record."""

    item_list: ItemList | None
    invoice: Invoice | None
    """None once it was erased, as all documents here."""


class Discharge(Struct):
    """One version of how a stay ended."""

    summary: DischargeSummary | None
    bills: Annotated[tuple[Billing, ...], Meta(min_length=1, max_length=16)]

    def documents(self) -> dict[Slot, Document]:
        """Return its documents in the order in which they are entered, without those that were erased."""
        found: dict[Slot, Document | None] = {}
        for place, billing in enumerate(self.bills):
            found["item-list", place] = billing.item_list
            found["invoice", place] = billing.invoice
        found["discharge-summary", 0] = self.summary
        return {slot: document for slot, document in found.items() if document is not None}


class Entry(Struct):
    """A record that was planned for a lane."""

    record_id: RecordId
    record_type: RecordType
    kind: RecordKind
    replaces: RecordId | None
    place: Annotated[int, Meta(ge=0)]
    """Which of the bills, or which interim bill, counted from 0."""
    version: Annotated[int, Meta(ge=0)]
    """The discharge that it follows from; 0 for what comes before one."""


class Lane(Struct):
    """A stay towards one recipient: an insurer for a claim, or whoever it is disclosed to beside any claim."""

    subject: Name
    insurer: Name
    """The recipient, also where it is no insurer."""
    stay_id: StayId
    claim_id: ClaimId
    """Of a disclosure none is ever reported."""
    entries: tuple[Entry, ...]
    """In the order in which they are entered."""
    purpose: Purpose = CLAIM_PURPOSE

    def holds(self, record_type: RecordType) -> bool:
        """Whether records of a type are planned for this recipient: of a disclosure those with a field set."""
        return find_field_set(self.purpose, record_type) is not None

    def live(self) -> tuple[Entry, ...]:
        """Return the entries that no reversal takes back, reversals left out."""
        reversed_ids = {entry.replaces for entry in self.entries if entry.kind == "reversal"}
        return tuple(
            entry for entry in self.entries if entry.kind != "reversal" and entry.record_id not in reversed_ids
        )


class Attachment(Struct):
    """A document that was attached, as it was sealed for one lane; what it is stands in its payload alone."""

    record_id: RecordId
    ciphertext_hash: Hash
    commitment: Hash


class LocalStay(Struct):
    """Register, kind `stay`: everything the desk said about one stay; the id is its number."""

    number: str
    """The hospital's own: `S-01`."""
    patient: str
    """Her number in the patient index; empty once nothing is left of the stay."""
    admission: Admission | None
    interims: tuple[Invoice | None, ...]
    discharges: tuple[Discharge, ...]
    """The discharge and its corrections; the last one holds."""
    lanes: tuple[Lane, ...]
    attachments: tuple[Attachment, ...] = ()
    """Of all lanes, in the order in which they came."""
    ended_ms: Milliseconds | None = None
    """When the desk discharged it, by the node's clock, until this node has a block from then or later: before, it
    cannot know under which grants the stay was to be reported."""

    @property
    def first_day(self) -> int | None:
        """The day of admission; None once that was erased."""
        return None if self.admission is None else self.admission.admission_day

    @property
    def last_day(self) -> int | None:
        """The last civil day that is known of the stay; None once that was erased."""
        summary = self.discharges[-1].summary if self.discharges else None
        discharged = None if summary is None else summary.stay.discharge_day
        return self.first_day if discharged is None else discharged

    @property
    def is_redacted(self) -> bool:
        """Whether a document was erased: then the stay is neither corrected nor handed over any more."""
        documents = [self.admission, *(item for ended in self.discharges for item in _list_all(ended))]
        return any(document is None for document in documents)


def days_of(stay: LocalStay) -> tuple[int, int]:
    """Return the first and last civil day of a stay, as far as it is known."""
    first, last = stay.first_day, stay.last_day
    assert first is not None, "nothing is handed over of a stay whose admission was erased"
    assert last is not None, "the last day is the admission's if no other is known"
    return first, last


def read_document(stay: LocalStay, entry: Entry) -> Document:
    """Return the document of a planned record, whole: a record says what is released of it for its purpose."""
    if entry.kind == "reversal":
        assert entry.replaces is not None, "a reversal names what it reverses"
        return Reversal(entry.replaces)
    if entry.record_type == "admission":
        assert stay.admission is not None, "nothing is read of what was erased"
        return stay.admission
    if entry.record_type == "interim-bill":
        interim = stay.interims[entry.place]
        assert interim is not None, "nothing is read of what was erased"
        return interim
    return stay.discharges[entry.version - 1].documents()[entry.record_type, entry.place]


def plan(stay: LocalStay, draw_id: Callable[[], str]) -> LocalStay:
    """Return the stay with every record planned that follows from what the desk said; the same again adds nothing.

    Args:
        stay: With the lanes that it has.
        draw_id: Returns a fresh record id.
    """
    return replace(stay, lanes=tuple(_plan_lane(stay, lane, draw_id) for lane in stay.lanes))


def attach(stay: LocalStay, sealed: Mapping[str, Attachment]) -> LocalStay:
    """Return the stay with a document added to its lanes.

    Args:
        stay: The hospital's file.
        sealed: Stay id of a lane -> the document as it was sealed for that lane.
    """
    placed = [entry.place for lane in stay.lanes for entry in lane.entries if entry.record_type == "document"]
    place = max(placed, default=-1) + 1
    lanes = tuple(
        _extend(lane, Entry(sealed[lane.stay_id].record_id, "document", "original", None, place, 0))
        if lane.stay_id in sealed
        else lane
        for lane in stay.lanes
    )
    return replace(stay, lanes=lanes, attachments=(*stay.attachments, *sealed.values()))


def find_entry(lane: Lane, slot: Slot, version: int) -> Entry | None:
    """Return the record of a lane that holds a document of a discharge, or of what came before it (version 0).

    A document that a correction did not change is held by the record of the version before.
    """
    held = [
        entry
        for entry in lane.entries
        if (entry.record_type, entry.place) == slot and entry.kind != "reversal" and entry.version <= version
    ]
    return held[-1] if held else None


def count_beside(stay: LocalStay) -> int:
    """Return how many interim bills and documents a stay has towards the recipient that has most of them."""
    documents = [[entry for entry in lane.entries if entry.record_type == "document"] for lane in stay.lanes]
    return len(stay.interims) + max(map(len, documents), default=0)


def redact(stay: LocalStay, is_erased: Callable[[Slot, int], bool]) -> LocalStay:
    """Return the stay without the documents that are erased; without the patient once nothing is left.

    Args:
        stay: The hospital's file.
        is_erased: (document, version) -> whether no record holds it any more.
    """
    discharges = tuple(
        Discharge(
            None if is_erased(("discharge-summary", 0), version) else ended.summary,
            tuple(
                Billing(
                    None if is_erased(("item-list", place), version) else billing.item_list,
                    None if is_erased(("invoice", place), version) else billing.invoice,
                )
                for place, billing in enumerate(ended.bills)
            ),
        )
        for version, ended in enumerate(stay.discharges, start=1)
    )
    interims = tuple(
        None if is_erased(("interim-bill", place), 0) else interim for place, interim in enumerate(stay.interims)
    )
    admission = None if is_erased(("admission", 0), 0) else stay.admission
    left = [admission, *interims, *(item for ended in discharges for item in _list_all(ended))]
    patient = stay.patient if any(document is not None for document in left) else ""
    return replace(stay, patient=patient, admission=admission, interims=interims, discharges=discharges)


def _list_all(ended: Discharge) -> list[Document | None]:
    return [ended.summary, *(item for bill in ended.bills for item in (bill.item_list, bill.invoice))]


def _plan_lane(stay: LocalStay, lane: Lane, draw_id: Callable[[], str]) -> Lane:
    planned = {(entry.record_type, entry.place) for entry in lane.entries if entry.version == 0}
    before: list[Slot] = [("admission", 0), *(("interim-bill", place) for place in range(len(stay.interims)))]
    for record_type, place in before:
        if (record_type, place) not in planned and lane.holds(record_type):
            lane = _extend(lane, Entry(draw_id(), record_type, "original", None, place, 0))
    done = max((entry.version for entry in lane.entries), default=0)
    for version in range(done + 1, len(stay.discharges) + 1):
        lane = _plan_version(stay, lane, version, draw_id)
    return lane


def _plan_version(stay: LocalStay, lane: Lane, version: int, draw_id: Callable[[], str]) -> Lane:
    documents = stay.discharges[version - 1].documents()
    wanted = {slot: document for slot, document in documents.items() if lane.holds(slot[0])}
    live: dict[Slot, Entry] = {(entry.record_type, entry.place): entry for entry in lane.live() if entry.version > 0}
    for slot in [*wanted, *(slot for slot in live if slot not in wanted)]:
        record_type, place = slot
        former = live.get(slot)
        if former is not None and slot in wanted and _says_the_same(lane, wanted[slot], read_document(stay, former)):
            continue
        if former is not None:
            lane = _extend(lane, Entry(draw_id(), record_type, "reversal", former.record_id, place, version))
        if slot in wanted:
            kind: RecordKind = "original" if former is None else "replacement"
            replaces = None if former is None else former.record_id
            lane = _extend(lane, Entry(draw_id(), record_type, kind, replaces, place, version))
    return lane


def _says_the_same(lane: Lane, document: Document, former: Document) -> bool:
    """Whether two documents are one record towards a recipient: that something else changed is not told."""
    return release(document, lane.purpose) == release(former, lane.purpose)


def _extend(lane: Lane, entry: Entry) -> Lane:
    return replace(lane, entries=(*lane.entries, entry))
