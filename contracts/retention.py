"""Retention: what every holder was asked to erase, what it answered, and the clocks that ask by themselves.

Rules:

    1. What was asked for stays asked for: no record is shared, confirmed or settled on any more once its hospital or
       its recipient was asked to erase it (ERASED), and an item that is erased is never held again.
    2. A grant's erase-at asks its recipient by itself at that block time, for every record that was shared under it;
       if the grant's latest words name a later time, then. Its latest words count, a revocation changes nothing.
       A regulator that ordered a record is asked at the same time as the recipient of the grant it was entered under.
    3. A restriction ends by itself: on the day after its last one the item is asked for again.
    4. Nobody posts here: the contracts `records` and `erasure` write as they go.
    5. However many records a stay has, each is asked for: a row has ITEMS_MAX items, and the next ones begin another.

    item status   by                                              next
    (none)        erasure.ask, or the clock of the grant          ASKED
    ASKED         erasure.certify, by the holder                  ERASED, final
    ASKED         erasure.restrict, by the holder                 RESTRICTED
    RESTRICTED    erasure.certify, by the holder                  ERASED, final
    RESTRICTED    the day after its last one                      ASKED

    table       key                     value
    erasures    scope, holder, number   ErasureRow: its items with all their steps
    asked       scope, holder, item     AskedItem: in which row it stands
    heads       scope, holder           ErasureHead: how many rows there are
    open        holder, scope, number   OpenErasure: where an item is ASKED
"""

from contracts.consent import Consent
from contracts.erasures import (
    ITEMS_MAX,
    STEPS_MAX,
    STEPS_RESERVED,
    AskedItem,
    Cause,
    ErasureEvent,
    ErasureHead,
    ErasureItem,
    ErasureRow,
    ErasureStep,
    HoldEnds,
    ListOpen,
    OpenErasure,
    RetentionEnds,
    ShowErasures,
)
from contracts.grants import BESIDE
from contracts.holds import Basis, HolderRole, Kind, begin_ms
from contracts.identifiers import locate
from contracts.needs import Finding
from contracts.stays import Record, ShareReceipt, Stay
from ledger.execution.contract import Contract, Day, Table, clock, query, reject, replace

LIST_ROWS_MAX = 100
"""Rows of one listing."""


