"""A module's text: docstrings, the strings below fields and constants, annotations as they are written.

Values come from importing a module, words from its syntax tree: a string below a field is not there at run time.
"""

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]

Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


class Source:
    """One module: what it is when imported, and what its text says."""

    def __init__(self, module: ModuleType) -> None:
        """Read the text of an imported module."""
        assert module.__file__ is not None, "a module of this repository has a file"
        self.name = module.__name__
        self.module = module
        self.tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))

    @property
    def docstring(self) -> str:
        """The module's docstring as Markdown."""
        return render_docstring(ast.get_docstring(self.tree) or "")

    @property
    def summary(self) -> str:
        """The docstring's first line."""
        return first_line(ast.get_docstring(self.tree))

    def definition(self, name: str) -> ast.ClassDef:
        """Return the class of this name at the module's top level."""
        return next(node for node in self.tree.body if isinstance(node, ast.ClassDef) and node.name == name)

    def constants(self) -> Iterator[tuple[str, ast.expr, str]]:
        """Yield the module's assignments: name, expression, and the string below."""
        for node, text in with_text(self.tree.body):
            if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
                yield node.targets[0].id, node.value, text


@cache
def load(name: str) -> Source:
    """Return a module of this repository by its dotted name."""
    return Source(importlib.import_module(name))


def list_modules(package: str) -> list[str]:
    """Return the dotted names of a package and everything below it, sorted."""
    root = importlib.import_module(package)
    names = [item.name for item in pkgutil.walk_packages(root.__path__, f"{package}.")]
    return sorted([package, *names])


def with_text(body: list[ast.stmt]) -> Iterator[tuple[ast.stmt, str]]:
    """Yield each statement with the string that stands directly below it, empty where there is none."""
    for place, node in enumerate(body):
        below = body[place + 1] if place + 1 < len(body) else None
        text = ""
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) and isinstance(below.value.value, str):
            text = " ".join(below.value.value.split())
        yield node, text


def fields(definition: ast.ClassDef) -> Iterator[tuple[str, ast.expr, ast.expr | None, str]]:
    """Yield a class's annotated fields: name, annotation, default, and the string below."""
    for node, text in with_text(definition.body):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id, node.annotation, node.value, text


def first_line(docstring: str | None) -> str:
    """Return the first sentence-like line of a docstring."""
    return (docstring or "").strip().split("\n", 1)[0]


def render_docstring(text: str) -> str:
    """Return a docstring as Markdown: indented tables become preformatted text, numbered rules become lists."""
    blocks: list[str] = []
    for block in _join_indented(re.split(r"\n\s*\n", text.strip("\n"))):
        dedented = "\n".join(line.removeprefix("    ") for line in block.split("\n"))
        is_text = _is_indented(block) and not _is_rule(block)
        blocks.append(f"```text\n{dedented.rstrip()}\n```" if is_text else dedented)
    return "\n\n".join(blocks)


def _join_indented(blocks: list[str]) -> Iterator[str]:
    """Yield the blocks, neighbouring tables joined into one, rules each by itself."""
    pending = ""
    for block in blocks:
        if _is_indented(block) and not _is_rule(block):
            pending = f"{pending}\n\n{block}" if pending else block
            continue
        if pending:
            yield pending
        pending = ""
        yield block
    if pending:
        yield pending


def _is_indented(block: str) -> bool:
    return block.startswith("    ")


def _is_rule(block: str) -> bool:
    return re.match(r" {4}\d+\. ", block) is not None


def cell(text: str) -> str:
    """Return text for a Markdown table's cell."""
    return " ".join(text.split()).replace("|", "\\|")


def code(text: str) -> str:
    """Return code for a Markdown table's cell."""
    return f"`{cell(text)}`" if text else ""


def table(*columns: str, rows: Sequence[tuple[str, ...]]) -> str:
    """Return a Markdown table; empty if it has no rows."""
    if not rows:
        return ""
    lines = [columns, tuple("---" for _ in columns), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def page(title: str, *parts: str) -> str:
    """Return a generated page: its title, the note that it is generated, and its parts."""
    note = "<!-- Written by scripts/generate-reference from the code: change that, and run it again. -->"
    return "\n\n".join([f"# {title}", note, *(part.strip("\n") for part in parts if part.strip())]) + "\n"
