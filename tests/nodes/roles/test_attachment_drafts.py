"""Files that are coming in when the hospital dies: gone on with from the last whole chunk, or destroyed."""

import hashlib
import itertools
import os
from pathlib import Path
from typing import Any

import pytest

from contracts.stays import ListSeen, RecordView
from ledger.codec import decode
from ledger.errors import LedgerError
from nodes.roles.exchange.attachments import AttachmentLabel
from nodes.roles.hospital.attaching import ATTACHING, DRAFT_MS, DRAFTS_MAX, PIECE_BYTES_MAX, AttachingError
from nodes.vault import records as vault_records
from nodes.vault import register as vault_register
from nodes.vault.payloads import CHUNK_BYTES, SEALED_CHUNK_BYTES
from nodes.vault.register import Register
from tests.nodes.roles.lane import Lane
from tests.nodes.roles.test_attachments import FILE, WITH_DOCUMENTS, attach, read, status
from tests.nodes.roles.test_erasure import ask as ask_erasure
from tests.nodes.roles.test_erasure import settle
from tests.nodes.roles.town import Customer, Killed
from tests.nodes.secrets import search_folder

LABEL = AttachmentLabel("imaging", "application/dicom", len(FILE))
DIGEST = hashlib.sha256(FILE).digest()


@pytest.fixture
def lane(tmp_path: Path) -> Lane:
    return prepare(tmp_path)


def prepare(folder: Path, seed: int = 0) -> Lane:
    """Return a lane with a reported stay whose grant covers documents."""
    lane = Lane(folder, seed)
    wang = lane.know()
    wang.consent(record_types=WITH_DOCUMENTS)
    lane.desk.admit()
    lane.run()
    return lane


def begin(lane: Lane, digest: bytes = DIGEST) -> tuple[str, int]:
    return lane.desk.agent.begin_attachment("S-01", LABEL, digest, lane.town.now_ms)


def take(lane: Lane, draft: str, offset: int, piece: bytes) -> tuple[str, ...]:
    records: tuple[str, ...] = lane.town.operate(
        "hospital-a", lambda hospital: hospital.take_attachment(draft, offset, piece, lane.town.now_ms)
    )
    return records


def files(lane: Lane) -> dict[str, list[Path]]:
    """Return what lies in the vault of a draft."""
    vault = lane.town.folder / "hospital-a" / "vault"
    return {name: sorted((vault / name).iterdir()) for name in ("drafts", "draft-keys")}


def register(lane: Lane) -> Register:
    agent: Any = lane.desk.agent
    found: Register = agent._attaching._register
    return found


def check_nothing_left(lane: Lane) -> None:
    assert files(lane) == {"drafts": [], "draft-keys": []}
    assert register(lane).list_entries(ATTACHING) == ()


def finish(lane: Lane) -> str:
    """Send what is missing, as the desk does when it attaches the file again; return the record once it is there."""
    record_id = attach(lane)
    lane.run()
    assert status(lane, record_id) == ["DELIVERED"]
    assert read(lane, record_id) == FILE
    check_nothing_left(lane)
    return record_id


def test_a_killed_hospital_goes_on_from_the_last_whole_chunk(lane: Lane) -> None:
    draft, taken = begin(lane)
    assert taken == 0
    take(lane, draft, 0, FILE[:PIECE_BYTES_MAX])
    lane.town.restart("hospital-a")
    again, taken = begin(lane)
    assert again == draft
    assert PIECE_BYTES_MAX - CHUNK_BYTES < taken < PIECE_BYTES_MAX
    finish(lane)


def test_what_is_on_disk_until_then_is_sealed(lane: Lane) -> None:
    draft, _ = begin(lane)
    take(lane, draft, 0, FILE[:PIECE_BYTES_MAX])
    (chunks,), (keys,) = files(lane).values()
    assert chunks.stat().st_size == 16 * SEALED_CHUNK_BYTES
    assert FILE[:32] not in chunks.read_bytes()
    assert FILE[CHUNK_BYTES : CHUNK_BYTES + 32] not in chunks.read_bytes()
    assert keys.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("tear", ["cut", "zeros"])
def test_a_chunk_that_a_crash_tore_is_sealed_again(lane: Lane, tear: str) -> None:
    draft, _ = begin(lane)
    take(lane, draft, 0, FILE[:PIECE_BYTES_MAX])
    (chunks,) = files(lane)["drafts"]
    with chunks.open("r+b") as file:
        if tear == "cut":
            file.truncate(chunks.stat().st_size - 100)
        else:
            file.seek(15 * SEALED_CHUNK_BYTES + 8192)
            file.write(bytes(chunks.stat().st_size - file.tell()))
    lane.town.restart("hospital-a")
    _, taken = begin(lane)
    assert PIECE_BYTES_MAX - 2 * CHUNK_BYTES < taken < PIECE_BYTES_MAX - CHUNK_BYTES
    finish(lane)


def test_another_text_is_not_sealed_over_what_a_crash_left_of_a_chunk(lane: Lane) -> None:
    draft, _ = begin(lane)
    take(lane, draft, 0, FILE[:PIECE_BYTES_MAX])
    (chunks,) = files(lane)["drafts"]
    with chunks.open("r+b") as file:
        file.truncate(chunks.stat().st_size - 100)
    lane.town.restart("hospital-a")
    _, taken = begin(lane)
    with pytest.raises(LedgerError, match="expected the bytes that were taken in here before a restart, got others"):
        take(lane, draft, taken, bytes(2 * CHUNK_BYTES))
    check_nothing_left(lane)
    finish(lane)


