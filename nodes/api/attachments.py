"""The routes for attached documents: sent by a hospital's desk piece by piece, read by whoever holds them.

No request holds more than 1 MiB of a file. For the operator of this node alone.
"""

from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from contracts.grants import RecordType
from nodes.api.callers import Node, Operator
from nodes.api.errors import NotFoundError
from nodes.api.readings import note_reading
from nodes.api.records import RECORD_ID
from nodes.network.node import NetworkNode, read_clock_ms
from nodes.roles.exchange.attachments import FILE_BYTES_MAX, AttachmentKind, AttachmentLabel, read_head
from nodes.roles.hospital import Hospital
from nodes.roles.hospital.attaching import PIECE_BYTES_MAX
from nodes.roles.lookup import find_record
from nodes.vault.attachments import measure_payload, read_plaintext
from nodes.vault.payloads import ATTACHMENT_CHUNKS_MAX, CHUNK_BYTES, count_chunks
from nodes.vault.records import Vault

DOCUMENT: RecordType = "document"
READ_CHUNKS = PIECE_BYTES_MAX // CHUNK_BYTES
"""Chunks that one request reads."""


class AttachmentForm(BaseModel):
    """A file that is going to be sent."""

    model_config = ConfigDict(extra="forbid")

    kind: AttachmentKind
    media_type: Annotated[str, Field(max_length=64, pattern=r"^[a-z]+/[a-z0-9.+-]+$")]
    file_bytes: Annotated[int, Field(ge=1, le=FILE_BYTES_MAX)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class DraftInfo(BaseModel):
    """Where to send it."""

    draft: str
    taken: int
    """Bytes of it that are here already: the next piece begins there."""
    piece_bytes_max: int


class PieceInfo(BaseModel):
    """What became of a piece."""

    records: list[str]
    """The records that the file became, one for each insurer; empty before the last piece."""


class DocumentInfo(BaseModel):
    """A document that is held here."""

    record: str
    kind: str
    media_type: str
    file_bytes: int
    chunks: int
    """What is read in steps of `read_chunks`."""
    read_chunks: int


def make_attaching_router(hospital: Hospital) -> APIRouter:
    """Return the routes by which a hospital's desk attaches files.

    Args:
        hospital: Its agent.
    """
    router = APIRouter(prefix="/v1", tags=["hospital"])

    @router.post("/stays/{number}/attachments")
    async def begin(_caller: Operator, number: str, form: AttachmentForm) -> DraftInfo:
        """Announce a file; it is sealed as it comes in, for every insurer the stay was reported to.

        Announced again after an interruption, it is gone on with where it stopped.
        """
        label = AttachmentLabel(form.kind, form.media_type, form.file_bytes)
        draft, taken = hospital.begin_attachment(number, label, bytes.fromhex(form.sha256), read_clock_ms())
        return DraftInfo(draft=draft, taken=taken, piece_bytes_max=PIECE_BYTES_MAX)

    @router.post("/attachments/{draft}/{offset}")
    async def take(node: Node, _caller: Operator, draft: str, offset: int, request: Request) -> PieceInfo:
        """Take in the next piece of a file, as raw bytes; with the last one it is entered and shared."""
        now_ms = read_clock_ms()
        records, effects = hospital.take_attachment(draft, offset, await request.body(), now_ms)
        node.host.perform(node.organisation, effects, now_ms)
        return PieceInfo(records=list(records))

    return router


def make_document_router(vault: Vault) -> APIRouter:
    """Return the routes by which an organisation reads the documents that it holds.

    Args:
        vault: Its own.
    """
    router = APIRouter(prefix="/v1/documents", tags=["records"])

    @router.get("/{record_id}")
    async def show(node: Node, _caller: Operator, record_id: str) -> DocumentInfo:
        """Say what a document is."""
        _check_document(node, vault, record_id)
        (first,) = read_plaintext(vault, record_id, 0, 1)
        label, _ = read_head(first)
        return DocumentInfo(
            record=record_id,
            kind=label.kind,
            media_type=label.media_type,
            file_bytes=label.file_bytes,
            chunks=count_chunks(measure_payload(vault, record_id)),
            read_chunks=READ_CHUNKS,
        )

    @router.get("/{record_id}/chunks/{first}")
    async def read(
        node: Node, caller: Operator, record_id: str, first: Annotated[int, Field(ge=0, lt=ATTACHMENT_CHUNKS_MAX)]
    ) -> Response:
        """Return the bytes of a file that lie in chunk `first` and the `read_chunks` - 1 after it; each is logged."""
        _check_document(node, vault, record_id)
        note_reading(node, caller.name, "document", record_id)
        data = b"".join(read_plaintext(vault, record_id, first, READ_CHUNKS))
        begin = read_head(data)[1] if first == 0 else 0
        return Response(data[begin:], media_type="application/octet-stream")

    return router


def _check_document(node: NetworkNode, vault: Vault, record_id: str) -> None:
    view = find_record(node.view, record_id) if RECORD_ID.fullmatch(record_id) else None
    if view is None or view.record.record_type != DOCUMENT or record_id not in vault:
        msg = f"document {record_id[:64]}: not found here"
        raise NotFoundError(msg)
