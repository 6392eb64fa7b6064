"""Erasure: a customer, or who stands in for her, asks; every holder answers: erased, or kept by law until a day.

Rules:

    1. The subject of a record may ask. So may a guardian or an heir, of the one holder that attested the authority: it
       has seen the documents, and its word binds nobody else. The authority has PATRQT among its purposes and covers
       hospital, recipient and types of the records: WIDENED for whatever goes beyond. Neither a delegate may, nor the
       guardian of somebody of 14 to 17. Anybody else is refused, and the failed transaction is the receipt.
    2. A guardian and an heir ask once the stay's claim is settled and paid, or withdrawn: an organisation that made one
       up ends no claim in this way, and others may inherit what it pays.
    3. Holders are the record's hospital, its recipient once it was shared, every regulator that ordered it under a
       law, and of what was made of a claim the insurer and the payment rail. A request may name one of the first
       three alone. Who orders a record after a request was not asked by it, and can be asked anew.
    4. Whoever has a recipient erase a record that a settlement may rest on has it erase what was made of it too: the
       claim. On a record that is asked for nothing is settled any more (contract `retention`, rule 1).
    5. A holder answers for itself alone. It restricts only on a basis that the table of holds has for its role and
       for this kind, to the end of a year, and for no longer than the table allows from the day on which it first named
       it, or from a regulator's latest order: a hold that has ended does not begin anew.
    6. The rail has nothing but orders for claims: it is asked with the insurer, and its row begins with its answer.
"""

from contracts.access import Access
from contracts.authorities import Authorities
from contracts.calendar import DAY_MS, UTC_OFFSET_MS
from contracts.claims import Claims
from contracts.erasures import Ask, Cause, Certify, ErasureRow, Restrict
from contracts.grants import BESIDE
from contracts.holds import Hold, HolderRole, Kind, find_hold, is_last_of_year, year_of
from contracts.listings import ShowClaim
from contracts.mandates import Authority, find_erasure_widening
from contracts.orders import FindOrder
from contracts.records import Records
from contracts.retention import Retention
from contracts.stays import Record
from ledger.execution.contract import Contract, Day, reject, transaction


