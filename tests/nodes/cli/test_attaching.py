"""Saving an attached document: readable by whoever saves it alone, whatever lay in its way."""

from pathlib import Path
from typing import Any, Self

import pytest

from nodes.cli import session
from tests.nodes.cli.commands import run

DOCUMENT = b"%PDF-1.7 a finding"


class Holder:
    """A node that holds one document of one chunk."""

    def __enter__(self) -> Self:
        """Use it in a with statement."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave it."""

    def get(self, _path: str) -> dict[str, Any]:
        return {"kind": "pathology", "media_type": "application/pdf", "chunks": 1, "read_chunks": 16}

    def get_bytes(self, _path: str) -> bytes:
        return DOCUMENT


@pytest.fixture(autouse=True)
def _holder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "open_operator", lambda *_, **__: Holder())


def test_a_saved_document_is_private_also_where_somebody_put_a_file_in_its_way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    partial, file = tmp_path / ".copy.pdf.partial", tmp_path / "copy.pdf"
    partial.write_bytes(b"")
    partial.chmod(0o666)
    with partial.open("rb") as spy:
        assert run(capsys, "record", "save", "record-0123456789ab", str(file), "--as", "insurer-a").code == 0
        assert spy.read() == b""
    assert (file.read_bytes(), file.stat().st_mode & 0o777, partial.exists()) == (DOCUMENT, 0o600, False)


def test_a_link_in_its_way_is_not_followed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    elsewhere = tmp_path / "elsewhere"
    (tmp_path / ".copy.pdf.partial").symlink_to(elsewhere)
    file = tmp_path / "copy.pdf"
    assert run(capsys, "record", "save", "record-0123456789ab", str(file), "--as", "insurer-a").code == 0
    assert (file.read_bytes(), file.is_symlink(), elsewhere.exists()) == (DOCUMENT, False, False)
