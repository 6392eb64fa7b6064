"""The worked example, the demo's stay and the published cases, each from its file, to the 分."""

from pathlib import Path

import pytest

from contracts.adjudication.decision import Decision
from contracts.adjudication.engine import adjudicate
from ledger.codec import decode, encode
from ledger.execution.loader import PLATFORM_MODULES, load_contracts
from ledger.execution.meter import Meter, metered
from ledger.limits import METER_UNITS_MAX
from nodes.schemas.case import read_case, read_case_file

ROOT = Path(__file__).parents[3]
EXAMPLES = sorted((ROOT / "docs" / "examples" / "cases").glob("*.json"))
EXPECTED = {
    "worked-example": ("PARTIAL_PENDED", 998_000, 670_000),
    "worked-example-no-basic": ("PARTIAL_PENDED", 2_598_000, 2_402_000),
    "demo-polyp": ("PAY", 206_000, 10_000),
    "published-1": ("PAY", 11_155, 10_000),
    "published-2": ("PAY", 2_400_000, 2_600_000),
    "published-3": ("PAY", 3_200_000, 1_000_000),
    "published-4": ("PAY", 2_170_000, 1_930_000),
}


def test_every_example_has_an_expectation() -> None:
    assert {path.stem for path in EXAMPLES} == set(EXPECTED)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_example_pays_what_was_printed(path: Path) -> None:
    decision = adjudicate(read_case(path.read_bytes()))
    assert (decision.disposition, decision.payable, decision.customer_bears) == EXPECTED[path.stem]
    assert decision.payable == read_case_file(path.read_bytes()).expected_payable
    assert decision.transfer == decision.payable
    assert decision.recovery == 0


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_a_decision_survives_its_encoding(path: Path) -> None:
    decision = adjudicate(read_case(path.read_bytes()))
    assert decode(encode(decision), Decision) == decision


def test_the_pinned_and_metered_adjudicator_decides_as_the_imported_one() -> None:
    sources = {name: (ROOT / f"{name.replace('.', '/')}.py").read_text() for name in PLATFORM_MODULES}
    for path in (ROOT / "contracts" / "adjudication").glob("*.py"):
        sources[f"contracts.adjudication.{path.stem}".removesuffix(".__init__")] = path.read_text()
    pinned = load_contracts(sources).contracts["adjudication"]
    message = pinned.methods["decide"].message
    # A query needs a frame to run in; what it calls is the pinned function itself.
    decide = vars(pinned.kind)["decide"].__globals__["adjudicate"]
    for path in EXAMPLES:
        case = read_case(path.read_bytes())
        with metered(Meter(METER_UNITS_MAX)):
            decision = decide(decode(encode(case), message))
        assert encode(decision) == encode(adjudicate(case))


def test_the_bed_surcharge_alone_waits() -> None:
    decision = adjudicate(read_case((ROOT / "docs/examples/cases/worked-example.json").read_bytes()))
    assert [(line.line, line.paid) for line in decision.lines if line.status == "pended"] == [("l2", 0)]
    assert decision.pended == 70_000
    assert [(reason.code, reason.line, reason.action) for reason in decision.reasons] == [("NCOV-003", "l2", "review")]
    assert decision.accumulator.deductible_used == 600_000
