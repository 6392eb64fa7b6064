"""Links lead somewhere, and every page is reached from the index."""

from pathlib import Path

import pytest

from tests.docs.markdown import PAGES, ROOT, anchors, links, name, prose

NO_LINK = ("http://", "https://", "mailto:")


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in links(path.read_text(encoding="utf-8")):
        if target.startswith(NO_LINK):
            continue
        file, _, anchor = target.partition("#")
        found = path if not file else (path.parent / file).resolve()
        assert found.exists(), f"{target} does not exist"
        assert found.is_relative_to(ROOT), f"{target} leads out of the repository"
        if anchor:
            assert anchor in anchors(found.read_text(encoding="utf-8")), f"{target}: no such heading"


def test_every_page_is_reached_from_the_index() -> None:
    index = ROOT / "docs" / "README.md"
    reached = {(index.parent / target).resolve() for target in links(index.read_text(encoding="utf-8"))}
    pages = {path for path in (ROOT / "docs").rglob("*.md") if path != index and "examples" not in path.parts}
    assert sorted(name(path) for path in pages - reached) == []


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_a_page_has_one_title_and_it_comes_first(path: Path) -> None:
    text = prose(path.read_text(encoding="utf-8"))
    assert text.startswith("# ")
    assert text.count("\n# ") == 0
