"""All generated pages: what each is rendered by, and how they are written and compared."""

from collections.abc import Callable
from pathlib import Path

from scripts.reference import commands, contracts, limits, routes, wire_format
from scripts.reference.source import ROOT

REFERENCE = ROOT / "docs" / "reference"

PAGES: dict[str, Callable[[], str]] = {
    "wire-format.md": wire_format.render,
    "limits.md": limits.render,
    "contracts.md": contracts.render,
    "cli.md": commands.render,
    "api.md": routes.render,
}


def is_current(name: str, folder: Path = REFERENCE) -> bool:
    """Whether a page says what the code says."""
    path = folder / name
    return path.exists() and path.read_text(encoding="utf-8") == PAGES[name]()


def write(folder: Path = REFERENCE) -> list[str]:
    """Write the pages that are not current; return their names."""
    stale = [name for name in PAGES if not is_current(name, folder)]
    for name in stale:
        (folder / name).write_text(PAGES[name](), encoding="utf-8")
    return stale
