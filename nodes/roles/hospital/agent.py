"""The hospital's agent: the desk's requests and the chain's events in, calls and answers out.

Every request of the desk is written to the register before anything follows from it. What follows is derived again
and again: after a block, when time has passed, and after a restart, from the chain and the register alone, so nothing
is lost with the process, and nothing is done twice that the chain has seen.

A stay for which nothing is left to do is closed in memory, until an event or the desk names it again.
"""

import re
from contextlib import suppress

from msgspec.structs import replace

from contracts.emergencies import GlassUse
from contracts.grants import BESIDE, Grant, RecordType
from contracts.holds import HOLDS, Hold
from contracts.stays import BESIDE_PARTS_MAX, REPLACEMENTS_MAX
from ledger.errors import DecodeError
from ledger.transactions import Event
from nodes.agent import (
    AgentEffect,
    AgentInput,
    Answer,
    Call,
    ChainView,
    Committed,
    Note,
    PeerAnswered,
    PeerRequested,
    Submit,
)
from nodes.entropy import Entropy
from nodes.keystore import Keystore
from nodes.roles.erasing import Erasing, list_asked
from nodes.roles.exchange.asking import Asking
from nodes.roles.exchange.attachment_intake import AttachmentIntake
from nodes.roles.exchange.attachments import AttachmentLabel
from nodes.roles.exchange.documents import Document
from nodes.roles.exchange.intake import Intake
from nodes.roles.exchange.questions import (
    FetchChunks,
    FetchOrdered,
    FetchOrderedChunks,
    FetchReason,
    FetchRecord,
    Refusal,
    Reply,
    VisitRules,
    decode_question,
    encode_body,
)
from nodes.roles.exchange.receiving import Received, Receiving
from nodes.roles.exchange.refusals import Refusals
from nodes.roles.hospital.attaching import Attaching
from nodes.roles.hospital.book import StayBook, StayError
from nodes.roles.hospital.coverage import Coverage
from nodes.roles.hospital.disclosing import Disclosed
from nodes.roles.hospital.emergencies import Emergencies
from nodes.roles.hospital.erasing import HospitalBooks
from nodes.roles.hospital.handover import Handover
from nodes.roles.hospital.lanes import LaneWorker
from nodes.roles.hospital.paperwork import write_admission, write_discharge, write_interim
from nodes.roles.hospital.records import RecordWriter
from nodes.roles.hospital.sharing import LaneState
from nodes.roles.hospital.stays import LocalStay, attach, count_beside, days_of
from nodes.roles.hospital.summaries import StaySummary, SummaryWriter
from nodes.roles.hospital.visiting import Visiting
from nodes.roles.reception import Reception
from nodes.schemas.civil_time import civil_day
from nodes.schemas.stay import AdmissionForm, DischargeForm, InterimForm
from nodes.vault.records import Vault, VaultError
from nodes.vault.register import Register

QUESTIONS_MAX = 16
SWEEP_MS = 2_000
"""How often open stays are looked at although no event named them."""
SWEEP_STAYS = 64
"""How many of them at a time, in turn."""
ENDED: frozenset[LaneState] = frozenset({"delivered", "visited", "withdrawn", "disputed", "erased", "not-permitted"})
_ID = re.compile(rb"(?:stay|claim)-[0-9a-f]{12,32}")
"""As `contracts.identifiers` has them; every event about a stay or claim names it."""
_GRANT = re.compile(rb"grant-[0-9a-f]{12,32}")


