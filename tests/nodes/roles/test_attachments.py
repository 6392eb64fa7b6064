"""Attached documents: chunk by chunk from hospital to insurer, over kills, revocations, full disks and lies."""

import errno
import hashlib
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from contracts.entries import SHARE_HEIGHTS
from ledger.errors import LedgerError
from nodes.agent import Answer, PeerRequested
from nodes.cli.customers.activity import describe
from nodes.roles.activity import list_looks
from nodes.roles.exchange.attachments import AttachmentLabel, read_head
from nodes.roles.exchange.questions import (
    ANSWER_CHUNKS_MAX,
    AttachmentChunks,
    AttachmentOffer,
    FetchChunks,
    FetchRecord,
    Refusal,
    Reply,
    decode_question,
    decode_reply,
    encode_body,
)
from nodes.roles.hospital.attaching import PIECE_BYTES_MAX, AttachingError
from nodes.roles.lookup import find_record
from nodes.vault.attachments import read_plaintext
from nodes.vault.payloads import CHUNK_BYTES
from nodes.vault.records import Vault
from tests.nodes.roles.desk import discharge
from tests.nodes.roles.lane import Lane
from tests.nodes.roles.town import ALL_TYPES, Customer

WITH_DOCUMENTS = tuple(sorted((*ALL_TYPES, "document")))
FILE = hashlib.shake_256(b"an image").digest(20 * CHUNK_BYTES + 4321)


@pytest.fixture
def lane(tmp_path: Path) -> Lane:
    return Lane(tmp_path)


@pytest.fixture
def wang(lane: Lane) -> Customer:
    """Return a customer whose grant covers documents, with her stay reported."""
    wang = lane.know()
    lane.issue()
    wang.consent(record_types=WITH_DOCUMENTS)
    lane.desk.admit()
    lane.run()
    return wang


def take_piece(hospital: Any, **piece: Any) -> Any:
    draft_id = piece.pop("draft")
    return hospital.take_attachment(draft_id, **piece)


def attach(lane: Lane, file: bytes = FILE, kind: Any = "imaging", copies: int = 1) -> str:
    """Have the desk attach a file to the one stay, sealed for so many; return the first one's record."""
    label = AttachmentLabel(kind, "application/dicom", len(file))
    digest = hashlib.sha256(file).digest()
    draft, taken = lane.desk.agent.begin_attachment("S-01", label, digest, lane.town.now_ms)
    records: tuple[str, ...] = ()
    for offset in range(taken, len(file), PIECE_BYTES_MAX):
        piece = file[offset : offset + PIECE_BYTES_MAX]
        take = partial(take_piece, draft=draft, offset=offset, piece=piece, now_ms=lane.town.now_ms)
        records = lane.town.operate("hospital-a", take)
    assert len(records) == copies
    return records[0]


def vault_of(lane: Lane, name: str = "insurer-a") -> Vault:
    agent: Any = lane.town.agents[name]
    vault = agent._attachments._vault if name == "insurer-a" else agent._handover._vault
    assert isinstance(vault, Vault)
    return vault


def status(lane: Lane, record_id: str) -> list[str]:
    view = find_record(lane.town.view, record_id)
    return [] if view is None else [share.status for share in view.shares]


def read(lane: Lane, record_id: str) -> bytes:
    plaintext = b"".join(read_plaintext(vault_of(lane), record_id))
    label, begin = read_head(plaintext)
    assert label.media_type == "application/dicom"
    return plaintext[begin:]


def asked_for(lane: Lane, record_id: str, choose: Callable[[int], bool]) -> None:
    """Lose the questions for chunks that a test chooses by their first chunk."""

    def loses(_source: str, _peer: str, body: bytes) -> bool:
        question = decode_question(body)
        return isinstance(question, FetchChunks) and question.record_id == record_id and choose(question.first)

    lane.town.loses_request = loses


def ask(lane: Lane, question: FetchRecord | FetchChunks, peer: str = "insurer-a") -> Reply:
    effects = lane.town.agents["hospital-a"].step(PeerRequested(1, peer, encode_body(question), lane.town.now_ms))
    (body,) = [effect.body for effect in effects if isinstance(effect, Answer)]
    return decode_reply(body)


