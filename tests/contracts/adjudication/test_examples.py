"""The worked example, the demo's stay and the published cases, each from its file, to the 分."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contracts.adjudication.case import Line, OtherPayment, Split
from contracts.adjudication.decision import Decision
from contracts.adjudication.engine import adjudicate
from contracts.adjudication.product import AmountTier, Category, CategoryLimit, Limits, Ratios, ScopeRatios
from ledger.codec import decode, encode
from ledger.execution.loader import PLATFORM_MODULES, load_contracts
from ledger.execution.meter import Meter, metered
from ledger.limits import METER_UNITS_MAX
from nodes.schemas.case import read_case, read_case_file
from tests.contracts.adjudication.plain_case import PLAIN, change, with_lines

ROOT = Path(__file__).parents[3]
EXAMPLES = sorted((ROOT / "docs" / "examples" / "cases").glob("*.json"))
CATEGORIES: tuple[Category, ...] = ("bed", "surgery", "nursing", "material", "other")
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


def load_pinned() -> tuple[Callable[[Any], Any], type[Any]]:
    """Return the function that a node runs, from checked and metered source, and its message."""
    sources = {name: (ROOT / f"{name.replace('.', '/')}.py").read_text() for name in PLATFORM_MODULES}
    for path in (ROOT / "contracts" / "adjudication").glob("*.py"):
        sources[f"contracts.adjudication.{path.stem}".removesuffix(".__init__")] = path.read_text()
    pinned = load_contracts(sources).contracts["adjudication"]
    # A query needs a frame to run in; what it calls is the pinned function itself.
    return vars(pinned.kind)["decide"].__globals__["adjudicate"], pinned.methods["decide"].message


def test_the_pinned_and_metered_adjudicator_decides_as_the_imported_one() -> None:
    decide, message = load_pinned()
    for path in EXAMPLES:
        case = read_case(path.read_bytes())
        with metered(Meter(METER_UNITS_MAX)):
            decision = decide(decode(encode(case), message))
        assert encode(decision) == encode(adjudicate(case))


def test_the_largest_amounts_stay_within_the_integers_of_a_contract() -> None:
    decide, message = load_pinned()
    primes = (99_999_999_977, 7_919, 104_729, 15_485_863, 32_452_843)
    lines = tuple(
        Line(
            f"l{index}",
            "item",
            category,
            prime // 3,
            Split(prime // 3 - prime // 7, 0, 0, prime // 7),
            20_101,
            None,
            None,
            reasonable=True,
        )
        for index, (category, prime) in enumerate(zip(CATEGORIES, primes, strict=True))
    )
    case = with_lines(PLAIN, *lines)
    scope = ScopeRatios(9_973, 6_007)
    limits = Limits(
        11_999_999_993,
        tuple(CategoryLimit(category, 9_999_991, "stay") for category in CATEGORIES[2:]),
        10_999_999_979,
        9_999_999_967,
    )
    case = change(
        case,
        "product",
        ratios=Ratios(scope, scope, scope),
        limits=limits,
        amount_tiers=(AmountTier(0, 7_001), AmountTier(1_000_003, 8_009)),
    )
    case = change(case, "product.deductible", amount=1_000_000_007)
    case = change(case, "", other_payments=(OtherPayment("basic", 9_999_999_967), OtherPayment("insurer", 99_999_989)))
    with metered(Meter(METER_UNITS_MAX)):
        decision = decide(decode(encode(case), message))
    assert encode(decision) == encode(adjudicate(case))
    assert decision.payable == 9_999_999_967
    assert max(len(step.after) for step in decision.trace) > 30  # the fractions were not trivial


def test_the_bed_surcharge_alone_waits() -> None:
    decision = adjudicate(read_case((ROOT / "docs/examples/cases/worked-example.json").read_bytes()))
    assert [(line.line, line.paid) for line in decision.lines if line.status == "pended"] == [("l2", 0)]
    assert decision.pended == 70_000
    assert [(reason.code, reason.line, reason.action) for reason in decision.reasons] == [("NCOV-003", "l2", "review")]
    assert decision.accumulator.deductible_used == 600_000
