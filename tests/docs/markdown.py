"""The documentation as data: its pages, fenced blocks, links and commands."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md"), *(ROOT / "tests").rglob("*.md")])
FENCE = re.compile(r"^( *)```([^\n`]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    language: str
    """The fence's first word."""
    title: str
    """What follows it."""
    text: str


def name(path: Path) -> str:
    """Return a page as the reader of a failure knows it."""
    return path.relative_to(ROOT).as_posix()


def read(page: str) -> str:
    """Return a page of the repository."""
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(text: str) -> list[Block]:
    """Return the fenced blocks of a page, in order."""
    found = []
    for indent, info, body in FENCE.findall(text):
        language, _, title = info.partition(" ")
        lines = [line.removeprefix(indent) for line in body.splitlines()]
        found.append(Block(language, title, "\n".join(lines) + "\n"))
    return found


def prose(text: str) -> str:
    """Return a page without its fenced blocks."""
    return FENCE.sub("", text)


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    found: dict[str, int] = {}
    result = set()
    for heading in re.findall(r"^#+ (.+)$", prose(text), re.MULTILINE):
        plain = re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", heading).replace("`", "")
        anchor = re.sub(r"[^\w\- ]", "", plain.lower()).strip().replace(" ", "-")
        count = found.get(anchor, 0)
        found[anchor] = count + 1
        result.add(f"{anchor}-{count}" if count else anchor)
    return result


def links(text: str) -> list[str]:
    """Return the targets of a page's links and pictures."""
    without_code = INLINE.sub("", prose(text))
    return [target.split(" ")[0] for target in re.findall(r"\]\(([^)]+)\)", without_code)]


def commands(text: str) -> Iterator[tuple[str, bool]]:
    """Yield every `xinpei ...` that a page shows, and whether it is a whole command line: a line of a shell block."""
    for block in blocks(text):
        if block.language not in {"bash", "console", "shell", "sh"}:
            continue
        for line in re.sub(r"\\\n\s*", " ", block.text).splitlines():
            command = line.strip().removeprefix("$ ").strip()
            if command.startswith("xinpei "):
                yield command, True
    for code in INLINE.findall(prose(text)):
        if code.startswith("xinpei ") and "..." not in code:
            yield code, False
