"""The demo and the session of the start page, run as a person runs them, from the command line in an empty folder."""

import datetime as dt
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.network import REPOSITORY

MAIN = "from nodes.cli import main; main()"


def run(folder: Path, *arguments: str, code: int = 0, answer: str | None = None) -> str:
    """Run one command in a folder; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", MAIN, *arguments],
        check=False,
        cwd=folder,
        env={"PYTHONPATH": str(REPOSITORY), "HOME": str(folder), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
        input=answer,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == code, f"{arguments}: {done.stdout}{done.stderr}"
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout + done.stderr


def test_the_demo_ends_with_one_line_of_json_and_files_that_verify(tmp_path: Path) -> None:
    text = run(tmp_path, "demo", "--json").splitlines()[-1]
    found = json.loads(text)

    assert list(found) == ["claim", "status", "payable", "seconds_discharge_to_paid", "dossier", "genesis"]
    assert (found["status"], found["payable"]) == ("PAID", "2060.00")
    dossier, genesis = tmp_path / found["dossier"], tmp_path / found["genesis"]
    assert dossier.stat().st_size < 20_000
    assert "HOLDS offline · amount hidden" in run(tmp_path, "verify", str(dossier), "--genesis", str(genesis))
    data = bytearray(dossier.read_bytes())
    data[len(data) // 3] ^= 1
    dossier.write_bytes(data)
    assert "DOES NOT HOLD" in run(tmp_path, "verify", str(dossier), "--genesis", str(genesis), code=1)


def open_to_regulator(folder: Path, claim: str) -> None:
    """Have the insurer open a claim under a law; the customer sees it and takes the proof that it was opened."""
    audit = ("claim", "audit", claim, "--as", "insurer-a", "--for", "regulator", "--out", "audited.json")
    assert "under a law" in run(folder, *audit, code=2)
    run(folder, *audit, "--basis", "insurance-supervision")
    assert "依法开示理算 calculation opened by law" in run(folder, "customer", "activity", "wang")
    looks = json.loads(run(folder, "customer", "activity", "wang", "--json"))["looks"]
    (opened,) = [look for look in looks if look["status"] == "opened"]
    place = f"{opened['height']}-{opened['index']}"
    run(folder, "access", "proof", "--as", "wang", place, "--out", "opening.json")


def test_the_session_of_the_start_page_works_as_written(tmp_path: Path) -> None:
    examples = REPOSITORY / "docs" / "examples" / "polyp"
    try:
        assert "4 nodes" in run(tmp_path, "up")
        assert "wallet saved" in run(tmp_path, "customer", "create", "wang")
        assert "in force" in run(
            tmp_path, "policy", "issue", "--as", "insurer-a", "--insured", "wang", "--product", "inpatient-100"
        )
        consent = ("consent", "grant", "--as", "wang", "--from", "hospital-a", "--to", "insurer-a")
        assert "nothing was signed" in run(tmp_path, *consent, answer="n\n", code=1)
        granted = run(tmp_path, *consent, answer="y\n")
        assert "授权告知书" in granted
        assert "both links matched" in granted
        admitted = run(tmp_path, "stay", "admit", "--as", "hospital-a", str(examples / "admission.json"))
        assert "reported; nobody filed it" in admitted
        number = admitted.split()[0]
        claim = next(word for word in admitted.split() if word.startswith("C-"))
        early = run(tmp_path, "claim", "audit", claim, "--as", "wang", "--out", "early.json")
        assert "no openings: nothing is settled" in early
        reported = run(tmp_path, "verify", "early.json", "--genesis", ".xinpei/genesis.json", "--reveal", "wang")
        assert "HOLDS offline · nothing is settled" in reported
        ended = run(tmp_path, "stay", "discharge", number, "--as", "hospital-a", str(examples / "discharge.json"))
        assert "closed 4/4 parts · shared · paid in" in ended
        shown = run(tmp_path, "claim", "show", claim, "--as", "wang")
        assert "6,480.00 − 4,320.00 pool − 100.00 deductible = 2,060.00 PAID" in shown
        assert "compare these with another member" in run(tmp_path, "chain", "checkpoint", "--as", "regulator")
        run(tmp_path, "claim", "audit", claim, "--as", "wang", "--out", "dossier.json")
        assert "amounts are known to the parties alone" in run(tmp_path, "claim", "show", claim, "--as", "hospital-a")
        assert "which fits 0 of them" in run(tmp_path, "claim", "show", "C-ffff", "--as", "wang", code=1)
        year = str(dt.datetime.now(dt.timezone(dt.timedelta(hours=8))).year)
        publish = ("report", "publish", "--insurer", "insurer-a", "--year", year)
        assert f"{year} is not over" in run(tmp_path, *publish, code=1)
        draw = ("report", "sample", "--as", "regulator", "--insurer", "insurer-a", "--year", year, "--count", "20")
        assert "is not published" in run(tmp_path, *draw, code=1)
        open_to_regulator(tmp_path, claim)
    finally:
        run(tmp_path, "down")
    verify = ("verify", "dossier.json", "--genesis", ".xinpei/genesis.json")
    assert "HOLDS offline · amount hidden (--reveal)" in run(tmp_path, *verify)
    assert "2,060.00" in run(tmp_path, *verify, "--reveal", "wang")
    vouched = ("verify", "dossier.json", "--checkpoint", "checkpoint.json")
    assert "trusted: whoever vouches for header" in " ".join(run(tmp_path, *vouched).split())
    assert "2,060.00" in run(tmp_path, *vouched, "--reveal", "wang")
    assert "no wallet of that name" in run(tmp_path, *verify, "--reveal", "wong", code=2)
    assert "absent.json" in run(tmp_path, *verify, "--reveal", "wang", "--openings", "absent.json", code=2)
    assert "HOLDS" in run(tmp_path, "chain", "verify", "--as", "insurer-a")
    proven = run(tmp_path, "verify", "opening.json", "--genesis", ".xinpei/genesis.json")
    assert "permitted: opening · HLEGAL · insurance-supervision" in proven
    audited = ("verify", "audited.json", "--genesis", ".xinpei/genesis.json", "--reveal")
    assert "2,060.00" in run(tmp_path, *audited, "regulator")
    assert "sealed to regulator, and insurer-a cannot open" in run(tmp_path, *audited, "insurer-a", code=2)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("claim", "list", "--as", "wang"), "start one with `xinpei up`"),
        (("verify", "absent.json"), "does not exist"),
        (("stay", "admit", "--as", "hospital-a", "absent.json"), "does not exist"),
    ],
)
def test_wrong_use_in_an_empty_folder_says_what_to_do(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    code = 2 if said == "does not exist" else 1

    assert said in run(tmp_path, *arguments, code=code)
