"""Erasure: a customer asks, every holder answers: erased, or kept by law until a day.

Rules:

    1. Only the subject of a record may ask; anybody else is refused, and the failed transaction is the receipt.
    2. Holders are the record's hospital, its recipient once it was shared, and of what was made of a claim the
       insurer and the payment rail. A request may name the hospital or the recipient alone.
    3. Whoever has a recipient erase a record that a settlement may rest on has it erase what was made of it too: the
       claim. On a record that is asked for nothing is settled any more (contract `retention`, rule 1).
    4. A holder answers for itself alone. It restricts only on a basis that the table of holds has for its role and
       for this kind, to the end of a year, and for no longer than the table allows.
    5. The rail has nothing but orders for claims: it is asked with the insurer, and its row begins with its answer.
"""

from contracts.calendar import DAY_MS, UTC_OFFSET_MS
from contracts.erasures import Ask, Certify, ErasureRow, Restrict
from contracts.grants import BESIDE
from contracts.holds import HolderRole, Kind, find_hold, is_last_of_year, year_of
from contracts.records import Records
from contracts.retention import Retention
from contracts.stays import Record
from ledger.execution.contract import Contract, reject, transaction


class Erasure(Contract):
    """Requests for erasure, and the holders' answers."""

    name = "erasure"

    @transaction
    def ask(self, message: Ask) -> None:
        """Have holders erase records of one stay."""
        if message.record_ids != tuple(sorted(message.record_ids)):
            reject("UNSORTED", "record_ids: expected sorted ids")
        records = [self._own(record_id, message.stay_id) for record_id in message.record_ids]
        hospital = records[0].hospital
        shared = [record for record in records if self.call(Records).is_shared(record.record_id)]
        recipient = self.call(Records).find_stay(message.stay_id).recipient
        holders = [hospital] if not shared else [hospital, recipient]
        if message.holder is not None and message.holder not in holders:
            reject("UNKNOWN_HOLDER", f"holder: expected {' or '.join(holders)}, got {message.holder}")
        asked = 0
        if message.holder is None or message.holder == hospital:
            asked = asked + self._ask(message.stay_id, hospital, "hospital", records)
        if message.holder is None or message.holder == recipient:
            asked = asked + self._ask_recipient(message.stay_id, recipient, shared)
        if asked == 0:
            reject("ALREADY_ASKED", f"{message.stay_id}: every holder was asked for these records before")

    @transaction
    def certify(self, message: Certify) -> None:
        """State, as a holder, that items are erased."""
        self.call(Retention).certify(self._row(message.scope, message.items), message.items)

    @transaction
    def restrict(self, message: Restrict) -> None:
        """State, as a holder, that a law has items kept, and until when."""
        row = self._row(message.scope, message.items)
        hold = find_hold(message.basis)
        kinds = [item.kind for item in row.items if item.item in message.items]
        if hold is None or hold.role != row.role or [kind for kind in kinds if kind not in hold.kinds]:
            reject("NO_HOLD", f"basis: {message.basis} has no {row.role} keep {', '.join(kinds)}")
        today = (self.context.time_ms + UTC_OFFSET_MS) // DAY_MS
        last = year_of(today) + hold.years_max
        if not is_last_of_year(message.until_day) or message.until_day < today or year_of(message.until_day) > last:
            reject("HOLD_ENDS", f"until_day: expected a 31 December, {year_of(today)} to {last}")
        self.call(Retention).restrict(row, message.items, message.basis, message.until_day)

    def _own(self, record_id: str, stay_id: str) -> Record:
        """Return a record of the signer; else reject."""
        record = self.call(Records).find(record_id)
        if record.subject != self.context.signer:
            reject("FORBIDDEN", f"{record_id}: expected the signature of its subject, got {self.context.signer}")
        if record.stay_id != stay_id:
            reject("FOREIGN_STAY", f"{record_id}: is a record of {record.stay_id}, not of {stay_id}")
        return record

    def _ask(self, stay_id: str, holder: str, role: HolderRole, records: list[Record]) -> int:
        items: tuple[tuple[str, Kind], ...] = tuple((record.record_id, record.record_type) for record in records)
        return self.call(Retention).ask(ErasureRow(stay_id, holder, role, self.context.signer, ()), items, "request")

    def _ask_recipient(self, stay_id: str, recipient: str, records: list[Record]) -> int:
        """Ask a recipient for records, and for what it made of them."""
        actor = self.context.actor(recipient)
        if not records or actor is None or actor.role not in ("hospital", "insurer", "regulator"):
            return 0
        role: HolderRole = actor.role
        for record in records:
            self.call(Records).withhold(record.record_id)
        asked = self._ask(stay_id, recipient, role, records)
        claim_id = self.call(Records).find_stay(stay_id).claim_id
        if claim_id is None or not [record for record in records if record.record_type not in BESIDE]:
            return asked
        row = ErasureRow(claim_id, recipient, role, self.context.signer, ())
        return asked + self.call(Retention).ask(row, ((claim_id, "claim"),), "request")

    def _row(self, scope: str, items: tuple[str, ...]) -> ErasureRow:
        """Return what the signer was asked; the rail's row begins here, with the insurer's."""
        if items != tuple(sorted(items)):
            reject("UNSORTED", "items: expected sorted ids")
        retention, signer = self.call(Retention), self.context.signer
        row = retention.find(scope, signer)
        if row is not None:
            return row
        actor = self.context.actor(signer)
        others = retention.rows(scope)
        if actor is None or actor.role != "rail" or not others:
            reject("NOT_ASKED", f"{scope}: {signer} was not asked to erase anything of it")
        claim = others[0].items[0]
        retention.ask(
            ErasureRow(scope, signer, "rail", others[0].subject, ()), ((claim.item, claim.kind),), claim.cause
        )
        begun = retention.find(scope, signer)
        assert begun is not None, "it was asked a moment ago"
        return begun