class Erasure(Contract):
    """Requests for erasure, and the holders' answers."""

    name = "erasure"

    @transaction
    def ask(self, message: Ask) -> None:
        """Have holders erase records of one stay."""
        if message.record_ids != tuple(sorted(dict.fromkeys(message.record_ids))):
            reject("UNSORTED", "record_ids: expected sorted ids, none twice")
        records = [self._record(record_id, message.stay_id) for record_id in message.record_ids]
        cause = self._check_asker(message, records)
        hospital = records[0].hospital
        shared = [record for record in records if self.call(Records).is_shared(record.record_id)]
        recipient = self.call(Records).find_stay(message.stay_id).recipient
        regulators = self._list_regulators(records)
        holders = [hospital, *([recipient] if shared else []), *regulators]
        if message.holder is not None and message.holder not in holders:
            reject("UNKNOWN_HOLDER", f"holder: expected {' or '.join(holders)}, got {message.holder}")
        asked = 0
        if message.holder is None or message.holder == hospital:
            asked = asked + self._ask(message.stay_id, hospital, "hospital", records, cause)
        if message.holder is None or message.holder == recipient:
            asked = asked + self._ask_recipient(message.stay_id, recipient, shared, cause)
        for regulator, ordered in regulators.items():
            if message.holder is None or message.holder == regulator:
                asked = asked + self._ask(message.stay_id, regulator, "regulator", ordered, cause)
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
        last = hold.years_max + min(self._begun_year(row, item, hold, today) for item in message.items)
        if not is_last_of_year(message.until_day) or message.until_day < today or year_of(message.until_day) > last:
            reject("HOLD_ENDS", f"until_day: expected a 31 December, {year_of(today)} to {last}")
        self.call(Retention).restrict(row, message.items, message.basis, message.until_day)

    def _begun_year(self, row: ErasureRow, item: str, hold: Hold, today: Day) -> int:
        """Return the year from which a hold on an item counts: of the first answer that named it, else this one."""
        steps = [step for known in row.items if known.item == item for step in known.steps if step.basis == hold.basis]
        if not steps:
            return year_of(today)
        begun_ms = steps[0].place.time_ms
        order = self.call(Access).latest(FindOrder(item, row.holder)) if row.role == "regulator" else None
        if order is not None and order.place.time_ms > begun_ms:
            begun_ms = order.place.time_ms
        return year_of((begun_ms + UTC_OFFSET_MS) // DAY_MS)

    def _list_regulators(self, records: list[Record]) -> dict[str, list[Record]]:
        """Return who ordered records under a law, with those that each of them ordered."""
        found: dict[str, list[Record]] = {}
        for record in records:
            for regulator in self.call(Access).regulators_of(record.record_id):
                found[regulator] = [*found.get(regulator, []), record]
        return found

    def _record(self, record_id: str, stay_id: str) -> Record:
        """Return a record of a stay; else reject."""
        record = self.call(Records).find(record_id)
        if record.stay_id != stay_id:
            reject("FOREIGN_STAY", f"{record_id}: is a record of {record.stay_id}, not of {stay_id}")
        return record

    def _check_asker(self, message: Ask, records: list[Record]) -> Cause:
        """Return as what the signer asks; reject who may not."""
        signer, subject = self.context.signer, records[0].subject
        if message.authority is None:
            if subject != signer:
                reject("FORBIDDEN", f"{records[0].record_id}: expected the signature of its subject, got {signer}")
            return "request"
        authority = self.call(Authorities).require(message.authority, ("guardian", "heir"), subject)
        self._check_mandate(authority, message, records)
        if authority.minority == "youth":
            reject("GRANTOR", f"{message.authority}: at 14 to 17 she asks for erasure herself")
        self._check_claim(message.stay_id)
        return "guardian" if authority.kind == "guardian" else "heir"

    def _check_mandate(self, authority: Authority, message: Ask, records: list[Record]) -> None:
        """Reject what an authority does not have its holder ask."""
        if message.holder != authority.given_by:
            asked = message.holder or "everybody"
            reject("GRANTOR", f"holder: expected {authority.given_by}, who attested the authority, got {asked}")
        hospital = records[0].hospital
        recipient = None if message.holder == hospital else message.holder
        widening = find_erasure_widening(authority, hospital, recipient, [record.record_type for record in records])
        if widening is not None:
            reject("WIDENED", widening)

    def _check_claim(self, stay_id: str) -> None:
        """Reject while the stay's claim may still pay, or take back: erasing would end it."""
        claim_id = self.call(Records).find_stay(stay_id).claim_id
        shown = None if claim_id is None else self.call(Claims).show(ShowClaim(claim_id))
        if shown is None:
            return
        is_final = self.call(Claims).is_final(shown.claim.claim_id, shown.claim.settlement_version)
        if shown.status != "WITHDRAWN" and not is_final:
            reject("WRONG_STATE", f"{claim_id}: expected PAID or WITHDRAWN before another asks, got {shown.status}")

    def _ask(self, stay_id: str, holder: str, role: HolderRole, records: list[Record], cause: Cause) -> int:
        items: tuple[tuple[str, Kind], ...] = tuple((record.record_id, record.record_type) for record in records)
        return self.call(Retention).ask(ErasureRow(stay_id, holder, role, records[0].subject, ()), items, cause)

    def _ask_recipient(self, stay_id: str, recipient: str, records: list[Record], cause: Cause) -> int:
        """Ask a recipient for records, and for what it made of them."""
        actor = self.context.actor(recipient)
        if not records or actor is None or actor.role not in ("hospital", "insurer", "regulator"):
            return 0
        role: HolderRole = actor.role
        for record in records:
            self.call(Records).withhold(record.record_id)
        asked = self._ask(stay_id, recipient, role, records, cause)
        claim_id = self.call(Records).find_stay(stay_id).claim_id
        if claim_id is None or not [record for record in records if record.record_type not in BESIDE]:
            return asked
        row = ErasureRow(claim_id, recipient, role, records[0].subject, ())
        return asked + self.call(Retention).ask(row, ((claim_id, "claim"),), cause)

    def _row(self, scope: str, items: tuple[str, ...]) -> ErasureRow:
        """Return what the signer was asked; the rail's row begins here, with the insurer's."""
        if items != tuple(sorted(dict.fromkeys(items))):
            reject("UNSORTED", "items: expected sorted ids, none twice")
        retention, signer = self.call(Retention), self.context.signer
        row = retention.find_row(scope, items[0], signer)
        if row is not None:
            return row
        actor = self.context.actor(signer)
        others = retention.rows(scope)
        if actor is None or actor.role != "rail" or not others:
            reject("NOT_ASKED", f"{scope}: {signer} was not asked to erase anything of it")
        claim = others[0].items[0]
        if claim.kind != "claim":
            reject("NOT_ASKED", f"{scope}: a rail has orders for claims, and nothing of a stay")
        retention.ask(
            ErasureRow(scope, signer, "rail", others[0].subject, ()), ((claim.item, claim.kind),), claim.cause
        )
        begun = retention.find_row(scope, claim.item, signer)
        assert begun is not None, "it was asked a moment ago"
        return begun