def test_a_document_arrives_whole_is_confirmed_and_settles_nothing(lane: Lane, wang: Customer) -> None:
    record_id = attach(lane)
    lane.run()
    assert status(lane, record_id) == ["DELIVERED"]
    assert read(lane, record_id) == FILE
    (look,) = [
        look for look in list_looks(lane.town.view, wang.pseudonym.name, "shares", "").looks if look.record == record_id
    ]
    assert (look.by, look.status, look.record_types, look.field_set) == (
        "insurer-a",
        "delivered",
        ("document",),
        "HPAYMT/document/1",
    )
    assert "附件 attached document" in describe(look, with_fields=True)[0]
    lane.desk.discharge("S-01", discharge())
    lane.run()
    paid = lane.payable()
    assert paid > 0
    late = attach(lane, FILE[:100], "pathology")
    lane.run()
    assert status(lane, late) == ["DELIVERED"]
    assert lane.payable() == paid
    assert len(lane.claim().settlements) == 1
    assert lane.desk.agent.show("S-01").lanes[0].state == "delivered"


def test_nothing_is_entered_of_a_document_that_the_grant_does_not_cover(lane: Lane) -> None:
    lane.insure()
    lane.desk.admit()
    lane.run()
    record_id = attach(lane)
    lane.desk.discharge("S-01", discharge())
    lane.run()
    assert find_record(lane.town.view, record_id) is None
    assert lane.payable() > 0


def test_what_the_claims_grant_does_not_cover_comes_under_another_grant_that_does(lane: Lane) -> None:
    wang = lane.insure()
    lane.desk.admit()
    lane.run()
    early = attach(lane)
    lane.desk.discharge("S-01", discharge())
    lane.run()
    late = attach(lane, FILE[:100], "pathology")
    paid = lane.payable()
    assert [find_record(lane.town.view, record_id) for record_id in (early, late)] == [None, None]
    claims = lane.claim().claim.grant_id
    wang.consent(record_types=WITH_DOCUMENTS)
    lane.run()
    for record_id in (early, late):
        assert status(lane, record_id) == ["DELIVERED"]
        view = find_record(lane.town.view, record_id)
        assert view is not None
        assert view.shares[0].share.grant_id != claims
    assert (lane.claim().claim.grant_id, lane.payable()) == (claims, paid)


def test_a_settlement_does_not_wait_for_a_document_that_does_not_come(lane: Lane, wang: Customer) -> None:
    record_id = attach(lane)
    asked_for(lane, record_id, lambda first: first > 0)
    lane.desk.discharge("S-01", discharge())
    lane.run_for(60_000)
    assert lane.payable() > 0
    assert status(lane, record_id) == ["SHARED"]


def test_a_killed_insurer_goes_on_where_it_stopped(lane: Lane, wang: Customer) -> None:
    record_id = attach(lane)
    asked_for(lane, record_id, lambda first: first >= 2 * ANSWER_CHUNKS_MAX)
    lane.run_for(60_000)
    assert record_id not in vault_of(lane)
    assert vault_of(lane).list_arriving() == (record_id,)
    lane.town.restart("insurer-a")
    assert vault_of(lane).list_arriving() == (record_id,)
    firsts: list[int] = []

    def note(first: int) -> bool:
        firsts.append(first)
        return False

    asked_for(lane, record_id, note)
    lane.run()
    assert firsts[0] == 2 * ANSWER_CHUNKS_MAX
    assert status(lane, record_id) == ["DELIVERED"]
    assert read(lane, record_id) == FILE
    assert vault_of(lane).list_arriving() == ()


def test_a_torn_chunk_is_cut_off_and_asked_for_again(lane: Lane, wang: Customer) -> None:
    record_id = attach(lane)
    asked_for(lane, record_id, lambda first: first >= ANSWER_CHUNKS_MAX)
    lane.run_for(60_000)
    path = lane.town.folder / "insurer-a" / "vault" / "arriving" / record_id
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 100)
    lane.town.restart("insurer-a")
    lane.town.loses_request = lambda _source, _peer, _body: False
    lane.run()
    assert read(lane, record_id) == FILE


def test_a_killed_hospital_loses_nothing(lane: Lane, wang: Customer) -> None:
    record_id = attach(lane)
    asked_for(lane, record_id, lambda first: first >= ANSWER_CHUNKS_MAX)
    lane.run_for(30_000)
    lane.town.restart("hospital-a")
    lane.town.loses_request = lambda _source, _peer, _body: False
    lane.run()
    assert status(lane, record_id) == ["DELIVERED"]