def test_another_file_of_the_same_stay_is_another_draft(lane: Lane) -> None:
    draft, _ = begin(lane)
    take(lane, draft, 0, FILE[:PIECE_BYTES_MAX])
    other, taken = begin(lane, bytes(32))
    assert (other != draft, taken) == (True, 0)
    assert begin(lane) == (draft, PIECE_BYTES_MAX), "while the hospital lives, not even the rest is sent twice"


def test_a_file_that_does_not_come_whole_in_a_day_is_destroyed(lane: Lane) -> None:
    draft, _ = begin(lane)
    take(lane, draft, 0, FILE[:PIECE_BYTES_MAX])
    lane.town.now_ms += DRAFT_MS - 60_000
    lane.run_for(3_000)
    assert begin(lane)[0] == draft
    lane.town.restart("hospital-a")
    lane.run_for(60_000)
    check_nothing_left(lane)
    assert ("hospital-a", "attachment-given-up", {"stay": "S-01"}) in lane.town.notes
    with pytest.raises(AttachingError, match="attach the file again"):
        take(lane, draft, PIECE_BYTES_MAX, FILE[PIECE_BYTES_MAX:])


def test_the_one_that_makes_place_for_a_fifth_file_is_destroyed(lane: Lane) -> None:
    drafts = [begin(lane, bytes([number]) * 32)[0] for number in range(DRAFTS_MAX + 1)]
    assert len(files(lane)["draft-keys"]) == DRAFTS_MAX
    lane.town.restart("hospital-a")
    with pytest.raises(AttachingError, match="attach the file again"):
        take(lane, drafts[0], 0, b"x")
    assert begin(lane, bytes([1]) * 32) == (drafts[1], 0)


def test_keys_without_a_register_entry_are_destroyed_at_the_start(lane: Lane) -> None:
    draft, _ = begin(lane)
    register(lane).erase(ATTACHING, draft)
    lane.town.restart("hospital-a")
    check_nothing_left(lane)


def test_a_draft_whose_keys_are_gone_is_given_up_at_the_start(lane: Lane) -> None:
    begin(lane)
    (keys,) = files(lane)["draft-keys"]
    keys.unlink()
    lane.town.restart("hospital-a")
    check_nothing_left(lane)
    finish(lane)


def test_a_whole_file_that_is_damaged_on_disk_does_not_keep_the_hospital_from_starting(
    lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(_vault: vault_records.Vault, _record_id: str) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(vault_records.Vault, "keep_draft", die)
        with pytest.raises(Killed):
            attach(lane)
    (chunks,) = files(lane)["drafts"]
    chunks.unlink()
    lane.town.restart("hospital-a")
    check_nothing_left(lane)
    finish(lane)


def test_a_draft_of_a_stay_that_the_customer_has_erased_goes_with_it(tmp_path: Path) -> None:
    lane, wang = settle(tmp_path)
    draft, _ = begin(lane)
    take(lane, draft, 0, FILE[:PIECE_BYTES_MAX])
    (keys,) = files(lane)["draft-keys"]
    secret = decode(keys.read_bytes(), vault_records._KeyFile).keys.data_key
    assert ask_erasure(lane, wang) == "OK"
    lane.run()
    check_nothing_left(lane)
    assert search_folder({"data key": secret}, tmp_path) == []
    with pytest.raises(AttachingError, match="whole"):
        begin(lane)


class Dying:
    """Kills the hospital at its nth write or erasure: before it, or after a half or the whole of it."""

    def __init__(self, lane: Lane, number: int, part: str) -> None:
        self.lane, self.number, self.part = lane, number, part
        self.acts = 0

    def patch(self, patch: pytest.MonkeyPatch) -> None:
        for module in (vault_records, vault_register):
            for name in ("write_private", "erase_private"):
                patch.setattr(module, name, self.wrap(getattr(module, name)))
        patch.setattr(os, "pwrite", self.write_chunk(os.pwrite))

    def wrap(self, genuine: Any) -> Any:
        def act(*arguments: Any) -> None:
            self.acts += 1
            if self.acts == self.number and self.part == "before":
                raise Killed
            genuine(*arguments)
            if self.acts == self.number:
                raise Killed

        return act

    def write_chunk(self, genuine: Any) -> Any:
        def write(descriptor: int, data: bytes, offset: int) -> int:
            self.acts += 1
            if self.acts == self.number:
                genuine(descriptor, data[: {"before": 0, "half": len(data) // 2}.get(self.part, len(data))], offset)
                raise Killed
            written: int = genuine(descriptor, data, offset)
            return written

        return write


def test_killed_at_any_write_the_file_is_attached_once_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = itertools.cycle(("before", "half", "after"))
    for number in itertools.count(1, 4):
        lane = prepare(tmp_path / str(number), number)
        with monkeypatch.context() as patch:
            dying = Dying(lane, number, next(parts))
            dying.patch(patch)
            try:
                attach(lane)
            except Killed:
                lane.town.restart("hospital-a")
        lane.run()
        subject = Customer(lane.town, "wang").pseudonym.name
        views = lane.town.query("records", "of_subject", ListSeen(subject, ""), tuple[RecordView, ...])
        documents = [view.record.record_id for view in views if view.record.record_type == "document"]
        if not documents:
            finish(lane)
        else:
            (record_id,) = documents
            assert read(lane, record_id) == FILE, number
            check_nothing_left(lane)
        if dying.acts < number:
            break
    assert number > 20, "there were that many writes to die at"
