"""What `xinpei claim show` says about a claim that was not paid in full."""

from pathlib import Path

from contracts.adjudication.engine import adjudicate
from nodes.cli.claims.claim import _describe_status, _describe_step, _explain, _find_next
from nodes.schemas.case import read_case
from nodes.schemas.decision import describe_decision

CASES = Path(__file__).parents[4] / "docs" / "examples" / "cases"


def explain(name: str) -> list[str]:
    return _explain(describe_decision(adjudicate(read_case((CASES / f"{name}.json").read_bytes()))))


def test_what_waits_for_a_person_is_named_with_its_line_amount_and_code() -> None:
    chinese, first, *_, asked, last = explain("worked-example")
    assert chinese.startswith("R09 费用明细 [l2]: ")
    assert chinese.endswith("待人工复核 NCOV-003: 50,000.00 → 49,300.00")
    assert first.startswith("R09 Lines [l2]: ")
    assert first.endswith("waits for a person NCOV-003: 50,000.00 → 49,300.00")
    assert "申请人工复核" in asked
    assert "review by a person" in last


def test_a_claim_paid_in_full_and_one_that_nobody_may_open_have_nothing_to_explain() -> None:
    assert explain("demo-polyp") == []
    assert _explain(None) == []


def view(status: str, settlement_version: int) -> dict[str, object]:
    claim = {
        "claim_id": "claim-7f3a00",
        "hospital": "hospital-a",
        "insurer": "insurer-a",
        "settlement_version": settlement_version,
    }
    return {"status": status, "claim": claim}


def test_before_the_first_settlement_there_is_no_amount_that_anybody_knows() -> None:
    assert (
        _describe_status(view("AWAITING_CONSENT", 0), None)
        == "C-7f3a 等待授权 AWAITING_CONSENT · 尚未理算 nothing is settled"
    )
    assert _describe_status(view("PAID", 1), None).endswith("amounts are known to the parties alone")


def test_where_consent_is_missing_the_customer_is_told_how_to_give_it() -> None:
    audit = "xinpei claim audit C-7f3a --as wang --out dossier.json"
    waiting = view("AWAITING_CONSENT", 0)
    assert _find_next(waiting, "wang", "data-to-insurer") == (
        "xinpei consent grant --as wang --from hospital-a --to insurer-a"
    )
    kept = _find_next(waiting, "wang", "rules-visit-data")
    assert kept.endswith(" --to insurer-a --execution rules-visit-data"), "what stayed at the hospital stays there"
    assert _find_next(waiting, "insurer-a", None) == audit.replace("wang", "insurer-a")
    assert _find_next(view("PAID", 1), "wang", None) == audit


def test_what_an_insurer_states_of_a_removed_rail_is_told_from_a_receipt() -> None:
    places = [{"height": height, "index": 0, "time_ms": 0, "transaction_id": "00"} for height in (7, 9)]
    steps = [
        {"name": "payment", "status": "PAID", "reference": "payment-7f3a: paid", "place": place} for place in places
    ]
    moved = [{"place": place, "is_stated": is_stated} for place, is_stated in zip(places, (False, True), strict=True)]
    receipt, stated = (_describe_step(step, {"payments": [{"steps": moved}]}) for step in steps)
    assert receipt.endswith("payment-7f3a: paid")
    assert "保险公司的声明" in stated
    assert "its insurer's word: the rail was removed and sent no receipt" in stated
