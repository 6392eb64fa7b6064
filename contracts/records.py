"""Records: what a hospital enters about a stay, and the only door through which it hands anything over.

Rules:

    1. Nothing is entered for a patient without a usable grant that names this hospital and a recipient: `append`,
       `close` and `share` all run the consent's check at their place. A stay is entered for a claim, for treatment by
       another hospital or for public health (`contracts.disclosures`), as the grant of its admission says.
    2. A stay begins with its admission; a discharge before an admission is refused.
    3. A reversal names a live record of the same stay and type, and the two totals add up to nothing. A record is
       reversed at most once, a reversal never. A replacement names a reversed record, which has no other replacement.
    4. Only bills carry a total: invoices count, interim bills never settle and are in no closing. Nor are attached
       documents: they may come before and after it, and change nothing about what settles.
    5. A closing lists every live part, the admission included, the sum of the invoices' totals and the invoices'
       tags, each once. After a correction the next version is needed; the same parts cannot be closed twice. A
       settled claim keeps its place before other insurers: its new invoices are consumed at once (`invoices`).
    6. A share serves a reported claim, names the grant that covers it and the field set that is released, and counts
       as one use. One that may not be is refused on the record (contract `attempts`): no grant covers it, another
       member signs it, the stay is not reported, the record is reversed or asked for. The hospital's node hands over
       after the share is committed and after looking again. The recipient answers within SHARE_HEIGHTS heights, else
       it has lapsed and may be shared anew. What was ordered before a revocation stands, so an answer needs no grant.
    7. What the hospital or the recipient was asked to erase is not shared, confirmed or settled on any more (ERASED).

    share status   by                                    next
    (none)         share                                 SHARED
    SHARED         deliver, by the recipient, in time    DELIVERED, final
    SHARED         dispute, by the recipient, in time    DISPUTED; may be shared anew
    SHARED         height > expires_height               LAPSED (derived); may be shared anew
    SHARED         share under another grant             the new share takes its place: the old grant may have ended

    table          key                                      value
    records        record id                                Record
    stays          stay id                                  Stay
    parts          stay id, record id                       Part: the live ones
    reversals      record id                                Successor
    replacements   record id                                Successor
    closings       stay id, version                         Closing
    shares         stay id, record id, recipient, sequence  ShareReceipt
    handovers      stay id, record id, recipient, sequence  Handover
    share_heads    stay id, record id, recipient            ShareHead
    inbox          recipient, last height, record           IndexEntry: what is not answered; the lapsed sort first
    by_subject     subject, record id                       IndexEntry: all of a customer, shared or not
"""

from contracts.attempts import Asked, Attempts, find_foreign
from contracts.bills import CLOSABLE, check_bill, check_closing, check_order, check_room, list_closable
from contracts.consent import Consent
from contracts.disclosures import EMERGENCY, begin_stay, check_type
from contracts.emergencies import Emergencies
from contracts.entries import (
    check_original,
    check_succession,
    make_record,
    make_share,
    need_to_enter,
    record_event,
    share_event,
    status_of,
)
from contracts.field_sets import list_fields
from contracts.grants import GrantVersion, RecordType
from contracts.identifiers import locate
from contracts.invoices import Invoices
from contracts.membership import Membership
from contracts.needs import Finding
from contracts.retention import Retention
from contracts.stays import (
    REPLACEMENTS_MAX,
    Append,
    Close,
    CloseEvent,
    Closing,
    Deliver,
    Dispute,
    Handover,
    HandoverResult,
    IndexEntry,
    ListInbox,
    ListSeen,
    Part,
    Record,
    RecordView,
    Share,
    ShareHead,
    ShareReceipt,
    ShareStatus,
    ShareView,
    ShowRecord,
    ShowStay,
    Stay,
    StayView,
    Successor,
)
from ledger.execution.contract import Contract, Table, query, reject, replace, transaction

LIST_ROWS_MAX = 200
"""Rows of one listing."""


