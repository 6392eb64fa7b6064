"""What `xinpei consent explain` prints of an answer."""

from typing import Any

from nodes.cli.explaining import _describe

FINDING = {"code": "AUTH-013", "condition": "record type", "text": "invoice is not in the scope"}


def row(*, permitted: bool, purpose: str = "HPAYMT", finding: dict[str, str] | None = None) -> dict[str, Any]:
    considered = [
        {"grant_id": "grant-1", "effect": "permit", "finding": {**FINDING, "condition": "status"}},
        {"grant_id": "grant-2", "effect": "permit", "finding": FINDING},
        {"grant_id": "grant-3", "effect": "deny", "finding": FINDING},
    ]
    parties = {"hospital": "hospital-a", "recipient": "insurer-a", "record_type": "invoice", "purpose": purpose}
    answer = {"permitted": permitted, "grant_id": "grant-2", "version": 1, "dates": None, "finding": finding}
    return {**parties, **answer, "considered": considered}


def test_a_refusal_names_the_condition_and_the_grant_that_fails_it() -> None:
    said = _describe(row(permitted=False, finding=FINDING))
    assert said.endswith("no   AUTH-013 record type: invoice is not in the scope (grant-2)")


def test_without_a_grant_none_is_named() -> None:
    absent = {"code": "AUTH-013", "condition": "grant", "text": "there is no grant: absence is refusal"}
    assert _describe(row(permitted=False, finding=absent)).endswith("absence is refusal")


def test_what_is_for_an_emergency_alone_says_so() -> None:
    assert "breaks the glass" in _describe(row(permitted=True, purpose="BTG"))
    assert "breaks the glass" not in _describe(row(permitted=True))
