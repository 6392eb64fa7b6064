"""`xinpei verify`: exit 1 says that a dossier does not hold, exit 2 that nothing was found out about it."""

import json
from pathlib import Path

import pytest

from nodes.audit.collect import collect_checkpoint, collect_dossier
from nodes.audit.dossier import render_dossier
from nodes.config import Home
from nodes.schemas.canonical_json import render
from tests.contracts.consortium import load
from tests.nodes.audit.chain import AuditedChain
from tests.nodes.cli.commands import run


@pytest.mark.parametrize("data", [b"", b"{}", b"no JSON", b"\xff\xfe", b"[" * 100_000, b"9" * 10_000])
def test_what_is_no_dossier_does_not_hold(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, home: Home, data: bytes
) -> None:
    dossier = tmp_path / "dossier.json"
    dossier.write_bytes(data)
    ran = run(capsys, "verify", str(dossier), "--genesis", str(home.genesis_path))
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("DOES NOT HOLD: canonical form: DossierFile: ")
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
    assert (ran.code, "holds" in ran.out) == (2, False)
    assert f"Error: {genesis}: Genesis: " in ran.err
    assert (json.loads(ran.out)["error"]["code"] if form else ran.out) == ("WRONG_USE" if form else "")


def test_a_whole_identity_is_shown_to_nobody_in_particular(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, home: Home
) -> None:
    dossier = tmp_path / "dossier.json"
    dossier.write_bytes(b"{}")
    ran = run(capsys, "verify", str(dossier), "--genesis", str(home.genesis_path), "--whole")
    assert (ran.code, ran.out) == (2, "")
    assert "--whole: expected --reveal with it" in ran.err


@pytest.mark.parametrize("checkpoint", ["", "zz", "00", "ab" * 33])
def test_a_checkpoint_is_a_file_or_a_header_hash(
    capsys: pytest.CaptureFixture[str], home: Home, checkpoint: str
) -> None:
    paths = (str(home.network_path), "--genesis", str(home.genesis_path))
    ran = run(capsys, "verify", *paths, "--checkpoint", checkpoint)
    assert (ran.code, ran.out) == (2, "")
    assert "--checkpoint: expected a file or 64 hex digits" in ran.err


@pytest.mark.parametrize("data", [b"", b"{}", b"no JSON"])
def test_a_checkpoint_that_is_none_is_wrong_use_and_no_verdict(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, data: bytes
) -> None:
    dossier, checkpoint = tmp_path / "dossier.json", tmp_path / "checkpoint.json"
    dossier.write_bytes(b"{}")
    checkpoint.write_bytes(data)
    ran = run(capsys, "verify", str(dossier), "--checkpoint", str(checkpoint))
    assert (ran.code, ran.out) == (2, "")
    assert f"{checkpoint}: checkpoint: canonical form: Checkpoint: " in ran.err


def test_a_checkpoint_is_no_file_to_verify_and_gets_no_verdict(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, home: Home
) -> None:
    checkpoint = tmp_path / "checkpoint.json"
    checkpoint.write_bytes(b'{"format": "xinpei-checkpoint/1", "header": {}}')
    ran = run(capsys, "verify", str(checkpoint), "--genesis", str(home.genesis_path))
    assert (ran.code, ran.out) == (2, "")
    assert "it is what one trusts: give it with --checkpoint" in ran.err


def test_without_genesis_and_checkpoint_the_home_folders_genesis_is_trusted(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, home: Home
) -> None:
    dossier = tmp_path / "dossier.json"
    dossier.write_bytes(b"{}")
    ran = run(capsys, "verify", str(dossier), "--home", str(home.folder))
    assert ran.err.startswith("DOES NOT HOLD: canonical form: DossierFile: ")
    ran = run(capsys, "verify", str(dossier), "--home", str(tmp_path / "none"))
    assert ran.code == 2
    ran = run(capsys, "verify", str(dossier), "--home", str(tmp_path / "none"), "--checkpoint", "ab" * 32)
    assert ran.err.startswith("DOES NOT HOLD: canonical form: DossierFile: ")


def test_a_dossier_is_verified_by_a_checkpoint_where_there_is_no_home_folder(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    chain = AuditedChain(load())
    case = chain.case(chain.consent(), chain.policy())
    older, newer = tmp_path / "older.json", tmp_path / "newer.json"
    older.write_bytes(render(collect_checkpoint(chain.application)))
    chain.do(*chain.admit(case))
    dossier = tmp_path / "dossier.json"
    found = collect_dossier(chain.application, chain.blocks, case.claim_id)
    dossier.write_bytes(render_dossier(found))
    nowhere = ("--home", str(tmp_path / "none"))
    header_hash = found.certificates[-1].header.hash.hex()
    for checkpoint in (str(older), header_hash):
        ran = run(capsys, "verify", str(dossier), "--checkpoint", checkpoint, *nowhere, "--json")
        facts = json.loads(ran.out)
        assert (ran.code, facts["holds"], facts["status"]) == (0, True, "REPORTED")
        assert facts["trust"][0].startswith("trusted: whoever vouches for header ")
    chain.do()
    newer.write_bytes(render(collect_checkpoint(chain.application)))
    ran = run(capsys, "verify", str(dossier), "--checkpoint", str(newer), *nowhere)
    assert (ran.code, ran.out) == (1, "")
    assert "get the file anew" in ran.err
