"""A recipient that does what an insurer owes a hospital and nothing else: links, fetches, opens, confirms."""

from typing import cast

from contracts.stays import Deliver, ListInbox, ShareView
from ledger.codec import decode
from nodes.agent import AgentEffect, AgentInput, Call, Committed, PeerAnswered, Request, Submit
from nodes.roles.exchange.documents import Document
from nodes.roles.exchange.questions import FetchRecord, RecordHandover, Refusal, decode_reply, encode_body
from nodes.roles.in_flight import InFlight
from nodes.roles.linking import Linked, Linking
from nodes.roles.lookup import find_record
from nodes.vault.records import RecordDigest
from nodes.vault.sealing import SealContext, Sealed, open_envelope
from nodes.wallet import Challenge
from tests.nodes.roles.town import Kit

ASK_MS = 8_000


class Recipient:
    """Everything handed to an organisation, opened."""

    def __init__(self, kit: Kit) -> None:
        self.name = kit.name
        self.kit = kit
        self.linking = Linking(kit.name, kit.view, kit.register, kit.keystore.seal, kit.entropy)
        self.in_flight = InFlight(kit.name)
        self.asked: dict[str, int] = {}
        self.requests: dict[int, ShareView] = {}
        self.refusals: list[Refusal] = []
        self.refused: set[tuple[str, int]] = set()
        self.fetches = True

    def challenge(self, grant_id: str, now_ms: int) -> Challenge:
        return self.linking.challenge(grant_id, now_ms)

    def disclose(
        self, grant_id: str, sealed: Sealed, answer: bytes, seal_key: bytes, now_ms: int
    ) -> tuple[Linked, list[AgentEffect]]:
        linked = self.linking.disclose(grant_id, sealed, answer, seal_key, now_ms)
        return linked, self._submit(self.linking.derive(), now_ms)

    def step(self, event: AgentInput) -> list[AgentEffect]:
        if isinstance(event, Committed):
            self.in_flight.release(event)
        if isinstance(event, PeerAnswered):
            self._take(event)
        calls = self.linking.derive()
        effects: list[AgentEffect] = []
        for view in self.kit.view.query("records", "inbox", ListInbox(self.name), tuple[ShareView, ...]):
            record_id = view.share.record_id
            if record_id in self.kit.vault:
                calls.append(Call("records", "deliver", Deliver(record_id)))
            elif (record_id, view.share.sequence) in self.refused:
                continue
            elif self.fetches and self.asked.get(record_id, 0) <= event.now_ms:
                self.asked[record_id] = event.now_ms + ASK_MS
                effects.append(self._ask(view))
        return [*self._submit(calls, event.now_ms), *effects]

    def document(self, record_id: str) -> Document:
        """Return what a record says."""
        return decode(self.kit.vault.open(record_id), cast("type[Document]", Document))

    def _ask(self, view: ShareView) -> Request:
        number = len(self.requests) + 1
        self.requests[number] = view
        body = encode_body(FetchRecord(view.share.record_id, view.share.sequence))
        return Request(number, view.share.hospital, body)

    def _take(self, event: PeerAnswered) -> None:
        share = self.requests[event.request_id].share
        if event.body is None:
            return
        reply = decode_reply(event.body)
        if isinstance(reply, Refusal):
            self.refusals.append(reply)
            self.refused.add((share.record_id, share.sequence))
            return
        assert isinstance(reply, RecordHandover)
        if share.record_id in self.kit.vault:
            return
        entered = find_record(self.kit.view, share.record_id)
        custodian = self.kit.view.actor(share.hospital)
        assert entered is not None
        assert custodian is not None
        record = entered.record
        context = SealContext(self.kit.view.chain_id, share.record_id, share.hospital, self.name)
        keys = open_envelope(
            self.kit.keystore.seal, reply.envelope, context, record.ciphertext_hash, custodian.keys[-1].public_key
        )
        for opening in keys.openings:
            opening.verify(record.total)
        digest = RecordDigest(record.record_id, record.ciphertext_hash, record.commitment)
        self.kit.vault.put(digest, keys, reply.ciphertext)

    def _submit(self, calls: list[Call], now_ms: int) -> list[AgentEffect]:
        taken = self.in_flight.take(calls, now_ms)
        return [Submit(taken)] if taken else []
