"""How a recipient takes in attached documents: chunk by chunk, beside everything else.

    1. offer    the keys, in an envelope that is held against the chain like every record's
    2. chunks   the next ones are asked for, opened, kept; what arrived is gone on with after a restart
    3. keep     once the whole has the hash and the commitment of the chain; DELIVERED is said then, by itself
       dispute  if a chunk does not open, or the whole is another

A few documents arrive at a time and each has one question on its way, so they cost bounded memory, and statements that
a claim waits for are never behind more than these. A refusal that stands removes what arrived. A full disk does not:
nothing is kept half, and the same chunk is asked for again later.
"""

from dataclasses import dataclass

from contracts.stays import ShareReceipt
from ledger.errors import DecodeError, VerificationError
from nodes.agent import Note, PeerAnswered, Request
from nodes.roles.exchange.arriving import ARRIVING_MAX, FULL_DISK_MS, Arrival, is_full_disk
from nodes.roles.exchange.asking import Asking, note_lost_key
from nodes.roles.exchange.intake import WITHHELD, WITHHELD_MS, Intake, key_of
from nodes.roles.exchange.questions import (
    AttachmentChunks,
    AttachmentOffer,
    FetchChunks,
    FetchRecord,
    Refusal,
    decode_reply,
    encode_body,
)
from nodes.vault.records import Vault
from nodes.vault.sealing import LostKeyError


@dataclass(slots=True)
class _Arrival:
    share: ShareReceipt
    document: Arrival


class AttachmentIntake:
    """The documents that are handed to one recipient."""

    def __init__(self, vault: Vault, intake: Intake, asking: Asking) -> None:
        """Begin with whatever the vault holds.

        Args:
            vault: Keeps what arrived.
            intake: Opens envelopes and writes disputes down.
            asking: The agent's questions.
        """
        self._vault = vault
        self._intake = intake
        self._asking = asking
        self._arriving: dict[str, _Arrival] = {}
        self._waiting: tuple[str, ...] | None = None

    def fetch(self, shares: tuple[ShareReceipt, ...], now_ms: int) -> list[Request]:
        """Return the questions to custodians that are due."""
        wanted = [share for share in shares if share.record_type == "document" and self._intake.is_wanted(share)]
        self._tidy(wanted)
        requests = []
        for share in wanted:
            subject = key_of(share)
            if subject not in self._arriving and len(self._arriving) >= ARRIVING_MAX:
                continue
            if not self._asking.may_ask(subject, now_ms):
                continue
            arrival = self._arriving.setdefault(subject, _Arrival(share, Arrival(self._vault, share.record_id)))
            requests.append(self._asking.ask(subject, share.hospital, _ask_next(arrival), now_ms))
        return requests

    def take(self, subject: str, event: PeerAnswered) -> list[Note] | None:
        """Take in an answer of a custodian; as `Intake.take`."""
        arrival = self._arriving.get(subject)
        if arrival is None:
            return None
        share = arrival.share
        if not self._intake.is_wanted(share):
            self._stop(subject)
            return []
        if event.body is None:
            self._pause(subject)
            return []
        fields: dict[str, str | int] = {"record": share.record_id, "custodian": share.hospital}
        try:
            reply = decode_reply(event.body)
            if isinstance(reply, Refusal):
                return [self._note_refusal(subject, reply, event.now_ms, fields)]
            return self._take_reply(subject, arrival, reply, fields)
        except LostKeyError as error:
            self._pause(subject)
            return [note_lost_key(fields, error)]
        except (VerificationError, DecodeError) as error:
            self._stop(subject)
            self._intake.note_dispute(share, str(error))
            return [Note("handover-disputed", fields)]
        except OSError as error:
            if not is_full_disk(error):
                raise
            self._asking.postpone(subject, event.now_ms, FULL_DISK_MS)
            return [Note("document-waits", {**fields, "why": "the disk is full; what arrived is kept"})]

    def _take_reply(self, subject: str, arrival: _Arrival, reply: object, fields: dict[str, str | int]) -> list[Note]:
        document = arrival.document
        if isinstance(reply, AttachmentOffer) and document.next_chunk is None:
            document.begin(*self._intake.open_keys(arrival.share, reply.envelope), reply)
        elif isinstance(reply, AttachmentChunks) and document.next_chunk is not None:
            document.take(reply)
        else:
            self._pause(subject)
            return [Note("handover-refused", {**fields, "code": "UNEXPECTED"})]
        self._asking.forget(subject)
        chunks = document.keep_whole()
        if not chunks:
            return []
        del self._arriving[subject]
        return [Note("record-opened", {**fields, "chunks": chunks})]

    def _note_refusal(self, subject: str, reply: Refusal, now_ms: int, fields: dict[str, str | int]) -> Note:
        if reply.code in WITHHELD:
            self._stop(subject)
            self._asking.postpone(subject, now_ms, WITHHELD_MS)
        else:
            self._pause(subject)
        return Note("handover-refused", {**fields, "code": reply.code})

    def _tidy(self, wanted: list[ShareReceipt]) -> None:
        """Remove what arrived of documents that nobody shares any more; looked at when the shares change."""
        waiting = tuple(share.record_id for share in wanted)
        if waiting == self._waiting:
            return
        self._waiting = waiting
        subjects = {key_of(share) for share in wanted}
        for subject in [subject for subject in self._arriving if subject not in subjects]:
            self._pause(subject)
        for record_id in self._vault.list_arriving():
            if record_id not in waiting:
                self._vault.stop_arrival(record_id)

    def _pause(self, subject: str) -> None:
        """Make place for another document; what arrived stays in the vault."""
        self._arriving.pop(subject).document.pause()

    def _stop(self, subject: str) -> None:
        self._arriving.pop(subject).document.stop()


def _ask_next(arrival: _Arrival) -> bytes:
    share, first = arrival.share, arrival.document.next_chunk
    if first is None:
        return encode_body(FetchRecord(share.record_id, share.sequence))
    return encode_body(FetchChunks(share.record_id, share.sequence, first))