class Hospital(Reception):
    """One hospital."""

    def __init__(
        self,
        name: str,
        view: ChainView,
        keystore: Keystore,
        vault: Vault,
        register: Register,
        entropy: Entropy,
        holds: tuple[Hold, ...] = HOLDS,
    ) -> None:
        """Open the hospital's books.

        Args:
            name: The member it acts for.
            view: The latest committed state.
            keystore: The hospital's keys.
            vault: Its records.
            register: Its patients, links and stays.
            entropy: For ids, blindings, salts and challenges.
            holds: Why it may have to keep what it is asked to erase.
        """
        super().__init__(name, view, keystore, register, entropy)
        self._book = StayBook(register, entropy)
        self._attaching = Attaching(vault, register, entropy)
        self._attach_whole()
        self._writer = RecordWriter(vault, keystore.tag_secret, entropy)
        self._coverage = Coverage(name, view, self._linking)
        self._lanes = LaneWorker(view, self._coverage, self._writer)
        self._summaries = SummaryWriter(view, self._lanes)
        self._handover = Handover(name, view, keystore, vault)
        self._visiting = Visiting(name, view, keystore, vault, register, self._linking, entropy)
        self._emergencies = Emergencies(name, view, self._linking, register, entropy)
        self._disclosed = Disclosed(self._linking)
        self._asking = Asking(QUESTIONS_MAX)
        intake = Intake(name, view, vault, register, keystore.seal, entropy, self._asking)
        documents = AttachmentIntake(vault, intake, self._asking)
        self._receiving = Receiving(name, view, vault, register, self._linking.person_of, intake, documents)
        books = HospitalBooks(view, self._book, vault, self._visiting.casebook, self._receiving)
        self._erasing = Erasing(name, view, books, holds)
        self._refusals = Refusals(name, view, register)
        self._open: dict[str, None] = dict.fromkeys(self._book.numbers())
        self._swept_ms = 0

    # ------------------------------------------------------------------------------------------ what the desk asks

    def admit(self, form: AdmissionForm, now_ms: int) -> tuple[StaySummary, list[AgentEffect]]:
        """Begin a stay, and report it under every usable grant that names this hospital.

        Raises:
            PeopleError: If the patient is not in the index.
            PaperworkError, StayFileError: If the form contradicts itself.
        """
        patient = self._linking.people.get(form.patient)
        admission = write_admission(form, civil_day(now_ms))
        return self._go_on(self._book.begin(patient.number, admission), now_ms)

    def bill(self, number: str, form: InterimForm, now_ms: int) -> tuple[StaySummary, list[AgentEffect]]:
        """Add an interim bill to a stay that goes on.

        Raises:
            StayError: If there is no such stay, it has ended, or the chain takes no more of them.
            PaperworkError: If an amount is out of bounds.
        """
        stay = self._book.get(number)
        if stay.discharges:
            msg = f"{number}: expected a stay that goes on, this one has ended; correct its bill instead"
            raise StayError(msg)
        if count_beside(stay) >= BESIDE_PARTS_MAX:
            msg = (
                f"{number}: expected at most {BESIDE_PARTS_MAX} interim bills and documents; discharge it without this"
            )
            raise StayError(msg)
        interim = write_interim(form, len(stay.interims) + 1)
        return self._go_on(replace(stay, interims=(*stay.interims, interim)), now_ms)

    def discharge(self, number: str, form: DischargeForm, now_ms: int) -> tuple[StaySummary, list[AgentEffect]]:
        """End a stay: enter its records, close it, and share what its claims need.

        Lanes are opened here once more for every grant that is usable now: who was killed between an admission and
        its lane, and is asked again at once, has had no sweep and no block since.

        Raises:
            StayError: If there is no such stay, or it has ended already.
            PaperworkError, StayFileError: If the form contradicts itself or the admission.
        """
        stay = self._book.get(number)
        if stay.discharges:
            msg = f"{number}: was discharged already; what has changed since is a correction"
            raise StayError(msg)
        assert stay.admission is not None, "a stay that goes on is in use, and nothing of it is erased"
        ended = write_discharge(form, stay.admission, civil_day(now_ms))
        stay = self._open_lanes(stay)
        return self._go_on(replace(stay, discharges=(ended,), ended_ms=now_ms), now_ms)

    def correct(self, number: str, form: DischargeForm, now_ms: int) -> tuple[StaySummary, list[AgentEffect]]:
        """Correct a stay that has ended: reverse and replace the documents that differ.

        Raises:
            StayError: If there is no such stay, it has not ended, nothing differs, or the chain would not take what
                replaces the same document once more.
            PaperworkError, StayFileError: If the form contradicts itself or the admission.
        """
        stay = self._book.get(number)
        if not stay.discharges:
            msg = f"{number}: expected a stay that has ended, this one goes on; discharge it first"
            raise StayError(msg)
        if len(stay.discharges) > REPLACEMENTS_MAX:
            msg = f"{number}: expected at most {REPLACEMENTS_MAX} corrections; what differs now is settled by hand"
            raise StayError(msg)
        self._check_kept(stay)
        assert stay.admission is not None, "what is corrected is whole"
        corrected = write_discharge(form, stay.admission, civil_day(now_ms))
        if corrected == stay.discharges[-1]:
            msg = f"{number}: expected a correction that changes something, this is what the hospital has"
            raise StayError(msg)
        return self._go_on(replace(stay, discharges=(*stay.discharges, corrected)), now_ms)

    def begin_attachment(self, number: str, label: AttachmentLabel, sha256: bytes, now_ms: int) -> tuple[str, int]:
        """Return the draft of a file that the desk attaches to a stay, going on or ended, and where to go on with it.

        Raises:
            StayError: If there is no such stay.
            AttachingError, VaultError: As `Attaching.begin`.
        """
        return self._attaching.begin(self._book.get(number), label, sha256, now_ms)

    def take_attachment(
        self, draft_id: str, offset: int, piece: bytes, now_ms: int
    ) -> tuple[tuple[str, ...], list[AgentEffect]]:
        """Take in the next piece of a file; with the last one it is entered and shared where a grant covers documents.

        Returns:
            The ids of the records that it became, one for each insurer; none before the last piece.

        Raises:
            AttachingError, VaultError: As `Attaching.take`.
        """
        self._give_up(now_ms)
        number, sealed = self._attaching.take(draft_id, offset, piece)
        if not sealed:
            return (), []
        _, effects = self._go_on(attach(self._book.get(number), sealed), now_ms)
        self._attaching.close(draft_id)
        return tuple(item.record_id for item in sealed.values()), effects

    def _give_up(self, now_ms: int) -> list[Note]:
        given_up = self._attaching.give_up(now_ms, lambda number: self._book.get(number).is_redacted)
        return [Note("attachment-given-up", {"stay": number}) for number in given_up]

    def _attach_whole(self) -> None:
        """Attach the files that had come in whole when the node was killed, unless their stay is being erased."""
        for draft_id, entry in list(self._attaching.whole.items()):
            stay = self._book.get(entry.number)
            try:
                sealed = {} if stay.is_redacted else self._attaching.keep(entry)
            except VaultError:  # damaged on disk: the desk attaches it again
                sealed = {}
            if not sealed:
                self._attaching.drop(draft_id)
                continue
            if entry.sealed[0] not in stay.attachments:
                self._book.put(attach(stay, sealed))
            self._attaching.close(draft_id)

    def _check_kept(self, stay: LocalStay) -> None:
        """Refuse to go on with a stay of which records are to be erased, are erased, or are kept by law alone."""
        needed = {
            (lane.stay_id, entry.record_id)
            for lane in stay.lanes
            for entry in lane.entries
            if entry.record_type not in BESIDE
        }
        asked = {
            (lane.stay_id, item) for lane in stay.lanes for item in list_asked(self._view, lane.stay_id, self.name)
        }
        if asked & needed or stay.is_redacted:
            msg = f"{stay.number}: the customer had records of it erased or restricted; it is not corrected any more"
            raise StayError(msg)

    def show(self, number: str) -> StaySummary:
        """Return a stay; raises `StayError` if there is none of this number.

        What a crash left planned and not sealed is sealed first: a desk may look before the first sweep.
        """
        stay = self._book.get(number)
        with suppress(VaultError):  # the sweep notes what is stuck
            self._writer.seal(stay)
        return self._summaries.write(stay)

    def list_stays(self) -> tuple[StaySummary, ...]:
        """Return all stays, in the order in which they came."""
        return tuple(self.show(number) for number in self._book.numbers())

    def break_glass(self, patient: str, custodian: str, types: tuple[RecordType, ...], reason: str) -> tuple[str, Call]:
        """Return the id of an emergency's use and the call that enters it; raises as `Emergencies.break_glass`."""
        return self._emergencies.break_glass(patient, custodian, types, reason)

    def find_use(self, use_id: str) -> GlassUse | None:
        """Return an emergency's use as the chain has it, or None."""
        return self._emergencies.find_use(use_id)

    def list_received(self, patient: str | None, after: str) -> tuple[Received, ...]:
        """Return what other hospitals handed over; see `Receiving.list_received`."""
        return self._receiving.list_received(patient, after)

    def open_received(self, record_id: str) -> tuple[Received, Document | None]:
        """Return a received record and what it says; raises as `Receiving.open`."""
        return self._receiving.open(record_id)

    # -------------------------------------------------------------------------------------------------- the agent

    def step(self, event: AgentInput) -> list[AgentEffect]:
        """Take in what happened; return what to do, in order."""
        match event:
            case PeerRequested(request_id, peer, body):
                return self._answer(request_id, peer, body, event.now_ms)
            case PeerAnswered():
                subject = self._asking.take(event)
                notes = None if subject is None else self._receiving.take(subject, event)
                return [*(notes or []), *self._receive(event.now_ms)]
            case Committed():
                return self._take_block(event)
            case _:
                return self._sweep(event.now_ms) if event.now_ms - self._swept_ms >= SWEEP_MS else []

    def _take_block(self, event: Committed) -> list[AgentEffect]:
        """Work on the stays that a block's events name; a grant that names this hospital may concern any of them."""
        effects: list[AgentEffect] = [*self._in_flight.release(event)]
        answers = [*self._erasing.derive(), *self._refusals.derive(event.now_ms)]
        effects.extend(self._in_flight.offer(answers, event.now_ms))
        effects.extend(self._receive(event.now_ms))
        events = [item for receipt in event.receipts for item in receipt.events]
        named = {number for item in events for number in self._find_numbers(item.data)}
        if any(item.contract in ("consent", "authorities") and self._concerns(item.data) for item in events):
            effects.extend(self._in_flight.offer(self._linking.derive(), event.now_ms))
            named.update(self._open)
        named.update(self._find_disclosed([item for item in events if item.contract in ("consent", "emergencies")]))
        if named:
            self._in_flight.forgive()
        for number in self._open_again(named):
            effects.extend(self._work(self._book.get(number), event.now_ms))
        return effects

    def _find_numbers(self, data: bytes) -> list[str]:
        numbers = [self._book.find_number(found.decode("ascii")) for found in _ID.findall(data)]
        return [number for number in numbers if number is not None]

    def _find_disclosed(self, events: list[Event]) -> list[str]:
        """Return the stays, ended ones too, of whoever gave or changed a grant for a disclosure, or a use of one."""
        grants = {found.decode("ascii") for item in events for found in _GRANT.findall(item.data)}
        patients = {patient for grant_id in sorted(grants) if (patient := self._disclosed.note(grant_id)) is not None}
        return [number for number in self._book.numbers() if self._book.get(number).patient in patients]

    def _receive(self, now_ms: int) -> list[AgentEffect]:
        """Fetch and confirm what other hospitals share with this one."""
        calls, requests = self._receiving.derive(now_ms)
        return [*self._in_flight.offer(calls, now_ms), *requests]

    def _concerns(self, data: bytes) -> bool:
        """Whether an event of consent names this hospital, or a grant whose subject disclosed herself here."""
        grants = [found.decode("ascii") for found in _GRANT.findall(data)]
        return self.name.encode("ascii") in data or any(self._linking.entry(grant) is not None for grant in grants)

    def _open_again(self, numbers: set[str]) -> list[str]:
        self._open.update(dict.fromkeys(sorted(numbers)))
        return sorted(numbers)

    def _answer(self, request_id: int, peer: str, body: bytes, now_ms: int) -> list[AgentEffect]:
        try:
            question = decode_question(body)
        except DecodeError:
            reply = Refusal("MALFORMED", "expected a question between members")
            return [Answer(request_id, encode_body(reply))]
        if isinstance(question, FetchOrdered | FetchOrderedChunks):
            ordered = self._handover.answer_order(peer, question)
            outcome = ordered.code if isinstance(ordered, Refusal) else "OK"
            note = Note("order-answered", {"order": question.order_id, "peer": peer, "code": outcome})
            is_chunk = isinstance(question, FetchOrderedChunks) and outcome == "OK"
            turned = self._turn_away(peer, question.order_id, ordered, now_ms)
            return [Answer(request_id, encode_body(ordered)), *([] if is_chunk else [note]), *turned]
        if isinstance(question, FetchReason):
            told = self._emergencies.answer(peer, question)
            outcome = told.code if isinstance(told, Refusal) else "OK"
            note = Note("reason-asked", {"use": question.use_id, "peer": peer, "code": outcome})
            return [Answer(request_id, encode_body(told)), note, *self._turn_away(peer, question.use_id, told, now_ms)]
        if isinstance(question, VisitRules):
            result, calls = self._visiting.answer(peer, question)
            said: dict[str, str | int] = {"claim": question.claim_id, "peer": peer}
            said["code"] = result.code if isinstance(result, Refusal) else "OK"
            note = Note("rules-visited", said)
            return [note, *self._in_flight.offer(calls, now_ms), Answer(request_id, encode_body(result))]
        if not isinstance(question, FetchRecord | FetchChunks):
            refusal = Refusal("NOT_ASKED_HERE", "a hospital answers questions for records and visits")
            return [Answer(request_id, encode_body(refusal))]
        answer = self._handover.answer(peer, question)
        outcome = answer.code if isinstance(answer, Refusal) else "OK"
        fields: dict[str, str | int] = {"record": question.record_id, "peer": peer, "code": outcome}
        is_noted = isinstance(question, FetchRecord) or isinstance(answer, Refusal)
        notes = [Note("record-asked", fields)] if is_noted else []
        turned = self._turn_away(peer, question.record_id, answer, now_ms)
        return [*notes, Answer(request_id, encode_body(answer)), *turned]

    def _turn_away(self, peer: str, about: str, reply: Reply, now_ms: int) -> list[AgentEffect]:
        """Have what was refused point to point entered on the chain, if the chain knows what it is about."""
        if not isinstance(reply, Refusal):
            return []
        notes = self._refusals.note(peer, about, now_ms)
        return [*notes, *self._in_flight.offer(self._refusals.derive(now_ms), now_ms)]

    def _sweep(self, now_ms: int) -> list[AgentEffect]:
        """Look at the open stays that were not looked at for longest: what was lost or refused shows here."""
        self._swept_ms = now_ms
        effects: list[AgentEffect] = [*self._give_up(now_ms)]
        self._linking.judge_again(now_ms)
        answers = [*self._erasing.derive(), *self._refusals.derive(now_ms)]
        effects += self._in_flight.offer([*self._linking.derive(), *answers], now_ms)
        effects += self._receive(now_ms)
        for number in list(self._open)[:SWEEP_STAYS]:
            del self._open[number]
            self._open[number] = None
            effects.extend(self._work(self._book.get(number), now_ms))
        return effects

    def _go_on(self, stay: LocalStay, now_ms: int) -> tuple[StaySummary, list[AgentEffect]]:
        stay = self._book.put(stay)
        self._open_again({stay.number})
        effects = self._work(stay, now_ms)
        return self.show(stay.number), effects

    def _work(self, stay: LocalStay, now_ms: int) -> list[AgentEffect]:
        """Open lanes for grants that have become usable, and offer what every lane needs next."""
        if not stay.is_redacted and (not stay.discharges or stay.ended_ms is not None):
            stay = self._open_lanes(stay)
        if stay.patient in self._disclosed and not stay.is_redacted:
            for grant in self._coverage.find_disclosures(stay.patient, days_of(stay)):
                stay = self._open_lane(stay, grant)
        effects: list[AgentEffect] = []
        states: list[LaneState] = []
        try:
            self._writer.seal(stay)
            for lane in stay.lanes:
                progress = self._lanes.derive(stay, lane)
                states.append(progress.state)
                taken = self._in_flight.take_batch(progress.calls, now_ms)
                effects.extend([Submit(taken)] if taken else [])
        except VaultError as error:
            self._open.pop(stay.number, None)
            return [*effects, Note("stay-stuck", {"stay": stay.number, "why": str(error)})]
        is_decided = stay.ended_ms is None or stay.is_redacted
        has_ended = stay.discharges and is_decided and all(state in ENDED for state in states)
        delivered = [lane for lane, state in zip(stay.lanes, states, strict=True) if state == "delivered"]
        if has_ended and not any(self._lanes.keeps_documents(lane) for lane in delivered):
            self._open.pop(stay.number, None)
        return effects

    def _open_lanes(self, stay: LocalStay) -> LocalStay:
        """Open the lanes that are due now; of a stay that has ended, those that were due then.

        A grant that comes after the discharge opens none. But a node that is behind learns only later what was granted
        before: it looks again with each block, up to one that is not older than the discharge.
        """
        assert stay.admission is not None, "a stay that goes on is in use, and nothing of it is erased"
        patient, day = stay.patient, stay.admission.admission_day
        if stay.ended_ms is None or self._view.time_ms < stay.ended_ms:
            grants = self._coverage.find_grants(patient, day)
        else:
            grants = self._coverage.find_owed(patient, day, stay.ended_ms)
            stay = replace(stay, ended_ms=None)
        for grant in grants:
            stay = self._open_lane(stay, grant)
        return self._book.put(stay)

    def _open_lane(self, stay: LocalStay, grant: Grant) -> LocalStay:
        lane = (grant.subject, grant.grantee.organisation, grant.purpose)
        if lane in [(known.subject, known.insurer, known.purpose) for known in stay.lanes]:
            return stay
        return self._book.open_lane(stay, *lane)
