"""The code, output and figures on the pages are what the program gives."""

import json
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from contracts.adjudication.engine import adjudicate
from contracts.adjudication.reasons import Language
from ledger.execution.loader import load_contracts
from nodes.contract_sources import read_sources
from nodes.schemas.case import read_case
from nodes.schemas.product import read_product
from nodes.schemas.trace import render_trace
from tests.contracts.consortium import Consortium
from tests.docs.markdown import ROOT, Block, blocks, read

CONTRACT_PAGE = blocks(read("docs/how-to/write-a-contract.md"))
PRODUCT_PAGE = blocks(read("docs/how-to/add-a-product.md"))
TRACES = [block for block in blocks(read("docs/explanation/money.md")) if block.title.startswith("trace of ")]


def find(page: list[Block], title: str) -> Block:
    return next(block for block in page if block.title == title)


def run(text: str, namespace: dict[str, Any], origin: str) -> None:
    exec(compile(text, origin, "exec"), namespace)  # noqa: S102 - the documentation's own code


def render(example: str, language: Language = "en") -> list[str]:
    path = ROOT / "docs" / "examples" / "cases" / f"{example}.json"
    return render_trace(adjudicate(read_case(path.read_bytes())), language)


@pytest.fixture(scope="module")
def circulars() -> Block:
    return find(CONTRACT_PAGE, "contracts/circulars.py")


def documented_tests() -> dict[str, Callable[[Consortium], None]]:
    """Return the tests of the contract's page by name; the contract's module must be importable."""
    namespace: dict[str, Any] = {}
    run(find(CONTRACT_PAGE, "tests/contracts/test_circulars.py").text, namespace, "test_circulars")
    return {word: value for word, value in namespace.items() if word.startswith("test_")}


def test_the_contract_passes_its_own_tests(circulars: Block, monkeypatch: pytest.MonkeyPatch) -> None:
    contracts = load_contracts(read_sources() | {"contracts.circulars": circulars.text})
    module = ModuleType("contracts.circulars")
    run(circulars.text, vars(module), "contracts/circulars.py")
    monkeypatch.setitem(sys.modules, "contracts.circulars", module)
    tests = documented_tests()
    assert len(tests) == circulars_rules(circulars)
    for test in tests.values():
        test(Consortium(contracts))


def circulars_rules(block: Block) -> int:
    """Return how many rules the contract states: the page tests each."""
    return sum(line.startswith(("    1. ", "    2. ", "    3. ")) for line in block.text.splitlines())


@pytest.mark.parametrize("page", [CONTRACT_PAGE, PRODUCT_PAGE], ids=["write-a-contract", "add-a-product"])
def test_code_prints_what_stands_below_it(
    page: list[Block], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    place = next(at for at, block in enumerate(page) if block.language == "python" and not block.title)
    run(page[place].text, {}, "example")
    assert page[place + 1].language == "text"
    assert capsys.readouterr().out == page[place + 1].text


def test_the_product_can_be_registered() -> None:
    block = next(block for block in PRODUCT_PAGE if block.language == "json")
    assert read_product(block.text.encode()).id == json.loads(block.text)["id"]


@pytest.mark.parametrize("block", TRACES, ids=lambda block: block.title)
def test_a_trace_is_the_adjudicators(block: Block) -> None:
    said = render(block.title.removeprefix("trace of "))
    assert [line for line in said if line in block.text.splitlines()] == block.text.splitlines()


def test_the_worked_example_is_there() -> None:
    assert [block.title for block in TRACES] == [
        "trace of worked-example",
        "trace of worked-example-no-basic",
        "trace of demo-polyp",
    ]
