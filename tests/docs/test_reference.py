"""The generated pages say what the code says, and the generator sees what is in it."""

from pathlib import Path

import pytest

from ledger import limits
from ledger.blocks import BlockHeader
from ledger.codec import Struct
from scripts.reference import pages, structs, wire_format
from scripts.reference.source import load, render_docstring


class Sample(Struct, tag="sample"):
    """A struct to describe."""

    count: int
    """How many."""


@pytest.mark.parametrize("name", pages.PAGES)
def test_a_page_is_what_the_generator_writes(name: str) -> None:
    assert pages.is_current(name), f"docs/reference/{name} is stale: run scripts/generate-reference"


def test_a_stale_page_is_written_again_and_a_current_one_is_left_alone(tmp_path: Path) -> None:
    assert set(pages.write(tmp_path)) == set(pages.PAGES)
    (tmp_path / "limits.md").write_text("# Limits\n", encoding="utf-8")
    assert not pages.is_current("limits.md", tmp_path)
    assert pages.write(tmp_path) == ["limits.md"]


def test_a_struct_is_described_in_the_order_of_its_encoding() -> None:
    text = structs.render_struct(load("ledger.blocks"), BlockHeader)
    places = [text.index(f"`{field}`") for field in BlockHeader.__struct_fields__]
    assert places == sorted(places)


def test_a_tag_takes_the_first_place_and_a_field_keeps_its_words() -> None:
    text = structs.render_struct(load(__name__), Sample)
    assert "Element 0 is the tag `sample`." in text
    assert "| 1 | `count` | `int` |  | How many. |" in text


def test_a_bound_is_its_value_and_not_its_name() -> None:
    source = load("ledger.transactions")
    text = structs.render_struct(source, source.module.Submission)
    assert f"1 to {limits.SUBMISSION_TRANSACTIONS_MAX} items" in text


@pytest.mark.parametrize("tag", ["xinpei/block/v1", "xinpei/transaction/v1", "xinpei/sign/{purpose}/v1"])
def test_every_tag_stands_on_the_page(tag: str) -> None:
    assert f"`{tag}`" in wire_format.render()


def test_rules_of_a_docstring_become_a_list_and_tables_stay_as_they_are() -> None:
    rendered = render_docstring(
        "Title.\n\nRules:\n\n    1. One,\n       still one.\n    2. Two.\n\n    a    b\n\n    c    d"
    )
    assert rendered == "Title.\n\nRules:\n\n1. One,\n   still one.\n2. Two.\n\n```text\na    b\n\nc    d\n```"
