"""Every claim of the threat model names a test, and the test is there."""

import ast
import re
from functools import cache

import pytest

from tests.docs.markdown import ROOT, read

PAGE = read("docs/explanation/threat-model.md")
CLAIM = re.compile(r"\| ([A-Z]\d+) (?=[^|]*\|)")
BACKING = re.compile(r"^- ([A-Z]\d+): ((?:`[^`]+`(?:,\n  )?)+)$", re.MULTILINE)
NO_TEST = "gap"


def claims(page: str) -> list[str]:
    """Return the claims of a page's tables, but those that a line admits to be gaps."""
    found = []
    for line in page.splitlines():
        if not line.endswith(f"| {NO_TEST} |"):
            found += CLAIM.findall(line)
    return found


def backing(page: str) -> dict[str, list[str]]:
    """Return claim -> the tests it names."""
    return {claim: re.findall(r"`([^`]+)`", tests) for claim, tests in BACKING.findall(page)}


@cache
def functions(file: str) -> frozenset[str]:
    """Return the tests of one file; none if there is no such file."""
    path = ROOT / file
    if not path.is_file():
        return frozenset()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def missing(page: str) -> list[str]:
    """Return what is wrong with a page: claims without a test, tests without a claim, tests that are not there."""
    made, backed = claims(page), backing(page)
    wrong = [f"{claim} stands twice" for claim in sorted(set(made)) if made.count(claim) > 1]
    wrong += [f"{claim} names no test" for claim in made if claim not in backed]
    wrong += [f"{claim} is no claim" for claim in backed if claim not in made]
    for claim, tests in backed.items():
        for test in tests:
            file, _, name = test.partition("::")
            if not name.startswith("test_") or name not in functions(file):
                wrong.append(f"{claim}: there is no {test}")
    return wrong


def test_every_claim_names_a_test_and_every_test_exists() -> None:
    assert len(claims(PAGE)) > 60
    assert missing(PAGE) == []


@pytest.mark.parametrize(
    ("before", "after", "wrong"),
    [
        (
            "test_an_insurer_never_breaks_the_glass",
            "test_never",
            "I8: there is no tests/contracts/test_emergencies.py::test_never",
        ),
        ("- I8:", "- I88:", "I8 names no test"),
        ("| H5 ", "| H1 ", "H1 stands twice"),
    ],
)
def test_a_claim_without_its_test_is_found_out(before: str, after: str, wrong: str) -> None:
    assert PAGE.count(before) == 1
    assert wrong in missing(PAGE.replace(before, after))