class Retention(Contract):
    """The register of erasures."""

    name = "retention"
    erasures = Table("erasures", ErasureRow)
    asked = Table("asked", AskedItem)
    heads = Table("heads", ErasureHead)
    open_rows = Table("open", OpenErasure)

    @clock
    def end_retention(self, message: RetentionEnds) -> None:
        """Ask a recipient to erase what it was given, if its time has come."""
        erase_at_ms = self.call(Consent).terms(message.grant_id).permission.erase_at_ms
        if erase_at_ms > self.context.time_ms:
            self.schedule(erase_at_ms, "end_retention", message)
            return
        row = ErasureRow(message.stay_id, message.recipient, message.role, message.subject, ())
        self.ask(row, ((message.record_id, message.kind),), "retention")
        if message.kind not in BESIDE and message.claim_id is not None:
            row = ErasureRow(message.claim_id, message.recipient, message.role, message.subject, ())
            self.ask(row, ((message.claim_id, "claim"),), "retention")

    @clock
    def end_hold(self, message: HoldEnds) -> None:
        """Ask again for what no law has the holder keep any more."""
        row = self._row(message.scope, message.holder, message.number)
        now = self.context.time_ms
        ended = [
            item.item
            for item in row.items
            if item.status == "RESTRICTED" and begin_ms((item.steps[-1].until_day or 0) + 1) <= now
        ]
        if ended:
            self._step(row, ended, ErasureStep("ASKED", None, None, locate(self.context)), "erasure-asked")

    @query
    def show(self, message: ShowErasures) -> tuple[ErasureRow, ...]:
        """Return what was asked about a stay or claim, by holder and row."""
        return self.rows(message.scope)

    @query
    def list_open(self, message: ListOpen) -> tuple[ErasureRow, ...]:
        """Return what a holder has not answered."""
        found: list[OpenErasure] = []
        if message.after_scope != "":
            rest = self.open_rows.scan((message.holder, message.after_scope), message.after_number, LIST_ROWS_MAX)
            found = [row for _, row in rest]
        if len(found) < LIST_ROWS_MAX:
            rows = self.open_rows.scan(message.holder, message.after_scope, LIST_ROWS_MAX - len(found))
            found.extend([row for _, row in rows])
        return tuple(self._row(row.scope, message.holder, row.number) for row in found)

    def rows(self, scope: str) -> tuple[ErasureRow, ...]:
        """Return what was asked about a stay or claim, by holder and row."""
        return tuple(row for _, row in self.erasures.scan(scope))

    def find_row(self, scope: str, item: str, holder: str) -> ErasureRow | None:
        """Return the row in which a holder was asked for an item, or None."""
        place = self.asked.get((scope, holder, item))
        return None if place is None else self._row(scope, holder, place.number)

    def find_item(self, scope: str, item: str, holder: str) -> ErasureItem | None:
        """Return an item that a holder was asked for, with all its steps, or None."""
        row = self.find_row(scope, item, holder)
        return None if row is None else self._item(row, item)

    def is_asked(self, scope: str, item: str, holder: str) -> bool:
        """Whether a holder was ever asked to erase an item."""
        return self.asked.get((scope, holder, item)) is not None

    def find_asked(self, scope: str, items: tuple[str, ...], holder: str) -> str | None:
        """Return the first of some items that a holder was ever asked to erase; one look if there is none."""
        if self.heads.get((scope, holder)) is None:
            return None
        for item in items:
            if self.is_asked(scope, item, holder):
                return item
        return None

    def require_kept(self, scope: str, item: str, *holders: str) -> None:
        """Reject with ERASED if one of the holders was asked to erase an item."""
        finding = self.find_erasure(scope, item, *holders)
        if finding is not None:
            reject(finding.code, finding.text)

    def find_erasure(self, scope: str, item: str, *holders: str) -> Finding | None:
        """Return that one of the holders was asked to erase an item, or None."""
        for holder in holders:
            if self.is_asked(scope, item, holder):
                return Finding("ERASED", "erasure", f"{item}: {holder} was asked to erase it")
        return None

    def find_erased(self, scope: str, item: str, holder: str) -> Finding | None:
        """Return that a holder has erased an item, which it never gets again; None if it has not."""
        known = self.find_item(scope, item, holder)
        if known is None or known.status != "ERASED":
            return None
        return Finding("ERASED", "erasure", f"{item}: {holder} has erased it")

    def ask(self, row: ErasureRow, items: tuple[tuple[str, Kind], ...], cause: Cause) -> int:
        """Ask a holder for items that it was not asked for before, and return how many these are.

        Args:
            row: Whose, and of which stay or claim; its own items and number do not count.
            items: Their ids and kinds.
            cause: Why.
        """
        step = ErasureStep("ASKED", None, None, locate(self.context))
        added = [
            ErasureItem(item, kind, cause, (step,))
            for item, kind in items
            if not self.is_asked(row.scope, item, row.holder)
        ]
        if not added:
            return 0
        head = self.heads.get((row.scope, row.holder))
        number = 1 if head is None else head.rows
        former = () if head is None else self._row(row.scope, row.holder, number).items
        room = ITEMS_MAX - len(former)
        if room > 0:
            self._fill(row, number, former, tuple(added[:room]))
        for first in range(room, len(added), ITEMS_MAX):
            number = number + 1
            self._fill(row, number, (), tuple(added[first : first + ITEMS_MAX]))
        self.heads.put((row.scope, row.holder), ErasureHead(number))
        self._tell("erasure-asked", row, tuple(item.item for item in added))
        return len(added)

    def _fill(
        self, row: ErasureRow, number: int, former: tuple[ErasureItem, ...], added: tuple[ErasureItem, ...]
    ) -> None:
        """Put items into a row of a holder, beside those that it has."""
        merged = tuple(sorted((*former, *added), key=_id))
        self.erasures.put((row.scope, row.holder, number), replace(row, items=merged, number=number))
        for item in added:
            self.asked.put((row.scope, row.holder, item.item), AskedItem(number))
        self.open_rows.put((row.holder, row.scope, number), OpenErasure(row.scope, number))

    def certify(self, row: ErasureRow, items: tuple[str, ...]) -> None:
        """Enter that a holder has erased items of a row; reject what it was not asked for, or erased already."""
        for item in items:
            if self._item(row, item).status == "ERASED":
                reject("ALREADY_ERASED", f"{item}: {row.holder} has certified it already")
        self._step(row, list(items), ErasureStep("ERASED", None, None, locate(self.context)), "erasure-certified")

    def restrict(self, row: ErasureRow, items: tuple[str, ...], basis: Basis, until_day: Day) -> None:
        """Enter that a holder keeps items until a day; reject what is not asked for now."""
        for item in items:
            known = self._item(row, item)
            if known.status != "ASKED":
                reject("WRONG_STATE", f"{item}: expected ASKED, got {known.status}")
            if len(known.steps) + STEPS_RESERVED >= STEPS_MAX:
                reject("TOO_MANY", f"{item}: was restricted often enough, expected to be erased")
        step = ErasureStep("RESTRICTED", basis, until_day, locate(self.context))
        self._step(row, list(items), step, "erasure-restricted")
        self.schedule(begin_ms(until_day + 1), "end_hold", HoldEnds(row.scope, row.holder, row.number))

    def remind(self, share: ShareReceipt, stay: Stay) -> None:
        """Have the recipient of a share asked to erase it when the grant says so."""
        actor = self.context.actor(share.recipient)
        if actor is None or actor.role not in ("hospital", "insurer", "regulator"):
            return
        role: HolderRole = actor.role
        message = RetentionEnds(
            share.record_id,
            share.record_type,
            share.recipient,
            role,
            share.subject,
            stay.stay_id,
            stay.claim_id,
            share.grant_id,
        )
        self.schedule(self.call(Consent).terms(share.grant_id).permission.erase_at_ms, "end_retention", message)

    def remind_regulator(self, record: Record, regulator: str) -> None:
        """Have a regulator asked to erase what it orders when the recipient of the record's grant is."""
        message = RetentionEnds(
            record.record_id,
            record.record_type,
            regulator,
            "regulator",
            record.subject,
            record.stay_id,
            None,
            record.grant_id,
        )
        self.schedule(self.call(Consent).terms(record.grant_id).permission.erase_at_ms, "end_retention", message)

    def _item(self, row: ErasureRow, item: str) -> ErasureItem:
        found = [known for known in row.items if known.item == item]
        if not found:
            reject("NOT_ASKED", f"{item}: {row.holder} was not asked to erase it, or in another row")
        return found[0]

    def _step(self, row: ErasureRow, items: list[str], step: ErasureStep, event: str) -> None:
        """Append a step to items of a row, keep the index of what is open, and tell followers."""
        moved: tuple[ErasureItem, ...] = ()
        for item in row.items:
            if item.item not in items:
                moved = (*moved, item)
                continue
            if len(item.steps) >= STEPS_MAX:
                reject("TOO_MANY", f"{item.item}: expected at most {STEPS_MAX} steps")
            moved = (*moved, replace(item, steps=(*item.steps, step)))
        self.erasures.put((row.scope, row.holder, row.number), replace(row, items=moved))
        if [item for item in moved if item.status == "ASKED"]:
            self.open_rows.put((row.holder, row.scope, row.number), OpenErasure(row.scope, row.number))
        else:
            self.open_rows.delete((row.holder, row.scope, row.number))
        self._tell(event, row, tuple(items))

    def _tell(self, event: str, row: ErasureRow, items: tuple[str, ...]) -> None:
        self.emit(event, ErasureEvent(row.scope, row.holder, row.subject, items))

    def _row(self, scope: str, holder: str, number: int) -> ErasureRow:
        row = self.erasures.get((scope, holder, number))
        assert row is not None, "what is indexed, open or restricted was asked for"
        return row


def _id(item: ErasureItem) -> str:
    return item.item