def test_both_killed_at_any_action_deliver_it_in_the_end(tmp_path: Path) -> None:
    for seed in range(3):
        lane = Lane(tmp_path / str(seed), seed)
        wang = lane.know()
        wang.consent(record_types=WITH_DOCUMENTS)
        lane.desk.admit()
        lane.run()
        record_id = attach(lane)
        lane.town.kills = {lane.town.actions + 3 + 5 * step + seed for step in range(8)}
        lane.run()
        assert status(lane, record_id)[-1] == "DELIVERED"
        assert read(lane, record_id) == FILE


def test_a_revocation_between_two_chunks_stops_it_and_removes_what_arrived(lane: Lane, wang: Customer) -> None:
    record_id = attach(lane)
    asked_for(lane, record_id, lambda first: first >= ANSWER_CHUNKS_MAX)
    lane.run_for(30_000)
    sequence = 1
    assert isinstance(ask(lane, FetchChunks(record_id, sequence, ANSWER_CHUNKS_MAX)), AttachmentChunks)
    grant_id = lane.claim().claim.grant_id
    wang.revoke(grant_id)
    refusal = ask(lane, FetchChunks(record_id, sequence, ANSWER_CHUNKS_MAX))
    assert isinstance(refusal, Refusal)
    assert refusal.code == "AUTH-013"
    lane.town.loses_request = lambda _source, _peer, _body: False
    lane.run_for(60_000)
    assert vault_of(lane).list_arriving() == ()
    assert record_id not in vault_of(lane)


def test_chunks_are_for_the_recipient_of_the_share_alone(lane: Lane, wang: Customer) -> None:
    record_id = attach(lane)
    asked_for(lane, record_id, lambda _first: True)
    lane.run_for(10_000)
    for peer, sequence in (("insurer-b", 1), ("hospital-b", 1), ("insurer-a", 2)):
        answer = ask(lane, FetchChunks(record_id, sequence, 0), peer)
        assert isinstance(answer, Refusal)
        assert answer.code == "NOT_SHARED"
    beyond = ask(lane, FetchChunks(record_id, 1, 1000))
    assert isinstance(beyond, Refusal)
    assert beyond.code == "NO_CHUNK"


def test_a_lapsed_share_gives_no_chunk(lane: Lane, wang: Customer) -> None:
    record_id = attach(lane)
    asked_for(lane, record_id, lambda _first: True)
    lane.run_for(5_000)
    for _ in range(SHARE_HEIGHTS + 1):
        lane.town.add_block(())
    answer = ask(lane, FetchChunks(record_id, 1, 0))
    assert isinstance(answer, Refusal)
    assert answer.code == "LAPSED"


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda chunks: (chunks[0][:-1], *chunks[1:]), "chunk 0 of 21 does not open"),
        (lambda chunks: (chunks[1], chunks[0], *chunks[2:]), "chunk 0 of 21 does not open"),
        (lambda chunks: (*chunks[:-1], chunks[-1][:1] + bytes(1) + chunks[-1][2:]), "chunk 3 of 21 does not open"),
        (lambda _chunks: (), "expected chunks from 0 on"),
    ],
    ids=["truncated", "swapped", "changed", "none"],
)
def test_a_chunk_that_does_not_open_is_disputed_and_nothing_is_kept(
    lane: Lane, wang: Customer, spoil: Callable[[tuple[bytes, ...]], tuple[bytes, ...]], why: str
) -> None:
    hospital = lane.town.agents["hospital-a"]
    genuine = hospital.step

    def lie(event: Any) -> Any:
        effects = genuine(event)
        for place, effect in enumerate(effects):
            reply = decode_reply(effect.body) if isinstance(effect, Answer) else None
            if isinstance(effect, Answer) and isinstance(reply, AttachmentChunks):
                spoilt = AttachmentChunks(reply.record_id, reply.first, spoil(reply.chunks))
                effects[place] = Answer(effect.request_id, encode_body(spoilt))
        return effects

    hospital.step = lie  # type: ignore[method-assign]
    record_id = attach(lane)
    lane.run_for(30_000)
    assert "DISPUTED" in status(lane, record_id)
    assert "DELIVERED" not in status(lane, record_id)
    entries = lane.insurer._intake._disputed.values()
    assert any(why in entry.reason for entry in entries)
    assert record_id not in vault_of(lane)
    assert vault_of(lane).list_arriving() == ()


