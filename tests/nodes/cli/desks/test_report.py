"""`xinpei report` and `xinpei verify` of its files: what is shown, and with which exit code."""

import json
from pathlib import Path

import pytest

from nodes.audit.year_collection import collect_report, collect_sample
from nodes.config import Home
from nodes.schemas.canonical_json import render
from tests.contracts.books import INSURER, Books
from tests.contracts.consortium import load
from tests.nodes.audit.chain import AuditedChain
from tests.nodes.cli.commands import check_refused, run


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the genesis, the report of a year of twelve claims, and a sample of three of them."""
    folder = tmp_path_factory.mktemp("files")
    chain = AuditedChain(load())
    books = Books(chain)
    books.pay(2026, 4, 12)
    books.go_to(2027, 1)
    chain.do(books.publish(2026))
    chain.post()
    (folder / "genesis.json").write_bytes(render(chain.genesis))
    (folder / "report.json").write_bytes(render(collect_report(chain.application, chain.blocks, INSURER, 2026)))
    (folder / "sample.json").write_bytes(render(collect_sample(chain.application, chain.blocks, INSURER, 2026, 3)))
    return folder


def verify(capsys: pytest.CaptureFixture[str], folder: Path, name: str, *options: str) -> tuple[int, str, str]:
    ran = run(capsys, "verify", str(folder / name), "--genesis", str(folder / "genesis.json"), *options)
    return ran.code, ran.out, ran.err


def test_verify_knows_a_report_by_its_format(capsys: pytest.CaptureFixture[str], files: Path) -> None:
    code, out, err = verify(capsys, files, "report.json")
    assert (code, err) == (0, "")
    assert out.startswith("HOLDS offline · totals alone, no claim opened\ninsurer-a, 2026 · as of height ")
    assert "CNY · claims paid: 12 · payments: 12 · returns of earlier months: 0\n  months 1 to 12: 12 claims, " in out
    assert "not proven: that each settlement was right" in out
    code, out, _ = verify(capsys, files, "report.json", "--json")
    found = json.loads(out)
    assert (found["holds"], found["insurer"], found["year"]) == (True, "insurer-a", 2026)
    assert found["currencies"][0]["groups"][0]["claims"] == 12
    assert "全年合计" in verify(capsys, files, "report.json", "--language", "zh")[1]


def test_verify_knows_a_sample_by_its_format(capsys: pytest.CaptureFixture[str], files: Path) -> None:
    code, out, _ = verify(capsys, files, "sample.json")
    assert code == 0
    assert "insurer-a, report of 2026 · claims in its register: 12 · drawn: 3\ndrawn by block " in out
    assert "which hospital-a proposed" in out
    assert out.count("  C-") == 3


@pytest.mark.parametrize("name", ["report.json", "sample.json"])
def test_a_changed_file_does_not_hold(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, files: Path, name: str
) -> None:
    (tmp_path / "genesis.json").write_bytes((files / "genesis.json").read_bytes())
    data = (files / name).read_text(encoding="utf-8")
    for changed in (data.replace('"insurer-a"', '"insurer-b"'), data.replace("\n", "\n "), data[:-40]):
        (tmp_path / name).write_text(changed, encoding="utf-8")
        code, out, err = verify(capsys, tmp_path, name)
        assert (code, out) == (1, "")
        assert err.startswith("DOES NOT HOLD: ")


def test_a_report_has_no_amounts_for_a_wallet_to_open(capsys: pytest.CaptureFixture[str], files: Path) -> None:
    code, out, err = verify(capsys, files, "report.json", "--reveal", "wang")
    assert (code, out) == (2, "")
    assert "--reveal: expected a claim's dossier, got a yearly report" in err


@pytest.mark.parametrize("year", ["0", "20x6", "10000"])
def test_a_year_is_a_calendar_year(capsys: pytest.CaptureFixture[str], home: Home, year: str) -> None:
    options = ("--insurer", "insurer-a", "--year", year, "--home", str(home.folder))
    assert run(capsys, "report", "publish", *options).code == 2


def test_only_an_insurer_publishes(capsys: pytest.CaptureFixture[str], home: Home) -> None:
    for option in ("--insurer", "--as"):
        ran = run(capsys, "report", "publish", option, "regulator", "--year", "2026", "--home", str(home.folder))
        check_refused(ran, "expected insurer-a, whose role is insurer, got 'regulator'")
