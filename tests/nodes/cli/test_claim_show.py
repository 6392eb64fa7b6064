"""What `xinpei claim show` says about a claim that was not paid in full."""

from pathlib import Path

from contracts.adjudication.engine import adjudicate
from nodes.cli.claim import _explain
from nodes.schemas.case import read_case
from nodes.schemas.decision import describe_decision

CASES = Path(__file__).parents[3] / "docs" / "examples" / "cases"


def explain(name: str) -> list[str]:
    return _explain(describe_decision(adjudicate(read_case((CASES / f"{name}.json").read_bytes()))))


def test_what_waits_for_a_person_is_named_with_its_line_amount_and_code() -> None:
    first, *_, last = explain("worked-example")
    assert first.startswith("R09 Lines [l2]: ")
    assert first.endswith("waits for a person NCOV-003: 50,000.00 → 49,300.00")
    assert "review by a person" in last


def test_a_claim_paid_in_full_and_one_that_nobody_may_open_have_nothing_to_explain() -> None:
    assert explain("demo-polyp") == []
    assert _explain(None) == []