class Records(Contract):
    """The register of records, closings and hand-overs."""

    name = "records"
    records = Table("records", Record)
    stays = Table("stays", Stay)
    parts = Table("parts", Part)
    reversals = Table("reversals", Successor)
    replacements = Table("replacements", Successor)
    closings = Table("closings", Closing)
    shares = Table("shares", ShareReceipt)
    handovers = Table("handovers", Handover)
    share_heads = Table("share_heads", ShareHead)
    inbox_rows = Table("inbox", IndexEntry)
    by_subject = Table("by_subject", IndexEntry)

    @transaction
    def append(self, message: Append) -> None:
        """Enter a record of a stay."""
        self.call(Membership).require(("hospital",))
        if self.records.get(message.record_id) is not None:
            reject("RECORD_TAKEN", f"{message.record_id} is entered already")
        stay = self._begin_or_find(message)
        check_type(stay, message.record_type)
        version = self._covered(stay, message.grant_id, message.record_type)
        check_bill(message)
        self._succeed(message)
        record = make_record(message, stay, version.version, locate(self.context))
        self.records.put(message.record_id, record)
        self.by_subject.put((stay.subject, message.record_id), IndexEntry(message.stay_id))
        if message.kind != "reversal":
            check_room(message.stay_id, message.record_type, self._live(message.stay_id))
            part = Part(message.record_type, message.total, message.invoice_tag)
            self.parts.put((message.stay_id, message.record_id), part)
        self.emit("record-appended", record_event(record, stay))

    @transaction
    def close(self, message: Close) -> None:
        """State that the listed parts are all there is."""
        stay = self._owned(message.stay_id)
        if message.version != stay.closing_version + 1:
            reject("STALE_VERSION", f"version: expected {stay.closing_version + 1}, got {message.version}")
        closing = Closing(
            message.stay_id, message.version, message.parts, message.total, message.invoice_tags, locate(self.context)
        )
        self._covered(stay, message.grant_id, None)
        live = self._live(message.stay_id)
        check_closing(message, live)
        if message.version > 1 and self._closing(message.stay_id, stay.closing_version).parts == message.parts:
            reject("ALREADY_CLOSED", f"{message.stay_id}: version {stay.closing_version} lists the same parts")
        self.closings.put((message.stay_id, message.version), closing)
        self.stays.put(message.stay_id, replace(stay, closing_version=message.version))
        for record_id, part in live:
            for former in [] if part.invoice_tag is None else self._list_replaced(self._record(record_id)):
                self.call(Invoices).inherit(stay, former.invoice_tag, part.invoice_tag)
        if stay.claim_id is not None:
            self.call(Invoices).carry(closing, stay.hospital, stay.claim_id)
        self.emit(
            "stay-closed", CloseEvent(message.stay_id, message.version, stay.hospital, stay.recipient, stay.claim_id)
        )

    @transaction
    def share(self, message: Share) -> None:
        """Hand a record to a recipient: the only door."""
        signer = self.call(Membership).require_member().name
        record = self._record(message.record_id)
        stay = self._stay(record.stay_id)
        kind = record.record_type
        asked = Asked("share", message.recipient, stay, kind, record.record_id, message.grant_id, stay.purpose)
        attempts = self.call(Attempts)
        finding = find_foreign(stay, signer) or attempts.failing(asked) or self.find_withheld(record, stay)
        finding = finding or self._find_closed_use(stay, message.grant_id, kind)
        if finding is not None:
            attempts.refuse_on_record(asked, finding)
            return
        key = (stay.stay_id, message.record_id, message.recipient)
        head = self.share_heads.get(key)
        status = "LAPSED" if head is None else self._status(self._share(*key))
        is_waiting = status == "SHARED" and self._share(*key).grant_id == message.grant_id
        if is_waiting or status == "DELIVERED":
            reject("ALREADY_SHARED", f"{message.record_id} is {status} with {message.recipient}")
        consent = self.call(Consent)
        version = consent.check(asked.need) if stay.purpose == EMERGENCY else consent.use(asked.need)
        if head is not None:
            self._leave_inbox(self._share(*key))
        sequence = 1 if head is None else head.sequence + 1
        receipt = make_share(record, stay.purpose, message, sequence, version.version, locate(self.context))
        self.shares.put((*key, sequence), receipt)
        self.share_heads.put(key, ShareHead(sequence))
        self.inbox_rows.put((message.recipient, receipt.expires_height, message.record_id), IndexEntry(record.stay_id))
        self.call(Retention).remind(receipt, stay)
        self.emit("record-shared", share_event(receipt, stay))

    @transaction
    def deliver(self, message: Deliver) -> None:
        """Confirm that the record was opened and is what was committed to."""
        self._answer(message.record_id, "DELIVERED", None)

    @transaction
    def dispute(self, message: Dispute) -> None:
        """Say that the record did not come, or is not what was committed to."""
        self._answer(message.record_id, "DISPUTED", message.reason)

    @query
    def record(self, message: ShowRecord) -> RecordView | None:
        """Return a record with its shares, or None."""
        record = self.records.get(message.record_id)
        if record is None:
            return None
        return self._record_view(record)

    @query
    def stay(self, message: ShowStay) -> StayView | None:
        """Return a stay with its live parts and closings, or None."""
        stay = self.stays.get(message.stay_id)
        if stay is None:
            return None
        live = tuple(record_id for record_id, _ in self._live(message.stay_id))
        closings = tuple(closing for _, closing in self.closings.scan(message.stay_id))
        return StayView(stay, live, closings, self.is_closed(message.stay_id))

    @query
    def inbox(self, message: ListInbox) -> tuple[ShareView, ...]:
        """Return the shares that wait for the recipient's answer and have not lapsed."""
        rows = self.inbox_rows.scan(message.recipient, max(self.context.height, 1) - 1, LIST_ROWS_MAX)
        return tuple(self._view(self._share(row.stay_id, key[-1], message.recipient)) for key, row in rows)

    @query
    def seen(self, message: ListSeen) -> tuple[ShareView, ...]:
        """Return every share of a customer's records, with its grant."""
        found: list[ShareView] = []
        for key, row in self.by_subject.scan(message.subject, message.after):
            found.extend([self._view(share) for _, share in self.shares.scan((row.stay_id, key[-1]))])
            if len(found) >= LIST_ROWS_MAX:
                break
        return tuple(found)

    @query
    def of_subject(self, message: ListSeen) -> tuple[RecordView, ...]:
        """Return a customer's records, shared or not, in the order of their ids."""
        rows = self.by_subject.scan(message.subject, message.after, LIST_ROWS_MAX)
        return tuple(self._record_view(self._record(key[-1])) for key, _ in rows)

    def find(self, record_id: str) -> Record:
        """Return a record; else reject with UNKNOWN_RECORD."""
        return self._record(record_id)

    def find_stay(self, stay_id: str) -> Stay:
        """Return a stay; else reject with UNKNOWN_STAY."""
        return self._stay(stay_id)

    def find_withheld(self, record: Record, stay: Stay) -> Finding | None:
        """Return why a record is handed to nobody under any grant, or None."""
        if stay.claim_id is None and stay.purpose == "HPAYMT":
            return Finding("NOT_REPORTED", "claim", f"{stay.stay_id}: expected a claim that needs the record")
        if self.reversals.get(record.record_id) is not None:
            return Finding("REVERSED", "reversal", f"{record.record_id} is reversed and needs no sharing")
        return self.call(Retention).find_erasure(stay.stay_id, record.record_id, stay.hospital, stay.recipient)

    def is_shared(self, record_id: str) -> bool:
        """Whether a record was ever shared with its recipient."""
        stay = self._stay(self._record(record_id).stay_id)
        return self.share_heads.get((stay.stay_id, record_id, stay.recipient)) is not None

    def withhold(self, record_id: str) -> None:
        """Take a record out of its recipient's inbox: it answers no share of it any more."""
        stay = self._stay(self._record(record_id).stay_id)
        self._leave_inbox(self._share(stay.stay_id, record_id, stay.recipient))

    def attach(self, stay_id: str, claim_id: str, hospital: str, subject: str, insurer: str) -> None:
        """Tie an admitted stay to the claim that reports it; else reject."""
        stay = self._stay(stay_id)
        if (stay.hospital, stay.subject) != (hospital, subject):
            reject("FOREIGN_STAY", f"{stay_id}: is not a stay of this customer at {hospital}")
        if (stay.recipient, stay.purpose) != (insurer, "HPAYMT"):
            reject("FOREIGN_STAY", f"{stay_id}: was entered for {stay.recipient} ({stay.purpose}), not for {insurer}")
        if stay.claim_id is not None:
            reject("STAY_TAKEN", f"{stay_id}: belongs to {stay.claim_id}")
        if "admission" not in self._live_types(stay_id):
            reject("OUT_OF_ORDER", f"{stay_id}: expected an admission before a report")
        attached = replace(stay, claim_id=claim_id)
        self.stays.put(stay_id, attached)
        for record_id, _ in self._live(stay_id):
            if self.share_heads.get((stay_id, record_id, insurer)) is not None:  # for a claim that was withdrawn
                self.call(Retention).remind(self._share(stay_id, record_id, insurer), attached)

    def detach(self, stay_id: str) -> None:
        """Free a stay of a withdrawn claim: nothing more is shared unless another claim reports it."""
        self.stays.put(stay_id, replace(self._stay(stay_id), claim_id=None))

    def is_closed(self, stay_id: str) -> bool:
        """Whether the latest closing lists exactly the live parts."""
        version = self._stay(stay_id).closing_version
        return version > 0 and self._closing(stay_id, version).parts == list_closable(self._live(stay_id))

    def closing_version(self, stay_id: str) -> int:
        """Return the latest closing's version; 0 before the first."""
        return self._stay(stay_id).closing_version

    def has_parts(self, stay_id: str) -> bool:
        """Whether anything but the admission was entered."""
        return self._live_types(stay_id) != ["admission"]

    def closed(self, stay_id: str, version: int) -> tuple[Closing, tuple[RecordType, ...]]:
        """Return a closing and its parts' types, if it is the latest and still lists all live parts; else reject."""
        stay = self._stay(stay_id)
        if version != stay.closing_version:
            reject("STALE_CLOSING", f"{stay_id}: expected closing {stay.closing_version}, got {version}")
        live = self._live(stay_id)
        if version < 1 or self._closing(stay_id, version).parts != list_closable(live):
            reject("ASSEMBLING", f"{stay_id}: parts were entered or reversed after closing {version}")
        types = [part.record_type for _, part in live]
        return self._closing(stay_id, version), tuple(kind for kind in CLOSABLE if kind in types)

    def require_delivered(self, closing: Closing, recipient: str) -> None:
        """Reject unless the recipient opened every part of the closing; the caller has asked for erasures."""
        for record_id in closing.parts:
            key = (closing.stay_id, record_id, recipient)
            head = self.share_heads.get(key)
            answer = None if head is None else self.handovers.get((*key, head.sequence))
            if answer is None or answer.result != "DELIVERED":
                reject("NOT_DELIVERED", f"{record_id}: {recipient} has not confirmed it")

    def current_closing(self, stay_id: str) -> Closing | None:
        """Return the latest closing if it lists exactly the live parts, or None."""
        return self._closing(stay_id, self.closing_version(stay_id)) if self.is_closed(stay_id) else None

    def answers(self, closing: Closing, recipient: str) -> list[ShareStatus | None]:
        """Return how each part of a closing stands with a recipient; None where it was never shared."""
        found: list[ShareStatus | None] = []
        for record_id in closing.parts:
            key = (closing.stay_id, record_id, recipient)
            found.append(None if self.share_heads.get(key) is None else self._status(self._share(*key)))
        return found

    def _begin_or_find(self, message: Append) -> Stay:
        stay = self.stays.get(message.stay_id)
        if stay is not None:
            if stay.hospital != self.context.signer:
                reject("FORBIDDEN", f"{message.stay_id}: expected {stay.hospital}, got {self.context.signer}")
            check_order(message, self._live_types(message.stay_id))
            return stay
        if message.record_type != "admission" or message.kind != "original":
            reject(
                "OUT_OF_ORDER", f"{message.stay_id}: expected an original admission first, got {message.record_type}"
            )
        grant = self.call(Consent).terms(message.grant_id)
        stay = begin_stay(message, grant, locate(self.context), self.context.signer)
        self.stays.put(message.stay_id, stay)
        return stay

    def _covered(self, stay: Stay, grant_id: str, record_type: RecordType | None) -> GrantVersion:
        version = self.call(Consent).check(need_to_enter(stay, grant_id, record_type))
        finding = None if record_type is None else self._find_closed_use(stay, grant_id, record_type)
        if finding is not None:
            reject(finding.code, f"{finding.condition}: {finding.text}")
        return version

    def _find_closed_use(self, stay: Stay, grant_id: str, record_type: RecordType) -> Finding | None:
        """Return that nobody broke the glass for what is entered for an emergency, or that it is over; else None."""
        if stay.purpose != EMERGENCY:
            return None
        return self.call(Emergencies).find_closed(grant_id, stay.hospital, stay.recipient, record_type)

    def _succeed(self, message: Append) -> None:
        """Let a reversal or replacement take the place of the record that it names."""
        if message.kind == "original":
            check_original(message)
            return
        if message.replaces is None:
            reject("SUCCESSION", f"{message.record_id}: a {message.kind} names what it stands against")
        former = self._record(message.replaces)
        is_reversed = self.reversals.get(former.record_id) is not None
        is_replaced = self.replacements.get(former.record_id) is not None
        check_succession(message, former, is_reversed=is_reversed, is_replaced=is_replaced)
        if message.kind == "reversal":
            self.reversals.put(former.record_id, Successor(message.record_id))
            self.parts.delete((former.stay_id, former.record_id))
            return
        if len(self._list_replaced(former)) >= REPLACEMENTS_MAX:
            reject("TOO_MANY", f"{former.record_id}: expected at most {REPLACEMENTS_MAX} replacements in a row")
        self.replacements.put(former.record_id, Successor(message.record_id))

    def _list_replaced(self, record: Record) -> list[Record]:
        """Return what a record replaces, itself or by those between them, the latest first."""
        found = [record]
        while found[-1].kind == "replacement" and found[-1].replaces is not None:
            found.append(self._record(found[-1].replaces))
        return found[1:]

    def _answer(self, record_id: str, result: HandoverResult, reason: bytes | None) -> None:
        recipient = self.context.signer
        stay = self._stay(self._record(record_id).stay_id)
        share = self._share(stay.stay_id, record_id, recipient)
        status = self._status(share)
        if status != "SHARED":
            reject("WRONG_STATE", f"{record_id}: expected SHARED, got {status}")
        self.call(Retention).require_kept(stay.stay_id, record_id, recipient)
        key = (stay.stay_id, record_id, recipient, share.sequence)
        self.handovers.put(key, Handover(result, reason, locate(self.context)))
        self._leave_inbox(share)
        self.emit("record-delivered" if result == "DELIVERED" else "record-disputed", share_event(share, stay))

    def _status(self, share: ShareReceipt) -> ShareStatus:
        return status_of(share, self._handover(share), self.context.height)

    def _handover(self, share: ShareReceipt) -> Handover | None:
        return self.handovers.get((share.stay_id, share.record_id, share.recipient, share.sequence))

    def _share(self, stay_id: str, record_id: str, recipient: str) -> ShareReceipt:
        head = self.share_heads.get((stay_id, record_id, recipient))
        share = None if head is None else self.shares.get((stay_id, record_id, recipient, head.sequence))
        if share is None:
            reject("NOT_SHARED", f"{record_id}: was never shared with {recipient}")
        return share

    def _leave_inbox(self, share: ShareReceipt) -> None:
        self.inbox_rows.delete((share.recipient, share.expires_height, share.record_id))

    def _record_view(self, record: Record) -> RecordView:
        reversal = self.reversals.get(record.record_id)
        replacement = self.replacements.get(record.record_id)
        return RecordView(
            record,
            None if reversal is None else reversal.record_id,
            None if replacement is None else replacement.record_id,
            tuple(self._view(share) for _, share in self.shares.scan((record.stay_id, record.record_id))),
        )

    def _view(self, share: ShareReceipt) -> ShareView:
        return ShareView(share, self._status(share), self._handover(share), list_fields(share.field_set))

    def _record(self, record_id: str) -> Record:
        record = self.records.get(record_id)
        if record is None:
            reject("UNKNOWN_RECORD", f"there is no record {record_id}")
        return record

    def _stay(self, stay_id: str) -> Stay:
        stay = self.stays.get(stay_id)
        if stay is None:
            reject("UNKNOWN_STAY", f"there is no stay {stay_id}")
        return stay

    def _owned(self, stay_id: str) -> Stay:
        stay = self._stay(stay_id)
        if stay.hospital != self.context.signer:
            reject("FORBIDDEN", f"{stay_id}: expected {stay.hospital}, got {self.context.signer}")
        return stay

    def _closing(self, stay_id: str, version: int) -> Closing:
        closing = self.closings.get((stay_id, version))
        assert closing is not None, "a stay names a closing that exists"
        return closing

    def _live(self, stay_id: str) -> list[tuple[str, Part]]:
        return [(key[-1], part) for key, part in self.parts.scan(stay_id)]

    def _live_types(self, stay_id: str) -> list[str]:
        return [part.record_type for _, part in self._live(stay_id)]
