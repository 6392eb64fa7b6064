"""Every code that a customer may meet about a grant or claim has a word in both languages."""

import ast
from pathlib import Path
from typing import Any, get_args

import pytest

from contracts import grants, settlements, stays
from contracts.adjudication.reasons import Text
from contracts.conditions import ORDER
from contracts.executions import RefusedFor
from nodes.roles.requests import RequestStatus
from nodes.schemas import labels

CONTRACTS = Path(grants.__file__).parent
TABLES = [value for value in vars(labels).values() if isinstance(value, tuple) and isinstance(value[0], Text)]


def values(kind: type, field: str) -> set[str]:
    return set(get_args(kind.__annotations__[field]))


def refusals() -> set[str]:
    """Return the conditions that the contracts' code names where it refuses something about a grant or attempt."""
    places = {"Finding": 1, "_refused": 0, "_inapplicable": 0}
    found = set()
    for path in CONTRACTS.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
            if isinstance(node, ast.Call) and name in places and len(node.args) > places[name]:
                condition = node.args[places[name]]
                if isinstance(condition, ast.Constant):
                    found.add(str(condition.value))
    return found


def is_chinese(text: str) -> bool:
    return any("\u4e00" <= character <= "\u9fff" for character in text)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table[0].id)
def test_each_word_is_said_once_and_in_both_languages(table: tuple[Text, ...]) -> None:
    assert len({text.id for text in table}) == len(table)
    for text in table:
        assert is_chinese(text.zh), text.id
        assert text.en, text.id
        assert text.en.isascii(), text.id


@pytest.mark.parametrize(
    ("codes", "table"),
    [
        (set(get_args(grants.Status)) | set(get_args(RequestStatus)), labels.STATUSES),
        (set(get_args(grants.Status)) - {"REQUESTED", "EDITED", "DENIED"}, labels.DENIAL_STATUSES),
        (set(get_args(grants.Effect)), labels.EFFECTS),
        (set(get_args(grants.Purpose)), labels.PURPOSES),
        (set(get_args(grants.RecordType)), labels.RECORD_TYPES),
        (set(get_args(grants.Capacity)), labels.CAPACITIES),
        (set(get_args(grants.LinkResult)) | {"not linked"}, labels.LINKS),
        (values(grants.Scope, "case"), labels.CASES),
        (values(stays.Record, "kind"), labels.RECORD_KINDS),
        ({item.lower() for item in get_args(stays.ShareStatus)} | {"custodian", "ordered", "claim"}, labels.HOLDINGS),
        (values(grants.Permission, "mode"), labels.MODES),
        (values(grants.Grant, "execution"), labels.EXECUTIONS),
        (values(grants.Grantor, "kind"), labels.GRANTORS),
        (set(get_args(settlements.ClaimStatus)), labels.CLAIM_STATUSES),
        (set(get_args(settlements.StepName)), labels.CLAIM_STEPS),
    ],
    ids=lambda item: item[0].id if isinstance(item, tuple) else "",
)
def test_every_code_of_a_grant_or_claim_has_a_word(codes: set[str], table: tuple[Text, ...]) -> None:
    assert {text.id for text in table} == codes


def test_every_condition_that_a_contract_refuses_for_has_words() -> None:
    named = refusals()
    assert {"record type", "status", "quota", "link", "erasure"} <= named, "the search finds what it looks for"
    assert {text.id for text in labels.CONDITIONS} == named | set(ORDER) | set(get_args(RefusedFor))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (labels.name_purpose("HPAYMT"), "理赔 claims (HPAYMT)"),
        (labels.name_types(["invoice", "admission"]), "发票 invoice, 入院 admission"),
        (labels.explain_condition("uses", "all 3 are used"), "次数已用完 · uses: all 3 are used"),
        (labels.explain_condition("uses"), "次数已用完 · uses: all uses of the grant are used"),
        (labels.explain_condition("of tomorrow", "it is so"), "of tomorrow: it is so"),
    ],
)
def test_words_stand_beside_each_other(said: str, expected: Any) -> None:
    assert said == expected
