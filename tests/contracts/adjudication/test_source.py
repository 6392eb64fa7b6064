"""The adjudicator's source obeys the contracts' static check, and its words are complete."""

import ast
from pathlib import Path

import pytest

from contracts.adjudication.reasons import DETAILS
from ledger.execution.static_check import check_source

MODULES = sorted((Path(__file__).parents[3] / "contracts" / "adjudication").glob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_the_static_check_refuses_nothing(path: Path) -> None:
    assert check_source(f"contracts.adjudication.{path.stem}", path.read_text()).refusals == ()


def test_every_detail_that_a_rule_gives_has_words_and_every_word_is_used() -> None:
    texts = {text.id for text in DETAILS}
    used: set[str] = set()
    for path in MODULES:
        if path.stem != "reasons":
            constants = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant))
            used |= {node.value for node in constants if isinstance(node.value, str)}
    assert texts <= used
