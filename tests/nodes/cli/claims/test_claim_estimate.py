"""`xinpei claim estimate`: the documented cases to the 分, for people in two languages and for programs."""

import json
from pathlib import Path
from typing import Any

import pytest

from nodes.schemas.case import CASE_FILE_BYTES_MAX
from tests.nodes.cli.commands import check_refused, run

CASES = Path(__file__).parents[4] / "docs" / "examples" / "cases"
EXPECTED = {
    "worked-example": ("PARTIAL_PENDED", "9980.00", "6700.00"),
    "worked-example-no-basic": ("PARTIAL_PENDED", "25980.00", "24020.00"),
    "demo-polyp": ("PAY", "2060.00", "100.00"),
    "published-1": ("PAY", "111.55", "100.00"),
    "published-2": ("PAY", "24000.00", "26000.00"),
    "published-3": ("PAY", "32000.00", "10000.00"),
    "published-4": ("PAY", "21700.00", "19300.00"),
}
"""Disposition, what is payable, and what the customer bears; the published ones were printed by others."""
FORMULAS = {
    "worked-example": "50,000.00 − 700.00 pended − 33,320.00 pool − 6,000.00 deductible = 9,980.00",
    "worked-example-no-basic": "(50,000.00 − 700.00 pended − 6,000.00 deductible) × 60 % = 25,980.00",
    "demo-polyp": "6,480.00 − 4,320.00 pool − 100.00 deductible = 2,060.00",
    "published-1": "211.55 − 100.00 deductible = 111.55",
    "published-2": "(50,000.00 − 10,000.00 deductible) × 60 % = 24,000.00",
    "published-3": "50,000.00 − 8,000.00 basic insurance − 10,000.00 deductible = 32,000.00",
    "published-4": "(86,000.00 − 45,000.00 basic insurance − 10,000.00 deductible) × 70 % = 21,700.00",
}


def path_of(name: str) -> str:
    return str(CASES / f"{name}.json")


def write_case(folder: Path, **changes: Any) -> str:
    """Write the polyp's case with fields changed; None leaves one out."""
    case = {**json.loads((CASES / "demo-polyp.json").read_bytes()), **changes}
    path = folder / "case.json"
    path.write_text(json.dumps({key: value for key, value in case.items() if value is not None}), encoding="utf-8")
    return str(path)


def test_every_documented_case_is_estimated_here() -> None:
    assert {path.stem for path in CASES.glob("*.json")} == set(EXPECTED) == set(FORMULAS)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_program_reads_what_is_payable(capsys: pytest.CaptureFixture[str], name: str) -> None:
    ran = run(capsys, "claim", "estimate", path_of(name), "--json")
    assert (ran.code, ran.err) == (0, "")
    decision = json.loads(ran.out)
    disposition, payable, bears = EXPECTED[name]
    assert (decision["disposition"], decision["currency"]) == (disposition, "CNY")
    assert (decision["payable"], decision["transfer"], decision["customer_bears"]) == (payable, payable, bears)
    assert {step["rule"] for step in decision["trace"]} >= {"R01", "R11", "R15", "R19"}


@pytest.mark.parametrize("name", FORMULAS)
def test_a_person_reads_the_calculation_on_one_line(capsys: pytest.CaptureFixture[str], name: str) -> None:
    ran = run(capsys, "claim", "estimate", path_of(name))
    lines = ran.out.splitlines()
    assert (ran.code, ran.err, lines[1]) == (0, "", FORMULAS[name])
    assert lines[-1].startswith("You may ask for an explanation and for a review by a person")
    assert not [character for character in ran.out if "\u4e00" <= character <= "\u9fff" and character != "分"]


@pytest.mark.parametrize(
    ("name", "first", "second"),
    [
        ("demo-polyp", "赔付: 2,060.00 CNY", "6,480.00 − 4,320.00 基金支付 − 100.00 免赔额 = 2,060.00"),
        (
            "worked-example",
            "先付无争议部分，其余待复核: 9,980.00 CNY",
            "50,000.00 − 700.00 待复核 − 33,320.00 基金支付 − 6,000.00 免赔额 = 9,980.00",
        ),
    ],
)
def test_a_person_reads_the_same_in_chinese(
    capsys: pytest.CaptureFixture[str], name: str, first: str, second: str
) -> None:
    lines = run(capsys, "claim", "estimate", path_of(name), "--language", "zh").out.splitlines()
    assert lines[:2] == [first, second]
    assert "人工复核" in lines[-1]


def test_the_language_is_for_people_and_changes_no_figure(capsys: pytest.CaptureFixture[str]) -> None:
    english = run(capsys, "claim", "estimate", path_of("demo-polyp"), "--json")
    assert run(capsys, "claim", "estimate", path_of("demo-polyp"), "--json", "--language", "zh") == english


def test_a_case_that_pends_says_so_and_why(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    stay = json.loads((CASES / "demo-polyp.json").read_bytes())["stay"]
    ran = run(capsys, "claim", "estimate", write_case(tmp_path, stay={**stay, "deceased": True}))
    assert ran.code == 0, "that nothing is payable now is an answer, not an error"
    assert ran.out.splitlines()[0] == "waits for a person, nothing moves: 0.00 CNY"
    assert "ELIG-001 Not the insured person: waits for a person" in ran.out
    assert "R02 Policy: she died: the grant ends, the heirs are the payee; fail, waits for a person ELIG-001" in ran.out


@pytest.mark.parametrize(
    ("data", "parts"),
    [
        (b"", ["case file: expected JSON, got something else"]),
        (b"\xff\xfe", ["case file: expected JSON, got something else"]),
        (b"[]", ["case file: expected"]),
        (b"{}", ["product: expected a value, got nothing", "bill: expected a value, got nothing"]),
        (b" " * (CASE_FILE_BYTES_MAX + 1), [f"case file: expected at most {CASE_FILE_BYTES_MAX} bytes, got"]),
    ],
    ids=["empty", "not UTF-8", "a list", "no fields", "oversize"],
)
def test_what_is_no_case_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, data: bytes, parts: list[str]
) -> None:
    path = tmp_path / "case.json"
    path.write_bytes(data)
    check_refused(run(capsys, "claim", "estimate", str(path)), *parts)


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"hospital": None}, "hospital: expected a value, got nothing"),
        ({"payee": "li"}, "payee: expected no field of this name, got one"),
        ({"advances": "1.005"}, "advances: expected"),
        ({"advances": -1}, "advances: expected"),
        ({"diagnoses": [{"id": "d1", "principal": False}]}, "expected exactly one principal diagnosis, got 0"),
        ({"diagnoses": [{"id": "d1", "principal": True, "icd10": "polyp"}]}, "diagnoses.0.icd10: expected"),
    ],
)
@pytest.mark.parametrize("form", [(), ("--json",)], ids=["people", "program"])
def test_a_field_that_does_not_fit_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, changes: dict[str, Any], part: str, form: tuple[str, ...]
) -> None:
    check_refused(run(capsys, "claim", "estimate", write_case(tmp_path, **changes), *form), part)


def test_a_file_that_is_not_there_is_wrong_use(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    ran = run(capsys, "claim", "estimate", str(tmp_path / "none.json"))
    assert (ran.code, ran.out) == (2, "")
    assert "does not exist" in ran.err
