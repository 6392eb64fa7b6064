"""A customer reads who has her records, and what they answered, in Chinese and in English."""

from typing import Any

import click
import pytest

from nodes.cli.customers.record import _explain, _keep_held, _name


def answer(**changed: Any) -> dict[str, Any]:
    law = {"law_zh": "《保险法》", "law_en": "Insurance Law", "until": "2032-12-31"}
    return {"holder": "insurer-a", "has": "delivered", "status": "kept", "height": 9, **law, **changed}


@pytest.mark.parametrize(
    ("holder", "lines"),
    [
        (answer(), ["insurer-a: 已送达 delivered"]),
        (answer(has="custodian"), ["insurer-a: 保管 has it"]),
        (answer(status="erased"), ["insurer-a: 已删除 erased, 证明在高度 certified at height 9"]),
        (
            answer(status="restricted"),
            [
                "insurer-a: 依法保留至 restricted until 2032-12-31, 届时自动删除 then erased by itself:",
                "《保险法》",
                "(Insurance Law)",
            ],
        ),
    ],
)
def test_what_a_holder_has_or_answered_is_said_in_both_languages(holder: dict[str, Any], lines: list[str]) -> None:
    assert _explain(holder) == lines


def test_who_was_asked_and_has_not_answered_says_when_it_will() -> None:
    (said,) = _explain(answer(status="asked"))
    assert said.startswith("insurer-a: 已要求删除，尚未答复 asked, not answered yet; 待住院结束")


def test_a_record_is_named_by_its_type_and_by_what_it_is_if_no_original() -> None:
    assert _name({"type": "invoice", "kind": "original"}) == "发票 invoice"
    assert _name({"type": "invoice", "kind": "reversal"}) == "发票 invoice (冲销 reversal)"


def test_one_holder_is_asked_for_what_it_has_and_for_nothing_of_other_stays() -> None:
    stays: Any = [
        (None, {"record": "record-1", "holders": [{"holder": "hospital-a"}, {"holder": "insurer-a"}]}),
        (None, {"record": "record-2", "holders": [{"holder": "hospital-a"}, {"holder": "regulator"}]}),
    ]
    assert _keep_held(stays, "regulator") == stays[1:]
    assert _keep_held(stays, "hospital-a") == stays
    with pytest.raises(click.ClickException, match="or insurer-a or regulator, got hospital-b"):
        _keep_held(stays, "hospital-b")