def test_a_custodian_that_answers_something_else_keeps_no_place_from_other_documents(
    lane: Lane, wang: Customer
) -> None:
    hospital = lane.town.agents["hospital-a"]
    genuine, honest = hospital.step, ""

    def lie(event: Any) -> Any:
        effects = genuine(event)
        for place, effect in enumerate(effects):
            reply = decode_reply(effect.body) if isinstance(effect, Answer) else None
            if isinstance(effect, Answer) and isinstance(reply, AttachmentOffer) and reply.record_id != honest:
                other = AttachmentChunks(reply.record_id, 0, (bytes(16),))
                effects[place] = Answer(effect.request_id, encode_body(other))
        return effects

    hospital.step = lie  # type: ignore[method-assign]
    spoilt = [attach(lane, FILE[:size]) for size in (1_000, 2_000)]
    lane.run_for(10_000)
    honest = attach(lane, FILE[:3_000])
    lane.run_for(120_000)
    assert status(lane, honest) == ["DELIVERED"]
    assert [status(lane, record_id) for record_id in spoilt] == [["SHARED"], ["SHARED"]]


def test_a_full_disk_keeps_what_arrived_and_goes_on_later(
    lane: Lane, wang: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_id = attach(lane)
    genuine = os.pwrite
    free = [6]

    def write(descriptor: int, data: bytes, offset: int) -> int:
        if free[0] == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        free[0] -= 1
        return genuine(descriptor, data[: len(data) // 2] if free[0] == 0 else data, offset)

    monkeypatch.setattr(os, "pwrite", write)
    lane.run_for(20_000)
    waits = [fields for _, event, fields in lane.town.notes if event == "document-waits"]
    assert waits
    assert "the disk is full" in str(waits[0]["why"])
    path = lane.town.folder / "insurer-a" / "vault" / "arriving" / record_id
    assert path.stat().st_size % (CHUNK_BYTES + 16) == 0
    monkeypatch.setattr(os, "pwrite", genuine)
    lane.run()
    assert status(lane, record_id) == ["DELIVERED"]
    assert read(lane, record_id) == FILE


def test_a_full_disk_at_the_desk_keeps_nothing_and_says_so(
    lane: Lane, wang: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", write)
        with pytest.raises(LedgerError, match=r"No space left on device.*nothing was kept"):
            attach(lane)
    assert list((lane.town.folder / "hospital-a" / "vault" / "drafts").iterdir()) == []
    record_id = attach(lane)
    lane.run()
    assert status(lane, record_id) == ["DELIVERED"]


def test_the_desk_sends_pieces_in_order_and_the_file_that_it_announced(lane: Lane, wang: Customer) -> None:
    label = AttachmentLabel("other", "text/plain", 10)
    now_ms = lane.town.now_ms
    draft, _ = lane.desk.agent.begin_attachment("S-01", label, hashlib.sha256(b"0123456789").digest(), now_ms)
    with pytest.raises(AttachingError, match="expected 1 to 10 bytes at 0, got 5 at 5"):
        lane.desk.agent.take_attachment(draft, 5, b"56789", now_ms)
    with pytest.raises(AttachingError, match="expected 1 to 10 bytes at 0, got 11 at 0"):
        lane.desk.agent.take_attachment(draft, 0, b"0123456789X", now_ms)
    assert lane.desk.agent.take_attachment(draft, 0, b"01234", now_ms) == ((), [])
    with pytest.raises(AttachingError, match="sha256: expected 84d89877f0d4041e"):
        lane.desk.agent.take_attachment(draft, 5, b"5678X", now_ms)
    with pytest.raises(AttachingError, match="attach the file again"):
        lane.desk.agent.take_attachment(draft, 5, b"56789", now_ms)
    assert list((lane.town.folder / "hospital-a" / "vault" / "drafts").iterdir()) == []


def test_a_file_cannot_be_attached_where_nobody_sees_it(lane: Lane) -> None:
    lane.know()
    lane.desk.admit()
    with pytest.raises(AttachingError, match="expected a stay that is reported"):
        attach(lane)


def test_an_offer_holds_the_keys_and_no_payload(lane: Lane, wang: Customer) -> None:
    record_id = attach(lane)
    asked_for(lane, record_id, lambda _first: True)
    lane.run_for(10_000)
    offer = ask(lane, FetchRecord(record_id, 1))
    assert isinstance(offer, AttachmentOffer)
    assert len(encode_body(offer)) < 4096
    assert offer.payload_bytes > len(FILE)
