"""A peer asks for a record: hand it over, or say no.

Decided on the latest committed state and on nothing that the question says: the record is this hospital's own, the
share it names is the latest one with the asking peer, it neither lapsed nor was answered, its grant still covers it,
and the claim it serves goes on, if it is for one. A share that was committed before a revocation and not yet handed
over is not handed over any more.

An attached document takes many questions. Each of them is judged anew, so a revocation stops it between two chunks.

What a stranger may learn from a refusal is nothing: for a record that was not shared with her the answer is the same
as for one that does not exist.
"""

from contracts.conditions import CLAIM_PURPOSE
from contracts.needs import Need
from contracts.stays import Record, RecordView, ShareView, Stay
from ledger.crypto.hashes import hash_bytes
from nodes.agent import ChainView
from nodes.keystore import Keystore
from nodes.roles.activity import find_order
from nodes.roles.erasing import list_asked
from nodes.roles.exchange.questions import (
    ANSWER_CHUNKS_MAX,
    AttachmentChunks,
    AttachmentOffer,
    FetchChunks,
    FetchOrdered,
    FetchOrderedChunks,
    FetchRecord,
    RecordHandover,
    Refusal,
)
from nodes.roles.lookup import RemovedMemberError, explain, find_record, find_seal_key, find_stay
from nodes.roles.own_keys import OwnKeys
from nodes.vault.attachments import measure_payload, read_chunks
from nodes.vault.records import Vault, VaultError
from nodes.vault.sealing import SealContext, make_envelope

Given = RecordHandover | AttachmentOffer | AttachmentChunks


class Handover:
    """Answers for one hospital."""

    def __init__(self, hospital: str, view: ChainView, keystore: Keystore, vault: Vault) -> None:
        """Hand over from one vault.

        Args:
            hospital: The custodian.
            view: The latest committed state.
            keystore: Signs envelopes.
            vault: Holds the records.
        """
        self._hospital = hospital
        self._view = view
        self._keys = OwnKeys(hospital, view, keystore)
        self._vault = vault

    def answer(self, peer: str, question: FetchRecord | FetchChunks) -> Given | Refusal:
        """Return the record, sealed to the peer, or what is asked for of an attached document, or why not.

        Args:
            peer: Who asks, as mutual TLS established.
            question: Which share.
        """
        view = find_record(self._view, question.record_id)
        share = None if view is None else _find_share(view, peer, question.sequence)
        if view is None or share is None or view.record.hospital != self._hospital:
            return Refusal("NOT_SHARED", f"{question.record_id}: no such share with {peer}")
        if share.status != "SHARED":
            return Refusal(
                share.status, f"{question.record_id}: expected a share that waits, this one is {share.status}"
            )
        if question.record_id in list_asked(self._view, view.record.stay_id, self._hospital, peer):
            return Refusal("ERASED", f"{question.record_id}: the customer asked to have it erased")
        stay = find_stay(self._view, view.record.stay_id)
        assert stay is not None, "a record belongs to a stay"
        if stay.stay.claim_id is None and stay.stay.purpose == CLAIM_PURPOSE:
            return Refusal("WITHDRAWN", f"{question.record_id}: the claim it was shared for is withdrawn")
        finding = explain(self._view, self._need(view, share, stay.stay)).finding
        if finding is not None:
            return Refusal(finding.code, f"{question.record_id}: its grant does not cover it any more")
        try:
            if isinstance(question, FetchChunks):
                return self._hand_chunks(view.record, question.first)
            return self._hand_over(peer, view.record)
        except VaultError:
            return Refusal("UNAVAILABLE", f"{question.record_id}: erased or damaged at its custodian")

    def answer_order(self, peer: str, question: FetchOrdered | FetchOrderedChunks) -> Given | Refusal:
        """Return a record that a regulator ordered under a law, sealed to it, or chunks of a document, or why not.

        No grant is asked for and no claim: the order on the chain is the door, and the customer sees it there.

        Args:
            peer: Who asks, as mutual TLS established.
            question: Which order.
        """
        order = find_order(self._view, question.order_id)
        if order is None or order.regulator != peer or order.hospital != self._hospital:
            return Refusal("NOT_ORDERED", f"{question.order_id}: no such order of {peer}")
        if order.answer is not None:
            return Refusal(order.answer.result, f"{question.order_id}: expected an order that waits")
        view = find_record(self._view, order.record_id)
        assert view is not None, "what is ordered was entered"
        try:
            if isinstance(question, FetchOrderedChunks):
                return self._hand_chunks(view.record, question.first)
            return self._hand_over(peer, view.record)
        except VaultError:
            return Refusal("UNAVAILABLE", f"{order.record_id}: erased or damaged at its custodian")

    def _hand_over(self, peer: str, record: Record) -> Given | Refusal:
        try:
            seal_key = find_seal_key(self._view, peer)
        except RemovedMemberError as error:
            return Refusal("NO_SEAL_KEY", str(error))
        record_id = record.record_id
        context = SealContext(self._view.chain_id, record_id, self._hospital, peer)
        if record.record_type == "document":
            payload_bytes = measure_payload(self._vault, record_id)
            keys = self._vault.keys(record_id)
            envelope = make_envelope(self._keys.now(), seal_key, context, keys, record.ciphertext_hash)
            return AttachmentOffer(record_id, envelope, payload_bytes)
        keys, ciphertext = self._vault.get(record_id)
        envelope = make_envelope(self._keys.now(), seal_key, context, keys, hash_bytes(ciphertext))
        return RecordHandover(record_id, envelope, ciphertext)

    def _hand_chunks(self, record: Record, first: int) -> AttachmentChunks | Refusal:
        chunks: tuple[bytes, ...] = ()
        if record.record_type == "document":
            chunks = read_chunks(self._vault, record.record_id, first, ANSWER_CHUNKS_MAX)
        if not chunks:
            return Refusal("NO_CHUNK", f"{record.record_id}: has no chunk {first} that is handed over by itself")
        return AttachmentChunks(record.record_id, first, chunks)

    def _need(self, view: RecordView, share: ShareView, stay: Stay) -> Need:
        record = view.record
        return Need(
            share.share.grant_id,
            self._hospital,
            share.share.recipient,
            record.subject,
            record.record_type,
            record.stay_id,
            stay.claim_id,
            "enter",
            stay.purpose,
        )


def _find_share(view: RecordView, peer: str, sequence: int) -> ShareView | None:
    """Return the share of this number if it is the latest one with the peer."""
    shares = [item for item in view.shares if item.share.recipient == peer]
    return shares[-1] if shares and shares[-1].share.sequence == sequence else None
