"""Whoever reads an attached document at a node leaves a line in its log, wherever in the file the reading begins."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from fastapi.routing import APIRoute

from nodes.agent import Note
from nodes.api import attachments
from nodes.entropy import SystemEntropy
from nodes.roles.exchange.attachments import AttachmentLabel, write_head
from nodes.vault.payloads import CHUNK_BYTES
from nodes.vault.records import Vault

RECORD = "record-0123456789ab"
FILE = bytes(range(256)) * (20 * CHUNK_BYTES // 256)


def test_no_part_of_a_document_is_read_without_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vault = Vault(tmp_path, "xinpei-0123456789abcdef", SystemEntropy())
    head = write_head(AttachmentLabel("imaging", "application/dicom", len(FILE)))
    vault.add(RECORD, head + FILE)
    view = SimpleNamespace(record=SimpleNamespace(record_type="document"))
    monkeypatch.setattr(attachments, "find_record", lambda *_: view)
    notes: list[Note] = []
    host = SimpleNamespace(perform=lambda _name, effects, _now_ms: notes.extend(effects))
    node: Any = SimpleNamespace(view=None, organisation="insurer-a", host=host)
    caller: Any = SimpleNamespace(name="insurer-a")
    routes = [cast("APIRoute", route) for route in attachments.make_document_router(vault).routes]
    read: Any = next(route.endpoint for route in routes if route.path.endswith("/chunks/{first}"))
    assert asyncio.run(read(node, caller, RECORD, 16)).body == (head + FILE)[16 * CHUNK_BYTES :]
    assert [(note.event, note.fields["what"], note.fields["id"]) for note in notes] == [
        ("plaintext-read", "document", RECORD)
    ]
    asyncio.run(read(node, caller, RECORD, 0))
    assert len(notes) == 2
