"""`xinpei verify`: exit 1 says that a dossier does not hold, exit 2 that nothing was found out about it."""

import json
from pathlib import Path

import pytest

from nodes.config import Home
from tests.nodes.cli.commands import run


@pytest.mark.parametrize("data", [b"", b"{}", b"no JSON", b"\xff\xfe", b"[" * 100_000, b"9" * 10_000])
def test_what_is_no_dossier_does_not_hold(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, home: Home, data: bytes
) -> None:
    dossier = tmp_path / "dossier.json"
    dossier.write_bytes(data)
    ran = run(capsys, "verify", str(dossier), "--genesis", str(home.genesis_path))
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("DOES NOT HOLD: canonical form: Dossier: ")
    ran = run(capsys, "verify", str(dossier), "--genesis", str(home.genesis_path), "--json")
    assert (ran.code, ran.err) == (1, "")
    assert json.loads(ran.out)["holds"] is False


@pytest.mark.parametrize("data", [b"", b"{}", b"no JSON"])
@pytest.mark.parametrize("form", [(), ("--json",)], ids=["people", "program"])
def test_a_genesis_that_is_none_is_wrong_use_and_no_verdict(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, data: bytes, form: tuple[str, ...]
) -> None:
    dossier, genesis = tmp_path / "dossier.json", tmp_path / "genesis.json"
    dossier.write_bytes(b"{}")
    genesis.write_bytes(data)
    ran = run(capsys, "verify", str(dossier), "--genesis", str(genesis), *form)
    assert (ran.code, ran.out) == (2, "")
    assert f"Error: {genesis}: Genesis: " in ran.err


@pytest.mark.parametrize("checkpoint", ["", "zz", "00", "ab" * 33])
def test_a_checkpoint_is_a_header_hash(capsys: pytest.CaptureFixture[str], home: Home, checkpoint: str) -> None:
    paths = (str(home.network_path), "--genesis", str(home.genesis_path))
    ran = run(capsys, "verify", *paths, "--checkpoint", checkpoint)
    assert (ran.code, ran.out) == (2, "")
    assert "--checkpoint: expected 64 hex digits" in ran.err
